//! Upkeep by itself: what is written is sealed and merged, what is deleted gives its space back, and
//! two threads do it for all collections.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use nigh_storage::collection::Collection;
use nigh_storage::disk::FsDisk;
use nigh_storage::point::Point;
use nigh_storage::schema::CollectionSpec;
use nigh_storage::status::Status;
use nigh_storage::store::{Options, Store};
use nigh_storage::write::{Durability, Selector, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

const SEAL_ROWS: u64 = 100;
const ROWS: u64 = 1000;

fn upsert(id: u64) -> Write {
    let payload = format!("{{\"n\":{id}}}").into();
    Write::Upsert(Point { payload, ..Point::new(id) })
}

fn fill(collection: &Collection) {
    for start in (0..ROWS).step_by(50) {
        collection.write((start..start + 50).map(upsert).collect(), Durability::Logged).unwrap();
    }
}

/// Waits until it holds, and fails after a minute: upkeep has its own time.
fn until(collection: &Collection, what: &str, holds: impl Fn(&Status) -> bool) {
    let start = Instant::now();
    while !holds(&collection.status()) {
        assert!(start.elapsed() < Duration::from_secs(60), "{what}: {:?}", collection.status());
        std::thread::yield_now();
    }
}

fn threads(name: &str) -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let called = |path: std::path::PathBuf| std::fs::read_to_string(path).is_ok_and(|comm| comm.trim() == name);
    tasks.filter(|task| called(task.path().join("comm"))).count()
}

#[test]
fn two_threads_keep_all_collections_in_order() {
    let root = tempfile::tempdir().unwrap();
    let options = Options { seal_rows: SEAL_ROWS, build_threads: 1, ..Options::default() };
    let store = Store::open(Arc::new(FsDisk), root.path(), options).unwrap();
    let names: Vec<String> = (0..8).map(|number| format!("c{number}")).collect();
    let collections: Vec<Arc<Collection>> = names
        .iter()
        .map(|name| {
            store.create(name, CollectionSpec::default()).unwrap();
            store.collection(name).unwrap()
        })
        .collect();
    collections.iter().for_each(|collection| fill(collection));
    assert_eq!((threads("nigh sealer"), threads("nigh merger")), (1, 1));
    for collection in &collections {
        until(collection, "sealed and merged", |status| {
            status.live_rows < SEAL_ROWS && status.segments.len() < 4 && status.upkeep == "idle"
        });
        assert_eq!(collection.status().points, ROWS);
    }

    // Deletes alone come to a checkpoint, and what they leave dead is written anew.
    let one = &collections[0];
    one.settle().unwrap();
    let before = one.status();
    assert_eq!((before.segments.len(), before.live_rows), (1, 0));
    one.write(vec![Write::Delete(Selector::Ids((0..ROWS / 2).map(Into::into).collect()))], Durability::Durable)
        .unwrap();
    one.settle().unwrap();
    let after = one.status();
    assert_eq!((after.points, after.segments[0].rows, after.segments[0].dead_rows), (ROWS / 2, ROWS / 2, 0));
    assert!(after.disk_bytes < before.disk_bytes, "{after:?}, {before:?}");

    store.close();
    drop((collections, store));
    assert_eq!((threads("nigh sealer"), threads("nigh merger")), (0, 0));
}
