//! The library as a program uses it that spawns its work on a runtime of many threads: every future can move between
//! threads, and none is of a type that nests too deep to be compiled by another crate. What goes wrong is data: a program
//! tells every case from the others without reading a sentence, and no sentence names a flag of the command line.

use crate::support::scratch::RUN;
use forecast_export::{
    DataErrorKind, Error, ExistsWhy, Format, Incomplete, InventoryOptions, Kind, Location, NotFound, Object,
    Options, Output, Pattern, Plan, Remedy, RunChoice, SampleOptions, Setting, Split, StoreProblem,
    TagProblem, UsageError, ValueKind, find, inventory, plan, read, run, sample, schema, verify,
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
        let found = inventory(&source, &InventoryOptions::default()).await?;
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
        let mut options = StoreOptions::default();
        options.endpoint_url = Some("http://127.0.0.1:9".into());
        describe(&arn, &options).await?;
        wait_until(&arn, &options, &WaitOptions::default(), |_| ()).await
    });
    waiting.abort();
    assert!(waiting.await.expect_err("it was stopped").is_cancelled());
}

/// A folder of files, and what becomes of them.
struct Files(TempDir);

impl Files {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = Files(TempDir::new().expect("a folder"));
        files.iter().for_each(|(name, text)| folder.write(name, text));
        folder
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("written");
    }

    fn at(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    async fn plan(&self, target: &str, change: impl FnOnce(&mut Options)) -> Result<Plan, Error> {
        let mut options = Options::default();
        change(&mut options);
        let target = self.at(target);
        let output = if target.ends_with('/') { Output::folder(&target)? } else { Output::file(&target)? };
        plan(&Location::parse(&self.at("in"))?, &output, &options).await
    }

    async fn merge(&self, target: &str, change: impl FnOnce(&mut Options)) -> Result<(), Error> {
        run(self.plan(target, change).await?, |_| ()).await.map(drop)
    }

    async fn fails(&self, target: &str, change: impl FnOnce(&mut Options)) -> Error {
        self.merge(target, change).await.expect_err("an error")
    }
}

fn part(number: u32) -> String {
    format!("in/sales_{RUN}_part{number}.csv")
}

const TABLE: &str = "item_id,p50\na,1.0\n";

#[tokio::test]
async fn an_export_that_is_not_found_is_told_without_words() {
    let files = Files::new(&[(&part(0), TABLE)]);
    assert!(matches!(
        files.fails("x.csv", |o| o.select.job = Some("other".into())).await,
        Error::NotFound(NotFound::Job { job, found, .. }) if job == "other" && found == ["sales"]
    ));
    assert!(matches!(
        files.fails("x.csv", |o| o.select.kind = Some(Kind::WhatIf)).await,
        Error::NotFound(NotFound::Kind { kind: Kind::WhatIf, found, .. }) if found == [Kind::Forecast]
    ));
    assert!(matches!(
        files.fails("x.csv", |o| o.select.run = RunChoice::At("2027".into())).await,
        Error::NotFound(NotFound::Run { run, .. }) if run == "2027"
    ));
    assert!(matches!(
        Files::new(&[("in/notes.txt", "")]).fails("x.csv", |_| ()).await,
        Error::NotFound(NotFound::NoParts { files: 1, example, .. }) if example == "notes.txt"
    ));
    assert!(matches!(Files::new(&[]).fails("x.csv", |_| ()).await, Error::NotFound(NotFound::Path { .. })));
}

#[tokio::test]
async fn an_incomplete_run_is_told_without_words() {
    let files = Files::new(&[(&part(0), TABLE), (&part(2), TABLE)]);
    let gaps = files.fails("x.csv", |_| ()).await;
    let Error::Incomplete(Incomplete::Gaps { gaps, parts: 3, .. }) = gaps else { panic!("{gaps:?}") };
    assert_eq!((gaps.len(), gaps[0].from, gaps[0].to), (1, 1, 1));
    files.write(&part(1), TABLE);
    assert!(matches!(
        files.fails("x.csv", |o| o.select.expect_parts = Some(4)).await,
        Error::Incomplete(Incomplete::Parts { found: 3, expected: 4, .. })
    ));
    assert!(matches!(
        files.fails("x.csv", |o| o.select.expect_rows = Some(4)).await,
        Error::Incomplete(Incomplete::Rows { found: 3, expected: 4 })
    ));
    files.write("in/sales_2026-02-02T03-04-05Z_part0.csv", TABLE);
    assert!(matches!(
        files.fails("x.csv", |_| ()).await,
        Error::Incomplete(Incomplete::SeveralRuns { job, runs, .. }) if job == "sales" && runs.len() == 2
    ));
    files.write(&format!("in/copy/sales_{RUN}_part0.csv"), TABLE);
    assert!(matches!(
        files.fails("x.csv", |o| o.select.run = RunChoice::All).await,
        Error::Incomplete(Incomplete::TwoFolders { folders, .. }) if folders[1].ends_with("in/copy")
    ));
    files.write("in/other_2026-02-02T03-04-05Z_part0.csv", TABLE);
    assert!(matches!(
        files.fails("x.csv", |_| ()).await,
        Error::Incomplete(Incomplete::SeveralJobs { jobs, .. }) if jobs == ["other", "sales"]
    ));
    let twice = Files::new(&[(&part(0), TABLE), (&format!("in/sales_{RUN}_part00.csv"), TABLE)]);
    assert!(matches!(
        twice.fails("x.csv", |_| ()).await,
        Error::Incomplete(Incomplete::Duplicate { files, .. }) if files[1].ends_with("_part00.csv")
    ));
}

#[tokio::test]
async fn wrong_contents_are_told_without_words() {
    let text = |files: &[(&str, &str)], target: &'static str| {
        let files = Files::new(files);
        async move {
            match files.fails(target, |_| ()).await {
                Error::Data(error) => (error.kind, error.line, error.column, error.remedy),
                other => panic!("{other:?}"),
            }
        }
    };
    let p50 = || Some("p50".to_owned());
    assert_eq!(
        text(&[(&part(0), "item_id,p50\na,x\n")], "x.parquet").await,
        (DataErrorKind::BadCell, Some(2), p50(), Some(Remedy::ReadAsText { column: "p50".into() }))
    );
    assert_eq!(
        text(&[(&part(0), "item_id,p50\na\n")], "x.csv").await,
        (DataErrorKind::WrongWidth, Some(2), None, Some(Remedy::FetchCutShort))
    );
    assert_eq!(
        text(&[(&part(0), "item_id,p50\n\"a,1\n")], "x.csv").await,
        (DataErrorKind::OpenQuote, Some(2), Some("item_id".into()), Some(Remedy::FetchCutShort))
    );
    assert_eq!(
        text(&[(&part(0), TABLE), (&part(1), "item_id,p90\nb,1.0\n")], "x.csv").await,
        (DataErrorKind::SchemasDiffer, Some(1), Some("p90".into()), Some(Remedy::AlignByName))
    );
    assert_eq!(
        text(&[(&part(0), TABLE), (&part(1), "item_id,p50\r\nb,1.0\r\n")], "x.csv").await,
        (DataErrorKind::LineEndsDiffer, Some(1), None, Some(Remedy::RewriteLineEnds))
    );
    assert_eq!(
        text(&[(&part(0), "p50,p50\n1.0,1.0\n")], "x.csv").await,
        (DataErrorKind::DuplicateColumn, Some(1), p50(), Some(Remedy::ExportDistinctNames))
    );
    assert_eq!(
        text(&[(&part(0), "")], "x.csv").await,
        (DataErrorKind::NoHeader, None, None, Some(Remedy::LeaveEmptyPartsAway))
    );
    let parquet = format!("in/sales_{RUN}_part0.parquet");
    assert_eq!(
        text(&[(&parquet, "PAR1PAR1PAR1")], "x.csv").await,
        (DataErrorKind::Damaged, None, None, Some(Remedy::FetchAgain))
    );
}

#[tokio::test]
async fn why_an_output_that_exists_stays_is_told_without_words() {
    let why = |error| match error {
        Error::OutputExists(there) => there.why,
        other => panic!("{other:?}"),
    };
    let files = Files::new(&[(&part(0), TABLE)]);
    files.write("old.csv", "old");
    assert_eq!(why(files.fails("old.csv", |_| ()).await), ExistsWhy::Exists);
    files.merge("x.csv", |_| ()).await.expect("merged");
    let again = files.plan("x.csv", |_| ()).await.expect("a plan");
    assert!(matches!(&again, Plan::UpToDate(done) if done.receipt().rows == Some(1)), "{again:?}");
    let options = why(files.fails("x.csv", |o| o.all_strings = true).await);
    assert_eq!(options, ExistsWhy::OtherOptions(Setting::AllStrings));
    assert_eq!(why(files.fails("x.csv", |o| o.verify = true).await), ExistsWhy::NotVerified);
    files.write(&part(1), TABLE);
    assert_eq!(why(files.fails("x.csv", |_| ()).await), ExistsWhy::OtherParts { was: 1, now: 2 });
    std::fs::remove_file(files.at(&part(1))).expect("there");
    files.write("x.csv", "item_id,p50\na,1.00\n");
    assert_eq!(why(files.fails("x.csv", |_| ()).await), ExistsWhy::OutputChanged { file: None });
    files.merge("x.csv", |o| o.overwrite = true).await.expect("replaced");
    files.write(&part(0), "item_id,p50\na,3.000\n");
    let changed = why(files.fails("x.csv", |_| ()).await);
    assert_eq!(changed, ExistsWhy::PartChanged { part: files.at(&part(0)) });
    files.write("in/sales_2026-02-02T03-04-05Z_part0.csv", TABLE);
    assert_eq!(
        why(files.fails("x.csv", |o| o.select.run = RunChoice::Latest).await),
        ExistsWhy::OtherRun { job: "sales".into(), runs: vec![RUN.into()] }
    );
    // Two files, of which one would be replaced.
    let files = Files::new(&[(&part(0), "item_id,p50\na,1.0\nb,1.0\n")]);
    let split = |rows| {
        move |o: &mut Options| {
            o.to = Some(Format::Csv);
            o.split = Some(Split::Rows(rows));
            o.no_receipt = true;
            o.overwrite = true;
        }
    };
    files.merge("out/", split(1)).await.expect("converted");
    let stale = files.fails("out/", split(2)).await;
    let Error::OutputExists(stale) = stale else { panic!("{stale:?}") };
    assert_eq!(stale.why, ExistsWhy::StalePart);
    assert_eq!(stale.path, files.at(&format!("out/sales_{RUN}_part1.csv")));
}

#[tokio::test]
async fn a_request_that_makes_no_sense_is_told_without_words() {
    let files = Files::new(&[(&part(0), TABLE)]);
    let usage = |error| match error {
        Error::Usage(error) => error,
        other => panic!("{other:?}"),
    };
    assert!(matches!(usage(files.fails("x.txt", |_| ()).await), UsageError::UnknownExtension { .. }));
    assert!(matches!(
        usage(files.fails("in", |o| o.to = Some(Format::Csv)).await),
        UsageError::IsFolder { .. }
    ));
    assert!(matches!(
        usage(files.fails("x.csv", |o| o.split = Some(Split::Rows(1))).await),
        UsageError::SplitOfMerge
    ));
    assert!(matches!(
        usage(files.fails(&part(0), |o| o.overwrite = true).await),
        UsageError::OutputIsPart { path } if path == files.at(&part(0))
    ));
    let types = |o: &mut Options| o.types.push(("p10".into(), "string".parse().expect("a type")));
    assert!(matches!(
        usage(files.fails("x.parquet", types).await),
        UsageError::NoSuchColumn { setting: Setting::Types, column, known }
            if column == "p10" && known == ["item_id", "p50"]
    ));
    assert!(matches!(
        usage("weekly".parse::<Kind>().expect_err("no kind")),
        UsageError::Unknown { what: ValueKind::Kind, text, known } if text == "weekly" && known.len() == 5
    ));
    assert!(matches!(
        usage(Location::parse("ftp://x/y").expect_err("no store")),
        UsageError::Store(StoreProblem::Unknown { scheme }) if scheme == "ftp"
    ));
}

#[cfg(feature = "aws")]
#[test]
fn a_tag_that_s3_would_refuse_is_told_without_words() {
    let mut options = forecast_export::StoreOptions::default();
    options.objects.tags.push(("aws:x".into(), "1".into()));
    assert!(matches!(
        Location::parse_with("s3://bucket/x", &options),
        Err(Error::Usage(UsageError::Store(StoreProblem::Tag { key, problem: TagProblem::Reserved })))
            if key == "aws:x"
    ));
}

#[tokio::test]
async fn what_the_system_said_is_the_cause() {
    use std::error::Error as _;
    let pattern = Pattern::custom("(?P<part").expect_err("not a regex");
    assert!(pattern.source().is_some_and(|cause| cause.is::<regex::Error>()), "{pattern:?}");
    let place = Location::parse("memory://causes/a//b").expect("a URL");
    let key = inventory(&place, &InventoryOptions::default()).await.expect_err("an empty segment");
    assert!(matches!(&key, Error::Usage(UsageError::Store(StoreProblem::BadKey { .. }))), "{key:?}");
    assert!(key.source().is_some_and(|cause| cause.is::<object_store::path::Error>()), "{key:?}");
}

#[tokio::test]
async fn parts_that_were_found_are_a_source_as_the_folder_is() {
    let two = "item_id,p50\na,1.0\nb,2.0\n";
    let files = Files::new(&[(&part(0), two), (&part(1), two), (&part(2), two), ("in/notes.txt", "x")]);
    let folder = Location::parse(&files.at("in")).expect("a path");
    let options = Options::default();
    let found = inventory(&folder, &InventoryOptions::default()).await.expect("found");
    let parts = &found.exports[0].parts;
    // Whatever their order, they are read in that of their numbers.
    let chosen = folder.with_parts([&parts[2], &parts[0], &parts[1]]).expect("parts of the folder");
    let target = files.at("x.csv");
    let planned = plan(&chosen, &Output::file(&target).expect("a path"), &options).await.expect("a plan");
    assert_eq!(run(planned, |_| ()).await.expect("merged").parts, 3);
    let merged = std::fs::read_to_string(&target).expect("it is there");
    assert_eq!(merged, format!("item_id,p50\n{}", "a,1.0\nb,2.0\n".repeat(3)));
    let output = Location::parse(&target).expect("a path");
    assert!(verify(&output, &chosen, &options, |_| ()).await.expect("compared").equal);
    let out = Output::Folder(Location::parse(&files.at("out/")).expect("a path"));
    let mut convert = Options::default();
    convert.to = Some(Format::Parquet);
    let planned = plan(&chosen, &out, &convert).await.expect("a plan");
    assert_eq!(run(planned, |_| ()).await.expect("converted").outputs.len(), 3);
    // What `find` found is as good.
    let found = find(&folder, &Pattern::default()).await.expect("found");
    let rows =
        read(&folder.with_parts(&found.exports[0].parts).expect("parts"), &options).await.expect("rows");
    let batches: Vec<_> = rows.try_collect().await.expect("rows");
    assert_eq!(batches.iter().map(|batch| batch.num_rows()).sum::<usize>(), 6);
    // A file alone, whatever its name.
    let stray = folder.with_parts(&found.strays).expect("a file of the folder");
    assert_eq!(schema(&stray, &options).await.expect("columns").columns[0].name, "x");
}

#[tokio::test]
async fn parts_that_were_found_are_checked_as_a_folder_is() {
    let files = Files::new(&[(&part(0), TABLE), (&part(1), TABLE), (&part(2), TABLE), ("in/notes.txt", "x")]);
    let folder = Location::parse(&files.at("in")).expect("a path");
    let found = find(&folder, &Pattern::default()).await.expect("found");
    let parts = &found.exports[0].parts;
    let options = Options::default();
    let refused = |source: Location| {
        let options = options.clone();
        async move { read(&source, &options).await.expect_err("no run") }
    };
    let of = |objects: Vec<Object>| folder.with_parts(objects).expect("files of the folder");
    let object = |number: usize| Object::clone(&parts[number].object);
    let gap = refused(of(vec![object(0), object(2)])).await;
    assert!(matches!(gap, Error::Incomplete(Incomplete::Gaps { .. })), "{gap:?}");
    let twice = refused(of(vec![object(0), object(1), object(1)])).await;
    assert!(matches!(twice, Error::Incomplete(Incomplete::Duplicate { .. })), "{twice:?}");
    // Nothing that was chosen is left out without a word.
    let stray = refused(of(vec![object(0), found.strays[0].clone()])).await;
    assert!(
        matches!(&stray, Error::Usage(UsageError::NoPart { path }) if *path == files.at("in/notes.txt")),
        "{stray:?}"
    );
    let nothing = refused(of(Vec::new())).await;
    assert!(matches!(nothing, Error::NotFound(NotFound::Empty { .. })), "{nothing:?}");
    let elsewhere = Location::parse("memory://other/in").expect("a URL").with_parts(parts);
    assert!(matches!(elsewhere, Err(Error::Usage(UsageError::OtherStore { .. }))), "{elsewhere:?}");
    // They are those that were found, or none.
    files.write(&part(1), "item_id,p50\na,1.00\n");
    let changed = refused(of(vec![object(0), object(1), object(2)])).await;
    let is_changed = |error: &Error, file: &str| matches!(error, Error::Data(data) if data.kind == DataErrorKind::Changed && data.file == files.at(file));
    assert!(is_changed(&changed, &part(1)), "{changed:?}");
    std::fs::remove_file(files.at(&part(0))).expect("there");
    let removed = refused(of(vec![object(0)])).await;
    assert!(is_changed(&removed, &part(0)), "{removed:?}");
}

#[tokio::test]
async fn a_part_that_changes_between_plan_and_run_is_noticed_where_parts_were_chosen() {
    let files = Files::new(&[(&part(0), TABLE), (&part(1), TABLE)]);
    let folder = Location::parse(&files.at("in")).expect("a path");
    let found = find(&folder, &Pattern::default()).await.expect("found");
    let chosen = folder.with_parts(&found.exports[0].parts).expect("parts");
    let target = files.at("x.csv");
    let output = Output::file(&target).expect("a path");
    let planned = plan(&chosen, &output, &Options::default()).await.expect("a plan");
    // Small parts are held since the plan: only the last look can tell.
    files.write(&part(1), "item_id,p50\nz,9.9\n");
    let error = run(planned, |_| ()).await.expect_err("it changed");
    assert!(matches!(&error, Error::Data(data) if data.kind == DataErrorKind::Changed), "{error:?}");
    assert!(!Path::new(&target).exists());
}

#[test]
fn no_string_of_the_library_names_a_flag_of_the_command_line() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let flag = regex::Regex::new("--[a-z]").expect("a regex");
    let mut faults = Vec::new();
    for entry in walkdir::WalkDir::new(root.join("src")) {
        let entry = entry.expect("a file of src");
        let file = entry.path().strip_prefix(root).expect("below the root").display().to_string();
        if !file.ends_with(".rs") || file.starts_with("src/bin/") {
            continue;
        }
        let text = std::fs::read_to_string(entry.path()).expect("text");
        for (number, line) in text.lines().enumerate() {
            let is_comment = line.trim_start().starts_with("//");
            // What names of directory buckets end with.
            let code = line.replace("--x-s3", "");
            if !is_comment && flag.is_match(&code) {
                faults.push(format!("{file}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
