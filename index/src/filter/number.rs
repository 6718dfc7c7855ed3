//! Numbers of a payload in one order, compared exactly: no integer is rounded to meet a float.

use crate::filter::condition::{Bounds, Scalar};
use serde_json::Number;
use std::cmp::Ordering;

const TWO_63: f64 = 9_223_372_036_854_775_808.0;
const TWO_64: f64 = 18_446_744_073_709_551_616.0;

/// A number as JSON holds it.
#[derive(Copy, Clone, Debug)]
pub enum Real {
    /// An integer that fits 64 signed bits.
    Integer(i64),
    /// An integer that only fits 64 unsigned bits.
    Natural(u64),
    /// A number with a fraction or an exponent; never NaN, never minus zero.
    Float(f64),
}

impl PartialEq for Real {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Real {}

impl PartialOrd for Real {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Real {
    /// By value, exactly: 2 and 2.0 are equal.
    fn cmp(&self, other: &Self) -> Ordering {
        let wide = |real: &Self| match real {
            Self::Integer(integer) => Some(i128::from(*integer)),
            Self::Natural(natural) => Some(i128::from(*natural)),
            Self::Float(_) => None,
        };
        match (self, other) {
            (Self::Float(own), Self::Float(other)) => own.total_cmp(other),
            // A float is never NaN here; were it, every number would stand below it.
            (_, Self::Float(float)) => self.compare(*float).unwrap_or(Ordering::Less),
            (Self::Float(float), _) => other.compare(*float).map_or(Ordering::Greater, Ordering::reverse),
            _ => wide(self).cmp(&wide(other)),
        }
    }
}

impl Real {
    /// The number, `None` where it is none that can be compared.
    pub fn of(number: &Number) -> Option<Self> {
        if let Some(integer) = number.as_i64() {
            return Some(Self::Integer(integer));
        }
        if let Some(natural) = number.as_u64() {
            return Some(Self::Natural(natural));
        }
        number.as_f64().filter(|float| !float.is_nan()).map(|float| Self::Float(float + 0.0))
    }

    /// Its place relative to a float; `None` where the float is NaN.
    pub fn compare(self, float: f64) -> Option<Ordering> {
        match self {
            Self::Integer(integer) => compare_integer(integer, float),
            Self::Natural(natural) => compare_natural(natural, float),
            Self::Float(own) => own.partial_cmp(&float),
        }
    }

    /// The nearest float.
    pub fn float(self) -> f64 {
        match self {
            Self::Integer(integer) => integer as f64,
            Self::Natural(natural) => natural as f64,
            Self::Float(float) => float,
        }
    }

    /// Whether it is the same number as the scalar; no other scalar than a number is.
    pub(crate) fn equals(self, scalar: &Scalar) -> bool {
        match (scalar, self) {
            (Scalar::Integer(asked), Self::Integer(own)) => *asked == own,
            (Scalar::Integer(asked), Self::Float(own)) => compare_integer(*asked, own) == Some(Ordering::Equal),
            (Scalar::Float(asked), own) => own.compare(*asked) == Some(Ordering::Equal),
            _ => false,
        }
    }

    /// Whether it is inside all the given ends.
    pub(crate) fn inside(self, bounds: &Bounds<f64>) -> bool {
        self.above(bounds) && self.below(bounds)
    }

    /// Whether it passes the lower ends.
    pub(crate) fn above(self, bounds: &Bounds<f64>) -> bool {
        bounds.gt.is_none_or(|end| self.compare(end) == Some(Ordering::Greater))
            && bounds.gte.is_none_or(|end| self.compare(end).is_some_and(Ordering::is_ge))
    }

    /// Whether it passes the upper ends.
    pub(crate) fn below(self, bounds: &Bounds<f64>) -> bool {
        bounds.lt.is_none_or(|end| self.compare(end) == Some(Ordering::Less))
            && bounds.lte.is_none_or(|end| self.compare(end).is_some_and(Ordering::is_le))
    }
}

fn compare_integer(integer: i64, float: f64) -> Option<Ordering> {
    if float.is_nan() {
        return None;
    }
    if float >= TWO_63 {
        return Some(Ordering::Less);
    }
    if float < -TWO_63 {
        return Some(Ordering::Greater);
    }
    // Between the two ends above the whole part is an i64 exactly.
    Some(integer.cmp(&(float.trunc() as i64)).then(fraction(float)))
}

fn compare_natural(natural: u64, float: f64) -> Option<Ordering> {
    if float.is_nan() {
        return None;
    }
    if float >= TWO_64 {
        return Some(Ordering::Less);
    }
    if float < 0.0 {
        return Some(Ordering::Greater);
    }
    Some(natural.cmp(&(float.trunc() as u64)).then(fraction(float)))
}

/// How a whole part stands to the float it was cut from.
fn fraction(float: f64) -> Ordering {
    0.0f64.total_cmp(&(float.fract() + 0.0))
}

/// The float as an integer of the same order, so that a column sorts and searches integers alone.
pub(crate) fn ordered(float: f64) -> i64 {
    let bits = (float + 0.0).to_bits() as i64;
    bits ^ (((bits >> 63) as u64) >> 1) as i64
}

/// The float back.
pub(crate) fn unordered(ordered: i64) -> f64 {
    f64::from_bits((ordered ^ (((ordered >> 63) as u64) >> 1) as i64) as u64)
}

/// The integer and the natural that equal the float, where there are.
pub(crate) fn whole(float: f64) -> (Option<i64>, Option<u64>) {
    if float.fract() != 0.0 {
        return (None, None);
    }
    let integer = (-TWO_63..TWO_63).contains(&float).then_some(float as i64);
    let natural = (TWO_63..TWO_64).contains(&float).then_some(float as u64);
    (integer, natural)
}

/// The float that equals the integer, where there is one.
pub(crate) fn float_of(integer: i64) -> Option<f64> {
    let float = integer as f64;
    (compare_integer(integer, float) == Some(Ordering::Equal)).then_some(float)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLOATS: [f64; 21] = [
        f64::NEG_INFINITY,
        -1e300,
        -TWO_63 * 1.5,
        -TWO_63,
        -9_007_199_254_740_993.0,
        -1.5,
        -1.0,
        -0.5,
        -0.0,
        0.0,
        0.5,
        1.0,
        1.5,
        9_007_199_254_740_992.0,
        9_007_199_254_740_994.0,
        TWO_63 - 1024.0,
        TWO_63,
        TWO_64 - 2048.0,
        TWO_64,
        1e300,
        f64::INFINITY,
    ];

    /// Twice the value as a wide integer: exact for every float here, whose fractions are halves.
    fn doubled(float: f64) -> i128 {
        (float * 2.0).clamp(-1e30, 1e30) as i128
    }

    #[test]
    fn integers_and_floats_compare_exactly() {
        let integers =
            [i64::MIN, i64::MIN + 1, -(1 << 53) - 1, -2, -1, 0, 1, 2, (1 << 53) - 1, 1 << 53, (1 << 53) + 1, i64::MAX];
        let naturals = [1 << 63, (1 << 63) + 1, u64::MAX - 2047, u64::MAX];
        for float in FLOATS {
            for integer in integers {
                let expected = (i128::from(integer) * 2).cmp(&doubled(float));
                assert_eq!(Real::Integer(integer).compare(float), Some(expected), "{integer} {float}");
            }
            for natural in naturals {
                let expected = (i128::from(natural) * 2).cmp(&doubled(float));
                assert_eq!(Real::Natural(natural).compare(float), Some(expected), "{natural} {float}");
            }
        }
        assert_eq!(Real::Integer(1).compare(f64::NAN), None);
    }

    #[test]
    fn numbers_have_one_order() {
        let rising = [
            Real::Float(-1e300),
            Real::Integer(i64::MIN),
            Real::Float(-0.5),
            Real::Integer(0),
            Real::Float(0.5),
            Real::Integer((1 << 53) + 1),
            Real::Natural(1 << 63),
            Real::Natural(u64::MAX),
            Real::Float(TWO_64),
        ];
        for (one, left) in rising.iter().enumerate() {
            for (other, right) in rising.iter().enumerate() {
                assert_eq!(left.cmp(right), one.cmp(&other), "{left:?} {right:?}");
            }
        }
        assert_eq!(Real::Integer(2), Real::Float(2.0));
    }

    #[test]
    fn floats_keep_their_order_as_integers() {
        for pair in FLOATS.windows(2) {
            assert!(ordered(pair[0]) <= ordered(pair[1]), "{pair:?}");
        }
        for float in FLOATS {
            assert_eq!(unordered(ordered(float)), float);
        }
        assert_eq!(ordered(-0.0), ordered(0.0));
    }

    #[test]
    fn whole_floats_are_found_among_integers() {
        assert_eq!(whole(2.0), (Some(2), None));
        assert_eq!(whole(2.5), (None, None));
        assert_eq!(whole(TWO_63), (None, Some(1 << 63)));
        assert_eq!(whole(-TWO_63), (Some(i64::MIN), None));
        assert_eq!(whole(f64::NAN), (None, None));
        assert_eq!(whole(f64::INFINITY), (None, None));
        assert_eq!(float_of(1 << 53), Some(9_007_199_254_740_992.0));
        assert_eq!(float_of((1 << 53) + 1), None);
        assert_eq!(float_of(i64::MAX), None);
    }
}
