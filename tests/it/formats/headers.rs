//! Whether the first line of CSV parts is a header: who says so, what is inferred, and that without one no row is lost.

use crate::support::fixtures::testdata;
use crate::support::scale::cases;
use crate::support::scratch::{RUN, Scratch, columns, doubles, some, texts};
use forecast_export::{HeaderMode, Options};
use proptest::prelude::*;

/// Every way from CSV to a file, or to files in a folder.
const WAYS: [&str; 9] = [
    "merge in -o out/x.csv",
    "merge in -o out/x.csv.gz",
    "merge in -o out/x.csv --schema by-name",
    "merge in -o out/x.parquet",
    "merge in -o out/x.parquet --all-strings",
    "convert in -o out/ --to csv",
    "convert in -o out/ --to csv --split-rows 1",
    "convert in -o out/ --to csv --split-bytes 4",
    "convert in -o out/ --to parquet --split-rows 2",
];

/// Parts as Snowflake names them, of which nobody knows whether they have a header.
fn snowflake<T: AsRef<[u8]>>(parts: &[T]) -> Scratch {
    let scratch = Scratch::new();
    for (number, part) in parts.iter().enumerate() {
        scratch.write(&format!("in/data_0_{number}_0.csv"), part);
    }
    scratch
}

/// The refusal that every way ends with.
fn refused(scratch: &Scratch, flags: &str, code: i32) -> String {
    let messages: Vec<String> =
        WAYS.iter().map(|way| scratch.fails(&format!("{way} --preset snowflake {flags}"), code)).collect();
    assert!(messages.iter().all(|message| *message == messages[0]), "{messages:#?}");
    assert_eq!(scratch.fails(&format!("schema in --preset snowflake {flags}"), code), messages[0]);
    messages[0].clone()
}

const SAY: &str = "use --header yes if it is a header, --header no if it is a row, or --columns NAMES to \
                   also name the columns";

#[test]
fn a_line_that_all_parts_begin_with_is_a_header_where_it_holds_nothing_but_names() {
    let scratch = snowflake(&["id,region\na,north\n", "\"id\",region\r\nb,south\r\n", ""]);
    let (_, said) = scratch.succeeds_with("merge in -o out/x.parquet --preset snowflake");
    // Rows may be alike, too.
    assert!(
        said.starts_with(
            "warning: the first line of each part is treated as a header, because other parts begin with \
             the same line; use --header yes to confirm this, or --header no if it is a row\n"
        ),
        "{said}"
    );
    let rows = scratch.rows("out/x.parquet");
    assert_eq!(columns(&rows), ["id: Utf8", "region: Utf8"]);
    assert_eq!(texts(&rows, "id"), some(&["a", "b"]));
}

#[test]
fn a_column_of_values_below_a_name_makes_a_header_and_is_worth_a_note() {
    for (parts, column) in [
        (vec!["region,amount\nnorth,1.5\nsouth,2\n"], "amount"),
        (vec!["region,day\nnorth,2026-01-03\n", "region,time\nsouth,2026-01-03 04:05:06\n"], "day"),
        (vec!["region,is_new\nnorth,True\nsouth,false\n"], "is_new"),
    ] {
        let scratch = snowflake(&parts);
        let (text, said) = scratch
            .succeeds_with("merge in -o - --to csv --preset snowflake --schema by-name --source-columns");
        assert_eq!(
            text.lines().count(),
            1 + parts.iter().map(|part| part.lines().count() - 1).sum::<usize>()
        );
        assert!(
            said.starts_with(&format!(
                "warning: the first line of each part is treated as a header, because {column} is the only \
                 text in its column; use --header yes to confirm this, or --header no if it is a row\n"
            )),
            "{said}"
        );
        scratch.succeeds("verify in --against in --preset snowflake --schema by-name");
    }
}

#[test]
fn a_row_is_never_taken_for_a_header_by_a_guess() {
    let no_name = |part: usize, text: &str| {
        format!(
            "the first line of in/data_0_{part}_0.csv does not look like a header: \"{text}\" is not a \
             name, or appears twice; {SAY}"
        )
    };
    let nothing = |part: usize| {
        format!(
            "it is not clear whether the first line of in/data_0_{part}_0.csv is a header: no other part \
             begins with it, and no column below it holds only numbers, dates or booleans; {SAY}"
        )
    };
    for (parts, expected) in [
        (vec!["1,x\n2,y\n", "1,x\n3,z\n"], no_name(0, "1")),
        (vec!["a,2026-01-03\nb,2026-01-04\n"], no_name(0, "2026-01-03")),
        (vec!["a,TRUE\nb,false\n"], no_name(0, "TRUE")),
        (vec!["a,\nb,1\n", "a,\nc,2\n"], no_name(0, "")),
        (vec!["a,b,a\n1,2,3\n"], no_name(0, "a")),
        (vec!["a, \nb,1\n"], no_name(0, " ")),
        (vec!["a,\"x\ny\"\nb,1\n"], no_name(0, "x\\ny")),
        (vec!["id,region\na,north\n", "id,region\nb,south\n", "c,7\n"], no_name(2, "7")),
        (vec!["a,north\nb,south\n"], nothing(0)),
        (vec!["a,north\n", "b,south\n"], nothing(0)),
        // The third part's line is no other part's.
        (vec!["id,region\na,north\n", "id,region\nb,south\n", "c,east\n"], nothing(2)),
        // One value that is missing, or that is none, and the column tells nothing.
        (vec!["a,x\nb,1\nc,\n"], nothing(0)),
        (vec!["a,x\nb,1\n", "c,y\nd,z\n"], nothing(0)),
        // Nobody knows what a lone line is.
        (vec!["id,region\n"], nothing(0)),
    ] {
        assert_eq!(refused(&snowflake(&parts), "", 2), expected, "{parts:?}");
    }
}

#[test]
fn a_long_part_tells_by_its_first_64_kib_wherever_it_lies() {
    let long = |last: &str| {
        let mut text = "region,amount\n".to_owned();
        (0..3_600).for_each(|row| text.push_str(&format!("region_{},{row}\n", row % 10)));
        // Between 32 and 64 KiB.
        assert!((33 << 10..63 << 10).contains(&text.len()), "{}", text.len());
        text.push_str(&format!("last,{last}\n"));
        (0..9_000).for_each(|row| text.push_str(&format!("region,{row}\n")));
        text
    };
    let scratch = snowflake(&[long("7")]);
    scratch.succeeds("merge in -o out/x.csv --preset snowflake");
    let scratch = snowflake(&[long("seven")]);
    assert!(refused(&scratch, "", 2).starts_with("it is not clear"));
}

#[test]
fn a_pattern_of_the_users_says_nothing_of_headers() {
    let scratch = Scratch::new();
    scratch.write("in/x.1.txt", "a,north\nb,south\n");
    let pattern = r"--pattern x\.(?P<part>\d+)\.txt";
    let said = scratch.fails(&format!("merge in -o out/x.csv {pattern}"), 2);
    assert!(said.starts_with("it is not clear whether the first line of in/x.1.txt is a header"), "{said}");
    assert_eq!(scratch.merged_csv(&format!("{pattern} --header yes")), "a,north\nb,south\n");
    assert_eq!(
        scratch.merged_csv(&format!("{pattern} --columns id,region")),
        "id,region\na,north\nb,south\n"
    );
}

#[test]
fn a_preset_whose_files_have_a_header_takes_no_value_for_one() {
    let scratch = Scratch::csv(&["item_id,p50\na,1.0\n", "b,2.0\n"]);
    let expected = format!(
        "in/sales_{RUN}_part1.csv, line 1: the first line is not a header, because a number, date or \
         boolean is not a name: \"2.0\"; use --header no or --columns NAMES to read the first line of each \
         part as a row, or --header yes to treat it as a header anyway"
    );
    for way in ["merge in -o out/x.csv --schema by-name", "merge in -o out/x.parquet", "convert in -o out/"] {
        assert_eq!(scratch.fails(way, 5), expected);
    }
    // Whoever says so has it so.
    let scratch = Scratch::csv(&["item_id,2026\na,1.0\n"]);
    assert_eq!(scratch.merged_csv("--header yes"), "item_id,2026\na,1.0\n");
    scratch.fails("merge in -o out/x.csv", 5);
}

#[test]
fn headers_that_differ_are_not_to_be_aligned_where_they_look_like_rows() {
    let remedy = |first: &str, second: &str| {
        let said = Scratch::csv(&[first, second]).fails("schema in --header yes", 5);
        said.rsplit_once("; ").map(|(_, remedy)| remedy.to_owned()).expect("a remedy")
    };
    let as_rows = "use --header no or --columns NAMES to read the first line of each part as a row";
    assert_eq!(remedy("id,p50\na,1\n", "id,p90\na,1\n"), "use --schema by-name to align columns by name");
    assert_eq!(remedy("1,x\n2,y\n", "3,x\n4,z\n"), as_rows);
    // Not one name is in both.
    assert_eq!(remedy("a,north\n", "b,south\n"), as_rows);
}

#[test]
fn without_a_header_no_row_is_lost_in_any_way() {
    // Equal first rows, a mark, an empty line, a last line without its end, one row only, and nothing.
    let parts = ["\u{feff}1,x\n2,y\n", "1,x\n\n3,\"z\nz\"", "4,w\n", ""];
    let rows = [("1", "x"), ("2", "y"), ("1", "x"), ("3", "z\nz"), ("4", "w")];
    for (flags, header) in [("--header no", ""), ("--columns id,region", "id,region\n")] {
        for way in WAYS {
            let scratch = snowflake(&parts);
            scratch.succeeds(&format!("{way} --preset snowflake --verify {flags}"));
            let (mut found, files) = (Vec::new(), scratch.written());
            for file in &files {
                if file.ends_with(".parquet") {
                    let batch = scratch.rows(file);
                    let names = if header.is_empty() { ["column_1", "column_2"] } else { ["id", "region"] };
                    let cells = names.map(|name| texts(&batch, name));
                    let cell = |cell: Option<&str>| cell.expect("no null").to_owned();
                    found.extend(cells[0].iter().zip(&cells[1]).map(|(a, b)| (cell(*a), cell(*b))));
                    continue;
                }
                let text = match file.ends_with(".gz") {
                    true => {
                        std::io::read_to_string(flate2::read::MultiGzDecoder::new(&scratch.read(file)[..]))
                    }
                    false => Ok(scratch.text(file)),
                };
                let text = text.expect("text");
                let rows = text.strip_prefix(header).unwrap_or_else(|| panic!("{way} {flags}: {text}"));
                let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(rows.as_bytes());
                found.extend(reader.records().map(|row| {
                    let row = row.expect("a row");
                    (row[0].to_owned(), row[1].to_owned())
                }));
            }
            assert_eq!(found, rows.map(|(a, b)| (a.to_owned(), b.to_owned())), "{way} {flags}: {files:?}");
            let output = if files.len() == 1 { files[0].as_str() } else { "out/" };
            let strings = if way.contains("--all-strings") { "--all-strings" } else { "" };
            scratch.succeeds(&format!("verify {output} --against in --preset snowflake {flags} {strings}"));
        }
    }
}

#[test]
fn bytes_of_parts_without_a_header_are_copied_as_they_are() {
    let scratch = snowflake(&["1,\"x\"\r\n2,y\r\n", "1,\"x\"\r\n3,z"]);
    let rows = "1,\"x\"\r\n2,y\r\n1,\"x\"\r\n3,z\r\n";
    assert_eq!(scratch.merged_csv("--preset snowflake --header no --expect-rows 4"), rows);
    let expected = format!("id,\"a \"\"b\"\"\"\r\n{rows}");
    let output = std::process::Command::new(crate::support::fixtures::binary().get_program())
        .current_dir(scratch.path(""))
        .args(["merge", "in", "-o", "-", "--to", "csv", "--preset", "snowflake", "--columns", "id,a \"b\""])
        .output()
        .expect("the binary starts");
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
}

#[test]
fn columns_that_are_named_have_the_types_of_their_names() {
    let scratch = Scratch::csv(&["a,2026-01-03T00:00:00,1.5\n", "b,2026-01-04T00:00:00,2.5\n"]);
    let batch = scratch.merged_parquet("--columns item_id,date,p50");
    assert_eq!(columns(&batch), ["item_id: Utf8", "date: Timestamp(µs)", "p50: Float64"]);
    assert_eq!(doubles(&batch, "p50"), some(&[1.5, 2.5]));
    let batch = scratch.merged_parquet("--header no --type column_3=double");
    assert_eq!(doubles(&batch, "column_3"), some(&[1.5, 2.5]));
}

#[test]
fn every_row_has_as_many_fields_as_there_are_names() {
    for (parts, flags, part, line, found) in [
        (vec!["1,x\n2\n"], "--header no", 0, 2, "1 field, where 2 are expected"),
        (vec!["1,x\n", "2\n"], "--header no", 1, 1, "1 field, where 2 are expected"),
        (vec!["1,x\n", "2,y,z\n"], "--header no", 1, 1, "3 fields, where 2 are expected"),
        (vec!["1,x\n2,y\n"], "--columns id,region,note", 0, 1, "2 fields, where 3 are expected"),
        (vec!["1,x\n2,y\n"], "--columns id", 0, 1, "2 fields, where 1 are expected"),
    ] {
        let scratch = snowflake(&parts);
        let expected = format!(
            "in/data_0_{part}_0.csv, line {line}: the row has {found}; the part may be cut short; if it is \
             whole, --columns must name every field of a row"
        );
        for way in WAYS {
            assert_eq!(scratch.fails(&format!("{way} --preset snowflake {flags}"), 5), expected, "{way}");
        }
    }
}

#[test]
fn columns_may_be_named_where_no_part_has_a_row() {
    let scratch = Scratch::copy_of(&testdata("no_header"));
    assert_eq!(scratch.merged_csv("--columns item_id,p50"), "item_id,p50\n");
    let batch = scratch.merged_parquet("--columns item_id,p50 --verify");
    assert_eq!((batch.num_rows(), columns(&batch).len()), (0, 2));
    scratch.fails("merge in -o out/x.csv --header no", 5);
}

#[test]
fn names_that_make_no_sense_are_refused() {
    let scratch = snowflake(&["id,region\na,north\n"]);
    for (flags, expected) in [
        ("--columns id,id", "--columns names column id twice"),
        ("--columns id,", "the column name is empty"),
        (
            "--columns id,region --header yes",
            "--columns names the columns of files without a header; leave out either it or --header",
        ),
        (
            "--columns id,region",
            "the first line of in/data_0_0_0.csv is exactly what --columns names, so it is a header; use \
             --header yes to read it as one",
        ),
    ] {
        assert_eq!(refused(&scratch, flags, 2), expected);
    }
    let said = scratch.fails("merge in -o out/x.csv --preset snowflake --header maybe", 2);
    assert!(said.contains("unknown header mode \"maybe\"; use one of auto, yes, no"), "{said}");
}

#[test]
fn a_row_that_looks_like_a_header_is_read_as_asked_but_with_a_warning() {
    let looks = |line: &str, remedy: &str| {
        format!(
            "warning: every part begins with the line \"{line}\", which looks like a header but is read as a \
             row; use --header yes{remedy} if it is a header\n"
        )
    };
    let header = looks("item_id,region", "");
    let columns = looks("item_id,region", " in place of --columns");
    let shared = ["item_id,region\na,north\n", "item_id,region\r\nb,south\r\n", ""];
    let values = ["item_id,amount\na,1.5\nb,2\n"];
    for (parts, flags, expected) in [
        (&shared[..], "--header no", Some(header.clone())),
        (&shared, "--columns a,b", Some(columns.clone())),
        (&shared, "--columns a,b --preset snowflake", Some(columns)),
        (&values, "--header no", Some(looks("item_id,amount", ""))),
        // A lone line of text may be a row, and so may one that other parts do not have, or that holds a value.
        (&["item_id,region\na,north\n"], "--header no", None),
        (&["item_id,region\na,north\n", "b,south\n"], "--header no", None),
        (&["a,1\nb,2\n", "a,1\n"], "--header no", None),
        (&["item_id,amount\na,1.5\nb,none\n"], "--header no", None),
    ] {
        let scratch = if flags.contains("snowflake") { snowflake(parts) } else { Scratch::csv(parts) };
        let lines: usize = parts.iter().map(|part| part.lines().count()).sum();
        let command = format!("merge in -o out/x.parquet --json {flags}");
        let (report, said) = scratch.succeeds_with(&command);
        let report: serde_json::Value = serde_json::from_str(&report).expect("JSON");
        assert_eq!(report["rows"], lines, "{command}");
        assert_eq!(
            said.lines().find(|line| line.starts_with("warning")),
            expected.as_deref().map(str::trim_end)
        );
        let warnings = report["warnings"].as_array().expect("a list").len();
        assert_eq!(warnings, usize::from(expected.is_some()), "{command}");
        let (_, said) = scratch.succeeds_with(&format!("schema in {flags}"));
        assert_eq!(said, expected.unwrap_or_default());
    }
    // The last one begins with the warning of `schema`, whose text is the same in all.
    let (_, said) = Scratch::csv(&shared).succeeds_with("schema in --header no");
    assert_eq!(said, header);
}

#[test]
fn ls_calls_a_lone_line_a_row_where_it_may_be_one() {
    let scratch = snowflake(&["id,region\n"]);
    let state = |flags: &str| {
        let found = scratch.succeeds(&format!("ls in --preset snowflake --json {flags}"));
        let found: serde_json::Value = serde_json::from_str(&found).expect("JSON");
        found["exports"][0]["parts"][0]["state"].as_str().expect("a state").to_owned()
    };
    assert_eq!([state(""), state("--header no"), state("--header yes")], ["rows", "rows", "header-only"]);
}

#[test]
fn on_parquet_headers_have_no_effect_and_a_warning_says_so() {
    let scratch = Scratch::csv(&["item_id,p50\na,1.0\n"]);
    scratch.succeeds("convert in -o pq/");
    let (_, said) = scratch.succeeds_with("merge pq -o out/x.csv --header no --verify");
    assert!(said.starts_with("warning: --header has no effect on Parquet\n"), "{said}");
    assert_eq!(scratch.text("out/x.csv"), "item_id,p50\na,1.0\n");
}

#[test]
fn another_header_makes_another_run() {
    let scratch = snowflake(&["id,region\na,north\n", "id,region\nb,south\n"]);
    for output in ["x.csv", "x.parquet"] {
        let merge = |flags: &str| format!("merge in -o out/{output} --preset snowflake {flags}");
        scratch.succeeds(&merge(""));
        assert!(scratch.succeeds_with(&merge("")).1.starts_with("up to date"));
        for (flags, flag) in
            [("--header yes", "--header"), ("--header no", "--header"), ("--columns a,b", "--columns")]
        {
            let said = scratch.fails(&merge(flags), 7);
            assert!(said.contains(&format!("was written with different options ({flag})")), "{said}");
        }
    }
}

#[test]
fn a_receipt_that_says_nothing_of_headers_is_of_a_run_that_had_them() {
    let scratch = Scratch::csv(&["item_id,p50\na,1.0\n"]);
    scratch.succeeds("merge in -o out/x.csv");
    let receipt = scratch.text("out/x.csv.receipt.json");
    assert!(!receipt.contains("\"header\""), "{receipt}");
    let (_, said) = scratch.succeeds_with("merge in -o out/x.csv --header yes");
    assert!(said.starts_with("up to date"), "{said}");
    let scratch = snowflake(&["1,x\n"]);
    scratch.succeeds("merge in -o out/x.csv --preset snowflake --columns id,region");
    let receipt: serde_json::Value =
        serde_json::from_str(&scratch.text("out/x.csv.receipt.json")).expect("JSON");
    assert_eq!(receipt["options"]["header"], "no");
    assert_eq!(receipt["options"]["columns"], serde_json::json!(["id", "region"]));
}

#[test]
fn a_header_that_parts_share_and_a_column_tells_needs_no_note() {
    let scratch = snowflake(&["id,amount\na,1\n", "id,amount\nb,2\n"]);
    let (_, said) = scratch.succeeds_with("merge in -o out/x.csv --preset snowflake");
    assert!(!said.contains("warning"), "{said}");
}

/// Rows of texts that need no quotes, which may look like anything.
fn rows(width: usize) -> impl Strategy<Value = Vec<String>> {
    let cell =
        prop::sample::select(vec!["", "a", "id", "region", "1", "2.5", "2026-01-03", "true", " ", "é"]);
    let row = prop::collection::vec(cell, width).prop_map(|cells| cells.join(","));
    prop::collection::vec(row, 0..5)
}

proptest! {
    #![proptest_config(cases(150))]

    #[test]
    fn all_rows_of_parts_without_a_header_come_out_in_order(parts in prop::collection::vec(rows(2), 1..4), named: bool) {
        prop_assume!(parts.iter().any(|rows| !rows.is_empty()));
        let texts: Vec<String> = parts.iter().map(|rows| rows.iter().map(|row| format!("{row}\n")).collect()).collect();
        let scratch = Scratch::csv(&texts);
        let mut options = Options::default();
        options.header = Some(HeaderMode::No);
        options.verify = true;
        if named {
            options.columns = vec!["x".into(), "y".into()];
        }
        let lines: usize = parts.iter().map(Vec::len).sum();
        let copied = scratch.merge("out/x.csv", &options).expect("merged");
        prop_assert_eq!(copied.rows, Some(lines as u64));
        prop_assert_eq!(scratch.text("out/x.csv"), format!("{}{}", if named { "x,y\n" } else { "" }, texts.concat()));
        let typed = scratch.merge("out/x.parquet", &options).expect("merged");
        prop_assert_eq!(typed.rows, Some(lines as u64));
        let batch = scratch.rows("out/x.parquet");
        let first: Vec<&str> = parts.iter().flatten().map(|row| row.split(',').next().expect("a cell")).collect();
        let name = if named { "x" } else { "column_1" };
        let found: Vec<&str> = crate::support::scratch::texts(&batch, name).into_iter().map(Option::unwrap_or_default).collect();
        prop_assert_eq!(found, first);
    }

    #[test]
    fn where_nobody_says_so_a_line_is_dropped_only_if_it_may_be_a_header(
        parts in prop::collection::vec(rows(2), 1..4)
    ) {
        let texts: Vec<String> = parts.iter().map(|rows| rows.iter().map(|row| format!("{row}\n")).collect()).collect();
        let scratch = Scratch::csv(&texts);
        let mut options = Options::default();
        options.header = Some(HeaderMode::Auto);
        let begun: Vec<&Vec<String>> = parts.iter().filter(|rows| !rows.is_empty()).collect();
        let Ok(report) = scratch.merge("out/x.csv", &options) else { return Ok(()) };
        let lines: usize = parts.iter().map(Vec::len).sum();
        prop_assert_eq!(report.rows, Some((lines - begun.len()) as u64));
        // One line in all parts, or values below every one of them.
        let is_value = |cell: &str| matches!(cell, "1" | "2.5" | "2026-01-03" | "true");
        let column = |rows: &[String], at: usize| -> Vec<String> {
            rows.iter().map(|row| row.split(',').nth(at).expect("two cells").to_owned()).collect()
        };
        let shared = begun.len() > 1 && begun.iter().all(|rows| rows[0] == begun[0][0]);
        let told = (0..2).any(|at| begun.iter().all(|rows| column(&rows[1..], at).iter().all(|cell| is_value(cell))));
        prop_assert!(shared || told, "{texts:?}");
        for rows in begun {
            let cells: Vec<&str> = rows[0].split(',').collect();
            prop_assert!(cells[0] != cells[1] && cells.iter().all(|cell| !cell.is_empty() && !is_value(cell)), "{texts:?}");
        }
    }
}
