//! A plan once everything is decided: what a run does, or why there is nothing to do.

use super::output::{Output, Outputs, PlannedOutput, Resplit};
use super::receipt::{self, Receipt, ReceiptOptions, ReceiptParts};
use super::server_merge::ServerMerge;
use crate::model::{
    Budget, Compression, Format, OnServer, Options, PlannedRequests, Split, Strategy, TRANSFER_BYTES,
    Warning, Why, WrittenFile, column_summaries,
};
use crate::sink::SinkOptions;
use crate::source::{Export, Input};
use crate::store::{COPYING, ContentType, Location};
use arrow::datatypes::SchemaRef;
use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

/// Everything that was decided, before anything is written. Its `Display` is the dry run.
pub enum Plan {
    /// Something is to be done.
    Run(Box<RunPlan>),
    /// The output is there already, as a run would write it: nothing is to be done.
    UpToDate(Box<UpToDate>),
}

/// What a run will do.
pub struct RunPlan {
    pub(crate) source: Location,
    pub(crate) output: Output,
    pub(crate) options: Options,
    pub(crate) input: Arc<Input>,
    pub(crate) to: Format,
    pub(crate) compression: Compression,
    pub(crate) way: Way,
    pub(crate) why: Why,
    pub(crate) outputs: Outputs,
    /// A number that runs over the same parts with the same options have in common, and no others.
    pub(crate) identity: u64,
    /// What lies where the receipt is to go is a receipt, or was asked to be replaced.
    pub(crate) replaces_receipt: bool,
    /// The names of files in the output's folder that an unended run over the same parts has published.
    pub(crate) unended: HashSet<String>,
    /// Objects that lie in and below the output's folder.
    pub(crate) found_in_folder: u64,
    pub(crate) requests: PlannedRequests,
}

/// [`RunPlan::identity`].
pub(super) fn identity(input: &Input, options: &ReceiptOptions) -> u64 {
    let parts = input.parts.iter().map(|part| &part.object);
    let parts: Vec<_> = parts.map(|part| (&part.url, part.size, &part.e_tag, part.modified)).collect();
    let json = serde_json::to_vec(&(parts, options, env!("CARGO_PKG_VERSION"))).unwrap_or_default();
    let hash = blake3::hash(&json);
    u64::from_le_bytes(*hash.as_bytes().first_chunk().unwrap_or(&[0; 8]))
}

/// How the files are made of the parts, with what that takes.
#[derive(Debug)]
pub(crate) enum Way {
    CopyOnServer(ServerMerge),
    CopyBytes,
    CopyRowGroups,
    Transcode,
}

/// An output that is what a run would write, as its receipt says.
pub struct UpToDate {
    pub(crate) source: Location,
    pub(crate) exports: Vec<Export>,
    pub(crate) receipt: Receipt,
    pub(crate) files: Vec<WrittenFile>,
    pub(crate) warnings: Vec<Warning>,
    pub(crate) requests: PlannedRequests,
}

/// Bytes that are held, before its upload begins, of each file of an output that is cut anew.
const HELD_BYTES: usize = 64 * 1024;

impl Plan {
    /// Whether the output is there already, as its receipt says: a run does nothing.
    pub fn is_up_to_date(&self) -> bool {
        matches!(self, Plan::UpToDate(_))
    }

    /// The format of the output.
    pub fn to(&self) -> Format {
        match self {
            Plan::Run(plan) => plan.to,
            Plan::UpToDate(done) => done.receipt.options.to,
        }
    }

    /// How it will be done, or was done.
    pub fn strategy(&self) -> Strategy {
        match self {
            Plan::Run(plan) => plan.way.strategy(),
            Plan::UpToDate(done) => done.receipt.strategy,
        }
    }

    /// Bytes of all parts.
    pub fn bytes(&self) -> u64 {
        match self {
            Plan::Run(plan) => plan.input.bytes(),
            Plan::UpToDate(done) => done.exports.iter().map(Export::bytes).sum(),
        }
    }

    /// Rows of all parts, where their footers or a receipt tell.
    pub fn rows(&self) -> Option<u64> {
        match self {
            Plan::Run(plan) => plan.input.rows(),
            Plan::UpToDate(done) => done.receipt.rows,
        }
    }

    /// What is odd, but no error.
    pub fn warnings(&self) -> &[Warning] {
        match self {
            Plan::Run(plan) => &plan.input.warnings,
            Plan::UpToDate(done) => &done.warnings,
        }
    }
}

impl Way {
    pub(crate) fn strategy(&self) -> Strategy {
        match self {
            Way::CopyOnServer(_) => Strategy::CopyOnServer,
            Way::CopyBytes => Strategy::CopyBytes,
            Way::CopyRowGroups => Strategy::CopyRowGroups,
            Way::Transcode => Strategy::Transcode,
        }
    }
}

impl UpToDate {
    /// What the output was made of, and how.
    pub fn receipt(&self) -> &Receipt {
        &self.receipt
    }

    /// The files of the output.
    pub fn files(&self) -> &[WrittenFile] {
        &self.files
    }
}

impl RunPlan {
    /// The schema of the rows that are written.
    pub fn schema(&self) -> &SchemaRef {
        &self.input.schema
    }

    /// What a receipt is made of; `rows_of` tells the rows of parts that have no footer.
    pub(crate) fn receipt_parts<'a>(
        &'a self,
        parts: Range<usize>,
        digest: Option<String>,
        rows_of: &'a dyn Fn(usize) -> Option<u64>,
    ) -> ReceiptParts<'a> {
        ReceiptParts {
            input: &self.input,
            source: &self.source,
            parts,
            strategy: self.way.strategy(),
            options: ReceiptOptions::new(self.to, &self.compression.to_string(), &self.options),
            columns: column_summaries(&self.input.schema),
            digest,
            is_reproducible: self.options.written.is_some(),
            rows_of,
        }
    }

    /// Whether a file of this name may be one that the run writes.
    pub(crate) fn is_output(&self, name: &str) -> bool {
        match &self.outputs {
            Outputs::Files(files) => {
                files.iter().filter_map(|file| file.target.location()).any(|file| file.split().1 == name)
            }
            Outputs::Resplit(_) => self.options.select.pattern.parse("", name).is_some(),
        }
    }

    /// Whether a file of this name may take the place of what is there.
    pub(crate) fn overwrites(&self, name: &str) -> bool {
        self.options.overwrite || self.unended.contains(name)
    }

    /// How one of so many files is written.
    pub(crate) fn sink_options(&self, budget: Budget, files: usize, output: &PlannedOutput) -> SinkOptions {
        let parts = &self.input.parts[output.parts.clone()];
        let bytes: u64 = parts.iter().map(|part| part.object.size).sum();
        // Parquet unpacks to about four times its size as text.
        let unpacks = self.to == Format::Csv && self.input.format == Format::Parquet;
        SinkOptions {
            overwrite: self.overwrites(output.target.location().map_or("", |location| location.split().1)),
            expected_bytes: if unpacks { bytes * 6 } else { bytes },
            single_put_limit: (budget.prefetch / files.max(1)).min(TRANSFER_BYTES),
            reread: self.options.verify,
            content: ContentType::of(self.to, self.compression),
            run: Some(self.identity),
        }
    }

    /// How a file of an output that is cut anew is written.
    pub(crate) fn sink_options_of_cut(&self, resplit: &Resplit, file: &Location) -> SinkOptions {
        SinkOptions {
            overwrite: self.overwrites(file.split().1),
            expected_bytes: match resplit.split {
                Split::Bytes(bytes) => bytes,
                Split::Rows(_) => self.input.bytes(),
            },
            single_put_limit: HELD_BYTES,
            reread: self.options.verify,
            content: ContentType::of(self.to, self.compression),
            run: Some(self.identity),
        }
    }

    /// Where the receipt goes that is a file of its own; `None` where it is in the output itself, or there is none.
    pub(crate) fn receipt_place(&self) -> Option<Location> {
        if self.options.no_receipt {
            return None;
        }
        match (&self.output, self.to) {
            (Output::File(location), Format::Csv) if !self.output.is_written_straight() => {
                Some(receipt::beside(location))
            }
            (Output::Folder(folder), _) => Some(folder.child(&receipt::name_in_folder(&self.input.exports))),
            _ => None,
        }
    }

    /// How the server merges, where it does.
    pub(crate) fn on_server(&self) -> Option<&ServerMerge> {
        match &self.way {
            Way::CopyOnServer(merge) => Some(merge),
            _ => None,
        }
    }

    /// Whether a run that was refused this is made anew without the server's help.
    pub(crate) fn goes_on_without_server(&self, doing: &str) -> bool {
        doing == COPYING && self.on_server().is_some() && self.options.on_server != OnServer::Always
    }

    /// The same without the server's help.
    pub(crate) fn without_server(self) -> RunPlan {
        let way = match self.to {
            Format::Csv => Way::CopyBytes,
            Format::Parquet => Way::CopyRowGroups,
        };
        RunPlan { way, ..self }
    }
}
