//! Parquet to batches of the plan's schema: takes a reader of bytes, returns rows; damage is an error that names the
//! file, never a panic.

use crate::codec::csv::{CellType, cells_to_array};
use crate::codec::guard;
use crate::codec::value::Zone;
use crate::model::{DataErrorKind, Error, Remedy, Result};

use arrow::array::cast::AsArray;
use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, StringArray, new_null_array};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, FieldRef, Schema, SchemaRef};
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::file::reader::ChunkReader;
use std::sync::Arc;

/// The batches of one row group.
pub(crate) struct RowGroupBatches {
    url: String,
    group: usize,
    /// `None` after an error: a decoder that failed is not asked again.
    reader: Option<ParquetRecordBatchReader>,
}

/// How texts are decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StringDecoding {
    /// Each one by itself.
    Plain,
    /// As keys into a dictionary where that is how they are stored, so that none is repeated.
    Dictionary,
}

/// A column of text with fewer bytes for a row than this is stored as keys.
const BYTES_OF_KEY: i64 = 6;

/// How to read a row group with [`StringDecoding::Dictionary`], and the schema that its batches are to be aligned to.
pub(crate) fn with_keys(
    reader: &ArrowReaderMetadata,
    group: usize,
    columns: &[Option<usize>],
    schema: &SchemaRef,
) -> (ArrowReaderMetadata, SchemaRef) {
    let unchanged = || (reader.clone(), Arc::clone(schema));
    let found = reader.metadata().row_group(group);
    let mut read: Vec<FieldRef> = reader.schema().fields().to_vec();
    // Leaves and columns are the same in a file that CSV can hold.
    if found.num_columns() != read.len() {
        return unchanged();
    }
    let mut aligned: Vec<FieldRef> = schema.fields().to_vec();
    for (field, column) in aligned.iter_mut().zip(columns) {
        let Some(column) = *column else { continue };
        let chunk = found.column(column);
        let is_keyed = chunk.dictionary_page_offset().is_some()
            && chunk.uncompressed_size() < chunk.num_values().saturating_mul(BYTES_OF_KEY);
        // A text that becomes something else is converted as text.
        if is_keyed && *field.data_type() == DataType::Utf8 && *read[column].data_type() == DataType::Utf8 {
            for field in [field, &mut read[column]] {
                let keys = DataType::Dictionary(DataType::Int32.into(), DataType::Utf8.into());
                *field = Arc::new(field.as_ref().clone().with_data_type(keys));
            }
        }
    }
    let options = ArrowReaderOptions::new().with_schema(Arc::new(Schema::new(read)));
    match guard(|| ArrowReaderMetadata::try_new(Arc::clone(reader.metadata()), options)) {
        Ok(with_keys) => (with_keys, Arc::new(Schema::new(aligned))),
        Err(_) => unchanged(),
    }
}

/// Begins to decode one row group.
pub(crate) fn decode_row_group(
    url: &str,
    bytes: impl ChunkReader + 'static,
    metadata: ArrowReaderMetadata,
    group: usize,
    batch_rows: usize,
) -> Result<RowGroupBatches> {
    let reader = guard(|| {
        ParquetRecordBatchReaderBuilder::new_with_metadata(bytes, metadata)
            .with_row_groups(vec![group])
            .with_batch_size(batch_rows)
            .build()
    })
    .map_err(|reason| damaged(url, group, &reason))?;
    Ok(RowGroupBatches { url: url.to_owned(), group, reader: Some(reader) })
}

fn damaged(url: &str, group: usize, reason: &str) -> Error {
    let problem = format!("row group {group} cannot be decoded: {reason}");
    Error::data(DataErrorKind::Damaged, url, problem).remedy(Remedy::FetchDamaged).into()
}

impl Iterator for RowGroupBatches {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let reader = self.reader.as_mut()?;
        match guard(|| reader.next().transpose()) {
            Ok(Some(batch)) => Some(Ok(batch)),
            Ok(None) => None,
            Err(reason) => {
                self.reader = None;
                Some(Err(damaged(&self.url, self.group, &reason)))
            }
        }
    }
}

/// Brings a part's batch into the plan's schema: columns in order, nulls for what the part lacks, types as asked,
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
            Some(column) => convert(batch.column(*column), field.data_type(), field.name(), url)?,
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

/// Gives a column another type, where every value survives it.
fn convert(array: &ArrayRef, to: &DataType, column: &str, url: &str) -> Result<ArrayRef> {
    if array.data_type() == to {
        return Ok(Arc::clone(array));
    }
    if *to == DataType::Utf8 {
        return crate::codec::csv::to_text(array, column, url);
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
    // A value that does not come back was rounded or cut.
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
        DataType::Timestamp(_, Some(_)) => CellType::Timestamp(Zone::Utc),
        DataType::Timestamp(_, None) => CellType::Timestamp(Zone::None),
        _ => CellType::String,
    }
}
