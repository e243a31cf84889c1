//! Nothing lost: whatever fails, and whenever, under a final name there is the whole file or what was there before,
//! sources are untouched, and what was begun is cleared away.

mod failing_store;
mod killed;
mod limits;
mod names;
mod operations;
mod places;
mod soak;
mod wire;
