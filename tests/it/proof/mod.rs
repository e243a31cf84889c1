//! Proof that nothing changed: the same rows go in and come out, in order, once each.
//!
//! What somebody has changed, or put in the way, goes to `attacked`. A rule that holds for every table, strategy and option goes to `properties`. What `verify` finds, and what the
//! digest is of, goes to `verify`. What a receipt tells, and when an output is up to date, goes to `receipts`. What the
//! bytes of an output may depend on, goes to `same_bytes`.

mod attacked;
mod properties;
mod receipts;
mod same_bytes;
mod verify;
