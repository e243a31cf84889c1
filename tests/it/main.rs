//! The integration tests, as one binary: each module says what it proves.

mod bad_input;
mod buckets;
mod cli;
mod data;
mod fixtures;
mod properties;
mod proxy;
mod receipts;
mod s3;
mod s3_faults;
mod sample;
mod scratch;
mod servers;
mod tables;
mod verify;
