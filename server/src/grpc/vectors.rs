//! Vectors of all kinds, and the fields that hold them: from the wire and back.

use super::filter::{id, left_out, short};
use super::query;
use super::schema;
use crate::engine::error::{Error, Result};
use crate::engine::query::answer::Record;
use crate::engine::query::retriever::Kind;
use nigh_index::sparse::spec::SparseSpec;
use nigh_index::sparse::vector::SparseVector;
use nigh_index::vector::multi::{MultiSpec, MultiVector};
use nigh_proto::v1::{self, add_vectors_request};
use nigh_storage::point::Point;
use nigh_storage::schema::{CollectionSpec, MultiField, NewField, SparseField, VectorPlace};
use std::collections::HashMap;

/// The place of a field, by its name.
pub(super) fn field(name: &str, spec: &CollectionSpec) -> Result<VectorPlace> {
    spec.field(name).ok_or_else(|| {
        let names: Vec<String> = spec.fields().map(|(_, name)| format!("`{name}`")).collect();
        let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        Error::invalid(short(name), "unknown", format!("the collection's vector fields are {names}"))
    })
}

/// The place of a field among those of its kind; an empty name means the only one.
pub(super) fn place(kind: &str, name: &str, spec: &CollectionSpec) -> Result<usize> {
    let of_kind = |(place, name)| match place {
        VectorPlace::Dense(at) => (kind == "dense").then_some((usize::from(at), name)),
        VectorPlace::Sparse(at) => (kind == "sparse").then_some((usize::from(at), name)),
        VectorPlace::Multi(at) => (kind == "multi").then_some((usize::from(at), name)),
    };
    let (places, names): (Vec<usize>, Vec<&str>) = spec.fields().filter_map(of_kind).unzip();
    Ok(places[query::place(kind, name, &names)?])
}

/// A retriever by a sparse vector.
pub(super) fn sparse(wire: v1::Sparse, spec: &CollectionSpec) -> Result<Kind> {
    let field = place("sparse", &wire.field, spec)?;
    match wire.query {
        Some(v1::sparse::Query::Point(point)) => Ok(Kind::SparseOf { field, point: id("sparse.point", Some(point))? }),
        Some(v1::sparse::Query::Vector(vector)) => {
            Ok(Kind::Sparse { field, vector: sparse_in(vector).map_err(|err| err.inside("sparse.vector"))? })
        }
        None => Err(left_out("sparse.query", "it is a vector or a point")),
    }
}

/// A retriever by several vectors.
pub(super) fn multi(wire: v1::Multi, spec: &CollectionSpec) -> Result<Kind> {
    let field = place("multi", &wire.field, spec)?;
    let size = spec.multi[field].spec.size;
    match wire.query {
        Some(v1::multi::Query::Point(point)) => Ok(Kind::MultiOf { field, point: id("multi.point", Some(point))? }),
        Some(v1::multi::Query::Vectors(vectors)) => {
            Ok(Kind::Multi { field, vectors: multi_in(vectors, size).map_err(|err| err.inside("multi.vectors"))? })
        }
        None => Err(left_out("multi.query", "it is vectors or a point")),
    }
}

/// The id and the vectors of a point; its payload and its time are not looked at.
pub(super) fn point(wire: v1::Point, spec: &CollectionSpec) -> Result<Point> {
    let mut point = Point::new(id("id", wire.id)?);
    let inside = |name: &str| format!("vectors.{}", short(name));
    for (name, vector) in wire.vectors {
        match field(&name, spec).map_err(|err| err.inside("vectors"))? {
            VectorPlace::Dense(at) => point.vectors.push((at, vector.values)),
            VectorPlace::Sparse(_) => return Err(of_another_kind(&name, "sparse vectors, given in `sparse`")),
            VectorPlace::Multi(_) => return Err(of_another_kind(&name, "several vectors a point, given in `multi`")),
        }
    }
    for (name, vector) in wire.sparse {
        match field(&name, spec).map_err(|err| err.inside("sparse"))? {
            VectorPlace::Sparse(at) => {
                point.sparse.push((at, sparse_in(vector).map_err(|err| err.inside(&inside(&name)))?));
            }
            _ => return Err(of_another_kind(&name, "no sparse vectors")),
        }
    }
    for (name, vectors) in wire.multi {
        match field(&name, spec).map_err(|err| err.inside("multi"))? {
            VectorPlace::Multi(at) => {
                let size = spec.multi[usize::from(at)].spec.size;
                point.multi.push((at, multi_in(vectors, size).map_err(|err| err.inside(&inside(&name)))?));
            }
            _ => return Err(of_another_kind(&name, "not several vectors a point")),
        }
    }
    point.vectors.sort_unstable_by_key(|(at, _)| *at);
    point.sparse.sort_unstable_by_key(|(at, _)| *at);
    point.multi.sort_unstable_by_key(|(at, _)| *at);
    Ok(point)
}

fn of_another_kind(name: &str, holds: &str) -> Error {
    let name = short(name);
    Error::invalid(format!("vectors.{name}"), "of another kind", format!("field `{name}` holds {holds}"))
}

fn sparse_in(wire: v1::SparseVector) -> Result<SparseVector> {
    Ok(SparseVector::new(wire.indices, wire.values)?)
}

/// Vectors of one size, which is that of the field: one that is not is named here, where they are still apart.
fn multi_in(wire: v1::MultiVector, size: u32) -> Result<MultiVector> {
    if let Some(at) = wire.vectors.iter().position(|vector| vector.values.len() != size as usize) {
        let value = format!("{} numbers long", wire.vectors[at].values.len());
        return Err(Error::invalid(format!("vectors[{at}]"), value, format!("each has {size} numbers")));
    }
    Ok(MultiVector::of(wire.vectors.into_iter().map(|vector| vector.values)))
}

/// The vectors of a point as they go out.
pub(super) fn out(record: &mut Record, spec: &CollectionSpec) -> v1::Point {
    let dense = |(field, values): (usize, Vec<f32>)| (spec.vectors[field].name.clone(), v1::Vector { values });
    let sparse = |(field, vector): (usize, SparseVector)| {
        let (indices, values) = (vector.indices().to_vec(), vector.values().to_vec());
        (spec.sparse[field].name.clone(), v1::SparseVector { indices, values })
    };
    let multi = |(field, multi): (usize, MultiVector)| {
        let vectors = multi.vectors(spec.multi[field].spec.size).map(|values| v1::Vector { values: values.to_vec() });
        (spec.multi[field].name.clone(), v1::MultiVector { vectors: vectors.collect() })
    };
    v1::Point {
        vectors: std::mem::take(&mut record.vectors).into_iter().map(dense).collect::<HashMap<_, _>>(),
        sparse: std::mem::take(&mut record.sparse).into_iter().map(sparse).collect(),
        multi: std::mem::take(&mut record.multi).into_iter().map(multi).collect(),
        ..Default::default()
    }
}

/// A field of sparse vectors.
pub(super) fn sparse_field(wire: v1::SparseField) -> SparseField {
    SparseField { name: wire.name, spec: SparseSpec { idf: wire.idf } }
}

/// A field with several vectors a point.
pub(super) fn multi_field(wire: v1::MultiField) -> Result<MultiField> {
    let metric = schema::metric(wire.metric)?;
    Ok(MultiField { name: wire.name, spec: MultiSpec { size: wire.size, metric } })
}

/// The fields of both kinds as they go out, those left out that were dropped.
pub(super) fn fields_out(spec: &CollectionSpec) -> (Vec<v1::SparseField>, Vec<v1::MultiField>) {
    let (mut sparse, mut multi) = (Vec::new(), Vec::new());
    for (place, name) in spec.fields() {
        let name = name.to_owned();
        match place {
            VectorPlace::Dense(_) => {}
            VectorPlace::Sparse(at) => {
                sparse.push(v1::SparseField { name, idf: spec.sparse[usize::from(at)].spec.idf });
            }
            VectorPlace::Multi(at) => {
                let MultiSpec { size, metric } = spec.multi[usize::from(at)].spec;
                multi.push(v1::MultiField { name, size, metric: schema::metric_out(metric) });
            }
        }
    }
    (sparse, multi)
}

/// A field that is to be added.
pub(super) fn new_field(wire: Option<add_vectors_request::Field>) -> Result<NewField> {
    match wire {
        Some(add_vectors_request::Field::Dense(field)) => Ok(NewField::Dense(schema::vector_field(field)?)),
        Some(add_vectors_request::Field::Sparse(field)) => Ok(NewField::Sparse(sparse_field(field))),
        Some(add_vectors_request::Field::Multi(field)) => Ok(NewField::Multi(multi_field(field)?)),
        None => Err(left_out("field", "it is dense, sparse or multi")),
    }
}
