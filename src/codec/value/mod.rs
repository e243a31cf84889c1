//! Parses and prints cells that are more than text: numbers and points in time.
//!
//! Takes the bytes of one CSV cell and returns the value for an Arrow array; and takes such a value and appends the
//! text that an export would contain. An invalid cell is `None`; the caller decides which cells are null, and what an
//! error says. The two directions are inverse: what is written reads back as the same value, with times to the
//! microsecond.

pub(crate) mod double;
mod interval;
mod printer;
mod shortest;
pub(crate) mod time;

pub(crate) use double::{print_java, write_java, write_java_f32};
pub(crate) use interval::write_interval;
pub(crate) use printer::{Printer, WORD, put_short};
pub(crate) use shortest::write_plain;
pub(crate) use time::{TimestampFormatter, Unit, Zone, write_date, write_time, zone_of};
