//! What the program asks of Linux, macOS and other systems that are like Unix.

use std::fs::File;
use std::io::{self, Seek};
use std::os::fd::AsFd;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signal for a file beyond `ulimit -f`.
const SIGXFSZ: i32 = if cfg!(any(target_arch = "mips", target_arch = "mips64")) { 31 } else { 25 };

/// Until this is dropped, a file that grows beyond its limit is a write error and does not kill the process.
pub(crate) fn limit_is_error() -> io::Result<Signal> {
    signal(SignalKind::from_raw(SIGXFSZ))
}

/// The file name of standard input.
pub(crate) fn stdin_name() -> &'static str {
    "/dev/stdin"
}

/// Makes standard input a file at its beginning: what comes from a pipe is copied to an unnamed file, which takes the
/// pipe's place.
pub(crate) fn keep_stdin() -> io::Result<()> {
    let mut input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    if input.metadata()?.is_file() && input.stream_position()? == 0 {
        return Ok(());
    }
    let mut file = tempfile::tempfile()?;
    io::copy(&mut input, &mut file)?;
    rustix::stdio::dup2_stdin(&file)?;
    Ok(())
}

/// Ready with its number when a signal asks the program to stop. It listens from this call on, even before it is
/// awaited, so no signal is lost in between.
pub(crate) fn stop_signal() -> impl Future<Output = u8> {
    let listening = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    // A run that was started by nohup outlives its terminal.
    let hangup = if is_ignored(1) { None } else { signal(SignalKind::hangup()).ok() };
    async move {
        let (Ok(mut interrupt), Ok(mut terminate)) = listening else {
            return std::future::pending().await;
        };
        let hung_up = async {
            match hangup {
                Some(mut hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = interrupt.recv() => 2,
            _ = terminate.recv() => 15,
            _ = hung_up => 1,
        }
    }
}

/// Whether the parent process had this one ignore a signal. Only Linux tells. On other systems the signal keeps its
/// effect: it ends a run, unless nohup started it.
fn is_ignored(signal: u32) -> bool {
    if cfg!(not(target_os = "linux")) {
        return true;
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}
