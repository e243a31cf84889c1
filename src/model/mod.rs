//! The words that every other room uses: errors, options, names of parts, rules on column names, progress, bounds on
//! memory. Plain data, no input or output.

mod budget;
mod columns;
mod difference;
mod error;
mod escaped;
mod naming;
mod options;
mod progress;
mod strategy;

pub(crate) use budget::{
    BATCH_ROWS, Budget, DEFAULT_MEMORY, MAX_RECORD_BYTES, ROW_GROUP_ROWS, TRANSFER_BYTES,
};
pub use columns::ColumnSummary;
pub(crate) use columns::{
    SOURCE_COLUMNS, column_summaries, is_impact_score, is_metric, is_named_quantile, is_quantile,
    is_time_column, kind_of, type_name,
};
pub use difference::{Difference, DifferenceKind};
pub use error::{DataError, Error, Result};
pub use escaped::Escaped;
pub(crate) use escaped::is_override;
pub use naming::{GapRule, Kind, PartName, PartNumber, Pattern, Preset, RunStamp};
pub(crate) use naming::{RECEIPT_ENDING, is_receipt, strip_extension};
pub(crate) use options::cores;
pub use options::{
    ColumnType, Compression, Format, OnServer, Options, RunChoice, SchemaMode, Selection, Split,
    parse_duration, parse_size,
};
pub use progress::{Event, WrittenFile};
pub(crate) use progress::{Progress, attend, stopped};
pub use strategy::Strategy;
