//! CSV text to a `RecordBatch`: takes whole records, gives typed columns; a bad record is an error that names line,
//! column, value and remedy.
//!
//! Two ways lead to the same answer. The fast one finds every delimiter of a segment first and then reads column by
//! column; it takes segments without quotes whose rows all have the header's number of fields. Whatever it does not
//! understand, an error too, is left to the general one, [`Fields`], record by record.

mod column;
mod fields;

pub(crate) use column::CellType;
pub(crate) use fields::{FieldEnd, Fields, whole_records};

use crate::error::{DataError, Error, Result};
use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use column::Column;
use memchr::{memchr, memchr_iter, memchr2_iter};
use std::sync::Arc;

/// How the cells of one part become columns.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    /// The names of the header, for counting fields and for errors.
    pub(crate) header: Arc<[String]>,
    /// For each column of the output the field it is read from; `None` where the part lacks it.
    pub(crate) fields: Vec<Option<usize>>,
}

/// What every segment of a run is read by.
#[derive(Debug)]
pub(crate) struct Typing {
    pub(crate) schema: SchemaRef,
    pub(crate) types: Vec<CellType>,
    /// Texts that mean null, besides the empty cell.
    pub(crate) nulls: Vec<Vec<u8>>,
    /// How many columns at the schema's end are not read but say where a row came from.
    pub(crate) constants: usize,
}

/// Reads segments into one batch.
pub(crate) struct Decoder<'a> {
    typing: &'a Typing,
    columns: Vec<Column>,
    rows: usize,
    /// Positions of delimiters and line ends, reused from segment to segment.
    ends: Vec<u32>,
}

/// An error in a segment: where in it, counted from the segment's start.
#[derive(Debug)]
pub(crate) struct SegmentError {
    /// Line ends before the record.
    pub(crate) lines: u64,
    pub(crate) error: DataError,
}

impl<'a> Decoder<'a> {
    pub(crate) fn new(typing: &'a Typing) -> Self {
        let columns = typing.types.iter().map(|cell_type| Column::new(*cell_type)).collect();
        Decoder { typing, columns, rows: 0, ends: Vec::new() }
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Adds the records of a segment, which starts and ends with a whole record; the last line end may be missing.
    /// `constants` are the cells of the columns that say where a row came from.
    pub(crate) fn append(
        &mut self,
        segment: &[u8],
        layout: &Layout,
        constants: &[Option<String>],
    ) -> Result<(), SegmentError> {
        let rows = match self.append_fast(segment, layout) {
            Some(rows) => rows,
            None => {
                // Columns may differ in length after a half-done fast pass.
                for column in &mut self.columns {
                    column.truncate(self.rows);
                }
                self.append_general(segment, layout)?
            }
        };
        self.rows += rows;
        let first = self.columns.len() - self.typing.constants;
        for (column, constant) in self.columns[first..].iter_mut().zip(constants) {
            while column.len() < self.rows {
                match constant {
                    Some(text) => column
                        .push(text.as_bytes())
                        .map_err(|problem| SegmentError { lines: 0, error: Error::data("", problem) })?,
                    None => column.push_null(),
                }
            }
        }
        Ok(())
    }

    /// Takes a segment without quotes, all rows of which are as long as the header; else `None`, and columns may
    /// have grown unevenly.
    fn append_fast(&mut self, segment: &[u8], layout: &Layout) -> Option<usize> {
        let width = layout.header.len();
        let Regular { rows, trim } = regular(segment, width, &mut self.ends)?;
        std::str::from_utf8(segment).ok()?;
        let reads = layout.fields.iter().zip(&self.typing.types).zip(&mut self.columns);
        for ((field, cell_type), column) in reads {
            let Some(field) = *field else {
                (0..rows).for_each(|_| column.push_null());
                continue;
            };
            let trim = if field + 1 == width { trim } else { 0 };
            let mut at = field;
            for _ in 0..rows {
                let start = if at == 0 { 0 } else { self.ends[at - 1] as usize + 1 };
                let cell = &segment[start..self.ends[at] as usize - trim];
                if self.typing.is_null(cell, *cell_type) {
                    column.push_null();
                } else {
                    column.push(cell).ok()?;
                }
                at += width;
            }
        }
        Some(rows)
    }

    fn append_general(&mut self, segment: &[u8], layout: &Layout) -> Result<usize, SegmentError> {
        let width = layout.header.len();
        let mut column_of: Vec<Option<usize>> = vec![None; width];
        for (column, field) in layout.fields.iter().enumerate() {
            if let Some(field) = field {
                column_of[*field] = Some(column);
            }
        }
        let (mut rows, mut position, mut record) = (0, 0, 0);
        for field in Fields::new(segment) {
            if position == 0 {
                record = field.start;
            }
            let failed = |error| SegmentError { lines: lines(&segment[..record]), error };
            if field.end == FieldEnd::OpenQuote {
                let name = layout.header.get(position).map_or("", String::as_str);
                return Err(failed(open_quote(name, &field.text())));
            }
            if let Some(Some(column)) = column_of.get(position) {
                self.push_cell(*column, &field).map_err(failed)?;
            }
            position += 1;
            if field.end != FieldEnd::Delimiter {
                if position != width {
                    return Err(failed(wrong_width(position, width)));
                }
                rows += 1;
                position = 0;
            }
        }
        for (column, field) in self.columns.iter_mut().zip(&layout.fields) {
            if field.is_none() {
                (0..rows).for_each(|_| column.push_null());
            }
        }
        Ok(rows)
    }

    fn push_cell(&mut self, column: usize, field: &fields::Field<'_>) -> Result<(), DataError> {
        let cell_type = self.typing.types[column];
        let text = field.text();
        // Quotes make an empty cell the empty string; a text that means null means it in quotes too.
        if self.typing.is_null(&text, cell_type) && !(field.is_quoted && text.is_empty()) {
            self.columns[column].push_null();
            return Ok(());
        }
        let problem = match std::str::from_utf8(&text) {
            Ok(_) => self.columns[column].push(&text).err(),
            Err(_) => Some("invalid UTF-8"),
        };
        match problem {
            None => Ok(()),
            Some(problem) => {
                Err(bad_cell(problem, self.typing.schema.field(column).name(), &text, cell_type))
            }
        }
    }

    pub(crate) fn finish(self) -> Result<RecordBatch> {
        let columns = self.columns.into_iter().map(Column::finish).collect::<Result<Vec<ArrayRef>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        RecordBatch::try_new_with_options(Arc::clone(&self.typing.schema), columns, &options)
            .map_err(|error| Error::Internal(format!("columns that do not fit the schema: {error}")))
    }
}

impl Typing {
    #[inline]
    fn is_null(&self, cell: &[u8], cell_type: CellType) -> bool {
        cell.is_empty()
            || (cell_type.is_numeric() && cell == b"not defined")
            || (!self.nulls.is_empty() && self.nulls.iter().any(|null| null == cell))
    }
}

/// Counts the rows of a segment as they would be decoded, without decoding them: every row must have `width` fields,
/// no quote may stay open. `names` is for errors.
pub(crate) fn count_rows(segment: &[u8], names: &[String], ends: &mut Vec<u32>) -> Result<u64, SegmentError> {
    let width = names.len();
    if let Some(regular) = regular(segment, width, ends) {
        return Ok(regular.rows as u64);
    }
    let (mut rows, mut position, mut record) = (0, 0, 0);
    for field in Fields::new(segment) {
        if position == 0 {
            record = field.start;
        }
        let failed = |error| SegmentError { lines: lines(&segment[..record]), error };
        if field.end == FieldEnd::OpenQuote {
            return Err(failed(open_quote(names.get(position).map_or("", String::as_str), &field.text())));
        }
        position += 1;
        if field.end != FieldEnd::Delimiter {
            if position != width {
                return Err(failed(wrong_width(position, width)));
            }
            rows += 1;
            position = 0;
        }
    }
    Ok(rows)
}

/// The number of line ends in a text, as a line number counts them.
pub(crate) fn lines(bytes: &[u8]) -> u64 {
    memchr_iter(b'\n', bytes).count() as u64
}

/// Where every comma and line end stands; the text's end counts as a line end.
fn index(segment: &[u8], ends: &mut Vec<u32>) {
    ends.clear();
    ends.extend(memchr2_iter(b',', b'\n', segment).map(|at| at as u32));
    if segment.last().is_some_and(|byte| *byte != b'\n') {
        ends.push(segment.len() as u32);
    }
}

/// A segment in which every delimiter is what it seems.
struct Regular {
    rows: usize,
    /// Bytes of each row's last field that belong to its line end: one where lines end with `\r\n`.
    trim: usize,
}

/// Indexes a segment without quotes that is nothing but rows of `width` fields, with one kind of line end; `None`
/// for any other.
fn regular(segment: &[u8], width: usize, ends: &mut Vec<u32>) -> Option<Regular> {
    // Positions are kept in 32 bits; a lone column cannot tell an empty cell from an empty line, which is no row.
    if segment.len() >= u32::MAX as usize || width < 2 || memchr(b'"', segment).is_some() {
        return None;
    }
    index(segment, ends);
    if !ends.len().is_multiple_of(width) {
        return None;
    }
    let rows = ends.len() / width;
    let is_line_end = |end: u32| segment.get(end as usize).is_none_or(|byte| *byte == b'\n');
    let fits = ends.chunks_exact(width).all(|row| {
        let (last, others) = row.split_last().unwrap_or((&0, &[]));
        is_line_end(*last) && !others.iter().any(|end| is_line_end(*end))
    });
    if !fits {
        return None;
    }
    match memchr_iter(b'\r', segment).count() {
        0 => Some(Regular { rows, trim: 0 }),
        returns if returns == rows && ends.chunks_exact(width).all(|row| ends_with_return(segment, row)) => {
            Some(Regular { rows, trim: 1 })
        }
        // A bare carriage return ends a record too.
        _ => None,
    }
}

fn ends_with_return(segment: &[u8], row: &[u32]) -> bool {
    let last = row.last().map_or(0, |end| *end as usize);
    last > 0 && segment[last - 1] == b'\r' && segment.get(last) == Some(&b'\n')
}

fn open_quote(column: &str, text: &[u8]) -> DataError {
    Error::data("", "a quote is never closed")
        .column(column)
        .value(text)
        .remedy("the part may be cut short; fetch or export it again")
}

fn wrong_width(found: usize, expected: usize) -> DataError {
    let fields = |n: usize| if n == 1 { "1 field".to_owned() } else { format!("{n} fields") };
    Error::data("", format!("the row has {}, the header has {expected}", fields(found)))
        .remedy("the part may be cut short; fetch or export it again")
}

fn bad_cell(problem: &str, column: &str, text: &[u8], cell_type: CellType) -> DataError {
    let error = Error::data("", problem).column(column).value(text);
    if cell_type == CellType::String {
        error
    } else {
        error.remedy(format!("--type {column}=string keeps the text, --null TEXT reads a text as null"))
    }
}

/// Reads cells that are held as text already, for a column that shall have another type.
pub(crate) fn cells_to_array(
    cells: &arrow::array::StringArray,
    cell_type: CellType,
    name: &str,
    url: &str,
) -> Result<ArrayRef> {
    let mut column = Column::new(cell_type);
    for cell in cells {
        match cell {
            None => column.push_null(),
            Some("not defined") if cell_type.is_numeric() => column.push_null(),
            Some(text) => column.push(text.as_bytes()).map_err(|problem| {
                let mut error = bad_cell(problem, name, text.as_bytes(), cell_type);
                url.clone_into(&mut error.file);
                error
            })?,
        }
    }
    column.finish()
}
