//! What a client may rely on when it writes: a retry is applied once, a condition holds, a source goes on where it was,
//! a point is gone at its time.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use nigh_client::error::Code;
use nigh_client::point::Selector;
use nigh_client::{
    Client, CollectionSpec, Durability, IngestOptions, IngestSource, Metric, Op, Point, Position, WriteOptions,
};
use nigh_tests::server::{Server, Tuning};
use uuid::Uuid;

const C: &str = "c";

async fn served(folder: &std::path::Path) -> (Server, Client) {
    let server = Server::start_in(folder, &Tuning::default()).await;
    let client = Client::connect(&server.url).await.unwrap();
    let spec = CollectionSpec::new().vector("v", 2, Metric::Cosine);
    client.create_collection_if_absent(C, spec).await.unwrap();
    (server, client)
}

fn point(id: u64) -> Point {
    Point::new(id).vector("v", [id as f32, 1.0]).payload(serde_json::json!({"n": id}))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_under_a_name_is_applied_once_also_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (server, client) = served(folder.path()).await;
    let options = WriteOptions { op_id: Some(Uuid::from_u128(7)), ..Durability::Durable.into() };
    let first = client.write_with(C, [Op::Upsert(point(1))], options.clone()).await.unwrap();
    client.delete(C, vec![1u64]).await.unwrap();
    server.stop().await;
    let (server, client) = served(folder.path()).await;
    let again = client.write_with(C, [Op::Upsert(point(1))], options).await.unwrap();
    assert!(again.duplicate && !first.duplicate);
    assert_eq!((again.seq, again.affected), (first.seq, first.affected));
    assert_eq!(client.count(C, None).await.unwrap(), 0);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_on_a_condition_says_what_it_found() {
    let folder = tempfile::tempdir().unwrap();
    let (server, client) = served(folder.path()).await;
    let create = || Op::Upsert(point(1)).if_version(0);
    client.write(C, [create()], Durability::Durable).await.unwrap();
    let refused = client.write(C, [Op::Upsert(point(2)), create()], Durability::Durable).await.unwrap_err();
    assert_eq!((refused.code(), refused.field()), (Code::FailedPrecondition, Some("ops[1].if_version")));
    assert!(refused.to_string().contains("point 1 has version 1"), "{refused}");
    let found = client.get(C, [1u64, 2]).await.unwrap();
    assert_eq!((found.len(), found[0].version), (1, 1));
    let by_version = Op::Delete(Selector::ids([1u64])).if_version(found[0].version);
    client.write(C, [by_version], Durability::Durable).await.unwrap();
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_goes_on_where_it_was_and_leaves_no_gap() {
    let folder = tempfile::tempdir().unwrap();
    let (server, client) = served(folder.path()).await;
    let options = |offset| IngestOptions {
        batch_ops: 10,
        source: Some(IngestSource { source: "rows".into(), partition: String::new(), offset }),
        ..IngestOptions::default()
    };
    let position = async |client: &Client| client.source_positions(C, "rows").await.unwrap()[0].offset;
    let mut ingest = client.ingest(C, options(0));
    for id in 0..40 {
        // The third batch is refused, so the fourth comes behind a gap.
        let vector = if id == 25 { vec![1.0] } else { vec![1.0, 2.0] };
        ingest.send(Point::new(id).vector("v", vector)).await.unwrap();
    }
    let summary = ingest.finish().await.unwrap();
    assert_eq!(summary.refusals.iter().map(|one| one.first_op).collect::<Vec<_>>(), [20, 30]);
    assert_eq!(summary.refusals[1].code, Code::FailedPrecondition);
    assert_eq!((position(&client).await, client.count(C, None).await.unwrap()), (20, 20));
    server.stop().await;

    let (server, client) = served(folder.path()).await;
    // Whoever begins too early sends what is there already: nothing happens twice.
    client.delete(C, vec![5u64]).await.unwrap();
    for offset in [0, 20] {
        let mut ingest = client.ingest(C, options(offset));
        for id in offset..40 {
            ingest.send(point(id)).await.unwrap();
        }
        assert_eq!(ingest.finish().await.unwrap().progress.refused, 0);
    }
    assert_eq!((position(&client).await, client.count(C, None).await.unwrap()), (40, 39));
    let behind = Position { source: "rows".into(), offset: 7, ..Position::default() };
    let options = WriteOptions { positions: vec![behind], ..WriteOptions::default() };
    let reply = client.write_with(C, [Op::Upsert(point(5))], options.clone()).await.unwrap();
    assert!(reply.duplicate);
    assert!(client.drop_source(C, "rows").await.unwrap());
    assert!(!client.drop_source(C, "rows").await.unwrap());
    assert!(!client.write_with(C, [Op::Upsert(point(5))], options).await.unwrap().duplicate);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_point_whose_time_has_come_is_in_no_reply() {
    let folder = tempfile::tempdir().unwrap();
    let (server, client) = served(folder.path()).await;
    let later = u64::MAX;
    client.upsert(C, [point(1).expires_at_ms(1), point(2).expires_at_ms(later), point(3)]).await.unwrap();
    let found = client.get(C, [1u64, 2, 3]).await.unwrap();
    assert_eq!(found.iter().map(|point| point.expires_at_ms).collect::<Vec<_>>(), [Some(later), None]);
    assert_eq!(client.count(C, None).await.unwrap(), 2);
    client.set_expiry(C, vec![3u64], Some(1)).await.unwrap();
    assert_eq!(client.set_expiry(C, vec![1u64, 3], None).await.unwrap().affected, 0, "what is gone stays gone");
    let hits = client.query(C, nigh_client::Query::dense("v", [1.0, 1.0])).await.unwrap().hits;
    assert_eq!(hits.iter().map(|hit| (hit.id, hit.expires_at_ms)).collect::<Vec<_>>(), [(2u64.into(), Some(later))]);
    server.stop().await;
}
