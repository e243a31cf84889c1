//! Places that fail: full disks, sources that vanish, shrink or grow, two runs that want the same name.

use std::fs::OpenOptions;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use forecast_export::{Error, Location, Options, Output, plan, run};

use crate::support::buckets::{Bucket, bucket, buckets, csv_parts, merged};
use crate::support::fixtures::{self, failure};
use crate::support::proxy::Fault;
use crate::support::scratch::{RUN, Scratch};

/// Ends the file system of a test with the test.
struct Mounted<'a>(&'a Scratch);

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path("small")).status();
    }
}

#[test]
#[expect(clippy::print_stderr, reason = "what could not be tried is a result")]
fn a_full_disk_is_an_error_and_leaves_nothing() {
    let scratch = Scratch::csv(&csv_parts(2, 9_000));
    std::fs::create_dir(scratch.path("small")).expect("a folder");
    let mount = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"])
        .arg(scratch.path("small"))
        .stderr(Stdio::null())
        .status();
    if mount.is_ok_and(|status| status.success()) {
        let _mounted = Mounted(&scratch);
        for arguments in [
            "merge in -o small/new/out.csv",
            "merge in -o small/new/out.parquet",
            "convert in -o small/new",
            "convert in -o small/new --to csv --split-rows 1000",
        ] {
            let (code, said) = failure(&scratch.output(arguments));
            assert_eq!(code, 1, "{arguments}: {said}");
            assert!(said.contains("small/new") && said.contains("No space left"), "{said}");
            let left = std::fs::read_dir(scratch.path("small")).expect("a folder").count();
            assert_eq!(left, 0, "{arguments}");
        }
    } else {
        eprintln!("skipped: tmpfs cannot be mounted here");
    }
}

#[test]
fn a_file_that_may_not_grow_on_is_an_error_and_leaves_nothing() {
    let scratch = Scratch::csv(&csv_parts(2, 9_000));
    // The limit is in units of 1 KiB; the system sends a signal that would end the run.
    let limited =
        format!("ulimit -f 1000; exec {} merge in -o new/out.csv", env!("CARGO_BIN_EXE_forecast-export"));
    let mut command = Command::new("bash");
    let output = command.current_dir(scratch.path("")).args(["-c", &limited]).output().expect("bash");
    let (code, said) = failure(&output);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("new/out.csv") && said.contains("too large"), "{said}");
    assert!(!scratch.path("new").exists());
}

#[test]
fn a_device_that_is_full_is_an_error() {
    let scratch = Scratch::csv(&csv_parts(1, 100));
    let (code, said) = failure(&scratch.output("merge in -o /dev/full --to csv"));
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("/dev/full") && said.contains("No space left"), "{said}");
}

/// Merges, with something done between the look at the sources and the reading of them.
fn merge_after(scratch: &Scratch, target: &str, between: impl FnOnce()) -> Result<(), Error> {
    let at = |name: &str| scratch.path(name).display().to_string();
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    runtime.block_on(async {
        let output = Output::file(&at(target))?;
        let planned = plan(&Location::parse(&at("in"))?, &output, &Options::default()).await?;
        between();
        run(planned, |_| ()).await.map(drop)
    })
}

fn last_part(scratch: &Scratch) -> std::path::PathBuf {
    scratch.path(&format!("in/sales_{RUN}_part1.csv"))
}

#[test]
fn a_source_that_vanishes_is_an_error_and_leaves_nothing() {
    for target in ["new/out.csv", "new/out.parquet"] {
        let scratch = Scratch::csv(&csv_parts(2, 3_000));
        let merged =
            merge_after(&scratch, target, || std::fs::remove_file(last_part(&scratch)).expect("removed"));
        let error = merged.expect_err("a part is gone");
        assert!(error.to_string().contains("part1.csv"), "{error}");
        assert!(!scratch.path("new").exists(), "{target}");
    }
}

#[test]
fn a_source_that_shrinks_is_an_error_and_leaves_nothing() {
    for target in ["new/out.csv", "new/out.parquet"] {
        let scratch = Scratch::csv(&csv_parts(2, 3_000));
        let cut = || {
            let file = OpenOptions::new().write(true).open(last_part(&scratch)).expect("a part");
            file.set_len(1000).expect("cut");
        };
        let error = merge_after(&scratch, target, cut).expect_err("a part is shorter");
        assert!(matches!(error, Error::Data(_)), "{error:?}");
        assert!(!scratch.path("new").exists(), "{target}");
    }
}

#[test]
fn a_source_that_grows_while_it_is_read_never_gives_a_mixture() {
    let parts = csv_parts(2, 3_000);
    let scratch = Scratch::csv(&parts);
    let grow = || {
        let mut file = OpenOptions::new().append(true).open(last_part(&scratch)).expect("a part");
        file.write_all(b"late,2026-01-01T00:00:00Z,1.0,2.0,3.0\n").expect("written");
    };
    match merge_after(&scratch, "out.csv", grow) {
        // What was there when it was looked at.
        Ok(()) => assert!(scratch.read("out.csv") == merged(&parts)),
        Err(error) => {
            assert!(matches!(error, Error::Data(_)), "{error:?}");
            assert_eq!(scratch.written(), Vec::<String>::new());
        }
    }
}

#[test]
fn of_two_runs_that_want_the_same_file_exactly_one_wins() {
    let parts = csv_parts(2, 500);
    let scratch = Scratch::csv(&parts);
    for round in 0..20 {
        let target = format!("out/{round}.csv");
        let start = || {
            let mut command = fixtures::binary();
            command.current_dir(scratch.path("")).args(["merge", "in", "-o", &target, "--no-receipt"]);
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the binary starts")
        };
        let (first, second) = (start(), start());
        let mut codes = [first, second].map(|run| failure(&run.wait_with_output().expect("it ends")).0);
        codes.sort_unstable();
        assert_eq!(codes, [0, 7], "round {round}");
        assert!(scratch.read(&target) == merged(&parts), "round {round}");
    }
    assert_eq!(scratch.written().len(), 20);
}

/// Lets both runs come as far as their last request.
fn race(bucket: &Bucket, operation: &'static str, parts: &[Vec<u8>], round: usize) -> [i32; 2] {
    bucket.proxy.clear_log();
    bucket.proxy.fail(operation, Fault::Stall(Duration::from_millis(700)), 2);
    let target = bucket.at(&format!("{operation}-{round}.csv"));
    let start = || {
        let mut command = bucket.merge_in_pieces(&target);
        command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the binary starts")
    };
    let (first, second) = (start(), start());
    let mut codes = [first, second].map(|run| failure(&run.wait_with_output().expect("it ends")).0);
    codes.sort_unstable();
    let object = bucket.get(&format!("{operation}-{round}.csv"));
    assert!(object.as_deref() == Some(&merged(parts)[..]), "{}", bucket.server);
    codes
}

#[test]
fn of_two_runs_that_want_the_same_object_exactly_one_wins_where_the_store_can_tell() {
    for bucket in buckets("race") {
        for (operation, rows) in [("CompleteMultipartUpload", 9_000), ("PutObject", 50)] {
            let parts = csv_parts(2, rows);
            bucket.put_parts("in/", "csv", &parts);
            for round in 0..3 {
                let codes = race(&bucket, operation, &parts, round);
                // None of these servers joins parts and looks at the name in one step, as S3 does, and only LocalStack
                // does so for an object that is put at once: elsewhere both may win, with the same bytes.
                let is_one_step = bucket.server == "LocalStack" && operation == "PutObject";
                let may_both_win = !is_one_step && codes == [0, 0];
                assert!(codes == [0, 7] || may_both_win, "{}: {operation}: {codes:?}", bucket.server);
            }
        }
    }
}

#[test]
fn an_object_that_came_after_the_last_look_is_not_replaced_by_an_upload() {
    for bucket in buckets("late") {
        let parts = csv_parts(2, 9_000);
        bucket.put_parts("in/", "csv", &parts);
        bucket.proxy.fail("CompleteMultipartUpload", Fault::Stall(Duration::from_secs(2)), 1);
        let mut command = bucket.merge_in_pieces(&bucket.at("out.csv"));
        let run = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the binary starts");
        bucket.wait_for("CompleteMultipartUpload");
        bucket.put("out.csv", "another's");
        let (code, said) = failure(&run.wait_with_output().expect("it ends"));
        assert_eq!(code, 7, "{}: {said}", bucket.server);
        assert_eq!(bucket.get("out.csv").as_deref(), Some(&b"another's"[..]), "{}", bucket.server);
        assert_eq!(bucket.proxy.count("AbortMultipartUpload"), 1, "{}", bucket.server);
    }
}

#[test]
fn a_conflict_with_another_write_under_way_is_asked_again() {
    let bucket = bucket("conflict");
    for (operation, rows) in [("CompleteMultipartUpload", 9_000), ("PutObject", 50)] {
        let parts = csv_parts(2, rows);
        bucket.put_parts("in/", "csv", &parts);
        bucket.proxy.fail(operation, Fault::Status(409, "ConditionalRequestConflict"), 2);
        let target = format!("{operation}.csv");
        bucket.succeed(&[
            "merge",
            &bucket.at("in"),
            "-o",
            &bucket.at(&target),
            "--memory",
            "16MB",
            "--no-receipt",
        ]);
        assert!(bucket.get(&target).as_deref() == Some(&merged(&parts)[..]), "{operation}");
        assert_eq!(bucket.proxy.count(operation), 3);
    }
}

#[test]
fn a_signal_while_an_upload_begins_aborts_it() {
    for bucket in buckets("begins") {
        bucket.put_parts("in/", "csv", &csv_parts(2, 9_000));
        bucket.proxy.fail("CreateMultipartUpload", Fault::Stall(Duration::from_secs(1)), 1);
        let mut command = bucket.merge_in_pieces(&bucket.at("out.csv"));
        let run = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the binary starts");
        bucket.wait_for("CreateMultipartUpload");
        let sent =
            Command::new("kill").args(["-INT", &run.id().to_string()]).status().expect("kill is there");
        assert!(sent.success());
        let (code, said) = failure(&run.wait_with_output().expect("it ends"));
        assert_eq!(code, 130, "{}: {said}", bucket.server);
        assert_eq!(bucket.proxy.count("AbortMultipartUpload"), 1, "{}", bucket.server);
        assert_eq!(bucket.get("out.csv"), None, "{}", bucket.server);
    }
}

#[test]
fn a_run_that_is_cut_anew_replaces_its_own_parts_but_never_mixes_with_more_of_them() {
    let scratch = Scratch::csv(&csv_parts(2, 500));
    let cut = |rows: usize| format!("convert in -o out --to csv --split-rows {rows} --no-receipt");
    scratch.succeeds(&cut(100));
    assert_eq!(scratch.written().len(), 10);
    scratch.fails(&cut(100), 7);
    // As after a crash between the first file and the last.
    std::fs::remove_file(scratch.path(&format!("out/sales_{RUN}_part7.csv"))).expect("removed");
    scratch.succeeds(&format!("{} --overwrite", cut(100)));
    assert_eq!(scratch.written().len(), 10);
    let said = scratch.fails(&format!("{} --overwrite", cut(500)), 7);
    assert!(said.contains("part2.csv already exists, belongs to the same run"), "{said}");
    scratch.fails("convert in -o in --to csv --split-rows 100 --overwrite", 2);
}
