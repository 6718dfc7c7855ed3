//! Writing the log: a group of records is one write; a sync covers all groups before it.

use super::reader::{LogFile, file_path, file_starts};
use super::record::{self, PAYLOAD_BYTES_MAX, Record};
use crate::disk::{Appender, Disk};
use crate::error::{Error, Result, doing};
use crate::frame::{self, Kind};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use uuid::Uuid;

/// A new file's records are written in pieces of about this many bytes.
const PIECE_BYTES: usize = 4 << 20;

/// A log that is open for writing.
///
/// After an error of `append` or `sync` nobody knows what is on disk. The log takes nothing more,
/// and no sync is tried again: it could succeed without meaning anything.
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
    unsynced: bool,
    poisoned: Option<String>,
    buffer: Vec<u8>,
}

/// The file that grows.
struct Current {
    path: PathBuf,
    file: Box<dyn Appender>,
    first_seq: u64,
    bytes: u64,
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
        let current = Current::create(&*disk, &dir, first_seq, &tail)?;
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
            poisoned: None,
            buffer: Vec::new(),
        })
    }

    /// Appends a group, in one write. Its records follow each other and what was written before.
    pub fn append(&mut self, group: &[Record]) -> Result<()> {
        self.check_group(group)?;
        self.or_poison(|log| {
            if log.current.bytes >= log.file_bytes_max {
                log.roll()?;
            }
            log.write(group)
        })
    }

    /// Makes what was appended durable.
    pub fn sync(&mut self) -> Result<()> {
        self.or_poison(Self::sync_current)
    }

    /// Notes behind what was synced that it was, where no record does yet: from then on damage to it is
    /// not taken for a write that was torn. The note itself is synced with what comes next.
    pub fn mark(&mut self) -> Result<()> {
        if self.unsynced || self.marked_upto == self.synced_upto {
            return Ok(());
        }
        self.or_poison(|log| log.write(&[Record::mark(log.next_seq)]))
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

    fn or_poison<T>(&mut self, deed: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if let Some(why) = &self.poisoned {
            return Err(Error::Poisoned { name: self.dir.display().to_string(), why: why.clone() });
        }
        let result = deed(self);
        if let Err(err) = &result {
            self.poisoned = Some(err.to_string());
        }
        result
    }

    fn write(&mut self, group: &[Record]) -> Result<()> {
        self.buffer.clear();
        self.current.encode(group, self.synced_upto, &mut self.buffer);
        self.marked_upto = self.synced_upto;
        // From here on bytes may be in the file, whatever the disk answers.
        self.unsynced = true;
        self.current.append(&self.buffer)?;
        self.next_seq = group.last().map_or(self.next_seq, Record::end_seq);
        if self.buffer.capacity() > 2 * PIECE_BYTES {
            self.buffer = Vec::new();
        }
        Ok(())
    }

    fn sync_current(&mut self) -> Result<()> {
        if self.unsynced {
            self.current.file.sync().map_err(doing("sync", &self.current.path))?;
            self.unsynced = false;
            self.synced_upto = self.next_seq.saturating_sub(1);
        }
        Ok(())
    }

    /// Goes on in a new file. The old one is synced first: only the last file may be torn.
    fn roll(&mut self) -> Result<()> {
        self.sync_current()?;
        let next = Current::create(&*self.disk, &self.dir, self.next_seq, &[])?;
        let full = std::mem::replace(&mut self.current, next);
        self.closed.push((full.first_seq, full.bytes));
        Ok(())
    }
}

impl Current {
    /// A new file with these records, durable together with its name.
    fn create(disk: &dyn Disk, dir: &Path, first_seq: u64, records: &[Record]) -> Result<Self> {
        let path = file_path(dir, first_seq);
        let unfinished = unfinished_path(&path);
        let file = disk.create(&unfinished).map_err(doing("create", &unfinished))?;
        let (salt, _) = Uuid::new_v4().as_u64_pair();
        let mut current = Self { path, file, first_seq, bytes: 0, salt, link: 0 };
        let mut piece = frame::header(Kind::Log, first_seq, salt).to_vec();
        for record in records {
            current.encode(std::slice::from_ref(record), first_seq.saturating_sub(1), &mut piece);
            if piece.len() >= PIECE_BYTES {
                current.append(&piece)?;
                piece.clear();
            }
        }
        // Without its name the file is of no account, and it gets it when all of this was synced.
        if let Some(last) = records.last() {
            let end = last.end_seq();
            current.encode(&[Record::mark(end)], end - 1, &mut piece);
        }
        current.append(&piece)?;
        current.file.sync().map_err(doing("sync", &unfinished))?;
        disk.rename(&unfinished, &current.path).map_err(doing("rename", &unfinished))?;
        disk.sync_dir(dir).map_err(doing("sync", dir))?;
        Ok(current)
    }

    fn encode(&mut self, records: &[Record], synced_upto: u64, out: &mut Vec<u8>) {
        for record in records {
            self.link = record::encode(record, self.salt, self.link, synced_upto, out);
        }
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
