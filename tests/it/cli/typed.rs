//! SOURCE as people type it: several files, an unquoted glob, standard input, URLs of files, a home folder that the shell
//! left, paths of other systems.

use super::make_pipe;
use crate::support::fixtures::{binary, failure};
use crate::support::scratch::{RUN, Scratch, rows, texts};
use std::fs::File;
use std::io::Write;
use std::process::{Output, Stdio};

const HEADER: &str = "item_id,p50\n";

/// Three parts of a row each.
fn three() -> Scratch {
    Scratch::csv(&[0, 1, 2].map(|part| format!("{HEADER}i{part},{part}.5\n")))
}

/// What the three parts become.
fn merged() -> String {
    format!("{HEADER}i0,0.5\ni1,1.5\ni2,2.5\n")
}

fn part(number: usize) -> String {
    format!("in/sales_{RUN}_part{number}.csv")
}

/// Runs a line of a shell in the scratch folder; `fe` is the command.
fn shell(scratch: &Scratch, line: &str) -> Output {
    let mut command = std::process::Command::new("bash");
    command.args(["-c", &format!("fe() {{ \"$BIN\" \"$@\"; }}; {line}")]);
    command.env("BIN", env!("CARGO_BIN_EXE_forecast-export")).env("HOME", scratch.path("home"));
    command.current_dir(scratch.path("")).stdin(Stdio::null()).output().expect("bash")
}

fn shell_succeeds(scratch: &Scratch, line: &str) -> (String, String) {
    let output = shell(scratch, line);
    let (code, said) = failure(&output);
    assert_eq!(code, 0, "{line}: {said}");
    (String::from_utf8(output.stdout).expect("UTF-8"), said)
}

fn piped(scratch: &Scratch, bytes: &[u8], arguments: &str) -> Output {
    let mut command = binary();
    command.current_dir(scratch.path("")).args(arguments.split_whitespace());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut run = command.spawn().expect("the binary starts");
    let mut input = run.stdin.take().expect("a pipe");
    let bytes = bytes.to_vec();
    // A run that refuses its arguments reads nothing.
    let writer = std::thread::spawn(move || drop(input.write_all(&bytes)));
    let output = run.wait_with_output().expect("it ends");
    writer.join().expect("no panic");
    output
}

#[test]
fn several_files_of_one_folder_are_one_source_in_the_order_of_their_numbers() {
    let scratch = three();
    for sources in [
        [0, 1, 2].map(part).join(" "),
        [2, 0, 1].map(part).join(" "),
        // A file that is named twice is one file.
        format!("{} ./{} {}", [1, 2].map(part).join(" "), part(0), part(1)),
    ] {
        scratch.succeeds(&format!("merge {sources} -o out.csv --overwrite"));
        assert_eq!(scratch.text("out.csv"), merged(), "{sources}");
        let (_, said) = scratch.succeeds_with(&format!("merge {sources} -o out.csv"));
        assert!(said.contains("up to date: out.csv"), "{said}");
    }
    let receipt = scratch.text("out.csv.receipt.json");
    assert!(receipt.contains(&format!("\"file\": \"sales_{RUN}_part1.csv\"")), "{receipt}");
    // The same parts as a folder: the same output.
    let (_, said) = scratch.succeeds_with("merge in -o out.csv");
    assert!(said.contains("up to date: out.csv"), "{said}");
}

#[test]
fn an_unquoted_glob_is_read_as_the_quoted_one_by_every_command() {
    let scratch = three();
    scratch.write("in/notes.txt", "x");
    scratch.write(&format!("in/more/sales_{RUN}_part0.csv"), "other");
    let glob = format!("in/sales_{RUN}_part*");
    shell_succeeds(&scratch, &format!("fe merge {glob} -o out.csv"));
    assert_eq!(scratch.text("out.csv"), merged());
    let (listed, _) = shell_succeeds(&scratch, &format!("fe ls {glob}"));
    assert!(listed.contains("no gaps") && !listed.contains("notes"), "{listed}");
    let (listed, _) = shell_succeeds(&scratch, "fe ls in/*");
    assert!(listed.contains("notes.txt") && listed.contains("in/more"), "{listed}");
    let (columns, _) = shell_succeeds(&scratch, &format!("fe schema {glob}"));
    assert!(columns.contains("3 parts"), "{columns}");
    shell_succeeds(&scratch, &format!("fe verify out.csv --against {glob}"));
    std::fs::write(scratch.path(&part(1)), format!("{HEADER}i1,7.5\n")).expect("written");
    let (code, said) = failure(&shell(&scratch, &format!("fe verify out.csv --against {glob}")));
    assert_eq!(code, 6, "{said}");
    shell_succeeds(&scratch, &format!("fe convert {glob} -o pq/"));
    assert_eq!(texts(&scratch.rows(&format!("pq/sales_{RUN}_part2.parquet")), "item_id"), [Some("i2")]);
    // A folder that is named beside files is searched, as with a glob in quotes.
    let said = failure(&shell(&scratch, "fe merge in/* -o all.csv")).1;
    assert!(said.contains("in two folders") || said.contains("two folders"), "{said}");
}

#[test]
fn what_does_not_lie_together_or_is_not_there_or_has_a_gap_is_no_source() {
    let scratch = three();
    scratch.write(&format!("other/sales_{RUN}_part3.csv"), format!("{HEADER}i3,3.5\n"));
    let both = format!("{} other/sales_{RUN}_part3.csv", part(0));
    let said = scratch.fails(&format!("merge {both} -o out.csv"), 2);
    assert_eq!(
        said,
        format!(
            "other/sales_{RUN}_part3.csv and {} are not in the same folder; name files of one folder, or a \
             folder that contains both",
            part(0)
        )
    );
    scratch.fails(&format!("merge {} memory://in/x -o out.csv", part(0)), 2);
    scratch.fails(&format!("merge {} - -o out.csv", part(0)), 2);
    scratch.fails(
        &format!("merge {} arn:aws:forecast:eu-west-1:1:forecast-export-job/a/b -o o.csv", part(0)),
        2,
    );
    let said = scratch.fails(&format!("merge {} in/absent.csv -o out.csv", part(0)), 3);
    assert!(said.contains("in/absent.csv"), "{said}");
    let said = scratch.fails(&format!("merge {} {} -o out.csv", part(0), part(2)), 4);
    assert!(said.contains("part 1 of 3 is missing"), "{said}");
    // The output would be a part of the next such run.
    let said = scratch.fails(&format!("merge {} {} -o {}", part(0), part(1), part(1)), 2);
    assert!(said.contains("is one of the parts"), "{said}");
    let said = scratch.fails(&format!("merge {} {} -o in/sales_{RUN}_part9.csv", part(0), part(1)), 2);
    assert!(said.contains("would read it as a part"), "{said}");
    scratch.succeeds(&format!("merge {} {} -o in/all.csv", part(0), part(1)));
}

#[test]
fn standard_input_is_one_file_whatever_it_holds() {
    let scratch = three();
    for (source, flags) in [("-", ""), ("/dev/stdin", ""), ("-", "--verify"), ("-", "--to csv")] {
        let output =
            piped(&scratch, merged().as_bytes(), &format!("merge {source} -o out.csv --overwrite {flags}"));
        let (code, said) = failure(&output);
        assert_eq!(code, 0, "{source} {flags}: {said}");
        assert_eq!(scratch.text("out.csv"), merged(), "{source} {flags}");
    }
    // More than a pipe holds, packed, and as Parquet.
    let many: String = (0..200_000).map(|row| format!("item_{row:06},{row}.5\n")).collect();
    let many = format!("{HEADER}{many}");
    let output = piped(&scratch, many.as_bytes(), "merge - -o many.csv");
    assert_eq!(failure(&output).0, 0, "{output:?}");
    assert!(scratch.text("many.csv") == many);
    shell_succeeds(&scratch, "gzip -c many.csv | fe merge - -o again.csv");
    assert!(scratch.text("again.csv") == many);
    let scratch = Scratch::parquet(&[rows(0, 50)]);
    shell_succeeds(&scratch, "cat in/*.parquet | fe merge - -o out.parquet");
    assert_eq!(scratch.rows("out.parquet"), rows(0, 50));
    shell_succeeds(&scratch, "cat in/*.parquet | fe verify out.parquet --against -");
    shell_succeeds(&scratch, "cat in/*.parquet | fe verify - --against out.parquet");
}

#[test]
fn standard_input_is_shown_planned_converted_and_compared() {
    let scratch = three();
    let said = |bytes: &[u8], arguments: &str, expected: i32| {
        let output = piped(&scratch, bytes, arguments);
        let (code, said) = failure(&output);
        assert_eq!(code, expected, "{arguments}: {said}");
        String::from_utf8_lossy(&output.stdout).into_owned() + &said
    };
    let text = merged();
    let text = text.as_bytes();
    assert!(said(text, "schema -", 0).contains("p50      double"));
    assert!(said(text, "ls -", 0).contains("stdin"));
    assert!(said(text, "merge - -o out.csv --dry-run", 0).contains("/dev/stdin"));
    assert!(!scratch.path("out.csv").exists());
    assert_eq!(said(text, "merge - -o - -q", 0), merged());
    said(text, "convert - -o pq/", 0);
    assert_eq!(texts(&scratch.rows("pq/stdin.parquet"), "item_id").len(), 3);
    said(text, "verify pq/stdin.parquet --against -", 0);
    said(b"item_id,p50\ni0,0.5\n", "verify pq/stdin.parquet --against -", 6);
    let refused = said(b"item_id,p50\ni0,x\n", "merge - -o o.parquet", 5);
    assert!(refused.contains("/dev/stdin, line 2, column p50"), "{refused}");
    said(b"", "merge - -o o.csv", 5);
    said(text, "verify - --against -", 2);
    assert_eq!(scratch.written(), ["pq/stdin.parquet"]);
}

#[test]
fn a_file_as_standard_input_is_read_where_it_lies_and_from_where_the_shell_stands() {
    let scratch = three();
    scratch.write("all.csv", merged());
    shell_succeeds(&scratch, "fe merge - -o out.csv < all.csv");
    assert_eq!(scratch.text("out.csv"), merged());
    // Nothing was copied: it is known by what the system knows of the file.
    let (_, said) = shell_succeeds(&scratch, "fe merge - -o out.csv < all.csv");
    assert!(said.contains("up to date: out.csv"), "{said}");
    // A line that somebody has read already is not read again.
    let line = "{ read -r _; read -r _; fe merge - -o rest.csv --header no; } < all.csv";
    shell_succeeds(&scratch, line);
    assert_eq!(scratch.text("rest.csv"), "i1,1.5\ni2,2.5\n");
    // What comes by a pipe is another file each time.
    shell_succeeds(&scratch, "cat all.csv | fe merge - -o piped.csv");
    let (code, said) = failure(&shell(&scratch, "cat all.csv | fe merge - -o piped.csv"));
    assert_eq!(code, 7, "{said}");
}

#[test]
fn a_pipe_that_is_named_is_told_from_a_file() {
    let scratch = three();
    make_pipe(&scratch.path("pipe.csv"));
    // Open at both ends, so that nobody waits for the other.
    let _held = File::options().read(true).write(true).open(scratch.path("pipe.csv")).expect("a pipe");
    for arguments in ["merge pipe.csv -o o.csv", "schema pipe.csv", "ls pipe.csv", "merge /dev/zero -o o.csv"]
    {
        let (code, said) = failure(&scratch.output(arguments));
        assert_eq!(code, 2, "{arguments}: {said}");
        assert!(said.contains("can be read only once; pipe it to SOURCE -"), "{said}");
    }
    let (code, said) = failure(&shell(&scratch, &format!("fe merge <(cat {}) -o o.csv", part(0))));
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("is a pipe"), "{said}");
}

#[test]
fn a_url_of_a_file_and_a_home_folder_that_the_shell_left_are_paths() {
    let scratch = three();
    let here = scratch.path("").display().to_string();
    let here = here.trim_end_matches('/');
    for source in
        [format!("file://{here}/in"), format!("FILE://localhost{here}/in"), format!("file:{here}/in")]
    {
        scratch.succeeds(&format!("merge {source} -o out.csv --overwrite"));
        assert_eq!(scratch.text("out.csv"), merged(), "{source}");
    }
    scratch.succeeds(&format!("merge in -o file://{here}/a%20b/out.csv"));
    assert_eq!(scratch.text("a b/out.csv"), merged());
    let said = scratch.fails("merge file://in/x.csv -o o.csv", 2);
    assert_eq!(
        said,
        "file://in/x.csv names the machine \"in\"; write file:///ABSOLUTE/PATH, or just the path"
    );

    scratch.write("home/kept", "x");
    let (_, said) = shell_succeeds(&scratch, "fe merge in --output='~/new/out.csv'");
    assert_eq!(scratch.text("home/new/out.csv"), merged());
    assert!(said.contains(&format!("note: ~/new/out.csv is {here}/home/new/out.csv")), "{said}");
    let (_, said) = shell_succeeds(&scratch, "fe verify '~/new/out.csv' --against=in -q");
    assert_eq!(said, "");
    assert!(!scratch.path("~").exists());
    // A folder of that name that is there is meant itself.
    std::fs::create_dir(scratch.path("~")).expect("a folder");
    shell_succeeds(&scratch, "fe merge in -o '~/out.csv'");
    assert_eq!(scratch.text("~/out.csv"), merged());
}

#[test]
fn paths_of_windows_and_half_urls_are_refused_with_what_to_write() {
    let scratch = three();
    for (place, said) in [
        (r"C:\exports\x.csv", "is a Windows path"),
        (r"\\server\share\x.csv", "is a Windows path"),
        ("s3:/bucket/x.csv", "write s3://bucket/x.csv"),
        (r"s3:\\bucket\x.csv", "write s3://bucket/x.csv"),
    ] {
        let source = scratch.fails(&format!("merge {place} -o out.csv"), 2);
        assert!(source.contains(said), "{source}");
        let output = scratch.fails(&format!("merge in -o {place}"), 2);
        assert!(output.contains(said), "{output}");
    }
    // A file may have such a name.
    scratch.write(r"C:\x.csv", merged());
    scratch.succeeds(r"merge C:\x.csv -o out.csv");
    assert_eq!(scratch.text("out.csv"), merged());
}
