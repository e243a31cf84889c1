//! What a file holds and what is written: the contents of CSV and Parquet parts, the rules for values and outputs.
//! Values are read back by the crates `arrow` and `parquet`; text is compared byte by byte.
//!
//! Whether a file has a header is in `headers`. A file that is wrong belongs here too, in `bad_csv` or `bad_parquet`, and
//! one that is no table at all in `no_tables`. It has its exit code, and a message that says
//! where and what, with the value and what helps. It leaves every file as it was: no output, no temporary. Nothing
//! panics: files of arbitrary bytes are in `hostile`, files too large to hold in `limits`. A single cell's value is
//! tested beside the code in `src/`. Parquet files that lie are in `lies`; every type that Parquet has, through every way to
//! Parquet, is in `parquet_types`.

mod bad_csv;
mod bad_parquet;
mod csv_files;
mod headers;
mod hostile;
mod lies;
mod limits;
mod no_tables;
mod outputs;
mod parquet_files;
mod parquet_metadata;
mod parquet_types;
mod real;
mod values;
