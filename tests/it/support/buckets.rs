//! A bucket of its own for a test, on every store there is, behind a proxy that notes requests. The binary is sent
//! through the proxy; what a test puts and looks at by itself is not. Also the parts that
//! are put there, and what a merge of them has to be.

use std::env;
use std::panic::resume_unwind;
use std::process::{Command, Output};
use std::sync::Arc;
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use hyper::{HeaderMap, Method};
use object_store::azure::MicrosoftAzureBuilder;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, ObjectStoreExt, RetryConfig};
use tempfile::TempDir;

use super::fixtures;
use super::proxy::{LoggedRequest, Proxy};
use super::servers::{self, Background, TestServer};

pub(crate) struct Bucket {
    /// For messages: which server a failed assertion was about.
    pub(crate) server: &'static str,
    /// `s3://bucket`, without a slash at the end.
    pub(crate) url: String,
    pub(crate) proxy: Proxy,
    pub(crate) store: Arc<dyn ObjectStore>,
    environment: Vec<(&'static str, String)>,
    runtime: Background,
    home: Home,
    /// Where runs note their uploads.
    _state: TempDir,
}

enum Home {
    // The server in this process ends with the last of these.
    S3(TestServer),
    Azure,
}

/// A new bucket on every S3 server.
pub(crate) fn buckets(name_hint: &str) -> Vec<Bucket> {
    servers::servers().into_iter().map(|server| Bucket::on(server, name_hint)).collect()
}

/// Does the same in a new bucket on every S3 server, beside each other: much of the time is waiting for servers.
pub(crate) fn beside_each_other<T: Send>(name_hint: &str, on_one: impl Fn(&Bucket) -> T + Sync) -> Vec<T> {
    let on_one = &on_one;
    thread::scope(|scope| {
        let running: Vec<_> =
            buckets(name_hint).into_iter().map(|bucket| scope.spawn(move || on_one(&bucket))).collect();
        let done = running.into_iter().map(ScopedJoinHandle::join);
        // What an assertion said stays the last word of the test.
        done.map(|result| result.unwrap_or_else(|panic| resume_unwind(panic))).collect()
    })
}

/// A new place on every server there is, of S3 or not.
pub(crate) fn everywhere(name_hint: &str) -> Vec<Bucket> {
    let mut buckets = buckets(name_hint);
    buckets.extend(Bucket::on_azure(name_hint));
    buckets
}

/// A new bucket on the server in this process: for what depends on us and not on the server.
pub(crate) fn bucket(name_hint: &str) -> Bucket {
    Bucket::on(servers::servers().swap_remove(0), name_hint)
}

impl Bucket {
    fn on(server: TestServer, name_hint: &str) -> Self {
        let bucket = server.bucket(name_hint);
        let proxy = Proxy::start(&server.endpoint);
        let state = TempDir::new().expect("a folder");
        let environment = vec![
            ("XDG_STATE_HOME", state.path().display().to_string()),
            ("AWS_ENDPOINT_URL", proxy.endpoint.clone()),
            ("AWS_ACCESS_KEY_ID", server.key.clone()),
            ("AWS_SECRET_ACCESS_KEY", server.secret.clone()),
            ("AWS_REGION", "us-east-1".to_owned()),
        ];
        Bucket {
            server: server.name,
            url: format!("s3://{bucket}"),
            proxy,
            store: Arc::new(server.store(&bucket).build().expect("the options are complete")),
            environment,
            runtime: Background::start(),
            home: Home::S3(server),
            _state: state,
        }
    }

    /// A folder in the container that `.ci/servers` makes, where Azurite is there.
    fn on_azure(name_hint: &str) -> Option<Self> {
        let variable = |suffix: &str| env::var(format!("FORECAST_EXPORT_TEST_AZURITE{suffix}"));
        let endpoint = variable("").ok()?;
        let account = variable("_ACCOUNT").expect("it comes with the endpoint");
        let key = variable("_KEY").expect("it comes with the endpoint");
        let proxy = Proxy::start(&endpoint);
        let store = MicrosoftAzureBuilder::new()
            .with_account(&account)
            .with_access_key(&key)
            .with_endpoint(format!("{endpoint}/{account}"))
            .with_allow_http(true)
            .with_container_name("tests")
            .build()
            .expect("the options are complete");
        let folder = servers::unique(name_hint);
        let state = TempDir::new().expect("a folder");
        let environment = vec![
            ("XDG_STATE_HOME", state.path().display().to_string()),
            ("AZURE_STORAGE_ENDPOINT", format!("{}/{account}", proxy.endpoint)),
            ("AZURE_STORAGE_ACCOUNT_NAME", account),
            ("AZURE_STORAGE_ACCOUNT_KEY", key),
        ];
        Some(Bucket {
            server: "Azurite",
            url: format!("az://tests/{folder}"),
            proxy,
            store: Arc::new(PrefixStore::new(store, folder)),
            environment,
            runtime: Background::start(),
            home: Home::Azure,
            _state: state,
        })
    }

    /// Whether requests are S3's, which the proxy has names for.
    pub(crate) fn is_s3(&self) -> bool {
        matches!(self.home, Home::S3(_))
    }

    fn test_server(&self) -> &TestServer {
        match &self.home {
            Home::S3(server) => server,
            Home::Azure => panic!("a test for S3 only"),
        }
    }

    /// The URL of a key.
    pub(crate) fn at(&self, key: &str) -> String {
        format!("{}/{key}", self.url)
    }

    /// The binary with the keys to this bucket.
    pub(crate) fn command<S: AsRef<std::ffi::OsStr>>(&self, arguments: &[S]) -> Command {
        let mut command = fixtures::binary();
        command.args(arguments).envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Merges what is under `in`, in so little memory that 9,000 rows are uploaded in pieces, and without a receipt.
    pub(crate) fn merge_in_pieces(&self, target: &str) -> Command {
        self.command(&["merge", &self.at("in"), "-o", target, "--memory", "16MB", "--no-receipt"])
    }

    /// Runs the binary to its end.
    pub(crate) fn run<S: AsRef<std::ffi::OsStr>>(&self, arguments: &[S]) -> Output {
        self.command(arguments).output().expect("the binary starts")
    }

    /// Runs the binary, which must succeed; gives what it printed.
    pub(crate) fn succeed<S: AsRef<std::ffi::OsStr>>(&self, arguments: &[S]) -> Vec<u8> {
        let output = self.run(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {}: {said}", self.server, output.status);
        output.stdout
    }

    /// Runs the binary, which must fail with this exit code; gives what it said.
    pub(crate) fn fail<S: AsRef<std::ffi::OsStr>>(&self, code: i32, arguments: &[S]) -> String {
        let (found, said) = fixtures::failure(&self.run(arguments));
        assert_eq!(found, code, "{}: {said}", self.server);
        said
    }

    /// A store that goes through the proxy and gives up soon.
    pub(crate) fn store_behind_proxy(&self) -> Arc<dyn ObjectStore> {
        let store = self
            .test_server()
            .store(self.url.trim_start_matches("s3://"))
            .with_endpoint(&self.proxy.endpoint)
            .with_retry(RetryConfig { max_retries: 1, ..RetryConfig::default() })
            .build();
        Arc::new(store.expect("the options are complete"))
    }

    /// Writes an object; the key is literal.
    pub(crate) fn put(&self, key: &str, bytes: impl Into<Bytes>) {
        let (key, bytes) = (path(key), bytes.into());
        self.runtime.block_on(self.store.put(&key, bytes.into())).expect("the server takes an object");
    }

    /// An object's contents, or `None` where there is none of that key.
    pub(crate) fn get(&self, key: &str) -> Option<Bytes> {
        self.runtime.block_on(async {
            match self.store.get(&path(key)).await {
                Ok(found) => Some(found.bytes().await.expect("the object is whole")),
                Err(object_store::Error::NotFound { .. }) => None,
                Err(error) => panic!("{}: {error}", self.server),
            }
        })
    }

    /// All keys, sorted.
    pub(crate) fn keys(&self) -> Vec<String> {
        let found = self.runtime.block_on(self.store.list(None).try_collect::<Vec<_>>());
        let mut keys: Vec<String> =
            found.expect("a listing").into_iter().map(|meta| meta.location.to_string()).collect();
        keys.sort();
        keys
    }

    /// Puts the parts of a run under a prefix that ends in `/` or is empty.
    pub(crate) fn put_parts(&self, prefix: &str, extension: &str, parts: &[Vec<u8>]) {
        for (number, part) in parts.iter().enumerate() {
            self.put(&format!("{prefix}{}", part_name(number, extension)), part.clone());
        }
    }

    /// Puts many CSV parts of a run, several at a time.
    pub(crate) fn put_many(&self, prefix: &str, parts: &[Vec<u8>]) {
        let parts = parts.iter().enumerate();
        self.put_keys(
            parts.map(|(number, part)| (format!("{prefix}{}", part_name(number, "csv")), part.clone())),
        );
    }

    /// Puts many objects, several at a time.
    pub(crate) fn put_keys(&self, objects: impl Iterator<Item = (String, Vec<u8>)>) {
        let puts = futures::stream::iter(objects).map(|(key, bytes)| {
            let (key, bytes) = (path(&key), Bytes::from(bytes));
            async move { self.store.put(&key, bytes.into()).await }
        });
        let all = puts.buffer_unordered(16).try_collect::<Vec<_>>();
        self.runtime.block_on(all).expect("the server takes objects");
    }

    /// Reads parts and forgets them, so many at a time, by way of `endpoint`.
    pub(crate) fn read_many(&self, prefix: &str, parts: usize, at_once: usize, endpoint: &str) {
        let store = self.test_server().store(self.url.trim_start_matches("s3://"));
        let store = store.with_endpoint(endpoint).build().expect("the options are complete");
        let reads = futures::stream::iter(0..parts).map(|number| {
            let (key, store) = (path(&format!("{prefix}{}", part_name(number, "csv"))), &store);
            async move { store.get(&key).await?.bytes().await.map(drop) }
        });
        let all = reads.buffer_unordered(at_once).try_collect::<Vec<_>>();
        self.runtime.block_on(all).expect("the server gives objects");
    }

    /// The server itself, past the proxy.
    pub(crate) fn endpoint(&self) -> &str {
        &self.test_server().endpoint
    }

    /// A signed request without a body, past the proxy, which must succeed; gives headers and text.
    pub(crate) fn ask(&self, method: Method, key: &str, query: &[(&str, &str)]) -> (HeaderMap, String) {
        let answer = self.test_server().ask(method, self.url.trim_start_matches("s3://"), key, query);
        let (parts, body) = answer.into_parts();
        assert!(parts.status.is_success(), "{} {key}: {}", self.server, body.escape_ascii());
        (parts.headers, String::from_utf8(body.to_vec()).expect("text"))
    }

    /// Removes an object, where it is there.
    pub(crate) fn delete(&self, key: &str) {
        match self.runtime.block_on(self.store.delete(&path(key))) {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => panic!("{}: {error}", self.server),
        }
    }

    /// Puts an empty object whose key ends in `/`.
    pub(crate) fn put_marker(&self, key: &str) {
        self.test_server().put_marker(self.url.trim_start_matches("s3://"), key);
    }

    /// Uploads that were begun and neither completed nor aborted; `None` where the server cannot tell.
    pub(crate) fn open_uploads(&self) -> Option<usize> {
        self.test_server().open_uploads(self.url.trim_start_matches("s3://"))
    }

    /// Waits until a request of this operation has come.
    pub(crate) fn wait_for(&self, operation: &str) {
        self.wait_for_some(operation, 1);
    }

    /// Waits until so many requests of this operation have come.
    pub(crate) fn wait_for_some(&self, operation: &str, requests: usize) {
        let began = Instant::now();
        while self.proxy.count(operation) < requests {
            assert!(began.elapsed() < Duration::from_secs(60), "{}: no {operation} came", self.server);
            thread::sleep(Duration::from_millis(10));
        }
    }
}

/// The first and the last byte that a request asked for.
pub(crate) fn range(request: &LoggedRequest) -> (u64, u64) {
    let range = request.range.as_deref().expect("no object is asked for whole");
    let (start, end) = range
        .strip_prefix("bytes=")
        .and_then(|range| range.split_once('-'))
        .expect("a range with a start and an end");
    (start.parse().expect("a number"), end.parse().expect("a number"))
}

/// Keys as they stand: `Path::from` would encode them.
fn path(key: &str) -> Path {
    Path::parse(key).expect("a key that can be addressed")
}

pub(crate) fn part_name(number: usize, extension: &str) -> String {
    format!("sales_2026-01-02T03-04-05Z_part{number}.{extension}")
}

/// CSV parts of a forecast export: each cell in its canonical form, no row like another, the ids hard to compress.
pub(crate) fn csv_parts(parts: usize, rows: usize) -> Vec<Vec<u8>> {
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    const LETTERS: &[u8; 64] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    (0..parts)
        .map(|_| {
            let mut text = b"item_id,date,p10,p50,p90\n".to_vec();
            for row in 0..rows {
                for _ in 0..12 {
                    let bits = random();
                    text.extend((0..10).map(|letter| LETTERS[(bits >> (6 * letter)) as usize & 63]));
                }
                text.extend_from_slice(format!(",2026-01-{:02}T00:00:00Z", row % 28 + 1).as_bytes());
                for _ in 0..3 {
                    // Between 1 and 1,000,001, where Java and Rust print the same shortest digits.
                    let value = 1.0 + (random() >> 11) as f64 / (1_u64 << 53) as f64 * 1e6;
                    text.extend_from_slice(format!(",{value:?}").as_bytes());
                }
                text.push(b'\n');
            }
            text
        })
        .collect()
}

/// What a merge of CSV parts has to be.
pub(crate) fn merged(parts: &[Vec<u8>]) -> Vec<u8> {
    let header = parts[0].iter().position(|byte| *byte == b'\n').expect("a header") + 1;
    let mut text = parts[0][..header].to_vec();
    for part in parts {
        text.extend_from_slice(&part[header..]);
    }
    text
}
