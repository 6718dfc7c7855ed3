//! A value as it was given: text of a flag or of the environment, or a value of a file.

use std::fmt::Display;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use toml::Value;

/// A value that has not been read yet.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Given {
    /// Of a flag, of the environment, or of a file of a secret.
    Text(String),
    /// Of a configuration file.
    Value(Value),
}

/// What is wrong with a value: how it would be right.
pub(super) type Read<T> = Result<T, String>;

impl Given {
    /// As it is told in an error.
    pub(super) fn shown(&self) -> String {
        let text = match self {
            Self::Text(text) => format!("`{text}`"),
            Self::Value(value) => value.to_string(),
        };
        match text.char_indices().nth(80) {
            Some((end, _)) => format!("{}...", &text[..end]),
            None => text,
        }
    }

    pub(super) fn text(&self) -> Read<String> {
        match self {
            Self::Text(text) | Self::Value(Value::String(text)) if !text.is_empty() => Ok(text.clone()),
            _ => Err("it is a text that is not empty".to_owned()),
        }
    }

    pub(super) fn path(&self) -> Read<PathBuf> {
        self.text().map(PathBuf::from)
    }

    pub(super) fn flag(&self) -> Read<bool> {
        match self {
            Self::Value(Value::Boolean(value)) => Ok(*value),
            Self::Text(text) if text == "true" => Ok(true),
            Self::Text(text) if text == "false" => Ok(false),
            _ => Err("it is true or false".to_owned()),
        }
    }

    /// A whole number within bounds.
    pub(super) fn number<T: TryFrom<u64>>(&self, range: RangeInclusive<u64>) -> Read<T> {
        let number = match self {
            Self::Value(Value::Integer(number)) => u64::try_from(*number).ok(),
            Self::Value(_) => None,
            Self::Text(text) => text.parse().ok(),
        };
        let fits = number.filter(|number| range.contains(number)).and_then(|number| T::try_from(number).ok());
        fits.ok_or_else(|| match *range.end() {
            u64::MAX => format!("it is a whole number, at least {}", range.start()),
            end => format!("it is a whole number from {} to {end}", range.start()),
        })
    }

    /// A part of a whole.
    pub(super) fn share(&self) -> Read<f64> {
        let number = match self {
            Self::Value(Value::Float(number)) => Some(*number),
            Self::Value(Value::Integer(number)) => Some(*number as f64),
            Self::Value(_) => None,
            Self::Text(text) => text.parse().ok(),
        };
        number.filter(|share| (0.0..=1.0).contains(share)).ok_or_else(|| "it is a number from 0 to 1".to_owned())
    }

    /// MiB, as bytes.
    pub(super) fn mib(&self, least: u64) -> Read<u64> {
        Ok(self.number::<u64>(least..=u64::MAX >> 21)? << 20)
    }

    pub(super) fn addr(&self) -> Read<SocketAddr> {
        let wrong = || "it is an address and a port, as 127.0.0.1:6334 or [::1]:6334".to_owned();
        self.text().ok().and_then(|text| text.parse().ok()).ok_or_else(wrong)
    }

    /// One of these words.
    pub(super) fn one_of<T: Copy>(&self, words: &[(&str, T)]) -> Read<T> {
        let found = self.text().ok().and_then(|text| words.iter().find(|(word, _)| *word == text));
        found.map(|(_, value)| *value).ok_or_else(|| {
            let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            format!("it is one of {}", words.join(", "))
        })
    }

    /// Names with a text each: a table, or `NAME=TEXT,NAME=TEXT`.
    pub(super) fn pairs(&self) -> Read<Vec<(String, String)>> {
        let wrong = || "it is names with a directory each: NAME=DIRECTORY,... or a table".to_owned();
        let pair = |name: &str, text: &str| match name.is_empty() || text.is_empty() {
            true => Err(wrong()),
            false => Ok((name.to_owned(), text.to_owned())),
        };
        match self {
            Self::Value(Value::Table(table)) => {
                table.iter().map(|(name, text)| pair(name, text.as_str().unwrap_or_default())).collect()
            }
            Self::Text(text) => {
                let parts = text.split(',').filter(|part| !part.is_empty());
                parts.map(|part| part.split_once('=').map_or_else(|| Err(wrong()), |(n, t)| pair(n, t))).collect()
            }
            Self::Value(_) => Err(wrong()),
        }
    }
}

/// The word of a value.
pub(super) fn word_of<T: Copy + PartialEq>(words: &[(&'static str, T)], value: T) -> Option<String> {
    words.iter().find(|(_, one)| *one == value).map(|(word, _)| quoted(word))
}

/// A text as TOML writes it.
pub(super) fn quoted(text: impl Display) -> String {
    Value::String(text.to_string()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Given {
        Given::Text(text.to_owned())
    }

    #[test]
    fn numbers_keep_their_bounds() {
        assert_eq!(text("7").number::<u32>(1..=10), Ok(7));
        for wrong in ["0", "11", "-1", "7.5", "", "seven"] {
            assert_eq!(
                text(wrong).number::<u32>(1..=10),
                Err("it is a whole number from 1 to 10".to_owned()),
                "{wrong}"
            );
        }
        assert!(Given::Value(Value::String("7".to_owned())).number::<u32>(1..=10).is_err(), "a file has types");
        assert_eq!(text("2").mib(1), Ok(2 << 20));
        assert!(text("18446744073709551615").mib(0).is_err(), "it does not overflow");
    }

    #[test]
    fn a_share_is_between_nothing_and_all() {
        assert_eq!((text("0.25").share(), Given::Value(Value::Integer(1)).share()), (Ok(0.25), Ok(1.0)));
        for wrong in ["-0.1", "1.1", "NaN", "inf", "", "half"] {
            assert!(text(wrong).share().is_err(), "{wrong}");
        }
    }

    #[test]
    fn pairs_are_read_from_a_text_and_from_a_table() {
        let want = vec![("a".to_owned(), "/x".to_owned()), ("b".to_owned(), "/y=z".to_owned())];
        assert_eq!(text("a=/x,b=/y=z").pairs(), Ok(want.clone()));
        let table: toml::Table = toml::from_str("a = '/x'\nb = '/y=z'").unwrap();
        assert_eq!(Given::Value(Value::Table(table)).pairs(), Ok(want));
        assert!(text("a").pairs().is_err());
        assert!(text("=x").pairs().is_err());
    }
}
