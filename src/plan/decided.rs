//! A plan once everything is decided.

use super::existing::Done;
use super::on_server::ServerMerge;
use super::output::{Output, PlannedOutput, Recut};
use super::receipt::{Made, ReceiptOptions};
use crate::model::{Compression, Error, Format, OnServer, Options, Strategy, column_summaries};
use crate::source::Input;
use crate::store::{COPYING, Location};
use arrow::datatypes::SchemaRef;
use std::sync::Arc;

/// Everything that was decided, before anything is written. Its `Display` is the dry run.
pub struct Plan {
    pub(crate) input: Arc<Input>,
    pub(crate) to: Format,
    pub(crate) compression: Compression,
    pub(crate) strategy: Strategy,
    pub(crate) why: String,
    pub(crate) outputs: Vec<PlannedOutput>,
    /// How the server does it, where it does.
    pub(crate) on_server: Option<ServerMerge>,
    /// Where a conversion that is cut anew makes its files, named from this part's name.
    pub(crate) recut: Option<Recut>,
    pub(crate) options: Options,
    pub(crate) source: Location,
    pub(crate) output: Output,
    /// The output is there already, as a run would write it.
    pub(crate) done: Option<Done>,
}

impl Plan {
    /// What a receipt is made of; `rows_of` tells the rows of parts that have no footer.
    pub(crate) fn made<'a>(
        &'a self,
        parts: std::ops::Range<usize>,
        digest: Option<String>,
        rows_of: &'a dyn Fn(usize) -> Option<u64>,
    ) -> Made<'a> {
        Made {
            input: &self.input,
            parts,
            strategy: self.strategy,
            options: ReceiptOptions::new(self.to, &self.compression.to_string(), &self.options),
            columns: column_summaries(&self.input.schema),
            digest,
            rows_of,
        }
    }

    /// Whether the output is there already, as its receipt says: a run does nothing.
    pub fn is_up_to_date(&self) -> bool {
        self.done.is_some()
    }

    /// The format of the output.
    pub fn to(&self) -> Format {
        self.to
    }

    /// How it will be done.
    pub fn strategy(&self) -> Strategy {
        self.strategy
    }

    /// The columns of the output.
    pub fn schema(&self) -> &SchemaRef {
        &self.input.schema
    }

    /// Bytes of all parts.
    pub fn bytes(&self) -> u64 {
        self.input.bytes()
    }

    /// Rows of all parts, where their footers or a receipt tell.
    pub fn rows(&self) -> Option<u64> {
        self.done.as_ref().and_then(|done| done.receipt.rows).or_else(|| self.input.rows())
    }

    /// What is odd, but no error.
    pub fn warnings(&self) -> &[String] {
        &self.input.warnings
    }

    /// Whether a run that ended in this error is made anew without the server's help.
    pub(crate) fn is_done_here_after(&self, error: &Error) -> bool {
        let is_refused = matches!(error, Error::Denied { doing: COPYING, .. });
        is_refused && self.on_server.is_some() && self.options.on_server != OnServer::Always
    }

    /// The same without the server's help.
    pub(crate) fn done_here(self) -> Plan {
        let strategy = match self.to {
            Format::Csv => Strategy::CopyBytes,
            Format::Parquet => Strategy::CopyRowGroups,
        };
        Plan { strategy, on_server: None, ..self }
    }
}
