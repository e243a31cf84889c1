//! Connects to an object store: scheme and bucket in, an [`ObjectStore`] out. Credentials come from each store's
//! usual environment; nothing here is a secret.

#[cfg(any(feature = "aws", feature = "gcp", feature = "azure"))]
use super::http::CheckedConnector;
use crate::error::{Error, Result};
use object_store::ObjectStore;
use object_store::memory::InMemory;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

/// How object stores are reached. Every field left at its default falls back to the store's own environment
/// variables (`AWS_*`, `GOOGLE_*`, `AZURE_*`).
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct StoreOptions {
    /// The endpoint to send S3 requests to, by path style; else `AWS_ENDPOINT_URL_S3` or `AWS_ENDPOINT_URL`.
    pub endpoint_url: Option<String>,
    /// The region of the bucket; else `AWS_REGION` or `AWS_DEFAULT_REGION`, else `us-east-1`.
    pub region: Option<String>,
    /// Send requests without signing them, for public buckets.
    pub no_sign_request: bool,
}

impl StoreOptions {
    /// Sends S3 requests to `url` by path style.
    pub fn with_endpoint_url(mut self, url: impl Into<String>) -> Self {
        self.endpoint_url = Some(url.into());
        self
    }

    /// Sets the region of the bucket.
    pub fn with_region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// Leaves requests unsigned.
    pub fn with_no_sign_request(mut self, unsigned: bool) -> Self {
        self.no_sign_request = unsigned;
        self
    }
}

/// Memory stores by name, for tests: `memory://name/...` is the same store all over the process.
static MEMORY: LazyLock<Mutex<HashMap<String, Arc<InMemory>>>> = LazyLock::new(Mutex::default);

pub(crate) fn connect(scheme: &str, bucket: &str, options: &StoreOptions) -> Result<Arc<dyn ObjectStore>> {
    match scheme {
        "memory" => {
            let mut stores = MEMORY.lock().unwrap_or_else(PoisonError::into_inner);
            Ok(Arc::clone(stores.entry(bucket.to_owned()).or_default()) as Arc<dyn ObjectStore>)
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
const SILENCE: std::time::Duration = std::time::Duration::from_secs(120);

/// By default object_store ends a whole request, its body included, after 30 s, however well it goes; here only a
/// silent connection is given up. What the environment says by object_store's own names, such as `AWS_READ_TIMEOUT`
/// or `AWS_PROXY_URL`, goes before that.
#[cfg(any(feature = "aws", feature = "gcp", feature = "azure"))]
fn client_options(prefix: &str) -> object_store::ClientOptions {
    let mut options = object_store::ClientOptions::new()
        .with_timeout_disabled()
        .with_connect_timeout(std::time::Duration::from_secs(10))
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

/// An environment variable that is set to something.
#[cfg(any(feature = "aws", feature = "gcp", feature = "azure"))]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

#[cfg(any(not(feature = "aws"), not(feature = "gcp"), not(feature = "azure")))]
fn left_out(scheme: &str, feature: &str) -> Result<Arc<dyn ObjectStore>> {
    Err(Error::Usage(format!("this build has no {scheme}:// store; build with the feature \"{feature}\"")))
}

#[cfg(any(feature = "aws", feature = "gcp", feature = "azure"))]
fn bad_store(error: &object_store::Error) -> Error {
    Error::Usage(format!("the store cannot be set up: {error}"))
}

#[cfg(feature = "aws")]
fn s3(bucket: &str, options: &StoreOptions) -> Result<Arc<dyn ObjectStore>> {
    use object_store::aws::AmazonS3Builder;

    let endpoint = options
        .endpoint_url
        .clone()
        .or_else(|| variable("AWS_ENDPOINT_URL_S3"))
        .or_else(|| variable("AWS_ENDPOINT_URL"));
    let mut client = client_options("AWS_");
    let mut builder = AmazonS3Builder::from_env()
        .with_bucket_name(bucket)
        .with_http_connector(CheckedConnector::default())
        .with_conditional_put(object_store::aws::S3ConditionalPut::ETagMatch);
    if let Some(region) =
        options.region.clone().or_else(|| variable("AWS_REGION")).or_else(|| variable("AWS_DEFAULT_REGION"))
    {
        builder = builder.with_region(region);
    }
    if let Some(endpoint) = endpoint {
        if endpoint.starts_with("http://") {
            client = client.with_allow_http(true);
        }
        builder = builder.with_endpoint(endpoint).with_virtual_hosted_style_request(false);
    }
    if options.no_sign_request {
        builder = builder.with_skip_signature(true);
    }
    let store = builder.with_client_options(client).build().map_err(|error| bad_store(&error))?;
    Ok(Arc::new(store))
}

#[cfg(not(feature = "aws"))]
fn s3(_: &str, _: &StoreOptions) -> Result<Arc<dyn ObjectStore>> {
    left_out("s3", "aws")
}

#[cfg(feature = "gcp")]
fn gs(bucket: &str, options: &StoreOptions) -> Result<Arc<dyn ObjectStore>> {
    use object_store::gcp::GoogleCloudStorageBuilder;

    let mut client = client_options("GOOGLE_");
    if variable("GOOGLE_BASE_URL").is_some_and(|url| url.starts_with("http://")) {
        client = client.with_allow_http(true);
    }
    let mut builder = GoogleCloudStorageBuilder::from_env()
        .with_bucket_name(bucket)
        .with_http_connector(CheckedConnector::default())
        .with_client_options(client);
    if options.no_sign_request {
        builder = builder.with_skip_signature(true);
    }
    let store = builder.build().map_err(|error| bad_store(&error))?;
    Ok(Arc::new(store))
}

#[cfg(not(feature = "gcp"))]
fn gs(_: &str, _: &StoreOptions) -> Result<Arc<dyn ObjectStore>> {
    left_out("gs", "gcp")
}

#[cfg(feature = "azure")]
fn az(container: &str, options: &StoreOptions) -> Result<Arc<dyn ObjectStore>> {
    use object_store::azure::MicrosoftAzureBuilder;

    let mut client = client_options("AZURE_");
    let endpoint = variable("AZURE_STORAGE_ENDPOINT").or_else(|| variable("AZURE_ENDPOINT"));
    if endpoint.is_some_and(|url| url.starts_with("http://")) {
        client = client.with_allow_http(true);
    }
    let mut builder = MicrosoftAzureBuilder::from_env()
        .with_container_name(container)
        .with_http_connector(CheckedConnector::default())
        .with_client_options(client);
    if options.no_sign_request {
        builder = builder.with_skip_signature(true);
    }
    let store = builder.build().map_err(|error| bad_store(&error))?;
    Ok(Arc::new(store))
}

#[cfg(not(feature = "azure"))]
fn az(_: &str, _: &StoreOptions) -> Result<Arc<dyn ObjectStore>> {
    left_out("az", "azure")
}
