//! Files and folders that may not be read or written.

use crate::support::scratch::{RUN, Scratch};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// The user and group `nobody`, to whom permissions apply.
const NOBODY: u32 = 65_534;

fn allow(scratch: &Scratch, name: &str, mode: u32) {
    std::fs::set_permissions(scratch.path(name), std::fs::Permissions::from_mode(mode)).expect("permissions");
}

fn part() -> Scratch {
    Scratch::csv(&["item_id,date,p50\na,2026-01-03T00:00:00Z,1.0\n"])
}

/// Runs the command as a user to whom permissions apply; gives its exit code and its message.
fn unprivileged(scratch: &Scratch, arguments: &str) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_forecast-export"));
    if std::fs::metadata(scratch.path("")).expect("a folder").uid() == 0 {
        // To root everything is permitted. The binary itself may lie where nobody else can reach it.
        let own = scratch.path("forecast-export");
        if !own.exists() {
            // By another process: while this one writes to a file, a child that another test starts holds it open, too, and
            // what is open for writing cannot be started.
            let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_forecast-export")).arg(&own).status();
            assert!(copied.expect("cp is there").success(), "a copy of the binary");
            allow(scratch, "forecast-export", 0o755);
        }
        allow(scratch, "", 0o755);
        command = Command::new(own);
        command.uid(NOBODY).gid(NOBODY);
    }
    let output = command.current_dir(scratch.path("")).args(arguments.split(' ')).output().expect("started");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn denied(said: (Option<i32>, String), start: &str) {
    let (code, message) = said;
    assert_eq!(code, Some(8), "{message}");
    let expected = format!("error: {start}: access denied: ");
    assert!(message.starts_with(&expected), "{message}");
    assert!(message.contains("Permission denied"), "{message}");
}

#[test]
fn a_folder_that_may_not_be_listed_is_denied() {
    let scratch = part();
    allow(&scratch, "in", 0o000);
    let said = ["merge in -o /dev/null --to csv", "ls in", "schema in", "convert in -o /tmp/never-made"]
        .map(|arguments| unprivileged(&scratch, arguments));
    allow(&scratch, "in", 0o755);
    for said in said {
        denied(said, "listing in");
    }
}

#[test]
fn a_folder_below_the_source_that_may_not_be_listed_is_a_stray_that_is_told() {
    let scratch = part();
    scratch.write(&format!("in/more/sales_{RUN}_part1.csv"), "item_id,date,p50\n");
    allow(&scratch, "in/more", 0o000);
    let merged = unprivileged(&scratch, "merge in -o /dev/null --to csv");
    allow(&scratch, "in/more", 0o755);
    assert_eq!(merged.0, Some(0), "{}", merged.1);
    assert!(merged.1.contains("warning: in/more was skipped"), "{}", merged.1);
}

#[test]
fn a_folder_of_a_parts_name_that_may_not_be_listed_is_denied() {
    let scratch = part();
    let name = format!("in/sales_{RUN}_part1.csv");
    std::fs::create_dir(scratch.path(&name)).expect("a folder");
    allow(&scratch, &name, 0o000);
    let (code, said) = unprivileged(&scratch, "merge in -o /dev/null --to csv");
    allow(&scratch, &name, 0o755);
    assert_eq!(code, Some(8), "{said}");
    assert!(said.contains("_part1.csv: access denied"), "{said}");
}

#[test]
fn a_part_that_may_not_be_read_is_denied() {
    let scratch = part();
    let name = format!("in/sales_{RUN}_part0.csv");
    allow(&scratch, &name, 0o000);
    let said = unprivileged(&scratch, "merge in -o /dev/null --to csv");
    denied(said, &format!("reading {name}"));
}

#[test]
fn a_folder_that_may_not_be_written_is_denied_and_stays_empty() {
    let scratch = part();
    std::fs::create_dir(scratch.path("out")).expect("a folder");
    allow(&scratch, "out", 0o555);
    let file = unprivileged(&scratch, "merge in -o out/x.csv");
    let below = unprivileged(&scratch, "merge in -o out/new/x.csv");
    let parts = unprivileged(&scratch, "convert in -o out");
    allow(&scratch, "out", 0o755);
    denied(file, "writing out/x.csv");
    denied(below, "writing out/new");
    denied(parts, &format!("writing out/sales_{RUN}_part0.parquet"));
    assert_eq!(std::fs::read_dir(scratch.path("out")).expect("a folder").count(), 0);
}
