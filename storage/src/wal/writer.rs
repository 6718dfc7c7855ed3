//! Writing the log: a group of records is one write; a sync covers all groups before it.

use super::reader::{LogFile, file_path, file_starts};
use super::record::{self, PAYLOAD_BYTES_MAX, Record};
use crate::disk::{Appender, Disk};
use crate::error::{Error, Result, doing};
use crate::frame::{self, HEADER_BYTES, Kind};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use uuid::Uuid;

/// A new file's records are written in pieces of about this many bytes.
const PIECE_BYTES: usize = 4 << 20;
/// So much may wait for a sync; then one is due, whoever asked for it. It is held in memory too.
const UNSYNCED_BYTES_MAX: u64 = 8 << 20;
/// A file reserves as much again as it holds, within these bounds: an empty collection takes next
/// to nothing, and a busy one asks the file system rarely.
const RESERVE_BYTES: std::ops::RangeInclusive<u64> = 16 << 10..=16 << 20;

/// A log that is open for writing.
///
/// Room is reserved before anything is written, so that a full disk refuses a group of which nothing
/// was written. After an error of an append, a sync or a name the file is **broken off**: nothing
/// more is written to it, and no sync of it is tried again, for it could succeed without meaning
/// anything. [`Self::renew`] goes on in a new file.
pub struct Log {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    file_bytes_max: u64,
    /// The first operations and lengths of the files before the current one.
    closed: Vec<(u64, u64)>,
    current: Current,
    next_seq: u64,
    synced_upto: u64,
    /// The `synced_upto` of the last mark, or of a record behind what it speaks of.
    marked_upto: u64,
    /// Whether something was written since the last sync.
    unsynced: bool,
    /// The records that no sync has covered, with which a new file would have to begin. They are
    /// kept here because after a failed sync nobody can say what reading them back would prove.
    tail: Vec<Record>,
    tail_bytes: u64,
    broken: Option<String>,
    buffer: Vec<u8>,
}

/// The file that grows.
struct Current {
    path: PathBuf,
    file: Box<dyn Appender>,
    first_seq: u64,
    bytes: u64,
    reserved: u64,
    salt: u64,
    link: u32,
}

impl Log {
    /// Begins a new file whose next operation is this one, behind what a replay found: records that
    /// are not known to be on disk are copied into it. It is durable when this returns.
    pub fn start(disk: Arc<dyn Disk>, dir: PathBuf, next_seq: u64, file_bytes: u64) -> Result<Self> {
        let mut starts = file_starts(&*disk, &dir)?;
        remove_unfinished(&*disk, &dir)?;
        let tail = match starts.last() {
            Some(start) => unsynced_tail(&*disk, &dir, *start, next_seq)?,
            None => Vec::new(),
        };
        let first_seq = tail.first().map_or(next_seq, |record| record.first_seq);
        let current = Unnamed::write(&*disk, &dir, first_seq, &tail)?.name(&*disk, &dir)?;
        // What was renamed over, if there was one, held no record, or the same ones.
        starts.retain(|start| *start != first_seq);
        let length = |start: &u64| {
            let path = file_path(&dir, *start);
            Ok((*start, disk.length(&path).map_err(doing("measure", &path))?))
        };
        let closed = starts.iter().map(length).collect::<Result<_>>()?;
        let synced_upto = next_seq.saturating_sub(1);
        Ok(Self {
            disk,
            dir,
            file_bytes_max: file_bytes,
            closed,
            current,
            next_seq,
            synced_upto,
            marked_upto: synced_upto,
            unsynced: false,
            tail: Vec::new(),
            tail_bytes: 0,
            broken: None,
            buffer: Vec::new(),
        })
    }

    /// Appends a group, in one write. Its records follow each other and what was written before.
    ///
    /// # Errors
    ///
    /// [`Error::Unknown`] where the group may be on disk or not; after every other error it is not,
    /// and never will be.
    pub fn append(&mut self, group: &[Record]) -> Result<()> {
        self.check_group(group)?;
        self.check_whole()?;
        if self.current.bytes >= self.file_bytes_max {
            self.roll()?;
        }
        self.write(group)?;
        self.next_seq = group.last().map_or(self.next_seq, Record::end_seq);
        self.tail.extend_from_slice(group);
        self.tail_bytes += self.buffer.len() as u64;
        if self.buffer.capacity() > 2 * PIECE_BYTES {
            self.buffer = Vec::new();
        }
        if self.tail_bytes > UNSYNCED_BYTES_MAX {
            self.sync()?;
        }
        Ok(())
    }

    /// Makes what was appended durable.
    ///
    /// # Errors
    ///
    /// [`Error::Unknown`] where nobody knows what of it is.
    pub fn sync(&mut self) -> Result<()> {
        self.check_whole()?;
        if self.unsynced {
            let synced = self.current.file.sync().map_err(doing("sync", &self.current.path));
            synced.map_err(|err| self.break_off(&err))?;
            self.all_is_synced();
        }
        Ok(())
    }

    /// Why nothing more is written until [`Self::renew`].
    pub fn broken(&self) -> Option<&str> {
        self.broken.as_deref()
    }

    /// Operations from this one on never were: their callers were told that nobody knows. Only of a
    /// log that is broken off.
    pub fn abandon(&mut self, from_seq: u64) {
        debug_assert!(self.broken.is_some(), "a whole log holds what was appended");
        self.tail.retain(|record| record.first_seq < from_seq);
        self.next_seq = self.next_seq.min(from_seq);
    }

    /// Goes on in a new file behind one that was broken off: with a copy of the records that no sync
    /// has covered, and without those that were abandoned. What should be on disk before it is read
    /// again and checked. Where this fails nothing was lost, and it may be tried again. False where
    /// the log was whole.
    pub fn renew(&mut self) -> Result<bool> {
        if self.broken.is_none() {
            return Ok(false);
        }
        let first_seq = self.tail.first().map_or(self.next_seq, |record| record.first_seq);
        let behind = LogFile::open(&*self.disk, &self.dir, self.current.first_seq)?;
        let end = behind.records(&mut |_| Ok(()))?.next_seq;
        if end < first_seq {
            let why = format!("operations {end} to {} were synced and cannot be read", first_seq - 1);
            return Err(Error::corrupt(&self.current.path, HEADER_BYTES, why));
        }
        drop(behind);
        remove_unfinished(&*self.disk, &self.dir)?;
        let next = Unnamed::write(&*self.disk, &self.dir, first_seq, &self.tail)?.name(&*self.disk, &self.dir)?;
        let before = std::mem::replace(&mut self.current, next);
        // Of the same name is what was renamed over.
        if before.first_seq != first_seq {
            self.closed.push((before.first_seq, before.bytes));
        }
        self.broken = None;
        self.all_is_synced();
        self.marked_upto = self.synced_upto;
        Ok(true)
    }

    /// Notes behind what was synced that it was, where no record does yet: from then on damage to it is
    /// not taken for a write that was torn. The note itself is synced with what comes next.
    pub fn mark(&mut self) -> Result<()> {
        if self.unsynced || self.marked_upto == self.synced_upto {
            return Ok(());
        }
        self.check_whole()?;
        self.write(&[Record::mark(self.next_seq)])
    }

    /// Goes on in a new file where the current one holds a record: a cut can then remove all that was written until now.
    pub fn close_file(&mut self) -> Result<()> {
        self.check_whole()?;
        if self.next_seq > self.current.first_seq {
            self.roll()?;
        }
        match self.next_seq > self.current.first_seq {
            true => Err(doing("begin a new file in", &self.dir)(std::io::ErrorKind::StorageFull.into())),
            false => Ok(()),
        }
    }

    /// Removes the files that hold nothing but operations below this one. A file that could not be
    /// removed does no harm.
    pub fn cut_before(&mut self, seq: u64) -> Result<()> {
        while let Some((start, _)) = self.closed.first() {
            let next_start = self.closed.get(1).map_or(self.current.first_seq, |(next, _)| *next);
            if next_start > seq {
                break;
            }
            let path = file_path(&self.dir, *start);
            self.disk.remove(&path).map_err(doing("remove", &path))?;
            self.closed.remove(0);
        }
        Ok(())
    }

    /// Bytes of the files that hold operations from this one on.
    pub fn bytes_from(&self, seq: u64) -> u64 {
        let ends = self.closed.iter().skip(1).map(|(start, _)| *start).chain([self.current.first_seq]);
        let needed = self.closed.iter().zip(ends).filter(|(_, end)| *end > seq);
        needed.map(|((_, bytes), _)| bytes).sum::<u64>() + self.current.bytes
    }

    /// Bytes of all its files.
    pub fn bytes(&self) -> u64 {
        self.closed.iter().map(|(_, bytes)| bytes).sum::<u64>() + self.current.bytes
    }

    /// A caller's mistake is told before anything is written.
    fn check_group(&self, group: &[Record]) -> Result<()> {
        let mut next_seq = self.next_seq;
        for record in group {
            if record.payload.len() > PAYLOAD_BYTES_MAX {
                let got = format!("{} bytes", record.payload.len());
                return Err(Error::invalid("batch", got, format!("at most {PAYLOAD_BYTES_MAX} are logged at once")));
            }
            if record.first_seq != next_seq || record.ops == 0 {
                let got = format!("operation {} with {} behind it", record.first_seq, record.ops);
                return Err(Error::invalid("record", got, format!("operation {next_seq} is next")));
            }
            next_seq = record.end_seq();
        }
        Ok(())
    }

    fn check_whole(&self) -> Result<()> {
        match &self.broken {
            None => Ok(()),
            Some(why) => Err(Error::Poisoned { name: self.dir.display().to_string(), why: why.clone() }),
        }
    }

    fn write(&mut self, group: &[Record]) -> Result<()> {
        self.buffer.clear();
        let link = self.current.encode(group, self.synced_upto, &mut self.buffer);
        self.current.reserve(self.buffer.len() as u64, self.file_bytes_max)?;
        if let Err(err) = self.current.append(&self.buffer) {
            return Err(self.take_back(err));
        }
        self.current.link = link;
        self.marked_upto = self.synced_upto;
        self.unsynced = true;
        Ok(())
    }

    /// Nothing more is written to the current file; gives what its callers hear.
    fn break_off(&mut self, err: &Error) -> Error {
        self.broken = Some(err.to_string());
        Error::Unknown { name: self.dir.display().to_string(), why: err.to_string() }
    }

    /// A group that was written in part is cut off again. Where that is durable the group surely is
    /// not kept, and the error stays what it was.
    fn take_back(&mut self, err: Error) -> Error {
        let unknown = self.break_off(&err);
        let cut = self.current.file.cut(self.current.bytes).and_then(|()| self.current.file.sync());
        match cut {
            // No sync of this file had failed before, so this one covers all that was appended.
            Ok(()) => {
                self.all_is_synced();
                err
            }
            Err(_) => unknown,
        }
    }

    fn all_is_synced(&mut self) {
        self.tail.clear();
        self.tail_bytes = 0;
        self.unsynced = false;
        self.synced_upto = self.next_seq.saturating_sub(1);
    }

    /// Goes on in a new file. The old one is synced first: only the last file may be torn. Where
    /// there is no room for a new one the old one grows on.
    fn roll(&mut self) -> Result<()> {
        // Nothing of the group that is to be appended stands anywhere yet.
        self.sync().map_err(|err| Error::Poisoned { name: self.dir.display().to_string(), why: err.to_string() })?;
        let written = remove_unfinished(&*self.disk, &self.dir)
            .and_then(|()| Unnamed::write(&*self.disk, &self.dir, self.next_seq, &[]));
        let next = match written {
            Ok(unnamed) => unnamed,
            Err(err) => {
                tracing::warn!(%err, "no new file of the log could be begun: the last one grows on");
                return Ok(());
            }
        };
        // The name may be found after a crash or not: whatever comes next has to stand behind it.
        let next = next.name(&*self.disk, &self.dir).inspect_err(|err| self.broken = Some(err.to_string()))?;
        let mut full = std::mem::replace(&mut self.current, next);
        if let Err(err) = full.file.cut(full.bytes) {
            tracing::debug!(%err, "what a file of the log had reserved was not given back");
        }
        self.closed.push((full.first_seq, full.bytes));
        Ok(())
    }
}

/// A new file of the log, written and synced, that nobody finds yet.
struct Unnamed {
    path: PathBuf,
    current: Current,
}

impl Unnamed {
    fn write(disk: &dyn Disk, dir: &Path, first_seq: u64, records: &[Record]) -> Result<Self> {
        let named = file_path(dir, first_seq);
        let path = unfinished_path(&named);
        let file = disk.create(&path).map_err(doing("create", &path))?;
        let (salt, _) = Uuid::new_v4().as_u64_pair();
        let mut current = Current { path: named, file, first_seq, bytes: 0, reserved: 0, salt, link: 0 };
        let mut piece = frame::header(Kind::Log, first_seq, salt).to_vec();
        for record in records {
            current.link = current.encode(std::slice::from_ref(record), first_seq.saturating_sub(1), &mut piece);
            if piece.len() >= PIECE_BYTES {
                current.append(&piece)?;
                piece.clear();
            }
        }
        // Without its name the file is of no account, and it gets it when all of this was synced.
        if let Some(last) = records.last() {
            let end = last.end_seq();
            current.link = current.encode(&[Record::mark(end)], end - 1, &mut piece);
        }
        current.append(&piece)?;
        current.file.sync().map_err(doing("sync", &path))?;
        Ok(Self { path, current })
    }

    /// Gives it its name, durably.
    fn name(self, disk: &dyn Disk, dir: &Path) -> Result<Current> {
        disk.rename(&self.path, &self.current.path).map_err(doing("rename", &self.path))?;
        disk.sync_dir(dir).map_err(doing("sync", dir))?;
        Ok(self.current)
    }
}

impl Current {
    /// Lays the records down; gives the link of the next one.
    fn encode(&self, records: &[Record], synced_upto: u64, out: &mut Vec<u8>) -> u32 {
        records.iter().fold(self.link, |link, record| record::encode(record, self.salt, link, synced_upto, out))
    }

    /// Makes sure that so many bytes more find room.
    fn reserve(&mut self, bytes: u64, file_bytes_max: u64) -> Result<()> {
        let needed = self.bytes + bytes;
        if needed <= self.reserved {
            return Ok(());
        }
        let (least, most) = (*RESERVE_BYTES.start(), *RESERVE_BYTES.end());
        let ahead = (needed + self.bytes.clamp(least, most)).min(file_bytes_max).max(needed);
        let mut reserved = self.file.reserve(ahead).map(|()| ahead);
        if reserved.is_err() && ahead > needed {
            reserved = self.file.reserve(needed).map(|()| needed);
        }
        self.reserved = reserved.map_err(doing("reserve room for", &self.path))?;
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.append(bytes).map_err(doing("append to", &self.path))?;
        self.bytes += bytes.len() as u64;
        Ok(())
    }
}

/// The records at the end of the last file that are not known to be on disk, as long as the
/// segments do not hold them.
fn unsynced_tail(disk: &dyn Disk, dir: &Path, start: u64, next_seq: u64) -> Result<Vec<Record>> {
    let mut tail = VecDeque::new();
    let end = LogFile::open(disk, dir, start)?.records(&mut |framed| {
        tail.push_back(framed.record);
        while tail.front().is_some_and(|record| record.end_seq() <= framed.synced_upto + 1) {
            tail.pop_front();
        }
        Ok(())
    })?;
    if end.next_seq > next_seq {
        let limit = format!("the log holds operations up to {}", end.next_seq - 1);
        return Err(Error::invalid("next operation", next_seq, limit));
    }
    Ok(if end.next_seq == next_seq { tail.into() } else { Vec::new() })
}

/// Removes what a crash left of a file that had no name yet.
fn remove_unfinished(disk: &dyn Disk, dir: &Path) -> Result<()> {
    for name in disk.list(dir).map_err(doing("list", dir))? {
        if name.ends_with(UNFINISHED) {
            let path = dir.join(name);
            disk.remove(&path).map_err(doing("remove", &path))?;
        }
    }
    Ok(())
}

const UNFINISHED: &str = ".log.tmp";

fn unfinished_path(path: &Path) -> PathBuf {
    path.with_extension(UNFINISHED.trim_start_matches('.'))
}
