//! Vectors that are not dense, and vector fields that come and go while a collection lives.

use crate::calls::{call, metric_in, metric_out, vector_out};
use crate::client::Client;
use crate::convert::id_out;
use crate::error::Result;
use crate::id::PointId;
use crate::retry::Repeat;
use crate::schema::{Metric, VectorField};
use nigh_proto::v1::{self, add_vectors_request};
use std::collections::HashMap;

/// A sparse vector: the numbers that are not zero.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct SparseVector {
    /// Where they stand; each once, in any order.
    pub indices: Vec<u32>,
    /// The number of each.
    pub values: Vec<f32>,
}

impl FromIterator<(u32, f32)> for SparseVector {
    fn from_iter<I: IntoIterator<Item = (u32, f32)>>(pairs: I) -> Self {
        let (indices, values) = pairs.into_iter().unzip();
        Self { indices, values }
    }
}

/// What is given, or what a point has of it. A point that is named so is itself not found.
#[derive(Clone, PartialEq, Debug)]
pub enum NearBy<T> {
    /// This.
    Given(T),
    /// What this point has.
    Point(PointId),
}

pub(crate) fn near_sparse_out(near: NearBy<SparseVector>) -> v1::sparse::Query {
    match near {
        NearBy::Given(vector) => v1::sparse::Query::Vector(sparse_out(vector)),
        NearBy::Point(id) => v1::sparse::Query::Point(id_out(id)),
    }
}

pub(crate) fn near_multi_out(near: NearBy<Vec<Vec<f32>>>) -> v1::multi::Query {
    match near {
        NearBy::Given(several) => v1::multi::Query::Vectors(multi_out(several)),
        NearBy::Point(id) => v1::multi::Query::Point(id_out(id)),
    }
}

/// A named field of sparse vectors, which are compared by their dot product.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SparseField {
    /// Its name.
    pub name: String,
    /// Whether the numbers of a query are multiplied by how rare their indices are.
    pub idf: bool,
}

/// A named field with several vectors a point, as one for each word of a text.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MultiField {
    /// Its name.
    pub name: String,
    /// Numbers in each vector.
    pub size: u32,
    /// How two of them are compared.
    pub metric: Metric,
}

/// A vector field that is to be added.
#[derive(Clone, PartialEq, Debug)]
pub enum NewField {
    /// One vector a point.
    Dense(VectorField),
    /// One sparse vector a point.
    Sparse(SparseField),
    /// Several vectors a point.
    Multi(MultiField),
}

impl Client {
    /// Adds a vector field; points that are there have no vector of it. Fails where a field has this name.
    pub async fn add_vectors(&self, collection: &str, field: NewField) -> Result<()> {
        self.added(collection, field, false).await.map(|_| ())
    }

    /// As [`Self::add_vectors`], but fine where an equal field is there; whether it was added.
    pub async fn add_vectors_if_absent(&self, collection: &str, field: NewField) -> Result<bool> {
        self.added(collection, field, true).await
    }

    /// Drops a vector field, with all vectors of it; whether there was one of this name.
    pub async fn drop_vectors(&self, collection: &str, name: &str) -> Result<bool> {
        let request = v1::DropVectorsRequest { collection: collection.to_owned(), name: name.to_owned() };
        Ok(call!(self, Matters, collections.drop_vectors, request).await?.dropped)
    }

    async fn added(&self, collection: &str, field: NewField, if_absent: bool) -> Result<bool> {
        let field = match field {
            NewField::Dense(field) => add_vectors_request::Field::Dense(vector_out(field)),
            NewField::Sparse(field) => add_vectors_request::Field::Sparse(sparse_field_out(field)),
            NewField::Multi(field) => add_vectors_request::Field::Multi(multi_field_out(field)),
        };
        let request = v1::AddVectorsRequest { collection: collection.to_owned(), field: Some(field), if_absent };
        Ok(match if_absent {
            true => call!(self, Harmless, collections.add_vectors, request).await?,
            false => call!(self, Matters, collections.add_vectors, request).await?,
        }
        .added)
    }
}

pub(crate) fn sparse_field_out(field: SparseField) -> v1::SparseField {
    v1::SparseField { name: field.name, idf: field.idf }
}

pub(crate) fn sparse_field_in(field: v1::SparseField) -> SparseField {
    SparseField { name: field.name, idf: field.idf }
}

pub(crate) fn multi_field_out(field: MultiField) -> v1::MultiField {
    v1::MultiField { name: field.name, size: field.size, metric: metric_out(field.metric).into() }
}

pub(crate) fn multi_field_in(field: v1::MultiField) -> MultiField {
    MultiField { metric: metric_in(field.metric()), name: field.name, size: field.size }
}

pub(crate) fn sparse_out(vector: SparseVector) -> v1::SparseVector {
    v1::SparseVector { indices: vector.indices, values: vector.values }
}

pub(crate) fn multi_out(vectors: Vec<Vec<f32>>) -> v1::MultiVector {
    v1::MultiVector { vectors: vectors.into_iter().map(|values| v1::Vector { values }).collect() }
}

pub(crate) fn all_sparse_in(wire: HashMap<String, v1::SparseVector>) -> HashMap<String, SparseVector> {
    let one = |vector: v1::SparseVector| SparseVector { indices: vector.indices, values: vector.values };
    wire.into_iter().map(|(field, vector)| (field, one(vector))).collect()
}

pub(crate) fn all_multi_in(wire: HashMap<String, v1::MultiVector>) -> HashMap<String, Vec<Vec<f32>>> {
    let each = |multi: v1::MultiVector| multi.vectors.into_iter().map(|vector| vector.values).collect();
    wire.into_iter().map(|(field, multi)| (field, each(multi))).collect()
}
