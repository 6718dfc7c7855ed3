//! Encryption: certificates that can be changed while the server runs.
//!
//! rustls with ring, TLS 1.2 and 1.3 with its safe defaults. New connections take the newest certificate; those that are
//! there keep theirs.

use arc_swap::ArcSwap;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The files of a server's certificate, PEM.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Files {
    /// Its certificate, with those between it and the root.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Who signs the certificates of clients: with it, a client without one is refused.
    pub client_ca: Option<PathBuf>,
}

/// Why files are no certificate.
#[derive(Debug, thiserror::Error)]
#[error("{}: {why}", path.display())]
pub struct Error {
    path: PathBuf,
    why: String,
}

/// A certificate that can be read again.
#[derive(Debug)]
pub(crate) struct Certified {
    config: ArcSwap<ServerConfig>,
    alpn: &'static [u8],
}

impl Certified {
    /// Reads the files; the protocol is what a client is offered (ALPN).
    pub(crate) fn read(files: &Files, alpn: &'static [u8]) -> Result<Self, Error> {
        Ok(Self { config: ArcSwap::new(config(files, alpn)?), alpn })
    }

    /// Reads them again, for [`Self::take`].
    pub(crate) fn prepare(&self, files: &Files) -> Result<Arc<ServerConfig>, Error> {
        config(files, self.alpn)
    }

    /// From now on connections get this.
    pub(crate) fn take(&self, next: Arc<ServerConfig>) {
        self.config.store(next);
    }

    /// For a connection.
    pub(crate) fn current(&self) -> Arc<ServerConfig> {
        self.config.load_full()
    }
}

impl Files {
    /// Whether they are a certificate and its key.
    pub fn check(&self) -> Result<(), Error> {
        config(self, b"h2").map(drop)
    }
}

fn config(files: &Files, alpn: &[u8]) -> Result<Arc<ServerConfig>, Error> {
    let certificates = certificates(&files.cert)?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(failed(&files.key))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone());
    let builder = builder.with_safe_default_protocol_versions().map_err(failed(&files.cert))?;
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in self::certificates(path)? {
                roots.add(certificate).map_err(failed(path))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().map_err(failed(path))?)
        }
    };
    let mut config = builder.with_single_cert(certificates, key).map_err(failed(&files.cert))?;
    config.alpn_protocols = vec![alpn.to_vec()];
    Ok(Arc::new(config))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read.map_err(failed(path))? {
        none if none.is_empty() => Err(Error { path: path.to_owned(), why: "it holds no certificate".to_owned() }),
        some => Ok(some),
    }
}

fn failed<E: std::fmt::Display>(path: &Path) -> impl FnOnce(E) -> Error {
    move |err| Error { path: path.to_owned(), why: err.to_string() }
}
