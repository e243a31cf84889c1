//! Layouts, which map the fields of a part's text to columns: which field goes where, its type, and which texts are
//! null.

use crate::codec::value::Zone;
use crate::model::Quotes;
use arrow::datatypes::{DataType, SchemaRef, TimeUnit};
use std::sync::Arc;

/// The type that a text cell becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CellType {
    String,
    Double,
    Int64,
    Boolean,
    Date,
    /// In UTC if the texts have a zone.
    Timestamp(Zone),
    /// The same in nanoseconds.
    Nanoseconds(Zone),
}

impl CellType {
    pub(crate) fn data_type(self) -> DataType {
        match self {
            CellType::String => DataType::Utf8,
            CellType::Double => DataType::Float64,
            CellType::Int64 => DataType::Int64,
            CellType::Boolean => DataType::Boolean,
            CellType::Date => DataType::Date32,
            CellType::Timestamp(zone) => DataType::Timestamp(TimeUnit::Microsecond, name_of(zone)),
            CellType::Nanoseconds(zone) => DataType::Timestamp(TimeUnit::Nanosecond, name_of(zone)),
        }
    }

    pub(crate) fn is_numeric(self) -> bool {
        matches!(self, CellType::Double | CellType::Int64)
    }
}

fn name_of(zone: Zone) -> Option<Arc<str>> {
    match zone {
        Zone::Utc => Some("UTC".into()),
        Zone::None => None,
    }
}

/// The mapping of one part's fields to columns.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    /// The names of its fields.
    pub(crate) header: Arc<[String]>,
    /// Whether the names are in the part's first line.
    pub(crate) has_header: bool,
    pub(crate) quotes: Quotes,
    /// For each column of the output, the field to read it from; `None` if the part lacks it.
    pub(crate) fields: Vec<Option<usize>>,
}

/// What is the same for every segment of a run.
#[derive(Debug, Clone)]
pub(crate) struct Typing {
    pub(crate) schema: SchemaRef,
    pub(crate) types: Vec<CellType>,
    /// Texts that mean null, besides an empty cell.
    pub(crate) nulls: Vec<Vec<u8>>,
    /// The number of source columns at the schema's end, which are not read.
    pub(crate) constants: usize,
}

/// The cells of one column in a block whose delimiters are known.
#[derive(Clone, Copy)]
pub(super) struct BlockCells<'a> {
    pub(super) block: &'a [u8],
    pub(super) ends: &'a [u32],
    pub(super) width: usize,
    pub(super) field: usize,
    /// Bytes of each row's last field that belong to its line end.
    pub(super) trim: usize,
}

impl<'a> BlockCells<'a> {
    #[inline(always)]
    pub(super) fn iter(self) -> impl ExactSizeIterator<Item = &'a [u8]> {
        let BlockCells { block, ends, width, field, trim } = self;
        let trim = if field + 1 == width { trim } else { 0 };
        let mut line = 0;
        ends.chunks_exact(width).map(move |row| {
            let start = if field == 0 { line } else { row[field - 1] as usize + 1 };
            line = row[width - 1] as usize + 1;
            &block[start..row[field] as usize - trim]
        })
    }
}

impl Typing {
    #[inline]
    pub(super) fn is_null(&self, cell: &[u8], cell_type: CellType) -> bool {
        cell.is_empty()
            || (cell_type.is_numeric() && cell == b"not defined")
            || (!self.nulls.is_empty() && self.nulls.iter().any(|null| null == cell))
    }
}
