//! Formulas, from the wire. How deep they may be is limited by the decoder of messages before they come here.

use crate::engine::error::{Error, Result};
use crate::grpc::filter::{self, at_place, left_out};
use nigh_index::filter::condition::Condition;
use nigh_index::filter::datetime;
use nigh_index::filter::geo::Place;
use nigh_index::query::formula::{Formula, Function, Shape};
use nigh_index::value::Path;
use nigh_proto::v1::{self, formula};

/// How far a decay reaches, and what is left there, where nothing is said.
const SCALE_DEFAULT: f64 = 1.0;
const MIDPOINT_DEFAULT: f64 = 0.5;

/// A formula.
pub(super) fn formula(wire: v1::Formula) -> Result<Formula> {
    use formula::Formula as Wire;
    let wire = wire.formula.ok_or_else(|| left_out("formula", "a formula is of one kind"))?;
    let apply = |function, name: &str, of: v1::Formula| {
        Ok(Formula::Apply(function, Box::new(formula(of).map_err(|err| err.inside(name))?)))
    };
    match wire {
        Wire::Constant(number) => Ok(Formula::Constant(number)),
        Wire::Score(score) => Ok(Formula::Score { source: score.source as usize, missing: score.missing }),
        Wire::Field(field) => Ok(Formula::Field { path: path("field", &field.path)?, missing: field.missing }),
        Wire::Holds(condition) => {
            let filter = v1::Filter { must: vec![condition], ..Default::default() };
            Ok(Formula::Holds(filter::optional(Some(filter))?.unwrap_or_else(Condition::always)))
        }
        Wire::Distance(distance) => {
            let from = distance.from.ok_or_else(|| left_out("distance.from", "a place has degrees"))?;
            let from = Place { lat: from.lat, lon: from.lon };
            Ok(Formula::Meters { path: path("distance", &distance.path)?, from, missing: distance.missing })
        }
        Wire::Sum(parts) => Ok(Formula::Sum(formulas("sum", parts)?)),
        Wire::Product(parts) => Ok(Formula::Product(formulas("product", parts)?)),
        Wire::Greatest(parts) => Ok(Formula::Greatest(formulas("greatest", parts)?)),
        Wire::Least(parts) => Ok(Formula::Least(formulas("least", parts)?)),
        Wire::Quotient(quotient) => Ok(Formula::Quotient {
            of: part("quotient.of", quotient.of.map(|of| *of))?,
            by: part("quotient.by", quotient.by.map(|by| *by))?,
            by_zero: quotient.by_zero,
        }),
        Wire::Power(power) => Ok(Formula::Power(
            part("power.base", power.base.map(|base| *base))?,
            part("power.exponent", power.exponent.map(|exponent| *exponent))?,
        )),
        Wire::Negative(of) => apply(Function::Negative, "negative", *of),
        Wire::Absolute(of) => apply(Function::Absolute, "absolute", *of),
        Wire::SquareRoot(of) => apply(Function::Root, "square_root", *of),
        Wire::Exponential(of) => apply(Function::Exponential, "exponential", *of),
        Wire::Ln(of) => apply(Function::Ln, "ln", *of),
        Wire::Log10(of) => apply(Function::Log10, "log10", *of),
        Wire::Acosh(of) => apply(Function::Acosh, "acosh", *of),
        Wire::Decay(decay) => self::decay(*decay),
        Wire::Datetime(text) => match datetime::micros(&text) {
            Some(micros) => Ok(Formula::Constant(micros as f64 / 1e6)),
            None => {
                let limit = "an instant is RFC 3339 or YYYY-MM-DD";
                Err(Error::invalid("datetime", format!("`{}`", filter::short(&text)), limit))
            }
        },
    }
}

fn decay(decay: v1::Decay) -> Result<Formula> {
    let shape = match v1::decay::Shape::try_from(decay.shape) {
        Ok(v1::decay::Shape::Unspecified | v1::decay::Shape::Exponential) => Shape::Exponential,
        Ok(v1::decay::Shape::Linear) => Shape::Linear,
        Ok(v1::decay::Shape::Gauss) => Shape::Gauss,
        Err(_) => return Err(Error::invalid("decay.shape", decay.shape, "exponential (1), linear (2) or gauss (3)")),
    };
    Ok(Formula::Decay {
        shape,
        of: part("decay.of", decay.of.map(|of| *of))?,
        target: decay.target.map(|target| part("decay.target", Some(*target))).transpose()?,
        scale: decay.scale.unwrap_or(SCALE_DEFAULT),
        midpoint: decay.midpoint.unwrap_or(MIDPOINT_DEFAULT),
    })
}

fn formulas(name: &str, parts: v1::Formulas) -> Result<Vec<Formula>> {
    let one = |(at, one): (usize, v1::Formula)| formula(one).map_err(|err| at_place(err, name, at));
    parts.formulas.into_iter().enumerate().map(one).collect()
}

fn part(name: &str, part: Option<v1::Formula>) -> Result<Box<Formula>> {
    let part = part.ok_or_else(|| left_out(name, "it is a formula"))?;
    Ok(Box::new(formula(part).map_err(|err| err.inside(name))?))
}

fn path(name: &str, text: &str) -> Result<Path> {
    Path::parse(text).map_err(|err| Error::from(err).inside(name))
}
