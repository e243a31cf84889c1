//! Failures of commands, and their exit codes.

use super::flags::flag;
use forecast_export::{Difference, DifferenceKind, Error, Setting};
use std::fmt;

/// Why a command failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line itself makes no sense; the library never sees this.
    Usage(String),
    /// What the library says.
    Library(Error),
    /// A server has ended because it was told to, which only the exit code tells.
    #[cfg(feature = "serve")]
    Ended,
    /// A process that carried out a piece has failed, and has said why.
    Piece { index: u64, code: u8 },
    /// The output that was verified does not hold the source's rows.
    Different(Box<Difference>),
}

impl Failure {
    /// The exit code; `signal` is the one that stopped the command, if one did.
    pub(crate) fn code(&self, signal: u8) -> u8 {
        match self {
            Failure::Usage(_) => 2,
            Failure::Library(Error::Stopped) => 128 + signal,
            #[cfg(feature = "serve")]
            Failure::Ended => 128 + signal,
            Failure::Library(error) => error.code(),
            Failure::Piece { code, .. } => *code,
            Failure::Different(_) => 6,
        }
    }

    /// Whether the reader of our output has closed the pipe, which is not a failure.
    pub(crate) fn is_closed_pipe(&self) -> bool {
        let kind = match self {
            Failure::Library(Error::Io { source, .. }) => source.kind(),
            _ => return false,
        };
        kind == std::io::ErrorKind::BrokenPipe
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Library(error)
    }
}

/// Settings appear under their names on the command line.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Usage(text) => f.write_str(text),
            #[cfg(feature = "serve")]
            Failure::Ended => Ok(()),
            Failure::Piece { index, .. } => write!(f, "piece {index} has failed, for the reason above"),
            Failure::Library(error) => error.named(flag).fmt(f),
            Failure::Different(difference) => {
                write!(f, "{}", Error::Different(difference.clone()).named(flag))?;
                match difference.kind {
                    DifferenceKind::Cell | DifferenceKind::RowMissing | DifferenceKind::RowExtra => write!(
                        f,
                        "; if the output was made from another run, choose it with {}; if it should hold this \
                         one, write it again with {}",
                        flag(Setting::Run),
                        flag(Setting::Overwrite)
                    ),
                    _ => Ok(()),
                }
            }
        }
    }
}

impl std::error::Error for Failure {}
