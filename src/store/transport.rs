//! The HTTP client under all object stores: takes object_store's options, returns a client that follows no redirect.
//! object_store's own follows ten, wherever they lead, and sends along what only the intended host may see: a session
//! token, or a query with a signature.

use super::trust::Trust;

use object_store::ClientConfigKey as Key;
use object_store::ClientOptions;
use object_store::client::HttpClient;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use reqwest::{Certificate, ClientBuilder, NoProxy, Proxy};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

const AGENT: &str = concat!("forecast-export/", env!("CARGO_PKG_VERSION"));

/// Every option that object_store has, except those that only its own client accepts.
pub(super) fn client(options: &ClientOptions, trust: &Trust) -> object_store::Result<HttpClient> {
    let mut builder = builder(options)?;
    if let Some(certificates) = trust.certificates() {
        builder = builder.tls_certs_only(certificates);
    }
    builder.build().map(HttpClient::new).map_err(setup)
}

fn setup(error: reqwest::Error) -> object_store::Error {
    object_store::Error::Generic { store: "HTTP client", source: Box::new(error) }
}

fn builder(options: &ClientOptions) -> object_store::Result<ClientBuilder> {
    let is = |key| read(options, key, switch).map(Option::unwrap_or_default);
    let time = |key| duration(options, key);
    let mut builder = ClientBuilder::new()
        .redirect(Policy::none())
        .user_agent(options.get_config_value(&Key::UserAgent).unwrap_or_else(|| AGENT.to_owned()))
        .https_only(!is(Key::AllowHttp)?)
        .danger_accept_invalid_certs(is(Key::AllowInvalidCertificates)?);
    if let Some(headers) = options.get_default_headers() {
        builder = builder.default_headers(headers.clone());
    }
    if let Some(url) = options.get_config_value(&Key::ProxyUrl) {
        let mut proxy = Proxy::all(url).map_err(setup)?;
        if let Some(pem) = options.get_config_value(&Key::ProxyCaCertificate) {
            builder = builder.tls_certs_merge([Certificate::from_pem(pem.as_bytes()).map_err(setup)?]);
        }
        if let Some(hosts) = options.get_config_value(&Key::ProxyExcludes) {
            proxy = proxy.no_proxy(NoProxy::from_string(&hosts));
        }
        builder = builder.proxy(proxy);
    }
    if is(Key::NoSystemCertificates)? {
        builder = builder.tls_certs_only([]);
    }
    if let Some(time) = time(Key::Timeout)? {
        builder = builder.timeout(time);
    }
    if let Some(time) = time(Key::ConnectTimeout)? {
        builder = builder.connect_timeout(time);
    }
    if let Some(time) = time(Key::ReadTimeout)? {
        builder = builder.read_timeout(time);
    }
    if let Some(time) = time(Key::PoolIdleTimeout)? {
        builder = builder.pool_idle_timeout(time);
    }
    if let Some(most) = value(options, Key::PoolMaxIdlePerHost)? {
        builder = builder.pool_max_idle_per_host(most);
    }
    if let Some(interval) = time(Key::Http2KeepAliveInterval)? {
        builder = builder.http2_keep_alive_interval(interval);
    }
    if let Some(time) = time(Key::Http2KeepAliveTimeout)? {
        builder = builder.http2_keep_alive_timeout(time);
    }
    if is(Key::Http2KeepAliveWhileIdle)? {
        builder = builder.http2_keep_alive_while_idle(true);
    }
    if let Some(size) = value::<u32>(options, Key::Http2MaxFrameSize)? {
        builder = builder.http2_max_frame_size(size);
    }
    if is(Key::Http1Only)? {
        builder = builder.http1_only();
    }
    if is(Key::Http2Only)? {
        builder = builder.http2_prior_knowledge();
    }
    if is(Key::RandomizeAddresses)? {
        builder = builder.dns_resolver(Arc::new(Shuffled));
    }
    Ok(builder)
}

fn value<T: FromStr>(options: &ClientOptions, key: Key) -> object_store::Result<Option<T>> {
    read(options, key, |text| text.parse().ok())
}

/// The equivalent in object_store's types.
fn switch(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "on" | "yes" | "y" => Some(true),
        "0" | "false" | "off" | "no" | "n" => Some(false),
        _ => None,
    }
}

fn duration(options: &ClientOptions, key: Key) -> object_store::Result<Option<Duration>> {
    read(options, key, |text| humantime::parse_duration(text).ok())
}

fn read<T>(
    options: &ClientOptions,
    key: Key,
    parse: impl Fn(&str) -> Option<T>,
) -> object_store::Result<Option<T>> {
    let Some(text) = options.get_config_value(&key) else { return Ok(None) };
    match parse(&text) {
        Some(value) => Ok(Some(value)),
        None => {
            let source = format!("{} cannot be {text:?}", key.as_ref()).into();
            Err(object_store::Error::Generic { store: "HTTP client", source })
        }
    }
}

/// The addresses of a host in random order, so that requests are spread over a store's servers.
struct Shuffled;

impl Resolve for Shuffled {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let found = tokio::task::spawn_blocking(move || {
                let found = (host.as_str(), 0).to_socket_addrs()?;
                Ok::<Vec<IpAddr>, std::io::Error>(found.map(|address| address.ip()).collect())
            });
            let mut found = found.await??;
            fastrand::shuffle(&mut found);
            // The port is that of the URL.
            Ok(Box::new(found.into_iter().map(|address| SocketAddr::new(address, 0))) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_of_object_store_is_heard() {
        for (name, good, bad) in [
            ("allow_http", "true", Some("perhaps")),
            ("allow_invalid_certificates", "true", Some("perhaps")),
            ("connect_timeout", "5 seconds", Some("5 parsecs")),
            ("disable_system_certificates", "false", Some("perhaps")),
            ("http1_only", "true", Some("perhaps")),
            ("http2_keep_alive_interval", "1 second", Some("x")),
            ("http2_keep_alive_timeout", "1 second", Some("x")),
            ("http2_keep_alive_while_idle", "true", Some("perhaps")),
            ("http2_max_frame_size", "20000", Some("x")),
            ("pool_idle_timeout", "1 second", Some("x")),
            ("pool_max_idle_per_host", "3", Some("-3")),
            ("proxy_url", "http://proxy:3128", Some("http://proxy:99999")),
            ("randomize_addresses", "false", Some("perhaps")),
            ("read_timeout", "1 second", Some("x")),
            ("timeout", "1 second", Some("x")),
            ("user_agent", "x", None),
        ] {
            let key: Key = name.parse().expect("a key of object_store");
            let with = |text: &str| client(&ClientOptions::new().with_config(key, text), &Trust::default());
            assert!(with(good).is_ok(), "{name}");
            if let Some(bad) = bad {
                assert!(with(bad).is_err(), "{name}");
            }
        }
    }
}
