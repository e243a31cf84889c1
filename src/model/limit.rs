//! System limits that a run may reach. Reaching one is not a defect: the error says which limit it is and how to raise
//! it. Some libraries panic at a limit, and then only the panic's text tells.

use serde::Serialize;
use std::any::Any;
use std::error::Error as StdError;
use std::fmt;
use std::io;

/// A system limit that a run has reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Limit {
    /// Files and connections that a process may have open.
    OpenFiles,
    /// Threads that a user may have.
    Threads,
    /// Memory.
    Memory,
    /// Space on the disk, or a user's quota of it.
    Disk,
}

/// `EMFILE` and `ENFILE`, or `ERROR_TOO_MANY_OPEN_FILES`, which have no [`io::ErrorKind`].
const TOO_MANY_FILES: &[i32] = if cfg!(windows) { &[4] } else { &[24, 23] };

/// An error and its causes. One that is wrapped in an `io::Error` is not listed among that one's causes, but it is here.
pub(crate) fn causes<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| {
        match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        }
    })
}

impl Limit {
    /// The limit behind an error or one of its causes.
    pub(crate) fn behind(error: &(dyn StdError + 'static)) -> Option<Limit> {
        causes(error).find_map(|cause| {
            let system = || cause.downcast_ref::<io::Error>().and_then(Limit::of);
            cause.downcast_ref::<Limit>().copied().or_else(system)
        })
    }

    fn of(error: &io::Error) -> Option<Limit> {
        match error.kind() {
            io::ErrorKind::OutOfMemory => Some(Limit::Memory),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Some(Limit::Disk),
            _ => {
                // An error that was wrapped with a path keeps the number only in its text.
                let says = |code: i32| match error.raw_os_error() {
                    Some(raw) => raw == code,
                    None => error.to_string().contains(&format!("(os error {code})")),
                };
                TOO_MANY_FILES.iter().any(|code| says(*code)).then_some(Limit::OpenFiles)
            }
        }
    }

    /// The limit that a panic's text mentions.
    pub(crate) fn of_panic(panic: &(dyn Any + Send)) -> Option<Limit> {
        let text = panic_text(panic);
        let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
        if says(&["spawn worker thread", "failed to spawn thread"]) {
            Some(Limit::Threads)
        } else if says(&["code: 24", "code: 23", "os error 24", "os error 23"]) {
            Some(Limit::OpenFiles)
        } else if says(&["code: 12,", "os error 12)"]) {
            Some(Limit::Memory)
        } else {
            None
        }
    }

    /// How to raise it.
    pub(crate) fn remedy(self) -> &'static str {
        match self {
            Limit::OpenFiles => "raise the limit on open files (ulimit -n), or use fewer threads",
            Limit::Threads => "raise the limit on processes (ulimit -u), or stop other processes",
            Limit::Memory => "raise the memory limit, or allow this program less memory",
            Limit::Disk => "free up space on the disk, or use another disk",
        }
    }
}

/// What a panic said.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("unknown")
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Limit::OpenFiles => "no more files can be opened",
            Limit::Threads => "no more threads can be started",
            Limit::Memory => "there is not enough memory",
            Limit::Disk => "there is no space left",
        })
    }
}

impl StdError for Limit {}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_limit_is_found_however_deep_it_lies() {
        let files = || io::Error::from_raw_os_error(24);
        let wrapped = io::Error::other(crate::model::Error::io("reading", "x", files()));
        let with_path = io::Error::other(format!("{} at path \"x\"", files()));
        for error in [files(), io::Error::new(files().kind(), files()), wrapped, with_path] {
            assert_eq!(Limit::behind(&error), Some(Limit::OpenFiles), "{error:?}");
        }
        assert_eq!(Limit::behind(&io::Error::from_raw_os_error(28)), Some(Limit::Disk));
        assert_eq!(Limit::behind(&io::Error::from_raw_os_error(12)), Some(Limit::Memory));
        assert_eq!(Limit::behind(&io::Error::other(Limit::Threads)), Some(Limit::Threads));
        assert_eq!(Limit::behind(&io::Error::from_raw_os_error(2)), None);
    }

    #[test]
    fn panics_tell_of_limits_by_their_text() {
        let of = |text: &str| Limit::of_panic(&text.to_owned());
        assert_eq!(
            of("OS can't spawn worker thread: Resource temporarily unavailable (os error 11)"),
            Some(Limit::Threads)
        );
        assert_eq!(of("failed to spawn thread: Os { code: 11, kind: WouldBlock }"), Some(Limit::Threads));
        assert_eq!(
            of("failed to create UnixStream: Os { code: 24, kind: Uncategorized, message: \"x\" }"),
            Some(Limit::OpenFiles)
        );
        assert_eq!(of("index out of bounds: the len is 24 but the index is 24"), None);
    }
}
