//! CSV parts that disagree, hold a bad cell, or are cut short.

use crate::support::fixtures::testdata;
use crate::support::scratch::{RUN, Scratch, texts};
use forecast_export::{Error, Location, Options, read};
use futures::StreamExt;

const CUT: &str = "the part may be cut short; fetch or export it again";

/// Ways that decode, and ways that copy.
const TYPED: [&str; 3] =
    ["merge in -o out/x.parquet", "convert in -o out/", "convert in -o out/ --split-rows 1"];
const COPIED: [&str; 4] = [
    "merge in -o out/x.csv",
    "merge in -o out/x.csv.gz",
    "convert in -o out/ --to csv",
    "convert in -o out/ --to csv --split-bytes 100",
];

/// The one message that all of the given commands end with, exit code 5.
fn refused(scratch: &Scratch, commands: &[&str]) -> String {
    let messages: Vec<String> = commands.iter().map(|command| scratch.fails(command, 5)).collect();
    assert!(messages.iter().all(|message| *message == messages[0]), "{messages:#?}");
    messages[0].clone()
}

fn refused_by_all(scratch: &Scratch) -> String {
    refused(scratch, &[&TYPED[..], &COPIED].concat())
}

/// One part with a bad cell in its third line, in a column with a type.
fn bad_cell(column: &str, good: &str, bad: &str, flags: &str) -> String {
    let scratch = Scratch::csv(&[format!("item_id,{column}\na,{good}\nb,{bad}\n")]);
    let message =
        refused(&scratch, &TYPED.map(|command| format!("{command} {flags}")).each_ref().map(String::as_str));
    let start = format!("in/sales_{RUN}_part0.csv, line 3, column {column}: ");
    message.strip_prefix(&start).unwrap_or_else(|| panic!("{message}")).to_owned()
}

fn remedy(column: &str) -> String {
    format!("; use --type {column}=string to keep the text, or --null TEXT to read it as null")
}

#[test]
fn a_header_that_differs_names_part_and_column() {
    let scratch = Scratch::copy_of(&testdata("bad_header"));
    assert_eq!(
        refused_by_all(&scratch),
        format!(
            "in/sales_{RUN}_part1.csv, line 1, column p90: the header differs from that of \
             sales_{RUN}_part0.csv: column 3 is \"p50\" there and \"p90\" here; use --schema by-name to \
             align columns by name"
        )
    );
    assert_eq!(scratch.fails("schema in", 5), refused_by_all(&scratch));
}

#[test]
fn another_order_and_another_number_of_columns_are_a_difference() {
    let first = "item_id,date,p50\na,2026-01-03T00:00:00Z,1.0\n";
    for (header, found) in [
        (
            "date,item_id,p50",
            "column date: the header differs from that of sales_RUN_part0.csv: column 1 is \"item_id\" \
             there and \"date\" here",
        ),
        (
            "item_id,date",
            "column p50: the header differs from that of sales_RUN_part0.csv: column 3 is \"p50\" there and \
             missing here",
        ),
        (
            "item_id,date,p50,p90",
            "column p90: the header differs from that of sales_RUN_part0.csv: column 4 is missing there and \
             \"p90\" here",
        ),
        (
            "Item_id,date,p50",
            "column Item_id: the header differs from that of sales_RUN_part0.csv: column 1 is \"item_id\" \
             there and \"Item_id\" here",
        ),
    ] {
        let scratch = Scratch::csv(&[first, &format!("{header}\n")]);
        let expected = format!(
            "in/sales_{RUN}_part1.csv, line 1, {}; use --schema by-name to align columns by name",
            found.replace("RUN", RUN)
        );
        assert_eq!(refused_by_all(&scratch), expected);
    }
}

#[test]
fn a_column_name_that_occurs_twice_is_refused_in_every_mode() {
    let scratch = Scratch::csv(&["item_id,p50,p50\na,1.0,2.0\n"]);
    let expected = format!(
        "in/sales_{RUN}_part0.csv, line 1, column p50: two columns have the same name; export with distinct \
         column names"
    );
    assert_eq!(refused_by_all(&scratch), expected);
    assert_eq!(scratch.fails("merge in -o out/x.csv --schema by-name", 5), expected);
}

#[test]
fn other_line_ends_than_the_first_parts_are_a_difference_in_csv_only() {
    let scratch = Scratch::copy_of(&testdata("bad_line_ends"));
    assert_eq!(
        refused(&scratch, &COPIED),
        format!(
            "in/sales_{RUN}_part1.csv, line 1: lines end with CRLF here and with LF in \
             sales_{RUN}_part0.csv; use --schema by-name to end every line with LF"
        )
    );
    for command in ["convert in -o out/", "merge in -o out/x.parquet", "schema in"] {
        scratch.succeeds(command);
    }
    let batch = scratch.merged_parquet("--verify");
    assert_eq!(texts(&batch, "item_id"), [Some("a"), Some("b")]);
}

#[test]
fn rows_with_too_many_or_too_few_fields_are_refused() {
    for (row, fields) in [
        ("b,2026-01-03T00:00:00Z", "2 fields"),
        ("b", "1 field"),
        ("b,,1.0,2.0", "4 fields"),
        ("b,,,", "4 fields"),
    ] {
        let scratch =
            Scratch::csv(&["item_id,date,p50\n", &format!("item_id,date,p50\na,,1.0\n{row}\nc,,3.0\n")]);
        let expected =
            format!("in/sales_{RUN}_part1.csv, line 3: the row has {fields}, the header has 3; {CUT}");
        assert_eq!(refused_by_all(&scratch), expected, "{row}");
    }
}

#[test]
fn a_part_cut_in_mid_row_is_found_however_it_is_read() {
    let scratch = Scratch::copy_of(&testdata("bad_cut"));
    let expected = format!("in/sales_{RUN}_part1.csv, line 3: the row has 2 fields, the header has 3; {CUT}");
    assert_eq!(refused_by_all(&scratch), expected);
    assert_eq!(scratch.fails("merge in -o out/x.csv --source-columns", 5), expected);
}

#[test]
fn a_quote_that_spark_may_have_escaped_is_refused_by_its_line() {
    let name = |part: u32| format!("part-{part:05}-0d2c6f5e-8a1b-4c3d-9e8f-0a1b2c3d4e5f-c000.csv");
    for (cell, value) in [
        (r#""{\"a\":1,\"b\":2}""#, r#""{\"a\":1"#),
        (r#""a path\""#, r#""a path\""#),
        (r#""a \" b"#, r#""a \" b"#),
    ] {
        let scratch = Scratch::new();
        scratch.write(&format!("in/{}", name(0)), "id,j\n1,x\n");
        scratch.write(&format!("in/{}", name(1)), format!("id,j\n2,y\\z\n3,{cell}\n"));
        let expected =
            format!("in/{}, line 3, column j: a backslash precedes a quote within quotes", name(1));
        for command in TYPED.iter().chain(&COPIED) {
            let said = scratch.fails(&format!("{command} --preset spark"), 5);
            let shown = format!(": \"{value}\"; export with quotes doubled");
            assert!(said.starts_with(&expected) && said.contains(&shown), "{said}");
        }
        // In a header, too.
        scratch.write(&format!("in/{}", name(1)), format!("id,{cell}\n1,2\n"));
        let said = scratch.fails("schema in --preset spark", 5);
        assert!(said.starts_with(&format!("in/{}, line 1: a backslash precedes", name(1))), "{said}");
    }
    // Elsewhere it is a character like any other.
    let scratch = Scratch::csv(&["item_id,path\na,\"x\\y\\\"\n"]);
    assert_eq!(texts(&scratch.merged_parquet(""), "path"), [Some("x\\y\\")]);
}

#[test]
fn a_quote_that_is_never_closed_is_found_however_it_is_read() {
    let scratch = Scratch::copy_of(&testdata("bad_quote"));
    let expected = format!(
        "in/sales_{RUN}_part1.csv, line 3, column item_id: a quote is never closed: \
         \"c,2026-01-03T00:00:00Z,3.0\"; {CUT}"
    );
    assert_eq!(refused_by_all(&scratch), expected);
}

#[test]
fn a_quote_that_is_never_closed_in_a_header_is_found() {
    let scratch = Scratch::csv(&["item_id,\"date,p50\na,b,1.0\n"]);
    let expected = format!(
        "in/sales_{RUN}_part0.csv, line 1: a quote in the header is never closed; the part may be cut \
         short; fetch or export it again"
    );
    assert_eq!(refused_by_all(&scratch), expected);
}

#[test]
fn a_part_cut_within_its_last_quoted_cell_is_found_on_its_line() {
    // Lines are counted as an editor counts them: a quoted cell may span several.
    let scratch = Scratch::csv(&["item_id,note\na,\"one\ntwo\nthree\"\nb,\"cut he"]);
    let expected =
        format!("in/sales_{RUN}_part0.csv, line 5, column note: a quote is never closed: \"cut he\"; {CUT}");
    assert_eq!(refused_by_all(&scratch), expected);
}

#[test]
fn a_cell_that_is_no_number_names_line_column_value_and_remedy() {
    let scratch = Scratch::copy_of(&testdata("bad_cell"));
    let expected = format!(
        "in/sales_{RUN}_part1.csv, line 3, column p50: not a number that fits a double: \"n/a\"{}",
        remedy("p50")
    );
    assert_eq!(refused(&scratch, &TYPED), expected);
    // Both remedies are true, and copying does not read the cell at all.
    assert_eq!(scratch.merged_parquet("--type p50=string").num_rows(), 3);
    assert_eq!(scratch.merged_parquet("--null n/a").num_rows(), 3);
    assert_eq!(scratch.merged_csv("").lines().count(), 4);
}

#[test]
fn the_library_gives_the_position_as_data() {
    let scratch = Scratch::copy_of(&testdata("bad_cell"));
    let error = scratch.merge("out/x.parquet", &Options::default()).expect_err("a bad cell");
    let Error::Data(error) = error else { panic!("{error}") };
    assert_eq!(
        (error.line, error.column.as_deref(), error.value.as_deref()),
        (Some(3), Some("p50"), Some("n/a"))
    );
    assert!(error.file.ends_with(&format!("in/sales_{RUN}_part1.csv")), "{}", error.file);
    assert_eq!(scratch.written(), Vec::<String>::new());
}

#[tokio::test]
async fn a_stream_of_rows_ends_with_its_error() {
    let scratch = Scratch::copy_of(&testdata("bad_cell"));
    let source = Location::parse(&scratch.path("in").display().to_string()).expect("a path");
    let mut rows = read(&source, &Options::default()).await.expect("heads are good");
    let mut ended = Vec::new();
    while let Some(batch) = rows.next().await {
        ended.push(batch.map(|batch| batch.num_rows()));
    }
    let last = ended.pop().expect("an error");
    assert!(matches!(last, Err(Error::Data(_))), "{last:?}");
    assert!(ended.iter().all(Result::is_ok), "{ended:?}");
    assert!(rows.next().await.is_none());
}

#[test]
fn numbers_beyond_a_double_and_words_for_numbers_are_bad_cells() {
    for bad in [
        "1e999",
        "-1e999",
        " 1.0",
        "1.0 ",
        "\t1.0",
        "1,5",
        "1_000",
        "0x10",
        "nan",
        "inf",
        "infinity",
        "1.0f",
        "--1",
        "1e",
        ".",
        "e5",
        "\u{661}",
        "not defined.",
        "Not Defined",
    ] {
        let cell = if bad.contains(',') { format!("\"{bad}\"") } else { bad.to_owned() };
        let shown = bad.replace('\t', "\\t");
        let expected = format!("not a number that fits a double: \"{shown}\"{}", remedy("p50"));
        assert_eq!(bad_cell("p50", "1.0", &cell, ""), expected);
    }
}

#[test]
fn times_that_are_none_are_bad_cells() {
    for bad in [
        "2026-13-03T00:00:00Z",
        "2026-02-30T00:00:00Z",
        "2025-02-29T00:00:00Z",
        "2026-01-03T24:00:00Z",
        "2026-01-03T00:60:00Z",
        "2026-01-03T00:00:60Z",
        " 2026-01-03T00:00:00Z",
        "2026-01-03T00:00:00Zx",
        "yesterday",
        "2026-1-3T00:00:00Z",
        "Aggregate",
        "not defined",
        "1767398400",
    ] {
        let expected = format!("not a timestamp yyyy-MM-ddTHH:mm:ssZ: \"{bad}\"{}", remedy("date"));
        assert_eq!(bad_cell("date", "2026-01-03T00:00:00Z", bad, ""), expected);
    }
}

#[test]
fn a_column_that_mixes_zone_and_no_zone_is_a_bad_cell_either_way() {
    let (with, without) = ("2026-01-03T00:00:00Z", "2026-01-03T00:00:00");
    assert_eq!(
        bad_cell("date", with, without, ""),
        format!("a timestamp without zone in a column that has zones: \"{without}\"{}", remedy("date"))
    );
    assert_eq!(
        bad_cell("date", without, with, ""),
        format!("a timestamp with zone in a column that has none: \"{with}\"{}", remedy("date"))
    );
    // In another part too, and for the columns of a backtest.
    let scratch = Scratch::csv(&[
        format!("item_id,backtestwindow_start_time\na,{without}\n"),
        format!("item_id,backtestwindow_start_time\nb,{with}\n"),
    ]);
    let message = refused(&scratch, &TYPED);
    let expected =
        format!("in/sales_{RUN}_part1.csv, line 2, column backtestwindow_start_time: a timestamp with zone");
    assert!(message.starts_with(&expected), "{message}");
}

#[test]
fn cells_that_do_not_fit_a_type_that_was_asked_for_are_bad() {
    for (flag, good, bad, problem) in [
        ("int64", "1", "9223372036854775808", "not a 64-bit whole number"),
        ("int64", "1", "1.0", "not a 64-bit whole number"),
        ("int64", "1", " 1", "not a 64-bit whole number"),
        ("boolean", "true", "True", "neither true nor false"),
        ("boolean", "false", "0", "neither true nor false"),
        ("date", "2026-01-03", "2026-02-29", "not a date yyyy-MM-dd"),
        ("date", "2026-01-03", "2026-01-03T00:00:00Z", "not a date yyyy-MM-dd"),
        ("double", "1", "one", "not a number that fits a double"),
        ("timestamp", "2026-01-03T00:00:00Z", "2026-01", "not a timestamp yyyy-MM-ddTHH:mm:ssZ"),
    ] {
        let expected = format!("{problem}: \"{bad}\"{}", remedy("store"));
        assert_eq!(bad_cell("store", good, bad, &format!("--type store={flag}")), expected);
    }
}

#[test]
fn invalid_utf8_is_refused_where_text_must_be_text() {
    let scratch = Scratch::copy_of(&testdata("bad_utf8"));
    let expected =
        format!("in/sales_{RUN}_part0.csv, line 3, column item_id: invalid UTF-8: \"caf\u{fffd}\"");
    let message = refused(&scratch, &TYPED);
    assert!(message.starts_with(&expected), "{message}");
    scratch.succeeds("convert in -o out/ --to csv");
    let name = format!("sales_{RUN}_part0.csv");
    assert_eq!(scratch.read(&format!("out/{name}")), scratch.read(&format!("in/{name}")));
}

#[test]
fn a_header_that_is_no_text_is_refused() {
    let scratch = Scratch::csv(&[&b"item_id,caf\xe9\na,1\n"[..]]);
    let expected = format!(
        "in/sales_{RUN}_part0.csv, line 1: the header is not text: invalid UTF-8: \"caf\u{fffd}\"; name the \
         export's own part files"
    );
    assert_eq!(refused_by_all(&scratch), expected);
}

#[test]
fn control_characters_in_a_cell_do_not_reach_the_terminal() {
    let message = bad_cell("p50", "1.0", "\u{1b}[31mred\u{202e}", "");
    assert!(message.contains("\"\\u{1b}[31mred\\u{202e}\""), "{message}");
}

#[test]
fn a_long_cell_is_cut_in_the_message() {
    let message = bad_cell("p50", "1.0", &"x".repeat(10_000), "");
    assert!(message.contains(&format!(": \"{}…\"", "x".repeat(80))), "{message}");
}

#[test]
fn lines_are_right_far_into_a_part_and_behind_quoted_newlines() {
    let row = "\"a\nb\",2026-01-03T00:00:00Z,1.0\n";
    let text = format!("item_id,date,p50\n{}x,2026-01-03T00:00:00Z,bad\n", row.repeat(30_000));
    let scratch = Scratch::csv(&[&text]);
    let message = refused(&scratch, &["merge in -o out/x.parquet --memory 16MB", TYPED[0]]);
    assert!(message.starts_with(&format!("in/sales_{RUN}_part0.csv, line 60002, column p50: ")), "{message}");
    // One field too few, far into the part, found by copying as well.
    let scratch = Scratch::csv(&[text.replace(",bad", "")]);
    let message = refused_by_all(&scratch);
    assert!(
        message.starts_with(&format!("in/sales_{RUN}_part0.csv, line 60002: the row has 2 fields")),
        "{message}"
    );
}

#[test]
fn lines_are_right_where_carriage_returns_end_them() {
    let scratch = Scratch::csv(&["item_id,p50\ra,1.0\rb,2.0\rc,bad\rd,4.0\r"]);
    let message = refused(&scratch, &TYPED);
    assert!(message.starts_with(&format!("in/sales_{RUN}_part0.csv, line 4, column p50: ")), "{message}");
}

#[test]
fn an_error_late_in_a_conversion_leaves_none_of_the_earlier_files() {
    let good = "item_id,date,p50\na,2026-01-03T00:00:00Z,1.0\n";
    let mut parts = vec![good; 20];
    parts.push("item_id,date,p50\na,2026-01-03T00:00:00Z,bad\n");
    let scratch = Scratch::csv(&parts);
    let message = refused(&scratch, &TYPED);
    assert!(message.starts_with(&format!("in/sales_{RUN}_part20.csv, line 2, column p50: ")), "{message}");
}

#[test]
fn an_output_that_was_to_be_replaced_stays_when_input_is_bad() {
    let scratch = Scratch::copy_of(&testdata("bad_cell"));
    scratch.write("out/x.parquet", "what was there");
    scratch.fails("merge in -o out/x.parquet --overwrite", 5);
    assert_eq!(scratch.text("out/x.parquet"), "what was there");
}

#[test]
fn compressed_parts_that_are_cut_or_damaged_are_refused() {
    use std::io::Write;
    let text = format!("item_id,date,p50\n{}", "a,2026-01-03T00:00:00Z,1.0\n".repeat(50_000));
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(text.as_bytes()).expect("compressed");
    let gzip = gzip.finish().expect("compressed");
    // With a checksum, as the command line tool of Zstandard writes; without one not every flipped bit can be seen.
    let mut zstd = zstd::Encoder::new(Vec::new(), 3).expect("an encoder");
    zstd.include_checksum(true).expect("a checksum");
    zstd.write_all(text.as_bytes()).expect("compressed");
    let zstd = zstd.finish().expect("compressed");
    for whole in [gzip, zstd] {
        let scratch = Scratch::csv(&[&whole[..whole.len() - 7]]);
        for command in ["merge in -o out/x.csv", "merge in -o out/x.parquet", "convert in -o out/"] {
            let message = scratch.fails(command, 5);
            let start = format!("in/sales_{RUN}_part0.csv: the compressed part is cut short or damaged: ");
            assert!(message.starts_with(&start), "{message}");
            assert!(message.ends_with("; fetch or export the part again"), "{message}");
        }
        let mut flipped = whole.clone();
        flipped[whole.len() / 2] ^= 0x10;
        // Rows of nonsense may be seen before the end that proves the damage.
        let message = Scratch::csv(&[&flipped]).fails("merge in -o out/x.csv", 5);
        assert!(message.starts_with(&format!("in/sales_{RUN}_part0.csv")), "{message}");
    }
}

#[test]
fn a_null_alone_in_its_row_has_no_csv() {
    use arrow::array::{ArrayRef, RecordBatch, StringArray};
    let column: ArrayRef = std::sync::Arc::new(StringArray::from(vec![Some("a"), None]));
    let scratch =
        Scratch::parquet(&[RecordBatch::try_from_iter_with_nullable([("x", column, true)]).expect("rows")]);
    assert_eq!(
        scratch.fails("merge in -o out/x.csv", 5),
        format!(
            "in/sales_{RUN}_part0.parquet, column x: CSV cannot hold a null in a file of one column, \
             because an empty line is not a row; write Parquet"
        )
    );
}
