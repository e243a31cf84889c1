//! Decodes and encodes Parquet. `footer` reads footers, `decode` reads row groups, `pages` checks pages without
//! decompressing, `encode` turns batches or parsed CSV into row groups, `assembler` combines row groups and a footer.
//! What is not on the hot path goes through the parquet crate.

mod assembler;
mod bounds;
mod chunk;
mod decode;
mod encode;
mod encoded;
mod footer;
mod hybrid;
mod known;
mod narrow;
mod orders;
mod page;
mod paged;
mod pages;
mod row_group;
mod thrift;
mod types;
mod view;
mod weight;

pub(crate) use assembler::Assembler;
pub(crate) use chunk::EncodedRows;
pub(crate) use decode::{Decoding, RowGroupBatches, StringDecoding, align, decode_row_group};
pub(crate) use encode::{Encoder, arrow_schema, arrow_schema_of, codec, codec_of};
pub(crate) use encoded::{
    CREATED_BY, ChunkRead, EncodedRowGroup, FOOTER_BYTES, MAGIC, byte_ranges, chunk_ranges, chunk_reads,
};
pub(crate) use footer::{FooterProblem, read_footer};
pub(crate) use known::known;
pub(crate) use narrow::narrowed;
pub(crate) use paged::{IndexRanges, Paged, Selected, index_ranges};
pub(crate) use pages::{ChunkClaims, MAX_PAGE_BYTES, PageProblem, PageWalker, WalkedChunk, unpacked_size};
pub(crate) use row_group::ColumnPieces;
pub(crate) use types::{
    Edit, Given, Likeness, edited, has_int96, id, is_bytes, is_only_null, is_said_by_arrow, is_same,
    repetition, schema_of, shown, told_apart,
};
pub(crate) use view::{Treatment, View};
pub(crate) use weight::weight;
