//! What an import would lose ends it, or is told: ids that are written otherwise, two columns under one name, a column of
//! text that nobody has, files that were written again.

use super::embedding::Service;
use super::{contents, import, refused, served, well};
use nigh_client::{CollectionSpec, Metric, PointId};
use std::fs;
use std::path::Path;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_would_become_one_end_it() {
    let folder = tempfile::tempdir().unwrap();
    let (running, client) = served(folder.path()).await;
    let file = folder.path().join("rows.jsonl");
    let place = file.to_str().unwrap();
    for id in ["007", "+7"] {
        fs::write(&file, format!("{{\"id\": \"7\"}}\n{{\"id\": \"{id}\"}}\n")).unwrap();
        refused(import(&running, place, &["--id-field", "id"]), 1, &format!("line 2: `id` is \"{id}\"")).await;
        assert_eq!(client.count("c", None).await.unwrap(), 1);
    }
    let maps = ["--map", "x=z", "--map", "y=z"];
    fs::write(&file, "{\"x\": 1}\n{\"y\": 2}\n{\"x\": 1, \"y\": 2}\n").unwrap();
    refused(import(&running, place, &maps), 1, "line 3: `x` and `y` would both be `z`").await;
    let table = folder.path().join("rows.csv");
    fs::write(&table, "id,x,y\n1,2,3\n").unwrap();
    refused(import(&running, table.to_str().unwrap(), &maps), 1, "line 1: `x` and `y` would both be `z`").await;
    running.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_column_of_text_that_no_row_has_ends_it() {
    let service = Service::start().await;
    let folder = tempfile::tempdir().unwrap();
    let (running, client) = served(folder.path()).await;
    let file = folder.path().join("rows.jsonl");
    let embed = |column: &str| {
        let more = ["--embed-url", &service.url, "--embed-model", "letters", "--embed-column", column];
        let mut nigh = import(&running, file.to_str().unwrap(), &more);
        nigh.env("NIGH_EMBED_KEY", "the-key");
        nigh
    };
    fs::write(&file, "{\"t\": \"one\"}\n{\"t\": \"two\"}\n").unwrap();
    refused(embed("txt"), 1, "--embed-column txt: none of 2 points has a text there").await;
    assert_eq!(client.count("c", None).await.unwrap(), 0, "a small file leaves nothing behind");
    let rows = |rows: usize| (0..rows).map(|_| "{\"t\": \"one\"}\n").collect::<String>();
    fs::write(&file, rows(2500)).unwrap();
    refused(embed("txt"), 1, "none of 2500 points has a text there").await;
    assert_eq!(service.asked().len(), 0);
    // One that has a text, behind more than are held back.
    fs::write(&file, rows(2500) + "{\"txt\": \"three\"}\n").unwrap();
    let said = well(embed("txt")).await;
    assert!(said.contains("2,501 rows are in `c`, 2,500 without a text"), "{said}");
    assert_eq!(contents(&client).await[&2500].0, Some(5.0));
    fs::write(&file, "").unwrap();
    well(embed("txt")).await;
    running.shutdown().await.unwrap();
}

fn npy(path: &Path, rows: &[[f32; 2]]) {
    let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, 2), }}", rows.len());
    let mut bytes = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
    bytes.extend(format!("{header:<117}\n").bytes());
    bytes.extend(rows.iter().flatten().flat_map(|number| number.to_le_bytes()));
    fs::write(path, bytes).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn vectors_that_were_made_again_are_another_source() {
    let folder = tempfile::tempdir().unwrap();
    let (running, client) = served(folder.path()).await;
    let (file, vectors) = (folder.path().join("rows.jsonl"), folder.path().join("v.npy"));
    fs::write(&file, "{\"t\": \"a\"}\n{\"t\": \"b\"}\n").unwrap();
    let more = ["--vectors", vectors.to_str().unwrap(), "--resume"];
    let run = async |skipped: &str| {
        let said = well(import(&running, file.to_str().unwrap(), &more)).await;
        assert!(said.contains(skipped), "{said}");
        contents(&client).await.values().map(|(number, _)| number.unwrap()).collect::<Vec<_>>()
    };
    npy(&vectors, &[[1.0, 0.0], [2.0, 0.0]]);
    assert_eq!(run("2 rows are in `c`, on disk").await, [1.0, 2.0]);
    assert_eq!(run("0 rows are in `c` after 2 of before").await, [1.0, 2.0]);
    npy(&vectors, &[[3.0, 0.0], [4.0, 0.0]]);
    assert_eq!(run("2 rows are in `c`, on disk").await, [3.0, 4.0]);
    running.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_keep_a_field_without_a_name() {
    let folder = tempfile::tempdir().unwrap();
    let (running, client) = served(folder.path()).await;
    client.drop_collection("c").await.unwrap();
    client.create_collection("c", CollectionSpec::new().vector("", 2, Metric::Dot)).await.unwrap();
    let file = folder.path().join("rows.jsonl");
    fs::write(&file, "{\"\": [1, 2]}\n").unwrap();
    well(import(&running, file.to_str().unwrap(), &[])).await;
    let similar = nigh_client::Query {
        retrievers: vec![nigh_client::Retriever::dense("", [1.0, 0.0])],
        ..nigh_client::Query::default()
    };
    let hits = client.query("c", similar).await.unwrap().hits;
    assert_eq!(hits.iter().map(|hit| hit.id).collect::<Vec<_>>(), [PointId::Num(0)]);
    running.shutdown().await.unwrap();
}
