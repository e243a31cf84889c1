//! Lists the runs at a location and what is missing of each, by names alone: no file is opened.
//!
//! ```text
//! cargo run --example list_gaps -- s3://reports/exports/
//! ```
//!
//! Ends with status 1 where a part is missing, so that a pipeline waits.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it is a program")]

use forecast_export::{InventoryOptions, Location, Result, inventory};
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    let Some(place) = std::env::args().nth(1) else {
        eprintln!("usage: list_gaps LOCATION");
        return ExitCode::from(2);
    };
    match list(&place).await {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(error.code())
        }
    }
}

/// Prints every run; returns the number of missing parts.
async fn list(place: &str) -> Result<u64> {
    let mut options = InventoryOptions::default();
    options.names_only = true;
    let found = inventory(&Location::parse(place)?, &options).await?;
    let mut missing = 0;
    for export in &found.exports {
        let run = export.run.as_deref().unwrap_or("no run");
        let gaps: Vec<String> = export.gaps.iter().map(ToString::to_string).collect();
        let told =
            if gaps.is_empty() { "complete".to_owned() } else { format!("missing {}", gaps.join(", ")) };
        println!("{} {run}: {} parts, {told}", export.job, export.parts.len());
        missing += export.gaps.iter().map(|gap| gap.to - gap.from + 1).sum::<u64>();
    }
    Ok(missing)
}
