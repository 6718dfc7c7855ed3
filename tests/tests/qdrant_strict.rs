//! Strict mode of the Qdrant API: what goes beyond a collection's limits is refused, over both ways, and without it nothing is.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use nigh_proto::qdrant as q;
use nigh_proto::qdrant::collections_client::CollectionsClient;
use nigh_proto::qdrant::points_client::PointsClient;
use nigh_tests::http;
use nigh_tests::server::{Server, Tuning};
use serde_json::{Value, json};

struct Strict {
    server: Server,
    _folder: tempfile::TempDir,
}

impl Strict {
    /// A collection of five points and these limits, with an index on `kind`.
    async fn with(limits: Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start_in(folder.path(), &Tuning::default()).await;
        let strict = Self { server, _folder: folder };
        let made = json!({"vectors": {
            "v": {"size": 2, "distance": "Dot"},
            "m": {"size": 2, "distance": "Dot", "multivector_config": {"comparator": "max_sim"}},
        }, "sparse_vectors": {"s": {}}});
        strict.check(200, "PUT", "/collections/c", made).await;
        let points: Vec<_> =
            (1..6).map(|at| json!({"id": at, "vector": {"v": [at, 1]}, "payload": {"kind": "a", "n": at}})).collect();
        strict.check(200, "PUT", "/collections/c/points?wait=true", json!({ "points": points })).await;
        strict
            .check(200, "PUT", "/collections/c/index", json!({"field_name": "kind", "field_schema": "keyword"}))
            .await;
        strict.check(200, "PATCH", "/collections/c", json!({ "strict_mode_config": limits })).await;
        strict
    }

    async fn check(&self, expected: u16, method: &'static str, path: &'static str, body: Value) -> String {
        let (addr, sent) = (self.server.http.clone(), body.clone());
        let asked = move || http::json(&addr, method, path, &sent);
        let (status, answer) = tokio::task::spawn_blocking(asked).await.unwrap();
        assert_eq!(status, expected, "{method} {path} {body}: {answer}");
        answer["status"]["error"].as_str().unwrap_or_default().to_owned()
    }
}

fn matching(key: &str) -> Value {
    json!({"must": [{"key": key, "match": {"value": "a"}}]})
}

const QUERY: &str = "/collections/c/points/query";
const SCROLL: &str = "/collections/c/points/scroll";
const UPSERT: &str = "/collections/c/points?wait=true";
const DELETE: &str = "/collections/c/points/delete";

#[tokio::test]
async fn what_goes_beyond_a_limit_is_refused() {
    let strict = Strict::with(json!({
        "enabled": true, "max_query_limit": 4, "max_timeout": 10, "unindexed_filtering_retrieve": false,
        "unindexed_filtering_update": false, "search_max_hnsw_ef": 50, "search_allow_exact": false,
        "search_max_batchsize": 2, "upsert_max_batchsize": 2, "filter_max_conditions": 2, "condition_max_size": 3,
        "search_max_oversampling": 2.5, "max_payload_index_count": 1, "sparse_config": {"s": {"max_length": 2}}, "multivector_config": {"m": {"max_vectors": 1}},
    }))
    .await;
    let query = |more: Value| {
        let mut query = json!({"query": [1, 1], "using": "v", "limit": 4});
        query.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        query
    };
    strict.check(200, "POST", QUERY, query(json!({"filter": matching("kind"), "params": {"hnsw_ef": 50}}))).await;
    strict.check(200, "POST", SCROLL, json!({"limit": 4, "filter": matching("kind")})).await;
    let oversampled = |by: f64| json!({"params": {"quantization": {"oversampling": by}}});
    strict.check(200, "POST", QUERY, query(oversampled(2.5))).await;
    let text = strict.check(400, "POST", QUERY, query(oversampled(3.0))).await;
    assert_eq!(text, "Bad request: Limit exceeded 3 > 2.5 for \"oversampling\"");
    let text = strict.check(400, "POST", QUERY, query(json!({"limit": 5}))).await;
    assert_eq!(text, "Bad request: Limit exceeded 5 > 4 for \"limit\"");
    for (path, wrong) in [
        (QUERY, json!({"query": {"fusion": "rrf"}, "limit": 2, "prefetch": [query(json!({"limit": 5}))]})),
        (QUERY, query(json!({"filter": matching("n")}))),
        (QUERY, query(json!({"filter": {"must": [{"nested": {"key": "kind", "filter": matching("kind")}}]}}))),
        (QUERY, query(json!({"params": {"hnsw_ef": 51}}))),
        (QUERY, query(json!({"params": {"exact": true}}))),
        (QUERY, json!({"query": {"fusion": "rrf"}, "limit": 2, "prefetch": query(oversampled(2.6))})),
        (QUERY, json!({"limit": 5})),
        ("/collections/c/points/query/batch", json!({"searches": [{"limit": 1}, {"limit": 1}, {"limit": 1}]})),
        ("/collections/c/points/query/groups", query(json!({"group_by": "kind", "limit": 3, "group_size": 2}))),
        ("/collections/c/points/search", json!({"vector": {"name": "v", "vector": [1, 1]}, "limit": 5})),
        (SCROLL, json!({"limit": 5})),
        (SCROLL, json!({"limit": 5, "order_by": "n"})),
        (SCROLL, json!({"limit": 1, "filter": {"must": [{"has_id": [1]}, {"has_id": [1]}, {"has_id": [1]}]}})),
        (SCROLL, json!({"limit": 1, "filter": {"must": [{"has_id": [1, 2, 3, 4]}]}})),
        (SCROLL, json!({"limit": 1, "filter": {"must": [{"key": "kind", "match": {"any": ["a", "b", "c", "d"]}}]}})),
        ("/collections/c/points/count", json!({"filter": matching("n")})),
        ("/collections/c/facet", json!({"key": "kind", "limit": 5})),
        ("/collections/c/points/count?timeout=11", json!({})),
        (DELETE, json!({"filter": matching("n")})),
    ] {
        strict.check(400, "POST", path, wrong).await;
    }
    let points = |vector: Value, count: u64| json!({"points": (0..count).map(|at| json!({"id": at + 1, "vector": vector})).collect::<Vec<_>>()});
    strict.check(200, "PUT", UPSERT, points(json!({"v": [1, 2]}), 2)).await;
    for wrong in [
        points(json!({"v": [1, 2]}), 3),
        points(json!({"s": {"indices": [1, 2, 3], "values": [1, 1, 1]}}), 1),
        points(json!({"m": [[1, 2], [3, 4]]}), 1),
    ] {
        strict.check(400, "PUT", UPSERT, wrong).await;
    }
    let index = json!({"field_name": "n", "field_schema": "integer"});
    strict.check(400, "PUT", "/collections/c/index", index).await;
    strict.check(200, "POST", DELETE, json!({"filter": matching("kind")})).await;

    let mut client = PointsClient::connect(strict.server.url.clone()).await.unwrap();
    let scroll = |limit| q::ScrollPoints { collection_name: "c".into(), limit: Some(limit), ..Default::default() };
    client.scroll(scroll(4)).await.unwrap();
    assert_eq!(client.scroll(scroll(5)).await.unwrap_err().code(), tonic::Code::InvalidArgument);
}

#[tokio::test]
async fn bytes_of_vectors_and_of_payloads_are_limited_until_what_was_deleted_is_gone() {
    // Five vectors of two numbers, and payloads of 18 bytes: {"kind":"a","n":1}.
    let strict = Strict::with(json!({"enabled": true, "max_collection_vector_size_bytes": 60})).await;
    let point = |id: u64| json!({"points": [{"id": id, "vector": {"v": [1, 2], "m": [[1, 2], [3, 4]]}}]});
    strict.check(200, "PUT", UPSERT, point(9)).await;
    let text = strict.check(400, "PUT", UPSERT, point(10)).await;
    assert_eq!(text, "Bad request: Max vector storage size of 60 bytes reached, there are 64");
    let vectors = json!({"points": [{"id": 9, "vector": {"v": [2, 2]}}]});
    strict.check(400, "PUT", "/collections/c/points/vectors", vectors).await;
    let set = json!({"payload": {"n": 1}, "points": [1]});
    strict.check(200, "POST", "/collections/c/points/payload?wait=true", set.clone()).await;
    strict.check(200, "POST", DELETE, json!({"points": [9]})).await;

    let payloads = json!({"strict_mode_config": {"max_collection_vector_size_bytes": 6000, "max_collection_payload_size_bytes": 80}});
    strict.check(200, "PATCH", "/collections/c", payloads).await;
    let text = strict.check(400, "POST", "/collections/c/points/payload?wait=true", set).await;
    assert!(text.starts_with("Bad request: Max payload storage size of 80 bytes reached, there are "), "{text}");
    strict.check(400, "PUT", UPSERT, point(10)).await;
    let vectors = json!({"points": [{"id": 1, "vector": {"v": [2, 2]}}]});
    strict.check(200, "PUT", "/collections/c/points/vectors?wait=true", vectors).await;
    strict.check(200, "POST", "/collections/c/points/payload/clear?wait=true", json!({"points": [1]})).await;
}

#[tokio::test]
async fn limits_by_field_are_the_same_over_both_ways() {
    let strict = Strict::with(json!({"enabled": true})).await;
    let by_name = |most| [("s".to_owned(), q::StrictModeSparse { max_length: Some(most) })].into_iter().collect();
    let config = q::StrictModeConfig {
        sparse_config: Some(q::StrictModeSparseConfig { sparse_config: by_name(2) }),
        ..Default::default()
    };
    let update =
        q::UpdateCollection { collection_name: "c".into(), strict_mode_config: Some(config), ..Default::default() };
    let mut collections = CollectionsClient::connect(strict.server.url.clone()).await.unwrap();
    collections.update(update).await.unwrap();
    let of = |indices: &[u64]| json!({"points": [{"id": 1, "vector": {"s": {"indices": indices, "values": indices}}}]});
    strict.check(200, "PUT", UPSERT, of(&[1, 2])).await;
    strict.check(400, "PUT", UPSERT, of(&[1, 2, 3])).await;

    let multi = json!({"strict_mode_config": {"multivector_config": {"m": {"max_vectors": 1}}}});
    strict.check(200, "PATCH", "/collections/c", multi).await;
    let asked = q::GetCollectionInfoRequest { collection_name: "c".into() };
    let shown = collections.get(asked).await.unwrap().into_inner().result.unwrap().config.unwrap();
    let shown = shown.strict_mode_config.unwrap();
    assert_eq!(shown.enabled, Some(true));
    assert_eq!(shown.sparse_config.unwrap().sparse_config, by_name(2));
    assert_eq!(shown.multivector_config.unwrap().multivector_config["m"].max_vectors, Some(1));
}

#[tokio::test]
async fn a_full_collection_takes_no_points_and_limits_that_are_off_hold_nobody() {
    let strict = Strict::with(json!({"enabled": true, "max_points_count": 5})).await;
    let point = json!({"points": [{"id": 9, "vector": {"v": [1, 2]}}]});
    let text = strict.check(400, "PUT", UPSERT, point.clone()).await;
    assert_eq!(text, "Bad request: Limit exceeded 6 > 5 for \"points count\"");
    strict.check(200, "PATCH", "/collections/c", json!({"strict_mode_config": {"enabled": false}})).await;
    strict.check(200, "PUT", UPSERT, point).await;
}

#[tokio::test]
async fn rates_hold_reads_and_writes_and_say_when_to_come_back() {
    let strict = Strict::with(json!({"enabled": true, "read_rate_limit": 6, "write_rate_limit": 3})).await;
    let get = "/collections/c/points";
    let points = |ids: &[u64]| json!({"points": ids.iter().map(|id| json!({"id": id, "vector": {"v": [1, 2]}})).collect::<Vec<_>>()});
    strict.check(200, "PUT", UPSERT, points(&[1, 2])).await;
    let never = strict.check(429, "PUT", UPSERT, points(&[1, 2, 3, 4])).await;
    assert!(never.starts_with("Write rate limit exceeded: this counts as 4 of 3 a minute"), "{never}");
    strict.check(200, "POST", DELETE, json!({"filter": matching("kind")})).await;
    strict.check(429, "POST", DELETE, json!({"points": [1]})).await;

    // Reads are counted apart, and a batch as all of its searches.
    let search = json!({"query": [1, 1], "using": "v", "limit": 1});
    strict.check(200, "POST", "/collections/c/points/query/batch", json!({"searches": [search, search]})).await;
    strict.check(429, "POST", "/collections/c/points/query/batch", json!({"searches": vec![search.clone(); 7]})).await;
    strict.check(200, "POST", get, json!({"ids": [1, 2]})).await;
    strict.check(200, "POST", SCROLL, json!({})).await;
    strict.check(200, "POST", "/collections/c/points/count", json!({})).await;
    strict.check(429, "POST", QUERY, search).await;
    strict.check(200, "GET", "/collections/c", Value::Null).await;

    // It says when to come back where that helps, over both ways.
    let addr = strict.server.http.clone();
    let asked = move || http::request_with(&addr, "POST", SCROLL, &["Content-Type: application/json"], b"{}");
    let (status, head, _) = tokio::task::spawn_blocking(asked).await.unwrap();
    assert_eq!(status, 429, "{head}");
    let told = head.lines().find_map(|line| line.strip_prefix("retry-after: ")).unwrap();
    let seconds = told.parse::<u64>().unwrap();
    assert!((1..=10).contains(&seconds), "{seconds}");
    let mut client = PointsClient::connect(strict.server.url.clone()).await.unwrap();
    let scroll = q::ScrollPoints { collection_name: "c".into(), ..Default::default() };
    let refused = client.scroll(scroll).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::ResourceExhausted);
    assert!(refused.metadata().get("retry-after").is_some());
    let many = q::GetPoints {
        collection_name: "c".into(),
        ids: (0..7).map(|id| q::PointId { point_id_options: Some(q::point_id::PointIdOptions::Num(id)) }).collect(),
        ..Default::default()
    };
    let refused = client.get(many).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::ResourceExhausted);
    assert!(refused.metadata().get("retry-after").is_none(), "waiting does not help");

    // Another limit begins anew.
    let more = json!({"strict_mode_config": {"enabled": true, "read_rate_limit": 60}});
    strict.check(200, "PATCH", "/collections/c", more).await;
    strict.check(200, "POST", SCROLL, json!({})).await;
}
