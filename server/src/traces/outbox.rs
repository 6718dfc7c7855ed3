//! Spans on their way to the collector: a bounded queue, and a task that sends what is in it, batch by batch.
//!
//! ```text
//! spans -> queue (full: dropped) -> up to 512, or what came within a second -> the collector (refused, late: failed)
//! ```

use crate::config::traces::Collector;
use crate::metrics::head;
use opentelemetry_otlp::{WithExportConfig, WithTonicConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use parking_lot::Mutex;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tonic::metadata::{MetadataKey, MetadataMap};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint};

/// Spans of one message.
const BATCH: usize = 512;
/// A span waits for others for at most this long.
const GATHER: Duration = Duration::from_secs(1);
/// A batch that was not taken after this time is given up, tries that failed included.
const EXPORT_MAX: Duration = Duration::from_secs(10);
/// What waits when the server stops is sent for this long.
const FLUSH_MAX: Duration = Duration::from_secs(5);

/// The queue, and who empties it.
#[derive(Debug)]
pub(super) struct Outbox {
    spans: mpsc::Sender<SpanData>,
    counts: Arc<Counts>,
    stop: watch::Sender<bool>,
    task: Mutex<Option<JoinHandle<()>>>,
}

/// What became of spans.
#[derive(Debug, Default)]
struct Counts {
    sent: AtomicU64,
    dropped: AtomicU64,
    failed: AtomicU64,
}

/// Where the collector is.
///
/// # Errors
///
/// Says which setting makes no sense.
pub(super) fn endpoint(collector: &Collector) -> Result<Endpoint, String> {
    let wrong = |why: String| format!("traces.endpoint is `{}`; {why}", collector.endpoint);
    let endpoint = Endpoint::from_shared(collector.endpoint.clone());
    let endpoint = endpoint.map_err(|_| wrong("it is a URL, as http://127.0.0.1:4317".to_owned()))?;
    let scheme = endpoint.uri().scheme_str().unwrap_or_default().to_owned();
    let tls = match (scheme.as_str(), &collector.ca_file) {
        ("http", None) => return Ok(endpoint),
        ("http", Some(_)) => return Err(wrong("traces.ca_file is for https://".to_owned())),
        ("https", None) => ClientTlsConfig::new().with_native_roots(),
        ("https", Some(path)) => {
            let read = std::fs::read(path);
            let pem = read.map_err(|err| format!("traces.ca_file: could not read {}: {err}", path.display()))?;
            ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem))
        }
        _ => return Err(wrong("it begins with http:// or https://".to_owned())),
    };
    endpoint.tls_config(tls).map_err(|err| wrong(err.to_string()))
}

/// What goes with every message.
///
/// # Errors
///
/// Names the header that is none.
pub(super) fn headers(collector: &Collector) -> Result<MetadataMap, String> {
    let mut headers = MetadataMap::new();
    for (name, value) in &collector.headers.0 {
        let wrong = || format!("traces.headers: `{name}` is no header, or its value none");
        let key = MetadataKey::from_bytes(name.as_bytes()).map_err(|_| wrong())?;
        headers.insert(key, value.parse().map_err(|_| wrong())?);
    }
    Ok(headers)
}

impl Outbox {
    /// To this collector. It is connected to when there is something to send.
    pub(super) fn to(collector: &Collector) -> Result<Self, String> {
        let channel = endpoint(collector)?.connect_lazy();
        let exporter = opentelemetry_otlp::SpanExporter::builder().with_tonic().with_channel(channel);
        let exporter = exporter.with_metadata(headers(collector)?).with_timeout(EXPORT_MAX);
        let mut exporter = exporter.build().map_err(|err| format!("traces.endpoint: {err}"))?;
        let named = Resource::builder_empty().with_service_name(collector.service_name.clone());
        exporter.set_resource(
            &named.with_attribute(super::Noted::new("service.version", env!("CARGO_PKG_VERSION"))).build(),
        );
        Ok(Self::by(exporter, collector.queue_spans))
    }

    fn by(exporter: impl SpanExporter + 'static, queue_spans: usize) -> Self {
        let (spans, waiting) = mpsc::channel(queue_spans);
        let (stop, stopping) = watch::channel(false);
        let counts = Arc::new(Counts::default());
        let sending = Sending { exporter, waiting, stopping, counts: counts.clone(), refused: false };
        Self { spans, counts, stop, task: Mutex::new(Some(tokio::spawn(sending.run()))) }
    }

    /// Never waits: where there is no room the span is dropped.
    pub(super) fn put(&self, span: SpanData) {
        if self.spans.try_send(span).is_err() {
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Sends what waits, for a while.
    pub(super) async fn stop(&self) {
        self.stop.send_replace(true);
        let task = self.task.lock().take();
        if let Some(mut task) = task
            && timeout(FLUSH_MAX, &mut task).await.is_err()
        {
            tracing::warn!("the collector of traces did not take the last spans in time");
            task.abort();
        }
    }

    /// What became of spans, as Prometheus reads it.
    pub(super) fn write(&self, out: &mut String) -> std::fmt::Result {
        let Counts { sent, dropped, failed } = &*self.counts;
        head(out, "nigh_spans_total", "counter", "Spans by what became of them.")?;
        for (result, count) in [("sent", sent), ("dropped", dropped), ("failed", failed)] {
            writeln!(out, "nigh_spans_total{{result=\"{result}\"}} {}", count.load(Ordering::Relaxed))?;
        }
        head(out, "nigh_spans_waiting", "gauge", "Spans that wait to be sent.")?;
        writeln!(out, "nigh_spans_waiting {}", self.spans.max_capacity() - self.spans.capacity())
    }
}

/// What empties the queue.
struct Sending<E> {
    exporter: E,
    waiting: mpsc::Receiver<SpanData>,
    stopping: watch::Receiver<bool>,
    counts: Arc<Counts>,
    /// Whether the last batch was not taken: that is said once.
    refused: bool,
}

impl<E: SpanExporter> Sending<E> {
    async fn run(mut self) {
        while let Some(batch) = self.gathered().await {
            self.send(batch).await;
        }
        // What ended before the stop is still sent; what ends behind it is not taken.
        self.waiting.close();
        let mut batch = Vec::new();
        loop {
            let next = self.waiting.try_recv();
            let ended = matches!(next, Err(TryRecvError::Empty | TryRecvError::Disconnected));
            batch.extend(next);
            if !batch.is_empty() && (ended || batch.len() == BATCH) {
                self.send(std::mem::take(&mut batch)).await;
            }
            if ended {
                return;
            }
        }
    }

    /// The next batch; `None` at the stop.
    async fn gathered(&mut self) -> Option<Vec<SpanData>> {
        let (mut batch, mut until) = (Vec::with_capacity(BATCH), None);
        while batch.len() < BATCH {
            let room = BATCH - batch.len();
            let late = async {
                match until {
                    Some(until) => sleep_until(until).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                // Who could say so is gone: a stop as well.
                _ = self.stopping.wait_for(|stop| *stop) => {
                    if !batch.is_empty() {
                        break;
                    }
                    return None;
                }
                () = late => break,
                got = self.waiting.recv_many(&mut batch, room) => {
                    if got == 0 {
                        return None;
                    }
                }
            }
            until = until.or_else(|| Some(Instant::now() + GATHER));
        }
        Some(batch)
    }

    async fn send(&mut self, batch: Vec<SpanData>) {
        let spans = batch.len() as u64;
        let sent = match timeout_at(Instant::now() + EXPORT_MAX, self.exporter.export(batch)).await {
            Ok(sent) => sent.map_err(|err| err.to_string()),
            Err(_) => Err(format!("it took longer than {} s", EXPORT_MAX.as_secs())),
        };
        match sent {
            Ok(()) => {
                self.counts.sent.fetch_add(spans, Ordering::Relaxed);
                if std::mem::take(&mut self.refused) {
                    tracing::info!("the collector of traces takes spans again");
                }
            }
            Err(err) => {
                self.counts.failed.fetch_add(spans, Ordering::Relaxed);
                if !std::mem::replace(&mut self.refused, true) {
                    tracing::warn!(err, "the collector of traces does not take spans; they are left out");
                }
            }
        }
    }
}
