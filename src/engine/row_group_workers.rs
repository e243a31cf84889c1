//! Threads that decode row groups and work on their batches. What they give leaves in the order of the rows.
//!
//! A row group is decoded by one thread at a time, but not by the same one from batch to batch: all help with the first
//! that is not done, and a thread begins another one only where it would wait for its turn. So little is made ahead of
//! its turn, and what a thread allocates it soon frees itself.

use super::context::Context;
use super::row_group_reader::{ReadFailure, RowGroupReader};
use crate::codec::panic_text;
use crate::codec::parquet::{RowGroupBatches, StringDecoding, align, decode_row_group, with_keys};
use crate::model::{BATCH_ROWS, Error, Result};
use crate::source::{Contents, PlannedPart};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use parquet::file::metadata::RowGroupMetaData;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

/// For less than this a further thread is not worth its start; and many small files at a time need not many each.
const BYTES_OF_A_THREAD: usize = 256 * 1024;

/// Decodes row groups, given by part and place, and makes something of each batch where it was decoded; every thread has a
/// worker of its own.
pub(crate) fn row_groups_worked<T, W>(
    context: &Context,
    groups: Vec<(usize, usize)>,
    texts: StringDecoding,
    worker: impl Fn() -> W,
) -> BoxStream<'static, Result<T>>
where
    T: Send + 'static,
    W: FnMut(RecordBatch, &str) -> Result<T> + Send + 'static,
{
    let size = |(part, group): &(usize, usize)| {
        let metadata = context.input.parts[*part].parquet()?;
        usize::try_from(metadata.row_group(*group).compressed_size()).ok()
    };
    let bytes = groups.iter().filter_map(size).fold(0, usize::saturating_add);
    let threads = groups.len().min(context.budget.threads).min(1 + bytes / BYTES_OF_A_THREAD);
    let ahead = (context.budget.row_group / context.budget.batch).max(threads);
    let count = groups.len();
    let shared = Arc::new(Shared::new(groups, threads, ahead));
    let (sender, receiver) = mpsc::unbounded_channel();
    for _ in 0..threads {
        let thread = Thread {
            context: context.clone(),
            texts,
            shared: Arc::clone(&shared),
            sender: sender.clone(),
            runtime: Handle::current(),
        };
        let work = worker();
        // Ends with the last row group, with the first error, or when nobody takes what it gives any more.
        drop(tokio::task::spawn_blocking(move || thread.run(work)));
    }
    let ordered = Ordered { receiver, waiting: BTreeMap::new(), next: (0, 0), count, shared };
    let ordered =
        stream::unfold(ordered, |mut ordered| async { ordered.next().await.map(|item| (item, ordered)) });
    // May be asked again after its end.
    ordered.fuse().boxed()
}

/// The number of a row group among those that are worked on, and of a batch in it.
type Place = (usize, u64);

/// What became of a batch; `None` is the row group's end.
type Sent<T> = (Place, Option<Result<T>>);

/// What the threads share out among them.
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    /// Row groups that are begun at the same time.
    most_begun: usize,
    /// Batches that are made ahead of their turn.
    ahead: usize,
}

struct State {
    rest: std::iter::Enumerate<std::vec::IntoIter<(usize, usize)>>,
    /// The row groups that are begun, without those that a thread is decoding.
    begun: BTreeMap<usize, Option<Box<RowGroup>>>,
    /// The row group whose batches are due.
    due: usize,
    /// Batches that were given out and not taken yet.
    waiting: usize,
    sleeping: usize,
    is_over: bool,
}

enum Task {
    Begin(usize, (usize, usize)),
    GoOn(Box<RowGroup>),
}

impl Shared {
    fn new(groups: Vec<(usize, usize)>, most_begun: usize, ahead: usize) -> Self {
        let state = State {
            rest: groups.into_iter().enumerate(),
            begun: BTreeMap::new(),
            due: 0,
            waiting: 0,
            sleeping: 0,
            is_over: false,
        };
        Shared { state: Mutex::new(state), changed: Condvar::new(), most_begun, ahead }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        change(&mut state);
        if state.sleeping > 0 {
            self.changed.notify_all();
        }
    }

    /// The next thing to do; `None` where there is nothing any more.
    fn take(&self) -> Option<Task> {
        let mut state = self.lock();
        loop {
            if state.is_over || (state.begun.is_empty() && state.rest.len() == 0) {
                return None;
            }
            if let Some(task) = self.first_task(&mut state) {
                state.waiting += 1;
                return Some(task);
            }
            state.sleeping += 1;
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.sleeping -= 1;
        }
    }

    fn first_task(&self, state: &mut State) -> Option<Task> {
        let (waiting, due) = (state.waiting, state.due);
        // What is due goes on even where others filled the queue: nothing else empties it.
        let may_wait = |number: usize| waiting < self.ahead || (number == due && waiting < 2 * self.ahead);
        let idle = state.begun.iter_mut().find(|(number, group)| group.is_some() && may_wait(**number));
        if let Some((_, group)) = idle {
            return group.take().map(Task::GoOn);
        }
        if waiting < self.ahead && state.begun.len() < self.most_begun {
            let (number, place) = state.rest.next()?;
            state.begun.insert(number, None);
            return Some(Task::Begin(number, place));
        }
        None
    }
}

struct Thread<T> {
    context: Context,
    texts: StringDecoding,
    shared: Arc<Shared>,
    sender: mpsc::UnboundedSender<Sent<T>>,
    runtime: Handle,
}

impl<T: Send + 'static> Thread<T> {
    fn run(self, mut work: impl FnMut(RecordBatch, &str) -> Result<T>) {
        while let Some(task) = self.shared.take() {
            let (place, sent) = self.step(task, &mut work);
            match &sent {
                // Those before it go on: their rows, or their errors, come first.
                Some(Err(_)) => self.shared.change(|state| {
                    state.rest = Vec::new().into_iter().enumerate();
                    state.begun.retain(|number, _| *number < place.0);
                }),
                Some(Ok(_)) => {}
                None => self.shared.change(|state| {
                    state.begun.remove(&place.0);
                    state.waiting -= 1;
                }),
            }
            if self.sender.send((place, sent)).is_err() {
                return;
            }
        }
    }

    /// Decodes a batch and works on it. Whoever gives up must say so, or the batch would be waited for.
    fn step(&self, task: Task, work: &mut impl FnMut(RecordBatch, &str) -> Result<T>) -> Sent<T> {
        let mut place = match &task {
            Task::Begin(number, _) => (*number, 0),
            Task::GoOn(group) => (group.number, group.given),
        };
        let stepped = catch_unwind(AssertUnwindSafe(|| {
            let mut group = match task {
                Task::Begin(number, found) => {
                    Box::new(RowGroup::begin(&self.context, number, found, self.texts, &self.runtime)?)
                }
                Task::GoOn(group) => group,
            };
            self.context.pool.run_here(&self.runtime, || {
                let Some(batch) = group.next(&self.context)? else { return Ok(None) };
                place = (group.number, group.given - 1);
                let part = Arc::clone(&self.context.input);
                let url = part.parts[group.part].object.url.as_str();
                self.shared.change(|state| {
                    if let Some(begun) = state.begun.get_mut(&group.number) {
                        *begun = Some(group);
                    }
                });
                let rows = batch.num_rows() as u64;
                let worked = work(batch, url)?;
                self.context.progress.add_rows(rows);
                Ok(Some(worked))
            })?
        }));
        let stepped = stepped.unwrap_or_else(|panic| {
            Err(Error::Internal(format!("a worker gave up: {}", panic_text(&*panic))))
        });
        (place, stepped.transpose())
    }
}

/// A row group that is being decoded.
struct RowGroup {
    number: usize,
    part: usize,
    group: usize,
    schema: SchemaRef,
    batches: RowGroupBatches,
    failure: ReadFailure,
    /// Batches that it gave.
    given: u64,
    rows: i64,
}

impl RowGroup {
    fn begin(
        context: &Context,
        number: usize,
        (part, group): (usize, usize),
        texts: StringDecoding,
        runtime: &Handle,
    ) -> Result<Self> {
        let planned = &context.input.parts[part];
        let Contents::Parquet { reader, columns } = &planned.contents else {
            return Err(Error::Internal("row groups of a part that is no Parquet".into()));
        };
        let metadata = reader.metadata().row_group(group);
        let bytes =
            RowGroupReader::open(&context.input.store, &planned.object, metadata, context.budget, runtime)?;
        context.progress.add_bytes(u64::try_from(metadata.compressed_size()).unwrap_or(0));
        let batch_rows = batch_rows(metadata, context.budget.batch);
        let failure = bytes.failure();
        let (reader, schema) = match texts {
            StringDecoding::Plain => (reader.clone(), Arc::clone(&context.input.schema)),
            StringDecoding::Dictionary => with_keys(reader, group, columns, &context.input.schema),
        };
        let batches = decode_row_group(&planned.object.url, bytes, reader, group, batch_rows)
            .map_err(|error| failure.behind(error))?;
        Ok(RowGroup { number, part, group, schema, batches, failure, given: 0, rows: 0 })
    }

    fn next(&mut self, context: &Context) -> Result<Option<RecordBatch>> {
        let planned: &PlannedPart = &context.input.parts[self.part];
        let Contents::Parquet { reader, columns } = &planned.contents else { return Ok(None) };
        let url = &planned.object.url;
        let batch = self.batches.next().transpose().map_err(|error| self.failure.behind(error))?;
        if let Some(batch) = batch {
            self.given += 1;
            self.rows += batch.num_rows() as i64;
            return align(&batch, columns, &planned.constants, &self.schema, url).map(Some);
        }
        let expected = reader.metadata().row_group(self.group).num_rows();
        if self.rows != expected {
            let (group, rows) = (self.group, self.rows);
            let problem = format!("row group {group} holds {rows} rows, the footer says {expected}");
            return Err(Error::data(url, problem).remedy("fetch or export the part again").into());
        }
        Ok(None)
    }
}

/// Rows that make a batch of about so many bytes. What Parquet stores once is repeated when it is decoded, so a row is
/// taken for larger than the footer says.
fn batch_rows(metadata: &RowGroupMetaData, bytes: usize) -> usize {
    let stored = metadata.total_byte_size().max(0) / metadata.num_rows().max(1);
    let decoded = stored as usize + 16 * metadata.num_columns();
    (bytes / decoded.max(1)).clamp(64, BATCH_ROWS)
}

/// Brings results into order.
struct Ordered<T> {
    receiver: mpsc::UnboundedReceiver<Sent<T>>,
    waiting: BTreeMap<Place, Option<Result<T>>>,
    next: Place,
    /// Row groups there are.
    count: usize,
    shared: Arc<Shared>,
}

impl<T> Ordered<T> {
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
                None => return Some(Err(Error::Internal("row groups were left out".into()))),
            }
        }
    }
}

/// Threads end when nobody reads on.
impl<T> Drop for Ordered<T> {
    fn drop(&mut self) {
        self.shared.change(|state| state.is_over = true);
    }
}
