//! What a failing medium or a full disk may not do: reach memory, quarantine what is whole, or leave files behind.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use bytes::Bytes;
use nigh_index::row::Row;
use nigh_storage::collection::Collection;
use nigh_storage::disk::cruel::{CruelDisk, Fault};
use nigh_storage::disk::{Disk, FsDisk};
use nigh_storage::error::Error;
use nigh_storage::point::Point;
use nigh_storage::schema::CollectionSpec;
use nigh_storage::store::{Options, Store};
use nigh_storage::write::{Durability, Selector, Write};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

fn store(disk: Arc<dyn Disk>, root: &Path) -> Arc<Store> {
    // Healed as soon as it is asked for.
    let options = Options { background: false, heal_after: Duration::ZERO, ..Options::default() };
    Store::open(disk, root, options).unwrap()
}

fn upsert(id: u64, text: &str) -> Write {
    Write::Upsert(Point { payload: Bytes::from(format!("{{\"text\":\"{text}\"}}")), ..Point::new(id) })
}

fn write(collection: &Collection, write: Write) -> Result<(), Error> {
    collection.write(vec![write], Durability::Durable).map(drop)
}

fn payload(collection: &Collection, id: u64) -> Vec<u8> {
    let snapshot = collection.snapshot();
    let (part, row): (usize, Row) = snapshot.find(&id.into()).unwrap();
    snapshot.parts[part].part.payload(row).unwrap().to_vec()
}

fn files(folder: &Path, all: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, all) } else { all.push(path) }
    }
}

#[test]
fn damage_of_the_log_does_not_reach_what_was_read_from_it() {
    let home = tempfile::tempdir().unwrap();
    let disk: Arc<dyn Disk> = Arc::new(FsDisk);
    let first = store(disk.clone(), home.path());
    first.create("c", CollectionSpec::default()).unwrap();
    write(&first.collection("c").unwrap(), upsert(1, "MARKED")).unwrap();
    first.close();
    drop(first);

    let again = store(disk, home.path());
    let collection = again.collection("c").unwrap();
    let mut all = Vec::new();
    files(home.path(), &mut all);
    let mut damaged = 0;
    for path in all {
        let mut bytes = fs::read(&path).unwrap();
        if let Some(at) = bytes.windows(6).position(|window| window == b"MARKED") {
            bytes[at] = b'W';
            // In place: a map of the file sees it.
            let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
            std::os::unix::fs::FileExt::write_all_at(&file, &bytes, 0).unwrap();
            damaged += 1;
        }
    }
    assert_eq!(damaged, 1, "the log holds it");
    let whole = b"{\"text\":\"MARKED\"}";
    assert_eq!(payload(&collection, 1), whole);
    let scrubbed = again.scrub(None, None, &|| false).unwrap();
    assert_eq!(scrubbed[0].mended.len(), 1, "{scrubbed:?}");
    assert_eq!(payload(&collection, 1), whole, "it is mended from memory, which is whole");
    again.close();
}

/// A disk call of a seal or a merge fails, whichever: what it had built goes.
#[test]
fn what_was_built_in_vain_is_removed() {
    let root = Path::new("/data");
    let mut failed = 0;
    for fault in [Fault::NoSpace, Fault::Io] {
        for call in 0..60 {
            let disk = Arc::new(CruelDisk::new());
            let store = store(disk.clone(), root);
            store.create("c", CollectionSpec::default()).unwrap();
            let collection = store.collection("c").unwrap();
            for id in 0..3 {
                write(&collection, upsert(id, "first")).unwrap();
                if id < 2 {
                    collection.seal().unwrap();
                }
            }
            disk.fail_at(call, fault);
            let outcome = collection.seal().and_then(|_| collection.merge());
            disk.heal();
            failed += u64::from(outcome.is_err());
            // The next write heals the collection, where it has to.
            let _ = write(&collection, upsert(7, "then"));
            let named: Vec<u64> = collection.status().segments.iter().map(|segment| segment.number).collect();
            let folder = disk.list(root).unwrap().into_iter().find(|name| name.len() == 36).unwrap();
            let mut there = disk.list(&root.join(folder).join("segments")).unwrap();
            there.retain(|name| !named.contains(&name.parse().unwrap()));
            assert!(there.is_empty(), "{fault:?} at call {call} left {there:?} beside {named:?} ({outcome:?})");
        }
    }
    assert!(failed > 30, "{failed} failures");
}

/// Too little room to mend what is damaged says nothing against the rest.
#[test]
fn a_scrub_that_finds_no_room_quarantines_nothing() {
    let root = Path::new("/data");
    let mut refused = 0;
    for call in 0..30 {
        let disk = Arc::new(CruelDisk::new());
        let store = store(disk.clone(), root);
        store.create("c", CollectionSpec::default()).unwrap();
        let collection = store.collection("c").unwrap();
        write(&collection, upsert(1, "one")).unwrap();
        let folder = disk.list(root).unwrap().into_iter().find(|name| name.len() == 36).unwrap();
        disk.flip_bit(&root.join(folder).join("MANIFEST"), 800);
        disk.fail_at(call, Fault::NoSpace);
        let first = store.scrub(None, None, &|| false);
        refused += u64::from(first.is_err());
        disk.heal();
        // The next write heals the collection, where it has to.
        let _ = write(&collection, upsert(2, "two"));
        let again = store.scrub(None, None, &|| false).unwrap();
        assert!(again[0].damage.is_none(), "call {call}: {first:?}, {again:?}");
        assert!(store.collection("c").is_ok());
    }
    assert!(refused > 2, "{refused} refusals");
}

#[test]
fn a_payload_does_not_grow_beyond_its_limit_piece_by_piece() {
    let home = tempfile::tempdir().unwrap();
    let store = store(Arc::new(FsDisk), home.path());
    store.create("c", CollectionSpec::default()).unwrap();
    let collection = store.collection("c").unwrap();
    write(&collection, upsert(1, "short")).unwrap();
    let piece = |key: &str| {
        let text = format!("{{\"{key}\":\"{}\"}}", "x".repeat(10 << 20));
        Write::SetPayload(Selector::Ids(vec![1.into()]), text.into())
    };
    write(&collection, piece("a")).unwrap();
    let err = write(&collection, piece("b")).unwrap_err();
    assert!(matches!(&err, Error::Invalid { field, .. } if field.contains("point 1")), "{err}");
    assert!(payload(&collection, 1).len() < 11 << 20, "nothing of it was applied");
    write(&collection, piece("a")).unwrap();
    store.close();
}
