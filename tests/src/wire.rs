//! Short words for the wire types of nigh.v1, and a door that speaks them bare: what a client in another language sends.

use nigh_proto::v1::collections_client::CollectionsClient;
use nigh_proto::v1::points_client::PointsClient;
use nigh_proto::v1::{self, op, point_id};
use nigh_proto::{MESSAGE_BYTES_MAX, v1::field_condition::Test};
use std::collections::HashMap;
use tonic::Status;
use tonic::transport::{Channel, Endpoint};

/// A connection to a server.
#[derive(Clone, Debug)]
pub struct Door {
    /// The service of points.
    pub points: PointsClient<Channel>,
    /// The service of collections.
    pub collections: CollectionsClient<Channel>,
}

impl Door {
    /// Connects to an address like `http://127.0.0.1:6334`.
    pub async fn open(url: &str) -> Self {
        let channel = Endpoint::from_shared(url.to_owned()).unwrap().connect().await.unwrap();
        Self {
            points: PointsClient::new(channel.clone())
                .max_decoding_message_size(MESSAGE_BYTES_MAX)
                .max_encoding_message_size(usize::MAX),
            collections: CollectionsClient::new(channel),
        }
    }

    /// Creates a collection.
    pub async fn create(&self, collection: &str, spec: v1::CollectionSpec) -> Result<bool, Status> {
        let request = v1::CreateCollectionRequest { collection: collection.into(), spec: Some(spec), if_absent: false };
        Ok(self.collections.clone().create(request).await?.into_inner().created)
    }

    /// How a collection is.
    pub async fn status(&self, collection: &str) -> Result<v1::CollectionStatus, Status> {
        let request = v1::DescribeCollectionRequest { collection: collection.into() };
        Ok(self.collections.clone().describe(request).await?.into_inner().status.unwrap())
    }

    /// Writes a batch, durably.
    pub async fn write(&self, collection: &str, ops: Vec<v1::Op>) -> Result<v1::WriteReply, Status> {
        let request = v1::WriteRequest { collection: collection.into(), ops, ..Default::default() };
        Ok(self.points.clone().write(request).await?.into_inner())
    }

    /// Runs a query.
    pub async fn query(&self, request: v1::QueryRequest) -> Result<v1::QueryReply, Status> {
        Ok(self.points.clone().query(request).await?.into_inner())
    }

    /// Counts.
    pub async fn count(&self, collection: &str, filter: Option<v1::Filter>) -> Result<v1::CountReply, Status> {
        let request = v1::CountRequest { collection: collection.into(), filter, ..Default::default() };
        Ok(self.points.clone().count(request).await?.into_inner())
    }

    /// One page, with everything.
    pub async fn scroll(
        &self,
        collection: &str,
        filter: Option<v1::Filter>,
        from: Option<v1::PointId>,
        limit: u32,
    ) -> Result<v1::ScrollReply, Status> {
        let request = v1::ScrollRequest {
            collection: collection.into(),
            filter,
            from,
            limit,
            payload: all_payload(),
            vectors: all_vectors(),
            version: String::new(),
        };
        Ok(self.points.clone().scroll(request).await?.into_inner())
    }

    /// Points by id, with everything.
    pub async fn points_of(&self, collection: &str, ids: Vec<v1::PointId>) -> Result<v1::GetReply, Status> {
        let (payload, vectors) = (all_payload(), all_vectors());
        let request = v1::GetRequest { collection: collection.into(), ids, payload, vectors, version: String::new() };
        Ok(self.points.clone().get(request).await?.into_inner())
    }
}

/// The whole payload.
pub fn all_payload() -> Option<v1::PayloadSelection> {
    Some(v1::PayloadSelection { selection: Some(v1::payload_selection::Selection::All(true)) })
}

/// All vectors.
pub fn all_vectors() -> Option<v1::VectorSelection> {
    Some(v1::VectorSelection { selection: Some(v1::vector_selection::Selection::All(true)) })
}

/// A numbered id.
pub fn num(id: u64) -> v1::PointId {
    v1::PointId { id: Some(point_id::Id::Num(id)) }
}

/// A UUID as an id; any text, for tests of what is refused.
pub fn uuid(text: &str) -> v1::PointId {
    v1::PointId { id: Some(point_id::Id::Uuid(text.into())) }
}

/// The number of a numbered id.
pub fn number(id: &Option<v1::PointId>) -> u64 {
    match id.as_ref().and_then(|id| id.id.as_ref()) {
        Some(point_id::Id::Num(number)) => *number,
        other => panic!("{other:?} is not a number"),
    }
}

/// A point.
pub fn point(id: v1::PointId, vectors: &[(&str, &[f32])], payload: &str) -> v1::Point {
    let vector = |(name, values): &(&str, &[f32])| (name.to_string(), v1::Vector { values: values.to_vec() });
    let vectors: HashMap<_, _> = vectors.iter().map(vector).collect();
    v1::Point { id: Some(id), vectors, payload: payload.into(), ..Default::default() }
}

/// An operation without a condition.
pub fn operation(op: op::Op) -> v1::Op {
    v1::Op { op: Some(op), if_version: None }
}

/// An operation that replaces a point.
pub fn upsert(point: v1::Point) -> v1::Op {
    operation(op::Op::Upsert(point))
}

/// An operation that deletes points by id.
pub fn delete(ids: Vec<v1::PointId>) -> v1::Op {
    operation(op::Op::Delete(by_ids(ids)))
}

/// These points.
pub fn by_ids(ids: Vec<v1::PointId>) -> v1::Selector {
    v1::Selector { selector: Some(v1::selector::Selector::Ids(v1::PointIds { ids })) }
}

/// All points that match.
pub fn by_filter(filter: v1::Filter) -> v1::Selector {
    v1::Selector { selector: Some(v1::selector::Selector::Filter(filter)) }
}

/// A condition on a field.
pub fn field(path: &str, test: Test) -> v1::Condition {
    let field = v1::FieldCondition { path: path.into(), test: Some(test) };
    v1::Condition { condition: Some(v1::condition::Condition::Field(field)) }
}

/// A filter in which all of these hold.
pub fn must(must: Vec<v1::Condition>) -> v1::Filter {
    v1::Filter { must, ..Default::default() }
}

/// The filter as a condition of another.
pub fn nested(filter: v1::Filter) -> v1::Condition {
    v1::Condition { condition: Some(v1::condition::Condition::Filter(filter)) }
}

/// A JSON scalar as the wire has it.
pub fn scalar(value: &serde_json::Value) -> v1::Scalar {
    use v1::scalar::Scalar;
    let scalar = match value {
        serde_json::Value::String(text) => Scalar::Keyword(text.clone()),
        serde_json::Value::Bool(flag) => Scalar::Bool(*flag),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(integer) => Scalar::Integer(integer),
            None => Scalar::Float(number.as_f64().unwrap()),
        },
        other => panic!("{other} is not a scalar"),
    };
    v1::Scalar { scalar: Some(scalar) }
}

/// A field that equals this.
pub fn equals(path: &str, value: impl Into<serde_json::Value>) -> v1::Condition {
    field(path, Test::Match(scalar(&value.into())))
}

/// A retriever by vector.
pub fn dense(name: &str, vector: &[f32]) -> v1::Retriever {
    let query = Some(v1::dense::Query::Vector(v1::Vector { values: vector.to_vec() }));
    let dense = v1::Dense { field: name.into(), query, params: None };
    v1::Retriever { kind: Some(v1::retriever::Kind::Dense(dense)), ..Default::default() }
}

/// The same, compared with every point.
pub fn exact(name: &str, vector: &[f32]) -> v1::Retriever {
    let mut retriever = dense(name, vector);
    if let Some(v1::retriever::Kind::Dense(dense)) = &mut retriever.kind {
        dense.params = Some(v1::SearchParams { exact: true, ..Default::default() });
    }
    retriever
}

/// A retriever by words.
pub fn text(name: &str, query: &str) -> v1::Retriever {
    let text = v1::Text { field: name.into(), query: query.into(), ..Default::default() };
    v1::Retriever { kind: Some(v1::retriever::Kind::Text(text)), ..Default::default() }
}

/// A query that brings the whole payload.
pub fn query(collection: &str, retrievers: Vec<v1::Retriever>, limit: u32) -> v1::QueryRequest {
    v1::QueryRequest { collection: collection.into(), retrievers, limit, payload: all_payload(), ..Default::default() }
}

/// A collection with vectors compared by cosine, and text fields with their analyzer.
pub fn spec(vectors: &[(&str, u32)], texts: &[(&str, &str)]) -> v1::CollectionSpec {
    let vector = |(name, size): &(&str, u32)| v1::VectorField {
        name: name.to_string(),
        size: *size,
        metric: v1::Metric::Cosine.into(),
        ..Default::default()
    };
    let text = |(name, analyzer): &(&str, &str)| v1::TextField {
        name: name.to_string(),
        analyzer: analyzer.to_string(),
        ..Default::default()
    };
    let (vectors, texts) = (vectors.iter().map(vector).collect(), texts.iter().map(text).collect());
    v1::CollectionSpec { vectors, texts, ..Default::default() }
}
