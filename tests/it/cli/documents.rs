//! The README and the pages of `docs/`: what they show is what is printed, the tests that they name exist, their links lead
//! somewhere, and their pictures are up to date. `TRYCMD=overwrite`, which writes the golden files, writes what commands
//! print into these as well.

use super::utf8;
use crate::support::fixtures::{binary, testdata};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// What a test run cannot run itself.
const NOT_RUN: [&str; 1] = ["cargo test"];

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

/// Whether what is printed is written into the documents, rather than compared with them.
fn overwrites() -> bool {
    std::env::var("TRYCMD").is_ok_and(|mode| mode == "overwrite")
}

/// Runs every `console` and `sh` block of the README and of each page of `docs/`, in order, in a folder that has the
/// test data.
#[test]
fn every_command_of_the_readme_prints_what_the_readme_says() {
    let mut run = 0;
    for (name, text) in documents() {
        let commands = commands(&text);
        if name == "README.md" {
            assert!(commands.len() >= 7, "{commands:?}");
        }
        run += commands.len();
        let folder = tempfile::tempdir().expect("a folder");
        std::os::unix::fs::symlink(testdata(""), folder.path().join("testdata")).expect("a link");
        let mut shown = text.clone();
        for (command, expected) in &commands {
            let found = printed(folder.path(), command).filter(|_| expected != "*");
            let Some(found) = found else { continue };
            if overwrites() && untimed(&found).trim_end() != untimed(expected).trim_end() {
                let blank = &expected[expected.trim_end().len()..];
                let new = format!("$ {command}\n{}{blank}", found.trim_end());
                shown = shown.replacen(&format!("$ {command}\n{expected}"), &new, 1);
            } else {
                assert_eq!(untimed(&found).trim_end(), untimed(expected).trim_end(), "{name}: $ {command}");
            }
        }
        if shown != text {
            std::fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join(name), shown).expect("a document");
        }
    }
    assert!(run >= 20, "{run} commands");
}

/// Runs a command in a folder and returns what it printed; it must fail if that has an error in it, and only then. `None`
/// for a command that a test run cannot run.
fn printed(folder: &Path, command: &str) -> Option<String> {
    if NOT_RUN.contains(&command) {
        return None;
    }
    let bin = Path::new(env!("CARGO_BIN_EXE_forecast-export")).parent().expect("a folder");
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").expect("a PATH"));
    let typed = command.replace("cargo run --release -- ", "forecast-export ");
    assert!(typed.starts_with("forecast-export "), "an unknown command: {command}");
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("exec 2>&1; {typed}")]).current_dir(folder).env("PATH", path);
    let output = shell.output().expect("a shell");
    let found = utf8(&output.stdout);
    let fails = found.lines().any(|line| line.starts_with("error: "));
    assert_eq!(!output.status.success(), fails, "$ {command}: {}\n{found}", output.status);
    Some(found.to_owned())
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

/// Golden files that have no folder of their own run in the clone, where a newcomer has the output of the first command.
#[test]
fn no_golden_file_meets_the_output_of_the_readmes_first_command() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cmd");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).expect("golden files") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "trycmd")
            && !path.with_extension("in").exists()
        {
            let text = std::fs::read_to_string(&path).expect("text");
            assert!(!text.contains("-o out.parquet"), "{}", path.display());
            seen += 1;
        }
    }
    assert!(seen >= 5, "{seen}");
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

/// What is longer, nobody reads to its end: the rest belongs into `docs/`.
#[test]
fn the_readme_is_short() {
    let lines = include_str!("../../../README.md").lines().count();
    assert!(lines <= 150, "README.md has {lines} lines");
}

/// The lines of a text that are in no block of code.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut code = false;
    text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        code ^= fence;
        !code && !fence
    })
}

/// The anchors of a page's headings, as GitHub makes them.
fn anchors(text: &str) -> BTreeSet<String> {
    let heading = |line: &str| -> Option<String> {
        let title = line.strip_prefix('#')?.trim_start_matches('#').strip_prefix(' ')?;
        let kept = title.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        Some(kept.collect::<String>().to_lowercase().replace(' ', "-"))
    };
    prose(text).filter_map(heading).collect()
}

#[test]
fn every_link_between_documents_leads_somewhere() {
    let clone = Path::new(env!("CARGO_MANIFEST_DIR"));
    let link = regex::Regex::new(r"\]\(([^)\s]+)\)").expect("a pattern");
    let read = |name: &str| std::fs::read_to_string(clone.join(name)).expect("a text");
    let others = ["CHANGELOG.md", "testdata/README.md", "examples/lambda/README.md"]
        .map(|name| (name.to_owned(), read(name)));
    let mut checked = 0;
    for (name, text) in documents().into_iter().chain(others) {
        let folder = clone.join(&name);
        let folder = folder.parent().expect("a folder");
        for found in prose(&text).flat_map(|line| link.captures_iter(line)) {
            let target = found.extract::<1>().1[0];
            if target.contains("://") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let path = if file.is_empty() { clone.join(&name) } else { folder.join(file) };
            assert!(path.exists(), "{name} leads to {target}, which is not there");
            let has_anchor = || anchors(&std::fs::read_to_string(&path).expect("a page")).contains(anchor);
            assert!(anchor.is_empty() || has_anchor(), "{name} leads to {target}, which has no such heading");
            checked += 1;
        }
    }
    assert!(checked > 20, "{checked} links");
}

/// Files that are named in backquotes, by their paths in the clone.
#[test]
fn every_file_that_a_document_names_exists() {
    let clone = Path::new(env!("CARGO_MANIFEST_DIR"));
    let named = regex::Regex::new(r"`((?:src|tests|testdata|docs|examples|benches|fuzz|\.ci)/[\w./-]*)[ `]");
    let named = named.expect("a pattern");
    for (name, text) in documents() {
        for found in prose(&text).flat_map(|line| named.captures_iter(line)) {
            let path = found.extract::<1>().1[0];
            assert!(clone.join(path).exists(), "{name} names {path}, which is not there");
        }
    }
}

/// Redraws the pictures and compares; seconds may differ. Needs Python, as CI has.
#[test]
#[expect(clippy::print_stdout, reason = "a test that checked nothing says so")]
fn the_pictures_of_the_readme_show_what_the_program_prints() {
    let mut draw = Command::new("python3");
    draw.arg("docs/pictures/draw").current_dir(env!("CARGO_MANIFEST_DIR"));
    if !overwrites() {
        draw.arg("--check");
    }
    match draw.env("FORECAST_EXPORT_BIN", env!("CARGO_BIN_EXE_forecast-export")).output() {
        Ok(output) => assert!(output.status.success(), "{}", utf8(&output.stderr)),
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "python3: {error}");
            println!("python3 is missing: the pictures were not checked");
        }
    }
}
