//! What networks and S3 do on bad days: nothing is lost, doubled or taken for an empty folder, and what was begun is
//! cleared away.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use forecast_export::{Error, InventoryOptions, Location, Options, Output, plan, run};

use crate::support::buckets::{Bucket, bucket, buckets, csv_parts, merged, part_name, range};
use crate::support::fixtures;
use crate::support::proxy::Fault;

/// A bucket with two small parts, and their merge.
fn small(name_hint: &str) -> (Bucket, Vec<u8>) {
    let bucket = bucket(name_hint);
    let parts = csv_parts(2, 10);
    bucket.put_parts("in/", "csv", &parts);
    (bucket, merged(&parts))
}

/// A bucket with parts whose merge takes three pieces.
fn large(bucket: &Bucket) -> Vec<u8> {
    let parts = csv_parts(2, 48_000);
    bucket.put_parts("in/", "csv", &parts);
    merged(&parts)
}

/// Merges into an object, each byte through this machine.
fn merge(bucket: &Bucket) -> [String; 6] {
    ["merge", &bucket.at("in"), "-o", &bucket.at("out.csv"), "--on-server", "never"].map(str::to_owned)
}

#[test]
fn a_listing_with_status_200_and_an_error_in_it_is_no_empty_folder() {
    let (bucket, expected) = small("list-error");
    bucket.proxy.fail("ListObjectsV2", Fault::ErrorIn200("InternalError"), 2);
    assert_eq!(bucket.succeed(&["merge", &bucket.at("in"), "-o", "-"]), expected);
    // The last one sees that the parts are still those that were read.
    assert_eq!(bucket.proxy.count("ListObjectsV2"), 4);

    bucket.proxy.fail("ListObjectsV2", Fault::ErrorIn200("AccessDenied"), 1);
    let said = bucket.fail(8, &["ls", &bucket.at("in")]);
    assert!(said.contains("AccessDenied") && said.contains(&bucket.at("in")), "{said}");
}

#[test]
fn a_listing_that_is_cut_is_asked_for_again() {
    let (bucket, expected) = small("list-cut");
    for fault in [Fault::CutBody(200), Fault::ShortenBody(200), Fault::ShortenBody(0), Fault::Reset] {
        bucket.proxy.clear_log();
        bucket.proxy.fail("ListObjectsV2", fault, 1);
        assert_eq!(bucket.succeed(&["merge", &bucket.at("in"), "-o", "-"]), expected, "{fault:?}");
        assert_eq!(bucket.proxy.count("ListObjectsV2"), 3, "{fault:?}");
    }
}

#[test]
fn a_part_that_arrives_cut_or_short_is_read_again() {
    let (bucket, expected) = small("read-cut");
    for fault in [
        Fault::CutBody(100),
        Fault::ShortenBody(100),
        Fault::Status(503, "SlowDown"),
        Fault::Close,
        Fault::Reset,
        Fault::LoseAnswer,
    ] {
        bucket.proxy.clear_log();
        bucket.proxy.fail("GetObject", fault, 1);
        assert_eq!(bucket.succeed(&["merge", &bucket.at("in"), "-o", "-"]), expected, "{fault:?}");
        assert_eq!(bucket.proxy.count("GetObject"), 3, "{fault:?}");
    }
}

#[test]
fn a_part_that_stays_short_is_8_and_leaves_nothing() {
    let (bucket, _) = small("read-short");
    bucket.proxy.fail("GetObject", Fault::ShortenBody(100), 100);
    let said = bucket.fail(8, &merge(&bucket));
    assert!(said.contains("_part") && said.contains("100 bytes"), "{said}");
    assert_eq!(bucket.get("out.csv"), None);
}

#[test]
fn a_large_part_is_read_again_where_it_was_cut() {
    let bucket = bucket("large-cut");
    let expected = large(&bucket);
    // The heads pass.
    bucket.proxy.fail("GetObject", Fault::Stall(Duration::ZERO), 2);
    bucket.proxy.fail("GetObject", Fault::CutBody(1_000_000), 1);
    bucket.proxy.fail("GetObject", Fault::ShortenBody(2_000_000), 1);
    assert!(bucket.succeed(&["merge", &bucket.at("in"), "-o", "-"]) == expected);
    // What is missing of a cut answer is asked for: a range that starts where the bytes that came ended.
    let ranges: Vec<(u64, u64)> =
        bucket.proxy.requests("GetObject").into_iter().map(|get| range(&get)).collect();
    let is_rest = |(start, end): &(u64, u64)| ranges.contains(&(start + 1_000_000, *end));
    assert!(ranges.iter().any(is_rest), "{ranges:?}");
}

#[test]
fn large_parts_are_read_several_ranges_at_a_time() {
    for bucket in buckets("concurrent") {
        let expected = large(&bucket);
        // Answers that come late show who else asked meanwhile.
        bucket.proxy.fail("GetObject", Fault::Stall(Duration::from_millis(300)), 100);
        assert!(bucket.succeed(&["merge", &bucket.at("in"), "-o", "-"]) == expected, "{}", bucket.server);
        let reads = bucket.proxy.requests("GetObject");
        let ranged = reads.iter().filter(|read| read.range.is_some()).count();
        assert_eq!(ranged, reads.len(), "{}", bucket.server);
        // Two heads, then two parts of more than 8 MiB.
        assert_eq!(ranged, 6, "{}: {reads:?}", bucket.server);
        assert!(reads[2..].iter().any(|read| read.beside > 0), "{}: {reads:?}", bucket.server);
    }
}

#[test]
fn a_server_that_falls_silent_is_asked_again() {
    let (bucket, expected) = small("silent");
    for operation in ["ListObjectsV2", "GetObject"] {
        bucket.proxy.clear_log();
        bucket.proxy.fail(operation, Fault::Stall(Duration::from_secs(20)), 1);
        let mut command = bucket.command(&["merge", &bucket.at("in"), "-o", "-"]);
        let output = command.env("AWS_READ_TIMEOUT", "1s").output().expect("the binary starts");
        assert!(output.status.success(), "{operation}: {}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.stdout, expected, "{operation}");
    }
}

#[test]
fn a_write_that_fails_now_and_then_is_made_again() {
    let bucket = bucket("write-again");
    let expected = large(&bucket);
    for operation in ["CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"] {
        for fault in [Fault::Status(503, "SlowDown"), Fault::Close] {
            bucket.proxy.fail(operation, fault, 1);
        }
    }
    bucket.succeed(&merge(&bucket));
    assert!(bucket.get("out.csv").as_deref() == Some(&expected[..]));
}

#[test]
fn a_small_object_whose_write_fails_now_and_then_is_written_again() {
    let (bucket, expected) = small("put-again");
    for fault in [Fault::Status(503, "SlowDown"), Fault::Close] {
        bucket.proxy.fail("PutObject", fault, 1);
    }
    bucket.succeed(&merge(&bucket));
    assert_eq!(bucket.get("out.csv").as_deref(), Some(&expected[..]));
}

#[test]
fn a_lost_answer_to_the_last_request_is_no_failure() {
    for bucket in buckets("lost-answer") {
        let parts = csv_parts(2, 10);
        bucket.put_parts("in/", "csv", &parts);
        bucket.proxy.fail("PutObject", Fault::LoseAnswer, 1);
        bucket.succeed(&merge(&bucket));
        assert_eq!(bucket.get("out.csv").as_deref(), Some(&merged(&parts)[..]), "{}", bucket.server);
    }
    for bucket in buckets("lost-complete") {
        let expected = large(&bucket);
        bucket.proxy.fail("CompleteMultipartUpload", Fault::LoseAnswer, 1);
        bucket.succeed(&merge(&bucket));
        assert!(bucket.get("out.csv").as_deref() == Some(&expected[..]), "{}", bucket.server);
    }
}

#[test]
fn another_object_of_that_name_is_not_taken_for_ours() {
    let (bucket, expected) = small("not-ours");
    // Someone else writes the very bytes while we are about to: the request fails, and so must we.
    bucket.proxy.fail("PutObject", Fault::Stall(Duration::from_secs(2)), 1);
    let child = spawn(&mut bucket.command(&merge(&bucket)));
    bucket.wait_for("PutObject");
    bucket.put("out.csv", expected);
    let (code, said) = fixtures::failure(&child.wait_with_output().expect("the binary ends"));
    assert_eq!(code, 7, "{said}");
}

/// No upload is left, and nothing can be seen.
fn assert_cleared_away(bucket: &Bucket) {
    assert_eq!(bucket.get("out.csv"), None, "{}", bucket.server);
    assert_eq!(bucket.proxy.count("CreateMultipartUpload"), 1, "{}", bucket.server);
    assert_eq!(bucket.proxy.count("AbortMultipartUpload"), 1, "{}", bucket.server);
    assert_eq!(bucket.proxy.count("CompleteMultipartUpload"), 0, "{}", bucket.server);
}

#[test]
fn an_upload_that_fails_is_aborted() {
    for bucket in buckets("abort") {
        large(&bucket);
        bucket.proxy.fail("UploadPart", Fault::Status(400, "InvalidRequest"), 1);
        let said = bucket.fail(8, &merge(&bucket));
        assert!(said.contains("InvalidRequest") && said.contains(&bucket.at("out.csv")), "{said}");
        assert_cleared_away(&bucket);
    }
}

#[test]
fn a_complete_with_status_200_and_an_error_in_it_is_no_success() {
    let bucket = bucket("complete-error");
    large(&bucket);
    bucket.proxy.fail("CompleteMultipartUpload", Fault::ErrorIn200("AccessDenied"), 1);
    bucket.fail(8, &merge(&bucket));
    assert_eq!(bucket.get("out.csv"), None);
    assert_eq!(bucket.proxy.count("AbortMultipartUpload"), 1);
}

#[test]
fn a_bad_row_near_the_end_aborts_the_upload() {
    for bucket in buckets("bad-row") {
        large(&bucket);
        let bad = b"item_id,date,p10,p50,p90\na,2026-01-01T00:00:00Z,1.0\n".to_vec();
        bucket.put(&format!("in/{}", part_name(2, "csv")), bad);
        let said = bucket.fail(5, &merge(&bucket));
        assert!(said.contains("part2.csv, line 2"), "{said}");
        assert_eq!(bucket.get("out.csv"), None, "{}", bucket.server);
        let begun = bucket.proxy.count("CreateMultipartUpload");
        assert_eq!(bucket.proxy.count("AbortMultipartUpload"), begun, "{}", bucket.server);
    }
}

fn spawn(command: &mut Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts")
}

fn send(signal: &str, child: &Child) {
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().expect("kill is there");
    assert!(sent.success());
}

#[test]
fn a_signal_aborts_the_upload() {
    for (signal, expected) in [("-INT", 130), ("-TERM", 143)] {
        for bucket in buckets("signal") {
            large(&bucket);
            // While there is more to read, and when only the last pieces are awaited.
            let pieces = if signal == "-INT" { 1 } else { 3 };
            bucket.proxy.fail("UploadPart", Fault::Stall(Duration::from_secs(60)), 3);
            let child = spawn(&mut bucket.command(&merge(&bucket)));
            bucket.wait_for_some("UploadPart", pieces);
            send(signal, &child);
            let (code, said) = fixtures::failure(&child.wait_with_output().expect("the binary ends"));
            assert_eq!(code, expected, "{}: {said}", bucket.server);
            assert_cleared_away(&bucket);
        }
    }
}

#[test]
fn a_run_that_is_dropped_aborts_the_upload() {
    let bucket = bucket("dropped");
    large(&bucket);
    bucket.proxy.fail("UploadPart", Fault::Stall(Duration::from_secs(60)), 1);
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    runtime.block_on(async {
        let source = Location::in_store(bucket.store_behind_proxy(), "s3://b/", "in");
        let target = Location::in_store(bucket.store_behind_proxy(), "s3://b/", "out.csv");
        let planned = plan(&source, &Output::File(target), &Options::default()).await.expect("a plan");
        let bucket = &bucket;
        let waited = async {
            while bucket.proxy.count("UploadPart") == 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::select! {
            report = run(planned, |_| ()) => panic!("the upload stalls, so this cannot end: {report:?}"),
            () = waited => {}
        }
    });
    bucket.wait_for("AbortMultipartUpload");
    assert_cleared_away(&bucket);
}

#[test]
fn a_part_that_changes_while_it_is_read_is_5() {
    for bucket in buckets("changed") {
        let parts = csv_parts(2, 48_000);
        bucket.put_parts("in/", "csv", &parts);
        // s3s-fs lists no ETags: without them versions are told apart by the second they were written in.
        std::thread::sleep(Duration::from_millis(1_100));
        // The heads pass, then the part is replaced by another of the same length.
        bucket.proxy.fail("GetObject", Fault::Stall(Duration::ZERO), 2);
        bucket.proxy.fail("GetObject", Fault::Stall(Duration::from_secs(4)), 2);
        let child = spawn(&mut bucket.command(&merge(&bucket)));
        while bucket.proxy.count("GetObject") < 3 {
            std::thread::sleep(Duration::from_millis(10));
        }
        let mut changed = parts[0].clone();
        let last = changed.len() - 2;
        changed[last] ^= 1;
        bucket.put(&format!("in/{}", part_name(0, "csv")), changed);
        let (code, said) = fixtures::failure(&child.wait_with_output().expect("the binary ends"));
        assert_eq!(code, 5, "{}: {said}", bucket.server);
        assert!(said.contains("part0.csv") && said.contains("changed"), "{}: {said}", bucket.server);
        assert_eq!(bucket.get("out.csv"), None, "{}", bucket.server);
    }
}

#[test]
fn a_store_that_keeps_failing_is_a_store_error() {
    let (bucket, _) = small("keeps");
    bucket.proxy.fail("ListObjectsV2", Fault::Status(503, "SlowDown"), usize::MAX);
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    let found = runtime.block_on(async {
        let source = Location::in_store(bucket.store_behind_proxy(), "s3://b/", "in");
        forecast_export::inventory(&source, &InventoryOptions::default()).await
    });
    let error = found.expect_err("the store fails");
    assert!(matches!(error, Error::Store { .. }), "{error}");
    assert!(error.to_string().contains("SlowDown"), "{error}");
}
