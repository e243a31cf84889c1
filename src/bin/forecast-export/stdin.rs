//! Makes standard input readable like any other file. What comes from a pipe is copied to an unnamed file in the folder
//! for temporary files, which takes the pipe's place: so it can be probed, read in pieces and read again. The file
//! disappears with the process, however that ends.

use crate::failure::Failure;
use forecast_export::Error;
use std::fs::File;
use std::io::{self, IsTerminal, Seek};
use std::os::fd::AsFd;

/// The file name of standard input.
pub(crate) const FILE: &str = "/dev/stdin";

/// Whether a text names standard input.
pub(crate) fn is_named(text: &str) -> bool {
    matches!(text, "-" | FILE | "/dev/fd/0" | "/proc/self/fd/0")
}

/// Makes [`FILE`] a file that can be read from its beginning as often as needed.
pub(crate) async fn as_file() -> Result<(), Failure> {
    if io::stdin().is_terminal() {
        return Err(Failure::Usage(
            "standard input is a terminal; pipe a file into it, or name the file".into(),
        ));
    }
    match tokio::task::spawn_blocking(keep).await {
        Ok(kept) => kept.map_err(|source| {
            let folder = std::env::temp_dir().display().to_string();
            Error::Io { doing: "copying standard input to", object: folder, source: source.into() }.into()
        }),
        Err(_) => Err(Error::Stopped.into()),
    }
}

/// Standard input that already is a file at its beginning stays as it is.
fn keep() -> io::Result<()> {
    let mut input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    if input.metadata()?.is_file() && input.stream_position()? == 0 {
        return Ok(());
    }
    let mut file = tempfile::tempfile()?;
    io::copy(&mut input, &mut file)?;
    rustix::stdio::dup2_stdin(&file)?;
    Ok(())
}
