//! The same parts and options make the same bytes, whatever threads and memory a run is allowed: an output made on one
//! machine can be compared with that of another.

use crate::support::fixtures::binary;
use crate::support::scale::sampled;
use crate::support::scratch::Scratch;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// Enough for several chunks of text, and for one where much memory is allowed; `cargo test --release` takes enough for
/// several row groups of the usual size.
const ROWS: usize = if cfg!(debug_assertions) { 5_000 } else { 200_000 };

/// Enough for several pieces that are compressed by themselves.
const ROWS_OF_TEXT: usize = if cfg!(debug_assertions) { 14_000 } else { 200_000 };

const THREADS: [&str; 5] = ["1", "2", "3", "7", "16"];
const MEMORY: [&str; 3] = ["16MB", "64MB", "1GB"];

/// Of everything that could depend on where chunks end: texts that repeat and that do not, of which one is too long for a
/// bound, numbers that repeat and that do not, nulls at the start only, quotes.
fn csv_parts(all: usize) -> Vec<String> {
    let part = |part: usize, rows: usize| {
        let mut text = "item_id,timestamp,store,note,count,flag,day,p10,p50\n".to_owned();
        for row in 0..rows {
            let at = part * all + row;
            let item = at / 50;
            let (hour, store, flag) = (at % 24, at % 7, at.is_multiple_of(3));
            let note = match at {
                _ if at % 11 < 3 => String::new(),
                _ if at % 4_001 == 5 => format!("\"a long one, {}\"", "x".repeat(300)),
                _ => format!("note {}", at.wrapping_mul(2_654_435_761) % 1_000_003),
            };
            let p10 = if row < 300 { String::new() } else { format!("{:?}", (at as f64 * 0.37).sin()) };
            let p50 = at % 5;
            let day = 1 + at % 28;
            text.push_str(&format!(
                "item_{item:06},2026-01-02T{hour:02}:00:00Z,store {store},{note},{at},{flag},2026-02-{day:02},{p10},{p50}.5\n"
            ));
        }
        text
    };
    vec![part(0, all / 2), part(1, 7), part(2, all / 2 - 7)]
}

const TYPES: [&str; 6] = ["--type", "count=int64", "--type", "flag=boolean", "--type", "day=date"];

fn succeed(command: &mut Command) {
    let output = command.output().expect("the command starts");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The files that a job makes, by name.
fn files_of(job: &[&str], source: &Path, allowed: (&str, &str)) -> BTreeMap<String, Vec<u8>> {
    let folder = tempfile::tempdir().expect("a folder");
    let [command, target, options @ ..] = job else { panic!("a command and its target") };
    let target = folder.path().join(target);
    // A folder is asked for by the slash behind its name.
    let target = format!("{}{}", target.display(), if *command == "convert" { "/" } else { "" });
    succeed(
        binary()
            .arg(command)
            .arg(source)
            .args(["-o", &target, "--no-receipt", "-q", "--threads", allowed.0, "--memory", allowed.1])
            .args(options),
    );
    let root = if *command == "convert" { Path::new(&target) } else { folder.path() };
    let entries = std::fs::read_dir(root).expect("files").map(|entry| entry.expect("an entry"));
    entries
        .map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            (name, std::fs::read(entry.path()).expect("a file"))
        })
        .collect()
}

fn check(source: &Path, jobs: &[&[&str]]) {
    for job in jobs {
        let mut known: Option<BTreeMap<String, Vec<u8>>> = None;
        let all = THREADS.into_iter().flat_map(|threads| MEMORY.map(|memory| (threads, memory)));
        for allowed in sampled(all, 4) {
            let files = files_of(job, source, allowed);
            assert!(!files.is_empty(), "{job:?} made nothing");
            let Some(known) = &known else {
                known = Some(files);
                continue;
            };
            let names = |files: &BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
            assert_eq!(names(&files), names(known), "{job:?}, {allowed:?}: other files");
            for (name, bytes) in &files {
                let is_same = known.get(name) == Some(bytes);
                assert!(is_same, "{job:?}: {name} has other bytes with {allowed:?}");
            }
        }
    }
}

fn with<'a>(job: &[&'a str], options: &[&'a str]) -> Vec<&'a str> {
    [job, options].concat()
}

#[test]
fn threads_and_memory_do_not_change_what_text_becomes_as_parquet() {
    let scratch = Scratch::csv(&csv_parts(ROWS));
    let jobs: Vec<Vec<&str>> = vec![
        with(&["merge", "o.parquet"], &TYPES),
        with(&["merge", "o.parquet", "--compression", "zstd:1"], &TYPES),
        with(&["merge", "o.parquet", "--compression", "gzip:1", "--source-columns"], &[]),
        with(&["merge", "o.parquet", "--compression", "lz4"], &["--all-strings"]),
        with(&["merge", "o.parquet", "--compression", "none", "--row-group-rows", "1501"], &TYPES),
        with(&["merge", "o.parquet", "--bloom-filter", "item_id", "--schema", "by-name"], &TYPES),
        with(&["convert", "o", "--to", "parquet"], &TYPES),
        with(&["convert", "o", "--to", "parquet", "--split-rows", "2000"], &TYPES),
        with(&["convert", "o", "--to", "parquet", "--split-bytes", "60KB"], &TYPES),
    ];
    check(&scratch.path("in"), &jobs.iter().map(Vec::as_slice).collect::<Vec<_>>());
}

#[test]
fn threads_and_memory_do_not_change_what_text_becomes_as_text() {
    let scratch = Scratch::csv(&csv_parts(ROWS_OF_TEXT));
    let jobs: [&[&str]; 8] = [
        &["merge", "o.csv"],
        &["merge", "o.csv.gz", "--compression", "gzip:1"],
        &["merge", "o.csv.zst"],
        &["merge", "o.csv.gz", "--source-columns"],
        &["convert", "o", "--to", "csv", "--split-rows", "2000"],
        &["convert", "o", "--to", "csv", "--split-rows", "12000", "--compression", "gzip:1"],
        &["convert", "o", "--to", "csv", "--split-bytes", "300KB"],
        &["convert", "o", "--to", "csv", "--split-bytes", "1100KB", "--compression", "zstd"],
    ];
    check(&scratch.path("in"), &jobs);
}

#[test]
fn threads_and_memory_do_not_change_what_parquet_becomes() {
    let text = Scratch::csv(&csv_parts(ROWS));
    for (rows, jobs) in [
        // Row groups that are copied.
        (
            "70000",
            &[&["merge", "o.parquet"][..], &["merge", "o.csv.gz"], &["convert", "o", "--to", "csv"]][..],
        ),
        // Row groups too small to keep, and those of a size that was asked for.
        (
            "300",
            &[
                &["merge", "o.parquet"],
                &["merge", "o.parquet", "--compression", "zstd"],
                &["merge", "o.parquet", "--row-group-rows", "1100"],
                &["merge", "o.parquet", "--source-columns"],
                &["merge", "o.parquet", "--bloom-filter", "note"],
                &["merge", "o.csv.zst"],
                &["convert", "o", "--to", "parquet", "--split-rows", "2000"],
                &["convert", "o", "--to", "parquet", "--split-bytes", "60KB"],
                &["convert", "o", "--to", "csv", "--split-bytes", "150KB", "--compression", "gzip:1"],
            ],
        ),
    ] {
        let scratch = Scratch::new();
        let target = format!("{}/", scratch.path("in").display());
        let options = ["-o", &target, "--to", "parquet", "--no-receipt", "-q", "--row-group-rows", rows];
        succeed(binary().arg("convert").arg(text.path("in")).args(options).args(TYPES));
        check(&scratch.path("in"), jobs);
    }
}
