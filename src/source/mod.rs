//! What is there: takes objects and their names, returns exports with their parts in order, gaps and duplicates, and,
//! once heads and footers were read, one schema and an [`Input`] that the engine can read. Never writes.

mod aggregates;
mod chunks;
pub(crate) mod export;
mod input;
mod parquet_columns;
mod probe;
pub(crate) mod schema;

pub(crate) use chunks::{Chunk, Text, TextPart};
pub use export::{Export, Found, Part};
pub use input::find;
pub(crate) use input::{
    Chosen, Contents, CsvCells, Input, PlannedPart, choose, column_names, find_between, input, look,
    rows_missing,
};
pub(crate) use probe::{CsvHead, LineEnd, Probe, Wrapping, probe, probe_each};
