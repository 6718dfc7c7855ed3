//! Spans of requests and of upkeep, as a collector gets them: what they say, whose children they are, and that nothing waits
//! for whoever does not take them.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use nigh_client::{Client, CollectionSpec, Metric, Point, Query};
use nigh_proto::qdrant as q;
use nigh_proto::v1;
use nigh_server::config::traces::{Collector as Settings, Headers};
use nigh_server::engine::access::Right;
use nigh_server::serve::{Running, Server};
use nigh_tests::collector::{Collector, Manner, said};
use nigh_tests::http::request_with;
use nigh_tests::keyed::{config, key, secret};
use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::json;
use tonic::transport::Channel;
use tonic::{Code, Request};

const CALLERS_SPAN: &str = "b7ad6b7169203331";
/// What no span may say: a word of a payload, of a query, and of a filter.
const SECRETS: [&str; 3] = ["payloadword", "queryword", "filterword"];
/// Of spans, as OTLP numbers them.
const INTERNAL: i32 = 1;
const SERVER: i32 = 2;
const FAILED: i32 = 2;

fn settings(url: &str, sample: f64) -> Settings {
    let headers = Headers(vec![("authorization".to_owned(), "Bearer of-the-collector".to_owned())]);
    let (endpoint, service_name) = (url.to_owned(), "nigh-under-test".to_owned());
    Settings { endpoint, ca_file: None, headers, sample, service_name, queue_spans: 4096 }
}

/// A server with one key, and a collection of two fields.
struct Traced {
    running: Running,
    client: Client,
    channel: Channel,
    http: String,
    _folder: tempfile::TempDir,
}

async fn served(settings: Settings) -> Traced {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path());
    config.traces = Some(settings);
    config.security.keys.push(key("app", Right::Admin, None));
    let running = Server::start(config).await.unwrap();
    running.ready().await;
    let url = format!("http://{}", running.grpc_addr());
    let client = Client::builder(&url).api_key(secret("app")).connect().await.unwrap();
    let channel = Channel::from_shared(url).unwrap().connect().await.unwrap();
    let spec = CollectionSpec::new().vector("v", 2, Metric::Cosine).text("t", "english");
    client.create_collection("c", spec).await.unwrap();
    let http = running.http_addr().to_string();
    let traced = Traced { running, client, channel, http, _folder: folder };
    traced.write(3).await;
    traced
}

/// The header of a caller that is in this trace.
fn parent(trace: u128, wanted: bool) -> String {
    format!("00-{trace:032x}-{CALLERS_SPAN}-0{}", u8::from(wanted))
}

fn vector(values: Vec<f32>) -> v1::Vector {
    v1::Vector { values }
}

impl Traced {
    async fn write(&self, points: u64) {
        let point =
            |id| Point::new(id).vector("v", vec![1.0, id as f32]).payload(json!({"t": "payloadword", "k": "red"}));
        self.client.upsert("c", (0..points).map(point)).await.unwrap();
    }

    fn with<T>(&self, message: T, parent: &str) -> Request<T> {
        let mut request = Request::new(message);
        let metadata = request.metadata_mut();
        metadata.insert("authorization", format!("Bearer {}", secret("app")).parse().unwrap());
        metadata.insert("traceparent", parent.parse().unwrap());
        metadata.insert("tracestate", "vendor=note".parse().unwrap());
        request
    }

    /// Words and vectors, over gRPC.
    async fn hybrid(&self, parent: &str) {
        use v1::retriever::Kind;
        let dense = v1::Dense { query: Some(v1::dense::Query::Vector(vector(vec![1.0, 0.5]))), ..v1::Dense::default() };
        let text = v1::Text { query: "queryword".to_owned(), ..v1::Text::default() };
        let one = |kind| v1::Retriever { kind: Some(kind), ..v1::Retriever::default() };
        let retrievers = vec![one(Kind::Dense(dense)), one(Kind::Text(text))];
        let ask = v1::QueryRequest { collection: "c".to_owned(), retrievers, ..v1::QueryRequest::default() };
        let mut points = v1::points_client::PointsClient::new(self.channel.clone());
        points.query(self.with(ask, parent)).await.unwrap();
    }

    async fn over_http(&self, method: &str, path: &str, parent: &str, body: serde_json::Value) -> u16 {
        let lines = [
            format!("Authorization: Bearer {}", secret("app")),
            format!("traceparent: {parent}"),
            "Content-Type: application/json".to_owned(),
        ];
        let (addr, method, path) = (self.http.clone(), method.to_owned(), path.to_owned());
        let send = move || {
            let lines = lines.each_ref().map(String::as_str);
            request_with(&addr, &method, &path, &lines, body.to_string().as_bytes()).0
        };
        tokio::task::spawn_blocking(send).await.unwrap()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn of_trace(spans: &[Span], trace: u128) -> Vec<&Span> {
    spans.iter().filter(|span| span.trace_id == trace.to_be_bytes()).collect()
}

/// The span of the request of a trace, and the names of its stages in the order of their beginning.
fn request_of(spans: &[Span], trace: u128) -> (&Span, Vec<&str>) {
    let all = of_trace(spans, trace);
    let requests: Vec<_> = all.iter().filter(|span| span.kind == SERVER).collect();
    assert_eq!(requests.len(), 1, "{all:#?}");
    let request = *requests[0];
    assert_eq!(hex(&request.parent_span_id), CALLERS_SPAN);
    let mut stages: Vec<_> = all.iter().filter(|span| span.kind == INTERNAL).collect();
    for stage in &stages {
        assert_eq!(stage.parent_span_id, request.span_id, "{stage:#?}");
        // To the microsecond: what an explanation says is rounded so.
        let (first, last) = (request.start_time_unix_nano, request.end_time_unix_nano + 1_000);
        let within = first <= stage.start_time_unix_nano && stage.end_time_unix_nano <= last;
        assert!(within && stage.start_time_unix_nano <= stage.end_time_unix_nano, "{request:#?} {stage:#?}");
    }
    stages.sort_by_key(|stage| stage.start_time_unix_nano);
    (request, stages.iter().map(|stage| stage.name.as_str()).collect())
}

fn saying<'s>(span: &'s Span, names: &[&'s str]) -> Vec<String> {
    names.iter().map(|name| said(&span.attributes, name)).collect()
}

const RPC: [&str; 6] =
    ["rpc.system", "rpc.service", "rpc.method", "rpc.grpc.status_code", "db.operation.name", "db.collection.name"];
const HTTP: [&str; 5] =
    ["http.request.method", "http.route", "http.response.status_code", "db.operation.name", "db.collection.name"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_of_every_door_are_spans_with_their_stages() {
    let collector = Collector::start(Manner::Takes).await;
    let server = served(settings(&collector.url, 1.0)).await;
    server.hybrid(&parent(1, true)).await;
    let ask = json!({"collection": "c", "retrievers": [{"dense": {"vector": {"values": [1.0, 0.5]}}}],
        "filter": {"must": [{"field": {"path": "k", "match": {"keyword": "filterword"}}}]}});
    let status = server.over_http("POST", "/nigh.v1.Points/Query", &parent(2, true), ask.clone()).await;
    let upsert = json!({"points": [{"id": 9, "vector": {"v": [1.0, 0.0]}, "payload": {"t": "payloadword"}}]});
    assert_eq!(server.over_http("PUT", "/collections/c/points?wait=true", &parent(3, true), upsert).await, 200);
    let ask = q::QueryPoints {
        collection_name: "c".to_owned(),
        query: Some(q::Query {
            variant: Some(q::query::Variant::Nearest(q::VectorInput {
                variant: Some(q::vector_input::Variant::Dense(q::DenseVector { data: vec![1.0, 0.0] })),
            })),
        }),
        using: Some("v".to_owned()),
        ..q::QueryPoints::default()
    };
    let mut others = q::points_client::PointsClient::new(server.channel.clone());
    others.query(server.with(ask, &parent(4, true))).await.unwrap();
    assert_eq!(server.over_http("POST", "/collections/none/points/query", &parent(5, true), json!({})).await, 404);
    let write = v1::WriteRequest { collection: "c".to_owned(), ..v1::WriteRequest::default() };
    let mut points = v1::points_client::PointsClient::new(server.channel.clone());
    let mut wrong = server.with(write.clone(), &parent(6, true));
    assert_eq!(points.write(wrong).await.unwrap_err().code(), Code::InvalidArgument);
    wrong = server.with(write, &parent(7, true));
    wrong.metadata_mut().insert("authorization", "Bearer nobody-knows-this-key".parse().unwrap());
    assert_eq!(points.write(wrong).await.unwrap_err().code(), Code::Unauthenticated);
    // Those that ask whether it lives have none.
    assert_eq!(server.over_http("GET", "/livez", &parent(8, true), json!({})).await, 200);
    assert_eq!(server.over_http("GET", "/metrics", &parent(8, true), json!({})).await, 200);
    // A stop sends what waits: nothing here waited for the second within which it is sent.
    server.running.shutdown().await.unwrap();

    assert_eq!(collector.service("service.name"), "nigh-under-test");
    assert_eq!(collector.header("authorization").unwrap(), "Bearer of-the-collector");
    let spans = collector.spans();
    let (request, stages) = request_of(&spans, 1);
    assert_eq!(request.name, "nigh.v1.Points/Query");
    assert_eq!(saying(request, &RPC), ["grpc", "nigh.v1.Points", "Query", "0", "Query", "c"]);
    assert_eq!((request.trace_state.as_str(), said(&request.attributes, "nigh.caller")), ("vendor=note", "app".into()));
    assert_eq!(stages, ["queue", "filter", "dense", "text", "fusion", "read"]);
    let dense = of_trace(&spans, 1).into_iter().find(|span| span.name == "dense").unwrap();
    assert_eq!(saying(dense, &["nigh.matching", "nigh.found", "nigh.parts"]), ["3", "3", "1"]);

    let (request, stages) = request_of(&spans, 2);
    assert_eq!((status, request.name.as_str()), (200, "POST /nigh.v1.Points/Query"));
    assert_eq!(saying(request, &HTTP), ["POST", "/nigh.v1.Points/Query", "200", "Query", "c"]);
    assert_eq!(stages, ["queue", "filter", "dense", "read"]);

    let (request, stages) = request_of(&spans, 3);
    assert_eq!(request.name, "PUT /collections/{collection}/points");
    assert_eq!(saying(request, &HTTP), ["PUT", "/collections/{collection}/points", "200", "PUT points", "c"]);
    assert_eq!(stages, ["queue", "prepare", "writer queue", "fold", "log append", "log sync", "apply"]);

    let (request, stages) = request_of(&spans, 4);
    assert_eq!(saying(request, &RPC), ["grpc", "qdrant.Points", "Query", "0", "Query", "c"]);
    assert_eq!(stages, ["queue", "filter", "dense", "read"]);

    // A mistake of a caller is no error of the server.
    let (request, _) = request_of(&spans, 5);
    assert_eq!(saying(request, &["http.response.status_code", "error.type"]), ["404", ""]);
    let (request, _) = request_of(&spans, 6);
    assert_eq!(saying(request, &["rpc.grpc.status_code", "error.type"]), ["3", ""]);
    let (request, stages) = request_of(&spans, 7);
    assert_eq!(
        saying(request, &["rpc.grpc.status_code", "nigh.caller", "db.collection.name"]),
        ["16", "anonymous", ""]
    );
    assert!(stages.is_empty(), "{stages:?}");
    assert!(spans.iter().all(|span| span.status.as_ref().is_none_or(|status| status.code != FAILED)), "{spans:#?}");
    assert!(of_trace(&spans, 8).is_empty());
    let told = format!("{spans:?}");
    for word in SECRETS.into_iter().chain([secret("app").as_str(), "nobody-knows"]) {
        assert!(!told.contains(word), "{word} is in a span");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_decides_whether_its_trace_is_wanted() {
    let collector = Collector::start(Manner::Takes).await;
    let server = served(settings(&collector.url, 0.0)).await;
    server.hybrid(&parent(1, false)).await;
    server.hybrid("no parent at all").await;
    server.hybrid(&parent(2, true)).await;
    server.running.shutdown().await.unwrap();
    let spans = collector.spans();
    assert_eq!(of_trace(&spans, 2).len(), spans.len(), "{spans:#?}");
    assert_eq!(request_of(&spans, 2).1.len(), 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_and_upkeep_are_told_too() {
    let collector = Collector::start(Manner::Takes).await;
    let server = served(settings(&collector.url, 1.0)).await;
    let mut stream = server.client.ingest("c", nigh_client::IngestOptions::default());
    for id in 100..110 {
        stream.send(Point::new(id).vector("v", vec![1.0, 0.0])).await.unwrap();
    }
    stream.finish().await.unwrap();
    server.client.optimize("c").await.unwrap();
    server.running.shutdown().await.unwrap();
    let spans = collector.spans();
    let stream = spans.iter().find(|span| said(&span.attributes, "rpc.method") == "Ingest").unwrap();
    let of_stream = spans.iter().filter(|span| span.parent_span_id == stream.span_id);
    let stages: Vec<_> = of_stream.map(|span| span.name.as_str()).collect();
    assert!(["queue", "prepare", "log sync", "apply"].iter().all(|stage| stages.contains(stage)), "{stages:?}");
    let seal = spans.iter().find(|span| span.name == "seal").unwrap();
    assert!(seal.parent_span_id.is_empty(), "a trace of its own: {seal:#?}");
    assert_eq!(saying(seal, &["db.collection.name", "nigh.rows", "error.type"]), ["c", "13", ""]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_waits_for_a_collector_that_does_not_take_spans() {
    let hanging = Collector::start(Manner::Hangs).await;
    let server = served(Settings { queue_spans: 8, ..settings(&hanging.url, 1.0) }).await;
    hanging.has(1).await;
    let found = |reply: nigh_client::QueryReply| reply.hits.len();
    for _ in 0..20 {
        assert_eq!(found(server.client.query("c", Query::dense("v", vec![1.0, 0.5])).await.unwrap()), 3);
    }
    let counted = |result: &str| {
        let lines = page(&server);
        let name = format!("nigh_spans_total{{result=\"{result}\"}} ");
        lines.lines().find_map(|line| line.strip_prefix(&name)?.parse::<u64>().ok()).unwrap()
    };
    assert!(counted("dropped") > 0, "the queue is full");
    assert_eq!(counted("sent"), 0);
    server.running.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spans_for_a_collector_that_is_not_there_are_counted() {
    // A port that was free a moment ago.
    let gone = Collector::start(Manner::Takes).await;
    let url = gone.url.clone();
    drop(gone);
    let server = served(settings(&url, 1.0)).await;
    assert_eq!(server.client.count("c", None).await.unwrap(), 3);
    let failed = loop {
        let failed = page(&server)
            .lines()
            .find_map(|line| line.strip_prefix("nigh_spans_total{result=\"failed\"} ")?.parse::<u64>().ok());
        match failed {
            Some(0) | None => tokio::task::yield_now().await,
            Some(failed) => break failed,
        }
    };
    assert!(failed > 0);
    server.running.shutdown().await.unwrap();
}

fn page(server: &Traced) -> String {
    let authorization = format!("Authorization: Bearer {}", secret("app"));
    tokio::task::block_in_place(|| request_with(&server.http, "GET", "/metrics", &[&authorization], b"").2)
}
