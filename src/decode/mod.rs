//! Bytes to rows: synchronous, no I/O of its own, no clock. One folder or file per format.

pub(crate) mod csv;
pub(crate) mod pages;
pub(crate) mod parquet;
