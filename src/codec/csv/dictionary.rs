//! Stores repeated cells once: a series' ID occurs in row after row, and its dates recur in the next series. A cell is
//! first compared with the most likely text, and hashed only if that fails.

use ahash::RandomState;
use arrow::array::{ArrayRef, StringArray, StringViewArray, UInt32Array, new_null_array};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer};
use arrow::compute::take;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use hashbrown::HashTable;
use std::sync::Arc;

/// Bytes of a text that a view holds by itself, as Arrow's format says.
const LONGEST_INLINE: usize = 12;

/// A list of keys, and the distinct texts they stand for, in order of first occurrence.
pub(crate) struct Dictionary {
    bytes: Vec<u8>,
    /// Where each text ends in `bytes`.
    ends: Vec<u32>,
    known: Vec<Known>,
    /// One for each row; that of a null is meaningless.
    keys: Vec<u32>,
    previous: u32,
    table: HashTable<u32>,
    hasher: RandomState,
}

/// The data for recognizing a text when it recurs.
struct Known {
    shape: Shape,
    /// The text that followed it last time.
    successor: u32,
}

impl Dictionary {
    pub(crate) fn new() -> Self {
        Dictionary {
            bytes: Vec::new(),
            ends: Vec::new(),
            known: Vec::new(),
            keys: Vec::new(),
            previous: 0,
            table: HashTable::new(),
            // Seeds differ between processes, so input cannot be crafted to collide.
            hasher: RandomState::new(),
        }
    }

    /// The number of distinct texts.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn keys(&self) -> &[u32] {
        &self.keys
    }

    /// The text of a key.
    #[inline]
    pub(crate) fn text(&self, key: u32) -> &[u8] {
        let key = key as usize;
        let start = if key == 0 { 0 } else { self.ends[key - 1] as usize };
        &self.bytes[start..self.ends[key] as usize]
    }

    /// The distinct texts, by key.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &[u8]> + Clone {
        (0..self.ends.len() as u32).map(|key| self.text(key))
    }

    /// Adds a row; `true` if its text is new.
    pub(crate) fn push(&mut self, cell: &[u8]) -> bool {
        let (key, is_new) = match self.likely(self.previous, cell) {
            Some(key) => (key, false),
            None => self.other(cell),
        };
        self.previous = key;
        self.keys.push(key);
        is_new
    }

    /// Adds rows. Calls `on_miss` with the row and the cell of each empty cell, which gets a meaningless key, and of
    /// each new text; if it returns `None`, stops with `None`.
    #[inline(always)]
    pub(crate) fn extend<'a>(
        &mut self,
        cells: impl ExactSizeIterator<Item = &'a [u8]>,
        mut on_miss: impl FnMut(usize, &'a [u8]) -> Option<()>,
    ) -> Option<()> {
        // Reserves space for all rows at once and keeps the previous key in a register; otherwise each row would wait
        // for the store of the one before.
        let mut keys = std::mem::take(&mut self.keys);
        let before = keys.len();
        keys.resize(before + cells.len(), 0);
        let mut previous = self.previous;
        let mut fits = Some(());
        for (row, (slot, cell)) in keys[before..].iter_mut().zip(cells).enumerate() {
            if cell.is_empty() {
                fits = on_miss(before + row, cell);
            } else if let Some(key) = self.likely(previous, cell) {
                previous = key;
                *slot = key;
            } else {
                self.previous = previous;
                let (key, is_new) = self.other(cell);
                previous = key;
                *slot = key;
                if is_new {
                    fits = on_miss(before + row, cell);
                }
            }
            if fits.is_none() {
                break;
            }
        }
        self.previous = previous;
        self.keys = keys;
        fits
    }

    /// The key of a cell, if its text is the previous one or the one that followed it last time.
    #[inline(always)]
    fn likely(&self, previous: u32, cell: &[u8]) -> Option<u32> {
        let shape = Shape::of(cell);
        let known = self.known.get(previous as usize)?;
        if known.shape.is(&shape) && (shape.is_whole() || self.text(previous) == cell) {
            return Some(previous);
        }
        let successor = known.successor;
        let known = self.known.get(successor as usize)?;
        (known.shape.is(&shape) && (shape.is_whole() || self.text(successor) == cell)).then_some(successor)
    }

    /// The key of any text, and whether it is new.
    #[inline(never)]
    fn other(&mut self, cell: &[u8]) -> (u32, bool) {
        let hash = self.hasher.hash_one(cell);
        let known = self.table.find(hash, |key| self.text(*key) == cell).copied();
        let key = known.unwrap_or_else(|| {
            let key = self.ends.len() as u32;
            self.bytes.extend_from_slice(cell);
            self.ends.push(self.bytes.len() as u32);
            self.known.push(Known { shape: Shape::of(cell), successor: 0 });
            let Dictionary { table, hasher, bytes, ends, .. } = self;
            table.insert_unique(hash, key, |key| {
                let key = *key as usize;
                let start = if key == 0 { 0 } else { ends[key - 1] as usize };
                hasher.hash_one(&bytes[start..ends[key] as usize])
            });
            key
        });
        self.known[self.previous as usize].successor = key;
        (key, known.is_none())
    }

    /// Adds a row without a text.
    pub(crate) fn push_null(&mut self) {
        self.keys.push(0);
    }

    /// The texts of all rows, one after the other. That of a null is empty.
    pub(crate) fn strings(&self, nulls: Option<NullBuffer>) -> Result<ArrayRef, ArrowError> {
        let length = |key: &u32| self.text(*key).len();
        let is_valid = |row: usize| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
        let valid = self.keys.iter().enumerate().filter(|(row, _)| is_valid(*row));
        let mut bytes = Vec::with_capacity(valid.map(|(_, key)| length(key)).sum());
        // All texts come from a chunk, which is far smaller than 2 GiB, see `source::chunks`.
        let mut offsets: Vec<i32> = Vec::with_capacity(self.keys.len() + 1);
        offsets.push(0);
        if nulls.is_none() {
            for run in self.keys.chunk_by(|key, next| key == next) {
                let (start, one) = (bytes.len(), length(&run[0]));
                bytes.extend_from_slice(self.text(run[0]));
                // Twice as many each time: a series' rows follow each other, and copying text by text would take longer.
                let all = one * run.len();
                while bytes.len() - start < all {
                    let there = bytes.len() - start;
                    bytes.extend_from_within(start..start + there.min(all - there));
                }
                offsets.extend((1..=run.len()).map(|rows| (start + rows * one) as i32));
            }
        } else {
            for (row, key) in self.keys.iter().enumerate() {
                if is_valid(row) {
                    bytes.extend_from_slice(self.text(*key));
                }
                offsets.push(bytes.len() as i32);
            }
        }
        let offsets = OffsetBuffer::new(offsets.into());
        Ok(Arc::new(StringArray::try_new(offsets, Buffer::from_vec(bytes), nulls)?))
    }

    /// The texts of all rows as views, in which those of more than twelve bytes are stored once.
    pub(crate) fn views(&self, nulls: Option<NullBuffer>) -> Result<ArrayRef, ArrowError> {
        if self.ends.is_empty() {
            return Ok(new_null_array(&DataType::Utf8View, self.keys.len()));
        }
        let offsets = std::iter::once(0).chain(self.ends.iter().map(|end| *end as i32)).collect::<Vec<_>>();
        let offsets = OffsetBuffer::new(offsets.into());
        let texts = StringArray::try_new(offsets, Buffer::from(self.bytes.as_slice()), None)?;
        let has_long = (0..self.len() as u32).any(|key| self.text(key).len() > LONGEST_INLINE);
        let views = StringViewArray::from(&texts);
        // Else nothing refers to the bytes, and who keeps the views need not keep them.
        let views = if has_long { views } else { views.gc() };
        take(&views, &UInt32Array::new(self.keys.clone().into(), nulls), None)
    }

    /// Removes everything but keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.truncate(0, 0);
    }

    /// Rolls back to `rows` rows and `texts` distinct texts.
    pub(crate) fn truncate(&mut self, rows: usize, texts: usize) {
        self.keys.truncate(rows);
        if texts < self.ends.len() {
            let kept = texts as u32;
            if kept == 0 {
                self.table.clear()
            } else {
                self.table.retain(|key| *key < kept)
            }
            self.ends.truncate(texts);
            self.known.truncate(texts);
            self.known
                .iter_mut()
                .filter(|known| known.successor >= kept)
                .for_each(|known| known.successor = 0);
            self.bytes.truncate(self.ends.last().map_or(0, |end| *end as usize));
            self.previous = 0;
        }
    }
}

/// A text in a form that is compared without a function call, which would cost more than the comparison: two
/// overlapping words hold any text of one to two word lengths.
#[derive(Clone, Copy)]
struct Shape {
    first: u128,
    last: u128,
    length: u32,
}

impl Shape {
    #[inline(always)]
    fn of(text: &[u8]) -> Self {
        let shape = |first, last| Shape { first, last, length: text.len() as u32 };
        if let (Some(first), Some(last)) = (text.first_chunk::<16>(), text.last_chunk::<16>()) {
            return shape(u128::from_ne_bytes(*first), u128::from_ne_bytes(*last));
        }
        if let (Some(first), Some(last)) = (text.first_chunk::<8>(), text.last_chunk::<8>()) {
            return shape(u64::from_ne_bytes(*first).into(), u64::from_ne_bytes(*last).into());
        }
        if let (Some(first), Some(last)) = (text.first_chunk::<4>(), text.last_chunk::<4>()) {
            return shape(u32::from_ne_bytes(*first).into(), u32::from_ne_bytes(*last).into());
        }
        shape(text.iter().fold(0, |word, byte| word << 8 | u128::from(*byte)), 0)
    }

    /// Whether it contains the whole text.
    #[inline(always)]
    fn is_whole(&self) -> bool {
        self.length <= 32
    }

    #[inline(always)]
    fn is(&self, other: &Shape) -> bool {
        self.length == other.length && (self.first ^ other.first) | (self.last ^ other.last) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::AsArray;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_text_is_taken_for_known_only_where_each_byte_is(a in "[ab]{1,40}", at in 0usize..40) {
            let is_known = |b: &str| {
                let mut dictionary = Dictionary::new();
                dictionary.push(a.as_bytes());
                dictionary.likely(0, b.as_bytes()).is_some()
            };
            prop_assert!(is_known(&a));
            let mut b = a.clone();
            if at < b.len() {
                b.replace_range(at..=at, "c");
                prop_assert!(!is_known(&b));
            }
            b = format!("{a}a");
            prop_assert!(!is_known(&b));
            prop_assert!(!is_known(&a[1..]));
        }

        #[test]
        fn each_row_has_its_text_and_a_null_none(
            rows in prop::collection::vec((prop::option::of("a{0,2}|b{30}"), 1usize..9), 0..40)
        ) {
            let runs = rows.into_iter().flat_map(|(row, times)| std::iter::repeat_n(row, times));
            let rows: Vec<Option<String>> = runs.collect();
            let mut dictionary = Dictionary::new();
            for row in &rows {
                match row {
                    Some(text) => {
                        dictionary.push(text.as_bytes());
                    }
                    None => dictionary.push_null(),
                }
            }
            let valid = rows.iter().map(Option::is_some).collect::<Vec<bool>>();
            let nulls = valid.contains(&false).then(|| NullBuffer::from(valid));
            let views = dictionary.views(nulls.clone()).expect("texts");
            prop_assert_eq!(views.as_string_view(), &StringViewArray::from_iter(&rows));
            let strings = dictionary.strings(nulls).expect("texts");
            prop_assert_eq!(strings.as_string(), &StringArray::from(rows));
        }

        #[test]
        fn rows_added_together_are_those_added_one_by_one(
            rows in prop::collection::vec("[ab]{0,2}", 0..200), at in 0usize..200
        ) {
            let (mut one_by_one, mut together) = (Dictionary::new(), Dictionary::new());
            // A quoted empty cell is a text, which takes another path.
            one_by_one.push(b"");
            together.push(b"");
            let mut missed = Vec::new();
            for (row, text) in rows.iter().enumerate() {
                if text.is_empty() {
                    one_by_one.push_null();
                    missed.push(row + 1);
                } else if one_by_one.push(text.as_bytes()) {
                    missed.push(row + 1);
                }
            }
            let mut told = Vec::new();
            let (first, second) = rows.split_at(at.min(rows.len()));
            for rows in [first, second] {
                let added = together.extend(rows.iter().map(|row| row.as_bytes()), |row, _| {
                    told.push(row);
                    Some(())
                });
                prop_assert_eq!(added, Some(()));
            }
            prop_assert_eq!(together.keys(), one_by_one.keys());
            prop_assert!(together.texts().eq(one_by_one.texts()));
            prop_assert_eq!(told, missed);
        }

        #[test]
        fn every_row_gets_its_text_back(rows in prop::collection::vec("[ab]{0,2}", 0..200), keep in 0usize..200) {
            let mut dictionary = Dictionary::new();
            let mut texts_at = vec![0];
            for row in &rows {
                dictionary.push(row.as_bytes());
                texts_at.push(dictionary.len());
            }
            let found: Vec<_> = dictionary.keys().iter().map(|key| dictionary.text(*key).to_vec()).collect();
            prop_assert_eq!(found, rows.iter().map(|row| row.as_bytes().to_vec()).collect::<Vec<_>>());
            let mut distinct: Vec<_> = (0..dictionary.len()).map(|key| dictionary.text(key as u32).to_vec()).collect();
            distinct.sort();
            distinct.dedup();
            prop_assert_eq!(distinct.len(), dictionary.len());

            // Rolling back and adding again has no lasting effect.
            let keep = keep.min(rows.len());
            dictionary.truncate(keep, texts_at[keep]);
            for row in &rows[keep..] {
                dictionary.push(row.as_bytes());
            }
            let found: Vec<_> = dictionary.keys().iter().map(|key| dictionary.text(*key).to_vec()).collect();
            prop_assert_eq!(found, rows.iter().map(|row| row.as_bytes().to_vec()).collect::<Vec<_>>());
            prop_assert_eq!(dictionary.len(), *texts_at.last().unwrap_or(&0));
        }
    }
}
