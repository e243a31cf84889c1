//! Reads a footer, and corrects what some writers get wrong, so that its users see sane numbers.

use super::encoded::MAGIC;
use super::thrift::{BINARY, LIST, STRUCT, Stop, Thrift};
use crate::codec::guard;

use parquet::errors::ParquetError;
use parquet::file::metadata::{
    FileMetaData, ParquetMetaData, ParquetMetaDataBuilder, ParquetMetaDataReader, RowGroupMetaData,
};
use std::ops::Range;

/// Why a footer cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FooterProblem {
    /// This column is encrypted.
    Encrypted(String),
    Damaged(String),
}

/// Reads a footer: everything between the column chunks and the length at the end of the file.
pub(crate) fn read_footer(bytes: &[u8]) -> Result<ParquetMetaData, FooterProblem> {
    // Before decoding, because the decoder does not support encryption and would report an encrypted column as damaged.
    if let Some(column) = encrypted_column(bytes) {
        return Err(FooterProblem::Encrypted(column));
    }
    let decoded = |bytes: &[u8]| guard(|| mended(ParquetMetaDataReader::decode_metadata(bytes)?));
    decoded(bytes)
        .or_else(|reason| match without_later_fields(bytes) {
            Some(early) => decoded(&early).map_err(|_| reason),
            None => Err(reason),
        })
        .map_err(FooterProblem::Damaged)
}

/// The first field of `ColumnMetaData` that early versions of the format did not have. This one and all later ones are
/// optional for reading values.
const FIRST_LATER_FIELD: i64 = 13;

/// A footer without the later fields of column chunks. Some writers used their numbers for fields of their own before
/// the format assigned them; other readers skip those because their types do not fit.
fn without_later_fields(footer: &[u8]) -> Option<Vec<u8>> {
    // The columns' structs, each with the fields to keep: number, type and value.
    let mut columns: Vec<(Range<usize>, Vec<u8>)> = Vec::new();
    let mut thrift = Thrift::new(footer);
    let walked = thrift.fields(|thrift, id, kind| match (id, kind) {
        // FileMetaData.row_groups
        (4, LIST) => structs(thrift, |group| {
            group.fields(|group, id, kind| match (id, kind) {
                // RowGroup.columns
                (1, LIST) => structs(group, |chunk| {
                    chunk.fields(|chunk, id, kind| match (id, kind) {
                        // ColumnChunk.meta_data
                        (3, STRUCT) => {
                            let (start, mut kept) = (chunk.position, Vec::new());
                            chunk.fields(|column, id, kind| {
                                let value = column.position;
                                column.skip(kind, 0)?;
                                if id < FIRST_LATER_FIELD {
                                    let value = footer.get(value..column.position).ok_or(Stop::Short)?;
                                    // The long form of a field header, with a zigzag number.
                                    kept.extend([kind, u8::try_from(id * 2).map_err(|_| Stop::Damaged)?]);
                                    kept.extend_from_slice(value);
                                }
                                Ok(true)
                            })?;
                            kept.push(0);
                            columns.push((start..chunk.position, kept));
                            Ok(true)
                        }
                        _ => Ok(false),
                    })
                })
                .map(|()| true),
                _ => Ok(false),
            })
        })
        .map(|()| true),
        _ => Ok(false),
    });
    walked.ok()?;
    let (mut early, mut at) = (Vec::with_capacity(footer.len()), 0);
    for (range, kept) in columns {
        early.extend_from_slice(footer.get(at..range.start)?);
        early.extend_from_slice(&kept);
        at = range.end;
    }
    early.extend_from_slice(footer.get(at..)?);
    Some(early)
}

/// The first byte that a page can have.
const FIRST_PAGE: i64 = MAGIC.len() as i64;

/// The same footer with corrected numbers. Other readers are lenient in the same way, wherever they use a number.
fn mended(metadata: ParquetMetaData) -> Result<ParquetMetaData, ParquetError> {
    let file = metadata.file_metadata();
    // Early versions of the Rust writer left it at zero.
    let rows = match file.num_rows() {
        0 => metadata.row_groups().iter().try_fold(0, |sum: i64, group| sum.checked_add(group.num_rows())),
        rows => Some(rows),
    };
    let rows = rows.filter(|rows| *rows != file.num_rows());
    // Early versions of parquet-mr wrote zero for a dictionary at the position where the data pages supposedly begin.
    let is_no_place = |offset: i64| offset < FIRST_PAGE;
    let columns = || metadata.row_groups().iter().flat_map(RowGroupMetaData::columns);
    if rows.is_none() && !columns().any(|column| column.dictionary_page_offset().is_some_and(is_no_place)) {
        return Ok(metadata);
    }
    let file = FileMetaData::new(
        file.version(),
        rows.unwrap_or_else(|| file.num_rows()),
        file.created_by().map(str::to_owned),
        file.key_value_metadata().cloned(),
        file.schema_descr_ptr(),
        file.column_orders().cloned(),
    );
    let mut groups = Vec::with_capacity(metadata.num_row_groups());
    for group in metadata.into_builder().take_row_groups() {
        let mut group = group.into_builder();
        let mut columns = Vec::new();
        for column in group.take_columns() {
            let dictionary = column.dictionary_page_offset().filter(|offset| !is_no_place(*offset));
            columns.push(column.into_builder().set_dictionary_page_offset(dictionary).build()?);
        }
        groups.push(group.set_column_metadata(columns).build()?);
    }
    Ok(ParquetMetaDataBuilder::new(file).set_row_groups(groups).build())
}

/// The first column that a footer declares as encrypted. Unreadable parts are left for the decoder to report.
fn encrypted_column(footer: &[u8]) -> Option<String> {
    let mut found = None;
    let mut thrift = Thrift::new(footer);
    let _ = thrift.fields(|thrift, id, kind| match (id, kind) {
        // FileMetaData.row_groups
        (4, LIST) => structs(thrift, |group| {
            group.fields(|group, id, kind| match (id, kind) {
                // RowGroup.columns
                (1, LIST) => structs(group, |chunk| {
                    if let Some(column) = column_if_encrypted(chunk)? {
                        found.get_or_insert(column);
                    }
                    Ok(())
                })
                .map(|()| true),
                _ => Ok(false),
            })
        })
        .map(|()| true),
        _ => Ok(false),
    });
    found
}

/// Reads a list of structs.
fn structs<'a>(
    thrift: &mut Thrift<'a>,
    mut each: impl FnMut(&mut Thrift<'a>) -> Result<(), Stop>,
) -> Result<(), Stop> {
    match thrift.list()? {
        (STRUCT, count) => (0..count).try_for_each(|_| each(thrift)),
        _ => Err(Stop::Damaged),
    }
}

/// Reads a `ColumnChunk`; returns the column's name if it is encrypted.
fn column_if_encrypted(chunk: &mut Thrift<'_>) -> Result<Option<String>, Stop> {
    let (mut path, mut is_encrypted) = (None, false);
    chunk.fields(|chunk, id, kind| match (id, kind) {
        // ColumnMetaData, with path_in_schema
        (3, STRUCT) => chunk
            .fields(|column, id, kind| match (id, kind) {
                (3, LIST) => {
                    path = Some(column.clone());
                    Ok(false)
                }
                _ => Ok(false),
            })
            .map(|()| true),
        // ColumnCryptoMetaData: of a column with a key of its own, again with path_in_schema
        (8, STRUCT) => {
            is_encrypted = true;
            chunk
                .fields(|crypto, id, kind| match (id, kind) {
                    (2, STRUCT) => crypto
                        .fields(|key, id, kind| {
                            if (id, kind) == (1, LIST) {
                                path = Some(key.clone());
                            }
                            Ok(false)
                        })
                        .map(|()| true),
                    _ => Ok(false),
                })
                .map(|()| true)
        }
        // encrypted_column_metadata
        (9, BINARY) => {
            is_encrypted = true;
            Ok(false)
        }
        _ => Ok(false),
    })?;
    Ok(is_encrypted.then(|| path.and_then(|mut path| joined(&mut path).ok()).unwrap_or_default()))
}

/// A list of names, as a path.
fn joined(thrift: &mut Thrift<'_>) -> Result<String, Stop> {
    let (_, count) = thrift.list()?;
    let mut path = String::new();
    for i in 0..count {
        let name = thrift.binary()?;
        if i > 0 {
            path.push('.');
        }
        path.push_str(&String::from_utf8_lossy(name));
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, Int64Array, RecordBatch};
    use parquet::arrow::ArrowWriter;
    use parquet::file::metadata::ParquetMetaDataWriter;
    use proptest::prelude::*;
    use std::sync::Arc;

    /// The footer of a file of three rows.
    fn metadata() -> ParquetMetaData {
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 1]));
        let batch = RecordBatch::try_from_iter([("id", numbers)]).expect("a batch");
        let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).expect("a writer");
        writer.write(&batch).expect("written");
        writer.finish().expect("finished")
    }

    fn bytes_of(metadata: &ParquetMetaData) -> Vec<u8> {
        let mut bytes = Vec::new();
        ParquetMetaDataWriter::new(&mut bytes, metadata).finish().expect("written");
        // Page indexes may come before the footer.
        let (rest, ending) = bytes.split_last_chunk::<8>().expect("an ending");
        let length = u32::from_le_bytes([ending[0], ending[1], ending[2], ending[3]]) as usize;
        rest[rest.len() - length..].to_vec()
    }

    #[test]
    fn fields_that_a_writer_gave_numbers_of_its_own_are_passed_over() {
        let metadata = metadata();
        let bytes = bytes_of(&metadata);
        let early = without_later_fields(&bytes).expect("a footer");
        assert!(early.len() < bytes.len());
        let read = read_footer(&early).unwrap_or_else(|problem| panic!("{problem:?}"));
        let whole = read_footer(&bytes).unwrap_or_else(|problem| panic!("{problem:?}"));
        let (column, was) = (read.row_group(0).column(0), whole.row_group(0).column(0));
        assert_eq!(column.byte_range(), was.byte_range());
        assert_eq!(column.statistics(), was.statistics());
        assert_eq!(column.page_encoding_stats(), None);
        // A list of structs in a field where the format later put a number: field 15, in the long form.
        let misfit = [9, 30, 0x1c, 0x15, 0x00, 0x00];
        let place = early.windows(2).position(|pair| pair == [6, 18]).expect("field 9 of a column");
        let odd = [&early[..place], &misfit, &early[place..]].concat();
        assert!(ParquetMetaDataReader::decode_metadata(&odd).is_err());
        assert_eq!(read_footer(&odd).map(|read| read.num_row_groups()), Ok(1));
        assert_eq!(without_later_fields(&bytes[..bytes.len() - 9]), None);
    }

    #[test]
    fn a_dictionary_at_zero_is_where_the_chunk_begins() {
        let metadata = metadata();
        let column = metadata.row_group(0).column(0).clone();
        let start = column.dictionary_page_offset().expect("a dictionary");
        let of_old = column
            .into_builder()
            .set_dictionary_page_offset(Some(0))
            .set_data_page_offset(start)
            .build()
            .expect("a column");
        let group = metadata.row_group(0).clone().into_builder().set_column_metadata(vec![of_old]);
        let groups = vec![group.build().expect("a row group")];
        let bytes = bytes_of(&metadata.into_builder().set_row_groups(groups).build());
        let column = read_footer(&bytes).expect("a footer").row_group(0).column(0).clone();
        assert_eq!((column.dictionary_page_offset(), column.byte_range().0), (None, start as u64));
    }

    #[test]
    fn rows_that_a_file_left_at_zero_are_those_of_its_row_groups() {
        let metadata = metadata();
        let schema = metadata.file_metadata().schema_descr_ptr();
        let of_old = FileMetaData::new(1, 0, None, None, schema, None);
        let of_old = ParquetMetaDataBuilder::new(of_old).set_row_groups(metadata.row_groups().to_vec());
        let read = read_footer(&bytes_of(&of_old.build())).expect("a footer");
        assert_eq!(read.file_metadata().num_rows(), 3);
    }

    /// FileMetaData with only a row group, which has only these columns.
    fn footer_of(columns: &[&[u8]]) -> Vec<u8> {
        let list = |elements: usize| (elements as u8) << 4 | STRUCT;
        // The ids of the two fields are 4 and 1.
        let mut footer = vec![0x49, list(1), 0x19, list(columns.len())];
        columns.iter().for_each(|column| footer.extend_from_slice(column));
        footer.extend([0, 0]);
        footer
    }

    #[test]
    fn the_first_encrypted_column_is_named() {
        // ColumnMetaData with only path_in_schema.
        let plain = b"\x3c\x39\x18\x02id\0\0";
        let by_footer_key = b"\x3c\x39\x18\x06secret\0\x5c\x1c\0\0\0";
        let by_own_key = b"\x8c\x2c\x19\x28\x01a\x01b\0\0\0";
        assert_eq!(encrypted_column(&footer_of(&[plain])), None);
        assert_eq!(encrypted_column(&footer_of(&[plain, by_footer_key])), Some("secret".into()));
        let found = read_footer(&footer_of(&[plain, by_own_key, by_footer_key])).expect_err("a problem");
        assert_eq!(found, FooterProblem::Encrypted("a.b".into()));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read_footer(&bytes);
        }
    }
}
