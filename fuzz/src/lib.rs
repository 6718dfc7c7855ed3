//! What every fuzz target does with its bytes: nothing that reads them may panic, whatever they are.
//!
//! A decoder with checksums or tables would refuse nearly all noise at its door. So the first byte
//! chooses: noise, or damage to something that is whole. `tests/tests/fuzz.rs` runs the same deeds on
//! a stable compiler with bytes of a seed.
//!
//! ```text
//! cargo +nightly fuzz run log -- -max_total_time=60
//! ```

use bytes::Bytes;
use nigh_index::bitmap::Bitmap;
use nigh_index::filter::eval::eval;
use nigh_index::filter::extract::Extracted;
use nigh_index::filter::field::Rows;
use nigh_index::filter::parse::parse;
use nigh_index::filter::rules::FieldRules;
use nigh_index::filter::sealed::SealedFields;
use nigh_index::id::PointId;
use nigh_index::layout::{Sections, SectionsWriter};
use nigh_index::params::{Plan, Route};
use nigh_index::row::Row;
use nigh_index::selection::Selection;
use nigh_index::text::analyzer::Analyzer;
use nigh_index::text::bm25::{Statistics, TextPart, Weighted, distinct};
use nigh_index::text::sealed::SealedText;
use nigh_index::text::spec::TextSpec;
use nigh_index::vector::metric::Metric;
use nigh_index::vector::nearest::Nearest;
use nigh_index::vector::sealed::{BuildParams, SealedVectors};
use nigh_index::vector::spec::{IvfCode, IvfSpec, VectorSpec};
use nigh_storage::disk::Disk;
use nigh_storage::disk::cruel::CruelDisk;
use nigh_storage::frame::{self, Kind};
use nigh_storage::manifest::{FILE_NAME, Manifest};
use nigh_storage::op;
use nigh_storage::point::Point;
use nigh_storage::schema::{CollectionSpec, TextField, VectorField};
use nigh_storage::store::{Options, Store};
use nigh_storage::wal::{Log, Record, replay};
use nigh_storage::write::{Durability, Selector, Write};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, LazyLock};
use uuid::Uuid;

mod kinds;
mod packed;

pub use kinds::{multi, sparse};
pub use packed::snapshot;

const ROWS: u32 = 300;
/// Rows of vectors: with fewer there is neither a graph nor lists.
const VECTOR_ROWS: u32 = 2_400;

/// Noise, or these bytes with damage: each four bytes are a place, a deed and a value.
fn damaged(data: &[u8], whole: &[u8]) -> Vec<u8> {
    let Some((how, data)) = data.split_first() else { return Vec::new() };
    if how % 8 == 0 {
        return data.to_vec();
    }
    let mut bytes = whole.to_vec();
    for edit in data.chunks_exact(4).take(16) {
        let place = usize::from(u16::from_le_bytes([edit[0], edit[1]]));
        // Near the start, near the end, or anywhere: tables stand at the ends.
        let at = match edit[2] % 4 {
            0 => place % 256,
            1 => bytes.len().saturating_sub(1 + place % 256),
            _ => place * bytes.len() / 65_536,
        };
        let Some(byte) = bytes.get_mut(at) else { continue };
        match edit[2] / 4 % 8 {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, edit[3]),
            2 => *byte ^= 1 << (edit[3] % 8),
            3 => bytes[at..].iter_mut().take(8).for_each(|byte| *byte = edit[3]),
            _ => *byte = edit[3],
        }
    }
    bytes
}

/// Replays a log of which one file is damaged.
pub fn log(data: &[u8]) {
    let (disk, dir) = (Arc::new(CruelDisk::new()), PathBuf::from("wal"));
    disk.create_dir(&dir).expect("the disk is sound");
    let mut log = Log::start(disk.clone(), dir.clone(), 1, 300).expect("the disk is sound");
    for first_seq in (1..20).step_by(2) {
        let record = Record { first_seq, ops: 2, time_ms: first_seq, payload: Bytes::from(vec![first_seq as u8; 40]) };
        log.append(&[record]).and_then(|()| log.sync()).expect("the disk is sound");
    }
    let names = disk.list(&dir).expect("the folder is there");
    let name = &names[usize::from(data.first().copied().unwrap_or(0)) / 8 % names.len()];
    rewrite(&disk, &dir.join(name), &|whole| damaged(data, whole));
    let mut next_seq = 1;
    let replayed = replay(&*disk, &dir, 1, &mut |record| {
        assert_eq!(record.first_seq, next_seq, "records follow each other");
        assert_eq!(record.payload, vec![next_seq as u8; 40], "records are those that were written");
        next_seq += 2;
        Ok(())
    });
    if let Ok(replayed) = replayed {
        assert_eq!(replayed.next_seq, next_seq);
        Log::start(disk, dir, next_seq, 300).expect("a log that was replayed goes on");
    }
}

/// Decodes a batch; what is decoded is encoded to the same bytes.
pub fn op(data: &[u8]) {
    let body = Bytes::copy_from_slice(data);
    if let Ok((heading, ops)) = op::decode(&body) {
        let mut again = Vec::new();
        op::encode(&heading, &ops, &mut again);
        assert_eq!(again, body);
    }
}

/// Loads a manifest whose frame holds.
pub fn manifest(data: &[u8]) {
    static WHOLE: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let file = |name: &str| json!({"name": name, "bytes": 4711, "checksum": u64::MAX});
        let text = json!({
            "collection": "0192f0c1-7b3a-7cc0-8f00-000000000001",
            "spec": {"vectors": [], "texts": [], "no_auto_index": true},
            "replay_from": 42, "next_segment": 7,
            "segments": [{"number": 3, "rows": 9, "files": [file("ids"), file("payload")], "dead": file("dead.41")}],
        });
        text.to_string().into_bytes()
    });
    let disk = CruelDisk::new();
    frame::replace(&disk, Path::new(FILE_NAME), Kind::Manifest, &damaged(data, &WHOLE)).expect("the disk is sound");
    if let Ok(manifest) = Manifest::load(&disk, Path::new("")) {
        manifest.save(&disk, Path::new("")).expect("the disk is sound");
        assert_eq!(Manifest::load(&disk, Path::new("")).expect("what was saved is loaded"), manifest);
    }
}

/// Opens and verifies a damaged file.
pub fn frame(data: &[u8]) {
    let (disk, path) = (CruelDisk::new(), Path::new("file"));
    frame::write_small(&disk, path, Kind::Ids, &[7; 100]).expect("the disk is sound");
    rewrite(&disk, path, &|whole| damaged(data, whole));
    let opened = frame::open(&disk, path, Kind::Ids);
    if frame::verify(&disk, path, Kind::Ids).is_ok() {
        assert_eq!(opened.expect("what is verified is opened"), [7; 100][..]);
    }
}

/// Opens a damaged table of sections and reads all of them.
pub fn sections(data: &[u8]) {
    static WHOLE: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let mut writer = SectionsWriter::new(Vec::new());
        writer.put("numbers", &[1u64, 2, 3]).expect("a Vec takes every byte");
        writer.put("empty", &[] as &[u32]).expect("a Vec takes every byte");
        writer.put("bytes", b"some bytes").expect("a Vec takes every byte");
        writer.finish().expect("a Vec takes every byte")
    });
    let Ok(sections) = Sections::open(damaged(data, &WHOLE).into()) else { return };
    for name in sections.names() {
        let _ = (sections.bytes(name), sections.array::<u64>(name), sections.array_of::<f32>(name, 3));
    }
}

/// Reads a damaged bitmap.
pub fn bitmap(data: &[u8]) {
    static WHOLE: LazyLock<Vec<u8>> =
        LazyLock::new(|| Bitmap::from_rows((0..ROWS).filter(|row| row % 7 < 3)).to_bytes());
    if let Ok(bitmap) = Bitmap::from_bytes(&damaged(data, &WHOLE), ROWS) {
        assert!(bitmap.max().is_none_or(|row| row.0 < ROWS));
        assert_eq!(bitmap.iter().count() as u64, bitmap.len());
    }
}

/// Opens damaged field indexes and asks them.
pub fn fields(data: &[u8]) {
    static WHOLE: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let rules = FieldRules { auto: true };
        SealedFields::build(ROWS, &rules, &mut |row| Ok(Extracted::of(&Payloads::of(row), &rules)))
            .expect("the payloads are sound")
    });
    let Ok(fields) = SealedFields::open(damaged(data, &WHOLE).into(), ROWS) else { return };
    for text in [
        "colour = 'red' OR NOT number >= 17",
        "tags IN ('a', 'b') AND price < 5.5",
        "day >= '2026-02-03T00:00:00Z'",
        "sold = TRUE",
        "size.width != 3",
    ] {
        let condition = parse(text).unwrap_or_else(|err| panic!("{text}: {err}"));
        if let Ok(matched) = eval(&condition, &fields, &Payloads) {
            assert!(matched.rows.max().is_none_or(|row| row.0 < ROWS));
        }
    }
}

/// Opens a damaged text index and searches it.
pub fn text(data: &[u8]) {
    static WHOLE: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let analyzer = Analyzer::new("standard").expect("it is there");
        SealedText::build(&analyzer, ROWS, &mut |row, see| {
            see(&format!("word{} common other{}", row.0 % 50, row.0 / 30));
            Ok(())
        })
        .expect("the texts are sound")
    });
    let Ok(text) = SealedText::open(damaged(data, &WHOLE).into(), ROWS) else { return };
    search_text(&text, ROWS);
}

fn search_text(text: &dyn TextPart, rows: u32) {
    let terms = distinct(["common", "word7", "other3", "red"].map(str::to_owned).to_vec());
    let dead = Bitmap::from_rows([3, 4, 200]);
    let _ = text.statistics(&terms, &dead);
    let statistics = Statistics { docs: 300, tokens: 900, frequencies: vec![300, 0, 30, 6] };
    let query = Weighted::new(&terms, &statistics, &TextSpec::default());
    let third = Selection::new(Bitmap::from_rows((0..rows).filter(|row| row % 3 == 0)), rows);
    for allowed in [None, Some(&third)] {
        if let Ok(found) = text.search(&query, 10, allowed) {
            assert!(found.hits.len() <= 10 && found.hits.iter().all(|hit| hit.row.0 < rows));
        }
    }
}

/// Opens damaged vectors, codes and graph, and searches them.
pub fn vectors(data: &[u8]) {
    // Long ones have codes of 4 bits, and cells.
    static WHOLE: LazyLock<[(VectorSpec, [Vec<u8>; 3]); 2]> = LazyLock::new(|| {
        [8, 64].map(|size| {
            let spec = VectorSpec::new(size, Metric::Cosine);
            let bodies = built(&spec);
            (spec, bodies)
        })
    });
    opened(&WHOLE, data);
}

/// Opens one of the fields with damage to one of its bodies, and searches it.
fn opened(fields: &[(VectorSpec, [Vec<u8>; 3]); 2], data: &[u8]) {
    let first = usize::from(data.first().copied().unwrap_or(0)) / 8;
    let (spec, bodies) = &fields[first % 2];
    let which = first / 2 % 3;
    let body = |at: usize| Bytes::from(if at == which { damaged(data, &bodies[at]) } else { bodies[at].clone() });
    let Ok(vectors) = SealedVectors::open(spec, VECTOR_ROWS, body(0), body(1), body(2)) else { return };
    search_all(&vectors, spec.size, VECTOR_ROWS);
}

/// Full vectors, codes and route of a field.
fn built(spec: &VectorSpec) -> [Vec<u8>; 3] {
    let mut out = SectionsWriter::new(Vec::new());
    let mut vector = |row: Row| (!row.0.is_multiple_of(9)).then(|| Cow::Owned(numbers(row.0, spec.size)));
    SealedVectors::write_full(spec, VECTOR_ROWS, &mut vector, &mut out).expect("a Vec takes every byte");
    let full = out.finish().expect("a Vec takes every byte");
    let stop = AtomicBool::new(false);
    let how = BuildParams::new(1, &stop);
    let built = SealedVectors::build(spec, VECTOR_ROWS, &full.clone().into(), &how);
    let built = built.expect("the vectors are sound").expect("nobody stopped it");
    assert!(built.route.len() > 1000, "there is something to damage");
    [full, built.codes, built.route]
}

/// Searches in every way, and reads every vector.
fn search_all(vectors: &dyn Nearest, size: u32, rows: u32) {
    let allowed = Selection::new(Bitmap::from_rows((0..rows).filter(|row| row % 3 == 0)), rows);
    let ways = [Route::Graph, Route::GraphFiltered, Route::Ivf, Route::Codes, Route::Exact].map(|route| (route, 32));
    // All codes, where 32 rows of the nearest cells are less.
    for (route, effort) in ways.into_iter().chain([(Route::Codes, 0)]) {
        for allowed in [None, Some(&allowed)] {
            let found = vectors.search(&numbers(77, size), 10, allowed, &Plan::by(route, effort));
            assert!(found.hits.len() <= 10 && found.hits.iter().all(|hit| hit.row.0 < rows));
        }
    }
    (0..rows).for_each(|row| drop(vectors.vector(Row(row))));
}

/// As [`vectors`], for inverted lists of both kinds of codes.
pub fn lists(data: &[u8]) {
    static WHOLE: LazyLock<[(VectorSpec, [Vec<u8>; 3]); 2]> = LazyLock::new(|| {
        [IvfCode::Pq4, IvfCode::Bits(2)].map(|code| {
            let ivf = Some(IvfSpec { lists: 7, code, rerank: 20 });
            let spec = VectorSpec { ivf, ..VectorSpec::new(8, Metric::Euclid) };
            let bodies = built(&spec);
            (spec, bodies)
        })
    });
    opened(&WHOLE, data);
}

/// Opens a store in which a file of a segment says something else than it did, under checksums that hold, and reads all.
pub fn segment(data: &[u8]) {
    static WHOLE: LazyLock<(CruelDisk, PathBuf)> = LazyLock::new(|| {
        let disk = CruelDisk::new();
        let store = Store::open(Arc::new(disk.clone()), Path::new("data"), options()).expect("the disk is sound");
        let ivf = Some(IvfSpec { lists: 4, code: IvfCode::Pq8, rerank: 0 });
        let field = |name: &str, ivf| {
            let spec = VectorSpec { ivf, ..VectorSpec::new(8, Metric::Cosine) };
            VectorField { name: name.to_owned(), spec }
        };
        let text = TextField { name: "colour".to_owned(), paths: Vec::new(), spec: TextSpec::default() };
        let spec = CollectionSpec {
            vectors: vec![field("a", None), field("b", ivf)],
            texts: vec![text],
            ..CollectionSpec::default()
        };
        store.create("c", spec).expect("the spec is sound");
        let collection = store.collection("c").expect("it was created");
        let point = |row: u32| {
            let id =
                if row.is_multiple_of(2) { u64::from(row).into() } else { PointId::Uuid(Uuid::from_u128(row.into())) };
            let vectors = vec![(0, numbers(row, 8)), (1, numbers(row + 1, 8))];
            let expires_at_ms = row.is_multiple_of(7).then_some(4_102_444_800_000);
            let payload = Payloads::of(Row(row)).to_string().into();
            Write::Upsert(Point { vectors, payload, expires_at_ms, ..Point::new(id) })
        };
        let write = |writes| collection.write(writes, Durability::Durable).expect("the disk is sound");
        write((0..ROWS).map(point).collect());
        collection.seal().expect("the disk is sound");
        write(vec![Write::Delete(Selector::Ids((0..40_u64).step_by(4).map(PointId::Num).collect()))]);
        collection.seal().expect("the disk is sound");
        store.close();
        let folder = disk.list(Path::new("data")).expect("it is there").into_iter().find(|name| name.len() == 36);
        (disk, Path::new("data").join(folder.expect("there is one collection")))
    });
    let (disk, folder) = (WHOLE.0.kill(), &WHOLE.1);
    let mut manifest = Manifest::load(&disk, folder).expect("it is sound");
    let entry = &mut manifest.segments[0];
    let at = folder.join("segments").join(format!("{:010}", entry.number));
    let count = entry.files.len() + 1;
    let which = usize::from(data.get(1).copied().unwrap_or(0)) % count;
    let file = entry.files.iter_mut().chain(&mut entry.dead).nth(which).expect("it is one of them");
    let path = at.join(&file.name);
    let bytes = disk.read(&path).expect("it is there");
    let kind = frame::VERSIONS.iter().map(|(kind, _)| *kind).find(|kind| (*kind as u16).to_le_bytes() == bytes[4..6]);
    let body = damaged(data, &bytes[frame::HEADER_BYTES as usize..]);
    disk.remove(&path).expect("the disk is sound");
    let info = frame::write_small(&disk, &path, kind.expect("it is known"), &body).expect("the disk is sound");
    (file.bytes, file.checksum) = (info.bytes, info.checksum);
    manifest.save(&disk, folder).expect("the disk is sound");

    let store = Store::open(Arc::new(disk), Path::new("data"), options()).expect("the catalog is sound");
    let Ok(collection) = store.collection("c") else { return };
    for view in &collection.snapshot().parts {
        for row in (0..view.part.rows()).map(Row) {
            let id = view.part.id(row);
            let _ = (view.part.find(&id), view.find_alive(&id), view.payload(row));
            let _ = (view.part.nearest(0).vector(row), view.part.nearest(1).vector(row));
        }
        let _ = view.part.ids_from(&PointId::Num(0)).count();
        (0..2).for_each(|field| search_all(view.part.nearest(field), 8, view.part.rows()));
        let _ = eval(&parse("colour = 'red' OR number < 7").expect("it is a filter"), view.part.fields(), view);
        search_text(view.part.text(0), view.part.rows());
    }
    let _ = collection.write(vec![Write::Delete(Selector::Ids(vec![8_u64.into()]))], Durability::Durable);
    let _ = (collection.seal(), collection.settle());
    store.close();
}

/// Attaches a directory whose catalog or identity says something else than it did, under checksums that hold.
pub fn directory(data: &[u8]) {
    static WHOLE: LazyLock<CruelDisk> = LazyLock::new(|| {
        let disk = CruelDisk::new();
        let store = Store::open(Arc::new(disk.clone()), Path::new("data"), options()).expect("the disk is sound");
        store.create("c", CollectionSpec::default()).expect("the spec is sound");
        store.close();
        disk
    });
    let disk = WHOLE.kill();
    let (name, kind) = match data.get(1).copied().unwrap_or(0) % 2 {
        0 => ("CATALOG", Kind::Catalog),
        _ => ("NIGH", Kind::Identity),
    };
    let path = Path::new("data").join(name);
    let bytes = disk.read(&path).expect("it is there");
    let body = damaged(data, &bytes[frame::HEADER_BYTES as usize..]);
    frame::replace(&disk, &path, kind, &body).expect("the disk is sound");
    if let Ok(store) = Store::open(Arc::new(disk), Path::new("data"), options()) {
        store.list().into_iter().for_each(|(name, _)| drop(store.collection(&name)));
        store.close();
    }
}

fn options() -> Options {
    Options { background: false, build_threads: 1, ballast_bytes: 0, ..Options::default() }
}

/// Parses a filter; what is parsed is written in words that mean the same.
pub fn filter(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(condition) = parse(text) {
        let written = condition.to_string();
        assert_eq!(parse(&written).unwrap_or_else(|err| panic!("{written}: {err}")), condition, "{written}");
    }
}

fn rewrite(disk: &CruelDisk, path: &Path, edit: &dyn Fn(&[u8]) -> Vec<u8>) {
    let bytes = edit(&disk.read(path).expect("the file is there"));
    disk.remove(path).expect("the disk is sound");
    disk.create(path).and_then(|mut file| file.append(&bytes)).expect("the disk is sound");
}

fn numbers(row: u32, size: u32) -> Vec<f32> {
    (0..size).map(|at| ((row * 31 + at * 17) % 101) as f32 - 50.0).collect()
}

struct Payloads;

impl Payloads {
    fn of(row: Row) -> Value {
        let (number, colour) = (row.0 as i64 - 100, ["red", "green", "blue"][row.0 as usize % 3]);
        json!({
            "colour": colour, "number": number, "price": number as f64 / 8.0, "sold": row.0.is_multiple_of(5),
            "tags": (["a", "b", "c"][row.0 as usize % 3..]), "day": format!("2026-02-{:02}", row.0 % 28 + 1),
            "size": {"width": row.0 % 7, "height": null}, "huge": u64::MAX - u64::from(row.0),
        })
    }
}

impl Rows for Payloads {
    fn rows(&self) -> u32 {
        ROWS
    }

    fn find(&self, id: &PointId) -> Option<Row> {
        match id {
            PointId::Num(number) => u32::try_from(*number).ok().filter(|row| *row < ROWS).map(Row),
            PointId::Uuid(_) => None,
        }
    }

    fn id(&self, row: Row) -> PointId {
        PointId::Num(row.0.into())
    }

    fn payload(&self, row: Row) -> nigh_index::error::Result<Value> {
        Ok(Self::of(row))
    }
}
