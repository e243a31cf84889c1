//! Merges on the server: passes the pieces of a plan to the sink, which has them copied; only what is too small for
//! that passes through here.

use super::context::Context;
use super::copy_row_groups::{reencode, with_page_index};
use super::open_file::OpenFile;
use super::parquet_file::{footer_of_copy, seal};
use crate::codec::csv::count_rows;
use crate::codec::parquet::{Assembler, MAGIC, chunk_ranges};
use crate::model::{DataError, Error, Format, Result};
use crate::plan::{PlannedOutput, RowGroupPiece, RunPlan, ServerMerge, TextOnServer, row_group_pieces};
use crate::sink::Sink;
use crate::source::Contents;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};

/// Footers whose page indexes are read at the same time.
const CONCURRENT_FOOTERS: usize = 16;
/// Small parts that are read at the same time, if they are very small.
const CONCURRENT_PARTS: usize = 64;

/// Fills the one file of a merge.
pub(super) async fn fill(
    context: &Context,
    plan: &RunPlan,
    merge: &ServerMerge,
    output: &PlannedOutput,
    file: &mut OpenFile,
) -> Result<()> {
    match plan.to {
        Format::Csv => file.rows = write_text(context, merge, &mut file.sink).await?,
        Format::Parquet => {
            let mut footer = footer_of_copy(context, output)?;
            file.rows = Some(write_row_groups(context, merge, &mut footer, &mut file.sink).await?);
            seal(context, plan, output, footer, file).await?;
        }
    }
    file.bytes = file.sink.written_on_server().unwrap_or(0);
    Ok(())
}

/// Merges CSV text. Returns the number of rows if all of them passed through here.
async fn write_text(context: &Context, merge: &ServerMerge, sink: &mut Sink) -> Result<Option<u64>> {
    let is_read = |piece: &&TextOnServer| matches!(piece, TextOnServer::Read { .. });
    let longest = merge.text.iter().filter(is_read).map(|piece| match piece {
        TextOnServer::Read { part } => context.input.parts[*part].object.size,
        _ => 0,
    });
    let longest = longest.max().unwrap_or(0).max(1);
    let at_once = (context.budget.prefetch as u64 / longest).clamp(1, CONCURRENT_PARTS as u64) as usize;
    let mut pieces = stream::iter(0..merge.text.len())
        .map(|index| async move {
            let piece = &merge.text[index];
            let read = match piece {
                TextOnServer::Read { part } => Some(read_small(context, *part).await?),
                _ => None,
            };
            Ok::<_, Error>((piece, read))
        })
        .buffered(at_once);
    let mut rows = Some(0);
    while let Some((piece, read)) = pieces.try_next().await? {
        match (piece, read) {
            (TextOnServer::Copied { part, range }, _) => {
                sink.copy_part(*part, range.clone()).await?;
                rows = None;
                context.progress.leave_rows_uncounted();
            }
            (TextOnServer::Ours(bytes), _) => sink.write(vec![bytes.clone()]).await?,
            (TextOnServer::Read { .. }, Some((bytes, more))) => {
                rows = rows.map(|rows| rows + more);
                sink.write(bytes).await?;
            }
            (TextOnServer::Read { .. }, None) => {}
        }
    }
    Ok(rows)
}

/// The checked rows of a small part, and their number.
async fn read_small(context: &Context, part: usize) -> Result<(Vec<Bytes>, u64)> {
    let planned = &context.input.parts[part];
    let Contents::Csv { head, layout } = &planned.contents else {
        return Err(Error::Internal("text of a part that is not CSV".into()));
    };
    let text = match &head.whole {
        Some(whole) => whole.slice(head.body as usize..),
        None => context.input.store.read(&planned.object, head.body..planned.object.size).await?,
    };
    context.progress.add_bytes(text.len() as u64);
    let (layout, body_line) = (layout.clone(), head.header_lines + 1);
    let url = planned.object.url.clone();
    let checked = text.clone();
    let rows = context
        .pool
        .run(move || {
            count_rows(&checked, &layout, &mut Vec::new()).map(|counted| counted.rows).map_err(|failed| {
                let error = DataError { file: url, line: Some(body_line + failed.lines), ..*failed.error };
                Error::from(error)
            })
        })
        .await?;
    context.progress.add_rows_of(part, rows);
    let is_ended = matches!(text.last(), None | Some(b'\n' | b'\r'));
    let mut bytes = vec![text];
    if !is_ended {
        bytes.push(Bytes::from_static(context.input.line_end().bytes()));
    }
    Ok((bytes, rows))
}

/// Merges Parquet row groups. Returns their number of rows.
async fn write_row_groups(
    context: &Context,
    merge: &ServerMerge,
    assembler: &mut Assembler,
    sink: &mut Sink,
) -> Result<u64> {
    let pieces = row_group_pieces(&context.input, 0..context.input.parts.len());
    match merge.magic {
        Some(part) => sink.copy_part(part, 0..MAGIC.len() as u64).await?,
        None => sink.write(vec![Bytes::from_static(MAGIC)]).await?,
    }
    let mut parts: Vec<usize> = pieces
        .iter()
        .filter_map(|piece| match piece {
            RowGroupPiece::Copy { part, .. } => Some(*part),
            RowGroupPiece::Reencode(_) => None,
        })
        .collect();
    parts.dedup();
    let mut footers = stream::iter(parts)
        .map(|part| async move { with_page_index(context, part).await.map(|footer| (part, footer)) })
        .buffered(CONCURRENT_FOOTERS);
    let mut rows = 0;
    let mut opened = None;
    for piece in pieces {
        match piece {
            RowGroupPiece::Reencode(groups) => rows += reencode(context, groups, assembler, sink).await?,
            RowGroupPiece::Copy { part, row_group } => {
                let footer = match opened.take() {
                    Some((known, footer)) if known == part => footer,
                    _ => match footers.try_next().await? {
                        Some((next, footer)) if next == part => footer,
                        _ => return Err(Error::Internal("a row group of a part without footer".into())),
                    },
                };
                let group = footer.row_group(row_group);
                for range in chunk_ranges(group) {
                    sink.copy_part(part, range).await?;
                }
                assembler.copy(&footer, row_group, |_, _| true)?;
                let copied = group.num_rows().max(0) as u64;
                context.progress.add_rows(copied);
                rows += copied;
                opened = Some((part, footer));
            }
        }
    }
    Ok(rows)
}
