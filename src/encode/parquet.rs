//! Rows to encoded row groups, and row groups to a file: takes batches, gives bytes with their metadata. The codec is
//! the parquet crate's; putting row groups of any origin into one file is ours.

use crate::error::{Error, Result};
use crate::options::Compression;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use parquet::arrow::arrow_writer::{ArrowRowGroupWriterFactory, compute_leaves};
use parquet::arrow::{ArrowSchemaConverter, add_encoded_arrow_schema_to_metadata};
use parquet::basic::{BrotliLevel, Compression as Codec, GzipLevel, ZstdLevel};
use parquet::file::metadata::page_index::PageIndexBuilder;
use parquet::file::metadata::{
    ColumnChunkMetaData, FileMetaData, KeyValue, ParquetMetaData, ParquetMetaDataBuilder,
    ParquetMetaDataWriter, RowGroupMetaData,
};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::page_index::offset_index::OffsetIndexMetaData;
use parquet::file::properties::{WriterProperties, WriterPropertiesPtr};
use parquet::file::writer::{SerializedFileWriter, TrackedWrite};
use parquet::schema::types::SchemaDescPtr;
use std::sync::Arc;

/// The first and last bytes of every Parquet file.
pub(crate) const MAGIC: &[u8; 4] = b"PAR1";

const CREATED_BY: &str = concat!("forecast-export version ", env!("CARGO_PKG_VERSION"));

fn failed(doing: &str, error: &dyn std::fmt::Display) -> Error {
    Error::Internal(format!("{doing} Parquet: {error}"))
}

/// Encodes row groups of one schema, on any thread.
#[derive(Debug, Clone)]
pub(crate) struct Encoder {
    schema: SchemaRef,
    descriptor: SchemaDescPtr,
    properties: WriterPropertiesPtr,
}

impl Encoder {
    pub(crate) fn new(schema: &SchemaRef, compression: Codec) -> Result<Self> {
        let mut properties = WriterProperties::builder()
            .set_compression(compression)
            .set_created_by(CREATED_BY.to_owned())
            .set_max_row_group_row_count(None)
            .build();
        add_encoded_arrow_schema_to_metadata(schema, &mut properties);
        let descriptor =
            ArrowSchemaConverter::new().convert(schema).map_err(|error| failed("describing", &error))?;
        Ok(Encoder {
            schema: Arc::clone(schema),
            descriptor: Arc::new(descriptor),
            properties: Arc::new(properties),
        })
    }

    pub(crate) fn descriptor(&self) -> &SchemaDescPtr {
        &self.descriptor
    }

    /// Key-value metadata that a file of these rows carries: the Arrow schema.
    pub(crate) fn key_values(&self) -> Vec<KeyValue> {
        self.properties.key_value_metadata().cloned().unwrap_or_default()
    }

    /// Encodes batches as one row group.
    pub(crate) fn encode(&self, batches: &[RecordBatch]) -> Result<EncodedRowGroup> {
        self.try_encode(batches).map_err(|error| failed("encoding", &error))
    }

    fn try_encode(&self, batches: &[RecordBatch]) -> Result<EncodedRowGroup, parquet::errors::ParquetError> {
        // A file of one row group in memory: its column chunks are then moved to where they belong.
        let root = self.descriptor.root_schema_ptr();
        let mut file = SerializedFileWriter::new(Vec::new(), root, Arc::clone(&self.properties))?;
        let factory = ArrowRowGroupWriterFactory::new(&file, Arc::clone(&self.schema));
        let mut writers = factory.create_column_writers(0)?;
        for batch in batches {
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
        Ok(EncodedRowGroup { bytes, metadata })
    }
}

/// A row group in a small file of its own, in memory.
#[derive(Debug)]
pub(crate) struct EncodedRowGroup {
    pub(crate) bytes: Bytes,
    pub(crate) metadata: ParquetMetaData,
}

impl EncodedRowGroup {
    pub(crate) fn rows(&self) -> u64 {
        self.metadata.file_metadata().num_rows().max(0) as u64
    }

    /// The bytes of the column chunks, which follow each other without gaps.
    pub(crate) fn chunks(&self) -> Bytes {
        let columns = self.metadata.row_groups().iter().flat_map(RowGroupMetaData::columns);
        let end = columns.map(|column| column.byte_range()).map(|(start, length)| start + length).max();
        self.bytes.slice(MAGIC.len()..end.map_or(MAGIC.len(), |end| end as usize))
    }
}

/// The codec of the parquet crate for a choice of the user's.
pub(crate) fn codec(compression: Compression) -> Result<Codec> {
    let bad = |error| Error::Usage(format!("--compression: {error}"));
    Ok(match compression {
        Compression::None => Codec::UNCOMPRESSED,
        Compression::Snappy => Codec::SNAPPY,
        Compression::Lz4 => Codec::LZ4_RAW,
        Compression::Zstd(level) => Codec::ZSTD(ZstdLevel::try_new(level.unwrap_or(3)).map_err(bad)?),
        Compression::Gzip(level) => Codec::GZIP(GzipLevel::try_new(level.unwrap_or(6)).map_err(bad)?),
    })
}

/// The codec to encode with what belongs beside column chunks of `metadata`.
pub(crate) fn codec_of(metadata: &ParquetMetaData) -> Codec {
    let first = metadata.row_groups().iter().flat_map(RowGroupMetaData::columns).next();
    match first.map(ColumnChunkMetaData::compression) {
        // Footers carry no level, and the old framed LZ4 is not written any more.
        Some(Codec::GZIP(_)) => Codec::GZIP(GzipLevel::default()),
        Some(Codec::ZSTD(_)) => Codec::ZSTD(ZstdLevel::try_new(3).unwrap_or_default()),
        Some(Codec::BROTLI(_)) => Codec::BROTLI(BrotliLevel::default()),
        Some(Codec::LZ4 | Codec::LZ4_RAW) => Codec::LZ4_RAW,
        Some(Codec::UNCOMPRESSED) => Codec::UNCOMPRESSED,
        _ => Codec::SNAPPY,
    }
}

/// Keeps the books of a Parquet file whose bytes are written elsewhere: where each column chunk went, and at the end
/// the footer.
pub(crate) struct Assembler {
    descriptor: SchemaDescPtr,
    key_values: Vec<KeyValue>,
    /// Bytes written so far.
    position: u64,
    row_groups: Vec<RowGroupMetaData>,
    indexes: Vec<Vec<(Option<ColumnIndexMetaData>, Option<OffsetIndexMetaData>)>>,
}

impl Assembler {
    /// Begins a file; the caller writes [`MAGIC`] first.
    pub(crate) fn new(descriptor: SchemaDescPtr, key_values: Vec<KeyValue>) -> Self {
        let position = MAGIC.len() as u64;
        Assembler { descriptor, key_values, position, row_groups: Vec::new(), indexes: Vec::new() }
    }

    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Enters a row group whose column chunks are written next, one after the other without gaps.
    pub(crate) fn add(&mut self, metadata: &ParquetMetaData, row_group: usize) -> Result<()> {
        let group = metadata.row_group(row_group);
        let start = self.position;
        let page_index = metadata.page_index_for_row_group(row_group);
        let mut columns = Vec::with_capacity(group.num_columns());
        let mut indexes = Vec::with_capacity(group.num_columns());
        for (i, column) in group.columns().iter().enumerate() {
            let (from, length) = column.byte_range();
            let moved = |offset: i64| offset - from as i64 + self.position as i64;
            let shifted = column
                .clone()
                .into_builder()
                .set_data_page_offset(moved(column.data_page_offset()))
                .set_dictionary_page_offset(column.dictionary_page_offset().map(moved))
                .set_index_page_offset(column.index_page_offset().map(moved))
                // Bloom filters lie outside the column chunk and are not copied.
                .set_bloom_filter_offset(None)
                .set_bloom_filter_length(None)
                .set_column_index_offset(None)
                .set_column_index_length(None)
                .set_offset_index_offset(None)
                .set_offset_index_length(None)
                .build()
                .map_err(|error| failed("describing a column chunk of", &error))?;
            columns.push(shifted);
            let offsets = page_index.offset_index(i).map(|index| {
                let mut index = index.clone();
                for page in &mut index.page_locations {
                    page.offset = moved(page.offset);
                }
                index
            });
            indexes.push((page_index.column_index(i).cloned(), offsets));
            self.position += length;
        }
        let mut builder = RowGroupMetaData::builder(Arc::clone(&self.descriptor))
            .set_num_rows(group.num_rows())
            .set_total_byte_size(group.total_byte_size())
            .set_sorting_columns(group.sorting_columns().cloned())
            .set_column_metadata(columns)
            .set_file_offset(start as i64);
        // The field has 16 bits; beyond them it is left out, as the format allows.
        if let Ok(ordinal) = i16::try_from(self.row_groups.len()) {
            builder = builder.set_ordinal(ordinal.into());
        }
        let entered = builder.build().map_err(|error| failed("describing a row group of", &error))?;
        self.row_groups.push(entered);
        self.indexes.push(indexes);
        Ok(())
    }

    /// The page indexes and the footer, which end the file.
    pub(crate) fn finish(self) -> Result<Bytes> {
        let rows = self.row_groups.iter().map(RowGroupMetaData::num_rows).sum();
        let key_values = (!self.key_values.is_empty()).then_some(self.key_values);
        let created_by = Some(CREATED_BY.to_owned());
        let columns = self.descriptor.num_columns();
        let file = FileMetaData::new(1, rows, created_by, key_values, self.descriptor, None);
        let mut page_index = PageIndexBuilder::new(self.row_groups.len(), columns);
        for (group, indexes) in self.indexes.into_iter().enumerate() {
            for (column, (values, offsets)) in indexes.into_iter().enumerate() {
                // An index of values is useless without the one of offsets.
                if let Some(offsets) = offsets {
                    page_index.put_offset_index(offsets, group, column);
                    if let Some(values) = values {
                        page_index.put_column_index(values, group, column);
                    }
                }
            }
        }
        let metadata = ParquetMetaDataBuilder::new(file)
            .set_row_groups(self.row_groups)
            .set_page_index(Some(Arc::new(page_index.build())))
            .build();
        // The footer holds positions in the file, so its writer must believe that the file was written through it.
        let mut footer = Footer { skip: self.position, bytes: Vec::new() };
        let mut tracked = TrackedWrite::new(&mut footer);
        advance(&mut tracked, self.position).map_err(|error| failed("writing the footer of", &error))?;
        ParquetMetaDataWriter::new_with_tracked(tracked, &metadata)
            .with_preserve_page_index_locations(false)
            .finish()
            .map_err(|error| failed("writing the footer of", &error))?;
        Ok(footer.bytes.into())
    }
}

/// Takes the bytes of the footer and none of those that stand for the file before it.
struct Footer {
    skip: u64,
    bytes: Vec<u8>,
}

impl std::io::Write for Footer {
    fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
        let skipped = self.skip.min(buffer.len() as u64);
        self.skip -= skipped;
        self.bytes.extend_from_slice(&buffer[skipped as usize..]);
        Ok(buffer.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Moves a writer's position on without bytes of a meaning.
fn advance(writer: &mut impl std::io::Write, mut by: u64) -> std::io::Result<()> {
    static NOTHING: [u8; 1 << 20] = [0; 1 << 20];
    while by > 0 {
        let step = by.min(NOTHING.len() as u64);
        writer.write_all(&NOTHING[..step as usize])?;
        by -= step;
    }
    Ok(())
}
