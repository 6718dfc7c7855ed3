//! Vectors by name, in and out: dense, sparse, and several a point.
//!
//! A collection of one nameless vector has a field whose name is empty. Under cosine a vector is kept with length 1, as
//! clients of the API expect to read it back; zeros stay zeros.

use super::ask::some;
use super::document::{self, Weighing};
use super::fault::{Fault, Result};
use crate::engine::query::answer::Record;
use nigh_index::sparse::vector::SparseVector;
use nigh_index::vector::metric::Metric;
use nigh_index::vector::multi::MultiVector;
use nigh_storage::point::Point;
use nigh_storage::schema::{CollectionSpec, VectorPlace};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// The place of a vector field.
pub(super) fn place(spec: &CollectionSpec, name: &str) -> Result<VectorPlace> {
    spec.field(name).ok_or_else(|| Fault::wrong_input(format_args!("Not existing vector name error: {name}")))
}

/// A vector on its way in.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Given {
    Dense(Vec<f32>),
    Sparse { indices: Vec<u32>, values: Vec<f32> },
    Multi(Vec<Vec<f32>>),
}

fn number(item: &Value) -> Result<f32> {
    let number = item.as_f64().map(|number| number as f32);
    number.ok_or_else(|| Fault::format(format_args!("{item} is no number of a vector")))
}

fn numbers(value: &Value) -> Result<Vec<f32>> {
    let items = value.as_array().ok_or_else(|| Fault::format("a vector is a list of numbers"))?;
    items.iter().map(number).collect()
}

impl Given {
    /// A list of numbers, or of such lists, or indices with values, or a text that becomes these.
    pub(super) fn read(value: &Value) -> Result<Self> {
        Self::weighed(value, Weighing::Kept)
    }

    /// The same of a query.
    pub(super) fn asked(value: &Value) -> Result<Self> {
        Self::weighed(value, Weighing::Asked)
    }

    fn weighed(value: &Value, weighing: Weighing) -> Result<Self> {
        match value {
            Value::Array(items) if items.first().is_some_and(Value::is_array) => {
                Ok(Self::Multi(items.iter().map(numbers).collect::<Result<_>>()?))
            }
            Value::Array(_) => Ok(Self::Dense(numbers(value)?)),
            Value::Object(object) if object.contains_key("text") || object.contains_key("model") => {
                document::read(value, weighing)
            }
            Value::Object(_) => {
                let list = |name: &str| {
                    let list = some(value, name).and_then(Value::as_array);
                    list.ok_or_else(|| Fault::format("a sparse vector has the lists indices and values"))
                };
                let index = |item: &Value| {
                    let index = item.as_u64().and_then(|index| u32::try_from(index).ok());
                    index.ok_or_else(|| {
                        Fault::format(format_args!("{item} is no index: an unsigned integer of 32 bits"))
                    })
                };
                let indices = list("indices")?.iter().map(index).collect::<Result<_>>()?;
                let values = list("values")?.iter().map(number).collect::<Result<_>>()?;
                Ok(Self::Sparse { indices, values })
            }
            _ => Err(Fault::format("a vector is a list of numbers, a list of such lists, or indices with values")),
        }
    }

    /// As it is meant where points have several vectors: one stands for a list of one.
    pub(super) fn several(self) -> Self {
        match self {
            Self::Dense(one) => Self::Multi(vec![one]),
            other => other,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Dense(_) => "dense",
            Self::Sparse { .. } => "sparse",
            Self::Multi(_) => "multi",
        }
    }
}

/// What stands under `vector`: one nameless vector, or several by name.
pub(super) fn named(value: &Value) -> Result<Vec<(String, Given)>> {
    match value {
        Value::Null => Ok(Vec::new()),
        Value::Object(named) if !document::is(value) => {
            named.iter().map(|(name, value)| Ok((name.clone(), Given::read(value)?))).collect()
        }
        value => Ok(vec![(String::new(), Given::read(value)?)]),
    }
}

fn fitted(mut vector: Vec<f32>, size: u32, metric: Metric) -> Result<Vec<f32>> {
    if vector.len() != size as usize {
        let got = vector.len();
        return Err(Fault::wrong_input(format_args!("Vector dimension error: expected dim: {size}, got {got}")));
    }
    if let Some(wrong) = vector.iter().find(|number| !number.is_finite()) {
        return Err(Fault::format(format_args!("{wrong} is no number of a vector")));
    }
    if metric == Metric::Cosine {
        normalise(&mut vector);
    }
    Ok(vector)
}

fn unlike(name: &str, wanted: &str, given: &Given) -> Fault {
    let given = given.name();
    Fault::wrong_input(format_args!("Wrong vector type: `{name}` is a {wanted} vector, not a {given} one"))
}

/// One vector, as this field keeps it.
pub(super) fn dense(spec: &CollectionSpec, field: usize, given: Given) -> Result<Vec<f32>> {
    let known = &spec.vectors[field];
    match given {
        Given::Dense(vector) => fitted(vector, known.spec.size, known.spec.metric),
        other => Err(unlike(&known.name, "dense", &other)),
    }
}

/// Indices and values.
pub(super) fn sparse(spec: &CollectionSpec, field: usize, given: Given) -> Result<SparseVector> {
    match given {
        Given::Sparse { indices, values } => {
            if let Some(wrong) = values.iter().find(|number| !number.is_finite()) {
                return Err(Fault::format(format_args!("{wrong} is no number of a vector")));
            }
            SparseVector::new(indices, values).map_err(|err| Fault::invalid("indices", err))
        }
        other => Err(unlike(&spec.sparse[field].name, "sparse", &other)),
    }
}

/// Several vectors.
pub(super) fn multi(spec: &CollectionSpec, field: usize, given: Given) -> Result<MultiVector> {
    let known = &spec.multi[field];
    match given {
        Given::Multi(rows) => {
            let rows = rows.into_iter().map(|row| fitted(row, known.spec.size, known.spec.metric));
            Ok(MultiVector::of(rows.collect::<Result<Vec<_>>>()?))
        }
        other => Err(unlike(&known.name, "multi", &other)),
    }
}

fn normalise(vector: &mut [f32]) {
    let squares: f64 = vector.iter().map(|value| f64::from(*value) * f64::from(*value)).sum();
    // What has length 1 already stays as it is, bit by bit.
    if squares > 0.0 && (squares - 1.0).abs() > 1e-6 {
        let length = squares.sqrt();
        vector.iter_mut().for_each(|value| *value = (f64::from(*value) / length) as f32);
    }
}

/// Puts vectors into a point.
pub(super) fn into_point(spec: &CollectionSpec, vectors: Vec<(String, Given)>, point: &mut Point) -> Result<()> {
    for (name, given) in vectors {
        match place(spec, &name)? {
            VectorPlace::Dense(at) => point.vectors.push((at, dense(spec, at.into(), given)?)),
            VectorPlace::Sparse(at) => point.sparse.push((at, sparse(spec, at.into(), given)?)),
            VectorPlace::Multi(at) => point.multi.push((at, multi(spec, at.into(), given)?)),
        }
    }
    point.vectors.sort_by_key(|(field, _)| *field);
    point.sparse.sort_by_key(|(field, _)| *field);
    point.multi.sort_by_key(|(field, _)| *field);
    Ok(())
}

/// Which vectors come back.
pub(super) fn wanted(spec: &CollectionSpec, value: Option<&Value>) -> Result<Vec<VectorPlace>> {
    match value {
        None | Some(Value::Null | Value::Bool(false)) => Ok(Vec::new()),
        Some(Value::Bool(true)) => Ok(spec.fields().map(|(place, _)| place).collect()),
        Some(Value::Array(names)) => {
            let name = |name: &Value| match name.as_str() {
                Some(name) => place(spec, name),
                None => Err(Fault::format("with_vector is true, false, or a list of names")),
            };
            let mut places = names.iter().map(name).collect::<Result<Vec<_>>>()?;
            // A name that comes twice is read once.
            places.sort_unstable();
            places.dedup();
            Ok(places)
        }
        Some(Value::String(name)) => Ok(vec![place(spec, name)?]),
        Some(_) => Err(Fault::format("with_vector is true, false, or a list of names")),
    }
}

/// A vector as it goes out.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Vector {
    Dense(Vec<f32>),
    Sparse { indices: Vec<u32>, values: Vec<f32> },
    Multi(Vec<Vec<f32>>),
}

/// Vectors as they go out.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Out {
    /// The nameless one alone.
    One(Vector),
    /// By name.
    Named(BTreeMap<String, Vector>),
}

impl Out {
    pub(super) fn new(spec: &CollectionSpec, record: &mut Record) -> Self {
        let mut named = BTreeMap::new();
        for (at, vector) in std::mem::take(&mut record.vectors) {
            named.insert(spec.vectors[at].name.clone(), Vector::Dense(vector));
        }
        for (at, vector) in std::mem::take(&mut record.sparse) {
            let (indices, values) = (vector.indices().to_vec(), vector.values().to_vec());
            named.insert(spec.sparse[at].name.clone(), Vector::Sparse { indices, values });
        }
        for (at, multi) in std::mem::take(&mut record.multi) {
            let field = &spec.multi[at];
            let rows = multi.vectors(field.spec.size).map(<[f32]>::to_vec).collect();
            named.insert(field.name.clone(), Vector::Multi(rows));
        }
        match named.len() {
            1 if named.contains_key("") => named.remove("").map_or(Self::Named(BTreeMap::new()), Self::One),
            _ => Self::Named(named),
        }
    }
}
