//! What `nigh verify` says of a data directory, and what a server tells of scrubbing.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use nigh_client::{Client, CollectionSpec, Metric, Point};
use nigh_server::config::Config;
use nigh_server::serve::{Running, Server};
use serde_json::{Value, json};
use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

async fn served(data: &Path) -> (Running, Client) {
    let loopback = "127.0.0.1:0".parse().unwrap();
    let config = Config { grpc: loopback, http: loopback, ..Config::new(data) };
    let running = Server::start(config).await.unwrap();
    running.ready().await;
    let client = Client::connect(running.grpc_addr().to_string()).await.unwrap();
    (running, client)
}

/// Two collections, each with a segment and with rows that only the log has.
async fn filled(data: &Path) -> (Running, Client) {
    let (running, client) = served(data).await;
    for name in ["a", "b"] {
        client.create_collection(name, CollectionSpec::new().vector("v", 2, Metric::Euclid)).await.unwrap();
        let point = |id: u64| Point::new(id).vector("v", [id as f32, 0.3]).payload(json!({"of": id}));
        client.upsert(name, (0..200).map(point)).await.unwrap();
        client.optimize(name).await.unwrap();
        client.upsert(name, (200..210).map(point)).await.unwrap();
    }
    (running, client)
}

fn verify(data: &Path, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_nigh")).arg("verify").arg(data).args(more).output().unwrap()
}

fn said(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// The files of this name, by path.
fn files(folder: &Path, name: &str) -> Vec<PathBuf> {
    let (mut folders, mut found) = (vec![folder.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap()) {
            match entry.file_type().unwrap().is_dir() {
                true => folders.push(entry.path()),
                false if entry.file_name() == name => found.push(entry.path()),
                false => {}
            }
        }
    }
    found.sort();
    found
}

/// Changes a byte in place, as a medium does that forgets.
fn damage(path: &Path) {
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
    let at = fs::metadata(path).unwrap().len() / 2;
    let file = fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    std::os::unix::fs::FileExt::read_exact_at(&file, &mut byte, at).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &[byte[0] ^ 4], at).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_of_all_names_what_is_not_in_it_and_ends_with_1() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let place = folder.path().join("shelf").display().to_string();
    let (running, _client) = filled(&data).await;
    running.shutdown().await.unwrap();
    damage(&files(&data, "MANIFEST").remove(0));
    let nigh = |args: &[&str]| Command::new(env!("CARGO_BIN_EXE_nigh")).args(args).output().unwrap();
    let check = |(code, text, error): (Option<i32>, String, String)| {
        assert_eq!(code, Some(1), "{text}{error}");
        let bad = text.lines().find(|line| line.contains("LEFT OUT")).unwrap_or_else(|| panic!("{text}"));
        assert!(text.contains("210 points") && bad.contains("MANIFEST"), "{text}");
        assert!(error.contains("1 collections are not in it"), "{error}");
        bad.trim().chars().next().unwrap().to_string()
    };
    // Without a server, and by one.
    let bad = check(said(&nigh(&["backup", "--data", data.to_str().unwrap(), "--place", &place])));
    let loopback = "127.0.0.1:0".parse().unwrap();
    let targets = vec![("shelf".to_owned(), place)];
    let config = Config { grpc: loopback, http: loopback, backup_targets: targets, ..Config::new(&data) };
    let running = Server::start(config).await.unwrap();
    running.ready().await;
    let address = running.grpc_addr().to_string();
    let by_server = async |args: &'static [&str]| {
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).chain([address.clone()]).collect();
        let run = move || nigh_with(&args);
        tokio::task::spawn_blocking(run).await.unwrap()
    };
    assert_eq!(check(said(&by_server(&["backup", "--addr"]).await)), bad);
    let (code, text, _) = said(&by_server(&["backup", "-o", "json", "--addr"]).await);
    let made: Value = serde_json::from_str(text.trim()).unwrap_or_else(|err| panic!("{err}: {text}"));
    assert_eq!((code, &made["left_out"][0]["name"]), (Some(1), &json!(bad)));
    let root = data.display().to_string();
    assert!(!text.contains(&root), "where the data lies stays out: {text}");
    // One that was named, and that cannot be read, ends it.
    let command = if bad == "a" { &["backup", "-c", "a", "--addr"] } else { &["backup", "-c", "b", "--addr"] };
    let (code, text, error) = said(&by_server(command).await);
    assert!(code == Some(1) && text.is_empty() && error.contains("MANIFEST"), "{text}{error}");
    running.shutdown().await.unwrap();
}

fn nigh_with(args: &[String]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_nigh")).args(args).output().unwrap()
}

fn page(running: &Running, path: &str) -> String {
    let mut stream = std::net::TcpStream::connect(running.http_addr()).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: nigh\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

fn metric(text: &str, name: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_file_is_named_with_its_place_and_ends_with_1() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (running, _client) = filled(&data).await;
    let (code, _, error) = said(&verify(&data, &[]));
    assert!(code == Some(1) && error.contains(&format!("process {}", std::process::id())), "it is served: {error}");
    running.shutdown().await.unwrap();

    let (code, text, error) = said(&verify(&data, &[]));
    assert_eq!((code, &error[..]), (Some(0), ""), "{text}");
    assert!(text.contains("all of them whole") && text.contains("a  whole, 210 points at operation 210"), "{text}");

    let path = files(&data, "payload").remove(0);
    damage(&path);
    let below = path.strip_prefix(&data).unwrap().display().to_string();
    let (code, text, error) = said(&verify(&data, &[]));
    assert_eq!(code, Some(1), "{text}");
    let line = text.lines().find(|line| line.starts_with("DAMAGED")).unwrap();
    assert!(line.contains(&format!("{below} at byte ")) && line.contains("checksum"), "{line}");
    assert_eq!(text.matches("DAMAGED").count(), 1, "{text}");
    assert!(error.starts_with("nigh: 1 of ") && error.contains("restore them from a backup"), "{error}");

    let (code, text, _) = said(&verify(&data, &["-o", "json"]));
    let lines = text.trim().lines().last().unwrap();
    let report: Value = serde_json::from_str(lines).unwrap_or_else(|err| panic!("{err}: {text}"));
    assert_eq!((code, &report["whole"]), (Some(1), &json!(false)));
    let damaged = report["damaged"].as_array().unwrap();
    assert!(damaged.len() == 1 && damaged[0]["file"] == below && damaged[0]["byte"].is_u64(), "{report}");
    // Who looks at the other collection alone finds it whole.
    let bad = damaged[0]["collection"].as_str().unwrap();
    let good = if bad == "a" { "b" } else { "a" };
    assert_eq!(verify(&data, &["-c", good]).status.code(), Some(0));
    assert_eq!(verify(&data, &["-c", bad]).status.code(), Some(1));
    let (code, _, error) = said(&verify(&data, &["-c", "nobody"]));
    assert!(code == Some(1) && error.contains("`nobody`"), "{error}");
    let (code, _, error) = said(&verify(&folder.path().join("nowhere"), &[]));
    assert!(code == Some(1) && error.contains("nowhere"), "{error}");
    // A file that is gone is damage too.
    fs::remove_file(&path).unwrap();
    let (code, text, _) = said(&verify(&data, &[]));
    assert!(code == Some(1) && text.contains(&below), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_scrubbed_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let (running, client) = filled(folder.path()).await;
    let text = page(&running, "/metrics");
    for name in ["nigh_scrubbed_files_total", "nigh_scrub_errors_total", "nigh_scrub_last_pass_seconds"] {
        assert_eq!(metric(&text, name), 0.0, "{name}");
    }
    let all = client.scrub(None, None).await.unwrap();
    let text = page(&running, "/metrics");
    let (files_read, bytes_read) = all.iter().fold((0, 0), |sum, one| (sum.0 + one.files, sum.1 + one.bytes));
    let both = (metric(&text, "nigh_scrubbed_files_total"), metric(&text, "nigh_scrubbed_bytes_total"));
    assert!(files_read > 10, "{all:?}");
    assert_eq!(both, (files_read as f64, bytes_read as f64));
    assert_eq!((metric(&text, "nigh_scrub_passes_total"), metric(&text, "nigh_scrub_running")), (1.0, 0.0));
    assert!(metric(&text, "nigh_scrub_last_pass_seconds") > 1.7e9);

    damage(&files(folder.path(), "payload")[0]);
    client.scrub(None, None).await.unwrap();
    let text = page(&running, "/metrics");
    let counts = ["nigh_scrub_errors_total", "nigh_scrub_passes_total", "nigh_collections{state=\"quarantined\"}"];
    assert_eq!(counts.map(|name| metric(&text, name)), [1.0, 2.0, 1.0]);
    let ready = page(&running, "/readyz");
    assert!(ready.contains(" 200 ") && ready.contains(r#""quarantined":1"#), "the others serve: {ready}");
    running.shutdown().await.unwrap();
}
