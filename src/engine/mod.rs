//! Doing: writes the files of a plan, each by the strategy that the plan names. Copies bytes, copies row groups, has the
//! server copy, or transcodes. Decides nothing and publishes nothing; `run` does that.
//!
//! Async code moves bytes, threads decode and encode. They meet in `threads` (single jobs), `workers` (chunks of text) and
//! `row_group_workers` (row groups); everything else is on one side.

mod context;
mod copy_bytes;
mod copy_on_server;
mod copy_row_groups;
mod files;
mod piece;
mod pool;
mod read;
mod row_group_reader;
mod row_group_workers;
mod row_groups;
pub(crate) mod rows;
mod text;
mod threads;
mod workers;

pub(crate) use context::Context;
pub(crate) use files::{Finished, abort, note_digest, publish, write_each, write_output, write_recut};
pub use read::{Rows, read};
pub(crate) use rows::rows;
pub(crate) use threads::Jobs;
