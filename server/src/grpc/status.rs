//! An engine's error as gRPC tells it: a code, a sentence, and details that a program can read.

use crate::engine::error::Error;
use std::time::Duration;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// The status of an error.
pub(super) fn of(err: &Error) -> Status {
    let mut details = ErrorDetails::new();
    if let Error::Invalid { field, value, limit } = err {
        details.add_bad_request_violation(field.clone(), format!("{value}; {limit}"));
    }
    if let Error::Condition { field, found, wanted } = err {
        details.add_precondition_failure_violation("condition", field.clone(), format!("{found}; {wanted}"));
    }
    if let Some(retry_ms) = retry_ms(err) {
        details.set_retry_info(Some(Duration::from_millis(retry_ms)));
    }
    if details.has_bad_request_violations()
        || details.has_precondition_failure_violations()
        || details.retry_info().is_some()
    {
        return Status::with_error_details(code(err), err.to_string(), details);
    }
    Status::new(code(err), err.to_string())
}

/// After which time it may go through, where that is known.
fn retry_ms(err: &Error) -> Option<u64> {
    match err {
        Error::Full { retry_ms, .. } | Error::Opening { retry_ms, .. } => Some(*retry_ms),
        // Room comes back when somebody deletes something; a disk that failed is tried ten times a second at first.
        Error::DiskFull { .. } => Some(1000),
        Error::Poisoned(_) => Some(200),
        _ => None,
    }
}

/// The code of an error.
pub(super) fn code(err: &Error) -> Code {
    match err {
        Error::Invalid { .. } => Code::InvalidArgument,
        Error::Missing { .. } => Code::NotFound,
        Error::Forbidden(_) => Code::PermissionDenied,
        Error::Exists(_) => Code::AlreadyExists,
        Error::Full { .. } | Error::DiskFull { .. } => Code::ResourceExhausted,
        Error::Condition { .. } => Code::FailedPrecondition,
        Error::Unknown(_) => Code::Unknown,
        Error::Quarantined { .. } | Error::Corrupt | Error::Damaged(_) => Code::DataLoss,
        Error::Opening { .. } | Error::Unavailable(_) | Error::Target { .. } | Error::Poisoned(_) => Code::Unavailable,
        Error::Late(_) => Code::DeadlineExceeded,
        Error::Gone => Code::Cancelled,
        Error::Internal(_) => Code::Internal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_names_its_field_and_a_full_queue_a_time() {
        let status = of(&Error::invalid("ops[3].upsert.id", "`zz`", "an id is a number or a UUID"));
        assert_eq!(status.code(), Code::InvalidArgument);
        let violation = &status.get_details_bad_request().unwrap().field_violations[0];
        assert_eq!(violation.field, "ops[3].upsert.id");
        assert_eq!(violation.description, "`zz`; an id is a number or a UUID");

        let what = "collection `c` is still being opened: it waits for its turn".to_owned();
        let status = of(&Error::Opening { what, retry_ms: 500 });
        assert_eq!(status.code(), Code::Unavailable);
        assert_eq!(status.get_details_retry_info().unwrap().retry_delay, Some(Duration::from_millis(500)));

        let status = of(&Error::Full { what: "the queue", got: 8, limit: 8, retry_ms: 250 });
        assert_eq!(status.code(), Code::ResourceExhausted);
        let retry = status.get_details_retry_info().unwrap();
        assert_eq!(retry.retry_delay, Some(Duration::from_millis(250)));
    }
}
