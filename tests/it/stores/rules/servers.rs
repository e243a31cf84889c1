//! Servers that know less than S3.

use super::{HEADER, both, part, row, two_parts};
use crate::support::ruled_s3::{Conditions, Lists, RuledS3, Rules};

#[test]
fn listings_of_the_first_version_are_read_to_their_end() {
    for lists in [Lists::FirstVersionOnly, Lists::RefusesSecond] {
        let server = RuledS3::start(Rules { lists, page: Some(2), ..Rules::default() });
        let mut expected = HEADER.to_owned();
        for number in 0..7 {
            server.put(&format!("e/{}", part(number)), &format!("{HEADER}{}", row(&number.to_string())));
            expected += &row(&number.to_string());
        }
        server.succeeds(&["merge", "s3://b/e/", "-o", "s3://b/out.csv"]);
        assert_eq!(server.get("out.csv"), Some(expected));
    }
}

#[test]
fn a_server_without_conditional_writes_is_looked_at_before_each_and_named_in_a_warning() {
    for status in [501, 400] {
        let server = two_parts(Rules { conditions: Conditions::Refused(status), ..Rules::default() });
        let merge = ["merge", "s3://b/e/", "-o", "s3://b/out.csv", "--no-receipt"];
        let (_, said) = server.succeeds(&merge);
        assert!(said.contains("does not support conditional writes"), "{said}");
        assert_eq!(server.get("out.csv"), Some(both()));
        let (code, _, said) = server.run(&merge);
        assert_eq!(code, 7, "{said}");
    }
}

#[test]
fn so_it_is_where_the_output_is_uploaded_in_pieces() {
    for on_server in ["always", "never"] {
        let server = RuledS3::start(Rules { conditions: Conditions::Refused(501), ..Rules::default() });
        let rows = row("item").repeat(250_000);
        for number in 0..2 {
            server.put(&format!("e/{}", part(number)), &format!("{HEADER}{rows}"));
        }
        let (_, said) =
            server.succeeds(&["merge", "s3://b/e/", "-o", "s3://b/out.csv", "--on-server", on_server]);
        assert!(said.contains("does not support conditional writes"), "{said}");
        assert!(server.get("out.csv") == Some(format!("{HEADER}{rows}{rows}")));
    }
}

#[test]
fn a_server_that_ignores_conditions_is_looked_at_before_the_write() {
    let server = two_parts(Rules { conditions: Conditions::Ignored, ..Rules::default() });
    server.succeeds(&["merge", "s3://b/e/", "-o", "s3://b/out.csv"]);
    let operations = server.operations();
    let put = operations.iter().position(|&operation| operation == "PutObject").expect("a put");
    assert_eq!(operations[put - 1], "HeadObject", "{operations:?}");
}

#[test]
fn a_server_that_knows_no_checksums_is_written_to_without() {
    for on_server in ["always", "never"] {
        let server = RuledS3::start(Rules { knows_no_checksum: true, ..Rules::default() });
        let rows = row("item").repeat(250_000);
        for number in 0..2 {
            server.put(&format!("e/{}", part(number)), &format!("{HEADER}{rows}"));
        }
        server.succeeds(&["merge", "s3://b/e/", "-o", "s3://b/out.csv", "--on-server", on_server]);
        assert!(server.get("out.csv") == Some(format!("{HEADER}{rows}{rows}")));
    }
    // Where one is asked for, that is an error.
    let server = two_parts(Rules { knows_no_checksum: true, ..Rules::default() });
    let (code, _, said) =
        server.run(&["merge", "s3://b/e/", "-o", "s3://b/out.csv", "--checksum", "crc64nvme"]);
    assert_eq!(code, 8, "{said}");
}

#[test]
fn a_server_that_does_not_copy_gets_the_bytes_sent() {
    let server = RuledS3::start(Rules { does_not_copy: true, ..Rules::default() });
    let rows = row("item").repeat(250_000);
    for number in 0..2 {
        server.put(&format!("e/{}", part(number)), &format!("{HEADER}{rows}"));
    }
    server.succeeds(&["merge", "s3://b/e/", "-o", "s3://b/out.csv"]);
    assert!(server.get("out.csv") == Some(format!("{HEADER}{rows}{rows}")));
    assert_eq!(server.open_uploads(), 0);
}
