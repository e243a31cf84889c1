//! Bytes to rows and back, by format: [`value`] is one cell, [`csv`] and [`parquet`] are whole files. Everything here is
//! synchronous, works on memory that it is handed, and knows neither a store nor a clock.

mod buffers;
pub(crate) mod csv;
pub(crate) mod filter;
mod guard;
pub(crate) mod parquet;
pub(crate) mod value;

pub(crate) use buffers::Buffers;
pub(crate) use guard::guard;
