//! Our own requests to an S3 bucket, for what object_store does not offer and for keys that it cannot represent: pages
//! of a listing, objects under any key that S3 allows, copies of ranges. Takes a method, a key and headers; signs,
//! sends, retries if a failure may be temporary, and returns the whole answer. Does not decide what to request.
//!
//! Keys go over the wire byte by byte: empty segments, `.` and `..` have no special meaning to the server. Requests are
//! signed by Amazon's own crate, because object_store's signer also treats an address as a path.

use super::client::wait_before;
use super::failure::{answered, one_line};
use super::http::status_of;
use super::s3::S3;
use super::trust::Untrusted;
use super::xml::element;
use crate::model::{Error, Remedy, Result};

use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use object_store::client::{HttpClient, HttpError, HttpErrorKind, HttpRequest};
use object_store::signer::{HeaderMap, HeaderName, HeaderValue, Method};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::fmt;
use std::time::{Instant, SystemTime};

/// Sends requests to a bucket.
#[derive(Clone)]
pub(crate) struct Direct {
    pub(super) s3: S3,
}

/// A request to a bucket, or to an object in it.
pub(super) struct Asked<'a> {
    pub(super) method: Method,
    /// Empty for the bucket itself.
    pub(super) key: &'a str,
    pub(super) query: &'a [(&'a str, String)],
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// Checks the body of a success: one that is not as it should be was truncated on its way.
    pub(super) is_whole: fn(&Answer) -> bool,
}

impl<'a> Asked<'a> {
    pub(super) fn new(method: Method, key: &'a str, query: &'a [(&'a str, String)]) -> Self {
        let (headers, body) = (HeaderMap::new(), Bytes::new());
        Asked { method, key, query, headers, body, is_whole: |_| true }
    }

    /// Adds a header.
    pub(super) fn header(&mut self, name: &'static str, value: &str) -> Result<()> {
        let value =
            HeaderValue::from_str(value).map_err(|error| Error::Internal(format!("{name}: {error}")))?;
        self.headers.insert(HeaderName::from_static(name), value);
        Ok(())
    }

    /// The rest of the address after the bucket's.
    fn address(&self, bucket: &str) -> String {
        let mut address = bucket.to_owned();
        if !self.key.is_empty() {
            address.push('/');
            address.extend(utf8_percent_encode(self.key, &ENCODED));
        }
        for (index, (name, value)) in self.query.iter().enumerate() {
            address.push(if index == 0 { '?' } else { '&' });
            address.push_str(name);
            address.push('=');
            address.extend(utf8_percent_encode(value, &ENCODED_VALUE));
        }
        address
    }
}

impl Direct {
    pub(super) fn new(s3: S3) -> Self {
        Direct { s3 }
    }

    /// Whether the server has shown that it does not support conditional writes.
    pub(crate) fn knows_no_conditions(&self) -> bool {
        self.s3.knows_no_conditions()
    }

    /// Sends a request, with retries, until there is a final answer. The error is the last failure in words, never with
    /// its cause, which may contain secrets.
    pub(super) async fn send(&self, asked: &Asked<'_>) -> Result<Answer, Unanswered> {
        let (began, retry) = (Instant::now(), self.s3.retry());
        let mut tries = 0;
        loop {
            let answer = self.send_once(asked).await?;
            tries += 1;
            let lasts = match &answer {
                Ok(answer) => !answer.is_passing(asked.is_whole),
                Err(lost) => matches!(lost.kind, HttpErrorKind::Decode | HttpErrorKind::Unknown),
            };
            if lasts || tries > retry.max_retries || began.elapsed() > retry.retry_timeout {
                return answer.map_err(|lost| Unanswered::Failed(lost.said, lost.remedy));
            }
            tokio::time::sleep(wait_before(tries, &retry.backoff)).await;
        }
    }

    /// One try, and another if the answer names the right region.
    async fn send_once(&self, asked: &Asked<'_>) -> Result<Result<Answer, Lost>, Unanswered> {
        let place = self.s3.place().await.map_err(Unanswered::own)?;
        // Signed again each time, because credentials may have been refreshed.
        let request = self.signed(asked, place.url, place.region).await?;
        let answer = send(place.client(asked.key), request).await;
        let is_answered = answer.as_ref().is_ok_and(Answer::is_success);
        if !is_answered && let Some(place) = self.s3.moved_place().await.map_err(Unanswered::own)? {
            let request = self.signed(asked, place.url, place.region).await?;
            return Ok(send(place.client(asked.key), request).await);
        }
        Ok(answer)
    }

    async fn signed(&self, asked: &Asked<'_>, bucket: &str, region: &str) -> Result<HttpRequest, Unanswered> {
        let address = asked.address(bucket);
        let failed = |error: &dyn fmt::Display| Unanswered::Failed(format!("signing: {error}"), None);
        let mut request = HttpRequest::new(asked.body.clone().into());
        *request.method_mut() = asked.method.clone();
        *request.uri_mut() = address.parse().map_err(|error| failed(&error))?;
        request.headers_mut().extend(asked.headers.clone());
        if self.s3.pays() {
            request.headers_mut().insert("x-amz-request-payer", HeaderValue::from_static("requester"));
        }
        let Some(credentials) = self.s3.credentials().await.map_err(Unanswered::Own)? else {
            return Ok(request);
        };
        let mut settings = SigningSettings::default();
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        let identity = credentials.into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(region)
            .name("s3")
            .time(SystemTime::now())
            .settings(settings)
            .build()
            .map_err(|error| failed(&error))?
            .into();
        let headers: Vec<(&str, &str)> = request
            .headers()
            .iter()
            .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
            .collect();
        let body = SignableBody::Bytes(&asked.body);
        let signable = SignableRequest::new(asked.method.as_str(), &address, headers.into_iter(), body)
            .map_err(|error| failed(&error))?;
        let (instructions, _) = sign(signable, &params).map_err(|error| failed(&error))?.into_parts();
        instructions.apply_to_request_http1x(&mut request);
        Ok(request)
    }

    /// Turns an unsuccessful answer into an error.
    pub(super) async fn refused(&self, doing: &'static str, object: &str, answer: &Answer) -> Error {
        let said = match answer.status {
            401 | 403 => self.s3.refused(&answer.said()).await,
            _ => answer.said(),
        };
        answered(doing, object, answer.status, answer.element("Code").as_deref(), said)
    }
}

/// Why there is no answer.
pub(super) enum Unanswered {
    /// An error on our side, such as missing credentials.
    Own(Error),
    /// The last failure, and what helps if that is known.
    Failed(String, Option<Remedy>),
}

impl Unanswered {
    fn own(error: object_store::Error) -> Self {
        Unanswered::Own(super::failure::store_error("connecting to", "S3", error))
    }

    pub(super) fn told(self, doing: &'static str, object: &str) -> Error {
        match self {
            Unanswered::Own(error) => error,
            Unanswered::Failed(reason, remedy) => {
                Error::Store { doing, object: object.to_owned(), reason, remedy, source: None }
            }
        }
    }
}

/// A request without a whole answer.
struct Lost {
    kind: HttpErrorKind,
    said: String,
    remedy: Option<Remedy>,
}

impl Lost {
    fn new(error: &HttpError) -> Self {
        let untrusted = Untrusted::behind(error);
        let said = untrusted.map_or_else(|| one_line(error), ToString::to_string);
        Lost { kind: error.kind(), said, remedy: untrusted.and_then(Untrusted::remedy) }
    }
}

async fn send(client: &HttpClient, request: HttpRequest) -> Result<Answer, Lost> {
    let answer = client.execute(request).await.map_err(|error| Lost::new(&error))?;
    let (parts, body) = answer.into_parts();
    // A truncated answer is not an answer.
    let cut_short = |error| Lost { kind: HttpErrorKind::Interrupted, ..Lost::new(&error) };
    let body = body.bytes().await.map_err(cut_short)?;
    let (status, headers) = (parts.status.as_u16(), parts.headers);
    Ok(Answer { status, headers, body }.with_true_status())
}

/// A server's answer.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    /// S3 starts long answers with status 200 before it knows the outcome.
    fn with_true_status(mut self) -> Self {
        let begins_as_xml = self.body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'<');
        let is_document = self.header("content-type").is_none_or(|kind| kind.contains("xml"));
        if self.is_success() && self.status != 206 && begins_as_xml && is_document && self.root_is_error() {
            self.status = status_of(&self.body);
        }
        self
    }

    fn root_is_error(&self) -> bool {
        super::xml::is_whole(&self.body, "Error")
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The text of an element of the document.
    pub(super) fn element(&self, name: &str) -> Option<String> {
        element(&self.text(), name)
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Whether a later try may succeed.
    fn is_passing(&self, is_whole: fn(&Answer) -> bool) -> bool {
        (self.is_success() && !is_whole(self))
            || matches!(self.status, 408 | 429 | 500 | 502..=599)
            || (!self.is_success() && self.element("Code").as_deref() == Some("RequestTimeout"))
    }

    pub(super) fn said(&self) -> String {
        let code = self.element("Code");
        let code = code.as_deref().unwrap_or("no error code");
        let message = self.element("Message").unwrap_or_default();
        let text = format!("status {}, {code}: {message}", self.status);
        text.trim_end_matches([':', ' ']).to_owned()
    }
}

/// Characters to escape in a query's value: all except the unreserved ones of RFC 3986, as signatures require.
const ENCODED_VALUE: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The same for a key, in which the slash stays.
const ENCODED: AsciiSet = ENCODED_VALUE.remove(b'/');

/// A key as a header value.
pub(super) fn encoded(key: &str) -> impl fmt::Display {
    utf8_percent_encode(key, &ENCODED)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, text: &str) -> Answer {
        Answer { status, headers: HeaderMap::new(), body: Bytes::from(text.to_owned()) }.with_true_status()
    }

    fn has_tag(answer: &Answer) -> bool {
        answer.element("ETag").is_some()
    }

    #[test]
    fn an_answer_is_told_in_one_line() {
        let refused = answer(403, "<Error><Code>AccessDenied</Code><Message>no</Message></Error>");
        assert_eq!(refused.said(), "status 403, AccessDenied: no");
        assert_eq!(answer(501, "").said(), "status 501, no error code");
        let copied = answer(200, "<CopyPartResult><ETag>&quot;a&quot;</ETag></CopyPartResult>");
        assert!(copied.is_success() && !copied.is_passing(has_tag));
        assert_eq!(copied.element("ETag").as_deref(), Some("\"a\""));
    }

    #[test]
    fn what_is_not_implemented_is_not_asked_for_again() {
        let passes = |status, text: &str| answer(status, text).is_passing(has_tag);
        assert!(!passes(501, "<Error><Code>NotImplemented</Code></Error>"));
        assert!(passes(503, "") && passes(500, "") && passes(429, ""));
        assert!(passes(200, "<CopyPartResult><ETag>&quot;a&qu"));
        assert!(!passes(412, "") && !passes(400, ""));
    }

    #[test]
    fn an_error_document_with_status_200_is_an_error() {
        assert_eq!(answer(200, "<Error><Code>SlowDown</Code></Error>").status, 503);
        assert_eq!(answer(200, "<Error><Code>AccessDenied</Code></Error>").status, 403);
        assert_eq!(answer(200, "<List><Error><Code>AccessDenied</Code></Error></List>").status, 200);
    }

    #[test]
    fn a_key_is_encoded_byte_by_byte() {
        assert_eq!(encoded("a/b c+d%20é").to_string(), "a/b%20c%2Bd%2520%C3%A9");
        for byte in 0..128_u8 {
            let is_kept = byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
            let expected = if is_kept { char::from(byte).to_string() } else { format!("%{byte:02X}") };
            assert_eq!(encoded(&char::from(byte).to_string()).to_string(), expected);
        }
    }

    #[test]
    fn a_key_is_no_path() {
        let query = [("partNumber", "1".to_owned()), ("prefix", "a/ b".to_owned())];
        let address = |key| Asked::new(Method::GET, key, &query[..1]).address("http://h/b");
        assert_eq!(address("a//../b"), "http://h/b/a//../b?partNumber=1");
        assert_eq!(address("/a/"), "http://h/b//a/?partNumber=1");
        assert_eq!(address("\u{1}"), "http://h/b/%01?partNumber=1");
        let of_bucket = Asked::new(Method::GET, "", &query).address("http://h/b");
        assert_eq!(of_bucket, "http://h/b?partNumber=1&prefix=a%2F%20b");
    }
}
