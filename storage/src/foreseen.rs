//! What the filter of a write matches, found in the caller's thread.
//!
//! ```text
//! caller   snapshot -> each part: filter -> rows that match, dead ones included     as long as it takes
//! writer   each part: known? -> those rows, minus the dead of now                   a part that came since: evaluated
//! ```
//!
//! A part never changes, so neither does what matches in it; which rows are dead is the writer's own knowledge. Without
//! this, a filter over fields without an index would keep all other writers waiting for as long as it takes to read
//! every payload.

use crate::error::Result;
use crate::part::Part;
use crate::schema::CollectionSpec;
use crate::selections::Awaited;
use crate::snapshot::{PartView, Snapshot};
use nigh_index::bitmap::Bitmap;
use nigh_index::filter::condition::Condition;
use nigh_index::filter::eval;
use std::sync::Arc;

/// What is foreseen for one batch holds at most so many bytes. What is beyond, of a batch of very many filters, the
/// writer finds by itself.
pub(crate) const BYTES_MAX: usize = 64 << 20;

/// The rows that match in parts; see the head of this room.
#[derive(Default)]
pub(crate) struct Foreseen {
    spec: Option<Arc<CollectionSpec>>,
    parts: Vec<(Arc<dyn Part>, Bitmap)>,
}

impl Foreseen {
    /// In every part of a snapshot, as long as `left` bytes allow it and `go_on` says so.
    pub(crate) fn of(
        filter: &Condition,
        snapshot: &Snapshot,
        left: &mut usize,
        go_on: &dyn Fn() -> bool,
    ) -> Result<Self> {
        let mut parts = Vec::with_capacity(snapshot.parts.len());
        for view in &snapshot.parts {
            if *left == 0 {
                break;
            }
            let rows = eval::eval(filter, view.part.fields(), &Awaited { view, go_on })?.rows;
            *left = left.saturating_sub(rows.memory_bytes());
            parts.push((view.part.clone(), rows));
        }
        Ok(Self { spec: Some(snapshot.spec.clone()), parts })
    }

    /// What matches in this part, if that is known.
    pub(crate) fn rows(&self, view: &PartView) -> Option<&Bitmap> {
        // Which names have vectors is told by the spec.
        let same_spec = self.spec.as_ref().is_some_and(|spec| Arc::ptr_eq(spec, &view.spec));
        let known =
            || self.parts.iter().find(|(part, _)| std::ptr::addr_eq(Arc::as_ptr(part), Arc::as_ptr(&view.part)));
        if same_spec { known().map(|(_, rows)| rows) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collection::Collection;
    use crate::disk::cruel::CruelDisk;
    use crate::point::Point;
    use crate::store::{Options, Store};
    use crate::write::{Durability, Selector, Write};
    use bytes::Bytes;
    use nigh_index::filter::parse::parse;
    use std::path::Path;

    /// Points 0 to 8, of which no field has an index: `n` is the rest of three. Nobody writes but who takes a turn.
    fn filled() -> (Arc<Store>, Arc<Collection>) {
        let options = Options { background: false, writer_thread: false, ..Options::default() };
        let store = Store::open(Arc::new(CruelDisk::new()), Path::new("/data"), options).unwrap();
        store.create("c", CollectionSpec { no_auto_index: true, ..CollectionSpec::default() }).unwrap();
        let collection = store.collection("c").unwrap();
        collection.write((0..9).map(|id| upsert(id, id % 3)).collect(), Durability::Durable).unwrap();
        (store, collection)
    }

    fn upsert(id: u64, n: u64) -> Write {
        Write::Upsert(Point { payload: Bytes::from(format!("{{\"n\":{n}}}")), ..Point::new(id) })
    }

    fn delete_ones() -> Vec<Write> {
        vec![Write::Delete(Selector::Filter(parse("n = 1").unwrap()))]
    }

    fn left(collection: &Collection) -> Vec<u64> {
        let snapshot = collection.snapshot();
        (0..30).filter(|id| snapshot.find(&(*id).into()).is_some()).collect()
    }

    #[test]
    fn what_came_since_is_found_as_well() {
        for sealed in [false, true] {
            let (_store, collection) = filled();
            let ignore = || Box::new(|written: Result<_>| assert!(written.is_ok()));
            collection.submit(vec![upsert(20, 1), upsert(1, 2)], Durability::Durable, ignore()).unwrap();
            // When it is foreseen neither of the two is written.
            collection.submit(delete_ones(), Durability::Durable, ignore()).unwrap();
            if sealed {
                collection.seal().unwrap();
            }
            collection.turn(false);
            assert_eq!(left(&collection), [0, 1, 2, 3, 5, 6, 8], "sealed in between: {sealed}");
        }
    }

    #[test]
    fn who_waits_no_more_writes_nothing() {
        let (_store, collection) = filled();
        let done = Box::new(|_| panic!("it was written"));
        let called_off = collection.submit_while(delete_ones().into(), Durability::Durable, done, &|| false);
        assert!(called_off.is_err());
        collection.turn(false);
        assert_eq!(left(&collection).len(), 9);
    }

    #[test]
    fn every_part_is_known_as_long_as_there_is_room() {
        let (_store, collection) = filled();
        let (snapshot, filter) = (collection.snapshot(), parse("n = 1").unwrap());
        let mut room = BYTES_MAX;
        let known = Foreseen::of(&filter, &snapshot, &mut room, &|| true).unwrap();
        let rows = |foreseen: &Foreseen| {
            snapshot.parts.iter().filter_map(|view| Some(foreseen.rows(view)?.len())).sum::<u64>()
        };
        assert_eq!(rows(&known), 3);
        assert!(room < BYTES_MAX);
        let nothing = Foreseen::of(&filter, &snapshot, &mut 0, &|| true).unwrap();
        assert!(snapshot.parts.iter().all(|view| nothing.rows(view).is_none()));
    }
}
