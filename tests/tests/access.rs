//! Nobody does more than their key allows: every rpc and every route against every role, and the ways round.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use hmac::{Hmac, Mac};
use nigh_client::{Client, CollectionSpec, Filter, Grouping, Metric, Point, Query};
use nigh_proto::v1;
use nigh_server::access::keys::Secret;
use nigh_server::config::Config;
use nigh_server::engine::access::Right;
use nigh_server::serve::{Running, Server};
use nigh_tests::keyed::{call, config, http, key, secret};
use prost::Message;
use prost_types::{DescriptorProto, FileDescriptorSet};
use serde_json::{Value, json};
use sha2::Sha256;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};
use tonic::Code;
use tonic::transport::Channel;

const JWT_SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
const ROLES: [(&str, Right); 3] = [("read", Right::Read), ("write", Right::Write), ("admin", Right::Admin)];

/// What a call needs, by what it does: not by the server's own table.
#[derive(Copy, Clone, PartialEq, Debug)]
enum Need {
    Open,
    Any,
    Of(Right),
    Whole(Right),
}

fn guarded(folder: &Path) -> Config {
    let mut config = config(folder);
    for (name, right) in ROLES {
        config.security.keys.push(key(name, right, None));
        config.security.keys.push(key(&format!("{name}-docs"), right, Some(&["docs"])));
    }
    config.security.jwt_secret = Some(Secret(JWT_SECRET.to_vec()));
    config
}

struct Guarded {
    running: Running,
    channel: Channel,
    http: String,
    admin: Client,
    _folder: tempfile::TempDir,
}

async fn served(change: impl FnOnce(&mut Config)) -> Guarded {
    let folder = tempfile::tempdir().unwrap();
    let mut config = guarded(&folder.path().join("data"));
    change(&mut config);
    let running = Server::start(config).await.unwrap();
    running.ready().await;
    let url = format!("http://{}", running.grpc_addr());
    let channel = Channel::from_shared(url.clone()).unwrap().connect().await.unwrap();
    let admin = Client::builder(&url).api_key(secret("admin")).connect().await.unwrap();
    for name in ["docs", "other"] {
        admin.create_collection(name, CollectionSpec::new().vector("v", 2, Metric::Cosine)).await.unwrap();
        let point = Point::new(1).vector("v", vec![1.0, 0.0]).payload(json!({"of": 1, "secret": name}));
        admin.upsert(name, [point]).await.unwrap();
    }
    let http = running.http_addr().to_string();
    Guarded { running, channel, http, admin, _folder: folder }
}

impl Guarded {
    async fn client(&self, name: &str) -> Client {
        Client::builder(self.running.grpc_addr().to_string()).api_key(secret(name)).connect().await.unwrap()
    }
}

/// A message of this type in which a field `collection`, or one of a message in it, has this text.
fn naming(files: &FileDescriptorSet, type_name: &str, collection: &str) -> (Bytes, bool) {
    let all = files.file.iter().flat_map(|file| {
        file.message_type.iter().map(move |message| (format!(".{}.{}", file.package(), message.name()), message))
    });
    let all: Vec<(String, &DescriptorProto)> = all.collect();
    let find = |name: &str| all.iter().find(|(full, _)| full == name).map(|(_, message)| *message);
    let field = |number: i32, bytes: &[u8]| {
        let mut out = Vec::new();
        prost::encoding::encode_varint((number as u64) << 3 | 2, &mut out);
        prost::encoding::encode_varint(bytes.len() as u64, &mut out);
        out.extend_from_slice(bytes);
        out
    };
    let direct = |message: &DescriptorProto| {
        let found = message.field.iter().find(|one| {
            ["collection", "collection_name"].contains(&one.name())
                && one.label() != prost_types::field_descriptor_proto::Label::Repeated
        });
        found.map(|one| field(one.number(), collection.as_bytes()))
    };
    let message = find(type_name).unwrap();
    let inner = || message.field.iter().find_map(|one| Some(field(one.number(), &direct(find(one.type_name())?)?)));
    let bytes = direct(message).or_else(inner);
    let names = bytes.is_some();
    (bytes.unwrap_or_default().into(), names)
}

fn need_of_rpc(service: &str, method: &str) -> Need {
    match (service, method) {
        ("Collections", "List" | "ListAliases" | "Estimate" | "Analyze") => Need::Any,
        ("Collections", "Describe") => Need::Of(Right::Read),
        ("Collections", "ChangeAliases") => Need::Whole(Right::Admin),
        ("Collections" | "Integrity", _) => Need::Of(Right::Admin),
        ("Points", "Write" | "Ingest") => Need::Of(Right::Write),
        ("Points", _) => Need::Of(Right::Read),
        ("Sources", "DropSource") => Need::Of(Right::Write),
        ("Sources", _) => Need::Of(Right::Read),
        ("Versions", "Pins" | "Diff") => Need::Of(Right::Read),
        ("Versions", "Pin" | "Unpin") => Need::Of(Right::Admin),
        ("Versions", _) => Need::Whole(Right::Admin),
        other => panic!("say here what {other:?} needs"),
    }
}

/// Whether a key of this right may, for all collections or for `docs`, where the call names `of`.
fn may(need: Need, right: Right, whole: bool, of: &str) -> bool {
    match need {
        Need::Open | Need::Any => true,
        Need::Of(least) => right >= least && (whole || of == "docs"),
        Need::Whole(least) => right >= least && whole,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_rpc_asks_for_the_right_that_it_needs() {
    let server = served(|_| {}).await;
    let files = FileDescriptorSet::decode(v1::DESCRIPTORS).unwrap();
    let mut calls = 0;
    for service in files.file.iter().flat_map(|file| &file.service) {
        for method in &service.method {
            let need = need_of_rpc(service.name(), method.name());
            let path = format!("/nigh.v1.{}/{}", service.name(), method.name());
            assert_eq!(call(&server.channel, &path, None, Bytes::new()).await, Code::Unauthenticated, "{path}");
            assert_eq!(
                call(&server.channel, &path, Some("wrong"), Bytes::new()).await,
                Code::Unauthenticated,
                "{path}"
            );
            for (name, right) in ROLES {
                for (key, whole) in [(name.to_owned(), true), (format!("{name}-docs"), false)] {
                    for of in ["other", "docs"] {
                        let (message, names) = naming(&files, method.input_type(), of);
                        if matches!(need, Need::Of(_)) {
                            assert!(names, "{path} names no collection that a key could be held against");
                        }
                        let code = call(&server.channel, &path, Some(&secret(&key)), message).await;
                        let refused = matches!(code, Code::PermissionDenied | Code::Unauthenticated);
                        assert_eq!(!refused, may(need, right, whole, of), "{key} calls {path} of {of}: {code:?}");
                        calls += 1;
                    }
                }
            }
        }
    }
    assert!(calls > 300, "{calls}");
    json_asks_for_the_same(&server.http, &files);
    let health = "/grpc.health.v1.Health/Check";
    assert_eq!(call(&server.channel, health, None, Bytes::new()).await, Code::Ok, "health needs no key");
    let unknown = "/nigh.v1.Points/Nothing";
    assert_eq!(call(&server.channel, unknown, Some(&secret("write")), Bytes::new()).await, Code::PermissionDenied);
    assert_eq!(call(&server.channel, unknown, Some(&secret("admin")), Bytes::new()).await, Code::Unimplemented);
    server.running.shutdown().await.unwrap();
}

/// The same calls as JSON over HTTP.
fn json_asks_for_the_same(addr: &str, files: &FileDescriptorSet) {
    for service in files.file.iter().flat_map(|file| &file.service) {
        for method in &service.method {
            let need = need_of_rpc(service.name(), method.name());
            let path = format!("/nigh.v1.{}/{}", service.name(), method.name());
            assert_eq!(http(addr, "POST", &path, &[], "{}").0, 401, "{path}");
            for (name, right) in ROLES {
                for (key, whole) in [(name.to_owned(), true), (format!("{name}-docs"), false)] {
                    for of in ["other", "docs"] {
                        let streams = method.client_streaming() || method.server_streaming();
                        let body = if matches!(need, Need::Of(_)) { json!({"collection": of}) } else { json!({}) };
                        let (status, ..) = http(addr, "POST", &path, &[("api-key", &secret(&key))], &body.to_string());
                        let allowed = may(need, right, whole, of);
                        let refused = matches!(status, 401 | 403);
                        // A stream is refused before its body is read: there is none over HTTP.
                        assert!(
                            if allowed { !refused } else { refused || (streams && status == 501) },
                            "{key}: {path} {of}: {status}"
                        );
                    }
                }
            }
        }
    }
}

fn need_of_qdrant(service: &str, method: &str) -> Need {
    match (service, method) {
        ("Qdrant", _) => Need::Open,
        ("Collections", "List" | "ListAliases") => Need::Any,
        ("Collections", "Create" | "Update" | "Delete") => Need::Of(Right::Admin),
        ("Collections", "UpdateAliases" | "UpdateCollectionClusterSetup" | "CreateShardKey" | "DeleteShardKey") => {
            Need::Whole(Right::Admin)
        }
        ("Snapshots", "Create" | "List" | "Delete") => Need::Of(Right::Admin),
        ("Snapshots", _) => Need::Whole(Right::Admin),
        ("Points", "CreateFieldIndex" | "DeleteFieldIndex" | "CreateVectorName" | "DeleteVectorName") => {
            Need::Of(Right::Admin)
        }
        ("Points", write) if ["Up", "Del", "Set", "Over", "Clear"].iter().any(|verb| write.starts_with(verb)) => {
            Need::Of(Right::Write)
        }
        ("Collections" | "Points", _) => Need::Of(Right::Read),
        other => panic!("say here what {other:?} needs"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_rpc_of_the_qdrant_api_asks_for_the_right_that_it_needs() {
    let server = served(|_| {}).await;
    let files = FileDescriptorSet::decode(nigh_proto::qdrant::DESCRIPTORS).unwrap();
    let mut calls = 0;
    for service in files.file.iter().flat_map(|file| &file.service) {
        for method in &service.method {
            let need = need_of_qdrant(service.name(), method.name());
            let path = format!("/qdrant.{}/{}", service.name(), method.name());
            let unknown = call(&server.channel, &path, None, Bytes::new()).await;
            assert_eq!(unknown == Code::Unauthenticated, need != Need::Open, "{path}: {unknown:?}");
            for (name, right) in ROLES {
                for (key, whole) in [(name.to_owned(), true), (format!("{name}-docs"), false)] {
                    for of in ["other", "docs"] {
                        let (message, _) = naming(&files, method.input_type(), of);
                        let code = call(&server.channel, &path, Some(&secret(&key)), message).await;
                        let refused = matches!(code, Code::PermissionDenied | Code::Unauthenticated);
                        let allowed = may(need, right, whole, of);
                        // What does not come as far as its collection is as little as a refusal, and a batch of
                        // nothing speaks of no collection.
                        let empty = method.name().ends_with("Batch") && code == Code::Ok;
                        assert!(
                            if allowed { !refused } else { empty || code != Code::Ok },
                            "{key} calls {path} of {of}: {code:?}"
                        );
                        assert!(may(need, right, true, "docs") || refused, "{key} calls {path} of {of}: {code:?}");
                        calls += 1;
                    }
                }
            }
        }
    }
    assert!(calls > 200, "{calls}");
    server.running.shutdown().await.unwrap();
}

fn need_of_route(method: &str, route: &str) -> Need {
    let Some(rest) = route.strip_prefix("/collections/{collection}") else {
        return match (method, route) {
            (_, "/" | "/healthz" | "/livez" | "/readyz") => Need::Open,
            ("GET", path) if path.starts_with("/console") => Need::Open,
            ("GET", "/collections" | "/aliases") => Need::Any,
            ("GET", _) => Need::Whole(Right::Read),
            _ => Need::Whole(Right::Admin),
        };
    };
    let search = ["/query", "/search", "/recommend", "/discover"].iter().any(|part| rest.contains(part));
    match (method, rest) {
        _ if rest.starts_with("/snapshots") => Need::Of(Right::Admin),
        ("GET", _) | ("POST", "/points" | "/points/scroll" | "/points/count" | "/facet") => Need::Of(Right::Read),
        _ if search => Need::Of(Right::Read),
        _ if rest.starts_with("/points") => Need::Of(Right::Write),
        _ => Need::Of(Right::Admin),
    }
}

/// Methods and routes, as they stand in the server's table.
fn routes() -> Vec<(String, String)> {
    let table = include_str!("../../server/src/access/table.rs");
    let entries = table.split("(\"").filter_map(|piece| piece.split_once('"')).map(|(name, _)| name);
    let routes = entries.filter_map(|name| name.split_once(' ')).filter(|(_, route)| route.starts_with('/'));
    routes.map(|(method, route)| (method.to_owned(), route.to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_asks_for_the_right_that_it_needs() {
    let server = served(|_| {}).await;
    let routes = routes();
    assert!(routes.len() > 40, "{routes:?}");
    for (method, route) in routes {
        let need = need_of_route(&method, &route);
        let at = |of: &str| {
            route
                .replace("{collection}", of)
                .replace("{id}", "1")
                .replace("{field}", "f")
                .replace("{name}", "n")
                .replace("{*path}", "x")
        };
        // What is in the table and not served (yet) is closed to all but an administrator, who hears that there is nothing.
        let (status, _, body) = http(&server.http, &method, &at("absent"), &[("api-key", &secret("admin"))], "{}");
        if status == 404 && body.is_empty() {
            assert_eq!(http(&server.http, &method, &at("docs"), &[("api-key", &secret("write"))], "{}").0, 403);
            continue;
        }
        let (status, head, _) = http(&server.http, &method, &at("docs"), &[], "{}");
        assert_eq!(status == 401, need != Need::Open, "{method} {route}: {status}");
        assert!(need == Need::Open || head.to_lowercase().contains("www-authenticate: bearer"), "{head}");
        for (name, right) in ROLES {
            for (key, whole) in [(name.to_owned(), true), (format!("{name}-docs"), false)] {
                for of in ["other", "docs"] {
                    let (status, _, body) = http(&server.http, &method, &at(of), &[("api-key", &secret(&key))], "{}");
                    let refused = matches!(status, 401 | 403);
                    // What does not come as far as its collection is as little as a refusal.
                    let allowed = may(need, right, whole, of);
                    let stopped = refused || matches!(status, 400 | 404 | 422);
                    assert!(if allowed { !refused } else { stopped }, "{key}: {method} {}: {status} {body}", at(of));
                    let right_alone = may(need, right, true, "docs");
                    assert!(right_alone || status == 403, "{key}: {method} {}: {status} {body}", at(of));
                    assert!(whole || of == "docs" || !body.contains("secret"), "{key}: {method} {}: {body}", at(of));
                }
            }
        }
    }
    server.running.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_stands_deep_in_a_request_is_asked_for_too() {
    let server = served(|_| {}).await;
    server.admin.set_alias("open", "docs").await.unwrap();
    server.admin.set_alias("shut", "other").await.unwrap();
    let docs = server.client("read-docs").await;
    assert_eq!(docs.count("docs", None).await.unwrap(), 1);
    assert_eq!(docs.count("open", None).await.unwrap(), 1, "an alias is what it stands for");
    for name in ["other", "shut", "nothing"] {
        let code = docs.count(name, None::<Filter>).await.unwrap_err().code();
        assert_eq!(code, Code::PermissionDenied, "{name}: what is not there looks like what is forbidden");
    }
    let refused = docs.count(&"x".repeat(100_000), None::<Filter>).await.unwrap_err().to_string();
    assert!(refused.len() < 1_000, "a refusal repeats {} bytes of what it was given", refused.len());
    let names: Vec<_> = docs.list_collections().await.unwrap().into_iter().map(|one| one.name).collect();
    assert_eq!(names, ["docs"]);
    let aliases: Vec<_> = docs.aliases().await.unwrap().into_iter().collect();
    assert_eq!(aliases, [("open".to_owned(), "docs".to_owned())]);

    let grouped = |of| Query::dense("v", vec![1.0, 0.0]).group_by(Grouping::by("of").groups(1).lookup(of));
    docs.query("docs", grouped("docs")).await.unwrap();
    let code = docs.query("docs", grouped("other")).await.unwrap_err().code();
    assert_eq!(code, Code::PermissionDenied, "the collection of a lookup");

    let ask = |path: &str, body: Value| {
        http(&server.http, "POST", path, &[("api-key", &secret("read-docs"))], &body.to_string())
    };
    let from = |of: &str| json!({"query": 1, "using": "v", "lookup_from": {"collection": of, "vector": "v"}});
    assert_eq!(ask("/collections/docs/points/query", from("docs")).0, 200);
    assert_eq!(ask("/collections/docs/points/query", from("other")).0, 403);
    let batch = json!({"searches": [from("docs"), from("other")]});
    assert_eq!(ask("/collections/docs/points/query/batch", batch).0, 403);
    let groups = json!({"query": [1.0, 0.0], "using": "v", "group_by": "of", "with_lookup": {"collection": "other"}});
    let (status, _, body) = ask("/collections/docs/points/query/groups", groups);
    assert!(status == 403 && !body.contains("secret"), "{status} {body}");
    for spelt in ["/collections/%6fther/points/count", "/collections/docs/../other/points/count"] {
        let (status, _, body) = ask(spelt, json!({}));
        assert!(matches!(status, 403 | 404), "{spelt}: {status} {body}");
    }
    server.running.shutdown().await.unwrap();
}

fn token(claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", part(&json!({"alg": "HS256", "typ": "JWT"})), part(claims));
    let mut mac = Hmac::<Sha256>::new_from_slice(JWT_SECRET).unwrap();
    mac.update(text.as_bytes());
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_worth_what_it_says_and_nothing_else() {
    let server = served(|_| {}).await;
    let soon = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 600;
    let one = json!([{"collection": "docs", "access": "rw"}]);
    for (claims, docs, other) in [
        (json!({"exp": soon, "access": "r"}), 200, 200),
        (json!({"exp": soon, "access": one}), 200, 403),
        (json!({"exp": soon, "access": []}), 403, 403),
        (json!({"exp": 1, "access": "m"}), 401, 401),
        (json!({"access": "m"}), 401, 401),
        (json!({"exp": soon, "access": "m", "value_exists": {"collection": "docs"}}), 401, 401),
        (json!({"exp": soon, "access": [{"collection": "docs", "access": "r", "payload": {"of": 1}}]}), 401, 401),
    ] {
        let bearer = format!("Bearer {}", token(&claims));
        for (of, want) in [("docs", docs), ("other", other)] {
            let path = format!("/collections/{of}/points/count");
            let (status, _, body) = http(&server.http, "POST", &path, &[("Authorization", &bearer)], "{}");
            assert_eq!(status, want, "{claims} of {of}: {body}");
        }
    }
    let read =
        Client::builder(server.running.grpc_addr().to_string()).api_key(token(&json!({"exp": soon, "access": "r"})));
    let read = read.connect().await.unwrap();
    assert_eq!(read.count("other", None).await.unwrap(), 1);
    assert_eq!(read.drop_collection("other").await.unwrap_err().code(), Code::PermissionDenied);
    server.running.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_keys_looks_at_none_and_does_not_leave_the_machine() {
    let folder = tempfile::tempdir().unwrap();
    let running = Server::start(config(folder.path())).await.unwrap();
    running.ready().await;
    let http_addr = running.http_addr().to_string();
    assert_eq!(http(&http_addr, "GET", "/collections", &[("api-key", "whatever")], "").0, 200);
    running.shutdown().await.unwrap();
    let mut open = config(folder.path());
    open.http = "0.0.0.0:0".parse().unwrap();
    let said = Server::start(open.clone()).await.err().unwrap().to_string();
    assert!(said.contains("0.0.0.0:0") && said.contains("security.keys"), "{said}");
    open.security.keys.push(key("admin", Right::Admin, None));
    let running = Server::start(open.clone()).await.unwrap();
    open.security.keys.clear();
    assert!(running.reload(&open).is_err(), "a file that lost its keys opens nothing");
    running.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_change_while_the_server_runs() {
    let server = served(|_| {}).await;
    let reader = server.client("read").await;
    reader.count("docs", None).await.unwrap();
    let mut changed = config(Path::new("unused"));
    changed.security.keys = vec![key("new", Right::Read, None)];
    server.running.reload(&changed).unwrap();
    assert_eq!(reader.count("docs", None).await.unwrap_err().code(), Code::Unauthenticated, "on the same connection");
    assert_eq!(server.client("new").await.count("docs", None).await.unwrap(), 1);
    server.running.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_key_asks_so_often_and_no_more() {
    let server = served(|config| {
        let mut slow = key("slow", Right::Read, None);
        slow.calls_per_second = Some(1);
        config.security.keys.push(slow);
    })
    .await;
    let ask = |name: &str| http(&server.http, "GET", "/collections", &[("api-key", &secret(name))], "");
    let (answers, mut refused) = (50, 0);
    for _ in 0..answers {
        let (status, head, _) = ask("slow");
        assert!(status == 200 || (status == 429 && head.to_lowercase().contains("retry-after: 1")), "{head}");
        refused += usize::from(status == 429);
    }
    assert!(refused > 0, "fifty connections within a second or two");
    assert_eq!(ask("read").0, 200, "others are served");
    server.running.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_audit_log_tells_who_did_what_and_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("audit.log");
    let server = served(|config| config.security.audit_file = Some(file.clone())).await;
    let reader = server.client("read-docs").await;
    reader.count("docs", None).await.unwrap();
    reader.count("other", None).await.unwrap_err();
    http(&server.http, "GET", "/collections", &[("x-request-id", "mine"), ("api-key", "a-wrong-key-of-somebody")], "");
    let text = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let have = |caller: &str, call: &str, collection: Option<&str>, result: &str| {
        lines.iter().any(|line| {
            line["caller"] == caller
                && line["call"] == call
                && line["result"] == result
                && collection.is_none_or(|name| line["collections"] == json!([name]))
        })
    };
    assert!(have("admin", "/nigh.v1.Collections/Create", Some("docs"), "ok"), "{text}");
    assert!(have("admin", "/nigh.v1.Points/Write", Some("other"), "ok"), "{text}");
    assert!(have("read-docs", "/nigh.v1.Points/Count", Some("other"), "PermissionDenied"), "{text}");
    assert!(have("anonymous", "GET /collections", None, "401"), "{text}");
    assert!(lines.iter().any(|line| line["request_id"] == "mine"), "{text}");
    assert!(!have("read-docs", "/nigh.v1.Points/Count", Some("docs"), "ok"), "reads were not asked for: {text}");
    assert!(!text.contains("0123456789abcdef") && !text.contains("somebody"), "{text}");
    // Rotated: what comes after the reload stands in a new file.
    std::fs::rename(&file, folder.path().join("audit.1")).unwrap();
    server.running.reload(&guarded(Path::new("unused"))).unwrap();
    server.admin.drop_collection("other").await.unwrap();
    assert!(std::fs::read_to_string(&file).unwrap().contains("/nigh.v1.Collections/Drop"));
    server.running.shutdown().await.unwrap();
}

/// A stream lasts no longer than the key with which it was opened; how it ended is told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_ends_with_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("audit.log");
    let server = served(|config| config.security.audit_file = Some(file.clone())).await;
    let (sender, receiver) = tokio::sync::mpsc::channel(4);
    let mut request = tonic::Request::new(tokio_stream::wrappers::ReceiverStream::new(receiver));
    request.metadata_mut().insert("api-key", secret("write").parse().unwrap());
    let sent = |request| v1::IngestRequest { request: Some(request) };
    let open = v1::IngestOpen { collection: "docs".to_owned(), ..Default::default() };
    sender.send(sent(v1::ingest_request::Request::Open(open))).await.unwrap();
    let mut points = v1::points_client::PointsClient::new(server.channel.clone());
    let mut replies = points.ingest(request).await.unwrap().into_inner();
    assert!(replies.message().await.unwrap().is_some(), "credits");
    let batch = |number| {
        let batch = v1::IngestBatch { number, ..Default::default() };
        sent(v1::ingest_request::Request::Batch(batch))
    };
    sender.send(batch(1)).await.unwrap();
    assert!(replies.message().await.unwrap().is_some(), "what came of the first batch");
    let mut fewer = guarded(Path::new("unused"));
    fewer.security.keys.retain(|key| key.name != "write");
    server.running.reload(&fewer).unwrap();
    sender.send(batch(2)).await.unwrap();
    let ended = loop {
        match replies.message().await {
            Ok(Some(_)) => {}
            other => break other.unwrap_err(),
        }
    };
    assert_eq!(ended.code(), Code::Unauthenticated, "{ended}");
    let text = std::fs::read_to_string(&file).unwrap();
    let told = |line: &str| line.contains("/nigh.v1.Points/Ingest") && line.contains("\"Unauthenticated\"");
    assert!(text.lines().any(told), "{text}");
    server.running.shutdown().await.unwrap();
}

/// What is wrong in a configuration that is read again leaves all as it is, also what comes before it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_that_fails_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("logs/audit.log");
    std::fs::create_dir(file.parent().unwrap()).unwrap();
    let server = served(|config| config.security.audit_file = Some(file.clone())).await;
    std::fs::remove_dir_all(file.parent().unwrap()).unwrap();
    let mut fewer = guarded(Path::new("unused"));
    fewer.security.keys.retain(|key| key.name != "read");
    assert!(server.running.reload(&fewer).is_err(), "there is no place for the audit log");
    assert_eq!(server.client("read").await.count("docs", None).await.unwrap(), 1);
    server.running.shutdown().await.unwrap();
}
