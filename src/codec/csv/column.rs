//! Builds one column: takes cells, returns an Arrow array.

use super::dictionary::Dictionary;
use super::layout::{BlockCells, CellType, Typing};
use crate::codec::value::{Zone, double, time};
use crate::model::{Error, Result};

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, TimestampMicrosecondArray,
    TimestampNanosecondArray,
};
use arrow::buffer::NullBuffer;
use arrow::datatypes::DataType;
use std::borrow::Cow;
use std::sync::Arc;

/// Why a cell does not fit its column.
pub(crate) type BadCell = &'static str;

/// One column being read.
pub(crate) struct Column {
    values: Values,
    rows: usize,
    /// Which rows are not null, up to the last null; none of the later rows is null.
    valid: Vec<bool>,
}

/// The values of a column; a null has a placeholder value.
pub(crate) enum Values {
    Text(Dictionary),
    /// `values` are those of the dictionary's texts.
    Timestamp {
        texts: Dictionary,
        values: Vec<i64>,
        unit: Precision,
        zone: Zone,
    },
    Double(Vec<f64>),
    Int64(Vec<i64>),
    Boolean(Vec<bool>),
    Date(Vec<i32>),
}

/// The unit of points in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Precision {
    Microseconds,
    Nanoseconds,
}

/// A position in a column to which it can be rolled back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Checkpoint {
    rows: usize,
    texts: usize,
}

impl Column {
    pub(crate) fn new(cell_type: CellType) -> Self {
        let values = match cell_type {
            CellType::String => Values::Text(Dictionary::new()),
            CellType::Double => Values::Double(Vec::new()),
            CellType::Int64 => Values::Int64(Vec::new()),
            CellType::Boolean => Values::Boolean(Vec::new()),
            CellType::Date => Values::Date(Vec::new()),
            CellType::Timestamp(zone) => Values::times(Precision::Microseconds, zone),
            CellType::Nanoseconds(zone) => Values::times(Precision::Nanoseconds, zone),
        };
        Column { values, rows: 0, valid: Vec::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.rows
    }

    pub(crate) fn values(&self) -> &Values {
        &self.values
    }

    /// Which rows are not null; `None` if no row is null.
    pub(crate) fn valid(&self) -> Option<Cow<'_, [bool]>> {
        if self.valid.is_empty() {
            return None;
        }
        if self.valid.len() == self.rows {
            return Some(Cow::Borrowed(&self.valid));
        }
        let mut valid = self.valid.clone();
        valid.resize(self.rows, true);
        Some(Cow::Owned(valid))
    }

    pub(crate) fn checkpoint(&self) -> Checkpoint {
        let texts = match &self.values {
            Values::Text(texts) | Values::Timestamp { texts, .. } => texts.len(),
            _ => 0,
        };
        Checkpoint { rows: self.rows, texts }
    }

    /// Removes all rows but keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.go_back(Checkpoint { rows: 0, texts: 0 });
    }

    /// Rolls back to a checkpoint.
    pub(crate) fn go_back(&mut self, checkpoint: Checkpoint) {
        let rows = checkpoint.rows;
        self.rows = rows;
        self.valid.truncate(rows);
        if !self.valid.contains(&false) {
            self.valid.clear();
        }
        match &mut self.values {
            Values::Text(texts) => texts.truncate(rows, checkpoint.texts),
            Values::Timestamp { texts, values, .. } => {
                texts.truncate(rows, checkpoint.texts);
                values.truncate(checkpoint.texts);
            }
            Values::Double(values) => values.truncate(rows),
            Values::Int64(values) => values.truncate(rows),
            Values::Boolean(values) => values.truncate(rows),
            Values::Date(values) => values.truncate(rows),
        }
    }

    pub(crate) fn push_null(&mut self) {
        mark_null(&mut self.valid, self.rows);
        self.rows += 1;
        match &mut self.values {
            Values::Text(texts) | Values::Timestamp { texts, .. } => texts.push_null(),
            Values::Double(values) => values.push(0.0),
            Values::Int64(values) => values.push(0),
            Values::Boolean(values) => values.push(false),
            Values::Date(values) => values.push(0),
        }
    }

    /// Adds the cells of a block; `None` at the first that does not fit, after which rows may be missing.
    #[inline(always)]
    pub(super) fn extend(&mut self, cells: BlockCells<'_>, typing: &Typing) -> Option<()> {
        let rows = cells.ends.len() / cells.width;
        // Texts that mean null take precedence.
        let has_nulls = !typing.nulls.is_empty();
        match &mut self.values {
            Values::Double(values) if !has_nulls => {
                values.reserve(rows);
                for cell in cells.iter() {
                    match double::parse_plain(cell) {
                        Some(value) => values.push(value),
                        None => match double::parse(cell) {
                            Some(value) => values.push(value),
                            None if typing.is_null(cell, CellType::Double) => {
                                mark_null(&mut self.valid, values.len());
                                values.push(0.0);
                            }
                            None => return None,
                        },
                    }
                }
                self.rows = values.len();
            }
            Values::Text(texts) if !has_nulls => {
                let valid = &mut self.valid;
                texts.extend(cells.iter(), |row, cell| {
                    if cell.is_empty() {
                        mark_null(valid, row);
                    }
                    Some(())
                })?;
                self.rows = texts.keys().len();
            }
            Values::Timestamp { texts, values, unit, zone } if !has_nulls => {
                let valid = &mut self.valid;
                texts.extend(cells.iter(), |row, cell| {
                    if cell.is_empty() {
                        mark_null(valid, row);
                    } else {
                        values.push(parse_time(cell, *unit, *zone).ok()?);
                    }
                    Some(())
                })?;
                self.rows = texts.keys().len();
            }
            _ => {
                let cell_type = self.cell_type();
                for cell in cells.iter() {
                    if typing.is_null(cell, cell_type) {
                        self.push_null();
                    } else {
                        self.push(cell).ok()?;
                    }
                }
            }
        }
        Some(())
    }

    fn cell_type(&self) -> CellType {
        match &self.values {
            Values::Text(_) => CellType::String,
            Values::Timestamp { unit: Precision::Microseconds, zone, .. } => CellType::Timestamp(*zone),
            Values::Timestamp { unit: Precision::Nanoseconds, zone, .. } => CellType::Nanoseconds(*zone),
            Values::Double(_) => CellType::Double,
            Values::Int64(_) => CellType::Int64,
            Values::Boolean(_) => CellType::Boolean,
            Values::Date(_) => CellType::Date,
        }
    }

    /// Adds a cell that is not null.
    pub(crate) fn push(&mut self, cell: &[u8]) -> Result<(), BadCell> {
        match &mut self.values {
            Values::Text(texts) => {
                texts.push(cell);
            }
            Values::Double(values) => {
                values.push(double::parse(cell).ok_or("not a number that fits a double")?)
            }
            Values::Int64(values) => values.push(parse_int(cell).ok_or("not a 64-bit whole number")?),
            Values::Boolean(values) => values.push(match cell {
                b"true" => true,
                b"false" => false,
                _ => return Err("neither true nor false"),
            }),
            Values::Date(values) => values.push(time::parse_date(cell).ok_or("not a date yyyy-MM-dd")?),
            Values::Timestamp { texts, values, unit, zone } => {
                if texts.push(cell) {
                    match parse_time(cell, *unit, *zone) {
                        Ok(value) => values.push(value),
                        Err(problem) => {
                            let (rows, texts_before) = (self.rows, values.len());
                            texts.truncate(rows, texts_before);
                            return Err(problem);
                        }
                    }
                }
            }
        }
        self.rows += 1;
        Ok(())
    }

    /// The rows as an Arrow array; leaves none behind, but the memory that the next rows need. Texts become views if that
    /// is the type.
    pub(crate) fn finish(&mut self, data_type: &DataType) -> Result<ArrayRef> {
        let nulls = self.valid().map(|valid| NullBuffer::from(&*valid));
        let array: ArrayRef = match &mut self.values {
            Values::Text(texts) => {
                let array = match data_type {
                    DataType::Utf8View => texts.views(nulls),
                    _ => texts.strings(nulls),
                };
                array.map_err(|error| Error::Internal(format!("a column of text: {error}")))?
            }
            Values::Timestamp { texts, values, unit, zone } => {
                let of = |key: &u32| values.get(*key as usize).copied().unwrap_or(0);
                let values: Vec<i64> = texts.keys().iter().map(of).collect();
                let zone = (*zone == Zone::Utc).then(|| Arc::from("UTC"));
                match unit {
                    Precision::Microseconds => {
                        let array = TimestampMicrosecondArray::new(values.into(), nulls);
                        Arc::new(array.with_timezone_opt(zone))
                    }
                    Precision::Nanoseconds => {
                        let array = TimestampNanosecondArray::new(values.into(), nulls);
                        Arc::new(array.with_timezone_opt(zone))
                    }
                }
            }
            Values::Double(values) => Arc::new(Float64Array::new(handed_over(values).into(), nulls)),
            Values::Int64(values) => Arc::new(Int64Array::new(handed_over(values).into(), nulls)),
            Values::Boolean(values) => Arc::new(BooleanArray::new(std::mem::take(values).into(), nulls)),
            Values::Date(values) => Arc::new(Date32Array::new(handed_over(values).into(), nulls)),
        };
        self.clear();
        Ok(array)
    }
}

/// The values, in whose place is room for about as many: growing by and by would copy them, and touch twice the memory.
fn handed_over<T>(values: &mut Vec<T>) -> Vec<T> {
    let next = Vec::with_capacity(values.len() + values.len() / 8);
    std::mem::replace(values, next)
}

/// Records that a row is null, and that those since the last null are not.
fn mark_null(valid: &mut Vec<bool>, row: usize) {
    valid.resize(row, true);
    valid.push(false);
}

/// A time that microseconds cannot hold, where nanoseconds can.
pub(crate) const TOO_PRECISE: BadCell = "a timestamp with digits beyond the microsecond";

impl Values {
    fn times(unit: Precision, zone: Zone) -> Self {
        Values::Timestamp { texts: Dictionary::new(), values: Vec::new(), unit, zone }
    }
}

fn parse_time(cell: &[u8], unit: Precision, zone: Zone) -> Result<i64, BadCell> {
    let read = match unit {
        Precision::Microseconds => time::parse_timestamp(cell),
        Precision::Nanoseconds => time::parse_nanoseconds(cell),
    };
    let Some((value, found)) = read else {
        return Err(match unit {
            Precision::Microseconds if time::parse_nanoseconds(cell).is_some() => TOO_PRECISE,
            Precision::Microseconds => "not a timestamp yyyy-MM-ddTHH:mm:ssZ",
            Precision::Nanoseconds => "not a timestamp yyyy-MM-ddTHH:mm:ssZ that fits nanoseconds",
        });
    };
    match (zone, found) {
        (Zone::Utc, Zone::None) => Err("a timestamp without zone in a column that has zones"),
        (Zone::None, Zone::Utc) => Err("a timestamp with zone in a column that has none"),
        _ => Ok(value),
    }
}

/// An optional sign and digits, nothing else.
fn parse_int(cell: &[u8]) -> Option<i64> {
    std::str::from_utf8(cell).ok()?.parse().ok()
}
