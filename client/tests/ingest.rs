//! Streaming ingest against a server that keeps to a script: credits, refusals, lost connections.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use nigh_client::{Client, Error, IngestOptions, Op, Point, RetryPolicy};
use nigh_proto::v1::points_server::{Points, PointsServer};
use nigh_proto::v1::{self, ingest_reply, ingest_request, op, point_id};
use serde_json::json;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::{Request, Response, Status, Streaming};

/// What the server does with one connection.
#[derive(Clone, Debug)]
struct Session {
    /// Batches, and bytes, that may be on their way.
    credit: (u32, u64),
    /// Refuses the batch of this number.
    refuse: Option<u64>,
    refuse_with: tonic::Code,
    /// Takes so many batches, acknowledges so many of them, and breaks the stream with this.
    breaks: Option<(usize, usize, Status)>,
}

const CALM: Session =
    Session { credit: (4, 1 << 20), refuse: None, refuse_with: tonic::Code::InvalidArgument, breaks: None };

#[derive(Clone, Default)]
struct Scripted {
    sessions: Arc<Mutex<VecDeque<Session>>>,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default, Debug)]
struct Seen {
    /// What was applied, by id: how often.
    points: BTreeMap<u64, usize>,
    /// Operations of every batch.
    batches: Vec<usize>,
    /// The most batches and bytes that were on their way at once.
    flying_max: (u32, u64),
    opened: usize,
}

#[tonic::async_trait]
impl Points for Scripted {
    type IngestStream = ReceiverStream<Result<v1::IngestReply, Status>>;

    async fn ingest(
        &self,
        request: Request<Streaming<v1::IngestRequest>>,
    ) -> Result<Response<Self::IngestStream>, Status> {
        let (out, replies) = mpsc::channel(64);
        let session = self.sessions.lock().unwrap().pop_front().unwrap_or(CALM);
        self.seen.lock().unwrap().opened += 1;
        tokio::spawn(play(session, self.seen.clone(), request.into_inner(), out));
        Ok(Response::new(ReceiverStream::new(replies)))
    }

    async fn write(&self, _: Request<v1::WriteRequest>) -> Result<Response<v1::WriteReply>, Status> {
        Err(Status::unimplemented("not here"))
    }
    async fn query(&self, _: Request<v1::QueryRequest>) -> Result<Response<v1::QueryReply>, Status> {
        Err(Status::unimplemented("not here"))
    }
    async fn get(&self, _: Request<v1::GetRequest>) -> Result<Response<v1::GetReply>, Status> {
        Err(Status::unimplemented("not here"))
    }
    async fn scroll(&self, request: Request<v1::ScrollRequest>) -> Result<Response<v1::ScrollReply>, Status> {
        // Ten points, three a page at most.
        let request = request.into_inner();
        let from = match request.from.and_then(|id| id.id) {
            Some(point_id::Id::Num(number)) => number,
            _ => 0,
        };
        let to = (from + u64::from(request.limit)).min(10);
        let id = |number| v1::PointId { id: Some(point_id::Id::Num(number)) };
        let points = (from..to).map(|number| v1::Point { id: Some(id(number)), ..v1::Point::default() }).collect();
        Ok(Response::new(v1::ScrollReply { points, next: (to < 10).then(|| id(to)), seq: 1 }))
    }
    async fn count(&self, _: Request<v1::CountRequest>) -> Result<Response<v1::CountReply>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn facet(&self, _: Request<v1::FacetRequest>) -> Result<Response<v1::FacetReply>, Status> {
        Err(Status::unimplemented("not here"))
    }
}

type Out = mpsc::Sender<Result<v1::IngestReply, Status>>;

async fn play(session: Session, seen: Arc<Mutex<Seen>>, mut requests: Streaming<v1::IngestRequest>, out: Out) {
    let say = async |reply| out.send(Ok(v1::IngestReply { reply: Some(reply) })).await.is_ok();
    let credits = |batches, bytes| ingest_reply::Reply::Credits(v1::Credits { batches, bytes });
    say(credits(session.credit.0, session.credit.1)).await;
    let mut flying: Vec<(u64, u64)> = Vec::new();
    let mut taken = 0;
    while let Ok(Some(request)) = requests.message().await {
        let Some(ingest_request::Request::Batch(batch)) = request.request else { continue };
        flying.push((batch.number, prost::Message::encoded_len(&batch) as u64));
        let bytes = flying.iter().map(|(_, bytes)| bytes).sum();
        taken += 1;
        let refused = session.refuse == Some(batch.number);
        note(&seen, &batch, refused, (flying.len() as u32, bytes));
        if let Some((after, acked, status)) = &session.breaks {
            if taken <= *acked {
                let reached = v1::Durability::Durable.into();
                say(ingest_reply::Reply::Ack(v1::IngestAck {
                    number: batch.number,
                    seq: batch.number,
                    reached,
                    duplicate: false,
                }))
                .await;
                say(credits(1, flying.remove(0).1)).await;
            }
            if taken == *after {
                let _ = out.send(Err(status.clone())).await;
                return;
            }
            continue;
        }
        if refused {
            let (number, field, message) = (batch.number, "vectors.v".to_owned(), "2, not 1".to_owned());
            let code = session.refuse_with as i32;
            say(ingest_reply::Reply::Refusal(v1::IngestRefusal { number, field, message, code })).await;
        } else {
            let reached = v1::Durability::Durable.into();
            say(ingest_reply::Reply::Ack(v1::IngestAck {
                number: batch.number,
                seq: 100 + batch.number,
                reached,
                duplicate: false,
            }))
            .await;
        }
        say(credits(1, flying.remove(0).1)).await;
    }
}

fn note(seen: &Mutex<Seen>, batch: &v1::IngestBatch, refused: bool, flying: (u32, u64)) {
    let mut seen = seen.lock().unwrap();
    seen.batches.push(batch.ops.len());
    seen.flying_max = (seen.flying_max.0.max(flying.0), seen.flying_max.1.max(flying.1));
    for op in batch.ops.iter().filter(|_| !refused) {
        let Some(op::Op::Upsert(point)) = &op.op else { panic!("{op:?}") };
        let Some(point_id::Id::Num(id)) = point.id.clone().unwrap().id else { panic!("{point:?}") };
        *seen.points.entry(id).or_default() += 1;
    }
}

async fn serve(sessions: impl IntoIterator<Item = Session>) -> (Client, Scripted) {
    let server = Scripted { sessions: Arc::new(Mutex::new(sessions.into_iter().collect())), ..Scripted::default() };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let service = PointsServer::new(server.clone());
    let incoming = TcpListenerStream::new(listener);
    tokio::spawn(tonic::transport::Server::builder().add_service(service).serve_with_incoming(incoming));
    let retry = RetryPolicy { first_delay: Duration::from_micros(1), ..RetryPolicy::default() };
    (Client::builder(address).retry(retry).connect().await.unwrap(), server)
}

fn point(id: u64) -> Point {
    Point::new(id).vector("v", [id as f32; 8]).payload(json!({"n": id}))
}

fn tens() -> IngestOptions {
    IngestOptions { batch_ops: 10, ..IngestOptions::default() }
}

#[tokio::test]
async fn everything_arrives_once_in_batches() {
    let (client, server) = serve([CALM]).await;
    let mut ingest = client.ingest("c", tens());
    for id in 0..95 {
        ingest.send(point(id)).await.unwrap();
    }
    let summary = ingest.finish().await.unwrap();
    assert_eq!((summary.progress.ops, summary.progress.refused, summary.progress.seq), (95, 0, 110));
    let seen = server.seen.lock().unwrap();
    assert_eq!(seen.points, (0..95).map(|id| (id, 1)).collect());
    assert_eq!(seen.batches, [10, 10, 10, 10, 10, 10, 10, 10, 10, 5]);
}

#[tokio::test]
async fn batches_are_cut_by_bytes_too() {
    let (client, server) = serve([CALM]).await;
    let options = IngestOptions { batch_bytes: 1000, ..IngestOptions::default() };
    let mut ingest = client.ingest("c", options);
    let wide = |id: u64| Point::new(id).vector("v", vec![0.5; 100]);
    for id in 0..9 {
        ingest.send(wide(id)).await.unwrap();
    }
    // One that is larger than a batch goes alone.
    ingest.send(Point::new(9).vector("v", vec![0.5; 1000])).await.unwrap();
    ingest.send(wide(10)).await.unwrap();
    ingest.finish().await.unwrap();
    assert_eq!(server.seen.lock().unwrap().batches, [2, 2, 2, 2, 1, 1, 1]);
}

#[tokio::test]
async fn credit_is_kept() {
    let bytes = 1500;
    let (client, server) = serve([Session { credit: (3, bytes), ..CALM }]).await;
    let mut ingest = client.ingest("c", tens());
    for id in 0..200 {
        ingest.send(point(id)).await.unwrap();
    }
    assert_eq!(ingest.finish().await.unwrap().progress.ops, 200);
    let flying = server.seen.lock().unwrap().flying_max;
    assert!(flying.0 <= 3 && flying.1 <= bytes, "{flying:?}");
}

#[tokio::test]
async fn a_batch_beyond_all_credit_goes_alone() {
    let (client, server) = serve([Session { credit: (3, 10), ..CALM }]).await;
    let mut ingest = client.ingest("c", tens());
    for id in 0..30 {
        ingest.send(point(id)).await.unwrap();
    }
    assert_eq!(ingest.finish().await.unwrap().progress.ops, 30);
    assert_eq!(server.seen.lock().unwrap().flying_max.0, 1);
}

#[tokio::test]
async fn what_was_not_acknowledged_is_sent_again() {
    for (taken, acked) in [(1, 0), (3, 1), (4, 3), (5, 5)] {
        let breaks = Some((taken, acked, Status::unavailable("going down")));
        let broken = Session { credit: (8, 1 << 20), breaks, ..CALM };
        let (client, server) = serve([broken.clone(), broken]).await;
        let mut ingest = client.ingest("c", tens());
        for id in 0..150 {
            ingest.send(point(id)).await.unwrap();
        }
        let progress = ingest.finish().await.unwrap().progress;
        assert_eq!((progress.ops, progress.resumed), (150, 2));
        let seen = server.seen.lock().unwrap();
        assert_eq!(seen.points.keys().copied().collect::<Vec<_>>(), (0..150).collect::<Vec<_>>());
        assert_eq!(seen.points.values().sum::<usize>(), 150 + 2 * (taken - acked) * 10, "only the rest, again");
    }
}

#[tokio::test]
async fn a_refused_batch_is_reported_and_the_rest_goes_on() {
    let (client, server) = serve([Session { refuse: Some(2), ..CALM }]).await;
    let mut ingest = client.ingest("c", tens());
    for id in 0..50 {
        ingest.send(point(id)).await.unwrap();
    }
    let summary = ingest.finish().await.unwrap();
    assert_eq!((summary.progress.ops, summary.progress.refused), (50, 10));
    assert_eq!(summary.progress.first_refused, Some(10));
    let refusal = &summary.refusals[0];
    assert_eq!((refusal.first_op, refusal.ops, &refusal.field[..]), (10, 10, "vectors.v"));
    assert_eq!(server.seen.lock().unwrap().points.len(), 40);
}

#[tokio::test]
async fn a_refusal_of_the_stream_is_final() {
    let breaks = Some((1, 0, Status::not_found("no collection `c`")));
    let (client, server) = serve([Session { breaks, ..CALM }]).await;
    let mut ingest = client.ingest("c", tens());
    let mut outcome = Ok(());
    for id in 0..10_000 {
        outcome = ingest.send(point(id)).await;
        if outcome.is_err() {
            break;
        }
    }
    assert!(matches!(outcome, Err(Error::Server { code: tonic::Code::NotFound, .. })), "{outcome:?}");
    assert!(ingest.send(point(0)).await.is_ok() && ingest.finish().await.is_err(), "nothing more goes through");
    assert_eq!(server.seen.lock().unwrap().opened, 1);
}

#[tokio::test]
async fn a_server_that_never_acknowledges_is_given_up() {
    let broken = Session { breaks: Some((1, 0, Status::unavailable("no"))), ..CALM };
    let (client, server) = serve(std::iter::repeat_n(broken, 20)).await;
    let mut ingest = client.ingest("c", IngestOptions { patience: Duration::ZERO, ..tens() });
    ingest.send(point(1)).await.unwrap();
    assert!(ingest.finish().await.is_err());
    assert_eq!(server.seen.lock().unwrap().opened, 1);
}

#[tokio::test]
async fn a_refusal_for_the_moment_is_not_final() {
    let busy = Session { refuse: Some(2), refuse_with: tonic::Code::Unavailable, ..CALM };
    let (client, server) = serve([busy]).await;
    let mut ingest = client.ingest("c", tens());
    for id in 0..50 {
        ingest.send(point(id)).await.unwrap();
    }
    let progress = ingest.finish().await.unwrap().progress;
    assert_eq!((progress.ops, progress.refused, progress.resumed), (50, 0, 1));
    assert_eq!(server.seen.lock().unwrap().points.len(), 50);
}

#[tokio::test]
async fn upsert_all_takes_any_stream_of_points() {
    let (client, server) = serve([CALM]).await;
    let summary = client.upsert_all("c", tokio_stream::iter((0..1000).map(point))).await.unwrap();
    assert_eq!(summary.progress.ops, 1000);
    assert_eq!(server.seen.lock().unwrap().points.len(), 1000);
}

#[tokio::test]
async fn a_bad_payload_is_refused_before_it_is_sent() {
    let (client, _) = serve([CALM]).await;
    let mut ingest = client.ingest("c", tens());
    let error = ingest.send(Op::Upsert(Point::new(1).payload(json!("text")))).await.unwrap_err();
    assert_eq!(error.field(), Some("payload"));
}

#[tokio::test]
async fn a_scroll_walks_all_pages() {
    use tokio_stream::StreamExt;
    let (client, _) = serve([]).await;
    let scroll = nigh_client::Scroll { page: 3, ..Default::default() };
    let points: Vec<_> = client.scroll("c", scroll).collect().await;
    let ids: Vec<_> = points.into_iter().map(|point| point.unwrap().id.to_string()).collect();
    assert_eq!(ids, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
}
