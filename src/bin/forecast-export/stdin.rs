//! Standard input as a place that is read like any other. What comes by a pipe is written to a file without a name, in the
//! folder for temporary files, which takes the pipe's place: so it can be looked at, read in pieces and read again. The
//! file ends with the process, however that ends.

use crate::failure::Failure;
use forecast_export::Error;
use std::fs::File;
use std::io::{self, IsTerminal, Seek};
use std::os::fd::AsFd;

/// How standard input is named as a file.
pub(crate) const FILE: &str = "/dev/stdin";

/// Whether a text names standard input.
pub(crate) fn is_named(text: &str) -> bool {
    matches!(text, "-" | FILE | "/dev/fd/0" | "/proc/self/fd/0")
}

/// Makes [`FILE`] a file that can be read from its beginning, as often as need be.
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

/// A file that is read from its beginning stays what it is.
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
