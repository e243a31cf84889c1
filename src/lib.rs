//! Finds, checks, merges and converts Amazon Forecast export files.
mod decode;
mod encode;
mod engine;
mod error;
mod export;
mod guard;
mod inventory;
mod listing;
mod location;
mod naming;
mod options;
mod plan;
mod probe;
mod schema;
mod sink;
mod value;

pub use engine::{Event, Report, Rows, WrittenFile, read, run, run_until};
pub use error::{DataError, Error, Escaped, Result};
pub use export::{Export, Found, Gap, Part};
pub use inventory::{
    ExportSummary, FileSummary, Inventory, PartState, PartSummary, SchemaSummary, inventory, schema,
};
pub use location::{Location, Object, StoreOptions};
pub use naming::{GapRule, Kind, PartName, PartNumber, Pattern, Preset, RunStamp};
pub use options::{
    ColumnType, Compression, Format, Options, RunChoice, SchemaMode, Selection, Split, parse_size,
};
pub use plan::{ColumnSummary, Output, Plan, PlanSummary, PlannedPartSummary, Strategy, find, plan};
