//! Snapshots of the Qdrant API over both ways: what is taken back is what was there, and nothing else comes in.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use nigh_proto::qdrant as q;
use nigh_proto::qdrant::snapshots_client::SnapshotsClient;
use nigh_server::engine::access::Right;
use nigh_server::serve::Server as Serving;
use nigh_tests::http;
use nigh_tests::keyed::{config, key, secret};
use nigh_tests::random::Random;
use nigh_tests::server::{Child, Server, Tuning, serve_if_child as become_server};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use tonic::Code;

/// A request whose answer may be any bytes: its status, its head in small letters, its body.
fn raw(addr: &str, method: &str, path: &str, lines: &[String], body: &[u8]) -> (u16, String, Vec<u8>) {
    let mut stream = TcpStream::connect(addr).unwrap();
    let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n{lines}Content-Length: {length}\r\n\r\n"
    )
    .unwrap();
    // A body may be refused before all of it was sent.
    let _ = stream.write_all(body);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("an answer has a head");
    let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), head, answer[end + 4..].to_vec())
}

/// A form with one file, and the lines of the head that go with it.
fn form(name: &str, file: &[u8]) -> (Vec<String>, Vec<u8>) {
    let head = format!("--nigh-test\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"f\"\r\n\r\n");
    let body = [head.as_bytes(), file, b"\r\n--nigh-test--\r\n"].concat();
    (vec!["Content-Type: multipart/form-data; boundary=nigh-test".to_owned()], body)
}

/// A server, as who asks it without a key.
struct Asked {
    addr: String,
}

impl Asked {
    fn good(&self, method: &str, path: &str, body: Value) -> Value {
        let (status, answer) = http::json(&self.addr, method, path, &body);
        assert_eq!(status, 200, "{method} {path} {body}: {answer}");
        answer["result"].clone()
    }

    fn bad(&self, expected: u16, method: &str, path: &str, body: Value) -> String {
        let (status, answer) = http::json(&self.addr, method, path, &body);
        assert_eq!(status, expected, "{method} {path} {body}: {answer}");
        answer["status"]["error"].as_str().unwrap().to_owned()
    }

    fn upsert(&self, collection: &str, ids: std::ops::Range<u64>) {
        let points: Vec<Value> = ids.map(|id| json!({"id": id, "vector": [id, 1.0], "payload": {"n": id}})).collect();
        self.good("PUT", &format!("/collections/{collection}/points?wait=true"), json!({ "points": points }));
    }

    fn count(&self, collection: &str) -> u64 {
        let counted = self.good("POST", &format!("/collections/{collection}/points/count"), json!({}));
        counted["count"].as_u64().unwrap()
    }

    /// A collection of points of which some were sealed, some were not, some are gone; with what nigh only notes of it.
    fn filled(&self) {
        let made = json!({"vectors": {"size": 2, "distance": "Dot"}, "hnsw_config": {"m": 24}});
        self.good("PUT", "/collections/c", made);
        self.good("PUT", "/collections/c/index", json!({"field_name": "n", "field_schema": "integer"}));
        self.upsert("c", 0..60);
        self.good("POST", "/collections/c/points/delete?wait=true", json!({"points": [7, 8]}));
        let alias = json!({"actions": [{"create_alias": {"alias_name": "live", "collection_name": "c"}}]});
        self.good("POST", "/collections/aliases", alias);
    }

    fn snapshot(&self, collection: &str) -> String {
        let made = self.good("POST", &format!("/collections/{collection}/snapshots"), Value::Null);
        made["name"].as_str().unwrap().to_owned()
    }

    fn upload(&self, collection: &str, query: &str, file: &[u8]) -> (u16, Value) {
        let (lines, body) = form("snapshot", file);
        let path = format!("/collections/{collection}/snapshots/upload{query}");
        let (status, _, answer) = raw(&self.addr, "POST", &path, &lines, &body);
        (status, serde_json::from_slice(&answer).unwrap_or_default())
    }
}

fn tuned() -> Tuning {
    Tuning { seal_rows: Some(40), ..Tuning::default() }
}

async fn aside(work: impl FnOnce() + Send + 'static) {
    tokio::task::spawn_blocking(work).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_taken_back_is_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_in(folder.path(), &tuned()).await;
    let asked = Asked { addr: server.http.clone() };
    let (kept, file) = tokio::task::spawn_blocking(move || {
        asked.filled();
        assert_eq!(asked.good("GET", "/collections/c/snapshots", Value::Null), json!([]));
        let made = asked.good("POST", "/collections/live/snapshots?wait=true", Value::Null);
        let name = made["name"].as_str().unwrap().to_owned();
        assert!(name.starts_with("c-") && name.ends_with(".snapshot"), "{made}");
        assert!(made["creation_time"].as_str().unwrap().starts_with("20"), "{made}");
        assert_eq!(asked.good("GET", "/collections/c/snapshots", Value::Null), json!([made]));

        let (status, head, file) = raw(&asked.addr, "GET", &format!("/collections/c/snapshots/{name}"), &[], b"");
        assert!(status == 200 && head.contains(&format!("filename=\"{name}\"")), "{head}");
        assert_eq!(file.len() as u64, made["size"].as_u64().unwrap());
        let sum: String = Sha256::digest(&file).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(made["checksum"], sum);

        // Taken back over what has changed since, by each of its locations.
        for location in [
            format!("file:///{name}"),
            format!("file:///somewhere/else/{name}"),
            format!("http://{}/collections/c/snapshots/{name}", asked.addr),
        ] {
            asked.upsert("c", 100..110);
            asked.good("PATCH", "/collections/c", json!({"hnsw_config": {"m": 7}}));
            let body = json!({"location": location, "priority": "snapshot", "checksum": sum, "api_key": null});
            assert_eq!(asked.good("PUT", "/collections/c/snapshots/recover?wait=true", body), true);
            assert_eq!((asked.count("c"), asked.count("live")), (58, 58), "{location}");
            let info = asked.good("GET", "/collections/c", Value::Null);
            assert_eq!(info["config"]["hnsw_config"]["m"], 24);
            assert_eq!(info["payload_schema"]["n"]["data_type"], "integer");
        }
        asked.upsert("c", 100..101);
        assert_eq!(asked.count("c"), 59, "what was taken back takes writes");

        // Under another name, from here and from elsewhere.
        assert_eq!(
            asked.good("PUT", "/collections/d/snapshots/recover", json!({"location": format!("file:///{name}")})),
            true
        );
        let (status, told) = asked.upload("e", &format!("?wait=true&priority=snapshot&checksum={sum}"), &file);
        assert!(status == 200 && told["result"] == true, "{status} {told}");
        for of in ["d", "e"] {
            assert_eq!(asked.count(of), 58);
            let found =
                asked.good("POST", &format!("/collections/{of}/points/query"), json!({"query": [1, 0], "limit": 1}));
            assert_eq!(found["points"][0]["id"], 59);
        }
        // Not waited for.
        let (status, told) = http::json(&asked.addr, "POST", "/collections/d/snapshots?wait=false", &Value::Null);
        assert_eq!((status, &told["status"]), (202, &json!("accepted")));

        // A collection that is gone leaves its snapshots behind.
        asked.good("DELETE", "/collections/c", Value::Null);
        assert_eq!(asked.good("GET", "/collections/c/snapshots", Value::Null), json!([made]));
        (name, file)
    })
    .await
    .unwrap();
    server.stop().await;

    let server = Server::start_in(folder.path(), &tuned()).await;
    let asked = Asked { addr: server.http.clone() };
    aside(move || {
        assert_eq!(asked.count("e"), 58);
        asked.good("PUT", "/collections/c/snapshots/recover", json!({"location": format!("file:///{kept}")}));
        assert_eq!(asked.count("c"), 58);
        let path = format!("/collections/c/snapshots/{kept}");
        assert!(raw(&asked.addr, "GET", &path, &[], b"").2 == file);
        assert_eq!(asked.good("DELETE", &path, Value::Null), true);
        assert!(asked.bad(404, "DELETE", &path, Value::Null).contains("snapshot"));
        assert_eq!(asked.good("GET", "/collections/c/snapshots", Value::Null), json!([]));
        for (method, path) in [("GET", "/collections/none/snapshots"), ("POST", "/collections/none/snapshots")] {
            assert!(asked.bad(404, method, path, Value::Null).contains("doesn't exist"));
        }
        asked.bad(404, "GET", "/collections/c/snapshots/..%2F..%2FCATALOG", Value::Null);
    })
    .await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_else_comes_in() {
    let folder = tempfile::tempdir().unwrap();
    let mut limited = config(folder.path());
    limited.snapshots.upload_bytes_max = 4 << 20;
    limited.limits.arriving_bytes = 1 << 20;
    let running = Serving::start(limited).await.unwrap();
    running.ready().await;
    let (asked, shelf) = (Asked { addr: running.http_addr().to_string() }, folder.path().join("snapshots"));
    aside(move || {
        asked.filled();
        let name = asked.snapshot("c");
        let file = raw(&asked.addr, "GET", &format!("/collections/c/snapshots/{name}"), &[], b"").2;
        for location in [
            "file:///etc/passwd".to_owned(),
            format!("file://{}", shelf.display()),
            format!("file://otherhost/{name}"),
            format!("http://127.0.0.1:9/collections/c/snapshots/{name}"),
            format!("http://{}/collections/c/snapshots/../{name}", asked.addr),
            format!("s3://bucket/{name}"),
            name.clone(),
            String::new(),
        ] {
            let error = asked.bad(400, "PUT", "/collections/c/snapshots/recover", json!({ "location": location }));
            assert!(error.contains("reads no other file"), "{location}: {error}");
        }
        let recover = "/collections/c/snapshots/recover";
        let absent = "file:///c-1795286112345-00000000.snapshot";
        assert!(asked.bad(404, "PUT", recover, json!({ "location": absent })).contains("snapshot"));
        assert!(asked.bad(400, "PUT", recover, json!({})).contains("location"));
        let other = json!({"location": format!("file:///{name}"), "checksum": "00"});
        assert!(asked.bad(400, "PUT", recover, other).contains("SHA-256"));

        let mut random = Random::new(9);
        let mut bent: Vec<Vec<u8>> =
            vec![Vec::new(), b"no archive".to_vec(), vec![0; 10_240], file[..file.len() / 2].to_vec()];
        bent.push([&file[..], b"more"].concat());
        for _ in 0..20 {
            let mut one = file.clone();
            // The last blocks say nothing.
            let at = random.below(file.len() as u64 - 2048) as usize;
            one[at] ^= 1 << random.below(8);
            bent.push(one);
        }
        for (at, one) in bent.iter().enumerate() {
            let (status, told) = asked.upload("c", "", one);
            let same = one.len() == file.len() && status == 200;
            assert!(status == 400 || same, "{at}: {status} {told}");
            assert_eq!(asked.count("c"), 58, "{at}");
        }
        let (status, told) = asked.upload("c", "?checksum=00", &file);
        assert!(status == 400 && told["status"]["error"].as_str().unwrap().contains("SHA-256"), "{told}");
        let (status, told) = asked.upload("c", "", &vec![b'x'; 5 << 20]);
        assert!(status == 400 && told["status"]["error"].as_str().unwrap().contains("upload_max_mib"), "{told}");
        let (lines, body) = form("other", &file);
        assert_eq!(raw(&asked.addr, "POST", "/collections/c/snapshots/upload", &lines, &body).0, 400);
        assert_eq!(raw(&asked.addr, "POST", "/collections/c/snapshots/upload", &lines, &body[..100]).0, 400);
        assert_eq!(raw(&asked.addr, "POST", "/collections/c/snapshots/upload", &[], b"{}").0, 400);
        // It may be longer than what other requests may have on their way.
        let (status, told) = asked.upload("c", "", &file);
        assert_eq!((status, &told["result"]), (200, &json!(true)));
        assert_eq!(std::fs::read_dir(shelf.join("arriving")).unwrap().count(), 0, "what was uploaded is gone");
    })
    .await;
    running.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_ways_are_one_and_keys_are_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let mut guarded = config(folder.path());
    guarded.security.keys.push(key("all", Right::Admin, None));
    guarded.security.keys.push(key("one", Right::Admin, Some(&["c"])));
    guarded.security.keys.push(key("write", Right::Write, None));
    let running = Serving::start(guarded).await.unwrap();
    running.ready().await;
    let addr = running.http_addr().to_string();
    let ask = |who: &'static str, method: &'static str, path: String, body: Value| {
        let addr = addr.clone();
        let ask = move || {
            let key = format!("api-key: {}", secret(who));
            let (status, _, text) = raw(&addr, method, &path, &[key], body.to_string().as_bytes());
            (status, serde_json::from_slice::<Value>(&text).unwrap_or_default())
        };
        async move { tokio::task::spawn_blocking(ask).await.unwrap() }
    };
    for name in ["c", "d"] {
        let (status, told) = ask("all", "PUT", format!("/collections/{name}"), json!({})).await;
        assert_eq!(status, 200, "{told}");
    }
    let mut client = SnapshotsClient::connect(format!("http://{}", running.grpc_addr())).await.unwrap();
    fn with<T>(who: &str, message: T) -> tonic::Request<T> {
        let mut request = tonic::Request::new(message);
        request.metadata_mut().insert("api-key", secret(who).parse().unwrap());
        request
    }
    let of = |name: &str| q::CreateSnapshotRequest { collection_name: name.to_owned() };
    for (who, name, code) in
        [("write", "c", Code::PermissionDenied), ("one", "d", Code::PermissionDenied), ("all", "none", Code::NotFound)]
    {
        assert_eq!(client.create(with(who, of(name))).await.unwrap_err().code(), code, "{who} {name}");
    }
    let made = client.create(with("one", of("c"))).await.unwrap().into_inner().snapshot_description.unwrap();
    let other = client.create(with("all", of("d"))).await.unwrap().into_inner().snapshot_description.unwrap();
    assert!(made.creation_time.is_some_and(|time| time.seconds > 1_700_000_000) && made.checksum.is_some());
    let list = q::ListSnapshotsRequest { collection_name: "c".to_owned() };
    let listed = client.list(with("one", list.clone())).await.unwrap().into_inner().snapshot_descriptions;
    assert_eq!(listed, std::slice::from_ref(&made));
    let (_, told) = ask("one", "GET", "/collections/c/snapshots".to_owned(), Value::Null).await;
    assert_eq!((&told["result"][0]["name"], &told["result"][0]["size"]), (&json!(made.name), &json!(made.size)));
    let recover = |name: &str| json!({"location": format!("file:///{name}")});
    for (who, path, location, expected) in [
        ("write", "/collections/c/snapshots/recover", &made.name, 403),
        ("one", "/collections/d/snapshots/recover", &made.name, 403),
        ("one", "/collections/c/snapshots/recover", &other.name, 403),
        ("one", "/collections/c/snapshots/recover", &made.name, 200),
        ("all", "/collections/c/snapshots/recover", &other.name, 200),
    ] {
        let (status, told) = ask(who, "PUT", path.to_owned(), recover(location)).await;
        assert_eq!(status, expected, "{who} {path} {location}: {told}");
    }
    for (who, name, expected) in [("write", &made.name, 403), ("one", &other.name, 404), ("one", &made.name, 200)] {
        assert_eq!(ask(who, "GET", format!("/collections/c/snapshots/{name}"), Value::Null).await.0, expected, "{who}");
    }
    let gone =
        |name: &str| q::DeleteSnapshotRequest { collection_name: "c".to_owned(), snapshot_name: name.to_owned() };
    assert_eq!(client.delete(with("write", gone(&made.name))).await.unwrap_err().code(), Code::PermissionDenied);
    client.delete(with("one", gone(&made.name))).await.unwrap();
    assert_eq!(client.delete(with("one", gone(&made.name))).await.unwrap_err().code(), Code::NotFound);
    let full = client.create_full(with("all", q::CreateFullSnapshotRequest {})).await.unwrap_err();
    assert!(full.code() == Code::Unimplemented && full.message().contains("nigh backup"), "{full}");
    running.shutdown().await.unwrap();
}

#[tokio::test]
async fn serve_if_child() {
    become_server().await;
}

/// The server is killed amid snapshots that are made and taken back: what is found is one of the two states, whole, and
/// every snapshot that is listed can be taken back. `NIGH_KILLS` tries more often.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_amid_it_leaves_one_of_the_two() {
    let kills = std::env::var("NIGH_KILLS").map_or(8, |text| text.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let mut random = Random::new(5);
    let child = Child::start_in(folder.path(), &tuned()).await;
    let first = Asked { addr: child.http.clone() };
    first.filled();
    let name = first.snapshot("c");
    drop(first);
    child.kill();
    for kill in 0..kills {
        let child = Child::start_in(folder.path(), &tuned()).await;
        let asked = Asked { addr: child.http.clone() };
        let shelf = folder.path().join("snapshots");
        assert_eq!(parts(&shelf), 0, "what was being written is gone");
        let count = asked.count("c");
        assert!([58, 68].contains(&count), "kill {kill}: {count} points");
        let listed = asked.good("GET", "/collections/c/snapshots", Value::Null);
        let listed: Vec<String> =
            listed.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect();
        assert!(listed.contains(&name), "{listed:?}");
        let latest = json!({"location": format!("file:///{}", listed.last().unwrap())});
        asked.good("PUT", "/collections/checked/snapshots/recover", latest);
        assert!([58, 68].contains(&asked.count("checked")));
        asked.upsert("c", 100..110);
        let (addr, location) = (asked.addr.clone(), format!("file:///{name}"));
        let working = std::thread::spawn(move || {
            for _ in 0..50 {
                // The server ends amid one of these.
                let send = |method: &str, path: &str, body: String| {
                    let mut stream = TcpStream::connect(&addr)?;
                    let length = body.len();
                    write!(
                        stream,
                        "{method} {path} HTTP/1.1\r\nHost: n\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
                    )?;
                    stream.read_to_end(&mut Vec::new()).map(drop)
                };
                let body = json!({ "location": location }).to_string();
                let _ = send("PUT", "/collections/c/snapshots/recover", body);
                let _ = send("POST", "/collections/c/snapshots", String::new());
            }
        });
        std::thread::sleep(std::time::Duration::from_micros(random.below(60_000)));
        child.kill();
        working.join().unwrap();
    }
}

/// Files of snapshots that are not whole.
fn parts(shelf: &Path) -> usize {
    let names = |folder: &Path| -> Vec<_> {
        std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()).collect()
    };
    let files = names(shelf).into_iter().flat_map(|folder| names(&folder));
    files.filter(|file| file.extension().is_some_and(|ending| ending == "part")).count()
}
