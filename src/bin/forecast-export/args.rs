//! The command line for clap: turns flags into the library's options.

use super::cluster_args::{self, Cluster};
use super::failure::Failure;
use super::serve_args::{self, Serve};
use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use clap::{Args, Parser, Subcommand, ValueEnum};
use forecast_export::{
    BinaryText, Checksum, ColumnType, Compression, Encryption, Format, Frequency, HeaderMode,
    InventoryOptions, Kind, ObjectOptions, OnServer, Options, Pattern, Preset, Quantile, RunChoice, RunStamp,
    SampleOptions, SchemaMode, Split, StoreOptions, parse_duration, parse_since, parse_size,
};
use std::sync::OnceLock;
use std::time::Duration;

const ROOT_EXAMPLES: &str = "\
Examples:
  forecast-export ls s3://bucket/exports
  forecast-export merge exports/ -o sales.parquet
  forecast-export merge 's3://bucket/exports/sales_*' --run latest -o sales.csv
  forecast-export convert exports/ -o parquet/ --to parquet";

const LS_EXAMPLES: &str = "\
Examples:
  forecast-export ls exports/
  forecast-export ls s3://bucket/exports --job 'sales_*' --run latest
  forecast-export ls s3://bucket/exports --names --since 7d
  forecast-export ls exports/ --json | jq '.exports[].job'
  forecast-export ls unload/ --preset redshift";

const MERGE_EXAMPLES: &str = "\
Examples:
  forecast-export merge exports/ -o sales.parquet
  forecast-export merge s3://bucket/exports --run latest -o s3://bucket/merged/sales.parquet
  forecast-export merge $EXPORT_JOB_ARN --wait 30m -o s3://bucket/merged/sales.parquet
  forecast-export merge exports/ -o - --to csv | head
  forecast-export merge exports/ -o sales.parquet --dry-run";

const CONVERT_EXAMPLES: &str = "\
Examples:
  forecast-export convert exports/ -o parquet/
  forecast-export convert s3://bucket/exports -o s3://bucket/parquet/ --compression zstd:3
  forecast-export convert exports/ -o parts/ --to csv --split-rows 1000000
  forecast-export convert exports/ -o parts/ --split-bytes 128MiB --dry-run";

const SCHEMA_EXAMPLES: &str = "\
Examples:
  forecast-export schema exports/
  forecast-export schema s3://bucket/exports --run latest --json
  forecast-export schema exports/ --schema by-name";

const VERIFY_EXAMPLES: &str = "\
Examples:
  forecast-export verify sales.parquet --against exports/
  forecast-export verify s3://bucket/sales.csv --against s3://bucket/exports --run latest
  forecast-export verify parquet/ --against exports/ --run 2026-01-02T03-04-05Z
  forecast-export verify sales.parquet --against exports/ --json | jq .digest";

const WAIT_EXAMPLES: &str = "\
Examples:
  forecast-export wait $EXPORT_JOB_ARN
  forecast-export wait $EXPORT_JOB_ARN --wait 30m && forecast-export ls $EXPORT_JOB_ARN
  forecast-export wait --event event.json --json | jq -r .destination";

const SAMPLE_EXAMPLES: &str = "\
Examples:
  forecast-export sample exports/
  forecast-export sample exports/ --items 100000 --steps 100 --parts 24
  forecast-export sample exports/ --kind backtest-accuracy --to parquet
  forecast-export sample s3://bucket/exports --quantiles 0.1,0.5,mean --seed 7";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  forecast-export completions bash > /etc/bash_completion.d/forecast-export
  forecast-export completions zsh > ~/.zfunc/_forecast-export
  forecast-export completions fish > ~/.config/fish/completions/forecast-export.fish";

const MAN_EXAMPLES: &str = "\
Examples:
  forecast-export man > /usr/local/share/man/man1/forecast-export.1
  forecast-export man | man -l -
  forecast-export man | grep -A3 split";

/// Finds, checks, merges and converts Amazon Forecast export files, CSV and Parquet
#[derive(Debug, Parser)]
#[command(name = "forecast-export", version, before_help = ROOT_EXAMPLES, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) global: Global,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List jobs, runs and parts; show missing, duplicate and unrelated files
    #[command(before_help = LS_EXAMPLES)]
    Ls(Ls),
    /// Merge one run into one file, in part order
    #[command(before_help = MERGE_EXAMPLES)]
    Merge(Merge),
    /// Convert one run into part files, in the other format or split differently
    #[command(before_help = CONVERT_EXAMPLES)]
    Convert(Convert),
    /// Prove that an output holds exactly the rows of its source, in order
    #[command(before_help = VERIFY_EXAMPLES)]
    Verify(Verify),
    /// Show columns and types; where parts differ, name the file and column
    #[command(before_help = SCHEMA_EXAMPLES)]
    Schema(Schema),
    /// Wait until an export job is ACTIVE, or say why it never will be
    #[command(before_help = WAIT_EXAMPLES)]
    Wait(Wait),
    /// Write a synthetic export
    #[command(before_help = SAMPLE_EXAMPLES)]
    Sample(SampleArgs),
    /// Divide a merge or a conversion into pieces, for many machines or to resume it
    #[command(before_help = cluster_args::EXAMPLES)]
    Cluster(Cluster),
    /// Answer as Amazon Forecast does about export jobs, on this machine
    #[command(before_help = serve_args::EXAMPLES)]
    Serve(Serve),
    /// Print completions for a shell
    #[command(before_help = COMPLETIONS_EXAMPLES)]
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    #[command(before_help = MAN_EXAMPLES)]
    Man,
}

/// Flags of every command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Print one JSON document on standard output
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Print only errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Show more: every part and every decision
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
    /// Show a progress bar on standard error
    #[arg(long, global = true, value_enum, default_value_t = When::Auto, value_name = "WHEN")]
    pub(crate) progress: When,
    #[command(flatten)]
    aws: Aws,
}

/// How to reach AWS. Secrets are never flags.
#[derive(Debug, Args)]
#[command(next_help_heading = "AWS")]
struct Aws {
    /// Send AWS requests to this endpoint; S3 requests use path style [env: AWS_ENDPOINT_URL_S3,
    /// AWS_ENDPOINT_URL_FORECAST, AWS_ENDPOINT_URL]
    #[arg(long, global = true, value_name = "URL")]
    endpoint_url: Option<String>,
    /// The bucket's region [default: looked up]; a job is described in the region of its ARN [env: AWS_REGION,
    /// AWS_DEFAULT_REGION]
    #[arg(long, global = true)]
    region: Option<String>,
    /// The profile to use from the AWS configuration files [env: AWS_PROFILE]
    #[arg(long, global = true, value_name = "NAME")]
    profile: Option<String>,
    /// Assume this role
    #[arg(long, global = true, value_name = "ARN")]
    role_arn: Option<String>,
    /// The external ID that the role's trust policy requires
    #[arg(long, global = true, value_name = "ID")]
    external_id: Option<String>,
    /// Do not sign S3 requests, for public buckets
    #[arg(long, global = true)]
    no_sign_request: bool,
    /// Pay for requests to requester-pays buckets
    #[arg(long, global = true)]
    request_payer: bool,
    /// Keep retrying a failed request for this long, such as 30s or 10m [default: 3m]
    #[arg(long, global = true, value_name = "TIME", value_parser = duration)]
    retry_timeout: Option<Duration>,
    /// Made once, so that source, output and the Forecast API ask for credentials once.
    #[arg(skip)]
    options: OnceLock<StoreOptions>,
}

impl Global {
    pub(crate) fn store_options(&self) -> StoreOptions {
        let aws = &self.aws;
        let make = || {
            let mut options = StoreOptions::default();
            options.no_sign_request = aws.no_sign_request;
            options.request_payer = aws.request_payer;
            options.endpoint_url.clone_from(&aws.endpoint_url);
            options.region.clone_from(&aws.region);
            options.profile.clone_from(&aws.profile);
            options.role_arn.clone_from(&aws.role_arn);
            options.external_id.clone_from(&aws.external_id);
            options.retry_timeout = aws.retry_timeout;
            options
        };
        aws.options.get_or_init(make).clone()
    }

    /// These flags for a process that this one starts.
    pub(crate) fn passed_on(&self) -> Vec<String> {
        let aws = &self.aws;
        let texts = [
            ("--endpoint-url", &aws.endpoint_url),
            ("--region", &aws.region),
            ("--profile", &aws.profile),
            ("--role-arn", &aws.role_arn),
            ("--external-id", &aws.external_id),
        ];
        let given = texts.into_iter().filter_map(|(flag, text)| Some([flag.to_owned(), text.clone()?]));
        let mut args: Vec<String> = given.flatten().collect();
        let flags = [("--no-sign-request", aws.no_sign_request), ("--request-payer", aws.request_payer)];
        args.extend(flags.into_iter().filter(|(_, is_given)| *is_given).map(|(flag, _)| flag.to_owned()));
        if let Some(time) = aws.retry_timeout {
            args.extend(["--retry-timeout".to_owned(), format!("{}ms", time.as_millis())]);
        }
        args
    }

    /// The same, with options for the objects that are written.
    pub(crate) fn store_options_of(&self, objects: ObjectOptions) -> StoreOptions {
        let mut options = self.store_options();
        options.objects = objects;
        options
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    /// On a terminal
    Auto,
    Always,
    Never,
}

/// What to read.
#[derive(Debug, Args)]
pub(crate) struct Source {
    /// A folder, prefix, file, glob or URL (exports/, s3://bucket/exports, 'exports/sales_*'), several files of one
    /// folder, an export job's ARN, or - for standard input
    #[arg(id = "text", required_unless_present = "event", value_name = "SOURCE")]
    pub(crate) texts: Vec<String>,
    #[command(flatten)]
    pub(crate) job: ExportJob,
}

/// What an output is compared with.
#[derive(Debug, Args)]
pub(crate) struct Against {
    /// The source it was made from: a folder, prefix, file, glob or URL, an export job's ARN, or - for standard input
    #[arg(long = "against", required_unless_present = "event", value_name = "SOURCE")]
    pub(crate) text: Option<String>,
    #[command(flatten)]
    pub(crate) job: ExportJob,
}

/// How to find and await a Forecast job.
#[derive(Debug, Args)]
#[command(next_help_heading = "Export job")]
pub(crate) struct ExportJob {
    /// Take the job from an EventBridge event (a JSON file, or - for standard input) in place of naming it
    #[arg(long, value_name = "FILE", conflicts_with = "text")]
    pub(crate) event: Option<String>,
    /// Wait until the job is ACTIVE, at most this long, such as 30m; without a value, two hours
    #[arg(long, value_name = "TIMEOUT", value_parser = duration)]
    pub(crate) wait: Option<Option<Duration>>,
    /// The delay between the first two status checks; it grows from there [default: 2s]
    #[arg(long, value_name = "TIME", value_parser = poll)]
    pub(crate) poll: Option<Duration>,
}

/// How objects are written to S3.
#[derive(Debug, Args)]
#[command(next_help_heading = "Objects written to S3")]
pub(crate) struct Objects {
    /// Encryption: aws:kms, aws:kms:dsse, AES256 [default: the bucket's setting]
    #[arg(long, value_name = "METHOD")]
    sse: Option<Encryption>,
    /// The KMS key, as an ARN, ID or alias; implies aws:kms
    #[arg(long, value_name = "KEY")]
    sse_kms_key_id: Option<String>,
    /// Use an S3 Bucket Key, which saves requests to KMS [default: the bucket's setting]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    sse_bucket_key: Option<bool>,
    /// A tag for each object (repeatable, at most 10)
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = tag)]
    tags: Vec<(String, String)>,
    /// The storage class, such as STANDARD_IA [default: STANDARD]
    #[arg(long, value_name = "CLASS")]
    storage_class: Option<String>,
    /// The checksum that S3 verifies and stores: crc64nvme, sha256, none [default: crc64nvme if the server supports it]
    #[arg(long, value_name = "NAME")]
    checksum: Option<Checksum>,
}

impl Objects {
    pub(crate) fn options(&self) -> ObjectOptions {
        let mut options = ObjectOptions::default();
        options.encryption = self.sse;
        options.kms_key_id.clone_from(&self.sse_kms_key_id);
        options.bucket_key = self.sse_bucket_key;
        options.tags.clone_from(&self.tags);
        options.storage_class.clone_from(&self.storage_class);
        options.checksum = self.checksum;
        options
    }
}

impl Objects {
    /// These flags for a process that this one starts.
    pub(crate) fn passed_on(&self) -> Vec<String> {
        let text = |flag: &str, text: &str| [flag.to_owned(), text.to_owned()];
        let mut args: Vec<[String; 2]> = Vec::new();
        args.extend(self.sse.map(|sse| text("--sse", sse.name())));
        args.extend(self.sse_kms_key_id.as_ref().map(|key| text("--sse-kms-key-id", key)));
        args.extend(self.tags.iter().map(|(key, value)| text("--tag", &format!("{key}={value}"))));
        args.extend(self.storage_class.as_ref().map(|class| text("--storage-class", class)));
        args.extend(self.checksum.map(|checksum| text("--checksum", checksum.name())));
        let key = self.sse_bucket_key.map(|is_used| format!("--sse-bucket-key={is_used}"));
        args.into_iter().flatten().chain(key).collect()
    }
}

fn tag(text: &str) -> Result<(String, String), Failure> {
    let (key, value) = text
        .split_once('=')
        .ok_or_else(|| Failure::Usage(format!("\"{text}\" is not a KEY=VALUE pair, such as team=supply")))?;
    Ok((key.to_owned(), value.to_owned()))
}

pub(crate) fn duration(text: &str) -> Result<Duration, Failure> {
    Ok(parse_duration(text)?)
}

fn since(text: &str) -> Result<DateTime<Utc>, Failure> {
    Ok(parse_since(text, Utc::now())?)
}

fn poll(text: &str) -> Result<Duration, Failure> {
    match parse_duration(text)? {
        Duration::ZERO => Err(Failure::Usage("the time must be more than 0".into())),
        time => Ok(time),
    }
}

/// Which files are parts, and of which job and kind.
#[derive(Debug, Args)]
#[command(next_help_heading = "Choosing")]
pub(crate) struct Names {
    /// Only this job; a glob is allowed
    #[arg(long, value_name = "NAME")]
    job: Option<String>,
    /// Only exports of this kind: forecast, backtest-forecasts, backtest-accuracy, explainability, what-if
    #[arg(long)]
    kind: Option<Kind>,
    /// Which exporter wrote the files: forecast, spark, redshift, snowflake, bigquery [default: forecast]
    #[arg(long, conflicts_with = "pattern")]
    preset: Option<Preset>,
    /// How files are named: a regex with the named group part, and optionally part2, part3, job, timestamp
    #[arg(long, value_name = "REGEX")]
    pattern: Option<String>,
}

/// Which run, and what makes it complete.
#[derive(Debug, Args)]
#[command(next_help_heading = "Choosing")]
pub(crate) struct Choosing {
    #[command(flatten)]
    names: Names,
    /// Which run, if there are several: latest, all or a timestamp
    #[arg(long)]
    run: Option<RunChoice>,
    /// Continue even if part numbers are missing
    #[arg(long)]
    allow_gaps: bool,
    /// Fail unless there are exactly this many parts
    #[arg(long, value_name = "N", value_parser = whole::<u64, 0>)]
    expect_parts: Option<u64>,
    /// Fail unless there are exactly this many rows
    #[arg(long, value_name = "N", value_parser = whole::<u64, 0>)]
    expect_rows: Option<u64>,
    /// Ask S3 to restore archived parts for this many days [default: 7]; a later run reads them
    #[arg(long, value_name = "DAYS", num_args = 0..=1, default_missing_value = "7", value_parser = whole::<u32, 1>)]
    restore: Option<u32>,
}

/// How the text of CSV parts is read.
#[derive(Debug, Args)]
#[command(next_help_heading = "CSV")]
pub(crate) struct CsvText {
    /// Whether parts begin with a header: auto (decide from the parts), yes, no [default: the preset's]
    #[arg(long, value_name = "WHEN")]
    header: Option<HeaderMode>,
    /// Column names for parts without a header, separated by commas; implies --header no
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    columns: Vec<String>,
}

/// How columns are read.
#[derive(Debug, Args)]
#[command(next_help_heading = "Columns")]
pub(crate) struct Columns {
    /// What to do if parts differ: strict (fail) or by-name (align columns, with nulls for what a part lacks)
    /// [default: strict]
    #[arg(long, value_name = "MODE")]
    schema: Option<SchemaMode>,
    /// The type of a column: string, double, int64, boolean, date, timestamp, timestamp_ns (repeatable)
    #[arg(long = "type", value_name = "NAME=TYPE", value_parser = column_type)]
    types: Vec<(String, ColumnType)>,
    /// Read every column as text
    #[arg(long, conflicts_with = "types")]
    all_strings: bool,
    /// Write binary columns of Parquet as text: hex, base64 [default: Parquet keeps them, and CSV is an error]
    #[arg(long, value_name = "HOW")]
    binary: Option<BinaryText>,
    /// Text that means null, besides an empty cell (repeatable)
    #[arg(long = "null", value_name = "TEXT")]
    nulls: Vec<String>,
    /// Add the columns _job, _run and _part
    #[arg(long)]
    source_columns: bool,
}

/// How output is written.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct Shaping {
    /// The format of the output: csv, parquet
    #[arg(long, value_name = "FORMAT")]
    to: Option<Format>,
    /// Compression: none, snappy, zstd[:1-22], gzip[:0-9], lz4 [default: snappy for Parquet, the extension's for CSV]
    #[arg(long)]
    compression: Option<Compression>,
    /// Rows per row group of Parquet [default: those of Parquet parts, else 122880, or fewer if rows are long]
    #[arg(long, value_name = "N", value_parser = whole::<u64, 1>)]
    row_group_rows: Option<u64>,
    /// Write a Bloom filter for this column, for readers that look up single values (repeatable)
    #[arg(long = "bloom-filter", value_name = "COLUMN")]
    bloom_filters: Vec<String>,
    /// Replace an existing output, and write it again even if it is up to date
    #[arg(long)]
    overwrite: bool,
    /// Read the output back and compare it with the source before publishing it
    #[arg(long)]
    verify: bool,
    /// Do not write a receipt, neither in Parquet metadata nor as a file next to the output
    #[arg(long)]
    no_receipt: bool,
    #[command(flatten)]
    pub(crate) resources: Resources,
    /// Print the plan and write nothing
    #[arg(short = 'n', long, help_heading = "Output")]
    pub(crate) dry_run: bool,
}

/// What a command may use.
#[derive(Debug, Args)]
#[command(next_help_heading = "Resources")]
pub(crate) struct Resources {
    /// Memory for buffers, such as 64MB [default: 256MB]
    #[arg(long, value_name = "SIZE", value_parser = memory)]
    pub(crate) memory: Option<u64>,
    /// Threads that decode and encode [default: the number of cores]
    #[arg(long, value_name = "N", value_parser = at_most::<u16, 1024>)]
    pub(crate) threads: Option<u16>,
}

#[derive(Debug, Args)]
pub(crate) struct Ls {
    #[command(flatten)]
    pub(crate) source: Source,
    #[command(flatten)]
    names: Names,
    #[command(flatten)]
    shown: Shown,
    #[command(flatten)]
    text: CsvText,
}

/// Which runs are listed, and how closely they are looked at.
#[derive(Debug, Args)]
#[command(next_help_heading = "Choosing")]
struct Shown {
    /// Which runs: all, latest (of each job) or a timestamp [default: all]
    #[arg(long)]
    run: Option<RunChoice>,
    /// Only runs from this time on: 2026-01-02T03-04-05Z, 2026-01-02, or an age such as 7d or 12h
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<DateTime<Utc>>,
    /// Do not open any file; list only what names and sizes tell
    #[arg(long = "names")]
    names_only: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Merge {
    #[command(flatten)]
    pub(crate) source: Source,
    /// The file to write, or - for standard output
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    pub(crate) output: String,
    #[command(flatten)]
    choosing: Choosing,
    #[command(flatten)]
    text: CsvText,
    #[command(flatten)]
    columns: Columns,
    #[command(flatten)]
    pub(crate) shaping: Shaping,
    #[command(flatten)]
    pub(crate) objects: Objects,
    /// Let S3 copy the parts itself when source and output are in the same S3: auto, always, never [default: auto]
    #[arg(long, value_name = "WHEN", help_heading = "Output")]
    on_server: Option<OnServer>,
    /// Work in pieces of a gigabyte, and keep what is done for the next call if this one ends early
    #[arg(long, help_heading = "Output")]
    pub(crate) resume: bool,
    // Known here only to be refused with a reason.
    #[arg(long, hide = true)]
    split_rows: Option<u64>,
    #[arg(long, hide = true, value_parser = size)]
    split_bytes: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct Convert {
    #[command(flatten)]
    pub(crate) source: Source,
    /// The folder to write part files to
    #[arg(short, long, value_name = "DIR", help_heading = "Output")]
    pub(crate) output: String,
    #[command(flatten)]
    choosing: Choosing,
    #[command(flatten)]
    text: CsvText,
    #[command(flatten)]
    columns: Columns,
    #[command(flatten)]
    pub(crate) shaping: Shaping,
    #[command(flatten)]
    pub(crate) objects: Objects,
    /// Start a new file after this many rows
    #[arg(long, value_name = "N", help_heading = "Output", conflicts_with = "split_bytes",
        value_parser = whole::<u64, 1>)]
    split_rows: Option<u64>,
    /// Start a new file before one exceeds this size, such as 128MiB
    #[arg(long, value_name = "SIZE", help_heading = "Output", value_parser = positive_size)]
    split_bytes: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// The file or folder of part files to check, or - for standard input
    pub(crate) output: String,
    /// More files of SOURCE, if the shell has expanded a glob
    #[arg(hide = true, value_name = "SOURCE", conflicts_with = "event")]
    more: Vec<String>,
    #[command(flatten)]
    pub(crate) against: Against,
    #[command(flatten)]
    choosing: Choosing,
    #[command(flatten)]
    text: CsvText,
    #[command(flatten)]
    columns: Columns,
    #[command(flatten)]
    resources: Resources,
}

#[derive(Debug, Args)]
pub(crate) struct Schema {
    #[command(flatten)]
    pub(crate) source: Source,
    #[command(flatten)]
    choosing: Choosing,
    #[command(flatten)]
    text: CsvText,
    #[command(flatten)]
    columns: Columns,
}

#[derive(Debug, Args)]
pub(crate) struct Wait {
    /// The ARN of the job: arn:aws:forecast:REGION:ACCOUNT:forecast-export-job/FORECAST/JOB
    #[arg(required_unless_present = "event", value_name = "ARN")]
    pub(crate) text: Option<String>,
    #[command(flatten)]
    pub(crate) job: ExportJob,
}

#[derive(Debug, Args)]
pub(crate) struct SampleArgs {
    /// The folder to write to: exports/, s3://bucket/exports
    pub(crate) folder: String,
    #[command(flatten)]
    contents: Contents,
    #[command(flatten)]
    files: SampleFiles,
    #[command(flatten)]
    pub(crate) objects: Objects,
}

/// What a sample holds.
#[derive(Debug, Args)]
#[command(next_help_heading = "Contents")]
struct Contents {
    /// What is exported: forecast, backtest-forecasts, backtest-accuracy, explainability, what-if [default: forecast]
    #[arg(long)]
    kind: Option<Kind>,
    /// Number of items, each with one series [default: 100]
    #[arg(long, value_name = "N", value_parser = whole::<u64, 0>)]
    items: Option<u64>,
    /// Points in time per series, or per window of a backtest, which has five [default: 30]
    #[arg(long, value_name = "N", value_parser = whole::<u32, 0>)]
    steps: Option<u32>,
    /// Quantiles between 0.01 and 0.99, and mean; up to five [default: 0.1,0.5,0.9]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    quantiles: Vec<Quantile>,
    /// Dimension columns besides the item id, at most 10 [default: 1]
    #[arg(long, value_name = "N", value_parser = whole::<u32, 0>)]
    dimensions: Option<u32>,
    /// The first date, such as 2026-01-03 or 2026-01-03T12:00:00Z [default: 2026-01-03]
    #[arg(long, value_name = "DATE", value_parser = date)]
    start: Option<NaiveDateTime>,
    /// The time from one date to the next: 15min, 1H, 1D, 1W, 1M, 1Y [default: 1D]
    #[arg(long, value_name = "STEP")]
    frequency: Option<Frequency>,
    /// Seed of the values: the same seed and options always produce the same bytes [default: 1]
    #[arg(long, value_name = "N", value_parser = whole::<u64, 0>)]
    seed: Option<u64>,
}

/// The files of a sample.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
struct SampleFiles {
    /// Number of part files [default: 4]
    #[arg(long, value_name = "N", value_parser = whole::<u32, 0>)]
    parts: Option<u32>,
    /// The format of the parts: csv, parquet [default: csv]
    #[arg(long, value_name = "FORMAT")]
    to: Option<Format>,
    /// Compression of Parquet: none, snappy, zstd[:1-22], gzip[:0-9], lz4 [default: snappy]
    #[arg(long)]
    compression: Option<Compression>,
    /// The job's name [default: sample]
    #[arg(long, value_name = "NAME")]
    job: Option<String>,
    /// The run's timestamp [default: 2026-01-02T03-04-05Z]
    #[arg(long, value_name = "TIMESTAMP")]
    run: Option<String>,
    /// Replace existing parts
    #[arg(long)]
    overwrite: bool,
    /// Threads that generate and encode [default: the number of cores]
    #[arg(long, value_name = "N", value_parser = at_most::<u16, 1024>)]
    threads: Option<u16>,
}

fn date(text: &str) -> Result<NaiveDateTime, Failure> {
    let day = || text.parse::<NaiveDate>().map(NaiveDateTime::from);
    let time = || NaiveDateTime::parse_from_str(text.trim_end_matches('Z'), "%Y-%m-%dT%H:%M:%S");
    day().or_else(|_| time()).map_err(|_| {
        Failure::Usage(format!("\"{text}\" is not a date; write 2026-01-03 or 2026-01-03T12:00:00Z"))
    })
}

fn column_type(text: &str) -> Result<(String, ColumnType), Failure> {
    match text.rsplit_once('=') {
        Some((name, chosen)) if !name.is_empty() => Ok((name.to_owned(), chosen.parse()?)),
        _ => Err(Failure::Usage(format!("\"{text}\" is not of the form NAME=TYPE, such as store=int64"))),
    }
}

/// A whole number that is at least this. clap's own message does not say what is wrong with another text.
pub(crate) fn whole<T: TryFrom<u64>, const LEAST: u64>(text: &str) -> Result<T, Failure> {
    let number =
        text.parse().ok().filter(|number| *number >= LEAST).and_then(|number| T::try_from(number).ok());
    let above = if LEAST > 0 { " above 0" } else { "" };
    number.ok_or_else(|| Failure::Usage(format!("write a whole number{above}, such as 12")))
}

/// A whole number from 1 to this.
pub(crate) fn at_most<T: TryFrom<u64>, const MOST: u64>(text: &str) -> Result<T, Failure> {
    let number = text.parse().ok().filter(|number| (1..=MOST).contains(number));
    let number = number.and_then(|number| T::try_from(number).ok());
    number.ok_or_else(|| Failure::Usage(format!("write a whole number from 1 to {MOST}")))
}

pub(crate) fn size(text: &str) -> Result<u64, Failure> {
    Ok(parse_size(text)?)
}

pub(crate) fn positive_size(text: &str) -> Result<u64, Failure> {
    match parse_size(text)? {
        0 => Err(Failure::Usage("the size must be more than 0".into())),
        size => Ok(size),
    }
}

/// Below this not even one buffer of each stage fits.
const LEAST_MEMORY: u64 = 16_000_000;

fn memory(text: &str) -> Result<u64, Failure> {
    match parse_size(text)? {
        size if size < LEAST_MEMORY && text.ends_with(|c: char| c.is_ascii_digit()) => Err(Failure::Usage(
            format!("\"{text}\" without a unit is in bytes, and the minimum is 16MB; write {text}MB or 1GiB"),
        )),
        size if size < LEAST_MEMORY => Err(Failure::Usage("the minimum is 16MB".into())),
        size => Ok(size),
    }
}

impl Names {
    fn apply(&self, options: &mut Options) -> Result<(), Failure> {
        options.select.job.clone_from(&self.job);
        options.select.kind = self.kind;
        options.select.pattern = match (&self.pattern, self.preset) {
            (Some(pattern), _) => Pattern::custom(pattern)?,
            (None, preset) => Pattern::preset(preset.unwrap_or(Preset::Forecast)),
        };
        Ok(())
    }
}

impl Choosing {
    pub(crate) fn apply(&self, options: &mut Options) -> Result<(), Failure> {
        self.names.apply(options)?;
        options.select.run = self.run.clone().unwrap_or_default();
        options.select.allow_gaps = self.allow_gaps;
        options.select.expect_parts = self.expect_parts;
        options.select.expect_rows = self.expect_rows;
        options.select.restore = self.restore;
        Ok(())
    }
}

impl CsvText {
    pub(crate) fn apply(&self, options: &mut Options) {
        options.header = self.header;
        options.columns.clone_from(&self.columns);
    }
}

impl Columns {
    pub(crate) fn apply(&self, options: &mut Options) {
        options.schema = self.schema.unwrap_or_default();
        options.types.clone_from(&self.types);
        options.all_strings = self.all_strings;
        options.binary = self.binary;
        options.nulls.clone_from(&self.nulls);
        options.source_columns = self.source_columns;
    }
}

impl Shaping {
    pub(crate) fn apply(&self, options: &mut Options) -> Result<(), Failure> {
        options.to = self.to;
        options.compression = self.compression;
        options.row_group_rows = self.row_group_rows;
        options.bloom_filters.clone_from(&self.bloom_filters);
        options.overwrite = self.overwrite;
        options.verify = self.verify;
        options.no_receipt = self.no_receipt;
        options.written = source_date_epoch()?;
        self.resources.apply(options);
        Ok(())
    }
}

/// The time to record in outputs, so that the same parts produce the same bytes on any day:
/// <https://reproducible-builds.org/specs/source-date-epoch/>.
fn source_date_epoch() -> Result<Option<DateTime<Utc>>, Failure> {
    const NAME: &str = "SOURCE_DATE_EPOCH";
    let Some(text) = std::env::var_os(NAME).filter(|text| !text.is_empty()) else { return Ok(None) };
    let seconds = text.to_str().and_then(|text| text.parse().ok());
    match seconds.and_then(|seconds| DateTime::from_timestamp(seconds, 0)) {
        Some(time) => Ok(Some(time)),
        None => {
            Err(Failure::Usage(format!("{NAME} is not a number of seconds since 1970: {}", text.display())))
        }
    }
}

impl Resources {
    fn apply(&self, options: &mut Options) {
        options.memory = self.memory;
        options.threads = self.threads.map(usize::from);
    }
}

impl Verify {
    /// Everything that was named as SOURCE.
    pub(crate) fn sources(&self) -> Vec<String> {
        self.against.text.iter().chain(&self.more).cloned().collect()
    }

    pub(crate) fn options(&self) -> Result<Options, Failure> {
        let mut options = Options::default();
        self.choosing.apply(&mut options)?;
        self.text.apply(&mut options);
        self.columns.apply(&mut options);
        self.resources.apply(&mut options);
        Ok(options)
    }
}

impl Ls {
    pub(crate) fn options(&self) -> Result<InventoryOptions, Failure> {
        let mut options = Options::default();
        self.names.apply(&mut options)?;
        self.text.apply(&mut options);
        let mut options = InventoryOptions::from(options);
        options.select.run = self.shown.run.clone().unwrap_or_default();
        options.since = self.shown.since;
        options.names_only = self.shown.names_only;
        Ok(options)
    }
}

impl Schema {
    pub(crate) fn options(&self) -> Result<Options, Failure> {
        let mut options = Options::default();
        self.choosing.apply(&mut options)?;
        self.text.apply(&mut options);
        self.columns.apply(&mut options);
        Ok(options)
    }
}

impl Merge {
    pub(crate) fn options(&self) -> Result<Options, Failure> {
        if self.split_rows.is_some() || self.split_bytes.is_some() {
            return Err(Failure::Usage(
                "a merge writes one file: --split-rows and --split-bytes are for convert".into(),
            ));
        }
        let mut options = Options::default();
        self.choosing.apply(&mut options)?;
        self.text.apply(&mut options);
        self.columns.apply(&mut options);
        self.shaping.apply(&mut options)?;
        options.on_server = self.on_server.unwrap_or_default();
        Ok(options)
    }
}

impl Convert {
    pub(crate) fn options(&self) -> Result<Options, Failure> {
        let mut options = Options::default();
        self.choosing.apply(&mut options)?;
        self.text.apply(&mut options);
        self.columns.apply(&mut options);
        self.shaping.apply(&mut options)?;
        options.split = self.split_rows.map(Split::Rows).or(self.split_bytes.map(Split::Bytes));
        Ok(options)
    }
}

impl SampleArgs {
    /// Options that were not given keep the library's defaults.
    pub(crate) fn options(&self) -> SampleOptions {
        let (contents, files) = (&self.contents, &self.files);
        let mut options = SampleOptions::default();
        options.kind = contents.kind.unwrap_or(options.kind);
        options.items = contents.items.unwrap_or(options.items);
        options.steps = contents.steps.unwrap_or(options.steps);
        if !contents.quantiles.is_empty() {
            options.quantiles.clone_from(&contents.quantiles);
        }
        options.dimensions = contents.dimensions.unwrap_or(options.dimensions);
        options.start = contents.start.unwrap_or(options.start);
        options.frequency = contents.frequency.unwrap_or(options.frequency);
        options.seed = contents.seed.unwrap_or(options.seed);
        options.parts = files.parts.unwrap_or(options.parts);
        options.to = files.to.unwrap_or(options.to);
        options.compression = files.compression;
        if let Some(job) = &files.job {
            options.job.clone_from(job);
        }
        if let Some(run) = &files.run {
            // People may type colons.
            options.run = RunStamp::new(&run.replace(':', "-"));
        }
        options.overwrite = files.overwrite;
        options.threads = files.threads.map(usize::from);
        options
    }
}
