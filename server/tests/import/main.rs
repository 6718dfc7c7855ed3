//! `nigh import` of every kind of file, of many at once, from a bucket, and with vectors made on the way.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]
#![cfg(all(feature = "streams", feature = "s3"))]

mod embedding;
mod losses;
#[path = "../bucket/stand_in.rs"]
#[allow(dead_code, reason = "the tests of backups ask more of it")]
mod stand_in;

use arrow_array::{Int64Array, RecordBatch, StringArray};
use arrow_ipc::writer::FileWriter;
use embedding::Service;
use flate2::Compression;
use flate2::write::GzEncoder;
use nigh_client::{Client, CollectionSpec, Metric, PointId, Scroll, VectorsWanted};
use nigh_server::config::Config;
use nigh_server::serve::{Running, Server};
use stand_in::StandIn;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use tokio_stream::StreamExt;

async fn served(folder: &Path) -> (Running, Client) {
    let loopback = "127.0.0.1:0".parse().unwrap();
    let config = Config { grpc: loopback, http: loopback, ..Config::new(folder.join("data")) };
    let running = Server::start(config).await.unwrap();
    running.ready().await;
    let client = Client::connect(running.grpc_addr().to_string()).await.unwrap();
    client.create_collection("c", CollectionSpec::new().vector("v", 2, Metric::Dot)).await.unwrap();
    (running, client)
}

fn import(running: &Running, file: &str, more: &[&str]) -> Command {
    let mut nigh = Command::new(env!("CARGO_BIN_EXE_nigh"));
    nigh.args(["import", "-c", "c", "--addr", &running.grpc_addr().to_string(), file]).args(more);
    nigh
}

async fn run(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

async fn well(command: Command) -> String {
    let output = run(command).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

async fn refused(command: Command, code: i32, culprit: &str) {
    let output = run(command).await;
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(said.contains(culprit), "`{said}` does not name `{culprit}`");
}

/// What is in: the vector's first number, and the text, by id.
async fn contents(client: &Client) -> BTreeMap<u64, (Option<f32>, String)> {
    let mut points = client.scroll("c", Scroll { vectors: VectorsWanted::All, ..Scroll::default() });
    let mut found = BTreeMap::new();
    while let Some(point) = points.next().await {
        let point = point.unwrap();
        let PointId::Num(id) = point.id else { panic!("{}", point.id) };
        let text = point.payload["t"].as_str().unwrap_or_default().to_owned();
        found.insert(id, (point.vectors.get("v").map(|vector| vector[0]), text));
    }
    found
}

/// Three points from this id on, in a format of each kind.
fn write(path: &Path, from: u64) {
    let ids = from..from + 3;
    let name = path.file_name().unwrap().to_str().unwrap();
    let lines: String =
        ids.clone().map(|id| format!("{{\"id\": {id}, \"t\": \"t{id}\", \"v\": [{id}, 1]}}\n")).collect();
    let bytes: Vec<u8> = match name.split_once('.').unwrap().1 {
        "jsonl" => lines.into_bytes(),
        "jsonl.gz" => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(lines.as_bytes()).unwrap();
            encoder.finish().unwrap()
        }
        "csv" => {
            let rows = ids.map(|id| format!("{id},t{id},\"[{id}, 1]\"\n"));
            ["id,t,v\n".to_owned()].into_iter().chain(rows).collect::<String>().into_bytes()
        }
        "tsv" => {
            let rows = ids.map(|id| format!("t{id}\t{id}\t[{id}, 1]\n"));
            ["t\tid\tv\n".to_owned()].into_iter().chain(rows).collect::<String>().into_bytes()
        }
        "arrow" => {
            let (id, t) = (ids.clone().map(|id| id as i64), ids.map(|id| format!("t{id}")));
            let columns: [(&str, arrow_array::ArrayRef); 2] =
                [("id", Arc::new(Int64Array::from_iter_values(id))), ("t", Arc::new(StringArray::from_iter_values(t)))];
            let batch = RecordBatch::try_from_iter(columns).unwrap();
            let mut writer = FileWriter::try_new(Vec::new(), &batch.schema()).unwrap();
            writer.write(&batch).unwrap();
            writer.into_inner().unwrap()
        }
        "fvecs" => {
            ids.flat_map(|id| [2_u32.to_le_bytes(), (id as f32).to_le_bytes(), 1_f32.to_le_bytes()]).flatten().collect()
        }
        other => panic!("{other}"),
    };
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

const KINDS: [&str; 5] = ["jsonl", "jsonl.gz", "csv", "tsv", "arrow"];

fn expected(rows: std::ops::Range<u64>) -> BTreeMap<u64, (Option<f32>, String)> {
    // The Arrow table has no vectors.
    rows.map(|id| (id, ((id / 3 != 4).then_some(id as f32), format!("t{id}")))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn folders_and_patterns_are_read_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let (running, client) = served(folder.path()).await;
    let files = folder.path().join("files");
    for (at, kind) in KINDS.iter().enumerate() {
        write(&files.join(format!("{at}/part.{kind}")), 3 * at as u64);
    }
    fs::write(files.join("0/README.txt"), "not of a format that is known").unwrap();
    fs::write(files.join("0/.part.jsonl"), "hidden").unwrap();
    let place = files.to_str().unwrap();
    well(import(&running, place, &["--id-field", "id"])).await;
    assert_eq!(contents(&client).await, expected(0..15));
    // By row: numbers count on over the files.
    client.drop_collection("c").await.unwrap();
    client.create_collection("c", CollectionSpec::new().vector("v", 2, Metric::Dot)).await.unwrap();
    well(import(&running, &format!("{place}/[0-3]/part.*"), &["--map", "id="])).await;
    assert_eq!(contents(&client).await, expected(0..12));
    for (pattern, why) in [("nothing-*", "there is no file"), ("0/*.txt", "there is no file"), ("[", "Pattern")] {
        let code = if pattern == "[" { 2 } else { 1 };
        refused(import(&running, &format!("{place}/{pattern}"), &[]), code, why).await;
    }
    running.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_of_many_files_goes_on_where_it_ended() {
    let folder = tempfile::tempdir().unwrap();
    let (running, client) = served(folder.path()).await;
    let files = folder.path().join("files");
    for (at, kind) in KINDS.iter().enumerate() {
        write(&files.join(format!("{at}.{kind}")), 3 * at as u64);
    }
    let place = files.to_str().unwrap();
    let more = ["--id-field", "id", "--resume", "--batch", "1", "-o", "json"];
    // A column that cannot be a vector, where a map says that it is one.
    let csv =
        fs::read_to_string(files.join("2.csv")).unwrap().replace("7,t7,", "7,t7,words").replace("id,t,", "id,t,w,");
    let csv = csv.replace("6,t6,", "6,t6,,").replace("words", "words,").replace("8,t8,", "8,t8,,");
    fs::write(files.join("2.csv"), csv).unwrap();
    let mapped = [&more[..], &["--map", "v=x", "--map", "w=v"]].concat();
    refused(import(&running, place, &mapped), 1, "2.csv, line 3: `w` is no list of numbers").await;
    assert_eq!(contents(&client).await.len(), 7);
    client.delete("c", vec![0_u64, 6]).await.unwrap();
    let rows = async |rows: u64, skipped: u64| {
        let said: serde_json::Value = serde_json::from_str(&well(import(&running, place, &more)).await).unwrap();
        assert_eq!((&said["rows"], &said["skipped"]), (&rows.into(), &skipped.into()));
        contents(&client).await
    };
    let found = rows(8, 7).await;
    let ids = [1, 2, 3, 4, 5].into_iter().chain(7..15).collect::<Vec<_>>();
    assert_eq!(found.keys().copied().collect::<Vec<_>>(), ids, "what was in is not written again");
    rows(0, 15).await;
    // As long as it was: another one all the same.
    let jsonl = fs::read_to_string(files.join("0.jsonl")).unwrap();
    fs::write(files.join("0.jsonl"), jsonl.replace("\"t1\"", "\"T1\"")).unwrap();
    assert_eq!(rows(15, 0).await[&1].1, "T1");
    running.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_of_vectors_go_into_their_field() {
    let folder = tempfile::tempdir().unwrap();
    let (running, client) = served(folder.path()).await;
    let file = folder.path().join("base.fvecs");
    write(&file, 0);
    well(import(&running, file.to_str().unwrap(), &[])).await;
    let found = contents(&client).await;
    assert_eq!(found.values().map(|(number, _)| number.unwrap()).collect::<Vec<_>>(), [0.0, 1.0, 2.0]);
    running.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_of_a_bucket_are_files() {
    let service = StandIn::start().await;
    let folder = tempfile::tempdir().unwrap();
    let (running, client) = served(folder.path()).await;
    let put = |name: String, bytes: Vec<u8>| service.put(&name, bytes);
    for (at, kind) in KINDS.iter().enumerate() {
        let file = folder.path().join(format!("part.{kind}"));
        write(&file, 3 * at as u64);
        put(format!("lake/days/{at}/part.{kind}"), fs::read(&file).unwrap());
    }
    let import = |place: &str, more: &[&str]| {
        let mut nigh = import(&running, place, more);
        nigh.env("AWS_ACCESS_KEY_ID", "the-key").env("AWS_SECRET_ACCESS_KEY", "the-secret").env("AWS_REGION", "here");
        nigh.env("AWS_ENDPOINT_URL", &service.url).env("AWS_ALLOW_HTTP", "true");
        nigh
    };
    well(import("s3://lake/days/1/part.jsonl.gz", &["--id-field", "id"])).await;
    assert_eq!(contents(&client).await, expected(3..6));
    well(import("s3://lake/days/[0-2]/*.*", &["--id-field", "id"])).await;
    assert_eq!(contents(&client).await, expected(0..9));
    service.fail(2);
    well(import("s3://lake/days/", &["--id-field", "id"])).await;
    assert_eq!(contents(&client).await, expected(0..15));
    refused(import("s3://lake/nights/", &[]), 1, "s3://lake/nights/").await;
    put("lake/bad.jsonl".to_owned(), b"{}\n{\n".to_vec());
    refused(import("s3://lake/bad.jsonl", &[]), 1, "s3://lake/bad.jsonl, line 2").await;
    running.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_column_of_text_becomes_vectors() {
    let service = Service::start().await;
    let folder = tempfile::tempdir().unwrap();
    let (running, client) = served(folder.path()).await;
    let file = folder.path().join("points.jsonl");
    let line = |row: usize| match row {
        3 => "{\"n\": 3}\n".to_owned(),
        7 => "{\"t\": \"has one\", \"v\": [-1, 1]}\n".to_owned(),
        row => format!("{{\"t\": \"{}\"}}\n", "x".repeat(row + 1)),
    };
    fs::write(&file, (0..300).map(line).collect::<String>() + "{\"w\": \"words\"}\n").unwrap();
    let embed = |more: &[&str]| {
        let mut all = vec!["--embed-url", &service.url, "--embed-model", "letters", "--embed-column", "t"];
        all.extend(["--embed-batch", "10", "--batch", "20", "--resume", "--source", "texts"]);
        all.extend(more);
        let mut nigh = import(&running, file.to_str().unwrap(), &all);
        nigh.env("NIGH_EMBED_KEY", "the-key");
        nigh
    };
    let mut nobody = embed(&[]);
    nobody.env("NIGH_EMBED_KEY", "another");
    refused(nobody, 1, "401 Unauthorized: who are you?").await;
    service.size(3);
    refused(embed(&[]), 1, "vectors of 3 numbers, and `v` holds 2").await;
    assert_eq!(client.count("c", None).await.unwrap(), 0);
    service.size(2);
    service.asked();
    // Busy for a moment; and a line at the end that is wrong under this map.
    service.be_busy(3);
    refused(embed(&["--map", "w=v"]), 1, "line 301: `w` is no list").await;
    let asked = service.asked();
    assert!(asked.iter().all(|texts| texts.len() <= 10));
    assert_eq!(
        asked.iter().map(Vec::len).sum::<usize>(),
        298,
        "neither the one without a text nor the one with a vector"
    );
    let found = contents(&client).await;
    assert_eq!(found.len(), 300);
    for (id, (number, _)) in &found {
        let wanted = match id {
            3 => None,
            7 => Some(-1.0),
            id => Some(*id as f32 + 1.0),
        };
        assert_eq!(*number, wanted, "point {id}");
    }
    // It goes on without asking again.
    let said = well(embed(&[])).await;
    assert!(said.contains("1 rows are in `c` after 300 of before, 1 without a text"), "{said}");
    assert_eq!((service.asked().len(), client.count("c", None).await.unwrap()), (0, 301));
    running.shutdown().await.unwrap();
}
