//! Mapped buckets as S3 shows them, to be read only: so a client that was given `s3://bucket/prefix` by the API can list
//! and read what a job left there, through the same endpoint.
//!
//! `s3s` speaks the protocol and checks signatures; `object_store` reads the files.

use super::buckets::{Buckets, within};
use super::signature::Key;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use futures::TryStreamExt;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt};
use s3s::auth::SimpleAuth;
use s3s::dto::{
    Bucket, CommonPrefix, ETag, ETagCondition, GetBucketLocationInput, GetBucketLocationOutput,
    GetObjectInput, GetObjectOutput, HeadBucketInput, HeadBucketOutput, HeadObjectInput, HeadObjectOutput,
    ListBucketsInput, ListBucketsOutput, ListObjectsV2Input, ListObjectsV2Output, Object, Range,
    StreamingBlob, Timestamp,
};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;
use sync_wrapper::SyncStream;
use walkdir::{DirEntry, WalkDir};

/// The most keys on a page of a listing, as in S3.
const MAX_KEYS: usize = 1000;
/// The answer to a request that would write.
const READ_ONLY: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>MethodNotAllowed</Code>\
                         <Message>Buckets can only be read here.</Message></Error>";

/// The buckets behind the protocol.
pub(super) struct MappedS3 {
    service: S3Service,
    names: Vec<String>,
    needs_signature: bool,
}

impl MappedS3 {
    /// Requests must be signed by one of the keys, if there are any.
    pub(super) fn new(buckets: Arc<Buckets>, keys: Option<&[Key]>) -> Self {
        let names = buckets.names().map(str::to_owned).collect();
        let mut builder = S3ServiceBuilder::new(Files { buckets });
        if let Some(keys) = keys {
            let mut auth = SimpleAuth::new();
            for key in keys {
                auth.register(key.id.clone(), key.secret.clone().into());
            }
            builder.set_auth(auth);
        }
        MappedS3 { service: builder.build(), names, needs_signature: keys.is_some() }
    }

    /// Whether a path is that of a mapped bucket, or of an object in it.
    pub(super) fn holds(&self, path: &str) -> bool {
        let bucket = path.trim_start_matches('/').split('/').next().unwrap_or_default();
        self.names.iter().any(|name| name == bucket)
    }

    pub(super) async fn answer(&self, mut request: Request) -> Response {
        // What would write is not even read.
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return (StatusCode::METHOD_NOT_ALLOWED, [(CONTENT_TYPE, "application/xml")], READ_ONLY)
                .into_response();
        }
        *request.body_mut() = Body::empty();
        if !self.needs_signature {
            request.headers_mut().remove(AUTHORIZATION);
        }
        let answered = self.service.call(request.map(s3s::Body::http_body_unsync)).await;
        answered.map_or_else(
            |_| StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            |response| response.map(Body::new),
        )
    }
}

/// The files of mapped buckets.
struct Files {
    buckets: Arc<Buckets>,
}

impl Files {
    fn open(&self, bucket: &str) -> S3Result<LocalFileSystem> {
        let root = self.buckets.root(bucket).ok_or_else(|| s3_error!(NoSuchBucket))?;
        LocalFileSystem::new_with_prefix(root).map_err(|_| s3_error!(NoSuchBucket))
    }

    /// An object, if its key does not lead out of the bucket.
    fn find(&self, bucket: &str, key: &str) -> S3Result<(LocalFileSystem, Path)> {
        let store = self.open(bucket)?;
        let root = self.buckets.root(bucket).ok_or_else(|| s3_error!(NoSuchBucket))?;
        within(root, key).ok_or_else(|| s3_error!(NoSuchKey))?;
        Ok((store, Path::parse(key).map_err(|_| s3_error!(NoSuchKey))?))
    }
}

fn failed(error: object_store::Error) -> s3s::S3Error {
    match error {
        object_store::Error::NotFound { .. } => s3_error!(NoSuchKey),
        object_store::Error::Precondition { .. } => s3_error!(PreconditionFailed),
        object_store::Error::NotModified { .. } => s3_error!(NotModified),
        error => {
            tracing::warn!(%error, "an object cannot be read");
            s3_error!(InternalError, "the object cannot be read")
        }
    }
}

fn time(meta: &ObjectMeta) -> Timestamp {
    SystemTime::from(meta.last_modified).into()
}

fn tag(meta: &ObjectMeta) -> Option<ETag> {
    meta.e_tag.as_ref().map(|tag| ETag::Strong(tag.trim_matches('"').to_owned()))
}

fn condition(condition: &ETagCondition) -> Option<String> {
    match condition {
        ETagCondition::ETag(tag) => Some(format!("\"{}\"", tag.value())),
        ETagCondition::Any => Some("*".to_owned()),
    }
}

#[async_trait::async_trait]
impl S3 for Files {
    async fn list_buckets(&self, _: S3Request<ListBucketsInput>) -> S3Result<S3Response<ListBucketsOutput>> {
        // Clients expect a date; a folder has the one of its last change.
        let changed =
            |name: &str| std::fs::metadata(self.buckets.root(name)?).and_then(|meta| meta.modified()).ok();
        let bucket = |name: &str| Bucket {
            name: Some(name.to_owned()),
            creation_date: changed(name).map(Timestamp::from),
            ..Bucket::default()
        };
        let buckets = Some(self.buckets.names().map(bucket).collect());
        Ok(S3Response::new(ListBucketsOutput { buckets, ..ListBucketsOutput::default() }))
    }

    async fn head_bucket(
        &self,
        request: S3Request<HeadBucketInput>,
    ) -> S3Result<S3Response<HeadBucketOutput>> {
        self.open(&request.input.bucket)?;
        Ok(S3Response::new(HeadBucketOutput::default()))
    }

    async fn get_bucket_location(
        &self,
        request: S3Request<GetBucketLocationInput>,
    ) -> S3Result<S3Response<GetBucketLocationOutput>> {
        self.open(&request.input.bucket)?;
        Ok(S3Response::new(GetBucketLocationOutput::default()))
    }

    async fn head_object(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let (store, path) = self.find(&request.input.bucket, &request.input.key)?;
        let meta = store.head(&path).await.map_err(failed)?;
        Ok(S3Response::new(HeadObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            content_length: Some(meta.size as i64),
            last_modified: Some(time(&meta)),
            e_tag: tag(&meta),
            ..HeadObjectOutput::default()
        }))
    }

    async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let input = request.input;
        let (store, path) = self.find(&input.bucket, &input.key)?;
        let size = store.head(&path).await.map_err(failed)?.size;
        let range = input.range.as_ref().map(|range: &Range| range.check(size)).transpose()?;
        let options = GetOptions {
            range: range.clone().map(GetRange::Bounded),
            if_match: input.if_match.as_ref().and_then(condition),
            if_none_match: input.if_none_match.as_ref().and_then(condition),
            ..GetOptions::default()
        };
        let got = store.get_opts(&path, options).await.map_err(failed)?;
        let (meta, given) = (got.meta.clone(), got.range.clone());
        let content_range =
            range.map(|_| format!("bytes {}-{}/{}", given.start, given.end.saturating_sub(1), meta.size));
        Ok(S3Response::new(GetObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            body: Some(StreamingBlob::wrap(SyncStream::new(
                got.into_stream().map_err(std::io::Error::other),
            ))),
            content_length: Some((given.end - given.start) as i64),
            content_range,
            last_modified: Some(time(&meta)),
            e_tag: tag(&meta),
            ..GetObjectOutput::default()
        }))
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = request.input;
        let store = self.open(&input.bucket)?;
        let root = self.buckets.root(&input.bucket).ok_or_else(|| s3_error!(NoSuchBucket))?.to_owned();
        let prefix = input.prefix.clone().unwrap_or_default();
        let most = input.max_keys.map_or(MAX_KEYS, |most| (most.max(0) as usize).min(MAX_KEYS));
        let after = input.continuation_token.clone().max(input.start_after.clone()).unwrap_or_default();
        let keys = keys(root, prefix.clone()).await.map_err(|_| s3_error!(InternalError))?;
        // Keys, and common prefixes of keys.
        let mut found: BTreeMap<String, Item> = BTreeMap::new();
        for key in keys {
            let rest = &key[prefix.len()..];
            let end =
                input.delimiter.as_ref().and_then(|text| rest.find(text.as_str()).map(|at| at + text.len()));
            let (text, item) = match end {
                Some(end) => (format!("{prefix}{}", &rest[..end]), Item::Prefix),
                None => (key, Item::Key),
            };
            if text > after {
                found.insert(text, item);
            }
        }
        let has_more = found.len() > most;
        let page: Vec<(String, Item)> = found.into_iter().take(most).collect();
        let last = page.last().map(|(text, _)| text.clone());
        let (mut contents, mut common_prefixes) = (Vec::new(), Vec::new());
        for (text, item) in page {
            match item {
                Item::Prefix => common_prefixes.push(CommonPrefix { prefix: Some(text) }),
                Item::Key => {
                    let Ok(path) = Path::parse(&text) else { continue };
                    // A job may just have replaced or removed it.
                    let Ok(meta) = store.head(&path).await else { continue };
                    contents.push(Object {
                        key: Some(text),
                        size: Some(meta.size as i64),
                        last_modified: Some(time(&meta)),
                        e_tag: tag(&meta),
                        ..Object::default()
                    });
                }
            }
        }
        Ok(S3Response::new(ListObjectsV2Output {
            name: Some(input.bucket),
            prefix: input.prefix,
            delimiter: input.delimiter,
            start_after: input.start_after,
            continuation_token: input.continuation_token,
            max_keys: Some(most as i32),
            key_count: Some((contents.len() + common_prefixes.len()) as i32),
            is_truncated: Some(has_more && most > 0),
            next_continuation_token: last.filter(|_| has_more),
            contents: Some(contents),
            common_prefixes: Some(common_prefixes),
            ..ListObjectsV2Output::default()
        }))
    }
}

/// What a listing shows.
enum Item {
    Key,
    Prefix,
}

/// The keys of a bucket that begin with a prefix. Links are not followed: they may lead out of the folder, or in a circle.
async fn keys(root: PathBuf, prefix: String) -> Result<Vec<String>, tokio::task::JoinError> {
    tokio::task::spawn_blocking(move || {
        let folder = prefix.rsplit_once('/').map_or("", |(folder, _)| folder);
        let Some(folder) = within(&root, folder) else { return Vec::new() };
        let files = WalkDir::new(folder).into_iter().flatten().filter(|entry| entry.file_type().is_file());
        let key = |entry: DirEntry| {
            let path = entry.path().strip_prefix(&root).ok()?;
            let names: Option<Vec<&str>> = path.iter().map(|name| name.to_str()).collect();
            Some(names?.join("/"))
        };
        files.filter_map(key).filter(|key| key.starts_with(&prefix)).collect()
    })
    .await
}
