//! Some columns and rows of an export, as a program asks for them: what is given is what a program would have got that reads
//! everything and throws away the rest, and what is fetched for it is no more than that takes.

use crate::support::scale::cases;
use crate::support::scratch::RUN;
use arrow::array::{
    Array, ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field};
use arrow::util::display::array_value_to_string;
use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};
use forecast_export::{
    Comparison, DataErrorKind, Error, Filter, Literal, Location, NotFound, Options, Query, RunChoice,
    SchemaMode, UsageError, column, query, read,
};
use futures::TryStreamExt;
use futures::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetRange, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult,
};
use parquet::arrow::ArrowWriter;
use parquet::data_type::{Int64Type, Int96, Int96Type};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use proptest::prelude::*;
use std::cmp::Ordering;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

/// A row of every type that can be compared.
#[derive(Debug, Clone, Default)]
struct Row {
    text: Option<String>,
    number: Option<f64>,
    whole: Option<i64>,
    day: Option<i32>,
    /// Microseconds.
    time: Option<i64>,
    flag: Option<bool>,
}

const COLUMNS: [&str; 6] = ["text", "number", "whole", "day", "time", "flag"];
const MICROS_OF_DAY: i64 = 86_400_000_000;

fn texts() -> Vec<&'static str> {
    vec!["", "a", "ab", "abc", "b", "é", "éa", "\u{10ffff}", "more than twelve bytes"]
}

fn numbers() -> Vec<f64> {
    vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 0.0, 1.0, 1.5, -2.0]
}

fn row() -> impl Strategy<Value = Row> {
    let some = |of: Vec<i64>| prop::option::weighted(0.8, prop::sample::select(of));
    (
        prop::option::weighted(0.8, prop::sample::select(texts())),
        prop::option::weighted(0.8, prop::sample::select(numbers())),
        some(vec![-3, 0, 1, 2, i64::MAX]),
        some(vec![-1, 0, 20_000]),
        some(vec![-1, 0, MICROS_OF_DAY, MICROS_OF_DAY + 1]),
        prop::option::weighted(0.8, any::<bool>()),
    )
        .prop_map(|(text, number, whole, day, time, flag)| Row {
            text: text.map(str::to_owned),
            number,
            whole,
            day: day.map(|day| day as i32),
            time,
            flag,
        })
}

fn instant(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros).expect("in the calendar")
}

fn date(day: i64) -> NaiveDate {
    instant(day * MICROS_OF_DAY).date_naive()
}

fn literal(column: &'static str) -> BoxedStrategy<Literal> {
    match column {
        "text" => prop::sample::select(texts()).prop_map(Literal::from).boxed(),
        "number" | "whole" => prop_oneof![
            prop::sample::select(numbers()).prop_map(Literal::from),
            prop::sample::select(vec![-3_i64, 0, 1, 2]).prop_map(Literal::from)
        ]
        .boxed(),
        "day" => prop::sample::select(vec![-1, 0, 1, 20_000]).prop_map(|day| date(day).into()).boxed(),
        "time" => prop_oneof![
            prop::sample::select(vec![-1, 0, MICROS_OF_DAY + 1]).prop_map(|time| instant(time).into()),
            prop::sample::select(vec![0, 1]).prop_map(|day| date(day).into())
        ]
        .boxed(),
        _ => any::<bool>().prop_map(Literal::from).boxed(),
    }
}

fn filter() -> impl Strategy<Value = Filter> {
    let comparisons = vec![
        Comparison::Equal,
        Comparison::NotEqual,
        Comparison::Less,
        Comparison::LessOrEqual,
        Comparison::Greater,
        Comparison::GreaterOrEqual,
    ];
    let leaf = prop::sample::select(COLUMNS.to_vec()).prop_flat_map(move |name| {
        let column = name.to_owned();
        let name_of = move || column.clone();
        let comparison = prop::sample::select(comparisons.clone());
        prop_oneof![
            4 => (comparison, literal(name)).prop_map({
                let name_of = name_of.clone();
                move |(comparison, value)| Filter::Compare { column: name_of(), comparison, value }
            }),
            1 => prop::collection::vec(literal(name), 0..3).prop_map({
                let name_of = name_of.clone();
                move |values| Filter::In { column: name_of(), values }
            }),
            1 => (literal(name), literal(name)).prop_map({
                let name_of = name_of.clone();
                move |(lowest, highest)| Filter::Between { column: name_of(), lowest, highest }
            }),
            1 => Just(Filter::IsNull { column: name_of() }),
        ]
    });
    leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Filter::All),
            prop::collection::vec(inner.clone(), 0..3).prop_map(Filter::Any),
            inner.prop_map(|filter| !filter),
        ]
    })
}

impl Row {
    /// How a value is to a literal: `None` where there is no value, `Some(None)` where the two have no order.
    fn order(&self, column: &str, literal: &Literal) -> Option<Option<Ordering>> {
        match (column, literal) {
            ("text", Literal::String(text)) => {
                Some(Some(self.text.as_ref()?.as_bytes().cmp(text.as_bytes())))
            }
            ("number", Literal::Double(number)) => Some(self.number?.partial_cmp(number)),
            ("number", Literal::Integer(number)) => Some(self.number?.partial_cmp(&(*number as f64))),
            ("whole", Literal::Integer(number)) => Some(Some(self.whole?.cmp(number))),
            ("whole", Literal::Double(number)) => Some((self.whole? as f64).partial_cmp(number)),
            ("day", Literal::Date(day)) => Some(Some(date(self.day?.into()).cmp(day))),
            ("time", Literal::Timestamp(time)) => Some(Some(instant(self.time?).cmp(time))),
            ("time", Literal::Date(day)) => {
                Some(Some(instant(self.time?).cmp(&day.and_hms_opt(0, 0, 0).expect("midnight").and_utc())))
            }
            ("flag", Literal::Boolean(flag)) => Some(Some(self.flag?.cmp(flag))),
            other => panic!("{other:?}"),
        }
    }

    fn is_null(&self, column: &str) -> bool {
        match column {
            "text" => self.text.is_none(),
            "number" => self.number.is_none(),
            "whole" => self.whole.is_none(),
            "day" => self.day.is_none(),
            "time" => self.time.is_none(),
            _ => self.flag.is_none(),
        }
    }

    /// What a condition is of this row, by the rules of SQL.
    fn truth(&self, filter: &Filter) -> Option<bool> {
        let compare = |column: &str, comparison: Comparison, value: &Literal| {
            let order = self.order(column, value)?;
            Some(match comparison {
                Comparison::Equal => order == Some(Ordering::Equal),
                Comparison::NotEqual => order != Some(Ordering::Equal),
                Comparison::Less => order == Some(Ordering::Less),
                Comparison::LessOrEqual => order.is_some_and(Ordering::is_le),
                Comparison::Greater => order == Some(Ordering::Greater),
                Comparison::GreaterOrEqual => order.is_some_and(Ordering::is_ge),
            })
        };
        let all = |found: Vec<Option<bool>>| {
            if found.contains(&Some(false)) {
                return Some(false);
            }
            (!found.contains(&None)).then_some(true)
        };
        let any = |found: Vec<Option<bool>>| {
            if found.contains(&Some(true)) {
                return Some(true);
            }
            (!found.contains(&None)).then_some(false)
        };
        match filter {
            Filter::Compare { column, comparison, value } => compare(column, *comparison, value),
            Filter::In { column, values } => {
                any(values.iter().map(|value| compare(column, Comparison::Equal, value)).collect())
            }
            Filter::Between { column, lowest, highest } => all(vec![
                compare(column, Comparison::GreaterOrEqual, lowest),
                compare(column, Comparison::LessOrEqual, highest),
            ]),
            Filter::IsNull { column } => Some(self.is_null(column)),
            Filter::All(filters) => all(filters.iter().map(|filter| self.truth(filter)).collect()),
            Filter::Any(filters) => any(filters.iter().map(|filter| self.truth(filter)).collect()),
            Filter::Not(filter) => self.truth(filter).map(|truth| !truth),
            other => panic!("{other:?}"),
        }
    }

    fn line(&self) -> String {
        let text = self.text.as_ref().map_or(String::new(), |text| format!("\"{text}\""));
        let number = self.number.map_or(String::new(), |number| match number {
            number if number.is_infinite() => {
                if number > 0.0 {
                    "Infinity".to_owned()
                } else {
                    "-Infinity".to_owned()
                }
            }
            number => format!("{number:?}"),
        });
        let whole = self.whole.map_or(String::new(), |whole| whole.to_string());
        let day = self.day.map_or(String::new(), |day| date(day.into()).to_string());
        let time = self
            .time
            .map_or(String::new(), |time| instant(time).format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string());
        let flag = self.flag.map_or(String::new(), |flag| flag.to_string());
        format!("{text},{number},{whole},{day},{time},{flag}\n")
    }
}

fn batch(rows: &[Row]) -> RecordBatch {
    let times: TimestampMicrosecondArray = rows.iter().map(|row| row.time).collect();
    let columns: [ArrayRef; 6] = [
        Arc::new(rows.iter().map(|row| row.text.as_deref()).collect::<StringArray>()),
        Arc::new(rows.iter().map(|row| row.number).collect::<Float64Array>()),
        Arc::new(rows.iter().map(|row| row.whole).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|row| row.day).collect::<Date32Array>()),
        Arc::new(times.with_timezone("UTC")),
        Arc::new(rows.iter().map(|row| row.flag).collect::<BooleanArray>()),
    ];
    let columns = COLUMNS.iter().zip(columns).map(|(name, column)| (*name, column, true));
    RecordBatch::try_from_iter_with_nullable(columns).expect("a batch")
}

fn parquet(batch: &RecordBatch, properties: WriterProperties) -> Vec<u8> {
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).expect("a writer");
    writer.write(batch).expect("written");
    writer.into_inner().expect("closed")
}

/// Small row groups and pages, and bounds of all kinds.
fn properties(
    group: usize,
    page: usize,
    cut: Option<usize>,
    statistics: EnabledStatistics,
) -> WriterProperties {
    WriterProperties::builder()
        .set_max_row_group_row_count(Some(group))
        .set_data_page_row_count_limit(page)
        .set_write_batch_size(1)
        .set_statistics_truncate_length(cut)
        .set_column_index_truncate_length(cut)
        .set_statistics_enabled(statistics)
        .build()
}

/// A run whose parts hold these bytes.
fn run_of(parts: &[Vec<u8>], extension: &str) -> (TempDir, Location) {
    let folder = TempDir::new().expect("a folder");
    for (number, part) in parts.iter().enumerate() {
        let name = format!("sales_{RUN}_part{number}.{extension}");
        std::fs::write(folder.path().join(name), part).expect("written");
    }
    let location = Location::parse(&folder.path().display().to_string()).expect("a path");
    (folder, location)
}

/// Every cell of some rows, as text.
async fn cells(rows: forecast_export::Rows) -> Result<Vec<Vec<String>>, Error> {
    let batches: Vec<RecordBatch> = rows.try_collect().await?;
    let cell = |array: &ArrayRef, row| match array.is_null(row) {
        true => "null".to_owned(),
        false => format!("{:?}", array_value_to_string(array, row).expect("it can be shown")),
    };
    // A point in time with a zone cannot be shown as it is.
    let shown = |array: &ArrayRef| match array.data_type() {
        DataType::Timestamp(..) => cast(array, &DataType::Int64).expect("a number"),
        _ => Arc::clone(array),
    };
    let of = |batch: &RecordBatch| {
        let columns: Vec<ArrayRef> = batch.columns().iter().map(shown).collect();
        let row = |row| columns.iter().map(|array| cell(array, row)).collect();
        (0..batch.num_rows()).map(row).collect::<Vec<Vec<String>>>()
    };
    Ok(batches.iter().flat_map(of).collect())
}

async fn queried(source: &Location, options: &Options, wanted: &Query) -> Result<Vec<Vec<String>>, Error> {
    cells(query(source, options, wanted).await?).await
}

fn typed() -> Options {
    let mut options = Options::default();
    for (column, name) in [
        ("number", "double"),
        ("whole", "int64"),
        ("day", "date"),
        ("time", "timestamp"),
        ("flag", "boolean"),
    ] {
        options.types.push((column.into(), name.parse().expect("a type")));
    }
    options
}

/// What is read with a filter and without one fits together.
fn check(rows: &[Row], parts: &[Vec<u8>], extension: &str, filter: &Filter, columns: Option<Vec<&str>>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (_folder, source) = run_of(parts, extension);
    runtime.block_on(async {
        let options = if extension == "csv" { typed() } else { Options::default() };
        let all = cells(read(&source, &options).await.expect("all")).await.expect("all rows");
        assert_eq!(all.len(), rows.len());
        let places: Vec<usize> = match &columns {
            Some(columns) => columns
                .iter()
                .map(|name| COLUMNS.iter().position(|known| known == name).expect("a column"))
                .collect(),
            None => (0..COLUMNS.len()).collect(),
        };
        let expected: Vec<Vec<String>> = rows
            .iter()
            .zip(&all)
            .filter(|(row, _)| row.truth(filter) == Some(true))
            .map(|(_, cells)| places.iter().map(|place| cells[*place].clone()).collect())
            .collect();
        let mut wanted = Query::default();
        wanted.columns = columns.map(|names| names.into_iter().map(str::to_owned).collect());
        wanted.filter = Some(filter.clone());
        assert_eq!(queried(&source, &options, &wanted).await.expect("some"), expected);
        // Strings as views are the same strings, whether all rows are wanted or some.
        for (wanted, expected) in [(&wanted, &expected), (&Query::default(), &all)] {
            let views = query(&source, &options, wanted).await.expect("some").with_string_views();
            let is_string = |field: &&Arc<Field>| *field.data_type() == DataType::Utf8;
            assert_eq!(views.schema().fields().iter().find(is_string), None);
            assert_eq!(&cells(views).await.expect("some"), expected);
        }
    });
}

proptest! {
    #![proptest_config(cases(96))]

    #[test]
    fn a_filter_loses_no_row_of_parquet_and_adds_none(
        rows in prop::collection::vec(row(), 1..40),
        filters in prop::collection::vec(filter(), 4),
        columns in prop::option::of(prop::sample::subsequence(COLUMNS.to_vec(), 0..=6).prop_shuffle()),
        (group, page, cut) in (1_usize..12, 1_usize..5, prop::option::of(1_usize..3)),
        statistics in prop::sample::select(vec![
            EnabledStatistics::None, EnabledStatistics::Chunk, EnabledStatistics::Page,
        ]),
        is_sorted in any::<bool>(),
    ) {
        let mut rows = rows;
        if is_sorted {
            rows.sort_by(|a, b| (&a.text, a.whole).cmp(&(&b.text, b.whole)));
        }
        let parts: Vec<Vec<u8>> = rows
            .chunks(rows.len().div_ceil(2))
            .map(|rows| parquet(&batch(rows), properties(group, page, cut, statistics)))
            .collect();
        for filter in &filters {
            check(&rows, &parts, "parquet", filter, columns.clone());
        }
    }

    #[test]
    fn a_filter_loses_no_row_of_csv_and_adds_none(
        rows in prop::collection::vec(row(), 1..20),
        filters in prop::collection::vec(filter(), 3),
        columns in prop::option::of(prop::sample::subsequence(COLUMNS.to_vec(), 0..=6).prop_shuffle()),
    ) {
        let header = format!("{}\n", COLUMNS.join(","));
        let text = |rows: &[Row]| rows.iter().fold(header.clone(), |text, row| text + &row.line()).into_bytes();
        let parts: Vec<Vec<u8>> = rows.chunks(rows.len().div_ceil(2)).map(text).collect();
        for filter in &filters {
            check(&rows, &parts, "csv", filter, columns.clone());
        }
    }
}

fn wanted(columns: Option<&[&str]>, filter: Option<Filter>) -> Query {
    let mut wanted = Query::default();
    wanted.columns = columns.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
    wanted.filter = filter;
    wanted
}

fn table(part: i64) -> Vec<u8> {
    format!("item_id,p10,p50\nitem_{part},{part}.5,{part}.0\nitem_x,,7.0\n").into_bytes()
}

#[tokio::test]
async fn columns_are_given_in_the_order_in_which_they_are_named() {
    let (_folder, source) = run_of(&[table(0), table(1)], "csv");
    let options = Options::default();
    let rows = query(&source, &options, &wanted(Some(&["p50", "item_id"]), None)).await.expect("rows");
    let names: Vec<String> = rows.schema().fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(names, ["p50", "item_id"]);
    let expected = [["0.0", "item_0"], ["7.0", "item_x"], ["1.0", "item_1"], ["7.0", "item_x"]];
    let expected: Vec<Vec<String>> =
        expected.iter().map(|row| row.iter().map(|cell| format!("{cell:?}")).collect()).collect();
    assert_eq!(cells(rows).await.expect("cells"), expected);
    let none =
        query(&source, &options, &wanted(Some(&[]), Some(column("p10").is_null()))).await.expect("rows");
    let batches: Vec<RecordBatch> = none.try_collect().await.expect("rows without columns");
    assert_eq!(
        batches.iter().map(|batch| (batch.num_columns(), batch.num_rows())).collect::<Vec<_>>(),
        [(0, 2)]
    );
}

#[tokio::test]
async fn a_column_that_there_is_not_is_an_error_that_names_those_there_are() {
    let (_folder, source) = run_of(&[table(0)], "csv");
    let refused = |wanted: Query| {
        let source = source.clone();
        async move {
            match query(&source, &Options::default(), &wanted).await {
                Err(Error::Usage(error)) => error,
                other => panic!("{other:?}"),
            }
        }
    };
    for wanted in [
        wanted(Some(&["p90"]), None),
        wanted(None, Some(column("p90").is_null())),
        wanted(Some(&["p50"]), Some(column("p50").gt(1.0).and(!column("p90").eq(1)))),
    ] {
        let error = refused(wanted).await;
        assert!(
            matches!(&error, UsageError::UnknownColumn { column, known }
                if column == "p90" && *known == ["item_id", "p10", "p50"]),
            "{error:?}"
        );
    }
    assert!(matches!(
        refused(wanted(Some(&["p50", "p10", "p50"]), None)).await,
        UsageError::ColumnQueriedTwice { column } if column == "p50"
    ));
    assert!(matches!(
        refused(wanted(None, Some(column("p50").eq("x")))).await,
        UsageError::NotComparable { column, column_type, value: "text" }
            if (column.as_str(), column_type.as_str()) == ("p50", "double")
    ));
}

#[tokio::test]
async fn parts_are_chosen_by_their_numbers() {
    let (_folder, source) = run_of(&(0..12).map(table).collect::<Vec<_>>(), "csv");
    let options = Options::default();
    let of = |parts| {
        let (source, options) = (source.clone(), options.clone());
        async move {
            let mut wanted = wanted(Some(&["item_id"]), Some(column("item_id").ne("item_x")));
            wanted.parts = Some(parts);
            queried(&source, &options, &wanted).await
        }
    };
    let ids =
        |numbers: &[u64]| numbers.iter().map(|number| vec![format!("\"item_{number}\"")]).collect::<Vec<_>>();
    assert_eq!(of(9..=10).await.expect("two"), ids(&[9, 10]));
    assert_eq!(of(10..=99).await.expect("two"), ids(&[10, 11]));
    assert!(matches!(
        of(12..=20).await,
        Err(Error::NotFound(NotFound::Parts { from: 12, to: 20, found: 12, .. }))
    ));
    // All columns and rows of one.
    let mut one = Query::default();
    one.parts = Some(3..=3);
    assert_eq!(queried(&source, &options, &one).await.expect("one").len(), 2);
    // A share of a run that is not whole is no share of it.
    std::fs::remove_file(_folder.path().join(format!("sales_{RUN}_part5.csv"))).expect("removed");
    assert!(matches!(of(0..=1).await, Err(Error::Incomplete(_))));
}

#[tokio::test]
async fn columns_that_say_where_a_row_came_from_can_be_asked_for() {
    let mut options = Options::default();
    options.source_columns = true;
    options.select.run = RunChoice::All;
    for (extension, parts) in [
        ("csv", vec![table(0), table(1)]),
        ("parquet", {
            let row = |part: i64| Row { whole: Some(part), ..Row::default() };
            (0..2).map(|part| parquet(&batch(&[row(part), row(7)]), WriterProperties::default())).collect()
        }),
    ] {
        let (_folder, source) = run_of(&parts, extension);
        let second = column("_part").eq("1").and(column("_run").eq(RUN));
        let last = if extension == "csv" { "item_id" } else { "whole" };
        let found = queried(&source, &options, &wanted(Some(&["_part", "_job", last]), Some(second))).await;
        let value = if extension == "csv" { ["\"item_1\"", "\"item_x\""] } else { ["\"1\"", "\"7\""] };
        let expected: Vec<Vec<String>> =
            value.iter().map(|value| vec!["\"1\"".into(), "\"sales\"".into(), (*value).to_owned()]).collect();
        assert_eq!(found.expect("rows"), expected, "{extension}");
        let nobody = wanted(None, Some(column("_job").eq("other")));
        assert_eq!(queried(&source, &options, &nobody).await.expect("none"), Vec::<Vec<String>>::new());
    }
}

#[tokio::test]
async fn a_cell_that_cannot_be_read_matters_only_where_it_is_wanted() {
    let text = "item_id,p10,p50\na,x,1.0\nb,2.0,3.0\n".to_owned().into_bytes();
    let (_folder, source) = run_of(&[text], "csv");
    let options = Options::default();
    let found = queried(&source, &options, &wanted(Some(&["p50"]), None)).await;
    assert_eq!(found.expect("rows"), [["\"1.0\""], ["\"3.0\""]]);
    for wanted in [wanted(Some(&["p10"]), None), wanted(Some(&["p50"]), Some(column("p10").is_null()))] {
        let error = match queried(&source, &options, &wanted).await {
            Err(Error::Data(error)) => error,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            (error.kind, error.line, error.column.as_deref()),
            (DataErrorKind::BadCell, Some(2), Some("p10"))
        );
    }
    // A row that is cut short is none, whatever is wanted of it.
    let (_folder, source) = run_of(&[b"item_id,p10,p50\na,1.0\n".to_vec()], "csv");
    let short = queried(&source, &options, &wanted(Some(&["item_id"]), None)).await;
    assert!(matches!(short, Err(Error::Data(error)) if error.kind == DataErrorKind::WrongWidth));
}

#[tokio::test]
async fn a_part_without_a_column_has_nulls_there() {
    let part = |names: &[&str]| {
        let batch = batch(&[Row { whole: Some(1), flag: Some(true), ..Row::default() }]);
        let places: Vec<usize> = names
            .iter()
            .map(|name| COLUMNS.iter().position(|known| known == name).expect("a column"))
            .collect();
        parquet(&batch.project(&places).expect("fewer"), WriterProperties::default())
    };
    let (_folder, source) =
        run_of(&[part(&["whole", "flag"]), part(&["flag"]), part(&["flag", "whole"])], "parquet");
    let mut options = Options::default();
    options.schema = SchemaMode::ByName;
    options.source_columns = true;
    let of = |filter: Filter| {
        let (source, options) = (source.clone(), options.clone());
        async move { queried(&source, &options, &wanted(Some(&["_part"]), Some(filter))).await.expect("rows") }
    };
    assert_eq!(of(column("whole").is_null()).await, [["\"1\""]]);
    assert_eq!(of(!column("whole").eq(2)).await, [["\"0\""], ["\"2\""]]);
    assert_eq!(of(column("flag").eq(true)).await.len(), 3);
}

#[tokio::test]
async fn points_in_time_of_96_bits_are_compared_as_what_they_mean() {
    let message = Arc::new(
        parse_message_type("message m { required int96 time; required int64 n; }").expect("a schema"),
    );
    let mut file = SerializedFileWriter::new(Vec::new(), message, Arc::new(WriterProperties::default()))
        .expect("a writer");
    // Julian days: their bytes have another order than the times that they mean. The year 3000 is beyond nanoseconds.
    let day = |day: u32| Int96::from(vec![0, 0, day]);
    let groups = [[day(2_440_588), day(2_440_589)], [day(2_816_788), day(2_440_587)]];
    for (number, times) in groups.iter().enumerate() {
        let mut group = file.next_row_group().expect("a row group");
        let mut column = group.next_column().expect("a column").expect("times");
        column.typed::<Int96Type>().write_batch(times, None, None).expect("written");
        column.close().expect("closed");
        let mut column = group.next_column().expect("a column").expect("numbers");
        let numbers = [number as i64 * 2, number as i64 * 2 + 1];
        column.typed::<Int64Type>().write_batch(&numbers, None, None).expect("written");
        column.close().expect("closed");
        group.close().expect("closed");
    }
    file.finish().expect("finished");
    let (_folder, source) = run_of(&[std::mem::take(file.inner_mut())], "parquet");
    let of = |filter: Filter| {
        let source = source.clone();
        async move {
            queried(&source, &Options::default(), &wanted(Some(&["n"]), Some(filter))).await.expect("rows")
        }
    };
    assert_eq!(of(column("time").ge(date(1))).await, [["\"1\""], ["\"2\""]]);
    assert_eq!(of(column("time").lt(date(0))).await, [["\"3\""]]);
    assert_eq!(of(column("time").eq(instant(0))).await, [["\"0\""]]);
    assert_eq!(of(column("n").is_in([0, 3])).await, [["\"0\""], ["\"3\""]]);
}

/// A store that notes which bytes are asked for.
#[derive(Debug, Default)]
struct Noting {
    inner: InMemory,
    asked: Mutex<Vec<(String, Range<u64>)>>,
}

impl fmt::Display for Noting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a store that notes what is read")
    }
}

#[async_trait]
impl ObjectStore for Noting {
    async fn put_opts(
        &self,
        path: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> object_store::Result<PutResult> {
        self.inner.put_opts(path, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> object_store::Result<GetResult> {
        if let (Some(GetRange::Bounded(range)), false) = (&options.range, options.head) {
            self.asked.lock().expect("no panic").push((path.to_string(), range.clone()));
        }
        self.inner.get_opts(path, options).await
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, object_store::Result<Path>>,
    ) -> BoxStream<'static, object_store::Result<Path>> {
        self.inner.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> object_store::Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> object_store::Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

impl Noting {
    /// The ranges that were asked for, but for those at the end of a file of this size, where its footer is.
    fn asked(&self, size: u64) -> Vec<(String, Range<u64>)> {
        let asked = self.asked.lock().expect("no panic").clone();
        asked.into_iter().filter(|(_, range)| range.end < size).collect()
    }
}

/// Parts of two row groups, of which each has the numbers of one half.
async fn noting(parts: usize) -> (Arc<Noting>, Location, Vec<u8>) {
    let rows: Vec<Row> = (0..40_000)
        .map(|n| Row {
            text: Some(format!("item {}", n * 7_919 % 40_000)),
            number: Some(n as f64 / 3.0),
            whole: Some(n / 20_000),
            day: Some(n as i32 * 31 % 20_000),
            ..Row::default()
        })
        .collect();
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(20_000)).build();
    let file = parquet(&batch(&rows), properties);
    let store = Arc::new(Noting::default());
    for part in 0..parts {
        let path = Path::from(format!("e/sales_{RUN}_part{part}.parquet"));
        store.inner.put(&path, file.clone().into()).await.expect("put");
    }
    (Arc::clone(&store), Location::in_store(store, "memory://noting/", "e/"), file)
}

#[tokio::test]
async fn of_parquet_only_the_chunks_that_are_needed_are_fetched() {
    let (store, source, file) = noting(2).await;
    let size = file.len() as u64;
    let metadata = SerializedFileReader::new(bytes::Bytes::from(file)).expect("a footer");
    let chunk = |group: usize, column: usize| {
        let (start, length) = metadata.metadata().row_group(group).column(column).byte_range();
        start..start + length
    };
    let options = Options::default();
    let wanted = wanted(Some(&["day", "text"]), Some(column("whole").eq(1)));
    let rows = query(&source, &options, &wanted).await.expect("rows");
    assert_eq!(cells(rows).await.expect("cells").len(), 40_000);
    let mut asked = store.asked(size);
    asked.sort_by_key(|(path, range)| (path.clone(), range.start));
    // `whole` and `day` lie beside each other.
    let expected: Vec<(String, Range<u64>)> = (0..2)
        .flat_map(|part| {
            let path = format!("e/sales_{RUN}_part{part}.parquet");
            [(path.clone(), chunk(1, 0)), (path, chunk(1, 2).start..chunk(1, 3).end)]
        })
        .collect();
    assert_eq!(asked, expected);
}

#[tokio::test]
async fn parts_of_other_runs_and_numbers_are_not_fetched() {
    let (store, source, file) = noting(3).await;
    let mut options = Options::default();
    options.source_columns = true;
    let wanted = wanted(Some(&["_part"]), Some(column("_part").eq("1")));
    let rows = query(&source, &options, &wanted).await.expect("rows");
    let found = cells(rows).await.expect("cells");
    assert_eq!((found.len(), found[0].as_slice()), (40_000, &["\"1\"".to_owned()][..]));
    assert_eq!(store.asked(file.len() as u64), [], "no column of the file was wanted");
}

#[tokio::test]
async fn of_a_large_row_group_only_the_pages_that_may_hold_wanted_rows_are_fetched() {
    let rows: Vec<Row> = (0..200_000)
        .map(|n: i64| Row {
            text: Some(format!("{:020}", n * 7_919 % 200_003)),
            whole: Some(n),
            ..Row::default()
        })
        .collect();
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(200_000)).build();
    let file = parquet(&batch(&rows), properties);
    let size = file.len() as u64;
    let store = Arc::new(Noting::default());
    let path = Path::from(format!("e/sales_{RUN}_part0.parquet"));
    store.inner.put(&path, file.into()).await.expect("put");
    let source = Location::in_store(Arc::clone(&store) as _, "memory://paged/", "e/");
    let some = wanted(Some(&["text"]), Some(column("whole").between(150_000, 150_002)));
    let found = queried(&source, &Options::default(), &some).await.expect("rows");
    let expected: Vec<Vec<String>> = (150_000..=150_002)
        .map(|n| vec![format!("{:?}", rows[n].text.as_deref().expect("a text"))])
        .collect();
    assert_eq!(found, expected);
    let fetched: u64 = store.asked(size).iter().map(|(_, range)| range.end - range.start).sum();
    // With the dictionaries, which lie before the pages.
    assert!(fetched > 0 && fetched < size / 2, "{fetched} of {size}");
}
