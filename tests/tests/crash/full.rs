//! A disk that fails or fills, for a while, under one process: the store refuses what it cannot keep,
//! says so, goes on reading, and takes writes again when the disk does, without being reopened.

use super::{NAME, ROOT, options};
use crate::model::{Dice, Model, Written, difference, spec};
use nigh_storage::clock::Clock;
use nigh_storage::collection::Collection;
use nigh_storage::disk::cruel::{CruelDisk, Fault};
use nigh_storage::error::{Error, Result};
use nigh_storage::store::{Options, State, Store};
use nigh_storage::write::{Durability, Selector, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// The clock stands: nothing expires.
const NOW_MS: u64 = 1_000_000;

fn standing() -> Options {
    Options { clock: Clock::Set(Arc::new(AtomicU64::new(NOW_MS))), ..options(false) }
}

/// One process, and what it should hold.
struct Enduring {
    disk: Arc<CruelDisk>,
    store: Arc<Store>,
    collection: Arc<Collection>,
    model: Model,
    /// What it would hold if the write that nobody knows of is kept: until the next one that is.
    unknown: Option<Model>,
    sides: u64,
}

impl Enduring {
    fn begin(options: Options) -> Self {
        let disk = Arc::new(CruelDisk::new());
        let store = Store::open(disk.clone(), Path::new(ROOT), options).unwrap();
        store.create(NAME, spec()).unwrap();
        let collection = store.collection(NAME).unwrap();
        Self { disk, store, collection, model: Model::new(), unknown: None, sides: 0 }
    }

    fn write(&mut self, writes: Vec<Write>) -> Result<()> {
        let mut next = self.model.clone();
        let seq = self.collection.snapshot().seq;
        (seq + 1..).zip(&writes).for_each(|(seq, write)| Written { seq, time_ms: NOW_MS }.apply(&mut next, write));
        match self.collection.write(writes, Durability::Durable) {
            Ok(_) => (self.model, self.unknown) = (next, None),
            Err(err) => {
                if let Error::Unknown { .. } = err {
                    self.unknown = Some(next);
                }
                return Err(err);
            }
        }
        Ok(())
    }

    /// Whatever fails is told; what is read is what was acknowledged.
    fn step(&mut self, dice: &mut Dice) -> std::result::Result<(), String> {
        let failed = match dice.below(10) {
            0..6 => self.write((0..1 + dice.below(4)).map(|_| dice.write(NOW_MS)).collect()).err(),
            6 | 7 => self.collection.seal().err(),
            8 => self.collection.merge().err(),
            _ => {
                self.sides += 1;
                let name = format!("side{}", self.sides);
                let created = self.store.create(&name, spec());
                created.and_then(|_| self.store.drop_collection(&name)).err()
            }
        };
        let failed = failed.map(|err| err.to_string());
        match difference(&self.collection.snapshot(), &self.model, NOW_MS) {
            None => Ok(()),
            Some(why) => Err(format!("{why}, behind {failed:?}")),
        }
    }

    /// Whoever opens what a crash leaves finds what was acknowledged.
    fn check(&self, found: CruelDisk) -> std::result::Result<(), String> {
        let store = Store::open(Arc::new(found), Path::new(ROOT), standing()).map_err(|err| err.to_string())?;
        let state = store.list().into_iter().find(|(name, _)| name == NAME).map(|(_, state)| state);
        if state != Some(State::Open) {
            return Err(format!("it is {state:?}"));
        }
        let snapshot = store.collection(NAME).map_err(|err| err.to_string())?.snapshot();
        let differs = |model| difference(&snapshot, model, NOW_MS);
        match (differs(&self.model), self.unknown.as_ref().map(differs)) {
            (None, _) | (_, Some(None)) => Ok(()),
            (Some(why), _) => Err(why),
        }
    }

    fn check_all(&self, seed: u64) -> std::result::Result<(), String> {
        (0..3).try_for_each(|way| self.check(self.disk.crash(seed + way)))?;
        self.check(self.disk.kill())
    }
}

/// Calls fail, so many from one on; then the disk is well again.
fn endure(seed: u64, call: u64, faults: u64, fault: Fault) -> std::result::Result<(), String> {
    let mut life = Enduring::begin(standing());
    let mut dice = Dice(seed);
    (0..faults).for_each(|more| life.disk.fail_at(call + more, fault));
    for at in 0..24 {
        life.step(&mut dice).map_err(|why| format!("step {at}: {why}"))?;
        if at % 6 == 0 {
            life.check_all(seed + at).map_err(|why| format!("found behind step {at}: {why}"))?;
        }
    }
    life.disk.heal();
    life.write(vec![dice.write(NOW_MS)]).map_err(|err| format!("the disk is well, and still: {err}"))?;
    let status = life.collection.status();
    if let Some(why) = status.refuses_writes {
        return Err(format!("the disk is well, and still: {why}"));
    }
    life.collection.settle().map_err(|err| format!("the disk is well, and still: {err}"))?;
    life.check_all(seed).map_err(|why| format!("found at the end: {why}"))
}

#[test]
fn failed_calls_are_survived_without_a_reopening() {
    crate::for_seeds(1, |seed| {
        for fault in [Fault::NoSpace, Fault::Io] {
            for call in seed..180 {
                let faults = [1, 2, 3, 7, 40][(call + seed) as usize % 5];
                endure(seed, call, faults, fault).map_err(|why| format!("{faults} {fault:?} at call {call}: {why}"))?;
            }
        }
        Ok(())
    });
}

/// The disk fills to the last byte, deletes give room back, and then there is more of it.
#[test]
fn a_full_disk_is_survived_without_a_reopening() {
    crate::for_seeds(3, |seed| {
        let limits = Options {
            space_soft_bytes: Some(12_000),
            space_hard_bytes: Some(6_000),
            ballast_bytes: 1_000,
            ..standing()
        };
        for capacity in (24_000..64_000).step_by(4_000) {
            let told = |why: String| format!("{capacity} bytes: {why}");
            fill(seed, capacity, limits.clone()).map_err(told)?;
        }
        Ok(())
    });
}

fn fill(seed: u64, capacity: u64, limits: Options) -> std::result::Result<(), String> {
    let mut life = Enduring::begin(limits);
    let mut dice = Dice(seed);
    life.disk.bound(Some(capacity));
    let mut refused = 0;
    for at in 0..400 {
        life.step(&mut dice).map_err(|why| format!("step {at}: {why}"))?;
        let big = (0..3).map(|_| dice.write(NOW_MS)).collect();
        match life.write(big) {
            Err(Error::NoSpace { .. }) => refused += 1,
            Err(err) => return Err(format!("step {at}: {err}")),
            Ok(()) => {}
        }
        if refused > 5 {
            break;
        }
    }
    if refused <= 5 {
        return Err("it never filled".to_owned());
    }
    let why = life.collection.status().refuses_writes.ok_or("the status says nothing")?;
    if !why.contains("are needed") {
        return Err(format!("the status says: {why}"));
    }
    // Somebody else takes what was left.
    life.disk.bound(Some(life.disk.used()));
    let ids: Vec<_> = life.model.keys().take(4).copied().collect();
    let delete = vec![Write::Delete(Selector::Ids(ids))];
    life.write(delete).map_err(|err| format!("a delete on a full disk: {err}"))?;
    life.check_all(seed)?;
    life.disk.bound(None);
    life.write(vec![dice.write(NOW_MS)]).map_err(|err| format!("there is room, and still: {err}"))?;
    life.collection.settle().map_err(|err| format!("there is room, and still: {err}"))?;
    life.check_all(seed)
}
