//! How much heap a run takes at its peak: it is bounded by the options, never by the input.
//!
//! This is a test binary beside `it`, because it replaces the allocator of the whole process by one that counts. Each
//! test has the process to itself while it measures. What C code allocates is not counted (only Zstandard's encoder
//! does so here); `benches/peers/run` measures the resident memory of the command, which has all of it.
//!
//! Inputs are 25 MB and 50 MB of text, or the same rows as Parquet; in full, 50 MB and 101 MB. `cargo test
//! --release --test memory` compares 50 MB with 400 MB instead.

#![expect(clippy::print_stdout, reason = "the peaks are worth seeing: --nocapture")]

use forecast_export::{
    Format, InventoryOptions, Location, Options, Output, SampleOptions, inventory, plan, run, sample,
};
use peak_alloc::PeakAlloc;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// `cargo test` runs tests as threads of one process: what they allocate must not mix.
static ALONE: Mutex<()> = Mutex::new(());

const MB: usize = 1_000_000;

/// What a run may take with nothing but `--threads 2`.
const BOUND_AT_DEFAULTS: usize = 128 * MB;

/// Items of 50 MB of text, or of 25 MB unless everything is run: each has a hundred rows of about 97 bytes.
fn items() -> u64 {
    2 * full_part()
}

/// How many times larger the large input is.
const TIMES: u64 = if cfg!(debug_assertions) { 2 } else { 8 };

/// Items of a part whose row group is a full one, or nearly so. Parts of the small and of the large input are equally
/// long, since a row group is what has to be held of Parquet.
fn full_part() -> u64 {
    let is_full = std::env::var("FORECAST_EXPORT_TESTS").is_ok_and(|tests| tests == "full");
    if is_full || !cfg!(debug_assertions) { 2_600 } else { 1_300 }
}

/// Items of a part whose row group is too small to keep.
const SMALL_PART: u64 = 100;

struct Input {
    folder: TempDir,
    format: Format,
    rows: u64,
    bytes: u64,
}

impl Input {
    fn make(runtime: &Runtime, format: Format, items: u64, parts: u32) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the sample");
        let mut options = SampleOptions::default();
        options.items = items;
        options.steps = 100;
        options.parts = parts;
        options.to = format;
        let report = runtime
            .block_on(sample(&location(folder.path()), &options, |_event| ()))
            .expect("a sample can be made");
        Input { folder, format, rows: report.rows, bytes: report.bytes }
    }

    /// The most heap that a run takes beyond what was taken before it.
    fn peak(&self, runtime: &Runtime, to: Format, memory: Option<u64>) -> usize {
        let folder = tempfile::tempdir().expect("a folder for the output");
        let target = folder.path().join(format!("out.{}", to.name())).display().to_string();
        let mut options = Options::default();
        options.threads = Some(2);
        options.memory = memory;
        let before = HEAP.current_usage();
        HEAP.reset_peak_usage();
        let report = runtime.block_on(async {
            let plan = plan(&location(self.folder.path()), &Output::file(&target)?, &options).await?;
            run(plan, |_event| ()).await
        });
        let peak = HEAP.peak_usage() - before;
        assert_eq!(report.expect("the run succeeds").rows, Some(self.rows));
        println!(
            "{:>7} -> {:<7} {:>5.0} MB in {:>2} parts, memory {:>8}: peak {:>5.1} MB",
            self.format.name(),
            to.name(),
            self.bytes as f64 / MB as f64,
            std::fs::read_dir(self.folder.path()).expect("the sample").count() - MARKERS,
            memory.map_or("default".into(), |bytes| format!("{} MB", bytes / MB as u64)),
            peak as f64 / MB as f64
        );
        peak
    }
}

/// `_CHECK` and `_SUCCESS` lie beside the parts of a sample.
const MARKERS: usize = 2;

fn location(path: &Path) -> Location {
    Location::parse(&path.display().to_string()).expect("a path")
}

/// Runs each way: how many items a part has, and what it becomes. Inputs that several ways share are made once.
fn memory_is_bounded(from: Format, ways: &[(u64, &[Format])]) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let one = Input::make(&runtime, from, TIMES * items(), 1);
    let mut peaks_of_one = BTreeMap::new();
    for (items_per_part, targets) in ways {
        let parts = u32::try_from(items() / items_per_part).expect("few parts");
        let small = Input::make(&runtime, from, items(), parts);
        let small_peaks: Vec<usize> = targets.iter().map(|to| small.peak(&runtime, *to, None)).collect();
        drop(small);
        let large = Input::make(&runtime, from, TIMES * items(), TIMES as u32 * parts);
        for (to, small_peak) in targets.iter().zip(small_peaks) {
            let large_peak = large.peak(&runtime, *to, None);
            let limited_peak = large.peak(&runtime, *to, Some(64 * MB as u64));
            let one_peak = *peaks_of_one.entry(to.name()).or_insert_with(|| one.peak(&runtime, *to, None));
            let way = format!("{} to {}, {items_per_part} items in a part", from.name(), to.name());
            for (name, peak) in
                [("the small input", small_peak), ("the large input", large_peak), ("one part", one_peak)]
            {
                assert!(peak < BOUND_AT_DEFAULTS, "{way}: {name} took {peak} bytes of heap");
            }
            let grown = small_peak + small_peak / 5 + 8 * MB;
            assert!(
                large_peak <= grown,
                "{way}: the large input took {large_peak} bytes of heap, the small one {small_peak}"
            );
            assert!(
                one_peak <= grown,
                "{way}: one large part took {one_peak} bytes of heap, many small ones {small_peak}"
            );
            assert!(
                limited_peak < 64 * MB,
                "{way}: 64 MB were allowed, and {limited_peak} bytes of heap taken"
            );
        }
    }
}

#[test]
fn text_becomes_parquet_and_is_copied_in_memory_that_the_input_does_not_raise() {
    memory_is_bounded(Format::Csv, &[(full_part(), &[Format::Parquet, Format::Csv])]);
}

#[test]
fn parquet_becomes_text_and_is_copied_in_memory_that_the_input_does_not_raise() {
    // Row groups that are copied, and small ones that become full ones.
    let ways: [(u64, &[Format]); 2] =
        [(full_part(), &[Format::Csv, Format::Parquet]), (SMALL_PART, &[Format::Parquet])];
    memory_is_bounded(Format::Parquet, &ways);
}

/// What is held of each part of an export, and what it takes at most beside it while it is looked at.
const BOUND_OF_A_PART: usize = 1_000;

/// Parts of two exports. What is held of each is told by their difference: of either some is held that does not grow.
const PARTS: [usize; 2] = if cfg!(debug_assertions) { [3_000, 6_000] } else { [4_000, 12_000] };

/// What is held of a part, and what was taken of it at the peak, by work over exports of many small parts.
fn bytes_of_a_part<T>(format: Format, work: impl Fn(&Runtime, &Location, usize) -> T) -> (usize, usize) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    // Parts of some kilobytes: those that are kept whole fill the room that there is for them.
    let input = Input::make(&runtime, format, 1, 1);
    let part = |number| {
        let name = format!("sample_2026-01-02T03-04-05Z_part{number}.{}", format.name());
        input.folder.path().join(name)
    };
    let mut there = 1;
    let taken = PARTS.map(|parts| {
        (there..parts).for_each(|number| std::fs::hard_link(part(0), part(number)).expect("a link"));
        there = parts;
        let before = HEAP.current_usage();
        HEAP.reset_peak_usage();
        let done = work(&runtime, &location(input.folder.path()), parts);
        let (held, peak) = (HEAP.current_usage() - before, HEAP.peak_usage() - before);
        drop(done);
        (held, peak)
    });
    let per_part = |small: usize, large: usize| large.saturating_sub(small) / (PARTS[1] - PARTS[0]);
    (per_part(taken[0].0, taken[1].0), per_part(taken[0].1, taken[1].1))
}

fn a_part_is_held_in_little(format: Format) {
    let planned = bytes_of_a_part(format, |runtime, source, parts| {
        let output = Output::file("/dev/null").expect("a path");
        let mut options = Options::default();
        options.to = Some(format);
        let planned = runtime.block_on(plan(source, &output, &options)).expect("a plan");
        assert_eq!(planned.bytes() / parts as u64, planned.summary().parts[0].bytes);
        planned
    });
    let listed = bytes_of_a_part(format, |runtime, source, parts| {
        let found = runtime.block_on(inventory(source, &InventoryOptions::default())).expect("listed");
        assert_eq!(found.exports[0].parts.len(), parts);
        found
    });
    for (what, (held, peak)) in [("a plan", planned), ("a listing", listed)] {
        println!("{what} of {} parts: {held} bytes of each, {peak} at the peak", format.name());
        assert!(held <= BOUND_OF_A_PART, "{what} holds {held} bytes of each part");
        assert!(peak <= 2 * BOUND_OF_A_PART, "{what} takes {peak} bytes of each part");
    }
}

#[test]
fn a_part_of_text_is_held_in_little() {
    a_part_is_held_in_little(Format::Csv);
}

#[test]
fn a_part_of_parquet_is_held_in_little() {
    a_part_is_held_in_little(Format::Parquet);
}

#[test]
fn the_allocator_counts() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    HEAP.reset_peak_usage();
    drop(std::hint::black_box(vec![1_u8; 10 * MB]));
    // Compared with what is held afterwards: threads of the test before may still be giving memory back.
    let after = HEAP.current_usage();
    assert!(HEAP.peak_usage() >= after + 10 * MB);
}
