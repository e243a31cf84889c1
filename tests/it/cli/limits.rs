//! Limits of the system: a run that meets one says which it is and how it is raised. It is no defect of the program, and
//! no reason to wait.

use std::process::{Command, Output};

use crate::support::fixtures::{binary, failure};
use crate::support::scratch::Scratch;

const PART: &str = "item_id,date,p50\na,2026-01-03T00:00:00Z,1.0\n";

/// A run under a limit that a shell sets.
fn under(scratch: &Scratch, limit: &str, arguments: &str) -> Output {
    let program = binary().get_program().to_owned();
    Command::new("sh")
        .arg("-c")
        .arg(format!("{limit}; exec \"$0\" {arguments}"))
        .arg(program)
        .current_dir(scratch.path(""))
        .env("HOME", scratch.path(""))
        .output()
        .expect("a shell")
}

#[test]
fn too_few_open_files_are_told_with_the_limit_to_raise() {
    let scratch = Scratch::csv(&[PART; 3]);
    let mut told = 0;
    for files in 4..20 {
        let output = under(&scratch, &format!("ulimit -n {files}"), "merge in -o out/x.parquet --overwrite");
        let (code, said) = failure(&output);
        assert!(!said.contains("internal error"), "{files}: {said}");
        if code == 1 {
            assert!(said.contains("; raise the limit on open files (ulimit -n)"), "{files}: {said}");
            told += 1;
        } else {
            // The loader itself needs one; above some number there are enough.
            assert!(code == 0 || code == 127, "{files}: {code}, {said}");
        }
    }
    assert!(told > 3, "{told}");
}

#[test]
fn a_folder_for_temporaries_that_is_not_there_is_needed_by_nobody_on_disk() {
    let scratch = Scratch::csv(&[PART; 3]);
    let output = under(&scratch, "export TMPDIR=/nonexistent", "merge in -o out/x.parquet --verify");
    assert_eq!(failure(&output).0, 0, "{}", failure(&output).1);
}
