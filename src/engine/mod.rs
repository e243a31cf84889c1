//! The engine: writes the files of a plan, each by the strategy that the plan names. Copies bytes, copies row groups,
//! has the server copy, or transcodes. Makes no decisions (`plan` does) and publishes nothing (`run` does).
//!
//! Async code moves bytes; threads decode and encode. In this room they meet in `threads` (single jobs), `workers`
//! (streams of items) and `row_group_reader` (a decoder that requests bytes). In rooms to the left they meet in
//! `store::object` (local files), `source::probe` (heads of local parts) and `source::chunks` (text that is fetched
//! ahead). All other code is on one side.

mod context;
mod copy_bytes;
mod copy_on_server;
mod copy_row_groups;
mod csv_file;
mod open_file;
mod parquet_file;
mod piece;
mod read;
mod resplit;
mod row_group;
mod row_group_reader;
mod row_groups;
pub(crate) mod rows;
mod threads;
mod transcode;
mod workers;
mod write;

pub(crate) use context::Context;
pub(crate) use open_file::{Finished, abort, made_folders, marker, publish, write_each};
pub(crate) use parquet_file::note_digest;
pub use read::{Rows, query, read};
pub(crate) use rows::rows;
pub(crate) use threads::CpuPool;
pub(crate) use write::write_all;
