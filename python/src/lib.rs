//! The native half of the Python package `forecast_export`. It turns Python's arguments into the library's options, runs
//! the library while the GIL is released, and hands rows over by Arrow's C interface. What people import is in
//! `forecast_export/`, which gives results and errors their Python types.

mod call;
mod cluster;
mod failure;
mod given;
mod options;
mod rows;
mod session;
mod source;
mod this_thread;

// The command, as it is in the program.
#[path = "../../src/bin/forecast-export/main.rs"]
#[allow(dead_code, reason = "the program's own entry is not used here")]
mod command;

use crate::call::{Stop, Watch, call};
use crate::given::Given;
use crate::rows::{ArrowSchema, Batch, Stream};
use crate::source::{Named, Source};

use forecast_export as library;
use futures::FutureExt;
use library::{Location, Output};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::sync::Mutex;

/// A result as JSON, with the names of the command's `--json`.
fn json(value: &impl serde::Serialize) -> PyResult<String> {
    serde_json::to_string(value).map_err(|error| pyo3::exceptions::PyRuntimeError::new_err(error.to_string()))
}

/// A plan that was made, and can be carried out once.
#[pyclass(frozen, module = "forecast_export._native")]
struct Plan {
    plan: Mutex<Option<library::Plan>>,
    parts: usize,
    #[pyo3(get)]
    summary: String,
    #[pyo3(get)]
    text: String,
    #[pyo3(get)]
    details: String,
}

#[pymethods]
impl Plan {
    /// Carries the plan out; `None` if that has been done.
    fn run(&self, py: Python<'_>, watch: Watch) -> PyResult<Option<String>> {
        let plan = self.plan.lock().ok().and_then(|mut plan| plan.take());
        let Some(plan) = plan else { return Ok(None) };
        let report = call(py, watch.of_parts(self.parts), move |stop, tell| {
            library::run_until(plan, stop, tell).boxed()
        })?;
        json(&report).map(Some)
    }
}

/// Plans a merge into a file, a conversion into a folder, or with no output a merge into nothing.
#[pyfunction]
fn plan(
    py: Python<'_>,
    source: Named,
    output: Option<String>,
    into_folder: bool,
    given: &Bound<'_, PyDict>,
    watch: Watch,
) -> PyResult<Plan> {
    let given = Given::new(given);
    let source = Source::new(source, &given)?;
    let (mut options, store) = (options::all(&given)?, options::store(&given)?);
    let target = options::written_to(&given, &store)?;
    given.must_be_used_up()?;
    let has_output = output.is_some();
    let plan = call(py, watch, move |stop, _| {
        let work = async move {
            let output = match output {
                None => Output::Stdout,
                Some(text) if into_folder => Output::Folder(Location::parse_with(&text, &target)?),
                Some(text) => Output::File(Location::parse_with(&text, &target)?),
            };
            let source = source.locate(&store, &mut options.select).await?;
            library::plan(&source, &output, &options).await
        };
        call::until(stop, work).boxed()
    })?;
    let mut summary = plan.summary_named(failure::argument);
    if !has_output {
        summary.outputs.clear();
    }
    Ok(Plan {
        parts: summary.parts.len(),
        text: summary.to_string(),
        details: format!("{summary:#}"),
        summary: json(&summary)?,
        // Without an output there is nothing to carry out; the library would write to standard output.
        plan: Mutex::new(has_output.then_some(plan)),
    })
}

/// Reads rows, of all columns or of some.
#[pyfunction]
fn read(
    py: Python<'_>,
    source: Named,
    columns: Option<Vec<String>>,
    given: &Bound<'_, PyDict>,
    watch: Watch,
) -> PyResult<Stream> {
    let given = Given::new(given);
    let source = Source::new(source, &given)?;
    let (mut options, store) = (options::all(&given)?, options::store(&given)?);
    given.must_be_used_up()?;
    let rows = call(py, watch, move |stop, _| {
        let work = async move {
            let source = source.locate(&store, &mut options.select).await?;
            let mut query = library::Query::default();
            query.columns = columns;
            library::query(&source, &options, &query).await
        };
        call::until(stop, work).boxed()
    })?;
    Stream::new(py, rows)
}

/// Compares an output with its source. A difference is an error.
#[pyfunction]
fn verify(
    py: Python<'_>,
    output: String,
    source: Named,
    given: &Bound<'_, PyDict>,
    watch: Watch,
) -> PyResult<String> {
    let given = Given::new(given);
    let source = Source::new(source, &given)?;
    let (mut options, store) = (options::all(&given)?, options::store(&given)?);
    given.must_be_used_up()?;
    let report = call(py, watch, move |stop, tell| {
        async move {
            let output = Location::parse_with(&output, &store)?;
            let source = source.locate(&store, &mut options.select).await?;
            library::verify_until(&output, &source, &options, stop, tell).await
        }
        .boxed()
    })?;
    if let Some(difference) = report.difference {
        return Err(failure::raised(py, &library::Error::Different(Box::new(difference))));
    }
    json(&report)
}

/// Lists everything at a location.
#[pyfunction]
fn ls(py: Python<'_>, source: Named, given: &Bound<'_, PyDict>, watch: Watch) -> PyResult<String> {
    let given = Given::new(given);
    let source = Source::new(source, &given)?;
    let (mut options, store) = (options::inventory(&given)?, options::store(&given)?);
    given.must_be_used_up()?;
    let found = call(py, watch, move |stop, _| {
        let work = async move {
            let source = source.locate(&store, &mut options.select).await?;
            library::inventory(&source, &options).await
        };
        call::until(stop, work).boxed()
    })?;
    json(&found)
}

/// Finds columns and types.
#[pyfunction]
fn schema(py: Python<'_>, source: Named, given: &Bound<'_, PyDict>, watch: Watch) -> PyResult<String> {
    let given = Given::new(given);
    let source = Source::new(source, &given)?;
    let (mut options, store) = (options::all(&given)?, options::store(&given)?);
    given.must_be_used_up()?;
    let found = call(py, watch, move |stop, _| {
        let work = async move {
            let source = source.locate(&store, &mut options.select).await?;
            library::schema(&source, &options).await
        };
        call::until(stop, work).boxed()
    })?;
    json(&found)
}

/// Asks the service about a job, once or, with `wait`, until it is done.
#[pyfunction]
fn job(py: Python<'_>, source: Named, given: &Bound<'_, PyDict>, watch: Watch) -> PyResult<String> {
    let given = Given::new(given);
    let source = Source::new(source, &given)?;
    let store = options::store(&given)?;
    given.must_be_used_up()?;
    let job = call(py, watch, move |stop, _| {
        let work = async move { source.job(&store).await };
        call::until(stop, work).boxed()
    })?;
    json(&job)
}

/// Writes a synthetic export.
#[pyfunction]
fn sample(py: Python<'_>, folder: String, given: &Bound<'_, PyDict>, watch: Watch) -> PyResult<String> {
    let given = Given::new(given);
    let (options, store) = (options::sample(&given)?, options::store(&given)?);
    let target = options::written_to(&given, &store)?;
    given.must_be_used_up()?;
    let report = call(py, watch, move |stop, tell| {
        async move {
            let folder = Location::parse_with(&folder, &target)?;
            library::sample_until(&folder, &options, stop, tell).await
        }
        .boxed()
    })?;
    json(&report)
}

/// Runs the command with these arguments, the first of which is its name; returns the exit code. `again` starts the same
/// command once more.
#[pyfunction]
fn command_line(py: Python<'_>, args: Vec<std::ffi::OsString>, again: Vec<std::ffi::OsString>) -> u8 {
    py.detach(|| command::command(args, again))
}

#[pymodule]
mod _native {
    #[pymodule_export]
    use super::cluster::{
        cluster_commit, cluster_piece, cluster_plan, cluster_read, cluster_status, cluster_write,
    };
    #[pymodule_export]
    use super::{
        ArrowSchema, Batch, Plan, Stop, Stream, command_line, job, ls, plan, read, sample, schema, verify,
    };
    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        // A decoder that gives up on a hostile file is reported as an error, and not printed besides.
        std::panic::set_hook(Box::new(|_| ()));
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
