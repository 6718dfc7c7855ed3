//! Point in time: writes, seals, restarts, archived pieces and backups in an order that a seed decides; then any
//! moment is restored, by operation or by time, and is what the model was then.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use bytes::Bytes;
use nigh_index::id::PointId;
use nigh_index::row::Row;
use nigh_index::vector::metric::Metric;
use nigh_index::vector::spec::VectorSpec;
use nigh_server::config::Limits;
use nigh_server::engine::restore::{Done, Restore};
use nigh_server::engine::target::Target;
use nigh_server::engine::{Engine, error::Error};
use nigh_storage::archive::Until;
use nigh_storage::clock::Clock;
use nigh_storage::disk::FsDisk;
use nigh_storage::point::Point;
use nigh_storage::schema::{CollectionSpec, VectorField};
use nigh_storage::snapshot::Snapshot;
use nigh_storage::store::{Options, Store};
use nigh_storage::write::{Durability, Selector, Write};
use nigh_tests::random::Random;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const C: &str = "c";

type Model = BTreeMap<PointId, (Vec<u32>, Bytes)>;

/// What a collection was after a batch.
struct Moment {
    seq: u64,
    time_ms: u64,
    model: Model,
}

struct Home {
    folder: tempfile::TempDir,
    clock: Arc<AtomicU64>,
    target: Arc<Target>,
    engine: Arc<Engine>,
    keep_bytes: u64,
}

fn open(folder: &Path, clock: &Arc<AtomicU64>, keep_bytes: u64) -> Arc<Engine> {
    let options = Options {
        background: false,
        build_threads: 1,
        log_file_bytes: 3000,
        clock: Clock::Set(clock.clone()),
        archive_keep_bytes: Some(keep_bytes),
        ..Options::default()
    };
    let root = folder.join("data");
    let store = Store::open(Arc::new(FsDisk), &root, options).unwrap();
    let field = VectorField { name: "v".to_owned(), spec: VectorSpec::new(3, Metric::Dot) };
    store.create(C, CollectionSpec { vectors: vec![field], ..CollectionSpec::default() }).unwrap();
    let engine = Engine::new(store, root, Limits::default());
    engine.open_all();
    Arc::new(engine)
}

impl Home {
    fn new(keep_bytes: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(AtomicU64::new(1_700_000_000_000));
        let target = Arc::new(Target::open("shelf", &folder.path().join("shelf").display().to_string()).unwrap());
        let engine = open(folder.path(), &clock, keep_bytes);
        Self { folder, clock, target, engine, keep_bytes }
    }

    fn restart(self) -> Self {
        let Self { folder, clock, target, engine, keep_bytes } = self;
        engine.close();
        // The directory's lock goes with the last handle.
        drop(Arc::into_inner(engine).unwrap());
        let engine = open(folder.path(), &clock, keep_bytes);
        Self { folder, clock, target, engine, keep_bytes }
    }

    fn write(&self, model: &mut Model, random: &mut Random) -> Moment {
        self.clock.fetch_add(random.below(50), Ordering::SeqCst);
        let mut ops = Vec::new();
        for _ in 0..1 + random.below(5) {
            let id = PointId::Num(random.below(30));
            if random.below(4) == 0 {
                model.remove(&id);
                ops.push(Write::Delete(Selector::Ids(vec![id])));
                continue;
            }
            let vector = random.vector(3);
            let payload = Bytes::from(format!("{{\"n\":{},\"filler\":\"{}\"}}", random.below(9), "x".repeat(200)));
            model.insert(id, (vector.iter().map(|number| number.to_bits()).collect(), payload.clone()));
            ops.push(Write::Upsert(Point { vectors: vec![(0, vector)], payload, ..Point::new(id) }));
        }
        let written = self.engine.collection(C).unwrap().write(ops, Durability::Durable).unwrap();
        Moment { seq: written.seq, time_ms: self.clock.load(Ordering::SeqCst), model: model.clone() }
    }

    async fn restore(&self, into: &str, until: Until) -> Result<(Done, Model), Error> {
        let asked = Restore { backup: String::new(), collection: C.to_owned(), into: into.to_owned(), until };
        let done = self.engine.clone().restore(self.target.clone(), asked, Box::new(|_| true)).await?;
        Ok((done, held(&self.engine.collection(into).unwrap().snapshot())))
    }

    async fn backup(&self) -> nigh_server::engine::backup::Summary {
        let (names, never) = (vec![C.to_owned()], std::future::pending());
        self.engine.backup(&self.target, names, Box::new(|_| true), never).await.unwrap()
    }

    fn pieces(&self) -> Vec<PathBuf> {
        let folder = self.folder.path().join("shelf/archive").join(self.engine.collection(C).unwrap().id().to_string());
        let mut pieces: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        pieces.sort();
        pieces
    }
}

fn held(snapshot: &Snapshot) -> Model {
    let mut all = Model::new();
    for view in &snapshot.parts {
        for row in (0..view.part.rows()).map(Row).filter(|row| !view.dead.has(*row)) {
            let vector = view.part.nearest(0).vector(row).unwrap();
            let bits = vector.iter().map(|number| number.to_bits()).collect();
            all.insert(view.part.id(row), (bits, view.part.payload(row).unwrap()));
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn any_moment_is_restored() {
    for seed in 0..2 {
        let mut random = Random::new(seed);
        let mut home = Home::new(1 << 30);
        let mut model = Model::new();
        let mut moments = Vec::new();
        let first = home.backup().await;
        for _ in 0..60 {
            moments.push(home.write(&mut model, &mut random));
            match random.below(12) {
                0 | 1 => drop(home.engine.collection(C).unwrap().seal().unwrap()),
                2 => home.engine.collection(C).unwrap().settle().unwrap(),
                3..6 => home.engine.archive_all(&home.target).await.unwrap(),
                6 => drop(home.backup().await),
                7 => home = home.restart(),
                _ => {}
            }
        }
        home.engine.archive_all(&home.target).await.unwrap();
        assert_eq!(home.engine.collection(C).unwrap().archive().lag, 0);
        for round in 0..12 {
            let moment = &moments[random.below(moments.len() as u64) as usize];
            // The last batch of that time is part of it.
            let at_time = moments.iter().rfind(|one| one.time_ms == moment.time_ms).unwrap();
            let (until, expected) = match round % 2 {
                0 => (Until::Seq(moment.seq), moment),
                _ => (Until::TimeMs(moment.time_ms + random.below(1)), at_time),
            };
            let (done, found) = home.restore(&format!("r{round}"), until).await.unwrap();
            assert_eq!(done.restored.seq, expected.seq, "seed {seed}, {until:?}");
            assert_eq!(found, expected.model, "seed {seed}, {until:?}");
        }
        let (done, found) = home.restore("newest", Until::Newest).await.unwrap();
        assert_eq!((done.restored.seq, found), (moments.last().unwrap().seq, model));
        // Beyond the archive, and before the first backup: nothing is made up.
        let beyond = moments.last().unwrap().seq + 1;
        assert!(matches!(home.restore("x", Until::Seq(beyond)).await, Err(Error::Invalid { .. })));
        home.target.drop_backup(&first.id).await.unwrap();
        assert!(matches!(home.restore("x", Until::Seq(0)).await, Err(Error::Invalid { .. } | Error::Missing { .. })));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_or_missing_piece_is_named() {
    let mut random = Random::new(9);
    let home = Home::new(1 << 30);
    let mut model = Model::new();
    home.backup().await;
    for _ in 0..5 {
        for _ in 0..4 {
            home.write(&mut model, &mut random);
        }
        home.engine.archive_all(&home.target).await.unwrap();
    }
    let pieces = home.pieces();
    assert_eq!(pieces.len(), 5);
    for path in &pieces[..4] {
        let good = std::fs::read(path).unwrap();
        for at in [5, 70, good.len() - 9] {
            let mut flipped = good.clone();
            flipped[at] ^= 1;
            std::fs::write(path, flipped).unwrap();
            let error = home.restore("x", Until::Newest).await.unwrap_err();
            assert!(matches!(error, Error::Damaged(_)), "{error}");
        }
        std::fs::remove_file(path).unwrap();
        let error = home.restore("x", Until::Newest).await.unwrap_err();
        assert!(error.to_string().contains("are not in the archive"), "{error}");
        std::fs::write(path, good).unwrap();
    }
    assert_eq!(home.engine.list().len(), 1, "nothing was created");
    assert_eq!(home.restore("x", Until::Newest).await.unwrap().1, model);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_that_lags_holds_the_log_up_to_a_bound() {
    let mut random = Random::new(10);
    let home = Home::new(60_000);
    let mut model = Model::new();
    let collection = home.engine.collection(C).unwrap();
    let fill = |model: &mut Model, random: &mut Random| {
        for _ in 0..30 {
            home.write(model, random);
        }
        collection.seal().unwrap();
    };
    fill(&mut model, &mut random);
    let waiting = collection.archive();
    assert!(waiting.lag > 0 && !waiting.gap, "{waiting:?}");
    home.engine.archive_all(&home.target).await.unwrap();
    assert_eq!(collection.archive().lag, 0);
    for _ in 0..4 {
        fill(&mut model, &mut random);
    }
    assert!(collection.archive().gap, "the log does not grow for ever");
    assert!(collection.status().disk_bytes < 200_000);
    // A backup behind the gap makes the archive whole again.
    home.engine.archive_all(&home.target).await.unwrap();
    home.backup().await;
    let moment = home.write(&mut model, &mut random);
    home.engine.archive_all(&home.target).await.unwrap();
    assert_eq!(home.restore("x", Until::Seq(moment.seq)).await.unwrap().1, model);
}

/// Two histories must not be mixed: a directory that was put back by hand is found out.
#[tokio::test(flavor = "multi_thread")]
async fn an_archive_that_is_ahead_is_not_written() {
    let mut random = Random::new(11);
    let home = Home::new(1 << 30);
    let mut model = Model::new();
    home.write(&mut model, &mut random);
    home.engine.archive_all(&home.target).await.unwrap();
    let id = home.engine.collection(C).unwrap().id();
    let ahead = home.folder.path().join(format!("shelf/archive/{id}/{:020}-{:020}.log", 900, 999));
    std::fs::write(ahead, b"").unwrap();
    let home = home.restart();
    assert!(home.engine.archive_all(&home.target).await.is_err());
}

/// What is behind the oldest backup can be restored whatever was removed; and what is before it goes when it is old.
#[tokio::test(flavor = "multi_thread")]
async fn pieces_go_that_no_restore_can_need() {
    let mut random = Random::new(12);
    let home = Home::new(1 << 30);
    let mut model = Model::new();
    let mut backups = Vec::new();
    let mut moments = Vec::new();
    for _ in 0..4 {
        for _ in 0..3 {
            moments.push(home.write(&mut model, &mut random));
            home.engine.archive_all(&home.target).await.unwrap();
        }
        backups.push(home.backup().await);
    }
    assert_eq!(home.pieces().len(), 12);
    let (never, at_once) = (Duration::from_secs(1 << 30), Duration::ZERO);
    let prune = async |kept_for| home.target.prune_archive(kept_for).await.unwrap().pieces;
    assert_eq!(prune(never).await, 0, "all of them are young");
    assert_eq!(prune(at_once).await, 3, "those before the first backup");
    home.target.drop_backup(&backups[0].id).await.unwrap();
    // Nobody knows what a backup needs that cannot be read, or is being made.
    let shelf = home.folder.path().join("shelf");
    for object in ["backups/9999999999999-00000000", "active/9999999999999-00000000"] {
        let path = shelf.join(object);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, b"{").unwrap();
        assert_eq!(prune(at_once).await, 0, "{object}");
        std::fs::remove_file(&path).unwrap();
    }
    assert_eq!((prune(at_once).await, prune(at_once).await), (3, 0));
    for (at, moment) in moments.iter().enumerate() {
        let restored = home.restore(&format!("r{at}"), Until::Seq(moment.seq)).await;
        match at {
            0..5 => assert!(matches!(restored, Err(Error::Invalid { .. })), "{at}: {restored:?}"),
            _ => assert_eq!(restored.unwrap().1, moment.model, "{at}"),
        }
    }
    // Without a backup only the last piece is of use: it says how far the archive is.
    for backup in &backups[1..] {
        home.target.drop_backup(&backup.id).await.unwrap();
    }
    assert_eq!((prune(at_once).await, home.pieces().len()), (5, 1));
    let home = home.restart();
    home.write(&mut model, &mut random);
    home.engine.archive_all(&home.target).await.unwrap();
    assert_eq!(home.pieces().len(), 2, "it goes on where it was");
}
