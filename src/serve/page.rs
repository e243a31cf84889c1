//! The page at `/`: forecasts, and jobs with their progress, files and errors. Rendered on the server, with nothing to
//! fetch from elsewhere and no script.

use super::api::Api;
use super::forecasts::Forecast;
use super::problem::Problem;
use super::state::{Job, Status};

use chrono::{DateTime, Utc};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use std::path::Path;

/// Jobs on a page.
const JOBS: usize = 50;
/// Files of a job that are named.
const FILES: usize = 20;
/// How often a page is loaded again, in seconds, if its reader wants that.
const REFRESH: u32 = 5;

const STYLE: &str = include_str!("page.css");

/// What the page says of the server itself.
pub(super) struct Page {
    pub(super) region: String,
    pub(super) account: String,
    pub(super) is_open: bool,
}

/// What a reader asks for: `before=NUMBER` shows older jobs, `refresh=SECONDS` loads the page again and again.
pub(super) struct Query {
    before: Option<i64>,
    pub(super) refresh: Option<u32>,
}

impl Query {
    pub(super) fn of(text: &str) -> Self {
        let value = |name: &str| text.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        let refresh = value("refresh").and_then(|text| text.parse().ok());
        Query {
            before: value("before").and_then(|text| text.parse().ok()),
            refresh: refresh.filter(|seconds| (1..=3600).contains(seconds)),
        }
    }
}

impl Page {
    pub(super) fn render(&self, api: &Api, query: &Query) -> Result<String, Problem> {
        let forecasts = api.forecasts.all(&api.state)?;
        let mut jobs = api.state.jobs(&[], query.before, JOBS + 1)?;
        let has_older = jobs.len() > JOBS;
        jobs.truncate(JOBS);
        let counts = api.state.counts()?;
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    title { "Export jobs - forecast-export" }
                    // Browsers ask for an icon by themselves.
                    link rel="icon" href="data:,";
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    a.skip href="#jobs" { "Skip to the jobs" }
                    header {
                        h1 { "forecast-export" }
                        p.quiet { "Region " (self.region) ", account " (self.account) ", " (time(Utc::now())) }
                        @if self.is_open {
                            p.error { "This server answers requests that are not signed." }
                        }
                    }
                    main {
                        section aria-labelledby="forecasts-title" {
                            h2 #forecasts-title { "Forecasts" }
                            (list_of(&forecasts))
                        }
                        section #jobs aria-labelledby="jobs-title" {
                            h2 #jobs-title { "Export jobs" }
                            p {
                                span.quiet { (summary(&counts)) } " "
                                @if query.refresh.is_some() {
                                    a href="/" { "Stop updating" }
                                } @else {
                                    a href={ "/?refresh=" (REFRESH) } { "Update every " (REFRESH) " seconds" }
                                }
                            }
                            (list(api, &jobs))
                            @if query.before.is_some() { p { a href="/" { "Newest jobs" } } }
                            @if let (true, Some(last)) = (has_older, jobs.last()) {
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

/// How many jobs there are, by what becomes of them.
fn summary(counts: &[(Status, u64)]) -> String {
    let of = |wanted: &[Status]| -> u64 {
        counts.iter().filter(|(status, _)| wanted.contains(status)).map(|(_, count)| count).sum()
    };
    let parts = [
        (of(&[Status::CreatePending]), "waiting"),
        (of(&[Status::CreateInProgress, Status::CreateStopping]), "running"),
        (of(&[Status::Active]), "complete"),
        (of(&[Status::CreateFailed]), "failed"),
        (of(&[Status::CreateStopped]), "stopped"),
    ];
    let parts = parts.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}"));
    let text = parts.collect::<Vec<_>>().join(", ");
    if text.is_empty() { text } else { format!("{text}.") }
}

fn list_of(forecasts: &[Forecast]) -> Markup {
    html! {
        @if forecasts.is_empty() {
            p.empty { "There are none yet. " code { "forecast-export serve register" } " adds one." }
        } @else {
            ul.items {
                @for forecast in forecasts {
                    li {
                        div {
                            h3 { (forecast.name) }
                            @let class = if forecast.status == Status::Active.word() { "good" } else { "still" };
                            span class={ "state " (class) } { (forecast.status) }
                        }
                        div {
                            dl {
                                dt { "Source" } dd { code { (forecast.source) } }
                                dt { "ARN" } dd { code { (forecast.arn) } }
                            }
                            @if let Some(message) = &forecast.message { p.error { (message) } }
                        }
                    }
                }
            }
        }
    }
}

fn list(api: &Api, jobs: &[Job]) -> Markup {
    html! {
        @if jobs.is_empty() {
            p.empty { "There are none here. " code { "CreateForecastExportJob" } " makes one." }
        } @else {
            ul.items { @for job in jobs { li { (item(api, job)) } } }
        }
    }
}

fn item(api: &Api, job: &Job) -> Markup {
    let forecast = job.forecast_arn.rsplit('/').next().unwrap_or_default();
    html! {
        div {
            h3 { (job.name) }
            p.quiet { "of " (forecast) ", " (job.format_word()) }
            span class={ "state " (class(job.status)) } { (job.status.word()) }
        }
        div {
            @if let Some(message) = &job.message { p.error { (message) } }
            @if let Some((bytes, total)) = api.runner.progress(job.number).filter(|(_, total)| *total > 0) {
                p {
                    progress max=(total) value=(bytes) aria-label={ "Progress of " (job.name) } {}
                    " " (100 * bytes.min(total) / total) " % of " (size(total))
                }
            }
            dl {
                dt { "Destination" } dd { code { (job.path) } }
                dt { "Created" } dd {
                    (time(job.created))
                    @if let Some(ended) = job.ended { ", ended after " (seconds(job.created, ended)) " s" }
                }
            }
            @if job.status == Status::Active { (files(api, job)) }
            @if let Ok(steps) = api.state.transitions(job.number) {
                details {
                    summary { "History" }
                    ol { @for (status, at) in steps { li { (status.word()) ", " (time(at)) } } }
                }
            }
        }
    }
}

fn class(status: Status) -> &'static str {
    match status {
        Status::Active => "good",
        Status::CreateFailed => "bad",
        Status::CreateStopped => "still",
        Status::CreatePending | Status::CreateInProgress | Status::CreateStopping => "busy",
    }
}

/// The files of a job in a mapped bucket; those of other buckets are not listed for a page.
fn files(api: &Api, job: &Job) -> Markup {
    let Ok(Some(folder)) = api.buckets.folder_of(&job.path) else { return html! {} };
    let found = parts(job, &folder);
    let has_more = found.len() > FILES;
    html! {
        details {
            summary {
                @match found.len() {
                    1 => "1 file",
                    count if has_more => { "More than " (count - 1) " files" }
                    count => { (count) " files" }
                }
            }
            ul {
                @for (name, bytes) in found.iter().take(FILES) { li { code { (name) } ", " (size(*bytes)) } }
                @if has_more { li { "and more" } }
            }
        }
    }
}

/// The first parts of a job and their sizes. Their names are known, so that a folder with many files of other jobs is not
/// read for each of them.
fn parts(job: &Job, folder: &Path) -> Vec<(String, u64)> {
    let part = |number| {
        let name = job.part(number).ok()?;
        let bytes = std::fs::metadata(folder.join(name.as_str())).ok()?.len();
        Some((name.as_str().to_owned(), bytes))
    };
    (0..).map_while(part).take(FILES + 1).collect()
}

fn size(bytes: u64) -> String {
    let mut number = bytes as f64;
    for unit in ["bytes", "kB", "MB", "GB"] {
        if number < 999.5 {
            return if unit == "bytes" { format!("{bytes} {unit}") } else { format!("{number:.1} {unit}") };
        }
        number /= 1000.0;
    }
    format!("{number:.1} TB")
}

fn time(time: DateTime<Utc>) -> Markup {
    let text = time.format("%Y-%m-%d %H:%M:%S UTC").to_string();
    html! { time datetime=(time.to_rfc3339()) { (text) } }
}

fn seconds(from: DateTime<Utc>, to: DateTime<Utc>) -> String {
    format!("{:.1}", (to - from).num_milliseconds() as f64 / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_asks_for_older_jobs_and_for_updates() {
        let of = |text: &str| (Query::of(text).before, Query::of(text).refresh);
        assert_eq!(of(""), (None, None));
        assert_eq!(of("before=7&refresh=5"), (Some(7), Some(5)));
        assert_eq!(of("refresh=0&before=x&beforehand=3"), (None, None));
    }

    #[test]
    fn sizes_have_a_unit_that_fits() {
        assert_eq!(
            [0, 999, 1000, 999_400, 999_999].map(size),
            ["0 bytes", "999 bytes", "1.0 kB", "999.4 kB", "1.0 MB"]
        );
        assert_eq!(size(9_650_000_000), "9.7 GB");
    }
}
