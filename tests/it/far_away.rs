//! Many small parts on a server that is far away: as many requests as there are parts, many of them at a time.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::buckets::{Bucket, bucket, buckets, csv_parts, merged};

const LATENCY: Duration = Duration::from_millis(30);
/// As in `probe`: heads that are read at once.
const AT_ONCE: usize = 64;

/// A bucket with parts of some 4 kB that is far away from now on, and their merge.
fn far_away(parts: usize) -> (Bucket, Vec<u8>) {
    let bucket = bucket("far-away");
    let parts = csv_parts(parts, 20);
    assert!(parts.iter().all(|part| (3_500..4_500).contains(&part.len())), "{}", parts[0].len());
    bucket.put_many("in/", &parts);
    bucket.proxy.delay_all(LATENCY);
    (bucket, merged(&parts))
}

#[test]
fn small_parts_take_one_request_each_and_are_asked_for_together() {
    let (bucket, expected) = far_away(400);
    bucket.succeed(&["merge", &bucket.at("in"), "-o", &bucket.at("out.csv")]);
    assert!(bucket.get("out.csv").as_deref() == Some(&expected[..]));
    let reads = bucket.proxy.requests("GetObject");
    // The parts, and a look for a receipt.
    assert!((400..=401).contains(&reads.len()), "{}", reads.len());
    let most = reads.iter().map(|read| read.beside + 1).max().expect("some");
    assert!(most > AT_ONCE / 2 && most <= AT_ONCE, "{most} at once");
    // A listing, looks for the output before and after, it and its receipt, a last listing.
    let others = bucket.proxy.total() - reads.len();
    assert!(others <= 8, "{others} other requests");
}

/// Passes bytes on and does nothing else, so that it takes as little of the cores as can be: a thread for each way.
struct Relay {
    /// `http://127.0.0.1:PORT`.
    endpoint: String,
    requests: Arc<AtomicUsize>,
}

impl Relay {
    /// Requests reach the server at `upstream` so much later; until the process ends.
    fn start(upstream: &str, latency: Duration) -> Self {
        let upstream = upstream.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port of loopback is free");
        let endpoint = format!("http://{}", listener.local_addr().expect("it has an address"));
        let requests = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&requests);
        thread::spawn(move || {
            for client in listener.incoming().map_while(io::Result::ok) {
                let server = TcpStream::connect(&upstream).expect("the server is there");
                for stream in [&client, &server] {
                    stream.set_nodelay(true).expect("an open socket");
                }
                let mut there =
                    (client.try_clone().expect("a socket"), server.try_clone().expect("a socket"));
                let (mut back, count) = ((server, client), Arc::clone(&count));
                thread::spawn(move || io::copy(&mut back.0, &mut back.1));
                // Ends when the client hangs up.
                thread::spawn(move || pass_on(&mut there.0, &mut there.1, latency, &count));
            }
        });
        Relay { endpoint, requests }
    }
}

fn pass_on(
    client: &mut TcpStream,
    server: &mut TcpStream,
    latency: Duration,
    count: &AtomicUsize,
) -> io::Result<()> {
    let mut buffer = vec![0; 1 << 16];
    loop {
        let length = client.read(&mut buffer)?;
        let piece = &buffer[..length];
        // What goes on with a body is on its way already.
        if [&b"GET "[..], b"PUT ", b"HEAD ", b"POST ", b"DELETE "].iter().any(|word| piece.starts_with(word))
        {
            thread::sleep(latency);
            count.fetch_add(1, Ordering::Relaxed);
        }
        if length == 0 {
            return server.shutdown(Shutdown::Write);
        }
        server.write_all(piece)?;
    }
}

/// `cargo test --release --test it far_away -- --ignored --nocapture` prints how long 2,000 parts take on each server,
/// what their requests take at least, and what a client takes that does nothing but read them.
#[test]
#[ignore = "it measures, and proves nothing"]
#[expect(clippy::print_stdout, reason = "what this is run for")]
fn two_thousand_small_parts_are_timed() {
    let parts = csv_parts(2_000, 20);
    for bucket in buckets("far-away") {
        bucket.put_many("in/", &parts);
        let relay = Relay::start(bucket.endpoint(), LATENCY);
        let arguments = ["merge", &bucket.at("in"), "-o", &bucket.at("out.csv"), "--overwrite"];
        for _ in 0..5 {
            let began = Instant::now();
            bucket.read_many("in/", parts.len(), AT_ONCE, &relay.endpoint);
            let bare = began.elapsed();
            relay.requests.store(0, Ordering::Relaxed);
            let began = Instant::now();
            let mut command = bucket.command(&arguments);
            let output =
                command.env("AWS_ENDPOINT_URL", &relay.endpoint).output().expect("the binary starts");
            let took = began.elapsed();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            assert!(bucket.get("out.csv").as_deref() == Some(&merged(&parts)[..]), "{}", bucket.server);
            let requests = relay.requests.load(Ordering::Relaxed);
            let ideal = LATENCY.mul_f64(requests as f64 / AT_ONCE as f64);
            println!(
                "{}: {requests} requests, {AT_ONCE} at once: {took:.2?}, {:.2} times the ideal of {ideal:.2?}; reading \
                 alone {bare:.2?}",
                bucket.server,
                took.as_secs_f64() / ideal.as_secs_f64(),
            );
        }
    }
}
