//! Bytes that nobody checked when a collection was opened: no answer stands on damaged ones.
//!
//! A store whose vectors and payloads are read behind its opening, and never were: what is asked of the engine touches a
//! damaged block first. The answer is an error, whichever way led there.

use nigh_index::id::PointId;
use nigh_index::params::SearchParams;
use nigh_index::vector::metric::Metric;
use nigh_index::vector::spec::VectorSpec;
use nigh_server::config::Limits;
use nigh_server::engine::Engine;
use nigh_server::engine::error::{Error, Result};
use nigh_server::engine::pool::Deadline;
use nigh_server::engine::query::answer::Record;
use nigh_server::engine::query::retriever::{Kind, Retriever, Target};
use nigh_server::engine::query::{Get, PayloadSelection, Query, Scroll, VectorSelection};
use nigh_storage::collection::Collection;
use nigh_storage::disk::FsDisk;
use nigh_storage::point::Point;
use nigh_storage::reading::Reading;
use nigh_storage::schema::{CollectionSpec, VectorField, VectorPlace};
use nigh_storage::store::{Options, Store};
use nigh_storage::write::{Durability, Write};
use nigh_tests::random::Random;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const SIZE: u32 = 96;
/// Few enough to be scanned, and enough for a graph.
const ROWS: [u64; 2] = [900, 2_600];

/// Numbers that only 32 bits hold, all over the place.
fn vector(id: u64) -> Vec<f32> {
    let mut random = Random::new(id + 1);
    (0..SIZE).map(|_| random.below(1_000_003) as f32 / 1_000_003.0).collect()
}

fn payload(id: u64) -> String {
    format!("{{\"of\":{id},\"text\":\"{}\"}}", format!("{id} ").repeat(30))
}

fn options(reading: Reading) -> Options {
    Options { background: false, scrub_every: None, reading, ..Options::default() }
}

/// A collection of one segment.
fn fill(folder: &Path, rows: u64) {
    let store = Store::open(Arc::new(FsDisk), folder, options(Reading::First)).unwrap();
    let field = VectorField { name: "v".into(), spec: VectorSpec::new(SIZE, Metric::Euclid) };
    store.create("c", CollectionSpec { vectors: vec![field], ..CollectionSpec::default() }).unwrap();
    let collection = store.collection("c").unwrap();
    let point =
        |id| Write::Upsert(Point { vectors: vec![(0, vector(id))], payload: payload(id).into(), ..Point::new(id) });
    collection.write((0..rows).map(point).collect(), Durability::Durable).unwrap();
    collection.seal().unwrap();
    store.close();
}

fn file(folder: &Path, name: &str) -> PathBuf {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap()) {
            match entry.file_type().unwrap().is_dir() {
                true => folders.push(entry.path()),
                false if entry.file_name() == name => found.push(entry.path()),
                false => {}
            }
        }
    }
    assert_eq!(found.len(), 1, "{name}: {found:?}");
    found.remove(0)
}

/// Flips a bit in the middle of where these bytes stand.
fn damage(path: &Path, bytes: &[u8]) {
    let mut body = fs::read(path).unwrap();
    let at = body.windows(bytes.len()).position(|window| window == bytes).unwrap();
    body[at + bytes.len() / 2] ^= 1;
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
    fs::write(path, body).unwrap();
}

/// A server's engine over the directory, of whose vectors and payloads nothing was read but what its opening needs.
struct Opened {
    engine: Engine,
    collection: Arc<Collection>,
}

impl Opened {
    fn new(folder: &Path) -> Self {
        let store = Store::open(Arc::new(FsDisk), folder, options(Reading::Behind)).unwrap();
        let collection = store.collection("c").unwrap();
        Self { engine: Engine::new(store, folder.to_owned(), Limits::default()), collection }
    }

    async fn query(&self, target: Target, payload: PayloadSelection) -> Result<Vec<(PointId, f32, Record)>> {
        let kind = Kind::Dense { field: 0, target, params: SearchParams::default() };
        let root = Retriever {
            name: "v".into(),
            kind,
            sources: vec![],
            limit: 10,
            filter: None,
            corpus: None,
            score_threshold: None,
        };
        let query = Query { payload, ..Query::new(root, 10) };
        let answer = self.engine.query(self.collection.clone(), query, &Deadline::default()).await?;
        Ok(answer.hits.into_iter().map(|hit| (hit.record.id, hit.score, hit.record)).collect())
    }

    async fn get(&self, id: u64, payload: PayloadSelection, vectors: VectorSelection) -> Result<Record> {
        let get = Get { ids: vec![PointId::Num(id)], payload, vectors, version: String::new() };
        let (mut records, _) = self.engine.get(self.collection.clone(), get, &Deadline::default()).await?;
        Ok(records.remove(0))
    }

    async fn scroll(&self, id: u64, payload: PayloadSelection, vectors: VectorSelection) -> Result<Vec<Record>> {
        let (filter, from, version) = (None, Some(PointId::Num(id)), String::new());
        let scroll = Scroll { filter, from, limit: 3, payload, vectors, version };
        Ok(self.engine.scroll(self.collection.clone(), scroll, &Deadline::default()).await?.records)
    }
}

fn with_vectors() -> VectorSelection {
    VectorSelection(vec![VectorPlace::Dense(0)])
}

/// Ways that led to an answer where there should be none.
#[derive(Default)]
struct Answered(Vec<String>);

impl Answered {
    fn see<T>(&mut self, way: &str, answer: Result<T>) {
        match answer {
            Err(Error::Corrupt) => {}
            Err(err) => self.0.push(format!("{way}: {err}")),
            Ok(_) => self.0.push(format!("{way} was answered")),
        }
    }
}

impl Drop for Answered {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(self.0, Vec::<String>::new());
        }
    }
}

#[tokio::test]
async fn no_answer_stands_on_a_damaged_vector() {
    for rows in ROWS {
        let folder = tempfile::tempdir().unwrap();
        fill(folder.path(), rows);
        // In the middle: blocks at both ends are read by the opening.
        let id = rows / 2;
        let bytes: Vec<u8> = vector(id).iter().flat_map(|number| number.to_le_bytes()).collect();
        let far = rows / 10;
        damage(&file(folder.path(), "v0.full"), &bytes);
        let open = || Opened::new(folder.path());
        let mut answered = Answered::default();

        let opened = open();
        let found = opened.get(far, PayloadSelection::All, with_vectors()).await.unwrap();
        assert_eq!((&found.vectors[0].1, &found.payload[..]), (&vector(far), payload(far).as_bytes()), "what holds");
        answered.see("get", opened.get(id, PayloadSelection::Nothing, with_vectors()).await);
        answered.see("get again", opened.get(id, PayloadSelection::Nothing, with_vectors()).await);
        drop(opened);
        answered.see("scroll", open().scroll(id, PayloadSelection::Nothing, with_vectors()).await);
        answered.see("query", open().query(Target::Vector(vector(id)), PayloadSelection::Nothing).await);
        answered.see("query by point", open().query(Target::Point(PointId::Num(id)), PayloadSelection::Nothing).await);
        // What asks for no vector is answered.
        let payload_alone = open().get(id, PayloadSelection::All, VectorSelection::default()).await.unwrap();
        assert_eq!(&payload_alone.payload[..], payload(id).as_bytes());
    }
}

#[tokio::test]
async fn no_answer_stands_on_a_damaged_payload() {
    for rows in ROWS {
        let folder = tempfile::tempdir().unwrap();
        fill(folder.path(), rows);
        let id = rows / 2;
        damage(&file(folder.path(), "payload"), payload(id).as_bytes());
        let open = || Opened::new(folder.path());
        let mut answered = Answered::default();
        answered.see("get", open().get(id, PayloadSelection::All, VectorSelection::default()).await);
        answered.see("scroll", open().scroll(id, PayloadSelection::All, VectorSelection::default()).await);
        let key = PayloadSelection::Include([String::from("of")].into());
        answered.see("get a key", open().get(id, key.clone(), VectorSelection::default()).await);
        answered.see("query", open().query(Target::Vector(vector(id)), key).await);
        let found = open().query(Target::Vector(vector(id)), PayloadSelection::Nothing).await.unwrap();
        assert_eq!((found[0].0, found[0].1), (PointId::Num(id), 0.0), "vectors hold");
    }
}
