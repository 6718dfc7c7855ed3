//! What a collection should hold, told by a map; and operations that a seed decides.

use nigh_index::bitmap::Bitmap;
use nigh_index::filter::condition::Condition;
use nigh_index::filter::eval::{eval, holds};
use nigh_index::filter::parse::parse;
use nigh_index::id::PointId;
use nigh_index::selection::Selection;
use nigh_index::sparse::search::search;
use nigh_index::sparse::spec::SparseSpec;
use nigh_index::sparse::vector::SparseVector;
use nigh_index::sparse::weights;
use nigh_index::text::spec::TextSpec;
use nigh_index::vector::metric::Metric;
use nigh_index::vector::multi::{MultiSpec, MultiVector};
use nigh_index::vector::spec::VectorSpec;
use nigh_storage::collection::Collection;
use nigh_storage::point::Point;
use nigh_storage::schema::{CollectionSpec, MultiField, SparseField, TextField, VectorField, VectorPlace};
use nigh_storage::snapshot::Snapshot;
use nigh_storage::write::{Durability, Position, Selector, Write, WriteBatch};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

const SIZES: [u32; 2] = [4, 3];

/// A point as it should be found.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Stored {
    payload: Map<String, Value>,
    vectors: BTreeMap<u16, Vec<f32>>,
    sparse: BTreeMap<u16, SparseVector>,
    multi: BTreeMap<u16, MultiVector>,
    version: u64,
    expires_at_ms: Option<u64>,
}

impl Stored {
    /// Whether it is not expired.
    pub fn is_current(&self, now_ms: u64) -> bool {
        self.expires_at_ms.is_none_or(|time_ms| time_ms > now_ms)
    }

    /// Takes over a point's vectors, and keeps those of other fields.
    fn give(&mut self, point: &Point) {
        self.vectors.extend(point.vectors.iter().cloned());
        self.sparse.extend(point.sparse.iter().cloned());
        self.multi.extend(point.multi.iter().cloned());
    }
}

/// All points of a collection.
pub type Model = BTreeMap<PointId, Stored>;

pub fn spec() -> CollectionSpec {
    let vector =
        |(at, size): (usize, &u32)| VectorField { name: format!("v{at}"), spec: VectorSpec::new(*size, Metric::Dot) };
    let text = TextField { name: "text".to_owned(), paths: Vec::new(), spec: TextSpec::default() };
    let vectors = SIZES.iter().enumerate().map(vector).collect();
    let sparse = vec![SparseField { name: "s".to_owned(), spec: SparseSpec { idf: false } }];
    let multi = vec![MultiField { name: "m".to_owned(), spec: MultiSpec { size: 2, metric: Metric::Dot } }];
    CollectionSpec { vectors, sparse, multi, texts: vec![text], ..CollectionSpec::default() }
}

/// When an operation is written: its number, and its batch's time.
#[derive(Copy, Clone)]
pub struct Written {
    pub seq: u64,
    pub time_ms: u64,
}

impl Written {
    /// What an operation makes of the points. Those that are expired are not there for it; only a delete
    /// takes one of them away by its id.
    pub fn apply(self, model: &mut Model, write: &Write) {
        let Self { seq, time_ms } = self;
        let ids = |model: &Model, selector: &Selector| -> Vec<PointId> {
            match selector {
                Selector::Ids(ids) => ids.clone(),
                Selector::Filter(filter) => matching(model, filter, time_ms).into_iter().collect(),
            }
        };
        let mut each = |selector: &Selector, change: &dyn Fn(&mut Stored)| {
            for id in ids(model, selector) {
                if let Some(stored) = model.get_mut(&id).filter(|stored| stored.is_current(time_ms)) {
                    change(stored);
                    stored.version = seq;
                }
            }
        };
        match write {
            Write::Upsert(point) => {
                let (payload, expires_at_ms) = (object(&point.payload), point.expires_at_ms);
                let mut stored = Stored { payload, version: seq, expires_at_ms, ..Stored::default() };
                stored.give(point);
                model.insert(point.id, stored);
            }
            Write::Delete(selector) => ids(model, selector).iter().for_each(|id| drop(model.remove(id))),
            Write::SetPayload(selector, payload) => each(selector, &|stored| stored.payload.extend(object(payload))),
            Write::OverwritePayload(selector, payload) => each(selector, &|stored| stored.payload = object(payload)),
            Write::DeletePayloadKeys(selector, keys) => {
                each(selector, &|stored| keys.iter().for_each(|key| drop(stored.payload.remove(key))));
            }
            Write::ClearPayload(selector) => each(selector, &|stored| stored.payload.clear()),
            Write::UpdateVectors(point) => {
                each(&Selector::Ids(vec![point.id]), &|stored| stored.give(point));
            }
            Write::DeleteVectors(selector, fields) => each(selector, &|stored| {
                stored.vectors.retain(|field, _| !fields.contains(&VectorPlace::Dense(*field)));
                stored.sparse.retain(|field, _| !fields.contains(&VectorPlace::Sparse(*field)));
                stored.multi.retain(|field, _| !fields.contains(&VectorPlace::Multi(*field)));
            }),
            Write::SetExpiry(selector, expires_at_ms) => {
                each(selector, &|stored| stored.expires_at_ms = *expires_at_ms);
            }
            Write::DropSource(_) => {}
        }
    }
}

/// The batch that ends with this operation, by its name and its place in a source.
pub fn named(ops: Vec<Write>, seq: u64) -> WriteBatch {
    let position = Position { source: "script".to_owned(), offset: seq, ..Position::default() };
    WriteBatch { op_id: Some(Uuid::from_u128(u128::from(seq))), positions: vec![position], ..ops.into() }
}

/// How what is remembered of the batches differs from how far the source is, and the last batch that has a name.
pub fn ledger_differs(collection: &Collection, source: u64, named_last: Option<u64>) -> Option<String> {
    let offsets: Vec<u64> = collection.positions(Some("script")).iter().map(|one| one.offset).collect();
    if offsets != if source > 0 { vec![source] } else { Vec::new() } {
        return Some(format!("the source is at {offsets:?}, not {source}"));
    }
    let seq = named_last?;
    // By its name alone; it would be seen if it were applied.
    let again = WriteBatch { positions: Vec::new(), ..named(vec![Write::Delete(Selector::Ids(Vec::new()))], seq) };
    match collection.write_batch(again, Durability::Logged) {
        Ok(written) if written.duplicate && written.seq == seq => None,
        other => Some(format!("the batch that ends with {seq} comes again, and it is {other:?}")),
    }
}

/// How what a snapshot holds differs from what it should hold at a time, in any way of asking.
pub fn difference(snapshot: &Snapshot, model: &Model, now_ms: u64) -> Option<String> {
    let wanted = |id: &PointId| model.get(id).filter(|stored| stored.is_current(now_ms));
    let mut found = Model::new();
    for view in &snapshot.parts {
        for row in (0..view.part.rows()).map(nigh_index::row::Row).filter(|row| !view.dead.has(*row)) {
            let payload = match view.payload(row) {
                Ok(Value::Object(payload)) => payload,
                other => return Some(format!("a payload is {other:?}")),
            };
            let vector = |at: u16| Some((at, view.part.nearest(usize::from(at)).vector(row)?.into_owned()));
            let vectors = (0..SIZES.len() as u16).filter_map(vector).collect();
            let others = view.part.others();
            let sparse = others.sparse(0).and_then(|part| part.vector(row)).map(|own| (0, own)).into_iter().collect();
            let multi = others.multi(0).and_then(|part| part.vectors(row)).map(|own| (0, own)).into_iter().collect();
            let (version, expires_at_ms) = (view.part.version(row), view.part.expires_at_ms(row));
            let stored = Stored { payload, vectors, sparse, multi, version, expires_at_ms };
            if found.insert(view.part.id(row), stored).is_some() {
                return Some(format!("{} is there twice", view.part.id(row)));
            }
        }
    }
    let ids: BTreeSet<&PointId> = found.keys().chain(model.keys()).collect();
    if let Some(id) = ids.into_iter().find(|id| found.get(id) != wanted(id)) {
        return Some(format!("{id} is {:?}, not {:?}", found.get(id), wanted(id)));
    }
    filters_differ(snapshot, &found)
        .or_else(|| texts_differ(snapshot, &found))
        .or_else(|| postings_differ(snapshot, &found))
}

/// The lists by index and the rows tell the same.
fn postings_differ(snapshot: &Snapshot, model: &Model) -> Option<String> {
    for index in [0, 7_000] {
        let asked = SparseVector::new(vec![index], vec![1.0]).expect("it is one");
        let mut found = BTreeSet::new();
        for view in &snapshot.parts {
            let Some(part) = view.part.others().sparse(0) else { continue };
            let mut alive = Bitmap::full(view.part.rows());
            alive.minus(&view.dead);
            let alive = Selection::new(alive, view.part.rows());
            let hits = search(part, &weights::plain(&asked), view.part.rows() as usize, Some(&alive)).hits;
            found.extend(hits.iter().map(|hit| view.part.id(hit.row)));
        }
        let has = |stored: &Stored| stored.sparse.get(&0).is_some_and(|own| own.indices().contains(&index));
        let expected: BTreeSet<PointId> = model.iter().filter(|(_, stored)| has(stored)).map(|(id, _)| *id).collect();
        if found != expected {
            return Some(format!("index {index} is in {found:?}, not in {expected:?}"));
        }
    }
    None
}

fn filters_differ(snapshot: &Snapshot, model: &Model) -> Option<String> {
    for text in ["n < 8", "tag = 'a' OR n > 15"] {
        let filter = parse(text).expect("it is a filter");
        let mut found = BTreeSet::new();
        for view in &snapshot.parts {
            let mut rows = match eval(&filter, view.part.fields(), view) {
                Ok(matched) => matched.rows,
                Err(err) => return Some(format!("{text}: {err}")),
            };
            rows.minus(&view.dead);
            found.extend(rows.iter().map(|row| view.part.id(row)));
        }
        let expected = matching(model, &filter, 0);
        if found != expected {
            return Some(format!("{text} finds {found:?}, not {expected:?}"));
        }
    }
    None
}

fn texts_differ(snapshot: &Snapshot, model: &Model) -> Option<String> {
    for word in ["even", "third"] {
        let terms = [(word.to_owned(), 1)];
        let mut found = 0;
        for view in &snapshot.parts {
            match view.part.text(0).statistics(&terms, &view.dead) {
                Ok(statistics) => found += statistics.frequencies[0],
                Err(err) => return Some(format!("{word}: {err}")),
            }
        }
        let says =
            |stored: &&Stored| stored.payload.get("text").is_some_and(|text| text.as_str().unwrap().contains(word));
        let expected = model.values().filter(says).count() as u64;
        if found != expected {
            return Some(format!("`{word}` is in {found} points, not {expected}"));
        }
    }
    None
}

fn matching(model: &Model, filter: &Condition, now_ms: u64) -> BTreeSet<PointId> {
    let matches = |(id, stored): &(&PointId, &Stored)| {
        stored.is_current(now_ms) && holds(filter, id, &Value::Object(stored.payload.clone()))
    };
    model.iter().filter(matches).map(|(id, _)| *id).collect()
}

fn object(text: &[u8]) -> Map<String, Value> {
    match serde_json::from_slice(text).unwrap() {
        Value::Object(map) => map,
        other => panic!("{other} is no object"),
    }
}

/// Numbers that a seed decides (splitmix64).
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }

    fn id(&mut self) -> PointId {
        match self.below(24) {
            number @ 0..20 => PointId::Num(number),
            other => PointId::Uuid(Uuid::from_u128(u128::from(other))),
        }
    }

    fn ids(&mut self) -> Vec<PointId> {
        (0..1 + self.below(4)).map(|_| self.id()).collect()
    }

    fn selector(&mut self) -> Selector {
        match self.below(4) {
            0 => Selector::Filter(parse(&format!("n = {}", self.below(20))).expect("it is a filter")),
            _ => Selector::Ids(self.ids()),
        }
    }

    /// Now and then a time that is soon to come, or not in this test.
    fn expires_at_ms(&mut self, now_ms: u64) -> Option<u64> {
        match self.below(8) {
            0 => Some((1 << 62) + self.below(100)),
            1 => Some(now_ms + 1 + self.below(60)),
            _ => None,
        }
    }

    fn payload(&mut self) -> Map<String, Value> {
        let number = self.below(20);
        let mut text = format!("number {number}");
        text.push_str(if number.is_multiple_of(2) { " even" } else { " odd" });
        text.push_str(if number.is_multiple_of(3) { " third" } else { "" });
        let Value::Object(mut all) = json!({
            "n": number, "tag": (["a", "b", "c"][self.below(3) as usize]), "text": text,
            "filler": "x".repeat(self.below(400) as usize),
        }) else {
            unreachable!("it is an object")
        };
        all.retain(|_, _| self.below(4) > 0);
        all
    }

    fn vectors(&mut self) -> Vec<(u16, Vec<f32>)> {
        let mut vectors = Vec::new();
        for (field, size) in SIZES.iter().enumerate() {
            if self.below(4) > 0 {
                vectors.push((field as u16, (0..*size).map(|_| self.below(100) as f32 - 49.5).collect()));
            }
        }
        vectors
    }

    /// A point with vectors of some fields, of every kind.
    fn point(&mut self) -> Point {
        let mut point = Point { vectors: self.vectors(), ..Point::new(self.id()) };
        if self.below(3) > 0 {
            let indices: BTreeSet<u32> = (0..1 + self.below(4)).map(|_| self.below(9) as u32 * 1_000).collect();
            let values = indices.iter().map(|_| self.below(100) as f32 + 0.5).collect();
            point.sparse = vec![(0, SparseVector::new(indices.into_iter().collect(), values).expect("they rise"))];
        }
        if self.below(3) > 0 {
            let count = 1 + self.below(3) as u32;
            let values = (0..2 * count).map(|_| self.below(100) as f32 - 0.5).collect();
            point.multi = vec![(0, MultiVector { values, count })];
        }
        point
    }

    /// An operation; more upserts than others.
    pub fn write(&mut self, now_ms: u64) -> Write {
        let text = |payload: Map<String, Value>| Value::Object(payload).to_string().into();
        match self.below(16) {
            0 | 1 => Write::Delete(self.selector()),
            2 => Write::SetPayload(self.selector(), text(self.payload())),
            3 => Write::OverwritePayload(self.selector(), text(self.payload())),
            4 => Write::DeletePayloadKeys(self.selector(), vec!["tag".to_owned(), "filler".to_owned()]),
            5 => Write::ClearPayload(self.selector()),
            6 => Write::UpdateVectors(self.point()),
            7 => {
                let places =
                    [VectorPlace::Dense(0), VectorPlace::Dense(1), VectorPlace::Sparse(0), VectorPlace::Multi(0)];
                Write::DeleteVectors(self.selector(), vec![places[self.below(4) as usize]])
            }
            8 => Write::SetExpiry(self.selector(), self.expires_at_ms(now_ms)),
            _ => {
                let (point, payload) = (self.point(), text(self.payload()));
                Write::Upsert(Point { payload, expires_at_ms: self.expires_at_ms(now_ms), ..point })
            }
        }
    }
}
