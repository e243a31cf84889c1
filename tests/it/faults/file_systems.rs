//! File systems that lack what Linux's own have: no hard links, no rename that replaces nothing, no modes, names without
//! capitals, times in whole seconds. Real exFAT and FAT are mounted where this machine allows that; each call that may be
//! lacking is made to fail by `strace`, in every way in which file systems say so.

use super::interleaved::has_strace;
use crate::support::fixtures::failure;
use crate::support::scratch::{RUN, Scratch, rows};
use std::process::{Command, Stdio};
use tempfile::TempDir;

const SAID: &str = "the output was published after a check that its name was free";

/// A file system in a file, mounted at `m` in a scratch folder.
struct Mounted {
    scratch: Scratch,
    device: Option<String>,
    /// Where the file lies.
    _image: TempDir,
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let unmounted = runs("umount", &[&self.scratch.path("m").display().to_string()]);
        if let (true, Some(device)) = (unmounted, &self.device) {
            runs("losetup", &["-d", device]);
        }
    }
}

fn runs(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    let command = command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Mounts a new file system: by the kernel where it knows that kind, else by FUSE.
fn mounted(kind: &str, scratch: Scratch) -> Option<Mounted> {
    let folder = scratch.path("m").display().to_string();
    std::fs::create_dir(&folder).expect("a folder");
    let _image = tempfile::tempdir().expect("a folder");
    let image = _image.path().join("image").display().to_string();
    let file = std::fs::File::create(&image).expect("created");
    file.set_len(8 << 20).expect("a length");
    if !runs(&format!("mkfs.{kind}"), &[&image]) {
        return None;
    }
    if runs("mount", &["-i", "-t", kind, "-o", "loop", &image, &folder]) {
        return Some(Mounted { scratch, device: None, _image });
    }
    if kind == "vfat" {
        let is_mounted = runs("fusefat", &["-o", "rw+", &image, &folder]);
        return is_mounted.then_some(Mounted { scratch, device: None, _image });
    }
    let looped = Command::new("losetup").args(["-f", "--show", &image]).output().ok()?;
    let device = String::from_utf8(looped.stdout).ok()?.trim().to_owned();
    if runs("mount.exfat-fuse", &[&device, &folder]) {
        return Some(Mounted { scratch, device: Some(device), _image });
    }
    runs("losetup", &["-d", &device]);
    None
}

/// Does something on each of the file systems that can be mounted here.
#[expect(clippy::print_stderr, reason = "what could not be tried is a result")]
fn on_each(make: impl Fn() -> Scratch, test: impl Fn(&str, &Scratch)) {
    for kind in ["exfat", "vfat"] {
        match mounted(kind, make()) {
            Some(mounted) => test(kind, &mounted.scratch),
            None => eprintln!("skipped: {kind} cannot be mounted here"),
        }
    }
}

fn csv() -> Scratch {
    Scratch::csv(&[0, 1, 2].map(|part| format!("item_id,p50\ni{part},{part}.5\n")))
}

const MERGED: &str = "item_id,p50\ni0,0.5\ni1,1.5\ni2,2.5\n";

/// Hidden files in the output's folder.
fn hidden(scratch: &Scratch, folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(scratch.path(folder)).into_iter().flatten();
    let names = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with('.')).collect()
}

#[test]
fn outputs_are_published_and_known_again_and_it_is_said_once_that_there_was_only_a_look() {
    on_each(csv, |kind, scratch| {
        for (run, shown) in [
            ("merge in -o m/out.csv", "m/out.csv"),
            ("merge in -o m/out.parquet", "m/out.parquet"),
            ("merge in -o m/verified.parquet --verify", "m/verified.parquet"),
            ("convert in -o m/pq/", "m/pq/"),
            ("convert in -o m/cut/ --to csv --split-rows 2", "m/cut/"),
        ] {
            let (_, said) = scratch.succeeds_with(run);
            assert_eq!(said.matches(SAID).count(), 1, "{kind}: {run}: {said}");
            let (_, said) = scratch.succeeds_with(run);
            assert!(said.contains("up to date") && !said.contains("warning"), "{kind}: {run}: {said}");
            let said = scratch.fails(&format!("{run} --source-columns"), 7);
            assert!(said.contains("--source-columns"), "{kind}: {said}");
            let (_, said) = scratch.succeeds_with(&format!("{run} --overwrite"));
            assert!(!said.contains("warning"), "{kind}: {run}: {said}");
            scratch.succeeds(&format!("verify {shown} --against in"));
        }
        assert_eq!(scratch.text("m/out.csv"), MERGED, "{kind}");
        for folder in ["m", "m/pq", "m/cut"] {
            assert_eq!(hidden(scratch, folder), [""; 0], "{kind}");
        }
    });
}

#[test]
fn a_file_that_is_there_under_another_case_is_kept() {
    on_each(csv, |kind, scratch| {
        scratch.write("m/out.csv", "theirs");
        let said = scratch.fails("merge in -o m/OUT.CSV", 7);
        assert!(said.contains("m/OUT.CSV already exists"), "{kind}: {said}");
        assert_eq!(scratch.text("m/out.csv"), "theirs", "{kind}");
        scratch.succeeds("merge in -o m/OUT.CSV --overwrite");
        assert_eq!(scratch.text("m/OUT.CSV"), MERGED, "{kind}");
        let files = std::fs::read_dir(scratch.path("m")).expect("a folder").count();
        assert_eq!(files, 2, "{kind}: the output and its receipt");
    });
}

#[test]
fn a_part_is_not_replaced_by_an_output_of_its_name_in_another_case() {
    on_each(csv, |kind, scratch| {
        scratch.write("m/in/data.csv", MERGED);
        for output in ["m/in/DATA.csv", "m/./in/Data.CSV", "m/IN/data.csv", "m/IN/Data.csv"] {
            let said = scratch.fails(&format!("merge m/in/data.csv -o {output} --overwrite"), 2);
            assert!(said.contains("is one of the parts"), "{kind}: {output}: {said}");
            assert_eq!(scratch.text("m/in/data.csv"), MERGED, "{kind}");
        }
    });
}

#[test]
fn two_files_whose_names_differ_in_case_only_are_not_written_over_each_other() {
    let two_runs = || {
        let scratch = Scratch::new();
        scratch.write("in/A_0.csv", "item_id,p50\nfirst,1.5\n");
        scratch.write("in/a_0.csv", "item_id,p50\nsecond,2.5\n");
        scratch
    };
    let run = "convert in --pattern (?P<timestamp>[A-Za-z])_(?P<part>[0-9]+)[.]csv --run all";
    on_each(two_runs, |kind, scratch| {
        for overwrite in ["", "--overwrite"] {
            let (code, said) = failure(&scratch.output(&format!("{run} -o m/new/ {overwrite}")));
            assert_eq!(code, 4, "{kind}: {said}");
            assert!(said.contains("does not distinguish upper and lower case"), "{kind}: {said}");
            assert!(!scratch.path("m/new").exists(), "{kind}: {said}");
        }
    });
    // Where the file system tells them apart they are two.
    let scratch = two_runs();
    scratch.succeeds(&format!("{run} -o new/"));
    assert_eq!(scratch.written(), ["new/A_0.parquet", "new/a_0.parquet"]);
}

#[test]
fn parts_are_read_from_such_file_systems() {
    on_each(Scratch::new, |kind, scratch| {
        for part in 0..2 {
            scratch.write(
                &format!("m/in/sales_{RUN}_part{part}.csv"),
                format!("item_id,p50\ni{part},{part}.5\n"),
            );
        }
        scratch.succeeds("merge m/in -o out.csv --verify");
        assert_eq!(scratch.text("out.csv"), "item_id,p50\ni0,0.5\ni1,1.5\n", "{kind}");
        let (_, said) = scratch.succeeds_with("merge m/in -o out.csv");
        assert!(said.contains("up to date"), "{kind}: {said}");
    });
}

#[test]
fn a_small_file_system_that_is_full_is_an_error_and_leaves_nothing() {
    let large = || {
        let rows: String = (0..600_000).map(|row| format!("item_{row:07},{row}.5\n")).collect();
        Scratch::csv(&[format!("item_id,p50\n{rows}")])
    };
    on_each(large, |kind, scratch| {
        for run in ["merge in -o m/new/out.csv", "convert in -o m/new/ --to csv --split-rows 100000"] {
            let (code, said) = failure(&scratch.output(run));
            // fusefat says that it is not permitted.
            let is_full = code == 1 && said.contains("No space left");
            assert!(is_full || (kind == "vfat" && code == 8), "{kind}: {said}");
            assert!(!scratch.path("m/new").exists(), "{kind}");
        }
    });
}

#[test]
fn names_up_to_the_longest_are_written_or_refused_before_anything_is() {
    let scratch = csv();
    std::fs::create_dir(scratch.path("w")).expect("a folder");
    for length in 236..=258 {
        for ending in [".csv", ".csv.gz", ".parquet"] {
            let name = "n".repeat(length - ending.len()) + ending;
            let has_receipt = ending != ".parquet";
            let fits = length + if has_receipt { ".receipt.json".len() } else { 0 } <= 255;
            let (code, said) = failure(&scratch.output(&format!("merge in -o w/{name}")));
            assert_eq!(code, if fits { 0 } else { 2 }, "{length} {ending}: {said}");
            assert_eq!(scratch.path(&format!("w/{name}")).exists(), fits, "{length} {ending}");
            if !fits {
                let remedy = if length > 255 { "give the output a shorter name" } else { "--no-receipt" };
                assert!(said.contains(remedy), "{length} {ending}: {said}");
                let (code, said) = failure(&scratch.output(&format!("merge in -o w/{name} --no-receipt")));
                assert_eq!(code, if length > 255 { 2 } else { 0 }, "{length} {ending}: {said}");
            }
        }
    }
    assert_eq!(hidden(&scratch, "w"), [""; 0]);
}

/// Runs with calls that fail as the file system's do.
fn with_faults(scratch: &Scratch, faults: &[String], arguments: &str) -> (i32, String) {
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=file,desc"]);
    for fault in faults {
        command.args(["-e", &format!("inject={fault}")]);
    }
    command.arg(env!("CARGO_BIN_EXE_forecast-export")).args(arguments.split_whitespace());
    failure(&command.current_dir(scratch.path("")).stdin(Stdio::null()).output().expect("strace"))
}

/// How file systems say that they have no such call.
const LACKING: [&str; 4] = ["ENOSYS", "EINVAL", "EPERM", "EOPNOTSUPP"];

#[test]
fn whatever_call_is_lacking_the_output_is_published_and_nothing_is_replaced() {
    if !has_strace() {
        return;
    }
    for rename in LACKING {
        for link in LACKING {
            let faults = [format!("renameat2:error={rename}"), format!("link,linkat:error={link}")];
            let what = format!("{rename}, {link}");
            let scratch = csv();
            let (code, said) = with_faults(&scratch, &faults, "merge in -o w/out.csv");
            assert_eq!(code, 0, "{what}: {said}");
            assert_eq!(said.matches(SAID).count(), 1, "{what}: {said}");
            assert_eq!(scratch.text("w/out.csv"), MERGED, "{what}");
            assert!(scratch.path("w/out.csv.receipt.json").exists(), "{what}");
            scratch.write("w/out.csv", "theirs");
            let (code, said) = with_faults(&scratch, &faults, "merge in -o w/out.csv");
            assert_eq!(code, 7, "{what}: {said}");
            assert_eq!(scratch.text("w/out.csv"), "theirs", "{what}");
            assert_eq!(hidden(&scratch, "w"), [""; 0], "{what}");
        }
        // With links alone nothing need be said.
        let scratch = csv();
        let faults = [format!("renameat2:error={rename}")];
        let (code, said) = with_faults(&scratch, &faults, "convert in -o w/");
        assert_eq!((code, said.contains("warning")), (0, false), "{rename}: {said}");
        scratch.succeeds("verify w/ --against in");
        assert_eq!(hidden(&scratch, "w"), [""; 0], "{rename}");
    }
}

#[test]
fn what_fails_while_a_file_is_published_is_an_error_and_takes_nothing_away() {
    if !has_strace() {
        return;
    }
    for errno in ["EIO", "EACCES", "EROFS", "ENOSPC", "EPERM"] {
        for (calls, overwrite) in
            [("renameat2,link,linkat,rename,renameat", ""), ("rename,renameat", "--overwrite")]
        {
            let scratch = csv();
            scratch.write("w/other", "x");
            if !overwrite.is_empty() {
                scratch.write("w/out.csv", "before");
            }
            let faults = [format!("{calls}:error={errno}")];
            let (code, said) = with_faults(&scratch, &faults, &format!("merge in -o w/out.csv {overwrite}"));
            let denied = matches!(errno, "EACCES" | "EPERM");
            assert_eq!(code, if denied { 8 } else { 1 }, "{errno} {overwrite}: {said}");
            assert!(said.contains("w/out.csv"), "{errno} {overwrite}: {said}");
            let left = std::fs::read_to_string(scratch.path("w/out.csv")).ok();
            assert_eq!(left.as_deref(), (!overwrite.is_empty()).then_some("before"), "{errno} {overwrite}");
            assert!(!scratch.path("w/out.csv.receipt.json").exists(), "{errno} {overwrite}: {said}");
            assert_eq!(hidden(&scratch, "w"), [""; 0], "{errno} {overwrite}");
        }
    }
}

#[test]
fn what_a_file_system_cannot_keep_is_no_error() {
    if !has_strace() {
        return;
    }
    let calls = [
        ("fsync", &["EINVAL", "ENOSYS", "EOPNOTSUPP"][..]),
        ("flock", &["ENOSYS", "EOPNOTSUPP", "EINVAL", "ENOLCK"]),
        ("chmod,fchmod,fchmodat", &LACKING),
        ("chown,fchown,lchown,fchownat", &LACKING),
        ("utimensat", &LACKING),
        ("getxattr,setxattr", &LACKING),
    ];
    for (calls, errors) in calls {
        for errno in errors {
            for output in ["w/out.csv", "w/out.parquet"] {
                let what = format!("{calls} {errno} {output}");
                let scratch = csv();
                scratch.write(output, "before");
                let faults = [format!("{calls}:error={errno}")];
                let run = format!("merge in -o {output} --overwrite");
                let (code, said) = with_faults(&scratch, &faults, &run);
                assert_eq!((code, said.contains("warning")), (0, false), "{what}: {said}");
                scratch.succeeds(&format!("verify {output} --against in"));
                let (_, said) = scratch.succeeds_with(&format!("merge in -o {output}"));
                assert!(said.contains("up to date"), "{what}: {said}");
                assert_eq!(hidden(&scratch, "w"), [""; 0], "{what}");
            }
        }
    }
}

#[test]
fn a_folder_that_cannot_be_brought_to_rest_is_an_error_unless_that_is_no_call_for_folders() {
    if !has_strace() {
        return;
    }
    let tried = |path: &str, errno: &str| {
        let scratch = csv();
        std::fs::create_dir(scratch.path("w")).expect("a folder");
        let mut command = Command::new("strace");
        command.args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync", "-P", path]);
        command
            .args(["-e", &format!("inject=fsync:error={errno}")])
            .arg(env!("CARGO_BIN_EXE_forecast-export"));
        command.args(["merge", "in", "-o", "w/out.csv"]).current_dir(scratch.path(""));
        let (code, said) = failure(&command.stdin(Stdio::null()).output().expect("strace"));
        (scratch, code, said)
    };
    for errno in ["EIO", "ENOSPC", "EDQUOT"] {
        let (scratch, code, said) = tried("w", errno);
        assert_eq!(code, 1, "{errno}: {said}");
        assert!(said.contains("writing w/out.csv"), "{errno}: {said}");
        assert_eq!(scratch.written_with_receipts(), [""; 0], "{errno}");
    }
    for errno in ["EBADF", "EINVAL", "ENOSYS", "EOPNOTSUPP"] {
        let (scratch, code, said) = tried("w", errno);
        assert_eq!((code, said.contains("warning")), (0, false), "{errno}: {said}");
        assert_eq!(scratch.text("w/out.csv"), MERGED, "{errno}");
    }
}

#[test]
fn a_private_file_stays_private_where_modes_cannot_be_set() {
    use std::os::unix::fs::PermissionsExt;
    if !has_strace() {
        return;
    }
    let scratch = csv();
    scratch.write("w/out.csv", "before");
    let set = std::fs::Permissions::from_mode(0o640);
    std::fs::set_permissions(scratch.path("w/out.csv"), set).expect("set");
    let faults = ["chmod,fchmod,fchmodat:error=EPERM".to_owned()];
    let (code, said) = with_faults(&scratch, &faults, "merge in -o w/out.csv --overwrite");
    assert_eq!(code, 0, "{said}");
    let mode = std::fs::metadata(scratch.path("w/out.csv")).expect("there").permissions().mode();
    assert_eq!(mode & 0o777 & !0o640, 0, "{mode:o}");
}

#[test]
fn parquet_keeps_its_rows_on_such_file_systems() {
    let parts = || Scratch::parquet(&[rows(0, 50), rows(50, 50)]);
    on_each(parts, |kind, scratch| {
        scratch.succeeds("merge in -o m/out.parquet --verify");
        assert_eq!(scratch.rows("m/out.parquet"), rows(0, 100), "{kind}");
    });
}
