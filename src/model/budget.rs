//! Bounds on what a run holds at once: every buffer and queue takes its limit from here.

use super::options::{Options, cores};

const MIB: usize = 1024 * 1024;

/// Bytes of one ranged read, and of one piece of a multipart upload where ten thousand of them suffice.
pub(crate) const TRANSFER_BYTES: usize = 8 * MIB;

/// A record longer than this is treated as an unclosed quote.
pub(crate) const MAX_RECORD_BYTES: usize = 64 * MIB;

/// The memory allowed by default.
pub(crate) const DEFAULT_MEMORY: u64 = 256_000_000;

/// The bounds of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    /// Jobs that decode or encode at the same time.
    pub(crate) threads: usize,
    /// Jobs that may be started ahead of the one whose result is due.
    pub(crate) window: usize,
    /// Bytes of text that one thread takes at once. Together with what they are decoded to, they fit a core's own
    /// cache.
    pub(crate) chunk: usize,
    /// Bytes fetched ahead from a store.
    pub(crate) prefetch: usize,
    /// Bytes of decoded rows that may wait for their turn.
    pub(crate) decoded: usize,
    /// Bytes of values in row groups that are encoded at the same time; one row group always is.
    pub(crate) row_groups: usize,
    /// Pieces of text that are compressed at the same time.
    pub(crate) compressed: usize,
    /// Rough size in bytes of a batch decoded from Parquet.
    pub(crate) batch: usize,
}

/// Rows of a batch decoded from Parquet.
pub(crate) const BATCH_ROWS: usize = 16_384;

impl Budget {
    /// Divides up what the user allows.
    pub(crate) fn new(options: &Options) -> Self {
        let memory = usize::try_from(options.memory.unwrap_or(DEFAULT_MEMORY)).unwrap_or(usize::MAX);
        let threads = options.threads.unwrap_or_else(cores).max(1);
        Budget {
            threads,
            window: threads + 1,
            chunk: (memory / (16 * (threads + 2))).clamp(MIB / 8, MIB),
            prefetch: (memory / 8).clamp(MIB, 4 * TRANSFER_BYTES),
            decoded: (memory / (4 * (threads + 1))).clamp(MIB, 64 * MIB),
            row_groups: memory / 4,
            compressed: (memory / (8 * COMPRESSED_BYTES)).clamp(1, threads + 1),
            batch: (memory / (64 * (threads + 1))).clamp(MIB / 8, MIB),
        }
    }
}

/// Rows per row group by default. Compared with row groups of twice as many rows, readers that look for few rows need
/// half the CPU time, and those that read all rows a tenth less.
pub(crate) const ROW_GROUP_ROWS: u64 = 122_880;

/// Bytes of values per row group by default. A row group is held whole until it is written, so every run needs at least
/// this much. It does not depend on the memory allowed: otherwise the same rows would produce different files.
pub(crate) const ROW_GROUP_BYTES: u64 = 32 * MIB as u64;

/// Bytes of text that are compressed by themselves.
pub(crate) const COMPRESSED_BYTES: usize = MIB;
