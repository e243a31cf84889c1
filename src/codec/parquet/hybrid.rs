//! Encodes Parquet's hybrid of run lengths and bit packing, used for dictionary keys and definition levels.

/// The bits needed for the largest of `values` values counted from 0, at least one.
pub(super) fn width(values: usize) -> u8 {
    let largest = values.saturating_sub(1) as u64;
    (64 - largest.leading_zeros()).max(1) as u8
}

/// A run shorter than this is packed like other values: its header would cost more than it saves.
const SHORTEST_RUN: usize = 8;

/// Appends `values`, none of which needs more than `width` bits (at most 32).
pub(super) fn encode(values: &[u32], width: u8, out: &mut Vec<u8>) {
    let (mut packed_from, mut at) = (0, 0);
    while let Some(&value) = values.get(at) {
        let run = 1 + values[at + 1..].iter().take_while(|next| **next == value).count();
        // Packed values come in groups of eight, so a run first completes the current group.
        let fill = (at - packed_from).next_multiple_of(8) - (at - packed_from);
        if run < fill + SHORTEST_RUN {
            at += run;
            continue;
        }
        pack(&values[packed_from..at + fill], width, out);
        write_run(run - fill, value, width, out);
        at += run;
        packed_from = at;
    }
    pack(&values[packed_from..], width, out);
}

/// Appends `count` times the same value.
pub(super) fn write_run(count: usize, value: u32, width: u8, out: &mut Vec<u8>) {
    varint((count as u64) << 1, out);
    out.extend_from_slice(&value.to_le_bytes()[..usize::from(width).div_ceil(8)]);
}

/// Packed values per header, as in most writers; this many need a header of one byte. With frequent headers at byte
/// boundaries, a reader that reads rows in its own batch size is faster: DuckDB takes a quarter less CPU time for a
/// column of dates than if a page is one pack.
const LONGEST_PACK: usize = 63 * 8;

fn pack(values: &[u32], width: u8, out: &mut Vec<u8>) {
    values.chunks(LONGEST_PACK).for_each(|values| pack_one(values, width, out));
}

fn pack_one(values: &[u32], width: u8, out: &mut Vec<u8>) {
    let groups = values.len().div_ceil(8);
    varint((groups as u64) << 1 | 1, out);
    let end = out.len() + groups * usize::from(width);
    let (mut bits, mut filled) = (0u64, 0u32);
    for value in values {
        bits |= u64::from(*value) << filled;
        filled += u32::from(width);
        if filled >= 32 {
            out.extend_from_slice(&(bits as u32).to_le_bytes());
            bits >>= 32;
            filled -= 32;
        }
    }
    out.extend_from_slice(&bits.to_le_bytes()[..filled.div_ceil(8) as usize]);
    // The last group may have fewer values.
    out.resize(end, 0);
}

/// Appends a number with seven bits per byte.
pub(super) fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Decodes as the format's specification says.
    fn decode(mut bytes: &[u8], width: u8, count: usize) -> Vec<u32> {
        let mut values = Vec::new();
        while values.len() < count {
            let mut header = 0u64;
            for shift in (0..).step_by(7) {
                header |= u64::from(bytes[0] & 0x7f) << shift;
                let more = bytes[0] & 0x80 != 0;
                bytes = &bytes[1..];
                if !more {
                    break;
                }
            }
            let long = usize::from(width);
            if header & 1 == 0 {
                let mut value = [0; 4];
                value[..long.div_ceil(8)].copy_from_slice(&bytes[..long.div_ceil(8)]);
                bytes = &bytes[long.div_ceil(8)..];
                values.extend(std::iter::repeat_n(u32::from_le_bytes(value), (header >> 1) as usize));
            } else {
                let groups = (header >> 1) as usize;
                for i in 0..groups * 8 {
                    let bit = |at: usize| u32::from(bytes[at / 8] >> (at % 8) & 1);
                    values.push((0..long).map(|b| bit(i * long + b) << b).sum());
                }
                bytes = &bytes[groups * long..];
            }
        }
        assert!(bytes.is_empty(), "{bytes:?} is left over");
        values.truncate(count);
        values
    }

    #[test]
    fn widths_hold_the_largest_value() {
        for (values, expected) in [(0, 1), (1, 1), (2, 1), (3, 2), (4, 2), (5, 3), (256, 8), (257, 9)] {
            assert_eq!(width(values), expected, "{values} values");
        }
    }

    proptest! {
        #[test]
        fn encoded_values_are_decoded_again(
            runs in prop::collection::vec((any::<u32>(), prop_oneof![4 => 1usize..4, 1 => 5usize..40]), 0..60),
            width in 1u8..=32
        ) {
            let values: Vec<u32> = runs
                .iter()
                .flat_map(|(value, count)| std::iter::repeat_n(value >> (32 - width), *count))
                .collect();
            let mut bytes = Vec::new();
            encode(&values, width, &mut bytes);
            prop_assert_eq!(decode(&bytes, width, values.len()), values);
        }
    }
}
