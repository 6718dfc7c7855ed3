//! How answers look over HTTP, and errors.

use crate::qdrant::fault::{Fault, Kind};
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;
use std::time::Instant;

impl Kind {
    fn status(self) -> StatusCode {
        match self {
            Self::Format | Self::BadRequest | Self::NotSupported => StatusCode::BAD_REQUEST,
            Self::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Exists => StatusCode::CONFLICT,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::Busy => StatusCode::TOO_MANY_REQUESTS,
            Self::DiskFull => StatusCode::INSUFFICIENT_STORAGE,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Late => StatusCode::REQUEST_TIMEOUT,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// What stands before the text.
    fn opening(self) -> &'static str {
        match self {
            Self::Format => "Format error in JSON body: ",
            Self::Invalid => "Validation error in JSON body: ",
            _ => "",
        }
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let text = format!("{}{}", self.kind.opening(), self.text);
        let body = json!({"status": {"error": text}, "time": 0.0});
        let mut response = (self.kind.status(), Json(body)).into_response();
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
pub(super) type Answer<T> = Result<Reply<T>, Fault>;

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
