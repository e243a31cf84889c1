//! The server of Forecast's API, started by the library in this process and driven by AWS's SDK for Rust, which refuses
//! answers that the service's model does not allow. Other clients drive it in `tests/serve`.

use crate::support::fixtures::testdata;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_sdk_forecast::Client;
use aws_sdk_forecast::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_forecast::operation::RequestId;
use aws_sdk_forecast::operation::create_forecast_export_job::builders::CreateForecastExportJobFluentBuilder;
use aws_sdk_forecast::operation::describe_forecast_export_job::DescribeForecastExportJobOutput;
use aws_sdk_forecast::types::{DataDestination, Filter, FilterConditionString, S3Config, Tag};
use forecast_export::{
    Choice, Error, Location, Options, ServeOptions, Server, StoreOptions, register_forecast, verify,
};
use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const FORECAST: &str = "arn:aws:forecast:us-east-1:123456789012:forecast/sales";
const ROLE: &str = "arn:aws:iam::123456789012:role/service-role/export";
/// The forecasts beside `sales`: one that is not ready, and one whose files cannot be read.
const CONFIG: &str = r#"
max_jobs = 3
[[keys]]
access_key_id = "AKIDEXAMPLE"
secret_access_key = "wJalrXUtnFEMI"
session_token = "the/token+of=them"
[[forecasts]]
name = "unready"
source = "nothing"
status = "CREATE_IN_PROGRESS"
[[forecasts]]
name = "broken"
source = "nothing"
"#;

/// A server in this process, until it is stopped.
struct Serving {
    folder: TempDir,
    client: Client,
    stop: oneshot::Sender<()>,
    done: JoinHandle<()>,
}

impl Serving {
    async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("serve.toml"), CONFIG).expect("written");
        let data = folder.path().join("data");
        let source = testdata("forecast").display().to_string();
        let (choice, store) = (Choice::default(), StoreOptions::default());
        let known = register_forecast(&data, "sales", &source, &choice, &store).await.expect("registered");
        assert_eq!(known.forecast_arn, FORECAST);
        Serving::in_folder(folder).await
    }

    async fn in_folder(folder: TempDir) -> Self {
        let mut options = ServeOptions::new(folder.path().join("data"));
        options.listen = ([127, 0, 0, 1], 0).into();
        options.config = Some(folder.path().join("serve.toml"));
        options.buckets.insert("exports".into(), folder.path().join("bucket"));
        let server = Server::bind(&options).await.expect("a server");
        let shared = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url(server.url())
            .credentials_provider(Credentials::new(
                "AKIDEXAMPLE",
                "wJalrXUtnFEMI",
                Some("the/token+of=them".into()),
                None,
                "test",
            ))
            .load()
            .await;
        let (stop, stopped) = oneshot::channel();
        let done = tokio::spawn(server.run(async move { drop(stopped.await) }));
        Serving { folder, client: Client::new(&shared), stop, done }
    }

    /// Stops the server, and gives its folder for another one.
    async fn stop(self) -> TempDir {
        self.stop.send(()).expect("it runs");
        tokio::time::timeout(Duration::from_secs(30), self.done).await.expect("in time").expect("no panic");
        self.folder
    }

    fn bucket(&self) -> PathBuf {
        self.folder.path().join("bucket")
    }

    fn create(&self, name: &str, path: &str) -> CreateForecastExportJobFluentBuilder {
        let config = S3Config::builder().path(path).role_arn(ROLE).build().expect("complete");
        self.client
            .create_forecast_export_job()
            .forecast_export_job_name(name)
            .forecast_arn(FORECAST)
            .destination(DataDestination::builder().s3_config(config).build())
    }

    /// Creates a job, and waits until it has ended.
    async fn ended(&self, create: CreateForecastExportJobFluentBuilder) -> DescribeForecastExportJobOutput {
        let arn = create.send().await.expect("created").forecast_export_job_arn.expect("an ARN");
        for _ in 0..600 {
            let job = self.client.describe_forecast_export_job().forecast_export_job_arn(&arn);
            let job = job.send().await.expect("described");
            if !matches!(job.status(), Some("CREATE_PENDING" | "CREATE_IN_PROGRESS")) {
                return job;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{arn} does not end");
    }
}

fn arn_of(name: &str) -> String {
    format!("{}/{name}", FORECAST.replace(":forecast/", ":forecast-export-job/"))
}

fn tag(key: &str, value: &str) -> Tag {
    Tag::builder().key(key).value(value).build().expect("complete")
}

fn filter(key: &str, condition: FilterConditionString, value: &str) -> Filter {
    Filter::builder().key(key).condition(condition).value(value).build().expect("complete")
}

/// The error that the service answered, by its name in the model.
fn refused<T: Debug, E: ProvideErrorMetadata + Debug>(answer: Result<T, SdkError<E>>) -> String {
    let error = answer.expect_err("refused");
    assert!(error.message().is_some_and(|message| !message.is_empty()), "{error:?}");
    error.code().unwrap_or_default().to_owned()
}

/// The names of the files in a folder, and the least that differs from one run to the next.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_described_as_it_was_created_and_its_rows_are_the_forecasts() {
    let serving = Serving::start().await;
    for format in ["CSV", "PARQUET"] {
        let path = format!("s3://exports/{format}");
        let job = serving.ended(serving.create(format, &path).format(format)).await;
        assert_eq!(job.status(), Some("ACTIVE"), "{:?}", job.message());
        assert_eq!(job.message(), None);
        assert_eq!(job.forecast_export_job_arn(), Some(&*arn_of(format)));
        assert_eq!(job.forecast_export_job_name(), Some(format));
        assert_eq!(job.forecast_arn(), Some(FORECAST));
        assert_eq!(job.format(), Some(format));
        let s3 = job.destination().and_then(DataDestination::s3_config).expect("a destination");
        assert_eq!((s3.path(), s3.role_arn(), s3.kms_key_arn()), (&*path, ROLE, None));
        let (created, ended) =
            (job.creation_time().expect("a time"), job.last_modification_time().expect("one"));
        assert!(created <= ended, "{created} {ended}");
        assert!(job.request_id().is_some());

        let folder = serving.bucket().join(format);
        let found = names(&folder);
        assert_eq!(&found[1..], ["_CHECK", "_SUCCESS"], "{found:?}");
        assert!(found[0].starts_with(&format!("{format}_")), "{found:?}");
        assert!(found[0].ends_with(&format!("Z_part0.{}", format.to_lowercase())), "{found:?}");
        let place = |path: &Path| Location::parse(&path.display().to_string()).expect("a place");
        let (written, source) = (place(&folder), place(&testdata("forecast")));
        let report = verify(&written, &source, &Options::default(), |_| ()).await.expect("compared");
        assert!(report.equal, "{:?}", report.difference);
        assert_eq!(report.rows, 36);
    }
    serving.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_are_utf_8_text() {
    let serving = Serving::start().await;
    let japanese = [tag("チーム", "需要予測 \u{20b9f}"), tag("Größe", "ñ=1 +/@:.-_")];
    let job =
        serving.ended(serving.create("tagged", "s3://exports/x").set_tags(Some(japanese.to_vec()))).await;
    let arn = job.forecast_export_job_arn().expect("an ARN");
    let tags = async || {
        let answer = serving.client.list_tags_for_resource().resource_arn(arn).send().await.expect("listed");
        let mut tags = answer.tags.unwrap_or_default();
        tags.sort_by_key(|tag| tag.key.clone());
        tags
    };
    assert_eq!(tags().await, [japanese[1].clone(), japanese[0].clone()]);
    let put = serving.client.tag_resource().resource_arn(arn).tags(tag("チーム", "")).tags(tag("a", "aws:b"));
    put.send().await.expect("tagged");
    assert_eq!(tags().await, [japanese[1].clone(), tag("a", "aws:b"), tag("チーム", "")]);
    let taken = serving.client.untag_resource().resource_arn(arn).tag_keys("Größe").tag_keys("absent");
    taken.send().await.expect("untagged");
    assert_eq!(tags().await, [tag("a", "aws:b"), tag("チーム", "")]);
    serving.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_paged_and_filtered_by_the_sdk() {
    let serving = Serving::start().await;
    for name in ["a", "b", "c"] {
        serving.ended(serving.create(name, "s3://exports/list")).await;
    }
    let list = || serving.client.list_forecast_export_jobs();
    let pages: Vec<_> = list().into_paginator().page_size(2).send().collect().await;
    let pages: Vec<Vec<String>> = pages
        .into_iter()
        .map(|page| page.expect("a page").forecast_export_jobs.unwrap_or_default())
        .map(|jobs| jobs.into_iter().filter_map(|job| job.forecast_export_job_name).collect())
        .collect();
    assert_eq!(pages, [vec!["c", "b"], vec!["a"]]);
    let active = filter("Status", FilterConditionString::Is, "ACTIVE");
    let other = filter("ForecastArn", FilterConditionString::IsNot, FORECAST);
    let count = async |filters: &[&Filter]| {
        let filters = filters.iter().map(|filter| (*filter).clone()).collect();
        list().set_filters(Some(filters)).send().await.expect("listed").forecast_export_jobs().len()
    };
    assert_eq!(count(&[&active]).await, 3);
    assert_eq!(count(&[&active, &other]).await, 0);

    let forecasts = serving.client.list_forecasts().send().await.expect("listed");
    let found: Vec<_> = forecasts.forecasts().iter().map(|one| (one.forecast_name(), one.status())).collect();
    let expected = [("broken", "ACTIVE"), ("sales", "ACTIVE"), ("unready", "CREATE_IN_PROGRESS")];
    assert_eq!(found, expected.map(|(name, status)| (Some(name), Some(status))));
    let forecast = serving.client.describe_forecast().forecast_arn(FORECAST).send().await.expect("described");
    assert_eq!(forecast.forecast_types(), ["0.1", "0.5", "0.9"]);
    assert_eq!((forecast.forecast_arn(), forecast.forecast_name()), (Some(FORECAST), Some("sales")));
    serving.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_recognizes_each_error() {
    let serving = Serving::start().await;
    let client = &serving.client;
    let (create, arn) = (|name| serving.create(name, "s3://exports/x"), arn_of("a"));
    let broken = FORECAST.replace("sales", "broken");
    let failed = serving.ended(create("a").forecast_arn(&broken)).await;
    assert_eq!(failed.status(), Some("CREATE_FAILED"));
    assert!(failed.message().is_some_and(|message| message.contains("nothing")), "{:?}", failed.message());

    let unready = create("b").forecast_arn(FORECAST.replace("sales", "unready"));
    assert_eq!(refused(unready.send().await), "ResourceInUseException");
    assert_eq!(refused(create("a").forecast_arn(&broken).send().await), "ResourceAlreadyExistsException");
    assert_eq!(refused(create("1a").send().await), "InvalidInputException");
    assert_eq!(
        refused(create("a").forecast_arn(format!("{FORECAST}x")).send().await),
        "ResourceNotFoundException"
    );
    let describe = client.describe_forecast_export_job().forecast_export_job_arn(&arn).send().await;
    assert_eq!(refused(describe), "ResourceNotFoundException");
    let list = client.list_forecast_export_jobs().next_token("x").send().await;
    assert_eq!(refused(list), "InvalidNextTokenException");
    for name in ["b", "c"] {
        serving.ended(create(name)).await;
    }
    assert_eq!(refused(create("d").send().await), "LimitExceededException");
    serving.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_stopped_and_deleted_and_their_files_stay() {
    let serving = Serving::start().await;
    let client = &serving.client;
    let job = serving.ended(serving.create("a", "s3://exports/x")).await;
    let arn = job.forecast_export_job_arn().expect("an ARN");
    client.stop_resource().resource_arn(arn).send().await.expect("nothing to stop");
    let files = names(&serving.bucket().join("x"));
    client.delete_forecast_export_job().forecast_export_job_arn(arn).send().await.expect("deleted");
    assert_eq!(refused(client.stop_resource().resource_arn(arn).send().await), "ResourceNotFoundException");
    serving.ended(serving.create("a", "s3://exports/y")).await;
    client.delete_resource_tree().resource_arn(FORECAST).send().await.expect("deleted");
    let left = client.list_forecast_export_jobs().send().await.expect("listed");
    assert_eq!(left.forecast_export_jobs().len(), 0);
    assert_eq!(names(&serving.bucket().join("x")), files);
    serving.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_comes_back_knows_its_jobs_and_ends_those_that_it_had_begun() {
    let serving = Serving::start().await;
    let ended = serving.ended(serving.create("a", "s3://exports/x")).await;
    serving.create("b", "s3://exports/x").send().await.expect("created");
    let serving = Serving::in_folder(serving.stop().await).await;
    let describe = |name| serving.client.describe_forecast_export_job().forecast_export_job_arn(arn_of(name));
    assert_eq!(
        describe("a").send().await.expect("described").last_modification_time(),
        ended.last_modification_time()
    );
    let mut status = None;
    for _ in 0..600 {
        status = describe("b").send().await.expect("described").status;
        if status.as_deref() == Some("ACTIVE") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(status.as_deref(), Some("ACTIVE"));
    serving.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_served_is_an_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut options = ServeOptions::new(folder.path().join("data"));
    options.listen = ([127, 0, 0, 1], 0).into();
    options.config = Some(folder.path().join("serve.toml"));
    let bind = async |text: &str| {
        std::fs::write(folder.path().join("serve.toml"), text).expect("written");
        Server::bind(&options).await.err()
    };
    let of_name =
        |name: &str, more: &str| format!("[[forecasts]]\nname = \"{name}\"\nsource = \"x\"\n{more}");
    for text in [
        "keys = 1",
        &of_name("1", ""),
        &of_name("sales", "status = \"active\""),
        &of_name("sales", "run = \"newest\""),
        "surprise = true",
        "region = [\n",
    ] {
        assert!(matches!(bind(text).await, Some(Error::Usage(_))), "{text}");
    }
    let source = folder.path().join("nothing").display().to_string();
    let data = folder.path().join("data");
    let register = async |name: &str| {
        register_forecast(&data, name, &source, &Choice::default(), &StoreOptions::default()).await.err()
    };
    assert!(matches!(register("no-name").await, Some(Error::Usage(_))));
    assert!(matches!(register("sales").await, Some(Error::NotFound(_))));
}
