//! Encodes rows as row groups: takes batches, returns bytes with their metadata. Plain columns go through
//! [`ChunkEncoder`] and [`row_group`]; every other type goes through the parquet crate.

use super::chunk::{self, ChunkEncoder, EncodedRows};
use super::encoded::{CREATED_BY, EncodedRowGroup, MAGIC, failed, filter_bytes};
use super::orders::row_group_of;
use super::row_group::{self, ColumnChunk, ColumnEncoder, ColumnPieces, PAGES};
use crate::codec::buffers::Buffers;
use crate::codec::guard;
use crate::model::{BATCH_ROWS, Compression, Error, GZIP_LEVELS, Result, UsageError, ZSTD_LEVELS};

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::{Schema, SchemaRef};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use parquet::arrow::arrow_writer::{ArrowRowGroupWriterFactory, compute_leaves};
use parquet::arrow::{ARROW_SCHEMA_META_KEY, ArrowSchemaConverter, encode_arrow_schema};
use parquet::basic::{BrotliLevel, Compression as Codec, GzipLevel, Type as Physical, ZstdLevel};
use parquet::file::metadata::{ColumnChunkMetaData, KeyValue, ParquetMetaData, RowGroupMetaData};
use parquet::file::properties::{BloomFilterProperties, WriterProperties, WriterPropertiesPtr};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::SchemaDescPtr;
use std::borrow::Cow;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, PoisonError};

/// Encodes row groups of one schema, on any thread.
#[derive(Clone)]
pub(crate) struct Encoder {
    schema: SchemaRef,
    descriptor: SchemaDescPtr,
    properties: WriterPropertiesPtr,
    codec: Codec,
    has_filters: bool,
    /// Idle encoders, whose memory is reused.
    column_encoders: Arc<Mutex<Vec<ColumnEncoder>>>,
    buffers: Buffers,
}

/// The rate of false positives of a Bloom filter.
const FALSE_POSITIVES: f64 = 0.01;

/// The most distinct values that a Bloom filter is sized for. It takes 2 MiB for them while its row group is encoded,
/// and is then folded to the size that the actual values need. More values increase the rate of false positives.
const MOST_DISTINCT: u64 = 1 << 20;

impl Encoder {
    /// An encoder for rows of an Arrow schema, which also determines the declared types.
    pub(crate) fn new(schema: &SchemaRef, compression: Codec) -> Result<Self> {
        let descriptor =
            ArrowSchemaConverter::new().convert(schema).map_err(|error| failed("describing", &error))?;
        Ok(Encoder::declaring(schema, &Arc::new(descriptor), compression))
    }

    /// An encoder for rows with values as stored; the declared types are given separately.
    pub(crate) fn declaring(schema: &SchemaRef, descriptor: &SchemaDescPtr, compression: Codec) -> Self {
        let properties = WriterProperties::builder()
            .set_compression(compression)
            .set_created_by(CREATED_BY.to_owned())
            .set_max_row_group_row_count(None)
            .build();
        Encoder {
            schema: Arc::clone(schema),
            descriptor: Arc::clone(descriptor),
            properties: Arc::new(properties),
            codec: compression,
            has_filters: false,
            column_encoders: Arc::default(),
            buffers: Buffers::default(),
        }
    }

    /// Writes Bloom filters for these columns, for row groups of up to `rows` rows. Booleans get none, because bounds
    /// tell as much.
    pub(crate) fn with_bloom_filters(mut self, names: &[String], rows: u64) -> Self {
        let mut properties = WriterProperties::clone(&self.properties).into_builder();
        for column in self.descriptor.columns() {
            let is_asked = names.iter().any(|name| column.path().parts().first() == Some(name));
            if !is_asked || column.physical_type() == Physical::BOOLEAN {
                continue;
            }
            let filter = BloomFilterProperties::builder()
                .with_fpp(FALSE_POSITIVES)
                .with_max_ndv(rows.clamp(1, MOST_DISTINCT))
                .build();
            properties = properties.set_column_bloom_filter_properties(column.path().clone(), filter);
            self.has_filters = true;
        }
        self.properties = Arc::new(properties.build());
        self
    }

    pub(crate) fn descriptor(&self) -> &SchemaDescPtr {
        &self.descriptor
    }

    /// Encodes batches as one row group, which does not depend on how its rows are divided into batches.
    pub(crate) fn encode(&self, batches: &[RecordBatch]) -> Result<EncodedRowGroup> {
        let (bytes, metadata) = self.try_encode(batches).map_err(|error| failed("encoding", &error))?;
        let (metadata, indexes) = row_group_of(&metadata, 0)?;
        // Its column chunks are contiguous, and its Bloom filters follow the last of them.
        let chunks: u64 = metadata.columns().iter().map(|column| column.byte_range().1).sum();
        let end = MAGIC.len() + (chunks + filter_bytes(&metadata)) as usize;
        let bytes = vec![bytes.slice(MAGIC.len()..end)];
        Ok(EncodedRowGroup { bytes, metadata, indexes })
    }

    /// A file with one row group in memory, whose column chunks are then moved to their place.
    fn try_encode(&self, batches: &[RecordBatch]) -> parquet::errors::Result<(Bytes, ParquetMetaData)> {
        let root = self.descriptor.root_schema_ptr();
        let mut file = SerializedFileWriter::new(Vec::new(), root, Arc::clone(&self.properties))?;
        let factory = ArrowRowGroupWriterFactory::new(&file, Arc::clone(&self.schema));
        let mut writers = factory.create_column_writers(0)?;
        // The crate checks whether a page is full only after a number of values of a batch, so pages would depend on
        // where batches end.
        for batch in alike(batches) {
            let batch = batch?;
            let mut writers = writers.iter_mut();
            for (field, array) in self.schema.fields().iter().zip(batch.columns()) {
                for leaf in compute_leaves(field, array)? {
                    if let Some(writer) = writers.next() {
                        writer.write(&leaf)?;
                    }
                }
            }
        }
        let mut group = file.next_row_group()?;
        for writer in writers {
            writer.close()?.append_to_row_group(&mut group)?;
        }
        group.close()?;
        let metadata = file.finish()?;
        let bytes = Bytes::from(std::mem::take(file.inner_mut()));
        Ok((bytes, metadata))
    }

    /// The converter of text chunks, and of batches if [`Self::encodes_batches`], for row groups of this schema.
    pub(crate) fn chunk_encoder(&self) -> ChunkEncoder {
        ChunkEncoder::new()
    }

    /// Whether rows of text are encoded here rather than by the parquet crate, which alone makes Bloom filters.
    pub(crate) fn encodes_text(&self) -> bool {
        !self.has_filters
    }

    /// Whether batches of this schema are encoded here rather than by the parquet crate.
    pub(crate) fn encodes_batches(&self) -> bool {
        self.encodes_text()
            && !matches!(self.codec, Codec::BROTLI(_))
            && self.descriptor.num_columns() == self.schema.fields().len()
            && self
                .schema
                .fields()
                .iter()
                .zip(self.descriptor.columns())
                .all(|(field, column)| chunk::encodes(field.data_type(), column))
    }

    /// The columns of a row group, from pieces in order made by [`Self::chunk_encoder`].
    pub(crate) fn columns_of(&self, pieces: Vec<EncodedRows>) -> Result<Vec<ColumnPieces>> {
        row_group::by_column(self.descriptor.num_columns(), pieces)
    }

    /// Encodes columns of a row group, starting with the column of this index.
    pub(crate) fn encode_columns(
        &self,
        first: usize,
        columns: Vec<ColumnPieces>,
    ) -> Result<Vec<ColumnChunk>> {
        let used_before = self.column_encoders.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut encoder = match used_before {
            Some(encoder) => encoder,
            None => ColumnEncoder::new(self.codec, self.buffers.clone())?,
        };
        let declared = self.descriptor.columns().iter().enumerate().skip(first);
        let chunks = declared
            .zip(columns)
            .map(|((number, column), pieces)| {
                row_group::column_chunk(column, number == 0, pieces, PAGES, &mut encoder)
            })
            .collect();
        self.column_encoders.lock().unwrap_or_else(PoisonError::into_inner).push(encoder);
        chunks
    }

    /// Assembles a row group from its columns.
    pub(crate) fn join(&self, columns: Vec<ColumnChunk>) -> Result<EncodedRowGroup> {
        row_group::join(&self.descriptor, self.codec, columns)
    }
}

/// The same rows in batches of [`BATCH_ROWS`] rows, except for the last one.
fn alike(batches: &[RecordBatch]) -> impl Iterator<Item = parquet::errors::Result<Cow<'_, RecordBatch>>> {
    let (mut at, mut taken) = (0, 0);
    std::iter::from_fn(move || {
        let mut pieces: Vec<RecordBatch> = Vec::new();
        let mut rows = 0;
        while let Some(batch) = batches.get(at)
            && rows < BATCH_ROWS
        {
            if taken == 0 && rows == 0 && batch.num_rows() == BATCH_ROWS {
                at += 1;
                return Some(Ok(Cow::Borrowed(batch)));
            }
            let more = (batch.num_rows() - taken).min(BATCH_ROWS - rows);
            pieces.push(batch.slice(taken, more));
            (rows, taken) = (rows + more, taken + more);
            if taken == batch.num_rows() {
                (at, taken) = (at + 1, 0);
            }
        }
        match pieces.as_slice() {
            [] => None,
            [_] => pieces.pop().map(|batch| Ok(Cow::Owned(batch))),
            [first, ..] => {
                Some(concat_batches(first.schema_ref(), &pieces).map(Cow::Owned).map_err(Into::into))
            }
        }
    })
}

/// The metadata entry from which readers learn Arrow's types.
pub(crate) fn arrow_schema(schema: &Schema) -> KeyValue {
    KeyValue::new(ARROW_SCHEMA_META_KEY.to_owned(), encode_arrow_schema(schema))
}

/// The writer's Arrow schema in a file.
pub(crate) fn arrow_schema_of(text: &str) -> Option<Schema> {
    let bytes = BASE64_STANDARD.decode(text).ok()?;
    guard(|| arrow::ipc::convert::try_schema_from_ipc_buffer(&bytes)).ok()
}

/// The parquet crate's codec for the user's choice.
pub(crate) fn codec(compression: Compression) -> Result<Codec> {
    let refused = |codec, level: String, levels: RangeInclusive<i32>| {
        let (lowest, highest) = (*levels.start(), *levels.end());
        Error::from(UsageError::CompressionLevel { codec, level, lowest, highest })
    };
    Ok(match compression {
        Compression::None => Codec::UNCOMPRESSED,
        Compression::Snappy => Codec::SNAPPY,
        Compression::Lz4 => Codec::LZ4_RAW,
        Compression::Zstd(level) => {
            let level = level.unwrap_or(3);
            let known =
                ZstdLevel::try_new(level).map_err(|_| refused("zstd", level.to_string(), ZSTD_LEVELS));
            Codec::ZSTD(known?)
        }
        Compression::Gzip(level) => {
            let level = level.unwrap_or(6);
            let known =
                GzipLevel::try_new(level).map_err(|_| refused("gzip", level.to_string(), GZIP_LEVELS));
            Codec::GZIP(known?)
        }
    })
}

/// The codec for row groups that are written next to those of `metadata`.
pub(crate) fn codec_of(metadata: &ParquetMetaData) -> Codec {
    let first = metadata.row_groups().iter().flat_map(RowGroupMetaData::columns).next();
    match first.map(ColumnChunkMetaData::compression) {
        // Footers do not record the level, and the old framed LZ4 is no longer written.
        Some(Codec::GZIP(_)) => Codec::GZIP(GzipLevel::default()),
        Some(Codec::ZSTD(_)) => Codec::ZSTD(ZstdLevel::try_new(3).unwrap_or_default()),
        Some(Codec::BROTLI(_)) => Codec::BROTLI(BrotliLevel::default()),
        Some(Codec::LZ4 | Codec::LZ4_RAW) => Codec::LZ4_RAW,
        Some(Codec::UNCOMPRESSED) => Codec::UNCOMPRESSED,
        _ => Codec::SNAPPY,
    }
}
