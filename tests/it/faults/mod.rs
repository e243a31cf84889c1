//! Nothing lost: whatever fails, and whenever, under a final name there is the whole file or what was there before,
//! sources are untouched, and what was begun is cleared away.
//!
//! File systems that lack something are in `file_systems`. A request that fails goes to `operations` (in memory, each request in its turn) or `wire` (on every server). Places
//! that fail, and runs that compete, go to `places`; a process that is killed to `killed`, and at one call to the system after
//! the other to `interleaved`; what becomes of work in pieces to `pieces`. What one fault of S3 leads
//! to in detail is in `stores::s3_faults`.

mod failing_store;
mod file_systems;
mod interleaved;
mod killed;
mod operations;
mod pieces;
mod places;
mod soak;
mod wire;
