//! Finds, checks, merges and converts the files that Amazon Forecast's export jobs leave behind, CSV and Parquet, on
//! S3, other object stores and local disk: in order, in a fixed amount of memory, without losing, doubling or altering
//! a row.
//!
//! Four things are all there is to know:
//!
//! - A [`Location`] is where parts lie or output goes: a path, a URL, a glob.
//! - [`Options`] say which run is read, how columns are typed and how output is shaped; their defaults are those of
//!   the command line.
//! - [`plan()`] looks at everything and decides everything, and writes nothing. A [`Plan`] is a value: its `Display` is
//!   the dry run, [`Plan::summary`] is the same as data.
//! - [`run()`] does what a plan says, all or nothing, tells [`Event`]s on the way, and returns a [`Report`].
//!
//! [`verify()`] proves that an output holds exactly the rows of its source, in order, or says where they part. A
//! [`Receipt`] is kept with every output and tells what it was made of; a [`Plan`] whose output is there already, as
//! its receipt says, does nothing.
//!
//! Beside that, [`read`] gives the rows of an export as an ordered stream of Arrow record batches, [`query`] some of its
//! columns and rows, [`inventory()`] lists what lies at a location, [`schema`] finds the columns, and [`Pattern`] takes file
//! names apart. [`Location::with_parts`] makes a source of parts that were found, and [`Credentials`] are those that a program
//! has already.
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
//! [`arrow`], [`parquet`] and [`object_store`] are the versions that this crate uses, so that a program has no others by
//! mistake. The folder `examples` has five programs: `list_gaps`, `stream_and_filter`, `arrow_ipc`, `custom_store` and, as a
//! crate of its own with a web server, `service`, which tells how far a merge is and gives it up when it is asked to.
//!
//! What can be chosen is a value with public fields and a `Default`: make one, set what differs. What happened is data:
//! reports, inventories, events and errors are `Clone` and `Serialize`, with the names that the command line's `--json` has.
//!
//! # Features
//!
//! `cli` (the command and its dependencies), `aws`, `gcp` and `azure` (the stores) and `forecast` (the Forecast API as a
//! client: the export of a job's ARN), and `brotli` (Parquet whose pages it compresses) are on by default; without them the
//! library reads and writes local disk and any [`object_store::ObjectStore`] that is handed to
//! [`Location::in_store`].
//!
//! # How it is built
//!
//! One way through, left to right; a room imports only from rooms to its left, which a test keeps:
//!
//! ```text
//! model | codec | store | source | sink | plan | engine | verify | run
//! words | bytes | where | what   | out  | what | doing  | proof  | all of it
//!       | <->   | things| is     |      | will |        |        |
//!       | rows  | lie   | there  |      | happen        |        |
//! ```
//!
//! Beside the flow: `inventory` lists what lies at a location, `sample` writes a synthetic export, and `jobs` finds the
//! export of a job by Forecast's API.

pub use {arrow, object_store, parquet};

mod codec;
mod engine;
mod inventory;
#[cfg(feature = "forecast")]
mod jobs;
mod model;
mod plan;
mod run;
mod sample;
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
pub use source::{Export, Found, Part, find};
pub use store::{Checksum, Credentials, Encryption, Location, Object, ObjectOptions, StoreOptions};
pub use verify::{VerifyReport, verify, verify_until};

/// The examples of the README are run as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
