//! Narrows a footer to some of the columns, so that a reader fetches and decodes no others.

use super::types::schema_of;

use crate::codec::guard;
use parquet::errors::Result;
use parquet::file::metadata::{
    ColumnChunkMetaData, FileMetaData, ParquetMetaData, ParquetMetaDataBuilder, RowGroupMetaData,
};
use parquet::schema::types::{SchemaDescPtr, SchemaDescriptor};
use std::sync::Arc;

/// The leaves of some columns, which are given in ascending order.
pub(super) fn leaves_of(descriptor: &SchemaDescriptor, columns: &[usize]) -> Vec<usize> {
    let is_wanted = |leaf: &usize| columns.contains(&descriptor.get_column_root_idx(*leaf));
    (0..descriptor.num_columns()).filter(is_wanted).collect()
}

/// A schema of some columns, which are given in ascending order.
pub(super) fn narrowed_schema(of: &SchemaDescriptor, columns: &[usize]) -> Result<SchemaDescPtr> {
    let root = of.root_schema();
    let fields = columns.iter().map(|column| Arc::clone(&root.get_fields()[*column])).collect();
    Ok(Arc::new(schema_of(root, fields)?))
}

/// A footer of some columns, which are given in ascending order.
pub(crate) fn narrowed(metadata: &ParquetMetaData, columns: &[usize]) -> Result<ParquetMetaData, String> {
    guard(|| {
        let file = metadata.file_metadata();
        let leaves = leaves_of(file.schema_descr(), columns);
        let descriptor = narrowed_schema(file.schema_descr(), columns)?;
        let orders = file.column_orders();
        let orders = orders.and_then(|orders| leaves.iter().map(|leaf| orders.get(*leaf).copied()).collect());
        let groups = metadata.row_groups().iter().map(|group| {
            let chunks: Vec<ColumnChunkMetaData> =
                leaves.iter().map(|leaf| group.column(*leaf).clone()).collect();
            RowGroupMetaData::builder(Arc::clone(&descriptor))
                .set_num_rows(group.num_rows())
                .set_total_byte_size(chunks.iter().map(ColumnChunkMetaData::uncompressed_size).sum())
                .set_column_metadata(chunks)
                .build()
        });
        let groups = groups.collect::<Result<Vec<_>>>()?;
        let writer = file.created_by().map(str::to_owned);
        let file =
            FileMetaData::new(file.version(), file.num_rows(), writer, None, Arc::clone(&descriptor), orders);
        Ok::<_, parquet::errors::ParquetError>(
            ParquetMetaDataBuilder::new(file).set_row_groups(groups).build(),
        )
    })
}
