//! What a server is told: [`ServeOptions`], and the file that holds what does not fit on a command line.

use super::shapes::Shape;
use super::signature::Key;
use crate::model::{Error, Options, Pattern, Result, UsageError, keep_secret, parse_size};
use crate::store::{StoreOptions, variable};

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// What a forecast's status may be.
const STATUSES: [&str; 9] = [
    "ACTIVE",
    "CREATE_PENDING",
    "CREATE_IN_PROGRESS",
    "CREATE_STOPPING",
    "CREATE_STOPPED",
    "CREATE_FAILED",
    "DELETE_PENDING",
    "DELETE_IN_PROGRESS",
    "DELETE_FAILED",
];

/// How to serve. Every field has a default, but a server without keys needs [`ServeOptions::insecure_no_auth`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ServeOptions {
    /// The address and port to listen on; by default 127.0.0.1:9400. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// The folder of the server's state. Each folder in it is a forecast, too.
    pub data: PathBuf,
    /// The configuration file, if there is one.
    pub config: Option<PathBuf>,
    /// Buckets that are folders of this machine, by name.
    pub buckets: BTreeMap<String, PathBuf>,
    /// The region of every ARN and signature; by default that of the data folder, of the file, of the environment
    /// (`AWS_REGION`, `AWS_DEFAULT_REGION`), or `us-east-1`.
    pub region: Option<String>,
    /// The account of every ARN; by default that of the data folder, of the file, or `123456789012`.
    pub account: Option<String>,
    /// How many jobs run at the same time; 3 by default, as the service does.
    pub parallel_jobs: Option<usize>,
    /// How many jobs may exist; 1000 by default, as in the service.
    pub max_jobs: Option<u64>,
    /// About how many bytes a part file has; 100 MB by default.
    pub part_bytes: Option<u64>,
    /// Assumes each job's role by STS before writing to S3, in place of writing with the server's own credentials.
    pub assume_roles: bool,
    /// Answers requests that are not signed.
    pub insecure_no_auth: bool,
    /// The certificate chain and its private key, both in PEM, for HTTPS.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// How many connections may be open; 1000 by default.
    pub max_connections: usize,
    /// How to reach S3.
    pub store: StoreOptions,
}

impl ServeOptions {
    /// The defaults, with this folder for the state.
    pub fn new(data: impl Into<PathBuf>) -> Self {
        ServeOptions {
            listen: (Ipv4Addr::LOCALHOST, 9400).into(),
            data: data.into(),
            config: None,
            buckets: BTreeMap::new(),
            region: None,
            account: None,
            parallel_jobs: None,
            max_jobs: None,
            part_bytes: None,
            assume_roles: false,
            insecure_no_auth: false,
            tls: None,
            max_connections: 1000,
            store: StoreOptions::default(),
        }
    }
}

/// The configuration file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) region: Option<String>,
    pub(super) account: Option<String>,
    pub(super) parallel_jobs: Option<usize>,
    pub(super) max_jobs: Option<u64>,
    part_bytes: Option<String>,
    #[serde(default)]
    pub(super) assume_roles: bool,
    #[serde(default)]
    keys: Vec<FileKey>,
    #[serde(default)]
    pub(super) buckets: BTreeMap<String, PathBuf>,
    #[serde(default)]
    pub(super) forecasts: Vec<FileForecast>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileKey {
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
}

/// Secrets are never shown.
impl std::fmt::Debug for FileKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FileKey({})", self.access_key_id)
    }
}

/// A forecast in the configuration file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileForecast {
    /// By default the last part of the ARN.
    name: Option<String>,
    pub(super) arn: Option<String>,
    pub(super) source: String,
    pub(super) quantiles: Option<Vec<String>>,
    pub(super) status: Option<String>,
    pub(super) message: Option<String>,
    #[serde(flatten)]
    pub(super) choice: Choice,
}

impl FileForecast {
    /// The forecast's name, which is part of its jobs' ARNs.
    pub(super) fn name(&self) -> &str {
        match (&self.name, &self.arn) {
            (Some(name), _) => name,
            (None, Some(arn)) => arn.rsplit_once('/').map_or("", |(_, name)| name),
            (None, None) => "",
        }
    }
}

/// Which run of a forecast's source is exported, if it holds several, and how its files are named.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Choice {
    /// Only this job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// Which run: `latest`, `all` or a timestamp.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// Which exporter wrote the files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    /// Only exports of this kind, such as `backtest-forecasts`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Exports the run even if parts are missing.
    #[serde(default)]
    pub allow_gaps: bool,
    /// What to do if parts differ: `strict` or `by-name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
}

impl Choice {
    /// The same for the engine. Its messages call these settings by the names that they have in the file.
    pub(super) fn options(&self) -> Result<Options> {
        let mut options = Options::default();
        options.select.job.clone_from(&self.job);
        options.select.allow_gaps = self.allow_gaps;
        options.select.kind = self.kind.as_deref().map(str::parse).transpose()?;
        if let Some(run) = &self.run {
            options.select.run = run.parse()?;
        }
        if let Some(preset) = &self.preset {
            options.select.pattern = Pattern::preset(preset.parse()?);
        }
        if let Some(schema) = &self.schema {
            options.schema = schema.parse()?;
        }
        Ok(options)
    }
}

impl File {
    /// Reads the file; without one, everything has its default. Relative paths are relative to the file.
    pub(super) fn read(path: Option<&Path>) -> Result<Self> {
        let Some(path) = path else { return Ok(File::default()) };
        let wrong = |problem: String| config_error(path, problem);
        let text = std::fs::read_to_string(path)
            .map_err(|error| Error::io("reading", path.display().to_string(), error))?;
        // A message of the parser shows the line, which may hold a secret.
        let mut file: File = toml::from_str(&text).map_err(|error| {
            let line = error.span().map_or(0, |span| text[..span.start].matches('\n').count() + 1);
            wrong(format!("line {line}: {}", error.message()))
        })?;
        let folder = path.parent().unwrap_or(Path::new(""));
        for bucket in file.buckets.values_mut() {
            *bucket = folder.join(&bucket);
        }
        for forecast in &mut file.forecasts {
            if !forecast.source.contains("://") {
                forecast.source = folder.join(&forecast.source).display().to_string();
            }
            if let Some(arn) = &forecast.arn {
                Shape::Arn.check("arn", arn).map_err(|problem| wrong(problem.message))?;
            }
            Shape::Name.check("name", forecast.name()).map_err(|problem| wrong(problem.message))?;
            if let Some(status) = forecast.status.as_deref().filter(|status| !STATUSES.contains(status)) {
                let (name, known) = (forecast.name(), STATUSES.join(", "));
                return Err(wrong(format!(
                    "the forecast {name} cannot have the status \"{status}\"; known are {known}"
                )));
            }
            forecast.choice.options()?;
        }
        if file.keys.iter().any(|key| key.access_key_id.is_empty() || key.secret_access_key.is_empty()) {
            return Err(wrong("a key needs access_key_id and secret_access_key".into()));
        }
        file.keys.iter().for_each(|key| keep_secret(&key.secret_access_key));
        Ok(file)
    }

    pub(super) fn part_bytes(&self) -> Result<Option<u64>> {
        self.part_bytes.as_deref().map(parse_size).transpose()
    }

    /// The keys of the file, and the pair in the environment.
    pub(super) fn keys(&self) -> Vec<Key> {
        let of_file = self.keys.iter().map(|key| Key {
            id: key.access_key_id.clone(),
            secret: key.secret_access_key.clone(),
            token: key.session_token.clone(),
        });
        let pair = variable("AWS_ACCESS_KEY_ID").zip(variable("AWS_SECRET_ACCESS_KEY"));
        let of_environment =
            pair.map(|(id, secret)| Key { id, secret, token: variable("AWS_SESSION_TOKEN") });
        of_file.chain(of_environment).collect()
    }
}

pub(super) fn config_error(path: &Path, problem: String) -> Error {
    UsageError::Config { file: path.display().to_string(), problem }.into()
}
