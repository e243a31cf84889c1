//! Writes an export to standard output as an Arrow IPC stream, for whatever reads such: pandas, Polars, DuckDB.
//!
//! ```text
//! cargo run --example arrow_ipc -- exports/ item_id,p50 | python3 -c '
//! import sys, pyarrow.ipc
//! print(pyarrow.ipc.open_stream(sys.stdin.buffer).read_all())'
//! ```

#![expect(clippy::print_stderr, reason = "it is a program")]

use forecast_export::arrow::ipc::writer::StreamWriter;
use forecast_export::{Error, Location, Options, Query, query};
use futures::TryStreamExt;
use std::io::{BufWriter, Write};
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(place) = arguments.next() else {
        eprintln!("usage: arrow_ipc LOCATION [COLUMN,...]");
        return ExitCode::from(2);
    };
    let columns = arguments.next().map(|names| names.split(',').map(str::to_owned).collect());
    match write(&place, columns).await {
        Ok(rows) => {
            eprintln!("{rows} rows");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            // Errors of the library know the exit code of the command.
            ExitCode::from(error.downcast_ref().map_or(1, Error::code))
        }
    }
}

/// Writes the rows; returns how many there were.
async fn write(place: &str, columns: Option<Vec<String>>) -> Result<u64, Box<dyn std::error::Error>> {
    let mut wanted = Query::default();
    wanted.columns = columns;
    let mut batches = query(&Location::parse(place)?, &Options::default(), &wanted).await?;
    let output = BufWriter::new(std::io::stdout().lock());
    let mut writer = StreamWriter::try_new(output, &batches.schema())?;
    let mut rows = 0;
    while let Some(batch) = batches.try_next().await? {
        rows += batch.num_rows() as u64;
        writer.write(&batch)?;
    }
    writer.finish()?;
    writer.get_mut().flush()?;
    Ok(rows)
}
