//! What is said to stores and believed of them beyond object_store. Takes HTTP requests and answers, gives them on or
//! turns answers into failures that object_store retries and reports. Never looks at an object's contents.
//!
//! object_store reads a listing that arrives with status 200 and an error document as a folder without objects, and
//! gives up on one that is cut off. An export that seems to be empty is the one mistake a user cannot see, so a listing
//! counts only when its document is whole. Uploads are completed under the condition that [`super::uploads`] keeps; a
//! conflict with another write that is under way says nothing yet about who wins, so it is asked again.

use super::uploads::{Uploads, ended_by};

use async_trait::async_trait;
use bytes::Bytes;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
    ReqwestConnector,
};
use quick_xml::Reader;
use quick_xml::escape::unescape;
use quick_xml::events::Event;
use std::borrow::Cow;

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

/// Whether a document is this root element up to its end, and nothing else.
fn is_whole(document: &Bytes, root: &str) -> bool {
    let mut reader = Reader::from_reader(&document[..]);
    // Says nothing about where a document ends; what to make of it is for object_store to say.
    reader.config_mut().allow_dangling_amp = true;
    let mut has_root = false;
    loop {
        match reader.read_event() {
            Ok(Event::Start(tag)) if !has_root && tag.local_name().as_ref() == root.as_bytes() => {
                if reader.read_to_end(tag.name()).is_err() {
                    return false;
                }
                has_root = true;
            }
            // A root without contents: `<ListBucketResult/>`.
            Ok(Event::Empty(tag)) if !has_root && tag.local_name().as_ref() == root.as_bytes() => {
                has_root = true;
            }
            Ok(Event::Decl(_) | Event::PI(_) | Event::DocType(_) | Event::Comment(_)) => {}
            Ok(Event::Text(text)) if text.trim_ascii().is_empty() => {}
            Ok(Event::Eof) => return has_root,
            _ => return false,
        }
    }
}

/// The text of the first element of this name, wherever it stands; none where the document breaks off in it.
pub(super) fn element(document: &str, name: &str) -> Option<String> {
    let mut reader = Reader::from_str(document);
    // What goes wrong is told by what can be read: the answer of a proxy need not be well-formed around it.
    let config = reader.config_mut();
    config.check_end_names = false;
    config.allow_unmatched_ends = true;
    config.allow_dangling_amp = true;
    loop {
        match reader.read_event().ok()? {
            Event::Start(tag) if tag.local_name().as_ref() == name.as_bytes() => break,
            Event::Empty(tag) if tag.local_name().as_ref() == name.as_bytes() => return Some(String::new()),
            Event::Eof => return None,
            _ => {}
        }
    }
    let mut text = String::new();
    loop {
        match reader.read_event().ok()? {
            Event::Text(piece) => text.push_str(&piece.xml10_content().ok()?),
            Event::CData(piece) => text.push_str(&piece.xml10_content().ok()?),
            Event::GeneralRef(entity) => {
                let escaped = format!("&{};", entity.decode().ok()?);
                text.push_str(&unescape(&escaped).unwrap_or(Cow::Borrowed(&escaped)));
            }
            Event::End(tag) if tag.local_name().as_ref() == name.as_bytes() => {
                return Some(text.trim().to_owned());
            }
            Event::Eof => return None,
            _ => {}
        }
    }
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

    fn is_listing(document: &str) -> bool {
        is_whole(&Bytes::copy_from_slice(document.as_bytes()), "ListBucketResult")
    }

    #[test]
    fn a_listing_is_whole_with_its_root_and_its_end() {
        assert!(is_listing(
            "<?xml version=\"1.0\"?>\n<ListBucketResult xmlns=\"x\"><Name>b</Name></ListBucketResult>\n"
        ));
        assert!(is_listing("<ListBucketResult/>"));
        assert!(is_listing("<ListBucketResult xmlns=\"x\" />"));
    }

    #[test]
    fn a_whole_listing_may_be_spelled_in_any_way_of_xml() {
        for document in [
            "\u{feff}<?xml version=\"1.0\" encoding=\"UTF-8\"?><ListBucketResult></ListBucketResult>",
            "<s3:ListBucketResult xmlns:s3=\"x\"><s3:Name>b</s3:Name></s3:ListBucketResult>",
            "<ListBucketResult\n  xmlns='x' a=\"1 > 0\"\n><Name>b</Name>\r\n</ListBucketResult >\n\n",
            "<ListBucketResult><Contents/><Delimiter/></ListBucketResult>",
            "<!-- made by --><?x y?><ListBucketResult><!-- > </ListBucketResult> --></ListBucketResult><!-- end -->",
            "<ListBucketResult><Key><![CDATA[</ListBucketResult]]></Key></ListBucketResult>",
            "<ListBucketResult><Key>a &amp; b &#38; c & d</Key></ListBucketResult>",
            "<ListBucketResult><ListBucketResult/></ListBucketResult>",
        ] {
            assert!(is_listing(document), "{document}");
        }
    }

    #[test]
    fn a_listing_that_is_cut_off_anywhere_is_not_whole() {
        let whole = "<?xml version=\"1.0\"?>\n<ListBucketResult xmlns=\"x\"><!-- c --><Contents><Key>a&amp;b</Key>\
             <Key><![CDATA[c]]></Key><Owner/></Contents><IsTruncated>false</IsTruncated></ListBucketResult>";
        assert!(is_listing(whole));
        for end in 0..whole.len() {
            assert!(!is_listing(&whole[..end]), "{}", &whole[..end]);
        }
    }

    #[test]
    fn an_error_document_a_cut_one_and_nothing_are_not() {
        for document in [
            "",
            "<?xml version=\"1.0\"?><Error><Code>InternalError</Code></Error>",
            "<ListBucketResult><Contents><Key>a</Key></Contents>",
            "<ListBucketResult><Name>b</Name><Contents/>",
            "<html><body>proxy error</body></html>",
            "<Error/><ListBucketResult/>",
            "<ListBucketResult/><Error/>",
            "error<ListBucketResult/>",
            "<ListBucketResult/>error",
            "<ListBucketResults/>",
            "<ListBucketResult><Contents><Key>a</ListBucketResult>",
            "<ListBucketResult><!-- </ListBucketResult>",
        ] {
            assert!(!is_listing(document), "{document}");
        }
    }

    #[test]
    fn the_text_of_an_element_is_what_xml_says_it_is() {
        for (document, text) in [
            ("<Error><Code>AccessDenied</Code></Error>", "AccessDenied"),
            ("<e:Error xmlns:e='x'><e:Code>AccessDenied</e:Code></e:Error>", "AccessDenied"),
            ("<Error><Code lang=\"en\" >\n  AccessDenied\n</Code ></Error>", "AccessDenied"),
            ("<Code>&quot;a&#34;&#x22;&apos;&lt;&gt;&amp;amp;</Code>", "\"a\"\"'<>&amp;"),
            ("<Code>a &nbsp; b & c</Code>", "a &nbsp; b & c"),
            ("<Code><![CDATA[a &amp; <b>]]></Code>", "a &amp; <b>"),
            ("<Code>Access<!-- <Code>no</Code> -->Denied</Code>", "AccessDenied"),
            ("<!-- <Code>no</Code> --><Code>yes</Code><Code>later</Code>", "yes"),
            ("<Codes>no</Codes><Error Code='no'><Code>yes</Code></Error>", "yes"),
            ("<html><br><p>error</i> & so on<Code>yes</Code>", "yes"),
            ("<Code></Code>", ""),
            ("<Code/>", ""),
        ] {
            assert_eq!(element(document, "Code").as_deref(), Some(text), "{document}");
        }
        for document in [
            "",
            "Code",
            "<Error/>",
            "<Code>",
            "<Code>Acce",
            "<Code>a&qu",
            "<Code>a</Cod",
            "<!-- <Code>a</Code>",
        ] {
            assert_eq!(element(document, "Code"), None, "{document}");
        }
    }

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
