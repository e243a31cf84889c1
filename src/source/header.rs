//! Decides whether the first line of CSV parts is a header: takes the parts' heads and what the user said, and fails if
//! a row could be mistaken for names.

use super::csv_head::{CsvHead, CsvReading, Values, is_value};
use super::export::Part;
use crate::codec::csv::Fields;
use crate::model::{DataErrorKind, Error, HeaderMode, Remedy, Result, UsageError, Warning};

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Characters of a line or cell that messages show.
const SHOWN_CHARS: usize = 80;

/// A non-empty part, and its head.
pub(crate) type Begun<'a> = (&'a Part, &'a CsvHead);

/// Decides what the first lines are. Warns if that was inferred, or if rows look like headers.
pub(super) fn settle(begun: &[Begun<'_>], reading: &CsvReading) -> Result<Option<Warning>> {
    match reading.header {
        _ if reading.is_output => Ok(None),
        HeaderMode::Auto => infer(begun),
        HeaderMode::Yes if reading.is_told => Ok(None),
        HeaderMode::Yes => refuse_values(begun).map(|()| None),
        HeaderMode::No => refuse_header(begun, reading).map(|()| doubt_rows(begun, reading)),
    }
}

/// Whether the first lines may be treated as headers.
pub(crate) fn first_lines_are_headers(begun: &[Begun<'_>], reading: &CsvReading) -> bool {
    reading.header != HeaderMode::No && settle(begun, reading).is_ok()
}

/// The cell of a line that cannot be a column's name: a blank, a value, several lines, or a repeated text.
pub(super) fn no_name(names: &[String]) -> Option<&str> {
    let mut known = HashSet::with_capacity(names.len());
    let is_name = |name: &str| {
        !name.trim().is_empty() && !name.contains(char::is_control) && !is_value(name.as_bytes())
    };
    names.iter().map(String::as_str).find(|name| !is_name(name) || !known.insert(*name))
}

/// A row is never mistaken for a header by a guess: each first line must hold only names, and either another part
/// begins with the same line, or there is a column in which all values of all parts are of a kind that names cannot be.
/// If only one of the two is true, there is a warning.
fn infer(begun: &[Begun<'_>]) -> Result<Option<Warning>> {
    let mut parts_of: HashMap<&[String], usize> = HashMap::new();
    for (part, head) in begun {
        if let Some(no_name) = no_name(&head.header) {
            return Err(unknown(part, Some(no_name)));
        }
        *parts_of.entry(&head.header).or_default() += 1;
    }
    let alone = begun.iter().find(|(_, head)| parts_of.get(&*head.header) == Some(&1));
    let typed = typed_column(begun).and_then(|at| begun.first()?.1.header.get(at).cloned());
    match (alone, typed) {
        // Rows of text may be equal, and a column may lack its name, so a single reason deserves a warning.
        (None, Some(_)) => Ok(None),
        (None, None) if begun.is_empty() => Ok(None),
        (None, None) => Ok(Some(Warning::HeaderInferred { column: None })),
        (Some(_), column @ Some(_)) => Ok(Some(Warning::HeaderInferred { column })),
        (Some((part, _)), None) => Err(unknown(part, None)),
    }
}

/// The first column in which all parts have only numbers, dates and booleans, and at least one.
fn typed_column(begun: &[Begun<'_>]) -> Option<usize> {
    let width = begun.iter().map(|(_, head)| head.values.len()).min()?;
    (0..width).find(|&at| {
        let mut values = begun.iter().map(|(_, head)| head.values[at]);
        values.clone().all(|values| values != Values::Other) && values.any(|values| values == Values::Typed)
    })
}

fn unknown(part: &Part, no_name: Option<&str>) -> Error {
    let shown = |text: &str| text.chars().take(SHOWN_CHARS).collect();
    UsageError::HeaderUnknown { file: part.object.url.clone(), no_name: no_name.map(shown) }.into()
}

/// If only a preset says that there is a header, a value in the first line means that there is none.
fn refuse_values(begun: &[Begun<'_>]) -> Result<()> {
    for (part, head) in begun {
        if let Some(value) = head.header.iter().find(|name| is_value(name.as_bytes())) {
            let problem = "the first line is not a header, because a number, date or boolean is not a name";
            return Err(Error::data(DataErrorKind::NoHeader, &part.object.url, problem)
                .line(1)
                .value(value.as_bytes())
                .remedy(Remedy::SayWhetherHeader)
                .into());
        }
    }
    Ok(())
}

/// The cells of a first line that is read as a row; `None` if they are not text.
fn cells_of(head: &CsvHead) -> Option<Vec<String>> {
    let cells = Fields::new(&head.first_line).map(|field| String::from_utf8(field.text().into_owned()));
    cells.collect::<Result<_, _>>().ok()
}

/// A first line that equals the given names is not a row.
fn refuse_header(begun: &[Begun<'_>], reading: &CsvReading) -> Result<()> {
    let is_said = |head: &CsvHead| cells_of(head).is_some_and(|cells| cells == reading.columns);
    match begun.iter().find(|(_, head)| is_said(head)) {
        Some((part, _)) => Err(UsageError::ColumnsAreHeader { file: part.object.url.clone() }.into()),
        None => Ok(()),
    }
}

/// The user said that first lines are rows, but they are what [`infer`] would treat as headers: the same line of names
/// in every part, or, if there is only one part, names above a column of values.
fn doubt_rows(begun: &[Begun<'_>], reading: &CsvReading) -> Option<Warning> {
    let [(_, first), others @ ..] = begun else { return None };
    let is_first = |(_, head): &Begun<'_>| head.first_line == first.first_line;
    let is_named = cells_of(first).is_some_and(|cells| no_name(&cells).is_none());
    if !is_named || !others.iter().all(is_first) || (others.is_empty() && typed_column(begun).is_none()) {
        return None;
    }
    let line = String::from_utf8_lossy(&first.first_line);
    Some(Warning::LikelyHeader {
        line: line.chars().take(SHOWN_CHARS).collect(),
        columns_named: !reading.columns.is_empty(),
    })
}

/// Numbered columns are those of the first part, in all parts: a row of another width is found when it is read.
pub(super) fn number_alike(heads: &mut [Option<CsvHead>]) {
    let Some(first) = heads.iter().flatten().next().map(|head| Arc::clone(&head.header)) else { return };
    for head in heads.iter_mut().flatten().filter(|head| !head.has_header) {
        head.header = Arc::clone(&first);
        head.seen.resize(first.len(), Default::default());
    }
}
