//! Cells that repeat, each text kept once: the ids of a series stand in row after row, its dates come again with the
//! next series. A cell is compared with the text that is likeliest to come, and hashed only where that fails.

use ahash::RandomState;
use hashbrown::HashTable;

/// A list of keys, and the distinct texts they stand for in the order in which those first came.
pub(crate) struct Dictionary {
    bytes: Vec<u8>,
    /// Where each text ends in `bytes`.
    ends: Vec<u32>,
    /// For each text the one that came after it last time.
    successors: Vec<u32>,
    /// One for each row; that of a null means nothing.
    keys: Vec<u32>,
    previous: u32,
    table: HashTable<u32>,
    hasher: RandomState,
}

impl Dictionary {
    pub(crate) fn new() -> Self {
        Dictionary {
            bytes: Vec::new(),
            ends: Vec::new(),
            successors: Vec::new(),
            keys: Vec::new(),
            previous: 0,
            table: HashTable::new(),
            // Seeds of its own for each process: nobody outside can prepare cells that collide.
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

    /// Makes room for rows.
    pub(crate) fn reserve(&mut self, rows: usize) {
        self.keys.reserve(rows);
    }

    /// Adds a row; `true` where its text was not known.
    #[inline(always)]
    pub(crate) fn push(&mut self, cell: &[u8]) -> bool {
        if let Some(&successor) = self.successors.get(self.previous as usize) {
            if are_equal(self.text(self.previous), cell) {
                self.keys.push(self.previous);
                return false;
            }
            if are_equal(self.text(successor), cell) {
                self.previous = successor;
                self.keys.push(successor);
                return false;
            }
        }
        self.push_other(cell)
    }

    #[inline(never)]
    fn push_other(&mut self, cell: &[u8]) -> bool {
        let hash = self.hasher.hash_one(cell);
        let known = self.table.find(hash, |key| self.text(*key) == cell).copied();
        let key = known.unwrap_or_else(|| {
            let key = self.ends.len() as u32;
            self.bytes.extend_from_slice(cell);
            self.ends.push(self.bytes.len() as u32);
            self.successors.push(0);
            let Dictionary { table, hasher, bytes, ends, .. } = self;
            table.insert_unique(hash, key, |key| {
                let key = *key as usize;
                let start = if key == 0 { 0 } else { ends[key - 1] as usize };
                hasher.hash_one(&bytes[start..ends[key] as usize])
            });
            key
        });
        self.successors[self.previous as usize] = key;
        self.previous = key;
        self.keys.push(key);
        known.is_none()
    }

    /// Adds a row without a text.
    pub(crate) fn push_null(&mut self) {
        self.keys.push(0);
    }

    /// Forgets everything, and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.truncate(0, 0);
    }

    /// Goes back to `rows` rows and `texts` distinct texts.
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
            self.successors.truncate(texts);
            self.successors.iter_mut().filter(|key| **key >= kept).for_each(|key| *key = 0);
            self.bytes.truncate(self.ends.last().map_or(0, |end| *end as usize));
            self.previous = 0;
        }
    }
}

/// Compares without a call, which would cost more than the comparison: two words that overlap hold any text from
/// their own length to twice that.
#[inline(always)]
fn are_equal(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    if let (Some(a0), Some(a1), Some(b0), Some(b1)) =
        (a.first_chunk::<16>(), a.last_chunk::<16>(), b.first_chunk::<16>(), b.last_chunk::<16>())
    {
        let differs = (u128::from_ne_bytes(*a0) ^ u128::from_ne_bytes(*b0))
            | (u128::from_ne_bytes(*a1) ^ u128::from_ne_bytes(*b1));
        return differs == 0 && (a.len() <= 32 || a == b);
    }
    if let (Some(a0), Some(a1), Some(b0), Some(b1)) =
        (a.first_chunk::<8>(), a.last_chunk::<8>(), b.first_chunk::<8>(), b.last_chunk::<8>())
    {
        let differs = (u64::from_ne_bytes(*a0) ^ u64::from_ne_bytes(*b0))
            | (u64::from_ne_bytes(*a1) ^ u64::from_ne_bytes(*b1));
        return differs == 0;
    }
    a == b
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn texts_are_equal_where_their_bytes_are(a in "[ab]{0,40}", at in 0usize..40) {
            let mut b = a.clone();
            prop_assert!(are_equal(a.as_bytes(), b.as_bytes()));
            if at < b.len() {
                b.replace_range(at..=at, "c");
                prop_assert!(!are_equal(a.as_bytes(), b.as_bytes()));
            }
            prop_assert!(!are_equal(a.as_bytes(), [a.as_bytes(), b"a"].concat().as_slice()));
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

            // Going back and on again is as if nothing had been.
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
