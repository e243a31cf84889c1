//! Finds `Aggregate` among the times of explainability exports, where it may appear anywhere in a part. Such a column
//! is text. Because the columns must be known before anything is written, parts not yet seen whole are read through
//! once. The service allows 50 items and 500 points in time in such an export, so they are small.

use super::chunks::{Chunk, Text, TextPart};
use super::csv_head::{CsvHead, LineEnd};
use super::export::Part;
use crate::codec::csv::{FieldEnd, Fields};
use crate::model::{Budget, Kind, Options, Progress, Result, is_time_column, kind_of};
use crate::store::{Store, blocking};

use std::sync::Arc;

/// Completes what the heads of an explainability export say about its times.
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
            Some(TextPart { index, object: Arc::clone(&part.object), head: Arc::new(head.clone()) })
        })
        .collect();
    if unseen.is_empty() {
        return Ok(());
    }
    let progress = Arc::new(Progress::default());
    let mut text = Text::new(store, unseen, Budget::new(&Options::default()), LineEnd::Lf, &progress);
    let found = blocking(move || {
        let mut chunk = Chunk::default();
        let mut found = Vec::new();
        while text.cut(&mut chunk)? {
            for segment in &chunk.segments {
                let mut position = 0;
                for field in Fields::new(&chunk.bytes()[segment.range.clone()]) {
                    if *field.text() == *b"Aggregate" {
                        found.push((segment.part, position));
                    }
                    position = if field.end == FieldEnd::Delimiter { position + 1 } else { 0 };
                }
            }
        }
        Ok(found)
    })
    .await?;
    for (part, position) in found {
        if let Some(head) = &mut heads[part]
            && head.header.get(position).is_some_and(|name| is_time_column(name))
        {
            head.seen[position].aggregate = true;
        }
    }
    Ok(())
}
