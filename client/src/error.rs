//! What can go wrong, in one type.

use std::time::Duration;
pub use tonic::Code;
use tonic_types::StatusExt;

/// What a call returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call failed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The request was wrong before it was sent; nothing reached the server.
    #[error("{field}: {why}")]
    Request {
        /// The culprit.
        field: String,
        /// The value and the limit that disagree.
        why: String,
    },
    /// There is no server at the endpoint, or the connection to it broke.
    #[error("cannot reach {endpoint}: {why}")]
    Unreachable {
        /// Where it was looked for.
        endpoint: String,
        /// What the system said.
        why: String,
    },
    /// The call's time was over; a write may or may not have happened.
    #[error("no answer within {after:?}")]
    Deadline {
        /// The time it had.
        after: Duration,
    },
    /// The server said no.
    #[error("{}{message}", field.as_ref().filter(|field| !message.contains(field.as_str())).map(|field| format!("{field}: ")).unwrap_or_default())]
    Server {
        /// The kind of refusal.
        code: Code,
        /// The field of the request that is the culprit, where one is.
        field: Option<String>,
        /// The value and the limit that disagree.
        message: String,
        /// When the server says it is worth trying again.
        retry_after: Option<Duration>,
    },
    /// The server's reply makes no sense: another version, or not nigh.
    #[error("the server's reply has {what}")]
    Reply {
        /// What is wrong with it.
        what: String,
    },
}

impl Error {
    pub(crate) fn request(field: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Request { field: field.into(), why: why.into() }
    }

    pub(crate) fn reply(what: impl Into<String>) -> Self {
        Self::Reply { what: what.into() }
    }

    /// What a status of the wire says.
    pub(crate) fn from_status(endpoint: &str, status: &tonic::Status) -> Self {
        let source = std::error::Error::source(status);
        if let Some(source) = source.filter(|_| matches!(status.code(), Code::Unavailable | Code::Unknown)) {
            return Self::Unreachable { endpoint: endpoint.to_owned(), why: innermost(source) };
        }
        let details = status.get_error_details();
        let malformed = details.bad_request().and_then(|request| request.field_violations.first());
        let unmet = details.precondition_failure().and_then(|failure| failure.violations.first());
        let violation = malformed.map(|one| (&one.field, &one.description));
        let violation = violation.or(unmet.map(|one| (&one.subject, &one.description)));
        Self::Server {
            code: status.code(),
            field: violation.map(|(field, _)| field.clone()).filter(|field| !field.is_empty()),
            message: match (status.message(), violation) {
                ("", Some((_, why))) => why.clone(),
                ("", None) => status.code().description().to_owned(),
                (message, _) => message.to_owned(),
            },
            retry_after: details.retry_info().and_then(|retry| retry.retry_delay),
        }
    }

    /// The gRPC code of what happened.
    pub fn code(&self) -> Code {
        match self {
            Self::Request { .. } => Code::InvalidArgument,
            Self::Unreachable { .. } => Code::Unavailable,
            Self::Deadline { .. } => Code::DeadlineExceeded,
            Self::Server { code, .. } => *code,
            Self::Reply { .. } => Code::Internal,
        }
    }

    /// The field of the request that is the culprit, where one is known.
    pub fn field(&self) -> Option<&str> {
        match self {
            Self::Request { field, .. } => Some(field),
            Self::Server { field, .. } => field.as_deref(),
            _ => None,
        }
    }

    /// When the server says it is worth trying again.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Server { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Whether the same call may go through later: the server is away, or too busy. A limit that
    /// the request itself passes names its field, and stays passed.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Server { code: Code::Unavailable, .. } => true,
            Self::Server { code: Code::ResourceExhausted, field, retry_after, .. } => {
                retry_after.is_some() || field.is_none()
            }
            _ => false,
        }
    }

    /// Whether the server said no before it did anything, so that even a call whose repetition
    /// would matter may be sent again.
    pub(crate) fn is_untouched(&self) -> bool {
        matches!(self, Self::Server { code: Code::ResourceExhausted, .. })
    }
}

/// The last of a chain of errors: the operating system's own words.
pub(crate) fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic::Status;
    use tonic_types::ErrorDetails;

    #[test]
    fn details_become_fields() {
        let mut details = ErrorDetails::new();
        details.add_bad_request_violation("vectors.embedding", "3 numbers, not 384");
        let status = Status::with_error_details(Code::InvalidArgument, "3 numbers, not 384", details);
        let error = Error::from_status("here", &status);
        assert_eq!(error.code(), Code::InvalidArgument);
        assert_eq!(error.field(), Some("vectors.embedding"));
        assert_eq!(error.to_string(), "vectors.embedding: 3 numbers, not 384");
        assert!(!error.is_retryable());
    }

    #[test]
    fn the_server_says_when_to_come_back() {
        let details = ErrorDetails::with_retry_info(Some(Duration::from_millis(250)));
        let status = Status::with_error_details(Code::ResourceExhausted, "the queue is full", details);
        let error = Error::from_status("here", &status);
        assert_eq!(error.retry_after(), Some(Duration::from_millis(250)));
        assert!(error.is_retryable() && error.is_untouched());
    }

    #[test]
    fn what_passes_a_limit_is_not_sent_again() {
        let details = ErrorDetails::with_bad_request_violation("ops", "20000, at most 10000");
        let status = Status::with_error_details(Code::ResourceExhausted, "", details);
        let error = Error::from_status("here", &status);
        assert!(!error.is_retryable());
        assert_eq!(error.to_string(), "ops: 20000, at most 10000");
    }

    #[test]
    fn codes_decide_what_is_worth_repeating() {
        for (code, again) in [
            (Code::Unavailable, true),
            (Code::ResourceExhausted, true),
            (Code::NotFound, false),
            (Code::Internal, false),
            (Code::DeadlineExceeded, false),
            (Code::FailedPrecondition, false),
            (Code::Unknown, false),
        ] {
            assert_eq!(Error::from_status("here", &Status::new(code, "no")).is_retryable(), again, "{code:?}");
        }
    }
}
