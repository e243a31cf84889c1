//! How a store behaves: S3 and Azure on test servers, Google's client, and what the local disk permits. A test looks at
//! the requests that were made as well as at the result.
//!
//! The behaviour that all stores share is in `s3`, how often a store is asked in `far_away`, `many_runs` and `foretold`,
//! copies within a server in `on_server`, headers and encryption in
//! `sse`, who asks in `credentials`, and in `handed_over` where the program gives the credentials. Servers that mean harm are
//! in `hostile`, values that no client can use in `settings`, that nothing secret is shown in `secrets`. Odd keys, few
//! permissions and servers that know less than S3 are in `rules`, certificates and proxies in `tls`, files of web servers in
//! `web`. What one fault of S3 leads to, and how often a request is made again, is in
//! `s3_faults`. That no fault at all does harm is for the room `faults`.

mod access;
mod credentials;
mod far_away;
mod foretold;
mod handed_over;
mod hostile;
mod keys;
mod many_runs;
mod on_server;
mod rules;
mod s3;
mod s3_faults;
mod secrets;
#[cfg(feature = "serve")]
mod served;
mod settings;
mod sse;
mod tls;
mod web;
