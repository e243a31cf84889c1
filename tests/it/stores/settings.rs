//! Values that no client can use are refused where they come in, with exit 2 and the name of the flag, the variable or the
//! profile; nothing panics, and nothing is asked.

use std::process::Command;

use tempfile::TempDir;

use crate::support::fake_service::{Answer, FakeService};
use crate::support::fixtures::{NO_HOME, binary, failure};

const JOB: &str = "arn:aws:forecast:eu-west-1:123456789012:forecast-export-job/sales/x";

/// The binary with good keys and a service at nobody's port.
fn command(arguments: &[&str]) -> Command {
    let mut command = binary();
    command
        .args(arguments)
        .env("HOME", NO_HOME)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "testkey")
        .env("AWS_SECRET_ACCESS_KEY", "testsecret")
        .env("NO_PROXY", "*");
    command
}

/// The command is refused, and says which value is at fault.
fn refused(mut command: Command, names: &str) {
    let (code, said) = failure(&command.output().expect("the binary starts"));
    assert_eq!(code, 2, "{names}: {said}");
    assert!(said.contains(names), "{names}: {said}");
    assert!(!said.contains("internal error"), "{said}");
}

const LIST: [&str; 4] = ["ls", "s3://b/", "--retry-timeout", "1s"];

#[test]
fn flags_are_checked() {
    for (flag, value) in [
        ("--endpoint-url", "localhost:9000"),
        ("--endpoint-url", "minio"),
        ("--endpoint-url", ""),
        ("--endpoint-url", "http://127.0.0.1:99999"),
        ("--endpoint-url", "http://a b"),
        ("--endpoint-url", "http://a\r\nx: y"),
        ("--region", "eu west"),
        ("--region", ""),
        ("--region", "evil.example/"),
        ("--profile", "a\nb"),
        ("--role-arn", "a\rb"),
    ] {
        refused(command(&[&LIST[..], &[flag, value]].concat()), flag);
        refused(command(&["wait", JOB, "--wait", "0s", flag, value]), flag);
        refused(command(&["merge", "exports", "-o", "s3://b/x.csv", flag, value]), flag);
    }
}

#[test]
fn environment_variables_are_checked() {
    for (variable, value) in [
        ("AWS_ENDPOINT_URL", "localhost:9000"),
        ("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:99999"),
        ("AWS_ENDPOINT_URL_STS", "http://a b"),
        ("AWS_ENDPOINT_URL_SSO", "sso"),
        ("AWS_REGION", "eu west"),
        ("AWS_DEFAULT_REGION", "a/b"),
        ("AWS_ACCESS_KEY_ID", "AK\rIA"),
        ("AWS_SECRET_ACCESS_KEY", "se\ncret"),
        ("AWS_SESSION_TOKEN", "to\u{7f}ken"),
        ("AWS_SESSION_TOKEN", "tökén"),
        ("AWS_PROFILE", "a\nb"),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "localhost/c"),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:99999/c"),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "a\r\nb"),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", "169.254.169.254"),
        ("AWS_ROLE_ARN", "a\nb"),
        ("HTTP_PROXY", "http://proxy:99999"),
        ("https_proxy", "http://"),
        ("ALL_PROXY", "http://a b"),
    ] {
        for arguments in [&LIST[..], &["wait", JOB, "--wait", "0s"]] {
            let mut command = command(arguments);
            command.env(variable, value);
            refused(command, variable);
        }
    }
    // Known to object_store only.
    for (variable, value) in [
        ("AWS_S3_EXPRESS", "perhaps"),
        ("AWS_CHECKSUM_ALGORITHM", "crc7"),
        ("AWS_READ_TIMEOUT", "soon"),
        ("AWS_ALLOW_HTTP", "perhaps"),
        ("AWS_PROXY_URL", "http://proxy:99999"),
        ("AWS_USER_AGENT", "a\nb"),
    ] {
        let mut command = command(&LIST);
        command.env(variable, value);
        refused(command, variable);
    }
}

#[test]
fn variables_of_google_and_azure_are_checked() {
    for (source, variable, value) in [
        ("gs://b/", "GOOGLE_BASE_URL", "localhost:4443"),
        ("gs://b/", "GOOGLE_BASE_URL", "http://127.0.0.1:99999"),
        ("gs://b/", "GOOGLE_SERVICE_ACCOUNT", "a\nb"),
        ("gs://b/", "GOOGLE_SKIP_SIGNATURE", "perhaps"),
        ("gs://b/", "GOOGLE_READ_TIMEOUT", "soon"),
        ("az://b/", "AZURE_STORAGE_ENDPOINT", "localhost:10000"),
        ("az://b/", "AZURE_ENDPOINT", "http://127.0.0.1:99999"),
        ("az://b/", "AZURE_STORAGE_ACCOUNT_NAME", "a\nb"),
        ("az://b/", "AZURE_STORAGE_ACCOUNT_NAME", "evil.example/"),
        ("az://b/", "AZURE_STORAGE_ACCOUNT_KEY", "no base64!"),
        ("az://b/", "AZURE_STORAGE_TOKEN", "a\rb"),
        ("az://b/", "AZURE_USE_FABRIC_ENDPOINT", "perhaps"),
        ("az://b/", "AZURE_READ_TIMEOUT", "soon"),
    ] {
        let mut command = binary();
        command
            .args(["ls", source, "--retry-timeout", "1s"])
            .env("AZURE_STORAGE_ACCOUNT_NAME", "account")
            .env("AZURE_STORAGE_ACCOUNT_KEY", "a2V5")
            .env(variable, value);
        refused(command, variable);
    }
}

#[test]
fn values_of_a_profile_are_checked() {
    let home = TempDir::new().expect("a folder");
    std::fs::create_dir(home.path().join(".aws")).expect("a folder");
    let keys = "aws_access_key_id = AK\naws_secret_access_key = secret\n";
    for (key, profile) in [
        ("region", format!("{keys}region = eu west\n")),
        ("endpoint_url", format!("{keys}region = eu-west-1\nendpoint_url = localhost:9000\n")),
        (
            "aws_access_key_id",
            "aws_access_key_id = A\u{e9}K\naws_secret_access_key = secret\nregion = eu-west-1\n".to_owned(),
        ),
        (
            "aws_access_key_id",
            "aws_access_key_id = A\rK\naws_secret_access_key = secret\nregion = eu-west-1\n".to_owned(),
        ),
        (
            "aws_session_token",
            format!(
                "{keys}aws_session_token = a\u{7f}b\nregion = eu-west-1\nendpoint_url = http://127.0.0.1:1\n"
            ),
        ),
    ] {
        std::fs::write(home.path().join(".aws/config"), format!("[profile odd]\n{profile}"))
            .expect("written");
        for arguments in [&LIST[..], &["wait", JOB, "--wait", "0s"]] {
            let mut command = command(&[arguments, &["--profile", "odd"]].concat());
            command.env("HOME", home.path()).env_remove("AWS_ENDPOINT_URL").env_remove("AWS_REGION");
            refused(command, &format!("{key} of the profile odd"));
        }
    }
}

#[test]
fn odd_values_deep_in_a_profile_and_odd_answers_are_errors() {
    let home = TempDir::new().expect("a folder");
    std::fs::create_dir(home.path().join(".aws")).expect("a folder");
    for profile in [
        "role_arn = a b\nsource_profile = base\n",
        "role_arn = arn:aws:iam::1:role/x\nsource_profile = odd\n",
        "sso_start_url = ::\nsso_region = eu west\nsso_account_id = 1\nsso_role_name = x\n",
        "credential_process = echo {\n",
        "credential_process = printf '{\"Version\":1,\"AccessKeyId\":\"A\\\\rK\",\"SecretAccessKey\":\"s\"}'\n",
        "web_identity_token_file = /dev/null\nrole_arn = x\n",
        "aws_access_key_id\n",
    ] {
        let text = format!(
            "[profile odd]\nregion = eu-west-1\n{profile}[profile base]\naws_access_key_id = A\u{e9}\n\
             aws_secret_access_key = s\n"
        );
        std::fs::write(home.path().join(".aws/config"), text).expect("written");
        let mut command = command(&[&LIST[..], &["--profile", "odd"]].concat());
        command.env("HOME", home.path());
        let (code, said) = failure(&command.output().expect("the binary starts"));
        assert!(code == 8 || code == 2, "{profile}: {code}, {said}");
        assert!(!said.contains("internal error"), "{profile}: {said}");
    }
    let service = FakeService::start(|_, _| {
        Answer::ok(
            "{\"AccessKeyId\":\"A\\rK\",\"SecretAccessKey\":\"s\",\"Token\":\"t\",\
             \"Expiration\":\"2099-01-01T00:00:00Z\"}",
        )
    });
    let mut command = command(&LIST);
    command
        .env_remove("AWS_ACCESS_KEY_ID")
        .env_remove("AWS_SECRET_ACCESS_KEY")
        .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{}/c", service.endpoint));
    let (code, said) = failure(&command.output().expect("the binary starts"));
    assert_eq!(code, 8, "{said}");
    assert!(said.contains("aws_access_key_id"), "{said}");
}

#[test]
fn buckets_have_names() {
    for source in
        ["s3://a b/x", "s3://b@evil.example/x", "s3://b:99999/x", "s3://b?x/y", "gs://b#/x", "az://a\\b/x"]
    {
        refused(command(&["ls", source]), "is not a bucket name");
    }
}
