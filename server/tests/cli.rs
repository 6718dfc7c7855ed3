//! The `nigh` command on files that are not what they should be: it says which, ends with 1, and nothing of a damaged
//! file is applied.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use arrow_array::{Int64Array, RecordBatch, StringArray};
use nigh_client::{Client, CollectionSpec, Metric};
use nigh_server::config::Config;
use nigh_server::serve::{Running, Server};
use parquet::arrow::ArrowWriter;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

async fn served(folder: &Path) -> (Running, Client) {
    let loopback = "127.0.0.1:0".parse().unwrap();
    let config = Config { grpc: loopback, http: loopback, ..Config::new(folder.join("data")) };
    let running = Server::start(config).await.unwrap();
    running.ready().await;
    let client = Client::connect(running.grpc_addr().to_string()).await.unwrap();
    client.create_collection("c", CollectionSpec::new().vector("v", 2, Metric::Cosine)).await.unwrap();
    (running, client)
}

async fn import(running: &Running, file: &Path, more: &[&str]) -> Output {
    let addr = running.grpc_addr().to_string();
    let mut nigh = Command::new(env!("CARGO_BIN_EXE_nigh"));
    nigh.args(["import", "-c", "c", "--addr", &addr]).arg(file).args(more);
    tokio::task::spawn_blocking(move || nigh.output().unwrap()).await.unwrap()
}

fn refused(what: &str, output: &Output, culprits: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{what}: {said}");
    for culprit in culprits {
        assert!(said.contains(culprit), "{what}: `{said}` does not name `{culprit}`");
    }
}

fn parquet() -> Vec<u8> {
    let texts: Vec<String> = (0..5_000).map(|row| format!("the text of row {row}")).collect();
    let (ids, texts) = (Int64Array::from_iter_values(0..5_000), StringArray::from_iter_values(texts));
    let batch = RecordBatch::try_from_iter([("id", Arc::new(ids) as _), ("text", Arc::new(texts) as _)]).unwrap();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_truncated_parquet_file_is_named_and_nothing_of_it_applied() {
    let folder = tempfile::tempdir().unwrap();
    let (running, client) = served(folder.path()).await;
    let bytes = parquet();
    let file = folder.path().join("points.parquet");
    for length in [0, 3, bytes.len() / 2, bytes.len() - 1] {
        fs::write(&file, &bytes[..length]).unwrap();
        let output = import(&running, &file, &["--id-field", "id"]).await;
        refused(&format!("the first {length} bytes"), &output, &["points.parquet"]);
        assert_eq!(client.count("c", None).await.unwrap(), 0);
    }
    fs::write(&file, &bytes).unwrap();
    let output = import(&running, &file, &["--id-field", "id"]).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(client.count("c", None).await.unwrap(), 5_000);
    running.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_that_do_not_fit_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let (running, client) = served(folder.path()).await;
    let lines = folder.path().join("points.jsonl");
    let vectors = folder.path().join("points.npy");
    let vectors_arg = vectors.to_str().unwrap();

    fs::write(&lines, "{\"a\": 1}\n{\"a\": \n").unwrap();
    refused("a broken line", &import(&running, &lines, &[]).await, &["points.jsonl", "2"]);
    // Lines are a stream: what stands before the broken one may be there.
    let before = client.count("c", None).await.unwrap();
    assert!(before <= 1);

    fs::write(&lines, "{\"a\": 1}\n{\"a\": 2}\n").unwrap();
    let mut npy = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
    npy.extend(format!("{:<117}\n", "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }").bytes());
    npy.extend([0; 12]);
    fs::write(&vectors, &npy).unwrap();
    refused("a table cut short", &import(&running, &lines, &["--vectors", vectors_arg]).await, &["points.npy"]);
    assert_eq!(client.count("c", None).await.unwrap(), before);

    let nowhere = folder.path().join("nowhere.jsonl");
    refused("no file", &import(&running, &nowhere, &[]).await, &["nowhere.jsonl"]);
    running.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_goes_on_where_it_ended() {
    let folder = tempfile::tempdir().unwrap();
    let (running, client) = served(folder.path()).await;
    let file = folder.path().join("points.jsonl");
    let lines = |rows: std::ops::Range<u64>| rows.map(|row| format!("{{\"id\": {row}}}\n")).collect::<String>();
    let more = ["--id-field", "id", "--batch", "10", "--resume", "--source", "rows"];
    // A file that was written again is another one: this one stays, and only the first map makes a line of it wrong.
    fs::write(&file, lines(10..60) + "{\"id\": 60, \"w\": \"words\"}\n" + &lines(61..100)).unwrap();
    let mapped = [&more[..], &["--map", "w=v"]].concat();
    refused("a wrong line", &import(&running, &file, &mapped).await, &["points.jsonl", "51"]);
    let known = client.source_positions("c", "rows").await.unwrap();
    assert_eq!(known[0].offset, 50);
    client.delete("c", vec![10u64]).await.unwrap();
    for _ in 0..2 {
        let output = import(&running, &file, &more).await;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(client.count("c", None).await.unwrap(), 89, "10 is not written again");
    }
    running.shutdown().await.unwrap();
}
