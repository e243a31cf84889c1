//! Reads two columns of the rows in which one quantile is large, as a stream of Arrow record batches, and adds them up by
//! item. Of Parquet only those columns are fetched, and no row group of which the statistics say that it holds no such row.
//!
//! ```text
//! cargo run --example stream_and_filter -- exports/ p50 100
//! ```

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it is a program")]

use forecast_export::arrow::array::AsArray;
use forecast_export::arrow::datatypes::Float64Type;
use forecast_export::{Location, Options, Query, Result, RunChoice, column, query};
use futures::TryStreamExt;
use std::collections::BTreeMap;
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [place, quantile, least] = arguments.as_slice() else {
        eprintln!("usage: stream_and_filter LOCATION QUANTILE LEAST");
        return ExitCode::from(2);
    };
    let Ok(least) = least.parse() else {
        eprintln!("error: {least} is not a number");
        return ExitCode::from(2);
    };
    match sums(place, quantile, least).await {
        Ok(sums) => {
            sums.iter().for_each(|(item, (rows, sum))| println!("{item}: {rows} rows, {sum:.2} together"));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(error.code())
        }
    }
}

/// The rows and the sum of a quantile by item, of the newest run.
async fn sums(place: &str, quantile: &str, least: f64) -> Result<BTreeMap<String, (u64, f64)>> {
    let mut options = Options::default();
    options.select.run = RunChoice::Latest;
    let mut wanted = Query::default();
    wanted.columns = Some(vec!["item_id".into(), quantile.into()]);
    wanted.filter = Some(column(quantile).ge(least));
    let mut batches = query(&Location::parse(place)?, &options, &wanted).await?;
    let mut sums = BTreeMap::new();
    while let Some(batch) = batches.try_next().await? {
        let items = batch.column(0).as_string::<i32>();
        let values = batch.column(1).as_primitive::<Float64Type>();
        for (item, value) in items.iter().zip(values) {
            let (rows, sum): &mut (u64, f64) = sums.entry(item.unwrap_or("").to_owned()).or_default();
            *rows += 1;
            *sum += value.unwrap_or(0.0);
        }
    }
    Ok(sums)
}
