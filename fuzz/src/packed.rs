//! A collection in one file, by somebody who is not trusted.

use super::{damaged, options};
use bytes::Bytes;
use nigh_storage::backup::{Backup, Incoming, Stored};
use nigh_storage::disk::cruel::CruelDisk;
use nigh_storage::error::Result;
use nigh_storage::point::Point;
use nigh_storage::schema::CollectionSpec;
use nigh_storage::snapshot_file::{Packing, Unpacking, header};
use nigh_storage::store::Store;
use nigh_storage::store::restore::Pieces;
use nigh_storage::write::{Durability, Write};
use std::path::Path;
use std::sync::{Arc, LazyLock};

/// Blocks of an archive.
const BLOCK: usize = 512;

struct Whole {
    archive: Vec<u8>,
    /// What its first entry describes, as text.
    described: Vec<u8>,
    /// What stands behind the first entry.
    rest: Vec<u8>,
}

fn packed() -> Whole {
    let disk = Arc::new(CruelDisk::new());
    let store = Store::open(disk.clone(), Path::new("data"), options()).expect("the disk is sound");
    store.create("c", CollectionSpec::default()).expect("the spec is sound");
    let collection = store.collection("c").expect("it was created");
    let point = |id: u64| Point { payload: Bytes::from_static(b"{\"a\":1}"), ..Point::new(id) };
    collection.write((0..40).map(point).map(Write::Upsert).collect(), Durability::Durable).expect("the disk is sound");
    let hold = collection.hold().expect("the disk is sound");
    let mut archive = Vec::new();
    let mut wanted = || Ok(());
    let packing = Packing::of(&hold, &*disk, "c", ("id", 1), "{}".to_owned(), &mut wanted).expect("it is sound");
    packing.write(&*disk, Path::new("c"), &mut archive, &mut wanted).expect("memory takes it");
    let length = std::str::from_utf8(&archive[124..135]).ok().and_then(|text| usize::from_str_radix(text, 8).ok());
    let end = BLOCK + length.expect("its header is sound");
    let backup = Backup::decode(Path::new("c"), &archive[BLOCK..end]).expect("it is sound");
    let described = serde_json::to_vec(&backup).expect("it is text");
    let rest = archive[end.next_multiple_of(BLOCK)..].to_vec();
    drop(hold);
    store.close();
    Whole { archive, described, rest }
}

/// Takes a collection from an archive that is damaged, or whose description says something else under a checksum that holds.
pub fn snapshot(data: &[u8]) {
    static WHOLE: LazyLock<Whole> = LazyLock::new(packed);
    let archive = match data.get(1).copied().unwrap_or(0) % 2 {
        0 => damaged(data, &WHOLE.archive),
        _ => {
            let Ok(backup) = serde_json::from_slice::<Backup>(&damaged(data, &WHOLE.described)) else { return };
            let mut entry = backup.encode().expect("it was text");
            let head = header("snapshot", entry.len() as u64);
            entry.resize(entry.len().next_multiple_of(BLOCK), 0);
            [&head[..], &entry, &WHOLE.rest].concat()
        }
    };
    let store = Store::open(Arc::new(CruelDisk::new()), Path::new("data"), options()).expect("the disk is sound");
    let taken = take(&store, &archive);
    assert_eq!(store.collection("c").is_ok(), taken.is_ok(), "it is there where that was told");
    store.close();
}

fn take(store: &Store, archive: &[u8]) -> Result<()> {
    let (from, note, mut files) = Unpacking::begin(Path::new("c"), archive, archive.len() as u64)?.parts();
    let mut fetch = |stored: &Stored, incoming: &mut Incoming<'_>| files.fetch(stored, incoming, &mut || Ok(()));
    let mut pieces = Pieces { fetch: &mut fetch, next_log: &mut || Ok(None) };
    store.restore_over("c", &from, note, &mut pieces).map(drop)
}
