//! Explainability exports put `Aggregate` where a time should be, anywhere in a part. Such a column is text, and as
//! the columns must be known before anything is written, parts that were not seen whole are read through once.
//! The service allows 50 items and 500 points in time in such an export, so they are small.

use super::budget::Budget;
use super::chunks::{TextPart, chunks};
use super::progress::Progress;
use crate::decode::csv::{FieldEnd, Fields};
use crate::error::Result;
use crate::export::Part;
use crate::location::Store;
use crate::naming::Kind;
use crate::options::Options;
use crate::probe::CsvHead;
use crate::schema::{is_time_column, kind_of};
use futures::TryStreamExt;
use std::sync::Arc;

/// Completes what the heads of an explainability export say of its times.
pub(crate) async fn look_for_aggregates(
    store: &Store,
    parts: &[Part],
    heads: &mut [Option<CsvHead>],
    kind: Kind,
) -> Result<()> {
    let Some(first) = heads.iter().flatten().next() else { return Ok(()) };
    if kind_of(&first.header, kind) != Kind::Explainability
        || heads.iter().flatten().any(|head| head.seen.iter().any(|seen| seen.aggregate))
    {
        return Ok(());
    }
    let unseen: Vec<TextPart> = parts
        .iter()
        .zip(heads.iter())
        .enumerate()
        .filter_map(|(index, (part, head))| {
            let head = head.as_ref().filter(|head| head.whole.is_none())?;
            Some(TextPart { index, object: part.object.clone(), head: head.clone() })
        })
        .collect();
    if unseen.is_empty() {
        return Ok(());
    }
    let progress = Arc::new(Progress::default());
    let mut text = Box::pin(chunks(store, unseen, Budget::new(&Options::default()), &progress));
    while let Some(chunk) = text.try_next().await? {
        for segment in chunk.segments {
            let Some(head) = &mut heads[segment.part] else { continue };
            let mut position = 0;
            for field in Fields::new(&chunk.bytes[segment.range]) {
                if *field.text() == *b"Aggregate"
                    && head.header.get(position).is_some_and(|name| is_time_column(name))
                {
                    head.seen[position].aggregate = true;
                }
                position = if field.end == FieldEnd::Delimiter { position + 1 } else { 0 };
            }
        }
    }
    Ok(())
}
