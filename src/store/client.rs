//! How HTTP clients of all object stores are set up: timeouts, retries, and the environment's settings.

use super::options::StoreOptions;
use crate::model::{Error, StoreProblem};
use std::time::Duration;

/// How long a connection may be silent. A piece of an upload counts as silence until the answer to it begins, so
/// this is also the time that the slowest line may take for 8 MiB, four pieces at a time.
#[cfg(any(feature = "aws", feature = "gcp", feature = "azure"))]
const SILENCE: Duration = Duration::from_secs(120);

/// By default object_store ends a whole request, its body included, after 30 s, however well it goes; here only a
/// silent connection is given up. What the environment says by object_store's own names, such as `AWS_READ_TIMEOUT`
/// or `AWS_PROXY_URL`, takes precedence over that.
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

#[cfg(any(feature = "aws", feature = "gcp", feature = "azure"))]
pub(super) fn bad_store(error: object_store::Error) -> Error {
    StoreProblem::Setup { source: Box::new(error) }.into()
}
