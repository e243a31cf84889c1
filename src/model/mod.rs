//! The vocabulary of all other rooms: errors as data, options, names of parts, rules on column names, progress, bounds
//! on memory. Plain data, no input or output.

mod budget;
mod columns;
mod csv_text;
mod data_error;
mod difference;
mod error;
mod escaped;
mod filter;
mod format;
mod gap;
mod incomplete;
mod job_problem;
mod kind;
mod limit;
mod listed;
mod named;
mod naming;
mod not_found;
mod options;
mod output_exists;
mod place_problem;
mod progress;
mod query;
mod redacted;
mod remedy;
mod requests;
mod setting;
mod store_problem;
mod strategy;
mod usage;
mod value_kind;
mod warning;
mod why;

pub(crate) use budget::{
    BATCH_ROWS, Budget, COMPRESSED_BYTES, DEFAULT_MEMORY, MAX_RECORD_BYTES, ROW_GROUP_BYTES, ROW_GROUP_ROWS,
    TRANSFER_BYTES,
};
pub use columns::ColumnSummary;
pub(crate) use columns::{
    MEANING_KEY, SOURCE_COLUMNS, UUID, column_summaries, is_impact_score, is_metric, is_named_quantile,
    is_quantile, is_time_column, kind_of, meaning, type_name,
};
pub use csv_text::HeaderMode;
pub(crate) use csv_text::Quotes;
pub use data_error::{DataError, DataErrorKind};
pub use difference::{Difference, DifferenceKind};
pub use error::{Error, Result};
pub use escaped::Escaped;
pub(crate) use escaped::is_override;
pub use filter::{Comparison, Filter, FilterColumn, Literal, column};
pub use format::{Compression, Format};
pub(crate) use format::{GZIP_LEVELS, ZSTD_LEVELS};
pub use gap::Gap;
pub use incomplete::{Incomplete, LastAnswer};
pub use job_problem::{ArnProblem, EventProblem};
pub use kind::Kind;
pub use limit::Limit;
#[cfg(any(feature = "aws", feature = "gcp", feature = "azure"))]
pub(crate) use limit::causes;
pub(crate) use limit::panic_text;
pub(crate) use named::Named;
pub use naming::{GapRule, PartName, PartNumber, Pattern, Preset, RunStamp};
pub(crate) use naming::{MARKERS, RECEIPT_ENDING, is_receipt, strip_extension};
pub use not_found::{Missing, NotFound};
pub(crate) use options::cores;
pub use options::{
    BinaryText, ColumnType, InventoryOptions, OnServer, Options, RunChoice, SchemaMode, Selection, Split,
    parse_duration, parse_since, parse_size,
};
pub use output_exists::{ExistsWhy, OutputExists};
pub use place_problem::PlaceProblem;
pub use progress::{Event, Phase, WrittenFile};
pub(crate) use progress::{Progress, attend, stopped};
pub use query::Query;
pub use redacted::{keep_secret, redacted, without_secrets};
pub use remedy::{Permission, Remedy};
pub(crate) use requests::pages_of;
pub use requests::{PlannedRequests, Requests};
pub use setting::{Setting, SettingName};
pub use store_problem::{Origin, StoreProblem, TagProblem};
pub use strategy::Strategy;
pub use usage::UsageError;
pub use value_kind::ValueKind;
pub use warning::Warning;
pub use why::{Why, WhyNotOnServer};
