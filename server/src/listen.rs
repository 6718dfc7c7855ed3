//! Connections: how many, how long they may take to begin, and whether they are encrypted.
//!
//! ```text
//! accept -> a place (none left: closed) -> TLS, within a time -> the first byte, within a time -> whoever serves the port
//! ```
//!
//! Whoever opens connections and says nothing holds a place for that time and no longer, and no thread. No address holds all
//! places (`places`), and nobody keeps us waiting for ever (`patience`).

mod patience;
mod places;

use crate::tls::Certified;
use patience::{HTTP2_BEGINS, Patience};
use places::{Place, Places};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::Instant;
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
    /// From the connection to the first byte of a request, and of HTTP/2 to the end of its preface.
    pub(crate) begin: Duration,
    /// How long the other end may take nothing of an answer.
    pub(crate) stall: Duration,
    /// Whether HTTP/2 is spoken, whose server waits for a preface without looking at the clock.
    pub(crate) http2: bool,
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
    patience: Patience,
    peer: Peer,
    _place: Place,
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
    let places = Places::new(terms.connections);
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
        let Some(place) = places.take(peer.ip()) else {
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

async fn begin(stream: TcpStream, peer: Peer, place: Place, terms: Terms, sender: mpsc::Sender<Connection>) {
    let by = Instant::now() + terms.begin;
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
    match tokio::time::timeout_at(by, begun).await {
        Ok(Ok(stream)) => {
            let patience = Patience::new(if terms.http2 { HTTP2_BEGINS } else { 0 }, by, terms.stall);
            // Nobody serves the port any more: it is closed.
            let _ = sender.send(Connection { stream, patience, peer, _place: place }).await;
        }
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
        let before = buf.filled().len();
        let read = match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        };
        let got = read.is_ready().then(|| buf.filled().len() - before);
        match self.patience.read(cx, got) {
            Ok(()) => read,
            Err(err) => Poll::Ready(Err(err)),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let sent = match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        };
        self.patience.write(cx, sent)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let sent = match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bytes),
        };
        self.patience.write(cx, sent)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Plain(stream) => stream.is_write_vectored(),
            Stream::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let sent = match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
        };
        self.patience.write(cx, sent)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let sent = match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        };
        self.patience.write(cx, sent)
    }
}
