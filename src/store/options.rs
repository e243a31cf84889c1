//! Options for reaching stores: endpoints, credentials and attributes of written objects.

use super::credentials::Credentials;
use super::objects::ObjectOptions;
use crate::model::{Result, Setting, StoreProblem};

#[cfg(feature = "aws")]
use futures::{FutureExt, future::BoxFuture};
#[cfg(feature = "aws")]
use std::sync::Arc;
use std::time::Duration;

/// How to reach object stores, and how to write objects to them. Every field left at its default falls back to the
/// store's usual environment: for S3, Amazon's own chain of `AWS_*` variables, configuration files with their profiles,
/// SSO, web identity, container and instance; for the others, `GOOGLE_*` and `AZURE_*`.
///
/// Clones share credentials: an assumed role is assumed once for all locations that were parsed with them.
///
/// ```
/// use forecast_export::StoreOptions;
///
/// let mut options = StoreOptions::default();
/// options.profile = Some("archive".into());
/// options.role_arn = Some("arn:aws:iam::123456789012:role/reader".into());
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct StoreOptions {
    /// The endpoint for AWS requests; S3 requests then use path style. By default the environment's or profile's
    /// endpoint for a service (`AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL_FORECAST`) or for all (`AWS_ENDPOINT_URL`).
    pub endpoint_url: Option<String>,
    /// The bucket's region; by default that of environment or profile, or else it is looked up.
    pub region: Option<String>,
    /// Send S3 requests without signing them, for public buckets.
    pub no_sign_request: bool,
    /// The profile of the AWS configuration files; it takes precedence over keys in the environment.
    pub profile: Option<String>,
    /// The program's own credentials, in place of all from the environment. They cannot be combined with a profile or
    /// with unsigned requests.
    pub credentials: Option<Credentials>,
    /// A role to assume with the credentials that were found or supplied.
    pub role_arn: Option<String>,
    /// The external ID that the role's trust policy requires.
    pub external_id: Option<String>,
    /// Pay for requests to requester-pays buckets.
    pub request_payer: bool,
    /// How objects are written to S3.
    pub objects: ObjectOptions,
    /// How long to retry a request after server errors, throttling, lost connections and truncated bodies, including
    /// its first try; by default three minutes. Tries are up to 15 seconds apart, minus a random part, and at most ten
    /// follow the first.
    pub retry_timeout: Option<Duration>,
    #[cfg(feature = "aws")]
    chains: super::chain::Chains,
}

impl StoreOptions {
    /// Where the AWS credentials come from, in words such as `environment variables` or `SSO, profile archive`; never
    /// the credentials themselves. Looks them up if that has not happened yet.
    ///
    /// # Errors
    /// [`Error::Denied`](crate::Error::Denied) if there are none.
    #[cfg(feature = "aws")]
    pub async fn credentials_source(&self) -> Result<String> {
        self.named_credentials().await
    }

    /// Boxed here, or every program would compile it anew.
    #[cfg(feature = "aws")]
    fn named_credentials(&self) -> BoxFuture<'_, Result<String>> {
        async move { self.chain().source().await }.boxed()
    }

    #[cfg(feature = "aws")]
    pub(crate) fn chain(&self) -> Arc<super::chain::Chain> {
        self.chains.get(super::chain::Identity {
            profile: self.profile.clone(),
            region: self.region.clone(),
            role_arn: self.role_arn.clone(),
            external_id: self.external_id.clone(),
            credentials: self.credentials.clone(),
        })
    }

    /// Checks the options for reaching an AWS service other than S3.
    #[cfg(feature = "forecast")]
    pub(crate) fn check_service(&self) -> Result<()> {
        self.check_values()?;
        self.check_credentials("s3://")?;
        super::settings::check_environment("AWS_")
    }

    #[cfg(any(feature = "aws", feature = "gcp", feature = "azure"))]
    fn check_values(&self) -> Result<()> {
        use super::settings::{check_endpoint, check_region, check_text};
        use crate::model::Origin;

        let check = |setting, value: &Option<String>, check: fn(Origin, &str) -> Result<()>| {
            value.as_ref().map_or(Ok(()), |value| check(Origin::Setting(setting), value))
        };
        check(Setting::EndpointUrl, &self.endpoint_url, check_endpoint)?;
        check(Setting::Region, &self.region, check_region)?;
        check(Setting::Profile, &self.profile, check_text)?;
        check(Setting::RoleArn, &self.role_arn, check_text)?;
        check(Setting::ExternalId, &self.external_id, check_text)
    }

    /// Without remote stores, no environment variables matter.
    #[cfg(not(any(feature = "aws", feature = "gcp", feature = "azure")))]
    fn check_values(&self) -> Result<()> {
        Ok(())
    }

    /// Checks that supplied credentials are the ones that would be used.
    fn check_credentials(&self, scheme: &str) -> Result<()> {
        let Some(credentials) = &self.credentials else { return Ok(()) };
        if !credentials.are_for(scheme) {
            return Err(StoreProblem::CredentialsElsewhere { place: scheme.to_owned() }.into());
        }
        let others =
            [(Setting::Profile, self.profile.is_some()), (Setting::NoSignRequest, self.no_sign_request)];
        match others.into_iter().find(|(_, is_given)| *is_given) {
            Some((setting, _)) => Err(StoreProblem::CredentialsTwice { setting }.into()),
            None => Ok(()),
        }
    }

    pub(super) fn check(&self, scheme: &str) -> Result<()> {
        self.check_values()?;
        if self.external_id.is_some() && self.role_arn.is_none() {
            return Err(StoreProblem::ExternalIdWithoutRole.into());
        }
        self.check_credentials(scheme)?;
        if !self.objects.is_default() && !is_s3(scheme) {
            return Err(StoreProblem::ObjectOptionsElsewhere { place: scheme.to_owned() }.into());
        }
        self.objects.check()
    }
}

fn is_s3(scheme: &str) -> bool {
    matches!(scheme, "s3://" | "s3a://" | "s3n://")
}
