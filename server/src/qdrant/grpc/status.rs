//! Errors as gRPC tells them.

use crate::qdrant::fault::{Fault, Kind};
use tonic::metadata::MetadataValue;
use tonic::{Code, Status};

impl From<Fault> for Status {
    fn from(fault: Fault) -> Self {
        let code = match fault.kind {
            Kind::Format | Kind::Invalid | Kind::BadRequest => Code::InvalidArgument,
            Kind::NotSupported => Code::Unimplemented,
            Kind::NotFound => Code::NotFound,
            Kind::Exists => Code::AlreadyExists,
            Kind::Forbidden => Code::PermissionDenied,
            Kind::Busy | Kind::DiskFull => Code::ResourceExhausted,
            Kind::Unavailable => Code::Unavailable,
            Kind::Late => Code::DeadlineExceeded,
            Kind::Internal => Code::Internal,
        };
        let text = match fault.kind {
            Kind::Format => format!("Format error in the request: {}", fault.text),
            Kind::Invalid => format!("Validation error in the request: {}", fault.text),
            _ => fault.text,
        };
        let mut status = Self::new(code, text);
        if let Some(seconds) = fault.retry_s {
            status.metadata_mut().insert("retry-after", MetadataValue::from(seconds));
        }
        status
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::error::Error;

    #[test]
    fn a_full_queue_says_when_to_come_back() {
        let full = Error::Full { what: "the queue", got: 8, limit: 8, retry_ms: 250 };
        let status = Status::from(Fault::from(full));
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert_eq!(status.metadata().get("retry-after").unwrap(), "1");
        assert_eq!(Status::from(Fault::no_collection("c")).code(), Code::NotFound);
        assert_eq!(Status::from(Fault::exists("c")).message(), "Wrong input: Collection `c` already exists!");
    }
}
