//! Decodes Parquet to batches of the plan's schema: takes a reader of bytes, returns rows. Damage is an error that
//! names the file, never a panic.

use super::paged::Selected;
use super::view::View;
use crate::codec::csv::{CellType, cells_to_array, to_text};
use crate::codec::guard;
use crate::codec::value::Zone;
use crate::model::{DataErrorKind, Error, Remedy, Result};

use arrow::array::cast::AsArray;
use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, StringArray, new_null_array};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef, TimeUnit};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::file::metadata::{
    ColumnChunkMetaData, FileMetaData, ParquetMetaData, ParquetMetaDataBuilder, RowGroupMetaData,
};
use parquet::file::reader::ChunkReader;
use std::sync::Arc;

/// The batches of one row group.
pub(crate) struct RowGroupBatches {
    url: String,
    group: usize,
    view: Arc<View>,
    /// The schema of batches.
    schema: SchemaRef,
    /// `None` after an error, because a failed decoder is not used again.
    readers: Option<Readers>,
    /// The number of rows before the next batch.
    row: u64,
}

struct Readers {
    rows: ParquetRecordBatchReader,
    /// The INT96 leaves once more, in nanoseconds.
    nanos: Option<ParquetRecordBatchReader>,
}

/// How to decode texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StringDecoding {
    /// Each separately.
    Plain,
    /// As keys into a dictionary, if they are stored as such, so that no text is repeated.
    Dictionary,
}

/// How to decode a row group.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Decoding<'a> {
    pub(crate) strings: StringDecoding,
    /// The rows to read, if not all.
    pub(crate) selected: Option<&'a Selected>,
    /// Rows per batch.
    pub(crate) batch_rows: usize,
}

/// A text column with fewer bytes per row than this is stored as keys.
const BYTES_OF_KEY: i64 = 6;

fn keys_of(values: &DataType) -> DataType {
    DataType::Dictionary(DataType::Int32.into(), values.clone().into())
}

/// The columns of a row group to read as keys.
fn keyed(group: &RowGroupMetaData, schema: &Schema) -> Vec<bool> {
    let is_keyed = |(field, chunk): (&FieldRef, &ColumnChunkMetaData)| {
        matches!(field.data_type(), DataType::Utf8 | DataType::Binary)
            && chunk.dictionary_page_offset().is_some()
            && chunk.uncompressed_size() < chunk.num_values().saturating_mul(BYTES_OF_KEY)
    };
    // Leaves and columns are the same in a file that CSV can hold.
    if group.num_columns() != schema.fields().len() {
        return vec![false; schema.fields().len()];
    }
    schema.fields().iter().zip(group.columns()).map(is_keyed).collect()
}

/// The schema with some columns as keys.
fn with_keys(schema: &SchemaRef, keyed: &[bool]) -> SchemaRef {
    if !keyed.contains(&true) {
        return Arc::clone(schema);
    }
    let field = |(field, is_keyed): (&FieldRef, &bool)| match is_keyed {
        true => Arc::new(field.as_ref().clone().with_data_type(keys_of(field.data_type()))),
        false => Arc::clone(field),
    };
    Arc::new(Schema::new(schema.fields().iter().zip(keyed).map(field).collect::<Vec<_>>()))
}

/// Starts decoding one row group.
///
/// If `converts` is true for a column, it is converted to another type afterwards, and not read as keys.
pub(crate) fn decode_row_group(
    url: &str,
    bytes: impl ChunkReader + Clone + 'static,
    metadata: &ParquetMetaData,
    group: usize,
    view: &Arc<View>,
    converts: impl Fn(usize) -> bool,
    decoding: Decoding<'_>,
) -> Result<RowGroupBatches> {
    let Decoding { strings, selected, batch_rows } = decoding;
    let found = metadata.row_group(group);
    let mut keys = match strings {
        StringDecoding::Plain => vec![false; view.read.fields().len()],
        StringDecoding::Dictionary => keyed(found, &view.read),
    };
    keys.iter_mut().enumerate().for_each(|(column, is_keyed)| *is_keyed &= !converts(column));
    let row = metadata.row_groups()[..group].iter().map(|group| group.num_rows().unsigned_abs()).sum();
    let readers = guard(|| {
        // Only this row group, with the schema to read it by.
        let file = metadata.file_metadata();
        let (version, rows) = (file.version(), found.num_rows());
        let file = FileMetaData::new(version, rows, None, None, Arc::clone(&view.descriptor), None);
        let mut alone = ParquetMetaDataBuilder::new(file).add_row_group(found.clone());
        if let Some(selected) = selected {
            alone = alone.set_page_index(Some(Arc::clone(&selected.index) as _));
        }
        let alone = Arc::new(alone.build());
        let reader = |schema: Option<SchemaRef>, leaves: ProjectionMask| {
            let options = match schema {
                Some(schema) => ArrowReaderOptions::new().with_schema(schema),
                None => ArrowReaderOptions::new().with_skip_arrow_metadata(true),
            };
            let metadata = ArrowReaderMetadata::try_new(Arc::clone(&alone), options)?;
            let mut builder = ParquetRecordBatchReaderBuilder::new_with_metadata(bytes.clone(), metadata)
                .with_projection(leaves)
                .with_batch_size(batch_rows);
            if let Some(selected) = selected {
                builder = builder.with_row_selection(selected.rows.clone());
            }
            builder.build()
        };
        let rows = reader(Some(with_keys(&view.read, &keys)), ProjectionMask::all())?;
        let nanos = match view.int96.as_slice() {
            [] => None,
            leaves => Some(reader(None, ProjectionMask::leaves(&view.descriptor, leaves.iter().copied()))?),
        };
        Ok::<_, parquet::errors::ParquetError>(Readers { rows, nanos })
    })
    .map_err(|reason| damaged(url, group, &reason))?;
    let schema = with_keys(&view.schema, &keys);
    Ok(RowGroupBatches {
        url: url.to_owned(),
        group,
        view: Arc::clone(view),
        schema,
        readers: Some(readers),
        row,
    })
}

fn damaged(url: &str, group: usize, reason: &str) -> Error {
    let problem = format!("row group {group} cannot be decoded: {reason}");
    Error::data(DataErrorKind::Damaged, url, problem).remedy(Remedy::FetchDamaged).into()
}

impl RowGroupBatches {
    /// The schema of every batch.
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn restored(&mut self, batch: &RecordBatch, nanos: Option<&RecordBatch>) -> Result<RecordBatch> {
        let restored = self.view.restore(batch, nanos, &self.schema).map_err(|broken| {
            let row = self.row + broken.row as u64 + 1;
            let error = Error::data(DataErrorKind::OutOfRange, &self.url, broken.problem);
            Error::from(error.row(row).column(broken.column).remedy(Remedy::CopyUnchanged))
        })?;
        self.row += batch.num_rows() as u64;
        Ok(restored)
    }
}

impl Iterator for RowGroupBatches {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let Readers { rows, nanos } = self.readers.as_mut()?;
        let read = guard(|| {
            let batch = rows.next().transpose()?;
            let nanos = nanos.as_mut().map(|nanos| nanos.next().transpose()).transpose()?.flatten();
            Ok::<_, arrow::error::ArrowError>(batch.map(|batch| (batch, nanos)))
        });
        let batch = match read {
            Ok(Some((batch, nanos))) => self.restored(&batch, nanos.as_ref()),
            Ok(None) => return None,
            Err(reason) => Err(damaged(&self.url, self.group, &reason)),
        };
        if batch.is_err() {
            self.readers = None;
        }
        Some(batch)
    }
}

/// Converts a part's batch to the plan's schema: columns in order, nulls for what the part lacks, types as requested,
/// source columns at the end.
pub(crate) fn align(
    batch: &RecordBatch,
    columns: &[Option<usize>],
    constants: &[Option<String>],
    schema: &SchemaRef,
    url: &str,
) -> Result<RecordBatch> {
    let rows = batch.num_rows();
    let mut arrays: Vec<ArrayRef> = Vec::with_capacity(schema.fields().len());
    for (column, field) in columns.iter().zip(schema.fields()) {
        arrays.push(match column {
            Some(column) => {
                let stored = batch.schema_ref().field(*column);
                convert(batch.column(*column), stored, field, url)?
            }
            None => new_null_array(field.data_type(), rows),
        });
    }
    for constant in constants {
        arrays.push(match constant {
            Some(text) => Arc::new(StringArray::from_iter_values(std::iter::repeat_n(text, rows))),
            None => new_null_array(&DataType::Utf8, rows),
        });
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::clone(schema), arrays, &options).map_err(|error| {
        let problem = format!("the rows do not fit the schema: {error}");
        Error::data(DataErrorKind::Damaged, url, problem).into()
    })
}

/// Converts a column to another type, if every value survives.
fn convert(array: &ArrayRef, stored: &Field, to: &Field, url: &str) -> Result<ArrayRef> {
    let (to, column) = (to.data_type(), to.name().as_str());
    if array.data_type() == to {
        return Ok(Arc::clone(array));
    }
    if *array.data_type() == DataType::Null {
        return Ok(new_null_array(to, array.len()));
    }
    if *to == DataType::Utf8 {
        return to_text(array, stored, url);
    }
    let refused = |problem: String| {
        Error::from(
            Error::data(DataErrorKind::ValueLost, url, problem)
                .column(column)
                .remedy(Remedy::KeepAsText { column: column.to_owned() }),
        )
    };
    if let DataType::Utf8 = array.data_type() {
        return cells_to_array(array.as_string(), cell_type(to), column, url);
    }
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    let cast = |array: &ArrayRef, to: &DataType| {
        cast_with_options(array, to, &strict).map_err(|error| refused(error.to_string()))
    };
    let converted = cast(array, to)?;
    // A value that does not convert back was rounded or truncated.
    if cast(&converted, array.data_type())?.to_data() != array.to_data() {
        return Err(refused(format!("a value changes when {} becomes {to}", array.data_type())));
    }
    Ok(converted)
}

fn cell_type(data_type: &DataType) -> CellType {
    match data_type {
        DataType::Float64 => CellType::Double,
        DataType::Int64 => CellType::Int64,
        DataType::Boolean => CellType::Boolean,
        DataType::Date32 => CellType::Date,
        DataType::Timestamp(unit, zone) => {
            let zone = if zone.is_some() { Zone::Utc } else { Zone::None };
            match unit {
                TimeUnit::Nanosecond => CellType::Nanoseconds(zone),
                _ => CellType::Timestamp(zone),
            }
        }
        _ => CellType::String,
    }
}
