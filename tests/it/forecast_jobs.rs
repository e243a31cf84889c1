//! From an export job's ARN, or the event about it, to the merged file: the real SDK in the real binary against a fake
//! Forecast service that speaks AWS JSON 1.1.

use std::process::{Command, Output, Stdio};
use std::time::Duration;

use hyper::header::CONTENT_TYPE;
use serde_json::{Value, json};

use crate::support::buckets::{Bucket, bucket, csv_parts, merged, part_name};
use crate::support::fake_service::{Answer, Asked, FakeService};
use crate::support::fixtures::{NO_HOME, binary, failure};

const ARN: &str = "arn:aws:forecast:eu-west-1:123456789012:forecast-export-job/sales_forecast/sales";

/// Each kind of export: its operation, the member that holds its ARN, the one that holds its name, the ARN of a job,
/// the `detail-type` of its events.
const KINDS: [(&str, &str, &str, &str, &str); 4] = [
    (
        "DescribeForecastExportJob",
        "ForecastExportJobArn",
        "ForecastExportJobName",
        ARN,
        "Forecast Forecast Export Job State Change",
    ),
    (
        "DescribePredictorBacktestExportJob",
        "PredictorBacktestExportJobArn",
        "PredictorBacktestExportJobName",
        "arn:aws:forecast:eu-west-1:123456789012:predictor-backtest-export-job/predictor/sales",
        "Forecast Predictor Backtest Export Job State Change",
    ),
    (
        "DescribeExplainabilityExport",
        "ExplainabilityExportArn",
        "ExplainabilityExportName",
        "arn:aws:forecast:eu-west-1:123456789012:explainability-export/sales",
        "Forecast Explainability Export Creation State Change",
    ),
    (
        "DescribeWhatIfForecastExport",
        "WhatIfForecastExportArn",
        "WhatIfForecastExportName",
        "arn:aws:forecast:eu-west-1:123456789012:what-if-forecast-export/sales",
        "Forecast What-if Forecast Export Creation State Change",
    ),
];

/// The service's answer about a job of the kind that is asked for.
fn described(asked: &Asked, destination: &str, status: &str, more: &Value) -> Answer {
    let target = asked.header("x-amz-target");
    let (_, arn_member, name_member, ..) = KINDS
        .into_iter()
        .find(|(operation, ..)| target == format!("AmazonForecast.{operation}"))
        .unwrap_or_else(|| panic!("unknown operation {target}"));
    let question: Value = serde_json::from_slice(&asked.body).expect("JSON");
    let mut answer = json!({
        arn_member: question[arn_member],
        name_member: "sales",
        "Status": status,
        "Destination": {"S3Config": {"Path": destination, "RoleArn": "arn:aws:iam::123456789012:role/export"}},
        "CreationTime": 1767322800.125,
        "LastModificationTime": 1767323100.5,
        "Format": "CSV",
        "SomethingNew": [1, {"a": null}],
    });
    for (name, value) in more.as_object().expect("members") {
        answer[name] = value.clone();
    }
    Answer::ok(answer.to_string()).with("content-type", "application/x-amz-json-1.1")
}

fn refusal(status: u16, code: &str, message: &str) -> Answer {
    Answer::status(status, json!({"__type": code, "Message": message}).to_string())
        .with("content-type", "application/x-amz-json-1.1")
}

/// A job whose statuses are these, one after another; the last one stays.
fn statuses(destination: &str, words: &[&'static str]) -> FakeService {
    let (destination, words) = (destination.to_owned(), words.to_vec());
    FakeService::start(move |asked, before| {
        described(asked, &destination, words[before.min(words.len() - 1)], &json!({}))
    })
}

/// Answers that come one after another; the last one stays.
fn answers(list: Vec<Answer>) -> FakeService {
    FakeService::start(move |_, before| list[before.min(list.len() - 1)].clone())
}

/// The binary with keys, told where the service is, without a home.
fn command(service: &FakeService, arguments: &[&str]) -> Command {
    let mut command = binary();
    command
        .args(arguments)
        .env("HOME", NO_HOME)
        .env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
        .env("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI")
        .env("AWS_ENDPOINT_URL_FORECAST", &service.endpoint);
    command
}

fn run(service: &FakeService, arguments: &[&str]) -> Output {
    command(service, arguments).output().expect("the binary starts")
}

/// Runs the binary, which must end with this exit code; gives what it said.
fn ends(service: &FakeService, code: i32, arguments: &[&str]) -> String {
    let (found, said) = failure(&run(service, arguments));
    assert_eq!(found, code, "{arguments:?}: {said}");
    said
}

/// Runs the binary with the keys to a bucket, which must succeed; gives what it printed.
fn on(bucket: &Bucket, service: &FakeService, arguments: &[&str]) -> Vec<u8> {
    let output = bucket
        .command(arguments)
        .env("AWS_ENDPOINT_URL_FORECAST", &service.endpoint)
        .output()
        .expect("the binary starts");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Waits with little time between the questions.
fn wait(service: &FakeService, code: i32) -> String {
    ends(service, code, &["wait", ARN, "--poll", "10ms", "--wait", "60s"])
}

#[test]
fn every_kind_of_export_is_described_by_its_own_operation_and_merged() {
    let bucket = bucket("kinds");
    let parts = csv_parts(3, 2);
    bucket.put_parts("exports/", "csv", &parts);
    let destination = bucket.at("exports");
    for (operation, member, _, arn, _) in KINDS {
        let service = statuses(&destination, &["ACTIVE"]);
        assert_eq!(on(&bucket, &service, &["merge", arn, "-o", "-"]), merged(&parts), "{operation}");
        let asked = service.asked();
        assert_eq!(asked.len(), 1, "{operation}");
        assert_eq!((asked[0].method.as_str(), asked[0].target.as_str()), ("POST", "/"));
        assert_eq!(asked[0].header("x-amz-target"), format!("AmazonForecast.{operation}"));
        assert_eq!(asked[0].header(CONTENT_TYPE.as_str()), "application/x-amz-json-1.1");
        let question: Value = serde_json::from_str(asked[0].text()).expect("JSON");
        assert_eq!(question, json!({ member: arn }));
        let signature = asked[0].header("authorization");
        assert!(signature.starts_with("AWS4-HMAC-SHA256 Credential=testkey/"), "{signature}");
        assert!(signature.contains("/eu-west-1/forecast/aws4_request"), "the ARN's region: {signature}");
        assert!(signature.contains("x-amz-target") && signature.contains("Signature="), "{signature}");
    }
}

#[test]
fn ls_schema_and_convert_take_an_arn_too() {
    let bucket = bucket("commands");
    let parts = csv_parts(2, 2);
    bucket.put_parts("exports/", "csv", &parts);
    bucket.put("exports/sales_2025-01-02T03-04-05Z_part0.csv", parts[0].clone());
    bucket.put("exports/other_2026-02-02T03-04-05Z_part0.csv", parts[0].clone());
    let service = statuses(&bucket.at("exports/"), &["ACTIVE"]);

    let found: Value = serde_json::from_slice(&on(&bucket, &service, &["ls", ARN, "--json"])).expect("JSON");
    assert_eq!(found["exports"].as_array().map(Vec::len), Some(1), "the newest run of this job: {found}");
    assert_eq!(found["exports"][0]["run"], "2026-01-02T03-04-05Z");
    assert_eq!(found["exports"][0]["parts"].as_array().map(Vec::len), Some(2));

    let found: Value =
        serde_json::from_slice(&on(&bucket, &service, &["schema", ARN, "--json"])).expect("JSON");
    assert_eq!((&found["parts"], &found["format"]), (&json!(2), &json!("csv")));

    let folder = tempfile::tempdir().expect("a folder");
    let target = folder.path().join("out").display().to_string();
    on(&bucket, &service, &["convert", ARN, "-o", &target, "--to", "csv"]);
    for (number, part) in parts.iter().enumerate() {
        let written =
            std::fs::read(folder.path().join("out").join(part_name(number, "csv"))).expect("a part");
        assert_eq!(&written, part);
    }
}

#[test]
fn the_newest_run_of_the_name_and_format_is_taken_unless_another_is_named() {
    let bucket = bucket("runs");
    let parts = csv_parts(3, 1);
    bucket.put("e/sales_2026-01-01T00-00-00Z_part0.csv", parts[0].clone());
    bucket.put("e/sales_2026-01-02T00-00-00Z_part0.csv", parts[1].clone());
    bucket.put("e/sales_2026-01-03T00-00-00Z_part0.parquet", "PAR1");
    bucket.put("e/sales_b_2026-01-04T00-00-00Z_part0.csv", parts[2].clone());
    bucket.put("e2/sales_2026-01-05T00-00-00Z_part0.csv", parts[2].clone());
    let service = statuses(&bucket.at("e"), &["ACTIVE"]);
    assert_eq!(on(&bucket, &service, &["merge", ARN, "-o", "-"]), parts[1]);
    let named = ["merge", ARN, "-o", "-", "--run", "2026-01-01T00:00:00Z"];
    assert_eq!(on(&bucket, &service, &named), parts[0]);
    assert_eq!(on(&bucket, &service, &["merge", ARN, "-o", "-", "--run", "all"]), merged(&parts[..2]));
}

#[test]
fn a_backtest_needs_a_kind_and_a_name_of_the_users_own_is_refused() {
    let bucket = bucket("backtest");
    let part = csv_parts(1, 1).remove(0);
    let accuracy = "e/accuracy-metrics-values/Accuracy_sales_2026-01-02T03-04-05Z_part0.csv";
    bucket.put(accuracy, part.clone());
    bucket.put("e/forecasted-values/Forecasts_sales_2026-01-02T03-04-05Z_part0.csv", part.clone());
    let service = statuses(&bucket.at("e"), &["ACTIVE"]);
    let arn = KINDS[1].3;
    let merge = |more: &[&str]| {
        let mut command = bucket.command(&["merge", arn, "-o", "-"]);
        let output = command.args(more).env("AWS_ENDPOINT_URL_FORECAST", &service.endpoint).output();
        output.expect("the binary starts")
    };
    let (code, said) = failure(&merge(&[]));
    assert_eq!(code, 4, "{said}");
    assert!(said.contains("--kind"), "{said}");
    assert_eq!(merge(&["--kind", "backtest-accuracy"]).stdout, part);
    let (code, said) = failure(&merge(&["--job", "x"]));
    assert_eq!(code, 2, "{said}");
}

#[test]
fn waiting_goes_on_until_the_job_is_active() {
    let words = ["CREATE_PENDING", "CREATE_PENDING", "CREATE_IN_PROGRESS", "ACTIVE"];
    let service = statuses("s3://bucket/exports/", &words);
    let said = wait(&service, 0);
    assert_eq!(
        said,
        "CREATE_PENDING\nCREATE_IN_PROGRESS\nACTIVE\nsales is ACTIVE: s3://bucket/exports/ (CSV)\n"
    );
    assert_eq!(service.asked().len(), 4);

    let service = statuses("s3://bucket/exports/", &words);
    assert_eq!(ends(&service, 0, &["wait", ARN, "--poll", "10ms", "-q"]), "");

    let output = run(&service, &["wait", ARN, "--json", "-q"]);
    let job: Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
    assert_eq!(
        job,
        json!({
            "arn": ARN,
            "kind": "forecast-export",
            "name": "sales",
            "status": "ACTIVE",
            "message": null,
            "destination": "s3://bucket/exports/",
            "format": "csv",
            "created": "2026-01-02T03:00:00.125Z",
            "modified": "2026-01-02T03:05:00.500Z",
        })
    );
}

#[test]
fn a_merge_waits_when_it_is_told_to() {
    let bucket = bucket("waits");
    let parts = csv_parts(2, 1);
    bucket.put_parts("e/", "csv", &parts);
    let service = statuses(&bucket.at("e"), &["CREATE_PENDING", "CREATE_IN_PROGRESS", "ACTIVE"]);
    let merged_there = on(&bucket, &service, &["merge", ARN, "--wait", "1m", "--poll", "10ms", "-o", "-"]);
    assert_eq!(merged_there, merged(&parts));
    assert_eq!(service.asked().len(), 3);
    let service = statuses(&bucket.at("e"), &["CREATE_PENDING", "ACTIVE"]);
    let without_time = on(&bucket, &service, &["merge", ARN, "-o", "-", "--poll", "10ms", "--wait"]);
    assert_eq!(without_time, merged(&parts));
}

#[test]
fn a_job_that_is_not_active_is_refused_without_wait() {
    for word in ["CREATE_PENDING", "CREATE_IN_PROGRESS"] {
        let service = statuses("s3://bucket/e", &[word]);
        let said = ends(&service, 4, &["ls", ARN]);
        assert_eq!(said, format!("error: {ARN} is {word}; use --wait to wait until it is ACTIVE\n"));
    }
}

#[test]
fn every_other_end_is_an_error_with_its_reason() {
    let with_message = |status: &'static str, message: &'static str| {
        FakeService::start(move |asked, _| described(asked, "s3://b/e", status, &json!({"Message": message})))
    };
    let service = with_message("CREATE_FAILED", "Access to \u{1b}[31mKMS denied");
    let said = wait(&service, 4);
    assert!(
        said.ends_with(&format!(
            "error: {ARN} has failed (CREATE_FAILED): Access to \\u{{1b}}[31mKMS denied\n"
        )),
        "{said}"
    );
    for word in [
        "CREATE_STOPPING",
        "CREATE_STOPPED",
        "DELETE_PENDING",
        "DELETE_IN_PROGRESS",
        "DELETE_FAILED",
        "UPDATE_SOMETHING",
        "",
        "active",
    ] {
        let service = statuses("s3://b/e", &["CREATE_IN_PROGRESS", word]);
        let said = wait(&service, 4);
        assert!(said.ends_with(&format!("error: {ARN} will not become ACTIVE: it is {word}\n")), "{said}");
        assert_eq!(service.asked().len(), 2, "{word}");
    }
    // Without a status, and with one after which the job was deleted.
    let service = FakeService::start(|asked, _| described(asked, "s3://b/e", "x", &json!({"Status": null})));
    assert!(wait(&service, 4).contains("without a status"));
    let service = FakeService::start(|asked, before| match before {
        0 => described(asked, "s3://b/e", "CREATE_PENDING", &json!({})),
        _ => refusal(400, "ResourceNotFoundException", "No resource found"),
    });
    let said = wait(&service, 4);
    assert!(said.contains("does not exist") && said.contains("No resource found"), "{said}");
    let service = answers(vec![refusal(400, "ResourceNotFoundException", "No resource found")]);
    assert!(ends(&service, 4, &["ls", ARN]).contains("does not exist"));
    assert_eq!(service.asked().len(), 1, "it is not asked for again");
}

#[test]
fn a_deadline_is_an_end() {
    let service = statuses("s3://b/e", &["CREATE_IN_PROGRESS"]);
    let said = ends(&service, 4, &["wait", ARN, "--poll", "50ms", "--wait", "400ms"]);
    let last = format!("error: {ARN} did not become ACTIVE within 400ms: it is still CREATE_IN_PROGRESS\n");
    assert!(said.ends_with(&last), "{said}");
    assert!(service.asked().len() > 2);
    // A service that says nothing does not stretch the deadline.
    let service = answers(vec![Answer::Silence(Duration::from_secs(600))]);
    let said = ends(&service, 4, &["wait", ARN, "--wait", "300ms"]);
    assert!(said.contains("there was no answer"), "{said}");
}

#[test]
fn throttling_server_errors_lost_connections_and_garbage_are_asked_through() {
    let bucket = bucket("faults");
    let parts = csv_parts(1, 1);
    bucket.put_parts("e/", "csv", &parts);
    for (fault, name) in [
        (refusal(400, "ThrottlingException", "Rate exceeded"), "throttling"),
        (refusal(500, "InternalServiceException", "oops"), "500"),
        (Answer::status(503, "<html>Service Unavailable</html>"), "503 of a proxy"),
        (Answer::Close, "a closed connection"),
    ] {
        let destination = bucket.at("e");
        let service = FakeService::start(move |asked, before| match before {
            0 | 1 => fault.clone(),
            _ => described(asked, &destination, "ACTIVE", &json!({})),
        });
        assert_eq!(on(&bucket, &service, &["merge", ARN, "-o", "-"]), parts[0], "{name}");
        assert_eq!(service.asked().len(), 3, "{name}");
    }
    // What is no answer of the service at all is asked through when waiting.
    for garbage in ["<html>Welcome to the hotel</html>", "{\"Status\": 7}", "{\"Status\":\"ACTIVE\"", "[]"] {
        let service = FakeService::start(move |asked, before| match before {
            0 => Answer::ok(garbage).with("content-type", "application/x-amz-json-1.1"),
            _ => described(asked, "s3://b/e", "ACTIVE", &json!({})),
        });
        let said = wait(&service, 0);
        assert!(said.contains("no answer: "), "{garbage}: {said}");
        let service = answers(vec![Answer::ok(garbage)]);
        let said = ends(&service, 8, &["ls", ARN]);
        assert!(said.starts_with(&format!("error: describing {ARN}: ")), "{garbage}: {said}");
    }
}

#[test]
fn a_service_that_keeps_failing_is_given_up() {
    let service = answers(vec![Answer::ok("garbage")]);
    let said = ends(&service, 8, &["wait", ARN, "--poll", "5ms", "-q"]);
    assert!(said.contains("the service failed"), "{said}");
    assert_eq!(service.asked().len(), 10);
}

#[test]
fn refused_requests_are_access_denied_and_not_repeated() {
    for code in ["AccessDeniedException", "UnrecognizedClientException", "InvalidSignatureException"] {
        let service = answers(vec![refusal(400, code, "The request was refused.")]);
        let said = ends(&service, 8, &["wait", ARN, "--wait", "60s"]);
        assert_eq!(
            said,
            format!("error: describing {ARN}: access denied: {code}: The request was refused.\n")
        );
        assert_eq!(service.asked().len(), 1, "{code}");
    }
}

#[test]
fn without_credentials_the_request_is_not_made() {
    let service = statuses("s3://b/e", &["ACTIVE"]);
    let mut command = command(&service, &["wait", ARN]);
    command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    command.env("AWS_EC2_METADATA_DISABLED", "true");
    let (code, said) = failure(&command.output().expect("the binary starts"));
    assert_eq!(code, 8, "{said}");
    assert!(said.contains("access denied") && said.contains("--profile"), "{said}");
    assert_eq!(service.asked().len(), 0);
}

#[test]
fn an_unknown_format_or_no_destination_is_said() {
    let service =
        FakeService::start(|asked, _| described(asked, "s3://b/e", "ACTIVE", &json!({"Format": "ORC"})));
    assert!(ends(&service, 4, &["ls", ARN]).contains("unknown format ORC"));
    let service =
        FakeService::start(|asked, _| described(asked, "s3://b/e", "ACTIVE", &json!({"Destination": null})));
    assert!(ends(&service, 4, &["ls", ARN]).contains("no destination"));
}

#[test]
fn other_arns_and_wait_without_an_arn_are_usage_errors() {
    let service = statuses("s3://b/e", &["ACTIVE"]);
    for arguments in [
        &["ls", "arn:aws:s3:::bucket/exports"][..],
        &["ls", "arn:aws:forecast:eu-west-1:123456789012:forecast/sales"],
        &["wait", "exports/"],
        &["merge", "exports/", "--wait", "1m", "-o", "x.csv"],
        &["merge", ARN, "--wait", "30", "-o", "x.csv"],
        &["merge", ARN, "--event", "x.json", "-o", "x.csv"],
        &["merge", "-o", "x.csv"],
    ] {
        ends(&service, 2, arguments);
    }
    assert_eq!(service.asked().len(), 0);
}

/// An event as EventBridge delivers it.
fn event(detail_type: &str, arn: &str, status: &str) -> String {
    json!({
        "version": "0",
        "id": "017fcb6d-7ca3-ebf8-819e-3e0fa956ee17",
        "detail-type": detail_type,
        "source": "aws.forecast",
        "account": "123456789012",
        "time": "2026-01-02T03:05:00Z",
        "region": "eu-west-1",
        "resources": [arn],
        "detail": {"Arn": arn, "Duration": "263", "Status": status},
    })
    .to_string()
}

/// Runs a command with an event on standard input.
fn with_event(mut command: Command, event: &str) -> Output {
    use std::io::Write;
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    child.stdin.take().expect("a pipe").write_all(event.as_bytes()).expect("it is read");
    child.wait_with_output().expect("the binary ends")
}

#[test]
fn an_event_leads_to_the_merged_object_and_a_second_one_does_no_harm() {
    let bucket = bucket("events");
    let parts = csv_parts(3, 2);
    bucket.put_parts("exports/", "csv", &parts);
    let service = statuses(&bucket.at("exports"), &["ACTIVE"]);
    let target = bucket.at("merged/sales.csv");
    for (.., arn, detail_type) in KINDS {
        let mut command = bucket.command(&["merge", "--event", "-", "-o", &target, "--overwrite"]);
        command.env("AWS_ENDPOINT_URL_FORECAST", &service.endpoint);
        let (code, said) = failure(&with_event(command, &event(detail_type, arn, "ACTIVE")));
        assert_eq!(code, 0, "{arn}: {said}");
        assert_eq!(bucket.get("merged/sales.csv").as_deref(), Some(&merged(&parts)[..]), "{arn}");
    }
    assert_eq!(service.asked().len(), KINDS.len());
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("event.json");
    std::fs::write(&file, event(KINDS[0].4, ARN, "ACTIVE")).expect("written");
    let found = on(&bucket, &service, &["merge", "--event", &file.display().to_string(), "-o", "-"]);
    assert_eq!(found, merged(&parts));
}

#[test]
fn an_event_about_a_failure_ends_with_the_jobs_message() {
    let service = FakeService::start(|asked, _| {
        described(asked, "s3://b/e", "CREATE_FAILED", &json!({"Message": "no access to the bucket"}))
    });
    let command = command(&service, &["merge", "--event", "-", "-o", "x.csv"]);
    let (code, said) = failure(&with_event(command, &event(KINDS[0].4, ARN, "CREATE_FAILED")));
    assert_eq!(code, 4, "{said}");
    assert_eq!(said, format!("error: {ARN} has failed (CREATE_FAILED): no access to the bucket\n"));
}

#[test]
fn an_event_about_a_failure_ends_so_even_where_the_job_is_gone() {
    let service = answers(vec![refusal(400, "ResourceNotFoundException", "gone")]);
    let command = command(&service, &["wait", "--event", "-"]);
    let (code, said) = failure(&with_event(command, &event(KINDS[0].4, ARN, "CREATE_STOPPED")));
    assert_eq!((code, said), (4, format!("error: {ARN} will not become ACTIVE: it is CREATE_STOPPED\n")));
}

#[test]
fn events_of_other_kinds_are_usage_errors() {
    let service = statuses("s3://b/e", &["ACTIVE"]);
    let export = KINDS[0].4;
    for text in [
        event("Forecast Dataset Import Job State Change", ARN, "ACTIVE"),
        event("Forecast Predictor Creation State Change", ARN, "ACTIVE"),
        event(KINDS[1].4, ARN, "ACTIVE"),
        event(export, "arn:aws:forecast:eu-west-1:1:forecast/x", "ACTIVE"),
        event(export, ARN, "ACTIVE").replace("aws.forecast", "aws.s3"),
        "{}".to_owned(),
        "not JSON".to_owned(),
        String::new(),
    ] {
        let command = command(&service, &["merge", "--event", "-", "-o", "x.csv"]);
        let (code, said) = failure(&with_event(command, &text));
        assert_eq!(code, 2, "{text}: {said}");
        assert!(
            said.contains("the event is not") || said.contains("does not export anything"),
            "{text}: {said}"
        );
    }
    assert_eq!(service.asked().len(), 0);
}

#[test]
fn a_signal_ends_the_waiting() {
    let service = statuses("s3://b/e", &["CREATE_IN_PROGRESS"]);
    let mut child = command(&service, &["wait", ARN, "--poll", "20ms", "-q"])
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    while service.asked().len() < 2 {
        std::thread::sleep(Duration::from_millis(10));
    }
    let killed = Command::new("kill").arg(child.id().to_string()).status().expect("kill starts");
    assert!(killed.success());
    assert_eq!(child.wait().expect("the binary ends").code(), Some(143));
}

/// A file of the Lambda example.
fn example(name: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Whether an event matches a pattern of EventBridge that only lists values.
fn matches(pattern: &Value, event: &Value) -> bool {
    match pattern {
        Value::Object(members) => members.iter().all(|(name, pattern)| matches(pattern, &event[name])),
        Value::Array(values) => values.contains(event),
        _ => false,
    }
}

/// The names that a template's `Ref`, `Fn::GetAtt` and `Fn::Sub` refer to.
fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| references(value, found)),
        Value::Object(members) => {
            for (name, value) in members {
                match (name.as_str(), value) {
                    ("Ref", Value::String(name)) => found.push(name.clone()),
                    ("Fn::GetAtt", Value::Array(path)) => {
                        found.push(path[0].as_str().expect("a name").to_owned());
                    }
                    ("Fn::Sub", Value::String(text)) => {
                        found.extend(
                            text.split("${")
                                .skip(1)
                                .map(|rest| rest.split_once('}').expect("a reference ends").0.to_owned()),
                        );
                    }
                    _ => references(value, found),
                }
            }
        }
        _ => {}
    }
}

#[test]
fn the_examples_rule_lets_through_the_events_that_are_understood_and_no_others() {
    let pattern: Value = serde_json::from_str(&example("lambda/event-pattern.json")).expect("JSON");
    let passes = |text: String| matches(&pattern, &serde_json::from_str(&text).expect("JSON"));
    for (.., arn, detail_type) in KINDS {
        assert!(passes(event(detail_type, arn, "ACTIVE")), "{detail_type}");
        assert!(passes(event(detail_type, arn, "CREATE_FAILED")), "{detail_type}");
        assert!(!passes(event(detail_type, arn, "CREATE_IN_PROGRESS")), "{detail_type}");
        assert!(
            !passes(event(detail_type, arn, "ACTIVE").replace("aws.forecast", "aws.s3")),
            "{detail_type}"
        );
    }
    assert!(!passes(event("Forecast Dataset Import Job State Change", ARN, "ACTIVE")));

    let template: Value = serde_json::from_str(&example("lambda/template.json")).expect("JSON");
    assert_eq!(template["Resources"]["Rule"]["Properties"]["EventPattern"], pattern);
    let mut names = Vec::new();
    references(&template, &mut names);
    assert!(names.len() > 8, "{names:?}");
    for name in names {
        let is_known = name.starts_with("AWS::")
            || !template["Parameters"][&name].is_null()
            || !template["Resources"][&name].is_null();
        assert!(is_known, "{name}");
    }
    let allowed = template["Resources"]["Role"].to_string();
    for (operation, ..) in KINDS {
        assert!(allowed.contains(&format!("\"forecast:{operation}\"")), "{operation}");
    }
}

/// What a path such as `$.Job.Arn` leads to.
fn at_path<'a>(data: &'a Value, path: &Value) -> &'a Value {
    let path = path.as_str().expect("a path").trim_start_matches("$.");
    path.split('.').fold(data, |data, name| &data[name])
}

/// A state's parameters, with what their paths lead to.
fn resolved(parameters: &Value, data: &Value) -> Value {
    let Value::Object(members) = parameters else { return parameters.clone() };
    let resolve = |(name, value): (&String, &Value)| match name.strip_suffix(".$") {
        Some(name) => (name.to_owned(), at_path(data, value).clone()),
        None => (name.clone(), resolved(value, data)),
    };
    members.iter().map(resolve).collect::<serde_json::Map<_, _>>().into()
}

/// Goes through a state machine of Step Functions; gives the states that it came to, and the parameters of its last task.
fn walked(
    machine: &Value,
    input: &Value,
    mut task: impl FnMut(&str, &Value) -> Value,
) -> (Vec<String>, Value) {
    let (mut data, mut parameters, mut visited) = (input.clone(), Value::Null, Vec::new());
    let mut name = machine["StartAt"].as_str();
    while let Some(current) = name {
        visited.push(current.to_owned());
        let state = &machine["States"][current];
        let mut next = &state["Next"];
        match state["Type"].as_str() {
            Some("Task") => {
                parameters = resolved(&state["Parameters"], &data);
                let answer = task(state["Resource"].as_str().expect("a resource"), &parameters);
                if let Some(member) = state["ResultPath"].as_str().and_then(|path| path.strip_prefix("$.")) {
                    data[member] = answer;
                }
            }
            Some("Choice") => {
                let choices = state["Choices"].as_array().expect("choices");
                let is_met = |choice: &&Value| at_path(&data, &choice["Variable"]) == &choice["StringEquals"];
                next = choices.iter().find(is_met).map_or(&state["Default"], |choice| &choice["Next"]);
            }
            Some("Wait" | "Fail") => {}
            other => panic!("{current} is of the type {other:?}"),
        }
        name = next.as_str();
    }
    (visited, parameters)
}

#[test]
fn the_examples_state_machine_waits_for_the_export_and_has_it_merged() {
    let machine: Value = serde_json::from_str(&example("step-functions/state-machine.json")).expect("JSON");
    let input = json!({
        "ForecastArn": "arn:aws:forecast:eu-west-1:123456789012:forecast/sales_forecast",
        "ForecastExportJobName": "sales",
        "Destination": {"S3Config": {"Path": "s3://b/e", "RoleArn": "arn:aws:iam::1:role/forecast"}},
    });
    let walk = |statuses: &[&str]| {
        let mut statuses = statuses.iter();
        walked(&machine, &input, |resource, asked| match resource.rsplit(':').next() {
            Some("createForecastExportJob") => {
                assert_eq!(asked, &input);
                json!({"ForecastExportJobArn": ARN})
            }
            Some("describeForecastExportJob") => {
                assert_eq!(asked, &json!({"ForecastExportJobArn": ARN}));
                json!({"Status": statuses.next().expect("asked no more than needed")})
            }
            _ => Value::Null,
        })
    };
    let (visited, merge) = walk(&["CREATE_PENDING", "CREATE_IN_PROGRESS", "ACTIVE"]);
    assert_eq!(visited.iter().filter(|state| *state == "Wait").count(), 3);
    assert_eq!(visited.last().map(String::as_str), Some("Merge"));
    for status in ["CREATE_FAILED", "CREATE_STOPPED", "DELETE_IN_PROGRESS"] {
        assert_eq!(walk(&[status]).0.last().map(String::as_str), Some("Not exported"), "{status}");
    }

    // What the function is called with is an event that the program understands.
    let bucket = bucket("states");
    let parts = csv_parts(2, 2);
    bucket.put_parts("e/", "csv", &parts);
    let service = statuses(&bucket.at("e"), &["ACTIVE"]);
    let mut command = bucket.command(&["merge", "--event", "-", "-o", &bucket.at("merged/sales.csv")]);
    command.env("AWS_ENDPOINT_URL_FORECAST", &service.endpoint);
    let output = with_event(command, &merge["Payload"].to_string());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(bucket.get("merged/sales.csv").as_deref(), Some(&merged(&parts)[..]));
}

#[test]
fn the_examples_function_answers_each_event_with_the_report_or_the_error() {
    let bucket = bucket("lambda");
    let parts = csv_parts(2, 2);
    bucket.put_parts("e/", "csv", &parts);
    let destination = bucket.at("e");
    let forecast = FakeService::start(move |asked, _| match asked.text().contains("broken") {
        false => described(asked, &destination, "ACTIVE", &json!({})),
        true => described(asked, &destination, "CREATE_FAILED", &json!({"Message": "no \"access\""})),
    });
    // Two events, then the end.
    let events = [
        event(KINDS[0].4, ARN, "ACTIVE"),
        event(KINDS[0].4, &ARN.replace("/sales_forecast/", "/broken/"), "CREATE_FAILED"),
    ];
    let given = std::sync::atomic::AtomicUsize::new(0);
    let lambda = FakeService::start(move |asked, _| {
        if !asked.target.ends_with("/invocation/next") {
            return Answer::status(202, "");
        }
        let number = given.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        match events.get(number) {
            Some(event) => {
                Answer::ok(event.clone()).with("Lambda-Runtime-Aws-Request-Id", &format!("request-{number}"))
            }
            None => Answer::status(500, ""),
        }
    });

    // A folder as Lambda unpacks it, with the program that is given away: `.ci/run`.
    let unpacked = std::env::var_os("FORECAST_EXPORT_LAMBDA").map(std::path::PathBuf::from);
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_forecast-export")).parent();
    let root = unpacked.as_deref().or(program).expect("a folder");
    let example = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/lambda");
    let script = unpacked.as_ref().unwrap_or(&example).join("bootstrap");
    let environment = bucket.command::<&str>(&[]);
    let output = Command::new(script)
        .envs(environment.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .env("AWS_ENDPOINT_URL_FORECAST", &forecast.endpoint)
        .env("AWS_LAMBDA_RUNTIME_API", lambda.endpoint.trim_start_matches("http://"))
        .env("LAMBDA_TASK_ROOT", root)
        .env("NO_PROXY", "127.0.0.1")
        .env("OUTPUT", bucket.at("merged"))
        .env("FLAGS", "--to csv")
        .output()
        .expect("there is a shell");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        bucket.get("merged/forecast-export-job/sales_forecast/sales.parquet").as_deref(),
        Some(&merged(&parts)[..]),
        "{said}"
    );
    let answers: Vec<Asked> = lambda.asked().into_iter().filter(|asked| asked.method == "POST").collect();
    assert_eq!(answers.len(), 2, "{said}");
    assert_eq!(answers[0].target, "/2018-06-01/runtime/invocation/request-0/response");
    let report: Value = serde_json::from_str(answers[0].text()).expect("the report is JSON");
    assert_eq!(report["rows"], 4);
    assert_eq!(answers[1].target, "/2018-06-01/runtime/invocation/request-1/error");
    let error: Value = serde_json::from_str(answers[1].text()).expect("the error is JSON");
    assert_eq!(error["errorType"], "exit code 4");
    let message = error["errorMessage"].as_str().expect("text");
    assert!(message.ends_with("has failed (CREATE_FAILED): no \"access\" "), "{message}");
}
