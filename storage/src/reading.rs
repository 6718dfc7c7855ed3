//! Reading what was not read when collections were opened: vectors as they were given, and payloads.
//!
//! They are most of a segment's bytes, and a search touches few of them. So a collection may serve before anybody has
//! read them, and every block of them is checked when it is first touched (`nigh_index::sums`). Behind its back a
//! thread reads all of them once: what is damaged quarantines the collection, as it would have when it was opened.

use crate::collection::{Collection, Inner};
use crate::error::Result;
use crate::manifest::Manifest;
use crate::part::Part;
use crate::segment::Segment;
use crate::state::Held;
use crate::store::Store;
use crate::urgency;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Instant;

/// When the files are read that hold most of a segment's bytes.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub enum Reading {
    /// Before the collection serves.
    #[default]
    First,
    /// Behind its back. What is asked for before is checked block by block as it is touched.
    Behind,
}

impl Store {
    /// Starts to read what is still unread, in a thread that [`Store::close`] waits for.
    pub fn read_rest_behind(self: &Arc<Self>) {
        let store = self.clone();
        let read = move || {
            urgency::step_back(urgency::UPKEEP);
            store.read_rest();
        };
        match std::thread::Builder::new().name("nigh reader".into()).spawn(read) {
            Ok(thread) => self.keep_reader(thread),
            Err(err) => {
                tracing::warn!(%err, "no thread to read behind the opening: what is touched is checked all the same");
            }
        }
    }

    /// Reads what is still unread of every open collection. One in which a file is damaged is quarantined.
    pub fn read_rest(&self) {
        let begin = Instant::now();
        for (name, _) in self.list() {
            // One that is not open was quarantined, or dropped.
            let Ok(collection) = self.collection(&name) else { continue };
            match self.read_rest_of(&collection) {
                // What is touched is checked all the same.
                Err(err) if err.passes() => tracing::warn!(collection = name, %err, "not all of it could be read"),
                Err(err) => self.quarantine(&collection, &err),
                Ok(()) => {}
            }
        }
        tracing::debug!(took = ?begin.elapsed(), "all of the files is read");
    }

    fn read_rest_of(&self, collection: &Arc<Collection>) -> Result<()> {
        let inner = &collection.inner;
        let go_on = || !self.is_closing() && !inner.stop.load(Ordering::Relaxed);
        for segment in segments(inner) {
            match segment.read_rest(&*inner.disk, &go_on) {
                Err(err) if is_named(&inner.manifest.lock(), segment.segment()) => return Err(err),
                // A merge replaced it while it was read.
                _ => {}
            }
        }
        Ok(())
    }
}

fn segments(inner: &Inner) -> Vec<Arc<Segment>> {
    let sealed = |held: &Held| if let Held::Sealed(segment) = held { Some(segment.clone()) } else { None };
    inner.state.lock().entries.iter().filter_map(|entry| sealed(&entry.held)).collect()
}

fn is_named(manifest: &Manifest, number: u64) -> bool {
    manifest.segments.iter().any(|entry| entry.number == number)
}

/// Waits for a reader that was told to stop.
pub(crate) fn join(reader: Option<JoinHandle<()>>) {
    if let Some(thread) = reader
        && thread.thread().id() != std::thread::current().id()
        && thread.join().is_err()
    {
        tracing::error!("the reader had panicked");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Disk;
    use crate::disk::cruel::CruelDisk;
    use crate::error::Error;
    use crate::point::Point;
    use crate::schema::{CollectionSpec, VectorField};
    use crate::segment::folder;
    use crate::store::Options;
    use crate::write::{Durability, Write};
    use nigh_index::row::Row;
    use nigh_index::vector::metric::Metric;
    use nigh_index::vector::spec::VectorSpec;
    use std::path::{Path, PathBuf};

    const ROWS: u32 = 900;
    const SIZE: u32 = 64;

    fn vector(row: u32) -> Vec<f32> {
        (0..SIZE).map(|at| ((row * 31 + at * 7) % 1009) as f32 + 0.3).collect()
    }

    fn payload(row: u32) -> String {
        format!("{{\"text\":\"{}\"}}", row.to_string().repeat(60))
    }

    fn open(disk: &Arc<CruelDisk>, reading: Reading) -> (Arc<Store>, Arc<Collection>) {
        let options = Options { background: false, reading, ..Options::default() };
        let store = Store::open(disk.clone(), Path::new("/data"), options).unwrap();
        let field = VectorField { name: "v".into(), spec: VectorSpec::new(SIZE, Metric::Euclid) };
        store.create("c", CollectionSpec { vectors: vec![field], ..CollectionSpec::default() }).unwrap();
        let collection = store.collection("c").unwrap();
        (store, collection)
    }

    fn filled() -> (Arc<CruelDisk>, PathBuf) {
        let disk = Arc::new(CruelDisk::new());
        let (store, collection) = open(&disk, Reading::First);
        let point = |row: u32| {
            let payload = payload(row).into();
            let vectors = vec![(0, vector(row))];
            Write::Upsert(Point { vectors, payload, ..Point::new(u64::from(row)) })
        };
        collection.write((0..ROWS).map(point).collect(), Durability::Durable).unwrap();
        collection.seal().unwrap();
        let segment = folder(&collection.inner.folder, segments(&collection.inner)[0].segment());
        store.close();
        (disk, segment)
    }

    /// Rows whose vector and payload can be had; what is had is what was written.
    fn had(collection: &Collection) -> usize {
        let snapshot = collection.snapshot();
        let part = &snapshot.parts[0].part;
        let row = |row: &u32| {
            let (found, text) = (part.nearest(0).vector(Row(*row)).unwrap().into_owned(), part.payload(Row(*row)));
            let (Ok(()), Ok(text)) = (part.sound(), text) else { return false };
            assert_eq!((found, &text[..]), (vector(*row), payload(*row).as_bytes()), "row {row}");
            true
        };
        (0..ROWS).filter(row).count()
    }

    #[test]
    fn a_damaged_block_is_never_answered_from() {
        let (disk, segment) = filled();
        for name in ["v0.full", "payload"] {
            let path = segment.join(name);
            let bits = disk.length(&path).unwrap() * 8;
            for bit in (0..12).map(|at| bits / 12 * at + at).chain([bits - 1]) {
                disk.flip_bit(&path, bit);
                let options = Options { background: false, reading: Reading::Behind, ..Options::default() };
                let store = Store::open(disk.clone(), Path::new("/data"), options).unwrap();
                if let Ok(collection) = store.collection("c") {
                    let rows = had(&collection);
                    assert!(rows < ROWS as usize, "{name}, bit {bit}: all rows were had");
                    assert!(matches!(collection.merge(), Ok(false)), "there is nothing to merge");
                    store.read_rest();
                }
                let Err(Error::Quarantined { why, .. }) = store.collection("c") else {
                    panic!("{name}, bit {bit}: it still serves");
                };
                assert!(why.contains(name), "{why}");
                store.close();
                drop(store);
                disk.flip_bit(&path, bit);
            }
        }
    }

    #[test]
    fn what_holds_is_served_before_and_after_it_is_read() {
        let (disk, _) = filled();
        let (store, collection) = open(&disk, Reading::Behind);
        let whole = |collection: &Collection| segments(&collection.inner)[0].is_read();
        assert!(!whole(&collection), "nothing was read yet");
        assert_eq!(had(&collection), ROWS as usize);
        store.read_rest_behind();
        store.close();
        drop((store, collection));
        let (store, collection) = open(&disk, Reading::Behind);
        store.read_rest();
        assert!(whole(&collection));
        assert_eq!(had(&collection), ROWS as usize);
    }

    /// What is laid down anew is held against its checksums first: damage is not written on.
    #[test]
    fn damage_does_not_go_through_a_merge() {
        let (disk, segment) = filled();
        let path = segment.join("v0.full");
        disk.flip_bit(&path, disk.length(&path).unwrap() * 4);
        let (_store, collection) = open(&disk, Reading::Behind);
        let delete = Write::Delete(crate::write::Selector::Ids((0..400u64).map(Into::into).collect()));
        collection.write(vec![delete], Durability::Durable).unwrap();
        collection.seal().unwrap();
        let merged = collection.merge();
        assert!(matches!(merged, Err(Error::Corrupt { .. })), "{merged:?}");
    }
}
