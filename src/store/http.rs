//! HTTP middleware under object_store: keeps answers within bounds, checks that listings are complete and adds
//! conditions that it cannot express. Takes HTTP requests and answers, passes them on, or turns answers into failures
//! that object_store retries and reports. Never inspects an object's contents.
//!
//! If a listing arrives with status 200 and an error document, object_store sees a folder without objects; and it does
//! not retry a truncated listing. A user cannot notice an export that wrongly seems empty, so a listing counts only if
//! its document is whole. Uploads are completed under the condition that [`super::uploads`] keeps. A conflict with
//! another write that is under way does not yet say who wins, so the request is retried.
//!
//! No answer is trusted to end: bodies pass through [`super::bounded`], a listing must advance from page to page, and
//! redirects are reported, not followed.

use super::bounded::{Bounded, Endless, LONGEST_COMPLAINT, LONGEST_DOCUMENT, SILENCE};
use super::conditions::Conditions;
use super::odd_names::with_good_names;
use super::trust::{Trust, Untrusted};
use super::uploads::{Ticketed, Uploads, ended_by};
use super::xml::{element, is_whole};
use crate::model::redacted;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody,
    HttpService,
};
use reqwest::Url;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Pages without an object that may follow one another; a folder that contains only deleted versions has some.
const MOST_EMPTY_PAGES: usize = 1_000;

/// Makes clients that check their answers.
#[derive(Debug, Default)]
pub(super) struct CheckedConnector {
    named: NamedRegion,
    trust: Trust,
    conditions: Conditions,
    keeps_names: bool,
}

impl CheckedConnector {
    /// Notes the region that refusals name, and whether the server supports conditions.
    #[cfg(feature = "aws")]
    pub(super) fn noting(named: &NamedRegion, conditions: &Conditions, trust: &Trust) -> Self {
        let (named, conditions, trust) = (named.clone(), conditions.clone(), trust.clone());
        CheckedConnector { named, conditions, trust, keeps_names: true }
    }
}

impl HttpConnector for CheckedConnector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let inner = super::transport::client(options, &self.trust)?;
        Ok(checked(inner, &self.named, &self.conditions, self.keeps_names))
    }
}

/// A client that checks another client's answers.
pub(super) fn checked(
    inner: HttpClient,
    named: &NamedRegion,
    conditions: &Conditions,
    keeps_names: bool,
) -> HttpClient {
    let (uploads, named, conditions) = (Uploads::default(), named.clone(), conditions.clone());
    let empty_pages = AtomicUsize::new(0);
    HttpClient::new(Checked { inner, uploads, named, conditions, keeps_names, empty_pages })
}

/// The region of a bucket, as S3 reports it when asked in another region.
#[derive(Debug, Default, Clone)]
pub(super) struct NamedRegion(Arc<Mutex<Option<String>>>);

impl NamedRegion {
    #[cfg(feature = "aws")]
    pub(super) fn get(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, answer: &HttpResponse) {
        let is_elsewhere = answer.status().is_redirection() || answer.status() == 400;
        if let Some(region) = region_of(answer).filter(|_| is_elsewhere) {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(region.to_owned());
        }
    }
}

/// The region that an answer names. It becomes part of a host name, so it must look like a region.
pub(super) fn region_of(answer: &HttpResponse) -> Option<&str> {
    let region = answer.headers().get("x-amz-bucket-region")?.to_str().ok()?;
    super::settings::is_region(region).then_some(region)
}

#[derive(Debug)]
struct Checked {
    inner: HttpClient,
    uploads: Uploads,
    named: NamedRegion,
    conditions: Conditions,
    /// Object names stay as they are, because the reader of this listing accepts any.
    keeps_names: bool,
    /// Pages without an object since the last page with any.
    empty_pages: AtomicUsize,
}

/// Why an answer is not accepted.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("{0}")]
    Url(String),
    #[error(
        "the answer (status {status}) redirects to {to}, and redirects are not followed; check the address, \
         or the endpoint and region"
    )]
    Elsewhere { status: u16, to: String },
    #[error("{0}")]
    Endless(#[from] Endless),
    #[error("{0}")]
    Untrusted(#[from] Untrusted),
    #[error("the listing does not end: a page leads back to itself")]
    SamePage,
    #[error("the listing does not end: {MOST_EMPTY_PAGES} pages without an object")]
    EmptyPages,
}

/// Failures that a retry would not fix.
fn lasting(why: impl Into<Refused>) -> HttpError {
    HttpError::new(HttpErrorKind::Unknown, why.into())
}

#[async_trait]
impl HttpService for Checked {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        // The client would panic at it: the http crate accepts some addresses that the url crate does not.
        if let Err(error) = Url::parse(&request.uri().to_string()) {
            return Err(lasting(Refused::Url(format!("the request has an invalid address: {error}"))));
        }
        let query = request.uri().query().unwrap_or_default();
        let listing = if request.method() == "GET" { Listing::asked_for(query) } else { None };
        let data =
            if request.method() == "GET" && listing.is_none() { Some(most_data(&request)) } else { None };
        let ticketed = self.uploads.ticketed(&request);
        let ends = ended_by(&request);
        let host = request.uri().authority().map_or_else(String::new, ToString::to_string);
        let answer = self.execute(request, ticketed.as_ref()).await;
        let answer = answer.map_err(|error| match Untrusted::of(&host, &error) {
            Some(untrusted) => lasting(untrusted),
            None => error,
        })?;
        self.uploads.ended(ends, &answer);
        self.named.note(&answer);
        if answer.status().is_redirection() {
            return not_followed(answer);
        }
        if answer.status() == 409 {
            return check_conflict(complaint(answer).await?).await;
        }
        if !answer.status().is_success() {
            return complaint(answer).await;
        }
        let most = data.map_or(LONGEST_DOCUMENT, |most| most.unwrap_or_else(|| length_of(&answer)));
        let answer = answer.map(|body| HttpResponseBody::new(Bounded::new(body, most, lasting)));
        match (listing, ticketed) {
            (Some(listing), _) => self.check_listing(answer, &listing).await,
            (_, Some(Ticketed::Begins(ticket))) => {
                let (answer, document) = whole(answer).await?;
                self.uploads.begun(ticket, &String::from_utf8_lossy(&document));
                Ok(answer)
            }
            (_, Some(Ticketed::Completes(ticket))) => {
                let (answer, document) = whole(answer).await?;
                let checksum = element(&String::from_utf8_lossy(&document), "ChecksumCRC64NVME");
                checksum.into_iter().for_each(|checksum| ticket.set_checksum(&checksum));
                Ok(answer)
            }
            (_, Some(Ticketed::Puts(ticket))) => {
                let checksum = answer.headers().get("x-amz-checksum-crc64nvme");
                let checksum = checksum.and_then(|checksum| checksum.to_str().ok());
                checksum.into_iter().for_each(|checksum| ticket.set_checksum(checksum));
                Ok(answer)
            }
            _ => Ok(answer),
        }
    }
}

/// How many bytes of data a request asks for, if it says.
fn most_data(request: &HttpRequest) -> Option<u64> {
    let range = request.headers().get("range")?.to_str().ok()?.strip_prefix("bytes=")?;
    let (first, last) = range.split_once('-')?;
    match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) => last.checked_sub(first)?.checked_add(1),
        (Err(_), Ok(last)) => Some(last),
        _ => None,
    }
}

/// The length that an answer announces; without one it is a document.
fn length_of(answer: &HttpResponse) -> u64 {
    let length = answer.headers().get("content-length").and_then(|length| length.to_str().ok()?.parse().ok());
    length.unwrap_or(LONGEST_DOCUMENT)
}

/// A redirect has a target, unless it is S3's way of saying that the region is wrong.
fn not_followed(answer: HttpResponse) -> Result<HttpResponse, HttpError> {
    let status = answer.status().as_u16();
    match answer.headers().get("location") {
        Some(to) => {
            let to = String::from_utf8_lossy(to.as_bytes()).into_owned();
            // Without the query, which may be a signature.
            let to = redacted(to.split('?').next().unwrap_or_default()).into_owned();
            Err(lasting(Refused::Elsewhere { status, to: to.chars().take(200).collect() }))
        }
        None => Ok(answer.map(|_| Bytes::new().into())),
    }
}

/// A failure with the beginning of its document, without secrets. A document that is endless, truncated or not text
/// does not change that it is a failure.
async fn complaint(answer: HttpResponse) -> Result<HttpResponse, HttpError> {
    let (mut parts, body) = answer.into_parts();
    let mut said = Vec::new();
    let read = async {
        let mut pieces = body.bytes_stream();
        while let Some(Ok(piece)) = pieces.next().await {
            said.extend_from_slice(&piece[..piece.len().min(LONGEST_COMPLAINT - said.len())]);
            if said.len() == LONGEST_COMPLAINT {
                break;
            }
        }
    };
    // Use what has arrived by then.
    let _ = tokio::time::timeout(SILENCE, read).await;
    let said = redacted(&String::from_utf8_lossy(&said)).into_owned();
    parts.headers.remove("content-length");
    Ok(HttpResponse::from_parts(parts, said.into()))
}

/// An answer together with its whole document. Only for requests that can safely be repeated: a truncated body is
/// retried like a lost connection.
async fn whole(answer: HttpResponse) -> Result<(HttpResponse, Bytes), HttpError> {
    let (parts, body) = answer.into_parts();
    let body = body.bytes().await.map_err(|error| match is_endless(&error) {
        true => error,
        false => HttpError::new(HttpErrorKind::Interrupted, error),
    })?;
    Ok((HttpResponse::from_parts(parts, body.clone().into()), body))
}

fn is_endless(error: &HttpError) -> bool {
    std::error::Error::source(error).is_some_and(|cause| cause.is::<Refused>())
}

fn set_status(answer: &mut HttpResponse, status: u16) {
    if let Ok(status) = status.try_into() {
        *answer.status_mut() = status;
    }
}

/// Two conditional writes at the same time: S3 answers one of them with a 409 that asks for a retry, and then the
/// condition decides.
async fn check_conflict(answer: HttpResponse) -> Result<HttpResponse, HttpError> {
    let (mut answer, document) = whole(answer).await?;
    if element(&String::from_utf8_lossy(&document), "Code").as_deref() == Some("ConditionalRequestConflict") {
        set_status(&mut answer, 503);
    }
    Ok(answer)
}

/// A request for a page of a listing.
#[derive(Debug, PartialEq, Eq)]
struct Listing {
    /// The root element of its document.
    root: &'static str,
    /// The element of an object in it.
    object: &'static str,
    /// The element of an object's name.
    name: &'static str,
    /// The element with the token of the next page.
    next: &'static str,
    /// The token of this page, unless it is the first.
    token: Option<String>,
}

impl Listing {
    /// The listing that a query requests: S3 and Google Cloud Storage use `list-type`, Azure uses `comp`.
    fn asked_for(query: &str) -> Option<Listing> {
        let (root, object, name, next, token) = query.split('&').find_map(|pair| match pair {
            "list-type=2" => {
                Some(("ListBucketResult", "Contents", "Key", "NextContinuationToken", "continuation-token"))
            }
            "comp=list" => Some(("EnumerationResults", "Blob", "Name", "NextMarker", "marker")),
            _ => None,
        })?;
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        let token = pairs.find_map(|(name, value)| (name == token).then(|| value.into_owned()));
        Some(Listing { root, object, name, next, token: token.filter(|token| !token.is_empty()) })
    }
}

impl Checked {
    /// Sends a request; one that completes an upload gets the requested condition. If the server does not support the
    /// condition, the request is repeated without it, because the publisher has just checked the name.
    async fn execute(
        &self,
        mut request: HttpRequest,
        ticketed: Option<&Ticketed>,
    ) -> Result<HttpResponse, HttpError> {
        let unconditional = match ticketed {
            Some(Ticketed::Completes(ticket)) if ticket.only_if_absent => Some(request.clone()),
            _ => None,
        };
        if unconditional.is_some() && !self.conditions.are_unknown() {
            Uploads::add_condition(&mut request);
        }
        let is_write = matches!(request.method().as_str(), "PUT" | "POST");
        let has = |name| request.headers().contains_key(name);
        let is_conditional = is_write && (has("if-none-match") || has("if-match"));
        let answer = self.inner.execute(request).await?;
        if !is_conditional || !matches!(answer.status().as_u16(), 400 | 501) {
            return Ok(answer);
        }
        let (mut answer, document) = whole(complaint(answer).await?).await?;
        let code = element(&String::from_utf8_lossy(&document), "Code").unwrap_or_default();
        if answer.status() != 501 && !matches!(code.as_str(), "NotImplemented" | "InvalidArgument") {
            return Ok(answer);
        }
        self.conditions.note_unknown();
        match unconditional {
            Some(request) => self.inner.execute(request).await,
            None => {
                // Not retried, unlike other failures of a server.
                set_status(&mut answer, 400);
                Ok(answer)
            }
        }
    }

    async fn check_listing(
        &self,
        answer: HttpResponse,
        listing: &Listing,
    ) -> Result<HttpResponse, HttpError> {
        let (mut answer, document) = whole(answer).await?;
        if !is_whole(&document, listing.root) {
            set_status(&mut answer, status_of(&document));
            // It is reported as an error, so it must not contain secrets.
            let said = redacted(&String::from_utf8_lossy(&document)).into_owned();
            return Ok(answer.map(|_| said.into()));
        }
        if listing.token.is_some() {
            let text = String::from_utf8_lossy(&document);
            if element(&text, listing.next).filter(|next| !next.is_empty()) == listing.token {
                return Err(lasting(Refused::SamePage));
            }
            let empty_pages = match memchr::memmem::find(&document, format!("{}>", listing.object).as_bytes())
            {
                Some(_) => 0,
                None => self.empty_pages.load(Ordering::Relaxed) + 1,
            };
            self.empty_pages.store(empty_pages, Ordering::Relaxed);
            if empty_pages > MOST_EMPTY_PAGES {
                return Err(lasting(Refused::EmptyPages));
            }
        }
        if self.keeps_names {
            return Ok(answer);
        }
        Ok(answer.map(|_| with_good_names(document, listing.name).into()))
    }
}

/// What the header `content-range` says: `bytes 0-9/100`, or `bytes */100` if there is no such range. Returns the range
/// and the size.
pub(super) fn content_range(text: &str) -> Option<(Option<Range<u64>>, u64)> {
    let (range, size) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
    let size = size.parse().ok()?;
    if range == "*" {
        return Some((None, size));
    }
    let (first, last) = range.split_once('-')?;
    let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last && last < size).then_some((Some(first..last + 1), size))
}

/// The status that an answer with this content should have had. Failures not known to be permanent are worth a retry.
pub(super) fn status_of(document: &Bytes) -> u16 {
    let text = String::from_utf8_lossy(document);
    match element(&text, "Code").unwrap_or_default().as_str() {
        "AccessDenied"
        | "AccountProblem"
        | "AllAccessDisabled"
        | "ExpiredToken"
        | "InvalidAccessKeyId"
        | "InvalidToken"
        | "SignatureDoesNotMatch" => 403,
        "NoSuchBucket" | "NoSuchKey" | "NoSuchUpload" | "ContainerNotFound" => 404,
        "PreconditionFailed" => 412,
        "NotImplemented" => 501,
        _ => 503,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_that_lasts_is_not_tried_again() {
        for (code, status) in
            [("AccessDenied", 403), ("NoSuchBucket", 404), ("SlowDown", 503), ("Other", 503)]
        {
            let document = format!("<Error><Code>{code}</Code></Error>");
            assert_eq!(status_of(&Bytes::from(document)), status, "{code}");
        }
        assert_eq!(status_of(&Bytes::new()), 503);
    }

    #[test]
    fn listings_are_told_by_their_query() {
        let root = |query| Listing::asked_for(query).map(|listing| (listing.root, listing.token));
        assert_eq!(root("list-type=2&prefix=x%2F"), Some(("ListBucketResult", None)));
        assert_eq!(
            root("continuation-token=a%2Bb&list-type=2"),
            Some(("ListBucketResult", Some("a+b".to_owned())))
        );
        assert_eq!(root("restype=container&comp=list&marker="), Some(("EnumerationResults", None)));
        assert_eq!(
            root("restype=container&comp=list&marker=2"),
            Some(("EnumerationResults", Some("2".to_owned())))
        );
        assert_eq!(root("uploads"), None);
        assert_eq!(root("prefix=list-type=2"), None);
    }

    #[test]
    fn a_request_for_data_says_how_much_there_can_be() {
        let most = |range: &str| {
            let mut request = HttpRequest::new(object_store::client::HttpRequestBody::empty());
            request.headers_mut().insert("range", range.parse().expect("a header"));
            most_data(&request)
        };
        assert_eq!(most("bytes=0-9"), Some(10));
        assert_eq!(most("bytes=-8"), Some(8));
        assert_eq!(most("bytes=7-"), None);
        assert_eq!(most("bytes=9-0"), None);
        assert_eq!(most("bytes=0-18446744073709551615"), None);
    }

    #[test]
    fn a_range_says_where_it_lies_and_how_long_the_whole_is() {
        assert_eq!(content_range("bytes 5-9/100"), Some((Some(5..10), 100)));
        assert_eq!(content_range("bytes */100"), Some((None, 100)));
        for bad in ["bytes 5-9/*", "5-9/100", "", "bytes 9-5/100", "bytes 5-100/100"] {
            assert_eq!(content_range(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_region_is_a_word() {
        let named = |region: &str| {
            let mut answer = HttpResponse::new(Bytes::new().into());
            answer.headers_mut().insert("x-amz-bucket-region", region.parse().expect("a header"));
            region_of(&answer).map(str::to_owned)
        };
        assert_eq!(named("eu-west-3").as_deref(), Some("eu-west-3"));
        for region in ["", "eu west", "evil.example/", "eu-west-3@evil.example", "x:1"] {
            assert_eq!(named(region), None, "{region}");
        }
    }
}
