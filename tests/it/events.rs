//! What a run tells while it goes on: the same phases and counts on every way in which an output is made.

use crate::support::scratch::RUN;
use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use forecast_export::{
    Error, Event, Format, Location, Options, Output, Phase, Plan, Split, Strategy, plan, run, verify,
};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

const ROWS: usize = 500;

fn csv(folder: &Path) {
    for part in 0..3 {
        let lines: String = (0..ROWS).map(|row| format!("item_{row},{part}.5\n")).collect();
        let name = format!("in/sales_{RUN}_part{part}.csv");
        std::fs::write(folder.join(name), format!("item_id,p50\n{lines}")).expect("written");
    }
}

fn parquet(folder: &Path) {
    let names: StringArray = (0..ROWS).map(|row| Some(format!("item_{row}"))).collect();
    let values: Float64Array = (0..ROWS).map(|row| Some(row as f64)).collect();
    let columns: [(&str, ArrayRef); 2] = [("item_id", Arc::new(names)), ("p50", Arc::new(values))];
    let batch = RecordBatch::try_from_iter(columns).expect("a batch");
    for part in 0..3 {
        let properties = WriterProperties::builder().set_max_row_group_row_count(Some(200)).build();
        let mut writer =
            ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).expect("a writer");
        writer.write(&batch).expect("written");
        let name = format!("in/sales_{RUN}_part{part}.parquet");
        std::fs::write(folder.join(name), writer.into_inner().expect("closed")).expect("written");
    }
}

/// Makes an output of a run of 1500 rows; gives the way it was made and what was told.
async fn told(parts: fn(&Path), target: &str, change: impl FnOnce(&mut Options)) -> (Strategy, Vec<Event>) {
    let folder = TempDir::new().expect("a folder");
    std::fs::create_dir(folder.path().join("in")).expect("a folder");
    parts(folder.path());
    let at = |name: &str| folder.path().join(name).display().to_string();
    let mut options = Options::default();
    change(&mut options);
    let output = match target.ends_with('/') {
        true => Output::Folder(Location::parse(&at(target)).expect("a path")),
        false => Output::File(Location::parse(&at(target)).expect("a path")),
    };
    let planned =
        plan(&Location::parse(&at("in")).expect("a path"), &output, &options).await.expect("a plan");
    let mut events = Vec::new();
    let report = run(planned, |event| events.push(event)).await.expect("a run");
    assert_eq!(report.rows, Some(1500));
    (report.strategy, events)
}

/// The phases, and the last counts of each: bytes of all, and rows.
fn phases(events: &[Event]) -> Vec<(Phase, bool, Option<u64>)> {
    let mut found: Vec<(Phase, bool, Option<u64>)> = Vec::new();
    for event in events {
        match event {
            Event::Began { phase } => found.push((*phase, false, Some(0))),
            Event::Progress { phase, bytes, total_bytes, rows } => {
                let last = found.last_mut().expect("a phase began");
                assert_eq!(last.0, *phase, "{events:?}");
                assert!(*rows >= last.2, "rows are never fewer: {events:?}");
                *last = (*phase, bytes == total_bytes, *rows);
            }
            _ => {}
        }
    }
    found
}

const ALL: Option<u64> = Some(1500);

#[tokio::test]
async fn every_way_tells_its_phases_and_all_rows() {
    let usual = [(Phase::Writing, true, ALL), (Phase::Publishing, true, ALL)];
    let proved = [(Phase::Writing, true, ALL), (Phase::Verifying, true, ALL), (Phase::Publishing, true, ALL)];
    let of = |(strategy, events): (Strategy, Vec<Event>), expected: Strategy| {
        assert_eq!(strategy, expected);
        let published = events.iter().filter(|event| matches!(event, Event::Published { .. })).count();
        (phases(&events), published)
    };
    let (found, published) = of(told(csv, "x.csv", |_| ()).await, Strategy::CopyBytes);
    assert_eq!((found.as_slice(), published), (&usual[..], 1));
    let (found, published) = of(told(csv, "x.parquet", |_| ()).await, Strategy::Transcode);
    assert_eq!((found.as_slice(), published), (&usual[..], 1));
    let (found, published) = of(told(parquet, "x.csv", |_| ()).await, Strategy::Transcode);
    assert_eq!((found.as_slice(), published), (&usual[..], 1));
    let (found, published) = of(told(parquet, "x.parquet", |_| ()).await, Strategy::CopyRowGroups);
    assert_eq!((found.as_slice(), published), (&usual[..], 1));
    let (found, published) = of(told(csv, "x.parquet", |o| o.verify = true).await, Strategy::Transcode);
    assert_eq!((found.as_slice(), published), (&proved[..], 1));
    for (parts, to) in [
        (csv as fn(&Path), Format::Csv),
        (csv, Format::Parquet),
        (parquet, Format::Csv),
        (parquet, Format::Parquet),
    ] {
        let split = |options: &mut Options| {
            options.to = Some(to);
            options.split = Some(Split::Rows(300));
        };
        let (_, events) = told(parts, "out/", split).await;
        let published = events.iter().filter(|event| matches!(event, Event::Published { .. })).count();
        assert_eq!((phases(&events).as_slice(), published), (&usual[..], 5), "{to}");
    }
}

#[tokio::test]
async fn a_verification_and_a_run_that_has_nothing_to_do_tell_what_they_do() -> Result<(), Error> {
    let folder = TempDir::new().expect("a folder");
    let target = folder.path().join("x.parquet").display().to_string();
    let (source, options) = (Location::parse("testdata/forecast")?, Options::default());
    run(plan(&source, &Output::file(&target)?, &options).await?, |_| ()).await?;
    let mut events = Vec::new();
    verify(&Location::parse(&target)?, &source, &options, |event| events.push(event)).await?;
    assert_eq!(phases(&events), [(Phase::Verifying, true, Some(36))]);
    let again = plan(&source, &Output::file(&target)?, &options).await?;
    assert!(matches!(again, Plan::UpToDate(_)));
    events.clear();
    run(again, |event| events.push(event)).await?;
    assert_eq!(events, []);
    Ok(())
}

#[test]
fn events_are_data() {
    let event = Event::Progress { phase: Phase::Writing, bytes: 1, total_bytes: 2, rows: None };
    let json = serde_json::to_string(&event).expect("JSON");
    assert_eq!(json, r#"{"event":"progress","phase":"writing","bytes":1,"total_bytes":2,"rows":null}"#);
}
