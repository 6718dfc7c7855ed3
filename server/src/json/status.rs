//! An error as JSON tells it: `{"code": "NOT_FOUND", "message": "..", "details": [..]}`, under the HTTP status that goes
//! with its code.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::time::Duration;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// Why a call was not answered.
#[derive(Debug)]
pub(super) struct Fault {
    http: StatusCode,
    status: Box<Status>,
}

impl From<Status> for Fault {
    fn from(status: Status) -> Self {
        Self { http: http(status.code()), status: Box::new(status) }
    }
}

impl Fault {
    /// The caller's mistake, at a field.
    pub(super) fn of_field(field: &str, why: &str) -> Self {
        let mut details = ErrorDetails::new();
        details.add_bad_request_violation(field, why);
        Status::with_error_details(Code::InvalidArgument, format!("{field}: {why}"), details).into()
    }

    /// The body does not say that it is JSON.
    pub(super) fn media_type() -> Self {
        let why = "the body is sent with `content-type: application/json`";
        Self { http: StatusCode::UNSUPPORTED_MEDIA_TYPE, ..Self::of_field("content-type", why) }
    }

    /// The body did not come, or is too long.
    pub(super) fn body(err: &axum::Error, bytes_max: usize) -> Self {
        if std::error::Error::source(err).is_some_and(|why| why.is::<http_body_util::LengthLimitError>()) {
            let why = format!("it has more than {bytes_max} bytes; send it in pieces, or over gRPC");
            return Self { http: StatusCode::PAYLOAD_TOO_LARGE, ..Self::of_field("body", &why) };
        }
        // Where it took too long, or there was no room for it, the port says so.
        let mut why = std::error::Error::source(err);
        while let Some(one) = why {
            if let Some(status) = one.downcast_ref::<Status>() {
                return Self::from(Status::new(status.code(), status.message()));
            }
            why = one.source();
        }
        Self::of_field("body", "it broke off")
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let body = json!({
            "code": name(self.status.code()), "message": self.status.message(), "details": details(&self.status),
        });
        let mut response = (self.http, axum::Json(body)).into_response();
        if let Some(wait) = wait(&self.status) {
            // Whole seconds, and not before the time.
            let seconds = wait.as_millis().div_ceil(1000);
            if let Ok(seconds) = HeaderValue::from_str(&seconds.to_string()) {
                response.headers_mut().insert(header::RETRY_AFTER, seconds);
            }
        }
        response
    }
}

fn wait(status: &Status) -> Option<Duration> {
    status.get_details_retry_info().and_then(|info| info.retry_delay)
}

fn details(status: &Status) -> Vec<Value> {
    let mut told = Vec::new();
    if let Some(bad) = status.get_details_bad_request() {
        let violations = bad.field_violations.iter();
        let violations: Vec<Value> =
            violations.map(|one| json!({"field": one.field, "description": one.description})).collect();
        told.push(json!({"@type": "type.googleapis.com/google.rpc.BadRequest", "field_violations": violations}));
    }
    if let Some(failed) = status.get_details_precondition_failure() {
        let violations = failed.violations.iter();
        let violations: Vec<Value> = violations
            .map(|one| json!({"type": one.r#type, "subject": one.subject, "description": one.description}))
            .collect();
        told.push(json!({"@type": "type.googleapis.com/google.rpc.PreconditionFailure", "violations": violations}));
    }
    if let Some(wait) = wait(status) {
        let delay = format!("{}s", wait.as_secs_f64());
        told.push(json!({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retry_delay": delay}));
    }
    told
}

/// The statuses that google.rpc.Code states for HTTP.
fn http(code: Code) -> StatusCode {
    match code {
        Code::Ok => StatusCode::OK,
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => StatusCode::BAD_REQUEST,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::AlreadyExists | Code::Aborted => StatusCode::CONFLICT,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        // Nobody reads it: the caller went away.
        Code::Cancelled => StatusCode::REQUEST_TIMEOUT,
        Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        Code::Unknown | Code::Internal | Code::DataLoss => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// As the .proto files of gRPC write it.
fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_told_with_its_field_and_its_time() {
        let mut of = ErrorDetails::new();
        of.add_bad_request_violation("limit", "0; at least 1").set_retry_info(Some(Duration::from_millis(1500)));
        let fault = Fault::from(Status::with_error_details(Code::ResourceExhausted, "full", of));
        assert_eq!(fault.http, StatusCode::TOO_MANY_REQUESTS);
        let told = details(&fault.status);
        assert_eq!(told[0]["field_violations"][0]["field"], "limit");
        assert_eq!(told[1]["retry_delay"], "1.5s");
        assert_eq!(fault.into_response().headers()[header::RETRY_AFTER], "2");
    }
}
