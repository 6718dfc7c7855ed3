//! Who we are for the server of a stream, and whom we trust: from the environment and from files, never from the command
//! line, which everybody on a machine can read.

use crate::cli::failure::{Failure, Result, doing};
use crate::cli::import::from::{Sasl, Trust};
use rustls::ClientConfig;
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const USER: &str = "NIGH_FROM_USER";
const PASSWORD: &str = "NIGH_FROM_PASSWORD";

/// What of it is used.
#[derive(Default)]
pub(super) struct Secrets {
    pub(super) tls: Option<Arc<ClientConfig>>,
    pub(super) sasl: Sasl,
    pub(super) credentials: Option<PathBuf>,
    user: Option<String>,
    password: Option<String>,
}

impl Trust {
    /// Reads the environment and the files; `encrypted` where the address says so.
    pub(super) fn secrets(&self, encrypted: bool) -> Result<Secrets> {
        let variable = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
        let password = match &self.from_password_file {
            Some(path) => Some(std::fs::read_to_string(path).map_err(doing("read", path))?.trim().to_owned()),
            None => variable(PASSWORD),
        };
        let encrypted = encrypted || self.from_tls || self.from_ca.is_some() || self.from_cert.is_some();
        Ok(Secrets {
            tls: if encrypted { Some(Arc::new(self.tls()?)) } else { None },
            sasl: self.from_sasl,
            credentials: self.from_creds.clone(),
            user: variable(USER),
            password,
        })
    }

    fn tls(&self) -> Result<ClientConfig> {
        let mut roots = RootCertStore::empty();
        match &self.from_ca {
            Some(path) => {
                for certificate in certificates(path)? {
                    roots.add(certificate).map_err(|error| bad(path, &error))?;
                }
            }
            None => _ = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs),
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.map_err(|error| Failure::Usage(format!("TLS: {error}")))?.with_root_certificates(roots);
        match (&self.from_cert, &self.from_cert_key) {
            (Some(path), Some(key)) => {
                let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| bad(key, &error))?;
                builder.with_client_auth_cert(certificates(path)?, secret).map_err(|error| bad(path, &error))
            }
            _ => Ok(builder.with_no_client_auth()),
        }
    }
}

impl Secrets {
    /// Both, or neither.
    pub(super) fn user_and_password(&self) -> Result<Option<(String, String)>> {
        match (&self.user, &self.password) {
            (Some(user), Some(password)) => Ok(Some((user.clone(), password.clone()))),
            (None, None) => Ok(None),
            (Some(_), None) => Err(Failure::Usage(format!("{USER} is set, and no {PASSWORD}"))),
            (None, Some(_)) => Err(Failure::Usage(format!("{PASSWORD} is set, and no {USER}"))),
        }
    }

    /// A password without a user.
    pub(super) fn token(&self) -> Option<String> {
        self.password.clone().filter(|_| self.user.is_none())
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let read = CertificateDer::pem_file_iter(path).and_then(|found| found.collect::<Result<Vec<_>, pem::Error>>());
    let certificates = read.map_err(|error| bad(path, &error))?;
    match certificates.is_empty() {
        true => Err(bad(path, &"there is no certificate in it")),
        false => Ok(certificates),
    }
}

fn bad(path: &Path, why: &dyn std::fmt::Display) -> Failure {
    Failure::Usage(format!("{}: {why}", path.display()))
}
