//! The two kinds of cell that are more than text: numbers and points in time.
//!
//! Takes the bytes of one CSV cell and gives the value an Arrow array holds, and back: takes such a value and appends the
//! text an export would hold. A cell that is no value gives `None`; which cells are nulls, and what an error says, is
//! decided by the caller. Both directions meet: what is written is read back as the same value, times to the microsecond.

pub(crate) mod double;
pub(crate) mod printer;
pub(crate) mod shortest;
pub(crate) mod time;
