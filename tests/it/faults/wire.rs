//! What goes wrong on the wire, on every server: each fault on each operation, once, twice, and without end. What comes
//! is the right output or an error without one, never a wrong file.

use std::time::Duration;

use crate::support::buckets::{Bucket, beside_each_other, csv_parts, merged};
use crate::support::fixtures::failure;
use crate::support::proxy::Fault;
use crate::support::scale::sampled;

const FOREVER: usize = usize::MAX;

/// Those that any answer can meet.
fn faults() -> Vec<Fault> {
    vec![
        Fault::Status(500, "InternalError"),
        Fault::Status(503, "SlowDown"),
        Fault::Status(429, "TooManyRequests"),
        Fault::Status(403, "AccessDenied"),
        Fault::Status(404, "NoSuchKey"),
        Fault::ErrorIn200("InternalError"),
        Fault::Close,
        Fault::Reset,
        Fault::LoseAnswer,
        Fault::CutBody(20),
        Fault::ShortenBody(20),
        Fault::Stall(Duration::from_secs(4)),
        Fault::FlipByte(30),
        Fault::FlipByte(170),
    ]
}

/// Whether the proxy can do this to an answer of this operation: some have no body to cut.
fn applies(operation: &str, fault: Fault) -> bool {
    let has_body = matches!(
        operation,
        "ListObjectsV2"
            | "GetObject"
            | "CreateMultipartUpload"
            | "UploadPartCopy"
            | "CompleteMultipartUpload"
    );
    // In a listing or a part a byte that is another one cannot be told from what is stored: that is for TLS to notice.
    if let Fault::FlipByte(_) = fault {
        return matches!(operation, "CreateMultipartUpload" | "UploadPartCopy" | "CompleteMultipartUpload");
    }
    has_body || !matches!(fault, Fault::CutBody(_) | Fault::ShortenBody(_) | Fault::ErrorIn200(_))
}

/// Whether one such fault has to pass unnoticed: S3 asks for another try, or the request can be made again.
fn must_recover(operation: &str, fault: Fault) -> bool {
    match fault {
        // A copy that is refused is done through this machine, and any other is asked for again.
        Fault::Status(status, _) if operation == "UploadPartCopy" => status != 404,
        Fault::ErrorIn200(_) | Fault::CutBody(_) | Fault::ShortenBody(_) | Fault::Reset
            if operation == "UploadPartCopy" =>
        {
            true
        }
        Fault::Status(status, _) => status >= 429,
        // A write whose answer is lost is looked for before it counts as failed.
        Fault::Close | Fault::LoseAnswer => true,
        Fault::CutBody(_) | Fault::ShortenBody(_) => matches!(operation, "ListObjectsV2" | "GetObject"),
        Fault::Reset => matches!(operation, "ListObjectsV2" | "GetObject" | "HeadObject"),
        _ => false,
    }
}

struct Experiments<'a> {
    bucket: &'a Bucket,
    expected: Vec<u8>,
    count: usize,
    recovered: usize,
}

impl Experiments<'_> {
    fn try_one(&mut self, operation: &'static str, fault: Fault, before: usize, times: usize) {
        let bucket = self.bucket;
        let shown = format!("{}: {operation}: {fault:?}, {times} times after {before}", bucket.server);
        bucket.delete("out.csv");
        bucket.proxy.clear_log();
        bucket.proxy.clear_faults();
        bucket.proxy.fail(operation, Fault::Stall(Duration::ZERO), before);
        bucket.proxy.fail(operation, fault, times);
        // Short only where it is waited for: on a busy machine a server alone may take seconds to answer.
        let tries_end_after = if times == FOREVER { "1s" } else { "60s" };
        let answers_within = if matches!(fault, Fault::Stall(_)) { "1s" } else { "30s" };
        let mut command = bucket.merge_in_pieces(&bucket.at("out.csv"));
        command.args(["--retry-timeout", tries_end_after]);
        let output = command.env("AWS_READ_TIMEOUT", answers_within).output().expect("the binary starts");
        bucket.proxy.clear_faults();
        let (code, said) = failure(&output);
        let visible = bucket.get("out.csv");
        self.count += 1;
        if code == 0 {
            self.recovered += 1;
            assert!(visible.as_deref() == Some(&self.expected[..]), "{shown}: a wrong file");
        } else {
            assert!(matches!(code, 3 | 4 | 5 | 7 | 8), "{shown}: {code}: {said}");
            assert!(said.starts_with("error: ") && said.contains(&bucket.url), "{shown}: {said}");
            assert!(!said.contains("testsecret"), "{shown}: {said}");
            assert!(times == FOREVER || !must_recover(operation, fault), "{shown}: {said}");
            // An answer that is lost for good may have been about a success: then it is the whole file.
            let is_whole = visible.is_none() || visible.as_deref() == Some(&self.expected[..]);
            assert!(is_whole, "{shown}: a wrong file");
            if !matches!(fault, Fault::LoseAnswer | Fault::Stall(_)) {
                assert!(visible.is_none(), "{shown}: an error, and an output");
            }
        }
        // No HeadObject is ever about a part, and a copy that is refused is done through this machine.
        if let Fault::Status(status @ (403 | 404), _) = fault
            && times == FOREVER
            && operation != "HeadObject"
            && (operation, status) != ("UploadPartCopy", 403)
        {
            assert_eq!(code, if status == 403 { 8 } else { 3 }, "{shown}: {said}");
            assert!(
                status != 403 || said.contains("credentials from environment variables"),
                "{shown}: {said}"
            );
            // At once: such an answer is not asked for again.
            let asked = bucket.proxy.count(operation);
            assert!(asked <= 4, "{shown}: asked {asked} times");
        }
    }
}

/// At the first request of each operation, and at every later one of which there are `requests`; gives how many
/// experiments that was, and how many of them recovered.
fn every_fault(operations: &[(&'static str, usize)], parts: &[Vec<u8>]) -> (usize, usize) {
    let done = beside_each_other("wire", |bucket| {
        bucket.put_parts("in/", "csv", parts);
        let mut experiments = Experiments { bucket, expected: merged(parts), count: 0, recovered: 0 };
        let mut all = Vec::new();
        for &(operation, requests) in operations {
            for fault in faults().into_iter().filter(|fault| applies(operation, *fault)) {
                // Waiting for the end of all tries depends on us, not on the server.
                let often = if bucket.server == "s3s-fs" { &[1, 2, FOREVER][..] } else { &[1, 2] };
                for before in 0..requests {
                    all.extend(often.iter().map(|&times| (operation, fault, before, times)));
                }
            }
        }
        for (operation, fault, before, times) in sampled(all, 7) {
            experiments.try_one(operation, fault, before, times);
        }
        (experiments.count, experiments.recovered)
    });
    done.into_iter().fold((0, 0), |sum, more| (sum.0 + more.0, sum.1 + more.1))
}

#[test]
#[expect(clippy::print_stderr, reason = "the number of experiments is a result")]
fn whatever_happens_to_a_small_merge_its_output_is_right_or_there_is_none() {
    let operations = ["ListObjectsV2", "GetObject", "HeadObject", "PutObject"].map(|name| (name, 1));
    let (count, recovered) = every_fault(&operations, &csv_parts(2, 50));
    eprintln!("{count} experiments, {recovered} recovered");
}

#[test]
#[expect(clippy::print_stderr, reason = "the number of experiments is a result")]
fn whatever_happens_to_an_upload_its_output_is_right_or_there_is_none() {
    let operations = ["CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"].map(|name| (name, 1));
    let (count, recovered) = every_fault(&operations, &csv_parts(2, 9_000));
    eprintln!("{count} experiments, {recovered} recovered");
}

#[test]
#[expect(clippy::print_stderr, reason = "the number of experiments is a result")]
fn whatever_happens_to_a_merge_on_the_server_its_output_is_right_or_there_is_none() {
    // Two parts that are copied and one that is sent.
    let parts = [csv_parts(2, 27_500), csv_parts(1, 50)].concat();
    let operations = [("UploadPartCopy", 2), ("UploadPart", 1), ("CompleteMultipartUpload", 1)];
    let (count, recovered) = every_fault(&operations, &parts);
    eprintln!("{count} experiments, {recovered} recovered");
}

/// Lets a run fail whose abort then meets a fault; the run after it is undisturbed.
fn fail_to_abort(
    bucket: &Bucket,
    (operation, status, why): (&'static str, u16, &'static str),
    fault: Fault,
    times: usize,
    expected: &[u8],
) {
    let shown = format!("{}: {operation}: an abort meets {fault:?}, {times} times", bucket.server);
    let merge = || bucket.merge_in_pieces(&bucket.at("out.csv"));
    let open_before = bucket.open_uploads();
    bucket.proxy.fail(operation, Fault::Status(status, why), 1);
    bucket.proxy.fail("AbortMultipartUpload", fault, times);
    let mut failing = merge();
    failing.args(["--retry-timeout", "1s"]).env("AWS_READ_TIMEOUT", "1s");
    let (code, said) = failure(&failing.output().expect("the binary starts"));
    // Why the run failed is what is told, not what became of clearing away.
    assert_eq!(code, 8, "{shown}: {said}");
    assert!(said.contains(why), "{shown}: {said}");
    assert_eq!(bucket.get("out.csv"), None, "{shown}");
    bucket.proxy.clear_faults();
    let (code, said) = failure(&merge().output().expect("the binary starts"));
    assert_eq!(code, 0, "{shown}: {said}");
    assert!(bucket.get("out.csv").as_deref() == Some(expected), "{shown}: a wrong file");
    // An upload that the store says it does not know is not asked about again.
    if !matches!(fault, Fault::Status(404, _)) {
        assert_eq!(bucket.open_uploads(), open_before, "{shown}");
    }
    bucket.delete("out.csv");
}

#[test]
fn an_upload_whose_abort_fails_is_aborted_by_the_next_run() {
    let on_server = [csv_parts(2, 27_500), csv_parts(1, 50)].concat();
    // A copy that is refused as a bad request would be done through this machine.
    let failures = [
        (("UploadPart", 400, "InvalidRequest"), csv_parts(2, 9_000)),
        (("UploadPartCopy", 404, "NoSuchUpload"), on_server),
    ];
    for (failing, parts) in failures {
        let expected = merged(&parts);
        beside_each_other("abort", |bucket| {
            bucket.put_parts("in/", "csv", &parts);
            let faults = faults().into_iter().filter(|fault| applies("AbortMultipartUpload", *fault));
            let all = faults.flat_map(|fault| [1, FOREVER].map(|times| (fault, times)));
            for (fault, times) in sampled(all, 5) {
                fail_to_abort(bucket, failing, fault, times, &expected);
            }
        });
    }
}
