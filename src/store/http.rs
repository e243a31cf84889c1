//! HTTP middleware under object_store: checks that listings are complete and adds conditions that it cannot express. Takes
//! HTTP requests and answers, passes them on, or turns answers into failures that object_store retries and reports. Never looks at an object's contents.
//!
//! object_store reads a listing that arrives with status 200 and an error document as a folder without objects, and
//! gives up on one that is cut off. An export that seems to be empty is the one mistake a user cannot see, so a listing
//! counts only when its document is whole. Uploads are completed under the condition that [`super::uploads`] keeps; a
//! conflict with another write that is under way says nothing yet about who wins, so it is asked again.

use super::uploads::{Uploads, ended_by};
use super::xml::{element, is_whole};

use async_trait::async_trait;
use bytes::Bytes;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
    ReqwestConnector,
};

/// Makes clients that check listings.
#[derive(Debug, Default)]
pub(super) struct CheckedConnector {
    inner: ReqwestConnector,
}

impl HttpConnector for CheckedConnector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(Checked { inner: self.inner.connect(options)?, uploads: Uploads::default() }))
    }
}

#[derive(Debug)]
struct Checked {
    inner: HttpClient,
    uploads: Uploads,
}

#[async_trait]
impl HttpService for Checked {
    async fn call(&self, mut request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let query = request.uri().query().unwrap_or_default();
        let root = if request.method() == "GET" { listing_root(query) } else { None };
        let ticket = Uploads::ticket(&request);
        self.uploads.add_condition(&mut request);
        let ends = ended_by(&request);
        let answer = self.inner.execute(request).await?;
        self.uploads.ended(ends, &answer);
        match (root, ticket) {
            (Some(root), _) if answer.status().is_success() => check_listing(answer, root).await,
            (_, Some(ticket)) if answer.status().is_success() => {
                let (answer, document) = whole(answer).await?;
                self.uploads.begun(&ticket, &String::from_utf8_lossy(&document));
                Ok(answer)
            }
            _ if answer.status() == 409 => check_conflict(answer).await,
            _ => Ok(answer),
        }
    }
}

/// An answer together with its document, read at once. Only for requests that can be made again at no risk: a body that
/// breaks off is retried like a lost connection.
async fn whole(answer: HttpResponse) -> Result<(HttpResponse, Bytes), HttpError> {
    let (parts, body) = answer.into_parts();
    let body = body.bytes().await.map_err(|error| HttpError::new(HttpErrorKind::Interrupted, error))?;
    Ok((HttpResponse::from_parts(parts, body.clone().into()), body))
}

fn set_status(answer: &mut HttpResponse, status: u16) {
    if let Ok(status) = status.try_into() {
        *answer.status_mut() = status;
    }
}

/// Two conditional writes at the same time: S3 answers one of them with a 409 that asks for another try, after which the
/// condition decides.
async fn check_conflict(answer: HttpResponse) -> Result<HttpResponse, HttpError> {
    let (mut answer, document) = whole(answer).await?;
    if element(&String::from_utf8_lossy(&document), "Code").as_deref() == Some("ConditionalRequestConflict") {
        set_status(&mut answer, 503);
    }
    Ok(answer)
}

/// The root element of the answer to a request with this query, where that is a listing: S3 and Google Cloud Storage
/// speak of `list-type`, Azure of `comp`.
fn listing_root(query: &str) -> Option<&'static str> {
    query.split('&').find_map(|pair| match pair {
        "list-type=2" => Some("ListBucketResult"),
        "comp=list" => Some("EnumerationResults"),
        _ => None,
    })
}

async fn check_listing(answer: HttpResponse, root: &str) -> Result<HttpResponse, HttpError> {
    let (mut answer, document) = whole(answer).await?;
    if !is_whole(&document, root) {
        set_status(&mut answer, status_of(&document));
    }
    Ok(answer)
}

/// The status that an answer of this content should have had. What is not known to last is worth another try.
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
        assert_eq!(listing_root("list-type=2&prefix=x%2F"), Some("ListBucketResult"));
        assert_eq!(listing_root("restype=container&comp=list"), Some("EnumerationResults"));
        assert_eq!(listing_root("uploads"), None);
        assert_eq!(listing_root("prefix=list-type=2"), None);
    }
}
