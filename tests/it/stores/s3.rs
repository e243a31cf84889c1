//! The same list of checks over every server there is: finding, merging and converting through `s3://`, and `az://`
//! where Azurite is there, compared with the same work on local disk; for S3 also how many requests of which kind it
//! takes.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::buckets::{Bucket, buckets, csv_parts, everywhere, merged, part_name, range};
use crate::support::fixtures;
use crate::support::proxy::{Fault, LoggedRequest};

const MIB: u64 = 1024 * 1024;

fn json(text: &[u8]) -> Value {
    serde_json::from_slice(text).expect("one JSON document")
}

/// The same parts in a folder.
fn local_parts(extension: &str, parts: &[Vec<u8>]) -> TempDir {
    let folder = TempDir::new().expect("a folder");
    for (number, part) in parts.iter().enumerate() {
        fs::write(folder.path().join(part_name(number, extension)), part).expect("a file");
    }
    folder
}

/// Runs the binary on local disk, which must succeed.
fn locally(arguments: &[&str]) -> Vec<u8> {
    let output = fixtures::run(arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path is text")
}

/// CSV parts as Parquet parts, by this program on local disk.
fn as_parquet(parts: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let source = local_parts("csv", parts);
    let target = TempDir::new().expect("a folder");
    locally(&["convert", text(source.path()), "-o", text(target.path()), "--compression", "none"]);
    let file = |number| target.path().join(part_name(number, "parquet"));
    (0..parts.len()).map(|number| fs::read(file(number)).expect("a part")).collect()
}

/// The rows of a file as CSV, read on local disk.
fn as_csv(name: &str, contents: &[u8]) -> Vec<u8> {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join(name);
    fs::write(&file, contents).expect("a file");
    locally(&["merge", text(&file), "-o", "-", "--to", "csv"])
}

#[test]
fn a_listing_of_more_than_a_thousand_objects_is_read_page_by_page() {
    for bucket in everywhere("pages") {
        let part = b"item_id,date,p50\na,2026-01-01T00:00:00Z,1.0\n".to_vec();
        bucket.put_many("x/", &vec![part; 1_050]);
        let found = json(&bucket.succeed(&["ls", "--json", &bucket.at("x")]));
        assert_eq!(found["exports"].as_array().map(Vec::len), Some(1), "{}", bucket.server);
        assert_eq!(found["exports"][0]["parts"].as_array().map(Vec::len), Some(1_050), "{}", bucket.server);
        assert_eq!(found["exports"][0]["parts"][1_049]["number"], 1_049, "{}", bucket.server);
        if bucket.is_s3() {
            assert_eq!(bucket.proxy.count("ListObjectsV2"), 2, "{}", bucket.server);
            look_again(&bucket);
        }
    }
}

/// The last look at 1,050 parts asks for both of its pages at once, and still notices what came and what went.
fn look_again(bucket: &Bucket) {
    let merge = ["merge", &bucket.at("x"), "-o", &bucket.at("out.csv"), "--no-receipt"];
    bucket.proxy.clear_log();
    bucket.succeed(&merge);
    let listings = bucket.proxy.requests("ListObjectsV2");
    let starts: Vec<bool> = listings.iter().map(|listing| listing.target.contains("start-after=")).collect();
    assert_eq!(starts.len(), 4, "{}: {listings:?}", bucket.server);
    assert_eq!(starts[2..].iter().filter(|is_span| **is_span).count(), 1, "{}: {listings:?}", bucket.server);
    bucket.delete("out.csv");

    let mut keys: Vec<String> = (0..1_050).map(|number| format!("x/{}", part_name(number, "csv"))).collect();
    keys.sort();
    let another = format!("x/{}", part_name(1_050, "csv"));
    for (what, key) in [("added", &another), ("removed", &keys[989]), ("removed", &keys[990])] {
        bucket.proxy.clear_log();
        bucket.proxy.fail("GetObject", Fault::Stall(Duration::ZERO), 1_049);
        bucket.proxy.fail("GetObject", Fault::Stall(Duration::from_secs(2)), 1);
        let mut command = bucket.command(&merge);
        let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the binary starts");
        bucket.wait_for_some("GetObject", 1_050);
        let before = bucket.get(key);
        match what {
            "added" => bucket.put(key, "item_id,date,p50\n"),
            _ => bucket.delete(key),
        }
        let (code, said) = fixtures::failure(&child.wait_with_output().expect("the binary ends"));
        assert_eq!(code, 5, "{}: {said}", bucket.server);
        assert!(said.contains(key) && said.contains(what), "{}: {said}", bucket.server);
        assert_eq!(bucket.get("out.csv"), None, "{}", bucket.server);
        match before {
            Some(part) => bucket.put(key, part),
            None => bucket.delete(key),
        }
    }
}

#[test]
fn a_prefix_is_a_folder_and_never_the_start_of_a_name() {
    for bucket in everywhere("prefix") {
        let parts = csv_parts(2, 1);
        bucket.put_parts("x/", "csv", &parts[..1]);
        bucket.put_parts("x2/", "csv", &parts);
        for source in ["x", "x/"] {
            let found = json(&bucket.succeed(&["ls", "--json", &bucket.at(source)]));
            assert_eq!(found["exports"].as_array().map(Vec::len), Some(1), "{} {source}", bucket.server);
            let parts = found["exports"][0]["parts"].as_array().map(Vec::len);
            assert_eq!(parts, Some(1), "{} {source}", bucket.server);
        }
        let merged_there = bucket.succeed(&["merge", &bucket.at("x"), "-o", "-"]);
        assert_eq!(merged_there, parts[0], "{}", bucket.server);
    }
}

#[test]
fn folder_markers_are_neither_parts_nor_strays() {
    for bucket in buckets("markers") {
        bucket.put_marker("x/");
        bucket.put_marker("x/deep/");
        let parts = csv_parts(1, 2);
        bucket.put_parts("x/deep/", "csv", &parts);
        let found = json(&bucket.succeed(&["ls", "--json", &bucket.at("x/")]));
        assert_eq!(found["exports"].as_array().map(Vec::len), Some(1), "{}", bucket.server);
        assert_eq!(found["strays"].as_array().map(Vec::len), Some(0), "{}: {found}", bucket.server);
        assert_eq!(bucket.succeed(&["merge", &bucket.at("x"), "-o", "-"]), parts[0], "{}", bucket.server);
    }
}

#[test]
fn the_export_of_testdata_merges_as_on_local_disk() {
    let folder = fixtures::testdata("forecast");
    for bucket in everywhere("testdata") {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let file = entry.expect("a file").path();
            let name = file.file_name().and_then(|name| name.to_str()).expect("a name");
            bucket.put(&format!("exports/{name}"), fs::read(&file).expect("a file"));
        }
        let there = bucket.succeed(&["merge", &bucket.at("exports"), "-o", "-"]);
        assert_eq!(there, locally(&["merge", text(&folder), "-o", "-"]), "{}", bucket.server);
        let found = json(&bucket.succeed(&["ls", "--json", &bucket.at("exports")]));
        assert_eq!(found["markers"].as_array().map(Vec::len), Some(2), "{}", bucket.server);
    }
}

#[test]
fn a_glob_in_the_last_segment_chooses_names_or_folders() {
    for bucket in everywhere("globs") {
        let parts = csv_parts(3, 1);
        bucket.put_parts("x/", "csv", &parts[..2]);
        bucket.put("x/other_2026-01-02T03-04-05Z_part0.csv", parts[2].clone());
        assert_eq!(
            bucket.succeed(&["merge", &bucket.at("x/sales_*"), "-o", "-"]),
            merged(&parts[..2]),
            "{}",
            bucket.server
        );
        assert_eq!(
            bucket.succeed(&["merge", &bucket.at("x/*_part0.csv"), "--job", "other", "-o", "-"]),
            parts[2],
            "{}",
            bucket.server
        );
        let found = json(&bucket.succeed(&["ls", "--json", &bucket.at("[wx]")]));
        assert_eq!(found["exports"].as_array().map(Vec::len), Some(2), "{}", bucket.server);
    }
}

#[test]
fn keys_are_literal() {
    for bucket in everywhere("literal") {
        let part = csv_parts(1, 1).swap_remove(0);
        let folders = ["a%20b", "a+b", "a b", "größe/日本", "a&b=c", "100%", "it's;x", "~tilde(1)"];
        for folder in folders {
            bucket.put_parts(&format!("{folder}/"), "csv", std::slice::from_ref(&part));
        }
        for folder in folders {
            let source = bucket.at(folder);
            assert_eq!(bucket.succeed(&["merge", &source, "-o", "-"]), part, "{} {folder}", bucket.server);
            let target = bucket.at(&format!("{folder}/out.csv"));
            bucket.succeed(&["merge", &source, "-o", &target]);
            let written = bucket.get(&format!("{folder}/out.csv"));
            assert_eq!(written.as_deref(), Some(&part[..]), "{} {folder}", bucket.server);
        }
    }
}

#[test]
fn one_object_is_a_source_by_itself() {
    for bucket in everywhere("single") {
        let part = csv_parts(1, 3).swap_remove(0);
        bucket.put(&part_name(7, "csv"), part.clone());
        bucket.put("any name.txt", part.clone());
        for key in [&*part_name(7, "csv"), "any name.txt"] {
            let merged = bucket.succeed(&["merge", &bucket.at(key), "-o", "-", "--to", "csv"]);
            assert_eq!(merged, part, "{} {key}", bucket.server);
        }
    }
}

#[test]
fn what_is_not_there_is_3() {
    for bucket in buckets("missing") {
        bucket.put("x/y.txt", "no part");
        for source in ["nothing", "nothing/", "nothing/x_part0.csv", "no*", "x"] {
            let said = bucket.fail(3, &["merge", &bucket.at(source), "-o", "-"]);
            assert!(said.contains(&bucket.at(source)), "{}: {said}", bucket.server);
        }
        let said = bucket.fail(3, &["ls", "s3://no-such-bucket-of-ours/x"]);
        assert!(said.contains("no-such-bucket-of-ours"), "{}: {said}", bucket.server);
        let said = bucket.fail(3, &["merge", "s3://no-such-bucket-of-ours/x_part0.csv", "-o", "-"]);
        assert!(said.contains("no-such-bucket-of-ours"), "{}: {said}", bucket.server);
        if bucket.server == "s3s-fs" {
            // It makes the bucket.
            continue;
        }
        bucket.put_parts("run/", "csv", &csv_parts(1, 1));
        let said = bucket.fail(3, &["merge", &bucket.at("run"), "-o", "s3://no-such-bucket-of-ours/o.csv"]);
        assert!(said.contains("no-such-bucket-of-ours"), "{}: {said}", bucket.server);
    }
}

/// No registry has a fake Google Cloud Storage that takes writes, but the part of its interface that is used here is
/// the part it shares with S3, and LocalStack looks at no signature. What it does not know are Google's conditions.
#[test]
fn googles_client_lists_reads_and_writes_on_a_server_of_the_shared_interface() {
    let Some(bucket) = buckets("google").into_iter().find(|bucket| bucket.server == "LocalStack") else {
        return;
    };
    let url = bucket.url.replace("s3://", "gs://");
    let key = serde_json::json!({
        "gcs_base_url": bucket.proxy.endpoint, "disable_oauth": true,
        "client_email": "", "private_key": "", "private_key_id": "",
    });
    let run = |arguments: &[&str]| {
        let mut command = fixtures::binary();
        command.args(arguments).env("GOOGLE_BASE_URL", &bucket.proxy.endpoint);
        let output = command.env("GOOGLE_SERVICE_ACCOUNT_KEY", key.to_string()).output();
        let output = output.expect("the binary starts");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        output
    };
    let parts = csv_parts(3, 36_000);
    bucket.put_parts("in/", "csv", &parts);
    let at = |key: &str| format!("{url}/{key}");
    assert!(run(&["merge", &at("in"), "-o", "-"]).stdout == merged(&parts));
    run(&["merge", &at("in"), "-o", &at("out.csv")]);
    assert!(bucket.get("out.csv").as_deref() == Some(&merged(&parts)[..]));
    assert!(bucket.proxy.count("UploadPart") >= 2, "in pieces");
    run(&["merge", &at("in"), "-o", &at("out.parquet")]);
    run(&["verify", &at("out.parquet"), "--against", &at("in")]);
    let again = run(&["merge", &at("in"), "-o", &at("out.parquet")]);
    assert!(String::from_utf8_lossy(&again.stderr).contains("up to date"), "{again:?}");
}

#[test]
fn a_wrong_secret_is_8() {
    for bucket in buckets("denied") {
        // LocalStack takes any signature.
        if bucket.server == "LocalStack" {
            continue;
        }
        bucket.put_parts("x/", "csv", &csv_parts(1, 1));
        let mut command = bucket.command(&["merge", &bucket.at("x"), "-o", "-"]);
        command.env("AWS_SECRET_ACCESS_KEY", "wrong");
        let (code, said) = fixtures::failure(&command.output().expect("the binary starts"));
        assert_eq!(code, 8, "{}: {said}", bucket.server);
        for words in ["access denied: ", "with credentials from environment variables", &bucket.at("x")] {
            assert!(said.contains(words), "{}: {said}", bucket.server);
        }
        assert!(!said.contains("wrong"), "{}: a secret is never shown: {said}", bucket.server);
    }
}

/// Merges on the store and on local disk; gives both files.
fn both_ways(bucket: &Bucket, from: &str, to: &str, parts: &[Vec<u8>]) -> (Vec<u8>, Vec<u8>) {
    bucket.put_parts("in/", from, parts);
    bucket.proxy.clear_log();
    let target = format!("out.{to}");
    let flags = ["--compression", "none"];
    let flags = if from == to { &flags[..0] } else { &flags[..] };
    let here = ["--on-server", "never"];
    bucket.succeed(&[&["merge", &bucket.at("in"), "-o", &bucket.at(&target)], &here[..], flags].concat());
    let there = bucket.get(&target).expect("the output is there");

    let folder = local_parts(from, parts);
    let file = folder.path().join(format!("out-{target}"));
    locally(&[&["merge", text(folder.path()), "-o", text(&file)], flags].concat());
    (there.to_vec(), fs::read(&file).expect("the output is there"))
}

/// Everything that was read in ranges and written in pieces: none larger than 8 MiB, several of them.
fn assert_ranged_and_in_pieces(bucket: &Bucket) {
    if !bucket.is_s3() {
        return;
    }
    let pieces = bucket.proxy.requests("UploadPart");
    assert!(pieces.len() >= 2, "{}: {} pieces", bucket.server, pieces.len());
    for piece in &pieces {
        assert!(piece.length <= 8 * MIB + 64 * 1024, "{}: a piece of {}", bucket.server, piece.length);
    }
    assert_eq!(bucket.proxy.count("CreateMultipartUpload"), 1, "{}", bucket.server);
    assert_eq!(bucket.proxy.count("CompleteMultipartUpload"), 1, "{}", bucket.server);
    let is_part = |read: &LoggedRequest| !read.target.contains(".receipt.json");
    for read in bucket.proxy.requests("GetObject").into_iter().filter(is_part) {
        let (start, end) = range(&read);
        let bytes = end + 1 - start;
        assert!(bytes <= 8 * MIB, "{}: {bytes} bytes at once", bucket.server);
    }
}

#[test]
fn csv_merges_to_csv_in_pieces_with_the_bytes_of_local_disk() {
    for bucket in everywhere("csv-csv") {
        let parts = csv_parts(3, 36_000);
        let (there, here) = both_ways(&bucket, "csv", "csv", &parts);
        assert!(there.len() as u64 > 16 * MIB, "{} bytes do not need three pieces", there.len());
        assert!(there == merged(&parts) && there == here, "{}", bucket.server);
        assert_ranged_and_in_pieces(&bucket);
    }
}

#[test]
fn csv_merges_to_parquet_in_pieces_with_the_values_of_local_disk() {
    for bucket in everywhere("csv-parquet") {
        let parts = csv_parts(3, 24_000);
        let (there, here) = both_ways(&bucket, "csv", "parquet", &parts);
        assert!(there.len() as u64 > 8 * MIB, "{} bytes do not need two pieces", there.len());
        assert!(as_csv("out.parquet", &there) == merged(&parts), "{}", bucket.server);
        assert!(as_csv("out.parquet", &here) == merged(&parts), "{}", bucket.server);
        assert_ranged_and_in_pieces(&bucket);
    }
}

#[test]
fn parquet_merges_to_parquet_in_pieces_with_the_values_of_local_disk() {
    let csv = csv_parts(3, 24_000);
    let parts = as_parquet(&csv);
    for bucket in everywhere("parquet-parquet") {
        let (there, here) = both_ways(&bucket, "parquet", "parquet", &parts);
        assert!(there.len() as u64 > 8 * MIB, "{} bytes do not need two pieces", there.len());
        assert!(as_csv("out.parquet", &there) == merged(&csv), "{}", bucket.server);
        assert!(as_csv("out.parquet", &here) == merged(&csv), "{}", bucket.server);
        assert_ranged_and_in_pieces(&bucket);
    }
}

#[test]
fn parquet_merges_to_csv_in_pieces_with_the_bytes_of_local_disk() {
    let csv = csv_parts(3, 24_000);
    let parts = as_parquet(&csv);
    for bucket in everywhere("parquet-csv") {
        let (there, here) = both_ways(&bucket, "parquet", "csv", &parts);
        assert!(there.len() as u64 > 8 * MIB, "{} bytes do not need two pieces", there.len());
        assert!(there == merged(&csv) && there == here, "{}", bucket.server);
        assert_ranged_and_in_pieces(&bucket);
    }
}

#[test]
fn a_conversion_writes_a_part_for_each_part() {
    for bucket in everywhere("convert") {
        let parts = csv_parts(12, 40);
        bucket.put_parts("in/", "csv", &parts);
        bucket.succeed(&["convert", &bucket.at("in"), "-o", &bucket.at("out/")]);
        for (number, part) in parts.iter().enumerate() {
            let name = part_name(number, "parquet");
            let written = bucket.get(&format!("out/{name}")).expect("a part for each part");
            assert_eq!(as_csv(&name, &written), *part, "{} {name}", bucket.server);
        }
        bucket.succeed(&["convert", &bucket.at("out"), "-o", &bucket.at("back")]);
        for (number, part) in parts.iter().enumerate() {
            let written = bucket.get(&format!("back/{}", part_name(number, "csv")));
            assert_eq!(written.as_deref(), Some(&part[..]), "{} {number}", bucket.server);
        }
        // Twelve parts, twelve of each format, and a receipt in either folder.
        assert_eq!(bucket.keys().len(), 38, "{}", bucket.server);
    }
}

#[test]
fn a_conversion_can_be_cut_anew() {
    for bucket in everywhere("recut") {
        let parts = csv_parts(3, 40);
        bucket.put_parts("in/", "csv", &parts);
        for to in ["csv", "parquet"] {
            let out = bucket.at(&format!("{to}/"));
            bucket.succeed(&["convert", &bucket.at("in"), "-o", &out, "--to", to, "--split-rows", "50"]);
            let written: Vec<Vec<u8>> = (0..3)
                .map(|number| {
                    let name = part_name(number, to);
                    let part = bucket.get(&format!("{to}/{name}")).expect("three parts of 50, 50 and 20");
                    as_csv(&name, &part)
                })
                .collect();
            let lines = |part: &Vec<u8>| part.iter().filter(|byte| **byte == b'\n').count();
            assert_eq!(written.iter().map(lines).collect::<Vec<_>>(), [51, 51, 21], "{}", bucket.server);
            assert_eq!(merged(&written), merged(&parts), "{} {to}", bucket.server);
        }
        // Three parts, three of each format, and a receipt in either folder.
        assert_eq!(bucket.keys().len(), 11, "{}", bucket.server);
    }
}

#[test]
fn an_output_that_exists_is_7_unless_it_is_to_be_replaced() {
    for bucket in everywhere("exists") {
        let parts = csv_parts(2, 5);
        bucket.put_parts("in/", "csv", &parts);
        bucket.put("out.csv", "old");
        let (source, target) = (bucket.at("in"), bucket.at("out.csv"));
        let said = bucket.fail(7, &["merge", &source, "-o", &target]);
        assert!(said.contains(&target) && said.contains("--overwrite"), "{}: {said}", bucket.server);
        assert_eq!(bucket.get("out.csv").as_deref(), Some(&b"old"[..]), "{}", bucket.server);
        bucket.succeed(&["merge", &source, "-o", &target, "--overwrite"]);
        assert_eq!(bucket.get("out.csv").as_deref(), Some(&merged(&parts)[..]), "{}", bucket.server);

        let folder = bucket.at("out/");
        bucket.succeed(&["convert", &source, "-o", &folder]);
        let said = bucket.fail(7, &["convert", &source, "-o", &folder, "--all-strings"]);
        assert!(said.contains(&folder) && said.contains("--overwrite"), "{}: {said}", bucket.server);
        bucket.succeed(&["convert", &source, "-o", &folder, "--overwrite"]);
    }
}

#[test]
fn an_output_above_five_mebibytes_replaces_another() {
    for bucket in everywhere("replace") {
        let parts = csv_parts(2, 36_000);
        bucket.put_parts("in/", "csv", &parts);
        bucket.put("out.csv", "old");
        let (source, target) = (bucket.at("in"), bucket.at("out.csv"));
        bucket.fail(7, &["merge", &source, "-o", &target]);
        bucket.succeed(&["merge", &source, "-o", &target, "--overwrite", "--on-server", "never"]);
        assert!(bucket.get("out.csv").as_deref() == Some(&merged(&parts)[..]), "{}", bucket.server);
        assert!(!bucket.is_s3() || bucket.proxy.count("UploadPart") >= 2, "{}", bucket.server);
    }
}

#[test]
fn small_parts_take_one_request_each() {
    for bucket in buckets("heads") {
        let parts = csv_parts(60, 20);
        bucket.put_parts("in/", "csv", &parts);
        let merged_there = bucket.succeed(&["merge", &bucket.at("in"), "-o", "-"]);
        assert!(merged_there == merged(&parts), "{}", bucket.server);
        let reads = bucket.proxy.requests("GetObject");
        assert_eq!(reads.len(), 60, "{}", bucket.server);
        assert!(reads.iter().any(|read| read.beside > 0), "{}: one after the other", bucket.server);
        assert_eq!(bucket.proxy.total(), 62, "{}: a listing, the heads, a last listing", bucket.server);
    }
}

#[test]
fn a_dry_run_writes_nothing_and_foretells_the_requests() {
    for bucket in everywhere("dry") {
        let parts = csv_parts(3, 36_000);
        bucket.put_parts("in/", "csv", &parts);
        let arguments = ["merge", &bucket.at("in"), "-o", &bucket.at("out.csv"), "--on-server", "never"];
        let plan = json(&bucket.succeed(&[&arguments[..], &["--dry-run", "--json"]].concat()));
        let planning = bucket.proxy.total();
        assert_eq!(bucket.get("out.csv"), None, "{}", bucket.server);
        let what = "a listing, three heads, a look for the output and one for its receipt";
        assert_eq!(planning, 6, "{}: {what}", bucket.server);

        bucket.proxy.clear_log();
        bucket.succeed(&arguments);
        let real = (bucket.proxy.total() - planning) as u64;
        let running = plan["requests"]["running"].as_object().expect("numbers by kind");
        let foretold: u64 = running.values().filter_map(|count| count.as_u64()).sum();
        // Others begin and end an upload with fewer.
        let most = if bucket.is_s3() { 0 } else { 2 };
        assert!(foretold.abs_diff(real) <= most, "{}: {foretold} foretold, {real} made", bucket.server);
    }
}
