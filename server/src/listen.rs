//! Connections: how many, how long they may take to begin, and whether they are encrypted.
//!
//! ```text
//! accept -> a place (none left: closed) -> TLS, within a time -> the first byte, within a time -> whoever serves the port
//! ```
//!
//! Whoever opens connections and says nothing holds a place for that time and no longer, and no thread.

use crate::tls::Certified;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

/// Connections that wait for whoever serves the port.
const WAITING: usize = 64;
/// After an error that is not one connection's (no more file descriptors) nothing is accepted for this time.
const REST: Duration = Duration::from_millis(100);

/// What a port puts up with.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    /// Connections at once.
    pub(crate) connections: usize,
    /// From the connection to the first byte of a request.
    pub(crate) begin: Duration,
    /// How connections are encrypted, where they are.
    pub(crate) tls: Option<Arc<Certified>>,
    /// Connections that were closed because there were too many, or were not begun in time.
    pub(crate) refused: Arc<AtomicU64>,
}

/// Who is at the other end.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// A connection.
pub(crate) struct Connection {
    stream: Stream,
    peer: Peer,
    _place: OwnedSemaphorePermit,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Accepts until nobody takes what comes.
pub(crate) fn accept(listener: TcpListener, terms: Terms) -> mpsc::Receiver<Connection> {
    let (sender, receiver) = mpsc::channel(WAITING);
    tokio::spawn(run(listener, terms, sender));
    receiver
}

async fn run(listener: TcpListener, terms: Terms, sender: mpsc::Sender<Connection>) {
    let places = Arc::new(Semaphore::new(terms.connections.min(Semaphore::MAX_PERMITS)));
    loop {
        let accepted = tokio::select! {
            // Nobody serves the port any more: it is given back.
            () = sender.closed() => return,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(err) if is_of_one(&err) => continue,
            Err(err) => {
                tracing::error!(%err, "no connection could be accepted");
                tokio::time::sleep(REST).await;
                continue;
            }
        };
        let Ok(place) = places.clone().try_acquire_owned() else {
            terms.refused.fetch_add(1, Ordering::Relaxed);
            continue;
        };
        // A connection that cannot be set so is slower, not wrong.
        let _ = stream.set_nodelay(true);
        tokio::spawn(begin(stream, Peer(peer), place, terms.clone(), sender.clone()));
    }
}

fn is_of_one(err: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(err.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

async fn begin(
    stream: TcpStream,
    peer: Peer,
    place: OwnedSemaphorePermit,
    terms: Terms,
    sender: mpsc::Sender<Connection>,
) {
    let begun = async {
        // Also before a handshake: one time for both. What the system takes for readable may have nothing in it.
        if stream.peek(&mut [0]).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok::<_, io::Error>(match &terms.tls {
            None => Stream::Plain(stream),
            Some(certified) => Stream::Tls(Box::new(TlsAcceptor::from(certified.current()).accept(stream).await?)),
        })
    };
    match tokio::time::timeout(terms.begin, begun).await {
        Ok(Ok(stream)) => drop(sender.send(Connection { stream, peer, _place: place }).await),
        Ok(Err(err)) => tracing::debug!(%err, peer = %peer.0, "a connection was not begun"),
        Err(_) => {
            terms.refused.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Connection {
    /// Who is at its other end.
    pub(crate) fn peer(&self) -> Peer {
        self.peer
    }
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bytes),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Plain(stream) => stream.is_write_vectored(),
            Stream::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
