//! How HTTP clients of all object stores are set up: timeouts, retries, and the environment's settings.

#[cfg(any(feature = "aws", feature = "gcp", feature = "azure"))]
use super::bounded::SILENCE;
use super::options::StoreOptions;
use crate::model::{Error, Origin, Result, StoreProblem};
#[cfg(any(feature = "aws", feature = "gcp", feature = "azure"))]
use async_trait::async_trait;
#[cfg(any(feature = "aws", feature = "gcp", feature = "azure"))]
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
};
use std::time::Duration;

/// How long a host may take to answer at all.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// By default object_store ends a whole request, its body included, after 30 s, however well it goes; here only a
/// silent connection is given up. What the environment says by object_store's own names, such as `AWS_READ_TIMEOUT`
/// or `AWS_PROXY_URL`, takes precedence over that.
#[cfg(any(feature = "aws", feature = "gcp", feature = "azure"))]
pub(super) fn client_options(prefix: &str) -> Result<object_store::ClientOptions> {
    let mut options = object_store::ClientOptions::new()
        .with_timeout_disabled()
        .with_connect_timeout(CONNECT_TIMEOUT)
        .with_read_timeout(SILENCE);
    for (name, value) in std::env::vars_os() {
        if let (Some(name), Some(value)) = (name.to_str(), value.to_str())
            && let Some(key) = name.strip_prefix(prefix)
            && let Ok(key) = key.to_ascii_lowercase().parse()
        {
            // By itself first, as only then the variable is known that is wrong.
            let alone = object_store::ClientOptions::new().with_config(key, value);
            super::transport::client(&alone, &super::trust::Trust::default())
                .map_err(|error| bad_variable(name, &error))?;
            options = options.with_config(key, value);
        }
    }
    Ok(options)
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

/// A variable that no client can be made with.
#[cfg(any(feature = "aws", feature = "gcp", feature = "azure"))]
pub(super) fn bad_variable(name: &str, error: &object_store::Error) -> Error {
    if let Some(limit) = Error::of_limit("setting up", "the store", error) {
        return limit;
    }
    let why = super::failure::one_line(error);
    StoreProblem::BadValue { origin: Origin::Variable(name.to_owned()), value: None, why }.into()
}

#[cfg(any(feature = "aws", feature = "gcp", feature = "azure"))]
pub(super) fn bad_store(error: object_store::Error) -> Error {
    if let Some(limit) = Error::of_limit("setting up", "the store", &error) {
        return limit;
    }
    StoreProblem::Setup { source: Box::new(error) }.into()
}

/// The variables of a kind of store that object_store has a key for.
#[cfg(any(feature = "aws", feature = "gcp", feature = "azure"))]
pub(super) fn variables<K: std::str::FromStr>(prefix: &str) -> Vec<(String, K, String)> {
    let known = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        let (name, value) = (name.into_string().ok()?, value.into_string().ok()?);
        let key = name.starts_with(prefix).then(|| name.to_ascii_lowercase().parse().ok())??;
        Some((name, key, value))
    };
    std::env::vars_os().filter_map(known).collect()
}

/// Stands in for a client where no request is made.
#[cfg(any(feature = "aws", feature = "gcp", feature = "azure"))]
#[derive(Debug)]
pub(super) struct Unconnected;

#[cfg(any(feature = "aws", feature = "gcp", feature = "azure"))]
#[async_trait]
impl HttpService for Unconnected {
    async fn call(&self, _: HttpRequest) -> Result<HttpResponse, HttpError> {
        Err(HttpError::new(HttpErrorKind::Unknown, std::io::Error::from(std::io::ErrorKind::NotConnected)))
    }
}

#[cfg(any(feature = "aws", feature = "gcp", feature = "azure"))]
impl HttpConnector for Unconnected {
    fn connect(&self, _: &object_store::ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(Unconnected))
    }
}
