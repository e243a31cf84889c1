//! Whom connections trust, and through which proxy they go: the store, STS and the Forecast API alike.

use std::process::Command;

use serde_json::json;

use crate::support::fake_service::{Answer, FakeService};
use crate::support::fixtures::{NO_HOME, binary, failure, testdata};
use crate::support::ruled_s3::{KEY_ID, RuledS3, Rules};
use crate::support::scratch::RUN;
use crate::support::tls::{ConnectProxy, Tls, bundle};

const CSV: &str = "item_id,date,p50\na,2026-01-03T00:00:00Z,1.0\n";
const JOB: &str = "arn:aws:forecast:us-east-1:123456789012:forecast-export-job/sales/x";
const ROLE: &str = "arn:aws:iam::123456789012:role/reader";

fn s3() -> RuledS3 {
    let server = RuledS3::start(Rules::default());
    server.put(&format!("e/sales_{RUN}_part0.csv"), CSV);
    // By a key that another client is used for.
    server.put(&format!("f/../sales_{RUN}_part0.csv"), CSV);
    server
}

/// STS, which gives the keys that the S3 server knows.
fn sts() -> FakeService {
    FakeService::start(|_, _| {
        Answer::ok(format!(
            "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>{KEY_ID}</AccessKeyId>\
             <SecretAccessKey>testsecret</SecretAccessKey><SessionToken>t</SessionToken>\
             <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials><AssumedRoleUser>\
             <Arn>arn:aws:sts::123456789012:assumed-role/reader/x</Arn><AssumedRoleId>A:x</AssumedRoleId>\
             </AssumedRoleUser></AssumeRoleResult></AssumeRoleResponse>"
        ))
    })
}

fn forecast() -> FakeService {
    FakeService::start(|_, _| {
        let job = json!({
            "ForecastExportJobArn": JOB, "ForecastExportJobName": "sales", "Status": "ACTIVE",
            "Destination": {"S3Config": {"Path": "s3://b/e", "RoleArn": ROLE}},
        });
        Answer::ok(job.to_string()).with("content-type", "application/x-amz-json-1.1")
    })
}

fn command(arguments: &[&str]) -> Command {
    let mut command = patient(arguments);
    command.args(["--retry-timeout", "100ms"]);
    command
}

/// Retries for as long as it does by default.
fn patient(arguments: &[&str]) -> Command {
    let mut command = binary();
    for name in
        ["SSL_CERT_FILE", "SSL_CERT_DIR", "HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY", "no_proxy"]
    {
        command.env_remove(name);
    }
    command
        .args(arguments)
        .env("HOME", NO_HOME)
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", KEY_ID)
        .env("AWS_SECRET_ACCESS_KEY", "testsecret");
    command
}

fn run(mut command: Command) -> (i32, String, String) {
    let output = command.output().expect("the binary starts");
    let (code, said) = failure(&output);
    (code, String::from_utf8_lossy(&output.stdout).into_owned(), said)
}

/// Merges over TLS: through object_store's client, and by a key that only the other client can ask for.
fn merges(tls: &Tls, set: &dyn Fn(&mut Command)) {
    for source in ["s3://b/e/", "s3://b/f/"] {
        let mut merge = command(&["merge", source, "-o", "-", "--endpoint-url", &tls.endpoint]);
        set(&mut merge);
        let (code, out, said) = run(merge);
        assert_eq!(code, 0, "{source}: {said}");
        assert_eq!(out, CSV);
    }
}

/// Merges with a role that STS gives; S3, STS and the Forecast API are reached over TLS.
fn merges_through_all([s3, sts, forecast]: [&Tls; 3], source: &str, set: &dyn Fn(&mut Command)) {
    let mut merge = command(&["merge", source, "-o", "-", "--role-arn", ROLE]);
    merge
        .env("AWS_CA_BUNDLE", bundle())
        .env("AWS_ENDPOINT_URL_S3", &s3.endpoint)
        .env("AWS_ENDPOINT_URL_STS", &sts.endpoint)
        .env("AWS_ENDPOINT_URL_FORECAST", &forecast.endpoint);
    set(&mut merge);
    let (code, out, said) = run(merge);
    assert_eq!(code, 0, "{said}");
    assert_eq!(out, CSV);
}

#[test]
fn a_certificate_that_nobody_vouches_for_is_refused_at_once_with_what_helps() {
    let server = s3();
    let refused = |tls: &Tls, times: usize, arguments: &[&str], variables: &[(&str, &str)]| {
        let mut command = patient(arguments);
        command.envs(variables.iter().copied());
        let (code, _, said) = run(command);
        assert_eq!((code, tls.connections()), (8, times), "{arguments:?}: {said}");
        let host = tls.endpoint.trim_start_matches("https://");
        let expected = format!(
            "the certificate of {host} is not accepted: no authority that is trusted here has issued it; if \
             the server is the right one, set AWS_CA_BUNDLE (for AWS) or SSL_CERT_FILE (for any server) to a \
             PEM file with the certificate of its authority"
        );
        assert!(said.contains(&expected), "{arguments:?}: {said}");
    };
    let tls = || Tls::start(server.endpoint());
    // What may be a file is looked up before it is listed.
    for (source, times) in [("s3://b/e/", 1), ("s3://b/f/../x.csv", 2)] {
        let s3 = tls();
        refused(&s3, times, &["ls", source, "--endpoint-url", &s3.endpoint], &[]);
    }
    let web = tls();
    refused(&web, 1, &["ls", &format!("{}/x.csv", web.endpoint)], &[]);
    let api = tls();
    refused(&api, 1, &["wait", JOB, "--poll", "10ms"], &[("AWS_ENDPOINT_URL_FORECAST", &api.endpoint)]);
    let sts = tls();
    refused(&sts, 1, &["ls", "s3://b/e/", "--role-arn", ROLE], &[("AWS_ENDPOINT_URL_STS", &sts.endpoint)]);
}

#[test]
fn a_bundle_of_environment_or_profile_is_trusted() {
    let server = s3();
    let tls = Tls::start(server.endpoint());
    let bundle = testdata("tls").join("authority.pem");
    merges(&tls, &|command| {
        command.env("AWS_CA_BUNDLE", &bundle);
    });
    merges(&tls, &|command| {
        command.env("SSL_CERT_FILE", &bundle);
    });
    let config = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(config.path(), format!("[profile x]\nca_bundle = {}\n", bundle.display()))
        .expect("written");
    merges(&tls, &|command| {
        command.env("AWS_CONFIG_FILE", config.path()).env("AWS_PROFILE", "x");
    });
}

#[test]
fn every_service_is_reached_with_the_bundle() {
    let (server, sts, forecast) = (s3(), sts(), forecast());
    let (s3, sts_tls) = (Tls::start(server.endpoint()), Tls::start(&sts.endpoint));
    let api = Tls::start(&forecast.endpoint);
    merges_through_all([&s3, &sts_tls, &api], JOB, &|_| ());
    assert_eq!((sts.asked().len(), !forecast.asked().is_empty()), (1, true));
}

#[test]
fn a_bundle_that_is_none_is_named_with_where_it_comes_from() {
    let empty = tempfile::NamedTempFile::new().expect("a file");
    for path in ["/nonexistent/ca.pem", &empty.path().display().to_string()] {
        let mut ls = command(&["ls", "s3://b/e/", "--endpoint-url", "https://localhost:1"]);
        ls.env("AWS_CA_BUNDLE", path);
        let (code, _, said) = run(ls);
        assert_eq!(code, 2, "{said}");
        assert!(said.contains("AWS_CA_BUNDLE") && said.contains(path), "{said}");
    }
}

#[test]
fn every_service_is_reached_through_the_proxy_unless_its_host_is_left_out() {
    let (server, sts, forecast) = (s3(), sts(), forecast());
    let (s3, sts_tls) = (Tls::start(server.endpoint()), Tls::start(&sts.endpoint));
    let api = Tls::start(&forecast.endpoint);
    let proxy = ConnectProxy::start();
    let merge = |no_proxy: &str, source: &str| {
        merges_through_all([&s3, &sts_tls, &api], source, &|command| {
            command.env("HTTPS_PROXY", &proxy.address).env("NO_PROXY", no_proxy);
        });
    };
    merge("example.com", JOB);
    merge("example.com", "s3://b/f/");
    let hosts = proxy.hosts();
    for tls in [&s3, &sts_tls, &api] {
        let host = tls.endpoint.trim_start_matches("https://");
        assert!(hosts.iter().any(|asked| asked == host), "{host} is not among {hosts:?}");
    }
    merge("localhost", JOB);
    assert_eq!(proxy.hosts(), hosts, "a host that is left out was asked through the proxy");
}
