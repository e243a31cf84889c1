//! Rows as Python takes them: batch by batch, or all at once by Arrow's C stream interface
//! (<https://arrow.apache.org/docs/format/CDataInterface/PyCapsuleInterface.html>). Nothing is copied.

use crate::call::{Active, TICK};
use crate::failure;
use crate::this_thread;

use arrow::array::{Array, RecordBatch, RecordBatchReader, StructArray};
use arrow::datatypes::{Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ffi::{FFI_ArrowArray, FFI_ArrowSchema, to_ffi};
use arrow::ffi_stream::FFI_ArrowArrayStream;
use forecast_export::{Error, Rows};
use futures::StreamExt;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// An open stream, until it has ended or was closed.
struct Open {
    rows: Rows,
    active: Active,
}

impl Open {
    /// Ends the stream's threads. In a fork of its process they do not exist, and their locks may be held for ever.
    fn end(self) {
        if self.active.is_of_parent() {
            std::mem::forget(self);
            return;
        }
        let _runtime = self.active.runtime().enter();
        drop(self.rows);
    }
}

/// The stream that a `Rows` and whoever took its capsule read.
struct Shared {
    schema: SchemaRef,
    open: Mutex<Option<Open>>,
    closed: watch::Sender<bool>,
    /// What ended the stream, for those who got it from another library as text.
    failed: Mutex<Option<Error>>,
}

/// Why there is no batch.
enum NoBatch {
    Closed,
    /// Python has a signal for the thread.
    Interrupted(PyErr),
    Failed(Error),
}

impl Shared {
    fn open(&self) -> MutexGuard<'_, Option<Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_closed(&self) -> bool {
        *self.closed.borrow()
    }

    /// The next batch. Called with the GIL or without, by a thread of Python or of another library.
    fn pull(&self) -> Result<Option<RecordBatch>, NoBatch> {
        // Only a thread of Python may have the GIL, which has to be released while it waits: the session may need it.
        if !this_thread::is_of_python() {
            return self.wait(|| Ok(()));
        }
        let attached = Python::try_attach(|py| {
            py.detach(|| self.wait(|| Python::attach(|py| py.check_signals()).map_err(NoBatch::Interrupted)))
        });
        attached.unwrap_or(Err(NoBatch::Closed))
    }

    /// Waits for a batch, and looks before and now and then whether there is a reason not to: whoever reads batches that
    /// are always there would never wait.
    fn wait(&self, look: impl Fn() -> Result<(), NoBatch>) -> Result<Option<RecordBatch>, NoBatch> {
        look()?;
        let mut open = self.open();
        let Some(Open { rows, active }) = open.as_mut() else {
            return if self.is_closed() { Err(NoBatch::Closed) } else { Ok(None) };
        };
        let mut closed = self.closed.subscribe();
        let found = loop {
            let next = async {
                tokio::select! {
                    biased;
                    _ = closed.wait_for(|closed| *closed) => Some(Err(NoBatch::Closed)),
                    batch = rows.next() => Some(batch.transpose().map_err(NoBatch::Failed)),
                    () = tokio::time::sleep(TICK) => None,
                }
            };
            match active.runtime().block_on(next) {
                Some(found) => break found,
                None => look()?,
            }
        };
        // After the last batch and after an error there is nothing more.
        if !matches!(found, Ok(Some(_)))
            && let Some(open) = open.take()
        {
            open.end();
        }
        found
    }

    /// Has strings read as views; returns the schema that the batches have then.
    fn with_string_views(&self) -> SchemaRef {
        let mut open = self.open();
        *open = open.take().map(|Open { rows, active }| Open { rows: rows.with_string_views(), active });
        open.as_ref().map_or_else(|| Arc::clone(&self.schema), |open| open.rows.schema())
    }

    fn close(&self) {
        self.closed.send_replace(true);
        if let Some(open) = self.open().take() {
            open.end();
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(open) = self.open().take() {
            open.end();
        }
    }
}

/// One ordered stream of batches.
#[pyclass(frozen, module = "forecast_export._native")]
pub(crate) struct Stream {
    shared: Arc<Shared>,
    #[pyo3(get)]
    warnings: Vec<String>,
}

impl Stream {
    pub(crate) fn new(py: Python<'_>, rows: Rows) -> PyResult<Self> {
        let warnings =
            rows.warnings().iter().map(|warning| warning.named(failure::argument).to_string()).collect();
        let schema = rows.schema();
        let open = Mutex::new(Some(Open { rows, active: Active::new(py)? }));
        let closed = watch::Sender::new(false);
        let shared = Arc::new(Shared { schema, open, closed, failed: Mutex::new(None) });
        Ok(Stream { shared, warnings })
    }

    fn check(&self) -> PyResult<()> {
        if self.shared.is_closed() {
            return Err(PyValueError::new_err("the rows are closed; read them again"));
        }
        // Never waits with the GIL: whoever reads meanwhile holds the lock, is of this process, and may need the GIL.
        let open = self.shared.open.try_lock();
        if open.is_ok_and(|open| open.as_ref().is_some_and(|open| open.active.is_of_parent())) {
            return Err(PyRuntimeError::new_err(
                "these rows were opened before the process was forked; read them again",
            ));
        }
        Ok(())
    }
}

#[pymethods]
impl Stream {
    #[getter]
    fn schema(&self) -> ArrowSchema {
        ArrowSchema(Arc::clone(&self.shared.schema))
    }

    /// The stream in a capsule for Arrow's C stream interface, with strings as views if that is asked for.
    fn capsule<'py>(&self, py: Python<'py>, string_views: bool) -> PyResult<Bound<'py, PyCapsule>> {
        self.check()?;
        let schema = match string_views {
            true => py.detach(|| self.shared.with_string_views()),
            false => Arc::clone(&self.shared.schema),
        };
        let reader = Reader { shared: Arc::clone(&self.shared), schema };
        let stream = FFI_ArrowArrayStream::new(Box::new(reader));
        PyCapsule::new_with_value(py, stream, c"arrow_array_stream")
    }

    /// The next batch; `None` after the last.
    fn next_batch(&self, py: Python<'_>) -> PyResult<Option<Batch>> {
        self.check()?;
        match self.shared.pull() {
            Ok(batch) => Ok(batch.map(Batch)),
            Err(NoBatch::Closed) => Err(PyValueError::new_err("the rows were closed meanwhile")),
            Err(NoBatch::Interrupted(error)) => Err(error),
            Err(NoBatch::Failed(error)) => Err(failure::raised(py, &error)),
        }
    }

    /// The exception for what ended the stream while another library read it.
    fn failure(&self, py: Python<'_>) -> Option<PyErr> {
        let failed = self.shared.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.as_ref().map(|error| failure::raised(py, error))
    }

    /// Ends the stream and its threads, also for whoever has its capsule.
    fn close(&self, py: Python<'_>) {
        py.detach(|| self.shared.close());
    }
}

/// What Arrow's C stream reads.
struct Reader {
    shared: Arc<Shared>,
    schema: SchemaRef,
}

impl Iterator for Reader {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let text = match self.shared.pull() {
            Ok(batch) => return batch.map(Ok),
            Err(NoBatch::Closed) => "the rows were closed before the last was read".to_owned(),
            Err(NoBatch::Failed(error)) => {
                let text = error.named(failure::argument).to_string();
                *self.shared.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                text
            }
            Err(NoBatch::Interrupted(error)) => {
                // The library that reads raises an error of its own; the signal's follows when Python code runs again.
                this_thread::raise_later(error);
                "interrupted".to_owned()
            }
        };
        Some(Err(ArrowError::ExternalError(text.into())))
    }
}

impl RecordBatchReader for Reader {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

/// Some of the rows.
#[pyclass(frozen, module = "forecast_export")]
pub(crate) struct Batch(RecordBatch);

#[pymethods]
impl Batch {
    #[getter]
    fn num_rows(&self) -> usize {
        self.0.num_rows()
    }

    #[getter]
    fn num_columns(&self) -> usize {
        self.0.num_columns()
    }

    /// The number of bytes in memory.
    #[getter]
    fn nbytes(&self) -> usize {
        self.0.get_array_memory_size()
    }

    #[getter]
    fn schema(&self) -> ArrowSchema {
        ArrowSchema(self.0.schema())
    }

    fn __len__(&self) -> usize {
        self.0.num_rows()
    }

    fn __repr__(&self) -> String {
        format!("<Batch: {} rows, {} columns>", self.0.num_rows(), self.0.num_columns())
    }

    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        schema_capsule(py, self.0.schema_ref())
    }

    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_array__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<(Bound<'py, PyCapsule>, Bound<'py, PyCapsule>)> {
        // What is asked for is only a wish, by the interface's definition.
        drop(requested_schema);
        let rows = StructArray::from(self.0.clone()).into_data();
        let (array, _): (FFI_ArrowArray, FFI_ArrowSchema) = to_ffi(&rows).map_err(foreign)?;
        Ok((schema_capsule(py, self.0.schema_ref())?, PyCapsule::new_with_value(py, array, c"arrow_array")?))
    }
}

/// Names and types of columns.
#[pyclass(frozen, eq, module = "forecast_export")]
#[derive(PartialEq)]
pub(crate) struct ArrowSchema(SchemaRef);

#[pymethods]
impl ArrowSchema {
    #[getter]
    fn names(&self) -> Vec<&str> {
        self.0.fields().iter().map(|field| field.name().as_str()).collect()
    }

    fn __len__(&self) -> usize {
        self.0.fields().len()
    }

    fn __repr__(&self) -> String {
        let fields = self.0.fields().iter().map(|field| format!("{}: {}", field.name(), field.data_type()));
        format!("<ArrowSchema: {}>", fields.collect::<Vec<_>>().join(", "))
    }

    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        schema_capsule(py, &self.0)
    }
}

fn schema_capsule<'py>(py: Python<'py>, schema: &Schema) -> PyResult<Bound<'py, PyCapsule>> {
    let schema = FFI_ArrowSchema::try_from(schema).map_err(foreign)?;
    PyCapsule::new_with_value(py, schema, c"arrow_schema")
}

fn foreign(error: ArrowError) -> PyErr {
    PyRuntimeError::new_err(error.to_string())
}
