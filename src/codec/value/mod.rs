//! The two kinds of cell that are more than text: numbers and points in time.
//!
//! Takes the bytes of one CSV cell and gives the value an Arrow array holds, and back: takes such a value and appends the
//! text an export would hold. A cell that is no value gives `None`; which cells are nulls, and what an error says, is
//! decided by the caller. Both directions meet: what is written is read back as the same value, times to the microsecond.

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
