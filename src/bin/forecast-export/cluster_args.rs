//! The flags of `cluster`.

use super::args::{
    Choosing, Columns, CsvText, Objects, Resources, Shaping, Source, duration, positive_size, whole,
};
use super::failure::Failure;
use clap::{Args, Subcommand};
use forecast_export::cluster::Pieces;
use forecast_export::{OnServer, Options};
use std::time::Duration;

pub(crate) const EXAMPLES: &str = "\
Examples:
  forecast-export cluster plan exports/ -o sales.parquet --pieces 64 --plan plan.json
  forecast-export cluster piece plan.json 7
  forecast-export cluster commit plan.json
  forecast-export cluster status plan.json --json | jq .missing
  forecast-export cluster run plan.json --workers 4";

const PLAN_EXAMPLES: &str = "\
Examples:
  forecast-export cluster plan exports/ -o sales.parquet --pieces 16 > plan.json
  forecast-export cluster plan s3://bucket/exports -o s3://bucket/parquet/ --piece-bytes 256MiB
  forecast-export cluster plan exports/ -o sales.csv --pieces 16 --plan plan.json
  forecast-export cluster plan exports/ -o sales.csv --pieces 16 --numbers pieces.json";

/// Work in pieces.
#[derive(Debug, Args)]
pub(crate) struct Cluster {
    #[command(subcommand)]
    pub(crate) command: ClusterCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ClusterCommand {
    /// Check everything, cut the work into pieces, and print the plan
    #[command(before_help = PLAN_EXAMPLES)]
    Plan(Box<PlanArgs>),
    /// Carry out one piece; nothing is done if it is done
    Piece(PieceArgs),
    /// Put the pieces together and publish the output
    Commit(CommitArgs),
    /// Show what is done, what is missing, and what has failed
    Status(StatusArgs),
    /// Carry out all pieces by processes of this machine, and commit
    Run(RunArgs),
}

#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(crate) source: Source,
    /// The file to write, or a folder of part files if it ends with a slash or exists
    #[arg(short, long, value_name = "TARGET", help_heading = "Output")]
    pub(crate) output: String,
    /// Divide the work into about this many pieces
    #[arg(long, value_name = "N", help_heading = "Pieces", required_unless_present = "piece_bytes",
        conflicts_with = "piece_bytes", value_parser = whole::<u64, 1>)]
    pieces: Option<u64>,
    /// Divide the work into pieces that read about this much, such as 256MiB
    #[arg(long, value_name = "SIZE", help_heading = "Pieces", value_parser = positive_size)]
    piece_bytes: Option<u64>,
    /// Write the plan to this file or object [default: standard output]
    #[arg(long, value_name = "PLACE", help_heading = "Pieces")]
    pub(crate) plan: Option<String>,
    /// Write the numbers of the pieces to this file or object, as a JSON array for engines that want one
    #[arg(long, value_name = "PLACE", help_heading = "Pieces")]
    pub(crate) numbers: Option<String>,
    #[command(flatten)]
    choosing: Choosing,
    #[command(flatten)]
    text: CsvText,
    #[command(flatten)]
    columns: Columns,
    #[command(flatten)]
    shaping: Shaping,
    #[command(flatten)]
    pub(crate) objects: Objects,
    /// Let S3 put the output together where it can: auto, always, never [default: auto]
    #[arg(long, value_name = "WHEN", help_heading = "Output")]
    on_server: Option<OnServer>,
}

impl PlanArgs {
    pub(crate) fn options(&self) -> Result<Options, Failure> {
        let mut options = Options::default();
        self.choosing.apply(&mut options)?;
        self.text.apply(&mut options);
        self.columns.apply(&mut options);
        self.shaping.apply(&mut options)?;
        options.on_server = self.on_server.unwrap_or_default();
        Ok(options)
    }

    pub(crate) fn pieces(&self) -> Pieces {
        match (self.pieces, self.piece_bytes) {
            (Some(number), _) => Pieces::Number(number),
            (None, bytes) => Pieces::Bytes(bytes.unwrap_or(u64::MAX)),
        }
    }
}

/// The plan, and what a machine brings along.
#[derive(Debug, Args)]
pub(crate) struct Planned {
    /// The plan: a file, a URL, or - for standard input
    #[arg(value_name = "PLAN")]
    pub(crate) plan: String,
    #[command(flatten)]
    pub(crate) resources: Resources,
    #[command(flatten)]
    pub(crate) objects: Objects,
}

impl Planned {
    /// These flags for a process that carries out a piece.
    pub(crate) fn passed_on(&self) -> Vec<String> {
        let mut args = self.objects.passed_on();
        args.extend(
            self.resources
                .memory
                .map(|memory| ["--memory".to_owned(), memory.to_string()])
                .into_iter()
                .flatten(),
        );
        let threads = self.resources.threads.map(|threads| ["--threads".to_owned(), threads.to_string()]);
        args.extend(threads.into_iter().flatten());
        args
    }
}

#[derive(Debug, Args)]
pub(crate) struct PieceArgs {
    #[command(flatten)]
    pub(crate) planned: Planned,
    /// The number of the piece, from 0
    #[arg(value_name = "INDEX", value_parser = whole::<u64, 0>)]
    pub(crate) index: u64,
}

#[derive(Debug, Args)]
pub(crate) struct CommitArgs {
    #[command(flatten)]
    pub(crate) planned: Planned,
}

#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// The plan: a file, a URL, or - for standard input
    #[arg(value_name = "PLAN")]
    pub(crate) plan: String,
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) planned: Planned,
    /// Processes that work at the same time [default: the number of cores]
    #[arg(long, value_name = "N", help_heading = "Resources", value_parser = whole::<usize, 1>)]
    pub(crate) workers: Option<usize>,
    /// Fail if the work is not done within this time, such as 2h
    #[arg(long, value_name = "TIME", help_heading = "Resources", value_parser = duration)]
    pub(crate) deadline: Option<Duration>,
}
