//! What export files look like, each fact with a test: names, contents of CSV and Parquet, every kind of export, other
//! exporters, and real files where there are some. Values are read back by the crates `arrow` and `parquet`, text is
//! compared byte by byte.

mod contents;
mod convert;
mod exporters;
mod kinds;
mod names;
mod parquet_files;
mod real;
mod testdata;
mod values;

pub(crate) use parquet_files::rows;
