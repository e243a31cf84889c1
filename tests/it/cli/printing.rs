//! What is printed, and where: golden files, help, completions, reports, progress, colours.

use super::{PATIENCE, merged, utf8};
use crate::support::fixtures::{binary, failure, run, testdata};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

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
    assert_eq!(
        failure(&failed),
        (7, "error: d.csv already exists; use --overwrite to replace it\n".to_owned())
    );
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
