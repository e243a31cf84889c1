//! Makes standard input readable like any other file. What comes from a pipe is copied to a file in the folder for
//! temporary files: so it can be probed, read in pieces and read again. The file disappears with the process, however
//! that ends.

use super::failure::Failure;
use super::system;
use forecast_export::Error;
use std::io::{self, IsTerminal};

/// Whether a text names standard input.
pub(crate) fn is_named(text: &str) -> bool {
    matches!(text, "-" | "/dev/stdin" | "/dev/fd/0" | "/proc/self/fd/0")
}

/// Makes what [`system::stdin_name`] names a file that can be read from its beginning as often as needed.
pub(crate) async fn as_file() -> Result<(), Failure> {
    if io::stdin().is_terminal() {
        return Err(Failure::Usage(
            "standard input is a terminal; pipe a file into it, or name the file".into(),
        ));
    }
    match tokio::task::spawn_blocking(system::keep_stdin).await {
        Ok(kept) => kept.map_err(|source| {
            let folder = std::env::temp_dir().display().to_string();
            Error::Io { doing: "copying standard input to", object: folder, source: source.into() }.into()
        }),
        Err(_) => Err(Error::Stopped.into()),
    }
}
