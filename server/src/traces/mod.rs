//! Spans of requests and of upkeep, as OpenTelemetry has them, for a collector.
//!
//! ```text
//! a request -> Trace (whose parent? is it wanted?) -> its stages, and at its end itself -> outbox -> the collector
//! ```
//!
//! A span is written down when it is over, from times that were taken on the way anyhow. Nothing waits for the collector:
//! what it does not take is left out, and counted. A span says what was done and how long it took: never what was asked
//! for, nor what was found.

pub(crate) mod names;
mod outbox;
pub(crate) mod parent;

pub(crate) use opentelemetry::KeyValue as Noted;

use crate::config::traces::Collector;
use names::Said;
use nigh_storage::told::TaskEnd;
use opentelemetry::InstrumentationScope;
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry_sdk::trace::{
    IdGenerator, RandomIdGenerator, Sampler, SamplingDecision, ShouldSample, SpanData, SpanEvents, SpanLinks,
};
use outbox::Outbox;
use parent::Parent;
use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// Stages of one request that are told, at the most: a stream has many.
const STAGES_MAX: u32 = 1000;

/// Where spans come together.
#[derive(Debug)]
pub(crate) struct Traces {
    outbox: Outbox,
    /// For those that nobody else decided about.
    sampler: Sampler,
    scope: InstrumentationScope,
    /// Of the port of HTTP.
    scheme: &'static str,
}

/// One request's span, until it is over.
#[derive(Debug)]
pub(crate) struct Trace {
    traces: Arc<Traces>,
    context: SpanContext,
    parent: SpanId,
    asked: Asked,
    begun: Instant,
    begun_at: SystemTime,
    stages: AtomicU32,
}

/// How our own ports are.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum Encrypted {
    Plain,
    Tls,
}

/// What is asked for, by the names that calls have.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) struct Asked {
    /// The port: `grpc` or `http`.
    pub(crate) port: &'static str,
    /// The call, as the table of calls has it.
    pub(crate) call: &'static str,
    /// The method of HTTP.
    pub(crate) method: &'static str,
}

/// What came of a request.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum CameOf {
    /// It was answered with this code, of gRPC or of HTTP.
    Answered(u16),
    /// Nobody waited for the answer any more.
    Cancelled,
    /// The server failed.
    Panicked,
}

/// What is known of a request at its end.
pub(crate) struct Known<'k> {
    pub(crate) came_of: CameOf,
    /// The collections that it named.
    pub(crate) collections: Vec<String>,
    pub(crate) request_id: &'k str,
    /// The name of the key.
    pub(crate) caller: &'k str,
}

impl Traces {
    /// Spans go to this collector from now on. It need not be there yet.
    ///
    /// # Errors
    ///
    /// Says which setting makes no sense.
    pub(crate) fn start(collector: &Collector, encrypted: Encrypted) -> Result<Arc<Self>, String> {
        let sampler = Sampler::TraceIdRatioBased(collector.sample);
        let scheme = if encrypted == Encrypted::Tls { "https" } else { "http" };
        let scope = InstrumentationScope::builder("nigh").with_version(env!("CARGO_PKG_VERSION")).build();
        Ok(Arc::new(Self { outbox: Outbox::to(collector)?, sampler, scope, scheme }))
    }

    /// Whether [`Self::start`] would take it.
    pub(crate) fn check(collector: &Collector) -> Result<(), String> {
        outbox::endpoint(collector).and_then(|_| outbox::headers(collector)).map(|_| ())
    }

    /// A request begins. Its caller says whether its trace is wanted, where it belongs to one.
    pub(crate) fn request(self: &Arc<Self>, asked: Asked, parent: Option<&Parent>) -> Arc<Trace> {
        let (trace_id, parent_id, wanted, state) = match parent {
            Some(parent) => (parent.trace_id, parent.span_id, parent.sampled, parent.state.clone()),
            None => {
                let trace_id = RandomIdGenerator::default().new_trace_id();
                (trace_id, SpanId::INVALID, self.wants(trace_id), TraceState::default())
            }
        };
        let flags = TraceFlags::default().with_sampled(wanted);
        let context = SpanContext::new(trace_id, RandomIdGenerator::default().new_span_id(), flags, false, state);
        Arc::new(Trace {
            traces: self.clone(),
            context,
            parent: parent_id,
            asked,
            begun: Instant::now(),
            begun_at: SystemTime::now(),
            stages: AtomicU32::new(0),
        })
    }

    fn wants(&self, trace_id: TraceId) -> bool {
        let sampled = self.sampler.should_sample(None, trace_id, "", &SpanKind::Internal, &[], &[]);
        sampled.decision == SamplingDecision::RecordAndSample
    }

    /// A seal or a merge is over: a trace of its own.
    pub(crate) fn upkeep(&self, end: &TaskEnd) {
        let trace_id = RandomIdGenerator::default().new_trace_id();
        if !self.wants(trace_id) {
            return;
        }
        let (span_id, flags) = (RandomIdGenerator::default().new_span_id(), TraceFlags::SAMPLED);
        let context = SpanContext::new(trace_id, span_id, flags, false, TraceState::default());
        let now = SystemTime::now();
        let times = (now.checked_sub(end.begun.elapsed()).unwrap_or(now), now);
        self.put(context, SpanId::INVALID, names::upkeep(end), times);
    }

    fn put(&self, context: SpanContext, parent: SpanId, said: Said, (start_time, end_time): (SystemTime, SystemTime)) {
        self.outbox.put(SpanData {
            span_context: context,
            parent_span_id: parent,
            parent_span_is_remote: said.kind == SpanKind::Server && parent != SpanId::INVALID,
            span_kind: said.kind,
            name: said.name,
            start_time,
            end_time,
            attributes: said.attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: said.status,
            instrumentation_scope: self.scope.clone(),
        });
    }

    /// What became of spans, as Prometheus reads it.
    pub(crate) fn write(&self, out: &mut String) -> std::fmt::Result {
        self.outbox.write(out)
    }

    /// Sends what waits, for a while; what ends later is left out.
    pub(crate) async fn stop(&self) {
        self.outbox.stop().await;
    }
}

impl Trace {
    /// Whether somebody wants its spans.
    pub(crate) fn is_wanted(&self) -> bool {
        self.context.is_sampled()
    }

    /// The trace, and the span of the request, as W3C Trace Context writes them.
    pub(crate) fn ids(&self) -> (String, String) {
        (self.context.trace_id().to_string(), self.context.span_id().to_string())
    }

    /// A stage of it is over.
    pub(crate) fn stage(&self, name: &'static str, begun: Instant, took: Duration, attributes: Vec<Noted>) {
        if !self.is_wanted() || self.stages.fetch_add(1, Ordering::Relaxed) >= STAGES_MAX {
            return;
        }
        let begun_at = self.at(begun);
        let flags = TraceFlags::SAMPLED;
        let (span_id, state) = (RandomIdGenerator::default().new_span_id(), self.context.trace_state().clone());
        let context = SpanContext::new(self.context.trace_id(), span_id, flags, false, state);
        let said = Said { name: Cow::Borrowed(name), kind: SpanKind::Internal, status: Status::Unset, attributes };
        self.traces.put(context, self.context.span_id(), said, (begun_at, begun_at + took));
    }

    /// It is over.
    pub(crate) fn end(&self, known: &Known<'_>) {
        if !self.is_wanted() {
            return;
        }
        let mut said = names::request(&self.asked, known, self.traces.scheme);
        let left_out = self.stages.load(Ordering::Relaxed).saturating_sub(STAGES_MAX);
        if left_out > 0 {
            said.attributes.push(Noted::new("nigh.stages_left_out", i64::from(left_out)));
        }
        let times = (self.begun_at, self.at(Instant::now()));
        self.traces.put(self.context.clone(), self.parent, said, times);
    }

    /// By the clock on the wall, which may be set while a request runs: only its beginning is read from it.
    fn at(&self, instant: Instant) -> SystemTime {
        match instant.checked_duration_since(self.begun) {
            Some(since) => self.begun_at + since,
            None => self.begun_at - self.begun.duration_since(instant),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::traces::Headers;

    fn traces(sample: f64) -> Arc<Traces> {
        let (endpoint, service_name) = ("http://127.0.0.1:9".to_owned(), "nigh".to_owned());
        let headers = Headers::default();
        let collector = Collector { endpoint, ca_file: None, headers, sample, service_name, queue_spans: 16 };
        Traces::start(&collector, Encrypted::Plain).unwrap()
    }

    const ASKED: Asked = Asked { port: "grpc", call: "/nigh.v1.Points/Query", method: "POST" };

    #[tokio::test]
    async fn a_caller_decides_and_where_there_is_none_the_ratio() {
        let parent = |sampled| {
            let (trace_id, span_id) = (TraceId::from(7_u128), SpanId::from(9));
            Parent { trace_id, span_id, sampled, state: TraceState::default() }
        };
        let (all, none) = (traces(1.0), traces(0.0));
        assert!(all.request(ASKED, None).is_wanted());
        assert!(!none.request(ASKED, None).is_wanted());
        assert!(none.request(ASKED, Some(&parent(true))).is_wanted());
        let unwanted = all.request(ASKED, Some(&parent(false)));
        assert!(!unwanted.is_wanted());
        assert_eq!(unwanted.ids().0, format!("{:032x}", 7), "its lines in the log are found all the same");
        let half = traces(0.5);
        let wanted = (0..2000).filter(|_| half.request(ASKED, None).is_wanted()).count();
        assert!((800..1200).contains(&wanted), "{wanted}");
    }

    #[tokio::test]
    async fn the_stages_of_a_request_are_bounded() {
        let trace = traces(1.0).request(ASKED, None);
        for _ in 0..STAGES_MAX + 5 {
            trace.stage("queue", Instant::now(), Duration::ZERO, Vec::new());
        }
        let mut text = String::new();
        trace.traces.write(&mut text).unwrap();
        let told = |line: &str| text.lines().find_map(|have| have.strip_prefix(line)?.trim().parse::<u64>().ok());
        let waiting = told("nigh_spans_waiting").unwrap();
        let dropped = told("nigh_spans_total{result=\"dropped\"}").unwrap();
        assert_eq!((waiting, waiting + dropped), (16, u64::from(STAGES_MAX)), "{text}");
    }
}
