//! Vectors in and out, and which parts of points come back.

use super::value::{self, given, id_json, number, object};
use crate::qdrant::fault::{Fault, Result};
use crate::qdrant::vectors::{Given, Out, Vector};
use nigh_proto::qdrant as q;
use nigh_proto::qdrant::vectors::VectorsOptions;
use nigh_proto::qdrant::{vector, vector_input, vector_output, vectors_output};
use serde_json::{Value, json};

/// What a model makes a vector of, as JSON.
pub(super) fn document(of: q::Document) -> Value {
    json!({"text": of.text, "model": of.model, "options": object(of.options)})
}

fn image(of: q::Image) -> Value {
    json!({"image": of.image.map(value::json), "model": of.model, "options": object(of.options)})
}

fn other(of: q::InferenceObject) -> Value {
    json!({"object": of.object.map(value::json), "model": of.model, "options": object(of.options)})
}

/// A vector. Older clients send it in the fields of older forms.
#[expect(deprecated, reason = "older clients fill these fields")]
pub(super) fn vector(of: q::Vector) -> Result<Given> {
    match of.vector {
        Some(vector::Vector::Dense(dense)) => Ok(Given::Dense(dense.data)),
        Some(vector::Vector::Sparse(sparse)) => Ok(Given::Sparse { indices: sparse.indices, values: sparse.values }),
        Some(vector::Vector::MultiDense(multi)) => Ok(rows(multi)),
        Some(vector::Vector::Document(of)) => Given::read(&document(of)),
        Some(vector::Vector::Image(of)) => Given::read(&image(of)),
        Some(vector::Vector::Object(of)) => Given::read(&other(of)),
        None => match (of.indices, of.vectors_count) {
            (Some(indices), _) => Ok(Given::Sparse { indices: indices.data, values: of.data }),
            (None, Some(count)) if count > 0 => {
                let (len, count) = (of.data.len(), count as usize);
                if len == 0 || !len.is_multiple_of(count) {
                    return Err(Fault::format(format_args!("{len} numbers are not {count} vectors")));
                }
                Ok(Given::Multi(of.data.chunks(len / count).map(<[f32]>::to_vec).collect()))
            }
            _ => Ok(Given::Dense(of.data)),
        },
    }
}

/// A vector as another server sends it.
#[expect(deprecated, reason = "older servers fill these fields")]
pub(super) fn sent(of: q::VectorOutput) -> Result<Given> {
    use vector_output::Vector::{Dense, MultiDense, Sparse};
    let new = of.vector.map(|vector| match vector {
        Dense(of) => vector::Vector::Dense(of),
        Sparse(of) => vector::Vector::Sparse(of),
        MultiDense(of) => vector::Vector::MultiDense(of),
    });
    vector(q::Vector { data: of.data, indices: of.indices, vectors_count: of.vectors_count, vector: new })
}

fn rows(multi: q::MultiDenseVector) -> Given {
    Given::Multi(multi.vectors.into_iter().map(|row| row.data).collect())
}

/// Vectors of a point, by name.
pub(super) fn named(of: Option<q::Vectors>) -> Result<Vec<(String, Given)>> {
    match of.and_then(|of| of.vectors_options) {
        None => Ok(Vec::new()),
        Some(VectorsOptions::Vector(one)) => Ok(vec![(String::new(), vector(one)?)]),
        Some(VectorsOptions::Vectors(several)) => {
            several.vectors.into_iter().map(|(name, one)| Ok((name, vector(one)?))).collect()
        }
    }
}

fn numbers(values: Vec<f32>) -> Result<Value> {
    values
        .into_iter()
        .map(|value| match value.is_finite() {
            true => number(value.into()),
            false => Err(Fault::format(format_args!("{value} is no number of a vector"))),
        })
        .collect()
}

/// A vector as JSON.
pub(super) fn as_json(of: Given) -> Result<Value> {
    match of {
        Given::Dense(values) => numbers(values),
        Given::Sparse { indices, values } => Ok(json!({"indices": indices, "values": numbers(values)?})),
        Given::Multi(rows) => rows.into_iter().map(numbers).collect(),
    }
}

/// A vector, or the point that has it, as JSON.
pub(super) fn input(of: Option<q::VectorInput>) -> Result<Value> {
    use vector_input::Variant;
    match of.and_then(|of| of.variant) {
        None => Ok(Value::Null),
        Some(Variant::Id(id)) => Ok(id_json(id)),
        Some(Variant::Dense(dense)) => as_json(Given::Dense(dense.data)),
        Some(Variant::Sparse(sparse)) => as_json(Given::Sparse { indices: sparse.indices, values: sparse.values }),
        Some(Variant::MultiDense(multi)) => as_json(rows(multi)),
        Some(Variant::Document(of)) => Ok(document(of)),
        Some(Variant::Image(of)) => Ok(image(of)),
        Some(Variant::Object(of)) => Ok(other(of)),
    }
}

/// A vector that is asked about, as JSON.
pub(super) fn example(of: q::Vector) -> Result<Value> {
    match of.vector {
        Some(vector::Vector::Document(of)) => Ok(document(of)),
        _ => as_json(vector(of)?),
    }
}

/// Vectors as they go out.
pub(super) fn out(of: Out) -> q::VectorsOutput {
    let options = match of {
        Out::One(one) => vectors_output::VectorsOptions::Vector(one_out(one)),
        Out::Named(several) => {
            let vectors = several.into_iter().map(|(name, one)| (name, one_out(one))).collect();
            vectors_output::VectorsOptions::Vectors(q::NamedVectorsOutput { vectors })
        }
    };
    q::VectorsOutput { vectors_options: Some(options) }
}

fn one_out(of: Vector) -> q::VectorOutput {
    let vector = match of {
        Vector::Dense(data) => vector_output::Vector::Dense(q::DenseVector { data }),
        Vector::Sparse { indices, values } => vector_output::Vector::Sparse(q::SparseVector { values, indices }),
        Vector::Multi(rows) => {
            let vectors = rows.into_iter().map(|data| q::DenseVector { data }).collect();
            vector_output::Vector::MultiDense(q::MultiDenseVector { vectors })
        }
    };
    q::VectorOutput { vector: Some(vector), ..q::VectorOutput::default() }
}

/// Which part of a payload comes back, as JSON.
pub(super) fn payload_selector(of: Option<q::WithPayloadSelector>) -> Option<Value> {
    use q::with_payload_selector::SelectorOptions::{Enable, Exclude, Include};
    Some(match of?.selector_options? {
        Enable(all) => json!(all),
        Include(only) => json!({"include": only.fields}),
        Exclude(but) => json!({"exclude": but.fields}),
    })
}

/// Which vectors come back, as JSON.
pub(super) fn vectors_selector(of: Option<q::WithVectorsSelector>) -> Option<Value> {
    use q::with_vectors_selector::SelectorOptions::{Enable, Include};
    Some(match of?.selector_options? {
        Enable(all) => json!(all),
        Include(only) => json!(only.names),
    })
}

/// Where vectors are looked up, as JSON.
pub(super) fn lookup(of: Option<q::LookupLocation>) -> Option<Value> {
    let of = of?;
    Some(given([("collection", Some(of.collection_name.into())), ("vector", of.vector_name.map(Value::String))]))
}
