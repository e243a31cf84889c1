//! Who asks: every link of AWS's usual chain, from a temporary home and from services on loopback, seen in what the
//! store is asked with. Also where requests go, and from which region.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;

use crate::support::buckets::{Bucket, bucket, csv_parts, merged};
use crate::support::fake_service::{Answer, FakeService};
use crate::support::fixtures::{NO_HOME, binary, failure};
use crate::support::proxy::{Fault, LoggedRequest};

/// The keys that the server in this process knows.
const KEY: &str = "testkey";
const SECRET: &str = "testsecret";

/// A bucket with one run in it, and a home.
struct Setup {
    bucket: Bucket,
    home: TempDir,
    merged: Vec<u8>,
}

impl Setup {
    fn new(name_hint: &str) -> Self {
        let bucket = bucket(name_hint);
        let parts = csv_parts(2, 1);
        bucket.put_parts("e/", "csv", &parts);
        Setup { bucket, home: TempDir::new().expect("a folder"), merged: merged(&parts) }
    }

    fn write(&self, name: &str, contents: &str) {
        let path = self.home.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(path, contents).expect("written");
    }

    /// Merges the run to standard output; without keys, but with the endpoint and the region in the environment.
    fn merge(&self, more: &[&str]) -> Command {
        let source = self.bucket.at("e");
        let mut command = self.bucket.command(&["merge", &source, "-o", "-"]);
        command.args(more);
        at_home(&mut command, self.home.path());
        command
    }

    /// The merge succeeds; gives what it said and the requests it made.
    fn succeeds(&self, mut command: Command) -> (String, Vec<LoggedRequest>) {
        let output = command.output().expect("the binary starts");
        let (code, said) = failure(&output);
        assert_eq!(code, 0, "{said}");
        assert!(output.stdout == self.merged, "another output");
        (said, self.requests())
    }

    fn requests(&self) -> Vec<LoggedRequest> {
        self.bucket.proxy.log.lock().expect("no test panics while it logs").clone()
    }
}

/// Takes the keys away and asks no instance.
fn at_home(command: &mut Command, home: &Path) {
    command
        .env("HOME", home)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env_remove("AWS_ACCESS_KEY_ID")
        .env_remove("AWS_SECRET_ACCESS_KEY");
}

fn header<'a>(request: &'a LoggedRequest, name: &str) -> &'a str {
    request.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Every request was signed with this key, and brought this session token.
fn signed_by(requests: &[LoggedRequest], key: &str, token: &str) {
    assert!(!requests.is_empty());
    for request in requests {
        let signature = header(request, "authorization");
        assert!(signature.contains(&format!("Credential={key}/")), "{signature}");
        assert_eq!(header(request, "x-amz-security-token"), token);
    }
}

/// The answer of STS to either way of assuming a role.
fn sts(action: &str) -> Answer {
    Answer::ok(format!(
        "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{action}Result>\
         <AssumedRoleUser><AssumedRoleId>AROA:x</AssumedRoleId>\
         <Arn>arn:aws:sts::123456789012:assumed-role/reader/x</Arn></AssumedRoleUser>\
         <Credentials><AccessKeyId>{KEY}</AccessKeyId><SecretAccessKey>{SECRET}</SecretAccessKey>\
         <SessionToken>of-the-role</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>\
         </{action}Result></{action}Response>"
    ))
    .with("content-type", "text/xml")
}

/// Credentials as containers and instances give them.
fn document(token: &str, expires: &str) -> String {
    json!({
        "Code": "Success",
        "LastUpdated": "2026-01-01T00:00:00Z",
        "Type": "AWS-HMAC",
        "AccessKeyId": KEY,
        "SecretAccessKey": SECRET,
        "Token": token,
        "Expiration": expires,
    })
    .to_string()
}

/// An instant some seconds from now.
fn in_seconds(seconds: i64) -> String {
    let instant = chrono::Utc::now() + chrono::TimeDelta::seconds(seconds);
    instant.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

#[test]
fn verbose_names_the_source_and_never_the_content() {
    let setup = Setup::new("environment");
    let mut command = setup.merge(&["-v"]);
    command.env("AWS_ACCESS_KEY_ID", KEY).env("AWS_SECRET_ACCESS_KEY", SECRET);
    command.env("AWS_SESSION_TOKEN", "a-session-token");
    let (said, requests) = setup.succeeds(command);
    signed_by(&requests, KEY, "a-session-token");
    assert!(said.starts_with("AWS credentials from environment variables\n"), "{said}");
    for secret in [KEY, SECRET, "a-session-token"] {
        assert!(!said.contains(secret), "{said}");
    }
}

#[test]
fn a_profile_gives_keys_region_and_endpoints() {
    let setup = Setup::new("profile");
    let endpoint = &setup.bucket.proxy.endpoint;
    setup.write(
        ".aws/config",
        &format!(
            "[default]\nregion = eu-west-1\n\
             [profile archive]\nregion = ap-south-1\nservices = local\n\
             [services local]\ns3 =\n  endpoint_url = {endpoint}\n"
        ),
    );
    setup.write(
        ".aws/credentials",
        &format!(
            "[default]\naws_access_key_id = other\naws_secret_access_key = other\n\
             [archive]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n"
        ),
    );
    let without_environment = |mut command: Command| {
        command.env_remove("AWS_ENDPOINT_URL").env_remove("AWS_REGION");
        command
    };
    let (said, requests) = setup.succeeds(without_environment(setup.merge(&["--profile", "archive", "-v"])));
    signed_by(&requests, KEY, "");
    assert!(header(&requests[0], "authorization").contains("/ap-south-1/s3/"), "the profile's region");
    assert!(said.starts_with("AWS credentials from configuration files, profile archive\n"), "{said}");

    let mut command = without_environment(setup.merge(&[]));
    command.env("AWS_PROFILE", "archive");
    setup.succeeds(command);

    // A flag goes before keys in the environment, which go before the profile that the environment names.
    let mut command = without_environment(setup.merge(&["--profile", "archive"]));
    command.env("AWS_ACCESS_KEY_ID", "wrong").env("AWS_SECRET_ACCESS_KEY", "wrong");
    setup.succeeds(command);

    let mut command = setup.merge(&["--region", "us-west-2", "--profile", "archive"]);
    command.env("AWS_REGION", "eu-central-1");
    let (_, requests) = setup.succeeds(command);
    let last = requests.last().expect("a request");
    assert!(header(last, "authorization").contains("/us-west-2/s3/"), "the flag's region");
}

#[test]
fn a_profile_that_is_not_there_is_named() {
    let setup = Setup::new("noprofile");
    setup.write(".aws/config", "[default]\nregion = eu-west-1\n");
    let (code, said) = failure(&setup.merge(&["--profile", "archiv"]).output().expect("the binary starts"));
    assert_eq!(code, 8, "{said}");
    assert!(said.starts_with("error: looking for credentials of profile archiv: access denied: "), "{said}");
    assert_eq!(setup.requests().len(), 0);
}

#[test]
fn a_credential_process_of_a_profile_is_run() {
    let setup = Setup::new("process");
    let process =
        json!({"Version": 1, "AccessKeyId": KEY, "SecretAccessKey": SECRET, "SessionToken": "made"});
    setup.write("keys.json", &process.to_string());
    let file = setup.home.path().join("keys.json");
    setup.write(".aws/config", &format!("[profile p]\ncredential_process = cat {}\n", file.display()));
    let (said, requests) = setup.succeeds(setup.merge(&["--profile", "p", "-v"]));
    signed_by(&requests, KEY, "made");
    assert!(said.contains("credential process"), "{said}");
}

#[test]
fn a_role_is_assumed_once_with_the_external_id_that_its_owner_asks_for() {
    let setup = Setup::new("role");
    let service = FakeService::start(|_, _| sts("AssumeRole"));
    let role = "arn:aws:iam::210987654321:role/reader";
    let source = setup.bucket.at("e");
    let target = setup.bucket.at("out/sales.csv");
    let mut command = setup.bucket.command(&["merge", &source, "-o", &target, "-v"]);
    command.args(["--role-arn", role, "--external-id", "shared secret?"]);
    at_home(&mut command, setup.home.path());
    command
        .env("AWS_ENDPOINT_URL_STS", &service.endpoint)
        .env("AWS_ACCESS_KEY_ID", "base")
        .env("AWS_SECRET_ACCESS_KEY", "base-secret");
    let (code, said) = failure(&command.output().expect("the binary starts"));
    assert_eq!(code, 0, "{said}");
    assert!(said.contains(&format!("assumed role, {role}\n")), "{said}");
    assert_eq!(setup.bucket.get("out/sales.csv").as_deref(), Some(&setup.merged[..]));
    signed_by(&setup.requests(), KEY, "of-the-role");
    let asked = service.asked();
    assert_eq!(asked.len(), 1, "source and output share the role");
    let body = asked[0].text();
    for wanted in [
        "Action=AssumeRole&",
        "RoleArn=arn%3Aaws%3Aiam%3A%3A210987654321%3Arole%2Freader",
        "ExternalId=shared%20secret%3F",
    ] {
        assert!(body.contains(wanted), "{body}");
    }
    assert!(
        asked[0].header("authorization").contains("Credential=base/"),
        "asked with the keys that were found"
    );
}

#[test]
fn an_external_id_without_a_role_is_a_usage_error() {
    let output = binary().args(["ls", "s3://b/e", "--external-id", "x"]).output().expect("the binary starts");
    assert_eq!(failure(&output).0, 2);
}

#[test]
fn a_profile_may_assume_a_role_through_another_profile() {
    let setup = Setup::new("chain");
    let service = FakeService::start(|_, _| sts("AssumeRole"));
    setup.write(
        ".aws/config",
        "[profile reader]\nrole_arn = arn:aws:iam::210987654321:role/reader\nsource_profile = \
         base\nexternal_id = from-the-file\n[profile base]\naws_access_key_id = base\naws_secret_access_key \
         = secret\n",
    );
    let mut command = setup.merge(&["--profile", "reader"]);
    command.env("AWS_ENDPOINT_URL_STS", &service.endpoint);
    let (_, requests) = setup.succeeds(command);
    signed_by(&requests, KEY, "of-the-role");
    let asked = service.asked();
    assert!(asked[0].text().contains("ExternalId=from-the-file"), "{}", asked[0].text());
    assert!(asked[0].header("authorization").contains("Credential=base/"));
}

#[test]
fn a_refused_role_is_access_denied_with_the_reason() {
    let setup = Setup::new("norole");
    let service = FakeService::start(|_, _| {
        Answer::status(
            403,
            "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>\
             <Message>User is not authorized to perform: sts:AssumeRole</Message></Error></ErrorResponse>",
        )
        .with("content-type", "text/xml")
    });
    let mut command = setup.merge(&["--role-arn", "arn:aws:iam::1:role/x"]);
    command.env("AWS_ENDPOINT_URL_STS", &service.endpoint);
    command.env("AWS_ACCESS_KEY_ID", "base").env("AWS_SECRET_ACCESS_KEY", "base-secret");
    let (code, said) = failure(&command.output().expect("the binary starts"));
    assert_eq!(code, 8, "{said}");
    assert!(said.contains("credentials for arn:aws:iam::1:role/x"), "{said}");
    assert!(said.contains("not authorized to perform: sts:AssumeRole"), "{said}");
    assert!(!said.contains("base-secret"), "{said}");
    assert_eq!(setup.requests().len(), 0);
}

#[test]
fn a_web_identity_is_turned_into_a_role() {
    let setup = Setup::new("web");
    let service = FakeService::start(|_, _| sts("AssumeRoleWithWebIdentity"));
    setup.write("token", "eyJhbGciOiJSUzI1NiJ9.e30.x");
    let mut command = setup.merge(&["-v"]);
    command
        .env("AWS_ENDPOINT_URL_STS", &service.endpoint)
        .env("AWS_WEB_IDENTITY_TOKEN_FILE", setup.home.path().join("token"))
        .env("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/pod");
    let (said, requests) = setup.succeeds(command);
    signed_by(&requests, KEY, "of-the-role");
    assert!(said.starts_with("AWS credentials from web identity"), "{said}");
    let body = service.asked()[0].text().to_owned();
    assert!(body.contains("WebIdentityToken=eyJhbGciOiJSUzI1NiJ9.e30.x"), "{body}");
}

#[test]
fn a_login_through_sso_is_taken_from_its_cache() {
    let setup = Setup::new("sso");
    let service = FakeService::start(|_, _| {
        Answer::ok(
            json!({"roleCredentials": {
                "accessKeyId": KEY,
                "secretAccessKey": SECRET,
                "sessionToken": "of-sso",
                "expiration": 4_070_908_800_000_i64,
            }})
            .to_string(),
        )
        .with("content-type", "application/json")
    });
    setup.write(
        ".aws/config",
        "[profile analyst]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = Reader\n\
         region = eu-west-1\n[sso-session corp]\nsso_region = eu-west-1\n\
         sso_start_url = https://corp.awsapps.com/start\nsso_registration_scopes = sso:account:access\n",
    );
    // The cache is named by the SHA-1 of the session's name.
    let cached = json!({
        "startUrl": "https://corp.awsapps.com/start",
        "region": "eu-west-1",
        "accessToken": "the-access-token",
        "expiresAt": "2099-01-01T00:00:00Z",
    });
    setup.write(&format!(".aws/sso/cache/{}.json", SHA1_OF_CORP), &cached.to_string());
    let mut command = setup.merge(&["--profile", "analyst", "-v"]);
    command.env("AWS_ENDPOINT_URL_SSO", &service.endpoint);
    let (said, requests) = setup.succeeds(command);
    signed_by(&requests, KEY, "of-sso");
    assert!(said.contains("SSO"), "{said}");
    let asked = service.asked();
    assert!(asked[0].target.contains("account_id=123456789012"), "{}", asked[0].target);
    assert!(asked[0].target.contains("role_name=Reader"), "{}", asked[0].target);
    assert_eq!(asked[0].header("x-amz-sso_bearer_token"), "the-access-token");
}

/// `printf corp | sha1sum`
const SHA1_OF_CORP: &str = "ee0bfd2552fbd840c02cc48b6e823320543c450f";

#[test]
fn a_container_is_asked_with_its_token() {
    let setup = Setup::new("container");
    let service = FakeService::start(|_, _| Answer::ok(document("of-container", "2099-01-01T00:00:00Z")));
    let mut command = setup.merge(&["-v"]);
    command
        .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{}/v2/credentials", service.endpoint))
        .env("AWS_CONTAINER_AUTHORIZATION_TOKEN", "Basic abc");
    let (said, requests) = setup.succeeds(command);
    signed_by(&requests, KEY, "of-container");
    assert!(said.starts_with("AWS credentials from container\n"), "{said}");
    let asked = service.asked();
    assert_eq!((asked.len(), asked[0].target.as_str()), (1, "/v2/credentials"));
    assert_eq!(asked[0].header("authorization"), "Basic abc");
}

/// An instance's metadata, version 2.
fn instance() -> FakeService {
    FakeService::start(|asked, _| match (asked.method.as_str(), asked.target.as_str()) {
        ("PUT", "/latest/api/token") => {
            Answer::ok("the-token").with("x-aws-ec2-metadata-token-ttl-seconds", "21600")
        }
        _ if asked.header("x-aws-ec2-metadata-token") != "the-token" => Answer::status(401, ""),
        ("GET", "/latest/meta-data/iam/security-credentials/") => Answer::ok("the-role"),
        ("GET", "/latest/meta-data/iam/security-credentials/the-role") => {
            Answer::ok(document("of-instance", "2099-01-01T00:00:00Z"))
        }
        _ => Answer::status(404, ""),
    })
}

#[test]
fn an_instance_is_asked_last() {
    let setup = Setup::new("instance");
    let service = instance();
    let mut command = setup.merge(&["-v"]);
    command
        .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", &service.endpoint)
        .env_remove("AWS_EC2_METADATA_DISABLED");
    let (said, requests) = setup.succeeds(command);
    signed_by(&requests, KEY, "of-instance");
    assert!(said.starts_with("AWS credentials from instance metadata\n"), "{said}");
}

#[test]
fn no_credentials_anywhere_is_access_denied_and_says_what_helps() {
    let setup = Setup::new("nobody");
    let (code, said) = failure(&setup.merge(&[]).output().expect("the binary starts"));
    assert_eq!(code, 8, "{said}");
    assert_eq!(
        said,
        "error: looking for AWS credentials: access denied: none found in the environment, a profile, web \
         identity, container or instance; use --profile to name a profile, or --no-sign-request for public \
         buckets\n"
    );
    assert_eq!(setup.requests().len(), 0);
}

#[test]
fn unsigned_requests_need_no_credentials() {
    let setup = Setup::new("unsigned");
    let (code, said) = failure(&setup.merge(&["--no-sign-request"]).output().expect("the binary starts"));
    let requests = setup.requests();
    assert_eq!(code, 8, "the server wants signatures: {said}");
    assert!(!requests.is_empty(), "it was asked: {said}");
    assert!(requests.iter().all(|request| !request.headers.contains_key("authorization")));
}

#[test]
fn the_requester_pays_when_told_to() {
    let setup = Setup::new("payer");
    let mut command = setup.merge(&["--request-payer"]);
    command.env("AWS_ACCESS_KEY_ID", KEY).env("AWS_SECRET_ACCESS_KEY", SECRET);
    let (_, requests) = setup.succeeds(command);
    assert!(requests.iter().all(|request| header(request, "x-amz-request-payer") == "requester"));
}

#[test]
fn credentials_are_renewed_during_a_run() {
    let setup = Setup::new("renewal");
    let service =
        FakeService::start(|_, before| Answer::ok(document(&format!("token-{before}"), &in_seconds(2))));
    // The listing takes longer than the first credentials live.
    setup.bucket.proxy.fail("ListObjectsV2", Fault::Stall(Duration::from_millis(2_500)), 1);
    let mut command = setup.merge(&[]);
    command.env("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{}/c", service.endpoint));
    let (_, requests) = setup.succeeds(command);
    assert_eq!(header(&requests[0], "x-amz-security-token"), "token-0");
    let last = header(requests.last().expect("a request"), "x-amz-security-token").to_owned();
    assert_ne!(last, "token-0");
    assert!(last.starts_with("token-"), "{last}");
}

#[test]
fn credentials_that_cannot_be_renewed_are_used_until_they_expire() {
    let setup = Setup::new("stable");
    let service = FakeService::start(|_, before| match before {
        // To be renewed in two seconds, good for five minutes more.
        0 => Answer::ok(document("token-0", &in_seconds(302))),
        _ => Answer::status(400, "{\"code\":\"x\",\"message\":\"out of order\"}"),
    });
    setup.bucket.proxy.fail("ListObjectsV2", Fault::Stall(Duration::from_millis(2_500)), 1);
    let mut command = setup.merge(&[]);
    command.env("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{}/c", service.endpoint));
    let (_, requests) = setup.succeeds(command);
    signed_by(&requests, KEY, "token-0");
    assert!(service.asked().len() > 1, "it was tried");
}

#[test]
fn a_bucket_is_asked_for_its_region_where_none_is_given() {
    let service = FakeService::start(|asked, _| match (asked.method.as_str(), asked.target.as_str()) {
        ("HEAD", "/some.bucket") => Answer::status(403, "").with("x-amz-bucket-region", "eu-west-3"),
        ("HEAD", _) => Answer::status(404, ""),
        _ => Answer::ok(
            "<?xml version=\"1.0\"?><ListBucketResult><Name>b</Name><IsTruncated>false</IsTruncated>\
             </ListBucketResult>",
        ),
    });
    let mut command = binary();
    command
        .args(["ls", "s3://some.bucket/exports", "--endpoint-url", &service.endpoint])
        .env("HOME", NO_HOME)
        .env("AWS_ACCESS_KEY_ID", KEY)
        .env("AWS_SECRET_ACCESS_KEY", SECRET);
    let (code, said) = failure(&command.output().expect("the binary starts"));
    assert_eq!(code, 3, "nothing is there: {said}");
    let asked = service.asked();
    assert_eq!((asked[0].method.as_str(), asked[0].target.as_str()), ("HEAD", "/some.bucket"));
    assert_eq!(asked[0].header("authorization"), "");
    assert!(asked.len() > 1);
    for request in &asked[1..] {
        let signature = request.header("authorization");
        assert!(signature.contains("/eu-west-3/s3/aws4_request"), "{signature}");
    }
    assert_eq!(
        asked.iter().filter(|request| request.method == "HEAD" && request.target == "/some.bucket").count(),
        1
    );
}

#[test]
fn a_wrong_region_says_what_helps() {
    let malformed = "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-3</Region></Error>";
    for answer in [Answer::status(301, ""), Answer::status(400, malformed)] {
        let service = FakeService::start(move |_, _| answer.clone());
        let mut command = binary();
        command
            .args(["ls", "s3://bucket/exports", "--region", "us-east-1", "--endpoint-url", &service.endpoint])
            .env("HOME", NO_HOME)
            .env("AWS_ACCESS_KEY_ID", KEY)
            .env("AWS_SECRET_ACCESS_KEY", SECRET);
        let (code, said) = failure(&command.output().expect("the binary starts"));
        assert_eq!(code, 8, "{said}");
        assert!(said.contains("the bucket is in a different region"), "{said}");
    }
}

#[test]
fn the_more_special_endpoint_goes_before_the_more_general_one() {
    let setup = Setup::new("endpoints");
    let there = &setup.bucket.proxy.endpoint;
    let elsewhere = "http://127.0.0.1:9";
    let keys = |command: &mut Command| {
        command.env("AWS_ACCESS_KEY_ID", KEY).env("AWS_SECRET_ACCESS_KEY", SECRET);
    };
    let mut command = setup.merge(&[]);
    keys(&mut command);
    command.env("AWS_ENDPOINT_URL", elsewhere).env("AWS_ENDPOINT_URL_S3", there);
    setup.succeeds(command);
    let mut command = setup.merge(&["--endpoint-url", there]);
    keys(&mut command);
    command.env("AWS_ENDPOINT_URL", elsewhere).env("AWS_ENDPOINT_URL_S3", elsewhere);
    setup.succeeds(command);
}
