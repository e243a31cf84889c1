//! A Parquet file whose pages have checksums: other writers make them, the parquet crate only reads them.

use super::scratch::parquet_file;
use arrow::array::RecordBatch;
use bytes::Bytes;
use parquet::file::metadata::{
    PageIndexPolicy, ParquetMetaDataBuilder, ParquetMetaDataReader, ParquetMetaDataWriter, RowGroupMetaData,
};
use parquet::file::properties::WriterProperties;

/// A batch as a file of one row group, every page with the checksum of its bytes.
pub(crate) fn with_checksums(batch: &RecordBatch) -> Vec<u8> {
    let properties = WriterProperties::builder()
        .set_dictionary_enabled(false)
        .set_data_page_row_count_limit(100)
        .set_write_batch_size(100)
        .build();
    let plain = Bytes::from(parquet_file(batch, properties));
    let reader = ParquetMetaDataReader::new().with_page_index_policy(PageIndexPolicy::Required);
    let metadata = { reader }.parse_and_finish(&plain).expect("a footer");
    let pages = metadata.page_index_for_row_group(0);
    let group = metadata.row_group(0);
    let mut file = b"PAR1".to_vec();
    let mut columns = Vec::new();
    for (i, column) in group.columns().iter().enumerate() {
        let start = file.len() as i64;
        let mut added = 0;
        for page in pages.offset_index(i).expect("pages").page_locations() {
            let from = page.offset as usize;
            let page = &plain[from..from + page.compressed_page_size as usize];
            let before = file.len();
            add_page(page, &mut file);
            added += (file.len() - before - page.len()) as i64;
        }
        let moved = column
            .clone()
            .into_builder()
            .set_data_page_offset(start)
            .set_total_compressed_size(column.compressed_size() + added)
            .set_total_uncompressed_size(column.uncompressed_size() + added)
            .set_column_index_offset(None)
            .set_column_index_length(None)
            .set_offset_index_offset(None)
            .set_offset_index_length(None)
            .build();
        columns.push(moved.expect("a column chunk"));
    }
    let group = RowGroupMetaData::builder(metadata.file_metadata().schema_descr_ptr())
        .set_num_rows(group.num_rows())
        .set_total_byte_size(group.total_byte_size())
        .set_column_metadata(columns)
        .build()
        .expect("a row group");
    let footer =
        ParquetMetaDataBuilder::new(metadata.file_metadata().clone()).set_row_groups(vec![group]).build();
    ParquetMetaDataWriter::new(&mut file, &footer).finish().expect("a footer");
    file
}

/// Appends a page with a checksum in its header, which is a struct of Thrift's compact protocol: type, two sizes, then
/// the checksum as field 4, then the header of a data page as field 5.
fn add_page(page: &[u8], file: &mut Vec<u8>) {
    let mut position = 0;
    let mut sizes = Vec::new();
    for _ in 0..3 {
        assert_eq!(page[position], 0x15, "a field of 32 bits, one after the other");
        position += 1;
        let mut value = 0u64;
        for shift in (0..).step_by(7) {
            let byte = page[position];
            position += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        sizes.push((value >> 1) as usize);
    }
    let data = &page[page.len() - sizes[2]..];
    let header = &page[..page.len() - sizes[2]];
    assert_eq!(header[position], 0x2c, "the struct of a data page, two fields on");
    file.extend_from_slice(&header[..position]);
    file.push(0x15);
    let checksum = crc32fast::hash(data) as i32;
    let mut zigzag = ((checksum << 1) ^ (checksum >> 31)) as u32;
    while zigzag >= 0x80 {
        file.push(zigzag as u8 | 0x80);
        zigzag >>= 7;
    }
    file.push(zigzag as u8);
    file.push(0x1c);
    file.extend_from_slice(&header[position + 1..]);
    file.extend_from_slice(data);
}
