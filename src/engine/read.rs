//! Reading without an output: the rows of an export as one ordered stream for programs that use the library.

use super::context::Context;
use super::rows::rows;
use crate::model::{Options, Progress, Result};
use crate::source;
use crate::store::Location;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt, stream};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use tokio::sync::watch;

/// The rows of an export as an ordered stream of record batches, all of one schema.
///
/// Batches have up to some ten thousand rows; what is decoded ahead is bounded by [`Options::memory`]. After an error
/// the stream is over.
///
/// Made by [`read`].
pub struct Rows {
    schema: SchemaRef,
    batches: BoxStream<'static, Result<RecordBatch>>,
    // Keeps `stopped` from resolving while the stream is read.
    _stopper: watch::Sender<bool>,
}

impl Rows {
    /// The schema of every batch.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rows").field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl Stream for Rows {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut TaskContext<'_>) -> Poll<Option<Self::Item>> {
        let item = self.batches.poll_next_unpin(context);
        if matches!(item, Poll::Ready(Some(Err(_)))) {
            self.batches = stream::empty().boxed();
        }
        item
    }
}

/// Reads one run of an export, or with [`RunChoice::All`](crate::RunChoice::All) all of them, as rows in order: part
/// by part, row by row. Of the options those about output have no effect.
///
/// # Errors
/// As [`plan()`](crate::plan()); the stream ends with the errors of [`run`](crate::run()).
///
/// ```
/// use forecast_export::{Location, Options, read};
/// use futures::TryStreamExt;
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let source = Location::parse("testdata/forecast")?;
/// let mut rows = read(&source, &Options::default()).await?;
/// assert_eq!(rows.schema().field(0).name(), "item_id");
/// let mut count = 0;
/// while let Some(batch) = rows.try_next().await? {
///     count += batch.num_rows();
/// }
/// assert_eq!(count, 36);
/// # Ok::<(), forecast_export::Error>(())
/// # }).unwrap();
/// ```
pub async fn read(source: &Location, options: &Options) -> Result<Rows> {
    let input = Arc::new(source::input(source, options).await?);
    let (stopper, stopped) = watch::channel(false);
    let context = Context::new(&input, options, Arc::new(Progress::default()), stopped);
    let parts = 0..input.parts.len();
    Ok(Rows { schema: Arc::clone(&input.schema), batches: rows(&context, parts), _stopper: stopper })
}
