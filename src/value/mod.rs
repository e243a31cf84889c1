//! The two kinds of cell that are more than text: numbers and points in time.
//!
//! Takes the bytes of one CSV cell and gives the value an Arrow array holds, and back: takes such a value and appends the
//! text an export would hold. A cell that is no value gives `None`; which cells are nulls, and what an error says, is
//! decided by the caller. Both directions meet: what is written is read back as the same value, times to the microsecond.

pub(crate) mod double;
pub(crate) mod time;

/// Appends a text, a short one without a call: two words that overlap hold any from their own length to twice that.
#[inline(always)]
pub(crate) fn append(text: &[u8], out: &mut Vec<u8>) {
    fn halves<const N: usize>(text: &[u8]) -> Option<(&[u8; N], &[u8; N])> {
        text.first_chunk::<N>().zip(text.last_chunk::<N>())
    }
    let end = out.len() + text.len();
    if text.len() > 32 {
        out.extend_from_slice(text);
    } else if let Some((first, last)) = halves::<16>(text) {
        out.extend_from_slice(first);
        out.truncate(end - 16);
        out.extend_from_slice(last);
    } else if let Some((first, last)) = halves::<8>(text) {
        out.extend_from_slice(first);
        out.truncate(end - 8);
        out.extend_from_slice(last);
    } else if let Some((first, last)) = halves::<4>(text) {
        out.extend_from_slice(first);
        out.truncate(end - 4);
        out.extend_from_slice(last);
    } else {
        text.iter().for_each(|byte| out.push(*byte));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_any_length_are_appended_whole() {
        let text: Vec<u8> = (0..100).collect();
        for length in 0..=text.len() {
            let mut out = b"before".to_vec();
            append(&text[..length], &mut out);
            assert_eq!(out, [b"before", &text[..length]].concat());
        }
    }
}
