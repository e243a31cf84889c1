//! Worker threads that decode, print and encode, and their connection to async streams: takes sources that produce
//! items in order, such as chunks of text or batches of a row group, and has each item processed by the thread that
//! took it, while it is in the core's cache. Results come out in the order of the items.
//!
//! Only one thread at a time takes from a source, but different threads may take successive items: all work on the
//! first source that is not finished, and a thread starts another one only if it would have to wait. So little is
//! produced early, and each thread soon frees what it allocates.

use super::context::Context;
use super::threads::CpuPool;
use crate::model::{Error, Result};

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

/// Produces items in order.
pub(super) trait ItemSource: Send + 'static {
    /// The item type; each thread has one, which is refilled.
    type Item: Default + Send;

    /// Whether producing an item is CPU work, rather than waiting for bytes.
    const IS_CPU_WORK: bool;

    /// Fills in the next item; `false` at the end.
    fn next(&mut self, item: &mut Self::Item) -> Result<bool>;
}

/// What a thread does with each item; its memory is reused from item to item.
pub(super) trait Worker<Item>: Send + 'static {
    type Output: Send + 'static;

    fn work(&mut self, item: &mut Item) -> Result<Self::Output>;
}

/// Limits on what is started and produced ahead.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) threads: usize,
    /// Items that are produced but not taken yet.
    pub(super) ahead: usize,
    /// The same if the next item belongs to the source that is due, because only such items empty the queue.
    pub(super) ahead_when_due: usize,
}

/// Opens a source, on the thread that uses it first.
pub(super) type Opening<S> = Box<dyn FnOnce() -> Result<S> + Send>;

/// Processes all items of the sources.
pub(super) fn in_order<S: ItemSource, W: Worker<S::Item>>(
    context: &Context,
    sources: Vec<Opening<S>>,
    bounds: Bounds,
    worker: impl Fn() -> Result<W>,
) -> BoxStream<'static, Result<W::Output>> {
    let count = sources.len();
    let shared = Arc::new(Shared::new(sources, bounds));
    let (sender, receiver) = mpsc::unbounded_channel();
    // Also ends the threads already started if a later one cannot be.
    let ordered =
        Ordered { receiver, waiting: BTreeMap::new(), next: (0, 0), count, shared: Arc::clone(&shared) };
    for _ in 0..bounds.threads {
        let thread = Thread {
            pool: context.pool.clone(),
            shared: Arc::clone(&shared),
            sender: sender.clone(),
            runtime: Handle::current(),
        };
        match worker() {
            // Ends with the last source, with the first error, or when its results are no longer consumed.
            Ok(worker) => drop(tokio::task::spawn_blocking(move || thread.run(worker))),
            Err(error) => return stream::once(std::future::ready(Err(error))).boxed(),
        }
    }
    let ordered =
        stream::unfold(ordered, |mut ordered| async { ordered.next().await.map(|item| (item, ordered)) });
    // Can be polled again after its end.
    ordered.fuse().boxed()
}

/// The index of a source, and of an item from it.
type Place = (usize, u64);

/// The result for an item; `None` is the source's end.
type Sent<T> = (Place, Option<Result<T>>);

/// The state shared by the threads.
struct Shared<S> {
    state: Mutex<State<S>>,
    changed: Condvar,
    bounds: Bounds,
}

struct State<S> {
    unopened: std::iter::Enumerate<std::vec::IntoIter<Opening<S>>>,
    /// The started sources; `None` while a thread takes from one.
    begun: BTreeMap<usize, Option<Begun<S>>>,
    /// The source whose items are due.
    due: usize,
    /// Items that were assigned but not consumed yet.
    waiting: usize,
    sleeping: usize,
    is_over: bool,
}

/// A source, and the number of items from it.
struct Begun<S> {
    source: Box<S>,
    given: u64,
}

enum Task<S> {
    Open(usize, Opening<S>),
    GoOn(usize, Begun<S>),
}

impl<S> Shared<S> {
    fn new(sources: Vec<Opening<S>>, bounds: Bounds) -> Self {
        let state = State {
            unopened: sources.into_iter().enumerate(),
            begun: BTreeMap::new(),
            due: 0,
            waiting: 0,
            sleeping: 0,
            is_over: false,
        };
        Shared { state: Mutex::new(state), changed: Condvar::new(), bounds }
    }

    fn lock(&self) -> MutexGuard<'_, State<S>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State<S>)) {
        let mut state = self.lock();
        change(&mut state);
        if state.sleeping > 0 {
            self.changed.notify_all();
        }
    }

    /// The next task; `None` if there is none left. `before_sleep` is called once before waiting.
    fn take(&self, mut before_sleep: impl FnMut()) -> Option<Task<S>> {
        let mut state = self.lock();
        let mut is_first_wait = true;
        loop {
            if state.is_over || (state.begun.is_empty() && state.unopened.len() == 0) {
                return None;
            }
            if let Some(task) = self.first_task(&mut state) {
                state.waiting += 1;
                return Some(task);
            }
            if std::mem::take(&mut is_first_wait) {
                drop(state);
                before_sleep();
                state = self.lock();
                continue;
            }
            state.sleeping += 1;
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.sleeping -= 1;
        }
    }

    fn first_task(&self, state: &mut State<S>) -> Option<Task<S>> {
        let Bounds { threads, ahead, ahead_when_due } = self.bounds;
        let (waiting, due) = (state.waiting, state.due);
        let may_wait = |number: usize| waiting < if number == due { ahead_when_due } else { ahead };
        let idle = state.begun.iter_mut().find(|(number, source)| source.is_some() && may_wait(**number));
        if let Some((number, source)) = idle {
            return source.take().map(|source| Task::GoOn(*number, source));
        }
        if waiting < ahead && state.begun.len() < threads {
            let (number, opening) = state.unopened.next()?;
            state.begun.insert(number, None);
            return Some(Task::Open(number, opening));
        }
        None
    }
}

struct Thread<S, T> {
    pool: CpuPool,
    shared: Arc<Shared<S>>,
    sender: mpsc::UnboundedSender<Sent<T>>,
    runtime: Handle,
}

impl<S: ItemSource, T: Send + 'static> Thread<S, T> {
    fn run<W: Worker<S::Item, Output = T>>(self, mut worker: W) {
        let mut item = S::Item::default();
        let mut done = None;
        while let Some(task) = self.shared.take(|| self.send(&mut done)) {
            let (place, sent) = self.step(task, &mut item, &mut worker, &mut done);
            self.send(&mut done);
            match &sent {
                Some(Ok(_)) => {}
                // Earlier ones continue: their results or errors come first.
                Some(Err(_)) => self.shared.change(|state| {
                    state.unopened = Vec::new().into_iter().enumerate();
                    state.begun.retain(|number, _| *number < place.0);
                }),
                None => self.shared.change(|state| {
                    state.begun.remove(&place.0);
                    state.waiting -= 1;
                }),
            }
            done = Some((place, sent));
            if S::IS_CPU_WORK {
                // The next item takes long, so deliver this one first.
                self.send(&mut done);
            }
        }
        self.send(&mut done);
    }

    fn send(&self, done: &mut Option<Sent<T>>) {
        if let Some(done) = done.take() {
            // If no one takes it, everything is over, too.
            let _ = self.sender.send(done);
        }
    }

    /// Takes an item and processes it. A panic is sent on as an error, otherwise the stream would wait for the item.
    ///
    /// The previous result is sent in between, if it was not yet: sending may wake the stream's reader on our core, and
    /// we must not be descheduled while we hold the source that others wait for.
    fn step<W: Worker<S::Item, Output = T>>(
        &self,
        task: Task<S>,
        item: &mut S::Item,
        worker: &mut W,
        done: &mut Option<Sent<T>>,
    ) -> Sent<T> {
        let mut place = match &task {
            Task::Open(number, _) => (*number, 0),
            Task::GoOn(number, begun) => (*number, begun.given),
        };
        let stepped = catch_unwind(AssertUnwindSafe(|| {
            let mut begun = match task {
                Task::Open(_, open) => Begun { source: Box::new(open()?), given: 0 },
                Task::GoOn(_, begun) => begun,
            };
            let mut permit = if S::IS_CPU_WORK { Some(self.pool.enter(&self.runtime)?) } else { None };
            if !begun.source.next(item)? {
                return Ok(None);
            }
            place = (place.0, begun.given);
            begun.given += 1;
            self.shared.change(|state| {
                if let Some(known) = state.begun.get_mut(&place.0) {
                    *known = Some(begun);
                }
            });
            self.send(done);
            if permit.is_none() {
                permit = Some(self.pool.enter(&self.runtime)?);
            }
            let worked = worker.work(item).map(Some);
            drop(permit);
            worked
        }));
        let stepped = stepped.unwrap_or_else(|panic| Err(Error::from_panic("working", &*panic)));
        (place, stepped.transpose())
    }
}

/// Puts results in order.
struct Ordered<S, T> {
    receiver: mpsc::UnboundedReceiver<Sent<T>>,
    waiting: BTreeMap<Place, Option<Result<T>>>,
    next: Place,
    /// The number of sources.
    count: usize,
    shared: Arc<Shared<S>>,
}

impl<S, T> Ordered<S, T> {
    async fn next(&mut self) -> Option<Result<T>> {
        loop {
            match self.waiting.remove(&self.next) {
                Some(Some(result)) => {
                    // Nothing follows an error.
                    self.next = if result.is_ok() { (self.next.0, self.next.1 + 1) } else { (self.count, 0) };
                    self.shared.change(|state| state.waiting -= 1);
                    return Some(result);
                }
                Some(None) => {
                    self.next = (self.next.0 + 1, 0);
                    self.shared.change(|state| state.due = self.next.0);
                    continue;
                }
                None if self.next.0 == self.count => return None,
                None => {}
            }
            match self.receiver.recv().await {
                Some((place, sent)) => {
                    self.waiting.insert(place, sent);
                }
                None => return Some(Err(Error::Internal("items were left out".into()))),
            }
        }
    }
}

/// Lets threads end when the stream is dropped.
impl<S, T> Drop for Ordered<S, T> {
    fn drop(&mut self) {
        self.shared.change(|state| state.is_over = true);
    }
}
