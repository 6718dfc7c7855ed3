//! A place beside the database that keeps what it was given: backups, archived logs, and collections
//! made of them again.
//!
//! A backup is the state that it was made of, whatever happens to its files meanwhile; what is
//! restored is that state, or a later one that the archive leads to, and never one that a crash took
//! back.

use super::saying;
use crate::history::{History, Moment, Outcome};
use crate::life::{Life, write};
use crate::model::Dice;
use bytes::Bytes;
use nigh_storage::archive::Until;
use nigh_storage::backup::{BackedUp, Backup, Incoming, Stored};
use nigh_storage::error::Error;
use nigh_storage::store::restore::Pieces;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use uuid::Uuid;

/// Pieces of an archive have about this many bytes.
const PIECE_BYTES: usize = 1500;
/// A restored file comes in pieces of this many bytes.
const STREAM_BYTES: usize = 3000;
/// No more than this many collections are made.
const COLLECTIONS: usize = 5;

/// What stands on it.
#[derive(Clone, Default, Debug)]
pub struct Shelf {
    backups: Vec<Arc<Shelved>>,
    files: BTreeMap<String, Bytes>,
    archives: BTreeMap<Uuid, Archive>,
    /// How many collections were made of it.
    pub restored: u64,
}

/// A backup, and what it was made of.
#[derive(Debug)]
struct Shelved {
    bytes: Vec<u8>,
    collection: Uuid,
    moment: Moment,
}

/// The log of a collection, and what its batches came to.
#[derive(Clone, Default, Debug)]
struct Archive {
    pieces: Vec<Bytes>,
    moments: Vec<Moment>,
    /// The last operation that it holds.
    seq: u64,
}

impl Life {
    /// Backs a collection up; it is written to, and kept in order, while its files are read.
    pub fn back_up(&self, name: &str, dice: &mut Dice) -> Outcome {
        let collection = self.store().collection(name).map_err(saying("back up"))?;
        let moment = self.world.last(name);
        let hold = collection.hold().map_err(saying("hold"))?;
        let version = hold.version().clone();
        if version.seq() != moment.seq || version.manifest.time_ms != moment.time_ms {
            return Err(format!("a version of {} is held, not of {}", version.seq(), moment.seq));
        }
        // It is named by a manifest.
        self.world.note(name, |history| history.promise.durable = history.promise.durable.max(moment.seq));
        let mut files = Vec::new();
        for (segment, file) in version.files() {
            match dice.below(12) {
                0 => write(&self.world, &collection, name, 1, dice)?,
                1 => collection.seal().map(drop).map_err(saying("seal beside a backup"))?,
                2 => collection.merge().map(drop).map_err(saying("merge beside a backup"))?,
                _ => {}
            }
            let (bytes, stored) = hold.read(segment.number, file).map_err(saying("read for a backup"))?;
            self.world.notes.lock().shelf.files.insert(stored.key(), bytes);
            files.push(stored);
        }
        let (id, time_ms) = (moment.seq.to_string(), version.time_ms);
        let backed_up = BackedUp { collection: name.to_owned(), version, files };
        let backup = Backup { id, time_ms, collections: vec![backed_up] };
        let bytes = backup.encode().map_err(saying("encode a backup"))?;
        let shelved = Shelved { bytes, collection: collection.id(), moment };
        self.world.notes.lock().shelf.backups.push(Arc::new(shelved));
        Ok(())
    }

    /// Archives what is on disk of a log.
    pub fn archive(&self, name: &str) -> Outcome {
        let collection = self.store().collection(name).map_err(saying("archive"))?;
        let id = collection.id();
        let reached = || self.world.notes.lock().shelf.archives.entry(id).or_default().seq;
        let durable = collection.status().durable_seq;
        if reached() > durable {
            return Err(format!("{name} ends at operation {durable}, its archive at {}", reached()));
        }
        while let Some(piece) = collection.unarchived(reached(), PIECE_BYTES).map_err(saying("archive"))? {
            let mut notes = self.world.notes.lock();
            let history = notes.histories.get_mut(name).expect("it was created");
            let behind = |moment: &&Moment| moment.seq >= piece.first_seq && moment.seq <= piece.last_seq;
            let moments: Vec<Moment> = history.moments.iter().filter(behind).cloned().collect();
            history.promise.durable = history.promise.durable.max(piece.last_seq);
            // What a collection was restored from is in its log too, and its own history begins behind it.
            let before = piece.last_seq < history.moments[0].seq;
            let archive = notes.shelf.archives.entry(id).or_default();
            if !before && moments.last().is_none_or(|moment| moment.seq != piece.last_seq) {
                return Err(format!("a piece of the archive of {name} ends within a batch, at {}", piece.last_seq));
            }
            archive.moments.extend(moments);
            archive.seq = piece.last_seq;
            archive.pieces.push(piece.bytes);
        }
        collection.archived(reached());
        Ok(())
    }

    /// Makes a new collection of some backup, and of the log that was archived behind it.
    pub fn restore(&self, dice: &mut Dice) -> Outcome {
        let shelf = self.world.notes.lock().shelf.clone();
        if shelf.backups.is_empty() || self.store().list().len() >= COLLECTIONS {
            return Ok(());
        }
        let backup = &shelf.backups[dice.below(shelf.backups.len() as u64) as usize];
        let from = Backup::decode(Path::new("shelf"), &backup.bytes).map_err(saying("decode a backup"))?;
        let from = &from.collections[0];
        let (until, moment) = shelf.aim(backup, dice);
        let name = self.unused("restored");
        self.world.notes.lock().histories.insert(name.clone(), History::new(moment.clone()));
        let mut log = shelf.archives.get(&backup.collection).map(|archive| archive.pieces.iter()).unwrap_or_default();
        let mut fetch = |stored: &Stored, incoming: &mut Incoming<'_>| -> Result<(), Error> {
            shelf.files[&stored.key()].chunks(STREAM_BYTES).try_for_each(|piece| incoming.write(piece))
        };
        let mut pieces = Pieces { fetch: &mut fetch, next_log: &mut || Ok(log.next().cloned()) };
        let restored = self.store().restore(&name, from, until, &mut pieces).map_err(saying("restore"))?;
        if restored.seq != moment.seq || restored.points != moment.model.len() as u64 {
            return Err(format!("restored {restored:?} for {until:?}, not operation {}", moment.seq));
        }
        self.world.note(&name, |history| history.promise.there = Some(true));
        self.world.notes.lock().shelf.restored += 1;
        let collection = self.store().collection(&name).map_err(saying("restore"))?;
        self.world.same("restored", &name, &collection)
    }
}

impl Shelf {
    /// A moment that a backup and the archive behind it reach, and how it is asked for.
    fn aim(&self, backup: &Shelved, dice: &mut Dice) -> (Until, Moment) {
        let none = Vec::new();
        let behind = self.archives.get(&backup.collection).map_or(&none, |archive| &archive.moments);
        // Outcomes of batches are not part of a version; those of the archive are known again.
        let mut reached = vec![Moment { named: None, ..backup.moment.clone() }];
        reached.extend(behind.iter().filter(|moment| moment.seq > backup.moment.seq).cloned());
        let any = reached[dice.below(reached.len() as u64) as usize].clone();
        let of_time = |time_ms: u64| reached.iter().take_while(|moment| moment.time_ms <= time_ms).last().cloned();
        match dice.below(4) {
            0 => (Until::Backup, reached.swap_remove(0)),
            1 => (Until::Newest, reached.pop().expect("the backup itself is reached")),
            2 => (Until::Seq(any.seq), any),
            _ => (Until::TimeMs(any.time_ms), of_time(any.time_ms).expect("the backup itself is reached")),
        }
    }
}
