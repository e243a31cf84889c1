//! The README and the pages of `docs/`: what they show is what is printed, and the tests that they name exist.

use super::utf8;
use crate::support::fixtures::{binary, testdata};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// Commands that a test run cannot run itself.
const NOT_RUN: [&str; 3] = ["cargo test", "cargo install --path .", ".ci/run"];

/// The README and the pages of `docs/`, in order: their names and texts.
fn documents() -> Vec<(String, String)> {
    let clone = Path::new(env!("CARGO_MANIFEST_DIR"));
    let pages = std::fs::read_dir(clone.join("docs")).expect("docs").map(|page| {
        let name = page.expect("a page").file_name().to_string_lossy().into_owned();
        format!("docs/{name}")
    });
    let pages: BTreeSet<String> = pages.filter(|page| page.ends_with(".md")).collect();
    let text = |name: String| {
        let text = std::fs::read_to_string(clone.join(&name)).expect("a text");
        (name, text)
    };
    ["README.md".to_owned()].into_iter().chain(pages).map(text).collect()
}

/// The commands in the `console` and `sh` blocks of a text, in order, and the output shown: `*` for any.
fn commands(text: &str) -> Vec<(String, String)> {
    let (mut block, mut commands) = (None, Vec::<(String, String)>::new());
    for line in text.lines() {
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
    commands
}

/// Runs every `console` and `sh` block of the README and of each page of `docs/`, in order, in a folder that has the
/// test data.
#[test]
fn every_command_of_the_readme_prints_what_the_readme_says() {
    for (name, text) in documents() {
        let commands = commands(&text);
        if name == "README.md" {
            assert!(commands.len() >= 8, "{commands:?}");
        }
        let folder = tempfile::tempdir().expect("a folder");
        std::os::unix::fs::symlink(testdata(""), folder.path().join("testdata")).expect("a link");
        commands.iter().for_each(|(command, expected)| check(folder.path(), command, expected));
    }
}

/// Runs a command in a folder; it must print what is expected.
fn check(folder: &Path, command: &str, expected: &str) {
    if NOT_RUN.contains(&command) {
        return;
    }
    let bin = Path::new(env!("CARGO_BIN_EXE_forecast-export")).parent().expect("a folder");
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").expect("a PATH"));
    let typed = command.replace("cargo run --release -- ", "forecast-export ");
    assert!(typed.starts_with("forecast-export "), "an unknown command: {command}");
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("exec 2>&1; {typed}")]).current_dir(folder).env("PATH", path);
    let output = shell.output().expect("a shell");
    let code = output.status.code().expect("no signal");
    let mut found = if code == 0 { String::new() } else { format!("? {code}\n") };
    found += utf8(&output.stdout);
    if expected != "*" {
        assert_eq!(untimed(&found).trim_end(), untimed(expected).trim_end(), "$ {command}");
    }
    assert!(code == 0 || expected.starts_with("? "), "$ {command}\n{found}");
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

/// In the README and in the pages of `docs/`: a module ends with `::`.
#[test]
fn every_test_that_the_readme_names_exists() {
    let texts = documents();
    let tests =
        Command::new(std::env::current_exe().expect("this file")).arg("--list").output().expect("it starts");
    let named = regex::Regex::new(r"`([a-z_0-9]+::[a-z_0-9:]*)`").expect("a pattern");
    let found = texts.iter().flat_map(|(_, text)| named.captures_iter(text));
    let names: BTreeSet<&str> = found.map(|found| found.extract::<1>().1[0]).collect();
    assert!(names.len() > 10, "{names:?}");
    for name in names {
        let has_test = |line: &str| match name.strip_suffix("::") {
            Some(_) => line.starts_with(name),
            None => line.strip_suffix(": test") == Some(name),
        };
        assert!(utf8(&tests.stdout).lines().any(has_test), "README.md or docs/ names {name}");
    }
}
