//! What queries may not say, with the error that names it; and groups that bring the points they are about.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use nigh_client::query::{Direction, Near, OrderValue, Paging, RankPlace, Recommend, Scale, Strategy};
use nigh_client::{Client, CollectionSpec, Formula, Fusion, Grouping, Metric, Point, Query, Retriever};
use nigh_tests::import::number;
use nigh_tests::server::{Server, Tuning};
use serde_json::json;

const C: &str = "books";

async fn served() -> (tempfile::TempDir, Server, Client) {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_in(folder.path(), &Tuning::default()).await;
    let client = Client::connect(&server.url).await.unwrap();
    let spec = CollectionSpec::new().vector("v", 2, Metric::Dot).text("text", "standard");
    client.create_collection(C, spec).await.unwrap();
    let book = |id: u64| {
        let payload = json!({"author": id % 2 + 70, "text": "stone", "year": 2000 + id, "at": {"lat": 0, "lon": id}});
        Point::new(id).vector("v", [id as f32, 1.0]).payload(payload)
    };
    client.upsert(C, (1..=6).map(book)).await.unwrap();
    (folder, server, client)
}

fn near() -> Retriever {
    Retriever::dense("v", [1.0, 0.0])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_that_makes_no_sense_says_why() {
    let (_folder, server, client) = served().await;
    let deep = (0..9).fold(near(), |inner, _| near().over([inner]));
    let recommend = |positive: Vec<Near>, strategy| {
        Query::by(Retriever::recommend("v", Recommend { positive, negative: vec![], strategy }))
    };
    let formula = |formula| Query::by(Retriever::formula(formula, [near()]));
    let after = RankPlace { score: 0.0, id: 1.into(), value: None };
    let bounds = |bounds| Retriever::fusion(Fusion::Scores(Scale::Bounds(bounds)), [near(), near()]);
    let mut from = Retriever::order_by("year", Direction::Rising);
    if let nigh_client::query::Target::Order { from, .. } = &mut from.wanted {
        *from = Some(OrderValue::Datetime("tomorrow".to_owned()));
    }
    let cases: Vec<(Query, &[&str])> = vec![
        (Query::by(Retriever::fusion(Fusion::default(), [])), &["number of sources", "fusion"]),
        (Query::by(Retriever::formula(Formula::score(0), [])), &["number of sources", "formula"]),
        (Query::by(deep), &["depth", "8"]),
        (Query::by(near().over((0..16).map(|_| near()))), &["number of retrievers", "16"]),
        (formula(Formula::score(1)), &["formula score", "1"]),
        (formula(Formula::Field("absent".to_owned(), None)), &["absent", "default"]),
        (formula(Formula::Constant(1.0) / Formula::Constant(0.0)), &["quotient", "finite"]),
        (formula(Formula::Datetime("tomorrow".to_owned())), &["datetime", "tomorrow"]),
        (Query::by(bounds(vec![(0.0, 1.0)])), &["bounds", "2 retrievers"]),
        (Query::by(bounds(vec![(0.0, 1.0), (1.0, 0.0)])), &["bounds", "rise"]),
        (Query::by(Retriever::diverse("v", vec![1.0, 0.0], 1.5, 10)), &["diversity", "1.5"]),
        (Query::by(Retriever::diverse("v", vec![1.0, 0.0], 0.5, 5_000)), &["candidates", "5000", "1000"]),
        (Query::by(Retriever::diverse("v", vec![1.0], 0.5, 10)), &["v", "2"]),
        (recommend(vec![], Strategy::AverageVector), &["examples", "0"]),
        (recommend(vec![], Strategy::BestScore), &["examples", "0"]),
        (recommend(vec![Near::Vector(vec![1.0])], Strategy::SumScores), &["positive", "2"]),
        (Query::by(Retriever::context("v", [])), &["examples", "0"]),
        (Query::by(Retriever::order_by("year", Direction::Rising).score_threshold(1.0)), &["score_threshold"]),
        (Query::by(Retriever::order_by("", Direction::Rising)), &["order_by", "path"]),
        (Query::by(from), &["start_from", "tomorrow"]),
        (Query { paging: Some(Paging { after: Some(after) }), ..Query::by(near()).offset(1) }, &["offset", "page"]),
        (Query::by(Retriever::diverse("v", vec![1.0, 0.0], 0.5, 10)).page(None), &["mmr", "pages"]),
        (Query::by(near()).group_by(Grouping::by("author")).page(None), &["group_by", "pages"]),
        (Query::by(near()).group_by(Grouping::by("")), &["group_by", "path"]),
        (Query::by(near()).group_by(Grouping::by("author").groups(1_000).size(1_000)), &["groups", "10000"]),
    ];
    for (query, culprits) in cases {
        let error = client.query(C, query.clone()).await.expect_err(&format!("{query:?}")).to_string();
        assert!(culprits.iter().all(|culprit| error.contains(culprit)), "{query:?}: {error}");
    }
    let unknown = recommend(vec![Near::Point(77.into())], Strategy::AverageVector);
    assert!(client.query(C, unknown).await.unwrap_err().to_string().contains("77"));
    let lost = Query::by(near()).group_by(Grouping::by("author").lookup("nowhere"));
    assert!(client.query(C, lost).await.unwrap_err().to_string().contains("nowhere"));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn groups_bring_what_they_are_about() {
    let (_folder, server, client) = served().await;
    client.create_collection("authors", CollectionSpec::new().vector("w", 1, Metric::Dot)).await.unwrap();
    client.upsert("authors", [Point::new(71).vector("w", [0.5]).payload(json!({"name": "ada"}))]).await.unwrap();
    let query = Query::by(near()).group_by(Grouping::by("author").groups(2).size(2).lookup("authors"));
    let groups = client.query(C, query.explain()).await.unwrap().groups;
    let ids: Vec<Vec<u64>> = groups.iter().map(|one| one.hits.iter().map(|hit| number(hit.id)).collect()).collect();
    assert_eq!(ids, [[6, 4], [5, 3]]);
    assert_eq!(groups[0].lookup, None, "70 is nobody");
    assert_eq!(groups[1].lookup.as_ref().unwrap().payload, json!({"name": "ada"}));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_formula_may_use_everything_at_once() {
    let (_folder, server, client) = served().await;
    let meters = Formula::Meters("at".to_owned(), (0.0, 0.0), None);
    // One degree of the equator is 111.195 km.
    let formula = Formula::score(0) * 10.0 + Formula::field("year", 0.0) - 2000.0 + meters / 111_195.08;
    let reply = client.query(C, Query::by(Retriever::formula(formula, [near().limit(2)])).explain()).await.unwrap();
    let scores: Vec<(u64, f32)> = reply.hits.iter().map(|hit| (number(hit.id), hit.score.round())).collect();
    assert_eq!(scores, [(6, 72.0), (5, 60.0)]);
    let explanation = reply.explanation.unwrap();
    let tree: Vec<(&str, u32, u64)> =
        explanation.retrievers.iter().map(|run| (&run.retriever[..], run.depth, run.found)).collect();
    assert_eq!(tree, [("formula[0]", 0, 2), ("formula[0].dense[0]", 1, 2)]);
    assert_eq!(reply.hits[1].placings[0].rank, Some(2));
    server.stop().await;
}
