//! The two ports: how each names its calls and refuses them, and how HTTP connections are served.

use super::arriving::Bodies;
use super::ending;
use crate::access::table;
use crate::listen::Connection;
use crate::turnstile::{Outcome, Port, Refusal};
use axum::Router;
use axum::body::Body;
use axum::extract::MatchedPath;
use axum::http::{HeaderValue, Method, Request, Response, StatusCode, header};
use axum::response::IntoResponse;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tonic::body::Body as GrpcBody;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};
use tower::ServiceExt;

/// Calls whose caller sends for as long as it likes.
const STREAMS: [&str; 4] = [
    "/nigh.v1.Points/Ingest",
    "/grpc.health.v1.Health/Watch",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

/// A call of gRPC is its path, and its code stands in a header where it failed before its answer began, else behind it.
pub(super) const GRPC: Port<GrpcBody, GrpcBody> = Port {
    name: "grpc",
    tables: table::GRPC,
    call: |request| request.uri().path().to_owned(),
    refuse: |refusal| status(refusal).into_http(),
    outcome: |response| ending::outcome(response.headers()),
    follow: Some(ending::followed),
};

/// A call of HTTP is its method and its route.
pub(super) const HTTP: Port<Body, Body> = Port {
    name: "http",
    tables: table::HTTP,
    call: |request| {
        let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
        let method = if request.method() == Method::HEAD { &Method::GET } else { request.method() };
        match *method == Method::POST && route.starts_with("/nigh.v1.") {
            // The same call as over gRPC.
            true => route.to_owned(),
            false => format!("{method} {route}"),
        }
    },
    refuse: page,
    outcome: |response| {
        let code = response.status();
        let denied = matches!(code, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
        let good = !code.is_client_error() && !code.is_server_error();
        Outcome { good, denied, code: code.as_u16().to_string(), number: code.as_u16() }
    },
    follow: None,
};

fn late(time: Duration) -> String {
    format!("the request took longer than {} ms, the limit of this server", time.as_millis())
}

fn status(refusal: &Refusal) -> Status {
    match refusal {
        Refusal::Unauthenticated(why) => Status::unauthenticated(why),
        Refusal::Forbidden(why) => Status::permission_denied(why),
        Refusal::Late(time) => Status::deadline_exceeded(late(*time)),
        Refusal::TooMuch(much) => {
            let details = ErrorDetails::with_retry_info(Some(much.retry));
            let mut status = Status::with_error_details(Code::ResourceExhausted, &much.why, details);
            // Clients of the Qdrant API look for whole seconds here.
            status.metadata_mut().insert("retry-after", (much.retry.as_secs_f64().ceil().max(1.0) as u64).into());
            status
        }
    }
}

/// In the words of the Qdrant API and in those of our own JSON: which of them a caller speaks is not known yet.
pub(super) fn page(refusal: &Refusal) -> Response<Body> {
    let (code, why) = match refusal {
        Refusal::Unauthenticated(why) => (StatusCode::UNAUTHORIZED, why.clone()),
        Refusal::Forbidden(why) => (StatusCode::FORBIDDEN, format!("Forbidden: {why}")),
        Refusal::Late(time) => (StatusCode::REQUEST_TIMEOUT, format!("Timeout: {}", late(*time))),
        Refusal::TooMuch(much) => (StatusCode::TOO_MANY_REQUESTS, much.why.clone()),
    };
    let name = match refusal {
        Refusal::Unauthenticated(_) => "UNAUTHENTICATED",
        Refusal::Forbidden(_) => "PERMISSION_DENIED",
        Refusal::Late(_) => "DEADLINE_EXCEEDED",
        Refusal::TooMuch(_) => "RESOURCE_EXHAUSTED",
    };
    let body = json!({"status": {"error": why}, "time": 0.0, "code": name, "message": why, "details": []}).to_string();
    let mut response = (code, [(header::CONTENT_TYPE, "application/json")], body).into_response();
    match refusal {
        Refusal::TooMuch(much) => {
            let seconds = much.retry.as_secs_f64().ceil().max(1.0) as u64;
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        Refusal::Unauthenticated(_) => {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        _ => {}
    }
    response
}

/// What the port of HTTP serves, and how long it waits.
pub(super) struct Http {
    pub(super) pages: Router,
    /// For the head of a request.
    pub(super) head_time: Duration,
    /// For their bodies.
    pub(super) bodies: Arc<Bodies>,
}

/// A call of gRPC whose message arrives within the limits; a stream has credits.
pub(super) fn arriving(bodies: &Arc<Bodies>, request: Request<GrpcBody>) -> Request<GrpcBody> {
    match STREAMS.contains(&request.uri().path()) {
        true => request,
        false => request.map(|body| GrpcBody::new(bodies.arriving(body))),
    }
}

/// Whether a request uploads a snapshot. Its handler alone reads the body of such a one.
fn is_upload(method: &Method, path: &str) -> bool {
    let steps: Vec<&str> = path.split('/').collect();
    *method == Method::POST && matches!(steps[..], ["", "collections", _, "snapshots", "upload"])
}

/// Serves connections until it is told to end; those that are there come to theirs.
pub(super) async fn serve_http(
    mut connections: mpsc::Receiver<Connection>,
    serving: Http,
    until: impl Future<Output = ()>,
) {
    let graceful = GracefulShutdown::new();
    let mut http = http1::Builder::new();
    // The head of a request has to come within a time, also that of the next one on the same connection.
    http.timer(TokioTimer::new()).header_read_timeout(serving.head_time);
    tokio::pin!(until);
    loop {
        let connection = tokio::select! {
            () = &mut until => break,
            connection = connections.recv() => match connection {
                Some(connection) => connection,
                None => break,
            },
        };
        let (peer, pages, bodies) = (connection.peer(), serving.pages.clone(), serving.bodies.clone());
        let answer = move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer);
            pages.clone().oneshot(match is_upload(request.method(), request.uri().path()) {
                // What it sends goes to a file as it comes, within limits of its own.
                true => request.map(Body::new),
                false => request.map(|body| Body::new(bodies.arriving(body))),
            })
        };
        let served = graceful.watch(http.serve_connection(TokioIo::new(connection), service_fn(answer)));
        tokio::spawn(async move {
            if let Err(err) = served.await {
                tracing::debug!(%err, peer = %peer.0, "an HTTP connection ended");
            }
        });
    }
    drop(connections);
    graceful.shutdown().await;
}
