//! The arguments of `serve`, for clap.

use super::args::{at_most, size, whole};
use super::failure::Failure;
use clap::{Args, Subcommand, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;

pub(crate) const EXAMPLES: &str = "\
Examples:
  forecast-export serve --data forecasts/ --bucket exports=exports/
  forecast-export serve --listen 127.0.0.1:9400 --data forecasts/ --config serve.toml
  forecast-export serve --data forecasts/ --tls-cert cert.pem --tls-key key.pem
  forecast-export serve register sales s3://bucket/sales --data forecasts/";

const REGISTER_EXAMPLES: &str = "\
Examples:
  forecast-export serve register sales exports/ --data forecasts/
  forecast-export serve register sales s3://bucket/exports --run latest --data forecasts/
  forecast-export serve register sales exports/ --data forecasts/ --json | jq -r .forecast_arn";

/// The server.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Serve {
    #[command(subcommand)]
    pub(crate) command: Option<ServeCommand>,
    /// The folder for the server's state; each folder in it is a forecast, too
    #[arg(long, value_name = "DIR", required = true)]
    pub(crate) data: Option<PathBuf>,
    /// The address and port to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9400")]
    pub(crate) listen: SocketAddr,
    /// A TOML file with keys, forecasts and buckets
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Use a folder in place of an S3 bucket (repeatable)
    #[arg(long = "bucket", value_name = "NAME=DIR", value_parser = bucket)]
    pub(crate) buckets: Vec<(String, PathBuf)>,
    /// The account in every ARN [default: that of the data folder, or 123456789012]
    #[arg(long, value_name = "ID", value_parser = account)]
    pub(crate) account: Option<String>,
    /// How many jobs run at the same time [default: 3]
    #[arg(long, value_name = "N", value_parser = at_most::<usize, 64>)]
    pub(crate) jobs: Option<usize>,
    /// How many jobs may exist [default: 1000]
    #[arg(long, value_name = "N", value_parser = whole::<u64, 1>)]
    pub(crate) max_jobs: Option<u64>,
    /// Cut exports into parts of about this size [default: 100MB]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub(crate) part_bytes: Option<u64>,
    /// Assume each job's role before writing to S3
    #[arg(long)]
    pub(crate) assume_roles: bool,
    /// Answer requests that are not signed
    #[arg(long)]
    pub(crate) insecure_no_auth: bool,
    /// The certificate chain for HTTPS, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The certificate's private key, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// How many connections may be open
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = whole::<usize, 1>)]
    pub(crate) max_connections: usize,
    /// How to write the log on standard error
    #[arg(long, value_enum, default_value_t = LogFormat::Text, value_name = "FORMAT")]
    pub(crate) log: LogFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// Lines for people
    Text,
    /// One JSON object a line
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ServeCommand {
    /// Add a forecast, whether the server runs or not, and print its ARN
    #[command(before_help = REGISTER_EXAMPLES)]
    Register(Register),
}

/// A forecast to add.
#[derive(Debug, Args)]
pub(crate) struct Register {
    /// The forecast's name
    pub(crate) name: String,
    /// A folder, prefix or file with its rows
    pub(crate) source: String,
    /// The folder of the server's state
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Only this job
    #[arg(long, value_name = "NAME")]
    pub(crate) job: Option<String>,
    /// Which run, if there are several: latest, all or a timestamp
    #[arg(long)]
    pub(crate) run: Option<String>,
    /// Which exporter wrote the files: forecast, spark, redshift, snowflake, bigquery [default: their names tell]
    #[arg(long, value_name = "NAME")]
    pub(crate) preset: Option<String>,
    /// Only exports of this kind: forecast, backtest-forecasts, backtest-accuracy, explainability, what-if
    #[arg(long)]
    pub(crate) kind: Option<String>,
    /// Export even if part numbers are missing
    #[arg(long)]
    pub(crate) allow_gaps: bool,
    /// What to do if parts differ: strict (fail) or by-name (align columns) [default: strict]
    #[arg(long, value_name = "MODE")]
    pub(crate) schema: Option<String>,
}

fn bucket(text: &str) -> Result<(String, PathBuf), Failure> {
    match text.split_once('=') {
        Some((name, folder)) if !name.is_empty() && !folder.is_empty() => {
            Ok((name.to_owned(), folder.into()))
        }
        _ => Err(Failure::Usage(format!("\"{text}\" is not NAME=DIR, such as exports=/srv/exports"))),
    }
}

fn account(text: &str) -> Result<String, Failure> {
    match text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        true => Ok(text.to_owned()),
        false => Err(Failure::Usage(format!("\"{text}\" is not an account: it has 12 digits"))),
    }
}
