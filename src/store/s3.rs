//! A bucket of S3 that is connected to at its first use: by then profile, region and endpoint are known. Takes a
//! bucket's name and options, returns an [`ObjectStore`].

use super::chain::{Chain, Shared};
use super::client::client_options;
use super::failure::{carried, is_refusal, one_line, refused};
use super::http::CheckedConnector;
use super::options::StoreOptions;
use crate::model::{Error, Missing, NotFound, Remedy, Result};

use async_trait::async_trait;
use bytes::Bytes;
use futures::FutureExt;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use object_store::aws::{
    AmazonS3, AmazonS3Builder, AmazonS3ConfigKey, S3ConditionalPut, resolve_bucket_region,
};
use object_store::client::{HttpClient, HttpConnector, HttpRequest, HttpRequestBody, ReqwestConnector};
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{
    ClientOptions, CopyOptions, GetOptions, GetResult, ListResult, MultipartId, MultipartUpload, ObjectMeta,
    ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, UploadPart,
};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use tokio::sync::OnceCell;

/// The region of a server that does not say where it is.
const DEFAULT_REGION: &str = "us-east-1";

#[derive(Debug, Clone)]
pub(super) struct S3(Arc<Bucket>);

#[derive(Debug)]
struct Bucket {
    name: String,
    options: StoreOptions,
    chain: Arc<Chain>,
    store: OnceCell<ConnectedBucket>,
}

/// The store, and a client for requests of ours that it signs.
#[derive(Debug)]
struct ConnectedBucket {
    store: AmazonS3,
    client: HttpClient,
}

impl S3 {
    pub(super) fn new(bucket: &str, options: &StoreOptions) -> Self {
        S3(Arc::new(Bucket {
            name: bucket.to_owned(),
            chain: options.chain(),
            options: options.clone(),
            store: OnceCell::new(),
        }))
    }

    /// What the store streams, once there is one.
    fn stream<T: Send + 'static>(
        &self,
        items: impl FnOnce(&AmazonS3) -> BoxStream<'static, object_store::Result<T>> + Send + 'static,
    ) -> BoxStream<'static, object_store::Result<T>> {
        let (s3, told) = (self.clone(), self.clone());
        let items = stream::once(async move { s3.store().await.map(items) }).try_flatten();
        let tell = move |error| {
            let told = told.clone();
            async move { Err(told.told(error).await) }
        };
        items.or_else(tell).boxed()
    }

    async fn tell<T>(&self, done: object_store::Result<T>) -> object_store::Result<T> {
        match done {
            Ok(value) => Ok(value),
            Err(error) => Err(self.told(error).await),
        }
    }

    /// A refusal tells where the credentials come from that were refused.
    async fn told(&self, error: object_store::Error) -> object_store::Error {
        if !is_refusal(&error) {
            return error;
        }
        let said = self.refused(&one_line(&error)).await;
        refused(said, error)
    }

    /// What was said of a request that was refused, behind where its credentials come from.
    pub(super) async fn refused(&self, said: &str) -> String {
        if self.0.options.no_sign_request {
            return format!("with no credentials: {said}");
        }
        match self.0.chain.source().await {
            Ok(source) => format!("with credentials from {source}: {said}"),
            // They were there for the request, so this is not to be expected.
            Err(_) => said.to_owned(),
        }
    }

    async fn store(&self) -> object_store::Result<&AmazonS3> {
        self.signing().await.map(|(store, _)| store)
    }

    /// What signs requests, and what sends them.
    pub(super) async fn signing(&self) -> object_store::Result<(&AmazonS3, &HttpClient)> {
        let connect = || async { self.0.connect().await.map_err(carried) };
        let ConnectedBucket { store, client } = self.0.store.get_or_try_init(connect).await?;
        Ok((store, client))
    }

    /// How often and how long a request is made again.
    pub(super) fn retry(&self) -> object_store::RetryConfig {
        super::client::retry(&self.0.options)
    }

    pub(super) fn bucket(&self) -> &str {
        &self.0.name
    }

    /// Whether the two buckets are of one server and reached by the same credentials.
    pub(super) fn is_beside(&self, other: &S3) -> bool {
        let (a, b) = (&self.0.options, &other.0.options);
        a.endpoint_url == b.endpoint_url
            && a.profile == b.profile
            && a.role_arn == b.role_arn
            && a.external_id == b.external_id
            && a.no_sign_request == b.no_sign_request
    }
}

impl Bucket {
    async fn connect(&self) -> Result<ConnectedBucket> {
        let options = &self.options;
        let endpoint = match &options.endpoint_url {
            Some(endpoint) => Some(endpoint.clone()),
            None => self.chain.endpoint("S3").await,
        };
        let mut client = client_options("AWS_");
        if endpoint.as_ref().is_some_and(|endpoint| endpoint.starts_with("http://")) {
            client = client.with_allow_http(true);
        }
        let region = match self.chain.region().await {
            Some(region) => region.to_owned(),
            None => self.find_region(endpoint.as_deref(), &client).await?,
        };
        let sends = CheckedConnector::default().connect(&client).map_err(super::client::bad_store)?;
        let mut builder = from_environment()
            .with_bucket_name(&self.name)
            .with_client_options(client)
            .with_http_connector(CheckedConnector::default())
            .with_region(region)
            .with_retry(super::client::retry(options))
            .with_conditional_put(S3ConditionalPut::ETagMatch);
        if let Some(endpoint) = endpoint {
            builder = builder
                .with_config(AmazonS3ConfigKey::S3Endpoint, endpoint)
                .with_virtual_hosted_style_request(false);
        }
        if options.request_payer {
            builder = builder.with_request_payer(true);
        }
        builder = if options.no_sign_request {
            builder.with_skip_signature(true)
        } else {
            builder.with_credentials(Arc::new(Shared(Arc::clone(&self.chain))))
        };
        builder = self.encrypt(builder);
        let store = builder.build().map_err(super::client::bad_store)?;
        Ok(ConnectedBucket { store, client: sends })
    }

    fn encrypt(&self, mut builder: AmazonS3Builder) -> AmazonS3Builder {
        use object_store::aws::AmazonS3ConfigKey::Encryption as Key;
        let objects = &self.options.objects;
        let mut set = |name: &str, value: String| {
            // The names are object_store's own.
            if let Ok(key @ Key(_)) = name.parse::<AmazonS3ConfigKey>() {
                builder = std::mem::take(&mut builder).with_config(key, value);
            }
        };
        if let Some(encryption) = objects.encryption() {
            set("aws_server_side_encryption", encryption.name().to_owned());
        }
        if let Some(key) = &objects.kms_key_id {
            set("aws_sse_kms_key_id", key.clone());
        }
        if let Some(bucket_key) = objects.bucket_key {
            set("aws_sse_bucket_key_enabled", bucket_key.to_string());
        }
        builder
    }

    /// Asks where the bucket is: an unsigned HeadBucket is refused, but the refusal says it. AWS is asked by
    /// object_store, which knows no other endpoints.
    async fn find_region(&self, endpoint: Option<&str>, client: &ClientOptions) -> Result<String> {
        let shown = format!("s3://{}", self.name);
        let failed =
            |reason: String, source: Option<Box<dyn std::error::Error + Send + Sync>>| Error::Store {
                doing: "looking for the region of",
                object: shown.clone(),
                reason,
                remedy: Some(Remedy::NameRegion),
                source,
            };
        let Some(endpoint) = endpoint else {
            // Only this region ever took such names, which object_store would ask after as those of hosts, in small
            // letters: another bucket.
            if self.name.contains(|c: char| c.is_ascii_uppercase()) {
                return Ok(DEFAULT_REGION.to_owned());
            }
            return resolve_bucket_region(&self.name, client).await.map_err(|error| {
                let reason = one_line(&error);
                // Its error is private but for its text.
                if reason.contains(&format!("Bucket '{}' not found", self.name)) {
                    let (doing, object, missing) = ("looking for", shown.clone(), Missing::Bucket);
                    NotFound::Object { doing, object, missing, source: Some(Box::new(error)) }.into()
                } else {
                    failed(reason, Some(Box::new(error)))
                }
            });
        };
        let url = format!("{}/{}", endpoint.trim_end_matches('/'), self.name);
        let mut request = HttpRequest::new(HttpRequestBody::empty());
        *request.method_mut() = "HEAD".parse().map_err(|_| Error::Internal("no HEAD".into()))?;
        *request.uri_mut() = url
            .parse()
            .map_err(|error| failed(format!("{url} is no URL: {error}"), Some(Box::new(error))))?;
        let client = ReqwestConnector::default().connect(client).map_err(super::client::bad_store)?;
        let answer =
            client.execute(request).await.map_err(|error| failed(one_line(&error), Some(Box::new(error))))?;
        let region = answer.headers().get("x-amz-bucket-region").and_then(|region| region.to_str().ok());
        Ok(region.unwrap_or(DEFAULT_REGION).to_owned())
    }
}

/// What the environment says by object_store's own names holds, but for the endpoints: which of them counts is the
/// chain's to say, and object_store would put that of the environment over the one that was asked for.
fn from_environment() -> AmazonS3Builder {
    let mut builder = AmazonS3Builder::new();
    for (name, value) in std::env::vars_os() {
        if let (Some(name), Some(value)) = (name.to_str(), value.to_str())
            && name.starts_with("AWS_")
            && !name.starts_with("AWS_ENDPOINT_URL")
            && let Ok(key) = name.to_ascii_lowercase().parse()
        {
            builder = builder.with_config(key, value);
        }
    }
    builder
}

impl fmt::Display for S3 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "S3({})", self.0.name)
    }
}

/// An upload whose refusals tell of the credentials too.
#[derive(Debug)]
struct Upload {
    upload: Box<dyn MultipartUpload>,
    s3: S3,
}

#[async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let (part, s3) = (self.upload.put_part(data), self.s3.clone());
        async move { s3.tell(part.await).await }.boxed()
    }

    async fn complete(&mut self) -> object_store::Result<PutResult> {
        let done = self.upload.complete().await;
        self.s3.tell(done).await
    }

    async fn abort(&mut self) -> object_store::Result<()> {
        let done = self.upload.abort().await;
        self.s3.tell(done).await
    }
}

#[async_trait]
impl ObjectStore for S3 {
    async fn put_opts(
        &self,
        path: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> object_store::Result<PutResult> {
        let done = self.store().await?.put_opts(path, payload, options).await;
        self.tell(done).await
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        let done = self.store().await?.put_multipart_opts(path, options).await;
        let upload = self.tell(done).await?;
        Ok(Box::new(Upload { upload, s3: self.clone() }))
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> object_store::Result<GetResult> {
        let done = self.store().await?.get_opts(path, options).await;
        self.tell(done).await
    }

    async fn get_ranges(&self, path: &Path, ranges: &[Range<u64>]) -> object_store::Result<Vec<Bytes>> {
        let done = self.store().await?.get_ranges(path, ranges).await;
        self.tell(done).await
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, object_store::Result<Path>>,
    ) -> BoxStream<'static, object_store::Result<Path>> {
        self.stream(|store| store.delete_stream(paths))
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        let prefix = prefix.cloned();
        self.stream(move |store| store.list(prefix.as_ref()))
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        let (prefix, offset) = (prefix.cloned(), offset.clone());
        self.stream(move |store| store.list_with_offset(prefix.as_ref(), &offset))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> object_store::Result<ListResult> {
        let done = self.store().await?.list_with_delimiter(prefix).await;
        self.tell(done).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> object_store::Result<()> {
        self.store().await?.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> object_store::Result<()> {
        self.store().await?.rename_opts(from, to, options).await
    }
}

/// Uploads by their ids: those that the server puts together, and those that a killed run left.
#[async_trait]
impl MultipartStore for S3 {
    async fn create_multipart(&self, path: &Path) -> object_store::Result<MultipartId> {
        let done = self.store().await?.create_multipart(path).await;
        self.tell(done).await
    }

    async fn create_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> object_store::Result<MultipartId> {
        let done = self.store().await?.create_multipart_opts(path, options).await;
        self.tell(done).await
    }

    async fn put_part(
        &self,
        path: &Path,
        id: &MultipartId,
        part: usize,
        data: PutPayload,
    ) -> object_store::Result<PartId> {
        let done = self.store().await?.put_part(path, id, part, data).await;
        self.tell(done).await
    }

    async fn complete_multipart(
        &self,
        path: &Path,
        id: &MultipartId,
        parts: Vec<PartId>,
    ) -> object_store::Result<PutResult> {
        let done = self.store().await?.complete_multipart(path, id, parts).await;
        self.tell(done).await
    }

    async fn abort_multipart(&self, path: &Path, id: &MultipartId) -> object_store::Result<()> {
        let done = self.store().await?.abort_multipart(path, id).await;
        self.tell(done).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_with_capitals_is_not_asked_after() {
        let s3 = S3::new("Reports", &StoreOptions::default());
        // Nobody answers there.
        let client = ClientOptions::new().with_proxy_url("http://127.0.0.1:9");
        assert_eq!(s3.0.find_region(None, &client).await.expect("no request"), DEFAULT_REGION);
    }

    #[tokio::test]
    async fn a_bucket_that_nobody_answers_for_may_be_there() {
        let s3 = S3::new("reports", &StoreOptions::default());
        let client = ClientOptions::new().with_proxy_url("http://127.0.0.1:9");
        let error = s3.0.find_region(None, &client).await.expect_err("no answer");
        assert!(matches!(error, Error::Store { .. }), "{error}");
        let said = error.to_string();
        assert!(said.contains("looking for the region of s3://reports"), "{said}");
        assert!(said.ends_with("; region names it"), "{said}");
    }
}
