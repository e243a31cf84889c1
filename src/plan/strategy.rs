//! Chooses the strategy by which rows get from the parts to the output: takes what the parts hold and the options,
//! returns a strategy and the reason.

use super::decided::Way;
use crate::codec::parquet::codec;
use crate::model::{Compression, Format, Options, ROW_GROUP_ROWS, Setting, Warning, Why};
use crate::source::{Input, PlannedPart};

use parquet::file::metadata::RowGroupMetaData;
use std::mem::discriminant;

/// A row group with fewer rows than this, and fewer bytes than [`SMALL_ROW_GROUP_BYTES`], is too small to keep if a
/// neighbour is small too, because each row group costs readers time.
const SMALL_ROW_GROUP_ROWS: i64 = 65_536;
const SMALL_ROW_GROUP_BYTES: i64 = 4 * 1024 * 1024;

/// Consecutive row groups of the input, and what happens to them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RowGroupPiece {
    Copy {
        part: usize,
        row_group: usize,
    },
    /// Too small to keep: their rows become one row group.
    Reencode(Vec<(usize, usize)>),
}

pub(super) fn strategy(input: &Input, to: Format, options: &Options) -> (Way, Why) {
    match (input.format, to) {
        (Format::Csv, Format::Csv) if options.source_columns => (Way::Transcode, Why::AddsCells),
        (Format::Csv, Format::Csv) if !input.is_uniform => (Way::Transcode, Why::HeadersDiffer),
        (Format::Csv, Format::Csv) => (Way::CopyBytes, Why::OneHeader),
        (Format::Parquet, Format::Parquet) => match why_not_copied(input, options) {
            Some(why) => (Way::Transcode, why),
            None => (Way::CopyRowGroups, Why::OneSchema),
        },
        (from, to) => (Way::Transcode, Why::Converts { from, to }),
    }
}

/// Whether every column chunk already has this codec. Footers do not record levels, so a requested level never matches.
fn is_compressed_so(input: &Input, asked: Compression) -> bool {
    let has_level = matches!(asked, Compression::Zstd(Some(_)) | Compression::Gzip(Some(_)));
    let Ok(wanted) = codec(asked) else { return false };
    let mut footers = input.parts.iter().filter_map(PlannedPart::parquet);
    !has_level
        && footers.all(|footer| {
            let mut chunks = footer.row_groups().iter().flat_map(RowGroupMetaData::columns);
            chunks.all(|chunk| discriminant(&chunk.compression()) == discriminant(&wanted))
        })
}

fn why_not_copied(input: &Input, options: &Options) -> Option<Why> {
    let asked = [
        (options.source_columns, Why::AddsColumns),
        (!options.types.is_empty(), Why::ChangesColumns(Setting::Types)),
        (options.all_strings, Why::ChangesColumns(Setting::AllStrings)),
        (changes_bytes(input, options), Why::ChangesColumns(Setting::Binary)),
        (options.row_group_rows.is_some(), Why::CutsRowGroups),
        (!options.bloom_filters.is_empty(), Why::AddsBloomFilters),
        (options.split.is_some(), Why::SplitsFiles),
        (options.compression.is_some_and(|asked| !is_compressed_so(input, asked)), Why::EncodesPages),
    ];
    if let Some((_, why)) = asked.into_iter().find(|(is_asked, _)| *is_asked) {
        return Some(why);
    }
    let mut footers = input.parts.iter().filter_map(PlannedPart::parquet);
    let first = footers.next()?;
    let schema = first.file_metadata().schema_descr();
    let differs = footers.any(|other| {
        other.file_metadata().schema_descr().root_schema().get_fields() != schema.root_schema().get_fields()
    });
    differs.then_some(Why::SchemasDiffer)
}

/// Whether there are binary values to write as text.
fn changes_bytes(input: &Input, options: &Options) -> bool {
    options.binary.is_some() && input.carried.as_ref().is_some_and(|carried| !carried.changed.is_empty())
}

/// An option that was given but has no effect.
pub(super) fn ignored_option(way: &Way, to: Format, options: &Options) -> Option<Warning> {
    match (way, to) {
        (Way::CopyBytes, _) if !options.types.is_empty() => Some(Warning::NoEffectOnText(Setting::Types)),
        (Way::CopyBytes, _) if !options.nulls.is_empty() => Some(Warning::NoEffectOnText(Setting::Nulls)),
        (_, Format::Csv) if options.row_group_rows.is_some() => {
            Some(Warning::NoEffectOnCsv(Setting::RowGroupRows))
        }
        (_, Format::Csv) if !options.bloom_filters.is_empty() => {
            Some(Warning::NoEffectOnCsv(Setting::BloomFilters))
        }
        _ => None,
    }
}

/// The row groups of the given parts in order, and what happens to each.
pub(crate) fn row_group_pieces(input: &Input, parts: std::ops::Range<usize>) -> Vec<RowGroupPiece> {
    let can_reencode = can_reencode(input);
    let mut pieces = Vec::new();
    let mut run: Vec<(usize, usize)> = Vec::new();
    let (mut rows, mut bytes) = (0i64, 0i64);
    let mut close = |run: &mut Vec<(usize, usize)>| match run.as_slice() {
        [] => {}
        &[(part, row_group)] => {
            pieces.push(RowGroupPiece::Copy { part, row_group });
            run.clear();
        }
        _ => pieces.push(RowGroupPiece::Reencode(std::mem::take(run))),
    };
    for part in parts {
        let Some(metadata) = input.parts[part].parquet() else { continue };
        for (row_group, group) in metadata.row_groups().iter().enumerate() {
            if group.num_rows() == 0 {
                continue;
            }
            let small = can_reencode && is_small(group);
            let size = group.total_byte_size().max(0);
            let full = rows.saturating_add(group.num_rows()) > ROW_GROUP_ROWS as i64
                || bytes.saturating_add(size) > 64 * 1024 * 1024;
            if !small || full {
                close(&mut run);
                (rows, bytes) = (0, 0);
            }
            run.push((part, row_group));
            (rows, bytes) = (rows.saturating_add(group.num_rows()), bytes.saturating_add(size));
            if !small {
                close(&mut run);
                (rows, bytes) = (0, 0);
            }
        }
    }
    close(&mut run);
    pieces
}

fn is_small(group: &RowGroupMetaData) -> bool {
    group.num_rows() < SMALL_ROW_GROUP_ROWS && group.compressed_size() < SMALL_ROW_GROUP_BYTES
}

/// Whether an encoder would declare the parts' types. INT96 is copied, but it should no longer be written.
fn can_reencode(input: &Input) -> bool {
    let first = input.parts.iter().find_map(PlannedPart::parquet);
    first.zip(input.carried.as_ref()).is_some_and(|(first, carried)| carried.keeps_types_of(&first))
}
