//! Targets of output, and options for writing to them.

use crate::store::{ContentType, Location};
use std::fmt;

/// How a sink treats an existing output, and how much it may hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SinkOptions {
    pub(crate) overwrite: bool,
    /// Estimated bytes of the output, by which the pieces of an upload are sized.
    pub(crate) expected_bytes: u64,
    /// An object up to this size is held and written by one request.
    pub(crate) single_put_limit: usize,
    /// Whether the bytes must be readable before they are published.
    pub(crate) reread: bool,
    /// The media type of the object.
    pub(crate) content: ContentType,
    /// Identifies runs over the same parts with the same options. It is stored with an object, so that the next such
    /// run recognizes what a killed one left.
    pub(crate) run: Option<u64>,
}

/// A place being written to, as people see it.
pub(super) fn shown(location: &Location) -> String {
    location.to_string()
}

#[derive(Debug, Clone)]
#[allow(clippy::large_enum_variant, reason = "where there are many, all of them are files")]
pub(crate) enum Target {
    Stdout,
    /// A device or pipe: written directly, nothing to publish.
    Device(String),
    File(Location),
}

impl Target {
    /// The target for a file.
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
