//! Rows to bytes: synchronous, no I/O of its own, no clock. One file per format.

pub(crate) mod csv;
pub(crate) mod parquet;
