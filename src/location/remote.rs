//! Connects to an object store: scheme and bucket in, an [`ObjectStore`] out. Credentials come from each store's
//! usual environment; nothing here is a secret.

#[cfg(feature = "aws")]
use super::copier::Copier;
#[cfg(any(feature = "gcp", feature = "azure"))]
use super::http::CheckedConnector;
use super::objects::ObjectOptions;
use super::store::Connected;
use crate::error::{Error, Result};
use object_store::memory::InMemory;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

/// How object stores are reached, and how objects are written to them. Every field left at its default falls back to
/// the store's usual environment: for S3 Amazon's own chain, which is `AWS_*` variables, the configuration files with
/// their profiles, SSO, web identity, container and instance; for the others `GOOGLE_*` and `AZURE_*`.
///
/// Clones share credentials: an assumed role is assumed once for all locations that were parsed with them.
///
/// ```
/// use forecast_export::StoreOptions;
///
/// let options = StoreOptions::default()
///     .with_profile("archive")
///     .with_role_arn("arn:aws:iam::123456789012:role/reader", None);
/// assert_eq!(options.profile.as_deref(), Some("archive"));
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct StoreOptions {
    /// The endpoint to send AWS requests to, S3's by path style; else what environment or profile say for a service
    /// (`AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL_FORECAST`) or for all (`AWS_ENDPOINT_URL`).
    pub endpoint_url: Option<String>,
    /// The region of the bucket; else that of environment or profile, else the bucket is asked where it is.
    pub region: Option<String>,
    /// Send S3 requests without signing them, for public buckets.
    pub no_sign_request: bool,
    /// The profile of the AWS configuration files; it goes before keys in the environment.
    pub profile: Option<String>,
    /// A role to assume with the credentials that were found.
    pub role_arn: Option<String>,
    /// What the role's owner asks for as proof that the request is meant.
    pub external_id: Option<String>,
    /// Pay for requests to buckets whose owner does not.
    pub request_payer: bool,
    /// How objects are written to S3.
    pub objects: ObjectOptions,
    /// How long one request is tried again after server errors, throttling, lost connections and bodies that break off,
    /// its first try included; by default three minutes. Tries are up to 15 seconds apart, a random part of that left
    /// out, and at most ten follow the first.
    pub retry_timeout: Option<Duration>,
    #[cfg(feature = "aws")]
    chains: super::chain::Chains,
}

impl StoreOptions {
    /// Sends AWS requests to `url`, S3's by path style.
    pub fn with_endpoint_url(mut self, url: impl Into<String>) -> Self {
        self.endpoint_url = Some(url.into());
        self
    }

    /// Sets the region of the bucket.
    pub fn with_region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// Sets how long a request is tried again.
    pub fn with_retry_timeout(mut self, timeout: Duration) -> Self {
        self.retry_timeout = Some(timeout);
        self
    }

    /// Leaves requests unsigned.
    pub fn with_no_sign_request(mut self, unsigned: bool) -> Self {
        self.no_sign_request = unsigned;
        self
    }

    /// Takes credentials, region and endpoints from a profile.
    pub fn with_profile(mut self, profile: impl Into<String>) -> Self {
        self.profile = Some(profile.into());
        self
    }

    /// Assumes a role, with an external id where its owner asks for one.
    pub fn with_role_arn(mut self, role: impl Into<String>, external_id: Option<String>) -> Self {
        self.role_arn = Some(role.into());
        self.external_id = external_id;
        self
    }

    /// Pays for requests.
    pub fn with_request_payer(mut self, pays: bool) -> Self {
        self.request_payer = pays;
        self
    }

    /// Sets how objects are written.
    pub fn with_objects(mut self, objects: ObjectOptions) -> Self {
        self.objects = objects;
        self
    }

    /// Where the AWS credentials come from, in words such as `environment variables` or `SSO, profile archive`; never
    /// what they are. Finds them where that has not happened yet.
    ///
    /// # Errors
    /// [`Error::Denied`] where there are none.
    #[cfg(feature = "aws")]
    pub async fn credentials_source(&self) -> Result<String> {
        self.chain().source().await
    }

    #[cfg(feature = "aws")]
    pub(crate) fn chain(&self) -> Arc<super::chain::Chain> {
        self.chains.get(super::chain::Identity {
            profile: self.profile.clone(),
            region: self.region.clone(),
            role_arn: self.role_arn.clone(),
            external_id: self.external_id.clone(),
        })
    }

    fn check(&self, scheme: &str) -> Result<()> {
        if self.external_id.is_some() && self.role_arn.is_none() {
            return Err(Error::Usage("an external id belongs to a role; name it with --role-arn".into()));
        }
        if !self.objects.is_default() && !is_s3(scheme) {
            return Err(Error::Usage(format!(
                "encryption, tags and storage classes are for s3:// outputs, not for {scheme}"
            )));
        }
        self.objects.check()
    }
}

fn is_s3(scheme: &str) -> bool {
    matches!(scheme, "s3://" | "s3a://" | "s3n://")
}

/// Memory stores by name, for tests: `memory://name/...` is the same store all over the process.
static MEMORY: LazyLock<Mutex<HashMap<String, Arc<InMemory>>>> = LazyLock::new(Mutex::default);

/// Refuses what only an object store can do.
pub(crate) fn check_local(options: &StoreOptions) -> Result<()> {
    options.check("local files")
}

pub(crate) fn connect(scheme: &str, bucket: &str, options: &StoreOptions) -> Result<Connected> {
    options.check(&format!("{scheme}://"))?;
    match scheme {
        "memory" => {
            let mut stores = MEMORY.lock().unwrap_or_else(PoisonError::into_inner);
            Ok(Arc::clone(stores.entry(bucket.to_owned()).or_default()).into())
        }
        "s3" | "s3a" | "s3n" => s3(bucket, options),
        "gs" => gs(bucket, options),
        "az" | "azure" | "abfs" | "abfss" => az(bucket, options),
        other => Err(Error::Usage(format!(
            "{other}:// is no store known here; use a local path, s3://, gs:// or az://"
        ))),
    }
}

/// How long a connection may be silent. A piece of an upload counts as silence until the answer to it begins, so
/// this is also the time that the slowest line may take for 8 MiB, four pieces at a time.
#[cfg(any(feature = "aws", feature = "gcp", feature = "azure"))]
const SILENCE: Duration = Duration::from_secs(120);

/// By default object_store ends a whole request, its body included, after 30 s, however well it goes; here only a
/// silent connection is given up. What the environment says by object_store's own names, such as `AWS_READ_TIMEOUT`
/// or `AWS_PROXY_URL`, goes before that.
#[cfg(any(feature = "aws", feature = "gcp", feature = "azure"))]
pub(super) fn client_options(prefix: &str) -> object_store::ClientOptions {
    let mut options = object_store::ClientOptions::new()
        .with_timeout_disabled()
        .with_connect_timeout(Duration::from_secs(10))
        .with_read_timeout(SILENCE);
    for (name, value) in std::env::vars_os() {
        if let (Some(name), Some(value)) = (name.to_str(), value.to_str())
            && let Some(name) = name.strip_prefix(prefix)
            && let Ok(key) = name.to_ascii_lowercase().parse()
        {
            options = options.with_config(key, value);
        }
    }
    options
}

/// Tries, their distances and jitter are object_store's own; the time is the caller's.
#[cfg(any(feature = "aws", feature = "gcp", feature = "azure"))]
pub(super) fn retry(options: &StoreOptions) -> object_store::RetryConfig {
    let mut retry = object_store::RetryConfig::default();
    if let Some(timeout) = options.retry_timeout {
        retry.retry_timeout = timeout;
    }
    retry
}

/// An environment variable that is set to something.
#[cfg(any(feature = "aws", feature = "gcp", feature = "azure"))]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

#[cfg(any(not(feature = "aws"), not(feature = "gcp"), not(feature = "azure")))]
fn left_out(scheme: &str, feature: &str) -> Result<Connected> {
    Err(Error::Usage(format!("this build has no {scheme}:// store; build with the feature \"{feature}\"")))
}

#[cfg(any(feature = "aws", feature = "gcp", feature = "azure"))]
pub(super) fn bad_store(error: &object_store::Error) -> Error {
    Error::Usage(format!("the store cannot be set up: {error}"))
}

#[cfg(feature = "aws")]
fn s3(bucket: &str, options: &StoreOptions) -> Result<Connected> {
    let store = Arc::new(super::s3::S3::new(bucket, options));
    // With checksums of pieces an upload's end has to name that of each, which a copy does not tell in the way of
    // object_store.
    let can_copy = !options.no_sign_request && variable("AWS_CHECKSUM_ALGORITHM").is_none();
    let copier = can_copy.then(|| Copier::new((*store).clone()));
    Ok(Connected { uploads: Some(Arc::clone(&store) as _), copier, store })
}

#[cfg(not(feature = "aws"))]
fn s3(_: &str, _: &StoreOptions) -> Result<Connected> {
    left_out("s3", "aws")
}

#[cfg(feature = "gcp")]
fn gs(bucket: &str, options: &StoreOptions) -> Result<Connected> {
    use object_store::gcp::GoogleCloudStorageBuilder;

    let mut client = client_options("GOOGLE_");
    if variable("GOOGLE_BASE_URL").is_some_and(|url| url.starts_with("http://")) {
        client = client.with_allow_http(true);
    }
    let mut builder = GoogleCloudStorageBuilder::from_env()
        .with_bucket_name(bucket)
        .with_http_connector(CheckedConnector::default())
        .with_retry(retry(options))
        .with_client_options(client);
    if options.no_sign_request {
        builder = builder.with_skip_signature(true);
    }
    let store = builder.build().map_err(|error| bad_store(&error))?;
    Ok(Arc::new(store).into())
}

#[cfg(not(feature = "gcp"))]
fn gs(_: &str, _: &StoreOptions) -> Result<Connected> {
    left_out("gs", "gcp")
}

#[cfg(feature = "azure")]
fn az(container: &str, options: &StoreOptions) -> Result<Connected> {
    use object_store::azure::MicrosoftAzureBuilder;

    let mut client = client_options("AZURE_");
    let endpoint = variable("AZURE_STORAGE_ENDPOINT").or_else(|| variable("AZURE_ENDPOINT"));
    if endpoint.is_some_and(|url| url.starts_with("http://")) {
        client = client.with_allow_http(true);
    }
    let mut builder = MicrosoftAzureBuilder::from_env()
        .with_container_name(container)
        .with_http_connector(CheckedConnector::default())
        .with_retry(retry(options))
        .with_client_options(client);
    if options.no_sign_request {
        builder = builder.with_skip_signature(true);
    }
    let store = builder.build().map_err(|error| bad_store(&error))?;
    Ok(Arc::new(store).into())
}

#[cfg(not(feature = "azure"))]
fn az(_: &str, _: &StoreOptions) -> Result<Connected> {
    left_out("az", "azure")
}
