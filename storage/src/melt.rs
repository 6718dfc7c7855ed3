//! Many small live parts become one larger one, so that their number stays logarithmic.
//!
//! Who reads looks into every part, who writes looks for every id in each. Parts are taken up under the lock of the
//! state, copied without it, and put in the place of what was taken up under it again; what died meanwhile is carried
//! over. Nothing waits for that: a part of some thousand rows takes tens of milliseconds, and so a thread beside the writer
//! makes it.

use crate::collection::Inner;
use crate::live::LivePart;
use crate::part::Part;
use crate::prepare::Schema;
use crate::seal::{rows_without, translate};
use crate::state::{Entry, Held, State};
use crate::urgency::{WRITES, step_back};
use nigh_index::bitmap::Bitmap;
use nigh_index::row::{Kept, Row};
use std::sync::Arc;
use std::thread::{Builder, Scope, ScopedJoinHandle};

/// This many live parts of one size class are melted into one of the next.
const PARTS: usize = 4;
/// A part of so many rows is large enough: to look into twice as many costs less than to copy them.
const ROWS_MAX: u32 = 16_384;
/// Fewer rows than these are melted in less time than a thread takes to begin and the next write to arrive.
const BESIDE_ROWS_MIN: u64 = 512;
/// With so many parts that are not sealed, the writer waits for the thread beside it.
const LOOSE_PARTS_MAX: usize = 64;

/// Live parts that become one.
pub(crate) struct Melting {
    schema: Arc<Schema>,
    parts: Vec<(Arc<LivePart>, Arc<Bitmap>)>,
}

/// What they became.
pub(crate) struct Melted {
    from: Melting,
    /// The rows of each that went on.
    rows: Vec<Vec<Row>>,
    part: LivePart,
}

impl Melting {
    pub(crate) fn melt(self) -> Melted {
        let rows: Vec<Vec<Row>> = self.parts.iter().map(|(part, dead)| rows_without(&**part, dead)).collect();
        let kept: Vec<_> = self.parts.iter().zip(&rows).map(|((part, _), rows)| Kept { part: &**part, rows }).collect();
        let part = LivePart::concat(&self.schema, &kept);
        Melted { from: self, rows, part }
    }

    fn rows(&self) -> u64 {
        self.parts.iter().map(|(part, dead)| u64::from(part.rows()) - dead.len()).sum()
    }
}

impl State {
    /// A live part whose rows are all dead says nothing. Whether there was one.
    pub(crate) fn leave_dead(&mut self) -> bool {
        let before = self.entries.len();
        let says = |entry: &Entry| {
            !entry.is_live() || entry.frozen || entry.melting || u64::from(entry.held.part().rows()) > entry.dead.len()
        };
        self.entries.retain(says);
        self.entries.len() < before
    }

    /// Live parts of one size class that are to become one, with at most so many rows, where there are enough. The newest
    /// parts are the smallest, so only the end of the list is looked at.
    pub(crate) fn take_up(&mut self, rows_max: u64) -> Option<Melting> {
        let class = size_class(self.entries.last()?);
        let small = |entry: &&mut Entry| {
            let loose = entry.is_live() && !entry.frozen && !entry.melting;
            loose && entry.held.part().rows() < ROWS_MAX && size_class(entry) <= class
        };
        let mut found: Vec<&mut Entry> = self.entries.iter_mut().rev().take_while(small).collect();
        if found.len() < PARTS {
            return None;
        }
        found.reverse();
        let parts = found.iter().filter_map(|entry| match &entry.held {
            Held::Live(live) => Some((live.clone(), entry.dead.clone())),
            Held::Sealed(_) => None,
        });
        let melting = Melting { schema: self.schema.clone(), parts: parts.collect() };
        if melting.rows() > rows_max {
            return None;
        }
        found.into_iter().for_each(|entry| entry.melting = true);
        Some(melting)
    }

    /// Puts one part where many were. Not if one of them is being sealed by now or the fields are others: then they stay.
    pub(crate) fn put(&mut self, melted: Melted) -> bool {
        let Melted { from: Melting { schema, parts }, rows, part } = melted;
        let is = |entry: &Entry, of: &Arc<LivePart>| matches!(&entry.held, Held::Live(live) if Arc::ptr_eq(live, of));
        let mut dead = Bitmap::new();
        let (mut start, mut there) = (0, 0);
        for ((of, _), rows) in parts.iter().zip(&rows) {
            let Some(entry) = self.entries.iter_mut().find(|entry| is(entry, of)) else { continue };
            entry.melting = false;
            there += usize::from(!entry.frozen);
            translate(&entry.dead, rows, start, &mut dead);
            start += rows.len() as u32;
        }
        if there < parts.len() || !Arc::ptr_eq(&schema, &self.schema) {
            return false;
        }
        let Some(at) = self.entries.iter().position(|entry| is(entry, &parts[0].0)) else { return false };
        // What was taken up stood together, and whatever came since stands behind it.
        let mut entry = Entry::live(part);
        entry.dead = Arc::new(dead);
        self.entries.splice(at..at + parts.len(), [entry]);
        true
    }

    /// All of it at once, where nobody reads or writes yet.
    pub(crate) fn melt(&mut self) {
        self.leave_dead();
        while let Some(melting) = self.take_up(u64::MAX) {
            self.put(melting.melt());
        }
    }
}

/// Sizes of one class differ by less than four times.
fn size_class(entry: &Entry) -> u32 {
    entry.held.part().rows().max(1).ilog2() / 2
}

impl Inner {
    fn to_melt(&self, rows_max: u64) -> Option<Melting> {
        let mut state = self.state.lock();
        if state.leave_dead() {
            self.publish(&state);
        }
        state.take_up(rows_max)
    }

    fn melted(&self, melting: Melting) {
        let melted = melting.melt();
        let mut state = self.state.lock();
        if state.put(melted) {
            self.publish(&state);
        }
    }

    /// Melts what there is to melt, in this thread.
    pub(crate) fn melt(&self) {
        while let Some(melting) = self.to_melt(u64::MAX) {
            self.melted(melting);
        }
    }

    /// Live parts that no seal has taken up.
    fn loose_parts(&self) -> usize {
        self.state.lock().entries.iter().filter(|entry| entry.is_live() && !entry.frozen).count()
    }
}

/// The thread beside a writer that melts, while there is something to melt.
pub(crate) struct Melter<'scope, 'env> {
    inner: &'env Inner,
    scope: &'scope Scope<'scope, 'env>,
    thread: Option<ScopedJoinHandle<'scope, ()>>,
}

impl<'scope, 'env> Melter<'scope, 'env> {
    pub(crate) fn new(inner: &'env Inner, scope: &'scope Scope<'scope, 'env>) -> Self {
        Self { inner, scope, thread: None }
    }

    /// After a group: melts what is small here, and has what is not melted beside.
    pub(crate) fn go_on(&mut self) {
        let inner = self.inner;
        while let Some(small) = inner.to_melt(BESIDE_ROWS_MIN) {
            inner.melted(small);
        }
        let busy = self.thread.as_ref().is_some_and(|thread| !thread.is_finished());
        if busy && inner.loose_parts() <= LOOSE_PARTS_MAX {
            return;
        }
        self.wait();
        let Some(large) = inner.to_melt(u64::MAX) else { return };
        let large = Arc::new(parking_lot::Mutex::new(Some(large)));
        let work = move |large: &parking_lot::Mutex<Option<Melting>>| {
            if let Some(large) = large.lock().take() {
                inner.melted(large);
            }
            inner.melt();
        };
        let theirs = large.clone();
        let thread = Builder::new().name("nigh melter".into()).spawn_scoped(self.scope, move || {
            step_back(WRITES);
            work(&theirs);
        });
        match thread {
            Ok(thread) => self.thread = Some(thread),
            // There is no thread to be had.
            Err(_) => work(&large),
        }
    }

    /// A panic there is one here too.
    fn wait(&mut self) {
        if let Some(thread) = self.thread.take()
            && let Err(panic) = thread.join()
        {
            std::panic::resume_unwind(panic);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::point::Point;
    use crate::schema::CollectionSpec;
    use crate::state::Change;
    use bytes::Bytes;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[derive(Clone, Debug)]
    enum Step {
        /// Ids from this one on, so many: written with this value, or deleted.
        Write(u64, u64, Option<u16>),
        TakeUp(u64),
        /// Whichever is in hand.
        Put(prop::sample::Index),
        Freeze,
        Thaw,
        ChangeFields,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            8 => (0u64..60, 1u64..20, any::<Option<u16>>()).prop_map(|(from, count, to)| Step::Write(from, count, to)),
            3 => prop_oneof![Just(u64::MAX), 0u64..40].prop_map(Step::TakeUp),
            3 => any::<prop::sample::Index>().prop_map(Step::Put),
            1 => Just(Step::Freeze),
            1 => Just(Step::Thaw),
            1 => Just(Step::ChangeFields),
        ]
    }

    fn schema() -> Arc<Schema> {
        Arc::new(Schema::new(Arc::new(CollectionSpec::default())).unwrap())
    }

    /// Every point that is alive, with what it holds; a point that is alive twice is an error.
    fn alive(state: &State) -> BTreeMap<u64, Bytes> {
        let mut found = BTreeMap::new();
        for entry in &state.entries {
            let part = entry.held.part();
            for row in rows_without(part, &entry.dead) {
                let nigh_index::id::PointId::Num(id) = part.id(row) else { panic!("no number") };
                assert_eq!(found.insert(id, part.payload(row).unwrap()), None, "{id} is there twice");
            }
        }
        found
    }

    proptest! {
        /// Whatever is written, sealed or changed between taking parts up and putting one in their place, every point
        /// stays as it was written last.
        #[test]
        fn melting_changes_no_point(steps in prop::collection::vec(step(), 1..80)) {
            let mut state = State { schema: schema(), entries: Vec::new(), seq: 0, time_ms: 0 };
            let mut model: BTreeMap<u64, Bytes> = BTreeMap::new();
            let mut hand: Vec<Melted> = Vec::new();
            for step in steps {
                match step {
                    Step::Write(from, count, to) => {
                        let text = to.map(|to| Bytes::from(format!("{{\"to\":{to}}}")));
                        let change = |id: u64| {
                            let point = text.clone().map(|payload| Point { payload, ..Point::new(id) });
                            (id.into(), point.map(|point| state.schema.row(point).unwrap()))
                        };
                        let changes = (from..from + count).map(change).collect();
                        let change = Change::new(&state.schema, changes);
                        state.apply(change, state.seq + count, 0);
                        for id in from..from + count {
                            match &text {
                                Some(text) => drop(model.insert(id, text.clone())),
                                None => drop(model.remove(&id)),
                            }
                        }
                        state.leave_dead();
                    }
                    Step::TakeUp(rows_max) => {
                        if let Some(melting) = state.take_up(rows_max) {
                            prop_assert!(melting.rows() <= rows_max && melting.parts.len() >= PARTS);
                            hand.push(melting.melt());
                        }
                    }
                    Step::Put(_) if hand.is_empty() => {}
                    Step::Put(which) => {
                        let melted = hand.swap_remove(which.index(hand.len()));
                        let (parts, from) = (state.entries.len(), melted.from.parts.len());
                        let put = state.put(melted);
                        prop_assert_eq!(state.entries.len(), if put { parts + 1 - from } else { parts });
                    }
                    Step::Freeze => state.entries.iter_mut().for_each(|entry| entry.frozen = true),
                    Step::Thaw => state.entries.iter_mut().for_each(|entry| entry.frozen = false),
                    Step::ChangeFields => state.schema = schema(),
                }
                prop_assert_eq!(&alive(&state), &model);
            }
            // Nothing is left taken up for good.
            state.entries.iter_mut().for_each(|entry| entry.frozen = false);
            for melted in hand {
                state.put(melted);
            }
            prop_assert!(state.entries.iter().all(|entry| !entry.melting));
            state.melt();
            prop_assert_eq!(&alive(&state), &model);
            prop_assert!(state.take_up(u64::MAX).is_none());
        }
    }

    #[test]
    fn a_large_part_is_melted_no_further() {
        let mut state = State { schema: schema(), entries: Vec::new(), seq: 0, time_ms: 0 };
        for from in (0..5 * u64::from(ROWS_MAX)).step_by(ROWS_MAX as usize / 4) {
            let row = |id: u64| (id.into(), Some(state.schema.row(Point::new(id)).unwrap()));
            let change = Change::new(&state.schema, (from..from + u64::from(ROWS_MAX / 4)).map(row).collect());
            state.apply(change, 0, 0);
            state.melt();
        }
        let rows: Vec<u32> = state.entries.iter().map(|entry| entry.held.part().rows()).collect();
        assert_eq!(rows, [ROWS_MAX; 5]);
    }
}
