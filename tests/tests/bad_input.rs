//! Everything that a caller can get wrong gets an error that says whose mistake it was and names the culprit, and
//! nothing of it is applied by half.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use nigh_proto::v1::{self, field_condition::Test, ingest_reply, ingest_request, op};
use nigh_tests::server::{Server, Tuning};
use nigh_tests::wire::{self, Door};
use serde_json::json;
use tonic::{Code, Status};

const C: &str = "things";
const GOOD: [f32; 4] = [1.0, 2.0, 3.0, 4.0];

async fn served() -> (tempfile::TempDir, Server, Door) {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_in(folder.path(), &Tuning::default()).await;
    let door = Door::open(&server.url).await;
    door.create(C, wire::spec(&[("v", 4), ("w", 2)], &[("text", "english")])).await.unwrap();
    door.write(C, vec![good(1)]).await.unwrap();
    (folder, server, door)
}

fn good(id: u64) -> v1::Op {
    wire::upsert(wire::point(wire::num(id), &[("v", &GOOD)], r#"{"text": "a good one", "n": 1}"#))
}

/// The error has this code, and its text names every one of these.
fn check<T: std::fmt::Debug>(what: &str, result: Result<T, Status>, code: Code, culprits: &[&str]) {
    let status = result.expect_err(what);
    assert_eq!(status.code(), code, "{what}: {status:?}");
    for culprit in culprits {
        assert!(status.message().contains(culprit), "{what}: `{}` does not name `{culprit}`", status.message());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_write_is_refused_whole() {
    let (_folder, server, door) = served().await;
    let vector = |name: &str, values: &[f32]| wire::upsert(wire::point(wire::num(3), &[(name, values)], "{}"));
    let payload = |text: &str| wire::upsert(wire::point(wire::num(3), &[("v", &GOOD)], text));
    let op = wire::operation;
    let set = |points, payload: &str| op(op::Op::SetPayload(v1::PayloadOp { points, payload: payload.into() }));
    let one = || Some(wire::by_ids(vec![wire::num(1)]));
    let bad_filter = wire::by_filter(wire::must(vec![wire::field("a..b", Test::IsEmpty(v1::Unit {}))]));
    let cases: Vec<(&str, v1::Op, &[&str])> = vec![
        ("a vector too short", vector("v", &[1.0, 2.0, 3.0]), &["v", "3", "4"]),
        ("a vector too long", vector("w", &[1.0; 3]), &["w", "3", "2"]),
        ("an empty vector", vector("v", &[]), &["v", "0", "4"]),
        ("not a number", vector("v", &[1.0, f32::NAN, 0.0, 0.0]), &["v", "[1]", "NaN"]),
        ("infinity", vector("v", &[0.0, 0.0, 0.0, f32::NEG_INFINITY]), &["v", "[3]", "inf"]),
        ("an unknown vector field", vector("colour", &GOOD), &["colour"]),
        ("a bad UUID", wire::upsert(wire::point(wire::uuid("no-uuid"), &[], "{}")), &["id", "no-uuid"]),
        ("no id", wire::upsert(v1::Point::default()), &["id"]),
        ("no operation", v1::Op::default(), &["op"]),
        ("a payload that is no JSON", payload("{\"a\": "), &["payload"]),
        ("a payload that is no object", payload("[1, 2]"), &["payload"]),
        ("a payload to set that is no object", set(one(), "7"), &["payload"]),
        ("a payload for nobody", set(None, "{}"), &["points"]),
        ("a malformed filter", op(op::Op::Delete(bad_filter)), &["a..b"]),
        (
            "an unknown field to delete",
            {
                let names = vec!["colour".to_owned()];
                op(op::Op::DeleteVectors(v1::DeleteVectorsOp { points: one(), names }))
            },
            &["colour"],
        ),
    ];
    for (what, bad, culprits) in cases {
        let result = door.write(C, vec![good(2), bad, good(4)]).await;
        let status = result.as_ref().expect_err(what);
        assert!(matches!(status.code(), Code::InvalidArgument | Code::NotFound), "{what}: {status:?}");
        let code = status.code();
        check(what, result, code, culprits);
        assert_eq!(door.count(C, None).await.unwrap().count, 1, "{what}: half of the batch was applied");
    }
    let point = &door.points_of(C, vec![wire::num(1)]).await.unwrap().points[0];
    assert_eq!(point.payload, r#"{"text": "a good one", "n": 1}"#);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_goes_beside_operations_is_checked() {
    let (_folder, server, door) = served().await;
    let position = |source: &str, offset, after| v1::SourcePosition {
        source: source.into(),
        partition: String::new(),
        offset,
        after,
    };
    let write = |ops, op_id: &[u8], positions| {
        let request = v1::WriteRequest { collection: C.into(), ops, op_id: op_id.to_vec(), positions, durability: 0 };
        let mut points = door.points.clone();
        async move { points.write(request).await }
    };
    let filtered = wire::operation(op::Op::Delete(wire::by_filter(wire::must(vec![wire::equals("n", 1)]))));
    let filtered = v1::Op { if_version: Some(1), ..filtered };
    let refused = [
        ("a short name", write(vec![good(2)], &[1; 15], vec![]).await, &["op_id", "15"][..]),
        ("a condition on a filter", write(vec![good(2), filtered], &[], vec![]).await, &["ops[1].if_version"]),
        (
            "a source without a name",
            write(vec![good(2)], &[], vec![position("", 1, None)]).await,
            &["positions[0].source"],
        ),
        (
            "a partition twice",
            write(vec![good(2)], &[], vec![position("s", 1, None), position("s", 2, None)]).await,
            &["positions[1]", "twice"],
        ),
        (
            "an offset that falls",
            write(vec![good(2)], &[], vec![position("s", 3, Some(3))]).await,
            &["positions[0].offset"],
        ),
        ("too many", write(vec![good(2)], &[], vec![position("s", 1, None); 65]).await, &["positions", "65", "64"]),
    ];
    for (what, result, culprits) in refused {
        check(what, result, Code::InvalidArgument, culprits);
    }
    assert_eq!(door.count(C, None).await.unwrap().count, 1);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_collection_is_named_at_every_call() {
    let (_folder, server, door) = served().await;
    let name = "nowhere";
    let culprits = &[name];
    check("write", door.write(name, vec![good(1)]).await, Code::NotFound, culprits);
    let query = wire::query(name, vec![wire::dense("v", &GOOD)], 1);
    check("query", door.query(query).await, Code::NotFound, culprits);
    check("count", door.count(name, None).await, Code::NotFound, culprits);
    check("scroll", door.scroll(name, None, None, 1).await, Code::NotFound, culprits);
    check("get", door.points_of(name, vec![wire::num(1)]).await, Code::NotFound, culprits);
    check("describe", door.status(name).await, Code::NotFound, culprits);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_spec_creates_nothing() {
    let (_folder, server, door) = served().await;
    let mut cases: Vec<(&str, &str, v1::CollectionSpec, &[&str])> = vec![
        ("a path as a name", "../up", wire::spec(&[("v", 4)], &[]), &["../up"]),
        ("an empty name", "", wire::spec(&[("v", 4)], &[]), &["name"]),
        ("a vector of no numbers", "x", wire::spec(&[("v", 0)], &[]), &["v", "size", "0"]),
        ("a vector of too many", "x", wire::spec(&[("v", 70_000)], &[]), &["v", "size", "70000", "65536"]),
        ("two of one name", "x", wire::spec(&[("v", 4), ("v", 5)], &[]), &["v"]),
        ("an unknown analyzer", "x", wire::spec(&[], &[("t", "klingon")]), &["klingon"]),
        (
            "no metric",
            "x",
            {
                let mut spec = wire::spec(&[("v", 4)], &[]);
                spec.vectors[0].metric = 99;
                spec
            },
            &["metric"],
        ),
    ];
    let lists = |metric: v1::Metric, ivf: v1::IvfSpec, hnsw| {
        let mut spec = wire::spec(&[("v", 4)], &[]);
        let field = &mut spec.vectors[0];
        (field.metric, field.ivf, field.hnsw) = (metric.into(), Some(ivf), hnsw);
        spec
    };
    let (cosine, default) = (v1::Metric::Cosine, v1::IvfSpec::default);
    let with = |lists, code: &str, rerank| v1::IvfSpec { lists, code: code.into(), rerank };
    cases.extend::<Vec<(&str, &str, v1::CollectionSpec, &[&str])>>(vec![
        ("lists for manhattan", "x", lists(v1::Metric::Manhattan, default(), None), &["v.ivf", "manhattan"]),
        ("lists and a graph", "x", lists(cosine, default(), Some(v1::HnswSpec::default())), &["ivf", "hnsw"]),
        ("an unknown code", "x", lists(cosine, with(0, "pq5", 0), None), &["ivf.code", "pq5", "pq4"]),
        ("codes of no bits", "x", lists(cosine, with(0, "bits0", 0), None), &["ivf.code", "bits0"]),
        ("too many lists", "x", lists(cosine, with(u32::MAX, "", 0), None), &["ivf.lists", "4294967295"]),
        ("too much to compare", "x", lists(cosine, with(0, "", 5_000), None), &["ivf.rerank", "5000"]),
    ]);
    for (what, name, spec, culprits) in cases {
        check(what, door.create(name, spec).await, Code::InvalidArgument, culprits);
    }
    check("again, otherwise", door.create(C, wire::spec(&[("v", 9)], &[])).await, Code::AlreadyExists, &[C]);
    let list = door.collections.clone().list(v1::ListCollectionsRequest {}).await.unwrap().into_inner();
    assert_eq!(list.collections.iter().map(|one| &one.name[..]).collect::<Vec<_>>(), [C]);
    server.stop().await;
}

fn filters() -> Vec<(&'static str, v1::Filter, &'static [&'static str])> {
    let one = |condition| wire::must(vec![condition]);
    let days = |gte: &str| v1::DatetimeRange { gte: Some(gte.into()), ..Default::default() };
    let numbers = |gte| v1::NumberRange { gte: Some(gte), ..Default::default() };
    let mut deep = one(wire::equals("n", 1));
    for _ in 0..60 {
        deep = one(wire::nested(deep));
    }
    vec![
        ("an empty path", one(wire::equals("", 1)), &["field", "``"]),
        ("an empty key", one(wire::equals("a..b", 1)), &["a..b"]),
        ("a quote that stays open", one(wire::equals("\"a", 1)), &["\"a"]),
        (
            "no test",
            one(v1::Condition {
                condition: Some(v1::condition::Condition::Field(v1::FieldCondition { path: "n".into(), test: None })),
            }),
            &["filter"],
        ),
        ("no condition", one(v1::Condition { condition: None }), &["filter"]),
        ("no scalar", one(wire::field("n", Test::Match(v1::Scalar { scalar: None }))), &["filter"]),
        ("no such day", one(wire::field("d", Test::DatetimeRange(days("2021-13-45")))), &["2021-13-45"]),
        ("a range from NaN", one(wire::field("n", Test::Range(numbers(f64::NAN)))), &["NaN"]),
        ("too deep a tree", deep, &["filter"]),
        (
            "a bad UUID in has_id",
            one(v1::Condition {
                condition: Some(v1::condition::Condition::HasId(v1::PointIds { ids: vec![wire::uuid("zz")] })),
            }),
            &["zz"],
        ),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_malformed_filter_is_named_wherever_it_stands() {
    let (_folder, server, door) = served().await;
    for (what, filter, culprits) in filters() {
        check(what, door.count(C, Some(filter.clone())).await, Code::InvalidArgument, culprits);
        check(what, door.scroll(C, Some(filter.clone()), None, 1).await, Code::InvalidArgument, culprits);
        let query = wire::query(C, vec![wire::dense("v", &GOOD)], 1);
        let query = v1::QueryRequest { filter: Some(filter.clone()), ..query };
        check(what, door.query(query).await, Code::InvalidArgument, culprits);
        let delete = wire::operation(op::Op::Delete(wire::by_filter(filter)));
        check(what, door.write(C, vec![delete]).await, Code::InvalidArgument, culprits);
    }
    assert_eq!(door.count(C, None).await.unwrap().count, 1);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_query_says_what_is_wrong_with_it() {
    let (_folder, server, door) = served().await;
    let q = |retrievers| wire::query(C, retrievers, 1);
    let with = |params| {
        let mut retriever = wire::dense("v", &GOOD);
        if let Some(v1::retriever::Kind::Dense(dense)) = &mut retriever.kind {
            dense.params = Some(params);
        }
        q(vec![retriever])
    };
    let like = |id| {
        let mut retriever = wire::dense("v", &GOOD);
        if let Some(v1::retriever::Kind::Dense(dense)) = &mut retriever.kind {
            dense.query = Some(v1::dense::Query::Point(id));
        }
        q(vec![retriever])
    };
    let two = || vec![wire::dense("v", &GOOD), wire::text("text", "good")];
    let fused = |k, weights: &[f32]| v1::QueryRequest {
        fusion: Some(v1::Fusion {
            fusion: Some(v1::fusion::Fusion::ReciprocalRank(v1::ReciprocalRank {
                k,
                weights: weights.to_vec(),
                ..Default::default()
            })),
        }),
        ..q(two())
    };
    let keys = |names: usize| {
        let keys = v1::Names { names: vec!["n".to_owned(); names] };
        let payload = v1::payload_selection::Selection::Exclude(keys);
        v1::QueryRequest { payload: Some(v1::PayloadSelection { selection: Some(payload) }), ..q(two()) }
    };
    assert_eq!(door.query(keys(256)).await.unwrap().hits.len(), 1);
    let cases: Vec<(&str, v1::QueryRequest, &[&str])> = vec![
        ("too many keys", keys(257), &["payload.exclude", "257", "256"]),
        ("no retriever", q(vec![]), &["retrievers"]),
        ("a retriever of no kind", q(vec![v1::Retriever::default()]), &["retrievers"]),
        ("a vector too short", q(vec![wire::dense("v", &[1.0])]), &["v", "1", "4"]),
        ("not a number", q(vec![wire::dense("v", &[1.0, 2.0, f32::NAN, 0.0])]), &["[2]", "NaN"]),
        ("an unknown vector field", q(vec![wire::dense("colour", &GOOD)]), &["colour"]),
        ("which of two fields", q(vec![wire::dense("", &GOOD)]), &["vector field"]),
        ("an unknown text field", q(vec![wire::text("prose", "good")]), &["prose"]),
        ("an effort without end", with(v1::SearchParams { ef: u32::MAX, ..Default::default() }), &["ef"]),
        ("more than everything", with(v1::SearchParams { recall: 1.5, ..Default::default() }), &["recall", "1.5"]),
        ("too many hits", v1::QueryRequest { limit: u32::MAX, ..q(two()) }, &["limit"]),
        ("too far down", v1::QueryRequest { offset: u32::MAX, ..q(two()) }, &["offset"]),
        ("an unknown point", like(wire::num(77)), &["77"]),
        ("a bad UUID", like(wire::uuid("zz")), &["zz"]),
        ("too few weights", fused(None, &[1.0]), &["weights"]),
        ("a negative weight", fused(None, &[1.0, -1.0]), &["weights"]),
        ("a k of NaN", fused(Some(f32::NAN), &[]), &["k"]),
    ];
    for (what, request, culprits) in cases {
        let result = door.query(request).await;
        let status = result.as_ref().expect_err(what);
        let not_found = ["an unknown vector field", "which of two fields", "an unknown text field", "an unknown point"];
        let code = if not_found.contains(&what) { status.code() } else { Code::InvalidArgument };
        assert!(matches!(code, Code::NotFound | Code::InvalidArgument), "{what}: {status:?}");
        check(what, result, code, culprits);
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_over_the_limit_is_refused_and_the_server_goes_on() {
    let (_folder, server, door) = served().await;
    let text = "x".repeat(nigh_proto::MESSAGE_BYTES_MAX);
    let point = wire::point(wire::num(9), &[("v", &GOOD)], &json!({ "text": text }).to_string());
    let status = door.write(C, vec![good(2), wire::upsert(point)]).await.unwrap_err();
    assert!(matches!(status.code(), Code::OutOfRange | Code::ResourceExhausted), "{status:?}");
    assert!(status.message().contains(&nigh_proto::MESSAGE_BYTES_MAX.to_string()), "{status:?}");
    let door = Door::open(&server.url).await;
    assert_eq!(door.count(C, None).await.unwrap().count, 1);
    server.stop().await;
}

/// What takes two bytes on the wire may take up hundreds when it is unpacked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_of_too_many_parts_is_refused_before_it_is_unpacked() {
    let (_folder, server, door) = served().await;
    let many = vec![v1::Retriever::default(); 500_000];
    let too_many = ["parts", &nigh_proto::weighed::PARTS_BYTES_MAX.to_string()];
    check("retrievers", door.query(wire::query(C, many, 1)).await, Code::InvalidArgument, &too_many);
    assert_eq!(door.count(C, None).await.unwrap().count, 1);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_says_so_and_loses_nothing_that_it_took() {
    let folder = tempfile::tempdir().unwrap();
    let tuning = Tuning { queue_batches: Some(1), ..Tuning::default() };
    let server = Server::start_in(folder.path(), &tuning).await;
    let door = Door::open(&server.url).await;
    door.create(C, wire::spec(&[("v", 4)], &[])).await.unwrap();
    let write = |id: u64| {
        let door = door.clone();
        tokio::spawn(async move { (id, door.write(C, vec![good(2 * id), good(2 * id + 1)]).await) })
    };
    let writers: Vec<_> = (0..400).map(write).collect();
    let (mut taken, mut refused) = (Vec::new(), 0);
    for writer in writers {
        match writer.await.unwrap() {
            (id, Ok(_)) => taken.extend([2 * id, 2 * id + 1]),
            (_, Err(status)) => {
                check("full", Err::<(), _>(status), Code::ResourceExhausted, &["full", "1"]);
                refused += 1;
            }
        }
    }
    assert!(refused > 0, "400 writers at once do not fit a queue of one batch");
    let there = door.scroll(C, None, None, 1000).await.unwrap().points;
    assert_eq!(there.iter().map(|point| wire::number(&point.id)).collect::<Vec<_>>(), taken, "taken or refused, whole");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_tells_a_refused_batch_and_goes_on() {
    let (_folder, server, door) = served().await;
    let request = |request| v1::IngestRequest { request: Some(request) };
    let open = |name: &str| {
        request(ingest_request::Request::Open(v1::IngestOpen { collection: name.into(), ..Default::default() }))
    };
    let batch =
        |number, ops| request(ingest_request::Request::Batch(v1::IngestBatch { number, ops, ..Default::default() }));
    let bad = wire::upsert(wire::point(wire::num(7), &[("v", &[1.0])], "{}"));
    let sent = vec![open(C), batch(1, vec![good(5)]), batch(2, vec![good(6), bad]), batch(3, vec![good(8)])];
    let mut replies = door.points.clone().ingest(tokio_stream::iter(sent)).await.unwrap().into_inner();
    let (mut refused, mut acked) = (Vec::new(), 0);
    while let Some(reply) = replies.message().await.unwrap() {
        match reply.reply.unwrap() {
            ingest_reply::Reply::Refusal(refusal) => {
                assert_eq!(refusal.code, Code::InvalidArgument as i32, "{refusal:?}");
                assert!(refusal.field.contains('v') && refusal.message.contains('4'), "{refusal:?}");
                refused.push(refusal.number);
            }
            ingest_reply::Reply::Ack(ack) => acked = ack.number,
            ingest_reply::Reply::Credits(_) => {}
        }
    }
    assert_eq!((refused, acked), (vec![2], 3));
    let there = door.scroll(C, None, None, 10).await.unwrap().points;
    assert_eq!(there.iter().map(|point| wire::number(&point.id)).collect::<Vec<_>>(), [1, 5, 8]);

    let sent = vec![open("nowhere"), batch(1, vec![good(5)])];
    let status = match door.points.clone().ingest(tokio_stream::iter(sent)).await {
        Err(status) => status,
        Ok(replies) => replies.into_inner().message().await.unwrap_err(),
    };
    check("an unknown collection", Err::<(), _>(status), Code::NotFound, &["nowhere"]);
    server.stop().await;
}
