//! Requests for single objects: those whose keys object_store cannot represent, and restores from an archive.

use super::direct::{Answer, Asked, Direct};
use super::http::content_range;
use super::object::{Object, archive, good_tag};
use crate::model::{Error, Result};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use object_store::signer::Method;
use std::ops::Range;

impl Direct {
    /// Metadata of an object; `None` if there is none.
    pub(crate) async fn head(&self, key: &str, url: &str) -> Result<Option<Object>> {
        let asked = Asked::new(Method::HEAD, key, &[]);
        let answer = self.send(&asked).await.map_err(|unanswered| unanswered.told("looking at", url))?;
        match answer.status {
            404 => Ok(None),
            _ if answer.is_success() => {
                let size = answer.header("content-length").and_then(|length| length.parse().ok());
                Ok(Some(described(&answer, key, url, size.unwrap_or_default())))
            }
            _ => Err(self.refused("looking at", url, &answer).await),
        }
    }

    /// Asks S3 to restore an archived object for this many days. A restore that is under way or done counts as success.
    pub(crate) async fn restore(&self, object: &Object, days: u32) -> Result<()> {
        let query = [("restore", String::new())];
        let mut asked = Asked::new(Method::POST, &object.key, &query);
        asked.header("content-type", "application/xml")?;
        asked.body = format!(
            "<RestoreRequest \
             xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Days>{days}</Days></RestoreRequest>"
        )
        .into();
        let answer =
            self.send(&asked).await.map_err(|unanswered| unanswered.told("restoring", &object.url))?;
        if answer.is_success() || answer.element("Code").as_deref() == Some("RestoreAlreadyInProgress") {
            return Ok(());
        }
        Err(self.refused("restoring", &object.url, &answer).await)
    }

    /// A range of an object, and its metadata from the answer.
    pub(crate) async fn read(&self, object: &Object, range: Range<u64>) -> Result<(Object, Bytes)> {
        let mut asked = Asked::new(Method::GET, &object.key, &[]);
        asked.header("range", &format!("bytes={}-{}", range.start, range.end - 1))?;
        if let Some(e_tag) = &object.e_tag {
            asked.header("if-match", e_tag)?;
        }
        let answer = self.send(&asked).await.map_err(|unanswered| unanswered.told("reading", &object.url))?;
        if !answer.is_success() {
            return Err(self.refused("reading", &object.url, &answer).await);
        }
        let Some((Some(got), size)) = answer.header("content-range").and_then(content_range) else {
            return Err(Error::Store {
                doing: "reading",
                object: object.url.clone(),
                reason: format!("the answer (status {}) does not say which bytes it holds", answer.status),
                remedy: None,
                source: None,
            });
        };
        let bytes = if got.start == range.start { answer.body.clone() } else { Bytes::new() };
        Ok((described(&answer, &object.key, &object.url, size), bytes))
    }
}

fn described(answer: &Answer, key: &str, url: &str, size: u64) -> Object {
    let modified = answer.header("last-modified");
    let modified = modified.and_then(|time| DateTime::parse_from_rfc2822(time).ok());
    let is_back = answer.header("x-amz-restore").is_some_and(|restore| restore.contains("expiry-date"));
    Object {
        key: key.to_owned(),
        url: url.to_owned(),
        size,
        modified: modified.map(|time| time.with_timezone(&Utc)),
        e_tag: good_tag(answer.header("etag").map(str::to_owned)),
        no_file: archive(answer.header("x-amz-storage-class")).filter(|_| !is_back),
    }
}
