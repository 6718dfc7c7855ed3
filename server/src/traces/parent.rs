//! The trace that a request belongs to, as its headers say: W3C Trace Context.
//!
//! ```text
//! traceparent: 00-<trace: 32 digits>-<span: 16 digits>-<flags: 2 digits>     the lowest bit of the flags: it is wanted
//! tracestate:  name=value,...                                              others' notes, handed on
//! ```
//!
//! A header that is not so is none: the request is served as without it.

use hyper::HeaderMap;
use opentelemetry::trace::{SpanId, TraceId, TraceState};
use std::str::FromStr;

/// Notes of others are handed on up to this length, as the recommendation asks for at least.
const STATE_BYTES_MAX: usize = 512;

/// The span of a caller.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Parent {
    pub(crate) trace_id: TraceId,
    pub(crate) span_id: SpanId,
    /// Whether the caller wants the trace.
    pub(crate) sampled: bool,
    pub(crate) state: TraceState,
}

impl Parent {
    /// Of a request with these headers.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut parents = headers.get_all("traceparent").iter();
        let (text, None) = (parents.next()?.to_str().ok()?, parents.next()) else { return None };
        let mut parts = text.split('-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        // Of a version to come only the beginning is known.
        let known = version != "ff" && (version != "00" || parts.next().is_none());
        let parts = [(version, 2), (trace, 32), (span, 16), (flags, 2)];
        if !known || !parts.into_iter().all(|(text, digits)| is_hex(text, digits)) {
            return None;
        }
        let (trace_id, span_id) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
        let sampled = u8::from_str_radix(flags, 16).is_ok_and(|flags| flags & 1 == 1);
        let whole = trace_id != TraceId::INVALID && span_id != SpanId::INVALID;
        whole.then(|| Self { trace_id, span_id, sampled, state: state(headers) })
    }
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn state(headers: &HeaderMap) -> TraceState {
    let lines: Vec<_> = headers.get_all("tracestate").iter().filter_map(|value| value.to_str().ok()).collect();
    let text = lines.join(",");
    match text.len() <= STATE_BYTES_MAX {
        true => TraceState::from_str(&text).unwrap_or_default(),
        false => TraceState::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn headers(parents: &[&str], states: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, values) in [("traceparent", parents), ("tracestate", states)] {
            for value in values {
                headers.append(name, HeaderValue::from_str(value).unwrap());
            }
        }
        headers
    }

    #[test]
    fn a_trace_is_taken_up_with_the_notes_of_others() {
        let parent = Parent::of(&headers(&[GOOD], &["a=1", "b=2"])).unwrap();
        assert_eq!(parent.trace_id.to_string(), "0af7651916cd43dd8448eb211c80319c");
        assert_eq!((parent.span_id.to_string().as_str(), parent.sampled), ("b7ad6b7169203331", true));
        assert_eq!(parent.state.header(), "a=1,b=2");
        assert!(!Parent::of(&headers(&[&GOOD.replace("-01", "-02")], &[])).unwrap().sampled);
        let later = GOOD.replacen("00", "01", 1) + "-more";
        assert!(Parent::of(&headers(&[&later], &[])).is_some(), "a version to come may say more");
        let long = format!("a={}", "x".repeat(STATE_BYTES_MAX));
        assert_eq!(Parent::of(&headers(&[GOOD], &[&long])).unwrap().state, TraceState::default());
        assert_eq!(Parent::of(&headers(&[GOOD], &["no state"])).unwrap().state, TraceState::default());
    }

    #[test]
    fn what_is_no_parent_is_none() {
        for wrong in [
            "00-0af7651916cd43dd8448eb211c80319C-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-+1",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c",
            "",
        ] {
            assert_eq!(Parent::of(&headers(&[wrong], &[])), None, "{wrong}");
        }
        assert_eq!(Parent::of(&headers(&[GOOD, GOOD], &[])), None, "it is there once");
        assert_eq!(Parent::of(&headers(&[], &["a=1"])), None);
    }
}
