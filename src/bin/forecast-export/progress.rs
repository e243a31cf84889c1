//! How far a run is, on standard error: a bar on a terminal, now and then a line where `--progress always` asks for it
//! and there is none.

use crate::args::{Global, When};
use crate::output;
use forecast_export::{Event, Phase};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;

pub(crate) enum Progress {
    Hidden,
    Bar(ProgressBar),
    /// A log wants no control characters, and not ten lines a second: one for every tenth of the bytes.
    Lines {
        tenths: Option<u64>,
        phase: Phase,
        /// The line for all bytes: rows may be counted after the last of them, so it waits for the end.
        last: Option<String>,
    },
}

impl Progress {
    pub(crate) fn new(global: &Global) -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        match global.progress {
            When::Never => Progress::Hidden,
            When::Auto if global.quiet || !is_terminal => Progress::Hidden,
            When::Auto | When::Always if is_terminal => Progress::Bar(bar()),
            When::Auto | When::Always => Progress::Lines { tenths: None, phase: Phase::Writing, last: None },
        }
    }

    pub(crate) fn show(&mut self, event: &Event) {
        let Event::Progress { phase, bytes, total_bytes, rows } = event else { return };
        // Nothing more is counted when all is written.
        if *phase == Phase::Publishing {
            return;
        }
        let told = match (rows, phase) {
            (Some(rows), Phase::Verifying) => format!("{} verified", output::counted(*rows, "row")),
            (Some(rows), _) => output::counted(*rows, "row"),
            (None, _) => "copied by the server".to_owned(),
        };
        match self {
            Progress::Hidden => {}
            Progress::Bar(bar) => {
                bar.set_length(*total_bytes);
                bar.set_position(*bytes);
                bar.set_message(told);
            }
            Progress::Lines { tenths, phase: known, last } => {
                if known != phase {
                    last.take().into_iter().for_each(|line| output::note(&line));
                    (*known, *tenths) = (*phase, None);
                }
                let reached = u128::from(*bytes) * 10 / u128::from(*total_bytes).max(1);
                let reached = u64::try_from(reached).unwrap_or(u64::MAX);
                let line = || {
                    let (done, all) = (output::size(*bytes), output::size(*total_bytes));
                    format!("{done} of {all}, {told}")
                };
                if reached >= 10 {
                    *last = Some(line());
                } else if *tenths < Some(reached) {
                    *tenths = Some(reached);
                    output::note(&line());
                }
            }
        }
    }

    /// Takes the bar away, or writes the last line.
    pub(crate) fn finish(self) {
        match self {
            Progress::Bar(bar) => bar.finish_and_clear(),
            Progress::Lines { last: Some(line), .. } => output::note(&line),
            _ => {}
        }
    }
}

/// What becomes of a job that is waited for.
#[cfg(feature = "forecast")]
pub(crate) enum Waiting {
    Hidden,
    Spinner(ProgressBar),
    /// A line for each change.
    Lines {
        last: String,
    },
}

#[cfg(feature = "forecast")]
impl Waiting {
    /// `tells`: whether changes are told where there is no terminal.
    pub(crate) fn new(global: &Global, tells: bool) -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        match global.progress {
            When::Never => Waiting::Hidden,
            When::Auto if global.quiet => Waiting::Hidden,
            When::Auto | When::Always if is_terminal => Waiting::Spinner(spinner()),
            When::Auto if !tells => Waiting::Hidden,
            When::Auto | When::Always => Waiting::Lines { last: String::new() },
        }
    }

    pub(crate) fn show(&mut self, now: &str) {
        match self {
            Waiting::Hidden => {}
            Waiting::Spinner(spinner) => spinner.set_message(now.to_owned()),
            Waiting::Lines { last } => {
                if last != now {
                    output::note(now);
                    now.clone_into(last);
                }
            }
        }
    }

    /// Takes the spinner away.
    pub(crate) fn finish(self) {
        if let Waiting::Spinner(spinner) = self {
            spinner.finish_and_clear();
        }
    }
}

#[cfg(feature = "forecast")]
fn spinner() -> ProgressBar {
    let spinner = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
    if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {msg}") {
        spinner.set_style(style);
    }
    spinner.enable_steady_tick(std::time::Duration::from_millis(200));
    spinner
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr_with_hz(10));
    let template =
        "{bytes:>10} of {total_bytes} [{bar:30}] {percent:>3} %  {binary_bytes_per_sec}  {msg}  {eta} left";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar
}
