//! A collection against a map: random operations, seals, merges and reopenings change nothing that
//! a reader can see.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use bytes::Bytes;
use nigh_index::filter::condition::{Condition, Scalar, Test};
use nigh_index::id::PointId;
use nigh_index::text::spec::TextSpec;
use nigh_index::value::Path as FieldPath;
use nigh_index::vector::metric::Metric;
use nigh_index::vector::spec::VectorSpec;
use nigh_storage::clock::Clock;
use nigh_storage::collection::Collection;
use nigh_storage::disk::FsDisk;
use nigh_storage::error::Error;
use nigh_storage::point::Point;
use nigh_storage::schema::{CollectionSpec, TextField, VectorField, VectorPlace};
use nigh_storage::store::{Options, Store};
use nigh_storage::write::{Durability, Selector, Write};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Clone, PartialEq, Debug, Default)]
struct Modelled {
    payload: Map<String, Value>,
    vectors: BTreeMap<u16, Vec<f32>>,
    version: u64,
    expires_at_ms: Option<u64>,
}

/// The time that the store is told; it passes when a test says so.
#[derive(Clone)]
struct Time(Arc<AtomicU64>);

impl Time {
    fn new() -> Self {
        Self(Arc::new(AtomicU64::new(1_700_000_000_000)))
    }

    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    /// What is expired is not there.
    fn expire(&self, model: &mut Model) {
        model.retain(|_, point| point.expires_at_ms.is_none_or(|time_ms| time_ms > self.now_ms()));
    }
}

type Model = BTreeMap<PointId, Modelled>;

fn spec() -> CollectionSpec {
    let field = |name: &str, size, metric| VectorField { name: name.into(), spec: VectorSpec::new(size, metric) };
    CollectionSpec {
        vectors: vec![field("a", 4, Metric::Cosine), field("b", 3, Metric::Euclid)],
        texts: vec![TextField { name: "text".into(), paths: vec![], spec: TextSpec::default() }],
        ..CollectionSpec::default()
    }
}

fn options() -> Options {
    Options { background: false, ..Options::default() }
}

fn open(root: &std::path::Path) -> (Arc<Store>, Arc<Collection>) {
    open_at(root, &Time::new())
}

fn open_at(root: &std::path::Path, time: &Time) -> (Arc<Store>, Arc<Collection>) {
    let options = Options { clock: Clock::Set(time.0.clone()), ..options() };
    let store = Store::open(Arc::new(FsDisk), root, options).unwrap();
    store.create("c", spec()).unwrap();
    let collection = store.collection("c").unwrap();
    (store, collection)
}

/// One thing that happens to a collection.
#[derive(Clone, Debug)]
enum Event {
    Batch(Vec<Change>),
    Seal,
    Merge,
    Reopen,
    /// So many milliseconds.
    Pass(u8),
    Sweep,
}

#[derive(Clone, Debug)]
enum Change {
    Upsert(u8, u8, bool, bool),
    Delete(u8),
    DeleteKind(u8),
    Set(u8, u8),
    Overwrite(u8, u8),
    DeleteKey(u8),
    Clear(u8),
    UpdateVector(u8, u8),
    DeleteVector(u8),
    /// Expires so many milliseconds from now, or never.
    Expire(u8, Option<u8>),
    /// Those of a kind, so many from now.
    ExpireKind(u8, u8),
}

fn id(number: u8) -> PointId {
    match number % 3 {
        0 => PointId::Uuid(uuid::Uuid::from_u128(u128::from(number))),
        _ => PointId::Num(u64::from(number)),
    }
}

fn payload(kind: u8) -> Map<String, Value> {
    let text = ["red apple", "green pear", "blue plum pear"][usize::from(kind % 3)];
    let object = json!({"kind": kind % 4, "text": text, "z": {"deep": [kind, null]}});
    object.as_object().unwrap().clone()
}

fn text_of(map: &Map<String, Value>) -> Bytes {
    Bytes::from(Value::Object(map.clone()).to_string())
}

fn a(seed: u8) -> Vec<f32> {
    (0..4).map(|at| f32::from(seed) * 0.37 + at as f32).collect()
}

fn b(seed: u8) -> Vec<f32> {
    (0..3).map(|at| f32::from(seed) - at as f32 * 1.5).collect()
}

fn kind_is(kind: u8) -> Condition {
    let test = Test::AnyOf(vec![Scalar::Integer(i64::from(kind))]);
    Condition::Field { path: FieldPath::parse("kind").unwrap(), test }
}

fn ids(number: u8) -> Selector {
    Selector::Ids(vec![id(number)])
}

/// The write of this operation, and what it does to the model.
fn write(change: &Change, seq: u64, now_ms: u64, model: &mut Model) -> Write {
    let touched = |point: &mut Modelled| point.version = seq;
    match change {
        Change::Upsert(number, kind, with_a, with_b) => {
            let mut vectors = BTreeMap::new();
            if *with_a {
                vectors.insert(0, a(*kind));
            }
            if *with_b {
                vectors.insert(1, b(*kind));
            }
            let point = Modelled { payload: payload(*kind), vectors, version: seq, expires_at_ms: None };
            model.insert(id(*number), point.clone());
            let vectors = point.vectors.into_iter().collect();
            Write::Upsert(Point { vectors, payload: text_of(&point.payload), ..Point::new(id(*number)) })
        }
        Change::Delete(number) => {
            model.remove(&id(*number));
            Write::Delete(ids(*number))
        }
        Change::DeleteKind(kind) => {
            model.retain(|_, point| point.payload.get("kind") != Some(&json!(kind)));
            Write::Delete(Selector::Filter(kind_is(*kind)))
        }
        Change::Set(kind, value) => {
            let matching = |point: &&mut Modelled| point.payload.get("kind") == Some(&json!(kind));
            for point in model.values_mut().filter(matching) {
                point.payload.insert("set".into(), json!(value));
                touched(point);
            }
            let set = Bytes::from(json!({"set": value}).to_string());
            Write::SetPayload(Selector::Filter(kind_is(*kind)), set)
        }
        Change::Overwrite(number, kind) => {
            if let Some(point) = model.get_mut(&id(*number)) {
                point.payload = payload(*kind);
                touched(point);
            }
            Write::OverwritePayload(ids(*number), text_of(&payload(*kind)))
        }
        Change::DeleteKey(number) => {
            if let Some(point) = model.get_mut(&id(*number)) {
                point.payload.shift_remove("z");
                touched(point);
            }
            Write::DeletePayloadKeys(ids(*number), vec!["z".into()])
        }
        Change::Clear(number) => {
            if let Some(point) = model.get_mut(&id(*number)) {
                point.payload.clear();
                touched(point);
            }
            Write::ClearPayload(ids(*number))
        }
        Change::UpdateVector(number, seed) => {
            if let Some(point) = model.get_mut(&id(*number)) {
                point.vectors.insert(1, b(*seed));
                touched(point);
            }
            Write::UpdateVectors(Point { vectors: vec![(1, b(*seed))], ..Point::new(id(*number)) })
        }
        Change::DeleteVector(number) => {
            if let Some(point) = model.get_mut(&id(*number)) {
                point.vectors.remove(&0);
                touched(point);
            }
            Write::DeleteVectors(ids(*number), vec![VectorPlace::Dense(0)])
        }
        Change::Expire(number, after) => {
            let expires_at_ms = after.map(|after| now_ms + u64::from(after));
            if let Some(point) = model.get_mut(&id(*number)) {
                point.expires_at_ms = expires_at_ms;
                touched(point);
            }
            Write::SetExpiry(ids(*number), expires_at_ms)
        }
        Change::ExpireKind(kind, after) => {
            let expires_at_ms = Some(now_ms + u64::from(*after));
            let matching = |point: &&mut Modelled| point.payload.get("kind") == Some(&json!(kind));
            for point in model.values_mut().filter(matching) {
                point.expires_at_ms = expires_at_ms;
                touched(point);
            }
            Write::SetExpiry(Selector::Filter(kind_is(*kind)), expires_at_ms)
        }
    }
}

fn writes(changes: &[Change], collection: &Collection, model: &mut Model) -> Vec<Write> {
    writes_at(changes, collection, model, &Time::new())
}

fn writes_at(changes: &[Change], collection: &Collection, model: &mut Model, time: &Time) -> Vec<Write> {
    let first_seq = collection.snapshot().seq + 1;
    let one = |(change, seq): (&Change, u64)| {
        time.expire(model);
        write(change, seq, time.now_ms(), model)
    };
    changes.iter().zip(first_seq..).map(one).collect()
}

fn contents(collection: &Collection) -> Model {
    let snapshot = collection.snapshot();
    let mut found = Model::new();
    for view in &snapshot.parts {
        for (id, row) in view.part.ids_from(&PointId::Num(0)).filter(|(_, row)| !view.dead.has(*row)) {
            let Value::Object(payload) = view.payload(row).unwrap() else { panic!("no object") };
            let vector = |field: usize| Some((field as u16, view.part.nearest(field).vector(row)?.into_owned()));
            let vectors = (0..2).filter_map(vector).collect();
            assert_eq!(view.part.id(row), id);
            let (version, expires_at_ms) = (view.part.version(row), view.part.expires_at_ms(row));
            let point = Modelled { payload, vectors, version, expires_at_ms };
            assert!(found.insert(id, point).is_none(), "{id} twice");
        }
    }
    assert_eq!(snapshot.points(), found.len() as u64);
    for id in found.keys() {
        assert!(snapshot.find(id).is_some());
    }
    found
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let number = 0u8..24;
    let change = prop_oneof![
        6 => (number.clone(), 0u8..8, any::<bool>(), any::<bool>()).prop_map(|(n, k, a, b)| Change::Upsert(n, k, a, b)),
        2 => number.clone().prop_map(Change::Delete),
        1 => (0u8..4).prop_map(Change::DeleteKind),
        1 => (0u8..4, 0u8..8).prop_map(|(k, v)| Change::Set(k, v)),
        1 => (number.clone(), 0u8..8).prop_map(|(n, k)| Change::Overwrite(n, k)),
        1 => number.clone().prop_map(Change::DeleteKey),
        1 => number.clone().prop_map(Change::Clear),
        1 => (number.clone(), 0u8..8).prop_map(|(n, s)| Change::UpdateVector(n, s)),
        1 => number.clone().prop_map(Change::DeleteVector),
        2 => (number, prop::option::of(0u8..20)).prop_map(|(n, t)| Change::Expire(n, t)),
        1 => (0u8..4, 0u8..20).prop_map(|(k, t)| Change::ExpireKind(k, t)),
    ];
    let event = prop_oneof![
        8 => prop::collection::vec(change, 1..6).prop_map(Event::Batch),
        2 => Just(Event::Seal),
        1 => Just(Event::Merge),
        1 => Just(Event::Reopen),
        2 => (0u8..12).prop_map(Event::Pass),
        1 => Just(Event::Sweep),
    ];
    prop::collection::vec(event, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_collection_is_the_map_that_was_written(events in events()) {
        let root = tempfile::tempdir().unwrap();
        let time = Time::new();
        let (mut store, mut collection) = open_at(root.path(), &time);
        let mut model = Model::new();
        for event in &events {
            match event {
                Event::Batch(changes) => {
                    let writes = writes_at(changes, &collection, &mut model, &time);
                    collection.write(writes, Durability::Durable).unwrap();
                }
                Event::Seal => { collection.seal().unwrap(); }
                Event::Merge => { collection.merge().unwrap(); }
                Event::Reopen => {
                    drop(collection);
                    store.close();
                    drop(store);
                    (store, collection) = open_at(root.path(), &time);
                }
                Event::Pass(time_ms) => { time.0.fetch_add(u64::from(*time_ms), Ordering::SeqCst); }
                Event::Sweep => { collection.sweep().unwrap(); }
            }
            time.expire(&mut model);
            prop_assert_eq!(&contents(&collection), &model);
        }
    }
}

#[test]
fn a_batch_is_all_or_nothing() {
    let root = tempfile::tempdir().unwrap();
    let (_store, collection) = open(root.path());
    let good = Write::Upsert(Point { vectors: vec![(0, a(1))], payload: Bytes::new(), ..Point::new(id(1)) });
    let bad = [
        Point { vectors: vec![(0, vec![1.0])], payload: Bytes::new(), ..Point::new(id(2)) },
        Point { vectors: vec![(0, vec![1.0, f32::NAN, 0.0, 0.0])], payload: Bytes::new(), ..Point::new(id(2)) },
        Point { vectors: vec![(7, vec![1.0])], payload: Bytes::new(), ..Point::new(id(2)) },
        Point { vectors: vec![], payload: Bytes::from_static(b"[1]"), ..Point::new(id(2)) },
        Point { payload: Bytes::from_static(b"{\"a\":"), ..Point::new(id(2)) },
    ];
    for point in bad {
        let refused = collection.write(vec![good.clone(), Write::Upsert(point)], Durability::Durable);
        assert!(matches!(refused, Err(Error::Invalid { .. } | Error::Missing { .. })), "{refused:?}");
        assert_eq!(collection.snapshot().points(), 0);
    }
    assert!(collection.write(vec![], Durability::Durable).is_err());
}

#[test]
fn a_filter_sees_the_operations_before_it() {
    let root = tempfile::tempdir().unwrap();
    let (_store, collection) = open(root.path());
    let mut model = Model::new();
    let changes = [Change::Upsert(1, 1, true, false), Change::DeleteKind(1), Change::Upsert(2, 1, true, false)];
    let writes = writes(&changes, &collection, &mut model);
    collection.write(writes, Durability::Durable).unwrap();
    assert_eq!(contents(&collection), model);
    assert_eq!(model.len(), 1);
}

#[test]
fn a_directory_is_locked_and_collections_come_and_go() {
    let root = tempfile::tempdir().unwrap();
    let (store, collection) = open(root.path());
    assert!(matches!(Store::open(Arc::new(FsDisk), root.path(), options()), Err(Error::Locked { .. })));
    assert!(!store.create("c", spec()).unwrap());
    assert!(matches!(store.create("c", CollectionSpec::default()), Err(Error::Exists { .. })));
    assert!(matches!(store.create("../c", spec()), Err(Error::Invalid { .. })));
    drop(collection);
    assert!(store.drop_collection("c").unwrap());
    assert!(!store.drop_collection("c").unwrap());
    assert!(matches!(store.collection("c"), Err(Error::Missing { .. })));
    drop(store);
    let store = Store::open(Arc::new(FsDisk), root.path(), options()).unwrap();
    assert!(store.list().is_empty());
    let names = std::fs::read_dir(root.path()).unwrap().map(|entry| entry.unwrap().file_name());
    // A small disk may have no room for ballast.
    let left: Vec<_> = names.filter(|name| name != "BALLAST").collect();
    assert_eq!(left.len(), 3, "LOCK, NIGH and CATALOG only: {left:?}");
}

#[test]
fn a_corrupt_collection_is_quarantined_and_the_others_serve() {
    let root = tempfile::tempdir().unwrap();
    let (store, collection) = open(root.path());
    store.create("d", spec()).unwrap();
    drop((collection, store));
    let manifests = std::fs::read_dir(root.path()).unwrap().map(|entry| entry.unwrap().path().join("MANIFEST"));
    let first = manifests.filter(|path| path.exists()).min().unwrap();
    let mut bytes = std::fs::read(&first).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::remove_file(&first).unwrap();
    std::fs::write(&first, bytes).unwrap();
    let store = Store::open(Arc::new(FsDisk), root.path(), options()).unwrap();
    let states: Vec<bool> = ["c", "d"].iter().map(|name| store.collection(name).is_ok()).collect();
    assert_eq!(states.iter().filter(|open| **open).count(), 1);
}

/// One flipped bit in any file of a segment is found when the collection is opened.
#[test]
fn a_flipped_bit_in_any_file_of_a_segment_is_found() {
    let root = tempfile::tempdir().unwrap();
    let (store, collection) = open(root.path());
    let mut model = Model::new();
    let changes: Vec<Change> = (0..20).map(|number| Change::Upsert(number, number, true, true)).collect();
    collection.write(writes(&changes, &collection, &mut model), Durability::Durable).unwrap();
    assert!(collection.seal().unwrap());
    drop((collection, store));
    let folder = std::fs::read_dir(root.path()).unwrap().map(|entry| entry.unwrap().path()).find(|path| path.is_dir());
    let segment = folder.unwrap().join("segments").join("0000000001");
    let files: Vec<_> = std::fs::read_dir(&segment).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 10, "{files:?}");
    for path in files {
        let whole = std::fs::read(&path).unwrap();
        for at in [0, 9, 20, 40, 63, 64, whole.len() / 2, whole.len() - 1] {
            let mut damaged = whole.clone();
            damaged[at] ^= 4;
            std::fs::remove_file(&path).unwrap();
            std::fs::write(&path, &damaged).unwrap();
            let store = Store::open(Arc::new(FsDisk), root.path(), options()).unwrap();
            let refused = store.collection("c").map(|_| ());
            assert!(matches!(&refused, Err(Error::Quarantined { .. })), "{} at {at}: {refused:?}", path.display());
        }
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, &whole).unwrap();
    }
    let (_store, collection) = open(root.path());
    assert_eq!(contents(&collection), model);
}
