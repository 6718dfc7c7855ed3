//! How answers look, and errors.

use crate::engine::error::Error;
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;
use std::time::Instant;

/// A result of this door.
pub(super) type Result<T, E = Fault> = std::result::Result<T, E>;

/// An error as a client of the API is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Fault {
    status: StatusCode,
    text: String,
    retry_s: Option<u64>,
}

impl Fault {
    fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, text: text.into(), retry_s: None }
    }

    /// A body that is no JSON, or has other types.
    pub(super) fn format(why: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, format!("Format error in JSON body: {why}"))
    }

    /// A value that is not allowed.
    pub(super) fn invalid(field: &str, why: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, format!("Validation error in JSON body: [{field}: {why}]"))
    }

    /// Something that makes no sense together.
    pub(super) fn bad_request(why: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, format!("Bad request: {why}"))
    }

    /// Something that does not fit the collection.
    pub(super) fn wrong_input(why: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, format!("Wrong input: {why}"))
    }

    /// Something that is not there.
    pub(super) fn not_found(what: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("Not found: {what}"))
    }

    /// Something that nigh does not do.
    pub(super) fn not_supported(what: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, format!("Bad request: {what} is not supported by nigh"))
    }

    /// A collection that is not there.
    pub(super) fn no_collection(name: &str) -> Self {
        Self::not_found(format_args!("Collection `{name}` doesn't exist!"))
    }
}

impl From<Error> for Fault {
    fn from(err: Error) -> Self {
        let text = err.to_string();
        match err {
            Error::Invalid { field, value, limit } => match &field[..] {
                "collection" => Self::invalid("collection_name", format_args!("{value}; {limit}")),
                _ => Self::wrong_input(format_args!("{field} is {value}; {limit}")),
            },
            Error::Condition { .. } => Self::wrong_input(text),
            Error::Missing { what: "collection", name } => Self::no_collection(&name),
            Error::Missing { what: "point", name } => Self::not_found(format_args!("No point with id {name} found")),
            Error::Missing { .. } => Self::not_found(text),
            Error::Exists(_) => Self::new(StatusCode::CONFLICT, format!("Wrong input: {text}")),
            Error::Full { retry_ms, .. } => {
                Self { retry_s: Some(retry_ms.div_ceil(1000).max(1)), ..Self::new(StatusCode::TOO_MANY_REQUESTS, text) }
            }
            Error::DiskFull { .. } => Self::new(StatusCode::INSUFFICIENT_STORAGE, text),
            Error::Opening { .. } | Error::Unavailable(_) | Error::Poisoned(_) => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, format!("Service unavailable: {text}"))
            }
            Error::Late(_) | Error::Gone => Self::new(StatusCode::REQUEST_TIMEOUT, format!("Timeout: {text}")),
            _ => Self::new(StatusCode::INTERNAL_SERVER_ERROR, format!("Service internal error: {text}")),
        }
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let body = json!({"status": {"error": self.text}, "time": 0.0});
        let mut response = (self.status, Json(body)).into_response();
        if let Some(seconds) = self.retry_s {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// The envelope of everything that went well.
#[derive(Serialize)]
struct Envelope<T> {
    result: T,
    status: &'static str,
    /// Seconds.
    time: f64,
}

/// What a handler answers.
pub(super) type Answer<T> = Result<Reply<T>>;

/// An answer that went well.
pub(super) struct Reply<T> {
    result: T,
    begun: Instant,
}

impl<T: Serialize> Reply<T> {
    pub(super) fn new(begun: Instant, result: T) -> Self {
        Self { result, begun }
    }
}

impl<T: Serialize> IntoResponse for Reply<T> {
    fn into_response(self) -> Response {
        let time = self.begun.elapsed().as_secs_f64();
        Json(Envelope { result: self.result, status: "ok", time }).into_response()
    }
}

/// What became of a write.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(super) struct Update {
    pub(super) operation_id: u64,
    pub(super) status: &'static str,
}

impl Update {
    pub(super) fn new(seq: u64, wait: bool) -> Self {
        Self { operation_id: seq, status: if wait { "completed" } else { "acknowledged" } }
    }
}
