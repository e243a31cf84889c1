//! Plans of work that is divided: a share of a plan, and the plan that makes the same output from what was made of its
//! shares.

use super::decided::{Origin, RunPlan, Way};
use super::output::{Output, Outputs, PlannedOutput};
use super::{on_server, strategy};
use crate::model::{Compression, Error, Format, Options, Pattern, PlannedRequests, Result};
use crate::source::{Input, Share};
use crate::store::{Location, Object};

use std::collections::HashSet;
use std::sync::Arc;

impl RunPlan {
    /// The plan of a share of its rows, as a file or part files that are merged later: the same rows in the same form,
    /// without what only a whole output has.
    pub(crate) fn share(
        &self,
        shares: &[Share],
        output: Output,
        outputs: Vec<PlannedOutput>,
    ) -> Result<RunPlan> {
        let input = Arc::new(self.input.share(shares));
        let objects: Vec<Object> = input.parts.iter().map(|part| Object::clone(&part.object)).collect();
        // With a fixed time, a file would be known by its size only.
        let mut options =
            Options { no_receipt: true, overwrite: false, written: None, ..self.options.clone() };
        options.select.expect_parts = None;
        options.select.expect_rows = None;
        // These are of the whole output, and of no use here.
        options.bloom_filters = Vec::new();
        let way = match self.way {
            Way::Transcode => Way::Transcode,
            _ if self.to == Format::Csv => Way::CopyBytes,
            _ => Way::CopyRowGroups,
        };
        Ok(RunPlan {
            source: self.source.with_parts(objects)?,
            output,
            options,
            input,
            to: self.to,
            // Text is compressed when it is whole.
            compression: if self.to == Format::Csv { Compression::None } else { self.compression },
            way,
            why: self.why.clone(),
            outputs: Outputs::Files(outputs),
            identity: self.identity,
            replaces_receipt: false,
            unended: HashSet::new(),
            found_in_folder: 0,
            requests: PlannedRequests::default(),
            origin: None,
        })
    }

    /// The plan that makes the same output from parts that already hold its rows, in order.
    pub(crate) async fn over(
        self,
        source: Location,
        names: Pattern,
        input: Input,
        rows: Vec<Option<u64>>,
    ) -> Result<RunPlan> {
        let mut options = Options::default();
        options.select.pattern = names;
        options.memory = self.options.memory;
        options.threads = self.options.threads;
        options.overwrite = self.options.overwrite;
        options.no_receipt = self.options.no_receipt;
        options.written = self.options.written;
        // What row groups that are copied do not have.
        options.bloom_filters.clone_from(&self.options.bloom_filters);
        options.row_group_rows = self.options.row_group_rows;
        options.on_server = self.options.on_server;
        let (way, why) = strategy::strategy(&input, self.to, &options);
        let parts = input.parts.len();
        let outputs = match &self.outputs {
            Outputs::Files(files) if matches!(self.output, Output::Folder(_)) => files
                .iter()
                .map(|file| PlannedOutput { target: file.target.clone(), parts: file.parts.clone() })
                .collect(),
            Outputs::Files(files) => files
                .iter()
                .map(|file| PlannedOutput { target: file.target.clone(), parts: 0..parts })
                .collect(),
            Outputs::Resplit(_) => {
                return Err(Error::Internal("a split output is not made from pieces".into()));
            }
        };
        let mut plan = RunPlan {
            source,
            output: self.output.clone(),
            options,
            input: Arc::new(input),
            to: self.to,
            compression: self.compression,
            way,
            why,
            outputs: Outputs::Files(outputs),
            identity: self.identity,
            replaces_receipt: self.replaces_receipt,
            unended: self.unended.clone(),
            found_in_folder: self.found_in_folder,
            requests: PlannedRequests::default(),
            origin: None,
        };
        Box::pin(on_server::leave_to_server(&mut plan)).await?;
        plan.origin = Some(Box::new(Origin { plan: self, rows }));
        Ok(plan)
    }
}
