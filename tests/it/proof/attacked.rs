//! Receipts and outputs that somebody has changed, files of others that lie in the way, and places that are spelled in
//! another way: nothing of it is believed, replaced or read as something else.

use crate::support::fixtures::{failure, testdata};
use crate::support::scratch::{RUN, Scratch};
use filetime::set;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

/// The time of modification, put back to what it was.
mod filetime {
    use std::path::Path;
    use std::time::SystemTime;

    pub(super) fn of(path: &Path) -> SystemTime {
        std::fs::metadata(path).and_then(|meta| meta.modified()).expect("a time")
    }

    pub(super) fn set(path: &Path, time: SystemTime) {
        let file = std::fs::File::options().write(true).open(path).expect("a file");
        file.set_modified(time).expect("set");
    }
}

/// Outputs whose receipt is a file of its own, with the command, a file of the output and the receipt.
fn beside() -> [(&'static str, String, String); 2] {
    [
        ("merge in -o out.csv", "out.csv".into(), "out.csv.receipt.json".into()),
        (
            "convert in -o out/",
            format!("out/sales_forecast_export_{RUN}_part0.parquet"),
            format!("out/sales_forecast_export_{RUN}.receipt.json"),
        ),
    ]
}

fn forecast() -> Scratch {
    Scratch::copy_of(&testdata("forecast"))
}

/// Changes a byte in place and gives the file its old time: same size, same time, same inode.
fn change_unseen(path: &Path) {
    let time = filetime::of(path);
    let mut bytes = std::fs::read(path).expect("a file");
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    // What the clock of a file system ticks in.
    std::thread::sleep(std::time::Duration::from_millis(20));
    std::io::Write::write_all(&mut std::fs::File::options().write(true).open(path).expect("a file"), &bytes)
        .expect("written");
    set(path, time);
}

#[test]
fn a_receipt_that_was_changed_makes_nothing_up_to_date() {
    for (command, output, receipt) in beside() {
        let scratch = forecast();
        scratch.succeeds(command);
        let whole: serde_json::Value = serde_json::from_slice(&scratch.read(&receipt)).expect("JSON");
        for (key, value) in [
            ("outputs", serde_json::json!([])),
            ("outputs", serde_json::json!([whole["outputs"][0]])),
            ("rows", serde_json::json!(35)),
            ("digest", serde_json::json!("00")),
            ("checksum", serde_json::Value::Null),
        ] {
            let mut changed = whole.clone();
            changed[key] = value;
            if changed == whole {
                continue;
            }
            scratch.write(&receipt, changed.to_string());
            let said = scratch.fails(command, 7);
            assert!(!said.contains("up to date"), "{command} {key}: {said}");
        }
        // With no receipt that is believed, garbage is not believed either.
        scratch.write(&output, "garbage\n");
        scratch.fails(command, 7);
    }
}

#[test]
fn what_was_changed_without_a_trace_in_size_and_time_is_another_file() {
    for (command, output, _) in beside() {
        let scratch = forecast();
        scratch.succeeds(command);
        assert!(scratch.succeeds_with(command).1.starts_with("up to date"), "{command}");
        change_unseen(&scratch.path(&output));
        let said = scratch.fails(command, 7);
        assert!(said.contains("has changed since it was written"), "{command}: {said}");

        let scratch = forecast();
        scratch.succeeds(command);
        change_unseen(&scratch.path(&format!("in/sales_forecast_export_{RUN}_part3.csv")));
        let said = scratch.fails(command, 7);
        assert!(said.contains("_part3.csv has changed since it was written"), "{command}: {said}");
    }
}

#[test]
fn a_file_of_somebodys_where_the_receipt_would_go_is_kept_and_nothing_is_written() {
    for (command, output, receipt) in beside() {
        let scratch = forecast();
        scratch.write(&receipt, "precious\n");
        let said = scratch.fails(command, 7);
        assert!(said.contains("receipt.json already exists and is not a receipt"), "{command}: {said}");
        assert_eq!(scratch.text(&receipt), "precious\n");
        assert!(!scratch.path(&output).exists(), "{command}");
        scratch.succeeds(&format!("{command} --no-receipt"));
        assert_eq!(scratch.text(&receipt), "precious\n");
        scratch.succeeds(&format!("{command} --overwrite"));
        assert!(scratch.succeeds_with(command).1.starts_with("up to date"), "{command}");
    }
}

#[test]
fn where_the_receipt_cannot_be_written_the_output_is_not_either() {
    for (command, output, receipt) in beside() {
        for flag in ["", " --overwrite"] {
            let scratch = forecast();
            std::fs::create_dir_all(scratch.path(&receipt)).expect("a folder");
            scratch.fails(&format!("{command}{flag}"), 2);
            assert!(!scratch.path(&output).exists(), "{command}{flag}");
            // Once it is out of the way nothing keeps the run back.
            std::fs::remove_dir(scratch.path(&receipt)).expect("removed");
            scratch.succeeds(command);
        }
    }
}

#[test]
fn a_private_file_stays_private_when_it_is_replaced() {
    for output in ["out.csv", "out.parquet"] {
        let scratch = forecast();
        let command = format!("merge in -o {output}");
        scratch.succeeds(&command);
        for mode in [0o600, 0o640, 0o444] {
            let path = scratch.path(output);
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("set");
            scratch.succeeds(&format!("{command} --overwrite"));
            let now = std::fs::metadata(&path).expect("a file").permissions().mode() & 0o7777;
            assert_eq!(now, mode, "{output}: {now:o}");
        }
    }
}

#[test]
fn a_link_in_place_of_the_output_is_followed_and_said_and_one_to_nothing_is_refused() {
    let scratch = forecast();
    scratch.write("far/kept.csv", "kept\n");
    symlink("far/kept.csv", scratch.path("out.csv")).expect("a link");
    scratch.fails("merge in -o out.csv", 7);
    assert_eq!(scratch.text("far/kept.csv"), "kept\n");
    let (_, said) = scratch.succeeds_with("merge in -o out.csv --overwrite");
    assert!(said.contains("out.csv is a link; the file it points to is written: /"), "{said}");
    assert!(std::fs::symlink_metadata(scratch.path("out.csv")).expect("a link").is_symlink());
    assert!(scratch.text("far/kept.csv").starts_with("item_id,"));
    assert!(scratch.path("far/kept.csv.receipt.json").exists());
    assert!(scratch.succeeds_with("merge in -o out.csv").1.contains("up to date"));

    symlink("nowhere.csv", scratch.path("gone.csv")).expect("a link");
    for flag in ["", "--overwrite"] {
        let said = scratch.fails(&format!("merge in -o gone.csv {flag}"), 2);
        assert!(said.contains("gone.csv is a link to nowhere.csv"), "{said}");
    }
    assert!(!scratch.path("nowhere.csv").exists());
    // A part of a conversion that is a link: which of the files would be written is too easily overlooked.
    scratch.succeeds("convert in -o w/ --no-receipt");
    let part = format!("w/sales_forecast_export_{RUN}_part1.parquet");
    std::fs::remove_file(scratch.path(&part)).expect("removed");
    symlink("../far/kept.csv", scratch.path(&part)).expect("a link");
    let said = scratch.fails("convert in -o w/ --overwrite --no-receipt", 2);
    assert!(said.contains("part1.parquet is a link to ../far/kept.csv"), "{said}");
}

#[test]
fn no_spelling_of_a_folder_lets_a_part_be_replaced() {
    let scratch = forecast();
    symlink("in", scratch.path("link")).expect("a link");
    let absolute = scratch.path("in").display().to_string();
    let part = format!("sales_forecast_export_{RUN}_part1.csv");
    let before = scratch.read(&format!("in/{part}"));
    for source in ["in", "link", "in/../in", absolute.as_str()] {
        for folder in ["in", "link", "in/../in", "./in//", absolute.as_str()] {
            for command in [
                format!("merge {source} -o {folder}/{part} --overwrite"),
                format!("convert {source} -o {folder}/ --to csv --overwrite"),
            ] {
                let (code, said) = failure(&scratch.output(&command));
                assert_eq!(code, 2, "{command}: {said}");
                assert_eq!(scratch.read(&format!("in/{part}")), before, "{command}");
            }
        }
    }
}

#[test]
fn a_pipe_named_like_a_part_is_told() {
    let scratch = forecast();
    let name = format!("sales_forecast_export_{RUN}_part12.csv");
    crate::cli::make_pipe(&scratch.path(&format!("in/{name}")));
    let (_, said) = scratch.succeeds_with("merge in -o out.csv");
    assert!(
        said.contains(&format!("{name} is named like a part but is a pipe, a socket or a device")),
        "{said}"
    );
    assert!(scratch.succeeds("ls in -v").contains(&name));
}

#[test]
fn digits_beyond_the_microsecond_are_refused_or_kept_and_never_cut() {
    let row = |time: &str| format!("item_id,date,p10\na,{time},1.0\n");
    let scratch = Scratch::csv(&[row("2026-01-01T00:00:00.123456789Z")]);
    let said = scratch.fails("merge in -o out.parquet", 5);
    for text in
        ["line 2", "column date", "digits beyond the microsecond", "--type date=timestamp_ns", "=string"]
    {
        assert!(said.contains(text), "{text}: {said}");
    }
    scratch.succeeds("merge in -o ns.parquet --type date=timestamp_ns --verify");
    scratch.succeeds("verify ns.parquet --against in --type date=timestamp_ns");
    assert_eq!(scratch.succeeds("merge ns.parquet -o - --to csv"), row("2026-01-01T00:00:00.123456789Z"));
    scratch.succeeds("merge in -o text.parquet --type date=string");
    assert_eq!(scratch.succeeds("merge text.parquet -o - --to csv"), row("2026-01-01T00:00:00.123456789Z"));
    // Zeros are no digits that are lost; nanoseconds end in 1677 and 2262.
    let scratch = Scratch::csv(&[row("2026-01-01T00:00:00.123456000Z")]);
    scratch.succeeds("merge in -o out.parquet");
    let scratch = Scratch::csv(&[row("2300-01-01T00:00:00Z")]);
    let said = scratch.fails("merge in -o out.parquet --type date=timestamp_ns", 5);
    assert!(said.contains("that fits nanoseconds"), "{said}");
}

#[test]
fn with_a_given_time_the_same_parts_give_the_same_bytes_with_receipt() {
    let written = |output: &str, pause: u64| {
        let scratch = forecast();
        let time = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
        for file in std::fs::read_dir(scratch.path("in")).expect("a folder") {
            set(&file.expect("a file").path(), time);
        }
        std::thread::sleep(std::time::Duration::from_millis(pause));
        let mut command = crate::support::fixtures::binary();
        let command = command.current_dir(scratch.path("")).env("SOURCE_DATE_EPOCH", "1700000001");
        let done = command.args(["merge", "in", "-o", output]).output().expect("the binary starts");
        assert!(done.status.success());
        let files = scratch.written_with_receipts();
        files.into_iter().map(|file| (file.clone(), scratch.read(&file))).collect::<Vec<_>>()
    };
    for output in ["out.parquet", "out.csv"] {
        assert!(written(output, 0) == written(output, 50), "{output}");
    }
    let scratch = forecast();
    let mut command = crate::support::fixtures::binary();
    let command = command.current_dir(scratch.path("")).env("SOURCE_DATE_EPOCH", "yesterday");
    let (code, said) =
        failure(&command.args(["merge", "in", "-o", "o.csv"]).output().expect("the binary starts"));
    assert!(code == 2 && said.contains("SOURCE_DATE_EPOCH"), "{said}");
}

#[test]
fn receipts_do_not_tell_where_the_source_lies() {
    let scratch = forecast();
    let absolute = scratch.path("in").display().to_string();
    for source in [absolute.as_str(), "in", "in/", "./in"] {
        scratch.succeeds(&format!("merge {source} -o out.csv --overwrite"));
        let receipt: serde_json::Value =
            serde_json::from_slice(&scratch.read("out.csv.receipt.json")).expect("JSON");
        assert_eq!(
            receipt["sources"][3]["file"],
            format!("sales_forecast_export_{RUN}_part3.csv"),
            "{source}"
        );
    }
}

#[test]
fn a_lock_of_another_program_on_the_folder_holds_nobody_up() {
    let scratch = forecast();
    std::fs::create_dir(scratch.path("w")).expect("a folder");
    let folder = std::fs::File::open(scratch.path("w")).expect("a folder");
    folder.lock().expect("locked");
    let began = std::time::Instant::now();
    scratch.succeeds("merge in -o w/out.csv");
    assert!(began.elapsed() < std::time::Duration::from_secs(20));
}
