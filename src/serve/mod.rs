//! A server that answers as Amazon Forecast does about export jobs, and carries them out with this crate's engine.
//!
//! Clients use it through their endpoint URL: boto3, the aws cli and the other SDKs, unchanged. A forecast is a folder
//! or prefix of CSV or Parquet; [`CreateForecastExportJob`] writes its rows to the job's destination, in files with the
//! service's names.
//!
//! A request goes from `http` (limits, TLS) through `requests` (JSON to values), `signature` and `api` (operations) to
//! `state` (SQLite). Jobs wait there until `runner` hands them to `export`. `page` shows all of it to people.
//!
//! [`CreateForecastExportJob`]: https://docs.aws.amazon.com/forecast/latest/dg/API_CreateForecastExportJob.html

mod api;
mod buckets;
mod config;
mod export;
mod forecasts;
#[doc(hidden)]
pub mod fuzzing;
mod http;
mod mapped_s3;
mod members;
mod metrics;
mod page;
mod patient;
mod problem;
mod requests;
mod runner;
mod shapes;
mod signature;
mod source;
mod state;

pub use config::{Choice, ServeOptions};

use self::api::Api;
use self::buckets::Buckets;
use self::config::{File, config_error};
use self::export::Exporter;
use self::forecasts::Forecasts;
use self::http::Service;
use self::mapped_s3::MappedS3;
use self::metrics::Metrics;
use self::page::Page;
use self::runner::Runner;
use self::shapes::Shape;
use self::signature::Verifier;
use self::state::{OpenError, State};
use crate::model::{Error, Result, UsageError, cores};
use crate::store::{Location, StoreOptions, variable};

use chrono::Utc;
use serde::Serialize;
use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

/// The database in the data folder.
const DATABASE: &str = "state.sqlite3";
/// The file in it that a server locks.
const LOCK: &str = "server.lock";
const REGION: &str = "us-east-1";
const ACCOUNT: &str = "123456789012";
const PARALLEL_JOBS: usize = 3;
const MAX_JOBS: u64 = 1000;
const PART_BYTES: u64 = 100_000_000;
/// Memory of all jobs that run at the same time, in bytes.
const MEMORY: u64 = 256_000_000;

/// A server that is ready to take connections.
///
/// ```no_run
/// use forecast_export::{ServeOptions, Server};
///
/// # async fn example() -> Result<(), forecast_export::Error> {
/// let mut options = ServeOptions::new("forecasts");
/// options.buckets.insert("exports".into(), "exports".into());
/// let server = Server::bind(&options).await?;
/// println!("{}", server.url());
/// server.run(std::future::pending()).await;
/// # Ok(())
/// # }
/// ```
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<TlsAcceptor>,
    service: Arc<Service>,
    most: usize,
    /// Held as long as the server lives: two servers would run the same jobs.
    _lock: std::fs::File,
}

/// A forecast that was registered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RegisteredForecast {
    /// Its ARN.
    pub forecast_arn: String,
    /// Its name.
    pub name: String,
    /// Where its rows are.
    pub source: String,
}

impl Server {
    /// Opens the state and the port.
    ///
    /// # Errors
    /// [`Error::Usage`] for options and files that cannot be used, [`Error::Io`] if the data folder or the port cannot
    /// be opened.
    pub async fn bind(options: &ServeOptions) -> Result<Self> {
        let file = File::read(options.config.as_deref())?;
        let keys = file.keys();
        if keys.is_empty() && !options.insecure_no_auth {
            return Err(UsageError::ServeWithoutKeys.into());
        }
        let mut mapped = file.buckets.clone();
        mapped.extend(options.buckets.clone());
        let buckets = Arc::new(Buckets::open(mapped)?);
        let state = Arc::new(open(&options.data)?);
        let lock = lock(&options.data)?;
        let (region, account) = identity(
            &state,
            &options.data,
            options.region.clone().or(file.region.clone()),
            options.account.clone().or(file.account.clone()),
        )?;
        let forecasts = Arc::new(Forecasts::new(
            &file,
            &options.data,
            Arc::clone(&buckets),
            &options.store,
            (&region, &account),
        ));
        let parallel = options.parallel_jobs.or(file.parallel_jobs).unwrap_or(PARALLEL_JOBS).max(1);
        let metrics = Arc::new(Metrics::new());
        let exporter = Exporter {
            buckets: Arc::clone(&buckets),
            store: options.store.clone(),
            assume_roles: options.assume_roles || file.assume_roles,
            part_bytes: options.part_bytes.or(file.part_bytes()?).unwrap_or(PART_BYTES),
            threads: (cores() / parallel).max(1),
            memory: MEMORY / parallel as u64,
        };
        let runner = Arc::new(Runner::new(
            Arc::clone(&state),
            Arc::clone(&forecasts),
            exporter,
            parallel,
            Arc::clone(&metrics),
        ));
        let max_jobs = options.max_jobs.or(file.max_jobs).unwrap_or(MAX_JOBS);
        let tls = options.tls.as_ref().map(|(chain, key)| http::tls(chain, key)).transpose()?;
        let failed = |source| Error::io("listening on", options.listen.to_string(), source);
        let listener = TcpListener::bind(options.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let is_open = options.insecure_no_auth;
        let needs_key = !is_open && !address.ip().is_loopback();
        let service = Service {
            buckets: (!buckets.is_empty())
                .then(|| MappedS3::new(Arc::clone(&buckets), (!is_open).then_some(keys.as_slice()))),
            page: Page { region: region.clone(), account, is_open },
            page_keys: needs_key
                .then(|| keys.iter().map(|key| format!("{}:{}", key.id, key.secret)).collect()),
            verifier: (!is_open).then(|| Verifier::new(keys, forecasts.regions(), "forecast")),
            metrics,
            large: http::large(),
            api: Arc::new(Api { state, forecasts, buckets, runner, max_jobs }),
        };
        let most = options.max_connections;
        Ok(Server { listener, address, tls, service: Arc::new(service), most, _lock: lock })
    }

    /// Where it listens: with port 0, the port that was free.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The endpoint URL for clients.
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// Serves until `stop` is ready. Then requests that have begun are answered, and jobs that have begun are cleaned up;
    /// they run again when a server comes back.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let (shutdown, is_down) = watch::channel(false);
        let jobs = tokio::spawn(Arc::clone(&self.service.api.runner).run(is_down.clone()));
        let metrics = Arc::clone(&self.service.metrics);
        let router = http::router(self.service);
        let connections =
            tokio::spawn(http::listen(self.listener, self.tls, router, self.most, metrics, is_down));
        stop.await;
        shutdown.send_replace(true);
        let _ = tokio::join!(jobs, connections);
    }
}

/// Adds a forecast to a data folder, or changes the one of this name, whether a server runs or not. Its source is read
/// first.
///
/// # Errors
/// [`Error::Usage`] for a bad name, and any error of reading the source.
pub async fn register_forecast(
    data: &Path,
    name: &str,
    source: &str,
    choice: &Choice,
    store: &StoreOptions,
) -> Result<RegisteredForecast> {
    Shape::Name.check("name", name).map_err(|_| {
        let problem = format!("\"{name}\" cannot be a forecast's name: it begins with a letter, and has at most 63 letters, digits and underscores");
        Error::from(UsageError::Config { file: "the forecast".into(), problem })
    })?;
    // A relative path would mean another folder to a server that was started elsewhere.
    let source = match source.contains("://") {
        true => source.to_owned(),
        false => {
            let path = std::path::absolute(source).map_err(|error| Error::io("finding", source, error))?;
            let slash = if source.ends_with('/') || path.is_dir() { "/" } else { "" };
            format!("{}{slash}", path.display().to_string().trim_end_matches('/'))
        }
    };
    let location = Location::parse_with(&source, store)?;
    forecasts::columns(&location, choice).await?;
    let state = open(data)?;
    let (region, account) = identity(&state, data, None, None)?;
    let choice = serde_json::to_string(choice).map_err(|error| Error::Internal(error.to_string()))?;
    state.register(name, &source, &choice, Utc::now()).map_err(|error| of_database(data, &error))?;
    Ok(RegisteredForecast {
        forecast_arn: forecasts::arn_of(&region, &account, name),
        name: name.to_owned(),
        source,
    })
}

/// Opens the state in a data folder, which is made if there is none.
fn open(data: &Path) -> Result<State> {
    std::fs::create_dir_all(data)
        .map_err(|error| Error::io("creating the folder", data.display().to_string(), error))?;
    let file = data.join(DATABASE);
    State::open(&file).map_err(|error| match error {
        OpenError::Newer(version) => {
            let problem =
                format!("it has version {version}, which a newer forecast-export wrote; use that one");
            config_error(&file, problem)
        }
        OpenError::Sqlite(error) => of_database(data, &error),
    })
}

/// Takes the data folder for one server.
fn lock(data: &Path) -> Result<std::fs::File> {
    let file = data.join(LOCK);
    let failed = |error| Error::io("locking", file.display().to_string(), error);
    let lock = std::fs::File::create(&file).map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(std::fs::TryLockError::WouldBlock) => Err(config_error(
            data,
            "another server uses this data folder; stop it, or use another folder".to_owned(),
        )),
        Err(std::fs::TryLockError::Error(error)) => Err(failed(error)),
    }
}

fn of_database(data: &Path, error: &rusqlite::Error) -> Error {
    Error::io("opening", data.join(DATABASE).display().to_string(), std::io::Error::other(error.to_string()))
}

/// Region and account, which are fixed when they are first used: ARNs hold them.
fn identity(
    state: &State,
    data: &Path,
    region: Option<String>,
    account: Option<String>,
) -> Result<(String, String)> {
    let fixed = |name: &str, asked: Option<String>, default: &str| -> Result<String> {
        let value = asked.clone().unwrap_or_else(|| default.to_owned());
        let known = state.fixed(name, &value).map_err(|error| of_database(data, &error))?;
        match asked {
            Some(asked) if asked != known => Err(config_error(
                &data.join(DATABASE),
                format!("its ARNs have the {name} {known}, not {asked}; use another data folder"),
            )),
            _ => Ok(known),
        }
    };
    // A region in the environment is a default: it must not keep a server from a data folder of another region.
    let default = variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION"));
    let default = default.unwrap_or_else(|| REGION.to_owned());
    Ok((fixed("region", region, &default)?, fixed("account", account, ACCOUNT)?))
}
