//! What the program asks of Windows.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::windows::fs::OpenOptionsExt;
use std::sync::{LazyLock, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close, ctrl_logoff, ctrl_shutdown};

/// From the Windows API: the system removes the file when the process ends, however it ends.
const FILE_FLAG_DELETE_ON_CLOSE: u32 = 0x0400_0000;

/// Where standard input is copied to, because Windows has no file name for it.
static STDIN_NAME: LazyLock<String> = LazyLock::new(|| {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let name = format!("forecast-export-{}-{:x}.stdin", std::process::id(), now.as_nanos());
    std::env::temp_dir().join(name).to_string_lossy().replace('\\', "/")
});

/// Open until the process ends.
static STDIN: OnceLock<File> = OnceLock::new();

/// Files have no limit here.
pub(crate) fn limit_is_error() {}

/// The file name of standard input.
pub(crate) fn stdin_name() -> &'static str {
    &STDIN_NAME
}

/// Copies standard input to the file of its name.
pub(crate) fn keep_stdin() -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true).custom_flags(FILE_FLAG_DELETE_ON_CLOSE);
    let mut file = options.open(stdin_name())?;
    io::copy(&mut io::stdin().lock(), &mut file)?;
    let _ = STDIN.set(file);
    Ok(())
}

/// Ready when something asks the program to stop, with the number of the signal that does so elsewhere. It listens from
/// this call on, even before it is awaited, so nothing is lost in between.
pub(crate) fn stop_signal() -> impl Future<Output = u8> {
    let listening = (ctrl_c(), ctrl_break(), ctrl_close(), ctrl_logoff(), ctrl_shutdown());
    async move {
        let (Ok(mut interrupt), Ok(mut broken), Ok(mut closed), Ok(mut logged_off), Ok(mut shut_down)) =
            listening
        else {
            return std::future::pending().await;
        };
        tokio::select! {
            _ = interrupt.recv() => 2,
            _ = broken.recv() => 15,
            _ = closed.recv() => 1,
            _ = logged_off.recv() => 1,
            _ = shut_down.recv() => 15,
        }
    }
}
