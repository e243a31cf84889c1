//! Decodes bytes to rows and encodes them back, by format: [`value`] is for single cells, [`csv`] and [`parquet`] for
//! whole files. Everything here is synchronous, works on the memory passed to it, and uses neither a store nor a clock.

mod buffers;
pub(crate) mod csv;
pub(crate) mod filter;
mod guard;
pub(crate) mod parquet;
pub(crate) mod value;

pub(crate) use buffers::Buffers;
pub(crate) use guard::guard;
