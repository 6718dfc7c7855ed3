//! Points and what is done to them.

use crate::filter::Filter;
use crate::id::PointId;
use crate::vectors::SparseVector;
use serde_json::{Map, Value};
use std::collections::HashMap;

/// A point: an id, any subset of the collection's vectors, and a payload.
#[derive(Clone, PartialEq, Debug)]
pub struct Point {
    /// Its name.
    pub id: PointId,
    /// Its vectors, by the name of the vector field.
    pub vectors: HashMap<String, Vec<f32>>,
    /// Its sparse vectors, by the name of their field.
    pub sparse: HashMap<String, SparseVector>,
    /// Its vectors of fields that have several a point.
    pub multi: HashMap<String, Vec<Vec<f32>>>,
    /// Its payload, a JSON object.
    pub payload: Value,
    /// The operation that last wrote it, as the server says; passed over where the point is written.
    pub version: u64,
    /// From this time on, in Unix milliseconds, it is not there any more; `None`: it stays.
    pub expires_at_ms: Option<u64>,
}

impl Point {
    /// A point without vectors and with an empty payload.
    pub fn new(id: impl Into<PointId>) -> Self {
        Self {
            id: id.into(),
            vectors: HashMap::new(),
            sparse: HashMap::new(),
            multi: HashMap::new(),
            payload: Value::Object(Map::new()),
            version: 0,
            expires_at_ms: None,
        }
    }

    /// Gives it a vector.
    pub fn vector(mut self, field: impl Into<String>, values: impl Into<Vec<f32>>) -> Self {
        self.vectors.insert(field.into(), values.into());
        self
    }

    /// Gives it a sparse vector: indices, each with its number.
    pub fn sparse(mut self, field: impl Into<String>, numbers: impl IntoIterator<Item = (u32, f32)>) -> Self {
        self.sparse.insert(field.into(), numbers.into_iter().collect());
        self
    }

    /// Gives it several vectors of one field.
    pub fn multi<V: Into<Vec<f32>>>(mut self, field: impl Into<String>, vectors: impl IntoIterator<Item = V>) -> Self {
        self.multi.insert(field.into(), vectors.into_iter().map(Into::into).collect());
        self
    }

    /// Lets it expire at this time, in Unix milliseconds.
    pub fn expires_at_ms(mut self, time_ms: u64) -> Self {
        self.expires_at_ms = Some(time_ms);
        self
    }

    /// Gives it a payload, which has to be an object.
    pub fn payload(mut self, payload: impl Into<Value>) -> Self {
        self.payload = payload.into();
        self
    }
}

/// Points by id, or by a filter that the server resolves before it logs the write.
#[derive(Clone, PartialEq, Debug)]
pub enum Selector {
    /// These.
    Ids(Vec<PointId>),
    /// Those that match.
    Matching(Filter),
}

impl Selector {
    /// These points.
    pub fn ids<I: Into<PointId>>(ids: impl IntoIterator<Item = I>) -> Self {
        Self::Ids(ids.into_iter().map(Into::into).collect())
    }
}

impl From<Filter> for Selector {
    fn from(filter: Filter) -> Self {
        Self::Matching(filter)
    }
}

impl<I: Into<PointId>> From<Vec<I>> for Selector {
    fn from(ids: Vec<I>) -> Self {
        Self::ids(ids)
    }
}

/// One operation of a write.
#[derive(Clone, PartialEq, Debug)]
pub enum Op {
    /// Replaces the whole point: what the new one leaves out is gone.
    Upsert(Point),
    /// Removes points.
    Delete(Selector),
    /// Sets these top-level keys, keeps the others.
    SetPayload(Selector, Value),
    /// Replaces the payload.
    OverwritePayload(Selector, Value),
    /// Removes these top-level keys.
    DeletePayloadKeys(Selector, Vec<String>),
    /// Empties the payload.
    ClearPayload(Selector),
    /// Sets these vectors of an existing point, keeps its others; the payload and the time given here are ignored.
    UpdateVectors(Point),
    /// Removes the vectors of these fields.
    DeleteVectors(Selector, Vec<String>),
    /// Sets when points expire, in Unix milliseconds; `None`: never.
    SetExpiry(Selector, Option<u64>),
    /// An operation on points by id, each of which has to have this version when its turn comes; 0: it must
    /// not be there. A point that does not have it refuses the whole batch, with the code `FailedPrecondition`.
    IfVersion(Box<Op>, u64),
}

impl Op {
    /// The operation under the condition that its points have this version; 0: that they are not there.
    pub fn if_version(self, version: u64) -> Self {
        Self::IfVersion(Box::new(self), version)
    }
}

impl From<Point> for Op {
    fn from(point: Point) -> Self {
        Self::Upsert(point)
    }
}

/// How far a write has to get before it is acknowledged, and how far it got.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Durability {
    /// Visible to reads; lost if the process stops before the next sync.
    Applied,
    /// Handed to the operating system: survives the end of the process.
    Logged,
    /// On disk: survives a power cut.
    #[default]
    Durable,
}

/// What of a point's payload comes back.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Wanted {
    /// All of it.
    #[default]
    All,
    /// None of it.
    Nothing,
    /// These top-level keys only.
    Only(Vec<String>),
    /// All but these top-level keys.
    Without(Vec<String>),
}

impl Wanted {
    /// These top-level keys only.
    pub fn only<S: Into<String>>(keys: impl IntoIterator<Item = S>) -> Self {
        Self::Only(keys.into_iter().map(Into::into).collect())
    }
}

/// Which of a point's vectors come back.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum VectorsWanted {
    /// None.
    #[default]
    Nothing,
    /// All.
    All,
    /// Those of these fields.
    Only(Vec<String>),
}
