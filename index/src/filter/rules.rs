//! What is indexed without being asked, and the limits of it.

/// A part indexes at most this many paths: those that most of its values are at.
pub const PATHS_MAX: usize = 128;

/// Paths of more keys than this are not indexed.
pub const PATH_DEPTH_MAX: usize = 8;

/// Strings of more bytes than this are not indexed; that a row has one is.
pub const KEYWORD_BYTES_MAX: usize = 256;

/// Which fields of a payload are indexed.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct FieldRules {
    /// Index every scalar, within the limits of this room.
    pub auto: bool,
}

impl Default for FieldRules {
    fn default() -> Self {
        Self { auto: true }
    }
}
