//! An export is taken back by an import: ids, vectors of all kinds bit for bit, payloads, when points expire.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use nigh_client::{Client, CollectionSpec, Idf, Metric, Point, PointId, Query, Retriever, Scroll, VectorsWanted};
use nigh_server::config::Config;
use nigh_server::serve::{Running, Server};
use serde_json::json;
use std::collections::HashMap;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use tokio_stream::StreamExt;

async fn served(folder: &Path) -> (Running, Client) {
    let loopback = "127.0.0.1:0".parse().unwrap();
    let config = Config { grpc: loopback, http: loopback, ..Config::new(folder.join("data")) };
    let running = Server::start(config).await.unwrap();
    running.ready().await;
    let client = Client::connect(running.grpc_addr().to_string()).await.unwrap();
    (running, client)
}

async fn nigh(running: &Running, args: &[&str]) -> Output {
    let addr = running.grpc_addr().to_string();
    let mut nigh = Command::new(env!("CARGO_BIN_EXE_nigh"));
    nigh.args(args).args(["--addr", &addr]);
    tokio::task::spawn_blocking(move || nigh.output().unwrap()).await.unwrap()
}

async fn all(client: &Client, name: &str) -> Vec<Point> {
    let scroll = Scroll { vectors: VectorsWanted::All, ..Scroll::default() };
    let points: Result<Vec<Point>, _> = client.scroll(name, scroll).collect().await;
    points.unwrap()
}

type Bits = (PointId, Vec<(String, Vec<u32>)>, String);

/// Vectors as bits, so that -0.0 is not 0.0.
fn bits(points: &[Point]) -> Vec<Bits> {
    let vectors = |vectors: &HashMap<String, Vec<f32>>| {
        let mut all: Vec<_> =
            vectors.iter().map(|(name, one)| (name.clone(), one.iter().map(|x| x.to_bits()).collect())).collect();
        all.sort();
        all
    };
    points.iter().map(|point| (point.id, vectors(&point.vectors), point.payload.to_string())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_taken_back() {
    let folder = tempfile::tempdir().unwrap();
    let (running, client) = served(folder.path()).await;
    let spec = CollectionSpec::new().vector("v", 3, Metric::Dot).vector("w", 2, Metric::Euclid);
    client.create_collection("a", spec.clone()).await.unwrap();
    client.create_collection("b", spec).await.unwrap();
    let odd = [0.1, -0.0, f32::MIN_POSITIVE / 3.0];
    let mut points: Vec<Point> = (0..2500_u64)
        .map(|n| {
            let payload =
                json!({"z": n, "a": {"b": [1, 2.5, null, "ü\"\n"]}, "_id": "mine", "_payload": true, "year": 1990 + n});
            let point = Point::new(n * 3).payload(payload).vector("v", odd.map(|x| x * n as f32));
            if n % 2 == 0 { point.vector("w", [n as f32, 1e30]) } else { point }
        })
        .collect();
    points.push(Point::new(u64::MAX).payload(json!({})));
    points.push(Point::new("936da01f-9abd-4d9d-80c7-02af85c822a8".parse::<PointId>().unwrap()).vector("w", [1.0, 2.0]));
    client.upsert("a", points).await.unwrap();
    let before = all(&client, "a").await;
    client.pin("a", "then").await.unwrap();
    let file = folder.path().join("a.parquet");
    let file = file.to_str().unwrap();
    let said = nigh(&running, &["export", file, "-c", "a", "--column", "year:int"]).await;
    assert!(said.status.success(), "{said:?}");
    assert_eq!(client.pins("a").await.unwrap().len(), 1, "the version of the export is gone");
    let said = nigh(&running, &["import", file, "-c", "b"]).await;
    assert!(said.status.success(), "{said:?}");
    assert_eq!(bits(&all(&client, "b").await), bits(&before));

    client.delete("a", vec![PointId::Num(0)]).await.unwrap();
    client.drop_collection("b").await.unwrap();
    let then = folder.path().join("then.parquet");
    let said = nigh(&running, &["export", then.to_str().unwrap(), "-c", "a", "--at", "then", "-o", "json"]).await;
    assert!(String::from_utf8_lossy(&said.stdout).contains("\"rows\":2502"), "{said:?}");
    let said = nigh(&running, &["export", file, "-c", "a"]).await;
    assert_eq!(said.status.code(), Some(2), "a file is not written over: {said:?}");
    let said = nigh(&running, &["export", "/nowhere/x.parquet", "-c", "nothing"]).await;
    assert_eq!(said.status.code(), Some(1), "{said:?}");
    running.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn sparse_and_several_vectors_and_times_are_taken_back() {
    let folder = tempfile::tempdir().unwrap();
    let (running, client) = served(folder.path()).await;
    let spec = CollectionSpec::new().vector("v", 2, Metric::Dot).sparse("s", Idf::Off).multi("m", 2, Metric::Cosine);
    for name in ["a", "b", "c"] {
        client.create_collection(name, spec.clone()).await.unwrap();
    }
    let far = 4_102_444_800_000;
    let points = (0..1500_u64).map(|n| {
        let x = n as f32;
        let point = Point::new(n).payload(json!({"n": n}));
        let point = if n % 2 == 0 { point.vector("v", [x, 0.1]) } else { point.expires_at_ms(far + n) };
        let point = if n % 3 == 0 { point.sparse("s", [(7, x * 0.1), (u32::MAX - n as u32, -1.5)]) } else { point };
        if n % 5 == 0 { point.multi("m", (0..=n % 4).map(|at| [x / 3.0, at as f32])) } else { point }
    });
    client.upsert("a", points).await.unwrap();
    let unversioned = |mut points: Vec<Point>| {
        points.iter_mut().for_each(|point| point.version = 0);
        points
    };
    let before = unversioned(all(&client, "a").await);
    assert!(before.iter().filter(|point| point.expires_at_ms.is_some()).count() == 750);
    let file = folder.path().join("a.parquet");
    let file = file.to_str().unwrap();
    for args in [["export", file, "-c", "a"], ["import", file, "-c", "b"]] {
        let said = nigh(&running, &args).await;
        assert!(said.status.success(), "{said:?}");
    }
    assert_eq!(unversioned(all(&client, "b").await), before);

    // Lines hold them too.
    let lines = folder.path().join("points.jsonl");
    let line = |point: &Point| {
        let mut line = json!({"id": point.id.to_string().parse::<u64>().unwrap()});
        if let Some(vector) = point.sparse.get("s") {
            line["s"] = json!({"indices": vector.indices, "values": vector.values});
        }
        if let Some(vectors) = point.multi.get("m") {
            line["m"] = json!(vectors);
        }
        line.to_string() + "\n"
    };
    std::fs::write(&lines, before.iter().map(line).collect::<String>()).unwrap();
    let said = nigh(&running, &["import", lines.to_str().unwrap(), "-c", "c", "--id-field", "id"]).await;
    assert!(said.status.success(), "{said:?}");
    for (one, other) in all(&client, "c").await.iter().zip(&before) {
        assert_eq!((one.id, &one.sparse, &one.multi), (other.id, &other.sparse, &other.multi));
    }
    std::fs::write(&lines, "{\"s\": [1, 2]}\n").unwrap();
    let said = nigh(&running, &["import", lines.to_str().unwrap(), "-c", "c"]).await;
    let error = String::from_utf8_lossy(&said.stderr);
    assert!(said.status.code() == Some(1) && error.contains("line 1") && error.contains("sparse vector"), "{error}");

    ask(&running, &client, folder.path()).await;
    running.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_without_a_name_is_taken_back_and_no_vector_goes_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let (running, client) = served(folder.path()).await;
    // As the Qdrant API calls the only vector of a collection.
    let spec = CollectionSpec::new().vector("", 2, Metric::Dot);
    client.create_collection("a", spec.clone()).await.unwrap();
    client.create_collection("b", spec).await.unwrap();
    client.create_collection("w", CollectionSpec::new().vector("w", 2, Metric::Dot)).await.unwrap();
    client.upsert("a", (0..7_u64).map(|n| Point::new(n).vector("", [n as f32, 0.5]))).await.unwrap();
    let before = bits(&all(&client, "a").await);
    assert!(before.iter().all(|(_, vectors, _)| vectors.len() == 1));
    let file = folder.path().join("a.parquet");
    let file = file.to_str().unwrap();
    for args in [["export", file, "-c", "a"], ["import", file, "-c", "b"]] {
        let said = nigh(&running, &args).await;
        assert!(said.status.success(), "{said:?}");
    }
    assert_eq!(bits(&all(&client, "b").await), before);

    let said = nigh(&running, &["import", file, "-c", "w"]).await;
    let error = String::from_utf8_lossy(&said.stderr);
    assert!(said.status.code() == Some(1) && error.contains("column `` holds vectors"), "{said:?}");
    assert_eq!(client.count("w", None).await.unwrap(), 0);
    let said = nigh(&running, &["import", file, "-c", "w", "--map", "=w"]).await;
    assert!(said.status.success(), "{said:?}");
    let renamed = all(&client, "w").await;
    assert!(renamed.len() == 7 && renamed[3].vectors["w"] == [3.0, 0.5], "{renamed:?}");
    let said = nigh(&running, &["import", file, "-c", "w", "--map", "="]).await;
    assert!(said.status.success(), "{said:?}");
    assert!(all(&client, "w").await.iter().all(|point| point.vectors.is_empty()));
    running.shutdown().await.unwrap();
}

/// An export that hangs, as its file is a pipe that nobody reads, is told to stop.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn an_export_that_is_told_to_stop_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let (running, client) = served(folder.path()).await;
    client.create_collection("a", CollectionSpec::new().vector("v", 32, Metric::Dot)).await.unwrap();
    let point = |n: u64| Point::new(n).vector("v", (0..32).map(|at| ((n * 37 + at) as f32).sin()).collect::<Vec<_>>());
    client.upsert("a", (0..3000_u64).map(point)).await.unwrap();
    for signal in ["-TERM", "-INT"] {
        let (file, part) = (folder.path().join("a.parquet"), folder.path().join("a.parquet.part"));
        assert!(Command::new("mkfifo").arg(&part).status().unwrap().success());
        let mut export = Command::new(env!("CARGO_BIN_EXE_nigh"));
        export.args(["export", file.to_str().unwrap(), "-c", "a", "--addr", &running.grpc_addr().to_string()]);
        export.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut export = export.spawn().unwrap();
        // It opens when the export has opened it: from then on that is its file, and the version is kept.
        let place = part.clone();
        let pipe = tokio::task::spawn_blocking(move || std::fs::File::open(place).unwrap()).await.unwrap();
        assert_eq!(client.pins("a").await.unwrap().len(), 1);
        assert!(Command::new("kill").args([signal, &export.id().to_string()]).status().unwrap().success());
        loop {
            // Looked at before the versions are asked for: it may end right after it has dropped its own.
            let ended = export.try_wait().unwrap().is_some();
            if client.pins("a").await.unwrap().is_empty() {
                break;
            }
            assert!(!ended, "it ended, and its version is still there");
        }
        drop(pipe);
        let ended = tokio::task::spawn_blocking(move || export.wait_with_output().unwrap()).await.unwrap();
        let error = String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.code() == Some(1) && error.contains("interrupted"), "{error}");
        assert!(!part.exists() && !file.exists());
    }
    running.shutdown().await.unwrap();
}

/// By numbers, by several vectors and by a point, at the command line as by the client.
async fn ask(running: &Running, client: &Client, folder: &Path) {
    let ids = |said: &Output| -> Vec<String> {
        let reply: serde_json::Value = serde_json::from_slice(&said.stdout).unwrap_or_else(|_| panic!("{said:?}"));
        reply["hits"].as_array().unwrap().iter().map(|hit| hit["id"].to_string()).collect()
    };
    let mut several = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
    several.extend(format!("{:<117}\n", "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }").bytes());
    several.extend([1.0_f32, 0.5, 0.0, 1.0].iter().flat_map(|number| number.to_le_bytes()));
    let file = folder.join("q.npy");
    std::fs::write(&file, several).unwrap();
    let file = file.to_str().unwrap();
    for (args, retriever) in [
        (vec!["--sparse", "7:1.0,4294967295:0.5"], Retriever::sparse("s", [(7, 1.0), (u32::MAX, 0.5)])),
        (vec!["--multi-file", file], Retriever::multi("m", [[1.0, 0.5], [0.0, 1.0]])),
        (vec!["--like", "300", "--vector-field", "s"], Retriever::like_sparse("s", 300)),
        (vec!["--like", "300", "--vector-field", "m"], Retriever::like_multi("m", 300)),
    ] {
        let mut line = vec!["query", "-c", "b", "-o", "json", "-n", "7"];
        line.extend(&args);
        let found = ids(&nigh(running, &line).await);
        let query = Query { retrievers: vec![retriever], ..Query::default() }.limit(7);
        let expected: Vec<String> =
            client.query("b", query).await.unwrap().hits.iter().map(|hit| hit.id.to_string()).collect();
        assert_eq!(found.iter().map(|id| id.trim_matches('"')).collect::<Vec<_>>(), expected, "{args:?}");
        assert!(expected.len() == 7 && !(args[0] == "--like" && expected.contains(&"300".to_owned())), "{expected:?}");
    }
    // A point is asked for by what it has: the same as by its own vector, without itself.
    let own = client.get("b", [300_u64]).await.unwrap();
    assert_eq!(own.len(), 1);
    let vector = all(client, "b").await[300].sparse["s"].clone();
    let pairs: Vec<(u32, f32)> = vector.indices.into_iter().zip(vector.values).collect();
    let by_vector = Query { retrievers: vec![Retriever::sparse("s", pairs)], ..Query::default() }.limit(8);
    let by_vector = client.query("b", by_vector).await.unwrap().hits;
    let by_point = Query { retrievers: vec![Retriever::like_sparse("s", 300)], ..Query::default() }.limit(7);
    let by_point = client.query("b", by_point).await.unwrap().hits;
    let without: Vec<_> =
        by_vector.iter().filter(|hit| hit.id != PointId::Num(300)).take(7).map(|hit| hit.id).collect();
    assert_eq!(by_point.iter().map(|hit| hit.id).collect::<Vec<_>>(), without);
    for (field, id, why) in
        [("s", 1_u64, "vector of this field"), ("m", 1, "vector of this field"), ("s", 99_999, "point")]
    {
        let retriever = if field == "s" { Retriever::like_sparse("s", id) } else { Retriever::like_multi("m", id) };
        let query = Query { retrievers: vec![retriever], ..Query::default() };
        let error = client.query("b", query).await.unwrap_err().to_string();
        assert!(error.contains(why) && error.contains(&id.to_string()), "{error}");
    }
}
