//! The operations of the API, over the state: takes a checked request, returns the members of the answer.

use super::buckets::Buckets;
use super::forecasts::{Forecast, Forecasts};
use super::problem::{Name, Problem};
use super::requests::{Create, List, Request, pairs};
use super::runner::Runner;
use super::state::{Column, Condition, Job, NewJob, State, Status};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Items on a page unless the caller asks for fewer, and the most there can be.
const PAGE: usize = 100;

/// What the operations work on.
pub(super) struct Api {
    pub(super) state: Arc<State>,
    pub(super) forecasts: Arc<Forecasts>,
    pub(super) buckets: Arc<Buckets>,
    pub(super) runner: Arc<Runner>,
    pub(super) max_jobs: u64,
}

/// What an operation answers: members, or nothing at all.
pub(super) type Answer = Option<Value>;

impl Api {
    /// Carries out a request.
    pub(super) async fn answer(self: &Arc<Self>, request: Request) -> Result<Answer, Problem> {
        request.check()?;
        match request {
            Request::DescribeForecast { arn } => {
                self.describe_forecast(arn.unwrap_or_default()).await.map(Some)
            }
            request => self.blocking(move |api| api.work(request)).await,
        }
    }

    /// Does what waits for the disk, on a thread of its own.
    pub(super) async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let api = Arc::clone(self);
        tokio::task::spawn_blocking(move || work(&api)).await.unwrap_or_else(|error| {
            tracing::error!(%error, "a request failed for a defect of the server");
            Err(Problem::new(Name::Internal, "The server failed. Its log says why."))
        })
    }

    fn work(&self, request: Request) -> Result<Answer, Problem> {
        let now = Utc::now();
        // Checked members are there.
        let some = Option::<String>::unwrap_or_default;
        Ok(match request {
            Request::CreateForecastExportJob(create) => Some(self.create(create, now)?),
            Request::DescribeForecastExportJob { arn } => {
                let arn = some(arn);
                let job = self.state.job(&arn)?.ok_or_else(|| Problem::no_such(&arn))?;
                let mut members = describe(&job, now);
                members.insert("ForecastArn".into(), job.forecast_arn.clone().into());
                members.insert("Format".into(), job.format_word().into());
                Some(members.into())
            }
            Request::ListForecastExportJobs(list) => Some(self.list(&list, now)?),
            Request::DeleteForecastExportJob { arn } => {
                self.state.delete(&some(arn))?;
                None
            }
            Request::StopResource { arn } => {
                self.stop(&some(arn), now)?;
                None
            }
            Request::DeleteResourceTree { arn } => {
                let arn = some(arn);
                match self.forecasts.find(&self.state, &arn)? {
                    Some(_) => self.state.delete_of_forecast(&arn)?,
                    None => self.state.delete(&arn)?,
                }
                None
            }
            Request::TagResource { arn, tags } => {
                let arn = self.existing(some(arn))?;
                self.state.tag(&arn, &pairs(&tags.unwrap_or_default()))?;
                Some(json!({}))
            }
            Request::UntagResource { arn, keys } => {
                let arn = self.existing(some(arn))?;
                self.state.untag(&arn, &keys.unwrap_or_default())?;
                Some(json!({}))
            }
            Request::ListTagsForResource { arn } => {
                let tags = self.state.tags(&self.existing(some(arn))?)?;
                let tags: Vec<Value> =
                    tags.into_iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect();
                Some(json!({ "Tags": tags }))
            }
            Request::ListForecasts(list) => Some(self.list_forecasts(&list)?),
            Request::DescribeForecast { .. } => None,
        })
    }

    fn create(&self, create: Create, now: DateTime<Utc>) -> Result<Value, Problem> {
        let config = create.destination.and_then(|destination| destination.0).unwrap_or_default();
        let new = NewJob {
            arn: String::new(),
            name: create.name.unwrap_or_default(),
            forecast_arn: create.forecast_arn.unwrap_or_default(),
            path: config.path.unwrap_or_default(),
            role_arn: config.role_arn.unwrap_or_default(),
            kms_key_arn: config.kms_key_arn,
            format: create.format,
            tags: pairs(&create.tags.unwrap_or_default()),
        };
        // A path that leads out of a mapped bucket never becomes a job.
        self.buckets.folder_of(&new.path).map_err(|error| Problem::invalid(error.to_string()))?;
        let forecast = self.forecasts.find(&self.state, &new.forecast_arn)?;
        let forecast = forecast.ok_or_else(|| Problem::no_such(&new.forecast_arn))?;
        let account = |arn: &str| arn.split(':').nth(4).map(str::to_owned);
        if account(&new.role_arn) != account(&forecast.arn) {
            return Err(Problem::invalid(format!(
                "The role {} is of another account than the forecast {}",
                new.role_arn, forecast.arn
            )));
        }
        if forecast.status != Status::Active.word() {
            let message = format!("The forecast {} is {}, not ACTIVE", forecast.arn, forecast.status);
            return Err(Problem::new(Name::ResourceInUse, message));
        }
        let arn = arn_of_job(&forecast, &new.name);
        let job = self.state.create(&NewJob { arn, ..new }, now, self.max_jobs)?;
        self.runner.wake();
        tracing::info!(job = job.arn, path = job.path, "a job was created");
        Ok(json!({ "ForecastExportJobArn": job.arn }))
    }

    fn stop(&self, arn: &str, now: DateTime<Utc>) -> Result<(), Problem> {
        match self.state.stop(arn, now)? {
            Some(job) => {
                self.runner.stop(job.number);
                Ok(())
            }
            // A forecast that was made elsewhere has nothing to stop.
            None => self.existing(arn.to_owned()).map(drop),
        }
    }

    /// The ARN, if there is a job or a forecast with it.
    fn existing(&self, arn: String) -> Result<String, Problem> {
        if self.state.job(&arn)?.is_some() || self.forecasts.find(&self.state, &arn)?.is_some() {
            return Ok(arn);
        }
        Err(Problem::no_such(&arn))
    }

    fn list(&self, list: &List, now: DateTime<Utc>) -> Result<Value, Problem> {
        let page = Page::of(list, "jobs")?;
        let mut conditions = Vec::new();
        for filter in list.filters.iter().flatten() {
            let key = filter.key.as_deref().unwrap_or_default();
            let column = if key == "Status" { Column::Status } else { Column::ForecastArn };
            let is = filter.condition.as_deref() == Some("IS");
            conditions.push(Condition { column, is, value: filter.value.clone().unwrap_or_default() });
        }
        let before =
            page.after.as_deref().map(|number| number.parse().map_err(|_| bad_token())).transpose()?;
        let mut jobs = self.state.jobs(&conditions, before, page.size + 1)?;
        let token = page.cut(&mut jobs, |job| job.number.to_string());
        let jobs: Vec<Value> = jobs.iter().map(|job| describe(job, now).into()).collect();
        Ok(with_token(json!({ "ForecastExportJobs": jobs }), token))
    }

    fn list_forecasts(&self, list: &List) -> Result<Value, Problem> {
        let page = Page::of(list, "forecasts")?;
        let mut forecasts = self.forecasts.all(&self.state)?;
        for filter in list.filters.iter().flatten() {
            let (key, value) = (filter.key.as_deref().unwrap_or_default(), filter.value.as_deref());
            let is = filter.condition.as_deref() == Some("IS");
            let has: fn(&Forecast) -> Option<&str> = match key {
                "Status" => |forecast| Some(&forecast.status),
                // Forecasts here come from no predictor and no dataset group.
                _ => |_| None,
            };
            forecasts.retain(|forecast| (has(forecast) == value) == is);
        }
        forecasts.sort_by(|a, b| a.arn.cmp(&b.arn));
        if let Some(after) = &page.after {
            forecasts.retain(|forecast| &forecast.arn > after);
        }
        let token = page.cut(&mut forecasts, |forecast| forecast.arn.clone());
        let forecasts: Vec<Value> = forecasts.iter().map(|forecast| summary(forecast).into()).collect();
        Ok(with_token(json!({ "Forecasts": forecasts }), token))
    }

    async fn describe_forecast(self: &Arc<Self>, arn: String) -> Result<Value, Problem> {
        let find =
            move |api: &Self| api.forecasts.find(&api.state, &arn)?.ok_or_else(|| Problem::no_such(&arn));
        let forecast = self.blocking(find).await?;
        let mut members = summary(&forecast);
        members.insert("ForecastTypes".into(), self.forecasts.quantiles(&forecast).await.into());
        Ok(members.into())
    }
}

/// The ARN of a forecast's export job, in the forecast's own region and account.
fn arn_of_job(forecast: &Forecast, name: &str) -> String {
    let before: Vec<&str> = forecast.arn.splitn(6, ':').take(5).collect();
    format!("{}:forecast-export-job/{}/{name}", before.join(":"), forecast.name)
}

/// The members that lists and descriptions of jobs have in common.
fn describe(job: &Job, now: DateTime<Utc>) -> Map<String, Value> {
    let mut config = Map::new();
    config.insert("Path".into(), job.path.clone().into());
    config.insert("RoleArn".into(), job.role_arn.clone().into());
    if let Some(key) = &job.kms_key_arn {
        config.insert("KMSKeyArn".into(), key.clone().into());
    }
    let mut members = Map::new();
    members.insert("ForecastExportJobArn".into(), job.arn.clone().into());
    members.insert("ForecastExportJobName".into(), job.name.clone().into());
    members.insert("Destination".into(), json!({ "S3Config": config }));
    members.insert("Status".into(), job.status.word().into());
    if let Some(message) = &job.message {
        members.insert("Message".into(), message.clone().into());
    }
    members.insert("CreationTime".into(), seconds(job.created));
    members.insert("LastModificationTime".into(), seconds(job.modified(now)));
    members
}

fn summary(forecast: &Forecast) -> Map<String, Value> {
    let mut members = Map::new();
    members.insert("ForecastArn".into(), forecast.arn.clone().into());
    members.insert("ForecastName".into(), forecast.name.clone().into());
    members.insert("Status".into(), forecast.status.clone().into());
    if let Some(message) = &forecast.message {
        members.insert("Message".into(), message.clone().into());
    }
    members.insert("CreationTime".into(), seconds(forecast.created));
    members.insert("LastModificationTime".into(), seconds(forecast.created));
    members
}

/// A time as the protocol has it: seconds since 1970, with milliseconds as a fraction.
fn seconds(time: DateTime<Utc>) -> Value {
    (time.timestamp_millis() as f64 / 1000.0).into()
}

/// Which page of a list is asked for. A token says where the next one begins, and for which list and filters.
struct Page {
    size: usize,
    after: Option<String>,
    of: String,
}

impl Page {
    fn of(list: &List, kind: &str) -> Result<Self, Problem> {
        let filters = format!("{kind}\0{:?}", list.filters.iter().flatten().collect::<Vec<_>>());
        let of = blake3::hash(filters.as_bytes()).to_hex()[..16].to_owned();
        let after = match &list.next_token {
            None => None,
            Some(token) => {
                let bytes = BASE64_URL_SAFE_NO_PAD.decode(token).map_err(|_| bad_token())?;
                let text = String::from_utf8(bytes).map_err(|_| bad_token())?;
                Some(text.strip_prefix(&format!("{of}:")).ok_or_else(bad_token)?.to_owned())
            }
        };
        let size = list.max_results.map_or(PAGE, |most| most.clamp(1, PAGE as i64) as usize);
        Ok(Page { size, after, of })
    }

    /// Takes off what is beyond this page; returns the token of the next one, if there is one.
    fn cut<T>(&self, items: &mut Vec<T>, place: impl Fn(&T) -> String) -> Option<String> {
        let has_more = items.len() > self.size;
        items.truncate(self.size);
        let last = items.last().filter(|_| has_more)?;
        Some(BASE64_URL_SAFE_NO_PAD.encode(format!("{}:{}", self.of, place(last))))
    }
}

fn bad_token() -> Problem {
    Problem::new(Name::InvalidNextToken, "The token is not one that this list returned with these filters")
}

fn with_token(mut answer: Value, token: Option<String>) -> Value {
    if let Some(token) = token {
        answer["NextToken"] = token.into();
    }
    answer
}
