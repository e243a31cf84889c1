//! A server's jobs that write to S3: which requests they make, in which order, by whom they are signed, and how the
//! objects are encrypted.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::buckets::{Bucket, bucket, buckets, csv_parts, merged};
use crate::support::fake_service::{Answer, FakeService};
use crate::support::proxy::LoggedRequest;

const FORECAST: &str = "arn:aws:forecast:us-east-1:123456789012:forecast/sales";
const ROLE: &str = "arn:aws:iam::123456789012:role/export";
const KEY: &str = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";

/// A server with a forecast `sales`. It is killed when it is dropped.
struct Server {
    child: Child,
    address: String,
    _data: TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// Starts a command that already has the environment, with the forecast's source.
    fn start(command: impl Fn(&[&str]) -> Command, source: &str, more: &[&str]) -> Self {
        let data = TempDir::new().expect("a folder");
        let folder = data.path().display().to_string();
        let registered =
            command(&["serve", "register", "sales", source, "--data", &folder]).output().expect("it starts");
        assert_eq!(String::from_utf8_lossy(&registered.stdout).trim(), FORECAST, "{registered:?}");
        let serve = ["serve", "--data", &folder, "--listen", "127.0.0.1:0", "--insecure-no-auth"];
        let mut child = command(&serve)
            .args(["--part-bytes", "200B"])
            .args(more)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("it is piped");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        let address = line.trim().strip_prefix("listening on http://").expect("where it listens").to_owned();
        Server { child, address, _data: data }
    }

    fn ask(&self, operation: &str, members: &Value) -> Value {
        let body = members.to_string();
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        let head = format!(
            "POST / HTTP/1.1\r\nHost: x\r\nX-Amz-Target: AmazonForecast.{operation}\r\nConnection: close\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all((head + &body).as_bytes()).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
        serde_json::from_str(body).unwrap_or_else(|_| panic!("{operation}: {answer}"))
    }

    /// Creates a job, and returns its description once it has ended.
    fn export(&self, path: &str, format: &str, key: Option<&str>) -> Value {
        let mut config = json!({ "Path": path, "RoleArn": ROLE });
        if let Some(key) = key {
            config["KMSKeyArn"] = key.into();
        }
        let created = self.ask(
            "CreateForecastExportJob",
            &json!({
                "ForecastExportJobName": "nightly", "ForecastArn": FORECAST, "Format": format,
                "Destination": { "S3Config": config },
            }),
        );
        let arn = &created["ForecastExportJobArn"];
        assert!(arn.is_string(), "{created}");
        let began = Instant::now();
        loop {
            let job = self.ask("DescribeForecastExportJob", &json!({ "ForecastExportJobArn": arn }));
            let status = job["Status"].as_str().expect("a status");
            if !["CREATE_PENDING", "CREATE_IN_PROGRESS"].contains(&status) {
                return job;
            }
            assert!(began.elapsed() < Duration::from_secs(60), "{job}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn of_bucket(bucket: &Bucket) -> Server {
    bucket.put_parts("forecast/", "csv", &csv_parts(3, 4));
    Server::start(|arguments| bucket.command(arguments), &bucket.at("forecast"), &[])
}

#[test]
fn a_job_leaves_in_s3_what_the_service_leaves_there() {
    for bucket in buckets("served") {
        let server = of_bucket(&bucket);
        let job = server.export(&bucket.at("exports/2026"), "CSV", None);
        assert_eq!(job["Status"], "ACTIVE", "{}: {job}", bucket.server);
        let names: Vec<String> = bucket
            .keys()
            .iter()
            .filter_map(|key| Some(key.strip_prefix("exports/2026/")?.to_owned()))
            .collect();
        let mut parts: Vec<&String> = names.iter().filter(|name| !name.starts_with('_')).collect();
        assert_eq!(names.len() - parts.len(), 2, "{}: _CHECK and _SUCCESS: {names:?}", bucket.server);
        assert!(parts.len() > 1, "{}: {names:?}", bucket.server);
        let number = |name: &str| -> usize {
            let (before, number) =
                name.strip_suffix(".csv").and_then(|name| name.rsplit_once("_part")).expect("a part");
            assert!(before.starts_with("nightly_2"), "{name}");
            number.parse().expect("a number")
        };
        parts.sort_by_key(|name| number(name));
        let texts: Vec<Vec<u8>> = parts
            .iter()
            .map(|name| bucket.get(&format!("exports/2026/{name}")).expect("a part").to_vec())
            .collect();
        assert_eq!(merged(&texts), merged(&csv_parts(3, 4)), "{}", bucket.server);
    }
}

#[test]
fn the_markers_frame_the_parts_and_all_of_them_are_encrypted_with_the_jobs_key() {
    let bucket = bucket("served-kms");
    let server = of_bucket(&bucket);
    bucket.proxy.clear_log();
    let job = server.export(&bucket.at("exports"), "PARQUET", Some(KEY));
    assert_eq!(job["Status"], "ACTIVE", "{job}");
    assert_eq!(job["Destination"]["S3Config"]["KMSKeyArn"], KEY);
    let written: Vec<LoggedRequest> = bucket.proxy.requests("PutObject");
    let names: Vec<&str> =
        written.iter().filter_map(|request| request.target.split('?').next()?.rsplit('/').next()).collect();
    assert_eq!((names.first(), names.last()), (Some(&"_CHECK"), Some(&"_SUCCESS")), "{names:?}");
    assert!(
        names.len() > 2 && names[1..names.len() - 1].iter().all(|name| name.ends_with(".parquet")),
        "{names:?}"
    );
    for request in &written {
        let header = |name: &str| request.headers.get(name).and_then(|value| value.to_str().ok());
        assert_eq!(header("x-amz-server-side-encryption"), Some("aws:kms"), "{}", request.target);
        assert_eq!(header("x-amz-server-side-encryption-aws-kms-key-id"), Some(KEY), "{}", request.target);
    }
}

#[test]
fn a_jobs_role_is_assumed_before_anything_is_written_if_the_server_is_told_to() {
    let sts = FakeService::start(|_, _| {
        Answer::ok(
            "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult>\
             <AssumedRoleUser><AssumedRoleId>AROA:x</AssumedRoleId>\
             <Arn>arn:aws:sts::123456789012:assumed-role/export/x</Arn></AssumedRoleUser>\
             <Credentials><AccessKeyId>ofrole</AccessKeyId><SecretAccessKey>secret</SecretAccessKey>\
             <SessionToken>token</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>\
             </AssumeRoleResult></AssumeRoleResponse>",
        )
        .with("content-type", "text/xml")
    });
    let refusal = "<Error><Code>AccessDenied</Code><Message>not this role</Message></Error>";
    let s3 = FakeService::start(move |_, _| Answer::status(403, refusal));
    let home = TempDir::new().expect("a folder");
    let server = Server::start(
        |arguments| {
            let mut command = crate::support::fixtures::binary();
            command
                .args(arguments)
                .env("HOME", home.path())
                .env("AWS_REGION", "us-east-1")
                .env("AWS_ACCESS_KEY_ID", "base")
                .env("AWS_SECRET_ACCESS_KEY", "base-secret")
                .env("AWS_ENDPOINT_URL_STS", &sts.endpoint)
                .env("AWS_ENDPOINT_URL_S3", &s3.endpoint)
                .env("NO_PROXY", "*");
            command
        },
        "testdata/forecast",
        &["--assume-roles"],
    );
    let job = server.export("s3://b/exports", "CSV", None);
    assert_eq!(job["Status"], "CREATE_FAILED", "{job}");
    assert!(job["Message"].as_str().is_some_and(|message| message.contains("access denied")), "{job}");
    let asked = sts.asked();
    assert!(
        asked[0].text().contains("RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fexport"),
        "{asked:?}"
    );
    let requests = s3.asked();
    assert!(!requests.is_empty());
    for request in requests {
        assert!(request.header("authorization").contains("Credential=ofrole/"), "{request:?}");
        assert_eq!(request.header("x-amz-security-token"), "token");
    }
}
