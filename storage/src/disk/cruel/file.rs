//! A file of the cruel disk while it is written.

use super::medium::{Dice, Mood};
use super::{Call, CruelDisk, Fate, Fault, Lie, cut};
use crate::disk::Appender;
use std::io;

/// A file of the disk, held open.
pub(super) struct CruelAppender {
    pub(super) disk: CruelDisk,
    pub(super) node: u64,
}

impl CruelAppender {
    fn write(&self, call: Call, at: Option<u64>, bytes: &[u8]) -> io::Result<()> {
        let (mut state, fate) = self.disk.call(call)?;
        let short = state.dice.below(bytes.len() as u64 + 1) as usize;
        let room = state.room();
        let file = state.file(self.node)?;
        if file.frozen {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let at = at.map_or(file.live.len(), |at| at as usize);
        // What is reserved has its room already.
        let fits = room.saturating_add(file.room()).saturating_sub(at as u64);
        match fate {
            Fate::Done if fits < bytes.len() as u64 => {
                file.write(at, &bytes[..fits as usize]);
                return Err(Fault::NoSpace.into());
            }
            Fate::Done => file.write(at, bytes),
            Fate::Cut => {
                file.write(at, bytes);
                return Err(cut());
            }
            Fate::Failed(fault) => {
                file.write(at, &bytes[..short]);
                return Err(fault.into());
            }
        }
        Ok(())
    }
}

impl Appender for CruelAppender {
    fn reserve(&mut self, bytes: u64) -> io::Result<()> {
        let (mut state, fate) = self.disk.call(Call::Reserve)?;
        let room = state.room();
        let file = state.file(self.node)?;
        match fate {
            Fate::Failed(fault) => return Err(fault.into()),
            Fate::Cut => return Err(cut()),
            Fate::Done if bytes.saturating_sub(file.room()) > room => return Err(Fault::NoSpace.into()),
            Fate::Done => file.reserved = file.reserved.max(bytes),
        }
        Ok(())
    }

    /// The new length is a change of names and places, which the disk may find in no order with the
    /// data: until the next sync a power cut finds the file cut, or whole.
    fn cut(&mut self, bytes: u64) -> io::Result<()> {
        let (mut state, fate) = self.disk.call(Call::Cut)?;
        let file = state.file(self.node)?;
        match fate {
            Fate::Failed(fault) => return Err(fault.into()),
            Fate::Cut => {
                file.cut(bytes as usize);
                return Err(cut());
            }
            Fate::Done => file.cut(bytes as usize),
        }
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write(Call::Append, None, bytes)
    }

    fn overwrite(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.write(Call::Overwrite, Some(at), bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        let (mut state, fate) = self.disk.call(Call::Sync)?;
        if state.lies.contains(&Lie::Sync) {
            return Ok(());
        }
        let mut dice = Dice(state.dice.next());
        let file = state.file(self.node)?;
        match fate {
            Fate::Cut => return Err(cut()),
            Fate::Failed(fault) => {
                // What did not reach the disk now never will: its pages count as clean.
                file.durable = file.found(Mood::Sectors, &mut dice).live;
                file.pending.clear();
                return Err(fault.into());
            }
            Fate::Done => file.sync(),
        }
        Ok(())
    }

    fn freeze(&mut self) -> io::Result<()> {
        let (mut state, fate) = self.disk.call(Call::Freeze)?;
        match fate {
            Fate::Failed(fault) => return Err(fault.into()),
            Fate::Cut => return Err(cut()),
            Fate::Done => state.file(self.node)?.frozen = true,
        }
        Ok(())
    }
}
