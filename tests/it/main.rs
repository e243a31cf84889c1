//! The integration tests, as one binary. Each room says at its head what it proves and which tests belong there;
//! `docs/contributing.md` says which room a new test goes to.

mod cli;
mod cluster;
mod events;
mod faults;
mod forecast_jobs;
mod formats;
mod layers;
mod library;
mod proof;
mod query;
mod sample;
#[cfg(feature = "serve")]
mod serve;
mod sets;
mod stores;
mod support;
