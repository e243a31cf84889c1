//! Runs one call of the library for a Python thread: on a runtime of this process, with the GIL released, until it ends,
//! Python has a signal, the progress function fails, or another thread asks to stop.

use crate::failure;

use forecast_export::{Error, Event, Result};
use futures::FutureExt;
use futures::future::BoxFuture;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

/// How often a waiting thread looks whether Python has a signal for it.
pub(crate) const TICK: Duration = Duration::from_millis(50);

/// The least time between two calls of the progress function.
const BETWEEN_EVENTS: Duration = Duration::from_millis(100);

/// The runtime of one process. It lasts as long as the process.
struct Shared {
    process: u32,
    runtime: Runtime,
    /// Calls under way and streams that are open.
    active: AtomicUsize,
}

/// Only ever locked by a thread that has the GIL and keeps it. So no other thread holds it when Python forks.
static SHARED: Mutex<Option<&'static Shared>> = Mutex::new(None);

/// The runtime, while a call or a stream uses it.
pub(crate) struct Active(&'static Shared);

impl Active {
    /// The runtime of this process.
    ///
    /// # Errors
    /// `RuntimeError` if the process is a fork of one in which calls were under way: locks that their threads held
    /// would never be released here.
    pub(crate) fn new(_py: Python<'_>) -> PyResult<Self> {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        let process = std::process::id();
        let known = match *shared {
            Some(known) if known.process == process => known,
            Some(before) if before.active.load(Ordering::Relaxed) > 0 => {
                return Err(PyRuntimeError::new_err(
                    "this process was forked while forecast_export was at work in its parent, or had rows open \
                     there; start processes with the method \"spawn\" or \"forkserver\", for example by \
                     multiprocessing.get_context(\"spawn\")",
                ));
            }
            _ => {
                let mut builder = Builder::new_multi_thread();
                builder.worker_threads(2).thread_name("forecast-export").enable_all();
                // Threads that work end soon after the call or stream that they worked for.
                let runtime = builder.thread_keep_alive(Duration::from_secs(1)).build();
                let runtime = runtime.map_err(|error| {
                    PyRuntimeError::new_err(format!("forecast_export cannot start its threads: {error}"))
                })?;
                // The runtime of the parent, if there is one, has no threads here. It is left as it is.
                let new: &Shared = Box::leak(Box::new(Shared { process, runtime, active: 0.into() }));
                *shared = Some(new);
                new
            }
        };
        known.active.fetch_add(1, Ordering::Relaxed);
        Ok(Active(known))
    }

    pub(crate) fn runtime(&self) -> &Runtime {
        &self.0.runtime
    }

    /// Whether the process is a fork of the one that this was made in.
    pub(crate) fn is_of_parent(&self) -> bool {
        self.0.process != std::process::id()
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.0.active.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Asks a call to stop, from any thread.
#[pyclass(frozen, module = "forecast_export._native")]
pub(crate) struct Stop(watch::Sender<bool>);

#[pymethods]
impl Stop {
    #[new]
    fn new() -> Self {
        Stop(watch::Sender::new(false))
    }

    /// Asks for it. What was begun is cleaned up, and then the call ends with an error.
    fn set(&self) {
        self.0.send_replace(true);
    }
}

/// What is told of a call, and what ends it.
#[derive(FromPyObject)]
pub(crate) struct Watch {
    /// Called with bytes, all bytes, rows, parts and the stage.
    #[pyo3(item)]
    progress: Option<Py<PyAny>>,
    #[pyo3(item)]
    stop: Option<Py<Stop>>,
    #[pyo3(item, default)]
    parts: Option<usize>,
}

impl Watch {
    pub(crate) fn of_parts(self, parts: usize) -> Self {
        Watch { parts: Some(parts), ..self }
    }

    fn tell(&self, py: Python<'_>, event: &Event) -> PyResult<()> {
        let (Some(progress), Event::Progress { phase, bytes, total_bytes, rows }) = (&self.progress, event)
        else {
            return Ok(());
        };
        let stage = serde_json::to_value(phase).ok();
        let stage = stage.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default();
        progress.call1(py, (bytes, total_bytes, rows, self.parts, stage)).map(drop)
    }
}

/// Ready when the call is to stop.
pub(crate) type Stopped = BoxFuture<'static, ()>;
/// Takes the events of a run.
pub(crate) type Tell = Box<dyn FnMut(Event) + Send>;

enum Message<T> {
    Event(Event),
    Done(Result<T>),
}

/// Runs a call to its end.
///
/// # Errors
/// What the call says, as a Python exception. The exception of a signal handler or of the progress function ends the
/// call, and is raised when everything that it had begun is cleaned up.
pub(crate) fn call<T: Send + 'static>(
    py: Python<'_>,
    watch: Watch,
    work: impl FnOnce(Stopped, Tell) -> BoxFuture<'static, Result<T>>,
) -> PyResult<T> {
    let active = Active::new(py)?;
    let stopper = watch.stop.as_ref().map_or_else(|| watch::Sender::new(false), |stop| stop.get().0.clone());
    let mut asked = stopper.subscribe();
    let stopped = async move {
        if asked.wait_for(|stop| *stop).await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    let (sender, mut receiver) = channel();
    let work = work(stopped.boxed(), telling(sender.clone()));
    active.runtime().spawn(async move {
        let done = AssertUnwindSafe(work).catch_unwind().await;
        let done = done.unwrap_or_else(|panic| Err(Error::from_panic("running", &*panic)));
        // Nobody listens any more if the caller was interrupted twice.
        let _ = sender.send(Message::Done(done));
    });
    let mut told = Told { at: None, last: None };
    let mut raised: Option<PyErr> = None;
    loop {
        let received;
        (receiver, received) = py.detach(move || receive(receiver));
        let end = |error: PyErr, raised: &mut Option<PyErr>| match raised {
            // A second interrupt does not wait for anything.
            Some(_) => true,
            None => {
                stopper.send_replace(true);
                *raised = Some(error);
                false
            }
        };
        match received {
            Ok(Message::Event(event)) => {
                if matches!(event, Event::Progress { .. }) {
                    told.last = Some(event);
                }
                if raised.is_none()
                    && let Err(error) = told.tell(py, &watch, false)
                {
                    end(error, &mut raised);
                }
            }
            Ok(Message::Done(done)) => {
                if let Some(raised) = raised {
                    return Err(raised);
                }
                let done = done.map_err(|error| failure::raised(py, &error))?;
                told.tell(py, &watch, true)?;
                return Ok(done);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                return Err(PyRuntimeError::new_err("forecast_export's threads have ended"));
            }
        }
        if let Err(signal) = py.check_signals()
            && end(signal, &mut raised)
        {
            return Err(raised.unwrap_or_else(|| PyRuntimeError::new_err("interrupted")));
        }
    }
}

type Received<T> = std::result::Result<Message<T>, RecvTimeoutError>;

fn receive<T>(receiver: Receiver<Message<T>>) -> (Receiver<Message<T>>, Received<T>) {
    let received = receiver.recv_timeout(TICK);
    (receiver, received)
}

fn telling<T: Send + 'static>(sender: Sender<Message<T>>) -> Tell {
    Box::new(move |event| drop(sender.send(Message::Event(event))))
}

/// What the progress function was told.
struct Told {
    at: Option<Instant>,
    /// Not told yet.
    last: Option<Event>,
}

impl Told {
    fn tell(&mut self, py: Python<'_>, watch: &Watch, is_end: bool) -> PyResult<()> {
        let is_due = is_end || self.at.is_none_or(|at| at.elapsed() >= BETWEEN_EVENTS);
        match self.last.take_if(|_| is_due) {
            Some(event) => {
                self.at = Some(Instant::now());
                watch.tell(py, &event)
            }
            None => Ok(()),
        }
    }
}

/// Work that can simply be dropped, until it is to stop.
pub(crate) async fn until<T>(stop: Stopped, work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::select! {
        done = work => done,
        () = stop => Err(Error::Stopped),
    }
}
