//! Buckets and servers as they are: any key that S3 allows, few permissions, Object Lock, archives, servers that know less than
//! S3. The server is [`RuledS3`], which checks signatures and holds to the rules of each test.

use crate::support::ruled_s3::{Conditions, Lists, RuledS3, Rules};
use crate::support::scratch::{RUN, Scratch};

const HEADER: &str = "item_id,date,p50\n";

fn part(number: usize) -> String {
    format!("sales_{RUN}_part{number}.csv")
}

fn row(item: &str) -> String {
    format!("{item},2026-01-03T00:00:00Z,1.0\n")
}

/// A server with two parts below `e/`.
fn two_parts(rules: Rules) -> RuledS3 {
    let server = RuledS3::start(rules);
    server.put(&format!("e/{}", part(0)), &format!("{HEADER}{}", row("a")));
    server.put(&format!("e/{}", part(1)), &format!("{HEADER}{}", row("b")));
    server
}

fn both() -> String {
    format!("{HEADER}{}{}", row("a"), row("b"))
}

mod keys {
    use super::*;
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
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn any_key_that_s3_allows_is_survived_and_read(
            odd in prop::collection::vec(prop_oneof![Just('/'), Just('.'), Just('%'), Just('+'), any::<char>()], 1..12)
        ) {
            let odd: String = odd.into_iter().filter(|c| *c != '\0').collect();
            prop_assume!(!odd.is_empty());
            is_survived_and_read(&odd);
        }
    }
}

mod permissions {
    use super::*;

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
            assert!(
                said.contains(&format!(r#""Effect":"Allow","Action":["s3:{missing}""#)),
                "{missing}: {said}"
            );
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
        assert!(said.contains("may not be listed"), "{said}");
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
}

mod buckets {
    use super::*;

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
        let (code, _, said) =
            server.run(&["merge", "s3://b/e/", "-o", "s3://b/more.csv", "--checksum", "none"]);
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
            assert!(said.contains("keeps other bytes than were sent"), "{said}");
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
        assert!(said.contains("S3 was asked to restore"), "{said}");
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
}

mod servers {
    use super::*;

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
            assert!(said.contains("knows no conditional writes"), "{said}");
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
            assert!(said.contains("knows no conditional writes"), "{said}");
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
}
