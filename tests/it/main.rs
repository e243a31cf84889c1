//! The integration tests, as one binary: each module says what it proves.

mod bad_input;
mod buckets;
mod cli;
mod credentials;
mod data;
mod fake_service;
mod far_away;
mod faults;
mod fixtures;
mod jobs;
mod layers;
mod library;
mod on_server;
mod properties;
mod proxy;
mod receipts;
mod s3;
mod s3_faults;
mod sample;
mod scratch;
mod servers;
mod sse;
mod tables;
mod verify;
