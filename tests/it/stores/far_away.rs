//! Many small parts on a server that is far away: as many requests as there are parts, many of them at a time.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::buckets::{Bucket, bucket, buckets, csv_parts, merged};

const LATENCY: Duration = Duration::from_millis(30);
/// As in `probe`: heads that are read at once.
const AT_ONCE: usize = 64;

/// Parts of some 4 kB.
fn small_parts(count: usize) -> Vec<Vec<u8>> {
    let parts = csv_parts(count, 20);
    assert!(parts.iter().all(|part| (3_500..4_500).contains(&part.len())), "{}", parts[0].len());
    parts
}

#[test]
fn small_parts_take_one_request_each_and_are_asked_for_together() {
    let (bucket, parts) = (bucket("far-away"), small_parts(400));
    bucket.put_many("in/", &parts);
    bucket.proxy.delay_all(LATENCY);
    bucket.succeed(&["merge", &bucket.at("in"), "-o", &bucket.at("out.csv")]);
    assert!(bucket.get("out.csv").as_deref() == Some(&merged(&parts)[..]));
    let reads = bucket.proxy.requests("GetObject");
    // The parts, and two looks for a receipt.
    assert_eq!(reads.len(), 402);
    let most = reads.iter().map(|read| read.beside + 1).max().expect("some");
    assert!(most > AT_ONCE / 2 && most <= AT_ONCE, "{most} at once");
    // A listing, looks for the output before and after, it and its receipt, a last listing.
    let others = bucket.proxy.total() - reads.len();
    assert!(others <= 8, "{others} other requests");
}

/// Between a client and a server that is far away. It takes as little of the cores as can be: a thread for each way. What
/// it was given for a part it can give again by itself, as if the server had cores of its own.
struct Relay {
    /// `http://127.0.0.1:PORT`.
    endpoint: String,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    requests: AtomicUsize,
    answers_itself: AtomicBool,
    /// Whole answers, by what was asked for.
    answers: Mutex<HashMap<String, Arc<[u8]>>>,
}

impl Relay {
    /// Requests reach the server at `upstream` so much later; until the process ends.
    fn start(upstream: &str, latency: Duration) -> Self {
        let upstream = upstream.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port of loopback is free");
        let endpoint = format!("http://{}", listener.local_addr().expect("it has an address"));
        let shared = Arc::new(Shared::default());
        let relay = Relay { endpoint, shared: Arc::clone(&shared) };
        thread::spawn(move || {
            for client in listener.incoming().map_while(io::Result::ok) {
                let server = TcpStream::connect(&upstream).expect("the server is there");
                for stream in [&client, &server] {
                    stream.set_nodelay(true).expect("an open socket");
                }
                let asked = Arc::new(Mutex::new(None));
                let there = Way { shared: Arc::clone(&shared), asked: Arc::clone(&asked) };
                let back = Way { shared: Arc::clone(&shared), asked };
                let mut sockets =
                    (client.try_clone().expect("a socket"), server.try_clone().expect("a socket"));
                thread::spawn(move || back.bring_back(&mut { server }, &mut { client }));
                // Ends when the client hangs up.
                thread::spawn(move || there.pass_on(&mut sockets.0, &mut sockets.1, latency));
            }
        });
        relay
    }
}

/// One way of one connection, on which there is one request at a time.
struct Way {
    shared: Arc<Shared>,
    /// The part that was asked for, until its answer is there.
    asked: Arc<Mutex<Option<String>>>,
}

impl Way {
    fn pass_on(&self, client: &mut TcpStream, server: &mut TcpStream, latency: Duration) -> io::Result<()> {
        let mut buffer = vec![0; 1 << 16];
        loop {
            let length = client.read(&mut buffer)?;
            let piece = &buffer[..length];
            if length == 0 {
                return server.shutdown(Shutdown::Write);
            }
            // What goes on with a body is on its way already.
            if [&b"GET "[..], b"PUT ", b"HEAD ", b"POST ", b"DELETE "]
                .iter()
                .any(|word| piece.starts_with(word))
            {
                thread::sleep(latency);
                self.shared.requests.fetch_add(1, Ordering::Relaxed);
                let part = part_asked_for(piece);
                if let Some(part) = &part
                    && self.shared.answers_itself.load(Ordering::Relaxed)
                {
                    let answer = self.shared.answers.lock().expect("no panic").get(part).map(Arc::clone);
                    client.write_all(&answer.expect("it was asked for before"))?;
                    continue;
                }
                *self.asked.lock().expect("no panic") = part;
            }
            server.write_all(piece)?;
        }
    }

    fn bring_back(&self, server: &mut TcpStream, client: &mut TcpStream) -> io::Result<()> {
        let mut buffer = vec![0; 1 << 16];
        let mut answer = Vec::new();
        loop {
            let length = server.read(&mut buffer)?;
            if length == 0 {
                return client.shutdown(Shutdown::Write);
            }
            // Kept before it is passed on: what comes next on this connection is another request.
            let mut asked = self.asked.lock().expect("no panic");
            if let Some(part) = asked.take() {
                answer.extend_from_slice(&buffer[..length]);
                if is_whole(&answer) {
                    let whole = std::mem::take(&mut answer).into();
                    self.shared.answers.lock().expect("no panic").insert(part, whole);
                } else {
                    *asked = Some(part);
                }
            }
            drop(asked);
            client.write_all(&buffer[..length])?;
        }
    }
}

/// The first line of a request for a part, and the range it asks for.
fn part_asked_for(request: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(request).ok()?;
    let (line, headers) = text.split_once("\r\n")?;
    let range = headers.lines().find(|header| header.to_ascii_lowercase().starts_with("range:"));
    (line.starts_with("GET ") && line.contains("_part"))
        .then(|| format!("{line} {}", range.unwrap_or_default()))
}

/// Whether an answer is there to the last byte of its body.
fn is_whole(answer: &[u8]) -> bool {
    let Some(head) = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n") else { return false };
    let headers = String::from_utf8_lossy(&answer[..head]).to_ascii_lowercase();
    let length =
        headers.lines().find_map(|header| header.strip_prefix("content-length:")?.trim().parse().ok());
    length.is_some_and(|length: usize| answer.len() >= head + 4 + length)
}

/// `cargo test --release --test it far_away -- --ignored --nocapture` prints how long 2,000 parts take on each server,
/// what their requests take at least, and what a client takes that does nothing but read them; then the same where the
/// parts cost the server nothing, which shares the cores here.
#[test]
#[ignore = "it measures, and proves nothing"]
fn two_thousand_small_parts_are_timed() {
    let parts = small_parts(2_000);
    for bucket in buckets("far-away") {
        bucket.put_many("in/", &parts);
        let relay = Relay::start(bucket.endpoint(), LATENCY);
        for answers_itself in [false, true] {
            relay.shared.answers_itself.store(answers_itself, Ordering::Relaxed);
            for _ in 0..5 {
                time_one(&bucket, &relay, &parts);
            }
        }
    }
}

#[expect(clippy::print_stdout, reason = "what this is run for")]
fn time_one(bucket: &Bucket, relay: &Relay, parts: &[Vec<u8>]) {
    let began = Instant::now();
    bucket.read_many("in/", parts.len(), AT_ONCE, &relay.endpoint);
    let bare = began.elapsed();
    relay.shared.requests.store(0, Ordering::Relaxed);
    let began = Instant::now();
    let arguments = ["merge", &bucket.at("in"), "-o", &bucket.at("out.csv"), "--overwrite"];
    let mut command = bucket.command(&arguments);
    let output = command.env("AWS_ENDPOINT_URL", &relay.endpoint).output().expect("the binary starts");
    let took = began.elapsed();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(bucket.get("out.csv").as_deref() == Some(&merged(parts)[..]), "{}", bucket.server);
    let requests = relay.shared.requests.load(Ordering::Relaxed);
    let ideal = LATENCY.mul_f64(requests as f64 / AT_ONCE as f64);
    let who = if relay.shared.answers_itself.load(Ordering::Relaxed) { ", parts from the relay" } else { "" };
    println!(
        "{}{who}: {requests} requests, {AT_ONCE} at once: {took:.2?}, {:.2} times the ideal of {ideal:.2?}; reading \
         alone {bare:.2?}",
        bucket.server,
        took.as_secs_f64() / ideal.as_secs_f64(),
    );
}
