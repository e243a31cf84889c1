//! Services of AWS on loopback, as far as a test needs them: each request is noted and answered by a function of the
//! test.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, stream};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::TokioIo;

use super::servers::{self, Background};

/// Runs until it is dropped.
pub(crate) struct FakeService {
    /// `http://127.0.0.1:PORT`.
    pub(crate) endpoint: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    _runtime: Background,
}

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Asked {
    /// A header's text; empty where there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is text")
    }
}

/// What a test's function answers.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Body {
        status: u16,
        headers: Vec<(&'static str, String)>,
        body: String,
    },
    /// A body without end, or with too many bytes for a test to wait for.
    Endless {
        status: u16,
        headers: Vec<(&'static str, String)>,
        start: String,
    },
    /// The connection is closed without an answer.
    Close,
    /// Nothing comes for this long.
    Silence(Duration),
}

impl Answer {
    pub(crate) fn ok(body: impl Into<String>) -> Self {
        Answer::status(200, body)
    }

    pub(crate) fn status(status: u16, body: impl Into<String>) -> Self {
        Answer::Body { status, headers: Vec::new(), body: body.into() }
    }

    /// An answer that begins like this and goes on for ever.
    pub(crate) fn endless(status: u16, start: impl Into<String>) -> Self {
        Answer::Endless { status, headers: Vec::new(), start: start.into() }
    }

    /// With a header.
    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        if let Answer::Body { headers, .. } | Answer::Endless { headers, .. } = &mut self {
            headers.push((name, value.to_owned()));
        }
        self
    }
}

impl FakeService {
    /// A service that answers by `answer`, which is told how many requests came before.
    pub(crate) fn start(answer: impl Fn(&Asked, usize) -> Answer + Send + Sync + 'static) -> Self {
        let runtime = Background::start();
        let listener = servers::listen(&runtime).expect("a port of loopback is free");
        let endpoint = format!("http://{}", listener.local_addr().expect("a listener has an address"));
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let (log, answer) = (Arc::clone(&asked), Arc::new(answer));
        // Ends with the runtime, as do the connections.
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (log, answer) = (Arc::clone(&log), Arc::clone(&answer));
                let service = service_fn(move |request: Request<Incoming>| {
                    let (log, answer) = (Arc::clone(&log), Arc::clone(&answer));
                    async move {
                        let (parts, body) = request.into_parts();
                        let body = body.collect().await.map_err(std::io::Error::other)?.to_bytes();
                        let asked = Asked {
                            method: parts.method.to_string(),
                            target: parts.uri.to_string(),
                            headers: parts.headers,
                            body,
                        };
                        let before = {
                            let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
                            log.push(asked.clone());
                            log.len() - 1
                        };
                        respond(answer(&asked, before)).await
                    }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        FakeService { endpoint, asked, _runtime: runtime }
    }

    /// Every request so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

type Body = UnsyncBoxBody<Bytes, Infallible>;

async fn respond(answer: Answer) -> std::io::Result<Response<Body>> {
    match answer {
        Answer::Body { status, headers, body } => {
            Ok(response(status, headers, Full::new(body.into()).boxed_unsync()))
        }
        Answer::Endless { status, headers, start } => {
            let more = Bytes::from(vec![b' '; 1 << 16]);
            let pieces = stream::iter([start.into()]).chain(stream::repeat(more));
            let body = StreamBody::new(pieces.map(|piece| Ok(Frame::data(piece))));
            Ok(response(status, headers, body.boxed_unsync()))
        }
        Answer::Close => Err(std::io::ErrorKind::ConnectionAborted.into()),
        Answer::Silence(time) => {
            tokio::time::sleep(time).await;
            Err(std::io::ErrorKind::ConnectionAborted.into())
        }
    }
}

fn response(status: u16, headers: Vec<(&'static str, String)>, body: Body) -> Response<Body> {
    let response = Response::builder().status(status);
    let response = headers.into_iter().fold(response, |response, (name, value)| response.header(name, value));
    response.body(body).expect("status and headers are good")
}
