//! Threads that work on text: each takes the next chunk, reading it into memory of its own, and works on it while it
//! is in its core's cache. What they give leaves in the order of the text.

use super::context::Context;
use crate::codec::panic_text;
use crate::model::{Error, Result};
use crate::source::{Chunk, Text};

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// What a thread does with each chunk; what it holds is reused from chunk to chunk.
pub(crate) trait Worker: Send + 'static {
    type Output: Send + 'static;

    fn work(&mut self, chunk: &Chunk) -> Result<Self::Output>;
}

/// A chunk's place, what became of it, and the permit that bounds how many wait.
type Sent<T> = (u64, Result<T>, OwnedSemaphorePermit);

/// Works through a text of about so many bytes, on as many threads as the run may have.
pub(crate) fn in_order<W: Worker>(
    context: &Context,
    text: Text,
    bytes: u64,
    worker: impl Fn() -> Result<W>,
) -> BoxStream<'static, Result<W::Output>> {
    let chunks = (bytes / context.budget.chunk as u64).saturating_add(1);
    let threads = usize::try_from(chunks).unwrap_or(usize::MAX).min(context.budget.threads);
    let (sender, receiver) = mpsc::unbounded_channel();
    let window = Arc::new(Semaphore::new(threads + context.budget.window));
    let shared = Arc::new(Mutex::new(Shared { text: Some(text), next: 0 }));
    for _ in 0..threads {
        let thread = Thread {
            window: Arc::clone(&window),
            shared: Arc::clone(&shared),
            sender: sender.clone(),
            context: context.clone(),
            runtime: Handle::current(),
        };
        match worker() {
            // Ends with the text, with the first error, or when nobody takes what it gives any more.
            Ok(worker) => drop(tokio::task::spawn_blocking(move || thread.run(worker))),
            Err(error) => return stream::once(std::future::ready(Err(error))).boxed(),
        }
    }
    let ordered = Ordered { receiver, waiting: BTreeMap::new(), next: 0, _window: CloseOnDrop(window) };
    let ordered =
        stream::unfold(ordered, |mut ordered| async { ordered.next().await.map(|item| (item, ordered)) });
    // May be asked again after its end.
    ordered.fuse().boxed()
}

struct Shared {
    /// `None` after its end, or an error.
    text: Option<Text>,
    /// The number of the next chunk.
    next: u64,
}

struct Thread<T> {
    window: Arc<Semaphore>,
    shared: Arc<Mutex<Shared>>,
    sender: mpsc::UnboundedSender<Sent<T>>,
    context: Context,
    runtime: Handle,
}

impl<T: Send + 'static> Thread<T> {
    fn run<W: Worker<Output = T>>(self, mut worker: W) {
        let mut chunk = Chunk::default();
        let mut done = None;
        loop {
            // A permit comes before a chunk: so the one whose turn it is always has one. While there are any, what is done
            // is sent after the next chunk was cut: whom it wakes may take our core, and nobody shall wait for a lock that
            // we then hold.
            let permit = Arc::clone(&self.window).try_acquire_owned().or_else(|_| {
                self.send(&mut done);
                self.runtime.block_on(Arc::clone(&self.window).acquire_owned())
            });
            let Ok(permit) = permit else { return };
            let (number, cut) = self.cut(&mut chunk);
            self.send(&mut done);
            let result = match cut {
                Ok(false) => return,
                Ok(true) => {
                    self.context.pool.run_here(&self.runtime, || watched(&mut worker, &chunk)).flatten()
                }
                Err(error) => Err(error),
            };
            if result.is_err() {
                self.lock().text = None;
            }
            done = Some((number, result, permit));
        }
    }

    fn send(&self, done: &mut Option<Sent<T>>) {
        if let Some(done) = done.take() {
            // Where nobody takes it the window is closed, too.
            let _ = self.sender.send(done);
        }
    }

    fn cut(&self, chunk: &mut Chunk) -> (u64, Result<bool>) {
        let mut shared = self.lock();
        let number = shared.next;
        let cut = match &mut shared.text {
            Some(text) => text.next(chunk),
            None => Ok(false),
        };
        match cut {
            Ok(true) => shared.next += 1,
            _ => shared.text = None,
        }
        (number, cut)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A worker that gives up must say so, or its chunk would be waited for.
fn watched<W: Worker>(worker: &mut W, chunk: &Chunk) -> Result<W::Output> {
    catch_unwind(AssertUnwindSafe(|| worker.work(chunk)))
        .unwrap_or_else(|panic| Err(Error::Internal(format!("a worker gave up: {}", panic_text(&*panic)))))
}

/// Brings results into order.
struct Ordered<T> {
    receiver: mpsc::UnboundedReceiver<Sent<T>>,
    waiting: BTreeMap<u64, (Result<T>, OwnedSemaphorePermit)>,
    next: u64,
    _window: CloseOnDrop,
}

impl<T> Ordered<T> {
    async fn next(&mut self) -> Option<Result<T>> {
        loop {
            if let Some((result, _permit)) = self.waiting.remove(&self.next) {
                self.next += 1;
                return Some(result);
            }
            match self.receiver.recv().await {
                Some((number, result, permit)) => {
                    self.waiting.insert(number, (result, permit));
                }
                // The last thread is gone, and each told of every chunk it took.
                None => return None,
            }
        }
    }
}

/// Threads that wait for a permit end when nobody reads on.
struct CloseOnDrop(Arc<Semaphore>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.0.close();
    }
}
