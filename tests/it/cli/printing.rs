//! The command line as users meet it: what it prints, its exit codes, and how it behaves towards signals, pipes and
//! terminals.

use crate::support::fixtures::{binary, failure, run, testdata};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Long enough for a busy machine; what waits so long hangs.
const PATIENCE: Duration = Duration::from_secs(60);

fn utf8(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8")
}

/// `tests/cmd`: `TRYCMD=overwrite cargo test --test it cli::` writes down what is printed now.
#[test]
fn commands_print_what_they_did_before() {
    trycmd::TestCases::new()
        .register_bin("forecast-export", Path::new(env!("CARGO_BIN_EXE_forecast-export")))
        .env("COLUMNS", "100")
        .timeout(PATIENCE)
        .case("tests/cmd/*.trycmd")
        .run();
}

#[test]
fn the_help_of_every_command_begins_with_three_to_five_examples() {
    let root = run(["--help"]);
    let commands = utf8(&root.stdout)
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_whitespace().next())
        .filter(|command| *command != "help");
    let mut seen = 0;
    for command in [""].into_iter().chain(commands) {
        let output = binary().args(command.split_whitespace()).arg("--help").output().expect("it starts");
        assert!(output.status.success());
        let text = utf8(&output.stdout);
        let start = format!("  forecast-export {command}");
        let (title, rest) = text.split_once('\n').expect("lines");
        let examples = rest.lines().take_while(|line| !line.is_empty());
        assert_eq!(title, "Examples:", "{command}");
        // An example broken over two lines cannot be copied.
        assert!(examples.clone().all(|line| line.starts_with(&start)), "{text}");
        assert!((3..=5).contains(&examples.count()), "{text}");
        seen += 1;
    }
    assert!(seen >= 8, "{seen} commands");
}

#[test]
fn without_arguments_the_help_is_shown_and_the_exit_code_is_2() {
    let output = binary().output().expect("it starts");
    assert_eq!(output.status.code(), Some(2));
    assert!(utf8(&output.stderr).contains("Usage: forecast-export [OPTIONS] <COMMAND>"));
    assert!(output.stdout.is_empty());
}

#[test]
fn completions_and_the_manual_know_every_command() {
    for (arguments, start) in [
        (&["completions", "bash"][..], "_forecast__export() {"),
        (&["completions", "zsh"], "#compdef forecast-export"),
        (&["completions", "fish"], "# Print an optspec"),
        (&["man"], ".ie \\n(.g .ds Aq"),
    ] {
        let output = run(arguments);
        assert!(output.status.success(), "{arguments:?}");
        let text = utf8(&output.stdout);
        assert!(text.starts_with(start), "{arguments:?}: {}", &text[..200]);
        for word in ["ls", "merge", "convert", "schema", "sample"] {
            assert!(text.contains(word), "{arguments:?} lacks {word}");
        }
    }
    // The shell itself takes the completions.
    let bash = run(["completions", "bash"]);
    let mut shell =
        Command::new("bash").arg("-n").stdin(Stdio::piped()).spawn().expect("bash is on the machine");
    shell.stdin.take().expect("piped").write_all(&bash.stdout).expect("written");
    assert!(shell.wait().expect("ended").success());
}

/// Commands of the README that a test run cannot run itself.
const NOT_RUN: [&str; 3] = ["cargo test", "cargo install --path .", ".ci/run"];

/// Runs every `console` and `sh` block of the README, in order, in a folder that has the test data.
#[test]
fn every_command_of_the_readme_prints_what_the_readme_says() {
    let folder = tempfile::tempdir().expect("a folder");
    std::os::unix::fs::symlink(testdata(""), folder.path().join("testdata")).expect("a link");
    let readme = include_str!("../../../README.md");
    let (mut block, mut commands) = (None, Vec::<(String, String)>::new());
    for line in readme.lines() {
        match (block, line) {
            (None, "```console") => block = Some("console"),
            (None, "```sh") => block = Some("sh"),
            (None, _) => {}
            (Some(_), "```") => block = None,
            (Some("sh"), command) => commands.push((command.to_owned(), "*".to_owned())),
            (Some(_), line) => match (line.strip_prefix("$ "), commands.last_mut()) {
                (Some(command), _) => commands.push((command.to_owned(), String::new())),
                (None, Some((_, expected))) => *expected += &format!("{line}\n"),
                (None, None) => panic!("output before a command: {line}"),
            },
        }
    }
    assert!(commands.len() >= 8, "{commands:?}");
    for (command, expected) in commands {
        if NOT_RUN.contains(&command.as_str()) {
            continue;
        }
        let bin = Path::new(env!("CARGO_BIN_EXE_forecast-export")).parent().expect("a folder");
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").expect("a PATH"));
        let typed = command.replace("cargo run --release -- ", "forecast-export ");
        assert!(typed.starts_with("forecast-export "), "an unknown command: {command}");
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("exec 2>&1; {typed}")]).current_dir(folder.path()).env("PATH", path);
        let output = shell.output().expect("a shell");
        let code = output.status.code().expect("no signal");
        let mut found = if code == 0 { String::new() } else { format!("? {code}\n") };
        found += utf8(&output.stdout);
        if expected != "*" {
            assert_eq!(untimed(&found).trim_end(), untimed(&expected).trim_end(), "$ {command}");
        }
        assert!(code == 0 || expected.starts_with("? "), "$ {command}\n{found}");
    }
}

/// Text without what differs from run to run: seconds.
fn untimed(text: &str) -> String {
    regex::Regex::new(r"(\d+\.\d\d|\[\.\.\]) s\)").expect("a pattern").replace_all(text, "… s)").into_owned()
}

#[test]
fn the_first_command_of_the_readme_writes_what_it_says() {
    let readme = include_str!("../../../README.md");
    let folder = tempfile::tempdir().expect("a folder");
    let command = readme.lines().find(|line| line.starts_with("cargo run --release -- ")).expect("a command");
    let words: Vec<&str> = command.split_whitespace().skip(4).collect();
    let mut merge = binary();
    std::os::unix::fs::symlink(testdata(""), folder.path().join("testdata")).expect("a link");
    let output = merge.args(&words).current_dir(folder.path()).output().expect("it starts");
    assert!(output.status.success(), "{output:?}");
    let said = untimed(utf8(&output.stderr));
    assert!(untimed(readme).contains(said.trim_end()), "the README does not show: {said}");
    assert!(folder.path().join("out.parquet").is_file());
}

#[test]
fn every_test_that_the_readme_names_exists() {
    let readme = include_str!("../../../README.md");
    let tests =
        Command::new(std::env::current_exe().expect("this file")).arg("--list").output().expect("it starts");
    let named = regex::Regex::new(r"`([a-z_0-9]+::[a-z_0-9:]*)`").expect("a pattern");
    let names: BTreeSet<&str> = named.captures_iter(readme).map(|found| found.extract::<1>().1[0]).collect();
    assert!(names.len() > 10, "{names:?}");
    for name in names {
        let has_test = |line: &str| match name.strip_suffix("::") {
            Some(_) => line.starts_with(name),
            None => line.strip_suffix(": test") == Some(name),
        };
        assert!(utf8(&tests.stdout).lines().any(has_test), "the README names {name}");
    }
}

// What is printed where.

fn merged(folder: &Path, arguments: &[&str]) -> Output {
    binary()
        .arg("merge")
        .arg(testdata("forecast"))
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("it starts")
}

#[test]
fn a_merge_is_silent_with_q_and_shows_its_plan_with_v() {
    let folder = tempfile::tempdir().expect("a folder");
    let quiet = merged(folder.path(), &["-o", "a.csv", "-q"]);
    assert!(quiet.status.success() && quiet.stderr.is_empty() && quiet.stdout.is_empty(), "{quiet:?}");
    let usual = merged(folder.path(), &["-o", "b.csv"]);
    assert!(usual.stdout.is_empty());
    assert_eq!(utf8(&usual.stderr).lines().count(), 1, "{usual:?}");
    let verbose = merged(folder.path(), &["-o", "c.csv", "-v"]);
    let said = utf8(&verbose.stderr);
    assert!(said.contains("_part11.csv\ncolumns\n") && said.contains("copy bytes: CSV to CSV"), "{said}");
    assert!(said.lines().last().is_some_and(|line| line.starts_with("36 rows from 12 parts")), "{said}");
    // Errors are never silenced.
    std::fs::write(folder.path().join("d.csv"), "").expect("written");
    let failed = merged(folder.path(), &["-o", "d.csv", "-q"]);
    assert_eq!(failure(&failed), (7, "error: d.csv exists; --overwrite replaces it\n".to_owned()));
    // Nor is there anything to say of what is up to date.
    let again = merged(folder.path(), &["-o", "a.csv", "-q"]);
    assert!(again.status.success() && again.stderr.is_empty() && again.stdout.is_empty(), "{again:?}");
}

#[test]
fn json_is_one_document_on_standard_output_and_the_report_says_what_was_done() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = merged(folder.path(), &["-o", "sales.parquet", "--json"]);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one document");
    let file = folder.path().join("sales.parquet");
    for (field, value) in [
        ("/rows", 36.into()),
        ("/parts", 12.into()),
        ("/job", "sales_forecast_export".into()),
        ("/runs/0", "2026-01-02T03-04-05Z".into()),
        ("/from", "csv".into()),
        ("/to", "parquet".into()),
        ("/strategy", "transcode".into()),
        ("/columns/1/type", "timestamp(us, UTC)".into()),
        ("/outputs/0/file", "sales.parquet".into()),
        ("/outputs/0/rows", 36.into()),
        ("/outputs/0/bytes", std::fs::metadata(file).expect("written").len().into()),
    ] {
        assert_eq!(report.pointer(field), Some(&value), "{field} in {report}");
    }
    for arguments in
        [&["ls"][..], &["schema"], &["merge", "-n", "-o", "x.csv"], &["convert", "-n", "-o", "x/"]]
    {
        let output =
            binary().args(arguments).arg(testdata("forecast")).arg("--json").output().expect("it starts");
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice::<serde_json::Value>(&output.stdout).expect("one document");
    }
}

#[test]
fn progress_is_drawn_on_standard_error_only_and_only_where_asked() {
    let folder = tempfile::tempdir().expect("a folder");
    let always = merged(folder.path(), &["-o", "-", "--to", "csv", "--progress", "always", "-q"]);
    assert!(utf8(&always.stderr).contains("3.64 kB of 3.64 kB, 36 rows"), "{always:?}");
    assert!(always.stdout.starts_with(b"item_id,date,store,p10,p50,p90\n"));
    for when in ["auto", "never"] {
        let output = merged(folder.path(), &["-o", "-", "--to", "csv", "--progress", when, "-q"]);
        assert!(output.stderr.is_empty(), "{output:?}");
        assert_eq!(output.stdout, always.stdout);
    }
}

#[test]
fn nothing_is_coloured_where_there_is_no_terminal_or_no_color_is_set() {
    let folder = tempfile::tempdir().expect("a folder");
    for arguments in [
        &["--help"][..],
        &["merge", "--nonsense"],
        &["ls", "nowhere"],
        &["merge", "testdata/forecast", "-o", "-", "--to", "csv", "--progress", "always"],
    ] {
        std::os::unix::fs::symlink(testdata(""), folder.path().join("testdata")).ok();
        for no_color in [None, Some("1")] {
            let mut command = binary();
            command.args(arguments).current_dir(folder.path());
            command.env_remove("NO_COLOR").envs(no_color.map(|value| ("NO_COLOR", value)));
            let output = command.output().expect("it starts");
            assert!(!output.stderr.contains(&0x1b) && !output.stdout.contains(&0x1b), "{output:?}");
        }
    }
}

#[test]
fn control_characters_in_names_are_shown_escaped() {
    let folder = tempfile::tempdir().expect("a folder");
    let export = folder.path().join("a\x1b[31mred\x07");
    std::fs::create_dir(&export).expect("a folder");
    std::fs::write(export.join("stray\r\n\x1b]0;title.txt"), "x").expect("written");
    let part = |name: &str| export.join(format!("sales_2026-01-02T03-04-05Z_part{name}.csv"));
    std::fs::write(part("0"), "item_id,date,p\u{1b}50\na,2026-01-03T00:00:00Z,1\n").expect("written");
    std::fs::write(part("2"), "item_id,date,p\u{1b}90\na,2026-01-03T00:00:00Z,1\n").expect("written");
    for (arguments, shown) in [
        (&["ls"][..], "a\\u{1b}[31mred\\u{7}"),
        (&["ls", "-v"], "stray\\r\\n\\u{1b}]0;title.txt"),
        (&["schema", "--allow-gaps", "--schema", "by-name"], "p\\u{1b}50"),
        (&["merge", "-o", "x.parquet"], "part 1 of 3 is missing"),
        (&["merge", "-o", "x.parquet", "--allow-gaps"], "p\\u{1b}90"),
        (&["merge", "-n", "-o", "x.parquet", "--allow-gaps", "--schema", "by-name"], "a\\u{1b}[31mred\\u{7}"),
        (&["merge", "-v", "-o", "x.parquet", "--allow-gaps", "--schema", "by-name"], "a\\u{1b}[31mred\\u{7}"),
    ] {
        let output =
            binary().args(arguments).arg(&export).current_dir(folder.path()).output().expect("it starts");
        let printed = [output.stdout, output.stderr].concat();
        assert!(
            printed.iter().all(|byte| *byte >= b' ' || *byte == b'\n'),
            "{}",
            utf8(&printed).escape_debug()
        );
        assert!(utf8(&printed).contains(shown), "{arguments:?}: {}", utf8(&printed));
    }
}

#[test]
fn the_time_zone_of_the_machine_changes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = |zone: &str| -> Vec<Vec<u8>> {
        let convert = |from: &Path, to: &str| {
            let mut command = binary();
            command.arg("merge").arg(from).args(["-q", "--overwrite", "--no-receipt", "-o", to]);
            let output = command.env("TZ", zone).current_dir(folder.path()).output().expect("it starts");
            assert!(output.status.success(), "{output:?}");
            std::fs::read(folder.path().join(to)).expect("written")
        };
        let parquet = convert(&testdata("forecast"), "zone.parquet");
        let csv = convert(&folder.path().join("zone.parquet"), "zone.csv");
        vec![parquet, csv, convert(&testdata("forecast"), "copy.csv")]
    };
    let here = files("UTC");
    assert_eq!(here[1], here[2], "CSV to Parquet to CSV");
    for zone in ["Asia/Tokyo", "America/St_Johns", "Pacific/Apia"] {
        assert_eq!(files(zone), here, "{zone}");
    }
}

// Files.

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777
}

#[test]
fn missing_folders_are_made_and_modes_follow_the_umask() {
    let folder = tempfile::tempdir().expect("a folder");
    for (umask, file_mode, folder_mode) in
        [("022", 0o644, 0o755), ("027", 0o640, 0o750), ("002", 0o664, 0o775)]
    {
        let script = format!(
            "umask {umask}; \"$0\" merge \"$1\" -q -o {umask}/a/b/sales.csv && \"$0\" convert \"$1\" -q -o {umask}/c/d/"
        );
        let bin = env!("CARGO_BIN_EXE_forecast-export");
        let mut shell = Command::new("sh");
        shell.args(["-c", &script, bin]).arg(testdata("forecast")).current_dir(folder.path());
        assert!(shell.status().expect("a shell").success());
        let made = folder.path().join(umask);
        assert_eq!(mode(&made.join("a/b/sales.csv")), file_mode);
        assert_eq!(
            mode(&made.join("c/d/sales_forecast_export_2026-01-02T03-04-05Z_part11.parquet")),
            file_mode
        );
        assert_eq!((mode(&made.join("a")), mode(&made.join("c/d"))), (folder_mode, folder_mode));
        assert_eq!(mode(&made.join("a/b/sales.csv.receipt.json")), file_mode);
        assert_eq!(std::fs::read_dir(made.join("a/b")).expect("a folder").count(), 2);
    }
}

#[test]
fn a_device_is_written_straight_and_stays_what_it_is() {
    for to in ["csv", "parquet"] {
        let output = binary()
            .arg("merge")
            .arg(testdata("forecast"))
            .args(["-o", "/dev/null", "--to", to])
            .output()
            .expect("it starts");
        assert!(output.status.success(), "{output:?}");
        assert!(utf8(&output.stderr).contains("36 rows from 12 parts, 3.64 kB -> /dev/null"), "{output:?}");
        assert!(!Path::new("/dev/null").is_file());
    }
}

fn make_pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().expect("mkfifo").success());
}

#[test]
fn a_named_pipe_is_written_straight() {
    let folder = tempfile::tempdir().expect("a folder");
    let pipe = folder.path().join("pipe.csv");
    make_pipe(&pipe);
    let reader = std::thread::spawn({
        let pipe = pipe.clone();
        move || std::fs::read(pipe).expect("read to the end")
    });
    let output = merged(folder.path(), &["-o", "pipe.csv"]);
    assert!(output.status.success(), "{output:?}");
    let file = merged(folder.path(), &["-o", "file.csv", "-q", "--no-receipt"]);
    assert!(file.status.success());
    assert_eq!(reader.join().expect("read"), std::fs::read(folder.path().join("file.csv")).expect("written"));
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 2);
}

#[test]
fn parquet_on_standard_output_is_the_file_it_would_be() {
    let folder = tempfile::tempdir().expect("a folder");
    let piped = merged(folder.path(), &["-o", "-", "--to", "parquet", "-q"]);
    assert!(merged(folder.path(), &["-o", "file.parquet", "-q", "--no-receipt"]).status.success());
    assert_eq!(piped.stdout, std::fs::read(folder.path().join("file.parquet")).expect("written"));
}

// Long runs, to be interrupted.

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

fn files(folder: &Path) -> BTreeSet<String> {
    match std::fs::read_dir(folder) {
        Ok(entries) => {
            entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
        }
        Err(_) => BTreeSet::new(),
    }
}

#[test]
fn a_signal_ends_a_run_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    long_export(folder.path());
    let convert = ["convert", "long", "-o", "out", "--threads", "1", "--split-rows", "1000"];
    let merge = ["merge", "long", "-o", "out/old.parquet", "--overwrite", "--threads", "1"];
    for (name, code, arguments) in [("INT", 130, &merge[..]), ("TERM", 143, &merge), ("TERM", 143, &convert)]
    {
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

#[test]
fn a_name_that_is_no_utf8_is_refused_and_not_taken_for_another() {
    let folder = tempfile::tempdir().expect("a folder");
    let name = std::ffi::OsStr::from_bytes(b"out\xff.csv");
    let mut command = binary();
    command.arg("merge").arg(testdata("forecast")).arg("-o").arg(name).current_dir(folder.path());
    let output = command.output().expect("it starts");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(files(folder.path()).is_empty());
}
