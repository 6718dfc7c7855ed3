//! What a user calls a point.

use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

/// A point's name: an unsigned number or a UUID.
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

/// A text that is neither an unsigned number nor a UUID. `007` and `+7` are none either: they would all be point 7.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("`{0}` is no id: an id is an unsigned 64-bit number or a UUID")]
pub struct NotAnId(pub String);

impl FromStr for PointId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let number = text.parse::<u64>().ok().filter(|number| number.to_string() == text).map(Self::Num);
        number.or_else(|| Uuid::try_parse(text).ok().map(Self::Uuid)).ok_or_else(|| NotAnId(text.to_owned()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_number_or_a_uuid() {
        assert_eq!("7".parse(), Ok(PointId::Num(7)));
        assert_eq!(u64::MAX.to_string().parse(), Ok(PointId::Num(u64::MAX)));
        let uuid = Uuid::from_u128(9);
        assert_eq!(uuid.to_string().parse(), Ok(PointId::Uuid(uuid)));
        for text in ["", "-1", "1.5", "18446744073709551616", "abc", "007", "+7", "00"] {
            assert_eq!(text.parse::<PointId>(), Err(NotAnId(text.to_owned())));
        }
    }
}
