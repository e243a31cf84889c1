//! Long runs that are interrupted: by a signal, or by a reader that has seen enough.

use super::{PATIENCE, files, make_pipe};
use crate::support::fixtures::binary;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// An export that keeps a build with debug assertions busy for many seconds.
fn long_export(folder: &Path) {
    std::fs::create_dir(folder.join("long")).expect("a folder");
    let mut text = "item_id,date,p10,p50,p90\n".to_owned();
    for i in 0..400_000u32 {
        let value = f64::from(i).sqrt();
        text += &format!("item_{i},2026-01-02T03:04:05Z,{value},{},{}\n", value * 1.1, value * 1.7);
    }
    for part in 0..2 {
        let name = format!("long/sales_2026-01-02T03-04-05Z_part{part}.csv");
        std::fs::write(folder.join(name), &text).expect("written");
    }
}

fn wait(child: &mut Child) -> std::process::ExitStatus {
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("a child") {
            return status;
        }
        if began.elapsed() > PATIENCE {
            child.kill().expect("killed");
            panic!("it did not end");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn signal(child: &Child, name: &str) {
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-s", name, &id]).status().expect("kill").success());
}

#[test]
fn a_signal_ends_a_run_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    long_export(folder.path());
    let convert = ["convert", "long", "-o", "out", "--threads", "1", "--split-rows", "1000"];
    let merge = ["merge", "long", "-o", "out/old.parquet", "--overwrite", "--threads", "1"];
    let signals =
        [("INT", 130, &merge[..]), ("TERM", 143, &merge), ("HUP", 129, &merge), ("TERM", 143, &convert)];
    for (name, code, arguments) in signals {
        std::fs::create_dir_all(folder.path().join("out")).expect("a folder");
        std::fs::write(folder.path().join("out/old.parquet"), "what was there before").expect("written");
        let mut command = binary();
        command.args(arguments).current_dir(folder.path()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        let began = Instant::now();
        // It has begun to write when its temporary is there.
        while files(&folder.path().join("out")).len() < 2 {
            assert!(child.try_wait().expect("a child").is_none(), "it ended before the signal");
            assert!(began.elapsed() < PATIENCE, "it never began");
            std::thread::sleep(Duration::from_millis(2));
        }
        signal(&child, name);
        let status = wait(&mut child);
        let mut said = String::new();
        child.stderr.take().expect("piped").read_to_string(&mut said).expect("text");
        assert_eq!(status.code(), Some(code), "{name}: {said}");
        assert_eq!(said, "error: stopped\n");
        assert_eq!(files(&folder.path().join("out")), ["old.parquet".to_owned()].into());
        let kept = std::fs::read(folder.path().join("out/old.parquet")).expect("still there");
        assert_eq!(kept, b"what was there before");
    }
}

#[test]
fn a_run_that_was_started_to_outlive_its_terminal_does() {
    let folder = tempfile::tempdir().expect("a folder");
    long_export(folder.path());
    let ignoring =
        format!("trap '' HUP; exec {} merge long -o out.csv", env!("CARGO_BIN_EXE_forecast-export"));
    let mut command = Command::new("bash");
    let mut child = command.current_dir(folder.path()).args(["-c", &ignoring]).spawn().expect("bash");
    let began = Instant::now();
    while files(folder.path()).len() < 2 {
        assert!(began.elapsed() < PATIENCE, "it never began");
        std::thread::sleep(Duration::from_millis(1));
    }
    signal(&child, "HUP");
    assert_eq!(wait(&mut child).code(), Some(0));
    assert!(folder.path().join("out.csv").exists());
}

#[test]
fn a_signal_ends_a_run_that_waits_for_a_reader() {
    let folder = tempfile::tempdir().expect("a folder");
    long_export(folder.path());
    // Nobody opens the pipe; somebody holds standard output open and does not read.
    make_pipe(&folder.path().join("pipe"));
    for (target, name, code) in [("pipe", "INT", 130), ("-", "TERM", 143)] {
        let mut command = binary();
        command.args(["merge", "long", "--to", "csv", "-v", "-o", target]).current_dir(folder.path());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        // The plan is complete and shown: now it writes, or waits to.
        let mut said = BufReader::new(child.stderr.take().expect("piped")).lines();
        assert!(said.any(|line| line.expect("text") == "outputs"));
        std::thread::sleep(Duration::from_millis(300));
        signal(&child, name);
        assert_eq!(wait(&mut child).code(), Some(code), "{target}");
    }
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let folder = tempfile::tempdir().expect("a folder");
    long_export(folder.path());
    for arguments in
        [&["merge", "long", "-o", "-", "--to", "csv"][..], &["merge", "long", "-o", "-", "--to", "parquet"]]
    {
        let mut command = binary();
        command.args(arguments).current_dir(folder.path());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let mut first = [0; 4];
        child.stdout.take().expect("piped").read_exact(&mut first).expect("output begins");
        let status = wait(&mut child);
        let mut said = String::new();
        child.stderr.take().expect("piped").read_to_string(&mut said).expect("text");
        assert_eq!((status.code(), status.signal(), said.as_str()), (Some(0), None, ""), "{arguments:?}");
    }
    // So does a list that nobody reads.
    let mut child =
        binary().args(["man"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    drop(child.stdout.take());
    assert_eq!(wait(&mut child).code(), Some(0));
}

/// What a terminal of 80 columns shows in the end of what was written to it.
fn screen(written: &str) -> Vec<String> {
    const WIDTH: usize = 80;
    let (mut lines, mut row, mut column, mut wraps) = (vec![Vec::new()], 0, 0, true);
    let mut characters = written.chars();
    while let Some(character) = characters.next() {
        match character {
            '\r' => column = 0,
            '\n' => row += 1,
            '\x1b' => {
                assert_eq!(characters.next(), Some('['));
                let mut sequence = String::new();
                while !sequence.ends_with(|last: char| last.is_ascii_alphabetic()) {
                    sequence.push(characters.next().expect("a whole sequence"));
                }
                match sequence.as_str() {
                    "2K" => lines[row] = Vec::new(),
                    "?7l" => wraps = false,
                    "?7h" => wraps = true,
                    other => panic!("the sequence {other:?}"),
                }
            }
            shown => {
                if column == WIDTH {
                    (row, column) = if wraps { (row + 1, 0) } else { (row, WIDTH - 1) };
                }
                lines.resize_with(lines.len().max(row + 1), Vec::new);
                let line: &mut Vec<char> = &mut lines[row];
                line.resize(line.len().max(column + 1), ' ');
                line[column] = shown;
                column += 1;
            }
        }
        lines.resize_with(lines.len().max(row + 1), Vec::new);
    }
    lines.into_iter().map(|line| line.into_iter().collect::<String>().trim_end().to_owned()).collect()
}

#[test]
fn an_interrupt_takes_the_progress_bar_away() {
    let folder = tempfile::tempdir().expect("a folder");
    long_export(folder.path());
    // The terminal shows an interrupt as `^C`, where the cursor is.
    let merge = format!(
        "stty cols 80 rows 24; exec {} merge long -o out/x.parquet --threads 1",
        env!("CARGO_BIN_EXE_forecast-export")
    );
    let mut command = Command::new("script");
    command.args(["-qfec", &merge, "/dev/null"]).current_dir(folder.path());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("script");
    let mut terminal = child.stdout.take().expect("piped");
    let (mut written, mut buffer) = (Vec::new(), [0; 4096]);
    let is_drawn = |written: &[u8]| {
        let shown = screen(&String::from_utf8_lossy(written));
        shown.last().is_some_and(|line| line.contains("MB of 69.8 MB ["))
    };
    while !is_drawn(&written) {
        let length = terminal.read(&mut buffer).expect("output");
        assert!(length > 0, "{}", String::from_utf8_lossy(&written));
        written.extend_from_slice(&buffer[..length]);
    }
    let mut keyboard = child.stdin.take().expect("piped");
    keyboard.write_all(b"\x03").expect("typed");
    terminal.read_to_end(&mut written).expect("output");
    assert_eq!(wait(&mut child).code(), Some(130));
    let after = screen(&String::from_utf8_lossy(&written));
    assert_eq!(after, ["error: stopped", ""], "{}", String::from_utf8_lossy(&written).escape_debug());
    assert!(files(&folder.path().join("out")).is_empty());
}
