//! `cluster`: plans, pieces, commits, and processes of this machine that carry pieces out.

use super::Stop;
use super::args::{Global, Merge};
use super::cluster_args::{ClusterCommand, CommitArgs, PieceArgs, PlanArgs, Planned, RunArgs, StatusArgs};
use super::failure::Failure;
use super::output;
use super::progress::Progress;
use super::source;
use forecast_export::cluster::{self, ClusterPlan, PieceOptions, Pieces};
use forecast_export::{Error, Event, Location, Output, Phase, Report, UsageError};
use std::collections::VecDeque;
use std::ffi::OsString;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Pieces of `merge --resume`: what is lost when a run ends early.
const RESUMED_BYTES: u64 = 1_000_000_000;
/// How often a piece is tried that fails over a store.
const TRIES: u32 = 3;
/// How often processes are looked at.
const LOOK: Duration = Duration::from_millis(20);

pub(crate) async fn cluster(
    global: &Global,
    command: &ClusterCommand,
    stop: &Stop,
    again: &[OsString],
) -> Result<(), Failure> {
    match command {
        ClusterCommand::Plan(args) => plan(global, args).await,
        ClusterCommand::Piece(args) => piece(global, args, stop).await,
        ClusterCommand::Commit(args) => commit(global, args, stop).await,
        ClusterCommand::Status(args) => status(global, args).await,
        ClusterCommand::Run(args) => run(global, args, stop, again).await,
    }
}

async fn plan(global: &Global, args: &PlanArgs) -> Result<(), Failure> {
    if args.output == "-" {
        return Err(Error::from(UsageError::StdoutOfPieces).into());
    }
    let mut options = args.options()?;
    let place = source::place(global, &args.output, &global.store_options_of(args.objects.options()))?;
    let is_folder =
        args.output.ends_with('/') || std::fs::metadata(&args.output).is_ok_and(|meta| meta.is_dir());
    let output = if is_folder { Output::Folder(place) } else { Output::File(place) };
    let source = source::locate(global, &args.source.texts, &args.source.job, &mut options.select).await?;
    let plan = cluster::plan(&source, &output, &options, args.pieces()).await?;
    if let Some(numbers) = &args.numbers {
        plan.write_numbers(&source::place(global, numbers, &global.store_options())?).await?;
    }
    match &args.plan {
        None => output::print(&format!("{plan}\n")),
        Some(place) => {
            plan.write(&source::place(global, place, &global.store_options())?).await?;
            if !global.quiet {
                let pieces = output::counted(plan.pieces(), "piece");
                output::note(&format!("{pieces}, {} -> {place}", output::size(plan.bytes())));
            }
            Ok(())
        }
    }
}

/// Reads a plan from a file, an object or standard input.
async fn read(global: &Global, text: &str) -> Result<ClusterPlan, Failure> {
    if text == "-" {
        let mut json = Vec::new();
        std::io::Read::read_to_end(&mut std::io::stdin().lock(), &mut json).map_err(|error| Error::Io {
            doing: "reading",
            object: "standard input".into(),
            source: error.into(),
        })?;
        return Ok(ClusterPlan::parse(&json)?);
    }
    Ok(ClusterPlan::read(&Location::parse_with(text, &global.store_options())?).await?)
}

fn options(global: &Global, planned: &Planned) -> PieceOptions {
    let mut options = PieceOptions::default();
    options.store = global.store_options_of(planned.objects.options());
    options.memory = planned.resources.memory;
    options.threads = planned.resources.threads.map(usize::from);
    options
}

async fn piece(global: &Global, args: &PieceArgs, stop: &Stop) -> Result<(), Failure> {
    let plan = read(global, &args.planned.plan).await?;
    let mut progress = Progress::new(global);
    let options = options(global, &args.planned);
    let done =
        cluster::piece_until(&plan, args.index, &options, stop.asked(), |event| progress.show(&event)).await;
    progress.finish();
    let report = done?;
    if global.json {
        return output::json(&report);
    }
    if !global.quiet {
        output::note(&match report.was_done {
            true => format!("piece {} was done before", report.index),
            false => {
                let rows = output::counted(report.rows, "row");
                format!("piece {} of {}: {rows}, {}", report.index, plan.pieces(), output::size(report.bytes))
            }
        });
    }
    Ok(())
}

async fn commit(global: &Global, args: &CommitArgs, stop: &Stop) -> Result<(), Failure> {
    let plan = read(global, &args.planned.plan).await?;
    let mut progress = Progress::new(global);
    let options = options(global, &args.planned);
    let done = cluster::commit(&plan, &options, stop.asked(), |event| progress.show(&event)).await;
    progress.finish();
    tell(global, &done?)
}

fn tell(global: &Global, report: &Report) -> Result<(), Failure> {
    output::warnings(global, &report.warnings);
    if global.json {
        return output::json(report);
    }
    if !global.quiet {
        output::created(&report.created_folders);
        output::note(&output::report(report));
    }
    Ok(())
}

async fn status(global: &Global, args: &StatusArgs) -> Result<(), Failure> {
    let plan = read(global, &args.plan).await?;
    let mut options = PieceOptions::default();
    options.store = global.store_options();
    let status = cluster::status(&plan, &options).await?;
    if global.json {
        return output::json(&status);
    }
    let mut text = match status.committed {
        true => format!("{}: committed\n", status.output),
        false => format!("{}: {} of {} pieces are done\n", status.output, status.done.len(), status.pieces),
    };
    let numbers = |numbers: &[u64]| numbers.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
    if !status.missing.is_empty() {
        text.push_str(&format!("missing: {}\n", numbers(&status.missing)));
    }
    for failed in &status.failed {
        let message = failed.error.get("message").and_then(serde_json::Value::as_str).unwrap_or_default();
        text.push_str(&format!("piece {} failed: {message}\n", failed.index));
    }
    output::print(&text)
}

/// Merges in pieces on this machine.
pub(crate) async fn resume(
    global: &Global,
    args: &Merge,
    output: &Output,
    stop: &Stop,
) -> Result<(), Failure> {
    let mut merge = args.options()?;
    let from = source::locate(global, &args.source.texts, &args.source.job, &mut merge.select).await?;
    let plan = cluster::plan(&from, output, &merge, Pieces::Bytes(RESUMED_BYTES)).await?;
    let mut options = PieceOptions::default();
    options.store = global.store_options_of(args.objects.options());
    options.memory = args.shaping.resources.memory;
    options.threads = args.shaping.resources.threads.map(usize::from);
    let mut progress = Progress::new(global);
    let done = cluster::run_here(&plan, &options, stop.asked(), |event| progress.show(&event)).await;
    progress.finish();
    tell(global, &done?)
}

/// A process that carries out a piece.
struct Worker {
    index: u64,
    process: std::process::Child,
}

/// Carries out all pieces by processes of this machine.
async fn run(global: &Global, args: &RunArgs, stop: &Stop, again: &[OsString]) -> Result<(), Failure> {
    let plan = read(global, &args.planned.plan).await?;
    let mut stopped = std::pin::pin!(stop.asked());
    let workers = args.workers.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let began = Instant::now();
    let mut progress = Progress::new(global);
    let (mut waiting, mut at_work) =
        ((0..plan.pieces()).map(|index| (index, 1)).collect::<VecDeque<_>>(), Vec::new());
    let (mut done, total) = (0, plan.pieces());
    let failure = loop {
        while at_work.len() < workers
            && let Some((index, tries)) = waiting.pop_front()
        {
            at_work.push((start(global, args, &plan, index, again)?, tries));
        }
        if at_work.is_empty() {
            break None;
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = &mut stopped => break Some(Error::Stopped.into()),
        }
        if args.deadline.is_some_and(|deadline| began.elapsed() > deadline) {
            break Some(late(&plan, args.deadline.unwrap_or_default()));
        }
        let mut still = Vec::with_capacity(at_work.len());
        let mut failed = None;
        for (mut worker, tries) in at_work {
            match worker.process.try_wait() {
                Ok(None) => still.push((worker, tries)),
                Ok(Some(status)) if status.success() => {
                    done += 1;
                    let bytes = plan.bytes() / total.max(1) * done;
                    let total_bytes = plan.bytes();
                    progress.show(&Event::Progress { phase: Phase::Writing, bytes, total_bytes, rows: None });
                }
                Ok(Some(status)) if may_be_tried_again(status) && tries < TRIES => {
                    waiting.push_back((worker.index, tries + 1));
                }
                Ok(Some(status)) => failed = Some(Failure::Piece { index: worker.index, code: code(status) }),
                Err(error) => failed = Some(waited(error)),
            }
        }
        at_work = still;
        if failed.is_some() {
            break failed;
        }
    };
    for (mut worker, _) in at_work {
        // It cleans up after itself.
        end(&mut worker.process);
        let _ = worker.process.wait();
    }
    progress.finish();
    if let Some(failure) = failure {
        return Err(failure);
    }
    let mut progress = Progress::new(global);
    let options = options(global, &args.planned);
    let committed = cluster::commit(&plan, &options, stopped, |event| progress.show(&event)).await;
    progress.finish();
    tell(global, &committed?)
}

fn start(
    global: &Global,
    args: &RunArgs,
    plan: &ClusterPlan,
    index: u64,
    again: &[OsString],
) -> Result<Worker, Failure> {
    let (program, first) = again.split_first().ok_or_else(|| waited(std::io::ErrorKind::NotFound.into()))?;
    let mut command = std::process::Command::new(program);
    command.args(first);
    command.args(["cluster", "piece", "-", &index.to_string(), "--quiet", "--progress", "never"]);
    command.args(global.passed_on());
    command.args(args.planned.passed_on());
    let mut process = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().map_err(waited)?;
    if let Some(mut input) = process.stdin.take() {
        // A process that ended before it read the plan says why.
        let _ = std::io::Write::write_all(&mut input, plan.to_json()?.as_bytes());
    }
    Ok(Worker { index, process })
}

fn may_be_tried_again(status: ExitStatus) -> bool {
    // A process that was killed has no code; one that was asked to end has that of its signal.
    matches!(status.code(), Some(8 | 129 | 130 | 143) | None)
}

fn code(status: ExitStatus) -> u8 {
    status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(8)
}

fn waited(error: std::io::Error) -> Failure {
    Error::Io { doing: "running", object: "a process for a piece".into(), source: error.into() }.into()
}

fn late(plan: &ClusterPlan, deadline: Duration) -> Failure {
    Error::Store {
        doing: "carrying out",
        object: format!("the pieces of {}", plan.output()),
        reason: format!("they are not done after {deadline:?}; the same command goes on from there"),
        remedy: None,
        source: None,
    }
    .into()
}

#[cfg(unix)]
fn end(process: &mut std::process::Child) {
    let process = i32::try_from(process.id()).ok().and_then(rustix::process::Pid::from_raw);
    if let Some(process) = process {
        let _ = rustix::process::kill_process(process, rustix::process::Signal::TERM);
    }
}

#[cfg(not(unix))]
fn end(process: &mut std::process::Child) {
    let _ = process.kill();
}
