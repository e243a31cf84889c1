//! Shares of an input: some of its parts, or ranges within them, in order. A run over a share reads nothing else.

use super::csv_head::CsvHead;
use super::export::Export;
use super::input::{Contents, Input, PlannedPart};
use super::relisting::Relisting;
use super::unwrap::Wrapping;
use crate::model::{Quotes, Requests};

use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::sync::Arc;

/// What is wanted of one part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Share {
    /// The part's index.
    pub(crate) part: usize,
    /// Positions of bytes in a CSV part, or indexes of row groups in a Parquet part; `None` for all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) range: Option<Range<u64>>,
}

impl PlannedPart {
    /// The range of a part's rows if it can be cut within: CSV whose bytes are its text, and whose quotes say by
    /// themselves where a cell ends.
    pub(crate) fn text_to_cut(&self) -> Option<(&Arc<CsvHead>, Range<u64>)> {
        match &self.contents {
            Contents::Csv { head, layout }
                if head.wrapping == Wrapping::Plain && layout.quotes == Quotes::Doubled =>
            {
                Some((head, head.body..self.object.size))
            }
            _ => None,
        }
    }

    fn narrowed(&self, range: Option<&Range<u64>>) -> PlannedPart {
        let contents = match (&self.contents, range) {
            (Contents::Empty, _) => Contents::Empty,
            (Contents::Csv { head, layout }, None) => {
                Contents::Csv { head: Arc::clone(head), layout: Arc::clone(layout) }
            }
            (Contents::Csv { head, layout }, Some(range)) => {
                let head = CsvHead { body: range.start, end: Some(range.end), ..CsvHead::clone(head) };
                Contents::Csv { head: Arc::new(head), layout: Arc::clone(layout) }
            }
            (Contents::Parquet { footer, shape }, None) => {
                Contents::Parquet { footer: footer.clone(), shape: Arc::clone(shape) }
            }
            (Contents::Parquet { footer, shape }, Some(range)) => {
                let groups = range.start as usize..range.end as usize;
                Contents::Parquet { footer: footer.narrowed(groups), shape: Arc::clone(shape) }
            }
        };
        PlannedPart { object: Arc::clone(&self.object), contents, constants: self.constants.clone() }
    }
}

impl Input {
    /// The same input with only these shares.
    pub(crate) fn share(&self, shares: &[Share]) -> Input {
        let parts: Vec<PlannedPart> =
            shares.iter().map(|share| self.parts[share.part].narrowed(share.range.as_ref())).collect();
        let is_wanted = |key: &str| parts.iter().any(|part| part.object.key == key);
        let narrow = |export: &Export| {
            let parts = export.parts.iter().filter(|part| is_wanted(&part.object.key)).cloned().collect();
            Export { parts, ..export.clone() }
        };
        let exports = self.exports.iter().map(narrow).filter(|export| !export.parts.is_empty()).collect();
        Input {
            store: self.store.clone(),
            exports,
            relisting: Relisting::whole(Requests::default()),
            kind: self.kind,
            parts,
            format: self.format,
            schema: Arc::clone(&self.schema),
            carried: self.carried.clone(),
            typing: Arc::clone(&self.typing),
            warnings: Vec::new(),
            is_uniform: self.is_uniform,
            has_names: self.has_names,
        }
    }
}
