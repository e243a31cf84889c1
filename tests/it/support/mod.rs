//! What tests of several rooms need: parts and scratch folders, the binary, servers and the proxies before them.
//!
//! A helper that only one file needs stays in that file. The tests here are about the helpers themselves, and about
//! the table in `testdata/README.md`.

pub(crate) mod buckets;
pub(crate) mod checksums;
pub(crate) mod fake_service;
pub(crate) mod fixtures;
pub(crate) mod proxy;
pub(crate) mod ruled_s3;
pub(crate) mod scale;
pub(crate) mod scratch;
pub(crate) mod servers;
pub(crate) mod tables;
mod testdata;
pub(crate) mod tls;
