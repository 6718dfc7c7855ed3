//! Where every request of both ports passes, once, before anything of ours sees it.
//!
//! ```text
//! request -> which call -> whose key -> may they -> rate, places -> span, time -> the door's handlers -> counted, audited
//! ```
//!
//! It knows no door: a port tells it how its calls are named and what its refusals look like.

use crate::access::audit::{Audit, Entry};
use crate::access::keys::{Caller, Keyring};
use crate::access::rate::{Place, TooMuch};
use crate::access::table::{Call, GRPC, HTTP, Need, Time, UNKNOWN, find};
use crate::engine::Engine;
use crate::engine::access::{Access, Right, Scope};
use crate::latency::Latency;
use crate::listen::Peer;
use crate::metrics::head;
use crate::traces::names::method;
use crate::traces::parent::Parent;
use crate::traces::{Asked, CameOf, Known, Trace, Traces};
use arc_swap::{ArcSwap, ArcSwapOption};
use hyper::header::{AUTHORIZATION, HeaderValue};
use hyper::{HeaderMap, Request, Response};
use std::fmt::Write;
use std::fs::File;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tower::{Layer, Service};
use tracing::Instrument;
use uuid::Uuid;

/// A key in a header of its own, as clients of the Qdrant API send it.
const API_KEY: &str = "api-key";
/// A request's name, in and out.
const REQUEST_ID: &str = "x-request-id";
/// A name that a caller gives has at most this many characters.
const REQUEST_ID_MAX: usize = 128;

/// Why a request is not served.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Refusal {
    /// Nobody knows who it is.
    Unauthenticated(String),
    /// They may not.
    Forbidden(String),
    /// They ask too much.
    TooMuch(TooMuch),
    /// It took too long.
    Late(Duration),
}

/// What came of a request.
pub(crate) struct Outcome {
    pub(crate) good: bool,
    pub(crate) denied: bool,
    pub(crate) code: String,
    /// The same, by its number.
    pub(crate) number: u16,
}

/// Is told what came of an answer at its end.
pub(crate) type Ending = Box<dyn FnOnce(&Outcome) + Send>;

/// An answer, whose end is told.
type Follow<R> = fn(Response<R>, Ending) -> Response<R>;

/// How a port names calls, refuses, and tells what came of them.
pub(crate) struct Port<B, R> {
    pub(crate) name: &'static str,
    pub(crate) tables: &'static [&'static [Call]],
    pub(crate) call: fn(&Request<B>) -> String,
    pub(crate) refuse: fn(&Refusal) -> Response<R>,
    /// What an answer says of it where it begins.
    pub(crate) outcome: fn(&Response<R>) -> Outcome,
    /// Where an answer says only at its end what came of it: has that told.
    pub(crate) follow: Option<Follow<R>>,
}

impl<B, R> Clone for Port<B, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<B, R> Copy for Port<B, R> {}

/// What both ports share.
pub(crate) struct Turnstile {
    engine: Arc<Engine>,
    ring: ArcSwap<Keyring>,
    audit: ArcSwapOption<Audit>,
    time: Duration,
    ports: [Counted; 2],
    traces: Option<Arc<Traces>>,
}

/// What came of a port's requests.
struct Counted {
    port: &'static str,
    tables: &'static [&'static [Call]],
    /// By the place in the tables; the last one is of what is in none.
    counts: Vec<Count>,
}

#[derive(Default)]
struct Count {
    good: AtomicU64,
    refused: AtomicU64,
    failed: AtomicU64,
    /// Nobody waited for the answer any more.
    cancelled: AtomicU64,
    latency: Latency,
}

impl Turnstile {
    pub(crate) fn new(
        engine: Arc<Engine>,
        ring: Keyring,
        audit: Option<Audit>,
        time: Duration,
        traces: Option<Arc<Traces>>,
    ) -> Arc<Self> {
        engine.guard(ring.is_guarded());
        let counted = |tables: &[&[Call]]| {
            let calls: usize = tables.iter().map(|table| table.len()).sum();
            (0..=calls).map(|_| Count::default()).collect()
        };
        let ports = [("grpc", GRPC), ("http", HTTP)];
        let ports = ports.map(|(port, tables)| Counted { port, tables, counts: counted(tables) });
        let (ring, audit) = (ArcSwap::from_pointee(ring), ArcSwapOption::from_pointee(audit));
        Arc::new(Self { engine, ring, audit, time, ports, traces })
    }

    /// From now on these keys hold, for calls that begin.
    pub(crate) fn rekey(&self, ring: Keyring) {
        // Guarded before the keys are there, and until they are gone: what lies between is refused.
        self.engine.guard(true);
        let guarded = ring.is_guarded();
        self.ring.store(Arc::new(ring));
        self.engine.guard(guarded);
    }

    /// The file that has the name of the audit log now.
    pub(crate) fn next_audit(&self) -> std::io::Result<Option<File>> {
        self.audit.load().as_ref().map(|audit| audit.next()).transpose()
    }

    /// The audit log goes on in this file.
    pub(crate) fn go_on_in(&self, file: Option<File>) {
        if let (Some(audit), Some(file)) = (self.audit.load().as_ref(), file) {
            audit.go_on_in(file);
        }
    }

    /// Whether who came with this credential may still do what they might then: asked by calls that last. Keys may have
    /// been changed meanwhile, and a token may have expired.
    fn still(&self, credential: Option<&str>, scope: &Scope) -> Result<(), String> {
        let ring = self.ring.load();
        let caller = match credential {
            Some(text) if ring.is_guarded() => ring.caller(text).map_err(|unknown| unknown.0)?,
            _ => ring.anonymous(),
        };
        match caller.scope == *scope {
            true => Ok(()),
            false => Err("what the key may do was changed".to_owned()),
        }
    }

    /// Before the handlers of a port.
    pub(crate) fn before<B, R>(self: &Arc<Self>, port: Port<B, R>) -> Before<B, R> {
        Before { turnstile: self.clone(), port }
    }

    /// What came of all requests, as Prometheus reads it.
    pub(crate) fn write(&self, out: &mut String) -> std::fmt::Result {
        head(out, "nigh_requests_total", "counter", "Requests that ended, by port, call and result.")?;
        for (door, call, count) in self.counted() {
            let results = [
                ("ok", &count.good),
                ("refused", &count.refused),
                ("failed", &count.failed),
                ("cancelled", &count.cancelled),
            ];
            for (result, count) in results {
                let count = count.load(Ordering::Relaxed);
                if count > 0 {
                    writeln!(
                        out,
                        "nigh_requests_total{{door=\"{door}\",call=\"{call}\",result=\"{result}\"}} {count}"
                    )?;
                }
            }
        }
        let name = "nigh_request_duration_seconds";
        head(out, name, "histogram", "Time of requests until their answers begin, by port and call.")?;
        for (door, call, count) in self.counted() {
            if count.latency.times() > 0 {
                count.latency.write(out, name, &format!("door=\"{door}\",call=\"{call}\""))?;
            }
        }
        self.traces.as_ref().map_or(Ok(()), |traces| traces.write(out))
    }

    fn counted(&self) -> impl Iterator<Item = (&str, &str, &Count)> {
        self.ports.iter().flat_map(|Counted { port, tables, counts }| {
            let names = tables.iter().flat_map(|table| table.iter()).chain([&UNKNOWN]).map(|call| call.name);
            names.zip(counts).map(move |(call, count)| (*port, call, count))
        })
    }

    /// Who asks, where they may ask for this at all.
    fn let_in(&self, call: &Call, headers: &HeaderMap) -> (Caller, Result<Place, Refusal>) {
        let ring = self.ring.load();
        let caller = match (call.need, ring.is_guarded()) {
            // Whoever asks whether a server lives is not asked who they are, and no key is looked at where there are none.
            (Need::Open, _) | (_, false) => ring.anonymous(),
            (_, true) => {
                let known = match credential(headers) {
                    None => Err("a key is needed: `authorization: Bearer KEY` or `api-key: KEY`".to_owned()),
                    Some(text) => ring.caller(text).map_err(|unknown| unknown.0),
                };
                match known {
                    Ok(caller) => caller,
                    Err(why) => return (ring.anonymous(), Err(Refusal::Unauthenticated(why))),
                }
            }
        };
        let most = caller.scope.most();
        let may = match call.need {
            Need::Open => true,
            Need::Any => most.is_some() || caller.scope != Scope::Nothing,
            Need::Of(right) => most >= Some(right),
            Need::Whole(right) => caller.scope.is_whole() && most >= Some(right),
        };
        let place = match may {
            true => caller.rate.enter(Instant::now()).map_err(Refusal::TooMuch),
            false => Err(Refusal::Forbidden(format!("`{}` may not call {}", caller.name, call.name))),
        };
        (caller, place)
    }
}

/// The key or token of a request.
fn credential(headers: &HeaderMap) -> Option<&str> {
    let bearer = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|value| {
        let (scheme, rest) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| rest.trim())
    });
    bearer.or_else(|| headers.get(API_KEY)?.to_str().ok()).filter(|text| !text.is_empty())
}

fn needed(need: Need) -> Right {
    match need {
        Need::Open | Need::Any => Right::Read,
        Need::Of(right) | Need::Whole(right) => right,
    }
}

/// Whether a call has a span: not those that ask all day long whether the server lives and how it does.
fn is_traced(call: &Call) -> bool {
    call.need != Need::Open && call.name != "GET /metrics"
}

fn request_id(headers: &HeaderMap) -> String {
    let given = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok());
    let given = given.filter(|id| !id.is_empty() && id.len() <= REQUEST_ID_MAX);
    given.map_or_else(|| Uuid::new_v4().simple().to_string(), str::to_owned)
}

/// A layer: the turnstile before a port's handlers.
pub(crate) struct Before<B, R> {
    turnstile: Arc<Turnstile>,
    port: Port<B, R>,
}

impl<B, R> Clone for Before<B, R> {
    fn clone(&self) -> Self {
        Self { turnstile: self.turnstile.clone(), port: self.port }
    }
}

impl<S, B, R> Layer<S> for Before<B, R> {
    type Service = Guarded<S, B, R>;

    fn layer(&self, inner: S) -> Guarded<S, B, R> {
        Guarded { inner, before: self.clone() }
    }
}

/// A port's handlers behind the turnstile.
pub(crate) struct Guarded<S, B, R> {
    inner: S,
    before: Before<B, R>,
}

impl<S: Clone, B, R> Clone for Guarded<S, B, R> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), before: self.before.clone() }
    }
}

type Answering<R, E> = Pin<Box<dyn Future<Output = Result<Response<R>, E>> + Send>>;

impl<S, B, R> Service<Request<B>> for Guarded<S, B, R>
where
    S: Service<Request<B>, Response = Response<R>> + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    B: 'static,
    R: Send + 'static,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Answering<R, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (port, turnstile) = (self.before.port, self.before.turnstile.clone());
        let name = (port.call)(&request);
        let (at, call) = find(port.tables, &name);
        let (caller, place) = turnstile.let_in(&call, request.headers());
        let standing = {
            let (turnstile, credential) = (turnstile.clone(), credential(request.headers()).map(str::to_owned));
            Box::new(move |scope: &Scope| turnstile.still(credential.as_deref(), scope))
        };
        let begin = Instant::now();
        let parent = Parent::of(request.headers());
        let asked = Asked { port: port.name, call: call.name, method: method(request.method()) };
        let traces = turnstile.traces.as_ref().filter(|_| is_traced(&call));
        let trace = traces.map(|traces| traces.request(asked, parent.as_ref()));
        let passing = Passing {
            begin,
            port,
            call,
            at,
            peer: request.extensions().get::<Peer>().copied(),
            request_id: request_id(request.headers()),
            access: Access::traced(caller.name, caller.scope, needed(call.need), standing, trace.clone()),
            trace,
            turnstile,
            told: false,
        };
        let place = match place {
            Ok(place) => place,
            Err(refusal) => return Box::pin(std::future::ready(Ok(passing.refused(&refusal)))),
        };
        let (id, caller) = (&passing.request_id, passing.access.caller());
        let (trace_id, span_id) = match (&passing.trace, parent) {
            (Some(trace), _) => Some(trace.ids()).unzip(),
            (None, parent) => (parent.map(|parent| parent.trace_id.to_string()), None),
        };
        let span = tracing::info_span!("request", call = call.name, request_id = id, trace_id, span_id, caller);
        let answer = passing.access.clone().within(self.inner.call(request));
        let work = async move {
            // Given back when the answer begins, or nobody waits for it any more.
            let _place = place;
            let time = passing.turnstile.time;
            let answer = match call.time {
                Time::Long => answer.await,
                Time::Usual => match tokio::time::timeout(time, answer).await {
                    Ok(answer) => answer,
                    Err(_) => return Ok(passing.refused(&Refusal::Late(time))),
                },
            };
            answer.map(|response| passing.answered(response))
        };
        Box::pin(work.instrument(span))
    }
}

/// A request on its way through. Where it is dropped without an answer, nobody waited for one any more: the caller went
/// away, or its own deadline passed.
struct Passing<B, R> {
    turnstile: Arc<Turnstile>,
    port: Port<B, R>,
    call: Call,
    at: usize,
    begin: Instant,
    peer: Option<Peer>,
    request_id: String,
    access: Arc<Access>,
    trace: Option<Arc<Trace>>,
    /// Whether it was told what came of it.
    told: bool,
}

impl<B: 'static, R: 'static> Passing<B, R> {
    fn refused(self, refusal: &Refusal) -> Response<R> {
        let response = (self.port.refuse)(refusal);
        self.told(response, true)
    }

    fn answered(self, response: Response<R>) -> Response<R> {
        let Some(follow) = self.port.follow else { return self.told(response, false) };
        self.count().latency.count(self.begin.elapsed());
        let response = self.named(response);
        follow(response, Box::new(move |outcome| self.ended(outcome, false)))
    }

    fn told(self, response: Response<R>, refused: bool) -> Response<R> {
        let outcome = (self.port.outcome)(&response);
        self.count().latency.count(self.begin.elapsed());
        let response = self.named(response);
        self.ended(&outcome, refused);
        response
    }

    /// The answer with the request's name.
    fn named(&self, mut response: Response<R>) -> Response<R> {
        if let Ok(id) = HeaderValue::from_str(&self.request_id) {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        response
    }
}

impl<B, R> Passing<B, R> {
    fn ended(mut self, outcome: &Outcome, refused: bool) {
        let count = self.count();
        let of = match (refused || outcome.denied, outcome.good) {
            (true, _) => &count.refused,
            (false, true) => &count.good,
            (false, false) => &count.failed,
        };
        of.fetch_add(1, Ordering::Relaxed);
        self.audit(refused || outcome.denied, if outcome.good { "ok" } else { &outcome.code });
        self.trace(CameOf::Answered(outcome.number));
        self.told = true;
    }

    fn count(&self) -> &Count {
        let ports = &self.turnstile.ports;
        let counted = ports.iter().find(|counted| counted.port == self.port.name).unwrap_or(&ports[0]);
        &counted.counts[self.at]
    }

    fn trace(&self, came_of: CameOf) {
        if let Some(trace) = &self.trace {
            let (request_id, caller) = (&*self.request_id, self.access.caller());
            trace.end(&Known { came_of, collections: self.access.named(), request_id, caller });
        }
    }

    fn audit(&self, refused: bool, result: &str) {
        let audit = self.turnstile.audit.load();
        let Some(audit) = audit.as_ref() else { return };
        let reads = matches!(self.call.need, Need::Open | Need::Any) || needed(self.call.need) == Right::Read;
        if refused || !reads || (audit.reads && self.call.need != Need::Open) {
            audit.tell(&Entry {
                caller: self.access.caller(),
                peer: self.peer.map(|peer| peer.0),
                call: self.call.name,
                collections: self.access.named(),
                result,
                took: self.begin.elapsed(),
                request_id: &self.request_id,
            });
        }
    }
}

impl<B, R> Drop for Passing<B, R> {
    fn drop(&mut self) {
        if self.told {
            return;
        }
        let (count, result, came_of) = match std::thread::panicking() {
            true => (&self.count().failed, "panicked", CameOf::Panicked),
            false => (&self.count().cancelled, "cancelled", CameOf::Cancelled),
        };
        count.fetch_add(1, Ordering::Relaxed);
        self.audit(false, result);
        self.trace(came_of);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (hyper::header::HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn a_key_comes_in_either_header() {
        assert_eq!(credential(&headers(&[("authorization", "Bearer k")])), Some("k"));
        assert_eq!(credential(&headers(&[("authorization", "bearer k")])), Some("k"));
        assert_eq!(credential(&headers(&[("api-key", "k")])), Some("k"));
        assert_eq!(credential(&headers(&[("authorization", "Basic x"), ("api-key", "k")])), Some("k"));
        for none in [headers(&[]), headers(&[("authorization", "k")]), headers(&[("api-key", "")])] {
            assert_eq!(credential(&none), None, "{none:?}");
        }
    }
}
