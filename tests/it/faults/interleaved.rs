//! Two runs that want one output, and one run that ends anywhere: a run is stopped at each of its calls to the system in
//! turn while another goes from its beginning to its end, and a run is killed at each of them. What is left is one run's
//! whole output, whose receipt is its own.
//!
//! In a store it is the same with each request in turn: there no lock protects a publication.
//!
//! On disk the calls are those that make, rename and remove files, and those that look at them; `strace` stops a run there, so these
//! tests need it. One call in five is tried; `FORECAST_EXPORT_INTERLEAVINGS=1 cargo test --test it interleaved` tries
//! each.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use forecast_export::{Error, Location, Options, Output, plan, run, verify};
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, StreamExt};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMultipartOptions, PutOptions, PutPayload, PutResult,
};
use std::fmt;
use std::sync::{Arc, Mutex};

use crate::support::fixtures::failure;
use crate::support::scale::full_or_sample;
use crate::support::scratch::{RUN, Scratch};

/// Calls by which files come, go and are looked at, with how often a run makes each at most in one thread.
const CALLS: [(&str, usize); 9] = [
    ("openat", 40),
    ("rename", 4),
    ("renameat", 4),
    ("renameat2", 6),
    ("unlink", 6),
    ("flock", 6),
    ("fsync", 8),
    ("statx", 40),
    ("fchmodat", 2),
];

/// How long a call is held up: a whole run takes a tenth of that.
pub(super) const HELD: Duration = Duration::from_millis(900);
/// When the other run begins: the first one is at its call by then.
pub(super) const OTHER_BEGINS: Duration = Duration::from_millis(300);

/// A command that writes `out`, and the name that is given as its output.
struct Way {
    command: &'static str,
    output: &'static str,
    flags: &'static str,
}

const WAYS: [Way; 4] = [
    Way { command: "merge", output: "w/out.csv", flags: "" },
    Way { command: "merge", output: "w/out.parquet", flags: "" },
    Way { command: "convert", output: "w/", flags: "" },
    Way { command: "convert", output: "w/", flags: "--to csv --source-columns" },
];

/// Two sources whose parts have the same names and sizes, and other rows.
fn sources() -> Scratch {
    let scratch = Scratch::new();
    for mark in ["a", "b"] {
        for part in 0..3 {
            let rows: String =
                (0..40).map(|row| format!("{mark}{row:03},2026-01-01T00:00:00Z,{part}.5\n")).collect();
            scratch.write(&format!("{mark}/sales_{RUN}_part{part}.csv"), format!("item_id,date,p10\n{rows}"));
        }
    }
    std::fs::create_dir(scratch.path("w")).expect("a folder");
    scratch
}

fn arguments(way: &Way, source: &str, more: &str) -> String {
    format!("{} {source} -o {} {} {more}", way.command, way.output, way.flags)
}

pub(super) fn under_strace(scratch: &Scratch, inject: &str, arguments: &str) -> Command {
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=file,desc", "-e", inject]);
    command.arg(env!("CARGO_BIN_EXE_forecast-export")).args(arguments.split_whitespace());
    command.current_dir(scratch.path("")).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// Whether `strace` is there. Where everything must be tested it has to be.
pub(super) fn has_strace() -> bool {
    let runs = Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).stderr(Stdio::null()).status();
    let runs = runs.is_ok_and(|status| status.success());
    assert!(runs || std::env::var_os("CI").is_none(), "strace is missing or may not trace");
    runs
}

/// Does something for each call that is to be tried, several at a time: most of it is waiting. Unless every call
/// is asked for, that is one of `of`, in a complete run and in a sample.
pub(super) fn at_each_call<W: Sync>(
    ways: &[W],
    of: (usize, usize),
    try_one: impl Fn(&W, &str, usize) + Sync,
) {
    let is_every = std::env::var_os("FORECAST_EXPORT_INTERLEAVINGS").is_some();
    let step = if is_every { 1 } else { full_or_sample(of.0, of.1) };
    let ways = ways.iter().enumerate();
    let all: Vec<(&W, &str, usize)> = ways
        .flat_map(|(shift, way)| {
            let calls = CALLS.iter().flat_map(|(call, most)| (1..=*most).map(|nth| (*call, nth)));
            calls.skip(shift % step).step_by(step).map(move |(call, nth)| (way, call, nth))
        })
        .collect();
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while let Some((way, call, nth)) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                    try_one(way, call, *nth);
                }
            });
        }
    });
}

/// The sources whose rows the output holds, as `verify` sees it.
fn holds(scratch: &Scratch, way: &Way) -> Vec<&'static str> {
    let is_in = |source: &&&str| {
        let flags = if way.flags.contains("--source-columns") { "--source-columns" } else { "" };
        scratch.output(&format!("verify {} --against {source} {flags}", way.output)).status.success()
    };
    ["a", "b"].iter().filter(is_in).copied().collect()
}

/// The sources that a run takes the output to be made of.
fn up_to_date(scratch: &Scratch, way: &Way) -> Vec<&'static str> {
    let is_done = |source: &&&str| {
        let (code, said) = failure(&scratch.output(&arguments(way, source, "")));
        code == 0 && said.contains("up to date")
    };
    ["a", "b"].iter().filter(is_done).copied().collect()
}

fn left(scratch: &Scratch) -> Vec<String> {
    let files = scratch.written_with_receipts().into_iter();
    files
        .filter(|file| {
            file.starts_with("w/") && file.rsplit('/').next().is_some_and(|name| name.starts_with('.'))
        })
        .collect()
}

#[test]
fn of_two_runs_one_output_is_left_with_its_own_receipt_wherever_they_meet() {
    if !has_strace() {
        return;
    }
    for overwrite in ["--overwrite", ""] {
        at_each_call(&WAYS, (5, 23), |way, call, nth| {
            let what = format!("{} {} {overwrite}, held at {call} {nth}", way.command, way.output);
            let scratch = sources();
            let inject = format!("inject={call}:delay_enter={}:when={nth}", HELD.as_micros());
            let held =
                under_strace(&scratch, &inject, &arguments(way, "a", overwrite)).spawn().expect("strace");
            std::thread::sleep(OTHER_BEGINS);
            let (other, other_said) = failure(&scratch.output(&arguments(way, "b", overwrite)));
            let (first, first_said) = failure(&held.wait_with_output().expect("strace"));
            let codes = [first, other];
            let said = format!("{what}: {codes:?}\n{first_said}\n{other_said}");
            match overwrite {
                "" => assert!(codes == [0, 7] || codes == [7, 0], "{said}"),
                _ => assert!(codes.iter().all(|code| *code == 0), "{said}"),
            }
            let holds = holds(&scratch, way);
            assert_eq!(holds.len(), 1, "{said}");
            assert_eq!(up_to_date(&scratch, way), holds, "{said}");
            assert_eq!(left(&scratch), [""; 0], "{said}");
        });
    }
}

#[test]
fn a_run_that_is_killed_at_any_call_is_finished_by_the_next_one() {
    if !has_strace() {
        return;
    }
    at_each_call(&WAYS, (5, 23), |way, call, nth| {
        let what = format!("{} {}, killed at {call} {nth}", way.command, way.output);
        let scratch = sources();
        let inject = format!("inject={call}:signal=SIGKILL:when={nth}");
        let killed = under_strace(&scratch, &inject, &arguments(way, "a", "")).output().expect("strace");
        let (code, said) = failure(&scratch.output(&arguments(way, "a", "")));
        assert_eq!(code, 0, "{what} ({}): {said}", killed.status);
        assert_eq!(holds(&scratch, way), ["a"], "{what}");
        assert_eq!(up_to_date(&scratch, way), ["a"], "{what}");
        // A run that finds everything done writes nothing, and so clears nothing away: the next one that writes does.
        if said.contains("up to date") {
            scratch.succeeds(&arguments(way, "a", "--overwrite"));
        }
        assert_eq!(left(&scratch), [""; 0], "{what}: {said}");
    });
}

/// A store that does something else before one of its requests.
#[derive(Clone)]
struct Meeting {
    inner: Arc<InMemory>,
    requests_before: Arc<AtomicUsize>,
    meanwhile: Arc<Mutex<Option<BoxFuture<'static, ()>>>>,
}

impl Meeting {
    async fn meet(&self) {
        // `usize` wraps below 0, which is no request before.
        if self.requests_before.fetch_sub(1, Ordering::SeqCst) == 0 {
            let meanwhile = self.meanwhile.lock().expect("no panic").take();
            if let Some(meanwhile) = meanwhile {
                meanwhile.await;
            }
        }
    }

    fn listed(
        &self,
        all: BoxStream<'static, object_store::Result<ObjectMeta>>,
    ) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        let store = self.clone();
        // What a store in memory lists it has listed when it is asked.
        stream::once(async move { store.meet().await })
            .map(|()| None)
            .chain(all.map(Some))
            .filter_map(|item| async { item })
            .boxed()
    }
}

impl fmt::Debug for Meeting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a store where runs meet")
    }
}

impl fmt::Display for Meeting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a store where runs meet")
    }
}

#[async_trait::async_trait]
impl ObjectStore for Meeting {
    async fn put_opts(
        &self,
        path: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> object_store::Result<PutResult> {
        self.meet().await;
        self.inner.put_opts(path, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        self.meet().await;
        self.inner.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> object_store::Result<GetResult> {
        self.meet().await;
        self.inner.get_opts(path, options).await
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, object_store::Result<Path>>,
    ) -> BoxStream<'static, object_store::Result<Path>> {
        self.inner.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        self.listed(self.inner.list(prefix))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> object_store::Result<ListResult> {
        self.meet().await;
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> object_store::Result<()> {
        self.meet().await;
        self.inner.copy_opts(from, to, options).await
    }
}

fn at(store: Arc<dyn ObjectStore>, path: &str) -> Location {
    Location::in_store(store, "memory://m/", path)
}

fn output(store: Arc<dyn ObjectStore>, path: &str) -> Output {
    if path.ends_with('/') { Output::Folder(at(store, path)) } else { Output::File(at(store, path)) }
}

async fn write(
    store: Arc<dyn ObjectStore>,
    source: &str,
    path: &str,
    options: Options,
) -> Result<bool, Error> {
    let planned = plan(&at(Arc::clone(&store), source), &output(store, path), &options).await?;
    run(planned, |_| ()).await.map(|report| report.up_to_date)
}

#[tokio::test]
async fn of_two_runs_into_a_store_one_output_is_left_with_its_own_receipt_wherever_they_meet() {
    let mut meetings = 0;
    for path in ["out.csv", "out.parquet", "w/"] {
        for overwrite in [true, false] {
            for nth in 0.. {
                let inner = Arc::new(InMemory::new());
                for mark in ["a", "b"] {
                    for part in 0..3 {
                        let name = Path::from(format!("{mark}/sales_{RUN}_part{part}.csv"));
                        let text = format!("item_id,p10\n{mark}{part},1.5\n");
                        inner.put(&name, Bytes::from(text).into()).await.expect("put");
                    }
                }
                let mut options = Options::default();
                options.overwrite = overwrite;
                let other = Arc::new(Mutex::new(None));
                let meanwhile: BoxFuture<'static, ()> = {
                    let (inner, options, other) = (Arc::clone(&inner), options.clone(), Arc::clone(&other));
                    Box::pin(async move {
                        let done = write(inner, "b/", path, options).await;
                        *other.lock().expect("no panic") = Some(done);
                    })
                };
                let meeting = Meeting {
                    inner: Arc::clone(&inner),
                    requests_before: Arc::new(AtomicUsize::new(nth)),
                    meanwhile: Arc::new(Mutex::new(Some(meanwhile))),
                };
                let first = write(Arc::new(meeting), "a/", path, options.clone()).await;
                let Some(second) = other.lock().expect("no panic").take() else { break };
                meetings += 1;
                let what =
                    format!("{path}, overwrite {overwrite}, before request {nth}: {first:?}, {second:?}");
                let mut holds = Vec::new();
                let mut up_to_date = Vec::new();
                for source in ["a/", "b/"] {
                    let (to, from) = (at(inner.clone(), path), at(inner.clone(), source));
                    let compared = verify(&to, &from, &Options::default(), |_| ()).await;
                    if compared.is_ok_and(|report| report.difference.is_none()) {
                        holds.push(source);
                    }
                    if matches!(write(inner.clone(), source, path, Options::default()).await, Ok(true)) {
                        up_to_date.push(source);
                    }
                }
                // Into one object one comes last, and its receipt is there. Files of two runs may come to lie in one folder where
                // both were told to replace what is there; then both say so, or the one that was last, and no receipt claims them.
                let is_mixed = holds.is_empty();
                let has_told = first.is_err() || second.is_err();
                assert!(
                    holds.len() == 1 || (is_mixed && path == "w/" && has_told),
                    "{what}: holds {holds:?}"
                );
                assert!(
                    up_to_date == holds || (up_to_date.is_empty() && has_told),
                    "{what}: up to date {up_to_date:?}"
                );
                if !overwrite {
                    assert!(first.is_err() != second.is_err(), "{what}");
                    let said = first.err().or(second.err());
                    assert!(matches!(said, Some(Error::OutputExists(_))), "{path} {nth}: {said:?}");
                }
            }
        }
    }
    assert!(meetings > 30, "{meetings}");
}

#[tokio::test]
async fn what_a_killed_run_left_in_a_store_is_finished_by_the_next_one_and_by_no_other() {
    for path in ["out.csv", "w/"] {
        let inner = Arc::new(InMemory::new());
        let part = |number: usize, value: &str| {
            let name = Path::from(format!("a/sales_{RUN}_part{number}.csv"));
            (name, Bytes::from(format!("item_id,p10\na{number},{value}\n")))
        };
        for number in 0..3 {
            let (name, text) = part(number, "1.5");
            inner.put(&name, text.into()).await.expect("put");
        }
        write(inner.clone(), "a/", path, Options::default()).await.expect("written");
        let keys = || async {
            let listed: Vec<_> = inner.list(None).collect().await;
            let keys = listed.into_iter().map(|meta| meta.expect("a listing").location);
            keys.filter(|key| !key.as_ref().starts_with("a/")).collect::<Vec<_>>()
        };
        let whole = keys().await;
        // Killed before the receipt, and, where there are several files, before the last of them.
        let is_lost = |key: &&Path| key.as_ref().ends_with(".receipt.json") || key.as_ref().contains("part2");
        for key in whole.iter().filter(is_lost) {
            inner.delete(key).await.expect("deleted");
        }
        let mut other = Options::default();
        other.all_strings = true;
        let refused = write(inner.clone(), "a/", path, other).await;
        assert!(matches!(refused, Err(Error::OutputExists(_))), "{path}: {refused:?}");
        assert!(!write(inner.clone(), "a/", path, Options::default()).await.expect("finished"), "{path}");
        assert_eq!(keys().await, whole, "{path}");
        assert!(write(inner.clone(), "a/", path, Options::default()).await.expect("up to date"), "{path}");
        // Of a part that is another one by now it is not the output.
        let receipt = whole.iter().find(|key| key.as_ref().ends_with(".receipt.json")).expect("a receipt");
        inner.delete(receipt).await.expect("deleted");
        let (name, text) = part(1, "2.5");
        inner.put(&name, text.into()).await.expect("put");
        let refused = write(inner.clone(), "a/", path, Options::default()).await;
        assert!(matches!(refused, Err(Error::OutputExists(_))), "{path}: {refused:?}");
    }
}
