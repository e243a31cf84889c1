//! Where output goes, and how it is to be written there.

use crate::store::{ContentType, Location};
use std::fmt;

/// How a sink treats what is there, and how much it may hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SinkOptions {
    pub(crate) overwrite: bool,
    /// Bytes the output will have, about; the pieces of an upload are sized by it.
    pub(crate) expected_bytes: u64,
    /// An object up to this size is held and written by one request.
    pub(crate) single_put_limit: usize,
    /// The bytes can be read again before they are published.
    pub(crate) reread: bool,
    /// What an object says it holds.
    pub(crate) content: ContentType,
    /// Tells runs over the same parts with the same options from all others; an object says it, so that the next such run
    /// knows what one that was killed has left.
    pub(crate) run: Option<u64>,
}

/// What people are shown for a place that is written to.
pub(super) fn shown(location: &Location) -> String {
    location.to_string()
}

#[derive(Debug, Clone)]
#[allow(clippy::large_enum_variant, reason = "where there are many, all of them are files")]
pub(crate) enum Target {
    Stdout,
    /// A device or pipe: written straight, nothing to publish.
    Device(String),
    File(Location),
}

impl Target {
    /// The place of a file.
    pub(crate) fn location(&self) -> Option<&Location> {
        match self {
            Target::File(location) => Some(location),
            _ => None,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Stdout => f.write_str("standard output"),
            Target::Device(path) => f.write_str(path),
            Target::File(location) => write!(f, "{location}"),
        }
    }
}
