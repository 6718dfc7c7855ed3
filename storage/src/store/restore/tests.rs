//! A restore stops at each of its disk calls: what is found is the whole collection, or none, and what was there.

use super::*;
use crate::disk::Disk;
use crate::disk::cruel::{CruelDisk, Fault};
use crate::point::Point;
use crate::schema::CollectionSpec;
use crate::store::Options;
use crate::store::names::AliasChange;
use crate::write::{Durability, Write};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

fn open(disk: &Arc<CruelDisk>) -> Arc<Store> {
    // A thread of its own would lay down the mark behind a write at any of the calls that are counted here.
    let options = Options { background: false, writer_thread: false, build_threads: 1, ..Options::default() };
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

fn over(store: &Store, from: &BackedUp, files: &BTreeMap<String, Bytes>) -> Result<Restored> {
    let mut fetch = |stored: &Stored, incoming: &mut Incoming<'_>| incoming.write(&files[&stored.key()]);
    let mut pieces = Pieces { fetch: &mut fetch, next_log: &mut || Ok(None) };
    store.restore_over("old", from, "new".to_owned(), &mut pieces)
}

/// Whatever fails: the old collection whole, with what it acknowledged, or the new one whole, with its note.
#[test]
fn a_collection_is_replaced_whole_or_stays() {
    let (from, files, _) = backup();
    let mut kinds = [0; 3];
    for call in 0.. {
        let disk = Arc::new(CruelDisk::new());
        let store = open(&disk);
        store.create("old", CollectionSpec::default()).unwrap();
        store.change_aliases(&[AliasChange::Set { alias: "live".to_owned(), collection: "old".to_owned() }]).unwrap();
        store.change_note("old", |_| "old".to_owned()).unwrap();
        let old = store.collection("old").unwrap();
        let put = |id: u64| old.write(vec![Write::Upsert(Point::new(id))], Durability::Durable);
        put(1).unwrap();
        disk.fail_at(call, Fault::Io);
        let replaced = over(&store, &from, &files);
        disk.heal();
        let written = put(2);
        let served = store.collection("live").map(|found| found.snapshot().points());
        let kind = match (&replaced, &served) {
            (Ok(restored), Ok(20)) => {
                assert_eq!(restored.points, 20);
                assert!(matches!(written, Err(Error::Closed { .. })), "{written:?}");
                0
            }
            (Err(_), Ok(2)) => 1,
            // It may be either until the next start; and it can be done again.
            (Err(_), Err(Error::Quarantined { .. })) => {
                assert!(matches!(written, Err(Error::Closed { .. })), "{written:?}");
                2
            }
            other => panic!("call {call}: {other:?}, written: {written:?}"),
        };
        kinds[kind] += 1;
        for seed in 0..3 {
            let crashed = Arc::new(disk.crash(seed));
            let store = open(&crashed);
            let found = store.collection("live").unwrap().snapshot().points();
            match (found, store.note("old").as_deref()) {
                (20, Some("new")) => assert_ne!(kind, 1, "call {call}"),
                (1 | 2, Some("old")) => assert_ne!(kind, 0, "call {call}: told, and not there"),
                other => panic!("call {call}: {other:?}"),
            }
            assert!(found != 1 || written.is_err(), "call {call}: an acknowledged write is gone");
            let folders = crashed.list(Path::new("/data")).unwrap();
            assert_eq!(folders.iter().filter(|name| Uuid::try_parse(name).is_ok()).count(), 1, "nothing else is left");
        }
        if kind == 2 {
            assert_eq!(over(&store, &from, &files).unwrap().points, 20);
            assert_eq!(store.collection("live").unwrap().snapshot().points(), 20);
        }
        if kind == 0 && call > 60 {
            break;
        }
    }
    assert!(kinds[1] > 20 && kinds[2] == 2, "{kinds:?}");
}

#[test]
fn an_alias_is_not_replaced_and_one_that_cannot_be_read_is() {
    let (from, files, _) = backup();
    let disk = Arc::new(CruelDisk::new());
    let store = open(&disk);
    store.create("new", CollectionSpec::default()).unwrap();
    store.change_aliases(&[AliasChange::Set { alias: "old".to_owned(), collection: "new".to_owned() }]).unwrap();
    assert!(matches!(over(&store, &from, &files), Err(Error::Taken { .. })));
    store.change_aliases(&[AliasChange::Rename { from: "old".to_owned(), to: "live".to_owned() }]).unwrap();
    assert_eq!(over(&store, &from, &files).unwrap().points, 20, "there was none");
    let folder = store.folder(store.collections.read()["old"].folder);
    store.close();
    drop(store);
    disk.remove(&folder.join("MANIFEST")).unwrap();
    let store = open(&disk);
    assert!(matches!(store.collection("old"), Err(Error::Quarantined { .. })));
    assert_eq!(over(&store, &from, &files).unwrap().points, 20);
    assert_eq!(store.collection("old").unwrap().snapshot().points(), 20);
}
