//! The test data in `testdata/`, the binary, and what it said when it failed.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A home folder that does not exist, and that not even root can make, because it is below a file.
pub(crate) const NO_HOME: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml/home");

/// `testdata/NAME`.
pub(crate) fn testdata(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(name)
}

/// The binary, with an environment in which no store is configured.
pub(crate) fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_forecast-export"));
    for (name, _) in std::env::vars_os() {
        let name_text = name.to_string_lossy();
        if ["AWS_", "AZURE_", "GOOGLE_"].iter().any(|store| name_text.starts_with(store)) {
            command.env_remove(name);
        }
    }
    command
}

/// Runs the binary with arguments.
pub(crate) fn run<I, S>(arguments: I) -> Output
where
    I: IntoIterator<Item = S>,
    S: AsRef<std::ffi::OsStr>,
{
    binary().args(arguments).output().expect("the binary starts")
}

/// The exit code and what was said on standard error.
pub(crate) fn failure(output: &Output) -> (i32, String) {
    (output.status.code().expect("an exit code"), String::from_utf8_lossy(&output.stderr).into_owned())
}
