//! The S3 servers that the tests run against: `s3s-fs` in this process always, and the storage servers that
//! `.ci/servers` starts where its environment is set.

use std::env;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak, mpsc};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::server::conn::http1;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use object_store::aws::AmazonS3Builder;
use object_store::path::Path;
use object_store::signer::{SignedUrlOptions, Signer};
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

/// An S3 server and the keys to it. The one in this process ends with the last `TestServer` of it: keep the value for
/// as long as the endpoint is used.
pub(crate) struct TestServer {
    /// For messages: which server a failed assertion was about.
    pub(crate) name: &'static str,
    /// `http://127.0.0.1:PORT`, without a path.
    pub(crate) endpoint: String,
    pub(crate) key: String,
    pub(crate) secret: String,
    _in_process: Option<Arc<InProcess>>,
}

/// Every server there is. A test of S3 runs against each of them.
pub(crate) fn servers() -> Vec<TestServer> {
    let in_process = InProcess::shared();
    let mut servers = vec![TestServer {
        name: "s3s-fs",
        endpoint: in_process.endpoint.clone(),
        key: KEY.to_owned(),
        secret: SECRET.to_owned(),
        _in_process: Some(in_process),
    }];
    servers.extend(TestServer::from_env("SeaweedFS", "FORECAST_EXPORT_TEST_SEAWEEDFS"));
    servers.extend(TestServer::from_env("LocalStack", "FORECAST_EXPORT_TEST_LOCALSTACK"));
    servers
}

impl TestServer {
    fn from_env(name: &'static str, variable: &str) -> Option<Self> {
        let endpoint = env::var(variable).ok()?;
        let part = |suffix: &str| {
            let variable = format!("{variable}_{suffix}");
            env::var(&variable).unwrap_or_else(|error| panic!("{variable}: {error}"))
        };
        Some(Self { name, endpoint, key: part("KEY"), secret: part("SECRET"), _in_process: None })
    }

    /// A store on `bucket` of this server, ready to `build` or to be told more, such as a proxy's endpoint.
    pub(crate) fn store(&self, bucket: &str) -> AmazonS3Builder {
        AmazonS3Builder::new()
            .with_endpoint(&self.endpoint)
            .with_allow_http(true)
            .with_region("us-east-1")
            .with_access_key_id(&self.key)
            .with_secret_access_key(&self.secret)
            .with_bucket_name(bucket)
    }

    /// Makes a bucket that nothing else uses; its name begins with `name_hint`. May be called from async code too.
    pub(crate) fn bucket(&self, name_hint: &str) -> String {
        let bucket = unique(name_hint);
        let (status, body) = self.put_empty(&bucket);
        assert!(status.is_success(), "{}: bucket {bucket}: {status} {}", self.name, body.escape_ascii());
        bucket
    }

    /// Puts an empty object whose key ends in `/`, as consoles do for a new folder. No path of object_store names such
    /// a key.
    pub(crate) fn put_marker(&self, bucket: &str, key: &str) {
        let folder = key.strip_suffix('/').expect("the key of a marker ends in a slash");
        let (status, body) = self.put_empty(&format!("{bucket}/{folder}"));
        assert!(status.is_success(), "{}: marker {key}: {status} {}", self.name, body.escape_ascii());
    }

    /// How many uploads to a bucket were begun and neither completed nor aborted; `None` where the server cannot tell.
    pub(crate) fn open_uploads(&self, bucket: &str) -> Option<usize> {
        let answer = self.ask(Method::GET, bucket, "", &[("uploads", "")]);
        let (status, body) = (answer.status(), answer.into_body());
        match status {
            StatusCode::NOT_IMPLEMENTED => None,
            StatusCode::OK => Some(String::from_utf8_lossy(&body).matches("<UploadId>").count()),
            _ => panic!("{}: uploads of {bucket}: {status} {}", self.name, body.escape_ascii()),
        }
    }

    fn put_empty(&self, name: &str) -> (StatusCode, Bytes) {
        let answer = self.ask(Method::PUT, name, "", &[]);
        (answer.status(), answer.into_body())
    }

    /// A signed request without a body about an object, for what object_store has no call for.
    pub(crate) fn ask(
        &self,
        method: Method,
        bucket: &str,
        key: &str,
        query: &[(&str, &str)],
    ) -> Response<Bytes> {
        let store = self.store(bucket).build().expect("the options are complete");
        let path = Path::parse(key).expect("a key that can be addressed");
        let query: Vec<_> = query.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        let ask = async move {
            let options = SignedUrlOptions::new().with_query(query);
            let url = store.signed_url_opts(method.clone(), &path, Duration::from_secs(60), &options).await;
            let url = url.expect("the request can be signed");
            let request = Request::builder().method(method).uri(url.as_str());
            let request = request.body(Empty::<Bytes>::new()).expect("a signed URL is a URI");
            let answer = Client::builder(TokioExecutor::new()).build_http().request(request).await;
            let (parts, body) = answer.expect("the server answers").into_parts();
            let body = body.collect().await.expect("the answer is whole").to_bytes();
            Response::from_parts(parts, body)
        };
        // On a runtime of its own, so that callers may but need not be async.
        let runtime = Background::start();
        let (send, receive) = mpsc::channel();
        runtime.spawn(async move { send.send(ask.await) });
        receive.recv().expect("the request does not panic")
    }
}

/// A name that nothing else has: the servers outlive this process, and other processes of the same run use them at the
/// same time.
pub(crate) fn unique(name_hint: &str) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::UNIX_EPOCH.elapsed().expect("the clock is past 1970");
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{name_hint}-{}-{:x}-{count}", std::process::id(), now.as_micros())
}

const KEY: &str = "testkey";
const SECRET: &str = "testsecret";

/// `s3s-fs` on a free port of loopback, over a folder that goes when the server goes.
struct InProcess {
    endpoint: String,
    // Before the folder: fields are dropped in order.
    _runtime: Background,
    _folder: TempDir,
}

impl InProcess {
    /// One server for all tests that run at the same time.
    fn shared() -> Arc<Self> {
        // Weak, because a static is never dropped and would leave the folder behind.
        static SERVER: Mutex<Weak<InProcess>> = Mutex::new(Weak::new());
        let mut server = SERVER.lock().unwrap_or_else(PoisonError::into_inner);
        server.upgrade().unwrap_or_else(|| {
            let started = Arc::new(Self::start().expect("a server on loopback starts"));
            *server = Arc::downgrade(&started);
            started
        })
    }

    fn start() -> io::Result<Self> {
        let folder = TempDir::with_prefix("forecast-export-s3-")?;
        let files = FileSystem::new(folder.path()).expect("the folder is there");
        let mut service = S3ServiceBuilder::new(files);
        service.set_auth(SimpleAuth::from_single(KEY, SECRET));

        let runtime = Background::start();
        let listener = listen(&runtime)?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        // Ends with the runtime.
        runtime.spawn(serve(listener, service.build()));
        Ok(Self { endpoint, _runtime: runtime, _folder: folder })
    }
}

async fn serve(listener: TcpListener, service: S3Service) {
    while let Ok((stream, _)) = listener.accept().await {
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service.clone());
        // Ends when the client hangs up. An error is the client's to notice.
        tokio::spawn(connection);
    }
}

/// Listens on a free port of loopback.
pub(crate) fn listen(runtime: &Background) -> io::Result<TcpListener> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let _entered = runtime.enter();
    TcpListener::from_std(listener)
}

/// A runtime on a thread of its own: a server must go on while a test blocks its own thread, and outlives the runtime
/// of the test that happened to start it.
pub(crate) struct Background(Option<Runtime>);

impl Background {
    pub(crate) fn start() -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        Self(Some(runtime.expect("a thread can be started")))
    }
}

impl std::ops::Deref for Background {
    type Target = Runtime;

    fn deref(&self) -> &Runtime {
        self.0.as_ref().expect("only drop takes it")
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // A plain drop waits for the runtime's end, and so panics where the last owner is an async test.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
