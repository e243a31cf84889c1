//! Predicts the requests that a run will make: takes a plan, returns how many of each kind go to the source's store and
//! to the output's. These counts must follow what `source`, `engine`, `sink` and `run` do; a test compares the two for
//! every strategy.

use super::decided::{RunPlan, Way};
use super::output::{Output, Outputs};
use super::server_merge::{ServerMerge, TextOnServer};
use super::strategy::{RowGroupPiece, row_group_pieces};
use crate::codec::parquet::{byte_ranges, chunk_reads};
use crate::model::{
    Budget, Compression, DEFAULT_MEMORY, Format, Options, PlannedRequests, Requests, Split, TRANSFER_BYTES,
    pages_of,
};
use crate::sink::SinkOptions;
use crate::source::{Contents, CsvHead, Input, PlannedPart, Wrapping, fetched_ranges};
use crate::store::Store;

use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, RowGroupMetaData};
use std::ops::Range;

/// Requests to the two stores of a plan.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ToBoth {
    source: Requests,
    output: Requests,
}

impl ToBoth {
    /// The requests that were made to the two stores.
    fn made(source: &Store, output: &Output) -> Self {
        let output = output.store().map(Store::requests).unwrap_or_default();
        ToBoth { source: source.requests(), output }
    }
}

/// The requests of a plan with nothing to do.
pub(super) fn of_up_to_date(source: &Store, output: &Output) -> PlannedRequests {
    told((source, output), ToBoth::made(source, output), ToBoth::default(), true)
}

/// The requests of a plan; its stores have counted those made so far.
pub(super) fn of_run(plan: &RunPlan) -> PlannedRequests {
    let (source, output) = (&plan.input.store, &plan.output);
    let (running, is_exact) = to_come(plan);
    told((source, output), ToBoth::made(source, output), running, is_exact)
}

fn told(
    (source, output): (&Store, &Output),
    planning: ToBoth,
    running: ToBoth,
    exact: bool,
) -> PlannedRequests {
    let stores = [
        (Some(source), planning.source + running.source),
        (output.store(), planning.output + running.output),
    ];
    let charged =
        stores.iter().filter(|(store, _)| store.is_some_and(Store::is_s3)).map(|(_, requests)| *requests);
    PlannedRequests {
        planning: planning.source + planning.output,
        running: running.source + running.output,
        exact,
        us_dollars: charged.reduce(|one, other| one + other).map(|requests| requests.us_dollars()),
    }
}

/// A sum, and whether it is exact.
#[derive(Debug, Clone, Copy)]
struct Estimate {
    number: u64,
    is_exact: bool,
}

impl Estimate {
    fn exactly(number: u64) -> Self {
        Estimate { number, is_exact: true }
    }

    fn about(number: u64) -> Self {
        Estimate { number, is_exact: false }
    }
}

impl std::iter::Sum for Estimate {
    fn sum<I: Iterator<Item = Estimate>>(estimates: I) -> Estimate {
        estimates.fold(Estimate::exactly(0), |sum, next| Estimate {
            number: sum.number + next.number,
            is_exact: sum.is_exact && next.is_exact,
        })
    }
}

/// The requests of a run, and whether the number is exact.
fn to_come(plan: &RunPlan) -> (ToBoth, bool) {
    let mut requests = ToBoth::default();
    let mut is_exact = true;
    let input = &plan.input;
    if !input.store.is_local() {
        // The check before publishing that everything is unchanged.
        requests.source = input.relisting.requests();
        let read = reads(plan);
        requests.source.get += read.number;
        is_exact &= read.is_exact;
    }
    if plan.output.store().is_some_and(|store| !store.is_local()) {
        let (written, known) = writes(plan);
        requests.output = written;
        is_exact &= known;
    }
    (requests, is_exact)
}

/// Requests that read parts.
fn reads(plan: &RunPlan) -> Estimate {
    let budget = Budget::new(&plan.options);
    let once = match &plan.way {
        Way::CopyOnServer(merge) => return reads_on_server(plan, merge, budget),
        Way::CopyRowGroups => match &plan.outputs {
            Outputs::Files(files) => {
                files.iter().map(|file| copied_row_groups(&plan.input, file.parts.clone(), budget)).sum()
            }
            Outputs::Resplit(_) => copied_row_groups(&plan.input, 0..plan.input.parts.len(), budget),
        },
        Way::CopyBytes | Way::Transcode => rows(&plan.input, budget),
    };
    if !plan.options.verify {
        return once;
    }
    // For verification, the rows are read once more; those of the output are read from disk.
    let half = Options {
        memory: Some(plan.options.memory.unwrap_or(DEFAULT_MEMORY) / 2),
        threads: plan.options.threads,
        ..Options::default()
    };
    [once, rows(&plan.input, Budget::new(&half))].into_iter().sum()
}

/// The rows of all parts.
fn rows(input: &Input, budget: Budget) -> Estimate {
    let of_part = |part: &PlannedPart| match &part.contents {
        Contents::Empty => Estimate::exactly(0),
        Contents::Csv { head, .. } if head.is_header_only => Estimate::exactly(0),
        Contents::Csv { head, .. } => {
            Estimate::exactly(fetched_ranges(&part.object, head, budget).count() as u64)
        }
        Contents::Parquet { footer, .. } => {
            footer.metadata().row_groups().iter().map(|group| row_group(group, budget)).sum()
        }
    };
    input.parts.iter().map(of_part).sum()
}

/// A decoded row group: a read for each contiguous range, or several for each page if it is too large to hold.
fn row_group(group: &RowGroupMetaData, budget: Budget) -> Estimate {
    let ranges = byte_ranges(group);
    let bytes: u64 = ranges.iter().map(|range| range.end - range.start).sum();
    if bytes <= (budget.prefetch / budget.threads) as u64 {
        return Estimate::exactly(ranges.len() as u64);
    }
    let pages = |column: &ColumnChunkMetaData| {
        let (bytes, values) = (column.compressed_size(), column.num_values());
        let dictionary = u64::from(column.dictionary_page_offset().is_some());
        dictionary + bytes.unsigned_abs().div_ceil(PAGE_BYTES).max(values.unsigned_abs().div_ceil(PAGE_ROWS))
    };
    // The header of each page, and its values.
    Estimate::about(group.columns().iter().map(|column| 2 * pages(column)).sum())
}

/// The usual maximum size of a page.
const PAGE_BYTES: u64 = 1024 * 1024;
const PAGE_ROWS: u64 = 20_000;

/// Row groups that are copied, or re-encoded if they are small.
fn copied_row_groups(input: &Input, parts: Range<usize>, budget: Budget) -> Estimate {
    let mut opened = None;
    let mut of_piece = |piece: &RowGroupPiece| match piece {
        RowGroupPiece::Copy { part, row_group } => {
            let Some(metadata) = input.parts[*part].parquet() else { return Estimate::exactly(0) };
            let is_new = opened.replace(*part) != Some(*part);
            let index = u64::from(is_new && has_index(&metadata));
            let reads = chunk_reads(metadata.row_group(*row_group), TRANSFER_BYTES as u64);
            Estimate::exactly(index + reads.len() as u64)
        }
        RowGroupPiece::Reencode(groups) => reencoded(input, groups, budget),
    };
    row_group_pieces(input, parts).iter().map(&mut of_piece).sum()
}

fn reencoded(input: &Input, groups: &[(usize, usize)], budget: Budget) -> Estimate {
    let of_group = |(part, group): &(usize, usize)| match input.parts[*part].parquet() {
        Some(metadata) => row_group(metadata.row_group(*group), budget),
        None => Estimate::exactly(0),
    };
    groups.iter().map(of_group).sum()
}

/// Whether there are page indexes, which are read separately.
fn has_index(metadata: &ParquetMetaData) -> bool {
    let mut columns = metadata.row_groups().iter().flat_map(RowGroupMetaData::columns);
    columns.any(|column| column.offset_index_range().is_some())
}

fn reads_on_server(plan: &RunPlan, merge: &ServerMerge, budget: Budget) -> Estimate {
    let input = &plan.input;
    let glued = Estimate::exactly(merge.totals.reads as u64);
    let text = merge.text.iter().filter(|piece| match piece {
        TextOnServer::Read { part } => input.parts[*part].csv_head().is_some_and(|head| head.whole.is_none()),
        TextOnServer::Ours(_) | TextOnServer::Copied { .. } => false,
    });
    let text = Estimate::exactly(text.count() as u64);
    if input.format == Format::Csv {
        return [glued, text].into_iter().sum();
    }
    let mut opened = None;
    let mut of_piece = |piece: &RowGroupPiece| match piece {
        RowGroupPiece::Copy { part, .. } => {
            let is_new = opened.replace(*part) != Some(*part);
            let index = is_new && input.parts[*part].parquet().is_some_and(|metadata| has_index(&metadata));
            Estimate::exactly(u64::from(index))
        }
        RowGroupPiece::Reencode(groups) => reencoded(input, groups, budget),
    };
    let groups = row_group_pieces(input, 0..input.parts.len());
    groups.iter().map(&mut of_piece).chain([glued]).sum()
}

/// Requests that write, check and list the output.
fn writes(plan: &RunPlan) -> (Requests, bool) {
    let budget = Budget::new(&plan.options);
    let mut requests = Requests::default();
    let mut is_exact = true;
    let written_files;
    match (&plan.way, &plan.outputs) {
        (Way::CopyOnServer(merge), _) => {
            requests.create_upload = 1;
            requests.upload_part = merge.totals.sent as u64;
            requests.upload_part_copy = merge.totals.copies as u64;
            requests.head = u64::from(!plan.options.overwrite);
            requests.complete_upload = 1;
            written_files = 1;
            // The lengths of Parquet footers and of re-encoded row groups are estimates.
            is_exact = plan.to == Format::Csv;
        }
        (_, Outputs::Files(files)) => {
            for file in files {
                let options = plan.sink_options(budget, files.len(), file);
                let (uploaded, known) = upload(length_of(plan, file.parts.clone()), &options);
                requests += uploaded;
                is_exact &= known;
            }
            written_files = files.len() as u64;
        }
        (_, Outputs::Resplit(resplit)) => {
            is_exact = false;
            let all = length_of(plan, 0..plan.input.parts.len()).likely;
            let cuts = match (resplit.split, plan.input.rows()) {
                (Split::Bytes(most), _) => all.div_ceil(most.max(1)),
                (Split::Rows(most), Some(rows)) => rows.div_ceil(most.max(1)),
                (Split::Rows(most), None) => (plan.input.bytes() / ROW_BYTES).div_ceil(most.max(1)),
            };
            written_files = cuts.max(1);
            let one = Length::about(all / written_files, 0);
            let (uploaded, _) = upload(one, &plan.sink_options_of_cut(resplit, &resplit.file(0)));
            requests += uploaded * written_files;
            if plan.options.overwrite {
                // The check whether old parts would stay next to them.
                requests.list += pages_of(plan.found_in_folder);
            }
        }
    }
    if plan.receipt_place().is_some() {
        // The existing receipt, the new receipt, and before that the check that the output is still ours. For a folder
        // that is a listing, which also returns the files' identifiers.
        requests.get += 1;
        requests.put += 1;
        match &plan.output {
            Output::Folder(_) => requests.list += pages_of(plan.found_in_folder + written_files),
            Output::File(_) | Output::Stdout => requests.head += 1,
        }
    }
    (requests, is_exact)
}

/// Rough bytes of a row of text.
const ROW_BYTES: u64 = 100;

/// The requests that write a file to a store, and whether the number is exact.
fn upload(length: Length, options: &SinkOptions) -> (Requests, bool) {
    let of = |bytes: u64| match options.pieces_of(bytes) {
        None => Requests { head: u64::from(!options.overwrite), put: 1, ..Requests::default() },
        Some(count) => Requests {
            create_upload: 1,
            upload_part: count,
            head: u64::from(!options.overwrite),
            complete_upload: 1,
            ..Requests::default()
        },
    };
    (of(length.likely), of(length.least) == of(length.most))
}

/// The expected length of a file.
#[derive(Debug, Clone, Copy)]
struct Length {
    least: u64,
    likely: u64,
    most: u64,
}

impl Length {
    fn about(likely: u64, most: u64) -> Self {
        Length { least: 0, likely, most: most.max(likely) }
    }
}

/// The length of the file made from some parts.
fn length_of(plan: &RunPlan, parts: Range<usize>) -> Length {
    let planned = &plan.input.parts[parts];
    let bytes: u64 = planned.iter().map(|part| part.object.size).sum();
    // A footer, and a few hundred bytes per part in a receipt.
    let ends = 64 * 1024 + 512 * planned.len() as u64;
    match (plan.input.format, plan.to) {
        (Format::Csv, Format::Csv) => {
            let heads = || planned.iter().filter_map(|part| Some((&part.object, part.csv_head()?)));
            let is_wrapped = |head: &CsvHead| head.wrapping != Wrapping::Plain;
            if heads().any(|(_, head)| is_wrapped(head)) {
                return Length::about(bytes * 4, u64::MAX);
            }
            let text = plan.input.header().len() as u64
                + heads().map(|(object, head)| object.size - head.body).sum::<u64>();
            match (&plan.way, plan.compression) {
                // Any part may lack its last line end.
                (Way::CopyBytes, Compression::None) => {
                    Length { least: text, likely: text, most: text + 2 * planned.len() as u64 }
                }
                (_, Compression::None) => Length::about(text, text * 2 + ends),
                _ => Length::about(text / 4, text + text / 8 + ends),
            }
        }
        (Format::Csv, Format::Parquet) => Length::about(bytes / 3, bytes * 2 + ends),
        (Format::Parquet, Format::Parquet) => Length::about(bytes, bytes * 2 + ends),
        (Format::Parquet, Format::Csv) => {
            let cells =
                plan.input.rows().unwrap_or(0).saturating_mul(plan.input.schema.fields().len() as u64);
            let text = (bytes * 4).max(cells * 8);
            Length::about(text, text.saturating_mul(8) + ends)
        }
    }
}
