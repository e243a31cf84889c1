//! Tables of all kinds: what pieces make of them is what one run makes.

use super::{in_pieces, is_clean, sample};
use crate::support::fixtures::binary;
use crate::support::scratch::{Scratch, files, parquet_rows};
use parquet::file::metadata::ParquetMetaData;
use std::io::Write;

/// Merges in one run and in pieces, and compares: CSV byte for byte, Parquet by its rows.
fn is_as_in_one_run(scratch: &Scratch, what: &str, flags: &str) {
    for target in ["o.csv", "o.parquet"] {
        let one = format!("one/{target}");
        scratch.succeeds(&format!("merge in -o {one} {flags}"));
        in_pieces(scratch, target, &format!("--pieces 4 {flags}"));
        match target {
            "o.csv" => assert_eq!(scratch.text(target), scratch.text(&one), "{what}"),
            _ => {
                let [one, pieces] = [&one, target].map(|file| parquet_rows(scratch.read(file)));
                assert_eq!(pieces, one, "{what}");
            }
        }
        assert!(is_clean(scratch), "{what}");
    }
}

fn lines(row: impl Fn(usize) -> String) -> String {
    (0..200).map(|number| row(number) + "\n").collect()
}

fn gzipped(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).expect("memory takes all");
    encoder.finish().expect("memory takes all")
}

#[test]
fn columns_in_another_order_or_missing_are_matched_by_name_in_pieces_too() {
    let scratch = Scratch::csv(&[
        "id,p10,p50\n".to_owned() + &lines(|n| format!("a{n},{n}.5,{n}.25")),
        "p50,id,p10\n".to_owned() + &lines(|n| format!("{n}.25,b{n},{n}.5")),
        "id,p50\n".to_owned() + &lines(|n| format!("c{n},{n}.75")),
    ]);
    is_as_in_one_run(&scratch, "by name", "--schema by-name");
}

#[test]
fn parts_without_names_marks_or_rows_are_cut_like_others() {
    let rows = |mark: char| lines(|n| format!("{mark}{n},{n}.5"));
    let header = "id,p50\n";
    let empty = |n| if n % 3 == 0 { "\"\"".to_owned() } else { format!("a{n}") };
    for (what, parts, flags) in [
        ("no header", vec![rows('a'), rows('b')], "--header no"),
        ("names that were given", vec![rows('a'), rows('b')], "--header no --columns id,p50"),
        (
            "a byte-order mark",
            vec![format!("\u{feff}{header}{}", rows('a')), format!("{header}{}", rows('b'))],
            "",
        ),
        (
            "parts of a header alone",
            vec![header.into(), format!("{header}{}", rows('a')), header.into(), header.trim().into()],
            "",
        ),
        ("headers alone", vec![header.into(), header.into()], ""),
        ("texts for null", vec![format!("{header}{}a,NA\n,\nb,1\n", rows('a'))], "--null NA"),
        ("one column with empty cells", vec!["id\n".to_owned() + &lines(empty)], ""),
        (
            "cells of many lines",
            vec![header.to_owned() + &lines(|n| format!("\"a,1\n\nb,2\n\"\"{n}\",{n}.5")); 2],
            "",
        ),
    ] {
        is_as_in_one_run(&Scratch::csv(&parts), what, flags);
    }
}

#[test]
fn compressed_parts_are_pieces_of_their_own() {
    let part = |mark: &str| gzipped(&("id,p50\n".to_owned() + &lines(|n| format!("{mark}{n},{n}.5"))));
    is_as_in_one_run(&Scratch::of_parts("csv.gz", &["a", "b", "c"].map(part)), "gzip", "");
}

#[test]
fn conversions_write_the_same_csv() {
    let scratch = sample("--parts 6 --to parquet");
    scratch.succeeds("convert in -o one/ --to csv");
    in_pieces(&scratch, "out/", "--pieces 4 --to csv");
    let csv = |folder: &str| -> Vec<(String, Vec<u8>)> {
        let files = files(&scratch.path(folder)).into_iter();
        let named =
            files.map(|file| (file.file_name().expect("a name").to_string_lossy().into_owned(), file));
        let csv = named.filter(|(name, _)| name.ends_with(".csv"));
        csv.map(|(name, file)| (name, std::fs::read(file).expect("read"))).collect()
    };
    assert_eq!(csv("one").len(), 6);
    assert!(csv("out") == csv("one"));
}

/// What a Parquet file says of its columns, and of itself but for our receipt.
#[derive(Debug, PartialEq)]
struct Description {
    schema: String,
    key_values: Vec<(String, Option<String>)>,
    /// Of each column: whether it has a Bloom filter, and its codec.
    columns: Vec<(bool, String)>,
    largest_row_group: Option<i64>,
}

fn described(footer: &ParquetMetaData) -> Description {
    let file = footer.file_metadata();
    let pairs = file.key_value_metadata().into_iter().flatten();
    let pairs = pairs.filter(|pair| !pair.key.starts_with("forecast-export"));
    let columns = footer.row_group(0).columns().iter();
    let columns = columns.map(|c| (c.bloom_filter_offset().is_some(), c.compression().to_string()));
    Description {
        schema: format!("{:?}", file.schema()),
        key_values: pairs.map(|pair| (pair.key.clone(), pair.value.clone())).collect(),
        columns: columns.collect(),
        largest_row_group: footer.row_groups().iter().map(|group| group.num_rows()).max(),
    }
}

#[test]
fn parquet_is_described_as_in_one_run() {
    for (made, flags) in [
        ("--parts 3", "--bloom-filter item_id --compression zstd"),
        ("--parts 3 --to parquet", ""),
        ("--parts 3 --to parquet", "--compression zstd --bloom-filter item_id"),
        ("--parts 3", "--type p50=string"),
        ("--parts 3", "--row-group-rows 1000"),
    ] {
        let scratch = sample(made);
        scratch.succeeds(&format!("merge in -o one.parquet {flags}"));
        in_pieces(&scratch, "o.parquet", &format!("--pieces 3 {flags}"));
        let [one, pieces] = ["one.parquet", "o.parquet"].map(|file| described(&scratch.footer(file)));
        assert_eq!(pieces, one, "{made} {flags}");
    }
}

#[test]
fn with_a_given_time_pieces_give_the_same_bytes_again() {
    let rows = |mark: char| "id,p50\n".to_owned() + &lines(|n| format!("{mark}{n},{n}.5"));
    let scratch = Scratch::csv(&[rows('a'), rows('b')]);
    let run = |arguments: &str| {
        let mut command = binary();
        command.current_dir(scratch.path("")).args(arguments.split(' '));
        let output = command.env("SOURCE_DATE_EPOCH", "1700000000").output().expect("it starts");
        assert!(output.status.success(), "{arguments}: {output:?}");
    };
    for target in ["o.csv", "o.parquet"] {
        let [first, again] = [(); 2].map(|()| {
            run(&format!("cluster plan in -o {target} --pieces 3 --plan plan.json --overwrite"));
            (0..3).for_each(|index| run(&format!("cluster piece plan.json {index}")));
            run("cluster commit plan.json");
            let made = scratch.read(target);
            std::fs::remove_file(scratch.path(target)).expect("removed");
            made
        });
        assert!(first == again, "{target}");
    }
}
