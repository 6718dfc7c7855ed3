//! Words and rarity through both doors for clients of the Qdrant API: queries by text, the points among which a term is rare
//! or is not, and how near points of a sample are by what they are not dense by.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use nigh_proto::qdrant as q;
use nigh_proto::qdrant::points_client::PointsClient;
use nigh_tests::http;
use nigh_tests::server::{Server, Tuning};
use nigh_tests::wire;
use serde_json::{Value, json};
use tonic::Code;
use tonic::transport::Channel;

struct Door {
    points: PointsClient<Channel>,
    wire: wire::Door,
    server: Server,
    _folder: tempfile::TempDir,
}

impl Door {
    async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start_in(folder.path(), &Tuning::default()).await;
        let channel = Channel::from_shared(server.url.clone()).unwrap().connect().await.unwrap();
        let wire = wire::Door::open(&server.url).await;
        Self { points: PointsClient::new(channel), wire, server, _folder: folder }
    }

    async fn ask(&self, status: u16, method: &'static str, path: &'static str, body: Value) -> Value {
        let (addr, sent) = (self.server.http.clone(), body.clone());
        let asked = move || http::json(&addr, method, &format!("/collections/c{path}"), &sent);
        let (got, answer) = tokio::task::spawn_blocking(asked).await.unwrap();
        assert_eq!(got, status, "{method} {path} {body}: {answer}");
        if status == 200 { answer["result"].clone() } else { answer["status"]["error"].clone() }
    }

    /// Ids and scores over REST, best first.
    async fn hits(&self, request: Value) -> Vec<(u64, f32)> {
        let found = self.ask(200, "POST", "/points/query", request).await;
        let hit = |hit: &Value| (hit["id"].as_u64().unwrap(), hit["score"].as_f64().unwrap() as f32);
        found["points"].as_array().unwrap().iter().map(hit).collect()
    }
}

fn ids_of(found: Vec<q::ScoredPoint>) -> Vec<(u64, f32)> {
    let id = |id: Option<q::PointId>| match id.unwrap().point_id_options.unwrap() {
        q::point_id::PointIdOptions::Num(id) => id,
        q::point_id::PointIdOptions::Uuid(uuid) => panic!("{uuid}"),
    };
    found.into_iter().map(|hit| (id(hit.id), hit.score)).collect()
}

fn query(variant: q::query::Variant, using: &str) -> q::QueryPoints {
    q::QueryPoints {
        collection_name: "c".to_owned(),
        query: Some(q::Query { variant: Some(variant) }),
        using: Some(using.to_owned()),
        ..Default::default()
    }
}

fn close(found: &[(u64, f32)], expected: &[(u64, f32)]) {
    let same = |(one, other): (&(u64, f32), &(u64, f32))| one.0 == other.0 && (one.1 - other.1).abs() < 1e-5;
    assert!(found.len() == expected.len() && found.iter().zip(expected).all(same), "{found:?} {expected:?}");
}

/// The weight of a term that so many of so many points have.
fn rarity(have: f32, all: f32) -> f32 {
    ((all - have + 0.5) / (have + 0.5)).ln_1p()
}

#[tokio::test]
async fn rarity_is_counted_among_the_points_that_are_asked_for() {
    let mut door = Door::open().await;
    let config = json!({"vectors": {"d": {"size": 1, "distance": "Dot"}}, "sparse_vectors": {"s": {"modifier": "idf"}, "plain": {}}});
    door.ask(200, "PUT", "", config).await;
    let point = |id: u64, kind: &str, indices: &[u32]| {
        let sparse = json!({"indices": indices, "values": vec![1; indices.len()]});
        json!({"id": id, "payload": {"kind": kind}, "vector": {"s": sparse, "plain": sparse, "d": [id]}})
    };
    let points = json!({"points": [
        point(1, "a", &[1]), point(2, "a", &[1]), point(3, "a", &[2]), point(4, "b", &[1]), point(5, "b", &[2, 3]),
        {"id": 6, "payload": {"kind": "a"}, "vector": {"d": [1]}},
    ]});
    door.ask(200, "PUT", "/points?wait=true", points).await;

    let kind_a = json!({"must": [{"key": "kind", "match": {"value": "a"}}]});
    let asked = |params: Value| json!({"query": {"indices": [1, 2], "values": [1, 1]}, "using": "s", "params": params});
    let expected = |one: f32, two: f32| {
        let mut hits = vec![(1, one), (2, one), (3, two), (4, one), (5, two)];
        hits.sort_by(|left: &(u64, f32), right| right.1.total_cmp(&left.1).then(left.0.cmp(&right.0)));
        hits
    };
    let everywhere = expected(rarity(3.0, 5.0), rarity(2.0, 5.0));
    close(&door.hits(asked(json!({}))).await, &everywhere);
    close(&door.hits(asked(json!({"idf": "global"}))).await, &everywhere);
    // Of the three points of that kind that have the vector two have the one, and one the other.
    let among = expected(rarity(2.0, 3.0), rarity(1.0, 3.0));
    close(&door.hits(asked(json!({"idf": {"corpus": kind_a}}))).await, &among);
    // What is found is not what is counted.
    let narrow = json!({"query": {"indices": [1, 2], "values": [1, 1]}, "using": "s", "params": {"idf": {"corpus": kind_a}}, "filter": {"must": [{"has_id": [5]}]}});
    close(&door.hits(narrow).await, &[(5, rarity(1.0, 3.0))]);
    // Examples are weighed so, too: the term of the third point, which one of three has.
    let like = json!({"query": {"recommend": {"positive": [3], "strategy": "sum_scores"}}, "using": "s", "params": {"idf": {"corpus": kind_a}}, "limit": 1});
    close(&door.hits(like).await, &[(5, rarity(1.0, 3.0))]);

    let sparse = q::SparseVector { indices: vec![1, 2], values: vec![1.0, 1.0] };
    let nearest = q::VectorInput { variant: Some(q::vector_input::Variant::Sparse(sparse)) };
    let keyword = q::Match { match_value: Some(q::r#match::MatchValue::Keyword("a".to_owned())) };
    let field = q::FieldCondition { key: "kind".to_owned(), r#match: Some(keyword), ..Default::default() };
    let condition = q::Condition { condition_one_of: Some(q::condition::ConditionOneOf::Field(field)) };
    let corpus = Some(q::Filter { must: vec![condition], ..Default::default() });
    let params = Some(q::SearchParams { idf: Some(q::IdfParams { corpus }), ..Default::default() });
    let request = q::QueryPoints { params, ..query(q::query::Variant::Nearest(nearest), "s") };
    close(&ids_of(door.points.query(request).await.unwrap().into_inner().result), &among);

    for (using, asked) in [("plain", json!({"indices": [1], "values": [1]})), ("d", json!([1]))] {
        let wrong = json!({"query": asked, "using": using, "params": {"idf": {"corpus": kind_a}}});
        let why = door.ask(400, "POST", "/points/query", wrong).await;
        assert!(why.as_str().unwrap().contains("corpus is given"), "{why}");
    }
    for wrong in [json!({"idf": "local"}), json!({"idf": {"corpus": 1}}), json!({"idf": {}})] {
        door.ask(400, "POST", "/points/query", asked(wrong)).await;
    }
}

#[tokio::test]
async fn texts_are_asked_by_their_words() {
    let mut door = Door::open().await;
    door.wire.create("c", wire::spec(&[("v", 1)], &[("body", "english")])).await.unwrap();
    let body = ["old boats of stone", "boats, boats and wind", "letters on paper", "a boat"];
    let ops = (1..).zip(body).map(|(id, body)| {
        wire::upsert(wire::point(wire::num(id), &[("v", &[id as f32])], &json!({ "body": body }).to_string()))
    });
    door.wire.write("c", ops.collect()).await.unwrap();
    let own = door.wire.query(wire::query("c", vec![wire::text("body", "boats stone")], 10)).await.unwrap();
    let own: Vec<_> = own.hits.iter().map(|hit| (wire::number(&hit.id), hit.score)).collect();
    assert_eq!(own.len(), 3, "{own:?}");

    let of = |text: Value| json!({"query": {"text": text}, "using": "body"});
    close(&door.hits(of(json!("boats stone"))).await, &own);
    let same_constants = json!({"query": "boats stone", "scoring": {"bm25": {"k": 1.2, "b": 0.75}}});
    close(&door.hits(of(same_constants)).await, &own);
    let asked = |query: &str, scoring| query_by_text(q::TextQuery { query: query.to_owned(), scoring });
    close(&ids_of(door.points.query(asked("boats stone", None)).await.unwrap().into_inner().result), &own);
    // Among no points at all every word is as rare, and every length as good.
    let nowhere = json!({"idf": {"corpus": {"must": [{"key": "kind", "match": {"value": "none"}}]}}});
    let one = json!({"query": {"text": "stone"}, "using": "body", "params": nowhere});
    close(&door.hits(one).await, &[(1, rarity(0.0, 0.0))]);
    // Beside a dense one, as a hybrid query has it.
    let sources = json!([of(json!("boats stone")), {"query": [1.0], "using": "v"}]);
    assert_eq!(door.hits(json!({"prefetch": sources, "query": {"fusion": "rrf"}})).await.len(), 4);

    // Constants of the query's own: without saturation and lengths a word counts as often as it stands there.
    let plain = Some(q::text_query::Scoring::Bm25(q::Bm25Params { k: Some(0.0), b: None }));
    let flat = ids_of(door.points.query(asked("boats boats", plain)).await.unwrap().into_inner().result);
    let expected = rarity(3.0, 4.0);
    close(&flat, &[(1, expected), (2, expected), (4, expected)]);
    let wrong = Some(q::text_query::Scoring::Bm25(q::Bm25Params { k: None, b: Some(2.0) }));
    assert_eq!(door.points.query(asked("boats", wrong)).await.unwrap_err().code(), Code::InvalidArgument);
    for using in ["v", "nowhere"] {
        let why = door.ask(400, "POST", "/points/query", json!({"query": {"text": "boats"}, "using": using})).await;
        assert!(why.as_str().unwrap().contains("Index required but not found"), "{why}");
    }
    door.ask(400, "POST", "/points/query", of(json!({"query": 1}))).await;
}

#[tokio::test]
async fn an_index_with_scoring_ranks_what_was_there_and_what_comes() {
    let door = Door::open().await;
    door.ask(200, "PUT", "", json!({"vectors": {"": {"size": 1, "distance": "Dot"}}})).await;
    let points = async |from: u64, texts: &[&str]| {
        let point = |(id, text): (u64, &&str)| json!({"id": id, "vector": [id], "payload": {"a": {"b": text}}});
        let points: Vec<Value> = (from..).zip(texts).map(point).collect();
        door.ask(200, "PUT", "/points?wait=true", json!({ "points": points })).await;
    };
    points(1, &["old boats", "The boat is running", "wind"]).await;
    let index = async |more: Value| {
        let mut schema = json!({"type": "text"});
        schema.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        door.ask(200, "PUT", "/index?wait=true", json!({"field_name": "a.b", "field_schema": schema})).await
    };
    let of = |text: &str| json!({"query": {"text": text}, "using": "a.b"});
    let found = async |text: &str| {
        let mut found: Vec<u64> = door.hits(of(text)).await.into_iter().map(|(id, _)| id).collect();
        found.sort_unstable();
        found
    };
    // Without scoring an index is declared and no more.
    index(json!({})).await;
    door.ask(400, "POST", "/points/query", of("boats")).await;
    index(json!({"scoring": true})).await;
    points(4, &["boats and boats"]).await;
    assert_eq!(found("boats").await, [1, 4]);
    close(&door.hits(of("wind")).await[..1], &[(3, door.hits(of("WIND wind")).await[0].1)]);
    // Declared in another way it is read anew.
    index(json!({"scoring": {"type": "bm25"}, "stemmer": {"type": "snowball", "language": "english"}, "stopwords": "english"})).await;
    assert_eq!(found("boats").await, [1, 2, 4]);
    assert_eq!(found("running").await, [2]);
    assert_eq!(found("the").await, [0_u64; 0]);
    let shown = door.ask(200, "GET", "", Value::Null).await["payload_schema"]["a.b"]["params"].clone();
    assert_eq!((&shown["scoring"]["type"], &shown["stopwords"]), (&json!("bm25"), &json!("english")));
    let unlike =
        json!({"field_name": "a.b", "field_schema": {"type": "text", "scoring": true, "tokenizer": "multilingual"}});
    let why = door.ask(400, "PUT", "/index?wait=true", unlike).await;
    assert!(why.as_str().unwrap().contains("not supported"), "{why}");
    assert_eq!(found("running").await, [2], "what was refused changed nothing");
    door.ask(200, "DELETE", "/index/a.b?wait=true", Value::Null).await;
    door.ask(400, "POST", "/points/query", of("boats")).await;

    // What nigh's own API made stays as it is.
    door.wire.create("d", wire::spec(&[], &[("title", "english")])).await.unwrap();
    let (addr, own) =
        (door.server.http.clone(), json!({"field_name": "title", "field_schema": {"type": "text", "scoring": true}}));
    let asked = move || {
        let put = http::json(&addr, "PUT", "/collections/d/index?wait=true", &own).0;
        (put, http::json(&addr, "DELETE", "/collections/d/index/title?wait=true", &Value::Null).0)
    };
    assert_eq!(tokio::task::spawn_blocking(asked).await.unwrap(), (200, 200));
    let texts = door.wire.status("d").await.unwrap();
    drop(texts);
    door.wire.query(wire::query("d", vec![wire::text("title", "x")], 1)).await.unwrap();
}

fn query_by_text(text: q::TextQuery) -> q::QueryPoints {
    query(q::query::Variant::Text(text), "body")
}

#[tokio::test]
async fn points_of_a_sample_are_compared_by_vectors_of_every_kind() {
    let door = Door::open().await;
    let many = json!({"size": 2, "distance": "Dot", "multivector_config": {"comparator": "max_sim"}});
    door.ask(200, "PUT", "", json!({"vectors": {"m": many}, "sparse_vectors": {"s": {}}})).await;
    let point = |id: u64, value: f64, index: u32| {
        let sparse = json!({"indices": [1, index], "values": [value, 1]});
        json!({"id": id, "vector": {"s": sparse, "m": [[value, 0], [0, 1]]}})
    };
    // The fourth has nothing in common with the others, and several vectors it has none of.
    let apart = json!({"id": 4, "vector": {"s": {"indices": [99], "values": [1]}}});
    let points = json!({"points": [point(1, 1.0, 10), point(2, 2.0, 10), point(3, 3.0, 11), apart]});
    door.ask(200, "PUT", "/points?wait=true", points).await;
    let pairs = async |using: &str| {
        let asked = json!({"using": using, "limit": 2, "sample": 10});
        let found = door.ask(200, "POST", "/points/search/matrix/pairs", asked).await;
        let pair =
            |pair: &Value| (pair["a"].as_u64().unwrap(), pair["b"].as_u64().unwrap(), pair["score"].as_f64().unwrap());
        found["pairs"].as_array().unwrap().iter().map(pair).collect::<Vec<_>>()
    };
    let sparse = [(1, 2, 3.0), (1, 3, 3.0), (2, 3, 6.0), (2, 1, 3.0), (3, 2, 6.0), (3, 1, 3.0)];
    assert_eq!(pairs("s").await, sparse);
    // Each of a point's two vectors with the nearer of the other's: the one product, and 1.
    let several = [(1, 3, 4.0), (1, 2, 3.0), (2, 3, 7.0), (2, 1, 3.0), (3, 2, 7.0), (3, 1, 4.0)];
    assert_eq!(pairs("m").await, several);
}
