//! How stores are reached: endpoints, credentials and what written objects carry, as a caller may choose them.

use super::credentials::Credentials;
use super::objects::ObjectOptions;
use crate::model::{Result, Setting, StoreProblem};
#[cfg(feature = "aws")]
use std::sync::Arc;
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
/// let mut options = StoreOptions::default();
/// options.profile = Some("archive".into());
/// options.role_arn = Some("arn:aws:iam::123456789012:role/reader".into());
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
    /// Credentials of the program's own, in place of all that the environment gives. They go with neither a profile nor
    /// unsigned requests.
    pub credentials: Option<Credentials>,
    /// A role to assume with the credentials that were found or handed over.
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
    /// Where the AWS credentials come from, in words such as `environment variables` or `SSO, profile archive`; never
    /// what they are. Finds them where that has not happened yet.
    ///
    /// # Errors
    /// [`Error::Denied`](crate::Error::Denied) where there are none.
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
            credentials: self.credentials.clone(),
        })
    }

    /// Checks what a service of AWS other than S3 is reached with.
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

    /// Without stores over a network nothing listens to any.
    #[cfg(not(any(feature = "aws", feature = "gcp", feature = "azure")))]
    fn check_values(&self) -> Result<()> {
        Ok(())
    }

    /// Checks that credentials which were handed over are those that are used.
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
