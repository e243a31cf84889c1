//! Object Lock, checksums and archives.

use super::{HEADER, both, part, row, two_parts};
use crate::support::ruled_s3::{RuledS3, Rules};

/// Parts of 6 MB, which take an upload in pieces.
fn large_parts(server: &RuledS3) -> String {
    let rows = row("item").repeat(250_000);
    for number in 0..2 {
        server.put(&format!("e/{}", part(number)), &format!("{HEADER}{rows}"));
    }
    format!("{HEADER}{rows}{rows}")
}

#[test]
fn object_lock_gets_a_checksum_with_everything_that_is_written() {
    for on_server in ["always", "never"] {
        let server = RuledS3::start(Rules { needs_checksum: true, ..Rules::default() });
        let expected = large_parts(&server);
        server.succeeds(&["merge", "s3://b/e/", "-o", "s3://b/out.csv", "--on-server", on_server]);
        assert!(server.get("out.csv") == Some(expected), "{on_server}");
    }
    let server = two_parts(Rules { needs_checksum: true, ..Rules::default() });
    server.succeeds(&["merge", "s3://b/e/", "-o", "s3://b/out.csv", "--checksum", "sha256"]);
    assert_eq!(server.get("out.csv"), Some(both()));
    let (code, _, said) = server.run(&["merge", "s3://b/e/", "-o", "s3://b/more.csv", "--checksum", "none"]);
    assert_eq!(code, 8, "{said}");
    assert_eq!(server.get("more.csv"), None);
}

#[test]
fn a_server_that_keeps_other_bytes_is_found_by_their_checksum() {
    for (flags, large) in [(vec![], false), (vec!["--on-server", "never"], true)] {
        let server = two_parts(Rules { tells_checksum: Some("AAAAAAAAAAA="), ..Rules::default() });
        if large {
            large_parts(&server);
        }
        let mut arguments = vec!["merge", "s3://b/e/", "-o", "s3://b/out.csv"];
        arguments.extend(flags);
        let (code, _, said) = server.run(&arguments);
        assert_eq!(code, 8, "{said}");
        assert!(said.contains("holds different bytes than were sent"), "{said}");
        assert_eq!(server.get("out.csv"), None);
        assert_eq!(server.open_uploads(), 0);
    }
}

#[test]
fn archived_parts_are_called_so_and_brought_back_where_that_is_asked_for() {
    let server = two_parts(Rules::default());
    server.archive(&format!("e/{}", part(2)), &format!("{HEADER}{}", row("c")), "DEEP_ARCHIVE");
    let (out, _) = server.succeeds(&["ls", "s3://b/e/", "-v"]);
    assert!(out.contains("archived") && !out.contains("damaged"), "{out}");
    let (json, _) = server.succeeds(&["ls", "s3://b/e/", "--json"]);
    assert!(json.contains(r#""state":"archived""#) || json.contains(r#""state": "archived""#), "{json}");
    let merge = ["merge", "s3://b/e/", "-o", "s3://b/out.csv"];
    let (code, _, said) = server.run(&merge);
    assert_eq!(code, 8, "{said}");
    assert!(
        said.contains("part2.csv") && said.contains("DEEP_ARCHIVE") && said.contains("--restore"),
        "{said}"
    );
    assert_eq!(server.restores(), []);
    let mut restore = merge.to_vec();
    restore.extend(["--restore", "3"]);
    let (code, _, said) = server.run(&restore);
    assert_eq!(code, 8, "{said}");
    assert!(said.contains("S3 was asked to restore it for"), "{said}");
    let [(key, document)] = &server.restores()[..] else { panic!("{:?}", server.restores()) };
    assert_eq!(key, &format!("e/{}", part(2)));
    assert!(document.contains("<Days>3</Days>"), "{document}");
    server.bring_back();
    server.succeeds(&merge);
    assert_eq!(server.get("out.csv"), Some(both() + &row("c")));
}

#[test]
fn a_single_archived_object_is_called_so() {
    let server = RuledS3::start(Rules::default());
    server.archive("x.csv", &both(), "GLACIER");
    let (code, _, said) = server.run(&["merge", "s3://b/x.csv", "-o", "s3://b/out.csv"]);
    assert_eq!(code, 8, "{said}");
    assert!(said.contains("archived") && said.contains("--restore"), "{said}");
}
