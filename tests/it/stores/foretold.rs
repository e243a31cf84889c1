//! What a dry run says of requests is what is then made: of each kind, on every way that rows take.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

use super::on_server::parquet_part;
use crate::support::buckets::{Bucket, bucket, csv_parts, part_name};

/// The kinds of requests, as a plan and as S3 calls them.
const KINDS: [(&str, &str); 8] = [
    ("list", "ListObjectsV2"),
    ("get", "GetObject"),
    ("head", "HeadObject"),
    ("put", "PutObject"),
    ("create_upload", "CreateMultipartUpload"),
    ("upload_part", "UploadPart"),
    ("upload_part_copy", "UploadPartCopy"),
    ("complete_upload", "CompleteMultipartUpload"),
];

type Counts = [(&'static str, u64); 8];

/// The requests that reached the server since the log was cleared.
fn made(bucket: &Bucket) -> Counts {
    let counts = KINDS.map(|(kind, operation)| (kind, bucket.proxy.count(operation) as u64));
    let known: u64 = counts.iter().map(|(_, count)| count).sum();
    assert_eq!(known, bucket.proxy.total() as u64, "there are others");
    counts
}

fn plan(bucket: &Bucket, arguments: &[&str]) -> Value {
    let plan = bucket.succeed(&[arguments, &["--dry-run", "--json"]].concat());
    serde_json::from_slice(&plan).expect("JSON")
}

fn told(plan: &Value, when: &str) -> Counts {
    KINDS.map(|(kind, _)| (kind, plan["requests"][when][kind].as_u64().expect("a number")))
}

/// Plans, compares what that took with what is said, runs, and compares that; gives the plan.
fn compare(bucket: &Bucket, strategy: &str, arguments: &[&str]) -> Value {
    bucket.proxy.clear_log();
    let plan = plan(bucket, arguments);
    assert_eq!(plan["strategy"], strategy, "{arguments:?}");
    assert_eq!(made(bucket), told(&plan, "planning"), "to plan {arguments:?}");
    bucket.proxy.clear_log();
    bucket.succeed(arguments);
    // A run makes its plan anew.
    for ((kind, made), ((_, planning), (_, running))) in
        made(bucket).into_iter().zip(told(&plan, "planning").into_iter().zip(told(&plan, "running")))
    {
        let told = planning + running;
        // How many pieces an output has whose length is not known is about what was said.
        let is_about = kind == "upload_part" && plan["requests"]["exact"] == false;
        let is_as_told = if is_about { made <= 3 * told && told <= 3 * made } else { made == told };
        assert!(is_as_told, "{kind}: {told} foretold, {made} made to run {arguments:?}");
    }
    plan
}

fn is_exact(plan: &Value) {
    assert_eq!(plan["requests"]["exact"], true, "{}", plan["requests"]);
}

#[test]
fn text_takes_the_requests_that_were_foretold() {
    let bucket = bucket("foretold-text");
    // Too large to be held since they were looked at, an odd one and an empty one.
    let mut parts = csv_parts(3, 1_000);
    parts.extend([Vec::new(), b"item_id,date,p10,p50,p90\n".to_vec()]);
    parts.extend(csv_parts(4, 10));
    bucket.put_parts("in/", "csv", &parts);
    let (source, local) = (bucket.at("in"), tempfile::tempdir().expect("a folder"));
    let here = local.path().join("out.csv").display().to_string();
    let at = |name: &str| bucket.at(name);
    is_exact(&compare(&bucket, "copy-bytes", &["merge", &source, "-o", &at("a.csv")]));
    is_exact(&compare(&bucket, "copy-bytes", &["merge", &source, "-o", &at("a.csv"), "--overwrite"]));
    is_exact(&compare(&bucket, "copy-bytes", &["merge", &source, "-o", &at("b.csv"), "--no-receipt"]));
    is_exact(&compare(&bucket, "copy-bytes", &["merge", &source, "-o", &here]));
    is_exact(&compare(&bucket, "copy-bytes", &["merge", &source, "-o", &at("c.csv"), "--verify"]));
    is_exact(&compare(&bucket, "transcode", &["merge", &source, "-o", &at("d.csv"), "--source-columns"]));
    is_exact(&compare(&bucket, "transcode", &["merge", &source, "-o", &at("e.parquet")]));
    is_exact(&compare(&bucket, "transcode", &["convert", &source, "-o", &at("f")]));
    // What is there already.
    let again = compare(&bucket, "copy-bytes", &["merge", &source, "-o", &at("a.csv")]);
    assert_eq!(
        (again["up_to_date"].as_bool(), again["requests"]["exact"].as_bool()),
        (Some(true), Some(true))
    );
    // One part by itself.
    let one = bucket.at(&format!("in/{}", part_name(0, "csv")));
    is_exact(&compare(&bucket, "copy-bytes", &["merge", &one, "-o", &at("g.csv")]));
    // Of pieces: in little memory they are smaller. Only what the output looks at in between is on top.
    bucket.put_parts("large/", "csv", &csv_parts(2, 33_000));
    let large = bucket.at("large");
    let arguments = ["merge", &large, "-o", &at("h.csv"), "--on-server", "never", "--memory", "16MB"];
    is_exact(&compare(&bucket, "copy-bytes", &arguments));
}

#[test]
fn compressed_parts_take_the_requests_that_were_foretold() {
    let bucket = bucket("foretold-gz");
    let parts: Vec<Vec<u8>> = csv_parts(2, 2_000)
        .into_iter()
        .map(|part| {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(&part).expect("written");
            encoder.finish().expect("compressed")
        })
        .collect();
    bucket.put_parts("in/", "csv.gz", &parts);
    let plan = compare(&bucket, "copy-bytes", &["merge", &bucket.at("in"), "-o", &bucket.at("out.csv")]);
    // Nobody knows how long they are.
    assert_eq!(plan["requests"]["exact"], false);
}

#[test]
fn parquet_takes_the_requests_that_were_foretold() {
    let bucket = bucket("foretold-parquet");
    let parts: Vec<Vec<u8>> = [(70_000, 1, 70_000), (300, 2, 100), (300, 3, 300), (150_000, 4, 70_000)]
        .map(|(rows, seed, row_group)| parquet_part(rows, seed, row_group).1)
        .into();
    bucket.put_parts("in/", "parquet", &parts);
    let (source, at) = (bucket.at("in"), |name: &str| bucket.at(name));
    let arguments = ["merge", &source, "-o", &at("a.parquet"), "--on-server", "never"];
    compare(&bucket, "copy-row-groups", &arguments);
    compare(&bucket, "transcode", &["merge", &source, "-o", &at("b.csv")]);
    compare(&bucket, "transcode", &["merge", &source, "-o", &at("c.parquet"), "--row-group-rows", "1000"]);
    let small: Vec<Vec<u8>> = (0..4).map(|seed| parquet_part(200, seed, 200).1).collect();
    bucket.put_parts("small/", "parquet", &small);
    let source = bucket.at("small");
    is_exact(&compare(&bucket, "copy-row-groups", &["merge", &source, "-o", &at("d.parquet")]));
    is_exact(&compare(&bucket, "copy-row-groups", &["merge", &source, "-o", &at("e.parquet"), "--verify"]));
    is_exact(&compare(&bucket, "transcode", &["convert", &source, "-o", &at("f")]));
}

#[test]
fn the_server_is_asked_as_often_as_was_foretold() {
    let bucket = bucket("foretold-on-server");
    let mut parts = csv_parts(2, 33_000);
    parts.extend(csv_parts(1, 1_000));
    bucket.put_parts("in/", "csv", &parts);
    let at = |name: &str| bucket.at(name);
    is_exact(&compare(&bucket, "copy-on-server", &["merge", &at("in"), "-o", &at("a.csv")]));
    let parts = [(160_000, 1, 80_000), (500, 2, 100), (240_000, 3, 80_000)];
    let parts: Vec<Vec<u8>> =
        parts.map(|(rows, seed, row_group)| parquet_part(rows, seed, row_group).1).into();
    bucket.put_parts("groups/", "parquet", &parts);
    compare(&bucket, "copy-on-server", &["merge", &at("groups"), "-o", &at("b.parquet")]);
}

#[test]
fn row_groups_too_large_to_be_held_take_about_the_requests_that_were_foretold() {
    let bucket = bucket("foretold-large-groups");
    bucket.put_parts("in/", "parquet", &[parquet_part(100_000, 1, 100_000).1]);
    let arguments =
        ["merge", &bucket.at("in"), "-o", &bucket.at("out.csv"), "--memory", "16MB", "--threads", "2"];
    is_about_as_foretold(&bucket, &arguments, 2);
}

/// Neither is more than so many times the other.
fn is_about_as_foretold(bucket: &Bucket, arguments: &[&str], times: u64) {
    let plan = plan(bucket, arguments);
    assert_eq!(plan["requests"]["exact"], false);
    let sum = |counts: Counts| counts.iter().map(|(_, count)| count).sum::<u64>();
    let told = sum(told(&plan, "planning")) + sum(told(&plan, "running"));
    bucket.proxy.clear_log();
    bucket.succeed(arguments);
    let made = bucket.proxy.total() as u64;
    assert!(told <= times * made && made <= times * told, "{told} foretold, {made} made");
}

#[test]
fn rows_that_are_cut_anew_take_about_the_requests_that_were_foretold() {
    let bucket = bucket("foretold-cut");
    bucket.put_parts("in/", "csv", &csv_parts(3, 200));
    let arguments =
        ["convert", &bucket.at("in"), "-o", &bucket.at("out"), "--to", "csv", "--split-rows", "50"];
    is_about_as_foretold(&bucket, &arguments, 4);
}

#[test]
fn a_plan_says_what_s3_charges_and_nothing_on_disk() {
    let bucket = bucket("foretold-price");
    bucket.put_parts("in/", "csv", &csv_parts(4, 10));
    let arguments = ["merge", &bucket.at("in"), "-o", &bucket.at("out.csv")];
    let plan = plan(&bucket, &arguments);
    let (planning, running) = (told(&plan, "planning"), told(&plan, "running"));
    let reads = |counts: &Counts| counts[1].1 + counts[2].1;
    let all = |counts: &Counts| counts.iter().map(|(_, count)| count).sum::<u64>();
    let reads = reads(&planning) + reads(&running);
    let writes = all(&planning) + all(&running) - reads;
    let dollars = plan["requests"]["us_dollars"].as_f64().expect("a number");
    assert!((dollars - (reads as f64 * 4e-7 + writes as f64 * 5e-6)).abs() < 1e-12, "{dollars}");
    let shown = bucket.succeed(&[&arguments[..], &["--dry-run"]].concat());
    let shown = String::from_utf8(shown).expect("UTF-8");
    let line = shown.lines().find(|line| line.starts_with("  requests: ")).expect("a line");
    assert!(line.contains(" to plan (1 LIST, ") && line.ends_with(" by S3's list price"), "{line}");
}
