//! The forecasts that can be exported: those of the configuration file, those registered at run time, and the folders
//! in the data folder.

use super::buckets::Buckets;
use super::config::{Choice, File};
use super::source::chosen;
use super::state::State;
use crate::model::Result;
use crate::source::input;
use crate::store::{Location, StoreOptions};

use chrono::{DateTime, Utc};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What a description may take to read quantiles from a forecast's files.
const QUANTILES_TIME: Duration = Duration::from_secs(5);

/// A forecast.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Forecast {
    pub(super) arn: String,
    pub(super) name: String,
    /// A folder, prefix or file.
    pub(super) source: String,
    pub(super) choice: Choice,
    /// As the configuration says; otherwise the columns tell.
    quantiles: Option<Vec<String>>,
    pub(super) status: String,
    pub(super) message: Option<String>,
    pub(super) created: DateTime<Utc>,
}

/// All forecasts. They are looked up when they are asked for, since folders come and go.
pub(super) struct Forecasts {
    configured: Vec<Forecast>,
    data: PathBuf,
    buckets: Arc<Buckets>,
    store: StoreOptions,
    region: String,
    account: String,
    /// What columns told, by ARN and source.
    quantiles: Mutex<HashMap<(String, String), Vec<String>>>,
}

/// The ARN of a forecast.
pub(super) fn arn_of(region: &str, account: &str, name: &str) -> String {
    format!("arn:aws:forecast:{region}:{account}:forecast/{name}")
}

impl Forecasts {
    pub(super) fn new(
        file: &File,
        data: &Path,
        buckets: Arc<Buckets>,
        store: &StoreOptions,
        (region, account): (&str, &str),
    ) -> Self {
        let started = Utc::now();
        let configured = file.forecasts.iter().map(|forecast| Forecast {
            arn: forecast.arn.clone().unwrap_or_else(|| arn_of(region, account, forecast.name())),
            name: forecast.name().to_owned(),
            source: forecast.source.clone(),
            choice: forecast.choice.clone(),
            quantiles: forecast.quantiles.clone(),
            status: forecast.status.clone().unwrap_or_else(|| "ACTIVE".to_owned()),
            message: forecast.message.clone(),
            created: started,
        });
        Forecasts {
            configured: configured.collect(),
            data: data.to_owned(),
            buckets,
            store: store.clone(),
            region: region.to_owned(),
            account: account.to_owned(),
            quantiles: Mutex::default(),
        }
    }

    /// The server's region, and those of configured ARNs: a client that is given an ARN signs for its region.
    pub(super) fn regions(&self) -> Vec<String> {
        let of_arns = self.configured.iter().filter_map(|forecast| forecast.arn.split(':').nth(3));
        std::iter::once(self.region.as_str()).chain(of_arns).map(str::to_owned).collect()
    }

    /// All forecasts, by name. The configuration file takes precedence, then what was registered.
    pub(super) fn all(&self, state: &State) -> rusqlite::Result<Vec<Forecast>> {
        let mut all = self.configured.clone();
        let arn = |name: &str| arn_of(&self.region, &self.account, name);
        let plain = |name: String, source: String, choice: Choice, created| Forecast {
            arn: arn(&name),
            name,
            source,
            choice,
            quantiles: None,
            status: "ACTIVE".to_owned(),
            message: None,
            created,
        };
        for known in state.registered()? {
            let choice = serde_json::from_str(&known.choice).unwrap_or_default();
            all.push(plain(known.name, known.source, choice, known.created));
        }
        for (name, folder) in self.folders() {
            let created = std::fs::metadata(&folder).and_then(|meta| meta.modified());
            let created = created.map_or_else(|_| Utc::now(), DateTime::from);
            let source = format!("{}/", folder.display());
            all.push(plain(name, source, Choice::default(), created));
        }
        let mut seen = std::collections::HashSet::new();
        all.retain(|forecast| seen.insert(forecast.arn.clone()));
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    pub(super) fn find(&self, state: &State, arn: &str) -> rusqlite::Result<Option<Forecast>> {
        Ok(self.all(state)?.into_iter().find(|forecast| forecast.arn == arn))
    }

    /// The folders in the data folder that have the name of a forecast, and are not a bucket.
    fn folders(&self) -> Vec<(String, PathBuf)> {
        let Ok(entries) = std::fs::read_dir(&self.data) else { return Vec::new() };
        let forecast = |entry: std::io::Result<std::fs::DirEntry>| {
            let entry = entry.ok()?;
            let name = entry.file_name().into_string().ok()?;
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            let is_named = super::shapes::Shape::Name.check("name", &name).is_ok();
            (is_folder && is_named && !self.buckets.overlap(&entry.path())).then(|| (name, entry.path()))
        };
        entries.filter_map(forecast).collect()
    }

    /// Where a forecast's rows are.
    pub(super) fn location(&self, forecast: &Forecast) -> Result<Location> {
        match self.buckets.folder_of(&forecast.source)? {
            Some(folder) => Location::parse(&format!("{}/", folder.display())),
            None => Location::parse_with(&forecast.source, &self.store),
        }
    }

    /// The quantiles, such as `0.1` and `mean`: as configured, or as the columns' names tell.
    pub(super) async fn quantiles(&self, forecast: &Forecast) -> Vec<String> {
        if let Some(quantiles) = &forecast.quantiles {
            return quantiles.clone();
        }
        let key = (forecast.arn.clone(), forecast.source.clone());
        let known = || self.quantiles.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(quantiles) = known().get(&key) {
            return quantiles.clone();
        }
        // A forecast whose files cannot be read yet, or not soon, is described all the same.
        let read = tokio::time::timeout(QUANTILES_TIME, self.read_quantiles(forecast));
        let Ok(Ok(found)) = read.await else { return Vec::new() };
        known().insert(key, found.clone());
        found
    }

    async fn read_quantiles(&self, forecast: &Forecast) -> Result<Vec<String>> {
        let columns = columns(&self.location(forecast)?, &forecast.choice).await?;
        Ok(columns.iter().filter_map(|column| quantile(column)).collect())
    }
}

/// The quantile that a column holds, if it has the name of one: `p5` is 0.05.
fn quantile(column: &str) -> Option<String> {
    if column == "mean" {
        return Some(column.to_owned());
    }
    let percent: u8 = column.strip_prefix('p')?.parse().ok()?;
    (1..=99).contains(&percent).then(|| format!("{}", f64::from(percent) / 100.0))
}

/// The columns of a source, which is one complete run that can be read, or this is an error.
pub(super) async fn columns(location: &Location, choice: &Choice) -> Result<Vec<String>> {
    let (location, options) = chosen(location, choice).await?;
    let input = input(&location, &options).await?;
    Ok(input.schema.fields().iter().map(|field| field.name().clone()).collect())
}

#[cfg(test)]
mod tests {
    use super::quantile;

    #[test]
    fn columns_tell_quantiles() {
        let of = |columns: &[&str]| columns.iter().filter_map(|name| quantile(name)).collect::<Vec<_>>();
        assert_eq!(of(&["item_id", "p1", "p10", "p99", "mean"]), ["0.01", "0.1", "0.99", "mean"]);
        assert_eq!(of(&["p0", "p100", "px", "price"]), Vec::<String>::new());
    }
}
