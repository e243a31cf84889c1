//! TLS and proxies on loopback: an authority of the tests' own, a server that speaks TLS in front of one that does not, and a
//! proxy that notes the hosts it is asked to connect to.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::fixtures::testdata;
use super::servers::{self, Background};

/// Speaks TLS with a certificate for `localhost` that only [`bundle`] vouches for, and passes on what comes to another
/// server.
pub(crate) struct Tls {
    /// `https://localhost:PORT`.
    pub(crate) endpoint: String,
    connections: Arc<AtomicUsize>,
    _runtime: Background,
}

impl Tls {
    /// In front of the server at `upstream`.
    pub(crate) fn start(upstream: &str) -> Self {
        let read = |name: &str| testdata("tls").join(name);
        let certificate = CertificateDer::from_pem_file(read("localhost.pem")).expect("a certificate");
        let key = PrivateKeyDer::from_pem_file(read("localhost.key")).expect("a key");
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions of TLS")
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .expect("the key is that of the certificate");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let runtime = Background::start();
        let listener = servers::listen(&runtime).expect("a port of loopback is free");
        let port = listener.local_addr().expect("a listener has an address").port();
        let upstream = upstream.trim_start_matches("http://").to_owned();
        let connections = Arc::<AtomicUsize>::default();
        let counted = Arc::clone(&connections);
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::Relaxed);
                let (acceptor, upstream) = (acceptor.clone(), upstream.clone());
                tokio::spawn(async move {
                    // A client that does not trust the certificate hangs up.
                    let mut client = acceptor.accept(stream).await.ok()?;
                    let mut server = TcpStream::connect(upstream).await.ok()?;
                    copy_bidirectional(&mut client, &mut server).await.ok()
                });
            }
        });
        Tls { endpoint: format!("https://localhost:{port}"), connections, _runtime: runtime }
    }

    /// How many connections there were, trusted or not.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

/// The certificate of the authority that vouches for them, in PEM.
pub(crate) fn bundle() -> PathBuf {
    testdata("tls").join("authority.pem")
}

/// A proxy for `CONNECT`.
pub(crate) struct ConnectProxy {
    /// `http://127.0.0.1:PORT`.
    pub(crate) address: String,
    hosts: Arc<Mutex<Vec<String>>>,
    _runtime: Background,
}

impl ConnectProxy {
    pub(crate) fn start() -> Self {
        let runtime = Background::start();
        let listener = servers::listen(&runtime).expect("a port of loopback is free");
        let address = format!("http://{}", listener.local_addr().expect("a listener has an address"));
        let hosts = Arc::<Mutex<Vec<String>>>::default();
        let noted = Arc::clone(&hosts);
        runtime.spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(connect(client, Arc::clone(&noted)));
            }
        });
        ConnectProxy { address, hosts, _runtime: runtime }
    }

    /// The hosts with their ports, in the order in which they were asked for.
    pub(crate) fn hosts(&self) -> Vec<String> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn connect(mut client: TcpStream, hosts: Arc<Mutex<Vec<String>>>) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?;
    let host = head.strip_prefix("CONNECT ")?.split(' ').next()?.to_owned();
    hosts.lock().unwrap_or_else(PoisonError::into_inner).push(host.clone());
    let mut server = TcpStream::connect(host).await.ok()?;
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.ok()?;
    copy_bidirectional(&mut client, &mut server).await.ok()?;
    Some(())
}
