//! Sets up the HTTP clients of all object stores: timeouts, retries, and the environment's settings.

#[cfg(any(feature = "aws", feature = "gcp", feature = "azure"))]
use super::bounded::{CONNECT_TIMEOUT, SILENCE};
use super::options::StoreOptions;
use crate::model::{Error, Origin, Result, StoreProblem};
#[cfg(any(feature = "aws", feature = "gcp", feature = "azure"))]
use async_trait::async_trait;
#[cfg(any(feature = "aws", feature = "gcp", feature = "azure"))]
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
};
use std::sync::Arc;
use std::time::Duration;

/// By default object_store aborts a whole request, including its body, after 30 s even if it makes progress; here only
/// a silent connection is given up. Variables with object_store's own names, such as `AWS_READ_TIMEOUT` or
/// `AWS_PROXY_URL`, take precedence.
#[cfg(any(feature = "aws", feature = "gcp", feature = "azure"))]
pub(super) fn client_options(prefix: &str) -> Result<object_store::ClientOptions> {
    let mut options = plain_client_options();
    for (name, value) in std::env::vars_os() {
        if let (Some(name), Some(value)) = (name.to_str(), value.to_str())
            && let Some(key) = name.strip_prefix(prefix)
            && let Ok(key) = key.to_ascii_lowercase().parse()
        {
            // Each on its own first, so that the error can name the variable.
            let alone = object_store::ClientOptions::new().with_config(key, value);
            super::transport::client(&alone, &super::trust::Trust::default())
                .map_err(|error| bad_variable(name, &error))?;
            options = options.with_config(key, value);
        }
    }
    Ok(options)
}

/// The settings of every client.
#[cfg(any(feature = "aws", feature = "gcp", feature = "azure"))]
pub(super) fn plain_client_options() -> object_store::ClientOptions {
    object_store::ClientOptions::new()
        .with_timeout_disabled()
        .with_connect_timeout(CONNECT_TIMEOUT)
        .with_read_timeout(SILENCE)
}

/// The number of tries, their delays and jitter are object_store's own; the total time is the caller's.
#[cfg(any(feature = "aws", feature = "gcp", feature = "azure"))]
pub(super) fn retry(options: &StoreOptions) -> object_store::RetryConfig {
    let mut retry = object_store::RetryConfig::default();
    if let Some(timeout) = options.retry_timeout {
        retry.retry_timeout = timeout;
    }
    retry
}

/// The error for a variable with which no client can be made.
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
    StoreProblem::Setup { source: Arc::new(error) }.into()
}

/// The environment variables of a kind of store that object_store knows.
#[cfg(any(feature = "aws", feature = "gcp", feature = "azure"))]
pub(super) fn variables<K: std::str::FromStr>(prefix: &str) -> Vec<(String, K, String)> {
    let known = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        let (name, value) = (name.into_string().ok()?, value.into_string().ok()?);
        let key = name.starts_with(prefix).then(|| name.to_ascii_lowercase().parse().ok())??;
        Some((name, key, value))
    };
    std::env::vars_os().filter_map(known).collect()
}

/// A stand-in for a client that makes no requests.
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

#[cfg(any(feature = "aws", feature = "gcp", feature = "azure"))]
/// The delay grows each time, with up to half of it removed at random, so that requests that failed together do not
/// return together.
pub(super) fn wait_before(retry: usize, backoff: &object_store::BackoffConfig) -> Duration {
    let times = backoff.base.powi(i32::try_from(retry - 1).unwrap_or(i32::MAX));
    let longest = (backoff.init_backoff.as_secs_f64() * times).min(backoff.max_backoff.as_secs_f64());
    Duration::from_secs_f64(longest / 2.0 * (1.0 + fastrand::f64()))
}

#[cfg(any(feature = "aws", feature = "gcp", feature = "azure"))]
#[cfg(test)]
mod tests {
    use super::*;
    use object_store::BackoffConfig;

    #[test]
    fn waits_grow_and_are_bounded() {
        let backoff = BackoffConfig::default();
        let mut longest = backoff.init_backoff;
        for retry in [1, 2, 3, 20, 2_000] {
            let wait = wait_before(retry, &backoff);
            assert!(wait >= longest / 2 && wait <= longest, "{retry}: {wait:?}");
            longest = if retry < 3 { longest * 2 } else { backoff.max_backoff };
        }
    }
}
