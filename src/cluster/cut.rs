//! Cuts the work of a plan into pieces of about the same number of bytes: between parts, between row groups, and within
//! the text of CSV parts.

use super::document::{Piece, Pieces};
use crate::codec::csv::{Fields, Layout, count_rows, whole_records};
use crate::model::{Error, Result, Setting, UsageError};
use crate::plan::{Output, RunPlan};
use crate::source::{Contents, LineEnd, PlannedPart, Share};

use std::ops::Range;

/// S3 has no uploads of more pieces.
const MOST_PIECES: u64 = 10_000;
/// Bytes that are looked at for a line end, at first and at most.
const WINDOW: u64 = 64 * 1024;
const LARGEST_WINDOW: u64 = 4 * 1024 * 1024;

/// What can be given to a piece as a whole, or cut further.
enum Unit {
    /// All of a part.
    Part { bytes: u64 },
    /// A row group.
    Group { index: u64, bytes: u64 },
    /// Text, which can be cut at any record.
    Text(Range<u64>),
}

/// Cuts the work.
pub(super) async fn cut(plan: &RunPlan, pieces: Pieces) -> Result<Vec<Piece>> {
    let parts = &plan.input.parts;
    let total = parts.iter().map(weight).sum::<u64>().max(1);
    let number = match pieces {
        Pieces::Number(number) => number,
        Pieces::Bytes(bytes) => total.div_ceil(bytes.max(1)),
    };
    if number == 0 || number > MOST_PIECES {
        let setting = Setting::Pieces;
        return Err(UsageError::OutOfRange { setting, number, lowest: 1, highest: MOST_PIECES }.into());
    }
    let at_part_ends = matches!(plan.output, Output::Folder(_));
    let mut cut = Cut { total, number, offset: 0, pieces: (0..number).map(|_| Vec::new()).collect() };
    for (index, part) in parts.iter().enumerate() {
        for unit in units(part, at_part_ends) {
            match unit {
                Unit::Part { bytes } => cut.add(index, None, bytes),
                Unit::Group { index: group, bytes } => cut.add(index, Some(group..group + 1), bytes),
                Unit::Text(range) => cut.add_text(plan, index, part, range).await?,
            }
        }
    }
    Ok(cut.into_pieces(parts))
}

/// Bytes of a part that are divided.
fn weight(part: &PlannedPart) -> u64 {
    match (&part.contents, part.text_to_cut()) {
        (_, Some((_, range))) => range.end - range.start,
        (Contents::Parquet { footer, .. }, _) => {
            let metadata = footer.metadata();
            metadata.row_groups().iter().map(|group| group.compressed_size().unsigned_abs()).sum()
        }
        _ => part.object.size,
    }
}

fn units(part: &PlannedPart, at_part_ends: bool) -> Vec<Unit> {
    let whole = vec![Unit::Part { bytes: weight(part) }];
    if at_part_ends {
        return whole;
    }
    match (&part.contents, part.text_to_cut()) {
        (_, Some((head, range))) if !head.is_header_only => vec![Unit::Text(range)],
        (Contents::Parquet { footer, .. }, _) if footer.metadata().num_row_groups() > 1 => {
            let metadata = footer.metadata();
            let bytes = |group: usize| metadata.row_group(group).compressed_size().unsigned_abs();
            (0..metadata.num_row_groups())
                .map(|group| Unit::Group { index: group as u64, bytes: bytes(group) })
                .collect()
        }
        _ => whole,
    }
}

struct Cut {
    total: u64,
    number: u64,
    /// Bytes before the next unit.
    offset: u64,
    pieces: Vec<Vec<Share>>,
}

impl Cut {
    /// The piece that holds a byte.
    fn piece_at(&self, offset: u64) -> u64 {
        let piece = u128::from(offset) * u128::from(self.number) / u128::from(self.total);
        u64::try_from(piece).unwrap_or(u64::MAX).min(self.number - 1)
    }

    /// Where a piece begins.
    fn begin_of(&self, piece: u64) -> u64 {
        let begin = (u128::from(piece) * u128::from(self.total)).div_ceil(u128::from(self.number));
        u64::try_from(begin).unwrap_or(u64::MAX)
    }

    fn push(&mut self, piece: u64, part: usize, range: Option<Range<u64>>) {
        let shares = &mut self.pieces[piece as usize];
        match (shares.last_mut(), &range) {
            // Row groups that follow each other are one share.
            (Some(Share { part: last, range: Some(before) }), Some(range))
                if *last == part && before.end == range.start =>
            {
                before.end = range.end;
            }
            _ => shares.push(Share { part, range }),
        }
    }

    /// Gives a unit to the piece that holds its middle.
    fn add(&mut self, part: usize, range: Option<Range<u64>>, bytes: u64) {
        self.push(self.piece_at(self.offset + bytes / 2), part, range);
        self.offset += bytes;
    }

    /// Cuts text where pieces begin, or near it.
    async fn add_text(
        &mut self,
        plan: &RunPlan,
        part: usize,
        planned: &PlannedPart,
        range: Range<u64>,
    ) -> Result<()> {
        let bytes = range.end - range.start;
        let (mut at, mut piece) = (range.start, self.piece_at(self.offset));
        for following in piece + 1..self.number {
            let next = range.start + (self.begin_of(following) - self.offset);
            if next >= range.end {
                break;
            }
            if next > at
                && let Some(begin) = line_near(plan, planned, next, range.end).await?
                && begin > at
                && begin < range.end
            {
                self.push(piece, part, Some(at..begin));
                (at, piece) = (begin, following);
            }
        }
        let rest = if at == range.start { None } else { Some(at..range.end) };
        self.push(piece, part, rest);
        self.offset += bytes;
        Ok(())
    }

    fn into_pieces(self, parts: &[PlannedPart]) -> Vec<Piece> {
        let pieces = self.pieces.into_iter().filter(|shares| !shares.is_empty());
        let bytes = |share: &Share| match (&share.range, &parts[share.part].contents) {
            (Some(range), Contents::Csv { .. }) => range.end - range.start,
            (Some(range), Contents::Parquet { footer, .. }) => {
                footer.narrowed(range.start as usize..range.end as usize).bytes().unwrap_or(0)
            }
            _ => parts[share.part].object.size,
        };
        pieces.map(|shares| Piece { bytes: shares.iter().map(bytes).sum(), shares }).collect()
    }
}

/// The first position from `at` on where a record seems to begin; `None` if none is found within reach.
async fn line_near(plan: &RunPlan, part: &PlannedPart, at: u64, end: u64) -> Result<Option<u64>> {
    let Contents::Csv { head, layout } = &part.contents else {
        return Err(Error::Internal("text of a part that is not CSV".into()));
    };
    // A record may begin right here, which the byte before it tells.
    let from = at - 1;
    let mut window = WINDOW;
    loop {
        let until = end.min(from + window);
        let text = plan.input.store.read(&part.object, from..until).await?;
        if let Some(begin) = begin_in(&text, head.line_end.unwrap_or(LineEnd::Lf), layout) {
            return Ok(Some(from + begin as u64));
        }
        if until == end || window >= LARGEST_WINDOW {
            return Ok(None);
        }
        window *= 8;
    }
}

/// Where a record seems to begin in a text that may start within quotes: what follows must look like rows.
fn begin_in(text: &[u8], line_end: LineEnd, layout: &Layout) -> Option<usize> {
    let looks_right = |begin: &usize| {
        let rest = &text[*begin..];
        let whole = &rest[..whole_records(rest)];
        !whole.is_empty() && count_rows(whole, layout, &mut Vec::new()).is_ok()
    };
    let outside = memchr::memchr(line_end.last_byte(), text).map(|at| at + 1);
    if let Some(begin) = outside.filter(looks_right) {
        return Some(begin);
    }
    // As if a quoted cell had been open before the text.
    let mut quoted = Vec::with_capacity(text.len() + 1);
    quoted.push(b'"');
    quoted.extend_from_slice(text);
    let mut fields = Fields::new(&quoted);
    let inside = fields.skip_record().map(|_| fields.position().saturating_sub(1));
    inside.filter(|begin| *begin < text.len()).filter(looks_right).or(outside)
}
