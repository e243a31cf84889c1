//! Parquet: pages and column chunks to record batches, and back. `decode` reads row groups, `pages` walks page headers
//! without unpacking, `encode` turns batches or parsed CSV into row groups, `assembler` puts row groups and a footer
//! together. What is not on the hot path goes through the parquet crate.

mod assembler;
mod bounds;
mod chunk;
mod decode;
mod encode;
mod encoded;
mod hybrid;
mod page;
mod pages;
mod row_group;

pub(crate) use assembler::Assembler;
pub(crate) use chunk::EncodedRows;
pub(crate) use decode::{RowGroupBatches, StringDecoding, align, decode_row_group, with_keys};
pub(crate) use encode::{Encoder, codec, codec_of};
pub(crate) use encoded::{
    CREATED_BY, EncodedRowGroup, FOOTER_BYTES, MAGIC, byte_range, chunk_ranges, page_indexes,
};
pub(crate) use pages::{PageWalker, unpacked_size};
