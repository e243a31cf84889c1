//! Many small parts on a server that is far away: as many requests as there are parts, many of them at a time.

use std::time::{Duration, Instant};

use super::buckets::{Bucket, bucket, csv_parts, merged};

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

/// `cargo test --release --test it far_away -- --ignored --nocapture` prints how long 2,000 parts take beside what
/// their requests take at least.
#[test]
#[ignore = "it measures, and proves nothing"]
#[expect(clippy::print_stdout, reason = "what this is run for")]
fn two_thousand_small_parts_are_timed() {
    let (bucket, expected) = far_away(2_000);
    for _ in 0..3 {
        bucket.proxy.clear_log();
        let began = Instant::now();
        bucket.succeed(&["merge", &bucket.at("in"), "-o", &bucket.at("out.csv"), "--overwrite"]);
        let took = began.elapsed();
        let requests = bucket.proxy.total();
        let ideal = LATENCY.mul_f64(requests as f64 / AT_ONCE as f64);
        let times = took.as_secs_f64() / ideal.as_secs_f64();
        println!(
            "{requests} requests, {AT_ONCE} at once: {took:.2?}, {times:.2} times the ideal of {ideal:.2?}"
        );
        assert!(bucket.get("out.csv").as_deref() == Some(&expected[..]));
    }
}
