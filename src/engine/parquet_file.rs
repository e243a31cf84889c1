//! Writes a Parquet file of the output: takes encoded row groups, and ends the file with a footer that contains its
//! receipt.

use super::context::Context;
use super::open_file::{Finished, OpenFile};
use crate::codec::parquet::{Assembler, EncodedRowGroup, Encoder, MAGIC};
use crate::model::{Error, Result};
use crate::plan::{Extent, Outputs, PlannedOutput, Receipt, ReceiptOutput, RunPlan, key_values, receipt};
use crate::sink::Target;
use crate::source::PlannedPart;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use std::ops::Range;

/// A file of encoded row groups.
pub(super) struct ParquetFile {
    assembler: Assembler,
}

impl ParquetFile {
    pub(super) async fn begin(
        context: &Context,
        (parts, extent): (Range<usize>, Extent),
        encoder: &Encoder,
        file: &mut OpenFile,
    ) -> Result<Self> {
        file.write(Bytes::from_static(MAGIC)).await?;
        let (key_values, _) = key_values(&context.input, parts, extent);
        Ok(ParquetFile { assembler: Assembler::new(encoder.descriptor().clone(), key_values) })
    }

    pub(super) async fn add(&mut self, group: EncodedRowGroup, file: &mut OpenFile) -> Result<()> {
        self.assembler.add(&group)?;
        file.add_rows(group.rows());
        file.write_all(group.bytes).await
    }

    /// Ends the file without a receipt: one of several files has its receipt in a separate file.
    pub(super) async fn end(self, file: &mut OpenFile) -> Result<()> {
        file.write(self.assembler.finish()?).await
    }

    /// Ends the file with its receipt.
    pub(super) async fn seal(
        self,
        context: &Context,
        plan: &RunPlan,
        output: &PlannedOutput,
        file: &mut OpenFile,
    ) -> Result<()> {
        seal(context, plan, output, self.assembler, file).await
    }
}

/// An empty footer for a file that gets row groups of the parts.
pub(super) fn footer_of_copy(context: &Context, output: &PlannedOutput) -> Result<Assembler> {
    let first = context.input.parts.iter().find_map(PlannedPart::parquet);
    let Some(descriptor) = first.map(|metadata| metadata.file_metadata().schema_descr_ptr()) else {
        return Err(Error::Internal("no part has a footer".into()));
    };
    let (key_values, _) = key_values(&context.input, output.parts.clone(), Extent::Whole);
    Ok(Assembler::new(descriptor, key_values))
}

/// Ends a Parquet file, with its receipt.
pub(super) async fn seal(
    context: &Context,
    plan: &RunPlan,
    output: &PlannedOutput,
    mut assembler: Assembler,
    file: &mut OpenFile,
) -> Result<()> {
    if plan.options.no_receipt || !matches!(output.target, Target::File(_)) {
        return file.write(assembler.finish()?).await;
    }
    // The digest covers all files of a run.
    file.pending_footer = (plan.options.verify && only_output(plan).is_some()).then(|| assembler.clone());
    let written = receipt::now(&plan.options);
    let modified = file.sink.stamp(written)?;
    let size = (file.rows.unwrap_or(0), assembler.position());
    let receipt = receipt_within(context, plan, output, size, modified, written, None);
    assembler.add_key_value(receipt::KEY, receipt.to_json(false)?);
    file.write(assembler.finish()?).await?;
    file.sink.stamp(written).map(drop)
}

/// Adds the digest to the receipt within a Parquet file. It was not known before the last byte.
pub(crate) async fn note_digest(
    context: &Context,
    plan: &RunPlan,
    file: &mut Finished,
    digest: &str,
) -> Result<()> {
    let (Some(mut footer), Some(output)) = (file.pending_footer.take(), only_output(plan)) else {
        return Ok(());
    };
    let written = receipt::now(&plan.options);
    let modified = file.sink.stamp(written)?;
    let (rows, bytes) = (file.file.rows.unwrap_or(0), footer.position());
    let digest = Some(digest.to_owned());
    let receipt = receipt_within(context, plan, output, (rows, bytes), modified, written, digest);
    footer.add_key_value(receipt::KEY, receipt.to_json(false)?);
    let end = footer.finish()?;
    file.file.bytes = bytes + end.len() as u64;
    file.sink.replace_end(bytes, end, written).await
}

/// The file of a plan with exactly one.
fn only_output(plan: &RunPlan) -> Option<&PlannedOutput> {
    match &plan.outputs {
        Outputs::Files(files) if files.len() == 1 => files.first(),
        _ => None,
    }
}

/// The receipt in a Parquet file.
fn receipt_within(
    context: &Context,
    plan: &RunPlan,
    output: &PlannedOutput,
    (rows, bytes): (u64, u64),
    modified: Option<DateTime<Utc>>,
    written: DateTime<Utc>,
    digest: Option<String>,
) -> Receipt {
    let name = output.target.to_string().rsplit('/').next().unwrap_or_default().to_owned();
    let outputs = vec![ReceiptOutput { file: name, rows: Some(rows), bytes, e_tag: None, modified }];
    let rows_of = |part| Some(context.progress.rows_of(part));
    Receipt::new(plan.receipt_parts(output.parts.clone(), digest, &rows_of), written, outputs)
}
