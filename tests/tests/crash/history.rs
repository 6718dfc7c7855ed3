//! What was done, and what was promised of it: held against a store that was opened.

use super::saying;
use crate::model::{Model, Written, difference, ledger_differs};
use crate::shelf::Shelf;
use nigh_storage::clock::Clock;
use nigh_storage::collection::Collection;
use nigh_storage::snapshot::Snapshot;
use nigh_storage::store::{State, Store};
use nigh_storage::write::Write;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The clock of a script begins here, in Unix milliseconds.
const BEGIN_MS: u64 = 1_000_000;

pub type Outcome = Result<(), String>;

/// A collection as it is behind one of its batches.
#[derive(Clone, Default)]
pub struct Moment {
    pub seq: u64,
    pub time_ms: u64,
    /// Its points, those that are expired and not swept up too.
    pub model: Arc<Model>,
    /// How far its source is; 0: there is none.
    pub source: u64,
    /// The last batch that is remembered by its name, by its last operation.
    pub named: Option<u64>,
}

impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "operation {} of {} ms, {} points", self.seq, self.time_ms, self.model.len())
    }
}

impl Moment {
    /// What a batch makes of it.
    pub fn after(&self, batch: &[Write], now_ms: u64) -> Self {
        let time_ms = now_ms.max(self.time_ms);
        let mut model = (*self.model).clone();
        (self.seq + 1..).zip(batch).for_each(|(seq, write)| Written { seq, time_ms }.apply(&mut model, write));
        let seq = self.seq + batch.len() as u64;
        Self { seq, time_ms, model: Arc::new(model), source: seq, named: Some(seq) }
    }

    /// What the sweep makes of it: an operation that no source and no name goes with.
    pub fn swept(&self, now_ms: u64) -> Self {
        let time_ms = now_ms.max(self.time_ms);
        let model = self.model.iter().filter(|(_, stored)| stored.is_current(time_ms));
        let model = Arc::new(model.map(|(id, stored)| (*id, stored.clone())).collect());
        Self { seq: self.seq + 1, time_ms, model, ..self.clone() }
    }

    /// That a snapshot holds this, as it is at a time.
    pub fn differs(&self, when: &str, snapshot: &Snapshot, now_ms: u64) -> Outcome {
        if (snapshot.seq, snapshot.time_ms) != (self.seq, self.time_ms) {
            let (seq, time_ms) = (snapshot.seq, snapshot.time_ms);
            let Self { seq: wanted_seq, time_ms: wanted_ms, .. } = self;
            return Err(format!("{when}: operation {seq} of {time_ms} ms, not {wanted_seq} of {wanted_ms} ms"));
        }
        let now_ms = now_ms.max(self.time_ms);
        difference(snapshot, &self.model, now_ms).map_or(Ok(()), |why| Err(format!("{when}, at {now_ms} ms: {why}")))
    }
}

/// A collection as it was written.
#[derive(Clone, Debug)]
pub struct History {
    /// What it was behind each batch, the last ones perhaps never acknowledged.
    pub moments: Vec<Moment>,
    pub promise: Promise,
}

/// What was promised of a collection.
#[derive(Clone, Default, Debug)]
pub struct Promise {
    /// Whether it is sure to be there, or sure not to be.
    pub there: Option<bool>,
    /// Operations up to this one are kept.
    pub durable: u64,
    /// The versions that may be kept.
    pub pins: BTreeMap<String, Pinned>,
}

/// A version that was kept, or is being kept or dropped.
#[derive(Clone, Debug)]
pub struct Pinned {
    pub moment: Moment,
    /// Whether it is sure to be there.
    pub there: bool,
}

impl History {
    /// Of a collection that is about to be there, and as it is then.
    pub fn new(first: Moment) -> Self {
        let promise = Promise { durable: first.seq, ..Promise::default() };
        Self { moments: vec![first], promise }
    }

    pub fn last(&self) -> &Moment {
        self.moments.last().expect("there is a first moment")
    }
}

/// Everything that was done and promised, in the database and beside it.
#[derive(Clone, Default, Debug)]
pub struct Notes {
    pub histories: BTreeMap<String, History>,
    pub shelf: Shelf,
}

/// The notes of a script, and its clock.
pub struct World {
    pub notes: Mutex<Notes>,
    pub clock: Arc<AtomicU64>,
    /// Whether the logs go to an archive.
    pub archives: bool,
}

impl World {
    pub fn new(archives: bool) -> Arc<Self> {
        Self::of(Notes::default(), BEGIN_MS, archives)
    }

    pub fn of(notes: Notes, now_ms: u64, archives: bool) -> Arc<Self> {
        Arc::new(Self { notes: Mutex::new(notes), clock: Arc::new(AtomicU64::new(now_ms)), archives })
    }

    /// The world as one process left it, for another one.
    pub fn fork(&self) -> Arc<Self> {
        Self::of(self.notes.lock().clone(), self.now_ms(), self.archives)
    }

    pub fn now_ms(&self) -> u64 {
        self.clock.load(Ordering::SeqCst)
    }

    pub fn clock(&self) -> Clock {
        Clock::Set(self.clock.clone())
    }

    pub fn note<T>(&self, name: &str, change: impl FnOnce(&mut History) -> T) -> T {
        change(self.notes.lock().histories.get_mut(name).expect("it was created"))
    }

    pub fn last(&self, name: &str) -> Moment {
        self.note(name, |history| history.last().clone())
    }

    /// Notes what is about to be done to a collection.
    pub fn next(&self, name: &str, what: impl FnOnce(&Moment) -> Moment) -> Moment {
        self.note(name, |history| {
            let next = what(history.last());
            history.moments.push(next.clone());
            next
        })
    }

    /// That a collection is what was last done to it.
    pub fn same(&self, when: &str, name: &str, collection: &Collection) -> Outcome {
        self.last(name).differs(when, &collection.snapshot(), self.now_ms())
    }

    /// The versions that are sure to be there are, and every one that is holds what it held.
    pub fn pins_differ(&self, collection: &Collection, pins: &BTreeMap<String, Pinned>) -> Outcome {
        let listed: Vec<_> = collection.pins().into_iter().map(|pin| pin.name).collect();
        if let Some((name, _)) = pins.iter().find(|(name, pin)| pin.there && !listed.contains(name)) {
            return Err(format!("version {name} is gone"));
        }
        for name in &listed {
            let pin = pins.get(name).ok_or_else(|| format!("version {name} was dropped"))?;
            let snapshot = collection.at(name).map_err(saying("open a version"))?;
            pin.moment.differs(&format!("version {name}"), &snapshot, self.now_ms())?;
        }
        Ok(())
    }

    /// What is open holds what the notes promise; from now on they promise what was found, for whoever
    /// opens a log makes durable what he read.
    pub fn compare(&self, store: &Store) -> Outcome {
        let mut notes = self.notes.lock();
        let listed: BTreeMap<String, State> = store.list().into_iter().collect();
        for (name, state) in &listed {
            let history = notes.histories.get_mut(name).ok_or_else(|| format!("{name} was never created"))?;
            if *state != State::Open || history.promise.there == Some(false) {
                return Err(format!("{name} is {state:?}, {:?}", history.promise));
            }
            let collection = store.collection(name).map_err(saying("compare"))?;
            self.found(name, &collection, history)?;
        }
        let histories = &mut notes.histories;
        let gone =
            |(name, history): &(&String, &History)| history.promise.there == Some(true) && !listed.contains_key(*name);
        if let Some((name, _)) = histories.iter().find(gone) {
            return Err(format!("{name} is gone"));
        }
        // What was on its way in or out, and is not there, never was.
        histories.retain(|name, history| listed.contains_key(name) || history.promise.there == Some(false));
        Ok(())
    }

    fn found(&self, name: &str, collection: &Collection, history: &mut History) -> Outcome {
        let snapshot = collection.snapshot();
        if snapshot.seq < history.promise.durable {
            return Err(format!("{name} ends at operation {}, {:?}", snapshot.seq, history.promise));
        }
        let Some(at) = history.moments.iter().position(|moment| moment.seq == snapshot.seq) else {
            return Err(format!("{name} ends at operation {}, within a batch", snapshot.seq));
        };
        history.moments[at].differs(name, &snapshot, self.now_ms())?;
        if let Some(why) = ledger_differs(collection, history.moments[at].source, history.moments[at].named) {
            return Err(format!("{name}: {why}"));
        }
        history.moments.truncate(at + 1);
        let mut pins = std::mem::take(&mut history.promise.pins);
        self.pins_differ(collection, &pins)?;
        let listed: Vec<_> = collection.pins().into_iter().map(|pin| pin.name).collect();
        pins.retain(|name, _| listed.contains(name));
        pins.values_mut().for_each(|pin| pin.there = true);
        history.promise = Promise { there: Some(true), durable: snapshot.seq, pins };
        Ok(())
    }
}
