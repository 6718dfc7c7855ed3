//! Backups, restores and the archive in a bucket, by the program that users start: credentials come from its environment.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]
#![cfg(feature = "s3")]

mod stand_in;

use nigh_client::{Client, CollectionSpec, Metric, Point};
use serde_json::json;
use stand_in::StandIn;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

const PLACE: &str = "s3://backups/team/nigh";

fn program(service: &StandIn) -> Command {
    let mut nigh = Command::new(env!("CARGO_BIN_EXE_nigh"));
    nigh.env("AWS_ACCESS_KEY_ID", "the-key").env("AWS_SECRET_ACCESS_KEY", "the-secret").env("AWS_REGION", "here");
    nigh.env("AWS_ENDPOINT_URL", &service.url).env("AWS_ALLOW_HTTP", "true");
    nigh
}

/// A server in a process of its own; ended when dropped.
struct Served {
    process: Child,
    addr: String,
}

impl Served {
    fn start(service: &StandIn, data: &Path) -> Self {
        let target = format!("shelf={PLACE}");
        let mut nigh = program(service);
        nigh.args(["serve", "--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0", "--backup-target", &target]);
        nigh.args(["--archive", "shelf", "--archive-every", "1", "--data"]).arg(data).stdout(Stdio::piped());
        let mut process = nigh.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let addr = line.strip_prefix("nigh listens: gRPC ").and_then(|rest| rest.split(',').next());
        let addr = addr.unwrap_or_else(|| panic!("it said {line:?}")).to_owned();
        Self { process, addr }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

async fn run(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

async fn nigh(service: &StandIn, served: &Served, args: &[&str]) -> Output {
    let mut command = program(service);
    command.args(args).args(["--addr", &served.addr]);
    run(command).await
}

fn well(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// 100 KB of text a point, so that a few hundred make a file that is sent in parts.
fn points(ids: std::ops::Range<u64>) -> Vec<Point> {
    let point = |id: u64| {
        Point::new(id).vector("v", [id as f32, 1.0]).payload(json!({"text": format!("{id} ").repeat(25_000)}))
    };
    ids.map(point).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_holds_backups_and_the_archive() {
    let service = StandIn::start().await;
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start(&service, &folder.path().join("data"));
    let client = Client::connect(&served.addr[..]).await.unwrap();
    client.create_collection("a", CollectionSpec::new().vector("v", 2, Metric::Dot)).await.unwrap();
    for from in (0..240).step_by(20) {
        client.upsert("a", points(from..from + 20)).await.unwrap();
    }
    client.optimize("a").await.unwrap();

    // A service that is out of order for a moment is asked again.
    service.fail(2);
    well(&nigh(&service, &served, &["backup"]).await);
    assert!(service.in_parts() > 0, "a large file goes in parts");
    let names = service.names();
    for folder in ["files/", "backups/"] {
        assert!(names.iter().any(|name| name.starts_with(&format!("backups/team/nigh/{folder}"))), "{names:?}");
    }
    client.upsert("a", points(240..250)).await.unwrap();
    well(&nigh(&service, &served, &["backup", "--target", "shelf"]).await);
    assert_eq!(well(&nigh(&service, &served, &["backups", "-o", "json"]).await).matches("\"id\"").count(), 2);

    // What came behind the last backup comes from the archive.
    let last = client.upsert("a", points(250..255)).await.unwrap().seq;
    let archived = || service.names().iter().filter_map(|name| end(name)).max().unwrap_or(0);
    while archived() < last {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    well(&nigh(&service, &served, &["restore", "-c", "a", "--into", "b", "--newest"]).await);
    assert_eq!(client.count("b", None).await.unwrap(), 255);
    let (one, other) = (client.get("a", [7_u64, 254]).await.unwrap(), client.get("b", [7_u64, 254]).await.unwrap());
    assert!(one.len() == 2 && one.iter().zip(&other).all(|(one, other)| one.payload == other.payload));

    // Offline, and what is damaged is named.
    drop(served);
    let again = folder.path().join("again");
    let restore = |place: &str| {
        let mut command = program(&service);
        command.args(["restore", "-c", "a", "--place", place, "--data"]).arg(&again);
        command
    };
    let damaged = names.iter().rfind(|name| name.contains("/files/")).unwrap();
    service.damage(damaged);
    let said = run(restore(PLACE)).await;
    let error = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.status.code() == Some(1) && error.contains("files/"), "{error}");
    service.damage(damaged);
    well(&run(restore(PLACE)).await);

    // Nobody gets in without the key, and the answer says no more than that.
    let mut stranger = restore(PLACE);
    stranger.env("AWS_ACCESS_KEY_ID", "another");
    let said = run(stranger).await;
    let error = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.status.code() == Some(1) && !error.contains("the-secret"), "{error}");
    for (place, why) in [("gs://bucket", "`gs` is not known"), ("s3://", "s3://BUCKET")] {
        let said = run(restore(place)).await;
        let error = String::from_utf8_lossy(&said.stderr).into_owned();
        assert!(!said.status.success() && error.contains(why), "{error}");
    }
}

/// The last operation of a piece of the archive.
fn end(name: &str) -> Option<u64> {
    let (_, piece) = name.split_once("/archive/")?;
    piece.strip_suffix(".log")?.rsplit_once('-')?.1.parse().ok()
}
