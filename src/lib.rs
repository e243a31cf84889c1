//! x
mod error;
mod export;
mod listing;
mod location;
mod naming;
mod options;
pub use error::{DataError, Error, Escaped, Result};
pub use location::{Location, Object, StoreOptions};
pub use naming::{GapRule, Kind, PartName, PartNumber, Pattern, Preset, RunStamp};
