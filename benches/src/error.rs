//! How a benchmark fails.

/// A benchmark stops at the first error, whatever it is.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;
