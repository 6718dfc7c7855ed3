//! Scores that are computed: from the scores of sources, from the payload, from conditions, distances and decay.
//!
//! Everything is computed in 64 bits, and only the outcome becomes a 32-bit score. A number that is not finite is an
//! error that names the deed: a point would otherwise stand anywhere.

use crate::error::{Error, Result};
use crate::filter::condition::Condition;
use crate::filter::eval;
use crate::filter::geo::Place;
use crate::filter::number::Real;
use crate::id::PointId;
use crate::query::order::number_of;
use crate::value::Path;
use serde_json::Value;

/// A formula has at most this many parts.
pub const PARTS_MAX: usize = 256;

/// A formula is at most this many parts deep.
pub const DEPTH_MAX: usize = 16;

/// A formula.
#[derive(Clone, PartialEq, Debug)]
pub enum Formula {
    /// This number.
    Constant(f64),
    /// The score of a source, as its ranking shows it.
    Score {
        /// The place of the source.
        source: usize,
        /// Where the source did not find the point.
        missing: f64,
    },
    /// The first number at a path; an instant counts in seconds since 1970, a bool is 1 or 0.
    Field {
        /// Where it is.
        path: Path,
        /// Where there is none; left out: that is an error.
        missing: Option<f64>,
    },
    /// 1 where the condition holds, else 0.
    Holds(Condition),
    /// Metres on a great circle to the first place at a path.
    Meters {
        /// Where the place is.
        path: Path,
        /// From here.
        from: Place,
        /// Where there is none; left out: that is an error.
        missing: Option<f64>,
    },
    /// All of them added.
    Sum(Vec<Formula>),
    /// The greatest of them; there has to be one.
    Greatest(Vec<Formula>),
    /// The least of them; there has to be one.
    Least(Vec<Formula>),
    /// All of them multiplied. Nothing behind a 0 is computed.
    Product(Vec<Formula>),
    /// One divided by the other. 0 divided by anything is 0.
    Quotient {
        /// What is divided.
        of: Box<Formula>,
        /// By what.
        by: Box<Formula>,
        /// The outcome where that is 0; left out: an error.
        by_zero: Option<f64>,
    },
    /// One to the power of the other.
    Power(Box<Formula>, Box<Formula>),
    /// A function of one number.
    Apply(Function, Box<Formula>),
    /// 1 at the target, less the farther away, `midpoint` at a distance of `scale`.
    Decay {
        /// How it falls.
        shape: Shape,
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

/// A function of one number.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Function {
    /// The other sign.
    Negative,
    /// Without its sign.
    Absolute,
    /// The square root.
    Root,
    /// e to the power of it.
    Exponential,
    /// The natural logarithm.
    Ln,
    /// The logarithm to base 10.
    Log10,
    /// The inverse hyperbolic cosine.
    Acosh,
}

/// How a decay falls.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Shape {
    /// On a straight line down to 0.
    Linear,
    /// By halves, as it were: never 0.
    Exponential,
    /// As a bell.
    Gauss,
}

/// The point whose score is computed.
#[derive(Copy, Clone)]
pub struct Point<'p> {
    /// Its id.
    pub id: &'p PointId,
    /// Its payload.
    pub payload: &'p Value,
    /// Its score in every source, by place; `None` where it was not found there.
    pub scores: &'p [Option<f32>],
    /// Whether it has a vector of this field.
    pub has: &'p dyn Fn(&str) -> bool,
}

impl Formula {
    /// Whether it is within the limits, for so many sources.
    pub fn check(&self, sources: usize) -> Result<()> {
        let mut left = PARTS_MAX;
        self.check_below(sources, 1, &mut left)
    }

    fn check_below(&self, sources: usize, depth: usize, left: &mut usize) -> Result<()> {
        if depth > DEPTH_MAX {
            let limit = format!("at most {DEPTH_MAX} levels");
            return Err(Error::invalid("formula depth", format!("over {DEPTH_MAX}"), limit));
        }
        *left = left.checked_sub(1).ok_or_else(|| {
            Error::invalid("formula size", format!("over {PARTS_MAX}"), format!("at most {PARTS_MAX} parts"))
        })?;
        let finite = |what: &str, number: f64| match number.is_finite() {
            true => Ok(()),
            false => Err(Error::invalid(what, number, "numbers of a formula are finite")),
        };
        match self {
            Self::Constant(number) => finite("formula constant", *number)?,
            Self::Score { source, missing } => {
                if *source >= sources {
                    let limit = format!("there are {sources} sources, counted from 0");
                    return Err(Error::invalid("formula score", source, limit));
                }
                finite("formula default", *missing)?;
            }
            Self::Field { missing, .. } => finite("formula default", missing.unwrap_or(0.0))?,
            Self::Holds(condition) => eval::check(condition)?,
            Self::Meters { from, missing, .. } => {
                if Place::new(from.lat, from.lon).is_none() {
                    let limit = "latitudes are -90 to 90, longitudes -180 to 180";
                    return Err(Error::invalid("formula place", format!("{}, {}", from.lat, from.lon), limit));
                }
                finite("formula default", missing.unwrap_or(0.0))?;
            }
            Self::Quotient { by_zero, .. } => finite("formula default", by_zero.unwrap_or(0.0))?,
            Self::Decay { scale, midpoint, .. } => {
                if !(scale.is_finite() && *scale > 0.0) {
                    return Err(Error::invalid("decay scale", scale, "it is finite and above 0"));
                }
                if !(*midpoint > 0.0 && *midpoint < 1.0) {
                    return Err(Error::invalid("decay midpoint", midpoint, "it is above 0 and below 1"));
                }
            }
            Self::Greatest(parts) | Self::Least(parts) if parts.is_empty() => {
                return Err(Error::invalid("formula", "the greatest or least of nothing", "at least one part"));
            }
            Self::Sum(_) | Self::Product(_) | Self::Power(..) | Self::Apply(..) => {}
            Self::Greatest(_) | Self::Least(_) => {}
        }
        self.parts().into_iter().try_for_each(|part| part.check_below(sources, depth + 1, left))
    }

    fn parts(&self) -> Vec<&Self> {
        match self {
            Self::Sum(parts) | Self::Product(parts) | Self::Greatest(parts) | Self::Least(parts) => {
                parts.iter().collect()
            }
            Self::Quotient { of, by, .. } => vec![of, by],
            Self::Power(base, exponent) => vec![base, exponent],
            Self::Apply(_, of) => vec![of],
            Self::Decay { of, target, .. } => std::iter::once(&**of).chain(target.as_deref()).collect(),
            Self::Constant(_) | Self::Score { .. } | Self::Field { .. } | Self::Holds(_) | Self::Meters { .. } => {
                vec![]
            }
        }
    }

    /// Whether payloads have to be read for it.
    pub fn reads_payload(&self) -> bool {
        matches!(self, Self::Field { .. } | Self::Holds(_) | Self::Meters { .. })
            || self.parts().into_iter().any(Self::reads_payload)
    }

    /// The score of a point.
    pub fn score(&self, point: Point<'_>) -> Result<f32> {
        let score = self.number(point)? as f32;
        finite("the score", f64::from(score), point)?;
        Ok(score)
    }

    fn number(&self, point: Point<'_>) -> Result<f64> {
        let number = match self {
            Self::Constant(number) => *number,
            Self::Score { source, missing } => point.scores.get(*source).copied().flatten().map_or(*missing, f64::from),
            Self::Field { path, missing } => found(first(path, point.payload, value_of), *missing, path, point)?,
            Self::Holds(condition) => {
                let condition = condition.with_vectors(point.has);
                f64::from(u8::from(eval::holds(&condition, point.id, point.payload)))
            }
            Self::Meters { path, from, missing } => {
                let place = |value: &Value| Some(Place::of(value.as_object()?)?.meters_to(*from));
                found(first(path, point.payload, place), *missing, path, point)?
            }
            Self::Sum(parts) => parts.iter().try_fold(0.0, |sum, part| Ok::<_, Error>(sum + part.number(point)?))?,
            Self::Greatest(parts) => extreme(parts, point, f64::max)?,
            Self::Least(parts) => extreme(parts, point, f64::min)?,
            Self::Product(parts) => {
                let mut product = 1.0;
                for part in parts {
                    if product == 0.0 {
                        break;
                    }
                    product *= part.number(point)?;
                }
                product
            }
            Self::Quotient { of, by, by_zero } => match (of.number(point)?, by.number(point)?, by_zero) {
                (0.0, _, _) => 0.0,
                (_, 0.0, Some(outcome)) => *outcome,
                (of, by, _) => of / by,
            },
            Self::Power(base, exponent) => base.number(point)?.powf(exponent.number(point)?),
            Self::Apply(function, of) => function.of(of.number(point)?),
            Self::Decay { shape, of, target, scale, midpoint } => {
                let target = target.as_ref().map_or(Ok(0.0), |target| target.number(point))?;
                shape.at((of.number(point)? - target).abs(), *scale, *midpoint)
            }
        };
        finite(self.deed(), number, point)?;
        Ok(number)
    }

    fn deed(&self) -> &'static str {
        match self {
            Self::Constant(_) => "a constant",
            Self::Score { .. } => "a source's score",
            Self::Field { .. } => "a field",
            Self::Holds(_) => "a condition",
            Self::Meters { .. } => "a distance",
            Self::Sum(_) => "a sum",
            Self::Greatest(_) => "the greatest of several",
            Self::Least(_) => "the least of several",
            Self::Product(_) => "a product",
            Self::Quotient { .. } => "a quotient",
            Self::Power(..) => "a power",
            Self::Apply(function, _) => function.name(),
            Self::Decay { .. } => "a decay",
        }
    }
}

impl Function {
    fn of(self, x: f64) -> f64 {
        match self {
            Self::Negative => -x,
            Self::Absolute => x.abs(),
            Self::Root => x.sqrt(),
            Self::Exponential => x.exp(),
            Self::Ln => x.ln(),
            Self::Log10 => x.log10(),
            Self::Acosh => x.acosh(),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Negative => "a negative",
            Self::Absolute => "an absolute value",
            Self::Root => "a root",
            Self::Exponential => "an exponential",
            Self::Ln => "a natural logarithm",
            Self::Log10 => "a logarithm",
            Self::Acosh => "an inverse hyperbolic cosine",
        }
    }
}

impl Shape {
    fn at(self, distance: f64, scale: f64, midpoint: f64) -> f64 {
        match self {
            Self::Linear => (1.0 - (1.0 - midpoint) / scale * distance).max(0.0),
            Self::Exponential => (midpoint.ln() / scale * distance).exp(),
            Self::Gauss => (midpoint.ln() * (distance / scale).powi(2)).exp(),
        }
    }
}

/// What is left of several numbers; every one of them is finite.
fn extreme(parts: &[Formula], point: Point<'_>, of: impl Fn(f64, f64) -> f64) -> Result<f64> {
    let mut left: Option<f64> = None;
    for part in parts {
        let number = part.number(point)?;
        left = Some(left.map_or(number, |left| of(left, number)));
    }
    Ok(left.unwrap_or(f64::NAN))
}

/// The first value at a path that says something.
fn first(path: &Path, payload: &Value, of: impl Fn(&Value) -> Option<f64>) -> Option<f64> {
    let mut first = None;
    path.each(payload, &mut |value| {
        if first.is_none() {
            first = of(value);
        }
    });
    first
}

fn value_of(value: &Value) -> Option<f64> {
    match value {
        Value::Bool(flag) => Some(f64::from(u8::from(*flag))),
        // Instants are counted in microseconds.
        Value::String(_) => number_of(value).map(|micros| micros.float() / 1e6),
        _ => number_of(value).map(Real::float),
    }
}

fn found(value: Option<f64>, missing: Option<f64>, path: &Path, point: Point<'_>) -> Result<f64> {
    value.or(missing).ok_or_else(|| {
        let limit = format!("point {} has none there: give the formula a default", point.id);
        Error::invalid("formula", format!("without a value of `{}`", path.as_str()), limit)
    })
}

fn finite(deed: &str, number: f64, point: Point<'_>) -> Result<()> {
    if number.is_finite() {
        return Ok(());
    }
    Err(Error::invalid("formula", number, format!("{deed} of point {} has to be finite", point.id)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::parse::parse;
    use serde_json::json;

    fn field(path: &str, missing: Option<f64>) -> Formula {
        Formula::Field { path: Path::parse(path).unwrap(), missing }
    }

    fn constant(number: f64) -> Box<Formula> {
        Box::new(Formula::Constant(number))
    }

    fn outcome(formula: &Formula) -> Result<f32> {
        formula.check(2)?;
        let payload =
            json!({"n": [null, 4, 5], "day": "1970-01-01T00:00:10Z", "yes": true, "at": {"lat": 0, "lon": 1}});
        let has = |name: &str| name == "v";
        formula.score(Point { id: &PointId::Num(7), payload: &payload, scores: &[Some(0.5), None], has: &has })
    }

    fn check(formula: Formula, expected: f64) {
        let got = f64::from(outcome(&formula).unwrap());
        assert!((got - expected).abs() <= 1e-5 * expected.abs().max(1.0), "{formula:?}: {got}");
    }

    fn refused(formula: Formula, why: &str) {
        let err = outcome(&formula).unwrap_err().to_string();
        assert!(err.contains(why), "{err}");
    }

    #[test]
    fn values_come_from_everywhere() {
        check(Formula::Constant(2.5), 2.5);
        check(Formula::Score { source: 0, missing: 9.0 }, 0.5);
        check(Formula::Score { source: 1, missing: 9.0 }, 9.0);
        check(field("n", None), 4.0);
        check(field("day", None), 10.0);
        check(field("yes", None), 1.0);
        check(field("none", Some(3.0)), 3.0);
        check(Formula::Holds(parse("n >= 5").unwrap()), 1.0);
        check(Formula::Holds(parse("n > 5").unwrap()), 0.0);
        check(Formula::Holds(Condition::HasVector("v".to_owned())), 1.0);
        check(Formula::Holds(Condition::HasVector("w".to_owned())), 0.0);
        let from = Place { lat: 0.0, lon: 0.0 };
        check(Formula::Meters { path: Path::parse("at").unwrap(), from, missing: None }, 111_195.08);
    }

    #[test]
    fn arithmetic_is_what_it_says() {
        check(Formula::Sum(vec![Formula::Constant(1.0), field("n", None)]), 5.0);
        check(Formula::Product(vec![field("n", None), Formula::Constant(0.5)]), 2.0);
        check(Formula::Greatest(vec![Formula::Constant(-1.0), field("n", None), Formula::Constant(3.0)]), 4.0);
        check(Formula::Least(vec![Formula::Constant(5.0), field("n", None), Formula::Constant(-6.0)]), -6.0);
        check(Formula::Product(vec![Formula::Constant(0.0), field("none", None)]), 0.0);
        let quotient = |of, by, by_zero| Formula::Quotient { of: constant(of), by: constant(by), by_zero };
        check(quotient(6.0, 4.0, None), 1.5);
        check(quotient(0.0, 0.0, None), 0.0);
        check(quotient(6.0, 0.0, Some(7.0)), 7.0);
        check(Formula::Power(constant(2.0), constant(0.5)), std::f64::consts::SQRT_2);
        for (function, expected) in [
            (Function::Negative, -4.0),
            (Function::Absolute, 4.0),
            (Function::Root, 2.0),
            (Function::Exponential, 54.598_15),
            (Function::Ln, 1.386_294),
            (Function::Log10, 0.602_06),
            (Function::Acosh, 2.063_437),
        ] {
            check(Formula::Apply(function, Box::new(field("n", None))), expected);
        }
    }

    #[test]
    fn decay_is_the_midpoint_at_its_scale() {
        let decay = |shape, x: f64| Formula::Decay {
            shape,
            of: constant(x),
            target: Some(constant(10.0)),
            scale: 5.0,
            midpoint: 0.25,
        };
        for shape in [Shape::Linear, Shape::Exponential, Shape::Gauss] {
            check(decay(shape, 10.0), 1.0);
            check(decay(shape, 15.0), 0.25);
            check(decay(shape, 5.0), 0.25);
        }
        check(decay(Shape::Linear, 30.0), 0.0);
        check(decay(Shape::Exponential, 20.0), 0.0625);
    }

    #[test]
    fn what_is_not_a_score_is_refused() {
        refused(field("none", None), "without a value of `none`; point 7 has none there");
        refused(Formula::Apply(Function::Ln, constant(-1.0)), "a natural logarithm of point 7 has to be finite");
        let quotient = Formula::Quotient { of: constant(1.0), by: constant(0.0), by_zero: None };
        refused(quotient, "a quotient of point 7");
        refused(Formula::Constant(1e300), "the score of point 7");
        refused(Formula::Constant(f64::NAN), "formula constant is NaN");
        refused(Formula::Score { source: 2, missing: 0.0 }, "formula score is 2; there are 2 sources");
        let deep = (0..DEPTH_MAX).fold(Formula::Constant(1.0), |inner, _| Formula::Sum(vec![inner]));
        refused(deep, "at most 16 levels");
        refused(Formula::Sum(vec![Formula::Constant(1.0); PARTS_MAX]), "at most 256 parts");
        refused(Formula::Greatest(Vec::new()), "at least one part");
        let decay =
            |scale, midpoint| Formula::Decay { shape: Shape::Gauss, of: constant(1.0), target: None, scale, midpoint };
        refused(decay(0.0, 0.5), "decay scale is 0");
        refused(decay(1.0, 1.0), "decay midpoint is 1");
    }
}
