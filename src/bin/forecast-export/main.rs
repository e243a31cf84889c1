//! The command `forecast-export`: parses arguments, calls the library, prints and exits. Only the binary knows exit
//! codes.
//!
//! The Python package has the same command. It takes in these files as a module, so they import by `super`.

mod args;
mod cluster;
mod cluster_args;
mod failure;
mod flags;
mod nearest;
mod output;
mod progress;
mod serve;
mod serve_args;
mod source;
mod stdin;
#[cfg(unix)]
#[path = "system/unix.rs"]
mod system;
#[cfg(windows)]
#[path = "system/windows.rs"]
mod system;

use args::{Cli, Command, Convert, Global, Ls, Merge, SampleArgs, Schema, Source, Verify, Wait};
use clap::{CommandFactory, Parser};
use failure::Failure;
use flags::flag;
use forecast_export::{
    Error, Limit, NotFound, Options, Output, inventory, plan, redacted, run_until, sample_until, schema,
    verify_until,
};
use progress::Progress;
use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::panic::UnwindSafe;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

fn main() -> ExitCode {
    let again = std::env::current_exe().map(|program| vec![program.into()]).unwrap_or_default();
    ExitCode::from(command(std::env::args_os(), again))
}

/// Runs the command with these arguments, the first of which is its name, and returns the exit code. `again` is what
/// starts the same program once more, for those that work in processes of their own.
pub(crate) fn command(args: impl IntoIterator<Item = OsString> + UnwindSafe, again: Vec<OsString>) -> u8 {
    // A decoder that gives up on a hostile file is reported as an error, not twice.
    std::panic::set_hook(Box::new(|_| ()));
    let done = std::panic::catch_unwind(|| {
        let cli = match Cli::try_parse_from(args) {
            Ok(cli) => cli,
            Err(error) => return usage(&error),
        };
        let runtime = threads_can_be_started().and_then(|()| {
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()
        });
        match runtime {
            Ok(runtime) => {
                let code = runtime.block_on(async {
                    let _limit = system::limit_is_error();
                    dispatch(cli, &again).await
                });
                // A write to a pipe that no process reads never ends, and must not keep a signal from ending the
                // process. So we do not wait for threads here. Nor do we detach them: before version 2.42, glibc may
                // read memory that an ending thread has already freed (its bug 19951).
                std::mem::forget(runtime);
                code
            }
            Err(source) => {
                let (doing, object) = ("starting", "the program".to_owned());
                report(&Error::Io { doing, object, source: Arc::new(source) }.into(), 0)
            }
        }
    });
    done.unwrap_or_else(|panic| report(&Error::from_panic("running", &*panic).into(), 0))
}

/// Starts as many threads as a run needs, all at once, and ends them. If the system allowed only some of them, the
/// runtime would queue the remaining work and wait forever.
fn threads_can_be_started() -> std::io::Result<()> {
    // Two of the runtime; for the rest see `CpuPool`, and those that read and write.
    let count = std::thread::available_parallelism().map_or(1, usize::from) + 6;
    std::thread::scope(|scope| {
        // Dropped at the end, so no thread ends before.
        let (hold, held) = std::sync::mpsc::channel::<()>();
        let held = Arc::new(std::sync::Mutex::new(held));
        for _ in 0..count {
            let held = Arc::clone(&held);
            let wait = move || drop(held.lock().map(|held| held.recv()));
            let started = std::thread::Builder::new().stack_size(32 << 10).spawn_scoped(scope, wait);
            if started.is_err() {
                drop(hold);
                return Err(std::io::Error::other(Limit::Threads));
            }
        }
        drop(hold);
        Ok(())
    })
}

/// Help and version are not errors; everything else that clap reports is a usage error.
fn usage(error: &clap::Error) -> u8 {
    use clap::error::ErrorKind;
    let _ = error.print();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => 0,
        _ => 2,
    }
}

async fn dispatch(cli: Cli, again: &[OsString]) -> u8 {
    let stop = Stop::default();
    let global = &cli.global;
    let result = match &cli.command {
        Command::Ls(args) => ls(global, args).await,
        Command::Merge(args) => merge(global, args, &stop).await,
        Command::Convert(args) => convert(global, args, &stop).await,
        Command::Verify(args) => verify(global, args, &stop).await,
        Command::Schema(args) => show_schema(global, args).await,
        Command::Wait(args) => wait(global, args, &stop).await,
        Command::Sample(args) => sample(global, args, &stop).await,
        Command::Cluster(args) => cluster::cluster(global, &args.command, &stop, again).await,
        Command::Serve(args) => serve::serve(global, args, &stop).await,
        Command::Completions { shell } => completions(*shell),
        Command::Man => man(),
    };
    match result {
        Ok(()) => 0,
        Err(error) => report(&error, stop.signal.load(Ordering::Relaxed)),
    }
}

/// Prints why a command failed, and chooses the exit code.
fn report(failure: &Failure, signal: u8) -> u8 {
    if failure.is_closed_pipe() {
        // There is no reader left.
        return 0;
    }
    #[cfg(feature = "serve")]
    if matches!(failure, Failure::Ended) {
        return failure.code(signal);
    }
    let mut said = failure.to_string();
    if let Failure::Library(Error::NotFound(NotFound::Path { path })) = failure
        && let Some(meant) = nearest::nearest(path)
    {
        said.push_str(&format!("; did you mean {meant}?"));
    }
    let _ = writeln!(std::io::stderr(), "error: {}", output::multiline_safe(&redacted(&said)));
    failure.code(signal)
}

/// Remembers which signal came.
#[derive(Default)]
struct Stop {
    signal: Arc<AtomicU8>,
}

impl Stop {
    /// Ready when the user or the system asks to stop. It listens from this call on, even before it is awaited, so no
    /// signal is lost in between.
    fn asked(&self) -> impl Future<Output = ()> + use<> {
        let (signal, came) = (Arc::clone(&self.signal), system::stop_signal());
        async move { signal.store(came.await, Ordering::Relaxed) }
    }
}

async fn ls(global: &Global, args: &Ls) -> Result<(), Failure> {
    let mut options = args.options()?;
    let source = source::locate(global, &args.source.texts, &args.source.job, &mut options.select).await?;
    let found = inventory(&source, &options).await?;
    if global.json { output::json(&found) } else { output::print(&output::inventory(&found, global.verbose)) }
}

async fn show_schema(global: &Global, args: &Schema) -> Result<(), Failure> {
    let mut options = args.options()?;
    let source = source::locate(global, &args.source.texts, &args.source.job, &mut options.select).await?;
    let found = schema(&source, &options).await?;
    output::warnings(global, &found.warnings);
    if global.json { output::json(&found) } else { output::print(&output::schema(&found)) }
}

#[cfg(feature = "forecast")]
async fn wait(global: &Global, args: &Wait, stop: &Stop) -> Result<(), Failure> {
    let job = tokio::select! {
        job = source::wait(global, args) => job?,
        () = stop.asked() => return Err(Error::Stopped.into()),
    };
    if global.json {
        return output::json(&job);
    }
    if !global.quiet {
        output::note(&output::job(&job));
    }
    Ok(())
}

#[cfg(not(feature = "forecast"))]
async fn wait(global: &Global, args: &Wait, _: &Stop) -> Result<(), Failure> {
    source::wait(global, args).await
}

async fn merge(global: &Global, args: &Merge, stop: &Stop) -> Result<(), Failure> {
    let to_stdout = args.output == "-";
    if to_stdout && global.json {
        return Err(Failure::Usage(
            "-o - and --json both need standard output; write to a file instead".into(),
        ));
    }
    let objects = args.objects.options();
    let output = if !to_stdout {
        Output::File(source::place(global, &args.output, &global.store_options_of(objects))?)
    } else if objects.is_default() {
        Output::Stdout
    } else {
        return Err(Failure::Usage(
            "encryption, tags and storage class do not apply to standard output".into(),
        ));
    };
    if to_stdout && !args.shaping.dry_run && std::io::stdout().is_terminal() && is_parquet(args) {
        return Err(Failure::Usage(
            "Parquet is binary and cannot be shown on a terminal; redirect standard output".into(),
        ));
    }
    if args.resume && !args.shaping.dry_run {
        return cluster::resume(global, args, &output, stop).await;
    }
    carry_out(global, &args.source, &output, args.options()?, args.shaping.dry_run, stop).await
}

fn is_parquet(args: &Merge) -> bool {
    args.options().is_ok_and(|options| options.to == Some(forecast_export::Format::Parquet))
}

async fn convert(global: &Global, args: &Convert, stop: &Stop) -> Result<(), Failure> {
    if args.output == "-" {
        return Err(Failure::Usage(
            "convert writes part files into a folder; use merge to write to standard output".into(),
        ));
    }
    let options = global.store_options_of(args.objects.options());
    let output = Output::Folder(source::place(global, &args.output, &options)?);
    carry_out(global, &args.source, &output, args.options()?, args.shaping.dry_run, stop).await
}

async fn carry_out(
    global: &Global,
    from: &Source,
    output: &Output,
    mut options: Options,
    dry_run: bool,
    stop: &Stop,
) -> Result<(), Failure> {
    let (while_planning, while_running) = (stop.asked(), stop.asked());
    // Until something is written, a signal simply ends the work.
    let (planned, exists) = tokio::select! {
        planned = async {
            let source = source::locate(global, &from.texts, &from.job, &mut options.select).await?;
            match plan(&source, output, &options).await {
                // A dry run also shows what replacing the output would do.
                Err(exists @ Error::OutputExists(_)) if dry_run => {
                    options.overwrite = true;
                    let planned = plan(&source, output, &options).await;
                    planned.map(|planned| (planned, Some(exists.clone()))).map_err(|_| exists.into())
                }
                planned => Ok::<_, Failure>((planned?, None)),
            }
        } => planned?,
        () = while_planning => return Err(Error::Stopped.into()),
    };
    output::warnings(global, planned.warnings());
    if dry_run {
        let summary = planned.summary_named(flag);
        match (global.json, global.verbose) {
            (true, _) => output::json(&summary)?,
            (false, true) => output::print(&format!("{summary:#}"))?,
            (false, false) => output::print(&summary.to_string())?,
        }
        return exists.map_or(Ok(()), |exists| Err(exists.into()));
    }
    if global.verbose {
        output::note(&format!("{:#}", planned.named(flag)));
    }
    let warned = planned.warnings().len();
    let mut progress = Progress::new(global);
    let report = run_until(planned, while_running, |event| progress.show(&event)).await;
    progress.finish();
    let report = report?;
    // The report begins with the plan's warnings.
    output::warnings(global, report.warnings.get(warned..).unwrap_or_default());
    if !global.quiet {
        output::created(&report.created_folders);
    }
    if global.json {
        return output::json(&report);
    }
    if !global.quiet {
        output::note(&output::report(&report));
    }
    Ok(())
}

async fn verify(global: &Global, args: &Verify, stop: &Stop) -> Result<(), Failure> {
    let mut options = args.options()?;
    let (source, texts) = (&args.against, args.sources());
    let output = source::output(global, &args.output, &texts).await?;
    let (while_locating, while_comparing) = (stop.asked(), stop.asked());
    let against = tokio::select! {
        located = source::locate(global, &texts, &source.job, &mut options.select) => located?,
        () = while_locating => return Err(Error::Stopped.into()),
    };
    let mut progress = Progress::new(global);
    let verified =
        verify_until(&output, &against, &options, while_comparing, |event| progress.show(&event)).await;
    progress.finish();
    let report = verified?;
    output::warnings(global, &report.warnings);
    if global.json {
        output::json(&report)?;
    }
    if let Some(difference) = &report.difference {
        return Err(Failure::Different(Box::new(difference.clone())));
    }
    if !global.json && !global.quiet {
        output::note(&output::verify_report(&report));
    }
    Ok(())
}

async fn sample(global: &Global, args: &SampleArgs, stop: &Stop) -> Result<(), Failure> {
    let options = global.store_options_of(args.objects.options());
    let folder = source::place(global, &args.folder, &options)?;
    let mut progress = Progress::new(global);
    let written = sample_until(&folder, &args.options(), stop.asked(), |event| progress.show(&event)).await;
    progress.finish();
    let report = written?;
    if !global.quiet {
        output::created(&report.created_folders);
    }
    if global.json {
        return output::json(&report);
    }
    if !global.quiet {
        output::note(&output::sample_report(&report, &args.folder));
    }
    Ok(())
}

fn completions(shell: clap_complete::Shell) -> Result<(), Failure> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "forecast-export", &mut text);
    output::print(&String::from_utf8_lossy(&text))
}

fn man() -> Result<(), Failure> {
    let failed =
        |source| Error::Io { doing: "writing", object: "the manual".into(), source: Arc::new(source) };
    let mut text = Vec::new();
    let mut command = Cli::command();
    command.build();
    clap_mangen::Man::new(command.clone()).render(&mut text).map_err(failed)?;
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        let named = sub.clone().display_name(format!("forecast-export {}", sub.get_name()));
        clap_mangen::Man::new(named).render(&mut text).map_err(failed)?;
    }
    output::print(&String::from_utf8_lossy(&text))
}
