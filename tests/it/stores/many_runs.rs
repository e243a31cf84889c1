//! Many runs under one prefix, on a server that is far away: what a listing, a plan and a merge of one of them ask for.

use std::time::Duration;

use crate::support::buckets::{Bucket, bucket};

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
