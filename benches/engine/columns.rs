//! Tables of very many columns: serves the choice of how a column is found by its name. `compared` takes a few times as long as
//! `copied`; while each column was looked for among all of them, it took eight times as long.

use crate::export::{options, runtime, scratch};
use criterion::Criterion;
use forecast_export::{Format, Location, Options, Output, plan, run, verify};

const COLUMNS: usize = 10_000;

pub(crate) fn benches(criterion: &mut Criterion) {
    let (folder, runtime, options) = (scratch(), runtime(), options(1, Format::Parquet));
    let path = |name: &str| folder.path().join(name).display().to_string();
    let names: Vec<String> = (0..COLUMNS).map(|column| format!("c{column}")).collect();
    let cells = vec!["x"; COLUMNS];
    std::fs::write(path("in.csv"), format!("{}\n{}\n", names.join(","), cells.join(","))).expect("a part");
    let merge = |source: &str, output: &str| {
        let report = runtime.block_on(async {
            let plan =
                plan(&Location::parse(&path(source))?, &Output::file(&path(output))?, &options).await?;
            run(plan, |_event| ()).await
        });
        assert_eq!(report.expect("the run succeeds").columns.len(), COLUMNS);
    };
    merge("in.csv", "in.parquet");

    let mut group = criterion.benchmark_group("columns");
    group.bench_function("copied", |bencher| bencher.iter(|| merge("in.parquet", "out.parquet")));
    let locations = ["out.parquet", "in.parquet"].map(|name| Location::parse(&path(name)).expect("a path"));
    group.bench_function("compared", |bencher| {
        bencher.iter(|| {
            let [output, source] = &locations;
            let report = runtime.block_on(verify(output, source, &Options::default(), |_event| ()));
            assert!(report.expect("both can be read").equal);
        });
    });
    group.finish();
}
