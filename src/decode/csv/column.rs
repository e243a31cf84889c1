//! One column being read: takes cells, gives an Arrow array.

use crate::error::{Error, Result};
use crate::value::double;
use crate::value::time::{self, TimestampParser, Zone};
use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray,
};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, TimeUnit};
use std::sync::Arc;

/// What a cell of text becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CellType {
    String,
    Double,
    Int64,
    Boolean,
    Date,
    /// In UTC where the texts have a zone.
    Timestamp(Zone),
}

impl CellType {
    pub(crate) fn data_type(self) -> DataType {
        match self {
            CellType::String => DataType::Utf8,
            CellType::Double => DataType::Float64,
            CellType::Int64 => DataType::Int64,
            CellType::Boolean => DataType::Boolean,
            CellType::Date => DataType::Date32,
            CellType::Timestamp(Zone::Utc) => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            CellType::Timestamp(Zone::None) => DataType::Timestamp(TimeUnit::Microsecond, None),
        }
    }

    pub(crate) fn is_numeric(self) -> bool {
        matches!(self, CellType::Double | CellType::Int64)
    }
}

/// Why a cell does not fit its column.
pub(crate) type BadCell = &'static str;

pub(crate) struct Column {
    values: Values,
    /// One byte a row while rows are added: a bit would have to be shifted for each.
    valid: Vec<bool>,
}

enum Values {
    String { offsets: Vec<i32>, bytes: Vec<u8> },
    Double(Vec<f64>),
    Int64(Vec<i64>),
    Boolean(Vec<bool>),
    Date(Vec<i32>),
    Timestamp { values: Vec<i64>, zone: Zone, parser: TimestampParser },
}

impl Column {
    pub(crate) fn new(cell_type: CellType) -> Self {
        let values = match cell_type {
            CellType::String => Values::String { offsets: vec![0], bytes: Vec::new() },
            CellType::Double => Values::Double(Vec::new()),
            CellType::Int64 => Values::Int64(Vec::new()),
            CellType::Boolean => Values::Boolean(Vec::new()),
            CellType::Date => Values::Date(Vec::new()),
            CellType::Timestamp(zone) => {
                Values::Timestamp { values: Vec::new(), zone, parser: TimestampParser::default() }
            }
        };
        Column { values, valid: Vec::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.valid.len()
    }

    /// Goes back to `rows` rows.
    pub(crate) fn truncate(&mut self, rows: usize) {
        self.valid.truncate(rows);
        match &mut self.values {
            Values::String { offsets, bytes } => {
                offsets.truncate(rows + 1);
                bytes.truncate(offsets.last().map_or(0, |end| *end as usize));
            }
            Values::Double(values) => values.truncate(rows),
            Values::Int64(values) | Values::Timestamp { values, .. } => values.truncate(rows),
            Values::Boolean(values) => values.truncate(rows),
            Values::Date(values) => values.truncate(rows),
        }
    }

    pub(crate) fn push_null(&mut self) {
        self.valid.push(false);
        match &mut self.values {
            Values::String { offsets, bytes } => offsets.push(bytes.len() as i32),
            Values::Double(values) => values.push(0.0),
            Values::Int64(values) | Values::Timestamp { values, .. } => values.push(0),
            Values::Boolean(values) => values.push(false),
            Values::Date(values) => values.push(0),
        }
    }

    /// Adds a cell that is no null.
    #[inline]
    pub(crate) fn push(&mut self, cell: &[u8]) -> Result<(), BadCell> {
        match &mut self.values {
            Values::String { offsets, bytes } => {
                bytes.extend_from_slice(cell);
                // A chunk is far below 2 GiB, see `engine::chunks`.
                offsets.push(bytes.len() as i32);
            }
            Values::Double(values) => {
                values.push(double::parse(cell).ok_or("not a number that fits a double")?)
            }
            Values::Int64(values) => values.push(parse_int(cell).ok_or("not a whole number of 64 bits")?),
            Values::Boolean(values) => values.push(match cell {
                b"true" => true,
                b"false" => false,
                _ => return Err("neither true nor false"),
            }),
            Values::Date(values) => values.push(time::parse_date(cell).ok_or("not a date yyyy-MM-dd")?),
            Values::Timestamp { values, zone, parser } => {
                let (value, found) = parser.parse(cell).ok_or("not a timestamp yyyy-MM-ddTHH:mm:ssZ")?;
                match (*zone, found) {
                    (Zone::Utc, Zone::None) => {
                        return Err("a timestamp without zone in a column that has zones");
                    }
                    (Zone::None, Zone::Utc) => return Err("a timestamp with zone in a column that has none"),
                    _ => values.push(value),
                }
            }
        }
        self.valid.push(true);
        Ok(())
    }

    pub(crate) fn finish(self) -> Result<ArrayRef> {
        let nulls = if self.valid.contains(&false) { Some(NullBuffer::from(self.valid)) } else { None };
        Ok(match self.values {
            Values::String { offsets, bytes } => {
                let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
                let array = StringArray::try_new(offsets, Buffer::from_vec(bytes), nulls);
                Arc::new(array.map_err(|error| Error::Internal(format!("a column of text: {error}")))?)
            }
            Values::Double(values) => Arc::new(Float64Array::new(values.into(), nulls)),
            Values::Int64(values) => Arc::new(Int64Array::new(values.into(), nulls)),
            Values::Boolean(values) => Arc::new(BooleanArray::new(values.into(), nulls)),
            Values::Date(values) => Arc::new(Date32Array::new(values.into(), nulls)),
            Values::Timestamp { values, zone, .. } => {
                let array = TimestampMicrosecondArray::new(values.into(), nulls);
                match zone {
                    Zone::Utc => Arc::new(array.with_timezone("UTC")),
                    Zone::None => Arc::new(array),
                }
            }
        })
    }
}

/// An optional sign and digits, nothing else.
fn parse_int(cell: &[u8]) -> Option<i64> {
    std::str::from_utf8(cell).ok()?.parse().ok()
}
