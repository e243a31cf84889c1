//! Parses the start of a CSV part: takes its first text, returns column names, line ends, and what the first values
//! look like. Reads no files.

use super::looks_like::other_delimiter;
use super::unwrap::Wrapping;
use crate::codec::csv::{FieldEnd, Fields, escaped_quote, lines, whole_records};
use crate::codec::value::{Zone, double, time, zone_of};
use crate::model::{DataErrorKind, Error, HeaderMode, Options, Quotes, Remedy, Result};
use crate::store::Object;

use bytes::Bytes;
use std::sync::Arc;

/// A part of up to this size is read whole.
pub(super) const HEAD_BYTES: u64 = 64 * 1024;

/// What is known about CSV parts before any of them is read.
#[derive(Debug, Clone)]
pub(crate) struct CsvReading {
    pub(crate) header: HeaderMode,
    /// Column names, if the parts have no header; without these, the columns are numbered.
    pub(crate) columns: Vec<String>,
    pub(crate) quotes: Quotes,
    /// The user said whether the parts have a header, so they are CSV whatever their names say.
    pub(crate) is_told: bool,
    /// The text is an output, so it is CSV whatever it looks like.
    pub(crate) is_output: bool,
}

impl CsvReading {
    pub(crate) fn new(options: &Options) -> Self {
        CsvReading {
            header: options.header_mode(),
            columns: options.columns.clone(),
            quotes: options.select.pattern.quotes(),
            is_told: options.header.is_some() || !options.columns.is_empty(),
            is_output: false,
        }
    }

    /// For an output: with a header, or with these columns and no header.
    pub(crate) fn of_output(columns: Option<Vec<String>>) -> Self {
        CsvReading {
            header: if columns.is_some() { HeaderMode::No } else { HeaderMode::Yes },
            columns: columns.unwrap_or_default(),
            quotes: Quotes::Doubled,
            is_told: true,
            is_output: true,
        }
    }
}

/// How the lines of a CSV part end, as its first line shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LineEnd {
    Lf,
    CrLf,
    Cr,
}

impl LineEnd {
    pub(crate) fn bytes(self) -> &'static [u8] {
        match self {
            LineEnd::Lf => b"\n",
            LineEnd::CrLf => b"\r\n",
            LineEnd::Cr => b"\r",
        }
    }

    /// The byte with which a line is over.
    pub(crate) fn last_byte(self) -> u8 {
        match self {
            LineEnd::Lf | LineEnd::CrLf => b'\n',
            LineEnd::Cr => b'\r',
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            LineEnd::Lf => "LF",
            LineEnd::CrLf => "CRLF",
            LineEnd::Cr => "CR",
        }
    }
}

/// The start of a CSV part.
#[derive(Debug, Clone)]
pub(crate) struct CsvHead {
    pub(crate) wrapping: Wrapping,
    /// The names of the columns.
    pub(crate) header: Arc<[String]>,
    /// Whether the first line holds the names; otherwise it is a row.
    pub(crate) has_header: bool,
    /// The first line as it is, without byte order mark and line end.
    pub(crate) first_line: Bytes,
    /// The position of the first row in the text.
    pub(crate) body: u64,
    /// The position after the last row that is wanted, if it is not the end of the text.
    pub(crate) end: Option<u64>,
    /// The number of line ends before it.
    pub(crate) header_lines: u64,
    /// `None` if the text is one line without an end.
    pub(crate) line_end: Option<LineEnd>,
    /// What the first values of each column look like.
    pub(crate) seen: Vec<Seen>,
    /// The kind of values below the first line, by column, unless the parts are known to have headers.
    pub(crate) values: Vec<Values>,
    /// The likely delimiter, if there is only one column.
    pub(crate) other_delimiter: Option<&'static str>,
    /// The number of fields of the first row, if it was read to its end.
    pub(crate) first_row: Option<usize>,
    /// The part is known to hold no rows.
    pub(crate) is_header_only: bool,
    /// The whole part, if it is small.
    pub(crate) whole: Option<Bytes>,
}

/// The first values of a column, read as points in time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The zone of the first timestamp.
    pub(crate) zone: Option<Zone>,
    /// `Aggregate` occurs, as in an explainability export.
    pub(crate) aggregate: bool,
}

/// The kind of a column's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Values {
    /// There are none.
    None,
    /// Numbers, dates and booleans only.
    Typed,
    /// Others.
    Other,
}

/// Whether a cell is a number, a date or a boolean, so that it cannot be a column's name.
pub(crate) fn is_value(cell: &[u8]) -> bool {
    double::parse(cell).is_some()
        || time::parse_date(cell).is_some()
        || zone_of(cell).is_some()
        || cell.eq_ignore_ascii_case(b"true")
        || cell.eq_ignore_ascii_case(b"false")
}

/// Takes what it can from the first text; `None` if the first line is not complete in it.
pub(super) fn parse_head(
    object: &Object,
    wrapping: Wrapping,
    text: &Bytes,
    is_whole: bool,
    reading: &CsvReading,
) -> Result<Option<CsvHead>> {
    let mark = if text.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    let Some(first) = first_line(object, &text[mark..], is_whole, reading)? else { return Ok(None) };
    let has_header = reading.header != HeaderMode::No;
    let line = Bytes::copy_from_slice(&text[mark + first.start..mark + first.end - first.ended]);
    let (body, header_lines) = match has_header {
        true => (mark + first.end, lines(&text[mark..mark + first.end])),
        false => (mark, 0),
    };
    let width = first.fields.len();
    let rest = &text[body..];
    let sample = if is_whole { rest } else { &rest[..whole_records(rest)] };
    let header: Arc<[String]> = match has_header {
        true => first.fields.into(),
        false if reading.columns.is_empty() => (1..=width).map(|n| format!("column_{n}")).collect(),
        false => reading.columns.as_slice().into(),
    };
    let is_small = is_whole && wrapping == Wrapping::Plain && text.len() as u64 <= HEAD_BYTES;
    let is_header_only = has_header && is_whole && Fields::new(rest).next().is_none();
    Ok(Some(CsvHead {
        wrapping,
        has_header,
        body: body as u64,
        end: None,
        header_lines,
        line_end: first.line_end,
        seen: look_at_times(sample, &header),
        values: match reading.header {
            HeaderMode::Auto => look_at_values(sample, width, is_header_only),
            HeaderMode::No if !reading.is_output => {
                let below = sample.get(first.end..).unwrap_or_default();
                look_at_values(below, width, is_whole && below.is_empty())
            }
            _ => Vec::new(),
        },
        other_delimiter: if width == 1 && !reading.is_output {
            delimiter_of(text, mark, is_whole)
        } else {
            None
        },
        first_row: if has_header { fields_of_first_row(rest, is_whole) } else { Some(width) },
        is_header_only,
        whole: is_small.then(|| text.clone()),
        // A copy, because a slice would keep the whole head of every part alive as long as the plan.
        first_line: line,
        header,
    }))
}

/// The first record of a text.
struct FirstLine {
    fields: Vec<String>,
    /// Where it starts, after empty lines.
    start: usize,
    /// Where it ends, after its line end.
    end: usize,
    line_end: Option<LineEnd>,
    /// Bytes of the line end.
    ended: usize,
}

fn first_line(
    object: &Object,
    text: &[u8],
    is_whole: bool,
    reading: &CsvReading,
) -> Result<Option<FirstLine>> {
    let is_named = reading.header != HeaderMode::No;
    let refused = |kind, problem: &str| Error::data(kind, &object.url, problem).line(1);
    let mut fields = Fields::new(text);
    let mut found: Vec<String> = Vec::new();
    let mut start = None;
    let end = loop {
        let Some(field) = fields.next() else { return Ok(None) };
        start.get_or_insert(field.start);
        if reading.quotes == Quotes::MayBeEscaped
            && let Some(text) = field.with_escaped_quote()
        {
            return Err(escaped_quote(&object.url, text).line(1).into());
        }
        // If this is a row, it is read later, and its text may be anything.
        let name = match is_named {
            false => String::new(),
            true => String::from_utf8(field.text().into_owned()).map_err(|error| {
                refused(DataErrorKind::NotUtf8, "the header is not text: invalid UTF-8")
                    .value(error.as_bytes())
                    .remedy(Remedy::NamePartFiles)
            })?,
        };
        found.push(name);
        match field.end {
            FieldEnd::Delimiter => {}
            FieldEnd::Record => break fields.position(),
            FieldEnd::Input | FieldEnd::OpenQuote if !is_whole => return Ok(None),
            FieldEnd::Input => break fields.position(),
            FieldEnd::OpenQuote if is_named => {
                let problem = "a quote in the header is never closed";
                return Err(refused(DataErrorKind::OpenQuote, problem).remedy(Remedy::FetchCutShort).into());
            }
            FieldEnd::OpenQuote => break fields.position(),
        }
    };
    // A carriage return as the last byte read may be the first half of a line end.
    if !is_whole && end == text.len() {
        return Ok(None);
    }
    let start = start.unwrap_or(0);
    let line_end = match &text[start..end] {
        [.., b'\r', b'\n'] => Some(LineEnd::CrLf),
        [.., b'\n'] => Some(LineEnd::Lf),
        [.., b'\r'] => Some(LineEnd::Cr),
        _ => None,
    };
    let ended = line_end.map_or(0, |end| end.bytes().len());
    Ok(Some(FirstLine { fields: found, start, end, line_end, ended }))
}

/// The delimiter of a text that has only one column if commas delimit it.
fn delimiter_of(text: &[u8], mark: usize, is_whole: bool) -> Option<&'static str> {
    let sample = &text[mark..];
    let is_all = is_whole && sample.len() as u64 <= HEAD_BYTES;
    let sample = &sample[..sample.len().min(HEAD_BYTES as usize)];
    other_delimiter(if is_all { sample } else { &sample[..whole_records(sample)] })
}

/// The number of fields of the first row, if the text contains its end.
fn fields_of_first_row(text: &[u8], is_whole: bool) -> Option<usize> {
    let mut count = 0;
    for field in Fields::new(text) {
        count += 1;
        match field.end {
            FieldEnd::Delimiter => {}
            FieldEnd::Record => return Some(count),
            FieldEnd::Input if is_whole => return Some(count),
            FieldEnd::Input | FieldEnd::OpenQuote => return None,
        }
    }
    None
}

/// Checks the first values of every column that holds points in time, according to its name.
fn look_at_times(sample: &[u8], header: &[String]) -> Vec<Seen> {
    let mut seen = vec![Seen::default(); header.len()];
    let asked: Vec<bool> = header.iter().map(|name| crate::model::is_time_column(name)).collect();
    if !asked.contains(&true) {
        return seen;
    }
    let mut position = 0;
    for field in Fields::new(sample) {
        if let Some(true) = asked.get(position) {
            let text = field.text();
            let seen = &mut seen[position];
            seen.aggregate |= *text == *b"Aggregate";
            if seen.zone.is_none() {
                seen.zone = zone_of(&text);
            }
        }
        position = if field.end == FieldEnd::Delimiter { position + 1 } else { 0 };
    }
    seen
}

/// The kind of values of each column, in the first rows.
fn look_at_values(sample: &[u8], width: usize, is_header_only: bool) -> Vec<Values> {
    let sample = match sample.len() as u64 {
        length if length <= HEAD_BYTES => sample,
        _ => &sample[..whole_records(&sample[..HEAD_BYTES as usize])],
    };
    // Rows that were not read may hold anything.
    let unseen = if is_header_only { Values::None } else { Values::Other };
    let mut values = vec![if sample.is_empty() { unseen } else { Values::None }; width];
    let mut position = 0;
    for field in Fields::new(sample) {
        if let Some(values) = values.get_mut(position)
            && *values != Values::Other
        {
            *values = if is_value(&field.text()) { Values::Typed } else { Values::Other };
        }
        position = if field.end == FieldEnd::Delimiter { position + 1 } else { 0 };
    }
    values
}
