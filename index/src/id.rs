//! What a user calls a point.

use crate::error::{Error, Result};
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

/// A point's name, the user's own: an unsigned number or a UUID. Numbers sort before UUIDs.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum PointId {
    /// An unsigned 64-bit number.
    Num(u64),
    /// A UUID of any version.
    Uuid(Uuid),
}

impl fmt::Display for PointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Num(number) => write!(f, "{number}"),
            Self::Uuid(uuid) => write!(f, "{uuid}"),
        }
    }
}

impl FromStr for PointId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if let Ok(number) = text.parse() {
            return Ok(Self::Num(number));
        }
        match Uuid::try_parse(text) {
            Ok(uuid) => Ok(Self::Uuid(uuid)),
            Err(_) => Err(Error::invalid("id", format!("`{text}`"), "an id is an unsigned 64-bit number or a UUID")),
        }
    }
}

impl From<u64> for PointId {
    fn from(number: u64) -> Self {
        Self::Num(number)
    }
}

impl From<Uuid> for PointId {
    fn from(uuid: Uuid) -> Self {
        Self::Uuid(uuid)
    }
}
