//! The page at `/`: forecasts, and jobs with their progress, files and errors. Rendered on the server, with nothing to
//! fetch from elsewhere and no script.

use super::api::Api;
use super::forecasts::Forecast;
use super::problem::Problem;
use super::state::{Job, Status};

use chrono::{DateTime, Utc};
use maud::{DOCTYPE, Markup, html};

/// Jobs on a page.
const JOBS: usize = 50;
/// Files of a job that are named.
const FILES: usize = 20;

const STYLE: &str = "
:root { color-scheme: light dark; --line: #8886; --soft: #8882; --good: #1a7f37; --bad: #b3261e; --busy: #0757b8; }
@media (prefers-color-scheme: dark) { :root { --good: #57c975; --bad: #ff8a80; --busy: #8ab8ff; } }
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 72rem; padding: 1.5rem 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.2rem; margin-top: 2rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid var(--line); padding: .4rem .8rem .4rem 0; text-align: left; vertical-align: top; }
code { font: .875em ui-monospace, monospace; overflow-wrap: anywhere; }
time, .quiet { opacity: .8; } time { white-space: nowrap; }
.good { color: var(--good); } .bad { color: var(--bad); } .busy { color: var(--busy); }
progress { width: 8rem; }
ol, ul { margin: .3rem 0; padding-left: 1.2rem; }
summary { cursor: pointer; }
:focus-visible { outline: 3px solid var(--busy); outline-offset: 2px; }
.skip { position: absolute; left: -99rem; } .skip:focus { position: static; }
";

/// What the page says of the server itself.
pub(super) struct Page {
    pub(super) region: String,
    pub(super) account: String,
    pub(super) is_open: bool,
}

impl Page {
    /// The page; the query `before=NUMBER` shows older jobs.
    pub(super) fn render(&self, api: &Api, query: &str) -> Result<String, Problem> {
        let before = query.split('&').find_map(|pair| pair.strip_prefix("before=")?.parse().ok());
        let forecasts = api.forecasts.all(&api.state)?;
        let mut jobs = api.state.jobs(&[], before, JOBS + 1)?;
        let older = jobs.len() > JOBS;
        jobs.truncate(JOBS);
        let is_busy = jobs.iter().any(|job| !job.status.is_final());
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    // Only while something goes on, so that a reader is not interrupted.
                    @if is_busy { meta http-equiv="refresh" content="5"; }
                    title { "Export jobs - forecast-export" }
                    style { (maud::PreEscaped(STYLE)) }
                }
                body {
                    a.skip href="#jobs" { "Skip to the jobs" }
                    header {
                        h1 { "forecast-export" }
                        p.quiet { "Region " (self.region) ", account " (self.account) "." }
                        @if self.is_open {
                            p.bad role="alert" { "This server answers requests that are not signed." }
                        }
                    }
                    main {
                        section aria-labelledby="forecasts-title" {
                            h2 #forecasts-title { "Forecasts" }
                            (list_of(&forecasts))
                        }
                        section #jobs aria-labelledby="jobs-title" {
                            h2 #jobs-title { "Export jobs" }
                            (table(api, &jobs))
                            @if let (true, Some(last)) = (older, jobs.last()) {
                                p { a href={ "/?before=" (last.number) } { "Older jobs" } }
                            }
                        }
                    }
                }
            }
        };
        Ok(page.into_string())
    }
}

fn list_of(forecasts: &[Forecast]) -> Markup {
    html! {
        @if forecasts.is_empty() {
            p { "There are none yet. " code { "forecast-export serve register NAME SOURCE --data DIR" } " adds one." }
        } @else {
            div.wide { table {
                caption.skip { "Forecasts that can be exported" }
                thead { tr { th scope="col" { "Name" } th scope="col" { "Status" } th scope="col" { "Source" } th scope="col" { "ARN" } } }
                tbody {
                    @for forecast in forecasts {
                        tr {
                            th scope="row" { (forecast.name) }
                            td { (forecast.status) }
                            td { code { (forecast.source) } }
                            td { code { (forecast.arn) } }
                        }
                    }
                }
            } }
        }
    }
}

fn table(api: &Api, jobs: &[Job]) -> Markup {
    html! {
        @if jobs.is_empty() {
            p { "There are none yet. " code { "CreateForecastExportJob" } " makes one." }
        } @else {
            div.wide { table {
                caption.skip { "Export jobs, the newest first" }
                thead { tr {
                    th scope="col" { "Job" } th scope="col" { "Status" } th scope="col" { "Destination" }
                    th scope="col" { "Created" }
                } }
                tbody {
                    @for job in jobs {
                        tr {
                            th scope="row" {
                                (job.name)
                                @if let Some(forecast) = job.forecast_arn.rsplit('/').next() {
                                    br; span.quiet { "of " (forecast) }
                                }
                            }
                            td { (status(api, job)) }
                            td {
                                code { (job.path) } br;
                                span.quiet { (job.format.as_deref().unwrap_or("CSV")) }
                                @if job.status == Status::Active { (files(api, job)) }
                            }
                            td { (time(job.created)) }
                        }
                    }
                }
            } }
        }
    }
}

fn status(api: &Api, job: &Job) -> Markup {
    let class = match job.status {
        Status::Active => "good",
        Status::CreateFailed => "bad",
        Status::CreateStopped => "quiet",
        _ => "busy",
    };
    html! {
        span class=(class) { (job.status.word()) }
        @if let Some((bytes, total)) = api.runner.progress(job.number).filter(|(_, total)| *total > 0) {
            br; progress max=(total) value=(bytes) aria-label={ "Progress of " (job.name) } {}
            " " (100 * bytes.min(total) / total) " %"
        }
        @if let Some(message) = &job.message { br; (message) }
        @if let Some(ended) = job.ended {
            br; span.quiet { "after " (seconds(job.created, ended)) " s" }
        }
        @if let Ok(steps) = api.state.transitions(job.number) {
            details {
                summary { "History" }
                ol { @for (status, at) in steps { li { (status.word()) " " (time(at)) } } }
            }
        }
    }
}

/// The files of a job in a mapped bucket; those of other buckets are not listed for a page.
fn files(api: &Api, job: &Job) -> Markup {
    let folder = api.buckets.folder_of(&job.path).ok().flatten();
    let Some(entries) = folder.and_then(|folder| std::fs::read_dir(folder).ok()) else { return html! {} };
    let stamp = crate::model::RunStamp::from_instant(job.stamp);
    let prefix = format!("{}_{}_part", job.name, stamp.as_ref().map_or("", |stamp| stamp.as_str()));
    let mut names: Vec<(String, u64)> = entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let name = entry.file_name().into_string().ok()?;
            let bytes = entry.metadata().ok()?.len();
            name.starts_with(&prefix).then_some((name, bytes))
        })
        .collect();
    names.sort_by_key(|(name, _)| (name.len(), name.clone()));
    html! {
        details {
            summary { (names.len()) @if names.len() == 1 { " file" } @else { " files" } }
            ul {
                @for (name, bytes) in names.iter().take(FILES) { li { code { (name) } ", " (bytes) " bytes" } }
                @if names.len() > FILES { li { "and " (names.len() - FILES) " more" } }
            }
        }
    }
}

fn time(time: DateTime<Utc>) -> Markup {
    let text = time.format("%Y-%m-%d %H:%M:%S UTC").to_string();
    html! { time datetime=(time.to_rfc3339()) { (text) } }
}

fn seconds(from: DateTime<Utc>, to: DateTime<Utc>) -> String {
    format!("{:.1}", (to - from).num_milliseconds() as f64 / 1000.0)
}
