//! Finds where records really begin, by reading a part from its start.

use crate::codec::csv::{Fields, lines, whole_records};
use crate::model::{Error, MAX_RECORD_BYTES, Result, TRANSFER_BYTES};
use crate::source::{LineEnd, PlannedPart};
use crate::store::Store;

use bytes::Bytes;

/// A place between two records of a CSV part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Between {
    pub(super) position: u64,
    /// Line ends before it.
    pub(super) lines: u64,
}

/// A position in a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    /// A record is known to begin here.
    Known(u64),
    /// A record seems to begin here.
    About(u64),
}

impl At {
    fn position(self) -> u64 {
        match self {
            At::Known(position) | At::About(position) => position,
        }
    }
}

/// The first place between two records from each of these positions on, which ascend.
pub(super) async fn records_at(store: &Store, part: &PlannedPart, wanted: &[At]) -> Result<Vec<Between>> {
    let Some((head, range)) = part.text_to_cut() else {
        return Err(Error::Internal("a part that cannot be cut was cut".into()));
    };
    // Where a CR alone ends some records of a part whose lines end with LF, nobody cuts.
    let last_byte = head.line_end.unwrap_or(LineEnd::Lf).last_byte();
    let mut begin = Between { position: range.start, lines: head.header_lines };
    let mut found = Vec::with_capacity(wanted.len());
    let mut text: Vec<u8> = Vec::new();
    let mut read = range.start;
    loop {
        let whole = match read == range.end {
            true => text.len(),
            false => last_end(&text[..whole_records(&text)], last_byte),
        };
        while let Some(at) =
            wanted.get(found.len()).filter(|at| at.position() <= begin.position + whole as u64)
        {
            let within = at.position().saturating_sub(begin.position) as usize;
            let within = match at {
                At::Known(_) => within,
                At::About(_) => first_end(&text[..whole], within, last_byte),
            };
            found.push(Between {
                position: begin.position + within as u64,
                lines: begin.lines + lines(&text[..within]),
            });
        }
        if found.len() == wanted.len() {
            return Ok(found);
        }
        begin =
            Between { position: begin.position + whole as u64, lines: begin.lines + lines(&text[..whole]) };
        text.drain(..whole);
        if read == range.end || text.len() > MAX_RECORD_BYTES {
            // Beyond the end there is only the end.
            found.resize(wanted.len(), Between { position: range.end, lines: begin.lines });
            return Ok(found);
        }
        let until = range.end.min(read + TRANSFER_BYTES as u64);
        let bytes: Bytes = match &head.whole {
            Some(whole) => whole.slice(read as usize..until as usize),
            None => store.read(&part.object, read..until).await?,
        };
        text.extend_from_slice(&bytes);
        read = until;
    }
}

/// The end of the first record that does not end before a position, and ends with this byte; the start, for 0.
fn first_end(records: &[u8], at: usize, last_byte: u8) -> usize {
    match at {
        0 => 0,
        _ => ends(records, last_byte).find(|end| *end >= at).unwrap_or(records.len()),
    }
}

/// The end of the last record that ends with this byte.
fn last_end(records: &[u8], last_byte: u8) -> usize {
    match records.last() {
        Some(byte) if *byte == last_byte => records.len(),
        _ => ends(records, last_byte).last().unwrap_or(0),
    }
}

/// Where records end that end with this byte.
fn ends(records: &[u8], last_byte: u8) -> impl Iterator<Item = usize> {
    let mut fields = Fields::new(records);
    let ends = std::iter::from_fn(move || fields.skip_record().map(|_| fields.position()));
    ends.filter(move |end| records[end - 1] == last_byte)
}
