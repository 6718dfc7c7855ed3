//! A server: its listeners, its store, its end.
//!
//! ```text
//! start: lock the data -> listen on both ports -> open the collections (beside) -> ready
//! end:   no new calls -> calls that run come to their end, for a while -> close the store
//! ```
//!
//! HTTP answers from the first moment, so that whoever waits can see how far the opening is; a
//! collection serves as soon as it is open itself.

mod arriving;
mod ending;
mod ports;
mod strangers;

use crate::access::audit::Audit;
use crate::access::keys::Keyring;
use crate::config::Config;
use crate::console;
use crate::engine::Engine;
use crate::engine::snapshots::Snapshots;
use crate::engine::target::Target;
use crate::grpc::{self, Door};
use crate::http;
use crate::json;
use crate::listen::{self, Connection, Terms};
use crate::metrics::Metrics;
use crate::qdrant;
use crate::tls::{self, Certified};
use crate::traces::{Encrypted, Traces};
use crate::turnstile::Turnstile;
use arriving::Bodies;
use nigh_proto::v1;
use nigh_storage::disk::{FsDisk, place};
use nigh_storage::reading::Reading;
use nigh_storage::scrub::Scrubber;
use nigh_storage::shelf::Shelf;
use nigh_storage::store::Store;
use nigh_storage::told::Hearer;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;
use tower::util::{MapRequestLayer, MapResponseLayer};

/// Bytes of one call, and of all calls of one connection, that a sender may have on its way.
const STREAM_WINDOW_BYTES: u32 = 2 << 20;
/// See [`STREAM_WINDOW_BYTES`].
const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;
/// A connection that is silent for this long is asked whether it is still there.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// How often the memory of the process is looked at.
const MEMORY_EVERY: Duration = Duration::from_millis(100);

/// Why a server did not start, or did not stop well.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Other machines would reach it.
    #[error(
        "{addr} is not a loopback address, and there is no key: whoever reaches it could do everything; \
         set security.keys, or allow it by name (listen.insecure_bind) behind a proxy or in a closed network"
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
    /// The certificate of the server is none.
    #[error(transparent)]
    Tls(#[from] tls::Error),
    /// Where traces are to go makes no sense.
    #[error("{0}")]
    Traces(String),
    /// A setting makes no sense.
    #[error(transparent)]
    Setting(#[from] crate::engine::error::Error),
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

/// A server that listens. One that is dropped without [`Self::shutdown`] stops listening; nothing
/// that was acknowledged is lost by that.
pub struct Running {
    grpc: SocketAddr,
    http: SocketAddr,
    engine: Arc<Engine>,
    stop: watch::Sender<bool>,
    ready: watch::Receiver<bool>,
    health: HealthReporter,
    opening: JoinHandle<()>,
    archiving: Option<JoinHandle<()>>,
    scrubber: Scrubber,
    doors: Vec<JoinHandle<()>>,
    drain: Duration,
    turnstile: Arc<Turnstile>,
    traces: Option<Arc<Traces>>,
    certified: Vec<Arc<Certified>>,
}

impl Server {
    /// Locks the data directory and listens; the collections are opened behind it.
    pub async fn start(config: Config) -> Result<Running> {
        config.check()?;
        let (grpc_listener, grpc) = listen(config.grpc).await?;
        let (http_listener, http) = listen(config.http).await?;
        let traces = traces(&config)?;
        let engine = attach(&config, traces.clone()).await?;
        let turnstile = turnstile(&engine, &config, traces.clone())?;
        let metrics = Arc::new(Metrics::new(turnstile.clone()));
        let (stop, stopping) = watch::channel(false);
        let (is_ready, ready) = watch::channel(false);
        let certified = |alpn| config.tls.as_ref().map(|files| Certified::read(files, alpn).map(Arc::new)).transpose();
        let (http_tls, grpc_tls) = (certified(b"http/1.1")?, certified(b"h2")?);
        let time = Duration::from_millis;
        let accept = |listener, tls: &Option<Arc<Certified>>, http2| {
            let (connections, begin) = (config.limits.connections_max, time(config.limits.begin_ms));
            let stall = time(config.limits.stall_ms);
            let refused = metrics.connections_refused.clone();
            listen::accept(listener, Terms { connections, begin, stall, http2, tls: tls.clone(), refused })
        };

        let door = Door::new(engine.clone(), metrics.clone(), stopping.clone());
        let gate = strangers::Gate { engine: engine.clone(), loopback: config.http.ip().is_loopback() };
        let pages = http::router(engine.clone(), metrics.clone())
            .merge(qdrant::rest::router(engine.clone()))
            .merge(json::router(services_of(&door), config.limits.message_bytes_max))
            .merge(console::router())
            .layer(axum::middleware::from_fn_with_state(gate, strangers::turn_away))
            .layer(turnstile.before(ports::HTTP));
        let (until, head_time) = (stopped(stopping.clone()), time(config.limits.begin_ms));
        let bodies = || Bodies::new(config.limits.arriving_bytes, time(config.limits.request_ms));
        let serving = ports::Http { pages, head_time, bodies: bodies() };
        let keeping = stopping.clone();
        let http_door = tokio::spawn(ports::serve_http(accept(http_listener, &http_tls, false), serving, until));
        let (connections, others) = (accept(grpc_listener, &grpc_tls, true), qdrant::grpc::Door::new(engine.clone()));
        let services = all_services_of(&door, &others);
        let (health, grpc_door) =
            grpc_door(services, connections, &turnstile, &config, bodies(), stopped(stopping)).await?;
        let archiving = match &config.archive {
            Some(archive) => {
                let target = engine.configured_target(&archive.target)?;
                Some(tokio::spawn(engine.clone().keep_archive(target, archive.every, archive.retention)))
            }
            None => None,
        };
        tokio::spawn(keep_memory(engine.clone(), keeping));
        let opening = tokio::spawn(open(engine.clone(), health.clone(), is_ready));
        let scrubber = engine.scrubber()?;
        let drain = Duration::from_millis(config.limits.drain_ms);
        Ok(Running {
            grpc,
            http,
            engine,
            stop,
            ready,
            health,
            opening,
            archiving,
            scrubber,
            doors: vec![grpc_door, http_door],
            drain,
            turnstile,
            traces,
            certified: [http_tls, grpc_tls].into_iter().flatten().collect(),
        })
    }
}

fn keyring(config: &Config) -> Keyring {
    let (security, limits) = (&config.security, &config.limits);
    Keyring::new(&security.keys, security.jwt_secret.as_ref(), limits.calls_per_second, limits.calls_running)
}

fn traces(config: &Config) -> Result<Option<Arc<Traces>>> {
    let ports = if config.tls.is_some() { Encrypted::Tls } else { Encrypted::Plain };
    let start = |collector| Traces::start(collector, ports).map_err(Error::Traces);
    config.traces.as_ref().map(start).transpose()
}

fn turnstile(engine: &Arc<Engine>, config: &Config, traces: Option<Arc<Traces>>) -> Result<Arc<Turnstile>> {
    let security = &config.security;
    let audit = security.audit_file.as_ref().map(|path| Audit::open(path, security.audit_reads));
    let audit = audit.transpose().map_err(failed("open the audit log"))?;
    let time = Duration::from_millis(config.limits.request_ms);
    Ok(Turnstile::new(engine.clone(), keyring(config), audit, time, traces))
}

async fn listen(addr: SocketAddr) -> Result<(TcpListener, SocketAddr)> {
    let failed = |source| Error::Listen { addr, source };
    let listener = TcpListener::bind(addr).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

async fn attach(config: &Config, traces: Option<Arc<Traces>>) -> Result<Arc<Engine>> {
    let (data, mut options, anywhere) = (config.data.clone(), config.storage.clone(), config.allow_network_fs);
    options.reading = Reading::Behind;
    if let Some(traces) = traces {
        options.hearer = Hearer::new(move |end| traces.upkeep(end));
    }
    options.archive_keep_bytes = config.archive.as_ref().map(|archive| archive.keep_bytes);
    let shelf = config.snapshots.dir.clone().unwrap_or_else(|| data.join("snapshots"));
    let attach = move || {
        if !anywhere {
            place::refuse_network(&data)?;
        }
        let store = Store::attach(Arc::new(FsDisk), &data, options)?;
        Ok::<_, nigh_storage::error::Error>((store, Shelf::open(Arc::new(FsDisk), &shelf)?))
    };
    let (store, shelf) = tokio::task::spawn_blocking(attach).await.map_err(failed("open the data directory"))??;
    let target = |(name, place): &(String, String)| Ok::<_, Error>(Arc::new(Target::open(name, place)?));
    let targets = config.backup_targets.iter().map(target).collect::<Result<_>>()?;
    let engine = Engine::new(store, config.data.clone(), config.limits.clone()).with_targets(targets);
    let engine = engine.with_snapshots(Snapshots::new(shelf, config.snapshots.upload_bytes_max));
    Ok(Arc::new(engine.with_slow(config.log.slow_query)))
}

fn failed<E: std::fmt::Display>(doing: &'static str) -> impl FnOnce(E) -> Error {
    move |why| Error::System { doing, why: why.to_string() }
}

/// Opens the collections, then says so.
async fn open(engine: Arc<Engine>, health: HealthReporter, ready: watch::Sender<bool>) {
    let opened = tokio::task::spawn_blocking(move || engine.open_all()).await;
    if let Err(err) = opened {
        tracing::error!(%err, "the collections could not be opened");
        return;
    }
    for service in services() {
        health.set_service_status(service, ServingStatus::Serving).await;
    }
    // Nobody may be waiting for it.
    let _ = ready.send(true);
}

/// What the health service speaks of; the empty name is the whole server.
fn services() -> impl Iterator<Item = &'static str> {
    let (versions, integrity) = (v1::versions_server::SERVICE_NAME, v1::integrity_server::SERVICE_NAME);
    let ours = ["", v1::points_server::SERVICE_NAME, v1::collections_server::SERVICE_NAME, versions, integrity];
    ours.into_iter().chain(qdrant::grpc::SERVICES)
}

/// Our own services, which both ports reach.
fn services_of(door: &Door) -> Routes {
    decoded(own(door))
}

fn own(door: &Door) -> Routes {
    Routes::new(door.points())
        .add_service(door.collections())
        .add_service(door.sources())
        .add_service(door.versions())
        .add_service(door.integrity())
}

/// And those of the Qdrant API, for the port of gRPC.
fn all_services_of(door: &Door, others: &qdrant::grpc::Door) -> Routes {
    let services = own(door).add_service(others.points()).add_service(others.collections());
    decoded(services.add_service(others.snapshots()).add_service(others.service()))
}

/// What cannot be decoded is told as the caller's mistake.
fn decoded(services: Routes) -> Routes {
    Routes::from(services.into_axum_router().layer(MapResponseLayer::new(grpc::of_the_caller)))
}

async fn grpc_door(
    own: Routes,
    connections: mpsc::Receiver<Connection>,
    turnstile: &Arc<Turnstile>,
    config: &Config,
    bodies: Arc<Bodies>,
    until: impl Future<Output = ()> + Send + 'static,
) -> Result<(HealthReporter, JoinHandle<()>)> {
    let (reporter, health) = tonic_health::server::health_reporter();
    for service in services() {
        reporter.set_service_status(service, ServingStatus::NotServing).await;
    }
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(v1::DESCRIPTORS)
        .register_encoded_file_descriptor_set(nigh_proto::qdrant::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()
        .map_err(failed("describe the services"))?;
    let router = tonic::transport::Server::builder()
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_concurrent_streams(config.limits.streams_max)
        .http2_keepalive_interval(Some(KEEPALIVE))
        .layer(turnstile.before(ports::GRPC))
        .layer(MapRequestLayer::new(move |request| ports::arriving(&bodies, request)))
        .add_routes(own)
        .add_service(health)
        .add_service(reflection);
    let incoming = ReceiverStream::new(connections).map(Ok::<_, io::Error>);
    let task = tokio::spawn(async move {
        if let Err(err) = router.serve_with_incoming_shutdown(incoming, until).await {
            tracing::error!(%err, "the gRPC port ended");
        }
    });
    Ok((reporter, task))
}

/// Keeps the process within its memory until the server stops.
async fn keep_memory(engine: Arc<Engine>, mut stopping: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            // Whoever could say that it stops may be gone: a stop as well.
            _ = stopping.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(MEMORY_EVERY) => {}
        }
        let engine = engine.clone();
        if let Err(err) = tokio::task::spawn_blocking(move || engine.keep_memory()).await {
            tracing::error!(%err, "the memory of the process could not be looked at");
        }
    }
}

/// Comes when the server is to stop.
async fn stopped(mut stopping: watch::Receiver<bool>) {
    // An error means that whoever could say so is gone: a stop as well.
    let _ = stopping.wait_for(|stop| *stop).await;
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
    pub async fn ready(&self) {
        let _ = self.ready.clone().wait_for(|ready| *ready).await;
    }

    /// Takes keys, the secret of tokens and certificates as they are in this configuration, and goes on in an audit log
    /// that was moved away. Nothing else of it is looked at; what is wrong leaves all as it is.
    pub fn reload(&self, config: &Config) -> Result<()> {
        if !config.security.is_guarded() && !config.insecure_bind {
            // A server that other machines reach keeps asking for keys, also when its file has lost them.
            if let Some(addr) = [self.grpc, self.http].into_iter().find(|addr| !addr.ip().is_loopback()) {
                return Err(Error::Exposed { addr });
            }
        }
        // All of it is made ready before anything is changed.
        let certificates = match &config.tls {
            Some(files) => self
                .certified
                .iter()
                .map(|certified| certified.prepare(files))
                .collect::<std::result::Result<Vec<_>, _>>()?,
            None => Vec::new(),
        };
        let audit = self.turnstile.next_audit().map_err(failed("open the audit log"))?;
        for (certified, next) in self.certified.iter().zip(certificates) {
            certified.take(next);
        }
        self.turnstile.rekey(keyring(config));
        self.turnstile.go_on_in(audit);
        Ok(())
    }

    /// Lets calls that run come to their end, then closes the store.
    pub async fn shutdown(mut self) -> Result<()> {
        // Whoever watches our health is told, and the stream on which that is watched ends.
        for service in services() {
            self.health.set_service_status(service, ServingStatus::NotServing).await;
            self.health.clear_service_status(service).await;
        }
        let _ = self.stop.send(true);
        let end = tokio::time::Instant::now() + self.drain;
        for mut door in self.doors {
            if tokio::time::timeout_at(end, &mut door).await.is_err() {
                tracing::warn!("calls were still running when the server stopped");
                door.abort();
            }
        }
        // What it had not sent it sends after the next start.
        if let Some(archiving) = self.archiving {
            archiving.abort();
        }
        self.opening.await.map_err(failed("finish the opening of the collections"))?;
        let (engine, scrubber) = (self.engine, self.scrubber);
        let close = move || {
            // What is read again is given up by the closing; then its thread has nothing more to do.
            engine.close();
            drop(scrubber);
        };
        let closed = tokio::task::spawn_blocking(close).await.map_err(failed("close the collections"));
        if let Some(traces) = self.traces {
            traces.stop().await;
        }
        closed
    }
}

/// Serves until the process is told to end (SIGINT, SIGTERM). Says one line when it listens. On SIGHUP it takes keys and
/// certificates of the configuration that is then read; what else is to change with them is done after that.
pub async fn run_until_signal<A: FnOnce()>(
    config: Config,
    mut reread: impl FnMut() -> std::result::Result<(Config, A), String>,
) -> Result<()> {
    let data = config.data.display().to_string();
    let (end, mut again) = (end_signal()?, Hangup::listen()?);
    let running = Server::start(config).await?;
    say(&format!("nigh listens: gRPC {}, HTTP {}, data {data}", running.grpc, running.http))?;
    tokio::pin!(end);
    loop {
        tokio::select! {
            () = &mut end => break,
            () = again.comes() => match reread().and_then(|(config, after)| {
                running.reload(&config).map(|()| after()).map_err(|err| err.to_string())
            }) {
                Ok(()) => tracing::info!("keys and certificates were read again"),
                Err(err) => tracing::error!(err, "the configuration could not be read again; all stays as it is"),
            },
        }
    }
    tracing::info!("stopping");
    running.shutdown().await
}

/// The signal to read the configuration again, where the system has one.
struct Hangup {
    #[cfg(unix)]
    signal: tokio::signal::unix::Signal,
}

impl Hangup {
    #[cfg(unix)]
    fn listen() -> Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { signal: signal(SignalKind::hangup()).map_err(failed("listen for signals"))? })
    }

    #[cfg(unix)]
    async fn comes(&mut self) {
        if self.signal.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }

    #[cfg(not(unix))]
    fn listen() -> Result<Self> {
        Ok(Self {})
    }

    #[cfg(not(unix))]
    async fn comes(&mut self) {
        std::future::pending().await
    }
}

/// Comes when the process is told to end. It is listened for from the call on, not from the first poll.
fn end_signal() -> Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind| signal(kind).map_err(failed("listen for signals"));
        let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
        Ok(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        })
    }
    #[cfg(not(unix))]
    {
        Ok(async {
            let _ = tokio::signal::ctrl_c().await;
        })
    }
}

/// One line on the standard output, at once: others wait for it.
fn say(line: &str) -> Result<()> {
    use std::io::Write;
    let mut out = io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).map_err(failed("write to the standard output"))
}
