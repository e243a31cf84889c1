//! Connects to an object store: scheme and bucket in, an [`object_store::ObjectStore`] out. Credentials come from each store's
//! usual environment, or from the program; nothing here is a secret.

#[cfg(any(feature = "gcp", feature = "azure"))]
use super::client::{Unconnected, bad_store, bad_variable, client_options, retry, variables};
#[cfg(feature = "aws")]
use super::copier::Copier;
#[cfg(any(feature = "gcp", feature = "azure"))]
use super::credentials::Credentials;
#[cfg(feature = "aws")]
use super::direct::Direct;
use super::handle::Connected;
#[cfg(any(feature = "gcp", feature = "azure"))]
use super::http::CheckedConnector;
use super::options::StoreOptions;
use super::web::Web;
use crate::model::{Result, StoreProblem};

#[cfg(any(feature = "gcp", feature = "azure"))]
use object_store::StaticCredentialProvider;
use object_store::memory::InMemory;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

/// Memory stores by name, for tests: `memory://name/...` is the same store throughout the process.
static MEMORY: LazyLock<Mutex<HashMap<String, Arc<InMemory>>>> = LazyLock::new(Mutex::default);

/// Rejects options that only an object store supports.
pub(crate) fn check_local(options: &StoreOptions) -> Result<()> {
    options.check("local files")
}

pub(crate) fn connect(scheme: &str, bucket: &str, options: &StoreOptions) -> Result<Connected> {
    options.check(&format!("{scheme}://"))?;
    #[cfg(any(feature = "aws", feature = "gcp", feature = "azure"))]
    if scheme != "memory" {
        super::settings::check_bucket(bucket)?;
    }
    match scheme {
        "memory" => {
            let mut stores = MEMORY.lock().unwrap_or_else(PoisonError::into_inner);
            Ok(Arc::clone(stores.entry(bucket.to_owned()).or_default()).into())
        }
        "s3" | "s3a" | "s3n" => s3(bucket, options),
        "gs" => gs(bucket, options),
        "az" | "azure" | "abfs" | "abfss" => az(bucket, options),
        other => Err(StoreProblem::Unknown { scheme: other.to_owned() }.into()),
    }
}

/// Connects to one file of a web server; `rest` is what follows `https://`. Returns the server, its name for people,
/// and the file's key.
pub(crate) fn connect_web(
    scheme: &str,
    rest: &str,
    options: &StoreOptions,
) -> Result<(Connected, String, String)> {
    options.check(&format!("{scheme}://"))?;
    Web::connect(scheme, rest, options).map(|(web, root, key)| (Connected::web(web), root, key))
}

#[cfg(any(not(feature = "aws"), not(feature = "gcp"), not(feature = "azure")))]
fn left_out(scheme: &'static str, feature: &'static str) -> Result<Connected> {
    Err(StoreProblem::LeftOut { scheme, feature }.into())
}

#[cfg(feature = "aws")]
fn s3(bucket: &str, options: &StoreOptions) -> Result<Connected> {
    super::settings::check_environment("AWS_")?;
    super::s3::check_environment()?;
    let store = Arc::new(super::s3::S3::new(bucket, options));
    // Sessions with a single-zone bucket are object_store's, so we make no requests of our own there.
    let is_direct = !store.is_directory();
    let copier = (is_direct && !options.no_sign_request).then(|| Copier::new((*store).clone()));
    let direct = is_direct.then(|| Direct::new((*store).clone()));
    Ok(Connected { uploads: Some(Arc::clone(&store) as _), copier, direct, store, web: None })
}

#[cfg(not(feature = "aws"))]
pub(super) fn s3(_: &str, _: &StoreOptions) -> Result<Connected> {
    left_out("s3", "aws")
}

#[cfg(feature = "gcp")]
fn gs(bucket: &str, options: &StoreOptions) -> Result<Connected> {
    use object_store::gcp::{GcpCredential, GoogleCloudStorageBuilder, GoogleConfigKey};

    super::settings::check_environment("GOOGLE_")?;
    for (name, key, value) in variables::<GoogleConfigKey>("GOOGLE_") {
        let credential = GcpCredential { bearer: String::new() };
        let alone = GoogleCloudStorageBuilder::new()
            .with_bucket_name("bucket")
            .with_credentials(Arc::new(StaticCredentialProvider::new(credential)))
            .with_http_connector(Unconnected)
            .with_config(key, value);
        alone.build().map_err(|error| bad_variable(&name, &error))?;
    }
    let mut client = client_options("GOOGLE_")?;
    if super::settings::variable("GOOGLE_BASE_URL").is_some_and(|url| url.starts_with("http://")) {
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
    if let Some(given) = options.credentials.as_ref().and_then(Credentials::for_gcp) {
        builder = builder.with_credentials(Arc::clone(given));
    }
    let store = builder.build().map_err(bad_store)?;
    Ok(Arc::new(store).into())
}

#[cfg(not(feature = "gcp"))]
fn gs(_: &str, _: &StoreOptions) -> Result<Connected> {
    left_out("gs", "gcp")
}

#[cfg(feature = "azure")]
fn az(container: &str, options: &StoreOptions) -> Result<Connected> {
    use object_store::azure::{AzureConfigKey, AzureCredential, MicrosoftAzureBuilder};

    super::settings::check_environment("AZURE_")?;
    for (name, key, value) in variables::<AzureConfigKey>("AZURE_") {
        let mut alone = MicrosoftAzureBuilder::new()
            .with_account("account")
            .with_container_name("container")
            .with_http_connector(Unconnected);
        // The access key is read only if there are no other credentials.
        if !matches!(key, AzureConfigKey::AccessKey | AzureConfigKey::SasKey) {
            let credential = AzureCredential::BearerToken(String::new());
            alone = alone.with_credentials(Arc::new(StaticCredentialProvider::new(credential)));
        }
        alone.with_config(key, value).build().map_err(|error| bad_variable(&name, &error))?;
    }
    let mut client = client_options("AZURE_")?;
    let endpoint = super::settings::variable("AZURE_STORAGE_ENDPOINT")
        .or_else(|| super::settings::variable("AZURE_ENDPOINT"));
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
    if let Some(given) = options.credentials.as_ref().and_then(Credentials::for_azure) {
        builder = builder.with_credentials(Arc::clone(given));
    }
    let store = builder.build().map_err(bad_store)?;
    Ok(Arc::new(store).into())
}

#[cfg(not(feature = "azure"))]
fn az(_: &str, _: &StoreOptions) -> Result<Connected> {
    left_out("az", "azure")
}

#[cfg(test)]
mod tests {
    #[cfg(feature = "aws")]
    #[test]
    fn stores_are_beside_each_other_where_one_provider_reaches_both() {
        use super::{StoreOptions, connect};
        use crate::store::{Credentials, Store};

        let keys = || Credentials::aws_keys("id", "secret", None);
        let store = |credentials: Option<&Credentials>| {
            let mut options = StoreOptions::default();
            options.credentials = credentials.cloned();
            let connected = connect("s3", "bucket", &options).expect("options that fit");
            // Uploads by their IDs, which are noted and cleaned up after a kill.
            assert!(connected.uploads.is_some() && connected.copier.is_some());
            Store::connected(connected, "s3://bucket/".into())
        };
        let (one, other) = (keys(), keys());
        assert!(store(Some(&one)).copies_to(&store(Some(&one.clone()))));
        assert!(!store(Some(&one)).copies_to(&store(Some(&other))));
        assert!(!store(Some(&one)).copies_to(&store(None)));
        assert!(store(None).copies_to(&store(None)));
    }
}
