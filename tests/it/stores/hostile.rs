//! Servers that mean harm: they send requests elsewhere, or answer without end. Each run ends soon, with an error and
//! without an output, and no other host learns anything.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::buckets::{bucket, csv_parts};
use crate::support::fake_service::{Answer, Asked, FakeService};
use crate::support::fixtures::{NO_HOME, binary, failure};

const TOKEN: &str = "a-session-token-of-the-tests";
const PART: &str = "sales_2026-01-02T03-04-05Z_part0.csv";
const CSV: &str = "item_id,date,p10\na,2026-01-01T00:00:00Z,1.5\n";
const JOB: &str = "arn:aws:forecast:eu-west-1:123456789012:forecast-export-job/sales/x";

/// The binary with session credentials and an endpoint.
fn command(endpoint: &str, arguments: &[&str]) -> Command {
    let mut command = binary();
    command
        .args(arguments)
        .args(["--endpoint-url", endpoint])
        .env("HOME", NO_HOME)
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "testkey")
        .env("AWS_SECRET_ACCESS_KEY", "testsecret")
        .env("AWS_SESSION_TOKEN", TOKEN)
        .env("NO_PROXY", "*");
    command
}

/// The run fails with a code; gives what it said.
fn fails(mut command: Command, code: i32) -> String {
    let began = Instant::now();
    let (found, said) = failure(&command.output().expect("the binary starts"));
    assert_eq!(found, code, "{said}");
    assert!(!said.contains("internal error") && !said.contains(TOKEN), "{said}");
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}: {said}", began.elapsed());
    said
}

fn ls(service: &FakeService) -> Command {
    command(&service.endpoint, &["ls", "s3://b/", "--retry-timeout", "100ms"])
}

fn entry(key: &str, size: usize) -> String {
    format!(
        "<Contents><Key>{key}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>\
         <ETag>&quot;e&quot;</ETag><Size>{size}</Size></Contents>"
    )
}

fn page(entries: &str, next: Option<&str>) -> Answer {
    let next = next.map(|token| format!("<NextContinuationToken>{token}</NextContinuationToken>"));
    Answer::ok(format!(
        "<ListBucketResult><Name>b</Name><IsTruncated>{}</IsTruncated>{}{entries}</ListBucketResult>",
        next.is_some(),
        next.unwrap_or_default()
    ))
}

#[test]
fn no_redirect_leads_to_another_host() {
    for status in [301, 302, 303, 307, 308] {
        let elsewhere = FakeService::start(|_, _| page(&entry(PART, CSV.len()), None));
        let there = elsewhere.endpoint.replace("127.0.0.1", "localhost");
        let service = FakeService::start(move |asked, _| {
            Answer::status(status, "").with("location", &format!("{there}{}", asked.target))
        });
        let said = fails(ls(&service), 8);
        assert!(said.contains("redirects are not followed"), "{said}");
        assert!(said.contains("localhost"), "the address is told: {said}");
        let upload = command(&service.endpoint, &["sample", "s3://b/x/", "--retry-timeout", "100ms"]);
        fails(upload, 8);
        assert_eq!(elsewhere.asked().len(), 0, "{status}");
    }
}

#[test]
fn no_redirect_of_the_forecast_api_or_of_sts_is_followed() {
    let elsewhere = FakeService::start(|_, _| Answer::ok("{}"));
    let there = elsewhere.endpoint.clone();
    let service = FakeService::start(move |_, _| Answer::status(307, "").with("location", &there));
    fails(command(&service.endpoint, &["ls", JOB]), 8);
    let mut role = command(&service.endpoint, &["ls", "s3://b/", "--role-arn", "arn:aws:iam::1:role/x"]);
    role.env("AWS_ENDPOINT_URL_STS", &service.endpoint);
    fails(role, 8);
    assert_eq!(elsewhere.asked().len(), 0);
}

#[test]
fn google_and_azure_follow_no_redirect_either() {
    for (source, endpoint) in [("gs://b/", "GOOGLE_BASE_URL"), ("az://b/", "AZURE_STORAGE_ENDPOINT")] {
        let elsewhere = FakeService::start(|_, _| Answer::ok("{}"));
        let there = elsewhere.endpoint.clone();
        let service = FakeService::start(move |_, _| Answer::status(307, "").with("location", &there));
        let mut command = binary();
        command
            .args(["ls", source, "--no-sign-request", "--retry-timeout", "100ms"])
            .env(endpoint, &service.endpoint)
            .env("AZURE_STORAGE_ACCOUNT_NAME", "account")
            .env("NO_PROXY", "*");
        let said = fails(command, 8);
        assert!(said.contains("redirects are not followed"), "{said}");
        assert!(!service.asked().is_empty() && elsewhere.asked().is_empty());
    }
}

#[test]
fn a_name_that_no_path_can_have_ends_no_listing_of_google_or_azure() {
    let times = "<Last-Modified>Fri, 02 Jan 2026 03:04:05 GMT</Last-Modified><Content-Length>1</Content-Length>\
         <Content-Type>text/plain</Content-Type>";
    let blob = |name: &str| format!("<Blob><Name>{name}</Name><Properties>{times}</Properties></Blob>");
    let blobs = format!(
        "<EnumerationResults><Blobs>{}{}</Blobs><NextMarker/></EnumerationResults>",
        blob("e//odd.txt"),
        blob("e/other.txt")
    );
    let objects = page(&(entry("e//odd.txt", 1) + &entry("e/other.txt", 1)), None);
    for (source, endpoint, listing) in [
        ("gs://b/e/", "GOOGLE_BASE_URL", objects),
        ("az://b/e/", "AZURE_STORAGE_ENDPOINT", Answer::ok(blobs)),
    ] {
        let service = FakeService::start(move |_, _| listing.clone());
        let mut command = binary();
        command
            .args(["ls", source, "--no-sign-request", "--json"])
            .env(endpoint, &service.endpoint)
            .env("AZURE_STORAGE_ACCOUNT_NAME", "account")
            .env("NO_PROXY", "*");
        let output = command.output().expect("the binary starts");
        let (code, said) = failure(&output);
        assert_eq!(code, 0, "{source}: {said}");
        let out = String::from_utf8_lossy(&output.stdout);
        assert!(out.contains("e/%2F/odd.txt") && out.contains("e/other.txt"), "{source}: {out}");
    }
}

/// Answers as S3 does where the signature is for another region than the bucket's.
fn in_region(region: &'static str, refusal: impl Fn() -> Answer + Send + Sync + 'static) -> FakeService {
    FakeService::start(move |asked: &Asked, _| {
        if asked.header("authorization").contains(&format!("/{region}/s3/")) {
            return page(&entry(PART, CSV.len()), None);
        }
        refusal()
    })
}

#[test]
fn a_bucket_elsewhere_is_asked_once_more_in_the_region_that_is_named() {
    let refusals: [fn() -> Answer; 3] = [
        || Answer::status(301, "<Error><Code>PermanentRedirect</Code></Error>"),
        || Answer::status(400, "<Error><Code>AuthorizationHeaderMalformed</Code></Error>"),
        || Answer::status(307, "").with("location", "http://evil.example/"),
    ];
    for refusal in refusals {
        let service = in_region("eu-west-3", move || refusal().with("x-amz-bucket-region", "eu-west-3"));
        let output = ls(&service).output().expect("the binary starts");
        assert_eq!(failure(&output).0, 0, "{}", failure(&output).1);
        let in_vain = |asked: &&Asked| !asked.header("authorization").contains("/eu-west-3/s3/");
        assert_eq!(service.asked().iter().filter(in_vain).count(), 1);
    }
}

#[test]
fn a_region_that_is_no_word_or_leads_on_is_not_followed() {
    for region in ["evil.example/", "x@evil.example", "eu west"] {
        let service =
            FakeService::start(move |_, _| Answer::status(301, "").with("x-amz-bucket-region", region));
        fails(ls(&service), 8);
        assert_eq!(service.asked().len(), 1, "{region}");
    }
    // From one region to the next for ever.
    let service = FakeService::start(|_, before| {
        Answer::status(301, "").with("x-amz-bucket-region", &format!("eu-west-{before}"))
    });
    fails(ls(&service), 8);
    assert_eq!(service.asked().len(), 2);
}

#[test]
fn a_listing_that_repeats_a_token_ends() {
    let service = FakeService::start(|_, _| page("", Some("same")));
    let said = fails(ls(&service), 8);
    assert!(said.contains("the listing does not end"), "{said}");
    assert_eq!(service.asked().len(), 2);
}

#[test]
fn a_listing_that_goes_in_a_circle_ends() {
    let service = FakeService::start(|_, before| {
        page(&entry(&format!("x{}", before % 3), 1), Some(&format!("token{}", before % 3)))
    });
    let said = fails(ls(&service), 8);
    assert!(said.contains("it contains x0 twice"), "{said}");
    assert_eq!(service.asked().len(), 4);
}

#[test]
fn a_listing_of_nothing_but_pages_ends() {
    let service = FakeService::start(|_, before| page("", Some(&format!("token{before}"))));
    let said = fails(ls(&service), 8);
    assert!(said.contains("1000 pages without an object"), "{said}");
}

#[test]
fn a_page_an_error_and_an_objects_range_without_end_are_cut_off() {
    let service = FakeService::start(|_, _| Answer::endless(200, "<ListBucketResult>"));
    let said = fails(ls(&service), 8);
    assert!(said.contains("the answer is longer than"), "{said}");
    for status in [400, 403, 404, 500, 503] {
        let code = if status == 404 { 3 } else { 8 };
        let service = FakeService::start(move |_, _| Answer::endless(status, "<Error><Code>Odd</Code>"));
        let said = fails(ls(&service), code);
        assert!(said.len() < 2_000, "{} bytes", said.len());
    }
    let service = FakeService::start(|asked, _| {
        if asked.target.contains("list-type=2") {
            return page(&entry(PART, CSV.len()), None);
        }
        Answer::endless(206, CSV)
            .with("content-range", &format!("bytes 0-{}/{}", CSV.len() - 1, CSV.len()))
            .with("last-modified", "Thu, 01 Jan 2026 00:00:00 GMT")
            .with("etag", "\"e\"")
    });
    let output = command(&service.endpoint, &["merge", "s3://b/", "-o", "-", "--retry-timeout", "100ms"]);
    fails(output, 8);
}

#[test]
fn descriptions_and_credentials_without_end_are_cut_off() {
    let service = FakeService::start(|_, _| {
        Answer::endless(200, "{\"Status\":\"ACTIVE\",\"Message\":\"")
            .with("content-type", "application/x-amz-json-1.1")
    });
    fails(command(&service.endpoint, &["ls", JOB]), 8);
    let mut role = command(&service.endpoint, &["ls", "s3://b/", "--role-arn", "arn:aws:iam::1:role/x"]);
    role.env("AWS_ENDPOINT_URL_STS", &service.endpoint);
    fails(role, 8);
    let mut container = command(&service.endpoint, &["ls", "s3://b/"]);
    container
        .env_remove("AWS_ACCESS_KEY_ID")
        .env_remove("AWS_SECRET_ACCESS_KEY")
        .env_remove("AWS_SESSION_TOKEN")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{}/c", service.endpoint));
    fails(container, 8);
}

#[test]
fn an_etag_that_no_header_can_hold_is_no_panic() {
    let entry = entry(PART, CSV.len()).replace("&quot;e&quot;", "&quot;e&#10;x: y&quot;");
    let service = FakeService::start(move |asked, _| {
        if asked.target.contains("list-type=2") {
            return page(&entry, None);
        }
        Answer::status(206, CSV)
            .with("content-range", &format!("bytes 0-{}/{}", CSV.len() - 1, CSV.len()))
            .with("last-modified", "Thu, 01 Jan 2026 00:00:00 GMT")
    });
    for output in ["-", "s3://b/x.csv"] {
        let mut merge = command(
            &service.endpoint,
            &["merge", "s3://b/", "-o", output, "--to", "csv", "--retry-timeout", "100ms"],
        );
        let (_, said) = failure(&merge.output().expect("the binary starts"));
        assert!(!said.contains("internal error"), "{said}");
    }
}

#[test]
fn a_pipe_among_the_notes_of_uploads_stops_no_run() {
    let bucket = bucket("pipe");
    bucket.put_parts("e/", "csv", &csv_parts(2, 1));
    let state = tempfile::tempdir().expect("a folder");
    let notes = state.path().join("forecast-export");
    std::fs::create_dir(&notes).expect("a folder");
    let made = Command::new("mkfifo").arg(notes.join("x.uploads")).status().expect("mkfifo");
    assert!(made.success());
    let mut merge = bucket.command(&["merge", &bucket.at("e"), "-o", &bucket.at("out/x.parquet")]);
    let child = merge.env("XDG_STATE_HOME", state.path()).spawn().expect("the binary starts");
    ends_well(child);
    // Nor does a folder for them that is none.
    std::fs::remove_dir_all(&notes).expect("removed");
    std::fs::write(&notes, "").expect("written");
    let mut merge = bucket.command(&["merge", &bucket.at("e"), "-o", &bucket.at("out/y.parquet")]);
    ends_well(merge.env("XDG_STATE_HOME", state.path()).spawn().expect("the binary starts"));
}

fn ends_well(mut child: std::process::Child) {
    let began = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("a child") {
            break status;
        }
        if began.elapsed() > Duration::from_secs(30) {
            child.kill().expect("killed");
            panic!("it hangs");
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    assert!(status.success(), "{status}");
}
