//! The library as a program uses it that spawns its work on a runtime of many threads: every future can move between
//! threads, and none is of a type that nests too deep to be compiled by another crate.

use forecast_export::{
    Location, Options, Output, SampleOptions, inventory, plan, read, run, sample, schema, verify,
};
use futures::TryStreamExt;
use tempfile::TempDir;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_can_be_spawned() {
    let folder = TempDir::new().expect("a folder");
    let place = folder.path().to_path_buf();
    let rows = tokio::spawn(async move {
        let (source, options) = (Location::parse("testdata/forecast")?, Options::default());
        let found = inventory(&source, &options).await?;
        assert_eq!(found.exports.len(), 1);
        let columns = schema(&source, &options).await?.columns;
        let target = place.join("all.parquet").display().to_string();
        let report = run(plan(&source, &Output::file(&target)?, &options).await?, |_| ()).await?;
        assert_eq!((report.rows, report.columns.len()), (Some(36), columns.len()));
        let equal = verify(&Location::parse(&target)?, &source, &options, |_| ()).await?.equal;
        assert!(equal);
        let samples = Location::parse(&place.join("sample").display().to_string())?;
        let mut small = SampleOptions::default();
        (small.items, small.steps, small.parts) = (3, 4, 2);
        assert_eq!(sample(&samples, &small, |_| ()).await?.rows, 12);
        let batches: Vec<_> = read(&samples, &options).await?.try_collect().await?;
        Ok::<_, forecast_export::Error>(batches.iter().map(|batch| batch.num_rows()).sum::<usize>())
    });
    assert_eq!(rows.await.expect("no panic").expect("no error"), 12);
}

#[cfg(feature = "forecast")]
#[tokio::test]
async fn waiting_for_a_job_can_be_spawned() {
    use forecast_export::{JobArn, StoreOptions, WaitOptions, describe, wait_until};
    let waiting = tokio::spawn(async move {
        let arn = "arn:aws:forecast:eu-west-1:123456789012:forecast-export-job/sales/nightly";
        let arn: JobArn = arn.parse()?;
        let options = StoreOptions::default().with_endpoint_url("http://127.0.0.1:9");
        describe(&arn, &options).await?;
        wait_until(&arn, &options, &WaitOptions::default(), |_| ()).await
    });
    waiting.abort();
    assert!(waiting.await.expect_err("it was stopped").is_cancelled());
}
