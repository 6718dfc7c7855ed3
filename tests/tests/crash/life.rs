//! A process that has the store open, and the steps of its script.

use super::{NAME, ROOT, options, saying};
use crate::history::{History, Moment, Outcome, Pinned, World};
use crate::meanwhile::{Meanwhile, Turn};
use crate::model::{Dice, named, spec};
use nigh_storage::collection::Collection;
use nigh_storage::disk::Disk;
use nigh_storage::error::Error;
use nigh_storage::store::{Options, Store};
use nigh_storage::write::{Durability, Write};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};

type Job = fn(&Collection) -> Result<bool, Error>;

/// With an archive the log is kept for it, as long as any script makes it.
const ARCHIVE_KEEPS_BYTES: u64 = 1 << 30;

pub struct Life {
    disk: Arc<dyn Disk>,
    store: Option<Arc<Store>>,
    pub world: Arc<World>,
    background: bool,
    /// Whether no batch is written before the one before it is answered: when calls fail, a batch
    /// behind one that is refused takes its operations.
    pub one_by_one: bool,
    pub meanwhile: Arc<Meanwhile>,
}

impl Life {
    /// Opens the store, and compares what it finds with what the notes promise.
    pub fn begin(disk: Arc<dyn Disk>, world: Arc<World>, background: bool) -> Result<Self, String> {
        let archive_keep_bytes = world.archives.then_some(ARCHIVE_KEEPS_BYTES);
        let options = Options { clock: world.clock(), archive_keep_bytes, ..options(background) };
        let store = Store::open(disk.clone(), Path::new(ROOT), options).map_err(saying("open"))?;
        world.compare(&store)?;
        let life = Self { disk, store: Some(store), world, background, one_by_one: false, meanwhile: Arc::default() };
        life.no_rubbish()?;
        Ok(life)
    }

    pub fn store(&self) -> &Store {
        self.store.as_deref().expect("it is open but for the moment of a restart")
    }

    pub fn step(&mut self, dice: &mut Dice) -> Outcome {
        match dice.below(100) {
            0..36 => self.write(NAME, 1, dice),
            36..41 => self.pin_or_unpin(dice),
            41..51 => {
                let batches = 2 + dice.below(4);
                self.write(NAME, if self.one_by_one { 1 } else { batches }, dice)
            }
            51..59 => self.upkeep(Collection::seal, Collection::merge, dice),
            59..66 => self.upkeep(Collection::merge, Collection::seal, dice),
            66..69 => self.restart(),
            69..72 => self.create(&self.unused("side")),
            72..75 => self.drop_collection(&self.any(dice)),
            75..78 => self.write(&self.any(dice), 1, dice),
            78..82 => self.tick(dice),
            82..84 => self.sweep(&self.any(dice)),
            84..90 => self.back_up(&self.any(dice), dice),
            90..94 if self.world.archives => self.archive(&self.any(dice)),
            90..99 => self.restore(dice),
            _ => self.erase(),
        }
    }

    fn any(&self, dice: &mut Dice) -> String {
        let all = self.store().list();
        all[dice.below(all.len() as u64) as usize].0.clone()
    }

    /// A name that no collection has; one that was dropped may have had it.
    pub fn unused(&self, kind: &str) -> String {
        let notes = self.world.notes.lock();
        let gone = |name: &String| notes.histories.get(name).is_none_or(|one| one.promise.there == Some(false));
        (0..).map(|number| format!("{kind}{number}")).find(gone).expect("there are many numbers")
    }

    fn write(&self, name: &str, batches: u64, dice: &mut Dice) -> Outcome {
        let collection = self.store().collection(name).map_err(saying("write"))?;
        write(&self.world, &collection, name, batches, dice)
    }

    /// Seals or merges; writes, and the other of both, fall into it.
    fn upkeep(&self, job: Job, other: Job, dice: &mut Dice) -> Outcome {
        let collection = self.store().collection(NAME).map_err(saying("keep up"))?;
        let dice = Dice(dice.below(u64::MAX));
        self.meanwhile.set(Turn { collection: collection.clone(), dice, other });
        let done = job(&collection).map_err(saying("keep up"));
        self.meanwhile.take()?;
        done?;
        self.world.same("after upkeep", NAME, &collection)
    }

    /// Time goes on, or somebody sets the clock back. Where threads of their own sweep it stands.
    fn tick(&self, dice: &mut Dice) -> Outcome {
        let (forward, back) = (dice.below(50), dice.below(6) == 0);
        if !self.background {
            let now_ms = self.world.now_ms();
            self.world.clock.store(if back { now_ms - forward / 2 } else { now_ms + forward }, Ordering::SeqCst);
        }
        let collection = self.store().collection(NAME).map_err(saying("look"))?;
        self.world.same("at another time", NAME, &collection)
    }

    /// Deletes what is expired.
    fn sweep(&self, name: &str) -> Outcome {
        let collection = self.store().collection(name).map_err(saying("sweep"))?;
        let before = self.world.last(name).model.len();
        let after = self.world.next(name, |last| last.swept(self.world.now_ms()));
        let swept = collection.sweep().map_err(saying("sweep"))?;
        match swept == (before - after.model.len()) as u64 {
            true => self.world.same("after a sweep", name, &collection),
            false => Err(format!("{swept} points of {before} were swept up, {} were to stay", after.model.len())),
        }
    }

    fn erase(&self) -> Outcome {
        let collection = self.store().collection(NAME).map_err(saying("erase"))?;
        let seq = self.world.last(NAME).seq;
        let erased = collection.erase().map_err(saying("erase"))?;
        self.world.note(NAME, |history| history.promise.durable = history.promise.durable.max(seq));
        if erased.seq != seq {
            return Err(format!("what was deleted up to {} is erased, not up to {seq}", erased.seq));
        }
        self.world.same("after an erasure", NAME, &collection)
    }

    /// Keeps the newest state, or drops one that is kept; the others stay what they were.
    fn pin_or_unpin(&self, dice: &mut Dice) -> Outcome {
        let collection = self.store().collection(NAME).map_err(saying("pin"))?;
        let pins = self.world.note(NAME, |history| history.promise.pins.clone());
        let sure: Vec<&String> = pins.iter().filter(|(_, pin)| pin.there).map(|(name, _)| name).collect();
        if !sure.is_empty() && dice.below(2) == 0 {
            let name = sure[dice.below(sure.len() as u64) as usize];
            self.pinned(name, false);
            collection.unpin(name).map_err(saying("unpin"))?;
            self.world.note(NAME, |history| history.promise.pins.remove(name));
        } else {
            let moment = self.world.last(NAME);
            let name = format!("v{}", moment.seq);
            if !pins.contains_key(&name) {
                let pin = Pinned { moment, there: false };
                self.world.note(NAME, |history| history.promise.pins.insert(name.clone(), pin));
                collection.pin(&name).map_err(saying("pin"))?;
                self.pinned(&name, true);
            }
        }
        let pins = self.world.note(NAME, |history| history.promise.pins.clone());
        self.world.pins_differ(&collection, &pins)
    }

    /// A version is, or is no longer, sure to be there.
    fn pinned(&self, name: &str, there: bool) {
        self.world.note(NAME, |history| {
            history.promise.pins.entry(name.to_owned()).and_modify(|pin| pin.there = there);
        });
    }

    fn restart(&mut self) -> Outcome {
        // The lock is given back when the last handle goes.
        self.store().close();
        self.store = None;
        // All that was written was synced at the end.
        for history in self.world.notes.lock().histories.values_mut() {
            history.promise.durable = history.last().seq;
        }
        let begun = Self::begin(self.disk.clone(), self.world.clone(), self.background)?;
        let meanwhile = self.meanwhile.clone();
        *self = Self { one_by_one: self.one_by_one, meanwhile, ..begun };
        Ok(())
    }

    pub fn create(&self, name: &str) -> Outcome {
        let new = || History::new(Moment::default());
        let mut notes = self.world.notes.lock();
        match notes.histories.get(name).map(|history| history.promise.there) {
            Some(Some(false)) => drop(notes.histories.insert(name.to_owned(), new())),
            _ => drop(notes.histories.entry(name.to_owned()).or_insert_with(new)),
        }
        drop(notes);
        self.store().create(name, spec()).map_err(saying("create"))?;
        self.world.note(name, |history| history.promise.there = Some(true));
        Ok(())
    }

    fn drop_collection(&self, name: &str) -> Outcome {
        if name == NAME {
            return Ok(());
        }
        self.world.note(name, |history| history.promise.there = None);
        self.store().drop_collection(name).map_err(saying("drop"))?;
        self.world.note(name, |history| history.promise.there = Some(false));
        Ok(())
    }

    /// Who was opened removed every folder that belongs to no collection.
    fn no_rubbish(&self) -> Outcome {
        let names = self.disk.list(Path::new(ROOT)).map_err(|err| err.to_string())?;
        let folders = names.iter().filter(|name| uuid::Uuid::try_parse(name).is_ok()).count();
        let listed = self.store().list().len();
        match folders == listed {
            true => Ok(()),
            false => Err(format!("{folders} folders are there for {listed} collections")),
        }
    }
}

/// Writes some batches, the later ones without waiting for the earlier.
pub fn write(world: &World, collection: &Collection, name: &str, batches: u64, dice: &mut Dice) -> Outcome {
    let mut waiting = Vec::new();
    let now_ms = world.now_ms();
    for _ in 0..batches {
        let batch: Vec<Write> = (0..1 + dice.below(4)).map(|_| dice.write(now_ms)).collect();
        let durability = [Durability::Applied, Durability::Logged, Durability::Durable, Durability::Durable];
        let durability = durability[dice.below(4) as usize];
        let seq = world.next(name, |last| last.after(&batch, now_ms)).seq;
        let (sender, receiver) = mpsc::channel();
        let done = Box::new(move |written| drop(sender.send(written)));
        collection.submit_batch(named(batch, seq), durability, done).map_err(saying("submit"))?;
        waiting.push((receiver, seq, durability));
        if dice.below(3) == 0 {
            collection.turn(false);
        }
    }
    collection.turn(dice.below(6) == 0);
    for (receiver, seq, durability) in waiting {
        let written = receiver.recv().map_err(|_| "nobody answered")?.map_err(saying("write"))?;
        if written.seq != seq || written.reached < durability {
            return Err(format!("{written:?} for operation {seq}, {durability:?}"));
        }
        if written.reached == Durability::Durable {
            world.note(name, |history| history.promise.durable = history.promise.durable.max(seq));
        }
    }
    world.same("after a write", name, collection)
}
