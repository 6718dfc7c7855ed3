//! Bodies that somebody bent: whatever is sent to the REST door of the Qdrant API, the answer is no error of the
//! server's own, and the server goes on.
//!
//! Good requests are changed in one to three places, by a seed: values of other types, greatest and least numbers,
//! fields that are left out, doubled, moved or nested. `NIGH_MUTATIONS` sets how many are sent.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use nigh_tests::http;
use nigh_tests::random::Random;
use nigh_tests::server::{Server, Tuning};
use serde_json::{Map, Value, json};

const MUTATIONS: u64 = 1500;

/// Method, path, body: each of them goes well as it stands, or is refused for a reason.
fn good() -> Vec<(&'static str, &'static str, Value)> {
    let filter = json!({
        "must": [{"key": "kind", "match": {"value": "a"}}, {"has_id": [1, 2]}],
        "should": [{"key": "n", "range": {"gte": 1, "lt": 5}}, {"is_empty": {"key": "x"}}],
        "must_not": [{"nested": {"key": "parts", "filter": {"must": [{"key": "k", "match": {"any": [1, 2]}}]}}}],
        "min_should": {"conditions": [{"key": "at", "geo_radius": {"center": {"lat": 1, "lon": 2}, "radius": 10}}], "min_count": 1},
    });
    let box_of = json!({"top_left": {"lat": 2, "lon": 1}, "bottom_right": {"lat": 1, "lon": 2}});
    let formula =
        json!({"sum": ["$score", {"mult": [2, {"abs": "n"}]}, {"gauss_decay": {"x": "n", "scale": 2, "target": 1}}]});
    let sources = json!([{"query": [1, 0], "limit": 3, "using": "v"}, {"query": {"indices": [1, 5], "values": [1, 2]}, "using": "s"}]);
    let examples = json!({"positive": [1, [1, 0]], "negative": [2], "strategy": "best_score"});
    vec![
        (
            "PUT",
            "/collections/x",
            json!({"vectors": {"v": {"size": 4, "distance": "Dot", "hnsw_config": {"m": 4}}}, "sparse_vectors": {"s": {"modifier": "idf"}}, "metadata": {"a": 1}}),
        ),
        (
            "PATCH",
            "/collections/c",
            json!({"hnsw_config": {"m": 8}, "metadata": {"a": [1]}, "strict_mode_config": {"enabled": true}}),
        ),
        (
            "POST",
            "/collections/aliases",
            json!({"actions": [{"create_alias": {"alias_name": "y", "collection_name": "c"}}, {"rename_alias": {"old_alias_name": "y", "new_alias_name": "z"}}, {"delete_alias": {"alias_name": "z"}}]}),
        ),
        (
            "PUT",
            "/collections/c/index",
            json!({"field_name": "n.m", "field_schema": {"type": "text", "tokenizer": "word"}}),
        ),
        ("PUT", "/collections/c/vectors/more", json!({"dense": {"size": 3, "distance": "Euclid"}})),
        (
            "PUT",
            "/collections/c/points?wait=true",
            json!({"points": [{"id": 7, "vector": {"v": [1, 2], "s": {"indices": [3, 9], "values": [1, 2]}, "m": [[1, 2], [3, 4]]}, "payload": {"kind": "a", "n": 3, "parts": [{"k": 1}]}}], "update_filter": filter, "update_mode": "upsert"}),
        ),
        (
            "PUT",
            "/collections/c/points",
            json!({"batch": {"ids": [8, 9], "vectors": {"v": [[1, 2], [3, 4]]}, "payloads": [{"a": 1}, null]}}),
        ),
        (
            "POST",
            "/collections/c/points",
            json!({"ids": [1, 2, 3], "with_payload": {"include": ["a.b"]}, "with_vector": ["v", "s"]}),
        ),
        ("POST", "/collections/c/points/delete", json!({"points": [900]})),
        (
            "POST",
            "/collections/c/points/delete",
            json!({"filter": {"must": [{"key": "kind", "match": {"value": "none"}}]}}),
        ),
        (
            "PUT",
            "/collections/c/points/vectors",
            json!({"points": [{"id": 1, "vector": {"v": [5, 5]}}], "update_filter": filter}),
        ),
        ("POST", "/collections/c/points/vectors/delete", json!({"points": [3], "vector": ["s"]})),
        ("POST", "/collections/c/points/payload", json!({"payload": {"deep": {"er": 1}}, "points": [1], "key": "a.b"})),
        ("PUT", "/collections/c/points/payload", json!({"payload": {"kind": "b"}, "filter": filter})),
        ("POST", "/collections/c/points/payload/delete", json!({"keys": ["a.b", "c"], "points": [1, 2]})),
        ("POST", "/collections/c/points/payload/clear", json!({"points": [3]})),
        (
            "POST",
            "/collections/c/points/batch",
            json!({"operations": [{"upsert": {"points": [{"id": 5, "vector": {"v": [1, 1]}}]}}, {"set_payload": {"payload": {"n": 1}, "points": [5]}}, {"delete": {"points": [5]}}]}),
        ),
        (
            "POST",
            "/collections/c/points/scroll",
            json!({"limit": 3, "offset": 1, "filter": filter, "with_payload": true}),
        ),
        (
            "POST",
            "/collections/c/points/scroll",
            json!({"limit": 3, "order_by": {"key": "n", "direction": "desc", "start_from": 4}}),
        ),
        (
            "POST",
            "/collections/c/points/count",
            json!({"filter": {"must": [{"key": "at", "geo_bounding_box": box_of}]}, "exact": true}),
        ),
        ("POST", "/collections/c/facet", json!({"key": "kind", "limit": 3, "filter": filter, "exact": true})),
        (
            "POST",
            "/collections/c/points/query",
            json!({"query": [1, 0], "using": "v", "filter": filter, "limit": 4, "offset": 1, "params": {"hnsw_ef": 8, "exact": false}, "score_threshold": 0.1, "with_vector": true}),
        ),
        (
            "POST",
            "/collections/c/points/query",
            json!({"prefetch": sources, "query": {"rrf": {"k": 3, "weights": [1, 2]}}, "limit": 3}),
        ),
        (
            "POST",
            "/collections/c/points/query",
            json!({"prefetch": {"query": [1, 0], "using": "v"}, "query": {"formula": formula, "defaults": {"n": 1}}}),
        ),
        (
            "POST",
            "/collections/c/points/query",
            json!({"query": {"recommend": examples}, "using": "v", "lookup_from": {"collection": "c", "vector": "v"}}),
        ),
        (
            "POST",
            "/collections/c/points/query",
            json!({"query": {"discover": {"target": 1, "context": [{"positive": 2, "negative": [0, 1]}]}}, "using": "v"}),
        ),
        (
            "POST",
            "/collections/c/points/query",
            json!({"query": {"relevance_feedback": {"target": 1, "feedback": [{"example": 2, "score": 0.5}, {"example": [0, 1], "score": -1}], "strategy": {"naive": {"a": 1, "b": 0.5, "c": 2}}}}, "using": "v"}),
        ),
        (
            "POST",
            "/collections/c/points/query",
            json!({"query": {"nearest": [1, 0], "mmr": {"diversity": 0.5, "candidates_limit": 8}}, "using": "v"}),
        ),
        ("POST", "/collections/c/points/query", json!({"query": [[1, 0], [0, 1]], "using": "m"})),
        (
            "POST",
            "/collections/c/points/query",
            json!({"query": {"recommend": {"positive": [1, {"indices": [1, 5], "values": [1, 2]}], "negative": [{"indices": [], "values": []}]}}, "using": "s", "lookup_from": {"collection": "c", "vector": "s"}}),
        ),
        (
            "POST",
            "/collections/c/points/query",
            json!({"query": {"discover": {"target": [[1, 0], [0, 1]], "context": [{"positive": 1, "negative": [[1, 1]]}]}}, "using": "m"}),
        ),
        (
            "POST",
            "/collections/c/points/query",
            json!({"query": {"nearest": [[1, 0], [0, 1]], "mmr": {"candidates_limit": 5}}, "using": "m"}),
        ),
        (
            "POST",
            "/collections/c/points/query/batch",
            json!({"searches": [{"query": 1, "using": "v"}, {"query": {"order_by": "n"}}, {"query": {"sample": "random"}}]}),
        ),
        (
            "POST",
            "/collections/c/points/query/groups",
            json!({"query": [1, 0], "using": "v", "group_by": "kind", "limit": 2, "group_size": 2, "with_lookup": {"collection": "c", "with_payload": ["kind"]}}),
        ),
        ("POST", "/collections/c/points/search", json!({"vector": {"name": "v", "vector": [1, 0]}, "limit": 2})),
        (
            "POST",
            "/collections/c/points/recommend",
            json!({"positive": [1], "negative": [2], "using": "v", "limit": 2}),
        ),
        (
            "POST",
            "/collections/c/points/discover",
            json!({"target": 1, "context": [{"positive": 1, "negative": 2}], "using": "v", "limit": 2}),
        ),
        (
            "POST",
            "/collections/c/points/search/matrix/pairs",
            json!({"sample": 3, "limit": 2, "using": "v", "filter": filter}),
        ),
    ]
}

fn odd(random: &mut Random) -> Value {
    let odd = [
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(1e308),
        json!(-0.5),
        json!(4_294_967_296_u64),
        json!(""),
        json!("a[0].b"),
        json!("a..b"),
        json!("\u{0}"),
        json!("2024-02-30T25:00:00Z"),
        json!("x".repeat(3000)),
        json!([]),
        json!([[]]),
        json!({}),
        json!([null]),
        json!([1e40, 1.0]),
        json!({"": {}}),
        json!({"must": {"must": {}}}),
    ];
    odd[random.below(odd.len() as u64) as usize].clone()
}

/// Changes one place of a value.
fn bend(value: &mut Value, random: &mut Random) {
    let inner = match value {
        Value::Array(items) => items.len(),
        Value::Object(fields) => fields.len(),
        _ => 0,
    };
    if inner > 0 && random.below(4) > 0 {
        let at = random.below(inner as u64) as usize;
        match value {
            Value::Array(items) => return bend(&mut items[at], random),
            Value::Object(fields) => return bend(fields.values_mut().nth(at).unwrap(), random),
            _ => {}
        }
    }
    match (random.below(6), value) {
        (0, Value::Object(fields)) if inner > 0 => {
            let key = fields.keys().nth(random.below(inner as u64) as usize).unwrap().clone();
            fields.shift_remove(&key);
        }
        (1, Value::Object(fields)) => drop(fields.insert("unheard_of".to_owned(), odd(random))),
        (0, Value::Array(items)) => drop(items.pop()),
        (1, Value::Array(items)) => items.extend(items.clone()),
        (2, value) => {
            let mut deep = value.take();
            for _ in 0..random.below(60) {
                deep = match random.below(2) {
                    0 => json!([deep]),
                    _ => Map::from_iter([("must".to_owned(), deep)]).into(),
                };
            }
            *value = deep;
        }
        (_, value) => *value = odd(random),
    }
}

#[tokio::test]
async fn no_bent_body_is_an_error_of_the_servers_own() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_in(folder.path(), &Tuning::default()).await;
    let addr = server.http.clone();
    let count = std::env::var("NIGH_MUTATIONS").ok().and_then(|count| count.parse().ok()).unwrap_or(MUTATIONS);
    let work = move || {
        let config = json!({
            "vectors": {
                "v": {"size": 2, "distance": "Dot"},
                "m": {"size": 2, "distance": "Dot", "multivector_config": {"comparator": "max_sim"}},
            },
            "sparse_vectors": {"s": {}},
        });
        assert_eq!(http::json(&addr, "PUT", "/collections/c", &config).0, 200);
        let point = |id: u64| {
            let vector = json!({"v": [id, 1], "s": {"indices": [id, 9], "values": [1, 2]}, "m": [[id, 1]]});
            json!({"id": id, "vector": vector, "payload": {"kind": "a", "n": id, "parts": [{"k": id}], "at": {"lat": 1, "lon": 2}}})
        };
        let points = json!({"points": (1..5).map(point).collect::<Vec<_>>()});
        assert_eq!(http::json(&addr, "PUT", "/collections/c/points", &points).0, 200);
        let mut answered = std::collections::BTreeMap::new();
        for (method, path, body) in good() {
            let (status, answer) = http::json(&addr, method, path, &body);
            assert_eq!(status, 200, "{method} {path} {body}: {answer}");
        }
        for seed in 0..count {
            let mut random = Random::new(seed);
            let all = good();
            let (method, path, mut body) = all[random.below(all.len() as u64) as usize].clone();
            for _ in 0..=random.below(3) {
                bend(&mut body, &mut random);
            }
            let (status, answer) = http::json(&addr, method, path, &body);
            assert!(status < 500, "seed {seed}: {method} {path} {body}: {status} {answer}");
            *answered.entry(status).or_insert(0) += 1;
        }
        // Bending that is always refused, or never, would show nothing.
        assert!(answered[&200] > 0 && answered[&400] > 0, "{answered:?}");
        assert_eq!(http::json(&addr, "GET", "/collections/c", &Value::Null).0, 200);
    };
    tokio::task::spawn_blocking(work).await.unwrap();
    server.stop().await;
}
