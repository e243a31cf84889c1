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
            "umask {umask}; \"$0\" merge \"$1\" -q -o {umask}/a/b/sales.csv && \"$0\" convert \"$1\" -q -o {umask}/c/d/"
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
