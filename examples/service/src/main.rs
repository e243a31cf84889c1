//! A service that merges exports within S3: a merge is begun, asked after, and given up by HTTP.
//!
//! ```text
//! cargo run --manifest-path examples/service/Cargo.toml -- 127.0.0.1:8080
//! curl -s 127.0.0.1:8080/merges --json '{"source": "s3://reports/exports/", "output": "s3://reports/merged/sales.parquet"}'
//! curl -s 127.0.0.1:8080/merges/1
//! curl -s -X DELETE 127.0.0.1:8080/merges/1
//! ```
//!
//! Credentials come from the usual chain, or from `MERGE_KEY_ID` and `MERGE_SECRET`; `MERGE_ENDPOINT` names another server
//! than Amazon's.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use forecast_export::{
    Credentials, Error, Event, Location, Options, Output, Phase, Report, RunChoice, StoreOptions, plan,
    run_until,
};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, oneshot};

/// What is asked for.
#[derive(Debug, Deserialize)]
struct Wanted {
    source: String,
    output: String,
    #[serde(default)]
    overwrite: bool,
}

/// What became of a merge so far.
#[derive(Debug, Default, Serialize)]
struct Merge {
    state: &'static str,
    phase: Option<Phase>,
    bytes: u64,
    total_bytes: u64,
    rows: Option<u64>,
    report: Option<Report>,
    error: Option<Error>,
    #[serde(skip)]
    stop: Option<oneshot::Sender<()>>,
}

#[derive(Clone, Default)]
struct Service {
    store: StoreOptions,
    merges: Arc<Mutex<HashMap<u64, Merge>>>,
    ended: Arc<Notify>,
}

impl Service {
    fn merges(&self) -> MutexGuard<'_, HashMap<u64, Merge>> {
        self.merges.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, number: u64, change: impl FnOnce(&mut Merge)) {
        if let Some(merge) = self.merges().get_mut(&number) {
            change(merge);
        }
    }

    fn told(&self, number: u64, event: Event) {
        self.change(number, |merge| match event {
            Event::Began { phase } => merge.phase = Some(phase),
            Event::Progress { bytes, total_bytes, rows, .. } => {
                (merge.bytes, merge.total_bytes, merge.rows) = (bytes, total_bytes, rows);
            }
            _ => {}
        });
    }

    /// Carries out a merge until it is stopped.
    async fn carry_out(&self, number: u64, wanted: Wanted, stopped: oneshot::Receiver<()>) {
        let merge = async {
            let mut options = Options::default();
            options.select.run = RunChoice::Latest;
            options.overwrite = wanted.overwrite;
            let source = Location::parse_with(&wanted.source, &self.store)?;
            let output = Output::File(Location::parse_with(&wanted.output, &self.store)?);
            let planned = plan(&source, &output, &options).await?;
            // A sender that is gone asks for nothing.
            let stop = async {
                if stopped.await.is_err() {
                    std::future::pending().await
                }
            };
            run_until(planned, stop, |event| self.told(number, event)).await
        };
        let done = merge.await;
        self.change(number, |merge| {
            merge.stop = None;
            match done {
                Ok(report) => (merge.state, merge.report) = ("done", Some(report)),
                Err(Error::Stopped) => merge.state = "stopped",
                Err(error) => (merge.state, merge.error) = ("failed", Some(error)),
            }
        });
        self.ended.notify_waiters();
    }
}

async fn begin(State(service): State<Service>, Json(wanted): Json<Wanted>) -> Response {
    let (stop, stopped) = oneshot::channel();
    let number = {
        let mut merges = service.merges();
        let number = merges.len() as u64 + 1;
        merges.insert(number, Merge { state: "running", stop: Some(stop), ..Merge::default() });
        number
    };
    let at_work = service.clone();
    tokio::spawn(async move { at_work.carry_out(number, wanted, stopped).await });
    (StatusCode::ACCEPTED, Json(HashMap::from([("merge", number)]))).into_response()
}

async fn show(State(service): State<Service>, Path(number): Path<u64>) -> Response {
    match service.merges().get(&number) {
        Some(merge) => Json(merge).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// Gives a merge up; answers when all that it had begun is cleared away.
async fn stop(State(service): State<Service>, Path(number): Path<u64>) -> StatusCode {
    let is_running = |service: &Service| {
        service.merges().get_mut(&number).map(|merge| {
            if let Some(stop) = merge.stop.take() {
                // Where nobody listens any more it has ended.
                let _ = stop.send(());
            }
            merge.state == "running"
        })
    };
    loop {
        let ended = service.ended.notified();
        match is_running(&service) {
            None => return StatusCode::NOT_FOUND,
            Some(false) => return StatusCode::NO_CONTENT,
            Some(true) => ended.await,
        }
    }
}

fn store_options() -> StoreOptions {
    let variable = |name: &str| std::env::var(name).ok();
    let mut options = StoreOptions::default();
    options.endpoint_url = variable("MERGE_ENDPOINT");
    if let (Some(key_id), Some(secret)) = (variable("MERGE_KEY_ID"), variable("MERGE_SECRET")) {
        options.credentials = Some(Credentials::aws_keys(key_id, secret, None));
    }
    options
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".into());
    let service = Service { store: store_options(), ..Service::default() };
    let router = Router::new()
        .route("/merges", post(begin))
        .route("/merges/{number}", get(show).delete(stop))
        .with_state(service);
    let listener = tokio::net::TcpListener::bind(&address).await?;
    println!("listening on {}", listener.local_addr()?);
    axum::serve(listener, router).await
}
