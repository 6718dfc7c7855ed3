//! The door for clients of the Qdrant API, request by request, as the bytes go over the wire.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use nigh_tests::http;
use nigh_tests::server::{Server, Tuning};
use serde_json::{Value, json};

struct Door {
    addr: String,
    server: Server,
    _folder: tempfile::TempDir,
}

impl Door {
    async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start_in(folder.path(), &Tuning::default()).await;
        Self { addr: server.http.clone(), server, _folder: folder }
    }

    async fn ask(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let (addr, method, path) = (self.addr.clone(), method.to_owned(), path.to_owned());
        tokio::task::spawn_blocking(move || http::json(&addr, &method, &path, &body)).await.unwrap()
    }

    /// The result of a request that goes well.
    async fn good(&self, method: &str, path: &str, body: Value) -> Value {
        let (status, answer) = self.ask(method, path, body.clone()).await;
        assert_eq!(status, 200, "{method} {path} {body}: {answer}");
        assert_eq!(answer["status"], "ok", "{answer}");
        assert!(answer["time"].is_f64(), "{answer}");
        answer["result"].clone()
    }

    /// The error of a request that does not.
    async fn bad(&self, status: u16, method: &str, path: &str, body: Value) -> String {
        let (got, answer) = self.ask(method, path, body.clone()).await;
        assert_eq!(got, status, "{method} {path} {body}: {answer}");
        answer["status"]["error"].as_str().unwrap_or_default().to_owned()
    }

    /// A collection of four points with two numbers each.
    async fn filled() -> Self {
        let door = Self::open().await;
        let config = json!({"vectors": {"size": 2, "distance": "Dot"}});
        assert_eq!(door.good("PUT", "/collections/c", config).await, true);
        let points = json!({"points": [
            {"id": 1, "vector": [1.0, 0.0], "payload": {"kind": "a", "n": 1, "tags": ["x", "y"]}},
            {"id": 2, "vector": [2.0, 0.0], "payload": {"kind": "b", "n": 2, "in": {"ner": 1, "other": 2}}},
            {"id": 3, "vector": [0.0, 3.0], "payload": {"kind": "a", "n": 3}},
            {"id": "550e8400-e29b-41d4-a716-446655440000", "vector": [0.0, 4.0]},
        ]});
        let update = door.good("PUT", "/collections/c/points?wait=true", points).await;
        assert_eq!(update["status"], "completed");
        door
    }
}

fn ids(points: &Value) -> Vec<Value> {
    points.as_array().unwrap().iter().map(|point| point["id"].clone()).collect()
}

#[tokio::test]
async fn a_collection_lives_and_goes() {
    let door = Door::open().await;
    let (status, version) = door.ask("GET", "/", Value::Null).await;
    assert!(status == 200 && version["version"].is_string(), "{version}");
    assert_eq!(door.good("GET", "/collections", Value::Null).await, json!({"collections": []}));
    let config = json!({
        "vectors": {"image": {"size": 4, "distance": "Cosine"}, "text": {"size": 3, "distance": "Euclid"}},
        "hnsw_config": {"m": 24}, "metadata": {"owner": "me"},
    });
    assert_eq!(door.good("PUT", "/collections/c", config.clone()).await, true);
    let again = door.bad(409, "PUT", "/collections/c", config.clone()).await;
    assert!(again.contains("already exists"), "{again}");
    assert_eq!(door.good("GET", "/collections/c/exists", Value::Null).await, json!({"exists": true}));
    let shown = door.good("GET", "/collections/c", Value::Null).await;
    assert_eq!(shown["status"], "green");
    assert_eq!(shown["config"]["params"]["vectors"], config["vectors"]);
    assert_eq!(shown["config"]["hnsw_config"]["m"], 24);
    assert_eq!(shown["config"]["metadata"], config["metadata"]);
    let changed = door.good("PATCH", "/collections/c", json!({"hnsw_config": {"ef_construct": 7}})).await;
    assert_eq!(changed, true);
    let hnsw = &door.good("GET", "/collections/c", Value::Null).await["config"]["hnsw_config"];
    assert_eq!((&hnsw["m"], &hnsw["ef_construct"]), (&json!(24), &json!(7)));
    let index = json!({"field_name": "city", "field_schema": "keyword"});
    door.good("PUT", "/collections/c/index?wait=true", index).await;
    let schema = &door.good("GET", "/collections/c", Value::Null).await["payload_schema"];
    assert_eq!(schema["city"]["data_type"], "keyword");
    door.good("DELETE", "/collections/c/index/city", Value::Null).await;

    let alias = json!({"actions": [{"create_alias": {"alias_name": "live", "collection_name": "c"}}]});
    door.good("POST", "/collections/aliases", alias).await;
    assert_eq!(
        door.good("GET", "/aliases", Value::Null).await,
        json!({"aliases": [{"alias_name": "live", "collection_name": "c"}]})
    );
    assert_eq!(door.good("GET", "/collections/live", Value::Null).await["points_count"], 0);

    assert_eq!(door.good("DELETE", "/collections/c", Value::Null).await, true);
    assert_eq!(door.good("DELETE", "/collections/c", Value::Null).await, false);
    let gone = door.bad(404, "GET", "/collections/c", Value::Null).await;
    assert!(gone.contains("doesn't exist"), "{gone}");
    door.server.stop().await;
}

#[tokio::test]
async fn points_are_found_by_vector_and_filter() {
    let door = Door::filled().await;
    let asked = |more: Value| {
        let mut request = json!({"query": [1.0, 0.5]});
        request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        request
    };
    let path = "/collections/c/points/query";
    let all = door.good("POST", path, asked(json!({}))).await;
    let uuid = json!("550e8400-e29b-41d4-a716-446655440000");
    assert_eq!(ids(&all["points"]), [json!(2), uuid.clone(), json!(3), json!(1)]);
    assert_eq!(all["points"][0]["score"], 2.0);
    assert!(all["points"][0].get("payload").is_none() && all["points"][0].get("vector").is_none());
    let filter = json!({"must": [{"key": "kind", "match": {"value": "a"}}]});
    let found = door.good("POST", path, asked(json!({"filter": filter, "with_payload": true}))).await;
    assert_eq!(ids(&found["points"]), [json!(3), json!(1)]);
    assert_eq!(found["points"][1]["payload"], json!({"kind": "a", "n": 1, "tags": ["x", "y"]}));
    // What lies on the threshold is no hit.
    let above = door.good("POST", path, asked(json!({"score_threshold": 1.5}))).await;
    assert_eq!(ids(&above["points"]), [json!(2), uuid.clone()]);
    let page = door.good("POST", path, asked(json!({"limit": 1, "offset": 1}))).await;
    assert_eq!(ids(&page["points"]), std::slice::from_ref(&uuid));
    // A point that is asked about is not among the answers.
    let like = door.good("POST", path, json!({"query": 2, "with_vector": true})).await;
    assert_eq!(ids(&like["points"])[0], 1);
    assert_eq!(like["points"][0]["vector"], json!([1.0, 0.0]));
    // The older form.
    let search = json!({"vector": [1.0, 0.5], "limit": 2});
    let hits = door.good("POST", "/collections/c/points/search", search.clone()).await;
    assert_eq!(ids(&hits), [json!(2), uuid]);
    let searches = json!({"searches": [search, {"vector": [0.0, 1.0], "limit": 1}]});
    let batch = door.good("POST", "/collections/c/points/search/batch", searches).await;
    assert_eq!(ids(&batch[1]).len(), 1);
    door.server.stop().await;
}

#[tokio::test]
async fn rankings_are_fused_and_scored_as_clients_expect() {
    let door = Door::filled().await;
    let path = "/collections/c/points/query";
    let sources = json!([{"query": [1.0, 0.0], "limit": 2}, {"query": [1.0, 0.1], "limit": 2}]);
    let fused = door.good("POST", path, json!({"prefetch": sources, "query": {"fusion": "rrf"}})).await;
    // First in both: 1 / (2 + 0) twice.
    assert_eq!((&fused["points"][0]["id"], &fused["points"][0]["score"]), (&json!(2), &json!(1.0)));
    let formula = json!({"sum": ["$score", {"mult": [10, "n"]}]});
    let request = json!({
        "prefetch": {"query": [1.0, 0.0], "limit": 4}, "query": {"formula": formula, "defaults": {"n": 0}},
    });
    let scored = door.good("POST", path, request).await;
    assert_eq!((&scored["points"][0]["id"], &scored["points"][0]["score"]), (&json!(3), &json!(30.0)));
    let ordered = json!({"query": {"order_by": {"key": "n", "direction": "desc"}}});
    let ordered = door.good("POST", path, ordered).await;
    assert_eq!(ids(&ordered["points"]), [json!(3), json!(2), json!(1)]);
    assert_eq!(ordered["points"][0]["score"], 1.0);
    let recommend = json!({"query": {"recommend": {"positive": [1], "negative": [3]}}});
    let found = door.good("POST", path, recommend).await;
    assert_eq!(ids(&found["points"])[0], 2);
    let groups = json!({"query": [1.0, 1.0], "group_by": "kind", "group_size": 1});
    let groups = door.good("POST", "/collections/c/points/query/groups", groups).await;
    let keys: Vec<&Value> = groups["groups"].as_array().unwrap().iter().map(|group| &group["id"]).collect();
    assert_eq!(keys, [&json!("a"), &json!("b")]);
    let facet = door.good("POST", "/collections/c/facet", json!({"key": "kind"})).await;
    assert_eq!(facet["hits"], json!([{"value": "a", "count": 2}, {"value": "b", "count": 1}]));
    door.server.stop().await;
}

#[tokio::test]
async fn payloads_and_vectors_change() {
    let door = Door::filled().await;
    let payload = async |id: u64| door.good("GET", &format!("/collections/c/points/{id}"), Value::Null).await;
    let of = "/collections/c/points";
    let set = json!({"payload": {"n": null, "new": [1]}, "points": [1]});
    door.good("POST", &format!("{of}/payload?wait=true"), set).await;
    assert_eq!(payload(1).await["payload"], json!({"kind": "a", "tags": ["x", "y"], "new": [1]}));
    let below = json!({"payload": {"deep": true}, "points": [2], "key": "in"});
    door.good("POST", &format!("{of}/payload"), below).await;
    assert_eq!(payload(2).await["payload"]["in"], json!({"ner": 1, "other": 2, "deep": true}));
    door.good("POST", &format!("{of}/payload/delete"), json!({"keys": ["in.ner", "n"], "points": [2]})).await;
    assert_eq!(payload(2).await["payload"], json!({"kind": "b", "in": {"other": 2, "deep": true}}));
    door.good("PUT", &format!("{of}/payload"), json!({"payload": {"only": 1}, "points": [2]})).await;
    assert_eq!(payload(2).await["payload"], json!({"only": 1}));
    let filter = json!({"filter": {"must": [{"key": "only", "match": {"value": 1}}]}});
    door.good("POST", &format!("{of}/payload/clear"), filter).await;
    assert_eq!(payload(2).await["payload"], json!({}));
    let vectors = json!({"points": [{"id": 2, "vector": [7.0, 7.0]}]});
    door.good("PUT", &format!("{of}/vectors"), vectors).await;
    assert_eq!(payload(2).await["vector"], json!([7.0, 7.0]));
    door.good("POST", &format!("{of}/vectors/delete"), json!({"points": [2], "vector": [""]})).await;
    assert_eq!(payload(2).await["vector"], json!({}));
    let operations = json!({"operations": [
        {"delete": {"points": [1]}}, {"upsert": {"points": [{"id": 9, "vector": [1, 1], "payload": {"n": 2.5}}]}},
    ]});
    door.good("POST", &format!("{of}/batch"), operations).await;
    let count = door.good("POST", &format!("{of}/count"), json!({"exact": true})).await;
    assert_eq!(count, json!({"count": 4}));
    let batch = json!({"batch": {"ids": [20, 21], "vectors": [[1, 0], [0, 1]], "payloads": [{"n": 1}, null]}});
    door.good("PUT", of, batch).await;
    let page = door.good("POST", &format!("{of}/scroll"), json!({"limit": 2, "offset": 9})).await;
    assert_eq!((ids(&page["points"]), &page["next_page_offset"]), (vec![json!(9), json!(20)], &json!(21)));
    let some = json!({"ids": [21, 404, 21, 9], "with_payload": ["n"]});
    let some = door.good("POST", of, some).await;
    assert_eq!(some, json!([{"id": 21, "payload": {}}, {"id": 9, "payload": {"n": 2.5}}]));
    door.server.stop().await;
}

/// A batch by columns of unlike length once overwrote the points whose rows were missing with nothing, and dropped rows
/// that were too many.
#[tokio::test]
async fn columns_of_a_batch_have_a_row_for_each_id() {
    let door = Door::filled().await;
    let of = "/collections/c/points";
    let all = async || {
        let all = json!({"limit": 100, "with_payload": true, "with_vector": true});
        door.good("POST", &format!("{of}/scroll"), all).await
    };
    let before = all().await;
    for (batch, status) in [
        (json!({"ids": [1, 2, 3], "vectors": [[9, 9]], "payloads": [{}, {}, {}]}), 422),
        (json!({"ids": [1], "vectors": [[9, 9], [8, 8]]}), 422),
        (json!({"ids": [], "vectors": [[9, 9]]}), 422),
        (json!({"ids": [1, 2], "vectors": {"": [[9, 9]]}}), 422),
        (json!({"ids": [1, 2], "vectors": {"": [[9, 9], [8, 8], [7, 7]]}}), 422),
        (json!({"ids": [1, 2], "vectors": [[9, 9], [8, 8]], "payloads": [{"z": 1}]}), 422),
        (json!({"ids": [1], "vectors": [[9, 9]], "payloads": [{"z": 1}, {"z": 2}]}), 422),
        (json!({"ids": [1, 2], "vectors": [], "payloads": []}), 422),
        (json!({"ids": [1, 2]}), 400),
        (json!({"ids": [1, 2], "vectors": 7}), 400),
        (json!({"ids": [1, 2], "vectors": [[9, 9], [8, 8]], "payloads": {"z": 1}}), 400),
        (json!({"ids": [1, 2], "vectors": {"": null}}), 400),
    ] {
        let told = door.bad(status, "PUT", of, json!({ "batch": batch })).await;
        let within = json!({"operations": [{"upsert": {"batch": batch}}]});
        assert_eq!(door.bad(status, "POST", &format!("{of}/batch"), within).await, told);
        assert_eq!(all().await, before, "{batch}");
    }
    door.server.stop().await;
}

/// What is looked up becomes a vector each: sixty thousand of them took a gigabyte before they were counted. The last one
/// that is asked for is not there, so whoever looks before he counts says that.
#[tokio::test]
async fn what_is_too_many_is_refused_before_it_is_looked_up() {
    let door = Door::filled().await;
    let of = "/collections/c/points/query";
    let from = json!({"collection": "c"});
    let ids = |count: usize| [vec![404], vec![1; count - 1]].concat();
    let examples = |positive: usize, negative: usize| {
        let recommend = json!({"positive": ids(positive), "negative": vec![1; negative]});
        json!({"query": {"recommend": recommend}, "lookup_from": from})
    };
    let pairs = |count| {
        let pairs = vec![json!({"positive": 404, "negative": 1}); count];
        json!({"query": {"context": pairs}, "lookup_from": from})
    };
    let context = vec![json!({"positive": 1, "negative": 1}); 128];
    let target = json!({"query": {"discover": {"target": 404, "context": context}}, "lookup_from": from});
    for (count, request) in [(257, examples(257, 0)), (257, examples(200, 57)), (258, pairs(129)), (257, target)] {
        let told = door.bad(400, "POST", of, request).await;
        assert_eq!(told, format!("Wrong input: number of examples is {count}; there are 1 to 256"));
    }
    for request in [examples(256, 0), pairs(128)] {
        assert_eq!(door.bad(404, "POST", of, request).await, "Not found: No point with id 404 found");
    }
    let prefetches = |count: usize| {
        let one = |id: u64| json!({"query": id, "lookup_from": from});
        let several = [vec![one(1); count - 1], vec![one(404)]].concat();
        json!({"query": {"fusion": "rrf"}, "prefetch": several})
    };
    let told = door.bad(400, "POST", of, prefetches(16)).await;
    assert_eq!(told, "Wrong input: number of retrievers is over 16; a query has 1 to 16 retrievers");
    assert_eq!(door.bad(404, "POST", of, prefetches(15)).await, "Not found: No point with id 404 found");
    door.server.stop().await;
}

/// Changes inside of a payload read it first: of those who do so at the same time, all are heard.
#[tokio::test]
async fn changes_inside_of_one_payload_at_once_are_all_kept() {
    let door = Door::filled().await;
    let of = "/collections/c/points";
    let set = async |n: usize| {
        let change = json!({"payload": {format!("k{n}"): n}, "key": "in.side", "points": [2]});
        door.good("POST", &format!("{of}/payload"), change).await
    };
    let declare = async |n: usize| {
        let index = json!({"field_name": format!("f{n}"), "field_schema": "keyword"});
        door.good("PUT", "/collections/c/index", index).await
    };
    tokio::join!(set(0), set(1), set(2), set(3), set(4), set(5), declare(0), declare(1), declare(2), declare(3));
    let gone = json!({"keys": ["in.side.k0", "in.other"], "points": [2]});
    door.good("POST", &format!("{of}/payload/delete"), gone).await;
    let inside = door.good("GET", &format!("{of}/2"), Value::Null).await["payload"]["in"].clone();
    assert_eq!(inside, json!({"ner": 1, "side": {"k1": 1, "k2": 2, "k3": 3, "k4": 4, "k5": 5}}));
    let schema = door.good("GET", "/collections/c", Value::Null).await["payload_schema"].clone();
    assert_eq!(schema.as_object().unwrap().len(), 4, "{schema}");
    door.server.stop().await;
}

/// Who writes on a condition does not go by what was true before somebody else wrote.
#[tokio::test]
async fn what_is_written_on_a_condition_holds_when_it_is_written() {
    const COUNT: u64 = 200;
    let door = Door::filled().await;
    let of = "/collections/c/points";
    let payload = async || door.good("GET", &format!("{of}/2"), Value::Null).await["payload"].clone();
    let counts = async || {
        for n in 10..10 + COUNT {
            door.good("PUT", &format!("{of}/payload"), json!({"payload": {"n": n}, "points": [2]})).await;
        }
    };
    // Marks go with the number that they were made for, and a number that is gone does not come back.
    let marks = async |whole: bool| {
        let mut last = 0;
        while last < 9 + COUNT {
            let seen = payload().await;
            let n = seen["n"].as_u64().unwrap();
            assert!(n >= last, "{n} came back behind {last}");
            assert!(seen["at"].is_null() || seen["at"]["n"] == n, "{seen}");
            last = n;
            let now = json!({"must": [{"key": "n", "match": {"value": n}}]});
            if whole {
                let point = json!({"id": 2, "vector": [1.0, 0.0], "payload": {"n": n}});
                door.good("PUT", of, json!({"points": [point], "update_filter": now})).await;
            } else {
                let mark = json!({"payload": {"n": n}, "key": "at", "filter": now});
                door.good("POST", &format!("{of}/payload"), mark).await;
            }
        }
    };
    tokio::join!(counts(), marks(true), marks(false), marks(true), marks(false));
    door.server.stop().await;
}

/// A page that somebody happens to look at reaches a server on the same machine, and may send a form to it.
#[tokio::test]
async fn a_page_of_another_origin_changes_nothing() {
    let door = Door::filled().await;
    let of = "/collections/c/points";
    let wipe = |lines: Vec<String>| {
        let (addr, path) = (door.addr.clone(), format!("{of}/delete"));
        let body = br#"{"filter": {}}"#;
        let lines = move || -> u16 {
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            http::request_with(&addr, "POST", &path, &lines, body).0
        };
        async move { tokio::task::spawn_blocking(lines).await.unwrap() }
    };
    let form = "Content-Type: text/plain".to_owned();
    assert_eq!(wipe(vec![form.clone(), "Origin: http://evil.example".into()]).await, 403);
    assert_eq!(wipe(vec![form.clone(), "Origin: null".into()]).await, 403);
    let count = door.good("POST", &format!("{of}/count"), json!({"exact": true})).await;
    assert_eq!(count, json!({"count": 4}));
    assert_eq!(wipe(vec![form, format!("Origin: http://{}", door.addr)]).await, 200);
    door.server.stop().await;
}

#[tokio::test]
async fn what_is_wrong_is_told_by_code_and_text() {
    let door = Door::filled().await;
    let of = "/collections/c/points";
    for (status, method, path, body, says) in [
        (400, "POST", format!("{of}/query"), json!({"query": [1.0]}), "expected dim: 2, got 1"),
        (400, "POST", format!("{of}/query"), json!({"query": [1, 2], "using": "x"}), "Not existing vector name"),
        (404, "POST", format!("{of}/query"), json!({"query": 404}), "No point with id 404"),
        (422, "POST", format!("{of}/query"), json!({"query": [1, 2], "limit": 0}), "limit"),
        (422, "POST", of.to_owned(), json!({"ids": [1], "with_payload": vec!["n"; 257]}), "257 paths; at most 256"),
        (
            422,
            "POST",
            format!("{of}/query"),
            json!({"query": [1, 2], "with_payload": {"exclude": vec!["n"; 257]}}),
            "257 paths; at most 256",
        ),
        (400, "POST", format!("{of}/query"), json!({"query": {"fusion": "rrf"}}), "prefetch"),
        (400, "POST", format!("{of}/query"), json!({"query": [1, 2], "filter": {"most": []}}), "most"),
        (400, "POST", format!("{of}/query"), json!({"query": {"indices": [1], "values": [1.0]}}), "Wrong vector type"),
        (422, "POST", format!("{of}/query"), json!({"query": {"recommend": {}}}), "example"),
        (400, "PUT", of.to_owned(), json!({"points": []}), "Empty update request"),
        (400, "PUT", of.to_owned(), json!({"points": [{"id": -1, "vector": [1, 2]}]}), "point ID"),
        (400, "POST", format!("{of}/delete"), json!({}), "ids or filter"),
        (400, "POST", format!("{of}/delete"), json!([1]), "object"),
        (404, "POST", format!("{of}/payload"), json!({"payload": {"a": 1}, "points": [404]}), "No point with id 404"),
        (404, "POST", "/collections/none/points/count".to_owned(), json!({}), "doesn't exist"),
        (400, "PUT", "/collections/d".to_owned(), json!({"vectors": {"size": 2, "distance": "cosine"}}), "distance"),
        (400, "PUT", "/collections/d".to_owned(), json!({"vectors": {"size": 0, "distance": "Dot"}}), "size"),
        (422, "PUT", "/collections/a:b".to_owned(), json!({}), "collection_name"),
        (400, "POST", "/snapshots".to_owned(), json!({}), "not supported"),
        (400, "PUT", "/collections/c/snapshots/recover".to_owned(), json!({}), "location"),
        (400, "PUT", "/collections/c/shards".to_owned(), json!({}), "not supported"),
        (
            400,
            "POST",
            format!("{of}/query/groups"),
            json!({"query": [1, 2], "group_by": "n", "limit": 20_000}),
            "10000",
        ),
    ] {
        let error = door.bad(status, method, &path, body.clone()).await;
        assert!(error.contains(says), "{method} {path} {body}: {error}");
    }
    let (addr, path) = (door.addr.clone(), format!("{of}/query"));
    let broken = tokio::task::spawn_blocking(move || http::request(&addr, "POST", &path, b"{\"query\":")).await;
    let (status, body) = broken.unwrap();
    assert!(status == 400 && body.contains("Format error in JSON body"), "{status} {body}");
    door.server.stop().await;
}
