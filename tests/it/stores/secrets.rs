//! Nothing secret is shown: not what a server echoes, not what a user wrote into an address, in no kind of output.

use std::process::Command;

use tempfile::TempDir;

use crate::support::fake_service::{Answer, FakeService};
use crate::support::fixtures::binary;

const SECRET: &str = "the+secret/key+of+the+tests";
const TOKEN: &str = "the+session/token+of+the+tests==";
const JOB: &str = "arn:aws:forecast:eu-west-1:123456789012:forecast-export-job/sales/x";

fn command(endpoint: &str, arguments: &[&str], home: &TempDir) -> Command {
    let mut command = binary();
    command
        .args(arguments)
        .args(["--endpoint-url", endpoint])
        .env("HOME", home.path())
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "testkey")
        .env("AWS_SECRET_ACCESS_KEY", SECRET)
        .env("AWS_SESSION_TOKEN", TOKEN)
        .env("NO_PROXY", "*");
    command
}

/// What a command put out, which holds nothing secret.
fn said(mut command: Command) -> String {
    let output = command.output().expect("the binary starts");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    for secret in [SECRET, TOKEN, "hunter2", "another-token", "c2lnbmF0dXJl"] {
        assert!(!said.contains(secret), "{said}");
    }
    said
}

#[test]
fn what_a_server_echoes_is_hidden() {
    let home = TempDir::new().expect("a folder");
    let echoes = [
        format!("<Error><Code>ExpiredToken</Code><Token-0>{TOKEN}</Token-0></Error>"),
        "<Error><Code>ExpiredToken</Code><Token-0>another-token</Token-0></Error>".to_owned(),
        format!("<Error><Code>SignatureDoesNotMatch</Code><StringToSign>{SECRET}</StringToSign></Error>"),
        format!("<Error><Code>Odd</Code><Message>your key is {SECRET}</Message></Error>"),
        format!(
            "<html>x-amz-security-token: {TOKEN} http://u:hunter2@proxy/?X-Amz-Signature=c2lnbmF0dXJl</html>"
        ),
    ];
    for echo in echoes {
        for status in [200, 403, 409, 500] {
            let echo = echo.clone();
            let service = FakeService::start(move |_, _| Answer::status(status, echo.clone()));
            for more in [&[][..], &["-v"], &["--json"]] {
                let arguments = [&["ls", "s3://b/", "--retry-timeout", "100ms"], more].concat();
                let said = said(command(&service.endpoint, &arguments, &home));
                assert!(said.contains("error: "), "{said}");
            }
            let copy = ["merge", "s3://b/", "-o", "s3://b/x.csv", "-v", "--retry-timeout", "100ms"];
            said(command(&service.endpoint, &copy, &home));
        }
    }
}

#[test]
fn what_the_forecast_api_and_sts_echo_is_hidden() {
    let home = TempDir::new().expect("a folder");
    let echo = format!("your token {TOKEN}, key {SECRET} and <Token-0>another-token</Token-0>");
    let description = serde_json::json!({
        "ForecastExportJobArn": JOB, "ForecastExportJobName": "x", "Status": "CREATE_FAILED", "Message": echo,
    });
    let refusal = serde_json::json!({"__type": "AccessDeniedException", "Message": echo});
    for (status, body) in [(200, description), (400, refusal)] {
        let body = body.to_string();
        let service = FakeService::start(move |_, _| {
            Answer::status(status, body.clone()).with("content-type", "application/x-amz-json-1.1")
        });
        for more in [&[][..], &["--json"]] {
            said(command(&service.endpoint, &[&["wait", JOB, "--wait", "0s"], more].concat(), &home));
        }
    }
    let sts = format!(
        "<ErrorResponse><Error><Code>AccessDenied</Code><Message>{echo}</Message></Error></ErrorResponse>"
    );
    let service =
        FakeService::start(move |_, _| Answer::status(403, sts.clone()).with("content-type", "text/xml"));
    let mut role =
        command(&service.endpoint, &["ls", "s3://b/", "--role-arn", "arn:aws:iam::1:role/x"], &home);
    role.env("AWS_ENDPOINT_URL_STS", &service.endpoint);
    assert!(said(role).contains("access denied"));
}

#[test]
fn passwords_in_addresses_are_hidden() {
    let home = TempDir::new().expect("a folder");
    let list = ["ls", "s3://b/", "--retry-timeout", "100ms"];
    for address in
        ["http://alice:hunter2@127.0.0.1:1", "http://alice:hunter2/x@127.0.0.1:1", "alice:hunter2@h"]
    {
        let said = said(command(address, &list, &home));
        assert!(said.contains("--endpoint-url"), "{said}");
    }
    for variable in ["AWS_ENDPOINT_URL_S3", "HTTPS_PROXY", "AWS_PROXY_URL"] {
        for address in ["http://alice:hunter2@127.0.0.1:99999", "http://alice:hunter2@127.0.0.1:1"] {
            let mut command = command("http://127.0.0.1:1", &list, &home);
            command.env(variable, address);
            said(command);
        }
    }
    for source in ["s3://alice:hunter2@b/x", "https://b/x?X-Amz-Signature=c2lnbmF0dXJl"] {
        said(command("http://127.0.0.1:1", &["ls", source, "--retry-timeout", "100ms"], &home));
    }
}
