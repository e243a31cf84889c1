//! The command line as users meet it: what it prints, its exit codes, and how it behaves towards signals, pipes and
//! terminals.
//!
//! What SOURCE can be is in `typed`. A printed line goes into the golden files in `tests/cmd`. A test belongs here where those cannot reach: signals,
//! pipes, file modes, the environment.

mod documents;
mod limits;
mod printing;
mod signals;
mod targets;
mod typed;
mod usage;

use crate::support::fixtures::{binary, testdata};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

/// Long enough for a busy machine; what waits so long hangs.
const PATIENCE: Duration = Duration::from_secs(60);

fn utf8(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8")
}

/// Merges `testdata/forecast`, run in a folder.
fn merged(folder: &Path, arguments: &[&str]) -> Output {
    binary()
        .arg("merge")
        .arg(testdata("forecast"))
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("it starts")
}

pub(crate) fn make_pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().expect("mkfifo").success());
}

/// The names in a folder; none where there is no such folder.
fn files(folder: &Path) -> BTreeSet<String> {
    match std::fs::read_dir(folder) {
        Ok(entries) => {
            entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
        }
        Err(_) => BTreeSet::new(),
    }
}
