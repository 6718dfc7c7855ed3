//! The gRPC door for clients of the Qdrant API, message by message; and that it and the REST door are one house.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]
#![allow(deprecated, reason = "older clients make these calls, and fill these fields")]

use bytes::Bytes;
use nigh_proto::qdrant as q;
use nigh_proto::qdrant::collections_client::CollectionsClient;
use nigh_proto::qdrant::points_client::PointsClient;
use nigh_proto::qdrant::qdrant_client::QdrantClient;
use nigh_proto::qdrant::snapshots_client::SnapshotsClient;
use nigh_tests::http;
use nigh_tests::server::{Server, Tuning};
use prost::Message;
use serde_json::{Value, json};
use tonic::transport::Channel;
use tonic::{Code, Status};

const UUID: &str = "550e8400-e29b-41d4-a716-446655440000";

struct Door {
    points: PointsClient<Channel>,
    collections: CollectionsClient<Channel>,
    channel: Channel,
    server: Server,
    _folder: tempfile::TempDir,
}

fn name() -> String {
    "c".to_owned()
}

fn num(id: u64) -> q::PointId {
    q::PointId { point_id_options: Some(q::point_id::PointIdOptions::Num(id)) }
}

fn uuid(text: &str) -> q::PointId {
    q::PointId { point_id_options: Some(q::point_id::PointIdOptions::Uuid(text.to_owned())) }
}

fn ids(of: impl IntoIterator<Item = u64>) -> Option<q::PointsSelector> {
    let ids = q::PointsIdsList { ids: of.into_iter().map(num).collect() };
    Some(q::PointsSelector { points_selector_one_of: Some(q::points_selector::PointsSelectorOneOf::Points(ids)) })
}

fn dense(data: Vec<f32>) -> q::Vector {
    let vector = Some(q::vector::Vector::Dense(q::DenseVector { data }));
    q::Vector { vector, ..q::Vector::default() }
}

fn one(vector: q::Vector) -> Option<q::Vectors> {
    Some(q::Vectors { vectors_options: Some(q::vectors::VectorsOptions::Vector(vector)) })
}

fn text(value: &str) -> q::Value {
    q::Value { kind: Some(q::value::Kind::StringValue(value.to_owned())) }
}

/// A point as it goes over the wire.
fn point(id: q::PointId, data: Vec<f32>, kind: &str) -> Bytes {
    let payload = [("kind".to_owned(), text(kind))].into();
    q::PointStruct { id: Some(id), payload, vectors: one(dense(data)) }.encode_to_vec().into()
}

fn nearest(data: Vec<f32>) -> Option<q::Query> {
    let input = q::VectorInput { variant: Some(q::vector_input::Variant::Dense(q::DenseVector { data })) };
    Some(q::Query { variant: Some(q::query::Variant::Nearest(input)) })
}

fn kind_is(value: &str) -> q::Filter {
    let matched = q::Match { match_value: Some(q::r#match::MatchValue::Keyword(value.to_owned())) };
    let field = q::FieldCondition { key: "kind".to_owned(), r#match: Some(matched), ..Default::default() };
    let condition = q::Condition { condition_one_of: Some(q::condition::ConditionOneOf::Field(field)) };
    q::Filter { must: vec![condition], ..q::Filter::default() }
}

fn all_of_it() -> Option<q::WithPayloadSelector> {
    Some(q::WithPayloadSelector { selector_options: Some(q::with_payload_selector::SelectorOptions::Enable(true)) })
}

fn numbers(found: &[q::ScoredPoint]) -> Vec<u64> {
    let number = |point: &q::ScoredPoint| match point.id.clone().unwrap().point_id_options.unwrap() {
        q::point_id::PointIdOptions::Num(number) => number,
        q::point_id::PointIdOptions::Uuid(_) => 0,
    };
    found.iter().map(number).collect()
}

impl Door {
    /// A collection of four points with two numbers each.
    async fn filled() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start_in(folder.path(), &Tuning::default()).await;
        let channel = Channel::from_shared(server.url.clone()).unwrap().connect().await.unwrap();
        let (points, collections) = (PointsClient::new(channel.clone()), CollectionsClient::new(channel.clone()));
        let mut door = Self { points, collections, channel, server, _folder: folder };
        let params = q::VectorParams { size: 2, distance: q::Distance::Dot.into(), ..Default::default() };
        let config = q::VectorsConfig { config: Some(q::vectors_config::Config::Params(params)) };
        let hnsw = q::HnswConfigDiff { m: Some(24), ..Default::default() };
        let create = q::CreateCollection {
            collection_name: name(),
            vectors_config: Some(config),
            hnsw_config: Some(hnsw),
            metadata: [("owner".to_owned(), text("me"))].into(),
            ..Default::default()
        };
        let made = door.collections.create(create.clone()).await.unwrap().into_inner();
        assert!(made.result && made.time > 0.0);
        let again = door.collections.create(create).await.unwrap_err();
        assert!(again.code() == Code::AlreadyExists && again.message().contains("already exists"), "{again}");
        let points = vec![
            point(num(1), vec![1.0, 0.0], "a"),
            point(num(2), vec![2.0, 0.0], "b"),
            point(num(3), vec![0.0, 3.0], "a"),
            point(uuid(&UUID.to_uppercase()), vec![0.0, 4.0], "c"),
        ];
        let upsert = q::UpsertPoints { collection_name: name(), wait: Some(true), points, ..Default::default() };
        let done = door.points.upsert(upsert).await.unwrap().into_inner().result.unwrap();
        assert_eq!(done.status(), q::UpdateStatus::Completed);
        door
    }

    async fn query(&mut self, of: q::QueryPoints) -> Vec<q::ScoredPoint> {
        self.points.query(q::QueryPoints { collection_name: name(), ..of }).await.unwrap().into_inner().result
    }

    async fn refused(&mut self, of: q::QueryPoints) -> Status {
        self.points.query(q::QueryPoints { collection_name: name(), ..of }).await.unwrap_err()
    }

    /// What the REST door says.
    async fn rest(&self, method: &str, path: &str, body: Value) -> Value {
        let (addr, method, path) = (self.server.http.clone(), method.to_owned(), path.to_owned());
        let (status, answer) =
            tokio::task::spawn_blocking(move || http::json(&addr, &method, &path, &body)).await.unwrap();
        assert_eq!(status, 200, "{answer}");
        answer["result"].clone()
    }
}

#[tokio::test]
async fn both_doors_say_the_same_of_one_collection() {
    let mut door = Door::filled().await;
    let rest = door.rest("GET", "/collections/c", Value::Null).await;
    assert_eq!(rest["config"]["params"]["vectors"], json!({"size": 2, "distance": "Dot"}));
    assert_eq!(
        (&rest["config"]["hnsw_config"]["m"], &rest["config"]["metadata"]),
        (&json!(24), &json!({"owner": "me"}))
    );
    door.rest(
        "PUT",
        "/collections/c/index",
        json!({"field_name": "n", "field_schema": {"type": "integer", "lookup": true}}),
    )
    .await;
    let get = q::GetCollectionInfoRequest { collection_name: name() };
    let info = door.collections.get(get).await.unwrap().into_inner().result.unwrap();
    let config = info.config.clone().unwrap();
    assert_eq!((info.status(), info.points_count), (q::CollectionStatus::Green, Some(4)));
    assert_eq!(config.hnsw_config.unwrap().m, Some(24));
    let Some(q::vectors_config::Config::Params(params)) = config.params.unwrap().vectors_config.unwrap().config else {
        panic!("one nameless vector");
    };
    assert_eq!((params.size, params.distance()), (2, q::Distance::Dot));
    assert_eq!(info.payload_schema["n"].data_type(), q::PayloadSchemaType::Integer);
    let Some(q::payload_index_params::IndexParams::IntegerIndexParams(integer)) =
        info.payload_schema["n"].params.clone().unwrap().index_params
    else {
        panic!("an index of integers");
    };
    assert_eq!(integer.lookup, Some(true));
    // A point of one door, read at the other.
    let rest = door.rest("GET", &format!("/collections/c/points/{UUID}"), Value::Null).await;
    assert_eq!(rest, json!({"id": UUID, "payload": {"kind": "c"}, "vector": [0.0, 4.0]}));
    let payload = json!({"i": 1, "f": 2.0, "s": "x", "n": null, "b": true, "l": [1, {"a": []}]});
    let points = json!({"points": [{"id": 9, "vector": [1, 1], "payload": payload}]});
    door.rest("PUT", "/collections/c/points", points).await;
    let get =
        q::GetPoints { collection_name: name(), ids: vec![num(9)], with_payload: all_of_it(), ..Default::default() };
    let found = door.points.get(get).await.unwrap().into_inner().result.remove(0);
    assert!(found.vectors.is_none());
    let kind = |key: &str| found.payload[key].kind.clone().unwrap();
    assert_eq!(kind("i"), q::value::Kind::IntegerValue(1));
    assert_eq!(kind("f"), q::value::Kind::DoubleValue(2.0));
    assert_eq!(kind("n"), q::value::Kind::NullValue(0));
    let reply = QdrantClient::new(door.channel.clone()).health_check(q::HealthCheckRequest {}).await.unwrap();
    assert_eq!(json!(reply.into_inner().version), door.version().await);
    door.server.stop().await;
}

impl Door {
    async fn version(&self) -> Value {
        let addr = self.server.http.clone();
        let (_, told) = tokio::task::spawn_blocking(move || http::json(&addr, "GET", "/", &Value::Null)).await.unwrap();
        told["version"].clone()
    }
}

#[tokio::test]
async fn points_are_found_written_and_counted() {
    let mut door = Door::filled().await;
    let asked = q::QueryPoints { query: nearest(vec![1.0, 0.5]), ..Default::default() };
    let found = door.query(asked.clone()).await;
    assert_eq!(numbers(&found), [2, 0, 3, 1]);
    assert_eq!((found[0].score, found[0].payload.len(), found[0].version > 0), (2.0, 0, true));
    let filtered = q::QueryPoints { filter: Some(kind_is("a")), with_payload: all_of_it(), ..asked.clone() };
    let found = door.query(filtered).await;
    assert_eq!((numbers(&found), &found[0].payload["kind"]), (vec![3, 1], &text("a")));
    // The older form, with the vector where older clients put it.
    let (vector, limit) = (vec![1.0, 0.5], 2);
    let search = q::SearchPoints { collection_name: name(), vector, limit, ..Default::default() };
    let found = door.points.search(search.clone()).await.unwrap().into_inner().result;
    assert_eq!(numbers(&found), [2, 0]);
    let batch = q::SearchBatchPoints {
        collection_name: name(),
        search_points: vec![search.clone(), search],
        ..Default::default()
    };
    assert_eq!(door.points.search_batch(batch).await.unwrap().into_inner().result.len(), 2);
    // Two rankings, fused.
    let prefetch = q::PrefetchQuery { query: nearest(vec![1.0, 0.0]), limit: Some(2), ..Default::default() };
    let fusion = q::Query { variant: Some(q::query::Variant::Fusion(q::Fusion::Rrf.into())) };
    let fused =
        q::QueryPoints { prefetch: vec![prefetch.clone(), prefetch], query: Some(fusion), ..Default::default() };
    let found = door.query(fused).await;
    assert_eq!((numbers(&found)[0], found[0].score), (2, 1.0));
    let groups = q::QueryPointGroups {
        collection_name: name(),
        query: nearest(vec![1.0, 1.0]),
        group_by: "kind".to_owned(),
        group_size: Some(1),
        ..Default::default()
    };
    let groups = door.points.query_groups(groups).await.unwrap().into_inner().result.unwrap().groups;
    assert_eq!(groups.len(), 3);
    // Only new points, only old ones, only those for which a filter holds.
    let upsert = |id, mode: q::UpdateMode, filter| q::UpsertPoints {
        collection_name: name(),
        points: vec![point(num(id), vec![5.0, 5.0], "new")],
        update_mode: Some(mode.into()),
        update_filter: filter,
        ..Default::default()
    };
    for (id, mode, filter, written) in [
        (1, q::UpdateMode::InsertOnly, None, false),
        (50, q::UpdateMode::UpdateOnly, None, false),
        (2, q::UpdateMode::Upsert, Some(kind_is("a")), false),
        (3, q::UpdateMode::Upsert, Some(kind_is("a")), true),
        (51, q::UpdateMode::InsertOnly, None, true),
        (52, q::UpdateMode::Upsert, Some(kind_is("a")), true),
    ] {
        let done = door.points.upsert(upsert(id, mode, filter)).await.unwrap().into_inner().result.unwrap();
        assert_eq!(done.status(), q::UpdateStatus::Acknowledged);
        let get = q::GetPoints {
            collection_name: name(),
            ids: vec![num(id)],
            with_payload: all_of_it(),
            ..Default::default()
        };
        let found = door.points.get(get).await.unwrap().into_inner().result;
        let new = found.first().is_some_and(|point| point.payload["kind"] == text("new"));
        assert_eq!(new, written, "{id} {mode:?}");
    }
    let delete = q::DeletePoints { collection_name: name(), points: ids([51, 52]), ..Default::default() };
    door.points.delete(delete).await.unwrap();
    let count = q::CountPoints { collection_name: name(), ..Default::default() };
    assert_eq!(door.points.count(count).await.unwrap().into_inner().result.unwrap().count, 4);
    let scroll = q::ScrollPoints { collection_name: name(), limit: Some(3), ..Default::default() };
    let page = door.points.scroll(scroll).await.unwrap().into_inner();
    assert_eq!((page.result.len(), page.next_page_offset), (3, Some(uuid(UUID))));
    door.server.stop().await;
}

/// Older clients fill the fields of older forms: what makes them sparse, and what cuts them into rows.
#[tokio::test]
async fn vectors_of_older_forms_are_read() {
    let mut door = Door::filled().await;
    let config = json!({
        "vectors": {"m": {"size": 2, "distance": "Dot", "multivector_config": {"comparator": "max_sim"}}},
        "sparse_vectors": {"s": {}},
    });
    door.rest("PUT", "/collections/d", config).await;
    let sparse =
        q::Vector { data: vec![1.0, 2.0], indices: Some(q::SparseIndices { data: vec![7, 3] }), ..Default::default() };
    let multi = q::Vector { data: vec![1.0, 2.0, 3.0, 4.0], vectors_count: Some(2), ..Default::default() };
    let vectors = q::NamedVectors { vectors: [("s".to_owned(), sparse), ("m".to_owned(), multi)].into() };
    let vectors = Some(q::Vectors { vectors_options: Some(q::vectors::VectorsOptions::Vectors(vectors)) });
    let points = vec![q::PointStruct { id: Some(num(1)), vectors, ..Default::default() }.encode_to_vec().into()];
    let upsert = q::UpsertPoints { collection_name: "d".to_owned(), points, ..Default::default() };
    door.points.upsert(upsert).await.unwrap();
    let shown = door.rest("GET", "/collections/d/points/1", Value::Null).await;
    let expected = json!({"m": [[1.0, 2.0], [3.0, 4.0]], "s": {"indices": [3, 7], "values": [2.0, 1.0]}});
    assert_eq!(shown["vector"], expected);
    // Nearness within a sample, and a vector field that comes and goes.
    let matrix = q::SearchMatrixPoints { collection_name: name(), limit: Some(1), ..Default::default() };
    let pairs = door.points.search_matrix_pairs(matrix.clone()).await.unwrap().into_inner().result.unwrap().pairs;
    assert_eq!(pairs.len(), 4);
    assert_eq!((pairs[0].a.clone(), pairs[0].b.clone(), pairs[0].score), (Some(num(1)), Some(num(2)), 2.0));
    let offsets = door.points.search_matrix_offsets(matrix).await.unwrap().into_inner().result.unwrap();
    assert_eq!((offsets.offsets_row.len(), offsets.ids.len()), (4, 4));
    let dense = q::DenseVectorCreationConfig { size: 3, distance: q::Distance::Euclid.into(), ..Default::default() };
    let create = q::CreateVectorNameRequest {
        collection_name: "d".to_owned(),
        vector_name: "more".to_owned(),
        vector_config: Some(q::create_vector_name_request::VectorConfig::DenseConfig(dense)),
        ..Default::default()
    };
    door.points.create_vector_name(create.clone()).await.unwrap();
    let vectors = door.rest("GET", "/collections/d", Value::Null).await["config"]["params"]["vectors"].clone();
    assert_eq!(vectors["more"], json!({"size": 3, "distance": "Euclid"}));
    assert_eq!(door.points.create_vector_name(create).await.unwrap_err().code(), Code::AlreadyExists);
    let (collection_name, vector_name) = ("d".to_owned(), "more".to_owned());
    let delete = q::DeleteVectorNameRequest { collection_name, vector_name, ..Default::default() };
    door.points.delete_vector_name(delete.clone()).await.unwrap();
    assert_eq!(door.points.delete_vector_name(delete).await.unwrap_err().code(), Code::InvalidArgument);
    door.server.stop().await;
}

#[tokio::test]
async fn what_is_wrong_is_told_by_code_and_text() {
    let mut door = Door::filled().await;
    let asked = |of: q::QueryPoints| of;
    let nothing = q::Query { variant: None };
    let feedback = |b, score| {
        let vector = |data| q::vector_input::Variant::Dense(q::DenseVector { data });
        let input = |data| Some(q::VectorInput { variant: Some(vector(data)) });
        let naive = q::NaiveFeedbackStrategy { a: 1.0, b, c: 1.0 };
        let of = q::RelevanceFeedbackInput {
            target: input(vec![1.0, 1.0]),
            feedback: vec![q::FeedbackItem { example: input(vec![1.0, 0.0]), score }],
            strategy: Some(q::FeedbackStrategy { variant: Some(q::feedback_strategy::Variant::Naive(naive)) }),
        };
        let query = Some(q::Query { variant: Some(q::query::Variant::RelevanceFeedback(of)) });
        q::QueryPoints { query, ..Default::default() }
    };
    let id = q::VectorInput { variant: Some(q::vector_input::Variant::Id(num(404))) };
    let missing = q::Query { variant: Some(q::query::Variant::Nearest(id)) };
    let nan = nearest(vec![f32::NAN, 1.0]);
    let fields = q::PayloadIncludeSelector { fields: vec!["n".to_owned(); 257] };
    let fields = q::with_payload_selector::SelectorOptions::Include(fields);
    let with_payload = Some(q::WithPayloadSelector { selector_options: Some(fields) });
    for (of, code, says) in [
        (
            asked(q::QueryPoints { query: nearest(vec![1.0]), ..Default::default() }),
            Code::InvalidArgument,
            "expected dim: 2, got 1",
        ),
        (
            q::QueryPoints { query: nearest(vec![1.0, 2.0]), limit: Some(0), ..Default::default() },
            Code::InvalidArgument,
            "limit",
        ),
        (
            q::QueryPoints { query: nearest(vec![1.0, 2.0]), using: Some("x".to_owned()), ..Default::default() },
            Code::InvalidArgument,
            "Not existing vector name",
        ),
        (
            q::QueryPoints { query: nearest(vec![1.0, 2.0]), with_payload, ..Default::default() },
            Code::InvalidArgument,
            "257 paths; at most 256",
        ),
        (q::QueryPoints { query: nan, ..Default::default() }, Code::InvalidArgument, "NaN"),
        (q::QueryPoints { query: Some(nothing), ..Default::default() }, Code::InvalidArgument, "asks nothing"),
        (q::QueryPoints { query: Some(missing), ..Default::default() }, Code::NotFound, "No point with id 404"),
        (feedback(-1.0, 1.0), Code::InvalidArgument, "relevance_feedback.strategy.naive.b is -1; it is at least 0"),
        (feedback(f32::NAN, 1.0), Code::InvalidArgument, "relevance_feedback.strategy.naive.b is no number"),
        (feedback(1.0, f32::NAN), Code::InvalidArgument, "relevance_feedback.feedback[0].score is no number"),
        (feedback(1.0, f32::INFINITY), Code::InvalidArgument, "relevance_feedback.feedback[0].score is inf"),
    ] {
        let status = door.refused(of).await;
        assert!(status.code() == code && status.message().contains(says), "{status}");
    }
    let none = q::CountPoints { collection_name: "none".to_owned(), ..Default::default() };
    let status = door.points.count(none).await.unwrap_err();
    assert!(status.code() == Code::NotFound && status.message().contains("doesn't exist"), "{status}");
    let delete = q::DeletePoints { collection_name: name(), ..Default::default() };
    let status = door.points.delete(delete).await.unwrap_err();
    assert!(status.code() == Code::InvalidArgument && status.message().contains("ids or filter"), "{status}");
    let wrong = q::DeletePoints {
        collection_name: name(),
        points: Some(q::PointsSelector {
            points_selector_one_of: Some(q::points_selector::PointsSelectorOneOf::Points(q::PointsIdsList {
                ids: vec![uuid("seven")],
            })),
        }),
        ..Default::default()
    };
    assert_eq!(door.points.delete(wrong).await.unwrap_err().code(), Code::InvalidArgument);
    let gone = q::DeleteCollection { collection_name: "none".to_owned(), ..Default::default() };
    assert!(!door.collections.delete(gone).await.unwrap().into_inner().result);
    let update = q::UpdateCollection { collection_name: "none".to_owned(), ..Default::default() };
    assert_eq!(door.collections.update(update).await.unwrap_err().code(), Code::NotFound);
    let key = q::CreateShardKeyRequest::default();
    assert_eq!(door.collections.create_shard_key(key).await.unwrap_err().code(), Code::Unimplemented);
    let mut snapshots = SnapshotsClient::new(door.channel.clone());
    let status = snapshots.create_full(q::CreateFullSnapshotRequest {}).await.unwrap_err();
    assert!(status.code() == Code::Unimplemented && status.message().contains("not supported"), "{status}");
    door.server.stop().await;
}
