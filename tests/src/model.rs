//! The naive model of a collection: a `BTreeMap`, a filter that looks at every payload, BM25 by counting.

use crate::oracle::cosine;
use crate::wire;
use nigh_proto::v1::{self, field_condition::Test};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// What a point holds.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Held {
    /// Its vectors by name.
    pub vectors: BTreeMap<String, Vec<f32>>,
    /// Its numbers in the field of sparse vectors, where a test has one.
    pub sparse: BTreeMap<u32, f32>,
    /// Its vectors in the field with several, where a test has one.
    pub multi: Vec<Vec<f32>>,
    /// Its payload.
    pub payload: Map<String, Value>,
    /// The operation that last wrote it.
    pub version: u64,
    /// When it expires, in Unix milliseconds.
    pub expires_at_ms: Option<u64>,
}

/// All points, by id.
pub type Model = BTreeMap<u64, Held>;

/// A question about a payload, in a form that both sides understand.
#[derive(Clone, Debug)]
pub enum Ask {
    /// One of these scalars is at the path.
    AnyOf(&'static str, Vec<Value>),
    /// A scalar is at the path that is none of these.
    NoneOf(&'static str, Vec<Value>),
    /// A number from the first (inclusive) to the second (exclusive).
    Range(&'static str, f64, f64),
    /// A day from the first to the second, both inclusive.
    Days(&'static str, &'static str, &'static str),
    /// Absent, null or an empty list.
    Empty(&'static str),
    /// There, and null.
    Null(&'static str),
    /// The id is one of these.
    HasId(Vec<u64>),
    /// must, should, must_not.
    Tree(Vec<Ask>, Vec<Ask>, Vec<Ask>),
}

impl Ask {
    /// The question as the wire has it.
    pub fn condition(&self) -> v1::Condition {
        let scalars = |of: &[Value]| v1::Scalars { scalars: of.iter().map(wire::scalar).collect() };
        match self {
            Self::AnyOf(path, one) if one.len() == 1 => wire::field(path, Test::Match(wire::scalar(&one[0]))),
            Self::AnyOf(path, of) => wire::field(path, Test::AnyOf(scalars(of))),
            Self::NoneOf(path, of) => wire::field(path, Test::NoneOf(scalars(of))),
            Self::Range(path, from, to) => {
                let range = v1::NumberRange { gte: Some(*from), lt: Some(*to), ..Default::default() };
                wire::field(path, Test::Range(range))
            }
            Self::Days(path, from, to) => {
                let (gte, lte) = (Some(from.to_string()), Some(to.to_string()));
                wire::field(path, Test::DatetimeRange(v1::DatetimeRange { gte, lte, ..Default::default() }))
            }
            Self::Empty(path) => wire::field(path, Test::IsEmpty(v1::Unit {})),
            Self::Null(path) => wire::field(path, Test::IsNull(v1::Unit {})),
            Self::HasId(ids) => {
                let ids = v1::PointIds { ids: ids.iter().map(|id| wire::num(*id)).collect() };
                v1::Condition { condition: Some(v1::condition::Condition::HasId(ids)) }
            }
            Self::Tree(..) => wire::nested(self.filter()),
        }
    }

    /// The question as a whole filter.
    pub fn filter(&self) -> v1::Filter {
        let all = |asks: &[Ask]| asks.iter().map(Ask::condition).collect();
        match self {
            Self::Tree(must, should, not) => v1::Filter { must: all(must), should: all(should), must_not: all(not) },
            other => wire::must(vec![other.condition()]),
        }
    }

    /// Whether a point passes.
    pub fn holds(&self, id: u64, held: &Held) -> bool {
        match self {
            Self::AnyOf(path, of) => scalars(held, path).iter().any(|value| of.iter().any(|one| same(value, one))),
            Self::NoneOf(path, of) => scalars(held, path).iter().any(|value| !of.iter().any(|one| same(value, one))),
            Self::Range(path, from, to) => {
                scalars(held, path).iter().filter_map(|value| value.as_f64()).any(|n| n >= *from && n < *to)
            }
            Self::Days(path, from, to) => {
                // Days of four-digit years sort as they are written.
                scalars(held, path).iter().filter_map(|value| value.as_str()).any(|day| (*from..=*to).contains(&day))
            }
            Self::Empty(path) => match held.payload.get(*path) {
                None | Some(Value::Null) => true,
                Some(Value::Array(items)) => items.is_empty(),
                Some(_) => false,
            },
            Self::Null(path) => held.payload.get(*path) == Some(&Value::Null),
            Self::HasId(ids) => ids.contains(&id),
            Self::Tree(must, should, not) => {
                must.iter().all(|ask| ask.holds(id, held))
                    && (should.is_empty() || should.iter().any(|ask| ask.holds(id, held)))
                    && !not.iter().any(|ask| ask.holds(id, held))
            }
        }
    }
}

fn scalars<'h>(held: &'h Held, path: &str) -> Vec<&'h Value> {
    match held.payload.get(path) {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(items)) => items.iter().filter(|item| !item.is_null()).collect(),
        Some(value) => vec![value],
    }
}

/// Integers and floats of one value are equal.
fn same(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a == b,
        _ => a == b,
    }
}

/// Ids and cosines of the points that pass and have the vector, best first, ties by id.
pub fn nearest(model: &Model, name: &str, query: &[f32], pass: &dyn Fn(u64, &Held) -> bool) -> Vec<(u64, f64)> {
    let score = |(id, held): (&u64, &Held)| {
        let vector = held.vectors.get(name).filter(|_| pass(*id, held))?;
        Some((*id, f64::from(cosine(vector, query))))
    };
    sorted(model.iter().filter_map(score).collect())
}

/// Ids and BM25 scores of the points that pass and have a word of the query, best first, ties by id. A text is words
/// of small letters with blanks between; the statistics are those of every point.
pub fn by_words(model: &Model, path: &str, query: &str, pass: &dyn Fn(u64, &Held) -> bool) -> Vec<(u64, f64)> {
    let (k1, b) = (1.2, 0.75);
    let words = |held: &Held| -> Vec<String> {
        scalars(held, path)
            .iter()
            .filter_map(|v| v.as_str())
            .flat_map(str::split_whitespace)
            .map(str::to_owned)
            .collect()
    };
    let docs: BTreeMap<u64, Vec<String>> =
        model.iter().map(|(id, held)| (*id, words(held))).filter(|(_, words)| !words.is_empty()).collect();
    let average = docs.values().map(Vec::len).sum::<usize>() as f64 / docs.len().max(1) as f64;
    let terms: BTreeSet<&str> = query.split_whitespace().collect();
    let times = |words: &[String], term: &str| words.iter().filter(|word| *word == term).count() as f64;
    let mut found = Vec::new();
    for (id, words) in docs.iter().filter(|(id, _)| pass(**id, &model[id])) {
        let mut score = 0.0;
        for term in terms.iter().filter(|term| times(words, term) > 0.0) {
            let frequency = docs.values().filter(|words| times(words, term) > 0.0).count() as f64;
            let idf = (1.0 + (docs.len() as f64 - frequency + 0.5) / (frequency + 0.5)).ln();
            let said = query.split_whitespace().filter(|word| word == term).count() as f64;
            let tf = times(words, term);
            let norm = 1.0 - b + b * words.len() as f64 / average;
            score += said * idf * tf * (k1 + 1.0) / (tf + k1 * norm);
        }
        if score > 0.0 {
            found.push((*id, score));
        }
    }
    sorted(found)
}

fn sorted(mut found: Vec<(u64, f64)>) -> Vec<(u64, f64)> {
    found.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    found
}
