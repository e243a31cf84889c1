//! Sources: takes objects and their names, returns exports with their parts in order, gaps and duplicates, and, once
//! heads and footers are read, one schema and an [`Input`] that the engine can read. Never writes.

mod aggregates;
mod chunks;
mod csv_head;
pub(crate) mod export;
mod footer;
mod header;
mod input;
mod looks_like;
mod narrow;
mod parquet_columns;
mod probe;
mod relisting;
pub(crate) mod schema;
mod share;
mod unwrap;

pub(crate) use chunks::{Chunk, Text, TextPart, fetched_ranges};
pub(crate) use csv_head::{CsvHead, CsvReading, LineEnd};
pub use export::{Export, Found, Part};
pub(crate) use footer::Footer;
pub(crate) use header::first_lines_are_headers;
pub use input::find;
pub(crate) use input::{
    Chosen, Contents, CsvCells, Input, PlannedPart, choose, column_names, find_again, input, look,
    look_at_output, rows_missing,
};
pub(crate) use probe::{Probe, probe, probe_as_answered};
pub(crate) use relisting::Relisting;
pub(crate) use share::Share;
pub(crate) use unwrap::Wrapping;
