//! Files of web servers: takes an `https://` address, returns a store that reads the file by ranges. Public objects of
//! any store have such addresses, and so do presigned ones, whose query is a signature for GET only. So no HEAD is ever
//! sent, and nothing is requested that was not named. Never writes, never lists, never shows a query.

use super::client::{plain_client_options, retry, wait_before};
use super::failure::one_line;
use super::http::{CheckedConnector, content_range};
use super::options::StoreOptions;
use super::trust::Untrusted;
use super::xml::element;
use crate::model::{PlaceProblem, Result, UsageError};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use object_store::client::{
    HttpClient, HttpConnector, HttpErrorKind, HttpRequest, HttpRequestBody, HttpResponse,
};
use object_store::path::Path;
use object_store::{
    Attributes, CopyOptions, Error, Extensions, GetOptions, GetRange, GetResult, GetResultPayload,
    ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions, PutPayload,
    PutResult, RetryConfig,
};
use reqwest::Url;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

const STORE: &str = "HTTP";

/// Files of one server that were named.
#[derive(Clone)]
pub(crate) struct Web {
    client: HttpClient,
    /// `https://host/`.
    root: Arc<str>,
    /// The query of each named file, which may be empty. Files that were not named do not exist here.
    queries: Arc<BTreeMap<String, String>>,
    retry: Arc<RetryConfig>,
    /// The time of files that have neither a time nor an ETag. It is known only to this process, so an output made from
    /// such a file never counts as up to date.
    began: DateTime<Utc>,
}

/// The address to send: as it was typed, except for characters that no address can contain.
fn encoded(text: &str) -> String {
    let is_kept = |byte: u8| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte);
    let one = |byte: u8| match is_kept(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    text.bytes().map(one).collect()
}

/// What is wrong with an answer, or an error in one.
#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("{0}")]
    Said(String),
    #[error("{0}")]
    Untrusted(#[from] Untrusted),
    #[error(
        "the server sends only whole files, and this one is read in ranges; download it, or pipe it to \
         SOURCE -"
    )]
    NoRanges,
    #[error("the server does not say how long the file is; download it, or pipe it to SOURCE -")]
    NoLength,
    #[error("the server answered with the wrong range of bytes ({0})")]
    OtherRange(String),
}

fn generic(problem: Problem) -> Error {
    Error::Generic { store: STORE, source: Box::new(problem) }
}

impl Web {
    /// The server of a file, the text shown before its files, and the file's key. `rest` is what follows `https://`.
    pub(super) fn connect(scheme: &str, rest: &str, options: &StoreOptions) -> Result<(Web, String, String)> {
        let rest = rest.split('#').next().unwrap_or_default();
        let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (host, key) = address.split_once('/').unwrap_or((address, ""));
        let (host, key) = (host.to_owned(), encoded(key));
        let refused = |shown: String, problem| Err(UsageError::Place { place: shown, problem }.into());
        if let Some((_, host)) = host.rsplit_once('@') {
            return refused(format!("{scheme}://***@{host}/{key}"), PlaceProblem::WebUser);
        }
        let root = format!("{scheme}://{host}/");
        let shown = format!("{root}{key}");
        match Url::parse(&shown) {
            Ok(url) if url.path().trim_start_matches('/') == key => {}
            // The client would request another path, without the `..`.
            Ok(_) => {
                return refused(
                    shown,
                    PlaceProblem::WebAddress {
                        why: "it cannot be sent as it is, because of . or .. in its path".into(),
                    },
                );
            }
            Err(error) => return refused(shown, PlaceProblem::WebAddress { why: error.to_string() }),
        }
        if key.is_empty() || key.ends_with('/') {
            return refused(shown, PlaceProblem::WebFolder);
        }
        let client = CheckedConnector::default()
            .connect(&plain_client_options().with_allow_http(scheme == "http"))
            .map_err(super::client::bad_store)?;
        let web = Web {
            client,
            root: root.as_str().into(),
            queries: Arc::new(BTreeMap::from([(key.clone(), encoded(query))])),
            retry: Arc::new(retry(options)),
            began: Utc::now(),
        };
        Ok((web, root, key))
    }

    pub(super) fn store(&self) -> Arc<dyn ObjectStore> {
        Arc::new(self.clone())
    }

    /// Adds the files that were named in the other.
    pub(super) fn joined(&self, other: &Web) -> Web {
        let both = self.queries.iter().chain(other.queries.iter());
        let queries = both.map(|(key, query)| (key.clone(), query.clone())).collect();
        Web { queries: Arc::new(queries), ..self.clone() }
    }

    /// Sends a request, with retries, until there is a final answer.
    async fn ask(&self, asked: &Asked<'_>) -> object_store::Result<Answer> {
        let (began, mut tries) = (Instant::now(), 0);
        loop {
            let answer = self.try_once(asked).await;
            tries += 1;
            let is_passing = matches!(answer, Err(Failed::Passing(_)));
            if !is_passing || tries > self.retry.max_retries || began.elapsed() > self.retry.retry_timeout {
                return answer.map_err(|failed| match failed {
                    Failed::Passing(error) | Failed::Lasting(error) => error,
                });
            }
            tokio::time::sleep(wait_before(tries, &self.retry.backoff)).await;
        }
    }

    async fn try_once(&self, asked: &Asked<'_>) -> std::result::Result<Answer, Failed> {
        let key = asked.key;
        let Some(query) = self.queries.get(key) else {
            let source = Box::new(Problem::Said("it was not named".into()));
            return Err(Failed::Lasting(Error::NotFound { path: key.to_owned(), source }));
        };
        let mark = if query.is_empty() { "" } else { "?" };
        let mut request = HttpRequest::new(HttpRequestBody::empty());
        let address = format!("{}{key}{mark}{query}", self.root);
        let bad = |what: &str| Failed::Lasting(generic(Problem::Said(format!("{what} cannot be sent"))));
        *request.uri_mut() = address.parse().map_err(|_| bad("the address"))?;
        let headers = request.headers_mut();
        let mut set = |name: &'static str, value: &str| {
            value.parse().map(|value| headers.insert(name, value)).map_err(|_| bad(name))
        };
        // Without compression in transit, because ranges refer to the stored bytes.
        set("accept-encoding", "identity")?;
        if let Some(range) = &asked.range {
            set("range", range)?;
        }
        // By HTTP's rules, a weak ETag never matches.
        if let Some(e_tag) = asked.if_match.filter(|e_tag| !e_tag.starts_with("W/")) {
            set("if-match", e_tag)?;
        }
        let answer = self.client.execute(request).await.map_err(|error| {
            let passing = !matches!(error.kind(), HttpErrorKind::Decode | HttpErrorKind::Unknown);
            let problem = match Untrusted::behind(&error) {
                Some(untrusted) => untrusted.clone().into(),
                None => Problem::Said(one_line(&error)),
            };
            Failed::of(passing, generic(problem))
        })?;
        self.check(answer, asked, query).await
    }

    /// Parses an answer; its body is read here, so that a truncated one is requested again.
    async fn check(
        &self,
        answer: HttpResponse,
        asked: &Asked<'_>,
        query: &str,
    ) -> std::result::Result<Answer, Failed> {
        let (parts, body) = answer.into_parts();
        let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let (status, key) = (parts.status.as_u16(), asked.key);
        let (range, size) = match (status, header("content-range").map(content_range)) {
            (206, Some(Some((Some(range), size)))) => (Some(range), Some(size)),
            // The file is empty.
            (416, Some(Some((None, 0)))) if asked.most == 0 => (Some(0..0), Some(0)),
            (206, _) => return Err(Failed::Lasting(generic(Problem::NoLength))),
            (200, _) => (None, header("content-length").and_then(|length| length.parse().ok())),
            _ => {
                let said = body.bytes().await.unwrap_or_default();
                return Err(self.refusal(status, &String::from_utf8_lossy(&said), key, query));
            }
        };
        let Some(size) = size else { return Err(Failed::Lasting(generic(Problem::NoLength))) };
        let modified = header("last-modified").and_then(|time| DateTime::parse_from_rfc2822(time).ok());
        let e_tag = header("etag").map(str::to_owned);
        let unknown = if e_tag.is_none() { self.began } else { DateTime::UNIX_EPOCH };
        let meta = ObjectMeta {
            location: Path::parse(key).map_err(|error| Failed::Lasting(error.into()))?,
            last_modified: modified.map_or(unknown, DateTime::<Utc>::from),
            size,
            e_tag,
            version: None,
        };
        // A server without ranges sends everything, which is accepted only if everything is wanted.
        let bytes = match asked.most == 0 || (range.is_none() && size > asked.most) {
            true => Bytes::new(),
            false => body.bytes().await.map_err(|error| {
                Failed::Passing(generic(Problem::Said(format!("the answer broke off: {}", one_line(&error)))))
            })?,
        };
        Ok(Answer { meta, range, bytes })
    }

    /// The meaning of a status without a file.
    fn refusal(&self, status: u16, said: &str, key: &str, query: &str) -> Failed {
        let words = [element(said, "Code"), element(said, "Message")];
        let words = words.into_iter().flatten().collect::<Vec<_>>().join(": ");
        let mut said = format!("Server returned non-2xx status code: {status}");
        if !words.is_empty() {
            said = format!("{said}, {words}");
        }
        // The server may repeat secret parts of the request.
        for value in
            query.split('&').filter_map(|pair| pair.split('=').nth(1)).filter(|value| value.len() > 7)
        {
            said = said.replace(value, "***");
        }
        let (path, source) = (key.to_owned(), Box::new(Problem::Said(said.clone())));
        match status {
            401 | 403 => Failed::Lasting(Error::PermissionDenied { path, source }),
            404 | 410 => Failed::Lasting(Error::NotFound { path, source }),
            412 => Failed::Lasting(Error::Precondition { path, source }),
            408 | 429 | 500 | 502..=599 => Failed::Passing(generic(Problem::Said(said))),
            _ => Failed::Lasting(generic(Problem::Said(said))),
        }
    }
}

/// The requested range of a file.
struct Asked<'a> {
    key: &'a str,
    /// The header's value.
    range: Option<String>,
    /// At most this many bytes; 0 if only the size is wanted.
    most: u64,
    if_match: Option<&'a str>,
}

/// A file, and the bytes that arrived.
struct Answer {
    meta: ObjectMeta,
    /// The bytes' position in the file; `None` if all of it arrived.
    range: Option<Range<u64>>,
    bytes: Bytes,
}

/// Why there is no answer, and whether a retry may help.
enum Failed {
    Passing(Error),
    Lasting(Error),
}

impl Failed {
    fn of(is_passing: bool, error: Error) -> Self {
        if is_passing { Failed::Passing(error) } else { Failed::Lasting(error) }
    }
}

#[async_trait]
impl ObjectStore for Web {
    async fn get_opts(&self, path: &Path, options: GetOptions) -> object_store::Result<GetResult> {
        let (range, most) = match &options.range {
            _ if options.head => (Some("bytes=0-0".to_owned()), 0),
            Some(GetRange::Bounded(range)) => {
                let last = range.end.max(1) - 1;
                (Some(format!("bytes={}-{last}", range.start)), range.end.saturating_sub(range.start))
            }
            Some(GetRange::Offset(start)) => (Some(format!("bytes={start}-")), u64::MAX),
            Some(GetRange::Suffix(bytes)) => (Some(format!("bytes=-{bytes}")), *bytes),
            None => (None, u64::MAX),
        };
        let if_match = options.if_match.as_deref();
        let asked = Asked { key: path.as_ref(), range, most, if_match };
        let Answer { meta, range: got, bytes } = self.ask(&asked).await?;
        let whole = 0..meta.size;
        let wanted = match &options.range {
            _ if options.head => 0..0,
            Some(GetRange::Bounded(range)) => range.start.min(meta.size)..range.end.min(meta.size),
            Some(GetRange::Offset(start)) => *start..meta.size,
            Some(GetRange::Suffix(bytes)) => meta.size.saturating_sub(*bytes)..meta.size,
            None => whole.clone(),
        };
        let bytes = match got {
            _ if options.head => Bytes::new(),
            Some(got) if got == wanted => bytes,
            Some(got) => return Err(generic(Problem::OtherRange(format!("{got:?} for {wanted:?}")))),
            None if wanted == whole && bytes.len() as u64 == meta.size => bytes,
            None => return Err(generic(Problem::NoRanges)),
        };
        Ok(GetResult {
            payload: GetResultPayload::Stream(stream::once(async { Ok(bytes) }).boxed()),
            meta,
            range: wanted,
            attributes: Attributes::default(),
            extensions: Extensions::default(),
        })
    }

    async fn put_opts(&self, _: &Path, _: PutPayload, _: PutOptions) -> object_store::Result<PutResult> {
        Err(only_read())
    }

    async fn put_multipart_opts(
        &self,
        _: &Path,
        _: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        Err(only_read())
    }

    fn delete_stream(
        &self,
        _: BoxStream<'static, object_store::Result<Path>>,
    ) -> BoxStream<'static, object_store::Result<Path>> {
        stream::once(async { Err(only_read()) }).boxed()
    }

    fn list(&self, _: Option<&Path>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        stream::once(async { Err(only_read()) }).boxed()
    }

    async fn list_with_delimiter(&self, _: Option<&Path>) -> object_store::Result<ListResult> {
        Err(only_read())
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> object_store::Result<()> {
        Err(only_read())
    }
}

fn only_read() -> Error {
    Error::NotSupported { source: Box::new(Problem::Said("a web server's files can only be read".into())) }
}

impl fmt::Display for Web {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.root)
    }
}

/// Leaves out the queries, which may be secret.
impl fmt::Debug for Web {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Web({})", self.root)
    }
}
