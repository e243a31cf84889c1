//! What is read of an export.

use super::filter::Filter;
use std::ops::RangeInclusive;

/// What is read of an export; by default everything.
///
/// ```
/// use forecast_export::{Location, Options, Query, column, query};
/// use futures::TryStreamExt;
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let mut wanted = Query::default();
/// wanted.columns = Some(vec!["date".into(), "p50".into()]);
/// wanted.filter = Some(column("item_id").eq("item_3").and(column("p50").gt(0.0)));
/// let source = Location::parse("testdata/forecast")?;
/// let batches: Vec<_> = query(&source, &Options::default(), &wanted).await?.try_collect().await?;
/// assert!(batches.iter().all(|batch| batch.num_columns() == 2));
/// # Ok::<(), forecast_export::Error>(())
/// # }).unwrap();
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Query {
    /// The columns by name, in this order; by default all in the order of the export. Of Parquet no other column is fetched
    /// or decoded, of CSV no other one decoded, but for those of the filter: a cell that cannot be read in one that is not
    /// wanted is no error. With [`Options::source_columns`](crate::Options::source_columns) theirs are among the names.
    pub columns: Option<Vec<String>>,
    /// The rows; by default all. Row groups and pages of Parquet of which the statistics say that they hold no such row are
    /// passed over.
    pub filter: Option<Filter>,
    /// The parts by number, the first and the last one included; of a number of several, by the first of those. By default
    /// all parts. Gaps and columns are looked for in the whole run in any case, so that shares of one run fit together.
    pub parts: Option<RangeInclusive<u64>>,
}
