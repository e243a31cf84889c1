//! The library's options from a call's arguments, which are named as the command's flags.

use crate::failure;
use crate::given::Given;
use crate::session;

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use forecast_export::{
    InventoryOptions, ObjectOptions, Options, Pattern, Preset, Quantile, RunStamp, SampleOptions, Selection,
    Split, StoreOptions, parse_since,
};
use pyo3::prelude::*;

/// Below this not even one buffer of each stage fits.
const LEAST_MEMORY: u64 = 16_000_000;

/// Options for reading, shaping and writing. Those that a function does not offer are not among its arguments.
pub(crate) fn all(given: &Given<'_, '_>) -> PyResult<Options> {
    let mut options = Options::default();
    select(given, &mut options.select)?;
    options.to = given.parsed("to")?;
    options.compression = given.parsed("compression")?;
    options.row_group_rows = positive(given, "row_group_rows")?;
    options.bloom_filters = given.texts("bloom_filter")?;
    options.split = match (positive(given, "split_rows")?, given.size("split_bytes")?) {
        (Some(_), Some(_)) => {
            return Err(failure::usage(given.py(), "split_rows and split_bytes exclude each other"));
        }
        (_, Some(0)) => return Err(failure::usage(given.py(), "split_bytes must be more than 0")),
        (rows, bytes) => rows.map(Split::Rows).or(bytes.map(Split::Bytes)),
    };
    options.schema = given.parsed("schema")?.unwrap_or_default();
    for (column, name) in given.pairs("types")? {
        options.types.push((column, given.checked(name.parse())?));
    }
    options.all_strings = given.flag("all_strings")?;
    options.binary = given.parsed("binary")?;
    options.nulls = given.texts("null")?;
    options.header = given.parsed("header")?;
    options.columns = given.texts("columns")?;
    options.source_columns = given.flag("source_columns")?;
    options.overwrite = given.flag("overwrite")?;
    options.verify = given.flag("verify")?;
    options.no_receipt = given.flag("no_receipt")?;
    options.on_server = given.parsed("on_server")?.unwrap_or_default();
    options.memory = match given.size("memory")? {
        Some(bytes) if bytes < LEAST_MEMORY => {
            return Err(failure::usage(given.py(), "memory must be at least 16MB"));
        }
        memory => memory,
    };
    options.threads = threads(given)?;
    Ok(options)
}

/// Options of `ls`.
pub(crate) fn inventory(given: &Given<'_, '_>) -> PyResult<InventoryOptions> {
    let mut options = Options::default();
    select(given, &mut options.select)?;
    options.header = given.parsed("header")?;
    options.columns = given.texts("columns")?;
    let mut options = InventoryOptions::from(options);
    let since = given.text("since")?;
    options.since = since.map(|since| given.checked(parse_since(&since, Utc::now()))).transpose()?;
    options.names_only = given.flag("names")?;
    Ok(options)
}

fn select(given: &Given<'_, '_>, select: &mut Selection) -> PyResult<()> {
    select.job = given.text("job")?;
    select.kind = given.parsed("kind")?;
    select.run = given.parsed("run")?.unwrap_or_default();
    select.pattern = match (given.text("pattern")?, given.parsed::<Preset>("preset")?) {
        (Some(_), Some(_)) => {
            return Err(failure::usage(given.py(), "pattern and preset exclude each other"));
        }
        (Some(pattern), None) => given.checked(Pattern::custom(&pattern))?,
        (None, preset) => Pattern::preset(preset.unwrap_or(Preset::Forecast)),
    };
    select.allow_gaps = given.flag("allow_gaps")?;
    select.expect_parts = given.number("expect_parts")?;
    select.expect_rows = given.number("expect_rows")?;
    select.restore = given.number("restore")?;
    Ok(())
}

fn positive(given: &Given<'_, '_>, name: &'static str) -> PyResult<Option<u64>> {
    match given.number(name)? {
        Some(0) => Err(failure::usage(given.py(), &format!("{name} must be more than 0"))),
        number => Ok(number),
    }
}

fn threads(given: &Given<'_, '_>) -> PyResult<Option<usize>> {
    match given.number::<usize>("threads")? {
        None => Ok(None),
        Some(threads @ 1..=1024) => Ok(Some(threads)),
        Some(_) => Err(failure::usage(given.py(), "threads must be from 1 to 1024")),
    }
}

/// How stores are reached.
pub(crate) fn store(given: &Given<'_, '_>) -> PyResult<StoreOptions> {
    let mut options = StoreOptions::default();
    options.endpoint_url = given.text("endpoint_url")?;
    options.region = given.text("region")?;
    options.profile = given.text("profile")?;
    options.role_arn = given.text("role_arn")?;
    options.external_id = given.text("external_id")?;
    options.no_sign_request = given.flag("no_sign_request")?;
    options.request_payer = given.flag("request_payer")?;
    options.retry_timeout = given.duration("retry_timeout")?;
    if let Some(session) = given.object("session")? {
        options.credentials = Some(session::credentials(&session)?);
        if options.region.is_none() {
            options.region = session::region(&session)?;
        }
    }
    Ok(options)
}

/// How the output is written, in the store of the source's options.
pub(crate) fn written_to(given: &Given<'_, '_>, store: &StoreOptions) -> PyResult<StoreOptions> {
    let mut objects = ObjectOptions::default();
    objects.encryption = given.parsed("sse")?;
    objects.kms_key_id = given.text("sse_kms_key_id")?;
    objects.bucket_key = given.plain("sse_bucket_key", "a bool")?;
    objects.tags = given.pairs("tag")?;
    objects.storage_class = given.text("storage_class")?;
    objects.checksum = given.parsed("checksum")?;
    let mut options = store.clone();
    options.objects = objects;
    Ok(options)
}

/// Options of `sample`. Those that were not given keep the library's defaults.
pub(crate) fn sample(given: &Given<'_, '_>) -> PyResult<SampleOptions> {
    let mut options = SampleOptions::default();
    options.kind = given.parsed("kind")?.unwrap_or(options.kind);
    options.items = given.number("items")?.unwrap_or(options.items);
    options.steps = given.number("steps")?.unwrap_or(options.steps);
    let quantiles = given.texts("quantiles")?;
    if !quantiles.is_empty() {
        let quantiles: PyResult<Vec<Quantile>> =
            quantiles.iter().map(|quantile| given.checked(quantile.parse())).collect();
        options.quantiles = quantiles?;
    }
    options.dimensions = given.number("dimensions")?.unwrap_or(options.dimensions);
    if let Some(text) = given.text("start")? {
        options.start = start(given, &text)?;
    }
    options.frequency = given.parsed("frequency")?.unwrap_or(options.frequency);
    options.seed = given.number("seed")?.unwrap_or(options.seed);
    options.parts = given.number("parts")?.unwrap_or(options.parts);
    options.to = given.parsed("to")?.unwrap_or(options.to);
    options.compression = given.parsed("compression")?;
    options.job = given.text("job")?.unwrap_or(options.job);
    if let Some(run) = given.text("run")? {
        options.run = RunStamp::new(&run.replace(':', "-"));
    }
    options.overwrite = given.flag("overwrite")?;
    options.threads = threads(given)?;
    Ok(options)
}

fn start(given: &Given<'_, '_>, text: &str) -> PyResult<NaiveDateTime> {
    let day = || text.parse::<NaiveDate>().map(NaiveDateTime::from);
    let zoned = || DateTime::parse_from_rfc3339(text).map(|time| time.naive_utc());
    day().or_else(|_| zoned()).map_err(|_| {
        failure::usage(
            given.py(),
            &format!("start: \"{text}\" is not a date such as 2026-01-03 or 2026-01-03T12:00:00Z"),
        )
    })
}
