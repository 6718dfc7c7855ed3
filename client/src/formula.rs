//! Formulas: scores that are computed of those of sources, and of payloads.

use crate::filter::Condition;
use std::ops::{Add, Div, Mul, Neg, Sub};

/// A formula. It is computed in 64 bits; an outcome that is not finite is an error.
#[derive(Clone, PartialEq, Debug)]
pub enum Formula {
    /// This number.
    Constant(f64),
    /// An instant, RFC 3339 or YYYY-MM-DD, in seconds since 1970.
    Datetime(String),
    /// The score in a source, by its place; a number where the source did not find the point.
    Score(u32, f64),
    /// The first number at a path; a number where there is none, else that is an error. An instant counts in seconds
    /// since 1970, a bool is 1 or 0.
    Field(String, Option<f64>),
    /// 1 where the condition holds, else 0.
    Holds(Condition),
    /// Metres to the first place at a path from a latitude and longitude; a number where there is none, else that is an error.
    Meters(String, (f64, f64), Option<f64>),
    /// All of them added.
    Sum(Vec<Formula>),
    /// All of them multiplied; nothing behind a 0 is computed.
    Product(Vec<Formula>),
    /// The greatest of them.
    Greatest(Vec<Formula>),
    /// The least of them.
    Least(Vec<Formula>),
    /// One divided by the other; the outcome where that is 0, else that is an error.
    Quotient(Box<Formula>, Box<Formula>, Option<f64>),
    /// One to the power of the other.
    Power(Box<Formula>, Box<Formula>),
    /// The other sign.
    Negative(Box<Formula>),
    /// Without its sign.
    Absolute(Box<Formula>),
    /// The square root.
    SquareRoot(Box<Formula>),
    /// e to the power of it.
    Exponential(Box<Formula>),
    /// The natural logarithm.
    Ln(Box<Formula>),
    /// The logarithm to base 10.
    Log10(Box<Formula>),
    /// The inverse hyperbolic cosine.
    Acosh(Box<Formula>),
    /// 1 at the target, `midpoint` at a distance of `scale` from it.
    Decay {
        /// How it falls.
        shape: Decay,
        /// What decays.
        of: Box<Formula>,
        /// Where it is 1; 0 where it is left out.
        target: Option<Box<Formula>>,
        /// Above 0.
        scale: f64,
        /// Above 0 and below 1.
        midpoint: f64,
    },
}

/// How a decay falls.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Decay {
    /// Never down to 0.
    Exponential,
    /// On a straight line down to 0.
    Linear,
    /// As a bell.
    Gauss,
}

impl Formula {
    /// The score in a source, 0 where it did not find the point.
    pub fn score(source: u32) -> Self {
        Self::Score(source, 0.0)
    }

    /// The number at a path, or another where there is none.
    pub fn field(path: impl Into<String>, missing: f64) -> Self {
        Self::Field(path.into(), Some(missing))
    }

    /// 1 where the condition holds, else 0.
    pub fn holds(condition: impl Into<Condition>) -> Self {
        Self::Holds(condition.into())
    }

    /// Decays from 1 at the target to a half at a distance of `scale`.
    pub fn decay(self, shape: Decay, target: impl Into<Self>, scale: f64) -> Self {
        Self::Decay { shape, of: Box::new(self), target: Some(Box::new(target.into())), scale, midpoint: 0.5 }
    }
}

impl From<f64> for Formula {
    fn from(number: f64) -> Self {
        Self::Constant(number)
    }
}

impl<F: Into<Formula>> Add<F> for Formula {
    type Output = Self;

    fn add(self, other: F) -> Self {
        Self::Sum(vec![self, other.into()])
    }
}

impl<F: Into<Formula>> Sub<F> for Formula {
    type Output = Self;

    fn sub(self, other: F) -> Self {
        Self::Sum(vec![self, -other.into()])
    }
}

impl<F: Into<Formula>> Mul<F> for Formula {
    type Output = Self;

    fn mul(self, other: F) -> Self {
        Self::Product(vec![self, other.into()])
    }
}

impl<F: Into<Formula>> Div<F> for Formula {
    type Output = Self;

    fn div(self, other: F) -> Self {
        Self::Quotient(Box::new(self), Box::new(other.into()), None)
    }
}

impl Neg for Formula {
    type Output = Self;

    fn neg(self) -> Self {
        Self::Negative(Box::new(self))
    }
}
