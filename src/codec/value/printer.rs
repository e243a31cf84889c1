//! Writes many short cells to a vector, one after the other.
//!
//! A vector keeps its length in memory, and each append waits for the previous one to store it. Here the position is a
//! local variable, which the compiler keeps in a register, and there is always room after it, so that a short text is
//! stored as one or two words of a fixed size, whatever its length.

/// How much to grow at once; new memory is cleared while it is in the L1 cache.
const STEP: usize = 4096;

/// The size of the widest word stored at once.
pub(crate) const WORD: usize = 32;

/// Overwrites a vector from a given position, growing it if necessary.
pub(crate) struct Printer<'a> {
    /// Valid up to `at`, with arbitrary contents after it.
    out: &'a mut Vec<u8>,
    at: usize,
}

impl<'a> Printer<'a> {
    #[inline(always)]
    pub(crate) fn new(out: &'a mut Vec<u8>, at: usize) -> Self {
        Printer { out, at }
    }

    /// The end of the text. The rest of the vector must be truncated or overwritten.
    #[inline(always)]
    pub(crate) fn end(self) -> usize {
        self.at
    }

    #[inline(always)]
    fn room(&mut self) -> Option<&mut [u8; WORD]> {
        self.out.get_mut(self.at..)?.first_chunk_mut()
    }

    /// Makes room for a short text, which [`Self::wrote`] then appends.
    #[inline(always)]
    pub(crate) fn made_room(&mut self) -> Option<&mut [u8; WORD]> {
        if self.room().is_none() {
            self.at = append(self.out, self.at, b"");
        }
        self.room()
    }

    /// Appends the first bytes of [`Self::made_room`].
    #[inline(always)]
    pub(crate) fn wrote(&mut self, len: usize) {
        self.at += len.min(WORD);
    }

    /// Appends the first `len` bytes of a word.
    #[inline(always)]
    pub(crate) fn word<const N: usize>(&mut self, word: &[u8; N], len: usize) {
        let len = len.min(N);
        match self.room().and_then(|room| room.first_chunk_mut()) {
            Some(room) => {
                *room = *word;
                self.at += len;
            }
            None => self.at = append(self.out, self.at, &word[..len]),
        }
    }

    #[inline(always)]
    pub(crate) fn byte(&mut self, byte: u8) {
        self.word(&[byte], 1);
    }

    /// Appends a text; a short one without a function call.
    #[inline(always)]
    pub(crate) fn text(&mut self, text: &[u8]) {
        match self.room().is_some_and(|room| put_short(text, room)) {
            true => self.at += text.len(),
            false => self.at = append(self.out, self.at, text),
        }
    }
}

/// Writes a text no longer than a word to the word's start, as two overlapping words, which hold any text of one to two
/// of their lengths. Otherwise returns false.
#[inline(always)]
pub(crate) fn put_short(text: &[u8], room: &mut [u8; WORD]) -> bool {
    if text.len() > WORD {
        return false;
    }
    if !(store::<16>(text, room) || store::<8>(text, room) || store::<4>(text, room)) {
        for (place, byte) in room.iter_mut().zip(text) {
            *place = *byte;
        }
    }
    true
}

/// Stores a text of N to 2 N bytes at the start of a word's slot.
#[inline(always)]
fn store<const N: usize>(text: &[u8], room: &mut [u8; WORD]) -> bool {
    let (Some(first), Some(last)) = (text.first_chunk::<N>(), text.last_chunk::<N>()) else { return false };
    let Some(start) = room.first_chunk_mut() else { return false };
    *start = *first;
    if let Some(end) = room[..text.len()].last_chunk_mut() {
        *end = *last;
    }
    true
}

/// Returns the position after the text, where there is room for a word. Takes the position by value, because a borrowed
/// printer would live in memory.
#[cold]
#[inline(never)]
fn append(out: &mut Vec<u8>, at: usize, text: &[u8]) -> usize {
    let end = at + text.len();
    if end + WORD > out.len() {
        out.resize(end + STEP, 0);
    }
    out[at..end].copy_from_slice(text);
    end
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn texts_of_any_length_are_appended_whole(
            before in prop::collection::vec(any::<u8>(), 0..100),
            behind in prop::collection::vec(any::<u8>(), 0..10_000),
            texts in prop::collection::vec(
                (prop::collection::vec(any::<u8>(), 0..80), 0..4), 0..300
            ),
        ) {
            let (mut out, mut expected) = ([before.clone(), behind].concat(), before);
            let mut printer = Printer::new(&mut out, expected.len());
            for (text, how) in &texts {
                match (how, text.first_chunk::<20>()) {
                    (0, Some(word)) => {
                        printer.word(word, text.len() % 21);
                        expected.extend_from_slice(&word[..text.len() % 21]);
                    }
                    (1, Some(word)) => {
                        printer.made_room().expect("room")[..20].copy_from_slice(word);
                        printer.wrote(text.len() % 21);
                        expected.extend_from_slice(&word[..text.len() % 21]);
                    }
                    (2, _) => {
                        printer.byte(text.len() as u8);
                        expected.push(text.len() as u8);
                    }
                    _ => {
                        printer.text(text);
                        expected.extend_from_slice(text);
                    }
                }
            }
            let end = printer.end();
            out.truncate(end);
            prop_assert_eq!(out, expected);
        }
    }
}
