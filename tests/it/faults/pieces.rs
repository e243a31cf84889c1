//! Work in pieces that ends anywhere, meets other work anywhere, or loses any request: the next call goes on, the output is
//! that of one run, and nothing that was staged stays.
//!
//! A process is held or killed at one call to the system after the other, as in `interleaved`.

use std::process::{Output, Stdio};
use std::time::Duration;

use super::interleaved::{HELD, OTHER_BEGINS, at_each_call, has_strace, under_strace};
use super::operations::parquet_parts;
use crate::support::buckets::{Bucket, bucket, csv_parts, merged};
use crate::support::fixtures::failure;
use crate::support::proxy::Fault;
use crate::support::scale::sampled;
use crate::support::scratch::{RUN, Scratch, files};

/// Pieces of every plan of `WAYS`.
const PIECES: usize = 3;

/// Where the output is, and the command that writes it in one run.
struct Way {
    output: &'static str,
    one_run: &'static str,
}

const WAYS: [Way; 3] = [
    Way { output: "w/out.csv", one_run: "merge" },
    Way { output: "w/out.parquet", one_run: "merge" },
    Way { output: "w/", one_run: "convert" },
];

fn part(mark: &str, part: usize) -> String {
    let rows: String = (0..40).map(|row| format!("{mark}{row:03},2026-01-01T00:00:00Z,{part}.5\n")).collect();
    format!("item_id,date,p10\n{rows}")
}

/// A plan for each of two sources, whose parts have the same names and sizes, and other rows.
fn planned(way: &Way, flags: &str) -> Scratch {
    let scratch = Scratch::new();
    std::fs::create_dir(scratch.path("w")).expect("a folder");
    for mark in ["a", "b"] {
        for number in 0..3 {
            scratch.write(&format!("{mark}/sales_{RUN}_part{number}.csv"), part(mark, number));
        }
        let plan = format!("cluster plan {mark} -o {} --pieces {PIECES} --plan {mark}.json", way.output);
        scratch.succeeds(&format!("{plan} {flags}"));
    }
    scratch
}

/// Carries out the pieces from this one on.
fn pieces(scratch: &Scratch, mark: &str, from: usize) {
    for index in from..PIECES {
        scratch.succeeds(&format!("cluster piece {mark}.json {index}"));
    }
}

/// The sources that the output equals, and those that one run takes it to be made of.
fn made_of(scratch: &Scratch, way: &Way) -> [Vec<&'static str>; 2] {
    let holds = |mark: &str| scratch.output(&format!("verify {} --against {mark}", way.output));
    let is_made_of = |mark: &str| {
        let (code, said) = failure(&scratch.output(&format!("{} {mark} -o {}", way.one_run, way.output)));
        code == 0 && said.contains("up to date")
    };
    [
        ["a", "b"].into_iter().filter(|mark| holds(mark).status.success()).collect(),
        ["a", "b"].into_iter().filter(|mark| is_made_of(mark)).collect(),
    ]
}

/// Files and folders that are staged, or temporary.
fn left(scratch: &Scratch) -> Vec<String> {
    let folder = scratch.path("w");
    let shown = files(&folder).into_iter();
    let below = shown.map(|file| file.strip_prefix(&folder).expect("below").display().to_string());
    let mut left: Vec<String> =
        below.filter(|file| file.split('/').any(|name| name.starts_with('.'))).collect();
    if scratch.path("w/.forecast-export").exists() {
        left.push(".forecast-export/".into());
    }
    left
}

/// Holds a command at one of its calls while something else is done.
fn held(scratch: &Scratch, (call, nth): (&str, usize), arguments: &str, others: impl FnOnce()) -> Output {
    let inject = format!("inject={call}:delay_enter={}:when={nth}", HELD.as_micros());
    let process = under_strace(scratch, &inject, arguments).spawn().expect("strace");
    std::thread::sleep(OTHER_BEGINS);
    others();
    process.wait_with_output().expect("strace")
}

#[test]
fn a_piece_or_a_commit_that_is_killed_at_any_call_is_finished_by_the_next_ones() {
    if !has_strace() {
        return;
    }
    at_each_call(&WAYS, (11, 97), |way, call, nth| {
        for killed in ["cluster piece a.json 1", "cluster commit a.json"] {
            let what = format!("{}: {killed}, killed at {call} {nth}", way.output);
            let scratch = planned(way, "");
            if killed.contains("commit") {
                pieces(&scratch, "a", 0);
            }
            let inject = format!("inject={call}:signal=SIGKILL:when={nth}");
            let mut process = under_strace(&scratch, &inject, killed);
            let ended = process.stderr(Stdio::null()).status().expect("strace");
            pieces(&scratch, "a", 0);
            let (_, said) = scratch.succeeds_with("cluster commit a.json");
            assert_eq!(made_of(&scratch, way), [["a"], ["a"]], "{what} ({ended}): {said}");
            let staged = |file: &String| file.starts_with(".forecast-export/");
            assert_eq!(left(&scratch).into_iter().find(staged), None, "{what}");
            // What finds everything done writes nothing, and clears away only what was staged.
            if !said.contains("up to date") {
                assert_eq!(left(&scratch), [""; 0], "{what}: {said}");
            }
        }
    });
}

#[test]
fn a_worker_that_comes_back_after_the_commit_leaves_nothing_wherever_it_was() {
    if !has_strace() {
        return;
    }
    at_each_call(&WAYS, (11, 97), |way, call, nth| {
        let what = format!("{}, held at {call} {nth}", way.output);
        let scratch = planned(way, "");
        pieces(&scratch, "a", 1);
        let late = held(&scratch, (call, nth), "cluster piece a.json 0", || {
            scratch.succeeds("cluster piece a.json 0");
            scratch.succeeds("cluster commit a.json");
        });
        let (code, said) = failure(&late);
        assert_eq!(code, 0, "{what}: {said}");
        assert_eq!(made_of(&scratch, way), [["a"], ["a"]], "{what}: {said}");
        assert_eq!(left(&scratch), [""; 0], "{what}: {said}");
    });
}

#[test]
fn two_commits_of_one_plan_publish_it_once_wherever_they_meet() {
    if !has_strace() {
        return;
    }
    for flags in ["", "--overwrite"] {
        at_each_call(&WAYS, (11, 97), |way, call, nth| {
            let scratch = planned(way, flags);
            pieces(&scratch, "a", 0);
            let mut other = None;
            let first = held(&scratch, (call, nth), "cluster commit a.json", || {
                other = Some(scratch.output("cluster commit a.json"));
            });
            let ended = [failure(&first), failure(&other.expect("the other"))];
            let what = format!("{} {flags}, held at {call} {nth}: {ended:?}", way.output);
            assert!(ended.iter().all(|(code, _)| *code == 0), "{what}");
            assert_eq!(made_of(&scratch, way), [["a"], ["a"]], "{what}");
            assert_eq!(left(&scratch), [""; 0], "{what}");
        });
    }
}

#[test]
fn of_two_plans_for_one_output_one_is_published_wherever_they_meet() {
    if !has_strace() {
        return;
    }
    for flags in ["", "--overwrite"] {
        at_each_call(&WAYS, (11, 97), |way, call, nth| {
            let scratch = planned(way, flags);
            for mark in ["a", "b"] {
                pieces(&scratch, mark, 0);
            }
            let mut other = None;
            let first = held(&scratch, (call, nth), "cluster commit a.json", || {
                other = Some(scratch.output("cluster commit b.json"));
            });
            let ended = [failure(&first), failure(&other.expect("the other"))];
            let what = format!("{} {flags}, held at {call} {nth}: {ended:?}", way.output);
            let codes = ended.map(|(code, _)| code);
            match flags {
                "" => assert!(matches!(codes, [0, 7] | [7, 0]), "{what}"),
                _ => assert_eq!(codes, [0, 0], "{what}"),
            }
            let [holds, up_to_date] = made_of(&scratch, way);
            assert_eq!(holds.len(), 1, "{what}");
            assert_eq!(up_to_date, holds, "{what}");
        });
    }
}

/// Requests of a piece and of a commit.
const OPERATIONS: [&str; 7] = [
    "ListObjectsV2",
    "HeadObject",
    "GetObject",
    "PutObject",
    "CreateMultipartUpload",
    "CompleteMultipartUpload",
    "DeleteObject",
];

const FAULTS: [Fault; 4] = [
    Fault::Status(403, "AccessDenied"),
    Fault::Status(500, "InternalError"),
    Fault::LoseAnswer,
    Fault::Reset,
];

/// Lets some requests pass and fails the next.
fn fail(bucket: &Bucket, operation: &'static str, fault: Fault, before: usize) {
    bucket.proxy.fail(operation, Fault::Stall(Duration::ZERO), before);
    bucket.proxy.fail(operation, fault, 1);
}

/// Repeats a command until it succeeds; gives how often it failed.
fn until_it_succeeds(bucket: &Bucket, what: &str, arguments: &[&str]) -> usize {
    for tries in 0..3 {
        let (code, said) = failure(&bucket.run(arguments));
        if code == 0 {
            return tries;
        }
        assert!(matches!(code, 3 | 4 | 5 | 7 | 8), "{what}: {code}: {said}");
    }
    panic!("{what}: {arguments:?} does not succeed without faults either");
}

#[test]
fn whichever_request_fails_the_next_call_goes_on_and_nothing_stays() {
    let bucket = bucket("pieces");
    let parts: Vec<Vec<u8>> = (0..3).map(|number| part("a", number).into_bytes()).collect();
    bucket.put_parts("in/", "csv", &parts);
    let expected = merged(&parts);
    let folder = tempfile::tempdir().expect("a folder");
    let plan = folder.path().join("plan.json").display().to_string();
    let all = OPERATIONS.into_iter().flat_map(|operation| {
        FAULTS.into_iter().flat_map(move |fault| (0..6).map(move |before| (operation, fault, before)))
    });
    let mut failed = 0;
    for (operation, fault, before) in sampled(all, 55) {
        for of_pieces in [true, false] {
            let what = format!("{operation}: {fault:?} after {before}, of pieces: {of_pieces}");
            bucket.delete("out/o.csv");
            bucket.delete("out/o.csv.receipt.json");
            let (from, to) = (bucket.at("in/"), bucket.at("out/o.csv"));
            bucket.succeed(&["cluster", "plan", &from, "-o", &to, "--pieces", "3", "--plan", &plan]);
            if of_pieces {
                fail(&bucket, operation, fault, before);
            }
            for index in ["0", "1", "2"] {
                failed += until_it_succeeds(&bucket, &what, &["cluster", "piece", &plan, index]);
            }
            bucket.proxy.clear_faults();
            if !of_pieces {
                fail(&bucket, operation, fault, before);
            }
            failed += until_it_succeeds(&bucket, &what, &["cluster", "commit", &plan]);
            bucket.proxy.clear_faults();
            assert!(bucket.get("out/o.csv").as_deref() == Some(&expected[..]), "{what}: a wrong file");
            // What could not be removed is removed by whoever comes next.
            bucket.succeed(&["cluster", "commit", &plan]);
            let keys = bucket.keys();
            assert!(keys.iter().all(|key| !key.contains(".forecast-export")), "{what}: {keys:?}");
            assert!(bucket.open_uploads().is_none_or(|uploads| uploads == 0), "{what}");
        }
    }
    assert!(failed > 0, "no request has failed");
}

#[test]
fn copies_of_pieces_that_fail_are_made_up_for() {
    let bucket = bucket("copies");
    bucket.put_parts("csv/", "csv", &csv_parts(2, 33_000));
    bucket.put_parts("parquet/", "parquet", &parquet_parts(2, 72_000, 36_000));
    let folder = tempfile::tempdir().expect("a folder");
    let plan = folder.path().join("plan.json").display().to_string();
    let all = ["csv", "parquet"]
        .into_iter()
        .flat_map(|format| [None].into_iter().chain(FAULTS.map(Some)).map(move |fault| (format, fault)));
    for (format, fault) in sampled(all, 3) {
        let from = bucket.at(&format!("{format}/"));
        let target = format!("out/o.{format}");
        let to = bucket.at(&target);
        bucket.succeed(&["cluster", "plan", &from, "-o", &to, "--pieces", "2", "--plan", &plan]);
        for index in ["0", "1"] {
            bucket.succeed(&["cluster", "piece", &plan, index]);
        }
        bucket.proxy.clear_log();
        if let Some(fault) = fault {
            fail(&bucket, "UploadPartCopy", fault, 0);
        }
        until_it_succeeds(&bucket, &format!("{fault:?}"), &["cluster", "commit", &plan]);
        bucket.proxy.clear_faults();
        assert!(bucket.proxy.count("UploadPartCopy") > 0, "{format}: nothing was copied on the server");
        bucket.succeed(&["verify", &to, "--against", &from]);
        let keys = bucket.keys();
        assert!(keys.iter().all(|key| !key.contains(".forecast-export")), "{fault:?}: {keys:?}");
        bucket.delete(&target);
        bucket.delete(&format!("{target}.receipt.json"));
    }
}
