//! A finished plan: what a run does, or why there is nothing to do.

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

/// All decisions of a run, made before anything is written. Its `Display` is the dry run.
pub enum Plan {
    /// There is something to do.
    Run(Box<RunPlan>),
    /// The output is already what a run would write, so there is nothing to do.
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
    /// A number shared by exactly the runs over the same parts with the same options.
    pub(crate) identity: u64,
    /// Whether the file in the receipt's place may be replaced: it is a receipt, or the user asked to replace it.
    pub(crate) replaces_receipt: bool,
    /// Names of files in the output's folder that an unfinished run over the same parts has published.
    pub(crate) unended: HashSet<String>,
    /// The number of objects in and below the output's folder.
    pub(crate) found_in_folder: u64,
    pub(crate) requests: PlannedRequests,
    /// If the parts that are read were made from others, what they were made from.
    pub(crate) origin: Option<Box<Origin>>,
}

/// The plan whose rows the parts of another plan already hold.
pub(crate) struct Origin {
    pub(crate) plan: RunPlan,
    /// The rows of each of its parts.
    pub(crate) rows: Vec<Option<u64>>,
}

/// [`RunPlan::identity`].
pub(super) fn identity(input: &Input, options: &ReceiptOptions) -> u64 {
    let parts = input.parts.iter().map(|part| &part.object);
    let parts: Vec<_> = parts.map(|part| (&part.url, part.size, &part.e_tag, part.modified)).collect();
    let json = serde_json::to_vec(&(parts, options, env!("CARGO_PKG_VERSION"))).unwrap_or_default();
    let hash = blake3::hash(&json);
    u64::from_le_bytes(*hash.as_bytes().first_chunk().unwrap_or(&[0; 8]))
}

/// How to make the files from the parts, with the data that needs.
#[derive(Debug)]
pub(crate) enum Way {
    CopyOnServer(ServerMerge),
    CopyBytes,
    CopyRowGroups,
    Transcode,
}

/// An output that is up to date, according to its receipt.
pub struct UpToDate {
    pub(crate) source: Location,
    pub(crate) exports: Vec<Export>,
    pub(crate) receipt: Receipt,
    pub(crate) files: Vec<WrittenFile>,
    pub(crate) warnings: Vec<Warning>,
    pub(crate) requests: PlannedRequests,
}

/// Bytes held of each file of a resplit output before its upload begins.
const HELD_BYTES: usize = 64 * 1024;

impl Plan {
    /// Whether the output is up to date, according to its receipt, so that a run does nothing.
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

    /// The strategy that will be used, or was used.
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

    /// Rows of all parts, if their footers or a receipt tell.
    pub fn rows(&self) -> Option<u64> {
        match self {
            Plan::Run(plan) => plan.input.rows(),
            Plan::UpToDate(done) => done.receipt.rows,
        }
    }

    /// Warnings: unusual findings that are not errors.
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
    /// What the output was made from, and how.
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

    /// The plan that names what the output is made from: this one, or the one that its parts were made by.
    pub(crate) fn first(&self) -> &RunPlan {
        self.origin.as_ref().map_or(self, |origin| &origin.plan)
    }

    /// The contents of a receipt; `rows_of` returns the rows of parts without a footer.
    pub(crate) fn receipt_parts(
        &self,
        parts: Range<usize>,
        digest: Option<String>,
        rows_of: &dyn Fn(usize) -> Option<u64>,
    ) -> ReceiptParts<'_> {
        if let Some(origin) = &self.origin {
            // A file of a conversion is made from one part, as the part that it is copied from.
            let all = 0..origin.plan.input.parts.len();
            let parts = if matches!(self.output, Output::Folder(_)) { parts } else { all };
            return origin.plan.receipt_parts(parts, digest, &|part| origin.rows[part]);
        }
        let rows = parts.clone().map(|part| self.input.parts[part].rows().or_else(|| rows_of(part)));
        ReceiptParts {
            input: &self.input,
            source: &self.source,
            rows: rows.collect(),
            parts,
            strategy: self.way.strategy(),
            options: ReceiptOptions::new(self.to, &self.compression.to_string(), &self.options),
            columns: column_summaries(&self.input.schema),
            digest,
            is_reproducible: self.options.written.is_some(),
        }
    }

    /// Whether the run may write a file of this name.
    pub(crate) fn is_output(&self, name: &str) -> bool {
        match &self.outputs {
            Outputs::Files(files) => {
                files.iter().filter_map(|file| file.target.location()).any(|file| file.split().1 == name)
            }
            Outputs::Resplit(_) => self.options.select.pattern.parse("", name).is_some(),
        }
    }

    /// Whether a file of this name may replace an existing one.
    pub(crate) fn overwrites(&self, name: &str) -> bool {
        self.options.overwrite || self.unended.contains(name)
    }

    /// How to write one of this many files.
    pub(crate) fn sink_options(&self, budget: Budget, files: usize, output: &PlannedOutput) -> SinkOptions {
        let parts = &self.input.parts[output.parts.clone()];
        let bytes: u64 = parts.iter().map(|part| part.object.size).sum();
        // Parquet becomes roughly four times its size as text.
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

    /// How to write a file of a resplit output.
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

    /// The place of a receipt that is a separate file; `None` if it is in the output itself, or there is none.
    pub(crate) fn receipt_place(&self) -> Option<Location> {
        if self.options.no_receipt {
            return None;
        }
        match (&self.output, self.to) {
            (Output::File(location), Format::Csv) if !self.output.is_written_straight() => {
                Some(receipt::beside(location))
            }
            (Output::Folder(folder), _) => {
                Some(folder.child(&receipt::name_in_folder(&self.first().input.exports)))
            }
            _ => None,
        }
    }

    /// How the server merges, if it does.
    pub(crate) fn on_server(&self) -> Option<&ServerMerge> {
        match &self.way {
            Way::CopyOnServer(merge) => Some(merge),
            _ => None,
        }
    }

    /// Whether to run again without the server's help after this error.
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
