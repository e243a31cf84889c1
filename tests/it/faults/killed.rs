//! A run that is killed, at any moment: under the final name there is nothing or the whole file, and the next run
//! succeeds and clears away what was left.
//!
//! Ten moments for each way; `FORECAST_EXPORT_KILLS=100 cargo test --test it killed` takes a hundred.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::operations::parquet_parts;
use crate::support::buckets::{Bucket, beside_each_other, csv_parts, part_name};
use crate::support::fixtures::{self, failure};
use crate::support::scale::full_or_sample;
use crate::support::scratch::{RUN, Scratch};

/// One way through the program: its parts, and what is written after the source.
struct Way {
    name: &'static str,
    command: &'static str,
    extension: &'static str,
    parts: Vec<Vec<u8>>,
    target: &'static str,
    flags: &'static [&'static str],
}

fn ways() -> Vec<Way> {
    let csv = || csv_parts(2, 9_000);
    let parquet = || parquet_parts(2, 9_000, 4_600);
    let way = |name, command, (extension, parts), target, flags| Way {
        name,
        command,
        extension,
        parts,
        target,
        flags,
    };
    vec![
        way("copy bytes", "merge", ("csv", csv()), "out.csv", &[]),
        way("CSV to Parquet", "merge", ("csv", csv()), "out.parquet", &[]),
        way("copy row groups", "merge", ("parquet", parquet_parts(2, 36_000, 36_000)), "out.parquet", &[]),
        way("Parquet to CSV", "merge", ("parquet", parquet()), "out.csv", &[]),
        way("convert", "convert", ("csv", csv()), "out/", &[]),
        way(
            "cut anew",
            "convert",
            ("parquet", parquet()),
            "out/",
            &["--to", "parquet", "--split-rows", "5000"],
        ),
    ]
}

/// Ways that only buckets have: the server puts the output together.
fn ways_on_server() -> Vec<Way> {
    let way = |name, extension, parts, target| Way {
        name,
        command: "merge",
        extension,
        parts,
        target,
        flags: &["--on-server", "always"],
    };
    vec![
        way("CSV on the server", "csv", [csv_parts(2, 33_000), csv_parts(1, 50)].concat(), "out.csv"),
        way("Parquet on the server", "parquet", parquet_parts(3, 72_000, 36_000), "out.parquet"),
    ]
}

fn kills() -> usize {
    let asked = std::env::var("FORECAST_EXPORT_KILLS");
    asked.map_or(full_or_sample(10, 1), |text| text.parse().expect("a number"))
}

fn random(below: Duration) -> Duration {
    below.mul_f64((RandomState::new().build_hasher().finish() >> 11) as f64 / (1_u64 << 53) as f64)
}

/// Starts a run and kills it after a while; gives whether it was still at work.
fn kill(command: &mut Command, after: Duration) -> bool {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the binary starts");
    std::thread::sleep(after);
    let was_running = child.try_wait().expect("a child of ours").is_none();
    child.kill().expect("a child of ours");
    child.wait().expect("a child of ours");
    was_running
}

/// Runs to the end, and gives how long that took.
fn complete(command: &mut Command, what: &str) -> Duration {
    let began = Instant::now();
    let (code, said) = failure(&command.output().expect("the binary starts"));
    assert_eq!(code, 0, "{what}: {said}");
    began.elapsed()
}

#[test]
#[expect(clippy::print_stderr, reason = "the number of experiments is a result")]
fn a_killed_run_leaves_nothing_or_the_whole_file_on_disk() {
    let (mut total, mut cut_short) = (0, 0);
    for way in ways() {
        let scratch = Scratch::of_parts(way.extension, &way.parts);
        let command = |more: &[&str]| {
            let mut command = fixtures::binary();
            let arguments = [way.command, "in", "-o", way.target, "--memory", "16MB", "--no-receipt"];
            command.current_dir(scratch.path("")).args(arguments).args(way.flags).args(more);
            command
        };
        let outputs = || -> BTreeMap<String, Vec<u8>> {
            scratch.written().into_iter().map(|name| (name.clone(), scratch.read(&name))).collect()
        };
        let clear =
            || outputs().keys().for_each(|name| std::fs::remove_file(scratch.path(name)).expect("removed"));
        let takes = complete(&mut command(&[]), way.name);
        let expected = outputs();
        for _ in 0..kills() {
            clear();
            cut_short += usize::from(kill(&mut command(&[]), random(takes)));
            total += 1;
            for (name, bytes) in outputs() {
                let is_whole = expected.get(&name).is_some_and(|expected| *expected == bytes);
                assert!(is_whole || name.ends_with(".forecast-export.tmp"), "{}: {name}", way.name);
            }
            complete(&mut command(&["--overwrite"]), way.name);
            assert!(outputs() == expected, "{}: {:?}", way.name, outputs().keys());
            for (number, part) in way.parts.iter().enumerate() {
                let name = format!("in/sales_{}_part{number}.{}", RUN, way.extension);
                assert!(scratch.read(&name) == *part, "{}: {name} was touched", way.name);
            }
        }
    }
    eprintln!("{total} runs on disk, {cut_short} killed at work");
}

/// The ids of uploads in the requests of these operations.
fn upload_ids(bucket: &Bucket, operations: &[&str]) -> BTreeSet<String> {
    let requests = operations.iter().flat_map(|operation| bucket.proxy.requests(operation));
    requests
        .filter_map(|request| {
            let query = request.target.split_once('?')?.1.to_owned();
            let id = query.split('&').find_map(|pair| pair.strip_prefix("uploadId="))?;
            Some(id.to_owned())
        })
        .collect()
}

#[test]
#[expect(clippy::print_stderr, reason = "the number of experiments is a result")]
fn a_killed_run_leaves_nothing_or_the_whole_object_and_its_upload_is_aborted_by_the_next() {
    let done = beside_each_other("killed", kill_into);
    let (total, cut_short, aborted) =
        done.into_iter().fold((0, 0, 0), |sum, more| (sum.0 + more.0, sum.1 + more.1, sum.2 + more.2));
    eprintln!(
        "{total} runs into buckets, {cut_short} killed at work, {aborted} uploads aborted by the next run"
    );
}

/// Kills runs into a bucket; gives how many, how many of them at work, and how many uploads the next runs aborted.
fn kill_into(bucket: &Bucket) -> (usize, usize, usize) {
    let (mut total, mut cut_short, mut aborted) = (0, 0, 0);
    for (number, way) in ways().into_iter().chain(ways_on_server()).enumerate() {
        let what = format!("{}, {}", bucket.server, way.name);
        let (source, folder) = (format!("in{number}"), format!("out{number}/"));
        for (number, part) in way.parts.iter().enumerate() {
            bucket.put(&format!("{source}/{}", part_name(number, way.extension)), part.clone());
        }
        let target = bucket.at(&format!("{folder}{}", way.target.trim_end_matches("out/")));
        let source = bucket.at(&source);
        let command = |more: &[&str]| {
            let arguments = [way.command, &source, "-o", &target, "--memory", "16MB", "--no-receipt"];
            bucket.command(&[&arguments[..], way.flags, more].concat())
        };
        let outputs = || -> BTreeMap<String, Vec<u8>> {
            let names = bucket.keys().into_iter().filter(|name| name.starts_with(&folder));
            names.into_iter().filter_map(|name| Some((name.clone(), bucket.get(&name)?.to_vec()))).collect()
        };
        let takes = complete(&mut command(&[]), &what);
        let expected = outputs();
        assert!(!expected.is_empty(), "{what}");
        for _ in 0..kills() {
            expected.keys().for_each(|name| bucket.delete(name));
            bucket.proxy.clear_log();
            cut_short += usize::from(kill(&mut command(&[]), random(takes)));
            total += 1;
            // What was sent last may still be on its way to the server.
            std::thread::sleep(Duration::from_millis(50));
            assert!(outputs().iter().all(|(name, bytes)| expected.get(name) == Some(bytes)), "{what}");
            complete(&mut command(&["--overwrite"]), &what);
            assert!(outputs() == expected, "{what}: {:?}", outputs().keys());
            let begun = upload_ids(bucket, &["UploadPart", "UploadPartCopy"]);
            let aborts = upload_ids(bucket, &["AbortMultipartUpload"]);
            let ended = &aborts | &upload_ids(bucket, &["CompleteMultipartUpload"]);
            assert!(begun.is_subset(&ended), "{what}: {begun:?} {ended:?}");
            aborted += aborts.len();
        }
    }
    (total, cut_short, aborted)
}
