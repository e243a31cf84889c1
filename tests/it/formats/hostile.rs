//! Bytes that mean harm: whatever a part holds, the library ends with rows or an error, never with a panic, and after
//! an error there is no output and no temporary. In this process, so that a panic is seen.

use crate::support::checksums::with_checksums;
use crate::support::scale::cases;
use crate::support::scratch::{Scratch, parquet_file, rows};
use arrow::array::RecordBatch;
use forecast_export::{Error, Options};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use proptest::prelude::*;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::LazyLock;

/// Merges by every way: what comes is rows or an error in the data, and an error leaves nothing.
fn survives(scratch: &Scratch) -> Result<(), TestCaseError> {
    for target in ["out/x.csv", "out/x.parquet"] {
        let merged = catch_unwind(AssertUnwindSafe(|| scratch.merge(target, &Options::default())));
        let left = scratch.written();
        match merged {
            Err(_) => prop_assert!(false, "{target}: a panic"),
            Ok(Ok(report)) => {
                prop_assert_eq!(left, [target]);
                prop_assert_eq!(report.outputs.len(), 1);
                std::fs::remove_file(scratch.path(target)).expect("removed");
            }
            Ok(Err(error)) => {
                prop_assert!(matches!(error, Error::Data(_) | Error::Incomplete(_)), "{target}: {error:?}");
                prop_assert_eq!(left, Vec::<String>::new(), "{}: {}", target, error);
            }
        }
    }
    Ok(())
}

/// CSV made of what matters to a reader of it.
fn hostile_csv() -> impl Strategy<Value = Vec<u8>> {
    let words: Vec<&'static [u8]> = vec![
        b"item_id",
        b"date",
        b"timestamp",
        b"p50",
        b"price-RawImpactScore",
        b"backtestwindow_start_time",
        b"Aggregate",
        b"2026-01-03T00:00:00Z",
        b"2026-01-03T00:00:00",
        b"9999-12-31T23:59:59.999999+23:59",
        b"0000-01-01T00:00:00-23:59",
        b"not defined",
        b"NaN",
        b"1e999",
        b"4.9E-324",
        b"-0.0",
        b"00042",
        b"\xef\xbb\xbf",
        b"\xff",
        b"\0",
        b"\"\"",
        b"\"",
        b",",
        b",",
        b",",
        b"\n",
        b"\n",
        b"\r\n",
        b"\r",
        b" ",
        b"PAR1",
        b"\x1f\x8b",
        b"\x28\xb5\x2f\xfd",
    ];
    let noise = prop::collection::vec(any::<u8>(), 0..12);
    let piece = prop_oneof![8 => prop::sample::select(words).prop_map(<[u8]>::to_vec), 1 => noise];
    let text = prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat());
    let headers =
        prop::sample::select(vec!["", "item_id,date,p50\n", "item_id,timestamp,p50,a-RawImpactScore\r\n"]);
    (headers, text).prop_map(|(header, text)| [header.as_bytes(), &text].concat())
}

/// What is done to a file.
#[derive(Debug, Clone)]
enum Harm {
    Flip { at: prop::sample::Index, mask: u8 },
    Fill { at: prop::sample::Index, byte: u8, length: usize },
    Cut { at: prop::sample::Index },
    Remove { at: prop::sample::Index, length: usize },
    Insert { at: prop::sample::Index, bytes: Vec<u8> },
}

fn harm() -> impl Strategy<Value = Harm> {
    let at = || any::<prop::sample::Index>();
    prop_oneof![
        6 => (at(), 1u8..).prop_map(|(at, mask)| Harm::Flip { at, mask }),
        2 => (at(), any::<u8>(), 1usize..40).prop_map(|(at, byte, length)| Harm::Fill { at, byte, length }),
        1 => at().prop_map(|at| Harm::Cut { at }),
        1 => (at(), 1usize..20).prop_map(|(at, length)| Harm::Remove { at, length }),
        1 => (at(), prop::collection::vec(any::<u8>(), 1..20)).prop_map(|(at, bytes)| Harm::Insert { at, bytes }),
    ]
}

/// Does harm within `bytes[from..]`.
fn harmed(mut bytes: Vec<u8>, from: usize, harms: Vec<Harm>) -> Vec<u8> {
    for harm in harms {
        let Some(length) = bytes.len().checked_sub(from).filter(|length| *length > 0) else { break };
        let end = bytes.len();
        let place = |at: prop::sample::Index| from + at.index(length);
        match harm {
            Harm::Flip { at, mask } => bytes[place(at)] ^= mask,
            Harm::Fill { at, byte, length } => bytes[place(at)..end.min(place(at) + length)].fill(byte),
            Harm::Cut { at } => bytes.truncate(place(at)),
            Harm::Remove { at, length } => {
                bytes.drain(place(at)..end.min(place(at) + length));
            }
            Harm::Insert { at, bytes: new } => {
                bytes.splice(place(at)..place(at), new);
            }
        }
    }
    bytes
}

/// Small valid files: plain, with a dictionary and Zstandard in several row groups, and with checksums.
static FILES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let batch: RecordBatch = rows(0, 60);
    let zstd = Compression::ZSTD(ZstdLevel::default());
    let groups = WriterProperties::builder().set_compression(zstd).set_max_row_group_row_count(Some(25));
    vec![
        parquet_file(&batch, WriterProperties::builder().set_dictionary_enabled(false).build()),
        parquet_file(&batch, groups.build()),
        with_checksums(&batch),
    ]
});

fn footer_start(file: &[u8]) -> usize {
    let length = u32::from_le_bytes(file[file.len() - 8..file.len() - 4].try_into().expect("four bytes"));
    file.len() - 8 - length as usize
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn csv_of_any_bytes_ends_in_rows_or_an_error(parts in prop::collection::vec(hostile_csv(), 1..4)) {
        survives(&Scratch::csv(&parts))?;
    }

    #[test]
    fn parquet_with_any_harm_ends_in_rows_or_an_error(
        file in 0usize..3, harms in prop::collection::vec(harm(), 1..4), is_second in any::<bool>()
    ) {
        let bad = harmed(FILES[file].clone(), 0, harms);
        let parts = if is_second { vec![FILES[file].clone(), bad] } else { vec![bad] };
        survives(&Scratch::of_parts("parquet", &parts))?;
    }

    #[test]
    fn a_harmed_footer_ends_in_rows_or_an_error(file in 0usize..3, harms in prop::collection::vec(harm(), 1..3)) {
        // Its length and the magic bytes stay, so that it is read.
        let whole = &FILES[file];
        let start = footer_start(whole);
        let harms = harms.into_iter().filter(|harm| matches!(harm, Harm::Flip { .. } | Harm::Fill { .. })).collect();
        let mut bad = harmed(whole[..whole.len() - 8].to_vec(), start, harms);
        bad.extend_from_slice(&whole[whole.len() - 8..]);
        survives(&Scratch::of_parts("parquet", &[bad]))?;
    }
}
