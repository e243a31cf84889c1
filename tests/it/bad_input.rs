//! Bad input: each kind has its exit code and a message that says where and what, with the value and what helps, and
//! leaves every file as it was: no output, no temporary. Nothing panics.

mod access;
mod checksums;
mod csv;
mod hostile;
mod parquet_files;
mod sets;
mod usage;

pub(crate) use checksums::with_checksums;
