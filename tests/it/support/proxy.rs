//! A proxy on loopback between a store and an S3 server. It notes every request, and on request it does to an answer
//! what networks and S3 do on bad days and no test server does by itself.
//!
//! The `Host` header passes unchanged, so signatures made for the proxy hold at the server.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, future, stream};
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, RANGE, TRANSFER_ENCODING};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};

use super::servers::{self, Background};

/// Runs until it is dropped.
pub(crate) struct Proxy {
    /// `http://127.0.0.1:PORT`, to be used in place of the server's.
    pub(crate) endpoint: String,
    /// Every request so far, in the order of arrival, failed ones and repetitions included.
    pub(crate) log: Arc<Mutex<Vec<LoggedRequest>>>,
    rules: Arc<Mutex<Vec<Rule>>>,
    /// In microseconds.
    delay: Arc<AtomicU64>,
    _runtime: Background,
}

/// What a request asked for.
#[derive(Clone, Debug)]
pub(crate) struct LoggedRequest {
    /// S3's name for it, such as `GetObject`.
    pub(crate) operation: &'static str,
    /// Path and query as sent: `/bucket/key?partNumber=1&uploadId=...`.
    pub(crate) target: String,
    /// The `Range` header.
    pub(crate) range: Option<String>,
    /// All headers.
    pub(crate) headers: HeaderMap,
    /// Bytes of the body.
    pub(crate) length: u64,
    /// The `x-amz-copy-source-*` headers, by what follows that.
    pub(crate) copy: HashMap<String, String>,
    /// How many requests of the same operation were not answered yet when this one came.
    pub(crate) beside: usize,
}

/// What goes wrong. "Refused" faults never reach the server; the others change or lose its answer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// Refused with this status and S3 error code: `Status(503, "SlowDown")`.
    Status(u16, &'static str),
    /// Refused with status 200 and an error document of this code, as S3 does in late answers to copy and complete.
    ErrorIn200(&'static str),
    /// Refused: the connection is closed without an answer.
    Close,
    /// Refused: the connection is reset.
    Reset,
    /// The server does what was asked, and the connection is closed without an answer.
    LoseAnswer,
    /// The body ends after this many bytes although more were announced.
    CutBody(usize),
    /// The body ends after this many bytes and no more were announced.
    ShortenBody(usize),
    /// The byte at this place of the body is another one.
    FlipByte(usize),
    /// The server is asked this much later. With no delay the request passes: to fail the third request, let two pass.
    Stall(Duration),
}

struct Rule {
    operation: &'static str,
    fault: Fault,
    times: usize,
}

impl Proxy {
    /// A proxy before the server at `upstream`, an endpoint without a path.
    pub(crate) fn start(upstream: &str) -> Self {
        let runtime = Background::start();
        let listener = servers::listen(&runtime).expect("a port of loopback is free");
        let endpoint = format!("http://{}", listener.local_addr().expect("a listener has an address"));
        let log = Arc::default();
        let rules = Arc::default();
        let delay = Arc::default();
        let client = Client::builder(TokioExecutor::new())
            // A kept connection that the server closes meanwhile would fail a request which no rule is about.
            .pool_max_idle_per_host(0)
            .build_http();
        let relay = Relay {
            upstream: upstream.to_owned(),
            log: Arc::clone(&log),
            rules: Arc::clone(&rules),
            delay: Arc::clone(&delay),
            open: Arc::default(),
            client,
        };
        // Ends with the runtime.
        runtime.spawn(relay.serve(listener));
        Self { endpoint, log, rules, delay, _runtime: runtime }
    }

    /// The next `times` requests of this operation (S3's name for it) fail like this. Rules apply in the order made;
    /// each is used up before the next one of the same operation.
    pub(crate) fn fail(&self, operation: &'static str, fault: Fault, times: usize) {
        lock(&self.rules).push(Rule { operation, fault, times });
    }

    /// Lets every request pass again.
    pub(crate) fn clear_faults(&self) {
        lock(&self.rules).clear();
    }

    /// From now on every request reaches the server this much later, as if that were far away.
    pub(crate) fn delay_all(&self, delay: Duration) {
        self.delay.store(delay.as_micros() as u64, Ordering::Relaxed);
    }

    /// Forgets the requests so far.
    pub(crate) fn clear_log(&self) {
        lock(&self.log).clear();
    }

    /// The requests of this operation so far.
    pub(crate) fn requests(&self, operation: &str) -> Vec<LoggedRequest> {
        lock(&self.log).iter().filter(|request| request.operation == operation).cloned().collect()
    }

    /// How many requests of any kind came.
    pub(crate) fn total(&self) -> usize {
        lock(&self.log).len()
    }

    /// How many requests of this operation came.
    pub(crate) fn count(&self, operation: &str) -> usize {
        lock(&self.log).iter().filter(|request| request.operation == operation).count()
    }
}

/// What every connection shares.
#[derive(Clone)]
struct Relay {
    upstream: String,
    log: Arc<Mutex<Vec<LoggedRequest>>>,
    rules: Arc<Mutex<Vec<Rule>>>,
    delay: Arc<AtomicU64>,
    /// Requests by operation whose answer has not begun.
    open: Arc<Mutex<HashMap<&'static str, usize>>>,
    client: Client<HttpConnector, Incoming>,
}

type Answer = Response<BoxBody<Bytes, io::Error>>;

impl Relay {
    async fn serve(self, listener: TcpListener) {
        while let Ok((stream, _)) = listener.accept().await {
            // Ends when the client hangs up or a fault closes the connection.
            tokio::spawn(self.clone().connection(stream));
        }
    }

    async fn connection(self, stream: TcpStream) {
        let reset = AtomicBool::new(false);
        let service = service_fn(|request| Box::pin(self.answer(request, &reset)));
        let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        // Errors are the faults asked for, or a client that hung up.
        let _ = future::poll_fn(|context| connection.poll_without_shutdown(context)).await;
        let stream = connection.into_parts().io.into_inner();
        if reset.load(Ordering::Relaxed) {
            stream.set_zero_linger().expect("the socket is open");
        }
    }

    /// An error closes the connection.
    async fn answer(&self, request: Request<Incoming>, reset: &AtomicBool) -> io::Result<Answer> {
        let operation = operation(&request);
        let beside = {
            let mut open = lock(&self.open);
            let count = open.entry(operation).or_default();
            *count += 1;
            *count - 1
        };
        let answer = self.answer_one(request, operation, beside, reset).await;
        if let Some(count) = lock(&self.open).get_mut(operation) {
            *count -= 1;
        }
        answer
    }

    async fn answer_one(
        &self,
        request: Request<Incoming>,
        operation: &'static str,
        beside: usize,
        reset: &AtomicBool,
    ) -> io::Result<Answer> {
        let logged = LoggedRequest {
            operation,
            headers: request.headers().clone(),
            length: request
                .headers()
                .get(CONTENT_LENGTH)
                .and_then(|value| value.to_str().ok()?.parse().ok())
                .unwrap_or_default(),
            beside,
            copy: request
                .headers()
                .iter()
                .filter_map(|(name, value)| {
                    let name = name.as_str().strip_prefix("x-amz-copy-source-")?;
                    Some((name.to_owned(), value.to_str().ok()?.to_owned()))
                })
                .collect(),
            target: request.uri().to_string(),
            range: request
                .headers()
                .get(RANGE)
                .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()),
        };
        let fault = self.next_fault(logged.operation);
        lock(&self.log).push(logged);
        let delay = self.delay.load(Ordering::Relaxed);
        if delay > 0 {
            tokio::time::sleep(Duration::from_micros(delay)).await;
        }

        match fault {
            None => Ok(self.forward(request).await?.map(|body| body.map_err(io::Error::other).boxed())),
            Some(Fault::Status(status, code)) => {
                drain(request).await?;
                Ok(error_document(StatusCode::from_u16(status).expect("a status has three digits"), code))
            }
            Some(Fault::ErrorIn200(code)) => {
                drain(request).await?;
                Ok(error_document(StatusCode::OK, code))
            }
            Some(Fault::Close) => {
                drain(request).await?;
                Err(io::ErrorKind::ConnectionAborted.into())
            }
            Some(Fault::Reset) => {
                drain(request).await?;
                reset.store(true, Ordering::Relaxed);
                Err(io::ErrorKind::ConnectionReset.into())
            }
            Some(Fault::LoseAnswer) => {
                self.forward_whole(request).await?;
                Err(io::ErrorKind::ConnectionAborted.into())
            }
            Some(Fault::CutBody(length)) => {
                let (parts, body) = self.forward_whole(request).await?.into_parts();
                Ok(Response::from_parts(parts, cut(body.slice(..length.min(body.len())))))
            }
            Some(Fault::ShortenBody(length)) => {
                let (mut parts, body) = self.forward_whole(request).await?.into_parts();
                let length = length.min(body.len());
                parts.headers.insert(CONTENT_LENGTH, length.into());
                Ok(Response::from_parts(parts, whole(body.slice(..length))))
            }
            Some(Fault::FlipByte(at)) => {
                let (parts, body) = self.forward_whole(request).await?.into_parts();
                let mut bytes = body.to_vec();
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1;
                }
                Ok(Response::from_parts(parts, whole(bytes.into())))
            }
            Some(Fault::Stall(delay)) => {
                tokio::time::sleep(delay).await;
                Ok(self.forward(request).await?.map(|body| body.map_err(io::Error::other).boxed()))
            }
        }
    }

    fn next_fault(&self, operation: &str) -> Option<Fault> {
        let mut rules = lock(&self.rules);
        let rule = rules.iter_mut().find(|rule| rule.operation == operation && rule.times > 0)?;
        rule.times -= 1;
        Some(rule.fault)
    }

    async fn forward(&self, mut request: Request<Incoming>) -> io::Result<Response<Incoming>> {
        let target = format!("{}{}", self.upstream, request.uri());
        *request.uri_mut() = Uri::try_from(target).map_err(io::Error::other)?;
        self.client.request(request).await.map_err(io::Error::other)
    }

    /// The answer with its length known, whichever way the server sent it.
    async fn forward_whole(&self, request: Request<Incoming>) -> io::Result<Response<Bytes>> {
        let (mut parts, body) = self.forward(request).await?.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        parts.headers.remove(TRANSFER_ENCODING);
        parts.headers.insert(CONTENT_LENGTH, body.len().into());
        Ok(Response::from_parts(parts, body))
    }
}

/// Reads a request to its end: with bytes left unread, a close would be a reset.
async fn drain(request: Request<Incoming>) -> io::Result<()> {
    request.into_body().collect().await.map(drop).map_err(io::Error::other)
}

fn error_document(status: StatusCode, code: &str) -> Answer {
    let document = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <Error><Code>{code}</Code><Message>made by the proxy</Message><RequestId>0</RequestId></Error>"
    );
    let mut answer = Response::new(whole(document.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, "application/xml".parse().expect("a header value"));
    answer
}

fn whole(body: Bytes) -> BoxBody<Bytes, io::Error> {
    Full::new(body).map_err(|never: Infallible| match never {}).boxed()
}

/// A body that breaks off after these bytes.
fn cut(body: Bytes) -> BoxBody<Bytes, io::Error> {
    let break_off = async {
        // An error that follows at once would be acted on before the bytes are sent.
        tokio::time::sleep(Duration::from_millis(20)).await;
        Err(io::ErrorKind::UnexpectedEof.into())
    };
    let frames = stream::iter([Ok(Frame::data(body))]).chain(stream::once(break_off));
    BodyExt::boxed(StreamBody::new(frames))
}

/// S3's name for a path-style request, told by its method, its query and whether it names a key.
fn operation<B>(request: &Request<B>) -> &'static str {
    let query = request.uri().query().unwrap_or_default();
    let has = |name: &str| query.split('&').any(|pair| pair.split('=').next() == Some(name));
    let copies = request.headers().contains_key("x-amz-copy-source");
    let names_key = request.uri().path()[1..].split_once('/').is_some_and(|(_bucket, key)| !key.is_empty());
    match (request.method(), names_key) {
        (&Method::GET, true) if has("uploadId") => "ListParts",
        (&Method::GET, true) if has("tagging") => "GetObjectTagging",
        (&Method::GET, true) => "GetObject",
        (&Method::GET, false) if has("uploads") => "ListMultipartUploads",
        (&Method::GET, false) if has("list-type") => "ListObjectsV2",
        (&Method::HEAD, true) => "HeadObject",
        (&Method::HEAD, false) => "HeadBucket",
        (&Method::PUT, true) if has("uploadId") && copies => "UploadPartCopy",
        (&Method::PUT, true) if has("uploadId") => "UploadPart",
        (&Method::PUT, true) if copies => "CopyObject",
        (&Method::PUT, true) if has("tagging") => "PutObjectTagging",
        (&Method::PUT, true) => "PutObject",
        (&Method::PUT, false) => "CreateBucket",
        (&Method::POST, true) if has("uploads") => "CreateMultipartUpload",
        (&Method::POST, true) if has("uploadId") => "CompleteMultipartUpload",
        (&Method::POST, false) if has("delete") => "DeleteObjects",
        (&Method::DELETE, true) if has("uploadId") => "AbortMultipartUpload",
        (&Method::DELETE, true) => "DeleteObject",
        (&Method::DELETE, false) => "DeleteBucket",
        _ => "other",
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

mod tests {
    use std::time::Instant;

    use object_store::path::Path;
    use object_store::{ClientOptions, Error, ObjectStore, ObjectStoreExt, RetryConfig};

    use super::*;

    const BODY: &[u8] = b"0123456789";

    /// A proxy, and a store behind it that holds `key` and does not retry.
    async fn store_behind_proxy() -> (Proxy, impl ObjectStore, Path, servers::TestServer) {
        let server = servers::servers().swap_remove(0);
        let proxy = Proxy::start(&server.endpoint);
        let store = server
            .store(&server.bucket("proxy"))
            .with_endpoint(&proxy.endpoint)
            .with_client_options(
                ClientOptions::new().with_allow_http(true).with_timeout(Duration::from_secs(10)),
            )
            .with_retry(RetryConfig { max_retries: 0, ..RetryConfig::default() })
            .build()
            .expect("the options are complete");
        let key = Path::from("folder/key");
        store.put(&key, BODY.into()).await.expect("no rule is there yet");
        (proxy, store, key, server)
    }

    async fn get(store: &impl ObjectStore, key: &Path) -> Result<Bytes, Error> {
        store.get(key).await?.bytes().await
    }

    #[tokio::test]
    async fn passes_and_notes_every_request() {
        let (proxy, store, key, server) = store_behind_proxy().await;
        assert_eq!(store.get_range(&key, 2..5).await.expect("a range"), &BODY[2..5]);
        assert_eq!(store.head(&key).await.expect("a head").size, BODY.len() as u64);
        let listed: Vec<_> = store.list(None).collect().await;
        assert_eq!(listed.len(), 1);
        store.delete(&key).await.expect("a delete");

        let log = lock(&proxy.log);
        let operations: Vec<_> = log.iter().map(|request| request.operation).collect();
        assert_eq!(
            operations[..4],
            ["PutObject", "GetObject", "HeadObject", "ListObjectsV2"],
            "{}",
            server.name
        );
        assert!(log[1].target.ends_with("/folder/key"), "{}", log[1].target);
        assert_eq!(log[1].range.as_deref(), Some("bytes=2-4"));
    }

    #[tokio::test]
    async fn refuses() {
        let (proxy, store, key, _server) = store_behind_proxy().await;
        for fault in [Fault::Status(503, "SlowDown"), Fault::Close, Fault::Reset] {
            proxy.fail("GetObject", fault, 1);
            let error = get(&store, &key).await.expect_err("the rule applies").to_string();
            assert_eq!(error.contains("SlowDown"), matches!(fault, Fault::Status(..)), "{error}");
            assert_eq!(get(&store, &key).await.expect("the rule is used up"), BODY);
        }
        assert_eq!(proxy.count("GetObject"), 6);
        proxy.fail("GetObject", Fault::ErrorIn200("InternalError"), 1);
        assert!(get(&store, &key).await.expect("a 200").starts_with(b"<?xml"));
    }

    #[tokio::test]
    async fn loses_an_answer_after_the_server_has_acted() {
        let (proxy, store, _, _server) = store_behind_proxy().await;
        let key = Path::from("other");
        proxy.fail("PutObject", Fault::LoseAnswer, 1);
        store.put(&key, BODY.into()).await.expect_err("the answer is lost");
        assert_eq!(get(&store, &key).await.expect("the object is there"), BODY);
    }

    #[tokio::test]
    async fn changes_bodies() {
        let (proxy, store, key, _server) = store_behind_proxy().await;
        proxy.fail("GetObject", Fault::CutBody(4), 1);
        let mut chunks = store.get(&key).await.expect("the answer begins").into_stream();
        assert_eq!(chunks.next().await.expect("a chunk").expect("the bytes before the cut"), &BODY[..4]);
        chunks.next().await.expect("the cut is noticed").expect_err("the cut is noticed");

        proxy.fail("GetObject", Fault::ShortenBody(4), 1);
        assert_eq!(get(&store, &key).await.expect("nothing is noticed"), &BODY[..4]);
        proxy.fail("GetObject", Fault::FlipByte(3), 1);
        assert_eq!(get(&store, &key).await.expect("nothing is noticed"), &b"0122456789"[..]);
    }

    #[tokio::test]
    async fn stalls_after_letting_requests_pass() {
        let (proxy, store, key, _server) = store_behind_proxy().await;
        let delay = Duration::from_millis(200);
        proxy.fail("GetObject", Fault::Stall(Duration::ZERO), 1);
        proxy.fail("GetObject", Fault::Stall(delay), 1);
        get(&store, &key).await.expect("passes");
        let before = Instant::now();
        get(&store, &key).await.expect("comes late");
        assert!(before.elapsed() >= delay);
    }
}
