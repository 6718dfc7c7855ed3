//! What others do while a segment is built, when a seed says so: writes, and the other kind of upkeep.
//!
//! It is done within a call of the disk, in the same thread, so the same seed gives the same run. A
//! call of a file that is being built is made with no lock held that a write would need.

use super::NAME;
use crate::history::World;
use crate::life::write;
use crate::model::Dice;
use nigh_storage::collection::Collection;
use parking_lot::Mutex;
use std::path::Path;
use std::sync::Arc;

/// Work of others, from when it is set until it is taken back.
#[derive(Default)]
pub struct Meanwhile {
    turn: Mutex<Option<Turn>>,
    failed: Mutex<Option<String>>,
}

/// Who works, and what may be done beside the writes.
pub struct Turn {
    pub collection: Arc<Collection>,
    pub dice: Dice,
    pub other: fn(&Collection) -> nigh_storage::error::Result<bool>,
}

impl Meanwhile {
    pub fn set(&self, turn: Turn) {
        *self.turn.lock() = Some(turn);
    }

    /// Nobody works any more; what went wrong while they did.
    pub fn take(&self) -> Result<(), String> {
        *self.turn.lock() = None;
        self.failed.lock().take().map_or(Ok(()), Err)
    }

    /// A call is about to be made of this file.
    pub fn work(&self, path: &Path, world: &World) {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let of_segment = path.ancestors().nth(2).is_some_and(|above| above.ends_with("segments"));
        if !of_segment || name.starts_with("dead") {
            return;
        }
        // Taken while it works: what it does makes calls of its own.
        let Some(mut turn) = self.turn.lock().take() else { return };
        let worked = match turn.dice.below(12) {
            0 | 1 => write(world, &turn.collection, NAME, 1, &mut turn.dice),
            2 => write(world, &turn.collection, NAME, 3, &mut turn.dice),
            3 => (turn.other)(&turn.collection).map(drop).map_err(|err| format!("beside it: {err}")),
            _ => Ok(()),
        };
        if let Err(why) = worked {
            self.failed.lock().get_or_insert(format!("while {name} was written: {why}"));
        }
        *self.turn.lock() = Some(turn);
    }
}
