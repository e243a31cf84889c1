//! Every folder of `testdata/` stands in its table, and a test reads it.

use super::fixtures::testdata;
use super::scratch::files;
use std::collections::BTreeSet;
use std::path::Path;

/// The rows of the table: a folder, and the tests that read it.
fn table() -> Vec<(String, Vec<String>)> {
    let text = std::fs::read_to_string(testdata("README.md")).expect("a table");
    let quoted =
        |cell: &str| -> Vec<String> { cell.split('`').skip(1).step_by(2).map(str::to_owned).collect() };
    let rows = text.lines().filter_map(|line| {
        let cells: Vec<&str> = line.split('|').collect();
        let [_, folder, _, tests, _] = cells[..] else { return None };
        Some((quoted(folder).pop()?, quoted(tests)))
    });
    rows.collect()
}

/// The text of a test such as `sets::names::a_test`, or of all unit tests of a module for one such as
/// `codec::csv::tests::a_test`; `None` where there is no such test.
fn test_text(name: &str) -> Option<String> {
    let (module, function) = name.rsplit_once("::")?;
    let read = |folder: &str, module: &str| {
        let file = format!("{folder}/{}.rs", module.replace("::", "/"));
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).ok()
    };
    if let Some(module) = module.strip_suffix("::tests") {
        let source = read("src", module)?;
        let (_, tests) = source.split_once("\nmod tests {\n")?;
        return tests.contains(&format!("    #[test]\n    fn {function}() {{\n")).then(|| tests.to_owned());
    }
    let source = read("tests/it", module)?;
    let (_, body) = source.split_once(&format!("#[test]\nfn {function}() {{\n"))?;
    Some(body.split("\n}\n").next()?.to_owned())
}

#[test]
fn every_folder_is_in_the_table_and_the_other_way_round() {
    let entries = std::fs::read_dir(testdata("")).expect("testdata");
    let there: BTreeSet<String> = entries
        .map(|entry| entry.expect("an entry"))
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    let listed: BTreeSet<String> = table().into_iter().map(|(folder, _)| folder).collect();
    assert_eq!(there, listed);
    assert_eq!(table().len(), listed.len(), "a folder stands twice in the table");
}

#[test]
fn every_folder_is_read_by_each_test_that_the_table_names() {
    for (folder, tests) in table() {
        assert!(!tests.is_empty(), "{folder}: the table names no test");
        for test in tests {
            let text = test_text(&test).unwrap_or_else(|| panic!("{folder}: there is no test {test}"));
            assert!(text.contains(&format!("\"{folder}\"")), "{test} does not read {folder}");
        }
    }
}

#[test]
fn fixtures_are_small() {
    let bytes: u64 = files(&testdata("")).iter().map(|file| file.metadata().expect("a file").len()).sum();
    assert!(bytes < 200_000, "{bytes} bytes");
}
