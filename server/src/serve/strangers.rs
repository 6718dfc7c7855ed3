//! Requests that a browser sends for a page of somebody else.
//!
//! Without keys whoever reaches the port may do everything, and every page that is looked at on the same machine reaches
//! it: by a request across origins, or under a name of its own that it lets stand for this machine (DNS rebinding). A
//! browser says where a request comes from (RFC 6454, section 7) and which name was asked for, so both are refused. With
//! keys such a page has none, and nothing has to be guessed.

use super::ports;
use crate::engine::Engine;
use crate::turnstile::Refusal;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::Response;
use std::net::IpAddr;
use std::sync::Arc;

/// Who stands at the port of HTTP.
#[derive(Clone)]
pub(super) struct Gate {
    pub(super) engine: Arc<Engine>,
    /// Whether only this machine reaches the port: then no name of others is this server's.
    pub(super) loopback: bool,
}

/// Answers what strangers ask in their place.
pub(super) async fn turn_away(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let uri_host = request.uri().authority().map(|authority| authority.as_str().to_owned());
    match gate.engine.is_guarded() {
        false => match own(request.headers(), uri_host.as_deref(), gate.loopback) {
            Ok(()) => next.run(request).await,
            Err(why) => ports::page(&Refusal::Forbidden(why)),
        },
        true => next.run(request).await,
    }
}

/// Why a request is not of this server's own pages, nor of a program.
fn own(headers: &HeaderMap, uri_host: Option<&str>, loopback: bool) -> Result<(), String> {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let host = uri_host.or_else(|| text(header::HOST)).unwrap_or_default();
    if let Some(origin) = text(header::ORIGIN) {
        let from = origin.split_once("://").map_or("", |(_, authority)| authority);
        if from.is_empty() || !from.eq_ignore_ascii_case(host) {
            return Err(format!("a page of `{origin}` may not ask this server, which has no keys"));
        }
    }
    match loopback && !is_near(host) {
        true => Err(format!("`{host}` is no name of this server, which has no keys and serves this machine alone")),
        false => Ok(()),
    }
}

/// Whether a name can only mean this machine or its own network: no name that somebody can buy does.
fn is_near(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    let name = name.trim_end_matches('.');
    name.parse::<IpAddr>().is_ok() || !name.contains('.') || name.to_ascii_lowercase().ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn told(host: &'static str, origin: Option<&'static str>, loopback: bool) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_static(host));
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
        }
        own(&headers, None, loopback).is_ok()
    }

    #[test]
    fn a_page_of_its_own_may_ask_and_one_of_others_may_not() {
        assert!(told("localhost:6333", Some("http://localhost:6333"), true));
        assert!(told("127.0.0.1:6333", Some("https://127.0.0.1:6333"), true));
        for origin in ["http://evil.example", "http://localhost:8000", "null", "", "http://", "http://127.0.0.1:6333"] {
            assert!(!told("localhost:6333", Some(origin), true), "{origin}");
            assert!(!told("nigh.example:6333", Some(origin), false), "{origin}");
        }
    }

    #[test]
    fn on_loopback_no_name_of_others_is_answered() {
        for host in ["localhost:6333", "127.0.0.1:6333", "[::1]:6333", "nigh", "a.localhost:1", "localhost.:6333", ""] {
            assert!(told(host, None, true), "{host}");
        }
        for host in ["evil.example:6333", "evil.example", "127.0.0.1.evil.example:6333", "evil.example."] {
            assert!(!told(host, None, true), "{host}");
            assert!(!told(host, Some("http://evil.example:6333"), true), "{host}");
            assert!(told(host, None, false), "{host}");
        }
    }
}
