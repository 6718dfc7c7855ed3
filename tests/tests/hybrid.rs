//! Words, vectors and both on SciFact, through the server, against exact references.
//!
//! The references (exact cosine, tantivy's BM25 with English stemming, RRF with k = 60 over the first 100 of each) are
//! nDCG@10 0.6475, 0.6868 and 0.7126 on the 300 test claims.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use nigh_client::point::Wanted;
use nigh_client::{Client, CollectionSpec, Metric, Query, Retriever};
use nigh_tests::data::{floats, objects, shared};
use nigh_tests::import;
use nigh_tests::oracle::ndcg10;
use nigh_tests::server::{Server, Tuning};
use std::collections::BTreeMap;
use std::path::Path;

const C: &str = "scifact";

/// What was judged, by query and document.
fn judgements(folder: &Path) -> BTreeMap<String, BTreeMap<String, f64>> {
    let mut judged: BTreeMap<String, BTreeMap<String, f64>> = BTreeMap::new();
    for line in std::fs::read_to_string(folder.join("qrels.tsv")).unwrap().lines().skip(1) {
        let columns: Vec<&str> = line.split('\t').collect();
        judged.entry(columns[0].into()).or_default().insert(columns[1].into(), columns[2].parse().unwrap());
    }
    judged
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn text_dense_and_fused_reach_their_references() {
    let Some(data) = shared("scifact") else { return };
    let vectors = floats(&data.join("corpus.npy"), usize::MAX);
    let corpus = objects(&data.join("corpus.jsonl.gz"), usize::MAX);
    let names: Vec<&str> = corpus.iter().map(|doc| doc["_id"].as_str().unwrap()).collect();

    let folder = tempfile::tempdir().unwrap();
    // Several segments and live rows: the statistics have to hold over all of them.
    let server = Server::start_in(folder.path(), &Tuning { seal_rows: Some(2_000), ..Tuning::default() }).await;
    let client = Client::connect(&server.url).await.unwrap();
    let spec = CollectionSpec::new().vector("abstract", vectors.columns as u32, Metric::Cosine).text_over(
        "body",
        "english",
        ["title", "text"],
    );
    client.create_collection(C, spec).await.unwrap();
    import::all(&client, C, "abstract", &vectors, &corpus).await;
    import::until_idle(&client, C).await;

    let judged = judgements(&data);
    let queries = objects(&data.join("queries.jsonl.gz"), usize::MAX);
    let query_vectors = floats(&data.join("queries.npy"), usize::MAX);
    let mut sums = [0.0; 3];
    let mut count = 0;
    for (at, query) in queries.iter().enumerate().filter(|(_, query)| query["split"] == "test") {
        let words = || query["text"].as_str().unwrap();
        let vector = || query_vectors.row(at);
        let ways = [
            Query::words("body", words()),
            Query::dense("abstract", vector()),
            Query::words("body", words()).with(Retriever::dense("abstract", vector())),
        ];
        for (way, ask) in ways.into_iter().enumerate() {
            let hits = client.query(C, ask.limit(10).payload(Wanted::Nothing)).await.unwrap().hits;
            let ranking: Vec<String> =
                hits.iter().map(|hit| names[import::number(hit.id) as usize].to_owned()).collect();
            sums[way] += ndcg10(&ranking, &judged[query["_id"].as_str().unwrap()]);
        }
        count += 1;
    }
    assert_eq!(count, 300);
    let [text, dense, fused] = sums.map(|sum| sum / f64::from(count));
    eprintln!("nDCG@10: text {text:.4}, dense {dense:.4}, fused {fused:.4}");
    assert!(text >= 0.68 && dense >= 0.645 && fused >= 0.70, "text {text:.4}, dense {dense:.4}, fused {fused:.4}");
    server.stop().await;
}
