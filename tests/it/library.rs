//! The library as a program uses it: its work is spawned on a runtime of many threads, its errors are matched without
//! reading their text, and it speaks of no command line.

use crate::support::fixtures::testdata;
use forecast_export::{
    DataErrorKind, Error, ExistsWhy, Incomplete, Location, NotFound, Options, Output, Plan, SampleOptions,
    Setting, UsageError, inventory, plan, read, run, sample, schema, verify,
};
use futures::TryStreamExt;
use std::path::Path;
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
        Ok::<_, Error>(batches.iter().map(|batch| batch.num_rows()).sum::<usize>())
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

/// What planning a merge of a folder of `testdata/` into a new file ends in.
async fn refusal(folder: &str, options: &Options) -> Error {
    let target = TempDir::new().expect("a folder");
    let output = Output::file(&target.path().join("all.parquet").display().to_string()).expect("a place");
    let source = Location::parse(&testdata(folder).display().to_string()).expect("a place");
    match plan(&source, &output, options).await {
        Err(error) => error,
        Ok(plan) => run(plan, |_| ()).await.expect_err("an error while rows are read"),
    }
}

#[tokio::test]
async fn errors_are_told_apart_without_reading_their_text() {
    let plain = Options::default();
    assert!(matches!(refusal("bad_gap", &plain).await, Error::Incomplete(Incomplete::Gaps { .. })));
    assert!(matches!(refusal("bad_double", &plain).await, Error::Incomplete(Incomplete::Duplicate { .. })));
    assert!(matches!(refusal("two_runs", &plain).await, Error::Incomplete(Incomplete::SeveralRuns { .. })));
    assert!(matches!(refusal("not_there", &plain).await, Error::NotFound(NotFound::Path { .. })));
    let kind = |error| match error {
        Error::Data(error) => error.kind,
        other => panic!("{other:?}"),
    };
    assert_eq!(kind(refusal("bad_cell", &plain).await), DataErrorKind::BadCell);
    assert_eq!(kind(refusal("bad_utf8", &plain).await), DataErrorKind::NotUtf8);
    assert_eq!(kind(refusal("bad_header", &plain).await), DataErrorKind::SchemasDiffer);
    let mut typed = Options::default();
    typed.types = vec![("colour".to_owned(), "int64".parse().expect("a type"))];
    assert!(matches!(
        refusal("forecast", &typed).await,
        Error::Usage(UsageError::NoSuchColumn { column, .. }) if column == "colour"
    ));
}

#[tokio::test]
async fn an_output_that_exists_says_why_as_data() {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("all.csv").display().to_string();
    let source = Location::parse(&testdata("forecast").display().to_string()).expect("a place");
    let output = Output::file(&file).expect("a place");
    let why = async |options: &Options| match plan(&source, &output, options).await {
        Err(Error::OutputExists(there)) => there.why,
        Err(other) => panic!("{other:?}"),
        Ok(plan) => panic!("{plan}"),
    };
    run(plan(&source, &output, &Options::default()).await.expect("a plan"), |_| ()).await.expect("written");
    let again = plan(&source, &output, &Options::default()).await.expect("a plan");
    assert!(matches!(&again, Plan::UpToDate(done) if done.receipt().rows == Some(36)));
    let mut other = Options::default();
    other.all_strings = true;
    assert_eq!(why(&other).await, ExistsWhy::OtherOptions(Setting::AllStrings));
    let mut verified = Options::default();
    verified.verify = true;
    assert_eq!(why(&verified).await, ExistsWhy::NotVerified);
    std::fs::write(&file, "a\n1\n").expect("written");
    assert_eq!(why(&Options::default()).await, ExistsWhy::OutputChanged { file: None });
    std::fs::remove_file(format!("{file}.receipt.json")).expect("removed");
    assert_eq!(why(&Options::default()).await, ExistsWhy::Exists);
}

#[test]
fn no_sentence_of_the_library_names_a_flag() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for entry in walkdir::WalkDir::new(&root) {
        let entry = entry.expect("a file of src");
        let path = entry.path();
        if path.extension().is_none_or(|extension| extension != "rs") || path.starts_with(root.join("bin")) {
            continue;
        }
        let text = std::fs::read_to_string(path).expect("text");
        let code = text.split("\n#[cfg(test)]\nmod ").next().unwrap_or_default();
        for (number, line) in
            code.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"))
        {
            let mut flags = line.match_indices("--").filter(|(place, _)| {
                let before = line[..*place].chars().next_back();
                let after = line[place + 2..].chars().next();
                matches!(before, Some('"' | ' ' | '(')) && after.is_some_and(|c| c.is_ascii_lowercase())
            });
            // The end of a directory bucket's name has no blank or quote before it, but for that of the literal.
            assert!(
                flags.next().is_none() || line.contains("\"--x-s3/\""),
                "{}:{}: {line}",
                path.display(),
                number + 1
            );
        }
    }
}
