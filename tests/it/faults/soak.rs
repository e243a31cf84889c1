//! Two hundred runs (a sample: sixty) over changing sources in one process: memory and file descriptors stay as they are after the first.

use std::process::Command;

use forecast_export::{Format, Location, Options, Output, plan, run};

use crate::support::buckets::csv_parts;
use crate::support::scale::full_or_sample;
use crate::support::scratch::Scratch;

const THIS: &str = "faults::soak::memory_and_file_descriptors_stay_flat_over_two_hundred_runs";

/// Kilobytes of memory that the process has.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("this is Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a line");
    line.split_whitespace().nth(1).and_then(|text| text.parse().ok()).expect("a number")
}

fn file_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("this is Linux").count()
}

#[test]
#[expect(clippy::print_stderr, reason = "what was measured is a result")]
fn memory_and_file_descriptors_stay_flat_over_two_hundred_runs() {
    let runs = full_or_sample(200, 60);
    // In a process of its own: other tests would be measured too.
    if std::env::var_os("FORECAST_EXPORT_SOAK").is_none() {
        let mut command = Command::new(std::env::current_exe().expect("this binary"));
        let child = command.args([THIS, "--exact", "--nocapture"]).env("FORECAST_EXPORT_SOAK", "1").output();
        let child = child.expect("started");
        let said = String::from_utf8_lossy(&child.stderr);
        assert!(child.status.success(), "{said}");
        assert!(said.contains(&format!("after {runs} runs")), "{said}");
        eprint!("{said}");
        return;
    }
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    let mut after_some = None;
    for number in 0..runs {
        let mut parts = csv_parts(1 + number % 4, 100 + 10 * number);
        let is_bad = number % 10 == 9;
        if is_bad {
            // A run that fails must hold on to nothing either.
            parts[0].extend_from_slice(b"cut,short\n");
        }
        let scratch = Scratch::csv(&parts);
        let at = |name: &str| scratch.path(name).display().to_string();
        runtime.block_on(async {
            let source = Location::parse(&at("in")).expect("a path");
            let mut options = Options::default();
            let output = match number % 3 {
                0 => Output::file(&at("new/out.csv")),
                1 => Output::file(&at("new/out.parquet")),
                _ => {
                    options.to = Some(Format::Parquet);
                    Output::folder(&at("new"))
                }
            };
            let output = output.expect("a path");
            let planned = plan(&source, &output, &options).await.expect("a plan");
            assert_eq!(run(planned, |_| ()).await.is_err(), is_bad, "run {number}");
        });
        if number == runs / 4 {
            after_some = Some((memory(), file_descriptors()));
        }
    }
    let (memory_then, files_then) = after_some.expect("there were that many");
    let (memory_now, files_now) = (memory(), file_descriptors());
    eprintln!(
        "memory {memory_then} kB, {files_then} files; after {runs} runs {memory_now} kB, {files_now} files"
    );
    // What each run leaks would have piled up over three quarters of the runs; a thread that is about to end may hold a file a moment longer.
    assert!(files_now < files_then + 5, "{files_then} files grew to {files_now}");
    assert!(memory_now < memory_then + 32 * 1024, "{memory_then} kB grew to {memory_now} kB");
}
