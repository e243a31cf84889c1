//! Lists a bucket page by page with our own requests: with every key that S3 allows, with storage classes, and from
//! servers that support only the first version of the request. Takes a prefix, returns objects in the order of the
//! pages.

use super::direct::{Answer, Asked, Direct};
use super::object::{Object, archive, good_tag};
use super::xml::is_whole;
use crate::model::{Error, Result};

use chrono::{DateTime, Utc};
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use object_store::signer::Method;
use serde::Deserialize;

/// Where a page starts.
#[derive(Debug, Clone, PartialEq, Eq)]
enum From {
    /// After this key, or at the beginning.
    Key(Option<String>),
    /// Where the previous page said, by the second version of the request.
    Token(String),
    /// After this key, by the first version.
    Marker(String),
}

/// A page as the server sends it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Page {
    #[serde(default)]
    contents: Vec<Contents>,
    #[serde(default)]
    is_truncated: bool,
    next_continuation_token: Option<String>,
    next_marker: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Contents {
    key: String,
    #[serde(default)]
    size: u64,
    last_modified: Option<DateTime<Utc>>,
    #[serde(rename = "ETag")]
    e_tag: Option<String>,
    storage_class: Option<String>,
    restore_status: Option<RestoreStatus>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RestoreStatus {
    restore_expiry_date: Option<String>,
}

impl Direct {
    /// All objects whose keys begin with `prefix`, after one key.
    pub(crate) fn list(
        &self,
        prefix: &str,
        after: Option<String>,
        root: std::sync::Arc<str>,
    ) -> BoxStream<'static, Result<Object>> {
        let (direct, prefix) = (self.clone(), prefix.to_owned());
        let pages = stream::try_unfold(Some(From::Key(after)), move |from| {
            let (direct, prefix, root) = (direct.clone(), prefix.clone(), root.clone());
            async move {
                let Some(from) = from else { return Ok::<_, Error>(None) };
                let (objects, next) = direct.page(&prefix, &from, &root).await?;
                Ok(Some((stream::iter(objects.into_iter().map(Ok)), next)))
            }
        });
        pages.try_flatten().boxed()
    }

    async fn page(&self, prefix: &str, from: &From, root: &str) -> Result<(Vec<Object>, Option<From>)> {
        let shown = format!("{root}{prefix}");
        let answer = match from {
            From::Marker(_) => self.ask_for_page(prefix, from, &shown).await?,
            _ => match self.ask_for_page(prefix, from, &shown).await? {
                answer if knows_no_second_version(&answer) => {
                    let from = From::Marker(match from {
                        From::Key(Some(after)) => after.clone(),
                        _ => String::new(),
                    });
                    self.ask_for_page(prefix, &from, &shown).await?
                }
                answer => answer,
            },
        };
        if !answer.is_success() {
            return Err(self.refused("listing", &shown, &answer).await);
        }
        read_page(&answer, from, root).map_err(|reason| Error::Store {
            doing: "listing",
            object: shown,
            reason,
            remedy: None,
            source: None,
        })
    }

    async fn ask_for_page(&self, prefix: &str, from: &From, shown: &str) -> Result<Answer> {
        // Without encoded keys: some servers announce the encoding but do not apply it.
        let mut query = Vec::new();
        let second = || ("list-type", "2".to_owned());
        match from {
            From::Key(after) => {
                query.push(second());
                query.extend(after.iter().map(|key| ("start-after", key.clone())));
            }
            From::Token(token) => query.extend([second(), ("continuation-token", token.clone())]),
            From::Marker(marker) => query.push(("marker", marker.clone())),
        }
        if !prefix.is_empty() {
            query.push(("prefix", prefix.to_owned()));
        }
        let mut asked = Asked::new(Method::GET, "", &query);
        // Asks whether an archived object is restored; other servers ignore this.
        asked.header("x-amz-optional-object-attributes", "RestoreStatus")?;
        asked.is_whole = |answer| is_whole(&answer.body, ROOT);
        self.send(&asked).await.map_err(|unanswered| unanswered.told("listing", shown))
    }
}

const ROOT: &str = "ListBucketResult";

/// Whether a server refuses `list-type`.
fn knows_no_second_version(answer: &Answer) -> bool {
    let code = || answer.element("Code").unwrap_or_default();
    match answer.status {
        501 => true,
        400 => matches!(code().as_str(), "InvalidArgument" | "InvalidRequest" | "NotImplemented"),
        _ => false,
    }
}

/// The objects of a page, and where the next one starts.
fn read_page(answer: &Answer, from: &From, root: &str) -> Result<(Vec<Object>, Option<From>), String> {
    if !is_whole(&answer.body, ROOT) {
        return Err(format!("the answer is not a listing: {}", answer.said()));
    }
    let page: Page = quick_xml::de::from_reader(&answer.body[..])
        .map_err(|error| format!("the listing cannot be read: {error}"))?;
    let objects: Vec<Object> = page.contents.into_iter().map(|found| found.object(root)).collect();
    let next = match (page.is_truncated, page.next_continuation_token) {
        (false, _) => None,
        (true, Some(token)) if !token.is_empty() => Some(From::Token(token)),
        // A server that supports only the first version: the next page starts after this page's last key.
        (true, _) => {
            let named = page.next_marker.filter(|marker| !marker.is_empty());
            let last = || objects.last().map(|object| object.key.clone());
            match named.or_else(last) {
                Some(marker) => Some(From::Marker(marker)),
                None => return Err("the listing goes on but does not say where".into()),
            }
        }
    };
    if next.as_ref() == Some(from) {
        return Err("the listing does not end: a page leads back to itself".into());
    }
    Ok((objects, next))
}

impl Contents {
    fn object(self, root: &str) -> Object {
        let key = self.key;
        let is_back = self.restore_status.is_some_and(|status| status.restore_expiry_date.is_some());
        Object {
            url: format!("{root}{key}"),
            size: self.size,
            modified: self.last_modified,
            e_tag: good_tag(self.e_tag),
            no_file: archive(self.storage_class.as_deref()).filter(|_| !is_back),
            key,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use object_store::signer::HeaderMap;

    fn page(document: &str) -> Result<(Vec<Object>, Option<From>), String> {
        let body = Bytes::from(document.to_owned());
        let answer = Answer { status: 200, headers: HeaderMap::new(), body };
        read_page(&answer, &From::Key(None), "s3://b/")
    }

    #[test]
    fn a_page_gives_keys_as_they_are() {
        let (objects, next) = page(
            "<ListBucketResult \
             xmlns=\"x\"><IsTruncated>true</IsTruncated><NextContinuationToken>t+/=</NextContinuationToken><Contents><Key> \
             e//a+b%20&amp;c&#x1;&#13; \
             </Key><Size>3</Size><ETag>&quot;x&quot;</ETag><LastModified>2026-01-02T03:04:05.000Z</LastModified><StorageClass>STANDARD</StorageClass></Contents><Contents><Key>e/../%</Key><Size>0</Size><StorageClass>GLACIER</StorageClass><Owner><ID>i</ID></Owner></Contents></ListBucketResult>",
        )
        .expect("a page");
        assert_eq!(next, Some(From::Token("t+/=".into())));
        let keys: Vec<&str> = objects.iter().map(|object| object.key.as_str()).collect();
        assert_eq!(keys, [" e//a+b%20&c\u{1}\r ", "e/../%"]);
        assert_eq!(objects[0].e_tag.as_deref(), Some("\"x\""));
        assert_eq!(objects[0].url, "s3://b/ e//a+b%20&c\u{1}\r ");
        assert_eq!((objects[0].size, objects[0].no_file), (3, None));
        assert_eq!(objects[0].modified.map(|time| time.timestamp()), Some(1_767_323_045));
        assert!(objects[1].no_file.is_some());
    }

    #[test]
    fn a_server_of_the_first_version_goes_on_after_the_last_key() {
        let truncated = |more: &str| {
            page(&format!(
                "<ListBucketResult><IsTruncated>true</IsTruncated>{more}<Contents><Key>a</Key><Size>1</Size></Contents></ListBucketResult>"
            ))
        };
        assert_eq!(truncated("").expect("a page").1, Some(From::Marker("a".into())));
        assert_eq!(
            truncated("<NextMarker>b</NextMarker>").expect("a page").1,
            Some(From::Marker("b".into()))
        );
    }

    #[test]
    fn a_restored_object_can_be_read() {
        let (objects, _) = page(
            "<ListBucketResult><Contents><Key>a</Key><Size>1</Size><StorageClass>DEEP_ARCHIVE</StorageClass><RestoreStatus><IsRestoreInProgress>false</IsRestoreInProgress><RestoreExpiryDate>2026-12-01T00:00:00Z</RestoreExpiryDate></RestoreStatus></Contents></ListBucketResult>",
        )
        .expect("a page");
        assert_eq!(objects[0].no_file, None);
    }

    #[test]
    fn what_is_no_page_is_no_empty_folder() {
        for document in
            ["", "<html/>", "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>"]
        {
            assert!(page(document).is_err(), "{document}");
        }
    }
}
