//! Writes on the cruel disk: what goes beside operations lands with them, and an acknowledgement
//! means what it says.

mod beside;

use crate::clock::Clock;
use crate::collection::{Collection, Done};
use crate::disk::cruel::{CruelDisk, Fault};
use crate::disk::{Appender, Disk, Space};
use crate::error::{Error, Result};
use crate::ledger::SourcePosition;
use crate::point::Point;
use crate::schema::CollectionSpec;
use crate::store::{Options, Store};
use crate::write::{Chain, Course, Durability, IfVersion, Position, Selector, Write, WriteBatch, Written};
use bytes::Bytes;
use nigh_index::filter::parse::parse;
use nigh_index::id::PointId;
use parking_lot::{Condvar, Mutex};
use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};
use uuid::Uuid;

const NOW_MS: u64 = 1_700_000_000_000;

/// A collection on a disk, with a clock that somebody moves.
struct Home {
    disk: Arc<dyn Disk>,
    clock: Arc<AtomicU64>,
    store: Arc<Store>,
    collection: Arc<Collection>,
}

impl Home {
    fn on(disk: Arc<dyn Disk>) -> Self {
        Self::at(disk, Arc::new(AtomicU64::new(NOW_MS)))
    }

    fn at(disk: Arc<dyn Disk>, clock: Arc<AtomicU64>) -> Self {
        let (background, clock_of_store) = (false, Clock::Set(clock.clone()));
        let options = Options { background, clock: clock_of_store, record_bytes_max: 4000, ..Options::default() };
        let store = Store::open(disk.clone(), Path::new("/data"), options).unwrap();
        // One whose fields have changed since is not what would be created.
        let collection = store.collection("c").or_else(|_| {
            store.create("c", CollectionSpec::default()).unwrap();
            store.collection("c")
        });
        let collection = collection.unwrap();
        Self { disk, clock, store, collection }
    }

    fn new() -> Self {
        Self::on(Arc::new(CruelDisk::new()))
    }

    fn reopened(self) -> Self {
        let Self { disk, clock, store, collection } = self;
        collection.close();
        drop((collection, store));
        Self::at(disk, clock)
    }

    fn write(&self, batch: WriteBatch) -> Result<Written> {
        self.collection.write_batch(batch, Durability::Durable)
    }

    fn pass(&self, time_ms: u64) {
        self.clock.fetch_add(time_ms, Ordering::SeqCst);
    }

    /// The numbers of all points, by scroll, by count and by filter.
    fn there(&self) -> Vec<u64> {
        let snapshot = self.collection.snapshot();
        let mut found = BTreeSet::new();
        for view in &snapshot.parts {
            let rows = view.part.ids_from(&PointId::Num(0)).filter(|(_, row)| !view.dead.has(*row));
            found.extend(rows.map(|(id, _)| number(id)));
        }
        let matching = parse("n >= 0").unwrap();
        let filtered: u64 =
            snapshot.parts.iter().map(|view| view.matching(&matching, &|| true).unwrap().rows.count()).sum();
        assert_eq!((snapshot.points(), filtered), (found.len() as u64, found.len() as u64));
        assert_eq!(self.collection.status().points, snapshot.points());
        (0..20).for_each(|id| assert_eq!(snapshot.find(&id.into()).is_some(), found.contains(&id), "{id}"));
        found.into_iter().collect()
    }

    fn version(&self, id: u64) -> u64 {
        let snapshot = self.collection.snapshot();
        snapshot.find(&id.into()).map_or(0, |(part, row)| snapshot.parts[part].part.version(row))
    }
}

fn number(id: PointId) -> u64 {
    match id {
        PointId::Num(number) => number,
        PointId::Uuid(uuid) => panic!("{uuid} was not written"),
    }
}

fn upsert(id: u64) -> Write {
    Write::Upsert(point(id, None))
}

fn point(id: u64, expires_at_ms: Option<u64>) -> Point {
    Point { payload: Bytes::from(format!("{{\"n\":{id}}}")), expires_at_ms, ..Point::new(id) }
}

fn one(write: Write) -> WriteBatch {
    vec![write].into()
}

fn ids(ids: &[u64]) -> Selector {
    Selector::Ids(ids.iter().map(|id| PointId::Num(*id)).collect())
}

fn named(id: u128, writes: Vec<Write>) -> WriteBatch {
    WriteBatch { op_id: Some(Uuid::from_u128(id)), ..writes.into() }
}

fn from_source(offset: u64, after: Option<u64>, writes: Vec<Write>) -> WriteBatch {
    let position = Position { source: "s".into(), partition: "0".into(), offset, after };
    WriteBatch { positions: vec![position], ..writes.into() }
}

#[test]
fn a_write_tells_where_its_time_went() {
    let home = Home::new();
    let begun = Instant::now();
    let Course { queued, waited, folded, logged, synced, applied } = home.write(one(upsert(1))).unwrap().course;
    assert!(queued.is_some_and(|queued| queued >= begun));
    assert!(waited + folded + logged + synced + applied <= begun.elapsed(), "they follow each other");
    assert!(synced > Duration::ZERO && logged > Duration::ZERO && applied > Duration::ZERO);
    let unsynced = home.collection.write_batch(one(upsert(2)), Durability::Logged).unwrap();
    assert_eq!(unsynced.course.synced, Duration::ZERO);
}

fn if_version(version: u64, write: Write) -> WriteBatch {
    WriteBatch { conditions: vec![IfVersion { op: 0, version }], ..one(write) }
}

#[test]
fn a_batch_that_comes_again_is_answered_as_the_first_time() {
    let mut home = Home::new();
    let first = home.write(named(7, vec![upsert(1), upsert(2)])).unwrap();
    assert_eq!((first.seq, first.affected, first.duplicate), (2, 2, false));
    home.write(one(Write::Delete(ids(&[1])))).unwrap();
    let again = Written { duplicate: true, course: Course::default(), ..first };
    // From memory, from the log, from a page, from a page and the log of a later life.
    for step in 0..4 {
        let answered = home.write(named(7, vec![upsert(1), upsert(2)])).unwrap();
        assert_eq!(Written { course: Course::default(), ..answered }, again, "step {step}");
        assert_eq!((home.there(), home.collection.snapshot().seq), (vec![2], 3));
        if step == 1 {
            assert!(home.collection.seal().unwrap());
        }
        home = home.reopened();
    }
    let refused = home.write(WriteBatch { op_id: Some(Uuid::from_u128(8)), ..if_version(0, upsert(2)) });
    assert!(matches!(refused, Err(Error::Condition { .. })), "{refused:?}");
    let tried = home.write(named(8, vec![upsert(3)])).unwrap();
    assert!(!tried.duplicate, "what was refused was not applied");
}

#[test]
fn pages_of_outcomes_become_one_and_lose_nothing() {
    let mut home = Home::new();
    for id in 1..=50u64 {
        home.write(named(u128::from(id), vec![upsert(id % 10)])).unwrap();
        assert!(home.collection.seal().unwrap());
        if id % 20 == 0 {
            home = home.reopened();
        }
    }
    for id in 1..=50u64 {
        let again = home.write(named(u128::from(id), vec![upsert(id % 10)])).unwrap();
        assert_eq!((again.seq, again.duplicate), (id, true));
    }
    let pages = |disk: &dyn Disk| {
        let folders = disk.list(Path::new("/data")).unwrap();
        let folder = folders.iter().find(|name| Uuid::try_parse(name).is_ok()).unwrap();
        disk.list(&Path::new("/data").join(folder)).unwrap().iter().filter(|name| name.starts_with("ops.")).count()
    };
    assert!((1..=17).contains(&pages(&*home.disk)), "{} pages", pages(&*home.disk));
}

#[test]
fn a_source_lands_with_its_data_and_goes_on_where_it_was() {
    let mut home = Home::new();
    home.write(from_source(10, Some(0), vec![upsert(1)])).unwrap();
    home.write(from_source(20, Some(10), vec![upsert(2)])).unwrap();
    let at = |offset, seq| {
        let position = SourcePosition { source: "s".into(), partition: "0".into(), offset, seq };
        vec![position]
    };
    for step in 0..3 {
        assert_eq!(home.collection.positions(Some("s")), at(20, 2), "step {step}");
        assert!(home.collection.positions(Some("t")).is_empty());
        for offset in [10, 15, 20] {
            let again = home.write(from_source(offset, None, vec![upsert(9)])).unwrap();
            assert_eq!((again.seq, again.duplicate), (2, true));
        }
        let gap = home.write(from_source(40, Some(30), vec![upsert(9)]));
        assert!(matches!(gap, Err(Error::Condition { .. })), "{gap:?}");
        assert_eq!(home.there(), [1, 2]);
        if step == 1 {
            home.collection.seal().unwrap();
        }
        home = home.reopened();
    }
    home.write(one(Write::DropSource("s".into()))).unwrap();
    assert!(home.collection.positions(None).is_empty());
    home = home.reopened();
    assert!(home.collection.positions(None).is_empty());
    home.write(from_source(5, Some(0), vec![upsert(3)])).unwrap();
    assert_eq!(home.collection.positions(None), at(5, 4));
}

#[test]
fn a_condition_that_does_not_hold_refuses_the_batch() {
    let home = Home::new();
    assert_eq!(home.write(if_version(0, upsert(1))).unwrap().seq, 1);
    let refused = home.write(if_version(0, upsert(1))).unwrap_err();
    assert_eq!(refused.to_string(), "ops[0].if_version: point 1 has version 1; it should not be there");
    let refused = home.write(if_version(4, upsert(2))).unwrap_err();
    assert_eq!(refused.to_string(), "ops[0].if_version: point 2 is not there; 4 was expected");
    home.collection.seal().unwrap();
    let set = Write::SetPayload(ids(&[1]), Bytes::from_static(b"{\"n\":1,\"a\":2}"));
    home.write(if_version(1, set.clone())).unwrap();
    assert_eq!(home.version(1), 2);
    assert!(home.write(if_version(1, set)).is_err());
    // The operations before it in the batch count.
    let chain = vec![upsert(3), upsert(3), Write::Delete(ids(&[3]))];
    let conditions = |last| [(0, 0), (1, 3), (2, last)].map(|(op, version)| IfVersion { op, version }).to_vec();
    let wrong = WriteBatch { conditions: conditions(3), ..chain.clone().into() };
    assert!(matches!(home.write(wrong), Err(Error::Condition { .. })));
    home.write(WriteBatch { conditions: conditions(4), ..chain.into() }).unwrap();
    assert_eq!((home.there(), home.version(3)), (vec![1], 0));
    let filtered = Write::Delete(Selector::Filter(parse("n = 1").unwrap()));
    assert!(matches!(home.write(if_version(2, filtered)), Err(Error::Invalid { .. })));
}

#[test]
fn a_point_is_gone_at_its_time_and_its_row_later() {
    let mut home = Home::new();
    let at = |time_ms| Some(NOW_MS + time_ms);
    home.write(vec![Write::Upsert(point(1, at(10))), Write::Upsert(point(2, at(20))), upsert(3)].into()).unwrap();
    assert_eq!(home.there(), [1, 2, 3]);
    home.collection.seal().unwrap();
    home.write(one(Write::Upsert(point(4, at(10))))).unwrap();
    home.pass(9);
    assert_eq!(home.there(), [1, 2, 3, 4]);
    home.pass(1);
    assert_eq!(home.there(), [2, 3]);
    home = home.reopened();
    assert_eq!(home.there(), [2, 3]);
    // For a write it is not there either, and a replay sees that as it was.
    let set = Write::SetPayload(ids(&[1, 2]), Bytes::from_static(b"{\"n\":7}"));
    assert_eq!(home.write(one(set)).unwrap().affected, 1);
    assert_eq!(home.write(one(Write::Delete(Selector::Filter(parse("n = 1").unwrap())))).unwrap().affected, 0);
    home.write(if_version(0, upsert(4))).unwrap();
    assert_eq!(home.there(), [2, 3, 4]);
    assert_eq!(home.collection.sweep().unwrap(), 1, "1 alone: 4 was written anew");
    assert_eq!(home.collection.sweep().unwrap(), 0);
    // A time can be set and taken away.
    home.write(one(Write::SetExpiry(ids(&[2]), None))).unwrap();
    home.write(one(Write::SetExpiry(ids(&[3]), at(30)))).unwrap();
    home.collection.seal().unwrap();
    home = home.reopened();
    home.pass(20);
    assert_eq!(home.there(), [2, 4]);
    home.write(one(upsert(3))).unwrap();
    assert_eq!((home.collection.sweep().unwrap(), home.there()), (0, vec![2, 3, 4]), "it was renewed");
    home.collection.settle().unwrap();
    let rows: u64 = home.collection.status().segments.iter().map(|segment| segment.rows).sum();
    assert_eq!((rows, home.there()), (3, vec![2, 3, 4]));
}

#[test]
fn a_clock_that_goes_back_is_held() {
    let mut home = Home::new();
    home.write(one(upsert(1))).unwrap();
    home.clock.store(NOW_MS - 5_000, Ordering::SeqCst);
    home.write(one(Write::Upsert(point(2, Some(NOW_MS))))).unwrap();
    for _ in 0..3 {
        assert_eq!((home.collection.snapshot().time_ms, home.there()), (NOW_MS, vec![1]));
        home.collection.seal().unwrap();
        home = home.reopened();
    }
}

#[test]
fn a_record_that_is_too_large_refuses_its_batch_alone() {
    let home = Home::new();
    for start in (0..900).step_by(100) {
        home.write((start..start + 100).map(upsert).collect::<Vec<_>>().into()).unwrap();
    }
    let everything = || Selector::Filter(parse("n >= 0").unwrap());
    let refused = home.write(vec![Write::Delete(ids(&[1])), Write::Delete(everything())].into());
    assert!(matches!(refused, Err(Error::Invalid { .. })), "{refused:?}");
    let long = Bytes::from(format!("{{\"n\":\"{}\"}}", "x".repeat(5000)));
    let refused = home.write(one(Write::Upsert(Point { payload: long, ..Point::new(1) })));
    assert!(matches!(refused, Err(Error::Invalid { .. })), "{refused:?}");
    let found = home.collection.snapshot();
    assert_eq!((found.points(), found.seq), (900, 900));
    home.write(one(Write::Delete(ids(&[1])))).unwrap();
    assert_eq!(home.reopened().collection.snapshot().points(), 899);
}

/// A disk on which no sync of the log ends before every writer has something to write.
struct Gated {
    disk: CruelDisk,
    gate: Arc<Gate>,
}

#[derive(Default)]
struct Gate {
    /// Writers that wait for an answer, and those that will not come again.
    waiting: Mutex<(isize, isize)>,
    changed: Condvar,
    syncs: AtomicU64,
    /// Done once, in the next sync.
    deed: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

const WRITERS: isize = 8;

impl Gate {
    fn pass(&self) {
        let mut waiting = self.waiting.lock();
        while waiting.1 > 0 && waiting.0 < waiting.1 {
            self.changed.wait(&mut waiting);
        }
        drop(waiting);
        self.syncs.fetch_add(1, Ordering::Relaxed);
        let deed = self.deed.lock().take();
        deed.into_iter().for_each(|deed| deed());
    }

    fn change(&self, change: impl FnOnce(&mut (isize, isize))) {
        change(&mut self.waiting.lock());
        self.changed.notify_all();
    }
}

struct GatedFile {
    file: Box<dyn Appender>,
    gate: Arc<Gate>,
}

impl Appender for GatedFile {
    fn reserve(&mut self, bytes: u64) -> io::Result<()> {
        self.file.reserve(bytes)
    }
    fn cut(&mut self, bytes: u64) -> io::Result<()> {
        self.file.cut(bytes)
    }
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.append(bytes)
    }
    fn overwrite(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.overwrite(at, bytes)
    }
    fn sync(&mut self) -> io::Result<()> {
        self.gate.pass();
        self.file.sync()
    }
    fn freeze(&mut self) -> io::Result<()> {
        self.file.freeze()
    }
}

impl Disk for Gated {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.disk.create_dir(path)
    }
    fn create(&self, path: &Path) -> io::Result<Box<dyn Appender>> {
        Ok(Box::new(GatedFile { file: self.disk.create(path)?, gate: self.gate.clone() }))
    }
    fn map(&self, path: &Path) -> io::Result<Bytes> {
        self.disk.map(path)
    }
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.disk.read(path)
    }
    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        self.disk.list(path)
    }
    fn length(&self, path: &Path) -> io::Result<u64> {
        self.disk.length(path)
    }
    fn space(&self, path: &Path) -> io::Result<Space> {
        self.disk.space(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.disk.remove(path)
    }
    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.disk.remove_dir(path)
    }
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.disk.sync_dir(path)
    }
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        self.disk.lock(path)
    }
}

/// Eight writers, each waiting for its batch before the next: while one sync runs the others queue up,
/// and the next sync is for all of them. And whoever was told so finds its write after a power cut.
#[test]
fn writers_share_their_syncs_and_every_acknowledgement_is_durable() {
    const BATCHES: u64 = 40;
    let disk = CruelDisk::new();
    let gate = Arc::new(Gate::default());
    let home = Home::on(Arc::new(Gated { disk: disk.clone(), gate: gate.clone() }));
    let before = gate.syncs.load(Ordering::Relaxed);
    gate.change(|waiting| waiting.1 = WRITERS);
    let acked = Mutex::new(BTreeSet::new());
    std::thread::scope(|scope| {
        for writer in 0..WRITERS as u64 {
            let (collection, gate, acked, disk) = (home.collection.clone(), &gate, &acked, &disk);
            scope.spawn(move || {
                for batch in 0..BATCHES {
                    let id = writer * BATCHES + batch;
                    let (sender, receiver) = mpsc::channel();
                    let waits = gate.clone();
                    let done: Done = Box::new(move |written| {
                        waits.change(|waiting| waiting.0 -= 1);
                        drop(sender.send(written));
                    });
                    collection.submit(vec![upsert(id)], Durability::Durable, done).unwrap();
                    // Counted once it is queued, so that the next sync is for it.
                    gate.change(|waiting| waiting.0 += 1);
                    assert_eq!(receiver.recv().unwrap().unwrap().reached, Durability::Durable);
                    acked.lock().insert(id);
                    if batch % 10 == writer {
                        let told: Vec<u64> = acked.lock().iter().copied().collect();
                        let found = Home::on(Arc::new(disk.crash(id)));
                        let snapshot = found.collection.snapshot();
                        assert!(told.iter().all(|id| snapshot.find(&(*id).into()).is_some()), "{told:?}");
                    }
                }
                gate.change(|waiting| waiting.1 -= 1);
            });
        }
    });
    let syncs = gate.syncs.load(Ordering::Relaxed) - before;
    let batches = WRITERS as u64 * BATCHES;
    assert!(syncs <= batches / 3, "{syncs} syncs for {batches} batches");
}

/// A disk that is full for a while turns no order round: of batches that follow upon each other, nothing behind one that was
/// refused is taken, deletes neither, though a full disk takes deletes.
#[test]
fn behind_a_batch_that_the_disk_refused_nothing_of_its_chain_is_taken() {
    let disk = CruelDisk::new();
    let home = Home::on(Arc::new(disk.clone()));
    let chain = Chain::default();
    let linked = |ops: Vec<Write>| WriteBatch { chain: Some(chain.clone()), ..ops.into() };
    home.write(linked(vec![upsert(7)])).unwrap();

    disk.bound(Some(disk.used() + disk.used() / 100));
    assert!(matches!(home.write(linked(vec![upsert(8)])), Err(Error::NoSpace { .. })));
    assert!(chain.is_broken());
    assert!(matches!(home.write(linked(vec![Write::Delete(ids(&[7]))])), Err(Error::Behind { .. })));
    home.write(one(Write::Delete(ids(&[7])))).unwrap();
    disk.bound(None);
    assert!(matches!(home.write(linked(vec![upsert(9)])), Err(Error::Behind { .. })), "room alone mends no chain");

    let again = Chain::default();
    let linked = |ops: Vec<Write>| WriteBatch { chain: Some(again.clone()), ..ops.into() };
    home.write(linked(vec![upsert(8)])).unwrap();
    // What is wrong with a batch breaks nothing: it is not sent again.
    let wrong = WriteBatch { conditions: vec![IfVersion { op: 0, version: 99 }], ..linked(vec![upsert(9)]) };
    assert!(matches!(home.write(wrong), Err(Error::Condition { .. })));
    home.write(linked(vec![upsert(10)])).unwrap();
    assert_eq!(home.there(), [8, 10]);
}

/// A sync that fails breaks the chains of all that waited for it.
#[test]
fn a_failed_sync_breaks_the_chain() {
    let disk = CruelDisk::new();
    let home = Home::on(Arc::new(disk.clone()));
    let chain = Chain::default();
    let linked = |ops: Vec<Write>| WriteBatch { chain: Some(chain.clone()), ..ops.into() };
    home.write(linked(vec![upsert(1)])).unwrap();
    disk.fail_at(1, Fault::Io);
    assert!(home.write(linked(vec![upsert(2)])).is_err());
    // At once, not only when the next one comes: by then the disk may be well again.
    assert!(chain.is_broken());
    disk.heal();
    assert!(matches!(home.write(linked(vec![upsert(3)])), Err(Error::Behind { .. } | Error::Poisoned { .. })));
}
