//! Every call of nigh.v1 as JSON over HTTP, and the files of the console.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use nigh_tests::http;
use nigh_tests::server::{Server, Tuning};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

struct Door {
    addr: String,
    _server: Server,
    _folder: tempfile::TempDir,
}

impl Door {
    async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start_in(folder.path(), &Tuning::default()).await;
        Self { addr: server.http.clone(), _server: server, _folder: folder }
    }

    async fn ask(&self, call: &str, body: Value) -> (u16, Value) {
        let (addr, path) = (self.addr.clone(), format!("/nigh.v1.{call}"));
        tokio::task::spawn_blocking(move || http::json(&addr, "POST", &path, &body)).await.unwrap()
    }

    async fn good(&self, call: &str, body: Value) -> Value {
        let (status, reply) = self.ask(call, body).await;
        assert_eq!(status, 200, "{call}: {reply}");
        reply
    }

    /// Head and body of an answer that need not be JSON.
    async fn raw(&self, method: &str, path: &str, lines: &[&str], body: &str) -> (u16, String, String) {
        let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        let (addr, method, path, body) = (self.addr.clone(), method.to_owned(), path.to_owned(), body.to_owned());
        let send = move || {
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            http::request_with(&addr, &method, &path, &lines, body.as_bytes())
        };
        tokio::task::spawn_blocking(send).await.unwrap()
    }

    /// A collection of three points with two numbers each.
    async fn filled() -> Self {
        let door = Self::open().await;
        let spec = json!({"vectors": [{"name": "v", "size": 2, "metric": "METRIC_DOT"}], "texts": [{"name": "t"}]});
        assert_eq!(door.good("Collections/Create", json!({"collection": "c", "spec": spec})).await["created"], true);
        let point = |id: u64, x: f32, text: &str| {
            let payload = json!({"t": text, "n": id % 10}).to_string();
            let (id, vectors) = (json!({"num": id.to_string()}), json!({"v": {"values": [x, 0.5]}}));
            json!({"upsert": {"id": id, "vectors": vectors, "payload": payload}})
        };
        // Greater than what a browser's numbers hold.
        let ops = [point(1, 1.0, "red fox"), point(2, 2.0, "blue fox"), point(u64::MAX, 3.0, "blue bear")];
        let reply = door.good("Points/Write", json!({"collection": "c", "ops": ops})).await;
        assert_eq!((&reply["affected"], &reply["reached"]), (&json!("3"), &json!("DURABILITY_DURABLE")));
        door
    }
}

/// What the .proto files call `Service/Call`, and whether it is a stream.
fn calls() -> Vec<(String, bool)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("proto/nigh/v1");
    let mut found = Vec::new();
    for file in fs::read_dir(folder).unwrap() {
        let mut service = String::new();
        for line in fs::read_to_string(file.unwrap().path()).unwrap().lines() {
            if let Some(name) = line.strip_prefix("service ") {
                service = name.trim_end_matches(" {").to_owned();
            } else if let Some(rpc) = line.strip_prefix("  rpc ") {
                let name = rpc.split('(').next().unwrap();
                found.push((format!("{service}/{name}"), rpc.contains("stream ")));
            }
        }
    }
    found
}

#[tokio::test]
async fn every_call_has_a_path() {
    let door = Door::open().await;
    let calls = calls();
    assert!(calls.len() > 30, "{calls:?}");
    for (call, stream) in calls {
        let (status, reply) = door.ask(&call, json!({})).await;
        if stream {
            assert_eq!((status, &reply["code"]), (501, &json!("UNIMPLEMENTED")), "{call}: {reply}");
        } else {
            assert!(status == 200 || reply["code"].is_string(), "{call}: {status} {reply}");
            assert!(
                ![404, 405, 500, 501].contains(&status) || reply["code"] == "NOT_FOUND",
                "{call}: {status} {reply}"
            );
        }
    }
}

#[tokio::test]
async fn a_query_by_both_is_asked_and_told_in_json() {
    let door = Door::filled().await;
    let dense = json!({"dense": {"field": "v", "vector": {"values": [1.0, 0.0]}}});
    let retrievers = json!([dense, {"text": {"query": "blue fox"}}]);
    let query = json!({"collection": "c", "retrievers": retrievers, "payload": {"all": true}, "explain": true});
    let reply = door.good("Points/Query", query.clone()).await;
    let ids: Vec<&str> =
        reply["hits"].as_array().unwrap().iter().map(|hit| hit["id"]["num"].as_str().unwrap()).collect();
    assert_eq!(ids, ["2", "18446744073709551615", "1"]);
    let payload: Value = serde_json::from_str(reply["hits"][0]["payload"].as_str().unwrap()).unwrap();
    assert_eq!(payload, json!({"t": "blue fox", "n": 2}));
    assert_eq!(reply["hits"][0]["placings"][0]["rank"], 2);
    assert_eq!(reply["explanation"]["retrievers"][0]["kind"], "fusion");

    // A filter as people write it, and both ways of writing a name.
    let mut typed = query.clone();
    typed["filter"] = json!({"must": [{"text": "n = 2 OR n = 5"}]});
    typed["scoreThreshold"] = json!(-1.0);
    let reply = door.good("Points/Query", typed).await;
    assert_eq!(reply["hits"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn what_is_long_comes_through_whole() {
    let door = Door::filled().await;
    let long = "word ".repeat(40_000);
    let point = json!({"id": {"num": "9"}, "payload": json!({"long": long}).to_string()});
    door.good("Points/Write", json!({"collection": "c", "ops": [{"upsert": point}]})).await;
    let reply = door.good("Points/Get", json!({"collection": "c", "ids": [{"num": "9"}]})).await;
    let payload: Value = serde_json::from_str(reply["points"][0]["payload"].as_str().unwrap()).unwrap();
    assert_eq!(payload["long"], long);
    let wrong = json!({"collection": "c", "ids": [{"num": "9"}], "version": long, "nothing": 1});
    assert_eq!(door.ask("Points/Get", wrong).await.0, 400);
}

#[tokio::test]
async fn an_error_has_a_status_a_code_and_a_place() {
    let door = Door::filled().await;
    let check = async |call: &str, body: Value, status: u16, code: &str, field: &str, says: &str| {
        let (got, reply) = door.ask(call, body).await;
        assert_eq!((got, &reply["code"]), (status, &json!(code)), "{reply}");
        let told = reply["message"].as_str().unwrap();
        assert!(told.contains(says), "{told}");
        if !field.is_empty() {
            assert_eq!(reply["details"][0]["field_violations"][0]["field"], field, "{reply}");
        }
    };
    let count = |text: &str| json!({"collection": "c", "filter": {"must": [{"text": text}]}});
    check("Points/Count", count("n = "), 400, "INVALID_ARGUMENT", "filter.must[0].text", "at column 5").await;
    check("Points/Count", json!({"collection": "d"}), 404, "NOT_FOUND", "", "no collection `d`").await;
    check("Points/Count", json!({"colection": "c"}), 400, "INVALID_ARGUMENT", "body", "colection").await;
    check("Points/Count", json!({"collection": 7}), 400, "INVALID_ARGUMENT", "body", "expected a string").await;
    let create = json!({"collection": "c", "spec": {"texts": [{"name": "t"}]}});
    let keys = json!({"collection": "c", "payload": {"include": {"names": vec!["k"; 257]}}});
    let field = "payload.include";
    check("Points/Scroll", keys, 400, "INVALID_ARGUMENT", field, "257 names; at most 256 are named").await;
    check("Collections/Create", create, 409, "ALREADY_EXISTS", "", "c").await;
    let stale = json!([{"upsert": {"id": {"num": "1"}}, "if_version": "77"}]);
    let (status, reply) = door.ask("Points/Write", json!({"collection": "c", "ops": stale})).await;
    assert_eq!((status, &reply["code"]), (400, &json!("FAILED_PRECONDITION")));
    assert!(reply["details"][0]["violations"][0]["subject"].is_string(), "{reply}");
    // As deep as a message may be, and deeper.
    let nested = (0..60).fold(json!({"must": []}), |inner, _| json!({"must": [{"filter": inner}]}));
    check("Points/Count", json!({"collection": "c", "filter": nested}), 400, "INVALID_ARGUMENT", "", "").await;
}

#[tokio::test]
async fn only_json_is_taken_and_not_too_much_of_it() {
    let door = Door::filled().await;
    // What a page of another origin can send without asking.
    for lines in [&["Content-Type: text/plain"][..], &[], &["Content-Type: application/x-www-form-urlencoded"]] {
        let (status, _, body) = door.raw("POST", "/nigh.v1.Points/Count", lines, r#"{"collection": "c"}"#).await;
        assert_eq!(status, 415, "{body}");
    }
    for (lines, want) in [(&["Origin: http://example.org"][..], 403), (&[], 405)] {
        let (status, _, body) = door.raw("OPTIONS", "/nigh.v1.Points/Count", lines, "").await;
        assert_eq!(status, want, "{body}");
    }
    let json = "Content-Type: application/json; charset=utf-8";
    let (status, _, body) = door.raw("POST", "/nigh.v1.Points/Count", &[json], r#"{"collection": "c"}"#).await;
    assert_eq!((status, &body[..]), (200, r#"{"count":"3","seq":"3"}"#));
    let long = " ".repeat((32 << 20) + 1);
    let (status, _, body) = door.raw("POST", "/nigh.v1.Points/Count", &[json], &long).await;
    assert_eq!(status, 413, "{body}");
    let (status, _, body) = door.raw("POST", "/nigh.v1.Points/Count", &[json], "{\"collection\": ").await;
    assert_eq!(status, 400, "{body}");
    let late = [json, "grpc-timeout: 1n"];
    let (status, _, body) = door.raw("POST", "/nigh.v1.Points/Count", &late, r#"{"collection": "c"}"#).await;
    assert_eq!(status, 504, "{body}");
}

#[tokio::test]
async fn the_console_is_served_with_its_policy() {
    let door = Door::open().await;
    let (status, head, _) = door.raw("GET", "/console", &[], "").await;
    assert!(status == 308 && head.contains(": console/"), "{head}");
    let (status, head, page) = door.raw("GET", "/console/", &[], "").await;
    assert_eq!(status, 200);
    assert!(page.starts_with("<!doctype html>"), "{page}");
    let head = head.to_lowercase();
    for line in
        ["content-security-policy: default-src 'self'", "x-content-type-options: nosniff", "cache-control: no-cache"]
    {
        assert!(head.contains(line), "{head}");
    }
    let tag = head.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap();
    let known = format!("If-None-Match: {tag}");
    assert_eq!(door.raw("GET", "/console/main.js", &[&known], "").await.0, 304);
    for path in ["/console/..%2fmod.rs", "/console/nothing.js", "/console/%2e%2e/main.rs"] {
        assert_eq!(door.raw("GET", path, &[], "").await.0, 404, "{path}");
    }
}
