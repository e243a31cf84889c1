//! Finds, checks, merges and converts the files that Amazon Forecast's export jobs write, CSV and Parquet, on S3, other
//! object stores and local disk: in order, in a fixed amount of memory, without losing, duplicating or altering a row.
//!
//! There are four things to know:
//!
//! - A [`Location`] is where parts are or output goes: a path, a URL, a glob.
//! - [`Options`] say which run to read, which types columns have and how output is shaped; their defaults are those of
//!   the command line.
//! - [`plan()`] checks and decides everything, and writes nothing. A [`Plan`] is a value: its `Display` is the dry run,
//!   and [`Plan::summary`] is the same as data.
//! - [`run()`] carries out a plan, all or nothing, reports [`Event`]s on the way, and returns a [`Report`].
//!
//! [`verify()`] proves that an output holds exactly the rows of its source, in order, or says where they first differ.
//! Every output has a [`Receipt`], which says what it was made from. If the receipt of an existing output says that it
//! is up to date, the [`Plan`] does nothing.
//!
//! Besides, [`read`] returns the rows of an export as an ordered stream of Arrow record batches, and [`query`] some of
//! its columns and rows. [`inventory()`] lists what is at a location, [`schema`] finds the columns, and [`Pattern`]
//! parses file names. [`Location::with_parts`] makes a source from parts that you have found, and [`Credentials`] are
//! for a program that already has them.
//!
//! ```
//! use forecast_export::{Location, Options, Output, plan, run};
//!
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! # let folder = tempfile::tempdir().unwrap();
//! # let target = folder.path().join("sales.csv").display().to_string();
//! let source = Location::parse("testdata/forecast")?;
//! let plan = plan(&source, &Output::file(&target)?, &Options::default()).await?;
//! let report = run(plan, |_event| ()).await?;
//! assert_eq!((report.parts, report.rows), (12, Some(36)));
//! # Ok::<(), forecast_export::Error>(())
//! # }).unwrap();
//! ```
//!
//! # In a program
//!
//! ```toml
//! [dependencies]
//! # Local disk, S3 and any other `object_store`; without the command line, Google's and Azure's stores.
//! forecast-export = { version = "0.1", default-features = false, features = ["aws"] }
//! # What polls streams of rows.
//! futures = "0.3"
//! tokio = { version = "1", features = ["macros", "rt-multi-thread"] }
//! ```
//!
//! [`arrow`], [`parquet`] and [`object_store`] are re-exported, so that a program uses the same versions as this crate.
//! The folder `examples` has five programs: `list_gaps`, `stream_and_filter`, `arrow_ipc`, `custom_store` and, as a
//! crate of its own with a web server, `service`, which reports a merge's progress and cancels it on request.
//!
//! Options are values with public fields and a `Default`: make one and set what differs. Results are data: reports,
//! inventories, events and errors are `Clone` and `Serialize`, with the same names as in the command line's `--json`.
//!
//! # Features
//!
//! On by default are `cli` (the command and its dependencies), `aws`, `gcp` and `azure` (the stores), `forecast` (a
//! client of the Forecast API, for exports named by a job's ARN) and `brotli` (for Parquet pages that are compressed
//! with it). Without them the library reads and writes local disk and any [`object_store::ObjectStore`] that you pass
//! to [`Location::in_store`].
//!
//! # How it is built
//!
//! Data flows from left to right. A room imports only from rooms to its left, which a test checks:
//!
//! ```text
//! model | codec | store | source | sink | plan | engine | verify | run       | cluster  | serve
//! words | bytes | where | what   | out  | what | doing  | proof  | all of it | on many  | over
//!       | <->   | things| is     |      | will |        |        |           | machines | HTTP
//!       | rows  | lie   | there  |      | happen        |        |           |          |
//! ```
//!
//! Beside the flow: `inventory` lists what is at a location, `sample` writes a synthetic export, and `jobs` asks the
//! Forecast API for the export of a job.

pub use {arrow, object_store, parquet};

pub mod cluster;
mod codec;
mod engine;
mod inventory;
#[cfg(feature = "forecast")]
mod jobs;
mod model;
mod plan;
mod run;
mod sample;
#[cfg(feature = "serve")]
mod serve;
mod sink;
mod source;
mod store;
mod verify;

pub use engine::{Rows, query, read};
pub use inventory::{
    ExportSummary, FileSummary, Inventory, PartState, PartSummary, SchemaSummary, inventory, schema,
};
#[cfg(feature = "forecast")]
pub use jobs::{Job, JobArn, JobEvent, JobKind, JobStatus, Poll, WaitOptions, describe, wait_until};
pub use model::{
    ArnProblem, BinaryText, ColumnSummary, ColumnType, Comparison, Compression, DataError, DataErrorKind,
    Difference, DifferenceKind, Error, Escaped, Event, EventProblem, ExistsWhy, Filter, FilterColumn, Format,
    Gap, GapRule, HeaderMode, Incomplete, InventoryOptions, Kind, LastAnswer, Limit, Literal, Missing,
    NotFound, OnServer, Options, Origin, OutputExists, PartName, PartNumber, Pattern, Permission, Phase,
    PlaceProblem, PlannedRequests, Preset, Query, Remedy, Requests, Result, RunChoice, RunStamp, SchemaMode,
    Selection, Setting, SettingName, Split, StoreProblem, Strategy, TagProblem, UsageError, ValueKind,
    Warning, Why, WhyNotOnServer, WrittenFile, column, keep_secret, parse_duration, parse_since, parse_size,
    redacted, without_secrets,
};
pub use plan::{
    Output, Plan, PlanSummary, PlannedPartSummary, Receipt, ReceiptOptions, ReceiptOutput, ReceiptSource,
    ReceiptSummary, RunPlan, UpToDate, plan,
};
pub use run::{Report, run, run_until};
pub use sample::{Frequency, Quantile, SampleOptions, SampleReport, sample, sample_until};
#[cfg(feature = "serve")]
#[doc(hidden)]
pub use serve::fuzzing;
#[cfg(feature = "serve")]
pub use serve::{Choice, RegisteredForecast, ServeOptions, Server, register_forecast};
pub use source::{Export, Found, Part, find};
pub use store::{Checksum, Credentials, Encryption, Location, Object, ObjectOptions, StoreOptions};
pub use verify::{VerifyReport, verify, verify_until};

/// The examples of the README are run as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
