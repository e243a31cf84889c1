//! Decides whether the server that has the parts and the output can do a merge, and from which bytes. Takes an input
//! and options, returns the pieces in order, or the reason why not. Reads the ends of parts, writes nothing.
//!
//! Data that is not read is not checked. So if anything about the first or last row of a part looks wrong, the whole
//! part is read here instead, which finds the mistake and names its line.

use super::decided::{RunPlan, Way};
use super::output::Output;
use super::server_merge::{ServerMerge, TextOnServer};
use super::strategy::{RowGroupPiece, row_group_pieces};
use crate::codec::csv::{Layout, count_rows};
use crate::codec::parquet::{FOOTER_BYTES, MAGIC, chunk_ranges};
use crate::model::{Compression, Error, Format, OnServer, Result, UsageError, Why, WhyNotOnServer};
use crate::source::{Contents, CsvHead, Input, LineEnd, PlannedPart, Wrapping};
use crate::store::{Limits, Span};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};

/// Bytes read from the end of a part that is copied unread; more if the last row is longer.
const TAIL_BYTES: u64 = 4 * 1024;
const LONG_TAIL_BYTES: u64 = 256 * 1024;
/// Ends of parts that are read at the same time.
const CONCURRENT_TAILS: usize = 64;
/// A text part below this size always passes through this machine, so all of it is checked.
const SHORTEST_COPY: u64 = 5 * 1024 * 1024;

/// Ends the decision early, with a reason to merge here, or with a failure.
enum Stop {
    Here(WhyNotOnServer),
    Failed(Error),
}

impl From<WhyNotOnServer> for Stop {
    fn from(reason: WhyNotOnServer) -> Self {
        Stop::Here(reason)
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Stop::Failed(error)
    }
}

/// Leaves a merge to the server, if that is possible.
pub(super) async fn leave_to_server(plan: &mut RunPlan) -> Result<()> {
    let asked = plan.options.on_server;
    let refused = |reason| Err(UsageError::NotOnServer { reason }.into());
    let copies = match (&plan.output, &plan.outputs) {
        _ if asked == OnServer::Never => return Ok(()),
        (Output::File(location), _) if !plan.output.is_written_straight() => {
            plan.input.store.copies_to(&location.store)
        }
        _ => false,
    };
    if !copies {
        return match asked {
            OnServer::Always => refused(WhyNotOnServer::NotBeside),
            _ => Ok(()),
        };
    }
    match decide(plan).await {
        Ok(merge) => plan.way = Way::CopyOnServer(merge),
        Err(Stop::Failed(error)) => return Err(error),
        Err(Stop::Here(reason)) if asked == OnServer::Always => return refused(reason),
        Err(Stop::Here(reason)) if reason.is_worth_telling() => {
            plan.why = Why::NotOnServer { here: Box::new(plan.why.clone()), reason };
        }
        Err(Stop::Here(_)) => {}
    }
    Ok(())
}

/// How the server would merge; `plan` is the way to do it here.
async fn decide(plan: &RunPlan) -> Result<ServerMerge, Stop> {
    let input = &plan.input;
    if let Some(reason) = why_rows_are_needed(plan) {
        return Err(reason.into());
    }
    let mut magic = None;
    let (text, spans) = match input.format {
        Format::Csv => {
            let text = text_pieces(input, &look_at_ends(input).await?);
            let spans = text_spans(input, &text);
            (text, spans)
        }
        Format::Parquet => {
            let pieces = row_group_pieces(input, 0..input.parts.len());
            magic = magic_of(input, &pieces).await?;
            (Vec::new(), row_group_spans(input, pieces, magic))
        }
    };
    let Some((limits, totals)) = Limits::for_spans(&spans) else {
        return Err(WhyNotOnServer::TooManyPieces.into());
    };
    let bytes: u64 = spans.iter().map(Span::len).sum();
    let is_worth_it = totals.copies > 0 && totals.sent_bytes <= bytes / 2;
    if plan.options.on_server == OnServer::Auto && !is_worth_it {
        return Err(WhyNotOnServer::NotWorthIt.into());
    }
    Ok(ServerMerge { limits, totals, text, magic })
}

/// The option or part that requires every row.
fn why_rows_are_needed(plan: &RunPlan) -> Option<WhyNotOnServer> {
    match &plan.way {
        Way::CopyBytes if plan.compression != Compression::None => {
            return Some(WhyNotOnServer::OutputIsCompressed);
        }
        Way::CopyBytes if plan.options.select.expect_rows.is_some() => {
            return Some(WhyNotOnServer::CountsRows);
        }
        Way::CopyBytes | Way::CopyRowGroups if plan.options.verify => {
            return Some(WhyNotOnServer::ReadsRows);
        }
        Way::CopyBytes | Way::CopyRowGroups => {}
        _ => return Some(WhyNotOnServer::Transcodes),
    }
    let wrapped = plan
        .input
        .parts
        .iter()
        .find(|part| part.csv_head().is_some_and(|head| head.wrapping != Wrapping::Plain));
    wrapped.map(|part| WhyNotOnServer::PartIsCompressed { part: part.object.file_name().to_owned() })
}

/// Checks the first and the last row of every part that may be copied unread. Returns for each of those whether its
/// last line lacks its end.
async fn look_at_ends(input: &Input) -> Result<Vec<Option<bool>>, Stop> {
    stream::iter(0..input.parts.len())
        .map(|index| async move {
            let part = &input.parts[index];
            match &part.contents {
                Contents::Csv { head, layout } if is_copied(part, head) => {
                    look_at_end(input, part, head, layout).await.map(Some)
                }
                _ => Ok(None),
            }
        })
        .buffered(CONCURRENT_TAILS)
        .try_collect()
        .await
}

/// Whether a part's rows are left to the server.
fn is_copied(part: &PlannedPart, head: &CsvHead) -> bool {
    !head.is_header_only && part.object.size - head.body >= SHORTEST_COPY
}

async fn look_at_end(
    input: &Input,
    part: &PlannedPart,
    head: &CsvHead,
    layout: &Layout,
) -> Result<bool, Stop> {
    let name = || part.object.file_name().to_owned();
    if head.first_row != Some(layout.header.len()) {
        return Err(WhyNotOnServer::FirstRow { part: name() }.into());
    }
    let size = part.object.size;
    for bytes in [TAIL_BYTES, LONG_TAIL_BYTES] {
        let tail = input.store.read(&part.object, size - bytes.min(size - head.body)..size).await?;
        if let Some(lacks_end) = last_row(&tail, head.line_end.unwrap_or(LineEnd::Lf), layout) {
            return Ok(lacks_end);
        }
    }
    Err(WhyNotOnServer::LastRow { part: name() }.into())
}

/// Whether a text that ends in a whole row lacks the line end after it; `None` if that may not be a whole row.
fn last_row(tail: &[u8], line_end: LineEnd, layout: &Layout) -> Option<bool> {
    let ended = tail.strip_suffix(line_end.bytes());
    let text = ended.unwrap_or(tail);
    // The rest of another line end, or an empty line.
    if matches!(text.last(), None | Some(b'\n' | b'\r')) {
        return None;
    }
    let start = memchr::memrchr2(b'\n', b'\r', text)? + 1;
    // The previous line ends like all others.
    if !text[..start].ends_with(line_end.bytes())
        || (line_end == LineEnd::Lf && text[..start].ends_with(b"\r\n"))
    {
        return None;
    }
    let row = &text[start..];
    let quotes = memchr::memchr_iter(b'"', row).count();
    let counted = count_rows(row, layout, &mut Vec::new());
    (quotes.is_multiple_of(2) && counted.is_ok_and(|counted| counted.rows == 1)).then_some(ended.is_none())
}

fn text_pieces(input: &Input, lacks_end: &[Option<bool>]) -> Vec<TextOnServer> {
    let header = input.header();
    let line_end = Bytes::from_static(input.line_end().bytes());
    let mut pieces = Vec::with_capacity(input.parts.len() + 1);
    let mut is_first = true;
    for (part, planned) in input.parts.iter().enumerate() {
        let Some(head) = planned.csv_head().filter(|head| !head.is_header_only) else { continue };
        let mut start = head.body;
        let copied = lacks_end[part];
        if std::mem::take(&mut is_first) {
            // If a part begins with exactly this header, copying it saves sending a few bytes, which would require
            // mebibytes more.
            let is_same = copied.is_some()
                && head.has_header
                && head.body == header.len() as u64
                && header.starts_with(&head.first_line)
                && head.line_end == Some(input.line_end());
            if is_same {
                start = 0;
            } else if !header.is_empty() {
                pieces.push(TextOnServer::Ours(header.clone().into()));
            }
        }
        let Some(lacks_end) = copied else {
            pieces.push(TextOnServer::Read { part });
            continue;
        };
        pieces.push(TextOnServer::Copied { part, range: start..planned.object.size });
        if lacks_end {
            pieces.push(TextOnServer::Ours(line_end.clone()));
        }
    }
    if is_first && !header.is_empty() {
        pieces.push(TextOnServer::Ours(header.into()));
    }
    pieces
}

fn text_spans(input: &Input, pieces: &[TextOnServer]) -> Vec<Span<u64>> {
    let span = |piece: &TextOnServer| match piece {
        TextOnServer::Ours(bytes) => Span::Ours(bytes.len() as u64),
        TextOnServer::Copied { part, range } => Span::Source(*part, range.clone()),
        TextOnServer::Read { part } => {
            let planned = &input.parts[*part];
            Span::Ours(planned.object.size - planned.csv_head().map_or(0, |head| head.body))
        }
    };
    pieces.iter().map(span).collect()
}

/// The sources of a Parquet output's bytes; the sizes of row groups yet to be encoded are estimated.
fn row_group_spans(input: &Input, pieces: Vec<RowGroupPiece>, magic: Option<usize>) -> Vec<Span<u64>> {
    let length = MAGIC.len() as u64;
    let mut spans = vec![magic.map_or(Span::Ours(length), |part| Span::Source(part, 0..length))];
    let mut chunks = 0;
    let group = |part: usize, row_group: usize| {
        input.parts[part].parquet().map(|metadata| metadata.row_group(row_group).clone())
    };
    for piece in pieces {
        match piece {
            RowGroupPiece::Copy { part, row_group } => {
                let Some(group) = group(part, row_group) else { continue };
                chunks += group.num_columns() as u64;
                spans.extend(chunk_ranges(&group).map(|range| Span::Source(part, range)));
            }
            RowGroupPiece::Reencode(groups) => {
                let groups = groups.into_iter().filter_map(|(part, row_group)| group(part, row_group));
                let bytes: i64 = groups.map(|group| group.compressed_size().max(0)).sum();
                spans.push(Span::Ours(bytes.unsigned_abs()));
                chunks += input.schema.fields().len() as u64;
            }
        }
    }
    spans.push(Span::Ours(chunks * FOOTER_BYTES));
    spans
}

/// The part that has the first bytes of a Parquet file right before the first copied range. They are read, because so
/// far only the part's last bytes are known.
async fn magic_of(input: &Input, pieces: &[RowGroupPiece]) -> Result<Option<usize>> {
    let Some(RowGroupPiece::Copy { part, row_group: 0 }) = pieces.first() else { return Ok(None) };
    let first = input.store.read(&input.parts[*part].object, 0..MAGIC.len() as u64).await?;
    Ok((first == MAGIC[..]).then_some(*part))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Quotes;

    fn looked_at(tail: &str, line_end: LineEnd) -> Option<bool> {
        let header = ["a", "b"].map(str::to_owned).into();
        let layout =
            Layout { header, has_header: true, quotes: Quotes::Doubled, fields: vec![Some(0), Some(1)] };
        last_row(tail.as_bytes(), line_end, &layout)
    }

    #[test]
    fn a_whole_last_row_is_told_from_anything_else() {
        use LineEnd::{Cr, CrLf, Lf};
        assert_eq!(looked_at("3,4\n1,2\n", Lf), Some(false));
        assert_eq!(looked_at("3,4\n1,2", Lf), Some(true));
        assert_eq!(looked_at("3,4\n1,\"2\"\n", Lf), Some(false));
        assert_eq!(looked_at("3,4\r\n1,2\r\n", CrLf), Some(false));
        assert_eq!(looked_at("3,4\r\n1,2", CrLf), Some(true));
        assert_eq!(looked_at("3,4\r1,2\r", Cr), Some(false));
        for (tail, line_end) in [
            ("3,4\n1\n", Lf),
            ("3,4\n1,2,3\n", Lf),
            ("3,4\n1,2\n\n", Lf),
            ("3,4\n1,2\r\n", Lf),
            ("3,4\r\n1,2\n", Lf),
            ("3,4\n1,2\r\n", CrLf),
            ("3,4\r\n1,2\n", CrLf),
            ("3,4\r\n1,2\r", CrLf),
            ("3,\"x\n1,2\"\n", Lf),
            ("3,4\n1,\"2\n", Lf),
            ("one line that goes on and on, and on", Lf),
            ("\n", Lf),
            ("", Lf),
        ] {
            assert_eq!(looked_at(tail, line_end), None, "{tail:?}");
        }
    }
}
