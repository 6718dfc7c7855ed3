//! Versions through the wire: what was pinned is read, by every kind of question, as it was; and what differs is told.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use nigh_client::versions::Change;
use nigh_client::{Client, CollectionSpec, Metric, Point, PointId, Query, Scroll, VectorsWanted, Wanted, field};
use nigh_tests::random::Random;
use nigh_tests::server::{Server, Tuning};
use serde_json::json;
use std::collections::BTreeMap;
use tokio_stream::StreamExt;

const C: &str = "c";
const SIZE: usize = 8;

type Model = BTreeMap<PointId, Point>;

async fn home() -> (tempfile::TempDir, Server, Client) {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_in(folder.path(), &Tuning { seal_rows: Some(40), ..Tuning::default() }).await;
    let client = Client::connect(&server.url).await.unwrap();
    let spec = CollectionSpec::new().vector("v", SIZE as u32, Metric::Cosine).text("words", "standard");
    client.create_collection(C, spec).await.unwrap();
    (folder, server, client)
}

/// Some points written, others deleted; the same in the model.
async fn change(client: &Client, model: &mut Model, random: &mut Random) {
    let mut points = Vec::new();
    for _ in 0..20 {
        let id = random.below(120);
        let words = random.pick(&["near", "far", "night", "light"]);
        let payload = json!({"n": random.below(9), "words": words});
        points.push(Point::new(id).vector("v", random.vector(SIZE)).payload(payload));
    }
    model.extend(points.iter().map(|point| (point.id, point.clone())));
    client.upsert(C, points).await.unwrap();
    let gone: Vec<PointId> = (0..4).map(|_| PointId::Num(random.below(120))).collect();
    gone.iter().for_each(|id| drop(model.remove(id)));
    client.delete(C, gone).await.unwrap();
}

async fn all(client: &Client, version: &str) -> Model {
    let scroll = Scroll { page: 7, vectors: VectorsWanted::All, version: version.to_owned(), ..Scroll::default() };
    let points: Result<Vec<Point>, _> = client.scroll(C, scroll).collect().await;
    points.unwrap().into_iter().map(|point| (point.id, unversioned(point))).collect()
}

/// The model does not know which operation wrote a point.
fn unversioned(point: Point) -> Point {
    Point { version: 0, ..point }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_is_read_as_it_was() {
    let (folder, server, client) = home().await;
    let mut random = Random::new(11);
    let mut model = Model::new();
    let mut kept: Vec<(String, Model)> = Vec::new();
    for round in 0..6 {
        for _ in 0..3 {
            change(&client, &mut model, &mut random).await;
        }
        let name = format!("round-{round}");
        let pin = client.pin(C, &name).await.unwrap();
        assert_eq!(pin.points, model.len() as u64);
        kept.push((name, model.clone()));
    }
    change(&client, &mut model, &mut random).await;
    server.stop().await;
    let server = Server::start_in(folder.path(), &Tuning::default()).await;
    let client = Client::connect(&server.url).await.unwrap();
    let now = all(&client, "").await;
    assert_eq!(now.keys().collect::<Vec<_>>(), model.keys().collect::<Vec<_>>());
    for (name, model) in &kept {
        assert_eq!(all(&client, name).await, *model, "{name}");
        let filter = || field("n").below(4.0);
        let matching = model.values().filter(|point| point.payload["n"].as_f64().unwrap() < 4.0).count();
        assert_eq!(client.count_at(C, name, Some(filter().into())).await.unwrap(), matching as u64);
        let ids: Vec<PointId> = (0..120).map(PointId::Num).collect();
        let got = client.get_at(C, name, ids, Wanted::All, VectorsWanted::All).await.unwrap();
        let got: Vec<Point> = got.into_iter().map(unversioned).collect();
        assert_eq!(got, model.values().cloned().collect::<Vec<_>>());
        let query = Query::dense("v", random.vector(SIZE)).text("words", "night").filter(filter()).limit(200).exact();
        let hits = client.query(C, query.at(name)).await.unwrap().hits;
        assert!(hits.iter().all(|hit| model[&hit.id].payload["words"] == hit.payload["words"]));
        assert_eq!(hits.len(), matching, "{name}");
    }
    differences(&client, &kept, &now).await;

    for (name, _) in &kept {
        assert!(client.unpin(C, name).await.unwrap());
    }
    assert!(client.pins(C).await.unwrap().is_empty());
    let error = client.count_at(C, "round-0", None).await.unwrap_err();
    assert_eq!(error.code(), nigh_client::error::Code::NotFound, "{error}");
    server.stop().await;
}

async fn differences(client: &Client, kept: &[(String, Model)], now: &Model) {
    let later = kept.iter().skip(2).map(|(name, model)| (&name[..], model)).chain([("", now)]);
    for (after, new) in later {
        let (before, old) = &kept[1];
        let mut expected: BTreeMap<PointId, Change> = BTreeMap::new();
        expected.extend(old.keys().filter(|id| !new.contains_key(id)).map(|id| (*id, Change::Removed)));
        expected.extend(new.keys().filter(|id| !old.contains_key(id)).map(|id| (*id, Change::Added)));
        let changed = old.iter().filter(|(id, point)| new.get(id).is_some_and(|other| other != *point));
        expected.extend(changed.map(|(id, _)| (*id, Change::Changed)));
        let (mut found, mut from) = (Vec::new(), None);
        loop {
            let page = client.diff_page(C, before, after, from, 5).await.unwrap();
            found.extend(page.changes);
            from = page.next;
            if from.is_none() {
                break;
            }
        }
        assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "{before} to {after}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_is_named() {
    let (_folder, server, client) = home().await;
    for name in ["", "../../etc", "a b", &"x".repeat(200)] {
        let error = client.pin(C, name).await.unwrap_err();
        assert_eq!(error.field(), Some("version"), "{error}");
    }
    client.pin(C, "a").await.unwrap();
    let error = client.pin(C, "a").await.unwrap_err();
    assert_eq!(error.code(), nigh_client::error::Code::AlreadyExists, "{error}");
    assert!(!client.unpin(C, "b").await.unwrap());
    let error = client.diff_page(C, "", "a", None, 0).await.unwrap_err();
    assert_eq!(error.field(), Some("before"), "{error}");
    let error = client.diff_page(C, "a", "b", None, 0).await.unwrap_err();
    assert_eq!(error.code(), nigh_client::error::Code::NotFound, "{error}");
    server.stop().await;
}
