//! How much of what is held at once: every buffer and queue of a run takes its bound from here.

use super::options::{Options, cores};

const MIB: usize = 1024 * 1024;

/// Bytes of one ranged read, and of one piece of a multipart upload where ten thousand of them suffice.
pub(crate) const TRANSFER_BYTES: usize = 8 * MIB;

/// A record longer than this is taken for an unclosed quote.
pub(crate) const MAX_RECORD_BYTES: usize = 64 * MIB;

/// `--memory` where it was not given.
pub(crate) const DEFAULT_MEMORY: u64 = 256_000_000;

/// The bounds of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    /// Jobs that decode or encode at the same time.
    pub(crate) threads: usize,
    /// Jobs that are begun ahead of the one whose result is due.
    pub(crate) window: usize,
    /// Bytes of text cut off at once, to be worked on by one thread: with what they are decoded to, they fit a
    /// core's own cache.
    pub(crate) chunk: usize,
    /// Bytes fetched ahead from a store.
    pub(crate) prefetch: usize,
    /// Bytes of decoded rows that are made ahead of their turn.
    pub(crate) decoded: usize,
    /// Bytes of values in row groups that are encoded at the same time; one is in any case.
    pub(crate) row_groups: usize,
    /// Pieces of text that are compressed at the same time.
    pub(crate) compressed: usize,
    /// Bytes of a batch decoded from Parquet, about.
    pub(crate) batch: usize,
}

/// Rows of a batch decoded from Parquet.
pub(crate) const BATCH_ROWS: usize = 16_384;

impl Budget {
    /// Shares out what the user allows.
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

/// Rows of a row group where nothing else was asked for. Readers that look for few rows take a half of the CPU time that
/// row groups of twice as many rows cost them, and those that read all of them a tenth less.
pub(crate) const ROW_GROUP_ROWS: u64 = 122_880;

/// Bytes of values of a row group where nothing else was asked for. It is held whole until it is written, so this is also
/// what a run takes in any case; were it less where less memory is allowed, the same rows would become other files.
pub(crate) const ROW_GROUP_BYTES: u64 = 32 * MIB as u64;

/// Bytes of text that are compressed by themselves.
pub(crate) const COMPRESSED_BYTES: usize = MIB;
