//! An S3 bucket that connects on first use, when profile, region and endpoint are known. Takes a bucket's name and
//! options, returns an [`ObjectStore`].

use super::address::{BucketName, is_directory};
use super::chain::{Chain, Shared};
use super::client::{Unconnected, client_options};
use super::conditions::Conditions;
use super::failure::{carried, is_refusal, one_line, refused};
use super::http::{CheckedConnector, NamedRegion, region_of};
use super::options::StoreOptions;
use super::trust::Trust;
use crate::model::{Error, Missing, NotFound, Remedy, Result};

use async_trait::async_trait;
use aws_credential_types::Credentials;
use bytes::Bytes;
use futures::FutureExt;
use futures::stream::{self, BoxStream, Stream, StreamExt, TryStreamExt};
use object_store::aws::{
    AmazonS3, AmazonS3Builder, AmazonS3ConfigKey, AwsCredential, Checksum, S3ConditionalPut,
};
use object_store::client::{HttpClient, HttpConnector, HttpRequest, HttpRequestBody};
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::signer::Method;
use object_store::{
    ClientOptions, CopyOptions, GetOptions, GetResult, ListResult, MultipartId, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult,
    RenameOptions, StaticCredentialProvider, UploadPart,
};
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};
use tokio::sync::OnceCell;

/// The region for a server that does not name one.
const DEFAULT_REGION: &str = "us-east-1";

#[derive(Debug, Clone)]
pub(super) struct S3(Arc<Bucket>);

#[derive(Debug)]
struct Bucket {
    name: String,
    options: StoreOptions,
    chain: Arc<Chain>,
    /// In the region that was given, or found by asking.
    store: OnceCell<ConnectedBucket>,
    /// In the region that a refusal named, if it was another one.
    moved: OnceCell<ConnectedBucket>,
    /// Without checksums, if the server refused them.
    unsummed: OnceCell<ConnectedBucket>,
    conditions: Conditions,
}

/// The store, and a client for our own requests, which it signs.
#[derive(Debug)]
struct ConnectedBucket {
    store: AmazonS3,
    /// The bucket's address, without a trailing slash.
    url: String,
    client: HttpClient,
    region: String,
    /// Sends requests for keys that are not valid paths.
    exact: OnceLock<HttpClient>,
    trust: Trust,
    checksum: Option<Checksum>,
    /// The region that refusals name.
    named: NamedRegion,
}

/// Makes a request to the bucket, and repeats it if the first answer says that it must be made in another way.
macro_rules! in_its_region {
    ($s3:ident, $store:ident, $request:expr) => {{
        let connected = $s3.connected().await?;
        let $store = &connected.store;
        let mut done = $request.await;
        if let Err(error) = &done
            && let Some(other) = $s3.instead(connected, error).await?
        {
            let $store = &other.store;
            done = $request.await;
        }
        $s3.tell(done).await
    }};
}

impl S3 {
    pub(super) fn new(bucket: &str, options: &StoreOptions) -> Self {
        S3(Arc::new(Bucket {
            name: bucket.to_owned(),
            chain: options.chain(),
            options: options.clone(),
            store: OnceCell::new(),
            moved: OnceCell::new(),
            unsummed: OnceCell::new(),
            conditions: Conditions::default(),
        }))
    }

    /// The store's listing, once connected.
    fn listed(
        &self,
        list: impl Fn(&AmazonS3) -> BoxStream<'static, object_store::Result<ObjectMeta>> + Send + 'static,
    ) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        let s3 = self.clone();
        let listed = async move {
            let connected = s3.connected().await?;
            let mut listed = Box::pin(list(&connected.store).peekable());
            if listed.as_mut().peek().await.is_some_and(Result::is_err)
                && let Some(moved) = s3.moved(connected).await?
            {
                return Ok::<_, object_store::Error>(list(&moved.store));
            }
            Ok(listed.boxed())
        };
        self.telling(stream::once(listed).try_flatten())
    }

    fn telling<T: Send + 'static>(
        &self,
        items: impl Stream<Item = object_store::Result<T>> + Send + 'static,
    ) -> BoxStream<'static, object_store::Result<T>> {
        let told = self.clone();
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

    /// Adds to a refusal where the refused credentials come from.
    async fn told(&self, error: object_store::Error) -> object_store::Error {
        if !is_refusal(&error) {
            return error;
        }
        let said = self.refused(&one_line(&error)).await;
        refused(said, error)
    }

    /// What was said about a refused request, preceded by where its credentials come from.
    pub(super) async fn refused(&self, said: &str) -> String {
        if self.0.options.no_sign_request {
            return format!("with no credentials: {said}");
        }
        match self.0.chain.source().await {
            Ok(source) => format!("with credentials from {source}: {said}"),
            // The request had credentials, so this is not expected.
            Err(_) => said.to_owned(),
        }
    }

    /// Where our own requests go.
    pub(super) async fn place(&self) -> object_store::Result<Place<'_>> {
        Ok(self.connected().await?.place(&self.0.conditions))
    }

    /// Where they should have gone, if a refusal said so.
    pub(super) async fn moved_place(&self) -> object_store::Result<Option<Place<'_>>> {
        match self.0.store.get() {
            Some(first) if self.0.moved.get().is_none() => {
                Ok(self.moved(first).await?.map(|moved| moved.place(&self.0.conditions)))
            }
            _ => Ok(None),
        }
    }

    /// Signs our own requests; `None` if they are not to be signed.
    pub(super) async fn credentials(&self) -> Result<Option<Credentials>> {
        if self.0.options.no_sign_request {
            return Ok(None);
        }
        self.0.chain.sound_credentials().await.map(Some)
    }

    /// Puts an object if its condition holds at this moment, for servers that do not support conditions.
    async fn put_after_a_look(
        &self,
        path: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> object_store::Result<PutResult> {
        let there = match self.head(path).await {
            Ok(there) => Some(there),
            Err(object_store::Error::NotFound { .. }) => None,
            Err(error) => return Err(error),
        };
        let (path_text, source) = (path.to_string(), "checking before the write");
        match (&options.mode, &there) {
            (PutMode::Create, Some(_)) => {
                return Err(object_store::Error::AlreadyExists { path: path_text, source: source.into() });
            }
            (PutMode::Update(seen), there)
                if there.as_ref().and_then(|there| there.e_tag.as_ref()) != seen.e_tag.as_ref() =>
            {
                return Err(object_store::Error::Precondition { path: path_text, source: source.into() });
            }
            _ => {}
        }
        let options = PutOptions { mode: PutMode::Overwrite, ..options };
        in_its_region!(self, store, store.put_opts(path, payload.clone(), options.clone()))
    }

    /// Whether the server has shown that it knows no conditional writes.
    pub(super) fn knows_no_conditions(&self) -> bool {
        self.0.conditions.are_unknown()
    }

    /// Whether the requester pays.
    pub(super) fn pays(&self) -> bool {
        self.0.options.request_payer
    }

    /// Whether its requests are signed for sessions, like those to a single-zone bucket.
    pub(super) fn is_directory(&self) -> bool {
        is_directory(&self.0.name)
    }

    async fn connected(&self) -> object_store::Result<&ConnectedBucket> {
        if let Some(other) = self.0.unsummed.get().or(self.0.moved.get()) {
            return Ok(other);
        }
        // Boxed, because the compiler checks nested futures only to a certain depth.
        let connect = || async { self.0.connect(None, self.0.checksum()).await.map_err(carried) }.boxed();
        self.0.store.get_or_try_init(connect).await
    }

    /// The bucket in the region that was named after a request to `asked` failed, if it is another one. That region's
    /// answer is final: there are no chains of redirects.
    async fn moved(&self, asked: &ConnectedBucket) -> object_store::Result<Option<&ConnectedBucket>> {
        let is_first = self.0.store.get().is_some_and(|first| std::ptr::eq(first, asked));
        let Some(region) = asked.named.get().filter(|region| is_first && *region != asked.region) else {
            return Ok(None);
        };
        let connect =
            || async { self.0.connect(Some(region), self.0.checksum()).await.map_err(carried) }.boxed();
        self.0.moved.get_or_try_init(connect).await.map(Some)
    }

    /// Another way in which a failed request may succeed: in the bucket's own region, or without a checksum, if the
    /// server does not support one and the user did not request one.
    async fn instead(
        &self,
        asked: &ConnectedBucket,
        error: &object_store::Error,
    ) -> object_store::Result<Option<&ConnectedBucket>> {
        if let Some(moved) = self.moved(asked).await? {
            return Ok(Some(moved));
        }
        let may_go_without = asked.checksum.is_some() && self.0.options.objects.checksum.is_none();
        if !may_go_without || !is_checksum_refused(error) {
            return Ok(None);
        }
        let region = asked.region.clone();
        let connect = || async { self.0.connect(Some(region), None).await.map_err(carried) }.boxed();
        self.0.unsummed.get_or_try_init(connect).await.map(Some)
    }

    /// How often and how long to retry a request.
    pub(super) fn retry(&self) -> object_store::RetryConfig {
        super::client::retry(&self.0.options)
    }

    pub(super) fn bucket(&self) -> &str {
        &self.0.name
    }

    /// Whether the two buckets are on one server and reached with the same credentials.
    pub(super) fn is_beside(&self, other: &S3) -> bool {
        let (a, b) = (&self.0.options, &other.0.options);
        a.endpoint_url == b.endpoint_url
            && a.profile == b.profile
            && a.role_arn == b.role_arn
            && a.external_id == b.external_id
            && a.no_sign_request == b.no_sign_request
            && a.credentials == b.credentials
    }
}

/// Where our own requests go.
pub(super) struct Place<'a> {
    pub(super) url: &'a str,
    pub(super) region: &'a str,
    client: &'a HttpClient,
    exact: &'a OnceLock<HttpClient>,
    trust: &'a Trust,
    named: &'a NamedRegion,
    conditions: &'a Conditions,
}

impl Place<'_> {
    /// Sends requests for a key.
    pub(super) fn client(&self, key: &str) -> &HttpClient {
        let is_dots = |segment: &str| matches!(segment, "." | "..");
        if !key.split('/').any(is_dots) {
            return self.client;
        }
        let connect =
            || super::http::checked(super::exact::client(self.trust), self.named, self.conditions, true);
        self.exact.get_or_init(connect)
    }
}

impl ConnectedBucket {
    fn place<'a>(&'a self, conditions: &'a Conditions) -> Place<'a> {
        let ConnectedBucket { url, region, client, exact, trust, named, .. } = self;
        Place { url, region, client, exact, trust, named, conditions }
    }
}

/// Whether a server does not accept the checksum of a request.
fn is_checksum_refused(error: &object_store::Error) -> bool {
    let text = one_line(error).to_ascii_lowercase();
    let is_refused =
        ["400", "501", "not implemented", "notimplemented"].iter().any(|word| text.contains(word));
    is_refused && ["checksum", "not implemented", "notimplemented"].iter().any(|word| text.contains(word))
}

impl Bucket {
    /// The checksum to send with uploads.
    fn checksum(&self) -> Option<Checksum> {
        use super::objects::Checksum as Asked;
        match self.options.objects.checksum {
            Some(Asked::None) => None,
            Some(Asked::Sha256) => Some(Checksum::SHA256),
            Some(Asked::Crc64Nvme) | None => Some(Checksum::CRC64NVME),
        }
    }

    /// Connects in a region, or in the given one.
    async fn connect(&self, region: Option<String>, checksum: Option<Checksum>) -> Result<ConnectedBucket> {
        let options = &self.options;
        let endpoint = match &options.endpoint_url {
            Some(endpoint) => Some(endpoint.clone()),
            None => self.chain.endpoint("S3").await?,
        };
        let mut client = client_options("AWS_")?;
        if endpoint.as_ref().is_some_and(|endpoint| endpoint.starts_with("http://")) {
            client = client.with_allow_http(true);
        }
        let name = BucketName::read(&self.name)?;
        let region = match (region, name.region(), self.chain.region().await?) {
            (Some(region), ..) => region,
            (None, Some(region), _) | (None, None, Some(region)) => region.to_owned(),
            (None, None, None) => self.find_region(endpoint.as_deref(), &client).await?,
        };
        let url = name.address(&region, endpoint.as_deref(), self.chain.ways().await?);
        let named = NamedRegion::default();
        let trust = self.chain.trust().await?;
        let connector = || CheckedConnector::noting(&named, &self.conditions, &trust);
        let sends = connector().connect(&client).map_err(super::client::bad_store)?;
        let mut builder = from_environment()
            .with_bucket_name(&self.name)
            .with_client_options(client)
            .with_http_connector(connector())
            .with_region(&region)
            .with_retry(super::client::retry(options))
            .with_conditional_put(S3ConditionalPut::ETagMatch)
            // object_store calls an address that contains the bucket "virtual hosted".
            .with_config(AmazonS3ConfigKey::S3Endpoint, &url)
            .with_virtual_hosted_style_request(true)
            .with_s3_express(is_directory(&self.name) && endpoint.is_none());
        if options.request_payer {
            builder = builder.with_request_payer(true);
        }
        builder = if options.no_sign_request {
            builder.with_skip_signature(true)
        } else {
            builder.with_credentials(Arc::new(Shared(Arc::clone(&self.chain))))
        };
        if let Some(checksum) = checksum {
            builder = builder.with_checksum_algorithm(checksum);
        }
        builder = self.encrypt(builder);
        let store = builder.build().map_err(super::client::bad_store)?;
        let exact = OnceLock::new();
        Ok(ConnectedBucket { store, url, client: sends, exact, trust, checksum, region, named })
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

    /// Finds the bucket's region: an unsigned HeadBucket is refused, but the refusal names the region.
    async fn find_region(&self, endpoint: Option<&str>, client: &ClientOptions) -> Result<String> {
        let shown = format!("s3://{}", self.name);
        let failed =
            |reason: String, source: Option<Arc<dyn std::error::Error + Send + Sync>>| Error::Store {
                doing: "looking for the region of",
                object: shown.clone(),
                reason,
                remedy: Some(Remedy::NameRegion),
                source,
            };
        let url = match endpoint {
            Some(endpoint) => format!("{}/{}", endpoint.trim_end_matches('/'), self.name),
            // Only this region ever allowed such names, and a host name cannot contain them: it would be another
            // bucket.
            None if self.name.contains(|c: char| c.is_ascii_uppercase()) => {
                return Ok(DEFAULT_REGION.to_owned());
            }
            // The certificate covers names without a dot.
            None if self.name.contains(['.', '_']) => format!("https://s3.amazonaws.com/{}", self.name),
            None => format!("https://{}.s3.amazonaws.com", self.name),
        };
        let mut request = HttpRequest::new(HttpRequestBody::empty());
        *request.method_mut() = Method::HEAD;
        *request.uri_mut() = url
            .parse()
            .map_err(|error| failed(format!("{url} is not a URL: {error}"), Some(Arc::new(error))))?;
        // Without the checks on answers, because a redirect is one of the answers that name the region.
        let trust = self.chain.trust().await?;
        let client = super::transport::client(client, &trust).map_err(super::client::bad_store)?;
        let answer =
            client.execute(request).await.map_err(|error| failed(one_line(&error), Some(Arc::new(error))))?;
        match (region_of(&answer), endpoint) {
            (Some(region), _) => Ok(region.to_owned()),
            // Not AWS's own server.
            (None, Some(_)) => Ok(DEFAULT_REGION.to_owned()),
            (None, None) if answer.status() == 404 => {
                let (doing, object, missing) = ("looking for", shown, Missing::Bucket);
                Err(NotFound::Object { doing, object, missing, source: None }.into())
            }
            (None, None) => Err(failed(
                format!("the answer (status {}) does not name one", answer.status().as_u16()),
                None,
            )),
        }
    }
}

/// Variables with object_store's own names apply, except for endpoints: the chain decides which of those counts, and
/// object_store would let the environment's override the requested one.
fn from_environment() -> AmazonS3Builder {
    let settings = environment().into_iter();
    settings.fold(AmazonS3Builder::new(), |builder, (_, key, value)| builder.with_config(key, value))
}

/// Variables with object_store's own names.
fn environment() -> Vec<(String, AmazonS3ConfigKey, String)> {
    let mut found = super::client::variables::<AmazonS3ConfigKey>("AWS_");
    found.retain(|(name, ..)| !name.starts_with("AWS_ENDPOINT_URL"));
    found
}

/// Rejects a variable with which no store can be made.
pub(super) fn check_environment() -> Result<()> {
    for (name, key, value) in environment() {
        if matches!(key, AmazonS3ConfigKey::Client(_)) {
            client_options("AWS_")?;
            continue;
        }
        let alone = AmazonS3Builder::new()
            .with_bucket_name("bucket")
            .with_region(DEFAULT_REGION)
            // Credentials from the environment count together, and the chain knows them.
            .with_credentials(Arc::new(StaticCredentialProvider::new(AwsCredential {
                key_id: String::new(),
                secret_key: String::new(),
                token: None,
            })))
            .with_http_connector(Unconnected)
            .with_config(key, value);
        alone.build().map_err(|error| super::client::bad_variable(&name, &error))?;
    }
    Ok(())
}

impl fmt::Display for S3 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "S3({})", self.0.name)
    }
}

/// An upload whose refusals also name the credentials.
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
        let conditions = &self.0.conditions;
        if options.mode == PutMode::Overwrite || !conditions.are_unknown() {
            let put = in_its_region!(self, store, store.put_opts(path, payload.clone(), options.clone()));
            if options.mode == PutMode::Overwrite || put.is_ok() || !conditions.are_unknown() {
                return put;
            }
        }
        self.put_after_a_look(path, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        let upload = in_its_region!(self, store, store.put_multipart_opts(path, options.clone()))?;
        Ok(Box::new(Upload { upload, s3: self.clone() }))
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> object_store::Result<GetResult> {
        in_its_region!(self, store, store.get_opts(path, options.clone()))
    }

    async fn get_ranges(&self, path: &Path, ranges: &[Range<u64>]) -> object_store::Result<Vec<Bytes>> {
        in_its_region!(self, store, store.get_ranges(path, ranges))
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, object_store::Result<Path>>,
    ) -> BoxStream<'static, object_store::Result<Path>> {
        // What is deleted was listed or written before, so the region is right.
        let s3 = self.clone();
        let deleted =
            async move { Ok::<_, object_store::Error>(s3.connected().await?.store.delete_stream(paths)) };
        self.telling(stream::once(deleted).try_flatten())
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        let prefix = prefix.cloned();
        self.listed(move |store| store.list(prefix.as_ref()))
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        let (prefix, offset) = (prefix.cloned(), offset.clone());
        self.listed(move |store| store.list_with_offset(prefix.as_ref(), &offset))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> object_store::Result<ListResult> {
        in_its_region!(self, store, store.list_with_delimiter(prefix))
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> object_store::Result<()> {
        in_its_region!(self, store, store.copy_opts(from, to, options.clone()))
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> object_store::Result<()> {
        in_its_region!(self, store, store.rename_opts(from, to, options.clone()))
    }
}

/// Uploads by their IDs: those that the server assembles, and those that a killed run left.
#[async_trait]
impl MultipartStore for S3 {
    async fn create_multipart(&self, path: &Path) -> object_store::Result<MultipartId> {
        in_its_region!(self, store, store.create_multipart(path))
    }

    async fn create_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> object_store::Result<MultipartId> {
        in_its_region!(self, store, store.create_multipart_opts(path, options.clone()))
    }

    async fn put_part(
        &self,
        path: &Path,
        id: &MultipartId,
        part: usize,
        data: PutPayload,
    ) -> object_store::Result<PartId> {
        in_its_region!(self, store, store.put_part(path, id, part, data.clone()))
    }

    async fn complete_multipart(
        &self,
        path: &Path,
        id: &MultipartId,
        parts: Vec<PartId>,
    ) -> object_store::Result<PutResult> {
        in_its_region!(self, store, store.complete_multipart(path, id, parts.clone()))
    }

    async fn abort_multipart(&self, path: &Path, id: &MultipartId) -> object_store::Result<()> {
        in_its_region!(self, store, store.abort_multipart(path, id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_with_capitals_is_not_asked_after() {
        let s3 = S3::new("Reports", &StoreOptions::default());
        // No server answers there.
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
        assert!(said.ends_with("; name it with region"), "{said}");
    }
}
