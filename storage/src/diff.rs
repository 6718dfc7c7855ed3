//! What differs between two states of a collection, in rising order of id.
//!
//! A segment that both states hold is not compared with itself: of it only the rows matter that are
//! dead in one state and not in the other. What was merged since is compared row
//! by row, by the operation that wrote each.

use crate::snapshot::{PartView, Snapshot};
use nigh_index::id::PointId;
use nigh_index::row::Row;
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::sync::Arc;

/// What became of a point.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// It is in the later state alone.
    Added,
    /// It is in the earlier state alone.
    Removed,
    /// It was written in between.
    Changed,
}

/// Points that differ.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Page {
    /// In rising order of id.
    pub changes: Vec<(PointId, Change)>,
    /// Where the next page starts, where there is one.
    pub next: Option<PointId>,
}

/// The points from this id on that differ, at most so many. `check` is asked now and then whether to go on.
pub fn page<E>(
    before: &Snapshot,
    after: &Snapshot,
    from: PointId,
    limit: usize,
    check: &dyn Fn() -> std::result::Result<(), E>,
) -> std::result::Result<Page, E> {
    /// Points between two looks at whether to go on.
    const POINTS_A_CHECK: usize = 1024;
    let (mut old, mut new) = (Points::new(before, after, from), Points::new(after, before, from));
    let mut page = Page::default();
    for at in 0.. {
        if at % POINTS_A_CHECK == 0 {
            check()?;
        }
        let order = match (old.peek(), new.peek()) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(old), Some(new)) => old.cmp(&new),
        };
        let (id, change) = match order {
            Ordering::Less => (old.next(), Change::Removed),
            Ordering::Greater => (new.next(), Change::Added),
            Ordering::Equal => {
                let (old, new) = (old.next(), new.next());
                let written = |place: &Option<Place<'_>>| place.as_ref().map(|it| it.view.part.version(it.row));
                if written(&old) == written(&new) {
                    continue;
                }
                (new, Change::Changed)
            }
        };
        let Some(Place { id, .. }) = id else { break };
        if page.changes.len() == limit {
            page.next = Some(id);
            break;
        }
        page.changes.push((id, change));
    }
    Ok(page)
}

/// A point that may differ, and where it stands.
struct Place<'s> {
    id: PointId,
    view: &'s PartView,
    row: Row,
}

/// The points of a state that may differ from another's, by rising id.
struct Points<'s> {
    parts: Vec<(&'s PartView, Rows<'s>)>,
    /// The least id of every part waits here; an id is alive in one part only.
    heap: BinaryHeap<Reverse<(PointId, usize, Row)>>,
}

type Rows<'s> = Box<dyn Iterator<Item = (PointId, Row)> + 's>;

impl<'s> Points<'s> {
    fn new(of: &'s Snapshot, other: &'s Snapshot, from: PointId) -> Self {
        let mut points = Self { parts: Vec::new(), heap: BinaryHeap::new() };
        for view in &of.parts {
            let shared = other.parts.iter().find(|one| Arc::ptr_eq(&one.part, &view.part));
            // What is alive in both states is the same point.
            let same = move |row: Row| shared.is_some_and(|other| !other.dead.has(row));
            if shared.is_some_and(|other| other.dead == view.dead) {
                continue;
            }
            let rows = view.part.ids_from(&from).filter(move |(_, row)| !view.dead.has(*row) && !same(*row));
            points.parts.push((view, Box::new(rows)));
        }
        (0..points.parts.len()).for_each(|at| points.refill(at));
        points
    }

    fn refill(&mut self, at: usize) {
        let next = self.parts[at].1.next();
        self.heap.extend(next.map(|(id, row)| Reverse((id, at, row))));
    }

    fn peek(&self) -> Option<PointId> {
        self.heap.peek().map(|Reverse((id, ..))| *id)
    }

    fn next(&mut self) -> Option<Place<'s>> {
        let Reverse((id, at, row)) = self.heap.pop()?;
        self.refill(at);
        Some(Place { id, view: self.parts[at].0, row })
    }
}
