//! Keys of any kind.

use super::{HEADER, both, part, row, two_parts};
use crate::support::ruled_s3::{RuledS3, Rules};
use crate::support::scale::cases;
use crate::support::scratch::Scratch;
use proptest::prelude::*;

/// A key beside the parts is a stray; the same as the folder of a part is read.
fn is_survived_and_read(odd: &str) {
    let server = two_parts(Rules { page: Some(2), ..Rules::default() });
    server.put(&format!("e/{odd}"), "x");
    server.put(&format!("f/{odd}/{}", part(0)), &format!("{HEADER}{}", row("c")));
    let scratch = Scratch::new();
    let out = scratch.path("out.csv").display().to_string();
    server.succeeds(&["merge", "s3://b/e/", "-o", &out, "--job", "sales"]);
    assert_eq!(scratch.text("out.csv"), both(), "{odd:?}");
    server.succeeds(&["merge", "s3://b/f/", "-o", &out, "--overwrite", "--job", "sales"]);
    assert_eq!(scratch.text("out.csv"), format!("{HEADER}{}", row("c")), "{odd:?}");
}

#[test]
fn a_key_that_is_no_path_stops_no_run_and_its_part_is_read() {
    for odd in [
        "/x",
        "a//b",
        "..",
        "a/../b",
        ".",
        "./x",
        "a b+c%20",
        " a ",
        "\r\n",
        "\u{1}\u{7f}",
        "a\\b",
        "é\u{202e}",
        "x?y#z&<>",
    ] {
        is_survived_and_read(odd);
    }
}

#[test]
fn a_source_may_be_named_by_such_a_key() {
    let server = RuledS3::start(Rules::default());
    let text = format!("{HEADER}{}", row("a"));
    for key in [format!("e//{}", part(0)), format!("/{}", part(0)), format!("e/../{}", part(0))] {
        server.put(&key, &text);
        let scratch = Scratch::new();
        let out = scratch.path("out.csv").display().to_string();
        server.succeeds(&["merge", &format!("s3://b/{key}"), "-o", &out]);
        assert_eq!(scratch.text("out.csv"), text, "{key}");
    }
}

#[test]
fn parts_below_such_a_key_are_copied_by_the_server() {
    let server = RuledS3::start(Rules::default());
    let rows = row("item").repeat(250_000);
    for number in 0..2 {
        server.put(&format!("e//{}", part(number)), &format!("{HEADER}{rows}"));
    }
    server.succeeds(&["merge", "s3://b/e/", "-o", "s3://b/out.csv", "--on-server", "always"]);
    assert!(server.operations().contains(&"UploadPartCopy"));
    assert!(server.get("out.csv") == Some(format!("{HEADER}{rows}{rows}")));
}

#[test]
fn an_output_of_such_a_key_is_refused_before_anything_is_written() {
    let server = two_parts(Rules::default());
    let before = server.keys();
    for key in ["o//x.csv", "/x.csv", "o/../x.csv"] {
        let (code, _, said) = server.run(&["merge", "s3://b/e/", "-o", &format!("s3://b/{key}")]);
        assert_eq!(code, 2, "{said}");
        assert_eq!(server.keys(), before);
    }
}

proptest! {
    #![proptest_config(cases(24))]

    #[test]
    fn any_key_that_s3_allows_is_survived_and_read(
        odd in prop::collection::vec(prop_oneof![Just('/'), Just('.'), Just('%'), Just('+'), any::<char>()], 1..12)
    ) {
        let odd: String = odd.into_iter().filter(|c| *c != '\0').collect();
        prop_assume!(!odd.is_empty());
        is_survived_and_read(&odd);
    }
}
