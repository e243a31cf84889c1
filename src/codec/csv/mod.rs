//! Decodes and encodes CSV. [`Decoder`] and [`write_rows`] are the entry points; [`whole_records`] cuts text at the end
//! of a record.

mod block;
mod cells;
mod column;
mod decode;
mod dictionary;
mod encode;
mod fields;
mod index;
mod layout;
mod simd;

pub(crate) use column::{Column, Values};
pub(crate) use decode::{Decoder, cells_to_array, count_rows, escaped_quote, lines};
pub(crate) use dictionary::Dictionary;
pub(crate) use encode::{can_hold, check_schema, to_text, write_header, write_rows};
pub(crate) use fields::{FieldEnd, Fields, whole_records};
pub(crate) use layout::{CellType, Layout, Typing};
