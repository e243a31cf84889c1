//! Files of web servers as SOURCE: public objects and presigned ones. Servers are in this process, and behave as those that
//! people meet: they refuse HEAD, know no ranges, send elsewhere, have no ETags.

use crate::support::fixtures::{binary, failure};
use crate::support::scratch::{RUN, Scratch, parquet_file, rows};
use parquet::file::properties::WriterProperties;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

const SECRET: &str = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=5ec4e75ec4e7&token=0ther5ecret";

/// A request, as far as servers look at it.
#[derive(Debug, Clone)]
struct Request {
    method: String,
    path: String,
    query: String,
    headers: BTreeMap<String, String>,
}

/// What is answered, without the length.
struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

fn answer(status: u16, body: impl Into<Vec<u8>>) -> Answer {
    Answer { status, headers: Vec::new(), body: body.into() }
}

impl Answer {
    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// A server on a port of its own, for as long as the process lives.
struct Server {
    root: String,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    fn new(answers: impl Fn(&Request, usize) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let root = format!("http://{}", listener.local_addr().expect("an address"));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (requests, answers) = (Arc::clone(&seen), Arc::new(answers));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (requests, answers) = (Arc::clone(&requests), Arc::clone(&answers));
                std::thread::spawn(move || serve(&stream, &requests, &*answers));
            }
        });
        Server { root, seen }
    }

    fn at(&self, path: &str) -> String {
        format!("{}/{path}", self.root)
    }

    fn seen(&self) -> Vec<Request> {
        self.seen.lock().expect("no panic").clone()
    }
}

fn serve(mut stream: &TcpStream, seen: &Mutex<Vec<Request>>, answers: &dyn Fn(&Request, usize) -> Answer) {
    let mut reader = BufReader::new(stream);
    let mut line = || {
        let mut line = String::new();
        reader.read_line(&mut line).ok().map(|_| line.trim_end().to_owned())
    };
    let Some(first) = line().filter(|first| !first.is_empty()) else { return };
    let mut words = first.split(' ').map(str::to_owned);
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let mut headers = BTreeMap::new();
    while let Some(header) = line().filter(|header| !header.is_empty()) {
        if let Some((name, value)) = header.split_once(": ") {
            headers.insert(name.to_ascii_lowercase(), value.to_owned());
        }
    }
    let request = Request { method, path: path.to_owned(), query: query.to_owned(), headers };
    let nth = {
        let mut seen = seen.lock().expect("no panic");
        seen.push(request.clone());
        seen.len()
    };
    let Answer { status, headers, body } = answers(&request, nth);
    let mut head = format!("HTTP/1.1 {status} Said\r\nconnection: close\r\n");
    if !headers.iter().any(|(name, _)| *name == "transfer-encoding") {
        head += &format!("content-length: {}\r\n", body.len());
    }
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    let _ = stream.write_all(format!("{head}\r\n").as_bytes());
    let _ = stream.write_all(&body);
}

/// The range that is asked for of a file, with its headers.
fn ranged(request: &Request, file: &[u8]) -> Answer {
    let range = request.headers.get("range").and_then(|range| range.strip_prefix("bytes="));
    let Some((first, last)) = range.and_then(|range| range.split_once('-')) else { return answer(200, file) };
    let (first, last): (usize, usize) = match (first.parse(), last.parse()) {
        (Ok(first), Ok(last)) => (first, last),
        (Err(_), Ok(last)) => (file.len().saturating_sub(last), file.len()),
        _ => return answer(400, ""),
    };
    if first >= file.len() {
        return answer(416, "").with("content-range", format!("bytes */{}", file.len()));
    }
    let last = last.min(file.len() - 1);
    let said = format!("bytes {first}-{last}/{}", file.len());
    answer(206, &file[first..=last]).with("content-range", said)
}

fn name(part: usize) -> String {
    format!("exports/sales_{RUN}_part{part}.csv")
}

/// Larger than what is read of a part at its first look.
fn part(number: usize) -> Vec<u8> {
    let rows: String = (0..9_000).map(|row| format!("item_{number}_{row:05},{row}.5\n")).collect();
    format!("item_id,p50\n{rows}").into_bytes()
}

fn merged(parts: &[usize]) -> Vec<u8> {
    let bodies = parts.iter().flat_map(|&number| part(number).split_off("item_id,p50\n".len()));
    b"item_id,p50\n".iter().copied().chain(bodies).collect()
}

/// As S3 serves presigned addresses: with the right query, and GET alone.
fn presigned() -> Server {
    Server::new(|request, _| {
        let number = (0..3).find(|&number| request.path == format!("/{}", name(number)));
        match number {
            _ if request.method != "GET" => answer(403, ""),
            Some(number) if request.query == format!("{SECRET}{number}") => {
                ranged(request, &part(number)).with("etag", format!("\"{number}\""))
            }
            _ => answer(
                403,
                format!(
                    "<Error><Code>AccessDenied</Code><Message>Request has expired: {}</Message></Error>",
                    request.query
                ),
            ),
        }
    })
}

fn run(scratch: &Scratch, arguments: &[&str]) -> (i32, String, String) {
    let output = binary().current_dir(scratch.path("")).args(arguments).output().expect("the binary starts");
    let (code, said) = failure(&output);
    (code, String::from_utf8_lossy(&output.stdout).into_owned(), said)
}

fn succeeds(scratch: &Scratch, arguments: &[&str]) -> String {
    let (code, out, said) = run(scratch, arguments);
    assert_eq!(code, 0, "{arguments:?}: {said}");
    out + &said
}

fn fails(scratch: &Scratch, arguments: &[&str], expected: i32) -> String {
    let (code, out, said) = run(scratch, arguments);
    assert_eq!(code, expected, "{arguments:?}: {said}");
    assert_eq!(scratch.written(), [""; 0], "{arguments:?}");
    out + &said
}

fn is_secret(text: &str) -> bool {
    ["5ec4e7", "0ther5ecret"].iter().any(|secret| text.contains(secret))
}

#[test]
fn a_presigned_address_is_read_by_ranges_and_its_query_is_shown_and_kept_nowhere() {
    let (server, scratch) = (presigned(), Scratch::new());
    let source = format!("{}?{SECRET}0", server.at(&name(0)));
    let mut shown = succeeds(&scratch, &["merge", &source, "-o", "out.csv", "-v", "--verify"]);
    assert!(scratch.read("out.csv") == merged(&[0]));
    shown += &succeeds(&scratch, &["merge", &source, "-o", "out.csv"]);
    assert!(shown.contains("up to date: out.csv"), "{shown}");
    for arguments in [&["ls", &source, "--json"][..], &["schema", &source], &["schema", &source, "--json"]] {
        shown += &succeeds(&scratch, arguments);
    }
    shown += &succeeds(&scratch, &["merge", &source, "-o", "new.csv", "--dry-run"]);
    shown += &succeeds(&scratch, &["merge", &source, "-o", "new.csv", "--dry-run", "--json"]);
    shown += &succeeds(&scratch, &["merge", &source, "-o", "new.parquet", "--json"]);
    shown += &succeeds(&scratch, &["verify", "new.parquet", "--against", &source, "--json"]);
    shown += &run(&scratch, &["merge", &source, "-o", "o.csv", "--wait", "1s"]).2;
    shown += &run(&scratch, &["merge", &source, "-o", &source]).2;
    // An expired one: the server repeats what it was asked.
    let expired = source.replace(&format!("{SECRET}0"), &format!("{SECRET}9"));
    let (code, _, said) = run(&scratch, &["merge", &expired, "-o", "o.csv"]);
    assert_eq!(code, 8, "{said}");
    assert!(said.contains("Request has expired"), "{said}");
    shown += &said;
    shown += &scratch.text("out.csv.receipt.json");
    assert!(!is_secret(&shown), "{shown}");
    assert!(!is_secret(&String::from_utf8_lossy(&scratch.read("new.parquet"))));
    assert!(shown.contains(&server.at(&name(0))), "{shown}");
    let seen = server.seen();
    assert!(seen.iter().all(|request| request.method == "GET" && request.headers.contains_key("range")));
    assert!(seen.iter().all(|request| request.path == format!("/{}", name(0))), "{seen:?}");
}

#[test]
fn several_addresses_each_with_its_own_signature_are_one_source() {
    let (server, scratch) = (presigned(), Scratch::new());
    let at = |number: usize| format!("{}?{SECRET}{number}", server.at(&name(number)));
    succeeds(&scratch, &["merge", &at(2), &at(0), &at(1), "-o", "out.csv"]);
    assert!(scratch.read("out.csv") == merged(&[0, 1, 2]));
    let said = succeeds(&scratch, &["merge", &at(0), &at(1), &at(2), "-o", "out.csv"]);
    assert!(said.contains("up to date"), "{said}");
    std::fs::remove_file(scratch.path("out.csv")).expect("removed");
    std::fs::remove_file(scratch.path("out.csv.receipt.json")).expect("removed");
    let said = fails(&scratch, &["merge", &at(0), &at(2), "-o", "out.csv"], 4);
    assert!(said.contains("part 1 of 3 is missing"), "{said}");
    let elsewhere = format!("{}?{SECRET}1", server.at("other/x.csv"));
    let said = fails(&scratch, &["merge", &at(0), &elsewhere, "-o", "out.csv"], 2);
    assert!(said.contains("are not in the same folder") && !is_secret(&said), "{said}");
}

#[test]
fn parquet_is_read_by_its_footer_and_its_column_chunks() {
    let bytes = parquet_file(&rows(0, 2_000), WriterProperties::builder().build());
    let file = bytes.clone();
    let server = Server::new(move |request, _| ranged(request, &file).with("etag", "W/\"weak\""));
    let scratch = Scratch::new();
    let source = server.at("data.parquet");
    succeeds(&scratch, &["merge", &source, "-o", "out.parquet", "--verify"]);
    assert_eq!(scratch.rows("out.parquet"), rows(0, 2_000));
    succeeds(&scratch, &["merge", &source, "-o", "out.csv"]);
    succeeds(&scratch, &["verify", "out.csv", "--against", &source]);
    // A weak tag matches nothing, by the rules of HTTP: it is compared here.
    assert!(server.seen().iter().all(|request| !request.headers.contains_key("if-match")));
}

#[test]
fn a_server_that_knows_no_ranges_gives_small_files_and_is_told_for_others() {
    let server = Server::new(|request, _| match request.path.as_str() {
        "/small.csv" => answer(200, "item_id,p50\na,1.5\n").with("etag", "\"s\""),
        "/small.parquet" => {
            answer(200, parquet_file(&rows(0, 20), WriterProperties::builder().build())).with("etag", "\"p\"")
        }
        "/empty.csv" => answer(200, "").with("etag", "\"e\""),
        "/endless.csv" => answer(200, "4\r\na,b\n\r\n0\r\n\r\n").with("transfer-encoding", "chunked"),
        _ => answer(200, part(0)).with("etag", "\"l\""),
    });
    let scratch = Scratch::new();
    succeeds(&scratch, &["merge", &server.at("small.csv"), "-o", "small.csv"]);
    assert_eq!(scratch.text("small.csv"), "item_id,p50\na,1.5\n");
    std::fs::remove_file(scratch.path("small.csv")).expect("removed");
    // Of Parquet the end is wanted first.
    fails(&scratch, &["merge", &server.at("small.parquet"), "-o", "o.parquet"], 8);
    let said = fails(&scratch, &["merge", &server.at("large.csv"), "-o", "o.csv"], 8);
    assert!(said.contains("only whole files") && said.contains("pipe it to SOURCE -"), "{said}");
    let said = fails(&scratch, &["merge", &server.at("endless.csv"), "-o", "o.csv"], 8);
    assert!(said.contains("does not say how long the file is"), "{said}");
    fails(&scratch, &["merge", &server.at("empty.csv"), "-o", "o.csv"], 5);
}

#[test]
fn a_redirect_is_told_and_not_followed() {
    let target = Server::new(|_, _| answer(200, "item_id\nstolen\n"));
    let to = format!("{}?{SECRET}", target.at("x.csv"));
    let server = Server::new(move |_, _| answer(302, "").with("location", to.clone()));
    let scratch = Scratch::new();
    let said = fails(&scratch, &["merge", &server.at("x.csv"), "-o", "o.csv"], 8);
    assert!(said.contains(&format!("redirects to {}", target.at("x.csv"))), "{said}");
    assert!(!is_secret(&said), "{said}");
    assert_eq!(target.seen().len(), 0);
}

#[test]
fn without_etag_and_time_a_file_is_read_and_never_taken_for_unchanged() {
    let server = Server::new(|request, _| ranged(request, &part(0)));
    let scratch = Scratch::new();
    let source = server.at(&name(0));
    succeeds(&scratch, &["merge", &source, "-o", "out.csv"]);
    assert!(scratch.read("out.csv") == merged(&[0]));
    let (code, _, said) = run(&scratch, &["merge", &source, "-o", "out.csv"]);
    assert_eq!(code, 7, "{said}");
    // With a time it is known again.
    let dated = Server::new(|request, _| {
        ranged(request, &part(0)).with("last-modified", "Fri, 02 Jan 2026 03:04:05 GMT")
    });
    let source = dated.at(&name(0));
    succeeds(&scratch, &["merge", &source, "-o", "dated.csv"]);
    let said = succeeds(&scratch, &["merge", &source, "-o", "dated.csv"]);
    assert!(said.contains("up to date"), "{said}");
}

#[test]
fn a_file_that_changes_while_it_is_read_or_is_answered_wrongly_is_an_error() {
    for (what, expected) in [("changes", 5), ("other range", 8), ("cut off", 8), ("grows", 5)] {
        let server = Server::new(move |request, nth| {
            let file = part(0);
            match what {
                "changes" => ranged(request, &file).with("etag", format!("\"{}\"", nth / 3)),
                "other range" if nth > 1 => {
                    answer(206, &file[5..10]).with("content-range", format!("bytes 5-9/{}", file.len()))
                }
                "cut off" if nth > 1 => {
                    let mut cut = ranged(request, &file);
                    cut.body.truncate(3);
                    cut
                }
                "grows" if nth > 2 => ranged(request, &[file, b"x,1.5\n".to_vec()].concat()),
                _ => ranged(request, &file),
            }
        });
        let scratch = Scratch::new();
        let arguments = ["merge", &server.at(&name(0)), "-o", "out.csv", "--retry-timeout", "1s"];
        fails(&scratch, &arguments, expected);
    }
}

#[test]
fn a_server_that_fails_for_a_moment_is_asked_again_and_what_is_not_there_is_not_found() {
    let server = Server::new(|request, nth| match request.path.as_str() {
        "/absent.csv" => answer(404, ""),
        _ if nth % 2 == 1 => answer(503, "busy"),
        _ => ranged(request, &part(0)).with("etag", "\"x\""),
    });
    let scratch = Scratch::new();
    succeeds(&scratch, &["merge", &server.at("x.csv"), "-o", "out.csv"]);
    assert!(scratch.read("out.csv") == merged(&[0]));
    let (code, _, said) = run(&scratch, &["merge", &server.at("absent.csv"), "-o", "o.csv"]);
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("absent.csv"), "{said}");
}

#[test]
fn what_is_no_address_of_a_file_is_refused_before_anybody_is_asked() {
    let server = Server::new(|_, _| answer(200, ""));
    let scratch = Scratch::csv(&["item_id,p50\na,1.5\n"]);
    let at = |path: &str| server.at(path);
    let with_user = at("x.csv").replace("http://", "http://alice:pa55word@");
    for (source, said) in [
        (at(""), "does not list folders"),
        (at("exports/"), "does not list folders"),
        (format!("{}?a=b", at("exports/")), "does not list folders"),
        (at("a/../x.csv"), "it cannot be sent as it is, because of . or .. in its path"),
        (with_user, "contains a user or a password"),
        ("https:///x.csv".to_owned(), "is not a valid web address"),
    ] {
        let refused = fails(&scratch, &["merge", &source, "-o", "o.csv"], 2);
        assert!(refused.contains(said) && !refused.contains("pa55word"), "{source}: {refused}");
    }
    for output in [at("o.csv"), at("o.csv?sig=secret-secret")] {
        let refused = fails(&scratch, &["merge", "in", "-o", &output], 2);
        assert!(refused.contains("can only be read") && !refused.contains("secret"), "{refused}");
    }
    fails(&scratch, &["convert", "in", "-o", &at("new/x")], 2);
    fails(&scratch, &["sample", &at("new/x")], 2);
    assert_eq!(server.seen().len(), 0);
}
