//! Many runs under one prefix, on a server that is far away: what a listing, a plan and a merge of one of them ask for.

use std::time::{Duration, Instant};

use crate::support::buckets::{Bucket, bucket};
use crate::support::fixtures;
use crate::support::proxy::Fault;
use crate::support::scale::full_or_sample;

const LATENCY: Duration = Duration::from_millis(30);
/// As in `probe`: heads that are read at once.
const AT_ONCE: usize = 64;

const PART: &str = "item_id,date,p50\na,2026-01-03T00:00:00Z,1.0\n";

/// The timestamp of a run, of which there is one a night.
fn run_stamp(run: usize) -> String {
    let day = chrono::NaiveDate::from_ymd_opt(2020, 1, 1).expect("a day") + chrono::Days::new(run as u64);
    format!("{day}T03-04-05Z")
}

/// Puts so many runs of so many parts each.
fn put_runs(bucket: &Bucket, runs: usize, parts: usize) {
    let key = |at: usize| format!("in/sales_{}_part{}.csv", run_stamp(at / parts), at % parts);
    bucket.put_keys((0..runs * parts).map(|at| (key(at), PART.as_bytes().to_vec())));
}

#[test]
fn many_runs_are_looked_at_as_widely_as_one_and_stay_in_order() {
    let bucket = bucket("many-runs");
    put_runs(&bucket, 120, 2);
    bucket.proxy.delay_all(LATENCY);
    let found: serde_json::Value =
        serde_json::from_slice(&bucket.succeed(&["ls", &bucket.at("in"), "--json"])).expect("JSON");
    let shown: Vec<&str> = found["exports"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|export| {
            let numbers: Vec<u64> = export["parts"]
                .as_array()
                .expect("a list")
                .iter()
                .map(|part| part["number"].as_u64().expect("a number"))
                .collect();
            assert_eq!(numbers, [0, 1]);
            export["run"].as_str().expect("a timestamp")
        })
        .collect();
    assert_eq!(shown, (0..120).map(run_stamp).collect::<Vec<_>>());
    let reads = bucket.proxy.requests("GetObject");
    assert_eq!(reads.len(), 240, "one for each part");
    let most = reads.iter().map(|read| read.beside + 1).max().expect("some");
    assert!(most > AT_ONCE / 2 && most <= AT_ONCE, "{most} at once");
    assert_eq!(bucket.proxy.total(), 241, "and a listing");
}

#[test]
fn names_alone_take_the_requests_of_the_listing() {
    let bucket = bucket("names");
    put_runs(&bucket, 52, 20);
    let shown = bucket.succeed(&["ls", &bucket.at("in"), "--names"]);
    assert_eq!(String::from_utf8_lossy(&shown).lines().count(), 54);
    assert_eq!((bucket.proxy.count("ListObjectsV2"), bucket.proxy.total()), (2, 2));
    bucket.proxy.clear_log();
    let one = bucket.succeed(&["ls", &bucket.at("in"), "--run", &run_stamp(7)]);
    assert_eq!(String::from_utf8_lossy(&one).lines().count(), 2);
    assert_eq!((bucket.proxy.count("GetObject"), bucket.proxy.total()), (20, 22));
}

#[test]
fn a_merge_of_one_run_lists_the_rest_of_the_prefix_once() {
    let bucket = bucket("one-of-many");
    // Of a thousand objects each.
    let pages = full_or_sample(4, 2);
    let run = run_stamp(25 * pages);
    put_runs(&bucket, 50 * pages, 20);
    let merge = |target: &str, run: &str| {
        bucket.proxy.clear_log();
        bucket.succeed(&["merge", &bucket.at("in"), "--run", run, "-o", &bucket.at(target)]);
        bucket.proxy.count("ListObjectsV2")
    };
    // All pages to find the run, and one to see that it is what it was.
    assert_eq!(merge("one.csv", &run), pages + 1);
    assert_eq!(merge("latest.csv", "latest"), pages + 1);
    // All of them are of the run.
    assert_eq!(merge("all.csv", "all"), pages + pages + 1);
    // A part that comes to the run meanwhile is seen, whatever lies between.
    let plan_of = ["merge", &bucket.at("in"), "--run", &run, "-o", &bucket.at("late.csv")];
    bucket.proxy.clear_log();
    bucket.proxy.fail("ListObjectsV2", Fault::Stall(Duration::ZERO), pages);
    bucket.proxy.fail("ListObjectsV2", Fault::Stall(Duration::from_millis(1_500)), 1);
    let running = bucket.command(&plan_of).stderr(std::process::Stdio::piped()).spawn().expect("it starts");
    bucket.wait_for_some("ListObjectsV2", pages + 1);
    bucket.put(&format!("in/sales_{run}_part20.csv"), PART);
    let (code, said) = fixtures::failure(&running.wait_with_output().expect("it ends"));
    assert_eq!(code, 5, "{said}");
    assert!(said.contains("part20.csv") && said.contains("added while the run was read"), "{said}");
    assert_eq!(bucket.get("late.csv"), None);
}

/// `cargo test --release --test it many_runs -- --ignored --nocapture` prints how long commands take over a thousand runs of
/// twenty parts each on a server that is 30 ms away, with the requests that they make.
#[test]
#[ignore = "it measures, and proves nothing"]
#[expect(clippy::print_stdout, reason = "what this is run for")]
fn a_thousand_runs_are_timed() {
    let bucket = bucket("thousand-runs");
    put_runs(&bucket, 1_000, 20);
    bucket.proxy.delay_all(LATENCY);
    let (source, run) = (bucket.at("in"), run_stamp(500));
    let target = bucket.at("out.csv");
    let commands: [&[&str]; 6] = [
        &["ls", &source],
        &["ls", &source, "--names"],
        &["ls", &source, "--run", &run],
        &["merge", &source, "--run", &run, "-o", &target, "--dry-run"],
        &["merge", &source, "--run", "all", "-o", &target, "--dry-run"],
        &["merge", &source, "--run", &run, "-o", &target],
    ];
    for command in commands {
        bucket.proxy.clear_log();
        let began = Instant::now();
        bucket.succeed(command);
        let took = began.elapsed();
        let count = |operation| bucket.proxy.count(operation);
        let command = command.join(" ").replace(&bucket.url, "s3://bucket");
        println!(
            "{command}: {took:.1?}, {} requests, {} LIST, {} GET",
            bucket.proxy.total(),
            count("ListObjectsV2"),
            count("GetObject")
        );
    }
}
