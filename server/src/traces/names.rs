//! How spans are called and what they say, in the words of OpenTelemetry's semantic conventions (rpc, http, db); what those
//! have no word for begins with `nigh.`.
//!
//! Names and values are few: routes and methods of our tables, codes, counts. Paths, queries, filters, payloads and ids are
//! not among them.

use super::{Asked, CameOf, Known, Noted};
use crate::access::table::UNKNOWN;
use nigh_storage::told::{CameTo, TaskEnd};
use opentelemetry::trace::{SpanKind, Status};
use std::borrow::Cow;

/// What conventions say where a name is not one of those that are known.
const OTHER: &str = "_OTHER";
/// The codes of gRPC, by number.
const CODES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];
/// Those by which a server says that it failed, not its caller.
const FAILED: [&str; 6] = ["UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"];

/// What a span says.
pub(super) struct Said {
    pub(super) name: Cow<'static, str>,
    pub(super) kind: SpanKind,
    pub(super) status: Status,
    pub(super) attributes: Vec<Noted>,
}

/// A request's span.
pub(super) fn request(asked: &Asked, known: &Known<'_>, scheme: &'static str) -> Said {
    let mut attributes = Vec::with_capacity(12);
    let mut say = |name: &'static str, value: &'static str| attributes.push(Noted::new(name, value));
    say("db.system.name", "nigh");
    let (name, operation) = match (rpc(asked.call), asked.port) {
        (found, "grpc") => {
            let (service, method) = found.unwrap_or((OTHER, OTHER));
            say("rpc.system", "grpc");
            say("rpc.service", service);
            say("rpc.method", method);
            (asked.call.strip_prefix('/').unwrap_or(OTHER).into(), found.map(|_| method.into()))
        }
        (found, _) => {
            let route = route(asked.call);
            say("http.request.method", asked.method);
            say("url.scheme", scheme);
            if let Some(route) = route {
                say("http.route", route);
            }
            let name = route.map_or(asked.method.into(), |route| format!("{} {route}", asked.method).into());
            (name, found.map(|(_, method)| method.into()).or_else(|| route.map(|route| operation(asked, route))))
        }
    };
    attributes.extend(operation.map(|name| Noted::new("db.operation.name", name)));
    if let [collection] = &known.collections[..] {
        attributes.push(Noted::new("db.collection.name", collection.clone()));
    }
    attributes.push(Noted::new("nigh.request_id", known.request_id.to_owned()));
    attributes.push(Noted::new("nigh.caller", known.caller.to_owned()));
    let error = error(asked, known.came_of, &mut attributes);
    let status = if error.is_some() { Status::error("") } else { Status::Unset };
    attributes.extend(error.map(|error| Noted::new("error.type", error)));
    Said { name, kind: SpanKind::Server, status, attributes }
}

/// Adds the code of an answer; why it is an error of the server, where it is one.
fn error(asked: &Asked, came_of: CameOf, attributes: &mut Vec<Noted>) -> Option<Cow<'static, str>> {
    let code = match came_of {
        CameOf::Answered(code) => code,
        CameOf::Cancelled => return Some("cancelled".into()),
        CameOf::Panicked => return Some("panicked".into()),
    };
    if asked.port == "grpc" {
        attributes.push(Noted::new("rpc.grpc.status_code", i64::from(code)));
        let name = CODES.get(usize::from(code)).copied().unwrap_or("UNKNOWN");
        return FAILED.contains(&name).then_some(name.into());
    }
    attributes.push(Noted::new("http.response.status_code", i64::from(code)));
    (code >= 500).then(|| code.to_string().into())
}

/// The service and the method of an rpc, on either port.
fn rpc(call: &'static str) -> Option<(&'static str, &'static str)> {
    call.strip_prefix('/')?.split_once('/')
}

fn route(call: &'static str) -> Option<&'static str> {
    let route = call.split_once(' ').map_or(call, |(_, route)| route);
    (call != UNKNOWN.name).then_some(route)
}

/// What a route does to a collection: the method, and the words behind the collection's name.
fn operation(asked: &Asked, route: &'static str) -> Cow<'static, str> {
    let words = route.split('/').filter(|word| !word.is_empty() && !word.starts_with('{'));
    let words: Vec<_> = words.skip_while(|word| *word == "collections").collect();
    let words = if words.is_empty() { "collections".to_owned() } else { words.join("/") };
    format!("{} {words}", asked.method).into()
}

/// The span of a seal or a merge.
pub(super) fn upkeep(end: &TaskEnd) -> Said {
    let name = if end.what == "sealing" { "seal" } else { "merge" };
    let mut attributes = vec![
        Noted::new("db.system.name", "nigh"),
        Noted::new("db.operation.name", name),
        Noted::new("db.collection.name", end.collection.clone()),
        Noted::new("nigh.reason", end.reason.clone()),
        Noted::new("nigh.rows", i64::try_from(end.rows).unwrap_or(i64::MAX)),
    ];
    let mut status = Status::Unset;
    match end.came_to {
        CameTo::Done => {}
        CameTo::CalledOff => attributes.push(Noted::new("nigh.called_off", true)),
        CameTo::Failed => {
            attributes.push(Noted::new("error.type", "failed"));
            status = Status::error("");
        }
    }
    Said { name: name.into(), kind: SpanKind::Internal, status, attributes }
}

/// A method of HTTP; one that nobody knows is another one.
pub(crate) fn method(method: &hyper::Method) -> &'static str {
    const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];
    METHODS.into_iter().find(|known| *known == method.as_str()).unwrap_or(OTHER)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(port: &'static str, call: &'static str, method: &'static str, came_of: CameOf) -> String {
        let asked = Asked { port, call, method };
        let collections = vec!["c".to_owned()];
        let said = request(&asked, &Known { came_of, collections, request_id: "r", caller: "k" }, "http");
        let attribute = |noted: &Noted| format!("{}={}", noted.key, noted.value);
        let attributes: Vec<_> = said.attributes.iter().map(attribute).collect();
        let error = if said.status == Status::Unset { "" } else { "error" };
        format!("{} [{}] {error}", said.name, attributes.join(" "))
    }

    #[test]
    fn requests_speak_in_the_words_of_the_conventions() {
        let both = "db.collection.name=c nigh.request_id=r nigh.caller=k";
        for (got, want) in [
            (
                said("grpc", "/nigh.v1.Points/Query", "POST", CameOf::Answered(0)),
                format!(
                    "nigh.v1.Points/Query [db.system.name=nigh rpc.system=grpc rpc.service=nigh.v1.Points \
                     rpc.method=Query db.operation.name=Query {both} rpc.grpc.status_code=0] "
                ),
            ),
            (
                said("grpc", "other", "POST", CameOf::Answered(12)),
                format!(
                    "_OTHER [db.system.name=nigh rpc.system=grpc rpc.service=_OTHER rpc.method=_OTHER {both} \
                     rpc.grpc.status_code=12 error.type=UNIMPLEMENTED] error"
                ),
            ),
            (
                said("http", "/nigh.v1.Points/Query", "POST", CameOf::Answered(400)),
                format!(
                    "POST /nigh.v1.Points/Query [db.system.name=nigh http.request.method=POST url.scheme=http \
                     http.route=/nigh.v1.Points/Query db.operation.name=Query {both} http.response.status_code=400] "
                ),
            ),
            (
                said("http", "POST /collections/{collection}/points/query", "POST", CameOf::Answered(500)),
                format!(
                    "POST /collections/{{collection}}/points/query [db.system.name=nigh http.request.method=POST \
                     url.scheme=http http.route=/collections/{{collection}}/points/query \
                     db.operation.name=POST points/query {both} http.response.status_code=500 error.type=500] error"
                ),
            ),
            (
                said("http", "other", "_OTHER", CameOf::Cancelled),
                format!(
                    "_OTHER [db.system.name=nigh http.request.method=_OTHER url.scheme=http {both} \
                     error.type=cancelled] error"
                ),
            ),
        ] {
            assert_eq!(got, want);
        }
    }

    #[test]
    fn a_caller_s_mistake_is_no_error_of_the_server() {
        for (code, error) in [(0, false), (3, false), (5, false), (8, false), (16, false), (4, true), (13, true)] {
            let said = said("grpc", "/nigh.v1.Points/Query", "POST", CameOf::Answered(code));
            assert_eq!(said.ends_with("error"), error, "{said}");
        }
    }

    #[test]
    fn operations_of_routes_are_few() {
        let of = |call: &'static str| {
            let method = call.split(' ').next().unwrap();
            operation(&Asked { port: "http", call, method }, route(call).unwrap())
        };
        assert_eq!(of("DELETE /collections/{collection}/index/{field}"), "DELETE index");
        assert_eq!(of("PUT /collections/{collection}"), "PUT collections");
        assert_eq!(of("GET /collections"), "GET collections");
        assert_eq!(of("POST /collections/aliases"), "POST aliases");
        assert_eq!(method(&hyper::Method::from_bytes(b"BREW").unwrap()), OTHER);
    }
}
