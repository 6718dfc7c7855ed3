//! A filter as text that [`parse`](crate::filter::parse::parse) reads back.
//!
//! What is read back means the same and is mostly built the same; a tree inside a tree of its own
//! kind may come back flatter.

use crate::filter::condition::{Bounds, Condition, Range, Scalar, Test};
use crate::filter::datetime;
use crate::filter::geo::{Ring, Shape};
use crate::filter::lexer::is_bare_path;
use crate::filter::words::How;
use crate::value::Path;
use std::fmt;

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tree { must, should, must_not } => tree(f, must, should, must_not),
            Self::Field { path, test } => field(f, &path_text(path), test),
            Self::HasId(ids) => {
                f.write_str("HAS_ID")?;
                list(f, ids.iter().map(|id| format!("'{id}'")))
            }
            Self::HasVector(name) => write!(f, "HAS_VECTOR({})", quoted(name)),
            Self::Slice(slice) => write!(f, "SLICE({} OF {})", slice.index, slice.total),
            Self::AtLeast { count, of } => {
                let parts = of.iter().map(|condition| format!(", {condition}")).collect::<String>();
                write!(f, "AT_LEAST({count}{parts})")
            }
            Self::Nested { path, condition } => write!(f, "{} HAS ({condition})", path_text(path)),
        }
    }
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keyword(text) => f.write_str(&quoted(text)),
            Self::Integer(integer) => write!(f, "{integer}"),
            // Debug always shows a point or an exponent, so that a float stays one.
            Self::Float(float) => write!(f, "{float:?}"),
            Self::Bool(flag) => f.write_str(if *flag { "TRUE" } else { "FALSE" }),
        }
    }
}

fn tree(f: &mut fmt::Formatter<'_>, must: &[Condition], should: &[Condition], must_not: &[Condition]) -> fmt::Result {
    let alone = must.is_empty() && must_not.is_empty();
    let mut terms: Vec<String> = must.iter().map(atom).collect();
    if !should.is_empty() {
        let any = should.iter().map(atom).collect::<Vec<_>>().join(" OR ");
        terms.push(if alone || should.len() == 1 { any } else { format!("({any})") });
    }
    terms.extend(must_not.iter().map(|condition| format!("NOT {}", atom(condition))));
    f.write_str(if terms.is_empty() { "TRUE" } else { "" })?;
    f.write_str(&terms.join(" AND "))
}

fn atom(condition: &Condition) -> String {
    match condition {
        Condition::Tree { must, should, must_not } if must.len() + should.len() + must_not.len() > 0 => {
            format!("({condition})")
        }
        _ => condition.to_string(),
    }
}

fn field(f: &mut fmt::Formatter<'_>, path: &str, test: &Test) -> fmt::Result {
    match test {
        Test::AnyOf(scalars) => match &scalars[..] {
            [only] => write!(f, "{path} = {only}"),
            _ => {
                write!(f, "{path} IN ")?;
                list(f, scalars.iter().map(Scalar::to_string))
            }
        },
        Test::NoneOf(scalars) => match &scalars[..] {
            [only] => write!(f, "{path} != {only}"),
            _ => {
                write!(f, "{path} NOT IN ")?;
                list(f, scalars.iter().map(Scalar::to_string))
            }
        },
        Test::Range(Range::Number(bounds)) => {
            // No number of a payload is infinite, so the greatest float does as an end.
            let lower = lower(bounds).map(|(sign, end)| match end {
                f64::INFINITY => (">", f64::MAX),
                f64::NEG_INFINITY => (">=", f64::MIN),
                end => (sign, end),
            });
            let upper = upper(bounds).map(|(sign, end)| match end {
                f64::INFINITY => ("<=", f64::MAX),
                f64::NEG_INFINITY => ("<", f64::MIN),
                end => (sign, end),
            });
            range(f, path, lower, upper, f64::MIN, |end| format!("{end:?}"))
        }
        Test::Range(Range::Datetime(bounds)) => {
            let quoted = |micros| format!("'{}'", datetime::text(micros));
            range(f, path, lower(bounds), upper(bounds), datetime::MICROS_MIN, quoted)
        }
        Test::Prefix(prefix) => write!(f, "{path} STARTS WITH {}", quoted(prefix)),
        Test::Substring(part) => write!(f, "{path} CONTAINS SUBSTRING {}", quoted(part)),
        Test::Words(words) => {
            let how = match words.how() {
                How::All => "ALL",
                How::Any => "ANY",
                How::Phrase => "PHRASE",
                How::Prefix => "PREFIX",
            };
            write!(f, "{path} CONTAINS {how} {}", quoted(&words.words().join(" ")))
        }
        Test::Geo(shape) => within(f, path, shape),
        Test::Count(bounds) => {
            let low = bounds.gte.unwrap_or(0).max(bounds.gt.map_or(0, |end| end.saturating_add(1)));
            match (bounds.lt, bounds.lte) {
                (None, None) => write!(f, "COUNT({path}) >= {low}"),
                // Fewer than none is never.
                (Some(0), _) => write!(f, "COUNT({path}) < 0"),
                (lt, lte) => {
                    let high = lte.unwrap_or(u64::MAX).min(lt.map_or(u64::MAX, |end| end - 1));
                    write!(f, "COUNT({path}) BETWEEN {low} AND {high}")
                }
            }
        }
        Test::Empty => write!(f, "{path} IS EMPTY"),
        Test::Null => write!(f, "{path} IS NULL"),
    }
}

fn within(f: &mut fmt::Formatter<'_>, path: &str, shape: &Shape) -> fmt::Result {
    let ring = |ring: &Ring| {
        let places: Vec<String> = ring.iter().map(|place| format!("{:?}, {:?}", place.lat, place.lon)).collect();
        format!("({})", places.join(", "))
    };
    match shape {
        Shape::Circle { center, meters } => {
            write!(f, "{path} WITHIN {meters:?} OF ({:?}, {:?})", center.lat, center.lon)
        }
        Shape::Box { south, west, north, east } => {
            write!(f, "{path} WITHIN BOX ({south:?}, {west:?}, {north:?}, {east:?})")
        }
        Shape::Polygon { outer, holes } => {
            write!(f, "{path} WITHIN POLYGON ")?;
            list(f, std::iter::once(outer).chain(holes).map(ring))
        }
    }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// A range without ends still asks for a value of its kind: one that is not below the least.
fn range<T: Copy>(
    f: &mut fmt::Formatter<'_>,
    path: &str,
    lower: Option<(&str, T)>,
    upper: Option<(&str, T)>,
    least: T,
    text: impl Fn(T) -> String,
) -> fmt::Result {
    match (lower, upper) {
        (Some((sign, end)), Some((upper_sign, upper))) => {
            let turned = if sign == ">" { "<" } else { "<=" };
            write!(f, "{} {turned} {path} {upper_sign} {}", text(end), text(upper))
        }
        (Some((sign, end)), None) | (None, Some((sign, end))) => write!(f, "{path} {sign} {}", text(end)),
        (None, None) => write!(f, "{path} >= {}", text(least)),
    }
}

/// The lower end that counts, where there are two.
fn lower<T: PartialOrd + Copy>(bounds: &Bounds<T>) -> Option<(&'static str, T)> {
    match (bounds.gt, bounds.gte) {
        (Some(open), Some(closed)) if closed > open => Some((">=", closed)),
        (Some(open), _) => Some((">", open)),
        (None, closed) => closed.map(|end| (">=", end)),
    }
}

/// The upper end that counts, where there are two.
fn upper<T: PartialOrd + Copy>(bounds: &Bounds<T>) -> Option<(&'static str, T)> {
    match (bounds.lt, bounds.lte) {
        (Some(open), Some(closed)) if closed < open => Some(("<=", closed)),
        (Some(open), _) => Some(("<", open)),
        (None, closed) => closed.map(|end| ("<=", end)),
    }
}

fn list(f: &mut fmt::Formatter<'_>, items: impl Iterator<Item = String>) -> fmt::Result {
    write!(f, "({})", items.collect::<Vec<_>>().join(", "))
}

fn path_text(path: &Path) -> String {
    let text = path.as_str();
    if is_bare_path(text) { text.to_owned() } else { format!("`{}`", text.replace('`', "``")) }
}
