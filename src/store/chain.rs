//! Amazon's usual credential chain: one answer for credentials, region and endpoints, for the store and the Forecast
//! client alike. Takes an optional profile, role and region, returns credentials that are renewed before they expire.
//! Reads and requests nothing before the first use.

use super::address::Ways;
use super::credentials::{Credentials, OfProgram};
use super::settings::{check_endpoint, check_region, credentials_problem, variable};
use super::trust::{Trust, Untrusted};
use crate::model::{Error, Limit, Origin, Remedy, Result, StoreProblem, keep_secret};

use async_trait::async_trait;
use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider};
use aws_config::provider_config::ProviderConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials as SdkCredentials;
use aws_credential_types::credential_feature::AwsCredentialFeature;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_types::service_config::ServiceConfigKey;
use futures::FutureExt;
use object_store::CredentialProvider;
use object_store::aws::AwsCredential;
use std::collections::HashMap;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::sync::OnceCell;

/// Credentials are renewed this long before they expire, so that a request that is retried for minutes is still
/// accepted.
const RENEWED_BEFORE: Duration = Duration::from_secs(300);
/// Credentials with a shorter life than that are not requested again for every request.
const LEAST_USE: Duration = Duration::from_secs(1);
/// If they cannot be renewed, the next attempt waits this long.
const NEXT_TRY: Duration = Duration::from_secs(10);
/// The longest wait for credentials: a process may ask a person.
const LONGEST: Duration = Duration::from_secs(180);
/// The region for STS if nothing names one.
const FALLBACK_REGION: &str = "us-east-1";
const SESSION: &str = "forecast-export";

/// Who asks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Identity {
    pub(super) profile: Option<String>,
    pub(super) region: Option<String>,
    pub(super) role_arn: Option<String>,
    pub(super) external_id: Option<String>,
    /// What the program supplied.
    pub(super) credentials: Option<Credentials>,
}

impl Identity {
    /// The profile that values come from.
    fn profile_name(&self) -> String {
        let of_environment = || variable("AWS_PROFILE");
        self.profile.clone().or_else(of_environment).unwrap_or_else(|| "default".to_owned())
    }
}

/// The chain shared by options that were cloned from one another: source, output and Forecast client look up
/// credentials once.
#[derive(Debug, Clone, Default)]
pub(super) struct Chains(Arc<Mutex<HashMap<Identity, Arc<Chain>>>>);

impl Chains {
    pub(super) fn get(&self, identity: Identity) -> Arc<Chain> {
        let mut chains = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(chains.entry(identity.clone()).or_insert_with(|| Arc::new(Chain::new(identity))))
    }
}

pub(crate) struct Chain {
    identity: Identity,
    resolved: OnceCell<Resolved>,
    held: tokio::sync::Mutex<Option<Held>>,
}

struct Resolved {
    config: SdkConfig,
    /// The region, if one was given.
    region: Option<String>,
    /// The trusted authorities, or why the named certificate bundle cannot be read.
    trust: Result<Trust>,
    provider: SharedCredentialsProvider,
}

struct Held {
    credentials: SdkCredentials,
    renew_at: Option<SystemTime>,
}

/// Debug output never shows credentials.
impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.identity.fmt(f)
    }
}

impl Chain {
    fn new(identity: Identity) -> Self {
        Chain { identity, resolved: OnceCell::new(), held: tokio::sync::Mutex::default() }
    }

    async fn resolved(&self) -> &Resolved {
        self.resolved.get_or_init(|| resolve(&self.identity).boxed()).await
    }

    /// The given region, by flag, environment or profile.
    pub(super) async fn region(&self) -> Result<Option<&str>> {
        let region = self.resolved().await.region.as_deref();
        // The other values were checked on input.
        region.map_or(Ok(()), |region| check_region(self.of_profile("region"), region))?;
        self.trust().await?;
        Ok(region)
    }

    /// The authorities that connections trust.
    pub(super) async fn trust(&self) -> Result<Trust> {
        self.resolved().await.trust.clone()
    }

    /// The endpoint from environment or profile, for one service or for all.
    pub(crate) async fn endpoint(&self, service: &str) -> Result<Option<String>> {
        let endpoint = self.configured_endpoint(service).await;
        endpoint.as_ref().map_or(Ok(()), |url| check_endpoint(self.of_profile("endpoint_url"), url))?;
        Ok(endpoint)
    }

    fn of_profile(&self, key: &str) -> Origin {
        Origin::Profile { profile: self.identity.profile_name(), key: key.to_owned() }
    }

    async fn configured_endpoint(&self, service: &str) -> Option<String> {
        let config = &self.resolved().await.config;
        let key = ServiceConfigKey::builder()
            .service_id(service)
            .env("AWS_ENDPOINT_URL")
            .profile("endpoint_url")
            .build()
            .ok()?;
        let of_service = config.service_config().and_then(|settings| settings.load_config(key));
        of_service.or_else(|| config.endpoint_url().map(str::to_owned)).filter(|url| !url.is_empty())
    }

    /// What the SDK's clients are made from.
    #[cfg(feature = "forecast")]
    pub(crate) async fn sdk_config(self: &Arc<Self>) -> SdkConfig {
        let config = self.resolved().await.config.clone();
        config
            .into_builder()
            .credentials_provider(SharedCredentialsProvider::new(Shared(Arc::clone(self))))
            .build()
    }

    /// The value of a setting in environment or profile.
    async fn setting(&self, variable: &'static str, key: &'static str) -> Option<String> {
        setting(&self.resolved().await.config, variable, key)
    }

    /// How to reach S3, according to `use_fips_endpoint`, `use_dualstack_endpoint` and the `s3` section of a profile.
    pub(super) async fn ways(&self) -> Result<Ways> {
        let config = &self.resolved().await.config;
        let below_s3 = self.setting("", "s3").await.unwrap_or_default();
        let of_s3 = |key: &str| {
            let line = below_s3.lines().find_map(|line| {
                line.split_once('=').filter(|(name, _)| name.trim() == key).map(|(_, value)| value.trim())
            });
            line.map(str::to_owned)
        };
        let virtual_host = match std::env::var("AWS_VIRTUAL_HOSTED_STYLE_REQUEST") {
            Ok(text) if !text.is_empty() => Some(is_true(&text)),
            _ => match of_s3("addressing_style").as_deref() {
                Some("path") => Some(false),
                Some("virtual") => Some(true),
                _ => None,
            },
        };
        Ok(Ways {
            virtual_host,
            fips: config.use_fips().unwrap_or_default(),
            dual_stack: config.use_dual_stack().unwrap_or_default(),
            accelerate: of_s3("use_accelerate_endpoint").is_some_and(|text| is_true(&text)),
        })
    }

    /// As [`Self::credentials`], with our own error type.
    pub(super) async fn sound_credentials(&self) -> Result<SdkCredentials> {
        self.credentials().await.map_err(|error| self.denied(error))
    }

    /// Credentials that are valid for a while.
    async fn credentials(&self) -> Result<SdkCredentials, CredentialsError> {
        let provider = &self.resolved().await.provider;
        let now = SystemTime::now();
        let mut held = self.held.lock().await;
        if let Some(held) = held.as_ref()
            && held.renew_at.is_none_or(|renew_at| now < renew_at)
        {
            return Ok(held.credentials.clone());
        }
        match provider.provide_credentials().await {
            Ok(credentials) => {
                let renew_at = match credentials.expiry() {
                    Some(expiry) => Some((expiry - RENEWED_BEFORE).max(expiry.min(now + LEAST_USE))),
                    // The program's provider does not say how long they are valid, and caches them itself.
                    None => self.identity.credentials.as_ref().map(|_| now),
                };
                *held = Some(Held { credentials: credentials.clone(), renew_at });
                Ok(credentials)
            }
            Err(error) => match held.as_mut() {
                // Not expired yet, so their issuer has a few minutes to recover.
                Some(held) if held.credentials.expiry().is_some_and(|expiry| now < expiry) => {
                    held.renew_at = Some(now + NEXT_TRY);
                    Ok(held.credentials.clone())
                }
                _ => Err(error),
            },
        }
    }

    /// Fails if there are no credentials.
    #[cfg(feature = "forecast")]
    pub(crate) async fn check(&self) -> Result<()> {
        self.region().await?;
        self.credentials().await.map(drop).map_err(|error| self.denied(error))
    }

    /// Where the credentials come from, in words; never what they are.
    pub(super) async fn source(&self) -> Result<String> {
        self.region().await?;
        let credentials = self.credentials().await.map_err(|error| self.denied(error))?;
        let steps: &[AwsCredentialFeature] =
            credentials.get_property::<Vec<AwsCredentialFeature>>().map_or(&[], Vec::as_slice);
        let mut words: Vec<String> = steps.iter().filter_map(word).map(str::to_owned).collect();
        if let (Some(profile), true) =
            (&self.identity.profile, steps.contains(&AwsCredentialFeature::CredentialsProfile))
        {
            words.push(format!("profile {profile}"));
        }
        if self.identity.credentials.is_some() {
            words.insert(0, "the program".to_owned());
        }
        if let Some(role) = &self.identity.role_arn {
            words.push(role.clone());
        }
        words.dedup();
        Ok(if words.is_empty() { "an unnamed source".to_owned() } else { words.join(", ") })
    }

    fn denied(&self, error: CredentialsError) -> Error {
        if let Some(limit) = Error::of_limit("looking for", "AWS credentials", &error) {
            return limit;
        }
        if let Some(Unsound::Value { origin, why }) = unsound(&error) {
            let (origin, why) = (origin.clone(), (*why).to_owned());
            return StoreProblem::BadValue { origin, value: None, why }.into();
        }
        let object = match (&self.identity.profile, &self.identity.role_arn) {
            (_, Some(role)) => format!("credentials for {role}"),
            (_, None) if self.identity.credentials.is_some() => "credentials of the program".to_owned(),
            (Some(profile), None) => format!("credentials of profile {profile}"),
            (None, None) => "AWS credentials".to_owned(),
        };
        let (reason, remedy) = match &error {
            CredentialsError::CredentialsNotLoaded(_) => (
                "none found in the environment, a profile, web identity, container or instance".to_owned(),
                Some(Remedy::NameProfile),
            ),
            other => match Untrusted::behind(other) {
                Some(untrusted) => (untrusted.to_string(), untrusted.remedy()),
                None => (super::failure::one_line(other), None),
            },
        };
        Error::Denied { doing: "looking for", object, reason, remedy, source: Some(Arc::new(error)) }
    }
}

/// The steps that mean something to people.
fn word(step: &AwsCredentialFeature) -> Option<&'static str> {
    use AwsCredentialFeature as Step;
    Some(match step {
        Step::CredentialsEnvVars => "environment variables",
        Step::CredentialsProfile => "configuration files",
        Step::CredentialsEnvVarsStsWebIdToken
        | Step::CredentialsProfileStsWebIdToken
        | Step::CredentialsStsAssumeRoleWebId => "web identity",
        Step::CredentialsStsAssumeRole => "assumed role",
        Step::CredentialsSso | Step::CredentialsProfileSso => "SSO",
        Step::CredentialsProcess | Step::CredentialsProfileProcess => "credential process",
        Step::CredentialsHttp => "container",
        Step::CredentialsImds => "instance metadata",
        _ => return None,
    })
}

/// The value of a setting in environment or profile.
fn setting(config: &SdkConfig, variable: &'static str, key: &'static str) -> Option<String> {
    let key = ServiceConfigKey::builder().service_id("S3").env(variable).profile(key).build().ok()?;
    config.service_config()?.load_config(key).filter(|value| !value.is_empty())
}

fn is_true(text: &str) -> bool {
    matches!(text.to_ascii_lowercase().as_str(), "1" | "true" | "on" | "yes" | "y")
}

/// The certificate bundle named in environment or profile.
async fn find_bundle(identity: &Identity) -> Option<(Origin, String)> {
    const VARIABLE: &str = "AWS_CA_BUNDLE";
    if let Some(path) = variable(VARIABLE) {
        return Some((Origin::Variable(VARIABLE.to_owned()), path));
    }
    // This only reads the files; what sends requests is built from their contents.
    let mut loader =
        aws_config::defaults(BehaviorVersion::latest()).region(Region::new(FALLBACK_REGION)).no_credentials();
    if let Some(profile) = &identity.profile {
        loader = loader.profile_name(profile);
    }
    let path = setting(&loader.load().await, "", "ca_bundle")?;
    Some((Origin::Profile { profile: identity.profile_name(), key: "ca_bundle".to_owned() }, path))
}

async fn resolve(identity: &Identity) -> Resolved {
    let mut profile_region = ProfileFileRegionProvider::builder();
    if let Some(profile) = &identity.profile {
        profile_region = profile_region.profile_name(profile);
    }
    // The instance's own region says nothing about a bucket's, so it is not looked up.
    let region = RegionProviderChain::first_try(identity.region.clone().map(Region::new))
        .or_else(EnvironmentVariableRegionProvider::new())
        .or_else(profile_region.build())
        .region()
        .await;
    let some_region = region.clone().unwrap_or_else(|| Region::new(FALLBACK_REGION));
    let trust = match find_bundle(identity).await {
        Some((origin, path)) => Trust::read(origin, &path),
        None => Ok(Trust::default()),
    };
    // An unreadable one is reported before any request.
    let client = super::sdk_client::client(&trust.clone().unwrap_or_default());
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .region(some_region.clone())
        .http_client(client.clone());
    if let Some(profile) = &identity.profile {
        // A profile named by a flag takes precedence over keys in the environment.
        let config = ProviderConfig::default().with_region(Some(some_region)).with_http_client(client);
        let provider =
            ProfileFileCredentialsProvider::builder().configure(&config).profile_name(profile).build();
        loader = loader.profile_name(profile).credentials_provider(provider);
    }
    if let Some(given) = identity.credentials.as_ref().and_then(Credentials::for_aws) {
        loader = loader.credentials_provider(OfProgram(Arc::clone(given)));
    }
    let config = loader.load().await;
    let own = config.credentials_provider().unwrap_or_else(|| SharedCredentialsProvider::new(Nobody));
    let own = Sound::over(own, identity);
    let provider = match &identity.role_arn {
        None => own,
        Some(role) => {
            let mut builder = AssumeRoleProvider::builder(role).configure(&config).session_name(SESSION);
            if let Some(id) = &identity.external_id {
                builder = builder.external_id(id);
            }
            Sound::over(builder.build_from_provider(own).await, identity)
        }
    };
    Resolved { config, region: region.map(|region| region.to_string()), trust, provider }
}

/// Checks another provider's credentials before use: that provider is not trusted to answer in time, to return values
/// that headers can hold, or to handle a profile's values without a panic.
#[derive(Debug)]
struct Sound {
    inner: SharedCredentialsProvider,
    profile: String,
}

/// Why credentials cannot be used.
#[derive(Debug, Clone, thiserror::Error)]
enum Unsound {
    #[error("{why}")]
    Value { origin: Origin, why: &'static str },
    #[error("the credentials cannot be used: {name}: {why}")]
    Given { name: &'static str, why: &'static str },
    #[error("the settings of the profile {0} cannot be used")]
    Settings(String),
    #[error("there was no answer within {} seconds", LONGEST.as_secs())]
    Late,
}

/// The one of these that caused an error.
fn unsound(error: &CredentialsError) -> Option<&Unsound> {
    let mut causes = std::iter::successors(std::error::Error::source(error), |&cause| cause.source());
    causes.find_map(|cause| cause.downcast_ref())
}

impl Sound {
    fn over(inner: impl ProvideCredentials + 'static, identity: &Identity) -> SharedCredentialsProvider {
        let inner = SharedCredentialsProvider::new(inner);
        SharedCredentialsProvider::new(Sound { inner, profile: identity.profile_name() })
    }

    async fn credentials(&self) -> Result<SdkCredentials, CredentialsError> {
        let asked = AssertUnwindSafe(self.inner.provide_credentials()).catch_unwind();
        let credentials = match tokio::time::timeout(LONGEST, asked).await {
            Ok(Ok(answer)) => answer?,
            Ok(Err(panic)) if Limit::of_panic(&*panic).is_some() => {
                let limit = Limit::of_panic(&*panic).unwrap_or(Limit::Threads);
                return Err(CredentialsError::provider_error(limit));
            }
            Ok(Err(_)) => {
                return Err(CredentialsError::invalid_configuration(Unsound::Settings(self.profile.clone())));
            }
            Err(_) => return Err(CredentialsError::provider_error(Unsound::Late)),
        };
        keep_secret(credentials.secret_access_key());
        credentials.session_token().into_iter().for_each(keep_secret);
        let problem = credentials_problem(
            credentials.access_key_id(),
            credentials.secret_access_key(),
            credentials.session_token(),
        );
        let Some((name, why)) = problem else { return Ok(credentials) };
        let steps = credentials.get_property::<Vec<AwsCredentialFeature>>().map_or(&[][..], Vec::as_slice);
        let is_from = |step| steps.first() == Some(&step) && steps.len() == 1;
        Err(CredentialsError::invalid_configuration(if is_from(AwsCredentialFeature::CredentialsEnvVars) {
            Unsound::Value { origin: Origin::Variable(name.to_ascii_uppercase()), why }
        } else if is_from(AwsCredentialFeature::CredentialsProfile) {
            let (profile, key) = (self.profile.clone(), name.to_owned());
            Unsound::Value { origin: Origin::Profile { profile, key }, why }
        } else {
            Unsound::Given { name, why }
        }))
    }
}

impl ProvideCredentials for Sound {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.credentials())
    }
}

/// A provider without credentials.
#[derive(Debug)]
struct Nobody;

impl ProvideCredentials for Nobody {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(Err(CredentialsError::not_loaded_no_source()))
    }
}

/// Adapts a chain to the SDK's clients and to object_store.
#[derive(Debug)]
pub(super) struct Shared(pub(super) Arc<Chain>);

impl ProvideCredentials for Shared {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.0.credentials())
    }
}

#[async_trait]
impl CredentialProvider for Shared {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let credentials =
            self.0.credentials().await.map_err(|error| super::failure::carried(self.0.denied(error)))?;
        Ok(Arc::new(AwsCredential {
            key_id: credentials.access_key_id().to_owned(),
            secret_key: credentials.secret_access_key().to_owned(),
            token: credentials.session_token().map(str::to_owned),
        }))
    }
}
