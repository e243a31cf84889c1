//! Where output goes: folders that are made, modes, devices, pipes, standard output.

use super::{make_pipe, merged, utf8};
use crate::support::fixtures::{binary, testdata};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777
}

#[test]
fn missing_folders_are_made_and_modes_follow_the_umask() {
    let folder = tempfile::tempdir().expect("a folder");
    for (umask, file_mode, folder_mode) in
        [("022", 0o644, 0o755), ("027", 0o640, 0o750), ("002", 0o664, 0o775)]
    {
        let script = format!(
            "umask {umask}; \"$0\" merge \"$1\" -q -o {umask}/a/b/sales.csv && \"$0\" convert \"$1\" -q -o \
             {umask}/c/d/"
        );
        let bin = env!("CARGO_BIN_EXE_forecast-export");
        let mut shell = Command::new("sh");
        shell.args(["-c", &script, bin]).arg(testdata("forecast")).current_dir(folder.path());
        assert!(shell.status().expect("a shell").success());
        let made = folder.path().join(umask);
        assert_eq!(mode(&made.join("a/b/sales.csv")), file_mode);
        assert_eq!(
            mode(&made.join("c/d/sales_forecast_export_2026-01-02T03-04-05Z_part11.parquet")),
            file_mode
        );
        assert_eq!((mode(&made.join("a")), mode(&made.join("c/d"))), (folder_mode, folder_mode));
        assert_eq!(mode(&made.join("a/b/sales.csv.receipt.json")), file_mode);
        assert_eq!(std::fs::read_dir(made.join("a/b")).expect("a folder").count(), 2);
    }
}

#[test]
fn folders_that_were_created_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |arguments: &str| {
        let mut command = binary();
        command.args(arguments.split(' ')).current_dir(folder.path()).output().expect("it starts")
    };
    let said = |arguments: &str| {
        let output = run(arguments);
        assert!(output.status.success(), "{arguments}: {output:?}");
        utf8(&output.stderr).to_owned()
    };
    let created = |name: &str| format!("note: created the folder {name}\n");
    std::fs::create_dir(folder.path().join("there")).expect("a folder");
    for (command, name) in [
        ("sample in --items 2 --steps 2 --parts 2", "in/"),
        ("sample tested --kind backtest-accuracy --items 2 --parts 2", "tested/accuracy-metrics-values/"),
        ("merge in -o there/exports/2026/x.csv", "there/exports/2026/"),
        ("merge in -o typo/x.parquet", "typo/"),
        ("convert in -o there/parts/", "there/parts/"),
    ] {
        let first = said(command);
        assert_eq!(first.matches(&created(name)).count(), 1, "{command}: {first}");
        assert_eq!(first.matches("created the folder").count(), 1, "{command}: {first}");
        let again = said(&format!("{command} --overwrite"));
        assert!(!again.contains("created the folder"), "{command}: {again}");
    }
    assert_eq!(said("merge in -o quiet/a/x.csv -q"), "");
    let json = run("merge in -o json/a/x.csv --json");
    let report: serde_json::Value = serde_json::from_slice(&json.stdout).expect("a document");
    assert_eq!(report["created_folders"], serde_json::json!(["json/", "json/a/"]));
    assert!(!said("merge in -o there/x.csv").contains("created the folder"));
    // What was created for a run that fails is removed, so there is nothing to name.
    let failed = run("merge in -o failed/a/x.parquet --type p50=date");
    assert_eq!(failed.status.code(), Some(5), "{failed:?}");
    assert!(!utf8(&failed.stderr).contains("created the folder") && !folder.path().join("failed").exists());
}

#[test]
fn a_device_is_written_straight_and_stays_what_it_is() {
    for to in ["csv", "parquet"] {
        let output = binary()
            .arg("merge")
            .arg(testdata("forecast"))
            .args(["-o", "/dev/null", "--to", to])
            .output()
            .expect("it starts");
        assert!(output.status.success(), "{output:?}");
        assert!(utf8(&output.stderr).contains("36 rows from 12 parts, 3.64 kB -> /dev/null"), "{output:?}");
        assert!(!Path::new("/dev/null").is_file());
    }
}

#[test]
fn a_named_pipe_is_written_straight() {
    let folder = tempfile::tempdir().expect("a folder");
    let pipe = folder.path().join("pipe.csv");
    make_pipe(&pipe);
    let reader = std::thread::spawn({
        let pipe = pipe.clone();
        move || std::fs::read(pipe).expect("read to the end")
    });
    let output = merged(folder.path(), &["-o", "pipe.csv"]);
    assert!(output.status.success(), "{output:?}");
    let file = merged(folder.path(), &["-o", "file.csv", "-q", "--no-receipt"]);
    assert!(file.status.success());
    assert_eq!(reader.join().expect("read"), std::fs::read(folder.path().join("file.csv")).expect("written"));
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 2);
}

#[test]
fn parquet_on_standard_output_is_the_file_it_would_be() {
    let folder = tempfile::tempdir().expect("a folder");
    let piped = merged(folder.path(), &["-o", "-", "--to", "parquet", "-q"]);
    assert!(merged(folder.path(), &["-o", "file.parquet", "-q", "--no-receipt"]).status.success());
    assert_eq!(piped.stdout, std::fs::read(folder.path().join("file.parquet")).expect("written"));
}
