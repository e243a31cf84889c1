//! Which columns, rows and parts of an export to read.

use super::filter::Filter;
use std::ops::RangeInclusive;

/// Which columns, rows and parts of an export to read; by default everything.
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
    /// The columns by name, in this order; by default all, in the order of the export. Besides these and the filter's,
    /// no Parquet column is fetched and no CSV column decoded, so a bad cell in any other column is not an error. With
    /// [`Options::source_columns`](crate::Options::source_columns), those columns can be named too.
    pub columns: Option<Vec<String>>,
    /// The rows; by default all. Parquet row groups and pages that hold no such row, according to their statistics, are
    /// skipped.
    pub filter: Option<Filter>,
    /// The parts by number, including the first and the last; a part with several numbers counts by the first. By
    /// default all parts. Gaps and columns are always checked in the whole run, so that shares of one run fit together.
    pub parts: Option<RangeInclusive<u64>>,
}
