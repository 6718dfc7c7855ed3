//! What a medium forgets while it is served, what a look at a stopped directory says, and what is gone after an erasure.

use nigh_client::integrity::Scrubbed;
use nigh_client::{Client, CollectionSpec, Durability, Filter, Metric, Op, Point, Selector, field};
use nigh_storage::disk::FsDisk;
use nigh_storage::error::Error as Storage;
use nigh_storage::verify::{Found, verify};
use nigh_tests::server::{Server, Tuning};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

const SECRET: &str = "zanzibar-4711-secret";

fn spec() -> CollectionSpec {
    CollectionSpec::new().vector("v", 4, Metric::Euclid).text("body", "standard")
}

fn point(id: u64, body: &str) -> Point {
    let at = id as f32;
    Point::new(id)
        .vector("v", vec![at + 0.1, at / 3.0, at / 7.0, 0.3])
        .payload(serde_json::json!({"body": body, "of": id}))
}

/// A server with two collections, each with a segment, dead rows and rows that only the log has.
async fn serve(folder: &Path) -> (Server, Client) {
    let server = Server::start_in(folder, &Tuning::default()).await;
    let client = Client::connect(&server.url[..]).await.unwrap();
    for name in ["a", "b"] {
        client.create_collection(name, spec()).await.unwrap();
        client.upsert(name, (0..50).map(|id| point(id, "some words here"))).await.unwrap();
        client.optimize(name).await.unwrap();
        client.delete(name, Selector::ids([7_u64])).await.unwrap();
        client.upsert(name, (60..70).map(|id| point(id, "more words"))).await.unwrap();
    }
    (server, client)
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap()) {
        match entry.file_type().unwrap().is_dir() {
            true => files(&entry.path(), found),
            false => found.push(entry.path()),
        }
    }
}

/// The first file whose path ends like this.
fn file(folder: &Path, end: &str) -> PathBuf {
    let mut all = Vec::new();
    files(folder, &mut all);
    all.sort();
    all.into_iter().find(|path| path.to_string_lossy().ends_with(end)).unwrap()
}

/// Changes a byte of a file in place, as a medium does that forgets.
fn damage(path: &Path, from_end: usize) {
    let mut bytes = fs::read(path).unwrap();
    let at = bytes.len() - from_end;
    bytes[at] ^= 4;
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &bytes[at..=at], at as u64).unwrap();
}

fn of<'s>(all: &'s [Scrubbed], name: &str) -> &'s Scrubbed {
    all.iter().find(|one| one.collection == name).unwrap()
}

#[tokio::test]
async fn a_file_that_is_damaged_while_it_is_served_quarantines_its_collection_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (server, client) = serve(folder.path()).await;
    let all = client.scrub(None, None).await.unwrap();
    assert_eq!(all.len(), 2);
    assert!(all.iter().all(|one| one.damage.is_none() && one.mended.is_empty() && one.files > 6), "{all:?}");

    let path = file(folder.path(), "payload");
    damage(&path, 100);
    let all = client.scrub(None, Some(1 << 30)).await.unwrap();
    let damaged: Vec<_> = all.iter().filter(|one| one.damage.is_some()).collect();
    let why = damaged[0].damage.clone().unwrap();
    assert!(damaged.len() == 1 && why.contains("payload") && why.contains("byte"), "{why}");
    assert!(!why.contains(&folder.path().display().to_string()), "where the data lies stays out: {why}");
    let bad = damaged[0].collection.clone();
    let good = if bad == "a" { "b" } else { "a" };

    // Reads and writes of it name the file; the other one serves.
    for error in [
        client.count(&bad, None).await.unwrap_err().to_string(),
        client.upsert(&bad, [point(1, "x")]).await.unwrap_err().to_string(),
    ] {
        assert!(error.contains("quarantined") && error.contains("payload"), "{error}");
    }
    assert_eq!(client.count(good, None).await.unwrap(), 59);
    client.upsert(good, [point(1, "x")]).await.unwrap();
    let listed = client.list_collections().await.unwrap();
    let listed: Vec<(&str, &str)> = listed.iter().map(|one| (&one.name[..], &one.state[..])).collect();
    assert!(listed.contains(&(&bad, "quarantined")) && listed.contains(&(good, "open")), "{listed:?}");
    server.stop().await;

    // The same is found offline, and nothing else.
    let mut found = Vec::new();
    let report = verify(&FsDisk, folder.path(), None, &mut |file| {
        if let Found::Damaged { at, why } = &file.found {
            found.push((folder.path().join(&file.path), *at, why.clone()));
        }
    });
    let report = report.unwrap();
    assert!(found.len() == 1 && found[0].0 == path && found[0].1.is_some() && report.damaged == 1, "{found:?}");
    let whole = report.collections.iter().find(|one| one.name == good).unwrap();
    assert_eq!(whole.holds.unwrap().0, 59);
}

#[tokio::test]
async fn a_damaged_manifest_or_log_is_written_again_from_memory() {
    let folder = tempfile::tempdir().unwrap();
    let (server, client) = serve(folder.path()).await;
    for (end, from_end) in [("MANIFEST", 20), (".log", 60)] {
        damage(&file(folder.path(), end), from_end);
        let all = client.scrub(None, None).await.unwrap();
        let mended: Vec<&String> = all.iter().flat_map(|one| &one.mended).collect();
        assert!(mended.len() == 1 && mended[0].contains(end), "{all:?}");
        assert!(all.iter().all(|one| one.damage.is_none()), "{all:?}");
        let again = client.scrub(None, None).await.unwrap();
        assert!(again.iter().all(|one| one.mended.is_empty() && one.damage.is_none()), "{again:?}");
    }
    server.stop().await;
    let report = verify(&FsDisk, folder.path(), None, &mut |_| {}).unwrap();
    assert_eq!((report.damaged, report.collections.len()), (0, 2));
    assert!(report.collections.iter().all(|one| one.holds.is_some_and(|(points, _)| points == 59)), "{report:?}");
}

#[tokio::test]
async fn a_scrub_of_one_collection_reads_that_one() {
    let folder = tempfile::tempdir().unwrap();
    let (server, client) = serve(folder.path()).await;
    let all = client.scrub(Some("b"), None).await.unwrap();
    assert!(all.len() == 1 && of(&all, "b").bytes > 1000, "{all:?}");
    let slow = client.scrub(None, Some(1)).await.unwrap_err().to_string();
    assert!(slow.contains("bytes_per_second is 1; it is at least 1048576"), "{slow}");
    assert!(client.scrub(Some("nobody"), None).await.unwrap_err().to_string().contains("nobody"));
    server.stop().await;
}

#[tokio::test]
async fn a_directory_that_is_served_is_not_looked_at_nor_served_twice() {
    let folder = tempfile::tempdir().unwrap();
    let (server, _client) = serve(folder.path()).await;
    let err = verify(&FsDisk, folder.path(), None, &mut |_| {}).unwrap_err();
    assert!(
        matches!(&err, Storage::Locked { .. }) && err.to_string().contains(&std::process::id().to_string()),
        "{err}"
    );
    server.stop().await;
    let nowhere = verify(&FsDisk, folder.path().join("x").as_path(), None, &mut |_| {});
    assert!(nowhere.is_err(), "{nowhere:?}");
    let nobody = verify(&FsDisk, folder.path(), Some("nobody"), &mut |_| {});
    assert!(matches!(nobody, Err(Storage::Missing { .. })), "{nobody:?}");
}

/// Files of the data directory in which these bytes stand.
fn holding(folder: &Path, bytes: &[u8]) -> Vec<PathBuf> {
    let mut all = Vec::new();
    files(folder, &mut all);
    all.retain(|path| fs::read(path).unwrap().windows(bytes.len()).any(|window| window == bytes));
    all
}

#[tokio::test]
async fn nothing_of_what_was_erased_is_left_on_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let (server, client) = serve(folder.path()).await;
    let numbers = [31.417_f32, -2.7361, 1.6181, 0.5772];
    let vector: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    let secret =
        |id: u64| Point::new(id).vector("v", numbers.to_vec()).payload(serde_json::json!({"body": SECRET, "of": id}));
    // In a segment, in a segment and replaced, and in the log alone.
    client.upsert("a", [secret(100), secret(101)]).await.unwrap();
    client.optimize("a").await.unwrap();
    client.upsert("a", [point(101, "harmless"), secret(102)]).await.unwrap();
    for bytes in [SECRET.as_bytes(), &vector] {
        let found = holding(folder.path(), bytes);
        assert!(found.len() > 1, "there is something to erase: {found:?}");
    }
    let before = client.count("a", None).await.unwrap();
    let filter = Filter::must([field("body").eq(SECRET)]);
    let receipt = client.erase("a", Some(Selector::Matching(filter))).await.unwrap();
    for bytes in [SECRET.as_bytes(), &vector, b"zanzibar"] {
        assert_eq!(holding(folder.path(), bytes), Vec::<PathBuf>::new());
    }
    nigh_server::engine::integrity::check_receipt(&receipt.to_string()).unwrap();
    assert_eq!((receipt["points_deleted"].as_u64(), receipt["collection"].as_str()), (Some(2), Some("a")), "{receipt}");
    assert!(
        receipt["rows_erased"].as_u64() > Some(1) && receipt["files_removed"].as_array().unwrap().len() > 5,
        "{receipt}"
    );
    assert_eq!(receipt["files_left"], serde_json::json!([]));
    // The rest is as it was, also after a restart.
    assert_eq!(client.count("a", None).await.unwrap(), before - 2);
    assert_eq!(client.get("a", [101_u64, 102, 65]).await.unwrap().len(), 2);
    // What a kept version holds is said.
    client.pin("b", "monday").await.unwrap();
    client.write("b", [Op::Delete(Selector::ids([3_u64, 61]))], Durability::Durable).await.unwrap();
    let receipt = client.erase("b", None).await.unwrap();
    assert_eq!(receipt["points_deleted"], serde_json::Value::Null, "{receipt}");
    assert_eq!(receipt["versions_that_hold"], serde_json::json!(["monday"]), "{receipt}");
    assert!(!receipt["files_left"].as_array().unwrap().is_empty(), "{receipt}");
    server.stop().await;
    let server = Server::start_in(folder.path(), &Tuning::default()).await;
    let client = Client::connect(&server.url[..]).await.unwrap();
    assert_eq!((client.count("a", None).await.unwrap(), client.count("b", None).await.unwrap()), (before - 2, 57));
    server.stop().await;
}
