//! Files that are no tables, under the names of tables: each is called what it looks like, in whichever part it is and
//! however it is compressed, and none becomes a table of one column.

use crate::support::scale::sampled;
use crate::support::scratch::{RUN, Scratch, texts};
use std::io::Write;

const GOOD: &str = "item_id,p50\na,1.0\n";

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text).expect("compressed");
    encoder.finish().expect("compressed")
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// What is no table, with what is said of it.
fn no_tables() -> Vec<(Vec<u8>, &'static str)> {
    const NO_CSV: &str = "this is not CSV: it looks like ";
    let name = "; name the export's own part files";
    let says = |what: &str, remedy: &str| &*format!("{NO_CSV}{what}{remedy}").leak();
    let lfs = "version https://git-lfs.github.com/spec/v1\noid sha256:4665a5ea\nsize 12345\n";
    let denied = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>AccessDenied</Code></Error>";
    vec![
        (denied.into(), says("XML", name)),
        ("<Error><Code>NoSuchKey</Code></Error>".into(), says("XML", name)),
        ("<!doctype html>\n<title>Sign in</title>\n".into(), says("HTML", name)),
        (
            "{\"item_id\": \"a\", \"p50\": 1.0}\n{\"item_id\": \"b\", \"p50\": 2.0}\n".into(),
            says("JSON", name),
        ),
        ("[\n  {\"item_id\": \"a\"}\n]\n".into(), says("JSON", name)),
        (lfs.into(), says("a Git LFS pointer to the file", "; run git lfs pull to fetch the file")),
        (
            utf16(&format!("\u{feff}{GOOD}")),
            says("UTF-16 or UTF-32", "; convert it to UTF-8, for example with iconv -t UTF-8"),
        ),
        (utf16(GOOD), says("UTF-16 or UTF-32", "; convert it to UTF-8, for example with iconv -t UTF-8")),
        (b"item_id,p50\na,\0\n".to_vec(), says("binary data, with NUL bytes", name)),
        (vec![0; 4096], says("binary data, with NUL bytes", name)),
        (
            "sep=;\nitem_id;p50\na;1.0\n".into(),
            says(
                "a spreadsheet's export with a line that names the delimiter",
                "; remove that line, and put commas between cells",
            ),
        ),
        (gzip(GOOD.as_bytes()), says("text that was compressed twice with gzip", "; unpack it first")),
    ]
}

#[test]
fn what_is_no_table_is_called_what_it_is_in_every_part_and_within_every_compression() {
    let mut all = Vec::new();
    for (bytes, said) in no_tables() {
        let zstd = zstd::encode_all(&bytes[..], 3).expect("compressed");
        for (extension, bytes) in [("csv", bytes.clone()), ("csv.gz", gzip(&bytes)), ("csv.zst", zstd)] {
            // Gzip within nothing is a part like any other.
            if extension != "csv" || !bytes.starts_with(b"\x1f\x8b") {
                all.extend([0, 1].map(|at| (bytes.clone(), said, extension, at)));
            }
        }
    }
    for (bytes, said, extension, at) in sampled(all, 5) {
        let mut parts = vec![GOOD.as_bytes().to_vec(), GOOD.as_bytes().to_vec()];
        parts[at] = bytes;
        let scratch = Scratch::of_parts(extension, &parts);
        let expected = format!("in/sales_{RUN}_part{at}.{extension}: {said}");
        for way in [
            "merge in -o out/x.csv",
            "merge in -o out/x.parquet --header yes",
            "convert in -o out/",
            "schema in",
        ] {
            assert_eq!(scratch.fails(way, 5), expected, "{way}");
        }
        let found = scratch.succeeds("ls in --json");
        assert!(found.contains("\"not-a-table\""), "{found}");
    }
}

#[test]
fn under_the_name_of_parquet_it_is_no_table_either() {
    for (bytes, said) in no_tables() {
        if bytes.starts_with(b"\x1f\x8b") {
            continue;
        }
        let scratch = Scratch::of_parts("parquet", std::slice::from_ref(&bytes));
        let expected = format!("in/sales_{RUN}_part0.parquet: {said}");
        for way in ["merge in -o out/x.csv", "merge in -o out/x.parquet", "merge in -o out/x.csv --header no"]
        {
            assert_eq!(scratch.fails(way, 5), expected, "{way}");
        }
    }
}

#[test]
fn text_under_the_name_of_another_format_is_read_only_where_somebody_says_that_it_is_csv() {
    let scratch = Scratch::new();
    for (name, what) in [("README.md", "Markdown"), ("x.csv.yaml", "YAML"), ("export.SQL", "a program")] {
        scratch.write(name, "# A title\n\nSome text, with commas.\n");
        let expected = format!(
            "{name}: this is not CSV: it is named like {what}; name the export's own part files; if it is CSV, \
             use --header yes or --header no"
        );
        assert_eq!(scratch.fails(&format!("merge {name} -o out/x.csv"), 5), expected);
        assert_eq!(scratch.fails(&format!("schema {name}"), 5), expected);
        let listed = scratch.succeeds(&format!("ls {name} -v"));
        assert!(listed.contains("1 not a table") && listed.contains(what), "{listed}");
        assert!(!listed.contains("  CSV  "), "{listed}");
        scratch.write(name, GOOD);
        assert_eq!(scratch.succeeds(&format!("merge {name} -o - --to csv --header yes")), GOOD);
    }
}

#[test]
fn text_under_the_name_of_parquet_is_read_where_somebody_says_that_it_is_csv() {
    let packed = gzip(GOOD.as_bytes());
    for (extension, bytes, what) in
        [("parquet", GOOD.as_bytes(), "text"), ("gz.parquet", &packed[..], "text compressed with gzip")]
    {
        let scratch = Scratch::of_parts(extension, &[bytes]);
        let expected = format!(
            "in/sales_{RUN}_part0.{extension}: this is not Parquet, which begins with PAR1: it looks like \
             {what}; fetch or export the part again; if it is CSV, use --header yes or --header no"
        );
        for way in ["merge in -o out/x.csv", "merge in -o out/x.parquet", "schema in"] {
            assert_eq!(scratch.fails(way, 5), expected, "{way}");
        }
        assert_eq!(scratch.merged_csv("--header yes"), GOOD);
    }
}

#[test]
fn cells_that_something_else_than_commas_parts_are_no_table_of_one_column() {
    for (delimiter, name) in [(";", "\";\""), ("\t", "tabs"), ("|", "\"|\""), ("\u{1}", "\"\\x01\"")] {
        let other = "item_id;p50\nb;2,0\n".replace(';', delimiter);
        for at in [0, 1] {
            let mut parts = vec![GOOD.to_owned(), GOOD.to_owned()];
            parts[at] = other.clone();
            let scratch = Scratch::csv(&parts);
            let line = format!("item_id{delimiter}p50").replace('\u{1}', "\\u{1}").replace('\t', "\\t");
            let expected = format!(
                "in/sales_{RUN}_part{at}.csv: every line is one cell that contains {name}: cells are not \
                 separated by commas: \"{line}\"; export with a header, and with commas between cells"
            );
            for way in [
                "merge in -o out/x.csv",
                "merge in -o out/x.parquet --schema by-name",
                "schema in --header yes",
            ] {
                assert_eq!(scratch.fails(way, 5), expected, "{way}");
            }
        }
        // A header alone, rows without one, and text that is compressed.
        let scratch = Scratch::of_parts("csv.gz", &[gzip(other.lines().next().expect("a line").as_bytes())]);
        scratch.fails("merge in -o out/x.parquet", 5);
        let scratch = Scratch::csv(&["a;north\nb;south\n".replace(';', delimiter)]);
        scratch.fails("merge in -o out/x.parquet --header no", 5);
        // Who names one column wants one.
        let batch = scratch.merged_parquet("--columns line");
        let rows = [format!("a{delimiter}north"), format!("b{delimiter}south")];
        assert_eq!(texts(&batch, "line"), rows.each_ref().map(|row| Some(row.as_str())));
    }
}

#[test]
fn a_table_of_one_column_stays_one_whatever_its_texts_hold() {
    let text = "note\na; b\nc|d\nplain\n\"x\ty\"\n";
    let scratch = Scratch::csv(&[text, "note\n\"1;2\"\n"]);
    assert_eq!(scratch.merged_csv(""), format!("{text}\"1;2\"\n"));
    let batch = scratch.merged_parquet("--verify");
    assert_eq!(texts(&batch, "note"), ["a; b", "c|d", "plain", "x\ty", "1;2"].map(Some));
}

#[test]
fn an_output_is_compared_whatever_it_looks_like() {
    let names: [&[&str]; 4] = [&["a;b"], &["<a><b>"], &["sep=;"], &["id", "\0"]];
    for columns in names {
        let cells: arrow::array::ArrayRef =
            std::sync::Arc::new(arrow::array::StringArray::from(vec!["1;2", "x\0y", "3|4"]));
        let columns = columns.iter().map(|name| (*name, cells.clone(), true));
        let batch = arrow::array::RecordBatch::try_from_iter_with_nullable(columns).expect("a batch");
        let scratch = Scratch::parquet(&[batch]);
        scratch.succeeds("merge in -o out/x.csv --verify");
        scratch.succeeds("verify out/x.csv --against in");
    }
}
