//! Texts in the place of vectors, through both doors for clients of the Qdrant API.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use nigh_proto::qdrant as q;
use nigh_proto::qdrant::points_client::PointsClient;
use nigh_tests::http;
use nigh_tests::server::{Server, Tuning};
use prost::Message;
use serde_json::{Value, json};
use tonic::Code;
use tonic::transport::Channel;

struct Door {
    points: PointsClient<Channel>,
    server: Server,
    _folder: tempfile::TempDir,
}

impl Door {
    /// A collection with vectors of all kinds.
    async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start_in(folder.path(), &Tuning::default()).await;
        let channel = Channel::from_shared(server.url.clone()).unwrap().connect().await.unwrap();
        let door = Self { points: PointsClient::new(channel), server, _folder: folder };
        let many = json!({"size": 2, "distance": "Dot", "multivector_config": {"comparator": "max_sim"}});
        let config = json!({
            "vectors": {"": {"size": 2, "distance": "Dot"}, "m": many}, "sparse_vectors": {"s": {"modifier": "idf"}, "t": {}},
        });
        door.good("PUT", "", config).await;
        door
    }

    async fn ask(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let (addr, method, path) = (self.server.http.clone(), method.to_owned(), format!("/collections/c{path}"));
        tokio::task::spawn_blocking(move || http::json(&addr, &method, &path, &body)).await.unwrap()
    }

    async fn good(&self, method: &str, path: &str, body: Value) -> Value {
        let (status, answer) = self.ask(method, path, body.clone()).await;
        assert_eq!(status, 200, "{method} {path} {body}: {answer}");
        answer["result"].clone()
    }

    async fn bad(&self, status: u16, method: &str, path: &str, body: Value) -> String {
        let (got, answer) = self.ask(method, path, body.clone()).await;
        assert_eq!(got, status, "{method} {path} {body}: {answer}");
        answer["status"]["error"].as_str().unwrap_or_default().to_owned()
    }

    /// The vectors of a point.
    async fn vectors(&self, id: u64) -> Value {
        self.good("GET", &format!("/points/{id}"), Value::Null).await["vector"].clone()
    }

    /// The ids that a query finds, best first.
    async fn found(&self, request: Value) -> Vec<Value> {
        let found = self.good("POST", "/points/query", request).await;
        found["points"].as_array().unwrap().iter().map(|point| point["id"].clone()).collect()
    }
}

fn document(text: &str) -> Value {
    json!({"text": text, "model": "Qdrant/bm25"})
}

fn sunny() -> Value {
    json!({"indices": [172_040_527, 520_205_939], "values": [1.904_311_1, 1.678_688_5]})
}

#[tokio::test]
async fn texts_are_kept_as_vectors_and_found_by_others() {
    let door = Door::open().await;
    let upsert = json!({"points": [
        {"id": 1, "vector": {"s": document("a sunny sunny day"), "": [1, 0]}},
        {"id": 2, "vector": {"s": document("A rainy day of the dogs"), "m": [[1, 2]]}},
        {"id": 3, "vector": {"s": document("the of and")}},
    ]});
    door.good("PUT", "/points?wait=true", upsert).await;
    let batch =
        json!({"batch": {"ids": [4, 5], "vectors": {"s": [document("dogs run"), document("a sunny sunny day")]}}});
    door.good("PUT", "/points?wait=true", batch).await;
    assert_eq!(door.vectors(1).await, json!({"": [1.0, 0.0], "s": sunny()}));
    assert_eq!(door.vectors(3).await["s"], json!({"indices": [], "values": []}));
    assert_eq!(door.vectors(5).await["s"], sunny());

    assert_eq!(door.found(json!({"query": document("sunny"), "using": "s"})).await.len(), 2);
    assert_eq!(door.found(json!({"query": {"nearest": document("the dog runs")}, "using": "s"})).await, [4, 2]);
    assert!(door.found(json!({"query": document("the of"), "using": "s"})).await.is_empty());
    let searched = json!({"vector": {"name": "s", "vector": document("rain rainy")}, "limit": 3});
    assert_eq!(door.good("POST", "/points/search", searched).await.as_array().unwrap().len(), 1);
    let fused = json!({"prefetch": [
        {"query": document("rainy"), "using": "s"}, {"query": [1, 0]},
    ], "query": {"fusion": "rrf"}});
    let mut found = door.found(fused).await;
    found.sort_by_key(Value::as_u64);
    assert_eq!(found, [1, 2]);

    // A token counts 1 in a query, however often it comes, and how rare it is.
    let asked = json!({"query": document("day day"), "using": "s"});
    let day = &door.good("POST", "/points/query", asked).await["points"];
    let rarity = ((5.0_f64 - 3.0 + 0.5) / 3.5 + 1.0).ln();
    let first = day[0]["score"].as_f64().unwrap();
    assert!((first - rarity * 1.678_688_5).abs() < 1e-3, "{first}, {rarity}");

    let update = json!({"points": [{"id": 2, "vector": {"t": document("a sunny sunny day")}}]});
    door.good("PUT", "/points/vectors?wait=true", update.clone()).await;
    assert_eq!(door.vectors(2).await["t"], sunny());
    let operations =
        json!({"operations": [{"update_vectors": {"points": [{"id": 1, "vector": {"t": document("dogs")}}]}}]});
    door.good("POST", "/points/batch?wait=true", operations).await;
    assert_eq!(door.found(json!({"query": document("dog"), "using": "t"})).await, [1]);
    let options = json!({"text": "Häuser", "model": "qdrant/bm25", "options": {"language": "german"}});
    let german = json!({"points": [{"id": 9, "vector": {"t": options}}]});
    door.good("PUT", "/points?wait=true", german).await;
    assert_eq!(door.found(json!({"query": document("haus"), "using": "t"})).await, [9]);
    door.server.stop().await;
}

#[tokio::test]
async fn texts_that_become_no_vector_say_why() {
    let door = Door::open().await;
    let write = |vector: Value| json!({"points": [{"id": 1, "vector": vector}]});
    for vector in [document("x"), json!({"": document("x")}), json!({"m": document("x")})] {
        let error = door.bad(400, "PUT", "/points", write(vector.clone())).await;
        assert!(error.contains("vector, not a sparse one"), "{error}");
        let error = door.bad(400, "PUT", "/points/vectors", write(vector)).await;
        assert!(error.contains("vector, not a sparse one"), "{error}");
    }
    let other = json!({"text": "x", "model": "sentence-transformers/all-minilm-l6-v2"});
    let image = json!({"image": "http://somewhere/x.png", "model": "Qdrant/clip"});
    for vector in [other.clone(), json!({"s": other}), image.clone(), json!({"": image})] {
        let error = door.bad(400, "PUT", "/points", write(vector)).await;
        assert!(error.contains("no inference service beside"), "{error}");
    }
    let wrong = json!({"text": "x", "model": "qdrant/bm25", "options": {"b": 7}});
    let error = door.bad(400, "PUT", "/points", write(json!({"s": wrong}))).await;
    assert!(error.contains("b is 7; it is from 0 to 1"), "{error}");

    let ask = |query: Value, using: &str| json!({"query": query, "using": using});
    door.bad(400, "POST", "/points/query", ask(document("x"), "")).await;
    door.bad(400, "POST", "/points/query", ask(document("x"), "m")).await;
    door.bad(400, "POST", "/points/query", ask(json!({"recommend": {"positive": [document("x")]}}), "")).await;
    door.bad(400, "POST", "/points/query", ask(json!({"text": "x"}), "s")).await;
    let error = door.bad(400, "POST", "/points/query", ask(other, "s")).await;
    assert!(error.contains("no inference service"), "{error}");
    let error = door.bad(400, "POST", "/points/query", ask(wrong, "s")).await;
    assert!(error.contains("b is 7"), "{error}");
    door.server.stop().await;
}

fn of(text: &str, model: &str, options: Value) -> q::Document {
    let options = options.as_object().unwrap().iter().map(|(name, value)| {
        let kind = match value {
            Value::String(text) => q::value::Kind::StringValue(text.clone()),
            value => q::value::Kind::DoubleValue(value.as_f64().unwrap()),
        };
        (name.clone(), q::Value { kind: Some(kind) })
    });
    q::Document { text: text.to_owned(), model: model.to_owned(), options: options.collect() }
}

fn upsert(name: &str, of: q::vector::Vector) -> q::UpsertPoints {
    let vector = q::Vector { vector: Some(of), ..q::Vector::default() };
    let vectors = q::NamedVectors { vectors: [(name.to_owned(), vector)].into() };
    let vectors = Some(q::Vectors { vectors_options: Some(q::vectors::VectorsOptions::Vectors(vectors)) });
    let id = Some(q::PointId { point_id_options: Some(q::point_id::PointIdOptions::Num(1)) });
    let point = q::PointStruct { id, payload: Default::default(), vectors };
    q::UpsertPoints {
        collection_name: "c".to_owned(),
        wait: Some(true),
        points: vec![point.encode_to_vec().into()],
        ..Default::default()
    }
}

fn query(using: &str, variant: q::vector_input::Variant) -> q::QueryPoints {
    let input = q::VectorInput { variant: Some(variant) };
    q::QueryPoints {
        collection_name: "c".to_owned(),
        query: Some(q::Query { variant: Some(q::query::Variant::Nearest(input)) }),
        using: Some(using.to_owned()),
        ..Default::default()
    }
}

#[tokio::test]
async fn messages_bring_texts_too() {
    use q::vector::Vector;
    use q::vector_input::Variant;
    let mut door = Door::open().await;
    let document = of("a sunny sunny day", "qdrant/BM25", json!({}));
    door.points.upsert(upsert("s", Vector::Document(document))).await.unwrap();
    assert_eq!(door.vectors(1).await["s"], sunny());
    let german = of("Häuser", "qdrant/bm25", json!({"language": "german", "avg_len": 10.0}));
    door.points.upsert(upsert("t", Vector::Document(german.clone()))).await.unwrap();
    let found = door.points.query(query("t", Variant::Document(german))).await.unwrap().into_inner().result;
    // One of one token: 2.2 / (1.2 * (0.25 + 0.75 / 10) + 1).
    assert_eq!((found.len(), found[0].score), (1, 1.582_733_9));

    let wrong = of("x", "qdrant/bm25", json!({"tokenizer": "words"}));
    let later = of("x", "qdrant/bm25", json!({"tokenizer": "multilingual"}));
    let other = of("x", "another", json!({}));
    let dense = of("x", "qdrant/bm25", json!({}));
    let image = q::Image { model: "Qdrant/clip".to_owned(), ..Default::default() };
    let object = q::InferenceObject { model: "any/thing".to_owned(), ..Default::default() };
    for (name, vector, asked, code) in [
        ("s", Vector::Document(wrong.clone()), Variant::Document(wrong), Code::InvalidArgument),
        ("s", Vector::Document(later.clone()), Variant::Document(later), Code::Unimplemented),
        ("s", Vector::Document(other.clone()), Variant::Document(other), Code::Unimplemented),
        ("", Vector::Image(image.clone()), Variant::Image(image), Code::Unimplemented),
        ("s", Vector::Object(object.clone()), Variant::Object(object), Code::Unimplemented),
        ("", Vector::Document(dense.clone()), Variant::Document(dense), Code::InvalidArgument),
    ] {
        let status = door.points.upsert(upsert(name, vector)).await.unwrap_err();
        assert_eq!(status.code(), code, "{status}");
        let status = door.points.query(query(name, asked)).await.unwrap_err();
        assert_eq!(status.code(), code, "{status}");
    }
    door.server.stop().await;
}
