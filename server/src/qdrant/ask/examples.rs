//! Queries by examples: what is liked and disliked, pairs that say which way is better, and scores that were given.
//!
//! ```text
//! {recommend: {positive: [examples], negative: [examples], strategy}}
//! {discover: {target: example, context: [{positive: example, negative: example}]}}, {context: pairs}
//! {relevance_feedback: {target: example, feedback: [{example, score}], strategy: {naive: {a, b, c}}}}
//! ```
//!
//! An example is a vector of the field, whichever kind that is, or the id of a point that has one.

use super::{Asking, params, some};
use crate::engine::error::Error;
use crate::engine::query::retriever::{Example, Kind, Vector};
use crate::qdrant::fault::{Fault, Result};
use crate::qdrant::vectors::Given;
use crate::qdrant::{ids, vectors};
use nigh_index::query::examples::{EXAMPLES_MAX, Feedback, Likeness};
use nigh_storage::schema::VectorPlace;
use serde_json::Value;

impl Asking<'_> {
    /// A vector of this field, or the id of a point, perhaps one of another collection.
    pub(super) fn example(&mut self, field: VectorPlace, value: &Value, request: &Value) -> Result<Example> {
        if let VectorPlace::Dense(at) = field {
            return Ok(self.target(at.into(), value, request)?.into());
        }
        if !value.is_number() && !value.is_string() {
            return self.vector(field, Given::asked(value)?).map(Example::Vector);
        }
        let id = ids::id(value)?;
        if some(request, "lookup_from").is_some() {
            let vector = self.vector(field, self.looked_up(id, request)?)?;
            self.numbers.add(vector.numbers()).map_err(Error::from)?;
            return Ok(Example::Vector(vector));
        }
        self.named.push(id);
        match self.collection.snapshot().find(&id) {
            Some(_) => Ok(Example::Point(id)),
            None => Err(Fault::not_found(format_args!("No point with id {id} found"))),
        }
    }

    fn vector(&self, field: VectorPlace, given: Given) -> Result<Vector> {
        match field {
            VectorPlace::Dense(at) => vectors::dense(self.spec, at.into(), given).map(Vector::Dense),
            VectorPlace::Sparse(at) => vectors::sparse(self.spec, at.into(), given).map(Vector::Sparse),
            VectorPlace::Multi(at) => vectors::multi(self.spec, at.into(), given.several()).map(Vector::Multi),
        }
    }

    fn examples(&mut self, field: VectorPlace, values: Option<&Value>, request: &Value) -> Result<Vec<Example>> {
        match values {
            None => Ok(Vec::new()),
            Some(Value::Array(values)) => values.iter().map(|value| self.example(field, value, request)).collect(),
            Some(_) => Err(Fault::format("examples are a list of ids and vectors")),
        }
    }

    pub(super) fn recommend(&mut self, value: &Value, request: &Value) -> Result<Kind> {
        let (field, params) = (self.field(request)?, params(request)?);
        let listed = |side: &str| some(value, side).and_then(Value::as_array).map_or(0, Vec::len);
        few_enough(listed("positive") + listed("negative"))?;
        let positive = self.examples(field, some(value, "positive"), request)?;
        let negative = self.examples(field, some(value, "negative"), request)?;
        if positive.is_empty() && negative.is_empty() {
            return Err(Fault::invalid("recommend", "at least one example is needed"));
        }
        let likeness = match some(value, "strategy").map_or(Some("average_vector"), Value::as_str) {
            Some("average_vector") if positive.is_empty() => {
                return Err(Fault::bad_request("at least one positive example is needed"));
            }
            Some("average_vector") => return Ok(Kind::Average { field, positive, negative, params }),
            Some("best_score") => Likeness::Best,
            Some("sum_scores") => Likeness::Sum,
            _ => return Err(Fault::format("strategy is average_vector, best_score or sum_scores")),
        };
        Ok(Kind::Examples { field, likeness, positive, negative })
    }

    pub(super) fn discover(
        &mut self,
        target: Option<&Value>,
        context: Option<&Value>,
        request: &Value,
    ) -> Result<Kind> {
        let field = self.field(request)?;
        let pairs = match context {
            None => &[][..],
            Some(Value::Array(pairs)) => pairs,
            Some(pair) => std::slice::from_ref(pair),
        };
        few_enough(usize::from(target.is_some()) + pairs.len().saturating_mul(2))?;
        let mut positive = Vec::new();
        if let Some(target) = target {
            positive.push(self.example(field, target, request)?);
        } else if pairs.is_empty() {
            return Err(Fault::bad_request("a discovery has a target or a context"));
        }
        for pair in pairs {
            for side in ["positive", "negative"] {
                let example = some(pair, side).ok_or_else(|| Fault::format("a pair has a positive and a negative"))?;
                positive.push(self.example(field, example, request)?);
            }
        }
        let likeness = if target.is_some() { Likeness::Discover } else { Likeness::Context };
        Ok(Kind::Examples { field, likeness, positive, negative: Vec::new() })
    }

    pub(super) fn feedback(&mut self, value: &Value, request: &Value) -> Result<Kind> {
        let field = self.field(request)?;
        let target = some(value, "target").ok_or_else(|| Fault::format("relevance_feedback has a target"))?;
        let given = some(value, "feedback").and_then(Value::as_array);
        let given = given.ok_or_else(|| Fault::format("relevance_feedback.feedback is a list"))?;
        few_enough(given.len().saturating_add(1))?;
        let weights = strategy(value)?.weights(&scores(given)?).map_err(Error::from);
        let likeness = Likeness::Weighted(weights.map_err(|err| err.inside("relevance_feedback"))?);
        let mut positive = vec![self.example(field, target, request)?];
        for one in given {
            let example = some(one, "example").ok_or_else(|| Fault::format("feedback has an example and a score"))?;
            positive.push(self.example(field, example, request)?);
        }
        Ok(Kind::Examples { field, likeness, positive, negative: Vec::new() })
    }
}

fn strategy(of: &Value) -> Result<Feedback> {
    let naive = some(of, "strategy").and_then(|strategy| some(strategy, "naive"));
    let naive = naive.ok_or_else(|| Fault::format("relevance_feedback.strategy is naive"))?;
    let number = |name: &str| {
        let number = some(naive, name).and_then(Value::as_f64);
        let told = || Fault::format(format_args!("relevance_feedback.strategy.naive.{name} is a number"));
        Ok::<_, Fault>(number.ok_or_else(told)? as f32)
    };
    Ok(Feedback { a: number("a")?, b: number("b")?, c: number("c")? })
}

fn scores(given: &[Value]) -> Result<Vec<f32>> {
    let score = |(at, one): (usize, &Value)| {
        let score = some(one, "score").and_then(Value::as_f64);
        let told = || Fault::format(format_args!("relevance_feedback.feedback[{at}].score is a number"));
        Ok(score.ok_or_else(told)? as f32)
    };
    given.iter().enumerate().map(score).collect()
}

/// Examples are counted before any of them is looked up: each would become a vector.
fn few_enough(examples: usize) -> Result<()> {
    if examples <= EXAMPLES_MAX {
        return Ok(());
    }
    let limit = format!("there are 1 to {EXAMPLES_MAX}");
    Err(Error::invalid("number of examples", examples, limit).into())
}
