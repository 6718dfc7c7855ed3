//! What seals and merges tell of themselves when they are over: to whoever watches a store.

use crate::collection::Inner;
use crate::error::Result;
use crate::upkeep::Task;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

/// A seal or a merge that is over.
#[derive(Clone, PartialEq, Debug)]
pub struct TaskEnd {
    /// "sealing" or "merging".
    pub what: &'static str,
    /// The collection.
    pub collection: String,
    /// Why it was begun.
    pub reason: String,
    /// Rows that it laid down, or would have.
    pub rows: u64,
    /// When it was begun.
    pub begun: Instant,
    /// What came of it.
    pub came_to: CameTo,
}

/// What came of a task.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum CameTo {
    /// It is done.
    Done,
    /// It was called off, or the collection was closed.
    CalledOff,
    /// It failed, and is tried again.
    Failed,
}

/// Somebody who is told of every seal and merge when it is over, in the thread that did it: so they must not block.
#[derive(Clone, Default)]
pub struct Hearer(Option<Arc<Hears>>);

type Hears = dyn Fn(&TaskEnd) + Send + Sync;

impl Hearer {
    /// Who does this with it.
    pub fn new(hears: impl Fn(&TaskEnd) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(hears)))
    }
}

impl fmt::Debug for Hearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Hearer" } else { "nobody" })
    }
}

impl Task {
    /// Tells what came of it, and gives that back.
    pub(crate) fn told(&self, inner: &Inner, result: Result<bool>) -> Result<bool> {
        let Some(hears) = &inner.options.hearer.0 else { return result };
        let came_to = match &result {
            Ok(true) => CameTo::Done,
            Ok(false) => CameTo::CalledOff,
            Err(_) => CameTo::Failed,
        };
        let status = self.status();
        let (what, reason, rows, begun) = (status.what, status.reason, status.rows, self.begun);
        hears(&TaskEnd { what, collection: inner.name.clone(), reason, rows, begun, came_to });
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::FsDisk;
    use crate::point::Point;
    use crate::schema::CollectionSpec;
    use crate::store::{Options, Store};
    use crate::write::{Durability, Write};
    use nigh_index::id::PointId;
    use parking_lot::Mutex;

    #[test]
    fn seals_and_merges_are_told_by_collection() {
        let folder = tempfile::tempdir().unwrap();
        let heard: Arc<Mutex<Vec<TaskEnd>>> = Arc::default();
        let hearer = Hearer::new({
            let heard = heard.clone();
            move |end| heard.lock().push(end.clone())
        });
        let options = Options { background: false, hearer, ..Options::default() };
        let store = Store::open(Arc::new(FsDisk), folder.path(), options).unwrap();
        store.create("c", CollectionSpec::default()).unwrap();
        let collection = store.collection("c").unwrap();
        for number in 0..4 {
            let point = Point::new(PointId::Num(number));
            collection.write(vec![Write::Upsert(point)], Durability::Durable).unwrap();
            assert!(collection.seal().unwrap());
        }
        assert!(!collection.seal().unwrap(), "there is nothing to seal, and nothing to tell");
        collection.settle().unwrap();
        let told: Vec<_> = heard.lock().iter().map(|end| (end.what, end.rows, end.came_to)).collect();
        let seal = ("sealing", 1, CameTo::Done);
        assert_eq!(told, [seal, seal, seal, seal, ("merging", 4, CameTo::Done)]);
        assert!(heard.lock().iter().all(|end| end.collection == "c"));
    }
}
