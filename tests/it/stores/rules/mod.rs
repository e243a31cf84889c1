//! Buckets and servers as they are: any key that S3 allows, few permissions, Object Lock, archives, servers that know less than
//! S3. The server is [`RuledS3`], which checks signatures and holds to the rules of each test.

mod buckets;
mod keys;
mod permissions;
mod servers;

use crate::support::ruled_s3::{RuledS3, Rules};
use crate::support::scratch::RUN;

const HEADER: &str = "item_id,date,p50\n";

fn part(number: usize) -> String {
    format!("sales_{RUN}_part{number}.csv")
}

fn row(item: &str) -> String {
    format!("{item},2026-01-03T00:00:00Z,1.0\n")
}

/// A server with two parts below `e/`.
fn two_parts(rules: Rules) -> RuledS3 {
    let server = RuledS3::start(rules);
    server.put(&format!("e/{}", part(0)), &format!("{HEADER}{}", row("a")));
    server.put(&format!("e/{}", part(1)), &format!("{HEADER}{}", row("b")));
    server
}

fn both() -> String {
    format!("{HEADER}{}{}", row("a"), row("b"))
}
