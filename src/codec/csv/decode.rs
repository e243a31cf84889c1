//! Decodes CSV text to a `RecordBatch`: takes whole records, returns typed columns. A bad record is an error that names
//! line, column, value and remedy.
//!
//! There are two paths to the same result. The fast one first finds every delimiter of a segment and then reads column
//! by column; it accepts segments without quotes whose rows all have the header's number of fields. Whatever it does
//! not handle, including errors, is left to the general one, [`Fields`], record by record.

use super::column::{Checkpoint, Column, TOO_PRECISE};
use super::fields::{Field, FieldEnd, Fields};
use super::index::{Regular, blocks, regular};
use super::layout::{BlockCells, CellType, Layout, Typing};
use super::simd::{self, Job};
use crate::model::{DataError, DataErrorKind, Error, Quotes, Remedy, Result};

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use memchr::memchr_iter;
use std::sync::Arc;

/// Reads segments into columns, whose memory is reused after [`Self::clear`].
pub(crate) struct Decoder {
    typing: Arc<Typing>,
    columns: Vec<Column>,
    rows: usize,
    /// Positions of delimiters and line ends, reused from segment to segment.
    ends: Vec<u32>,
}

/// An error in a segment, with its position from the segment's start.
#[derive(Debug)]
pub(crate) struct SegmentError {
    /// Line ends before the record.
    pub(crate) lines: u64,
    pub(crate) error: Box<DataError>,
}

impl Decoder {
    pub(crate) fn new(typing: &Arc<Typing>) -> Self {
        let columns = typing.types.iter().map(|cell_type| Column::new(*cell_type)).collect();
        Decoder { typing: Arc::clone(typing), columns, rows: 0, ends: Vec::new() }
    }

    /// Removes all rows.
    pub(crate) fn clear(&mut self) {
        self.rows = 0;
        self.columns.iter_mut().for_each(Column::clear);
    }

    pub(crate) fn columns(&self) -> &[Column] {
        &self.columns
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Adds the records of a segment, which starts and ends with a whole record; the last line end may be missing.
    /// `constants` are the cells of the source columns. Returns the number of lines.
    pub(crate) fn append(
        &mut self,
        segment: &[u8],
        layout: &Layout,
        constants: &[Option<String>],
    ) -> Result<u64, SegmentError> {
        let checkpoints: Vec<Checkpoint> = self.columns.iter().map(Column::checkpoint).collect();
        let (rows, lines) = match self.append_fast(segment, layout) {
            // Only rows, one per line.
            Some(rows) => (rows, rows as u64),
            None => {
                // Columns may differ in length after an incomplete fast pass.
                for (column, checkpoint) in self.columns.iter_mut().zip(checkpoints) {
                    column.go_back(checkpoint);
                }
                (self.append_general(segment, layout)?, lines(segment))
            }
        };
        self.rows += rows;
        let first = self.columns.len() - self.typing.constants;
        for (column, constant) in self.columns[first..].iter_mut().zip(constants) {
            while column.len() < self.rows {
                match constant {
                    Some(text) => column.push(text.as_bytes()).map_err(|problem| SegmentError {
                        lines: 0,
                        error: Box::new(Error::data(DataErrorKind::BadCell, "", problem)),
                    })?,
                    None => column.push_null(),
                }
            }
        }
        Ok(lines)
    }

    /// Takes a segment without quotes whose rows all have as many fields as the header; otherwise `None`, and columns
    /// may have grown unevenly.
    fn append_fast(&mut self, segment: &[u8], layout: &Layout) -> Option<usize> {
        simd::run(Fast { decoder: self, segment, layout })
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
            check_quotes(&field, position, layout).map_err(failed)?;
            if let Some(Some(column)) = column_of.get(position) {
                // A truncated row often ends in half a cell; then its width is the better error.
                self.push_cell(*column, &field).map_err(|bad| {
                    failed(match fields_of_first(&segment[record..]) {
                        found if found == width => bad,
                        found => wrong_width(found, layout),
                    })
                })?;
            }
            position += 1;
            if field.end != FieldEnd::Delimiter {
                if position != width {
                    return Err(failed(wrong_width(position, layout)));
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

    fn push_cell(&mut self, column: usize, field: &Field<'_>) -> Result<(), Box<DataError>> {
        let cell_type = self.typing.types[column];
        let text = field.text();
        // In quotes, an empty cell is the empty string, but a text that means null still does.
        if self.typing.is_null(&text, cell_type) && !(field.is_quoted && text.is_empty()) {
            self.columns[column].push_null();
            return Ok(());
        }
        let problem = match std::str::from_utf8(&text) {
            Ok(_) => self.columns[column].push(&text).err().map(|problem| (DataErrorKind::BadCell, problem)),
            Err(_) => Some((DataErrorKind::NotUtf8, "invalid UTF-8")),
        };
        match problem {
            None => Ok(()),
            Some(problem) => {
                Err(bad_cell(problem, self.typing.schema.field(column).name(), &text, cell_type))
            }
        }
    }

    /// The rows as a batch; leaves none behind, but keeps memory for as many.
    pub(crate) fn finish(&mut self) -> Result<RecordBatch> {
        let fields = self.typing.schema.fields().iter();
        let columns = self.columns.iter_mut().zip(fields);
        let columns: Vec<ArrayRef> =
            columns.map(|(column, field)| column.finish(field.data_type())).collect::<Result<_>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        self.rows = 0;
        RecordBatch::try_new_with_options(Arc::clone(&self.typing.schema), columns, &options)
            .map_err(|error| Error::Internal(format!("columns that do not fit the schema: {error}")))
    }
}

/// The fast path through a segment.
struct Fast<'a> {
    decoder: &'a mut Decoder,
    segment: &'a [u8],
    layout: &'a Layout,
}

impl Job for Fast<'_> {
    type Output = Option<usize>;

    #[inline(always)]
    fn run<const WIDE: bool>(self) -> Option<usize> {
        let Decoder { typing, columns, ends, .. } = self.decoder;
        let width = self.layout.header.len();
        let mut all = 0;
        // Block by block, so that the text is still in the cache when its cells are read.
        for block in blocks(self.segment) {
            let Regular { rows, trim } = regular::<WIDE>(block, width, ends)?;
            std::str::from_utf8(block).ok()?;
            for (field, column) in self.layout.fields.iter().zip(&mut *columns) {
                match *field {
                    Some(field) => {
                        let cells = BlockCells { block, ends: &ends[..rows * width], width, field, trim };
                        column.extend(cells, typing)?;
                    }
                    None => (0..rows).for_each(|_| column.push_null()),
                }
            }
            all += rows;
        }
        Some(all)
    }
}

/// Counts the rows of a segment in which every line is a plain row.
struct Count<'a> {
    segment: &'a [u8],
    width: usize,
    ends: &'a mut Vec<u32>,
}

impl Job for Count<'_> {
    type Output = Option<usize>;

    #[inline(always)]
    fn run<const WIDE: bool>(self) -> Option<usize> {
        blocks(self.segment).map(|block| Some(regular::<WIDE>(block, self.width, self.ends)?.rows)).sum()
    }
}

/// Counts and checks the rows of a segment without decoding them: every row must have as many fields as there are
/// names, and no quote may stay open.
pub(crate) fn count_rows(
    segment: &[u8],
    layout: &Layout,
    ends: &mut Vec<u32>,
) -> Result<Counted, SegmentError> {
    let width = layout.header.len();
    if let Some(rows) = simd::run(Count { segment, width, ends }) {
        return Ok(Counted { rows: rows as u64, lines: rows as u64 });
    }
    let (mut rows, mut position, mut record) = (0, 0, 0);
    for field in Fields::new(segment) {
        if position == 0 {
            record = field.start;
        }
        let failed = |error| SegmentError { lines: lines(&segment[..record]), error };
        check_quotes(&field, position, layout).map_err(failed)?;
        position += 1;
        if field.end != FieldEnd::Delimiter {
            if position != width {
                return Err(failed(wrong_width(position, layout)));
            }
            rows += 1;
            position = 0;
        }
    }
    Ok(Counted { rows, lines: lines(segment) })
}

/// The contents of a segment.
pub(crate) struct Counted {
    pub(crate) rows: u64,
    pub(crate) lines: u64,
}

/// The number of fields of a text's first record.
fn fields_of_first(text: &[u8]) -> usize {
    1 + Fields::new(text).take_while(|field| field.end == FieldEnd::Delimiter).count()
}

/// The number of line ends in a text, for line numbers: CR counts only if there is no LF.
pub(crate) fn lines(bytes: &[u8]) -> u64 {
    let count = |end| memchr_iter(end, bytes).count() as u64;
    match count(b'\n') {
        0 => count(b'\r'),
        lines => lines,
    }
}

/// Checks that a field's quotes are closed and unambiguous.
fn check_quotes(field: &Field<'_>, position: usize, layout: &Layout) -> Result<(), Box<DataError>> {
    let column = || layout.header.get(position).map_or("", String::as_str);
    if layout.quotes == Quotes::MayBeEscaped
        && let Some(text) = field.with_escaped_quote()
    {
        return Err(Box::new(escaped_quote("", text).column(column())));
    }
    if field.end == FieldEnd::OpenQuote {
        return Err(open_quote(column(), &field.text()));
    }
    Ok(())
}

/// An ambiguous quote: it may be escaped by a backslash, or end the cell.
pub(crate) fn escaped_quote(file: &str, text: &[u8]) -> DataError {
    let problem =
        "a backslash precedes a quote within quotes, so that quote may end the cell or be part of it";
    Error::data(DataErrorKind::OtherDialect, file, problem).value(text).remedy(Remedy::ExportDoubledQuotes)
}

fn open_quote(column: &str, text: &[u8]) -> Box<DataError> {
    // The last line end does not belong to the cell; it may even have been added.
    let text = text.trim_ascii_end();
    let error = Error::data(DataErrorKind::OpenQuote, "", "a quote is never closed");
    Box::new(error.column(column).value(text).remedy(Remedy::FetchCutShort))
}

fn wrong_width(found: usize, layout: &Layout) -> Box<DataError> {
    let fields = |n: usize| if n == 1 { "1 field".to_owned() } else { format!("{n} fields") };
    let (found, expected) = (fields(found), layout.header.len());
    let (problem, remedy) = match layout.has_header {
        true => (format!("the row has {found}, the header has {expected}"), Remedy::FetchCutShort),
        false => (format!("the row has {found}, where {expected} are expected"), Remedy::FitColumns),
    };
    Box::new(Error::data(DataErrorKind::WrongWidth, "", problem).remedy(remedy))
}

fn bad_cell(
    (kind, problem): (DataErrorKind, &str),
    column: &str,
    text: &[u8],
    cell_type: CellType,
) -> Box<DataError> {
    let error = Error::data(kind, "", problem).column(column).value(text);
    Box::new(error.remedy(match cell_type {
        CellType::String => Remedy::ExportAsUtf8,
        _ if problem == TOO_PRECISE => Remedy::ReadNanoseconds { column: column.to_owned() },
        _ => Remedy::ReadAsText { column: column.to_owned() },
    }))
}

/// Converts text cells to another type.
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
                let problem = (DataErrorKind::BadCell, problem);
                let mut error = bad_cell(problem, name, text.as_bytes(), cell_type);
                url.clone_into(&mut error.file);
                Error::Data(error)
            })?,
        }
    }
    column.finish(&cell_type.data_type())
}
