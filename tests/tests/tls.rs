//! Encrypted ports: who trusts whom, certificates that change, and connections that are never begun.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use nigh_client::Client;
use nigh_server::config::Config;
use nigh_server::serve::{Running, Server};
use nigh_server::tls::Files;
use nigh_tests::keyed::{config, http};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;

/// Who signs certificates.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A certificate for this machine, and its key.
    fn signed(&self) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }

    fn write(&self, folder: &Path) {
        let (cert, key) = self.signed();
        fs::write(folder.join("cert.pem"), cert).unwrap();
        fs::write(folder.join("key.pem"), key).unwrap();
        fs::write(folder.join("ca.pem"), &self.pem).unwrap();
    }
}

fn encrypted(folder: &Path, mutual: bool) -> Config {
    let at = |name: &str| folder.join(name);
    let client_ca = mutual.then(|| at("ca.pem"));
    let tls = Some(Files { cert: at("cert.pem"), key: at("key.pem"), client_ca });
    Config { tls, ..config(&at("data")) }
}

async fn lists(running: &Running, ca: &str, identity: Option<(String, String)>) -> Result<usize, String> {
    let mut builder = Client::builder(format!("localhost:{}", running.grpc_addr().port())).ca(ca);
    if let Some((cert, key)) = identity {
        builder = builder.identity(cert, key);
    }
    let client = builder.connect().await.map_err(|err| err.to_string())?;
    client.list_collections().await.map(|all| all.len()).map_err(|err| err.to_string())
}

/// The first line of what the HTTP port answers over TLS.
async fn page(running: &Running, ca: &str) -> std::io::Result<String> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let client = client.with_root_certificates(roots).with_no_client_auth();
    let stream = tokio::net::TcpStream::connect(running.http_addr()).await?;
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = TlsConnector::from(Arc::new(client)).connect(name, stream).await?;
    stream.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer.lines().next().unwrap_or_default().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_ports_are_encrypted_and_certificates_change_while_they_serve() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (Authority::new("first"), Authority::new("second"));
    first.write(folder.path());
    let config = encrypted(folder.path(), false);
    let running = Server::start(config.clone()).await.unwrap();
    running.ready().await;
    assert_eq!(lists(&running, &first.pem, None).await, Ok(0));
    assert_eq!(page(&running, &first.pem).await.unwrap(), "HTTP/1.1 200 OK");
    assert!(lists(&running, &second.pem, None).await.is_err(), "signed by somebody else");
    let plain = Client::builder(running.grpc_addr().to_string()).connect().await;
    let plain = match plain {
        Ok(client) => client.list_collections().await.err(),
        Err(err) => Some(err),
    };
    assert!(plain.is_some(), "a client that does not encrypt is not served");

    second.write(folder.path());
    running.reload(&config).unwrap();
    assert_eq!(lists(&running, &second.pem, None).await, Ok(0));
    assert!(page(&running, &first.pem).await.is_err());

    fs::write(folder.path().join("cert.pem"), "no certificate").unwrap();
    assert!(running.reload(&config).unwrap_err().to_string().contains("cert.pem"));
    assert_eq!(lists(&running, &second.pem, None).await, Ok(0), "what is wrong leaves all as it was");
    running.shutdown().await.unwrap();
    let said = Server::start(config).await.err().unwrap().to_string();
    assert!(said.contains("cert.pem"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_show_certificates_where_they_are_asked_for_them() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, others) = (Authority::new("ours"), Authority::new("others"));
    ours.write(folder.path());
    let running = Server::start(encrypted(folder.path(), true)).await.unwrap();
    running.ready().await;
    assert_eq!(lists(&running, &ours.pem, Some(ours.signed())).await, Ok(0));
    assert!(lists(&running, &ours.pem, None).await.is_err(), "without one");
    assert!(lists(&running, &ours.pem, Some(others.signed())).await.is_err(), "with somebody else's");
    assert!(page(&running, &ours.pem).await.is_err(), "nor over HTTP");
    running.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_begin_is_let_go_and_others_are_served() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path());
    config.limits.begin_ms = 200;
    config.limits.connections_max = 8;
    let running = Server::start(config).await.unwrap();
    running.ready().await;
    let addr = running.http_addr().to_string();
    let closed = |mut stream: TcpStream| {
        let mut answer = Vec::new();
        // A reset is an end as well.
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    };
    for port in [running.http_addr(), running.grpc_addr()] {
        let silent = TcpStream::connect(port).unwrap();
        assert_eq!(closed(silent), "", "nothing was said, and nothing is answered");
    }
    let mut slow = TcpStream::connect(&addr).unwrap();
    slow.write_all(b"GET /livez HTTP/1.1\r\nHost: n").unwrap();
    assert_eq!(http(&addr, "GET", "/livez", &[], "").0, 200, "others are served meanwhile");
    let said = closed(slow);
    assert!(!said.contains("200 OK"), "half a head is no request: {said}");

    // Eight that hold their places: the ninth is closed, and one who comes when they are gone is served.
    let held: Vec<TcpStream> = (0..8).map(|_| TcpStream::connect(&addr).unwrap()).collect();
    assert_eq!(closed(TcpStream::connect(&addr).unwrap()), "");
    held.into_iter().for_each(|stream| assert_eq!(closed(stream), ""));
    let served = (0..1000).any(|_| {
        let mut stream = TcpStream::connect(&addr).unwrap();
        let _ = stream.write_all(b"GET /livez HTTP/1.1\r\nHost: n\r\nConnection: close\r\n\r\n");
        closed(stream).contains("200 OK")
    });
    assert!(served);
    running.shutdown().await.unwrap();
}
