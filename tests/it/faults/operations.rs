//! Each request to a store fails in its turn: the first list, the second, and so on to the last, in every strategy, for
//! merges, conversions and those that cut anew.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use bytes::Bytes;
use forecast_export::{Error, Format, Location, Options, Output, Report, Split, Strategy, plan, run};
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::file::properties::WriterProperties;

use super::failing_store::{FailingStore, Failure, Operation};
use crate::support::buckets::{csv_parts, part_name};
use crate::support::scale::{full_or_sample, sampled};
use crate::support::scratch::parquet_file;

/// One way through the program.
struct Scenario {
    name: &'static str,
    parts: Vec<(String, Vec<u8>)>,
    is_folder: bool,
    target: &'static str,
    options: Options,
    strategy: Strategy,
}

/// Parquet parts that no codec makes small.
pub(crate) fn parquet_parts(parts: usize, rows: usize, row_group: usize) -> Vec<Vec<u8>> {
    csv_parts(parts, rows)
        .into_iter()
        .map(|text| {
            let text = String::from_utf8(text).expect("UTF-8");
            let cells = |column: usize| -> Vec<&str> {
                text.lines().skip(1).map(|line| line.split(',').nth(column).expect("a cell")).collect()
            };
            let ids: ArrayRef = Arc::new(StringArray::from(cells(0)));
            let numbers = cells(3).into_iter().map(|cell| cell.parse::<f64>().expect("a number"));
            let numbers: ArrayRef = Arc::new(Float64Array::from_iter_values(numbers));
            let batch = RecordBatch::try_from_iter([("item_id", ids), ("p50", numbers)]).expect("a batch");
            let groups = WriterProperties::builder().set_max_row_group_row_count(Some(row_group));
            parquet_file(&batch, groups.build())
        })
        .collect()
}

fn scenarios() -> Vec<Scenario> {
    let named = |parts: Vec<Vec<u8>>, extension: &str| -> Vec<(String, Vec<u8>)> {
        let name = |(number, part)| (part_name(number, extension), part);
        parts.into_iter().enumerate().map(name).collect()
    };
    // Larger than what is held, so that each output is an upload: 1 MiB is the least that a run may hold.
    let csv = || named(csv_parts(2, 4_000), "csv");
    let parquet = || named(parquet_parts(2, 5_000, 2_600), "parquet");
    let to = |format: Format, split: Option<Split>| {
        let mut options = Options::default();
        options.memory = Some(1_000_000);
        options.to = Some(format);
        options.split = split;
        // A receipt tells when its sources were written, which differs from experiment to experiment.
        options.no_receipt = true;
        options
    };
    let file = |name, strategy, parts, target, format| Scenario {
        name,
        strategy,
        parts,
        is_folder: false,
        target,
        options: to(format, None),
    };
    let folder = |name, strategy, parts, format, split| Scenario {
        name,
        strategy,
        parts,
        is_folder: true,
        target: "out/",
        options: to(format, split),
    };
    use Format::{Csv, Parquet};
    use Strategy::{CopyBytes, CopyRowGroups, Transcode};
    let small = named(csv_parts(3, 5), "csv");
    let large = named(parquet_parts(2, 36_000, 36_000), "parquet");
    let mut with_receipt = file("copy bytes, with a receipt", CopyBytes, csv(), "out.csv", Csv);
    with_receipt.options.no_receipt = false;
    vec![
        with_receipt,
        file("one request puts it", CopyBytes, small, "out.csv", Csv),
        file("copy bytes", CopyBytes, csv(), "out.csv", Csv),
        file("CSV to Parquet", Transcode, csv(), "out.parquet", Parquet),
        file("copy row groups", CopyRowGroups, large, "out.parquet", Parquet),
        file("Parquet to CSV", Transcode, parquet(), "out.csv", Csv),
        folder("convert CSV", Transcode, csv(), Parquet, None),
        folder("convert Parquet", Transcode, parquet(), Csv, None),
        folder("cut CSV anew", CopyBytes, csv(), Csv, Some(Split::Rows(2_500))),
        folder("cut Parquet anew", Transcode, parquet(), Parquet, Some(Split::Rows(4_000))),
    ]
}

impl Scenario {
    async fn store(&self) -> FailingStore {
        let store = FailingStore::default();
        for (name, bytes) in &self.parts {
            let path = Path::parse(format!("in/{name}")).expect("a key");
            store.inner().put(&path, bytes.clone().into()).await.expect("memory takes all");
        }
        store
    }

    async fn run(&self, store: &FailingStore) -> Result<Report, Error> {
        let at = |path| Location::in_store(Arc::new(store.clone()), "memory://test/", path);
        let output =
            if self.is_folder { Output::Folder(at(self.target)) } else { Output::File(at(self.target)) };
        run(plan(&at("in/"), &output, &self.options).await?, |_| ()).await
    }
}

/// Everything in the store that is not a source.
async fn outputs(store: &FailingStore) -> BTreeMap<String, Bytes> {
    let mut found = BTreeMap::new();
    for meta in store.inner().list(None).try_collect::<Vec<_>>().await.expect("memory lists") {
        if !meta.location.as_ref().starts_with("in/") {
            let bytes = store.inner().get(&meta.location).await.expect("there").bytes().await.expect("whole");
            found.insert(meta.location.to_string(), bytes);
        }
    }
    found
}

struct Experiment<'a> {
    scenario: &'a Scenario,
    expected: &'a BTreeMap<String, Bytes>,
    faults: Vec<(Operation, usize, Failure)>,
}

impl Experiment<'_> {
    /// Gives whether a fault came to pass: with requests at the same time their number varies a little.
    async fn carry_out(&self) -> bool {
        let Experiment { scenario, expected, faults } = self;
        let shown = format!("{}: {faults:?}", scenario.name);
        let store = scenario.store().await;
        for (operation, k, failure) in faults {
            store.fail(*operation, *k, *failure);
        }
        let result = scenario.run(&store).await;
        let visible = outputs(&store).await;
        let is_gone = faults.iter().any(|(_, _, failure)| *failure == Failure::Gone);
        match &result {
            Ok(_) => assert!(visible.keys().eq(expected.keys()), "{shown}: {:?}", visible.keys()),
            Err(error) => {
                assert!(matches!(error, Error::Store { .. }), "{shown}: {error:?}");
                // What the store said is kept, however far the error came.
                let cause = std::error::Error::source(error);
                let is_kept = cause.is_some_and(|cause| cause.is::<object_store::Error>());
                let is_refused = faults.iter().all(|(_, _, failure)| *failure == Failure::Refused);
                assert!(is_kept || !is_refused, "{shown}: {error:?}");
                // A store that is gone for good keeps what came into sight before.
                let names: Vec<_> = visible.keys().collect();
                // A receipt comes after the output that it is for: without it the output is whole all the same.
                let lacks_receipt = !scenario.options.no_receipt && names == [scenario.target];
                assert!(is_gone || names.is_empty() || lacks_receipt, "{shown}: left {names:?}");
            }
        }
        for (name, bytes) in &visible {
            let is_whole = if name.ends_with(".receipt.json") {
                serde_json::from_slice::<serde_json::Value>(bytes).is_ok()
            } else {
                expected[name] == *bytes
            };
            assert!(is_whole, "{shown}: {name} is not the whole file");
        }
        if !is_gone {
            assert_eq!(store.open_uploads(), 0, "{shown}: {result:?}");
        }
        for (name, bytes) in &scenario.parts {
            let path = Path::parse(format!("in/{name}")).expect("a key");
            let now = store.inner().get(&path).await.expect("there").bytes().await.expect("whole");
            assert!(now == *bytes, "{shown}: {name} was touched");
        }
        store.fired() > 0
    }
}

#[test]
#[expect(clippy::print_stderr, reason = "the number of experiments is a result")]
fn whichever_request_fails_there_is_no_output_or_the_whole_one() {
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    let mut total = 0;
    for scenario in scenarios() {
        let (done, counts) = runtime.block_on(every_fault(&scenario));
        total += done;
        eprintln!("{}: {done} experiments over {counts:?}", scenario.name);
    }
    eprintln!("{total} experiments in all");
    assert!(total > full_or_sample(300, 60), "{total}");
}

async fn every_fault(scenario: &Scenario) -> (usize, BTreeMap<Operation, usize>) {
    let store = scenario.store().await;
    let report = scenario.run(&store).await.unwrap_or_else(|error| panic!("{}: {error}", scenario.name));
    assert_eq!(report.strategy, scenario.strategy, "{}", scenario.name);
    let expected = outputs(&store).await;
    assert!(!expected.is_empty());
    let counts: BTreeMap<_, _> = store.counts().into_iter().collect();
    let mut experiments = Vec::new();
    let mut plan = |faults| experiments.push(Experiment { scenario, expected: &expected, faults });
    for (&operation, &count) in &counts {
        for k in 1..=count {
            for failure in [Failure::Refused, Failure::AnswerLost, Failure::Gone] {
                plan(vec![(operation, k, failure)]);
            }
        }
    }
    // What clears away after a failure may fail too.
    for (operation, cleaning) in [
        (Operation::Part, Operation::Abort),
        (Operation::Complete, Operation::Abort),
        (Operation::Complete, Operation::Delete),
        (Operation::Complete, Operation::Head),
        (Operation::Put, Operation::Delete),
        (Operation::Put, Operation::Head),
    ] {
        for k in 1..=counts.get(&operation).copied().unwrap_or(0) {
            for failure in [Failure::Refused, Failure::AnswerLost] {
                plan(vec![(operation, k, Failure::Refused), (cleaning, 1, failure)]);
            }
        }
    }
    let carried_out =
        futures::stream::iter(sampled(&experiments, 5)).map(Experiment::carry_out).buffer_unordered(4);
    let done = carried_out.filter(|fired| std::future::ready(*fired)).count().await;
    (done, counts)
}
