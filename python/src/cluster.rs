//! Work in pieces: plans, pieces and commits. A plan is handed over as its JSON document.

use crate::call::{Watch, call, until};
use crate::given::Given;
use crate::source::{Named, Source};
use crate::{json, options};

use forecast_export::cluster::{self, ClusterPlan, PieceOptions, Pieces};
use forecast_export::{Location, Output};
use futures::FutureExt;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// Plans work in pieces; returns the document.
#[pyfunction]
pub(crate) fn cluster_plan(
    py: Python<'_>,
    source: Named,
    output: (String, bool),
    pieces: (Option<u64>, Option<u64>),
    given: &Bound<'_, PyDict>,
    watch: Watch,
) -> PyResult<String> {
    let given = Given::new(given);
    let source = Source::new(source, &given)?;
    let (output, into_folder) = output;
    let (mut options, store) = (options::all(&given)?, options::store(&given)?);
    let target = options::written_to(&given, &store)?;
    given.must_be_used_up()?;
    let pieces = match pieces {
        (Some(number), _) => Pieces::Number(number),
        (None, bytes) => Pieces::Bytes(bytes.unwrap_or(u64::MAX)),
    };
    let plan = call(py, watch, move |stop, _| {
        let work = async move {
            let place = Location::parse_with(&output, &target)?;
            let output = if into_folder { Output::Folder(place) } else { Output::File(place) };
            let source = source.locate(&store, &mut options.select).await?;
            cluster::plan(&source, &output, &options, pieces).await?.to_json()
        };
        until(stop, work).boxed()
    })?;
    Ok(plan)
}

/// Reads a plan from a file or an object; returns the document.
#[pyfunction]
pub(crate) fn cluster_read(
    py: Python<'_>,
    place: String,
    given: &Bound<'_, PyDict>,
    watch: Watch,
) -> PyResult<String> {
    let given = Given::new(given);
    let store = options::store(&given)?;
    given.must_be_used_up()?;
    call(py, watch, move |stop, _| {
        let work = async move { ClusterPlan::read(&Location::parse_with(&place, &store)?).await?.to_json() };
        until(stop, work).boxed()
    })
}

/// Writes a plan to a file or an object.
#[pyfunction]
pub(crate) fn cluster_write(
    py: Python<'_>,
    plan: String,
    place: String,
    given: &Bound<'_, PyDict>,
    watch: Watch,
) -> PyResult<()> {
    let given = Given::new(given);
    let store = options::written_to(&given, &options::store(&given)?)?;
    given.must_be_used_up()?;
    call(py, watch, move |stop, _| {
        let work = async move {
            ClusterPlan::parse(plan.as_bytes())?.write(&Location::parse_with(&place, &store)?).await
        };
        until(stop, work).boxed()
    })
}

/// What this machine brings along.
fn brought(given: &Given<'_, '_>) -> PyResult<PieceOptions> {
    let asked = options::all(given)?;
    let mut brought = PieceOptions::default();
    brought.store = options::written_to(given, &options::store(given)?)?;
    (brought.memory, brought.threads) = (asked.memory, asked.threads);
    Ok(brought)
}

/// Carries out a piece.
#[pyfunction]
pub(crate) fn cluster_piece(
    py: Python<'_>,
    plan: String,
    index: u64,
    given: &Bound<'_, PyDict>,
    watch: Watch,
) -> PyResult<String> {
    let given = Given::new(given);
    let brought = brought(&given)?;
    given.must_be_used_up()?;
    let report = call(py, watch, move |stop, tell| {
        async move {
            let plan = ClusterPlan::parse(plan.as_bytes())?;
            cluster::piece_until(&plan, index, &brought, stop, tell).await
        }
        .boxed()
    })?;
    json(&report)
}

/// Puts the pieces together; with `resume`, carries out here first what is missing.
#[pyfunction]
pub(crate) fn cluster_commit(
    py: Python<'_>,
    plan: String,
    resume: bool,
    given: &Bound<'_, PyDict>,
    watch: Watch,
) -> PyResult<String> {
    let given = Given::new(given);
    let brought = brought(&given)?;
    given.must_be_used_up()?;
    let report = call(py, watch, move |stop, tell| {
        async move {
            let plan = ClusterPlan::parse(plan.as_bytes())?;
            match resume {
                true => cluster::run_here(&plan, &brought, stop, tell).await,
                false => cluster::commit(&plan, &brought, stop, tell).await,
            }
        }
        .boxed()
    })?;
    json(&report)
}

/// Tells how far a plan is.
#[pyfunction]
pub(crate) fn cluster_status(
    py: Python<'_>,
    plan: String,
    given: &Bound<'_, PyDict>,
    watch: Watch,
) -> PyResult<String> {
    let given = Given::new(given);
    let brought = brought(&given)?;
    given.must_be_used_up()?;
    let status = call(py, watch, move |stop, _| {
        let work = async move { cluster::status(&ClusterPlan::parse(plan.as_bytes())?, &brought).await };
        until(stop, work).boxed()
    })?;
    json(&status)
}
