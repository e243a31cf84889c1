//! Describes where an output and its source differ: takes a row's number, returns the part, the file and their values.

use super::digest::Form;
use super::walk::Parting;
use crate::engine::{Context, rows};
use crate::model::{Difference, DifferenceKind, Result};
use crate::source::{Footer, Input, PlannedPart};

use futures::TryStreamExt;

/// The first column in which two sets of files differ by name or type.
pub(super) fn of_columns(source: &Input, output: &Input) -> Option<Difference> {
    let (ours, theirs) = (source.schema.fields(), output.schema.fields());
    let at = (0..ours.len().max(theirs.len())).find(|&at| match (ours.get(at), theirs.get(at)) {
        (Some(a), Some(b)) => a.name() != b.name() || Form::of(a) != Form::of(b),
        _ => true,
    })?;
    let shown =
        |field: &arrow::datatypes::FieldRef| format!("{} {}", field.name(), crate::model::type_name(field));
    let first = |input: &Input| input.parts.first().map(|part| part.object.url.clone());
    Some(Difference {
        kind: DifferenceKind::Columns,
        row: None,
        part: first(source),
        part_row: None,
        file: first(output),
        file_row: None,
        key: None,
        column: ours.get(at).or(theirs.get(at)).map(|field| field.name().clone()),
        source_value: ours.get(at).map(shown),
        output_value: theirs.get(at).map(shown),
    })
}

/// A difference at a row, counted from 0.
pub(super) async fn of_rows(
    source: &Context,
    output: &Context,
    row: u64,
    how: Parting,
) -> Result<Difference> {
    let ours = place(source, row).await?;
    let theirs = place(output, row).await?;
    let split = |place: Option<(String, u64)>| match place {
        Some((file, row)) => (Some(file), Some(row + 1)),
        None => (None, None),
    };
    let ((part, part_row), (file, file_row)) = (split(ours), split(theirs));
    let (kind, column, source_value, output_value) = match how {
        Parting::Cell { column, source: ours, output: theirs } => {
            let name = source.input.schema.field(column).name().clone();
            (DifferenceKind::Cell, Some(name), ours, theirs)
        }
        Parting::Missing => (DifferenceKind::RowMissing, None, None, None),
        Parting::Extra => (DifferenceKind::RowExtra, None, None, None),
    };
    let row = Some(row + 1);
    let key = None;
    Ok(Difference { kind, row, part, part_row, file, file_row, column, key, source_value, output_value })
}

/// The file that contains a row, and the row's number within it. Text must be read again up to there, but only after a
/// failure.
async fn place(context: &Context, row: u64) -> Result<Option<(String, u64)>> {
    let mut before = 0;
    for (index, part) in context.input.parts.iter().enumerate() {
        let rows = match known_rows(part) {
            Some(rows) => rows,
            None => {
                let mut batches = rows(context, index..index + 1);
                let mut count = 0;
                while let Some(batch) = batches.try_next().await? {
                    count += batch.num_rows() as u64;
                    if before + count > row {
                        break;
                    }
                }
                count
            }
        };
        if before + rows > row {
            return Ok(Some((part.object.url.clone(), row - before)));
        }
        before += rows;
    }
    Ok(None)
}

/// The number of rows of a part, if its footer tells.
fn known_rows(part: &PlannedPart) -> Option<u64> {
    part.footer().map(Footer::rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_names_part_row_column_and_both_values() {
        let difference = Difference {
            kind: DifferenceKind::Cell,
            row: Some(35),
            part: Some("in/a_part3.csv".into()),
            part_row: Some(2),
            file: Some("all.parquet".into()),
            file_row: Some(35),
            column: Some("p50".into()),
            key: None,
            source_value: Some("1.5".into()),
            output_value: None,
        };
        assert_eq!(
            difference.to_string(),
            "row 35, column p50: the source has \"1.5\" (in/a_part3.csv, row 2), and the output has null \
             (all.parquet, row 35)"
        );
    }
}
