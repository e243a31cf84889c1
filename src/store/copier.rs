//! Uploads that an S3 server assembles by UploadPartCopy, which object_store lacks. Does not decide what is uploaded.

use super::direct::{Answer, Asked, Direct, encoded};
use super::object::{Object, changed};
use super::s3::S3;
use crate::model::{Error, Missing, NotFound, Result};

use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::signer::Method;
use object_store::{MultipartId, PutMultipartOptions, PutPayload, PutResult};
use std::ops::Range;

/// What errors say was being done when a store refuses to copy.
pub(crate) const COPYING: &str = "copying on the server";

/// Uploads to one bucket, in which the server copies what it can.
#[derive(Clone)]
pub(crate) struct Copier {
    s3: S3,
}

impl Copier {
    pub(super) fn new(s3: S3) -> Self {
        Copier { s3 }
    }

    /// Whether this bucket's server can copy from the other one.
    pub(super) fn reaches(&self, other: &Copier) -> bool {
        self.s3.is_beside(&other.s3)
    }

    pub(crate) async fn begin(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> object_store::Result<MultipartId> {
        self.s3.create_multipart_opts(path, options).await
    }

    /// Sends a piece; pieces are numbered from 0.
    pub(crate) async fn send_piece(
        &self,
        path: &Path,
        id: &MultipartId,
        piece: usize,
        payload: PutPayload,
    ) -> object_store::Result<PartId> {
        self.s3.put_part(path, id, piece, payload).await
    }

    /// Has the server copy a piece from an object of the bucket `from`, as long as that is still the object that was
    /// listed.
    ///
    /// # Errors
    /// [`Error::Denied`] with [`COPYING`] if the server refuses to copy, which says nothing about reading and writing;
    /// [`Error::Data`] if the object has changed.
    pub(crate) async fn copy_piece(
        &self,
        (path, id, piece): (&Path, &MultipartId, usize),
        from: &Copier,
        object: &Object,
        range: Range<u64>,
    ) -> Result<PartId> {
        let query = [("partNumber", (piece + 1).to_string()), ("uploadId", id.clone())];
        let mut asked = Asked::new(Method::PUT, path.as_ref(), &query);
        asked.is_whole = |answer| answer.element("ETag").is_some();
        let mut set = |name: &'static str, value: String| asked.header(name, &value);
        set("x-amz-copy-source", copy_source(from.s3.bucket(), &object.key))?;
        set("x-amz-copy-source-range", format!("bytes={}-{}", range.start, range.end - 1))?;
        match (&object.e_tag, object.modified) {
            (Some(e_tag), _) => set("x-amz-copy-source-if-match", e_tag.clone())?,
            (None, Some(modified)) => {
                // A header has whole seconds, so round up.
                let until = modified + chrono::Duration::milliseconds(999);
                let until = until.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
                set("x-amz-copy-source-if-unmodified-since", until)?;
            }
            (None, None) => {}
        }
        let sent = Direct::new(self.s3.clone()).send(&asked).await;
        let answer = sent.map_err(|unanswered| unanswered.told(COPYING, &object.url))?;
        if answer.is_success() {
            return Ok(PartId { content_id: content_id(&answer) });
        }
        Err(match answer.status {
            412 => changed(object).into(),
            404 if answer.element("Code").as_deref() != Some("NoSuchUpload") => {
                let (doing, object, missing) = (COPYING, object.url.clone(), Missing::CopySource);
                NotFound::Object { doing, object, missing, source: None }.into()
            }
            // 400: for example, an object encrypted with the user's own key.
            400 | 401 | 403 | 405 | 501 => {
                let reason = match answer.status {
                    401 | 403 => self.s3.refused(&answer.said()).await,
                    _ => answer.said(),
                };
                let (doing, object) = (COPYING, object.url.clone());
                Error::Denied { doing, object, reason, remedy: None, source: None }
            }
            _ => {
                let (doing, object, reason) = (COPYING, object.url.clone(), answer.said());
                Error::Store { doing, object, reason, remedy: None, source: None }
            }
        })
    }

    /// Completes the object from its pieces.
    pub(crate) async fn complete(
        &self,
        path: &Path,
        id: &MultipartId,
        pieces: Vec<PartId>,
    ) -> object_store::Result<PutResult> {
        self.s3.complete_multipart(path, id, pieces).await
    }

    pub(crate) async fn abort(&self, path: &Path, id: &MultipartId) -> object_store::Result<()> {
        self.s3.abort_multipart(path, id).await
    }
}

/// How a piece is named when the upload is completed: by its ETag, with the checksum if the upload has one, in
/// object_store's form.
fn content_id(answer: &Answer) -> String {
    let e_tag = answer.element("ETag").unwrap_or_default();
    let checksum = |name: &str, element: &str| {
        let value = answer.element(element)?;
        Some(format!("<{name}>{}</{name}>", quick_xml::escape::escape(&value)))
    };
    let checksums = [("checksum_sha256", "ChecksumSHA256"), ("checksum_crc64nvme", "ChecksumCRC64NVME")];
    let checksums: String = checksums.iter().filter_map(|(name, element)| checksum(name, element)).collect();
    match checksums.as_str() {
        "" => e_tag,
        _ => {
            let e_tag = quick_xml::escape::escape(&e_tag);
            format!("<PartMetadata><e_tag>{e_tag}</e_tag>{checksums}</PartMetadata>")
        }
    }
}

/// The object's name in the header of a copy.
fn copy_source(bucket: &str, key: &str) -> String {
    match bucket.starts_with("arn:") {
        true => format!("{bucket}/object/{}", encoded(key)),
        false => format!("/{bucket}/{}", encoded(key)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use object_store::signer::HeaderMap;

    #[test]
    fn a_copy_out_of_an_access_point_names_its_arn() {
        assert_eq!(copy_source("b", "e//x y"), "/b/e//x%20y");
        let arn = "arn:aws:s3:us-west-2:123456789012:accesspoint/exports";
        assert_eq!(copy_source(arn, "x"), format!("{arn}/object/x"));
    }

    #[test]
    fn a_copied_piece_is_named_with_its_checksum() {
        let answer = |document: &str| Answer {
            status: 200,
            headers: HeaderMap::new(),
            body: document.to_owned().into(),
        };
        let plain = answer("<CopyPartResult><ETag>\"a\"</ETag></CopyPartResult>");
        assert_eq!(content_id(&plain), "\"a\"");
        let summed = answer(
            "<CopyPartResult><ETag>\"a\"</ETag><ChecksumCRC64NVME>x=</ChecksumCRC64NVME></CopyPartResult>",
        );
        assert_eq!(
            content_id(&summed),
            "<PartMetadata><e_tag>&quot;a&quot;</e_tag><checksum_crc64nvme>x=</checksum_crc64nvme></PartMetadata>"
        );
    }
}
