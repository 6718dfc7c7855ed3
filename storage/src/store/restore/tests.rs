//! A restore stops at each of its disk calls: what is found is the whole collection, or none, and what was there.

use super::*;
use crate::disk::Disk;
use crate::disk::cruel::{CruelDisk, Fault};
use crate::point::Point;
use crate::schema::CollectionSpec;
use crate::store::Options;
use crate::write::{Durability, Write};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

fn open(disk: &Arc<CruelDisk>) -> Arc<Store> {
    let options = Options { background: false, build_threads: 1, ..Options::default() };
    Store::open(disk.clone(), Path::new("/data"), options).unwrap()
}

/// A backup of a collection of twenty points, its files, and the log of five more behind it.
fn backup() -> (BackedUp, BTreeMap<String, Bytes>, Bytes) {
    let store = open(&Arc::new(CruelDisk::new()));
    store.create("c", CollectionSpec::default()).unwrap();
    let collection = store.collection("c").unwrap();
    let put = |ids: std::ops::Range<u64>| {
        let point = |id: u64| Point { payload: Bytes::from_static(b"{\"a\":1}"), ..Point::new(id) };
        collection.write(ids.map(point).map(Write::Upsert).collect(), Durability::Durable).unwrap();
    };
    put(0..20);
    let hold = collection.hold().unwrap();
    let read = |(segment, file): (&crate::manifest::SegmentEntry, _)| hold.read(segment.number, file).unwrap();
    let files: Vec<(Bytes, Stored)> = hold.version().files().map(read).collect();
    put(20..25);
    let piece = collection.unarchived(hold.version().seq(), 1 << 20).unwrap().unwrap();
    let stored = files.iter().map(|(_, stored)| stored.clone()).collect();
    let backed_up = BackedUp { collection: "c".to_owned(), version: hold.version().clone(), files: stored };
    (backed_up, files.into_iter().map(|(bytes, stored)| (stored.key(), bytes)).collect(), piece.bytes)
}

fn restore(store: &Store, from: &BackedUp, files: &BTreeMap<String, Bytes>, piece: &Bytes) -> Result<Restored> {
    let mut fetch = |stored: &Stored, incoming: &mut Incoming<'_>| -> Result<()> {
        files[&stored.key()].chunks(100).try_for_each(|chunk| incoming.write(chunk))
    };
    let mut pieces = vec![piece.clone()].into_iter();
    let mut next_log = || Ok(pieces.next());
    store.restore("new", from, Until::Newest, &mut Pieces { fetch: &mut fetch, next_log: &mut next_log })
}

/// Opens what is found; how many points the restored collection has, if it is there.
fn found(disk: &Arc<CruelDisk>) -> Option<u64> {
    let store = open(disk);
    assert_eq!(store.collection("old").unwrap().snapshot().points(), 0);
    let names: Vec<String> = store.list().into_iter().map(|(name, _)| name).collect();
    let restored = names.iter().any(|name| name == "new").then(|| store.collection("new").unwrap().snapshot().points());
    let folders =
        disk.list(Path::new("/data")).unwrap().into_iter().filter(|name| Uuid::try_parse(name).is_ok()).count();
    assert_eq!(folders, names.len(), "nothing else is left");
    restored
}

#[test]
fn a_restore_is_whole_or_not_there() {
    let (from, files, piece) = backup();
    let (mut failed, mut calls) = (0, 0);
    for call in 0.. {
        let disk = Arc::new(CruelDisk::new());
        let store = open(&disk);
        store.create("old", CollectionSpec::default()).unwrap();
        disk.fail_at(call, Fault::Io);
        let restored = restore(&store, &from, &files, &piece);
        disk.heal();
        failed += u64::from(restored.is_err());
        for seed in 0..3 {
            match (found(&Arc::new(disk.crash(seed))), &restored) {
                (Some(points), _) => assert_eq!(points, 25, "call {call}"),
                (None, Ok(_)) => panic!("call {call}: told, and not there"),
                (None, Err(_)) => {}
            }
        }
        calls = call;
        if restored.is_ok() && call > 60 {
            break;
        }
    }
    assert!(failed > 30, "{failed} of {calls} calls failed");
}

#[test]
fn what_is_there_is_not_written_over() {
    let (from, files, piece) = backup();
    let store = open(&Arc::new(CruelDisk::new()));
    assert_eq!(restore(&store, &from, &files, &piece).unwrap(), Restored { seq: 25, points: 25 });
    assert!(matches!(restore(&store, &from, &files, &piece), Err(Error::Taken { .. })));
}
