//! Credentials supplied by a program, in place of those from a store's usual environment.

use std::fmt;

#[cfg(feature = "azure")]
use object_store::azure::AzureCredentialProvider;
#[cfg(feature = "gcp")]
use object_store::gcp::GcpCredentialProvider;
#[cfg(any(feature = "aws", feature = "gcp", feature = "azure"))]
use std::sync::Arc;
#[cfg(feature = "aws")]
use {
    aws_credential_types::Credentials as SdkCredentials,
    aws_credential_types::provider::error::CredentialsError,
    aws_credential_types::provider::{ProvideCredentials, future},
    object_store::StaticCredentialProvider,
    object_store::aws::{AwsCredential, AwsCredentialProvider},
};

/// Credentials supplied by a program, in place of those from a store's usual environment: keys, or one of
/// `object_store`'s providers. A provider is called before every request, so it should cache credentials and renew them
/// in time.
///
/// Two values are equal if they are clones, or were made from clones of one provider. `Debug` does not show the
/// contents.
///
/// ```
/// # #[cfg(feature = "aws")] {
/// use forecast_export::{Credentials, Location, StoreOptions};
///
/// let mut options = StoreOptions::default();
/// options.credentials = Some(Credentials::aws_keys("AKIAIOSFODNN7EXAMPLE", "a secret", None));
/// assert!(!format!("{options:?}").contains("a secret"));
/// let exports = Location::parse_with("s3://reports/exports/", &options)?;
/// # }
/// # Ok::<(), forecast_export::Error>(())
/// ```
#[derive(Clone)]
pub struct Credentials(Given);

#[derive(Clone)]
enum Given {
    #[cfg(feature = "aws")]
    Aws(AwsCredentialProvider),
    #[cfg(feature = "gcp")]
    Gcp(GcpCredentialProvider),
    #[cfg(feature = "azure")]
    Azure(AzureCredentialProvider),
}

impl Credentials {
    /// An AWS access key: its ID, its secret and, if it is temporary, the session token. It is not renewed.
    #[cfg(feature = "aws")]
    pub fn aws_keys(key_id: impl Into<String>, secret: impl Into<String>, token: Option<String>) -> Self {
        let (key_id, secret_key) = (key_id.into(), secret.into());
        Self::aws(Arc::new(StaticCredentialProvider::new(AwsCredential { key_id, secret_key, token })))
    }

    /// A provider of credentials for AWS.
    #[cfg(feature = "aws")]
    pub fn aws(provider: AwsCredentialProvider) -> Self {
        Credentials(Given::Aws(provider))
    }

    /// A provider of credentials for Google Cloud Storage.
    #[cfg(feature = "gcp")]
    pub fn gcp(provider: GcpCredentialProvider) -> Self {
        Credentials(Given::Gcp(provider))
    }

    /// A provider of credentials for Azure.
    #[cfg(feature = "azure")]
    pub fn azure(provider: AzureCredentialProvider) -> Self {
        Credentials(Given::Azure(provider))
    }

    #[cfg(feature = "aws")]
    pub(super) fn for_aws(&self) -> Option<&AwsCredentialProvider> {
        match &self.0 {
            Given::Aws(provider) => Some(provider),
            #[cfg(any(feature = "gcp", feature = "azure"))]
            _ => None,
        }
    }

    #[cfg(feature = "gcp")]
    pub(super) fn for_gcp(&self) -> Option<&GcpCredentialProvider> {
        match &self.0 {
            Given::Gcp(provider) => Some(provider),
            #[cfg(any(feature = "aws", feature = "azure"))]
            _ => None,
        }
    }

    #[cfg(feature = "azure")]
    pub(super) fn for_azure(&self) -> Option<&AzureCredentialProvider> {
        match &self.0 {
            Given::Azure(provider) => Some(provider),
            #[cfg(any(feature = "aws", feature = "gcp"))]
            _ => None,
        }
    }

    /// Whether a store of this scheme accepts them.
    #[cfg_attr(
        not(any(feature = "aws", feature = "gcp", feature = "azure")),
        expect(unused_variables, reason = "without stores over a network there are none")
    )]
    pub(super) fn are_for(&self, scheme: &str) -> bool {
        match self.0 {
            #[cfg(feature = "aws")]
            Given::Aws(_) => matches!(scheme, "s3://" | "s3a://" | "s3n://"),
            #[cfg(feature = "gcp")]
            Given::Gcp(_) => scheme == "gs://",
            #[cfg(feature = "azure")]
            Given::Azure(_) => matches!(scheme, "az://" | "azure://" | "abfs://" | "abfss://"),
        }
    }

    /// The provider's identity.
    fn address(&self) -> usize {
        match self.0 {
            #[cfg(feature = "aws")]
            Given::Aws(ref provider) => Arc::as_ptr(provider).addr(),
            #[cfg(feature = "gcp")]
            Given::Gcp(ref provider) => Arc::as_ptr(provider).addr(),
            #[cfg(feature = "azure")]
            Given::Azure(ref provider) => Arc::as_ptr(provider).addr(),
        }
    }
}

impl PartialEq for Credentials {
    fn eq(&self, other: &Self) -> bool {
        self.address() == other.address()
    }
}

impl Eq for Credentials {}

impl std::hash::Hash for Credentials {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.address().hash(state);
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(..)")
    }
}

/// Adapts one of object_store's providers to the SDK.
#[cfg(feature = "aws")]
pub(super) struct OfProgram(pub(super) AwsCredentialProvider);

#[cfg(feature = "aws")]
impl fmt::Debug for OfProgram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OfProgram(..)")
    }
}

#[cfg(feature = "aws")]
impl ProvideCredentials for OfProgram {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            let given = self.0.get_credential().await.map_err(CredentialsError::provider_error)?;
            let AwsCredential { key_id, secret_key, token } = given.as_ref();
            Ok(SdkCredentials::new(key_id, secret_key, token.clone(), None, "program"))
        })
    }
}

#[cfg(test)]
mod tests {
    #[cfg(feature = "aws")]
    #[test]
    fn credentials_are_those_of_one_provider_only() {
        let keys = || super::Credentials::aws_keys("id", "secret", Some("token".into()));
        let (one, other) = (keys(), keys());
        assert_eq!(one, one.clone());
        assert_ne!(one, other);
        let shown = format!("{one:?}");
        assert!(!shown.contains("secret") && !shown.contains("token") && !shown.contains("id\""), "{shown}");
    }
}
