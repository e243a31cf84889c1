//! What each command asks for, and what it says where that is denied.

use super::{HEADER, both, part, row, two_parts};
use crate::support::ruled_s3::{RuledS3, Rules};
use crate::support::scratch::Scratch;

fn needs(rules: &[&'static str], arguments: &[&str]) {
    let server = two_parts(Rules { allowed: rules.to_vec(), ..Rules::default() });
    server.succeeds(arguments);
    assert_eq!(server.get("o/out.csv"), Some(both()), "{arguments:?}");
    // With any of them left out it is refused, and the statement that would grant it is named.
    for missing in rules {
        let allowed: Vec<&str> = rules.iter().copied().filter(|rule| rule != missing).collect();
        let allowed = if allowed.is_empty() { vec!["nothing"] } else { allowed };
        let server = two_parts(Rules { allowed, ..Rules::default() });
        let (code, _, said) = server.run(arguments);
        assert_eq!(code, 8, "without {missing}: {said}");
        assert!(said.contains(&format!(r#""Effect":"Allow","Action":["s3:{missing}""#)), "{missing}: {said}");
        assert_eq!(server.get("o/out.csv"), None);
    }
}

#[test]
fn a_merge_lists_and_reads_its_source_and_puts_its_output() {
    needs(&["ListBucket", "GetObject", "PutObject"], &["merge", "s3://b/e/", "-o", "s3://b/o/out.csv"]);
}

#[test]
fn one_object_as_the_source_is_not_listed() {
    let server = two_parts(Rules { allowed: vec!["GetObject"], ..Rules::default() });
    let scratch = Scratch::new();
    let out = scratch.path("out.csv").display().to_string();
    server.succeeds(&["merge", &format!("s3://b/e/{}", part(0)), "-o", &out]);
    assert_eq!(scratch.text("out.csv"), format!("{HEADER}{}", row("a")));
    assert!(!server.operations().contains(&"ListBucket"), "{:?}", server.operations());
    // A name without an ending could be a folder.
    server.put("e/export", &format!("{HEADER}{}", row("c")));
    server.succeeds(&["merge", "s3://b/e/export", "-o", &out, "--overwrite"]);
    assert_eq!(scratch.text("out.csv"), format!("{HEADER}{}", row("c")));
}

/// Merges local parts into a bucket that may only be written to.
fn merge_into(server: &RuledS3, flags: &[&str]) -> (i32, String) {
    let scratch = Scratch::csv(&[format!("{HEADER}{}", row("a")), format!("{HEADER}{}", row("b"))]);
    let source = scratch.path("in").display().to_string();
    let mut arguments = vec!["merge", &source, "-o", "s3://b/o/out.csv"];
    arguments.extend(flags);
    let (code, _, said) = server.run(&arguments);
    (code, said)
}

#[test]
fn an_output_bucket_needs_put_object_only() {
    let server = RuledS3::start(Rules { allowed: vec!["PutObject"], ..Rules::default() });
    let (code, said) = merge_into(&server, &[]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(server.get("o/out.csv"), Some(both()));
    // The condition of the write decides.
    server.put("o/out.csv", "older");
    let (code, said) = merge_into(&server, &[]);
    assert_eq!(code, 7, "{said}");
    assert_eq!(server.get("o/out.csv").as_deref(), Some("older"));
    let (code, said) = merge_into(&server, &["--overwrite"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(server.get("o/out.csv"), Some(both()));
}

#[test]
fn to_overwrite_an_object_nobody_looks_at_it() {
    let server = RuledS3::start(Rules::default());
    let (code, said) = merge_into(&server, &["--overwrite", "--no-receipt"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(server.operations(), ["PutObject"]);
}

#[test]
fn a_conversion_into_a_bucket_that_may_not_be_listed_says_that_nobody_looked() {
    let server = RuledS3::start(Rules { allowed: vec!["PutObject"], ..Rules::default() });
    let scratch = Scratch::csv(&[format!("{HEADER}{}", row("a"))]);
    let source = scratch.path("in").display().to_string();
    let (_, said) = server.succeeds(&["convert", &source, "-o", "s3://b/o/", "--to", "csv"]);
    assert!(said.contains("listing it is not allowed"), "{said}");
    assert_eq!(server.get(&format!("o/{}", part(0))), Some(format!("{HEADER}{}", row("a"))));
}

#[test]
fn a_bucket_that_denies_everything_is_told_with_the_statement_for_listing() {
    let server = two_parts(Rules { allowed: vec!["nothing"], ..Rules::default() });
    let (code, _, said) = server.run(&["ls", "s3://b/e/"]);
    assert_eq!(code, 8, "{said}");
    assert!(
        said.contains(r#"{"Effect":"Allow","Action":["s3:ListBucket"],"Resource":"arn:aws:s3:::b"}"#),
        "{said}"
    );
}
