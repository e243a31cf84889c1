//! Credentials that a program hands over: they sign every request, nothing shows them, and all that S3 does for a merge is
//! done with them as with those of the environment.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use forecast_export::{
    Credentials, Error, Event, ExistsWhy, InventoryOptions, Location, OnServer, Options, Output, Phase,
    StoreOptions, StoreProblem, Strategy, UsageError, inventory, plan, run,
};
use object_store::aws::AwsCredential;
use object_store::{CredentialProvider, ObjectStoreExt};

use crate::support::buckets::{Bucket, bucket, csv_parts, merged};
use crate::support::proxy::LoggedRequest;

/// The keys that the server in this process knows.
const KEY: &str = "testkey";
const SECRET: &str = "testsecret";

/// Gives keys, and counts how often it was asked for them.
#[derive(Debug)]
struct Counting {
    asked: AtomicUsize,
    secret: &'static str,
}

#[async_trait]
impl CredentialProvider for Counting {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let (key_id, secret_key) = (KEY.to_owned(), self.secret.to_owned());
        Ok(Arc::new(AwsCredential { key_id, secret_key, token: None }))
    }
}

fn provider(secret: &'static str) -> Arc<Counting> {
    Arc::new(Counting { asked: AtomicUsize::new(0), secret })
}

/// Reaches the server in this process with these credentials.
fn options_of(bucket: &Bucket, credentials: Credentials) -> StoreOptions {
    let mut options = StoreOptions::default();
    options.endpoint_url = Some(bucket.proxy.endpoint.clone());
    options.region = Some("us-east-1".into());
    options.credentials = Some(credentials);
    options
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(future)
}

fn signed_by(request: &LoggedRequest) -> &str {
    let header = request.headers.get("authorization").and_then(|value| value.to_str().ok());
    header.and_then(|header| header.split_once("Credential=")?.1.split('/').next()).unwrap_or_default()
}

#[test]
fn a_provider_signs_a_merge_that_the_server_does_and_that_replaces_nothing() {
    let bucket = bucket("handed-over");
    let parts = csv_parts(3, 33_000);
    bucket.put_parts("in/", "csv", &parts);
    let given = provider(SECRET);
    let options = options_of(&bucket, Credentials::aws(Arc::clone(&given) as _));
    let at = |key: &str| Location::parse_with(&bucket.at(key), &options).expect("a URL");
    let mut wanted = Options::default();
    wanted.on_server = OnServer::Always;
    block_on(async {
        let planned = plan(&at("in"), &Output::File(at("out.csv")), &wanted).await.expect("a plan");
        let mut events = Vec::new();
        let report = run(planned, |event| events.push(event)).await.expect("merged");
        assert_eq!((report.strategy, report.parts, report.rows), (Strategy::CopyOnServer, 3, None));
        let told: Vec<Phase> = events
            .iter()
            .filter_map(|event| match event {
                Event::Began { phase } => Some(*phase),
                _ => None,
            })
            .collect();
        assert_eq!(told, [Phase::Writing, Phase::Publishing]);
        let last = events.iter().rfind(|event| matches!(event, Event::Progress { .. }));
        assert!(
            matches!(last, Some(Event::Progress { rows: None, bytes, total_bytes, .. }) if bytes == total_bytes)
        );
        // Another object comes to lie there before the last request: it stays.
        let planned = plan(&at("in"), &Output::File(at("other.csv")), &wanted).await.expect("a plan");
        let path = object_store::path::Path::from("other.csv");
        bucket.store.put(&path, "mine".into()).await.expect("put");
        match run(planned, |_| ()).await {
            Err(Error::OutputExists(there)) => assert_eq!(there.why, ExistsWhy::Exists),
            other => panic!("{other:?}"),
        }
    });
    assert!(bucket.get("out.csv").expect("it is there") == merged(&parts));
    assert_eq!(bucket.get("other.csv").expect("it is there"), "mine");
    let copies = bucket.proxy.requests("UploadPartCopy");
    assert!(!copies.is_empty(), "the server copied nothing");
    assert!(given.asked.load(Ordering::Relaxed) > 3);
    for request in bucket.proxy.requests("GetObject") {
        assert_eq!(signed_by(&request), KEY);
    }
}

#[test]
fn keys_are_used_with_their_token_and_are_shown_nowhere() {
    let bucket = bucket("handed-keys");
    bucket.put_parts("in/", "csv", &csv_parts(1, 1));
    let (secret, token) = ("a-secret-that-is-wrong", "a-token-of-a-session");
    let credentials = Credentials::aws_keys(KEY, secret, Some(token.into()));
    let options = options_of(&bucket, credentials);
    let source = Location::parse_with(&bucket.at("in"), &options).expect("a URL");
    let error =
        block_on(inventory(&source, &InventoryOptions::default())).expect_err("the signature is wrong");
    let said = format!("{error} {error:?} {options:?} {source:?}");
    assert!(matches!(error, Error::Denied { .. }), "{said}");
    assert!(said.contains("with credentials from the program"), "{said}");
    assert!(!said.contains(secret) && !said.contains(token), "{said}");
    let log = bucket.proxy.log.lock().expect("no test panics while it logs").clone();
    assert!(!log.is_empty());
    for request in &log {
        assert_eq!(signed_by(request), KEY);
        assert_eq!(
            request.headers.get("x-amz-security-token").map(|value| value.as_bytes()),
            Some(token.as_bytes())
        );
    }
}

#[test]
fn credentials_that_no_header_can_hold_are_an_error_and_not_a_panic() {
    let bucket = bucket("handed-bad");
    let options = options_of(&bucket, Credentials::aws_keys("an id", "a\nsecret", None));
    let source = Location::parse_with(&bucket.at("in"), &options).expect("a URL");
    let error = block_on(inventory(&source, &InventoryOptions::default())).expect_err("no such keys");
    let said = error.to_string();
    assert!(said.contains("aws_access_key_id") && !said.contains("secret\""), "{said}");
}

#[test]
fn credentials_go_only_where_they_belong_and_alone() {
    let keys = || Credentials::aws_keys(KEY, SECRET, None);
    let refused = |url: &str, change: fn(&mut StoreOptions)| {
        let mut options = StoreOptions::default();
        options.credentials = Some(keys());
        change(&mut options);
        match Location::parse_with(url, &options) {
            Err(Error::Usage(UsageError::Store(problem))) => problem,
            other => panic!("{other:?}"),
        }
    };
    for url in ["gs://bucket/x", "az://container/x", "exports/", "memory://handed-over/x"] {
        assert!(matches!(refused(url, |_| ()), StoreProblem::CredentialsElsewhere { .. }), "{url}");
    }
    let twice = |change| matches!(refused("s3://bucket/x", change), StoreProblem::CredentialsTwice { .. });
    assert!(twice(|options| options.profile = Some("archive".into())));
    assert!(twice(|options| options.no_sign_request = true));
}
