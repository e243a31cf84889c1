//! Work in pieces: the same output as from one run, whatever happens between plan and commit. What belongs here runs
//! `cluster` or `merge --resume`; that any cut gives the same rows is proved beside the code, and engines are run by
//! `python/tests/engines`. What is killed, and what meets other work, is in `faults::pieces`.

mod alike;
mod attacked;

use crate::support::buckets::{beside_each_other, csv_parts, merged};
use crate::support::fixtures::binary;
use crate::support::scratch::{Scratch, files, parquet_file, parquet_rows, rows};
use parquet::file::properties::WriterProperties;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Carries out all pieces, and returns how many there were.
fn pieces(scratch: &Scratch) -> usize {
    let plan: serde_json::Value = serde_json::from_str(&scratch.text("plan.json")).expect("JSON");
    let count = plan["pieces"].as_array().expect("pieces").len();
    for index in 0..count {
        scratch.succeeds(&format!("cluster piece plan.json {index}"));
    }
    count
}

/// Plans, carries out and commits; returns the number of pieces.
fn in_pieces(scratch: &Scratch, target: &str, flags: &str) -> usize {
    scratch.succeeds(&format!("cluster plan in -o {target} --plan plan.json {flags}"));
    let count = pieces(scratch);
    scratch.succeeds("cluster commit plan.json");
    count
}

fn is_clean(scratch: &Scratch) -> bool {
    !scratch.path(".forecast-export").exists() && !scratch.path("out/.forecast-export").exists()
}

fn sample(flags: &str) -> Scratch {
    let scratch = Scratch::new();
    std::fs::remove_dir(scratch.path("in")).expect("it is empty");
    scratch.succeeds(&format!("sample in --items 300 --steps 40 --seed 5 {flags}"));
    scratch
}

#[test]
fn every_kind_of_output_is_that_of_one_run() {
    for (made, target, flags, at_least) in [
        ("--parts 5", "o.csv", "--pieces 7", 7),
        ("--parts 1", "o.csv", "--pieces 9", 9),
        ("--parts 24", "o.csv", "--pieces 4", 4),
        ("--parts 5", "o.parquet", "--pieces 7", 7),
        ("--parts 1", "o.parquet", "--piece-bytes 100kB", 11),
        ("--parts 5", "o.csv.gz", "--pieces 3", 3),
        ("--parts 5", "o.csv.zst", "--pieces 3", 3),
        ("--parts 5", "o.parquet", "--pieces 6 --source-columns --type p50=string", 6),
        ("--parts 5", "o.csv", "--pieces 6 --source-columns", 6),
        ("--parts 5", "o.csv", "--pieces 6 --header no", 6),
        ("--parts 5", "o.parquet", "--pieces 6 --columns a,b,c,d,e,f --all-strings", 6),
        ("--parts 5 --to parquet", "o.csv", "--pieces 3", 3),
        ("--parts 5 --to parquet", "o.parquet", "--pieces 3", 3),
        ("--parts 5 --to parquet", "o.parquet", "--pieces 3 --compression zstd --bloom-filter item_id", 3),
        ("--parts 5", "o.parquet", "--pieces 3 --verify", 3),
    ] {
        let scratch = sample(made);
        let kept: Vec<&str> = flags.split(' ').skip(2).filter(|flag| *flag != "--verify").collect();
        let (kept, one) = (kept.join(" "), format!("one/{target}"));
        scratch.succeeds(&format!("merge in -o {one} {kept}"));
        let count = in_pieces(&scratch, target, flags);
        assert!(count >= at_least, "{made} {target} {flags}: {count} pieces");
        if target == "o.csv" {
            assert_eq!(scratch.read(target), scratch.read(&one), "{made} {flags}");
        } else if target == "o.parquet" {
            assert_eq!(
                parquet_rows(scratch.read(target)),
                parquet_rows(scratch.read(&one)),
                "{made} {flags}"
            );
        } else {
            scratch.succeeds(&format!("merge {target} -o unpacked.csv"));
            scratch.succeeds("merge in -o whole.csv");
            assert_eq!(scratch.read("unpacked.csv"), scratch.read("whole.csv"), "{target}");
        }
        scratch.succeeds(&format!(
            "verify {target} --against in {}",
            kept.replace("--bloom-filter item_id", "").replace("--compression zstd", "")
        ));
        // One machine finds it as it would have made it.
        let (_, said) = scratch.succeeds_with(&format!("merge in -o {target} {kept}"));
        assert!(said.contains("up to date"), "{made} {target} {flags}: {said}");
        assert!(is_clean(&scratch), "{made} {target} {flags}");
    }
}

#[test]
fn a_conversion_has_the_files_of_one_run() {
    for made in ["--parts 6", "--parts 6 --to parquet"] {
        let scratch = sample(made);
        scratch.succeeds("convert in -o one/");
        assert_eq!(in_pieces(&scratch, "out/", "--pieces 4"), 4);
        let names = |folder: &str| {
            let files = files(&scratch.path(folder));
            files.iter().map(|file| file.file_name().expect("a name").to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(names("out"), names("one"), "{made}");
        scratch.succeeds("verify out --against in");
        let (_, said) = scratch.succeeds_with("convert in -o out/");
        assert!(said.contains("up to date"), "{said}");
        assert!(is_clean(&scratch));
    }
}

#[test]
fn row_groups_within_a_part_are_cut_too() {
    let properties = || WriterProperties::builder().set_max_row_group_row_count(Some(100)).build();
    let parts = [parquet_file(&rows(0, 1000), properties()), parquet_file(&rows(1000, 50), properties())];
    let scratch = Scratch::of_parts("parquet", &parts);
    assert_eq!(in_pieces(&scratch, "o.parquet", "--pieces 4"), 4);
    assert_eq!(parquet_rows(scratch.read("o.parquet")), rows(0, 1050));
    let plan: serde_json::Value = serde_json::from_str(&scratch.text("plan.json")).expect("JSON");
    assert!(plan["pieces"][1]["shares"][0]["range"]["start"].as_u64().expect("a row group") > 0);
}

#[test]
fn the_same_question_prints_the_same_plan() {
    let scratch = sample("--parts 3");
    let plan = |flags: &str| scratch.succeeds(&format!("cluster plan in -o o.csv --pieces 3 {flags}"));
    assert_eq!(plan(""), plan(""));
    assert_ne!(plan(""), plan("--schema by-name"));
    let before = plan("");
    scratch.succeeds("merge in -o o.csv");
    assert_eq!(plan(""), before, "an output that is there makes no difference");
}

#[test]
fn a_piece_is_done_once_and_a_commit_is_too() {
    let scratch = sample("--parts 3");
    scratch.succeeds("cluster plan in -o o.csv --pieces 3 --plan plan.json");
    let (_, said) = scratch.succeeds_with("cluster piece plan.json 1");
    assert!(said.contains("piece 1 of 3"), "{said}");
    let (_, said) = scratch.succeeds_with("cluster piece plan.json 1");
    assert!(said.contains("piece 1 was done before"), "{said}");
    let said = scratch.fails("cluster commit plan.json", 4);
    assert!(said.contains("2 of 3 pieces are missing: 0, 2; carry them out, and commit again"), "{said}");
    assert_eq!(pieces(&scratch), 3);
    scratch.succeeds("cluster commit plan.json");
    let (_, said) = scratch.succeeds_with("cluster commit plan.json");
    assert!(said.contains("up to date"), "{said}");
    // A worker that comes late.
    let (_, said) = scratch.succeeds_with("cluster piece plan.json 2");
    assert!(said.contains("was done before"), "{said}");
    assert!(is_clean(&scratch));
    assert!(scratch.succeeds("cluster status plan.json").contains("committed"));
}

#[test]
fn two_attempts_at_once_leave_one_file() {
    let scratch = sample("--parts 2");
    scratch.succeeds("cluster plan in -o o.csv --pieces 1 --plan plan.json");
    let start = || {
        let mut command = binary();
        command.args(["cluster", "piece", "plan.json", "0"]).current_dir(scratch.path(""));
        command.stderr(Stdio::null()).spawn().expect("it starts")
    };
    let attempts: Vec<_> = (0..4).map(|_| start()).collect();
    for mut attempt in attempts {
        assert!(attempt.wait().expect("it ends").success());
    }
    let staged = files(&scratch.path(".forecast-export"));
    let data = staged.iter().filter(|file| file.display().to_string().contains("/piece-")).count();
    assert_eq!(data, 1, "{staged:?}");
    scratch.succeeds("cluster commit plan.json");
    scratch.succeeds("verify o.csv --against in");
    assert!(is_clean(&scratch));
}

#[test]
fn what_makes_no_sense_is_a_usage_error() {
    let scratch = sample("--parts 2");
    scratch.succeeds("cluster plan in -o o.csv --pieces 2 --plan plan.json");
    for (arguments, expected) in [
        ("cluster piece plan.json 2", "there is no piece 2; the plan has pieces 0 to 1"),
        ("cluster piece in/_SUCCESS 0", "this is not a plan"),
        ("cluster plan in -o out/ --pieces 2 --split-rows 5", "unexpected argument '--split-rows'"),
        ("cluster plan in -o o.csv --pieces 10001", "--pieces is 10001; it must be 1 to 10000"),
        ("cluster plan in -o - --pieces 2", "pieces are put together in a file or a folder"),
        ("cluster plan in -o o.csv", "required arguments were not provided"),
    ] {
        let said = scratch.fails(arguments, 2);
        assert!(said.contains(expected), "{arguments}: {said}");
    }
    scratch.fails("cluster piece nowhere.json 0", 3);
}

#[test]
fn parts_that_changed_since_the_plan_are_refused() {
    let scratch = sample("--parts 3");
    let part = scratch.path("in/sample_2026-01-02T03-04-05Z_part1.csv");
    let text = std::fs::read_to_string(&part).expect("a part");
    let change = || std::fs::write(&part, text.replacen("item_0", "ITEM_0", 1)).expect("written");
    scratch.succeeds("cluster plan in -o o.csv --pieces 3 --plan plan.json");
    scratch.succeeds("cluster piece plan.json 0");
    change();
    let failed = scratch.output("cluster piece plan.json 1");
    let said = String::from_utf8_lossy(&failed.stderr);
    assert_eq!(failed.status.code(), Some(5), "{said}");
    assert!(said.contains("part1.csv"), "{said}");
    // A new plan knows the new part; it changes once more before the commit.
    scratch.succeeds("cluster plan in -o o.csv --pieces 3 --plan plan.json");
    assert_eq!(pieces(&scratch), 3);
    std::fs::write(&part, &text).expect("written");
    let said = scratch.fails("cluster commit plan.json", 5);
    assert!(said.contains("part1.csv"), "{said}");
    assert!(!scratch.path("o.csv").exists());
}

#[test]
fn staged_files_that_changed_are_refused() {
    for spoil in [
        |bytes: &mut Vec<u8>| bytes.truncate(bytes.len() / 2),
        |bytes: &mut Vec<u8>| {
            let last = bytes.len() - 3;
            bytes[last] ^= 1;
        },
    ] {
        let scratch = sample("--parts 3");
        scratch.succeeds("cluster plan in -o o.csv --pieces 3 --plan plan.json");
        assert_eq!(pieces(&scratch), 3);
        let staged = files(&scratch.path(".forecast-export"));
        let data = staged.iter().find(|file| file.display().to_string().contains("/piece-")).expect("a file");
        let mut bytes = std::fs::read(data).expect("read");
        spoil(&mut bytes);
        std::fs::write(data, bytes).expect("written");
        let said = scratch.fails("cluster commit plan.json", 5);
        assert!(said.contains("this file of a piece is not as it was written"), "{said}");
        assert!(!scratch.path("o.csv").exists());
    }
}

#[test]
fn staged_files_are_told_apart_also_where_the_time_is_fixed() {
    let scratch = sample("--parts 3");
    let run = |arguments: &str| {
        let mut command = binary();
        command
            .args(arguments.split(' '))
            .current_dir(scratch.path(""))
            .env("SOURCE_DATE_EPOCH", "1700000000");
        command.output().expect("it starts")
    };
    assert!(run("cluster plan in -o o.csv --pieces 1 --plan plan.json").status.success());
    assert!(run("cluster piece plan.json 0").status.success());
    let staged = files(&scratch.path(".forecast-export"));
    let data = staged.iter().find(|file| file.display().to_string().contains("/piece-")).expect("a file");
    let mut bytes = std::fs::read(data).expect("read");
    let last = bytes.len() - 3;
    bytes[last] ^= 1;
    std::fs::write(data, bytes).expect("written");
    let failed = run("cluster commit plan.json");
    assert_eq!(failed.status.code(), Some(5), "{}", String::from_utf8_lossy(&failed.stderr));
    assert!(!scratch.path("o.csv").exists());
}

#[test]
fn a_wrong_row_in_the_middle_of_a_part_has_the_line_of_the_part() {
    for target in ["o.csv", "o.parquet"] {
        let scratch = sample("--parts 2");
        let part = scratch.path("in/sample_2026-01-02T03-04-05Z_part1.csv");
        let text = std::fs::read_to_string(&part).expect("a part");
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        let wrong = lines.len() * 3 / 4;
        let mut spoiled = lines.clone();
        spoiled[wrong] = "too,few\n";
        std::fs::write(&part, spoiled.concat()).expect("written");
        scratch.succeeds(&format!("cluster plan in -o {target} --pieces 12 --plan plan.json"));
        let failed: Vec<String> = (0..12)
            .filter_map(|index| {
                let output = scratch.output(&format!("cluster piece plan.json {index}"));
                match output.status.code() {
                    Some(0) => None,
                    Some(5) => Some(String::from_utf8(output.stderr).expect("UTF-8")),
                    code => panic!("{code:?}"),
                }
            })
            .collect();
        let expected = format!("part1.csv, line {}: the row has 2 fields, the header has 6", wrong + 1);
        assert!(matches!(failed.as_slice(), [said] if said.contains(&expected)), "{expected}: {failed:?}");
        assert!(scratch.succeeds("cluster status plan.json").contains(&expected));
        scratch.fails("cluster commit plan.json", 4);
    }
}

#[test]
fn an_output_that_is_something_else_is_not_replaced() {
    let scratch = sample("--parts 2");
    scratch.succeeds("cluster plan in -o o.csv --pieces 2 --plan plan.json");
    scratch.write("o.csv", "mine\n");
    assert_eq!(scratch.output("cluster piece plan.json 0").status.code(), Some(7));
    std::fs::remove_file(scratch.path("o.csv")).expect("removed");
    assert_eq!(pieces(&scratch), 2);
    scratch.write("o.csv", "mine\n");
    scratch.fails("cluster commit plan.json", 7);
    assert_eq!(scratch.text("o.csv"), "mine\n");
}

#[test]
fn an_output_may_be_replaced_and_a_commit_repeated_all_the_same() {
    let scratch = sample("--parts 2");
    scratch.write("o.csv", "old\n");
    scratch.succeeds("cluster plan in -o o.csv --pieces 2 --overwrite --plan plan.json");
    assert_eq!(pieces(&scratch), 2);
    scratch.succeeds("cluster commit plan.json");
    scratch.succeeds("verify o.csv --against in");
    let (_, said) = scratch.succeeds_with("cluster commit plan.json");
    assert!(said.contains("up to date"), "{said}");
    let (_, said) = scratch.succeeds_with("cluster piece plan.json 1");
    assert!(said.contains("was done before"), "{said}");
    assert!(is_clean(&scratch));
}

#[test]
fn processes_of_one_machine_carry_a_plan_out_though_some_are_killed() {
    let scratch = sample("--parts 8");
    scratch.succeeds("merge in -o one.csv");
    scratch.succeeds("cluster plan in -o o.csv --pieces 12 --plan plan.json");
    let mut command = binary();
    command.args(["cluster", "run", "plan.json", "--workers", "2"]).current_dir(scratch.path(""));
    let mut run = command.stderr(Stdio::null()).spawn().expect("it starts");
    let began = Instant::now();
    let mut killed = 0;
    while run.try_wait().expect("it can be asked").is_none() && began.elapsed() < Duration::from_secs(60) {
        if killed < 2 {
            let struck = Command::new("pkill").args(["-KILL", "-P", &run.id().to_string()]).status();
            killed += usize::from(struck.is_ok_and(|status| status.success()));
        }
        std::thread::sleep(Duration::from_millis(15));
    }
    assert!(run.wait().expect("it ended").success());
    assert!(killed > 0);
    assert_eq!(scratch.read("o.csv"), scratch.read("one.csv"));
    assert!(is_clean(&scratch));
}

#[test]
fn a_merge_that_was_killed_goes_on_with_what_is_missing() {
    let scratch = sample("--parts 8");
    scratch.succeeds("merge in -o one.csv");
    // As the plan of --resume is, but for its size: small exports are one piece.
    scratch.succeeds("merge in -o o.csv --resume");
    assert_eq!(scratch.read("o.csv"), scratch.read("one.csv"));
    assert!(is_clean(&scratch));
    let (_, said) = scratch.succeeds_with("merge in -o o.csv --resume");
    assert!(said.contains("up to date"), "{said}");
}

#[test]
fn on_a_server_the_pieces_are_put_together_by_copies() {
    // Pieces of more than 5 MiB, which S3 copies.
    beside_each_other("cluster", |bucket| {
        let parts = csv_parts(2, 45_000);
        bucket.put_parts("in/", "csv", &parts);
        let scratch = Scratch::new();
        let plan = scratch.path("plan.json").display().to_string();
        for (target, by_copies) in [("out/sales.csv", true), ("out/sales.parquet", false)] {
            let (from, to) = (bucket.at("in/"), bucket.at(target));
            bucket.succeed(&["cluster", "plan", &from, "-o", &to, "--pieces", "3", "--plan", &plan]);
            for index in ["0", "1", "2"] {
                bucket.succeed(&["cluster", "piece", &plan, index]);
            }
            bucket.proxy.clear_log();
            bucket.succeed(&["cluster", "commit", &plan]);
            let copies = bucket.proxy.count("UploadPartCopy") > 0;
            assert!(copies || !by_copies, "{}: {target}", bucket.server);
            match by_copies {
                true => {
                    assert_eq!(bucket.get(target).expect("an object"), merged(&parts), "{}", bucket.server)
                }
                false => drop(bucket.succeed(&["verify", &to, "--against", &from])),
            }
            let staged: Vec<String> =
                bucket.keys().into_iter().filter(|key| key.contains(".forecast-export")).collect();
            assert!(staged.is_empty(), "{}: {staged:?}", bucket.server);
        }
    });
}
