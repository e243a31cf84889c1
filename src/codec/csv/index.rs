//! Finds every delimiter of a block of text in one pass with SIMD comparisons, before any cell is read.

use super::simd::{Masks, masks};

/// Bytes that are indexed and decoded together: small enough to stay in a core's own cache.
pub(super) const BLOCK_BYTES: usize = 128 * 1024;

/// The contents of a block of text.
pub(super) struct Found {
    /// The number of positions found.
    pub(super) delimiters: usize,
    pub(super) line_ends: usize,
    pub(super) has_quote: bool,
    pub(super) has_return: bool,
}

/// Writes the positions of all commas and line ends to the start of `ends`; the text's end counts as a line end.
#[inline(always)]
pub(super) fn index<const WIDE: bool>(block: &[u8], ends: &mut Vec<u32>) -> Found {
    let (chunks, rest) = block.as_chunks::<64>();
    let (mut quotes, mut returns) = (0, 0);
    let mut line_ends = 0;
    let mut count = 0;
    // A rest shorter than a chunk is padded with bytes that are not delimiters.
    let mut last = [0; 64];
    last[..rest.len()].copy_from_slice(rest);
    // One loop with one body, so that all of it is compiled for the job's instruction set.
    for i in 0..=chunks.len() {
        let found: Masks = masks::<WIDE>(chunks.get(i).unwrap_or(&last));
        quotes |= found.quotes;
        returns |= found.returns;
        line_ends += found.line_ends.count_ones() as usize;
        let mask = found.commas | found.line_ends;
        if ends.len() < count + 64 {
            // Memory after the positions is meaningless and kept from block to block, so it is cleared only once.
            ends.resize((count + 64).max(ends.len() * 2), 0);
        }
        if let Some(slots) = ends[count..].first_chunk_mut::<64>() {
            spread(mask, (i * 64) as u32, slots);
        }
        count += mask.count_ones() as usize;
    }
    if block.last().is_some_and(|byte| *byte != b'\n') {
        ends.resize(ends.len().max(count + 1), 0);
        ends[count] = block.len() as u32;
        count += 1;
        line_ends += 1;
    }
    Found { delimiters: count, line_ends, has_quote: quotes != 0, has_return: returns != 0 }
}

/// Writes the position of every set bit. Eight are always written, whether they exist or not, because a loop with a
/// varying number of rounds would be mispredicted at most chunks.
#[inline(always)]
fn spread(mut mask: u64, base: u32, slots: &mut [u32; 64]) {
    let count = mask.count_ones() as usize;
    for slot in &mut slots[..8] {
        *slot = base + mask.trailing_zeros();
        mask &= mask.wrapping_sub(1);
    }
    if count > 8 {
        for slot in &mut slots[8..count] {
            *slot = base + mask.trailing_zeros();
            mask &= mask.wrapping_sub(1);
        }
    }
}

/// A block in which every delimiter really delimits.
pub(super) struct Regular {
    pub(super) rows: usize,
    /// Bytes of each row's last field that belong to its line end: one where lines end with `\r\n`.
    pub(super) trim: usize,
}

/// Indexes a block without quotes that consists only of rows of `width` fields, with one kind of line end; `None` for
/// any other, which the general path handles. The first `rows * width` entries of `ends` are the delimiters.
#[inline(always)]
pub(super) fn regular<const WIDE: bool>(block: &[u8], width: usize, ends: &mut Vec<u32>) -> Option<Regular> {
    // With a single column, an empty cell and an empty line, which is not a row, look the same.
    if width < 2 || block.len() >= u32::MAX as usize {
        return None;
    }
    let found = index::<WIDE>(block, ends);
    let ends = &ends[..found.delimiters];
    if found.has_quote || !ends.len().is_multiple_of(width) {
        return None;
    }
    let rows = ends.len() / width;
    // As many line ends as rows, and one at the end of each row, so there is none within a row.
    let is_line_end = |end: u32| block.get(end as usize).is_none_or(|byte| *byte == b'\n');
    let last_ends = || ends.iter().skip(width - 1).step_by(width);
    if found.line_ends != rows || !last_ends().all(|end| is_line_end(*end)) {
        return None;
    }
    if !found.has_return {
        return Some(Regular { rows, trim: 0 });
    }
    // A bare carriage return ends a record too, so each must precede a line feed, and each line feed must follow one.
    let returns = memchr::memchr_iter(b'\r', block).count();
    let before_line_end = |end: u32| {
        let end = end as usize;
        end > 0 && block[end - 1] == b'\r' && block.get(end) == Some(&b'\n')
    };
    (returns == rows && last_ends().all(|end| before_line_end(*end))).then_some(Regular { rows, trim: 1 })
}

/// Cuts a text of whole records without quotes into blocks of whole lines.
pub(super) fn blocks(mut text: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        if text.is_empty() {
            return None;
        }
        let end = if text.len() <= BLOCK_BYTES {
            text.len()
        } else {
            match memchr::memrchr(b'\n', &text[..BLOCK_BYTES]) {
                Some(at) => at + 1,
                // A line longer than a block.
                None => memchr::memchr(b'\n', text).map_or(text.len(), |at| at + 1),
            }
        };
        let (block, rest) = text.split_at(end);
        text = rest;
        Some(block)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_index_holds_every_delimiter_and_nothing_else(text in prop::collection::vec(
            prop::sample::select(b"a,b\n\"\r1.".to_vec()), 0..300)
        ) {
            let mut ends = Vec::new();
            let found = index::<false>(&text, &mut ends);
            let mut expected: Vec<u32> =
                (0..text.len()).filter(|&i| matches!(text[i], b',' | b'\n')).map(|i| i as u32).collect();
            let unended = usize::from(text.last().is_some_and(|byte| *byte != b'\n'));
            if unended == 1 {
                expected.push(text.len() as u32);
            }
            prop_assert_eq!(&ends[..found.delimiters], &expected);
            prop_assert_eq!(found.line_ends, text.iter().filter(|byte| **byte == b'\n').count() + unended);
            prop_assert_eq!(found.has_quote, text.contains(&b'"'));
            prop_assert_eq!(found.has_return, text.contains(&b'\r'));
        }

        #[test]
        fn blocks_are_whole_lines_that_make_up_the_text(lines in prop::collection::vec(0usize..3000, 0..200)) {
            let text: Vec<u8> = lines.iter().flat_map(|length| {
                let mut line = vec![b'x'; *length];
                line.push(b'\n');
                line
            }).collect();
            let blocks: Vec<&[u8]> = blocks(&text).collect();
            prop_assert!(blocks.iter().all(|block| block.ends_with(b"\n")));
            prop_assert_eq!(blocks.concat(), text);
        }
    }
}
