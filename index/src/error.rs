//! What can go wrong in a part: the caller's mistake, or bytes that cannot be trusted.

/// An error of the index. It never names a file: the index does not know files; storage adds that.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The caller's mistake: a parameter, a spec or a query that cannot be served.
    #[error("{what} is {value}; {limit}")]
    Invalid {
        /// The field or parameter, as the caller named it.
        what: String,
        /// The value that was given, shortened where it is long.
        value: String,
        /// What would have been right.
        limit: String,
    },
    /// Bytes that do not hold together.
    #[error("section `{section}` is corrupt at byte {at}: {why}")]
    Corrupt {
        /// The section of the file.
        section: String,
        /// Where in the section.
        at: u64,
        /// What does not hold.
        why: String,
    },
    /// Nobody waits for it any more: whoever called it off knows why.
    #[error("it was called off")]
    CalledOff,
}

impl Error {
    /// A caller's mistake.
    pub fn invalid(what: impl Into<String>, value: impl ToString, limit: impl Into<String>) -> Self {
        Self::Invalid { what: what.into(), value: value.to_string(), limit: limit.into() }
    }

    /// Bytes that do not hold together.
    pub fn corrupt(section: impl Into<String>, at: u64, why: impl Into<String>) -> Self {
        Self::Corrupt { section: section.into(), at, why: why.into() }
    }
}

/// A result of the index.
pub type Result<T> = std::result::Result<T, Error>;
