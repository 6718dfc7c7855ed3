//! What is told of an error, whichever way the request came.

use crate::engine::error::Error;
use std::time::Duration;

/// A result of these doors.
pub(super) type Result<T, E = Fault> = std::result::Result<T, E>;

/// An error as a client of the API is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Fault {
    pub(super) kind: Kind,
    pub(super) text: String,
    /// After which time it may go through.
    pub(super) retry_s: Option<u64>,
}

/// What kind of error it is; each way has a code for it.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// A request of another form.
    Format,
    /// A value that is not allowed.
    Invalid,
    /// Something that makes no sense together, or does not fit the collection.
    BadRequest,
    /// Something that nigh does not do.
    NotSupported,
    NotFound,
    Exists,
    /// The caller's key does not allow it.
    Forbidden,
    /// Too many at once.
    Busy,
    DiskFull,
    Unavailable,
    Late,
    Internal,
}

impl Fault {
    fn new(kind: Kind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into(), retry_s: None }
    }

    /// A request of another form, or with other types.
    pub(super) fn format(why: impl std::fmt::Display) -> Self {
        Self::new(Kind::Format, why.to_string())
    }

    /// A value that is not allowed.
    pub(super) fn invalid(field: &str, why: impl std::fmt::Display) -> Self {
        Self::new(Kind::Invalid, format!("[{field}: {why}]"))
    }

    /// Something that makes no sense together.
    pub(super) fn bad_request(why: impl std::fmt::Display) -> Self {
        Self::new(Kind::BadRequest, format!("Bad request: {why}"))
    }

    /// Something that does not fit the collection.
    pub(super) fn wrong_input(why: impl std::fmt::Display) -> Self {
        Self::new(Kind::BadRequest, format!("Wrong input: {why}"))
    }

    /// Something that is not there.
    pub(super) fn not_found(what: impl std::fmt::Display) -> Self {
        Self::new(Kind::NotFound, format!("Not found: {what}"))
    }

    /// Something that nigh does not do.
    pub(super) fn not_supported(what: impl std::fmt::Display) -> Self {
        Self::new(Kind::NotSupported, format!("Bad request: {what} is not supported by nigh"))
    }

    /// A collection that is not there.
    pub(super) fn no_collection(name: &str) -> Self {
        Self::not_found(format_args!("Collection `{name}` doesn't exist!"))
    }

    /// A collection that is there already.
    pub(super) fn exists(name: &str) -> Self {
        Self::new(Kind::Exists, format!("Wrong input: Collection `{name}` already exists!"))
    }

    /// Too much at once; after which time it may go through, where it ever may.
    pub(super) fn busy(why: impl std::fmt::Display, retry: Option<Duration>) -> Self {
        let retry_s =
            retry.map(|retry| retry.as_millis().div_ceil(1000).max(1)).map(|s| u64::try_from(s).unwrap_or(u64::MAX));
        Self { retry_s, ..Self::new(Kind::Busy, why.to_string()) }
    }

    /// A mistake of the server.
    pub(super) fn internal(what: impl std::fmt::Display) -> Self {
        Self::new(Kind::Internal, format!("Service internal error: {what}"))
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
            Error::Forbidden(_) => Self::new(Kind::Forbidden, format!("Forbidden: {text}")),
            Error::Exists(_) => Self::new(Kind::Exists, format!("Wrong input: {text}")),
            Error::Full { retry_ms, .. } => {
                Self { retry_s: Some(retry_ms.div_ceil(1000).max(1)), ..Self::new(Kind::Busy, text) }
            }
            Error::DiskFull { .. } => Self::new(Kind::DiskFull, text),
            Error::Opening { .. } | Error::Unavailable(_) | Error::Poisoned(_) => {
                Self::new(Kind::Unavailable, format!("Service unavailable: {text}"))
            }
            Error::Late(_) | Error::Gone => Self::new(Kind::Late, format!("Timeout: {text}")),
            _ => Self::internal(text),
        }
    }
}
