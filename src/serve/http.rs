//! HTTP: takes connections with limits on their number, time and size, and leads each request to the API, the pages or
//! the mapped buckets.

use super::api::Api;
use super::mapped_s3::MappedS3;
use super::metrics::Metrics;
use super::page::{self, Page};
use super::patient::Patient;
use super::problem::{Name, Problem};
use super::requests::Request as ApiRequest;
use super::signature::Verifier;
use crate::model::{Error, Result};

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFRESH, WWW_AUTHENTICATE,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use chrono::Utc;
use http_body_util::{BodyExt, Limited};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutLayer;

/// The largest valid request has about 230 kB.
const MAX_BODY: usize = 1 << 20;
/// Most requests are shorter. A longer one waits until it is one of a few, so that bodies take little memory though nobody
/// has signed them.
const SMALL_BODY: usize = 16 << 10;
const LARGE_BODIES: usize = 32;
/// What a client may take to send its headers, and for a request from its first byte to its answer.
const HEADER_TIME: Duration = Duration::from_secs(10);
const REQUEST_TIME: Duration = Duration::from_secs(30);
/// What a client may take to accept some of its answer.
const WRITE_TIME: Duration = Duration::from_secs(30);
/// What clients may take to end after the server was told to stop.
const GRACE: Duration = Duration::from_secs(10);
/// The headers of a request, in number and bytes.
const MAX_HEADERS: usize = 100;
const MAX_HEADER_BYTES: usize = 64 << 10;

const JSON: &str = "application/x-amz-json-1.1";

/// What all requests share.
pub(super) struct Service {
    pub(super) api: Arc<Api>,
    pub(super) page: Page,
    /// `None` if requests need no signature.
    pub(super) verifier: Option<Verifier>,
    /// `None` if no bucket is mapped.
    pub(super) buckets: Option<MappedS3>,
    pub(super) metrics: Arc<Metrics>,
    /// The keys that open the pages, as `id:secret`; `None` if they are open to all.
    pub(super) page_keys: Option<Vec<String>>,
    /// The requests with large bodies that may be worked on at the same time.
    pub(super) large: Semaphore,
}

pub(super) fn large() -> Semaphore {
    Semaphore::new(LARGE_BODIES)
}

/// All routes.
pub(super) fn router(service: Arc<Service>) -> Router {
    Router::new()
        .route("/healthz", get(health))
        .route("/metrics", get(metrics))
        .route("/", get(page).post(api).fallback(other))
        .fallback(other)
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, REQUEST_TIME))
        .layer(CatchPanicLayer::new())
        .with_state(service)
}

/// Takes connections until the server is told to stop.
pub(super) async fn listen(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    router: Router,
    most: usize,
    metrics: Arc<Metrics>,
    mut shutdown: watch::Receiver<bool>,
) {
    let slots = Arc::new(Semaphore::new(most));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
            () = told(&mut shutdown) => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Mostly there are too many open files; a little later there may be fewer.
                tracing::warn!(%error, "a connection cannot be taken");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else {
            metrics.connection_refused();
            connections.spawn(refuse(stream));
            continue;
        };
        let open = metrics.connection();
        let (router, tls, shutdown) = (router.clone(), tls.clone(), shutdown.clone());
        connections.spawn(async move {
            let stream = Patient::new(stream, WRITE_TIME);
            match tls {
                None => serve(stream, router, shutdown).await,
                Some(tls) => match tokio::time::timeout(HEADER_TIME, tls.accept(stream)).await {
                    Ok(Ok(stream)) => serve(stream, router, shutdown).await,
                    Ok(Err(error)) => tracing::debug!(%error, "no TLS connection was made"),
                    Err(_) => tracing::debug!("no TLS connection was made in time"),
                },
            }
            drop((open, slot));
        });
    }
    drop(listener);
    let all_ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, all_ended).await.is_err() {
        tracing::warn!("connections were cut because they did not end in time");
    }
}

/// Ready once the server is told to stop.
async fn told(shutdown: &mut watch::Receiver<bool>) {
    // What it returns is a lock, which must not be held while anything else is awaited.
    drop(shutdown.wait_for(|is_down| *is_down).await);
}

/// Tells a client that there are too many.
async fn refuse(mut stream: TcpStream) {
    let answer = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 1\r\nConnection: close\r\n\r\n";
    let _ = tokio::time::timeout(Duration::from_secs(1), stream.write_all(answer)).await;
}

async fn serve<S>(stream: S, router: Router, mut shutdown: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEADER_BYTES)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::pin!(connection);
    let served = tokio::select! {
        served = &mut connection => served,
        () = told(&mut shutdown) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a connection ended");
    }
}

/// A request to the API.
async fn api(State(service): State<Arc<Service>>, request: Request) -> Response {
    let began = Instant::now();
    let id = uuid::Uuid::new_v4().to_string();
    let mut operation = "unknown";
    let answered = answer(&service, request, &mut operation).await;
    let (response, word) = match answered {
        Ok(body) => {
            let text = body.map(|members| members.to_string()).unwrap_or_default();
            ((StatusCode::OK, [(CONTENT_TYPE, JSON)], text).into_response(), "ok")
        }
        Err(problem) => {
            if problem.name.is_of_signature() {
                tracing::warn!(request_id = id, operation, %problem, "a request was refused");
            }
            (refusal(&problem), problem.name.word())
        }
    };
    let time = began.elapsed();
    service.metrics.request(operation, word, time);
    let seconds = time.as_secs_f64();
    tracing::info!(request_id = id, operation, result = word, seconds, "request");
    with_id(response, &id)
}

async fn answer(
    service: &Service,
    request: Request,
    operation: &mut &'static str,
) -> Result<super::api::Answer, Problem> {
    let (parts, body) = request.into_parts();
    let (body, _turn) = read(service, body).await?;
    let target = parts.headers.get("x-amz-target").and_then(|value| value.to_str().ok());
    let decoded = ApiRequest::decode(target, &body)?;
    *operation = decoded.operation();
    if let Some(verifier) = &service.verifier {
        verifier.verify(&parts, &body, Utc::now())?;
    }
    service.api.answer(decoded).await
}

/// The body of a request, and its turn if it is a large one.
async fn read(service: &Service, body: Body) -> Result<(Vec<u8>, Option<SemaphorePermit<'_>>), Problem> {
    let too_large = || Problem::new(Name::RequestTooLarge, format!("A request has at most {MAX_BODY} bytes"));
    if body.size_hint().lower() > MAX_BODY as u64 {
        return Err(too_large());
    }
    let mut body = Limited::new(body, MAX_BODY);
    let (mut bytes, mut turn) = (Vec::new(), None);
    while let Some(frame) = body.frame().await {
        let frame =
            frame.map_err(|error| match error.downcast_ref::<http_body_util::LengthLimitError>() {
                Some(_) => too_large(),
                None => Problem::new(Name::Serialization, "The body ends too early"),
            })?;
        if let Ok(data) = frame.into_data() {
            bytes.extend_from_slice(&data);
        }
        if bytes.len() > SMALL_BODY && turn.is_none() {
            // The semaphore is never closed.
            turn = service.large.acquire().await.ok();
        }
    }
    Ok((bytes, turn))
}

fn refusal(problem: &Problem) -> Response {
    let status = StatusCode::from_u16(problem.name.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let body = serde_json::json!({ "__type": problem.name.word(), "Message": problem.message });
    (status, [(CONTENT_TYPE, JSON)], body.to_string()).into_response()
}

fn with_id(mut response: Response, id: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(id) {
        response.headers_mut().insert("x-amzn-requestid", value);
    }
    response
}

/// What is neither the API nor a page: objects of mapped buckets, or nothing.
async fn other(State(service): State<Arc<Service>>, request: Request) -> Response {
    let is_signed_for_s3 = request
        .headers()
        .get(AUTHORIZATION)
        .is_some_and(|value| value.as_bytes().windows(17).any(|part| part == b"/s3/aws4_request,"))
        || request.uri().query().is_some_and(|query| query.contains("X-Amz-Signature="));
    match &service.buckets {
        Some(buckets) if is_signed_for_s3 || buckets.holds(request.uri().path()) => {
            buckets.answer(request).await
        }
        _ if request.method() == Method::POST => {
            let id = uuid::Uuid::new_v4().to_string();
            let path = request.uri().path();
            let problem = Problem::new(Name::UnknownOperation, format!("Requests go to /, not to {path}"));
            with_id(refusal(&problem), &id)
        }
        _ => (StatusCode::NOT_FOUND, "There is nothing here.\n").into_response(),
    }
}

async fn health(State(service): State<Arc<Service>>) -> Response {
    match service.api.state.check() {
        Ok(()) => axum_json(StatusCode::OK, r#"{"status":"ok"}"#),
        Err(error) => {
            tracing::error!(%error, "the state cannot be read");
            axum_json(StatusCode::SERVICE_UNAVAILABLE, r#"{"status":"the state cannot be read"}"#)
        }
    }
}

fn axum_json(status: StatusCode, text: &'static str) -> Response {
    (status, [(CONTENT_TYPE, "application/json")], text).into_response()
}

async fn metrics(State(service): State<Arc<Service>>, request: Request) -> Response {
    if let Some(refusal) = refusal_of_page(&service, &request) {
        return refusal;
    }
    let jobs = service.api.state.counts().unwrap_or_default();
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(CONTENT_TYPE, kind)], service.metrics.render(&jobs)).into_response()
}

async fn page(State(service): State<Arc<Service>>, request: Request) -> Response {
    if request.headers().get(AUTHORIZATION).is_some_and(|value| value.as_bytes().starts_with(b"AWS4-")) {
        // S3 lists its buckets at the same place.
        return other(State(service), request).await;
    }
    if let Some(refusal) = refusal_of_page(&service, &request) {
        return refusal;
    }
    let query = page::Query::of(request.uri().query().unwrap_or_default());
    let refresh = query.refresh.map(|seconds| [(REFRESH, seconds.to_string())]);
    let api = Arc::clone(&service.api);
    match api.blocking(move |api| service.page.render(api, &query)).await {
        Ok(html) => {
            let policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; \
                          frame-ancestors 'none'";
            let headers = [
                (CONTENT_TYPE, "text/html; charset=utf-8"),
                (CACHE_CONTROL, "no-store"),
                (CONTENT_SECURITY_POLICY, policy),
                (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            ];
            (headers, refresh, html).into_response()
        }
        Err(problem) => (StatusCode::INTERNAL_SERVER_ERROR, problem.message).into_response(),
    }
}

/// Browsers cannot sign, so a page that is reachable from elsewhere asks for a key pair by HTTP's basic scheme.
fn refusal_of_page(service: &Service, request: &Request) -> Option<Response> {
    use subtle::ConstantTimeEq;

    let keys = service.page_keys.as_ref()?;
    let given = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.strip_prefix("Basic "));
    let given = given.and_then(|text| BASE64_STANDARD.decode(text.trim()).ok()).unwrap_or_default();
    let is_key = keys.iter().fold(false, |is_key, key| is_key | bool::from(key.as_bytes().ct_eq(&given)));
    if is_key {
        return None;
    }
    let asks = [(WWW_AUTHENTICATE, "Basic realm=\"access key id and secret\"")];
    Some((StatusCode::UNAUTHORIZED, asks, "An access key is needed.\n").into_response())
}

/// Reads certificate and key.
pub(super) fn tls(certificate: &std::path::Path, key: &std::path::Path) -> Result<TlsAcceptor> {
    use rustls_pki_types::pem::PemObject;
    use rustls_pki_types::{CertificateDer, PrivateKeyDer};
    use tokio_rustls::rustls::ServerConfig;
    use tokio_rustls::rustls::crypto::aws_lc_rs;

    let wrong = |path: &std::path::Path, error: &dyn std::fmt::Display| -> Error {
        super::config::config_error(path, error.to_string())
    };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(|chain| chain.collect::<std::result::Result<Vec<_>, _>>())
        .map_err(|error| wrong(certificate, &error))?;
    if chain.is_empty() {
        return Err(wrong(certificate, &"it holds no certificate in PEM"));
    }
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| wrong(key, &error))?;
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(certificate, &error))?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(|error| wrong(certificate, &error))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
