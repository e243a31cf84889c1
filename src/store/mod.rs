//! Stores and locations: text (`path`, `s3://bucket/key`, a glob) becomes a [`Location`] in a [`Store`], which lists,
//! reads, writes and copies. Credentials come from each store's usual chain, or from the program. Adds what
//! object_store lacks. Never parses the names of parts.

#[cfg(feature = "aws")]
mod address;
#[cfg(any(feature = "aws", feature = "gcp", feature = "azure"))]
mod bounded;
mod bucket_url;
#[cfg(feature = "aws")]
mod chain;
mod checksum;
#[cfg(any(feature = "aws", feature = "gcp", feature = "azure"))]
mod client;
#[cfg(any(feature = "aws", feature = "gcp", feature = "azure"))]
mod conditions;
#[cfg(feature = "aws")]
mod copier;
#[cfg(not(feature = "aws"))]
#[path = "no_copier.rs"]
mod copier;
mod credentials;
#[cfg(feature = "aws")]
mod direct;
#[cfg(not(feature = "aws"))]
#[path = "no_direct.rs"]
mod direct;
#[cfg(feature = "aws")]
mod direct_list;
#[cfg(feature = "aws")]
mod direct_read;
#[cfg(feature = "aws")]
mod exact;
mod failure;
mod glob;
mod handle;
#[cfg(any(feature = "aws", feature = "gcp", feature = "azure"))]
mod http;
pub(crate) mod listing;
mod location;
mod object;
mod objects;
#[cfg(any(feature = "aws", feature = "gcp", feature = "azure"))]
mod odd_names;
mod options;
mod permission;
mod place;
mod remote;
#[cfg(feature = "aws")]
mod s3;
#[cfg(feature = "aws")]
mod sdk_client;
#[cfg(any(feature = "aws", feature = "gcp", feature = "azure"))]
mod settings;
mod several;
mod spelling;
pub(crate) mod system;
mod tally;
#[cfg(any(feature = "aws", feature = "gcp", feature = "azure"))]
mod transport;
#[cfg(any(feature = "aws", feature = "gcp", feature = "azure"))]
mod trust;
mod upload_pieces;
mod upload_ticket;
#[cfg(any(feature = "aws", feature = "gcp", feature = "azure"))]
mod uploads;
#[cfg(any(feature = "aws", feature = "gcp", feature = "azure"))]
mod web;
#[cfg(not(any(feature = "aws", feature = "gcp", feature = "azure")))]
#[path = "no_web.rs"]
mod web;
#[cfg(any(feature = "aws", feature = "gcp", feature = "azure"))]
mod xml;

pub(crate) use checksum::Crc64Nvme;
pub(crate) use copier::{COPYING, Copier};
pub use credentials::Credentials;
#[cfg(feature = "forecast")]
pub(crate) use failure::one_line;
pub(crate) use failure::store_error;
pub(crate) use glob::Glob;
pub(crate) use handle::{KeySpan, Store, Version, is_same_tag};
pub use location::Location;
pub(crate) use location::exists;
pub use object::Object;
pub(crate) use object::{
    blocking, changed, ended_early, is_unpublished, local_object, local_tag, open_local, read_local,
    unpublished_tag,
};
pub(crate) use objects::ContentType;
pub use objects::{Checksum, Encryption, ObjectOptions};
pub use options::StoreOptions;
pub(crate) use place::Place;
#[cfg(feature = "serve")]
pub(crate) use settings::variable;
#[cfg(feature = "forecast")]
pub(crate) use trust::Untrusted;
pub(crate) use upload_pieces::{Cutter, Limits, Own, Span, Totals, UploadPiece};
pub(crate) use upload_ticket::UploadTicket;
