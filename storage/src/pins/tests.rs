//! A pin keeps what it names, whatever is written, sealed, merged and restarted after it; and gives it back.

use super::*;
use crate::disk::cruel::{CruelDisk, Fault};
use crate::point::Point;
use crate::schema::{CollectionSpec, VectorField};
use crate::store::{Options, Store};
use crate::write::{Durability, Selector, Write};
use nigh_index::id::PointId;
use nigh_index::row::Row;
use nigh_index::vector::metric::Metric;
use nigh_index::vector::spec::VectorSpec;
use std::collections::BTreeMap;

struct Home {
    disk: Arc<CruelDisk>,
    store: Arc<Store>,
    collection: Arc<Collection>,
}

fn open(disk: &Arc<CruelDisk>) -> Home {
    let options = Options { background: false, build_threads: 1, ..Options::default() };
    let store = Store::open(disk.clone(), Path::new("/data"), options).unwrap();
    let field = VectorField { name: "v".to_owned(), spec: VectorSpec::new(2, Metric::Dot) };
    store.create("c", CollectionSpec { vectors: vec![field], ..CollectionSpec::default() }).unwrap();
    let collection = store.collection("c").unwrap();
    Home { disk: disk.clone(), store, collection }
}

fn home() -> Home {
    open(&Arc::new(CruelDisk::new()))
}

impl Home {
    fn reopened(self) -> Self {
        let disk = self.disk.clone();
        self.store.close();
        drop(self);
        open(&disk)
    }

    fn put(&self, ids: std::ops::Range<u64>, payload: &'static str) {
        let point = |id: u64| Point { vectors: vec![(0, vec![1.0, 2.0])], payload: payload.into(), ..Point::new(id) };
        self.collection.write(ids.map(point).map(Write::Upsert).collect(), Durability::Durable).unwrap();
    }

    fn delete(&self, ids: std::ops::Range<u64>) {
        let ids = ids.map(PointId::Num).collect();
        self.collection.write(vec![Write::Delete(Selector::Ids(ids))], Durability::Durable).unwrap();
    }

    /// The segments' folders, and the files of dead rows in them.
    fn files(&self) -> Vec<String> {
        let segments = self.collection.inner.folder.join("segments");
        let mut files = Vec::new();
        for number in self.disk.list(&segments).unwrap() {
            let dead = self.disk.list(&segments.join(&number)).unwrap();
            files.extend(
                dead.into_iter().filter(|name| name.starts_with("dead.")).map(|name| format!("{number}/{name}")),
            );
            files.push(number);
        }
        files
    }
}

fn held(snapshot: &Snapshot) -> BTreeMap<PointId, String> {
    let mut all = BTreeMap::new();
    for view in &snapshot.parts {
        for row in (0..view.part.rows()).map(Row).filter(|row| !view.dead.has(*row)) {
            let text = String::from_utf8(view.part.payload(row).unwrap().to_vec()).unwrap();
            assert!(all.insert(view.part.id(row), text).is_none(), "an id stands once");
        }
    }
    all
}

#[test]
fn a_pin_stays_what_it_was_until_it_is_dropped() {
    let mut home = home();
    home.put(0..20, "{\"a\":1}");
    home.collection.pin("first").unwrap();
    let first = held(&home.collection.at("first").unwrap());
    assert_eq!(first, held(&home.collection.snapshot()));
    home.put(5..9, "{\"a\":2}");
    home.delete(0..3);
    let second = home.collection.pin("second").unwrap();
    assert_eq!((second.points, second.seq), (17, 25));
    let expected = held(&home.collection.snapshot());
    home.delete(3..20);
    home.put(30..50, "{}");
    home.collection.settle().unwrap();
    for round in 0..2 {
        assert_eq!(held(&home.collection.at("first").unwrap()), first, "round {round}");
        assert_eq!(held(&home.collection.at("second").unwrap()), expected, "round {round}");
        assert_eq!(home.collection.at("second").unwrap().seq, 25);
        let names: Vec<_> = home.collection.pins().into_iter().map(|pin| (pin.name, pin.points)).collect();
        assert_eq!(names, [("first".to_owned(), 20), ("second".to_owned(), 17)]);
        home = home.reopened();
    }
    assert!(home.collection.pins()[0].held_bytes > 0);
    let reading = home.collection.at("first").unwrap();
    assert!(home.collection.unpin("first").unwrap());
    assert!(!home.collection.unpin("first").unwrap());
    assert!(matches!(home.collection.at("first"), Err(Error::Missing { .. })));
    assert_eq!(held(&reading), first, "who reads it still does");
    assert_eq!(held(&home.collection.at("second").unwrap()), expected);
    assert!(home.collection.unpin("second").unwrap());
    let files = home.files();
    let now = home.collection.inner.manifest.lock().segments.len();
    let folders = files.iter().filter(|file| !file.contains('/')).count();
    assert_eq!(folders, now, "{files:?}");
    let home = home.reopened();
    assert_eq!(home.files(), files, "there was no rubbish left");
    assert_eq!(held(&home.collection.snapshot()).len(), 20);
}

#[test]
fn an_empty_collection_has_a_version_too() {
    let home = home();
    home.collection.pin("nothing").unwrap();
    home.put(0..3, "{}");
    let home = home.reopened();
    let at = home.collection.at("nothing").unwrap();
    assert_eq!((at.seq, at.points()), (0, 0));
}

#[test]
fn names_are_checked_taken_and_bounded() {
    let home = home();
    for name in ["", "../x", "a/b", ".hidden", &"x".repeat(129)] {
        let err = home.collection.pin(name).unwrap_err();
        assert!(err.to_string().starts_with("version is"), "{err}");
    }
    home.collection.pin("a").unwrap();
    assert!(matches!(home.collection.pin("a"), Err(Error::Taken { .. })));
    for at in 1..PINS_MAX {
        home.collection.pin(&format!("p{at}")).unwrap();
    }
    assert!(matches!(home.collection.pin("b"), Err(Error::Full { .. })));
    home.collection.unpin("a").unwrap();
    home.collection.pin("b").unwrap();
}

#[test]
fn what_is_held_stays_until_it_is_let_go() {
    let home = home();
    home.put(0..20, "{}");
    let hold = home.collection.hold().unwrap();
    home.delete(0..20);
    home.put(20..25, "{}");
    home.collection.settle().unwrap();
    let entry = &hold.version().manifest.segments[0];
    for file in &entry.files {
        assert_eq!(hold.file(entry.number, &file.name).unwrap().len() as u64, file.bytes);
    }
    let before = home.files().len();
    drop(hold);
    assert!(home.files().len() < before);
    assert!(home.collection.pins().is_empty());
}

/// Nothing that a pin may name is removed while it cannot be read; the collection serves.
#[test]
fn a_damaged_pin_is_listed_and_keeps_everything() {
    let home = home();
    home.put(0..20, "{}");
    home.collection.pin("a").unwrap();
    home.delete(0..10);
    home.collection.settle().unwrap();
    let path = file_of(&home.collection.inner.folder, "a");
    for bit in [3, 8 * HEADER_BYTES + 70] {
        home.disk.flip_bit(&path, bit);
    }
    let files = home.files();
    let home = home.reopened();
    assert_eq!(home.files(), files);
    assert_eq!(home.collection.snapshot().points(), 10);
    assert!(home.collection.pins()[0].broken.is_some());
    assert!(matches!(home.collection.at("a"), Err(Error::Missing { .. })));
    assert!(matches!(home.collection.pin("a"), Err(Error::Taken { .. })));
    assert!(home.collection.unpin("a").unwrap());
    let home = home.reopened();
    assert!(home.files().len() < files.len());
}

/// A pin fails at each call in turn: told or not, what is found after a power cut is readable, and equal.
#[test]
fn a_pin_or_a_drop_that_fails_leaves_whole_pins() {
    for call in 0..60 {
        for dropped in [false, true] {
            let home = home();
            home.put(0..20, "{}");
            home.collection.pin("before").unwrap();
            home.put(0..5, "{\"a\":1}");
            home.collection.seal().unwrap();
            home.disk.fail_at(call, Fault::Io);
            let told =
                if dropped { home.collection.unpin("before").map(drop) } else { home.collection.pin("new").map(drop) };
            home.disk.heal();
            let _ = home.collection.settle();
            for seed in 0..4 {
                let found = open(&Arc::new(home.disk.crash(seed)));
                let names: Vec<String> = found.collection.pins().into_iter().map(|pin| pin.name).collect();
                let expected: &[&[&str]] = match (dropped, told.is_ok()) {
                    (false, true) => &[&["before", "new"]],
                    (false, false) => &[&["before", "new"], &["before"]],
                    (true, true) => &[&[]],
                    (true, false) => &[&["before"], &[]],
                };
                assert!(expected.iter().any(|one| names == *one), "call {call}: {names:?}, {told:?}");
                for name in names {
                    assert_eq!(held(&found.collection.at(&name).unwrap()).len(), 20, "call {call}, {name}");
                }
            }
        }
    }
}

/// A drop that fails at each call in turn, and the process ends: what the next one finds, a power cut does not change.
#[test]
fn what_is_found_after_a_drop_that_was_cut_short_stays_so() {
    for call in 0..20 {
        let home = home();
        home.put(0..20, "{}");
        home.collection.pin("only").unwrap();
        home.delete(0..10);
        home.collection.settle().unwrap();
        home.disk.fail_from(call, Fault::Io);
        let _ = home.collection.unpin("only");
        home.disk.heal();
        let killed = open(&Arc::new(home.disk.kill()));
        let pins = killed.collection.pins();
        for seed in 0..4 {
            let found = open(&Arc::new(killed.disk.crash(seed)));
            assert_eq!(found.collection.pins(), pins, "call {call}");
            for pin in &pins {
                assert_eq!(held(&found.collection.at(&pin.name).unwrap()).len(), 20, "call {call}");
            }
        }
    }
}
