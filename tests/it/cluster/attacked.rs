//! What others do between plan and commit, and what would lead to a wrong value: it is noticed, and nothing is published.

use super::{is_clean, pieces, sample};
use crate::support::buckets::{bucket, csv_parts, merged};
use crate::support::scratch::{Scratch, files};
use forecast_export::cluster::{self, ClusterPlan, PieceOptions, Pieces};
use forecast_export::{
    Error, Event, InventoryOptions, Location, Options, Output, Phase, UsageError, inventory,
};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The staged files whose names begin like this.
fn staged(scratch: &Scratch, beginning: &str) -> Vec<PathBuf> {
    let all = files(&scratch.path(".forecast-export")).into_iter();
    all.filter(|file| file.file_name().is_some_and(|name| name.to_string_lossy().starts_with(beginning)))
        .collect()
}

#[test]
fn receipts_that_are_damaged_or_of_another_plan_are_refused() {
    let scratch = sample("--parts 3");
    scratch.succeeds("cluster plan in -o o.csv --pieces 3 --schema by-name --plan plan.json");
    pieces(&scratch);
    let of_another_plan = std::fs::read(&staged(&scratch, "receipt-")[1]).expect("a receipt");
    std::fs::remove_dir_all(scratch.path(".forecast-export")).expect("removed");
    scratch.succeeds("cluster plan in -o o.csv --pieces 3 --plan plan.json");
    pieces(&scratch);
    let receipts = staged(&scratch, "receipt-");
    let own = std::fs::read(&receipts[1]).expect("a receipt");
    let of_another_piece = std::fs::read(&receipts[0]).expect("a receipt");
    for wrong in [of_another_plan, of_another_piece, own[..own.len() / 2].to_vec(), Vec::new()] {
        std::fs::write(&receipts[1], wrong).expect("written");
        for command in ["cluster commit plan.json", "cluster piece plan.json 1", "cluster status plan.json"] {
            let output = scratch.output(command);
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(5), "{command}: {said}");
            let expected = "receipt-00001.json: this is not what a piece of the plan has left; remove it";
            assert!(said.contains(expected), "{command}: {said}");
        }
        assert!(!scratch.path("o.csv").exists());
    }
    // As it says.
    std::fs::remove_file(&receipts[1]).expect("removed");
    pieces(&scratch);
    scratch.succeeds("cluster commit plan.json");
    scratch.succeeds("verify o.csv --against in");
    assert!(is_clean(&scratch));
}

#[test]
fn a_part_that_was_replaced_by_one_of_its_size_and_time_is_refused() {
    let scratch = sample("--parts 3");
    let part = scratch.path("in/sample_2026-01-02T03-04-05Z_part1.csv");
    let text = std::fs::read_to_string(&part).expect("a part");
    let time = std::fs::metadata(&part).and_then(|meta| meta.modified()).expect("a time");
    scratch.succeeds("cluster plan in -o o.csv --pieces 3 --plan plan.json");
    assert_eq!(pieces(&scratch), 3);
    std::fs::write(&part, text.replacen("item_0", "ITEM_0", 1)).expect("written");
    let file = std::fs::File::options().write(true).open(&part).expect("a part");
    file.set_modified(time).expect("the time is set back");
    let said = scratch.fails("cluster commit plan.json", 5);
    assert!(said.contains("part1.csv: it is not as it was when the work was planned; plan again"), "{said}");
    scratch.succeeds("cluster plan in -o o.csv --pieces 3 --plan plan.json");
    pieces(&scratch);
    scratch.succeeds("cluster commit plan.json");
    scratch.succeeds("verify o.csv --against in");
}

/// Names of parts, and of staged files, match this pattern.
const PATTERN: &str = r"[a-z]+-(?P<part>[0-9]+)[-0-9a-f]*\.csv";

#[test]
fn what_is_staged_below_a_source_is_no_part_of_it() {
    let parts = csv_parts(2, 50);
    for source in ["in", "in/*.csv", "in/*"] {
        let scratch = Scratch::new();
        for (number, part) in parts.iter().enumerate() {
            scratch.write(&format!("in/sales-{number}.csv"), part);
        }
        let source = format!("{source} --pattern {PATTERN} --to csv");
        scratch.succeeds(&format!("cluster plan {source} -o in/merged --pieces 3 --plan plan.json"));
        assert_eq!(pieces(&scratch), 3);
        assert!(scratch.path("in/.forecast-export").exists());
        scratch.succeeds(&format!("merge {source} -o meanwhile.csv"));
        assert!(scratch.read("meanwhile.csv") == merged(&parts), "{source}");
        scratch.succeeds("cluster commit plan.json");
        assert!(scratch.read("in/merged") == merged(&parts), "{source}");
        assert!(!scratch.path("in/.forecast-export").exists());
    }
}

#[test]
fn what_is_staged_below_a_source_in_a_bucket_is_no_part_of_it() {
    let parts = csv_parts(2, 50);
    let bucket = bucket("below");
    for (number, part) in parts.iter().enumerate() {
        bucket.put(&format!("in/sales-{number}.csv"), part.clone());
    }
    let folder = tempfile::tempdir().expect("a folder");
    let plan = folder.path().join("plan.json").display().to_string();
    for source in ["in/", "in/*"] {
        let (from, to, meanwhile) = (bucket.at(source), bucket.at("in/merged"), bucket.at("meanwhile.csv"));
        let of_source = [from.as_str(), "--pattern", PATTERN, "--to", "csv"];
        let of_plan = ["-o", &to, "--pieces", "3", "--plan", &plan];
        bucket.succeed(&[&["cluster", "plan"], &of_source[..], &of_plan].concat());
        for index in ["0", "1", "2"] {
            bucket.succeed(&["cluster", "piece", &plan, index]);
        }
        assert!(bucket.keys().iter().any(|key| key.starts_with("in/.forecast-export/")));
        bucket.succeed(&[&["merge"], &of_source[..], &["-o", &meanwhile, "--overwrite"]].concat());
        assert!(bucket.get("meanwhile.csv").as_deref() == Some(&merged(&parts)[..]), "{source}");
        bucket.succeed(&["cluster", "commit", &plan]);
        assert!(bucket.get("in/merged").as_deref() == Some(&merged(&parts)[..]), "{source}");
        assert!(bucket.keys().iter().all(|key| !key.contains(".forecast-export")));
        bucket.delete("in/merged");
        bucket.delete("in/merged.receipt.json");
    }
}

#[tokio::test]
async fn places_that_other_machines_cannot_find_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let target = Output::file(&folder.path().join("o.csv").display().to_string()).expect("a place");
    let source = Location::parse("testdata/forecast").expect("a place");
    let mut by_names = InventoryOptions::default();
    by_names.names_only = true;
    let found = inventory(&source, &by_names).await.expect("found");
    let chosen = source.with_parts(&found.exports[0].parts[..2]).expect("of this place");
    let store = Arc::new(object_store::memory::InMemory::new());
    let own = || Location::in_store(store.clone(), "s3://not-that-one/", "x/");
    for (source, target) in [(&chosen, &target), (&own(), &target), (&source, &Output::Folder(own()))] {
        let planned = cluster::plan(source, target, &Options::default(), Pieces::Number(2)).await;
        let Err(Error::Usage(UsageError::NotInText { place })) = &planned else { panic!("{planned:?}") };
        assert!(["testdata/forecast", "s3://not-that-one/x/"].contains(&place.as_str()), "{place}");
    }
}

/// Does what is missing, until it is stopped; gives the bytes that were read when it first tells, and when it last does.
async fn first_and_last(plan: &ClusterPlan, stop: impl Future<Output = ()> + Send) -> Option<(u64, u64)> {
    let (mut told, options) = (Vec::new(), PieceOptions::default());
    let done = cluster::run_here(plan, &options, stop, |event| {
        if let Event::Progress { phase: Phase::Writing, bytes, rows: Some(_), .. } = event {
            told.push(bytes);
        }
    });
    let done = done.await;
    assert!(matches!(done, Ok(_) | Err(Error::Stopped)), "{done:?}");
    Some((*told.first()?, *told.last()?))
}

#[tokio::test]
async fn what_was_done_before_a_run_was_stopped_is_not_done_again() {
    let scratch = sample("--parts 4");
    let at = |name: &str| scratch.path(name).display().to_string();
    let source = Location::parse(&at("in")).expect("a place");
    let target = Output::file(&at("o.csv")).expect("a place");
    let plan = cluster::plan(&source, &target, &Options::default(), Pieces::Number(8)).await.expect("a plan");
    for index in [0, 1, 2] {
        cluster::piece(&plan, index, &PieceOptions::default()).await.expect("done");
    }
    let before = staged(&scratch, "piece-");
    first_and_last(&plan, std::future::ready(())).await;
    assert_eq!(staged(&scratch, "piece-"), before);
    let status = cluster::status(&plan, &PieceOptions::default()).await.expect("a status");
    assert_eq!((status.done, status.missing), (vec![0, 1, 2], vec![3, 4, 5, 6, 7]));
    let (first, last) = first_and_last(&plan, std::future::pending()).await.expect("it went on");
    assert!(first >= plan.bytes() / 8 * 3, "{first} of {}", plan.bytes());
    assert!(last <= plan.bytes(), "{last} of {}", plan.bytes());
    scratch.succeeds("merge in -o one.csv");
    assert!(scratch.read("o.csv") == scratch.read("one.csv"));
    assert!(is_clean(&scratch));
}

#[test]
fn a_deadline_ends_all_processes_and_the_same_command_goes_on() {
    let bucket = bucket("deadline");
    let parts = csv_parts(2, 50);
    bucket.put_parts("in/", "csv", &parts);
    let folder = tempfile::tempdir().expect("a folder");
    let plan = folder.path().join("plan.json").display().to_string();
    let (from, to) = (bucket.at("in/"), bucket.at("o.csv"));
    bucket.succeed(&["cluster", "plan", &from, "-o", &to, "--pieces", "2", "--plan", &plan]);
    let run = ["cluster", "run", &plan, "--workers", "2", "--deadline", "1s"];
    bucket.proxy.delay_all(Duration::from_secs(3));
    let began = Instant::now();
    let said = bucket.fail(8, &run);
    assert!(said.contains("are not done after 1s; the same command goes on from there"), "{said}");
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    assert!(bucket.get("o.csv").is_none());
    bucket.proxy.delay_all(Duration::ZERO);
    bucket.succeed(&run[..5]);
    assert!(bucket.get("o.csv").as_deref() == Some(&merged(&parts)[..]));
    assert!(bucket.keys().iter().all(|key| !key.contains(".forecast-export")));
}
