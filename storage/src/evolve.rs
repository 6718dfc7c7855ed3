//! Vector and text fields that come and go while a collection lives.
//!
//! What a collection holds stands in its manifest, so a change is one save of it: a crash finds the old fields or the new
//! ones. No part is touched. A part that was made before a field was added has no vector of it; the vectors of a dropped
//! field can not be named any more, and are left behind when their part is written anew. A field keeps its place for ever,
//! so operations of the log mean the same after a change as before.
//!
//! A text field is read out of payloads, so what was written before it was added belongs to it too: parts that were made
//! before are written anew, by upkeep or by whoever waits for it ([`Collection::read_texts`]). Until then a part says that it
//! has no text of the field, which is something else than having none of its words.

use crate::collection::{Collection, Inner};
use crate::error::{Error, Result};
use crate::merge::{self, lacks_text};
use crate::prepare::Schema;
use crate::schema::{CollectionSpec, FIELDS_MAX, NewField, TextField, VectorPlace};
use crate::seal;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// A collection has had at most this many vector fields of a kind, those that were dropped among them.
pub const PLACES_MAX: usize = 16 * FIELDS_MAX;

/// Why parts are written anew.
const READING: &str = "a text field was added";

impl Collection {
    /// Adds a vector field, durably: whoever is told so finds it after a crash. False where an equal one is there.
    pub fn add_vectors(&self, field: NewField) -> Result<bool> {
        self.inner.evolve(|spec| added(spec, field))
    }

    /// Adds a text field, durably. False where an equal one is there. What was written before is not found by it until
    /// [`Self::read_texts`] has returned.
    pub fn add_text(&self, field: TextField) -> Result<bool> {
        self.inner.evolve(|spec| text_added(spec, field))
    }

    /// Drops a text field, durably; payloads keep their texts. False where there is none of this name.
    pub fn drop_text(&self, name: &str) -> Result<bool> {
        self.inner.evolve(|spec| Ok(text_dropped(spec, name)))
    }

    /// Reads what was written before a text field was added: what is live is sealed, and segments are written anew, one
    /// after another.
    ///
    /// # Errors
    ///
    /// What the disk says; what was read until then stays read. [`Error::Closed`] where the collection is being closed, or
    /// a merge was called off.
    pub fn read_texts(&self) -> Result<()> {
        let inner = &self.inner;
        let live = |inner: &Inner| {
            let state = inner.state.lock();
            let mut live = state.entries.iter().filter(|entry| entry.is_live());
            live.any(|entry| lacks_text(entry.held.part(), &state.schema.spec))
        };
        while live(inner) {
            if let Some(err) = inner.poisoned() {
                return Err(err);
            }
            if !seal::seal(inner, READING)? && inner.stop.load(Ordering::Relaxed) {
                return Err(Error::Closed { name: inner.name.clone() });
            }
        }
        while merge::reread(inner, READING)? {}
        Ok(())
    }

    /// Drops a vector field, durably. False where there is none of this name.
    pub fn drop_vectors(&self, name: &str) -> Result<bool> {
        self.inner.evolve(|spec| Ok(dropped(spec, name)))
    }
}

impl Inner {
    fn evolve(&self, next: impl FnOnce(&CollectionSpec) -> Result<Option<CollectionSpec>>) -> Result<bool> {
        if let Some(err) = self.poisoned() {
            return Err(err);
        }
        let mut manifest = self.manifest.lock();
        let Some(spec) = next(&manifest.spec)? else { return Ok(false) };
        spec.validate()?;
        let schema = Arc::new(Schema::new(Arc::new(spec.clone()))?);
        let mut changed = manifest.clone();
        changed.spec = spec;
        self.save_manifest(&mut manifest, changed)?;
        let mut state = self.state.lock();
        state.schema = schema.clone();
        // What is known of filters may have been found by names that mean another field now.
        state.entries.iter_mut().for_each(|entry| entry.selections = Arc::default());
        self.publish(&state);
        // Whoever reads a name by this schema finds a snapshot that knows it.
        self.schema.store(schema);
        Ok(true)
    }
}

fn added(spec: &CollectionSpec, field: NewField) -> Result<Option<CollectionSpec>> {
    let mut next = spec.clone();
    if let Some(place) = spec.field(field.name()) {
        let equal = match (&field, place) {
            (NewField::Dense(field), VectorPlace::Dense(at)) => spec.vectors[usize::from(at)] == *field,
            (NewField::Sparse(field), VectorPlace::Sparse(at)) => spec.sparse[usize::from(at)] == *field,
            (NewField::Multi(field), VectorPlace::Multi(at)) => spec.multi[usize::from(at)] == *field,
            _ => false,
        };
        let limit = "a field of this name is there already, and is not equal";
        return if equal { Ok(None) } else { Err(Error::invalid("name", format!("`{}`", field.name()), limit)) };
    }
    let places = match &field {
        NewField::Dense(_) => next.vectors.len(),
        NewField::Sparse(_) => next.sparse.len(),
        NewField::Multi(_) => next.multi.len(),
    };
    if places >= PLACES_MAX {
        let limit = format!("a collection has had at most {PLACES_MAX} of a kind, dropped ones among them");
        return Err(Error::invalid("vector fields", places + 1, limit));
    }
    match field {
        NewField::Dense(field) => next.vectors.push(field),
        NewField::Sparse(field) => next.sparse.push(field),
        NewField::Multi(field) => next.multi.push(field),
    }
    Ok(Some(next))
}

fn text_added(spec: &CollectionSpec, field: TextField) -> Result<Option<CollectionSpec>> {
    if let Some((_, known)) = spec.text_fields().find(|(_, known)| known.name == field.name) {
        let limit = "a text field of this name is there already, and is not equal";
        let equal = *known == field;
        return if equal { Ok(None) } else { Err(Error::invalid("name", format!("`{}`", field.name), limit)) };
    }
    if spec.texts.len() >= PLACES_MAX {
        let limit = format!("a collection has had at most {PLACES_MAX}, dropped ones among them");
        return Err(Error::invalid("text fields", spec.texts.len() + 1, limit));
    }
    let mut next = spec.clone();
    next.texts.push(field);
    Ok(Some(next))
}

fn text_dropped(spec: &CollectionSpec, name: &str) -> Option<CollectionSpec> {
    let mut next = spec.clone();
    let (at, _) = spec.text_fields().find(|(_, field)| field.name == name)?;
    // At most PLACES_MAX: seen to when one is added.
    next.dropped_texts.push(at as u16);
    Some(next)
}

fn dropped(spec: &CollectionSpec, name: &str) -> Option<CollectionSpec> {
    let mut next = spec.clone();
    next.dropped.push(spec.field(name)?);
    Some(next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::cruel::{CruelDisk, Fault};
    use crate::kinds::with_vector;
    use crate::live::LivePart;
    use crate::part::Part;
    use crate::point::Point;
    use crate::schema::{MultiField, SparseField, VectorField};
    use crate::store::{Options, Store};
    use crate::write::{Durability, Selector, Write};
    use nigh_index::bitmap::Bitmap;
    use nigh_index::id::PointId;
    use nigh_index::row::{Kept, Row};
    use nigh_index::sparse::spec::SparseSpec;
    use nigh_index::sparse::vector::SparseVector;
    use nigh_index::text::spec::TextSpec;
    use nigh_index::text::syntax::Ask;
    use nigh_index::vector::metric::Metric;
    use nigh_index::vector::multi::{MultiSpec, MultiVector};
    use nigh_index::vector::spec::VectorSpec;
    use std::path::Path;

    fn dense(name: &str) -> NewField {
        NewField::Dense(VectorField { name: name.into(), spec: VectorSpec::new(2, Metric::Dot) })
    }

    fn sparse(name: &str) -> NewField {
        NewField::Sparse(SparseField { name: name.into(), spec: SparseSpec { idf: true } })
    }

    fn multi(name: &str) -> NewField {
        NewField::Multi(MultiField { name: name.into(), spec: MultiSpec { size: 2, metric: Metric::Dot } })
    }

    fn open(disk: &Arc<CruelDisk>) -> Arc<Store> {
        let options = Options { background: false, ..Options::default() };
        Store::open(disk.clone(), Path::new("/data"), options).unwrap()
    }

    fn point(id: u64) -> Point {
        Point {
            vectors: vec![(0, vec![id as f32, 1.0])],
            sparse: vec![(0, SparseVector::new(vec![id as u32, 7], vec![0.5, 2.0]).unwrap())],
            multi: vec![(0, MultiVector::of([[1.0, 2.0], [3.0, id as f32]]))],
            ..Point::new(id)
        }
    }

    fn stored(collection: &Collection, id: u64) -> Point {
        let snapshot = collection.snapshot();
        let (part, row) = snapshot.find(&PointId::Num(id)).unwrap();
        crate::fold::stored_point(&snapshot, part, row).unwrap()
    }

    fn write(collection: &Collection, write: Write) {
        collection.write(vec![write], Durability::Durable).unwrap();
    }

    fn text(name: &str, path: &str) -> TextField {
        TextField { name: name.into(), paths: vec![path.into()], spec: TextSpec::default() }
    }

    fn saying(id: u64, body: &str) -> Write {
        Write::Upsert(Point { payload: format!("{{\"body\":\"{body}\"}}").into(), ..Point::new(id) })
    }

    /// The points whose text of this field has a word, by rising id.
    fn having(collection: &Collection, field: usize, word: &str) -> Vec<PointId> {
        let snapshot = collection.snapshot();
        assert_eq!(snapshot.unread_texts(field), 0);
        let mut found = Vec::new();
        for view in &snapshot.parts {
            let mut rows = view.part.text(field).rows(&Ask::Term(word.to_owned())).unwrap();
            rows.minus(&view.dead);
            found.extend(rows.iter().map(|row| view.part.id(row)));
        }
        found.sort_unstable();
        found
    }

    fn nums(ids: &[u64]) -> Vec<PointId> {
        ids.iter().map(|id| PointId::Num(*id)).collect()
    }

    #[test]
    fn texts_are_read_for_a_field_that_is_added() {
        let disk = Arc::new(CruelDisk::new());
        let store = open(&disk);
        store.create("c", CollectionSpec { texts: vec![text("old", "title")], ..CollectionSpec::default() }).unwrap();
        let collection = store.collection("c").unwrap();
        for (id, body) in [(1, "boats"), (2, "stone boats"), (3, "letters")] {
            write(&collection, saying(id, body));
        }
        collection.seal().unwrap();
        write(&collection, saying(3, "more boats"));
        write(&collection, saying(4, "boats"));
        write(&collection, saying(5, "wind"));

        assert!(collection.add_text(text("body", "body")).unwrap());
        assert!(!collection.add_text(text("body", "body")).unwrap(), "it is there");
        assert!(collection.add_text(text("body", "title")).is_err(), "the name is taken");
        assert_eq!(collection.spec().text("body").unwrap(), 1);
        // What is there is not read yet, which is no answer; what comes is. Live parts may become one meanwhile, which is
        // read then; a segment is left in any case.
        assert!([2, 5].contains(&collection.snapshot().unread_texts(1)));
        write(&collection, saying(6, "a boats"));
        assert!([2, 5].contains(&collection.snapshot().unread_texts(1)));
        collection.read_texts().unwrap();
        for round in 0..3 {
            assert_eq!(having(&collection, 1, "boats"), nums(&[1, 2, 3, 4, 6]), "round {round}");
            assert_eq!(having(&collection, 0, "boats"), [], "the other field reads another path");
            match round {
                0 => write(&collection, saying(7, "nothing")),
                _ => collection.settle().unwrap(),
            }
        }
        collection.read_texts().unwrap();

        assert!(collection.drop_text("body").unwrap());
        assert!(!collection.drop_text("body").unwrap());
        assert!(collection.spec().text("body").is_err());
        write(&collection, saying(8, "boats"));
        assert!(collection.add_text(text("body", "body")).unwrap(), "the name is free again");
        assert_eq!(collection.spec().text("body").unwrap(), 2);
        // After a crash all of it stands, and upkeep reads what waits.
        let store = open(&Arc::new(disk.crash(1)));
        let collection = store.collection("c").unwrap();
        assert!(collection.snapshot().unread_texts(2) > 0);
        assert!(collection.merge().unwrap(), "a segment that was not read is due");
        assert_eq!(having(&collection, 2, "boats"), nums(&[1, 2, 3, 4, 6, 8]));
    }

    #[test]
    fn what_was_prepared_before_a_text_field_was_added_is_read_for_it() {
        let old = Schema::new(Arc::new(CollectionSpec::default())).unwrap();
        let spec = CollectionSpec { texts: vec![text("body", "body")], ..CollectionSpec::default() };
        let new = Schema::new(Arc::new(spec)).unwrap();
        let Write::Upsert(point) = saying(1, "stone boats") else { unreachable!() };
        let row = old.row(point).unwrap();
        let has = |part: &LivePart| part.text(0).rows(&Ask::Term("stone".to_owned())).unwrap().len();
        assert_eq!(has(&LivePart::build(&new, vec![row.clone()])), 1);
        let before = LivePart::build(&old, vec![row]);
        assert!(!before.has_text(0));
        let rows = [Row(0)];
        assert_eq!(has(&LivePart::concat(&new, &[Kept { part: &before, rows: &rows }])), 1);
    }

    /// Reads texts while each disk call fails in turn, or the power is cut there: whoever was told that they are read finds
    /// them, and where nobody was they can be read afterwards.
    #[test]
    fn texts_are_read_or_can_be_read_wherever_the_disk_fails() {
        let begin = |disk: &Arc<CruelDisk>| {
            let store = open(disk);
            store.create("c", CollectionSpec::default()).unwrap();
            let collection = store.collection("c").unwrap();
            write(&collection, saying(1, "boats"));
            collection.seal().unwrap();
            write(&collection, saying(2, "boats"));
            (store, collection)
        };
        let read =
            |collection: &Collection| collection.add_text(text("body", "body")).and_then(|_| collection.read_texts());
        let mut outcomes = [0, 0];
        for call in 0..80 {
            for cut in [false, true] {
                let disk = Arc::new(CruelDisk::new());
                let (_store, collection) = begin(&disk);
                match cut {
                    true => disk.cut_power_at(disk.calls() + call),
                    false => disk.fail_at(call, Fault::Io),
                }
                let told = read(&collection);
                outcomes[usize::from(told.is_ok())] += 1;
                if !cut {
                    disk.heal();
                }
                for seed in 0..3 {
                    let store = open(&Arc::new(disk.crash(seed)));
                    let collection = store.collection("c").unwrap();
                    let place = format!("call {call}, cut {cut}, seed {seed}");
                    if told.is_ok() {
                        assert_eq!(having(&collection, 0, "boats"), nums(&[1, 2]), "{place}");
                    }
                    read(&collection).unwrap();
                    assert_eq!(having(&collection, 0, "boats"), nums(&[1, 2]), "{place}");
                }
            }
        }
        assert!(outcomes[0] > 20 && outcomes[1] > 20, "{outcomes:?}");
    }

    #[test]
    fn fields_come_and_go_and_stay_so() {
        let disk = Arc::new(CruelDisk::new());
        let store = open(&disk);
        store.create("c", CollectionSpec::default()).unwrap();
        let collection = store.collection("c").unwrap();
        for id in 0..4 {
            write(&collection, Write::Upsert(Point::new(id)));
        }
        collection.seal().unwrap();
        for field in [dense("d"), sparse("s"), multi("m")] {
            assert!(collection.add_vectors(field.clone()).unwrap());
            assert!(!collection.add_vectors(field).unwrap(), "it is there");
        }
        assert!(collection.add_vectors(sparse("d")).is_err(), "the name is taken");
        assert_eq!(stored(&collection, 3), Point::new(3));
        for id in 2..6 {
            write(&collection, Write::Upsert(point(id)));
        }
        for round in 0..5 {
            for id in 2..6 {
                assert_eq!(stored(&collection, id), point(id), "round {round}");
            }
            for place in [VectorPlace::Dense(0), VectorPlace::Sparse(0), VectorPlace::Multi(0)] {
                let with = |view: &crate::snapshot::PartView| {
                    let mut rows = with_vector(&*view.part, place).unwrap_or_else(|| Bitmap::full(view.part.rows()));
                    rows.minus(&view.dead);
                    rows.len()
                };
                let points: u64 = collection.snapshot().parts.iter().map(with).sum();
                assert_eq!(points, 4, "round {round}, {place:?}");
            }
            match round {
                0 => assert!(collection.seal().unwrap()),
                1 => write(&collection, Write::UpdateVectors(point(5))),
                2 | 3 => collection.settle().unwrap(),
                _ => {}
            }
        }
        let gone = vec![VectorPlace::Sparse(0), VectorPlace::Multi(0)];
        write(&collection, Write::DeleteVectors(Selector::Ids(vec![PointId::Num(2)]), gone));
        assert_eq!(stored(&collection, 2), Point { sparse: vec![], multi: vec![], ..point(2) });
        for name in ["d", "s", "m"] {
            assert!(collection.drop_vectors(name).unwrap());
            assert!(!collection.drop_vectors(name).unwrap());
        }
        assert!(collection.add_vectors(multi("d")).unwrap(), "the name is free again");
        assert_eq!(collection.spec().field("d"), Some(VectorPlace::Multi(1)));
        let late = collection.write(vec![Write::Upsert(point(9))], Durability::Durable);
        assert!(late.is_err(), "there is no such field any more");
        let later = Point { multi: vec![(1, MultiVector::of([[5.0, 6.0]]))], ..Point::new(9) };
        write(&collection, Write::Upsert(later.clone()));
        let bytes = || collection.status().segments.iter().map(|segment| segment.bytes).sum::<u64>();
        let before = bytes();
        collection.settle().unwrap();
        assert!(bytes() < before, "{} bytes are left of {before}", bytes());
        drop((collection, store));
        let collection = open(&disk).collection("c").unwrap();
        assert_eq!(stored(&collection, 9), later);
        assert_eq!(stored(&collection, 4), Point::new(4));
    }

    #[test]
    fn a_drop_gives_its_space_back_by_itself() {
        let store = open(&Arc::new(CruelDisk::new()));
        store.create("c", CollectionSpec::default()).unwrap();
        let collection = store.collection("c").unwrap();
        collection.add_vectors(dense("d")).unwrap();
        write(&collection, Write::Upsert(Point { vectors: vec![(0, vec![1.0, 2.0])], ..Point::new(1) }));
        collection.seal().unwrap();
        assert!(!collection.merge().unwrap());
        collection.drop_vectors("d").unwrap();
        assert!(collection.merge().unwrap(), "there is something to leave behind");
        assert!(!collection.merge().unwrap());
    }

    /// Fields are changed while each disk call fails in turn, or the power is cut there: what was acknowledged
    /// stands, and the collection goes on.
    #[test]
    fn a_change_happens_or_not() {
        let mut outcomes = [0, 0];
        for call in 0..16 {
            let disk = Arc::new(CruelDisk::new());
            let store = open(&disk);
            store.create("c", CollectionSpec::default()).unwrap();
            let collection = store.collection("c").unwrap();
            collection.add_vectors(dense("d")).unwrap();
            disk.fail_at(call, Fault::Io);
            let added = collection.add_vectors(sparse("s"));
            disk.heal();
            outcomes[usize::from(added.is_ok())] += 1;
            for seed in 0..8 {
                let store = open(&Arc::new(disk.crash(seed)));
                let spec = store.collection("c").unwrap().spec();
                assert_eq!(spec.field("d"), Some(VectorPlace::Dense(0)));
                if added.is_ok() {
                    assert_eq!(spec.field("s"), Some(VectorPlace::Sparse(0)), "call {call}, seed {seed}");
                }
            }
        }
        assert!(outcomes[0] > 2 && outcomes[1] > 2, "{outcomes:?}");
    }
}
