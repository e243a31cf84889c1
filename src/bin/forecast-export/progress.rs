//! A run's progress on standard error: a bar on a terminal; elsewhere, with `--progress always`, a line now and then.

use super::args::{Global, When};
use super::output;
use forecast_export::{Event, Phase};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle, TermLike};
use std::fmt;
use std::io::{self, IsTerminal, Write};

pub(crate) enum Progress {
    Hidden,
    Bar(ProgressBar),
    /// For logs, which want neither control characters nor ten lines a second: one line for each tenth of the bytes.
    Lines {
        tenths: Option<u64>,
        phase: Phase,
        /// The line for 100 %. Rows may still be counted after the last byte, so it waits for the end.
        last: Option<String>,
    },
}

impl Progress {
    pub(crate) fn new(global: &Global) -> Self {
        let is_terminal = io::stderr().is_terminal();
        match global.progress {
            When::Never => Progress::Hidden,
            When::Auto if global.quiet || !is_terminal => Progress::Hidden,
            When::Auto | When::Always if is_terminal => Progress::Bar(bar()),
            When::Auto | When::Always => Progress::Lines { tenths: None, phase: Phase::Writing, last: None },
        }
    }

    pub(crate) fn show(&mut self, event: &Event) {
        let Event::Progress { phase, bytes, total_bytes, rows } = event else { return };
        // Once everything is written, nothing more is counted.
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

    /// Removes the bar, or writes the last line.
    pub(crate) fn finish(self) {
        match self {
            Progress::Bar(bar) => bar.finish_and_clear(),
            Progress::Lines { last: Some(line), .. } => output::note(&line),
            _ => {}
        }
    }
}

/// The status of a job that is waited for.
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
    /// `tells`: whether to report changes if there is no terminal.
    pub(crate) fn new(global: &Global, tells: bool) -> Self {
        let is_terminal = io::stderr().is_terminal();
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

    /// Removes the spinner.
    pub(crate) fn finish(self) {
        if let Waiting::Spinner(spinner) = self {
            spinner.finish_and_clear();
        }
    }
}

#[cfg(feature = "forecast")]
fn spinner() -> ProgressBar {
    let spinner = ProgressBar::with_draw_target(None, on_one_line());
    if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {msg}") {
        spinner.set_style(style);
    }
    spinner.enable_steady_tick(std::time::Duration::from_millis(200));
    spinner
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(0), on_one_line());
    let template = "{done:>8} of {all} [{bar:30}] {percent:>3} %  {speed}  {msg}  {eta} left";
    if let Ok(style) = ProgressStyle::with_template(template) {
        let style = style
            .with_key("done", |state: &ProgressState, out: &mut dyn fmt::Write| {
                let _ = out.write_str(&output::size(state.pos()));
            })
            .with_key("all", |state: &ProgressState, out: &mut dyn fmt::Write| {
                let _ = out.write_str(&output::size(state.len().unwrap_or_default()));
            })
            .with_key("speed", |state: &ProgressState, out: &mut dyn fmt::Write| {
                let _ = write!(out, "{}/s", output::size(state.per_sec() as u64));
            });
        bar.set_style(style.progress_chars("=> "));
    }
    bar
}

fn on_one_line() -> ProgressDrawTarget {
    ProgressDrawTarget::term_like_with_hz(Box::new(OneLine), 10)
}

/// A terminal on standard error of which one line is used, with the cursor at its beginning.
///
/// indicatif's own terminal leaves the cursor at the right edge. There the `^C` that a terminal shows for an interrupt
/// wraps to the next line, which is then cleared in place of the bar's.
#[derive(Debug)]
struct OneLine;

impl OneLine {
    fn write(text: &str) -> io::Result<()> {
        io::stderr().write_all(text.as_bytes())
    }
}

impl TermLike for OneLine {
    /// So wide that indicatif never counts more than one line; the terminal cuts off what does not fit.
    fn width(&self) -> u16 {
        u16::MAX
    }

    fn move_cursor_up(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_down(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_right(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_left(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.write_str(text)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        // Blanks only fill the line up, which is clear already.
        match text.trim().is_empty() {
            true => Ok(()),
            // Without wrapping, so that it stays on one line of a narrow terminal too.
            false => OneLine::write(&format!("\x1b[?7l{text}\x1b[?7h\r")),
        }
    }

    fn clear_line(&self) -> io::Result<()> {
        OneLine::write("\r\x1b[2K")
    }

    fn flush(&self) -> io::Result<()> {
        io::stderr().flush()
    }
}
