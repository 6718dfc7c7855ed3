//! Searches as JSON.

use super::filter::{self, condition, optional, place};
use super::value::{self, given, id_json, ids_json, number, spelled};
use super::vectors::{self, as_json, input, lookup, payload_selector, vectors_selector};
use crate::qdrant::fault::{Fault, Result};
use nigh_proto::qdrant as q;
use nigh_proto::qdrant::expression::Variant as Term;
use nigh_proto::qdrant::query::Variant;
use serde_json::{Value, json};

/// How hard to try, and among what terms are rare.
fn params(of: Option<q::SearchParams>) -> Result<Option<Value>> {
    let Some(of) = of else { return Ok(None) };
    let oversampling = of.quantization.and_then(|of| of.oversampling).map(number).transpose()?;
    let corpus = of.idf.map(|of| optional(of.corpus)).transpose()?.flatten();
    Ok(Some(given([
        ("hnsw_ef", of.hnsw_ef.map(Value::from)),
        ("exact", of.exact.map(Value::Bool)),
        ("quantization", oversampling.map(|by| json!({ "oversampling": by }))),
        ("idf", corpus.map(|of| json!({ "corpus": of }))),
    ])))
}

fn threshold(of: Option<f32>) -> Result<Option<Value>> {
    of.map(|value| number(value.into())).transpose()
}

/// A query.
pub(super) fn points(of: q::QueryPoints) -> Result<Value> {
    Ok(given([
        ("prefetch", prefetch(of.prefetch)?),
        ("query", of.query.map(query).transpose()?),
        ("using", of.using.map(Value::String)),
        ("filter", optional(of.filter)?),
        ("params", params(of.params)?),
        ("score_threshold", threshold(of.score_threshold)?),
        ("limit", of.limit.map(Value::from)),
        ("offset", of.offset.map(Value::from)),
        ("with_vector", vectors_selector(of.with_vectors)),
        ("with_payload", payload_selector(of.with_payload)),
        ("lookup_from", lookup(of.lookup_from)),
    ]))
}

/// A query whose hits come in groups.
pub(super) fn groups(of: q::QueryPointGroups) -> Result<Value> {
    Ok(given([
        ("prefetch", prefetch(of.prefetch)?),
        ("query", of.query.map(query).transpose()?),
        ("using", of.using.map(Value::String)),
        ("filter", optional(of.filter)?),
        ("params", params(of.params)?),
        ("score_threshold", threshold(of.score_threshold)?),
        ("limit", of.limit.map(Value::from)),
        ("group_size", of.group_size.map(Value::from)),
        ("group_by", Some(of.group_by.into())),
        ("with_vector", vectors_selector(of.with_vectors)),
        ("with_payload", payload_selector(of.with_payload)),
        ("lookup_from", lookup(of.lookup_from)),
        ("with_lookup", with_lookup(of.with_lookup)),
    ]))
}

fn with_lookup(of: Option<q::WithLookup>) -> Option<Value> {
    let of = of?;
    Some(given([
        ("collection", Some(of.collection.into())),
        ("with_payload", payload_selector(of.with_payload)),
        ("with_vectors", vectors_selector(of.with_vectors)),
    ]))
}

fn prefetch(of: Vec<q::PrefetchQuery>) -> Result<Option<Value>> {
    let one = |of: q::PrefetchQuery| -> Result<Value> {
        Ok(given([
            ("prefetch", prefetch(of.prefetch)?),
            ("query", of.query.map(query).transpose()?),
            ("using", of.using.map(Value::String)),
            ("filter", optional(of.filter)?),
            ("params", params(of.params)?),
            ("score_threshold", threshold(of.score_threshold)?),
            ("limit", of.limit.map(Value::from)),
            ("lookup_from", lookup(of.lookup_from)),
        ]))
    };
    match of.is_empty() {
        true => Ok(None),
        false => of.into_iter().map(one).collect::<Result<Value>>().map(Some),
    }
}

fn query(of: q::Query) -> Result<Value> {
    Ok(match of.variant.ok_or_else(|| Fault::format("a query asks nothing"))? {
        Variant::Nearest(of) => input(Some(of))?,
        Variant::NearestWithMmr(of) => {
            let mmr = of.mmr.unwrap_or_default();
            let mmr = given([
                ("diversity", mmr.diversity.map(|share| number(share.into())).transpose()?),
                ("candidates_limit", mmr.candidates_limit.map(Value::from)),
            ]);
            json!({"nearest": input(of.nearest)?, "mmr": mmr})
        }
        Variant::Recommend(of) => {
            let examples =
                |of: Vec<q::VectorInput>| of.into_iter().map(|one| input(Some(one))).collect::<Result<Value>>();
            let (positive, negative) = (examples(of.positive)?, examples(of.negative)?);
            let strategy = of.strategy.map(strategy).transpose()?;
            json!({"recommend": {"positive": positive, "negative": negative, "strategy": strategy}})
        }
        Variant::Discover(of) => {
            json!({"discover": {"target": input(of.target)?, "context": pairs(of.context.unwrap_or_default())?}})
        }
        Variant::Context(of) => json!({"context": pairs(of)?}),
        Variant::OrderBy(of) => json!({"order_by": order_by(of)?}),
        Variant::Fusion(number) => {
            let name = spelled(number, "fusion", |fusion| match fusion {
                q::Fusion::Rrf => "rrf",
                q::Fusion::Dbsf => "dbsf",
            })?;
            json!({"fusion": name})
        }
        Variant::Rrf(of) => {
            let weights = of.weights.into_iter().map(|weight| number(weight.into())).collect::<Result<Vec<_>>>()?;
            json!({"rrf": {"k": of.k, "weights": weights}})
        }
        Variant::Sample(number) => json!({"sample": spelled(number, "sample", |_: q::Sample| "random")?}),
        Variant::Formula(of) => {
            let formula = expression(of.expression.ok_or_else(|| Fault::format("a formula has an expression"))?)?;
            json!({"formula": formula, "defaults": value::object(of.defaults)})
        }
        Variant::RelevanceFeedback(of) => json!({"relevance_feedback": feedback(of)?}),
        Variant::Text(of) => {
            let scoring = match of.scoring {
                None => json!({}),
                Some(q::text_query::Scoring::Bm25(of)) => {
                    let constant = |of: Option<f32>| of.map(|number_of| number(number_of.into())).transpose();
                    json!({"bm25": given([("k", constant(of.k)?), ("b", constant(of.b)?)])})
                }
            };
            json!({"text": {"query": of.query, "scoring": scoring}})
        }
    })
}

fn strategy(number: i32) -> Result<Value> {
    spelled(number, "strategy", |strategy| match strategy {
        q::RecommendStrategy::AverageVector => "average_vector",
        q::RecommendStrategy::BestScore => "best_score",
        q::RecommendStrategy::SumScores => "sum_scores",
    })
}

fn pairs(of: q::ContextInput) -> Result<Value> {
    let pair = |of: q::ContextInputPair| Ok(json!({"positive": input(of.positive)?, "negative": input(of.negative)?}));
    of.pairs.into_iter().map(pair).collect()
}

fn feedback(of: q::RelevanceFeedbackInput) -> Result<Value> {
    use q::feedback_strategy::Variant::Naive;
    let told = |value: f32, what: &str| {
        number(value.into()).map_err(|_| Fault::format(format_args!("relevance_feedback.{what} is no number (NaN)")))
    };
    let item = |(at, one): (usize, q::FeedbackItem)| -> Result<Value> {
        Ok(json!({"example": input(one.example)?, "score": told(one.score, &format!("feedback[{at}].score"))?}))
    };
    let items = of.feedback.into_iter().enumerate().map(item).collect::<Result<Value>>()?;
    let strategy = match of.strategy.and_then(|strategy| strategy.variant) {
        None => Value::Null,
        Some(Naive(naive)) => {
            let number = |name: &str, value| told(value, &format!("strategy.naive.{name}"));
            json!({"naive": {"a": number("a", naive.a)?, "b": number("b", naive.b)?, "c": number("c", naive.c)?}})
        }
    };
    Ok(json!({"target": input(of.target)?, "feedback": items, "strategy": strategy}))
}

/// An order by a field.
pub(super) fn order_by(of: q::OrderBy) -> Result<Value> {
    use q::start_from::Value::{Datetime, Float, Integer, Timestamp};
    let direction = of.direction.map(|number| {
        spelled(number, "direction", |direction| match direction {
            q::Direction::Asc => "asc",
            q::Direction::Desc => "desc",
        })
    });
    let from = match of.start_from.and_then(|from| from.value) {
        None => None,
        Some(Float(from)) => Some(number(from)?),
        Some(Integer(from)) => Some(from.into()),
        Some(Timestamp(from)) => Some(from.to_string().into()),
        Some(Datetime(from)) => Some(from.into()),
    };
    Ok(given([("key", Some(of.key.into())), ("direction", direction.transpose()?), ("start_from", from)]))
}

fn expression(of: q::Expression) -> Result<Value> {
    let needed = |of: Option<Box<q::Expression>>, what: &str| match of {
        Some(of) => expression(*of),
        None => Err(Fault::format(format_args!("formula: {what} is left out"))),
    };
    let several = |of: Vec<q::Expression>| of.into_iter().map(expression).collect::<Result<Value>>();
    let decimal = |of: Option<f32>| of.map(|value| number(value.into())).transpose();
    let decay = |of: q::DecayParamsExpression| -> Result<Value> {
        Ok(given([
            ("x", Some(needed(of.x, "x")?)),
            ("target", of.target.map(|target| expression(*target)).transpose()?),
            ("scale", decimal(of.scale)?),
            ("midpoint", decimal(of.midpoint)?),
        ]))
    };
    Ok(match of.variant.ok_or_else(|| Fault::format("formula: an expression is empty"))? {
        Term::Constant(constant) => number(constant.into())?,
        Term::Variable(name) => name.into(),
        Term::Condition(of) => condition(of)?,
        Term::GeoDistance(of) => {
            json!({"geo_distance": {"origin": place(of.origin.unwrap_or_default())?, "to": of.to}})
        }
        Term::Datetime(text) => json!({"datetime": text}),
        Term::DatetimeKey(key) => json!({"datetime_key": key}),
        Term::Mult(of) => json!({"mult": several(of.mult)?}),
        Term::Sum(of) => json!({"sum": several(of.sum)?}),
        Term::Max(of) => json!({"max": several(of.max)?}),
        Term::Min(of) => json!({"min": several(of.min)?}),
        Term::Div(of) => {
            let by_zero = decimal(of.by_zero_default)?;
            json!({"div": given([
                ("left", Some(needed(of.left, "left")?)),
                ("right", Some(needed(of.right, "right")?)),
                ("by_zero_default", by_zero),
            ])})
        }
        Term::Pow(of) => {
            json!({"pow": {"base": needed(of.base, "base")?, "exponent": needed(of.exponent, "exponent")?}})
        }
        Term::Neg(of) => json!({"neg": expression(*of)?}),
        Term::Abs(of) => json!({"abs": expression(*of)?}),
        Term::Sqrt(of) => json!({"sqrt": expression(*of)?}),
        Term::Exp(of) => json!({"exp": expression(*of)?}),
        Term::Log10(of) => json!({"log10": expression(*of)?}),
        Term::Ln(of) => json!({"ln": expression(*of)?}),
        Term::Acosh(of) => json!({"acosh": expression(*of)?}),
        Term::ExpDecay(of) => json!({"exp_decay": decay(*of)?}),
        Term::GaussDecay(of) => json!({"gauss_decay": decay(*of)?}),
        Term::LinDecay(of) => json!({"lin_decay": decay(*of)?}),
    })
}

/// The vector of an older search: sparse where it has indices.
fn searched(values: Vec<f32>, indices: Option<q::SparseIndices>, name: Option<String>) -> Result<Value> {
    let vector = as_json(match indices {
        Some(indices) => crate::qdrant::vectors::Given::Sparse { indices: indices.data, values },
        None => crate::qdrant::vectors::Given::Dense(values),
    })?;
    Ok(json!({"name": name, "vector": vector}))
}

/// An older search.
pub(super) fn search(of: q::SearchPoints) -> Result<Value> {
    Ok(given([
        ("vector", Some(searched(of.vector, of.sparse_indices, of.vector_name)?)),
        ("filter", optional(of.filter)?),
        ("params", params(of.params)?),
        ("score_threshold", threshold(of.score_threshold)?),
        ("limit", Some(of.limit.into())),
        ("offset", of.offset.map(Value::from)),
        ("with_vector", vectors_selector(of.with_vectors)),
        ("with_payload", payload_selector(of.with_payload)),
    ]))
}

/// An older search whose hits come in groups.
pub(super) fn search_groups(of: q::SearchPointGroups) -> Result<Value> {
    Ok(given([
        ("vector", Some(searched(of.vector, of.sparse_indices, of.vector_name)?)),
        ("filter", optional(of.filter)?),
        ("params", params(of.params)?),
        ("score_threshold", threshold(of.score_threshold)?),
        ("limit", Some(of.limit.into())),
        ("group_size", Some(of.group_size.into())),
        ("group_by", Some(of.group_by.into())),
        ("with_vector", vectors_selector(of.with_vectors)),
        ("with_payload", payload_selector(of.with_payload)),
        ("with_lookup", with_lookup(of.with_lookup)),
    ]))
}

fn examples(ids: Vec<q::PointId>, vectors: Vec<q::Vector>) -> Result<Value> {
    let ids = ids.into_iter().map(|id| Ok(id_json(id)));
    ids.chain(vectors.into_iter().map(vectors::example)).collect()
}

/// An older recommendation.
pub(super) fn recommend(of: q::RecommendPoints) -> Result<Value> {
    Ok(given([
        ("positive", Some(examples(of.positive, of.positive_vectors)?)),
        ("negative", Some(examples(of.negative, of.negative_vectors)?)),
        ("strategy", of.strategy.map(strategy).transpose()?),
        ("filter", optional(of.filter)?),
        ("params", params(of.params)?),
        ("score_threshold", threshold(of.score_threshold)?),
        ("limit", Some(of.limit.into())),
        ("offset", of.offset.map(Value::from)),
        ("using", of.using.map(Value::String)),
        ("with_vector", vectors_selector(of.with_vectors)),
        ("with_payload", payload_selector(of.with_payload)),
        ("lookup_from", lookup(of.lookup_from)),
    ]))
}

/// An older recommendation whose hits come in groups.
pub(super) fn recommend_groups(of: q::RecommendPointGroups) -> Result<Value> {
    Ok(given([
        ("positive", Some(examples(of.positive, of.positive_vectors)?)),
        ("negative", Some(examples(of.negative, of.negative_vectors)?)),
        ("strategy", of.strategy.map(strategy).transpose()?),
        ("filter", optional(of.filter)?),
        ("params", params(of.params)?),
        ("score_threshold", threshold(of.score_threshold)?),
        ("limit", Some(of.limit.into())),
        ("group_size", Some(of.group_size.into())),
        ("group_by", Some(of.group_by.into())),
        ("using", of.using.map(Value::String)),
        ("with_vector", vectors_selector(of.with_vectors)),
        ("with_payload", payload_selector(of.with_payload)),
        ("lookup_from", lookup(of.lookup_from)),
        ("with_lookup", with_lookup(of.with_lookup)),
    ]))
}

fn example(of: Option<q::VectorExample>) -> Result<Value> {
    use q::vector_example::Example::{Id, Vector};
    match of.and_then(|of| of.example) {
        None => Ok(Value::Null),
        Some(Id(id)) => Ok(id_json(id)),
        Some(Vector(one)) => vectors::example(one),
    }
}

/// An older discovery.
pub(super) fn discover(of: q::DiscoverPoints) -> Result<Value> {
    let target = of.target.and_then(|target| target.target).map(|q::target_vector::Target::Single(one)| one);
    let pair = |of: q::ContextExamplePair| -> Result<Value> {
        Ok(json!({"positive": example(of.positive)?, "negative": example(of.negative)?}))
    };
    let context = of.context.into_iter().map(pair).collect::<Result<Value>>()?;
    Ok(given([
        ("target", Some(example(target)?)),
        ("context", Some(context)),
        ("filter", optional(of.filter)?),
        ("params", params(of.params)?),
        ("limit", Some(of.limit.into())),
        ("offset", of.offset.map(Value::from)),
        ("using", of.using.map(Value::String)),
        ("with_vector", vectors_selector(of.with_vectors)),
        ("with_payload", payload_selector(of.with_payload)),
        ("lookup_from", lookup(of.lookup_from)),
    ]))
}

/// Points by id.
pub(super) fn get(of: q::GetPoints) -> Value {
    given([
        ("ids", Some(ids_json(of.ids))),
        ("with_payload", payload_selector(of.with_payload)),
        ("with_vector", vectors_selector(of.with_vectors)),
    ])
}

/// A page.
pub(super) fn scroll(of: q::ScrollPoints) -> Result<Value> {
    Ok(given([
        ("filter", optional(of.filter)?),
        ("offset", of.offset.map(id_json)),
        ("limit", of.limit.map(Value::from)),
        ("with_payload", payload_selector(of.with_payload)),
        ("with_vector", vectors_selector(of.with_vectors)),
        ("order_by", of.order_by.map(order_by).transpose()?),
    ]))
}

/// A count.
pub(super) fn count(of: q::CountPoints) -> Result<Value> {
    Ok(given([("filter", optional(of.filter)?)]))
}

/// Values of a field.
pub(super) fn facet(of: q::FacetCounts) -> Result<Value> {
    let filter = filter::optional(of.filter)?;
    Ok(given([("key", Some(of.key.into())), ("filter", filter), ("limit", of.limit.map(Value::from))]))
}

/// Nearness within a sample.
pub(super) fn matrix(of: q::SearchMatrixPoints) -> Result<Value> {
    Ok(given([
        ("filter", optional(of.filter)?),
        ("sample", of.sample.map(Value::from)),
        ("limit", of.limit.map(Value::from)),
        ("using", of.using.map(Value::String)),
    ]))
}
