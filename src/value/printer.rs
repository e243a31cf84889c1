//! Text on its way into a vector, many short cells one after the other.
//!
//! A vector keeps its length in memory, and each append waits for the one before to have stored it. Here the position is
//! a local variable, which the compiler keeps in a register, and there is always room behind it, so that a short text is
//! stored as one or two words of a fixed size, whatever its length.

/// Room that is made at once; it is cleared while it is in the nearest cache.
const STEP: usize = 4096;

/// The widest word that is stored at once.
const WORD: usize = 32;

/// Appends to a vector. What was printed is in the vector after [`Printer::finish`].
pub(crate) struct Printer<'a> {
    /// Up to `at` what was printed, behind it anything.
    out: &'a mut Vec<u8>,
    at: usize,
}

impl<'a> Printer<'a> {
    #[inline(always)]
    pub(crate) fn new(out: &'a mut Vec<u8>) -> Self {
        let at = out.len();
        Printer { out, at }
    }

    /// The room behind what was printed.
    #[inline(always)]
    fn room(&mut self) -> Option<&mut [u8; WORD]> {
        self.out.get_mut(self.at..)?.first_chunk_mut()
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
            None => self.at = append_and_make_room(self.out, self.at, &word[..len]),
        }
    }

    #[inline(always)]
    pub(crate) fn byte(&mut self, byte: u8) {
        self.word(&[byte], 1);
    }

    /// Appends a text, a short one without a call: two words that overlap hold any from their own length to twice that.
    #[inline(always)]
    pub(crate) fn text(&mut self, text: &[u8]) {
        match self.room() {
            Some(room) if text.len() <= WORD => {
                if !(store::<16>(text, room) || store::<8>(text, room) || store::<4>(text, room)) {
                    for (place, byte) in room.iter_mut().zip(text) {
                        *place = *byte;
                    }
                }
                self.at += text.len();
            }
            _ => self.at = append_and_make_room(self.out, self.at, text),
        }
    }

    /// Has something appended that takes a vector.
    #[inline(always)]
    pub(crate) fn with<T>(&mut self, append: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        self.out.truncate(self.at);
        let given = append(self.out);
        self.at = self.out.len();
        given
    }

    #[inline(always)]
    pub(crate) fn finish(self) {
        self.out.truncate(self.at);
    }
}

/// Stores a text of N to 2 N bytes at the start of a place for words.
#[inline(always)]
fn store<const N: usize>(text: &[u8], room: &mut [u8; WORD]) -> bool {
    let (Some(first), Some(last)) = (text.first_chunk::<N>(), text.last_chunk::<N>()) else { return false };
    let (Some(start), true) = (room.first_chunk_mut(), text.len() <= WORD) else { return false };
    *start = *first;
    if let Some(end) = room[..text.len()].last_chunk_mut() {
        *end = *last;
    }
    true
}

/// Gives the position behind the text. Takes the position by value: a printer that lends itself to a call lives in memory.
#[cold]
#[inline(never)]
fn append_and_make_room(out: &mut Vec<u8>, at: usize, text: &[u8]) -> usize {
    out.truncate(at);
    out.extend_from_slice(text);
    let at = out.len();
    out.resize(at + STEP, 0);
    at
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn texts_of_any_length_are_appended_whole(
            before in prop::collection::vec(any::<u8>(), 0..100),
            texts in prop::collection::vec(
                (prop::collection::vec(any::<u8>(), 0..80), 0..4), 0..300
            ),
        ) {
            let (mut out, mut expected) = (before.clone(), before);
            let mut printer = Printer::new(&mut out);
            for (text, how) in &texts {
                match (how, text.first_chunk::<20>()) {
                    (0, Some(word)) => {
                        printer.word(word, text.len() % 21);
                        expected.extend_from_slice(&word[..text.len() % 21]);
                    }
                    (1, _) => {
                        printer.with(|out| out.extend_from_slice(text));
                        expected.extend_from_slice(text);
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
            printer.finish();
            prop_assert_eq!(out, expected);
        }
    }
}
