//! One round through every call, as a client of any language makes it: create, write, ask in every
//! way, stream, stop, open again.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use nigh_proto::v1::collections_client::CollectionsClient;
use nigh_proto::v1::points_client::PointsClient;
use nigh_proto::v1::{self, dense, ingest_reply, ingest_request, op, point_id, retriever};
use nigh_server::config::Config;
use nigh_server::serve::{Error, Running, Server};
use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tonic::transport::Channel;
use tonic::{Code, Request};
use tonic_types::StatusExt;

const C: &str = "things";

struct Client {
    points: PointsClient<Channel>,
    collections: CollectionsClient<Channel>,
}

fn config(folder: &Path) -> Config {
    let any = "127.0.0.1:0".parse().unwrap();
    Config { grpc: any, http: any, ..Config::new(folder) }
}

async fn start(folder: &Path) -> (Running, Client) {
    let running = Server::start(config(folder)).await.unwrap();
    running.ready().await;
    let url = format!("http://{}", running.grpc_addr());
    let channel = Channel::from_shared(url).unwrap().connect().await.unwrap();
    let client = Client { points: PointsClient::new(channel.clone()), collections: CollectionsClient::new(channel) };
    (running, client)
}

fn id(number: u64) -> v1::PointId {
    v1::PointId { id: Some(point_id::Id::Num(number)) }
}

fn number(id: &Option<v1::PointId>) -> u64 {
    match id.as_ref().unwrap().id.as_ref().unwrap() {
        point_id::Id::Num(number) => *number,
        point_id::Id::Uuid(uuid) => panic!("{uuid}"),
    }
}

/// Point n lies at (n, 1), says its number in words, and is even or odd.
fn operation(op: op::Op) -> v1::Op {
    v1::Op { op: Some(op), if_version: None }
}

fn upsert(n: u64) -> v1::Op {
    let vectors = HashMap::from([("v".to_owned(), v1::Vector { values: vec![n as f32, 1.0] })]);
    let parity = if n.is_multiple_of(2) { "even" } else { "odd" };
    let payload = format!(r#"{{"n": {n}, "parity": "{parity}", "text": "number{n} is an {parity} one"}}"#);
    operation(op::Op::Upsert(v1::Point { id: Some(id(n)), vectors, payload, ..Default::default() }))
}

fn equals(path: &str, keyword: &str) -> v1::Filter {
    let scalar = v1::Scalar { scalar: Some(v1::scalar::Scalar::Keyword(keyword.into())) };
    let test = Some(v1::field_condition::Test::Match(scalar));
    let field = v1::FieldCondition { path: path.into(), test };
    let condition = v1::Condition { condition: Some(v1::condition::Condition::Field(field)) };
    v1::Filter { must: vec![condition], ..Default::default() }
}

fn near(x: f32) -> v1::Retriever {
    let query = Some(dense::Query::Vector(v1::Vector { values: vec![x, 1.0] }));
    let kind = retriever::Kind::Dense(v1::Dense { field: "v".into(), query, params: None });
    v1::Retriever { kind: Some(kind), ..Default::default() }
}

fn near_point(n: u64) -> v1::Retriever {
    let query = Some(dense::Query::Point(id(n)));
    let kind = retriever::Kind::Dense(v1::Dense { field: String::new(), query, params: None });
    v1::Retriever { kind: Some(kind), ..Default::default() }
}

fn words(query: &str) -> v1::Retriever {
    let kind = retriever::Kind::Text(v1::Text { field: "text".into(), query: query.into(), ..Default::default() });
    v1::Retriever { kind: Some(kind), ..Default::default() }
}

fn query(retrievers: Vec<v1::Retriever>, limit: u32) -> v1::QueryRequest {
    v1::QueryRequest { collection: C.into(), retrievers, limit, ..Default::default() }
}

impl Client {
    async fn create(&mut self) {
        let vector =
            v1::VectorField { name: "v".into(), size: 2, metric: v1::Metric::Euclid.into(), ..Default::default() };
        let text = v1::TextField { name: "text".into(), ..Default::default() };
        let spec = Some(v1::CollectionSpec { vectors: vec![vector], texts: vec![text], ..Default::default() });
        let request = v1::CreateCollectionRequest { collection: C.into(), spec, if_absent: false };
        assert!(self.collections.create(request.clone()).await.unwrap().into_inner().created);
        assert_eq!(self.collections.create(request.clone()).await.unwrap_err().code(), Code::AlreadyExists);
        let again = v1::CreateCollectionRequest { if_absent: true, ..request };
        assert!(!self.collections.create(again).await.unwrap().into_inner().created);
    }

    async fn write(&mut self, ops: Vec<v1::Op>) -> Result<v1::WriteReply, tonic::Status> {
        let request = v1::WriteRequest { collection: C.into(), ops, ..Default::default() };
        Ok(self.points.write(request).await?.into_inner())
    }

    async fn query(&mut self, request: v1::QueryRequest) -> v1::QueryReply {
        self.points.query(request).await.unwrap().into_inner()
    }

    async fn found(&mut self, request: v1::QueryRequest) -> Vec<u64> {
        self.query(request).await.hits.iter().map(|hit| number(&hit.id)).collect()
    }

    async fn count(&mut self, filter: Option<v1::Filter>) -> u64 {
        let request = v1::CountRequest { collection: C.into(), filter, ..Default::default() };
        self.points.count(request).await.unwrap().into_inner().count
    }
}

/// A page over HTTP: its status and its body.
async fn page(running: &Running, path: &str) -> (u16, String) {
    let mut stream = tokio::net::TcpStream::connect(running.http_addr()).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: nigh\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.unwrap();
    let (head, body) = reply.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_written_is_found_in_every_way_and_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (running, mut client) = start(folder.path()).await;
    client.create().await;
    let written = client.write((1..=20).map(upsert).collect()).await.unwrap();
    assert_eq!((written.affected, written.reached), (20, v1::Durability::Durable.into()));
    let delete = v1::Selector { selector: Some(v1::selector::Selector::Ids(v1::PointIds { ids: vec![id(20)] })) };
    client.write(vec![operation(op::Op::Delete(delete))]).await.unwrap();

    ask_everything(&mut client).await;
    let (status, body) = page(&running, "/readyz").await;
    assert_eq!(
        (status, body.trim()),
        (200, r#"{"ready":true,"collections":{"open":1,"opening":0,"quarantined":0},"opening":[]}"#)
    );
    let (status, body) = page(&running, "/metrics").await;
    assert!(status == 200 && body.contains("nigh_points{collection=\"things\"} 19"), "{body}");
    assert_eq!(page(&running, "/healthz").await.0, 200);

    running.shutdown().await.unwrap();
    let (running, mut client) = start(folder.path()).await;
    ask_everything(&mut client).await;
    let request = v1::DropCollectionRequest { collection: C.into() };
    assert!(client.collections.drop(request.clone()).await.unwrap().into_inner().dropped);
    assert!(!client.collections.drop(request).await.unwrap().into_inner().dropped);
    running.shutdown().await.unwrap();
}

async fn ask_everything(client: &mut Client) {
    assert_eq!(client.found(query(vec![near(7.2)], 3)).await, [7, 8, 6]);
    let reply = client.query(query(vec![near(7.0)], 2)).await;
    assert_eq!((reply.hits[0].score, reply.hits[1].score), (0.0, 1.0), "distances, smaller is better");
    assert_eq!(reply.hits[1].payload, "", "nothing was asked for");

    assert_eq!(client.found(query(vec![near_point(7)], 2)).await, [6, 8], "not the point itself");
    let odd = v1::QueryRequest { filter: Some(equals("parity", "odd")), ..query(vec![near(7.2)], 3) };
    assert_eq!(client.found(odd.clone()).await, [7, 9, 5]);
    let own = v1::Retriever { filter: Some(equals("parity", "even")), ..near(7.2) };
    assert_eq!(client.found(query(vec![own], 2)).await, [8, 6]);
    let close = v1::QueryRequest { score_threshold: Some(1.0), ..query(vec![near(7.0)], 10) };
    assert_eq!(client.found(close).await, [7, 6, 8]);
    let beyond = v1::QueryRequest { offset: 18, ..query(vec![near(0.0)], 10) };
    assert_eq!(client.found(beyond).await, [19], "20 is deleted");

    assert_eq!(client.found(query(vec![words("number12")], 5)).await, [12]);
    assert_eq!(client.found(query(vec![words("nowhere")], 5)).await, [0; 0]);
    let hybrid = v1::QueryRequest { explain: true, ..query(vec![near(3.1), words("number4 odd")], 3) };
    let reply = client.query(hybrid).await;
    assert_eq!(reply.hits[0].placings.len(), 2);
    let best = &reply.hits[0];
    let score: f32 = best.placings.iter().filter(|one| one.rank > 0).map(|one| 1.0 / (60.0 + one.rank as f32)).sum();
    assert!((best.score - score).abs() < 1e-6, "{best:?}");
    let explanation = reply.explanation.unwrap();
    assert!(explanation.parts.iter().any(|part| part.retriever == "dense[0]" && part.distances_full > 0));
    assert!(explanation.parts.iter().any(|part| part.route == "postings" && part.postings > 0));
    let sum: u64 = explanation.stages.iter().map(|stage| stage.took_us).sum();
    let slack = explanation.total_us / 10 + explanation.stages.len() as u64;
    assert!(sum.abs_diff(explanation.total_us) <= slack, "{explanation:?}");
    assert_eq!(reply.plans.iter().map(|plan| plan.matching).collect::<Vec<_>>(), [19, 19]);

    let some = v1::payload_selection::Selection::Include(v1::Names { names: vec!["n".into()] });
    let all = v1::vector_selection::Selection::All(true);
    let selected = v1::QueryRequest {
        payload: Some(v1::PayloadSelection { selection: Some(some) }),
        vectors: Some(v1::VectorSelection { selection: Some(all) }),
        ..query(vec![near(7.0)], 1)
    };
    let hit = &client.query(selected).await.hits[0];
    assert_eq!((&hit.payload[..], &hit.vectors["v"].values[..]), (r#"{"n":7}"#, &[7.0, 1.0][..]));

    let get = v1::GetRequest { collection: C.into(), ids: vec![id(9), id(20), id(3)], ..Default::default() };
    let got = client.points.get(get).await.unwrap().into_inner();
    assert_eq!(got.points.iter().map(|point| number(&point.id)).collect::<Vec<_>>(), [9, 3]);
    assert!(got.points[0].payload.starts_with(r#"{"n": 9, "parity": "odd","#), "as it was written");

    assert_eq!((client.count(None).await, client.count(Some(equals("parity", "even"))).await), (19, 9));
    let mut from = None;
    let mut pages = Vec::new();
    loop {
        let filter = Some(equals("parity", "even"));
        let request = v1::ScrollRequest { collection: C.into(), filter, from, limit: 4, ..Default::default() };
        let page = client.points.scroll(request).await.unwrap().into_inner();
        pages.push(page.points.iter().map(|point| number(&point.id)).collect::<Vec<_>>());
        from = page.next;
        if from.is_none() {
            break;
        }
    }
    assert_eq!(pages, [vec![2, 4, 6, 8], vec![10, 12, 14, 16], vec![18]]);

    let described = client.collections.describe(v1::DescribeCollectionRequest { collection: C.into() }).await;
    let described = described.unwrap().into_inner();
    assert_eq!(described.status.unwrap().points, 19);
    assert_eq!(described.spec.unwrap().vectors[0].metric, v1::Metric::Euclid as i32);
    let list = client.collections.list(v1::ListCollectionsRequest {}).await.unwrap().into_inner();
    assert_eq!((&list.collections[0].name[..], &list.collections[0].state[..]), (C, "open"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mistakes_are_told_with_their_place_and_nothing_of_them_is_applied() {
    let folder = tempfile::tempdir().unwrap();
    let (running, mut client) = start(folder.path()).await;
    client.create().await;
    let mut short = upsert(2);
    if let Some(op::Op::Upsert(point)) = &mut short.op {
        point.vectors.get_mut("v").unwrap().values.pop();
    }
    let status = client.write(vec![upsert(1), short]).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    let violation = &status.get_details_bad_request().unwrap().field_violations[0];
    assert_eq!(violation.field, "ops[1].upsert.vectors.v");
    assert_eq!(client.count(None).await, 0);

    let mut deep = equals("parity", "odd");
    for _ in 0..60 {
        let condition = v1::Condition { condition: Some(v1::condition::Condition::Filter(deep)) };
        deep = v1::Filter { must: vec![condition], ..Default::default() };
    }
    let request = v1::CountRequest { collection: C.into(), filter: Some(deep), ..Default::default() };
    let status = client.points.count(request).await.unwrap_err();
    assert!(status.code() == Code::InvalidArgument && status.message().contains("filter"), "{status:?}");

    let mut late = Request::new(query(vec![near(1.0)], 1));
    late.set_timeout(Duration::from_nanos(1));
    let status = client.points.query(late).await.unwrap_err();
    assert!(matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled), "{status:?}");

    let missing = v1::QueryRequest { collection: "nowhere".into(), ..query(vec![near(1.0)], 1) };
    assert_eq!(client.points.query(missing).await.unwrap_err().code(), Code::NotFound);
    running.shutdown().await.unwrap();
}

fn open() -> v1::IngestRequest {
    let open = v1::IngestOpen { collection: C.into(), durability: 0 };
    v1::IngestRequest { request: Some(ingest_request::Request::Open(open)) }
}

fn batch(number: u64, ops: Vec<v1::Op>) -> v1::IngestRequest {
    v1::IngestRequest {
        request: Some(ingest_request::Request::Batch(v1::IngestBatch { number, ops, ..Default::default() })),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_is_acknowledged_in_order_and_survives_a_refusal() {
    let folder = tempfile::tempdir().unwrap();
    let (running, mut client) = start(folder.path()).await;
    client.create().await;
    let batches =
        (1..=100).map(|n| if n == 50 { batch(n, vec![v1::Op::default()]) } else { batch(n, vec![upsert(n)]) });
    let sent: Vec<_> = std::iter::once(open()).chain(batches).collect();
    let mut replies = client.points.ingest(tokio_stream::iter(sent)).await.unwrap().into_inner();
    let (mut settled, mut refused, mut credits) = (Vec::new(), Vec::new(), 0);
    while let Some(reply) = replies.message().await.unwrap() {
        match reply.reply.unwrap() {
            ingest_reply::Reply::Ack(ack) => settled.push(ack.number),
            ingest_reply::Reply::Refusal(refusal) => {
                assert_eq!((&refusal.field[..], refusal.code), ("ops[0].op", Code::InvalidArgument as i32));
                settled.push(refusal.number);
                refused.push(refusal.number);
            }
            ingest_reply::Reply::Credits(more) => credits += more.batches,
        }
    }
    assert_eq!((settled, refused), ((1..=100).collect(), vec![50]));
    assert_eq!(credits, 132, "what was lent comes back");
    assert_eq!(client.count(None).await, 99);
    running.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_ends_open_streams_after_what_is_on_its_way() {
    let folder = tempfile::tempdir().unwrap();
    let (running, mut client) = start(folder.path()).await;
    client.create().await;
    let (sender, receiver) = tokio::sync::mpsc::channel(4);
    sender.send(open()).await.unwrap();
    sender.send(batch(1, vec![upsert(1)])).await.unwrap();
    let outgoing = tokio_stream::wrappers::ReceiverStream::new(receiver);
    let mut replies = client.points.ingest(outgoing).await.unwrap().into_inner();
    while !matches!(replies.message().await.unwrap().unwrap().reply, Some(ingest_reply::Reply::Ack(_))) {}
    let stopped = tokio::spawn(running.shutdown());
    let status = loop {
        match replies.message().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the stream ended without a word"),
            Err(status) => break status,
        }
    };
    assert_eq!(status.code(), Code::Unavailable);
    drop(sender);
    stopped.await.unwrap().unwrap();
}

#[tokio::test]
async fn what_must_not_start_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let exposed = Config { grpc: "0.0.0.0:0".parse().unwrap(), ..config(folder.path()) };
    assert!(matches!(Server::start(exposed).await, Err(Error::Exposed { .. })));
    let (running, _) = start(folder.path()).await;
    assert!(matches!(Server::start(config(folder.path())).await, Err(Error::Storage(_))), "the directory is locked");
    let other = tempfile::tempdir().unwrap();
    let taken = Config { http: running.http_addr(), ..config(other.path()) };
    assert!(matches!(Server::start(taken).await, Err(Error::Listen { .. })));
    running.shutdown().await.unwrap();
}
