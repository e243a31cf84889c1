//! How objects are written: encryption, tags, storage class and content type, in the headers of every request that
//! makes an object, and as the servers give them back.

use hyper::Method;
use serde_json::{Value, json};

use crate::support::buckets::{Bucket, bucket, buckets, csv_parts};
use crate::support::fixtures::{binary, failure};
use crate::support::proxy::LoggedRequest;

const KEY: &str = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";

const SSE: &str = "x-amz-server-side-encryption";
const SSE_KEY: &str = "x-amz-server-side-encryption-aws-kms-key-id";
const SSE_BUCKET_KEY: &str = "x-amz-server-side-encryption-bucket-key-enabled";
const TAGS: &str = "x-amz-tagging";

/// A header of a request; `None` where it has none.
fn header<'a>(request: &'a LoggedRequest, name: &str) -> Option<&'a str> {
    request.headers.get(name).map(|value| value.to_str().expect("ASCII"))
}

/// The requests of an operation so far.
fn requests(bucket: &Bucket, operation: &str) -> Vec<LoggedRequest> {
    let log = bucket.proxy.log.lock().expect("no test panics while it logs");
    log.iter().filter(|request| request.operation == operation).cloned().collect()
}

/// The one request that made an object of this name.
fn made(bucket: &Bucket, name: &str) -> LoggedRequest {
    let mut all = requests(bucket, "PutObject");
    all.extend(requests(bucket, "CreateMultipartUpload"));
    all.retain(|request| request.target.split('?').next().is_some_and(|path| path.ends_with(name)));
    assert_eq!(all.len(), 1, "{name}: {all:?}");
    all.remove(0)
}

#[test]
fn an_object_is_written_with_what_was_asked_for() {
    let bucket = bucket("asked");
    bucket.put_parts("e/", "csv", &csv_parts(2, 2));
    let target = bucket.at("out/sales.csv");
    let source = bucket.at("e");
    bucket.succeed(&[
        "merge",
        &source,
        "-o",
        &target,
        "--sse-kms-key-id",
        KEY,
        "--sse-bucket-key",
        "--tag",
        "team=supply chain",
        "--tag",
        "größe=a=b+c",
        "--storage-class",
        "REDUCED_REDUNDANCY",
    ]);
    let request = made(&bucket, "out/sales.csv");
    assert_eq!(request.operation, "PutObject");
    assert_eq!(header(&request, SSE), Some("aws:kms"), "a key asks for KMS");
    assert_eq!(header(&request, SSE_KEY), Some(KEY));
    assert_eq!(header(&request, SSE_BUCKET_KEY), Some("true"));
    assert_eq!(header(&request, TAGS), Some("team=supply+chain&gr%C3%B6%C3%9Fe=a%3Db%2Bc"));
    assert_eq!(header(&request, "x-amz-storage-class"), Some("REDUCED_REDUNDANCY"));
    // Requests that only read, and the source, are not touched by it.
    for operation in ["GetObject", "ListObjectsV2", "HeadObject"] {
        for request in requests(&bucket, operation) {
            for name in [SSE, SSE_KEY, TAGS, "x-amz-storage-class"] {
                assert_eq!(header(&request, name), None, "{operation}");
            }
        }
    }
}

#[test]
fn nothing_is_asked_for_by_default() {
    let bucket = bucket("default");
    bucket.put_parts("e/", "csv", &csv_parts(1, 1));
    bucket.succeed(&["merge", &bucket.at("e"), "-o", &bucket.at("sales.csv")]);
    let request = made(&bucket, "sales.csv");
    for name in [SSE, SSE_KEY, SSE_BUCKET_KEY, TAGS, "x-amz-storage-class"] {
        assert_eq!(header(&request, name), None, "{name}");
    }
}

#[test]
fn an_upload_in_pieces_says_it_when_it_begins() {
    let bucket = bucket("pieces");
    let parts = csv_parts(2, 40_000);
    assert!(parts[0].len() > 5 << 20);
    bucket.put_parts("e/", "csv", &parts);
    bucket.succeed(&[
        "merge",
        &bucket.at("e"),
        "-o",
        &bucket.at("sales.csv"),
        "--sse",
        "AES256",
        "--tag",
        "a=b",
        "--storage-class",
        "GLACIER_IR",
        // The server in this process takes no storage class for an object that is put at once.
        "--no-receipt",
    ]);
    let request = made(&bucket, "sales.csv");
    assert_eq!(request.operation, "CreateMultipartUpload");
    assert_eq!(header(&request, SSE), Some("AES256"));
    assert_eq!(header(&request, TAGS), Some("a=b"));
    assert_eq!(header(&request, "x-amz-storage-class"), Some("GLACIER_IR"));
    assert_eq!(header(&request, "content-type"), Some("text/csv"));
    assert_eq!(header(&request, SSE_KEY), None);
}

#[test]
fn every_encryption_has_its_words() {
    let bucket = bucket("words");
    bucket.put_parts("e/", "csv", &csv_parts(1, 1));
    for (number, (flags, method, key, bucket_key)) in [
        (&["--sse", "AES256"][..], "AES256", None, None),
        (&["--sse", "aws:kms"], "aws:kms", None, None),
        (&["--sse", "aws:kms", "--sse-kms-key-id", "alias/exports"], "aws:kms", Some("alias/exports"), None),
        (&["--sse", "aws:kms", "--sse-bucket-key=false"], "aws:kms", None, Some("false")),
        (&["--sse", "aws:kms:dsse", "--sse-kms-key-id", KEY], "aws:kms:dsse", Some(KEY), None),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("out{number}.csv");
        let (source, target) = (bucket.at("e"), bucket.at(&name));
        let mut arguments = vec!["merge", &source, "-o", &target];
        arguments.extend(flags);
        bucket.succeed(&arguments);
        let request = made(&bucket, &name);
        assert_eq!(header(&request, SSE), Some(method), "{flags:?}");
        assert_eq!(header(&request, SSE_KEY), key, "{flags:?}");
        assert_eq!(header(&request, SSE_BUCKET_KEY), bucket_key, "{flags:?}");
    }
}

#[test]
fn the_content_type_is_that_of_the_bytes() {
    let bucket = bucket("types");
    bucket.put_parts("e/", "csv", &csv_parts(1, 1));
    for (name, more, content) in [
        ("a.csv", &[][..], "text/csv"),
        ("a.parquet", &[], "application/vnd.apache.parquet"),
        ("a.csv.gz", &[], "application/gzip"),
        ("a.csv.zst", &[], "application/zstd"),
        ("without-extension", &["--to", "parquet"], "application/vnd.apache.parquet"),
    ] {
        let (source, target) = (bucket.at("e"), bucket.at(name));
        let mut arguments = vec!["merge", &source, "-o", &target];
        arguments.extend(more);
        bucket.succeed(&arguments);
        let request = made(&bucket, name);
        assert_eq!(header(&request, "content-type"), Some(content), "{name}");
        assert_eq!(header(&request, "content-encoding"), None, "{name}");
    }
}

#[test]
fn convert_and_sample_write_every_object_so() {
    let bucket = bucket("others");
    bucket.put_parts("e/", "csv", &csv_parts(2, 2));
    let flags = ["--sse", "aws:kms", "--tag", "k=v"];
    let (source, converted, made_up) = (bucket.at("e"), bucket.at("converted/"), bucket.at("made/"));
    let mut arguments = vec!["convert", &source, "-o", &converted];
    arguments.extend(flags);
    bucket.succeed(&arguments);
    let mut arguments = vec!["sample", &made_up, "--items", "3", "--parts", "2", "--to", "parquet"];
    arguments.extend(flags);
    bucket.succeed(&arguments);
    let made = requests(&bucket, "PutObject");
    let parts = made.iter().filter(|request| request.target.contains("_part"));
    assert_eq!(parts.clone().count(), 4);
    for request in parts {
        assert_eq!(header(request, "content-type"), Some("application/vnd.apache.parquet"));
    }
    for request in &made {
        assert_eq!(header(request, SSE), Some("aws:kms"), "{}", request.target);
        assert_eq!(header(request, TAGS), Some("k=v"), "{}", request.target);
    }
}

#[test]
fn what_s3_would_refuse_is_refused_before_anything_is_asked() {
    let bucket = bucket("refused");
    let (source, target) = (bucket.at("e"), bucket.at("x.csv"));
    let eleven: Vec<String> = (0..11).flat_map(|n| ["--tag".to_owned(), format!("k{n}=v")]).collect();
    let (long_key, long_value) = (format!("{}=v", "k".repeat(129)), format!("k={}", "v".repeat(257)));
    for (flags, says) in [
        (eleven.iter().map(String::as_str).collect::<Vec<_>>(), "at most 10"),
        (vec!["--tag", &long_key], "at most 128"),
        (vec!["--tag", &long_value], "at most 256"),
        (vec!["--tag", "aws:x=y"], "only AWS"),
        (vec!["--tag", "a&b=y"], "only letters"),
        (vec!["--tag", "k=1", "--tag", "k=2"], "given twice"),
        (vec!["--tag", "novalue"], "KEY=VALUE"),
        (vec!["--sse", "AES256", "--sse-kms-key-id", KEY], "AES256"),
        (vec!["--sse", "AES256", "--sse-bucket-key"], "bucket key"),
        (vec!["--sse", "rot13"], "use one of aws:kms"),
        (vec!["--sse-kms-key-id", "a b"], "not a valid KMS key"),
        (vec!["--storage-class", "CHEAP"], "unknown storage class"),
    ] {
        let mut arguments = vec!["merge", &source, "-o", &target];
        arguments.extend(flags);
        let said = bucket.fail(2, &arguments);
        assert!(said.contains(says), "{says}: {said}");
    }
    assert_eq!(bucket.proxy.log.lock().expect("it logs").len(), 0);
}

#[test]
fn only_s3_takes_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let local = folder.path().join("x.csv").display().to_string();
    for target in [&local, "-", "gs://bucket/x.csv", "az://container/x.csv", "/dev/null"] {
        for flags in [["--sse", "aws:kms"], ["--tag", "k=v"], ["--storage-class", "STANDARD_IA"]] {
            let mut command = binary();
            command.args(["merge", "testdata/forecast", "--to", "csv", "-o", target]).args(flags);
            let output = command.output().expect("the binary starts");
            let (code, said) = failure(&output);
            assert_eq!(code, 2, "{target} {flags:?}: {said}");
            assert!(output.stdout.is_empty());
        }
    }
    assert!(!folder.path().join("x.csv").exists());
}

/// Whether a server keeps tags and encryption; the one in this process does not.
fn keeps_them(bucket: &Bucket) -> bool {
    bucket.server != "s3s-fs"
}

#[test]
fn servers_give_back_what_was_asked_for() {
    for bucket in buckets("kept").into_iter().filter(keeps_them) {
        // One object is put whole, the other one in pieces.
        for (folder, rows) in [("small", 2), ("large", 40_000)] {
            bucket.put_parts(&format!("{folder}/"), "csv", &csv_parts(2, rows));
            let (source, target) = (bucket.at(folder), bucket.at(&format!("{folder}.csv")));
            let mut arguments = vec!["merge", &source, "-o", &target, "--sse", "aws:kms"];
            arguments.extend(["--tag", "team=supply chain", "--tag", "nightly=yes"]);
            // Neither server has a key of its own for those who name none; SeaweedFS knows keys by their ids only.
            let key = if bucket.server == "SeaweedFS" { &KEY[KEY.len() - 36..] } else { KEY };
            arguments.extend(["--sse-kms-key-id", key]);
            bucket.succeed(&arguments);
            let (head, _) = bucket.ask(Method::HEAD, &format!("{folder}.csv"), &[]);
            assert_eq!(head[SSE], "aws:kms", "{} {folder}", bucket.server);
            assert_eq!(head[SSE_KEY], key, "{} {folder}", bucket.server);
            assert_eq!(head["content-type"], "text/csv", "{} {folder}", bucket.server);
            let (_, tagging) = bucket.ask(Method::GET, &format!("{folder}.csv"), &[("tagging", "")]);
            assert_eq!(
                tags(&tagging),
                json!({"team": "supply chain", "nightly": "yes"}),
                "{} {folder}: {tagging}",
                bucket.server
            );
        }
    }
}

/// The tags in an answer to GetObjectTagging.
fn tags(document: &str) -> Value {
    let between = |text: &str, start: &str, end: &str| {
        let (_, rest) = text.split_once(start).expect("a tag has a key and a value");
        rest.split_once(end).expect("an element ends").0.to_owned()
    };
    let pairs = document
        .split("<Tag>")
        .skip(1)
        .map(|tag| (between(tag, "<Key>", "</Key>"), Value::from(between(tag, "<Value>", "</Value>"))));
    Value::Object(pairs.collect())
}
