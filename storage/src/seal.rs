//! A checkpoint: what is live becomes a segment, and the log before it may go.
//!
//! ```text
//! freeze (a moment of the state) -> build files -> dead rows -> manifest -> install -> cut the log
//! ```
//!
//! Writes and reads go on all the while. What dies while the segment is built is carried over when
//! it is installed, and stands in the log for a replay.

use crate::collection::Inner;
use crate::error::{Result, doing};
use crate::frame::{self, Kind};
use crate::ledger::{self, OUTCOMES_MAX, Outcome, PAGE_PREFIX, PAGES_MAX, SourcePosition};
use crate::manifest::{FileEntry, Manifest, OutcomesEntry, SegmentEntry};
use crate::memory::{Budget, Building};
use crate::part::Part;
use crate::reading::Reading;
use crate::segment::build::{Builder, Rows};
use crate::segment::{Segment, folder};
use crate::state::{Entry, Held};
use crate::upkeep::{Lane, Task};
use nigh_index::bitmap::Bitmap;
use nigh_index::row::{Kept, Row};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use uuid::Uuid;

/// The moment that a seal speaks of.
struct Frozen {
    seq: u64,
    time_ms: u64,
    positions: Vec<SourcePosition>,
    /// Outcomes since the checkpoint before, or all where the pages become one.
    outcomes: Vec<(Uuid, Outcome)>,
    one_page: bool,
    /// The live parts, each with its dead rows at that moment.
    parts: Vec<(Held, Arc<Bitmap>)>,
}

/// Seals what is live. False where there was nothing to do, or the collection is being closed.
pub(crate) fn seal(inner: &Inner, reason: &str) -> Result<bool> {
    let _one = inner.sealing.lock();
    if inner.poisoned().is_some() || inner.stop.load(Ordering::Relaxed) {
        return Ok(false);
    }
    let Some(frozen) = freeze(inner) else { return Ok(false) };
    let rows = frozen.parts.iter().map(|(held, dead)| u64::from(held.part().rows()) - dead.len()).sum();
    let running = inner.chores.begin(Lane::Sealing, reason, rows);
    let sealed = running.task.told(inner, build_and_install(inner, &frozen, &running.task));
    if !matches!(sealed, Ok(true)) {
        for entry in &mut inner.state.lock().entries {
            entry.frozen = false;
        }
    }
    sealed
}

fn freeze(inner: &Inner) -> Option<Frozen> {
    let (replay_from, pages) = {
        let manifest = inner.manifest.lock();
        (manifest.replay_from, manifest.outcomes.len())
    };
    let mut state = inner.state.lock();
    if state.seq < replay_from {
        return None;
    }
    let mut parts = Vec::new();
    for entry in &mut state.entries {
        entry.dead_frozen = entry.dead.clone();
        if entry.is_live() {
            entry.frozen = true;
            parts.push((entry.held.clone(), entry.dead.clone()));
        }
    }
    let one_page = pages >= PAGES_MAX;
    let ledger = inner.ledger.lock();
    Some(Frozen {
        seq: state.seq,
        time_ms: state.time_ms,
        positions: ledger.positions(None),
        outcomes: ledger.outcomes_from(if one_page { 0 } else { replay_from }),
        one_page,
        parts,
    })
}

fn build_and_install(inner: &Inner, frozen: &Frozen, task: &Task) -> Result<bool> {
    let rows: Vec<Vec<Row>> = frozen.parts.iter().map(|(held, dead)| rows_without(held.part(), dead)).collect();
    let parts = frozen.parts.iter().map(|(held, _)| held.part());
    let kept: Vec<Kept<'_, dyn Part + '_>> = parts.zip(&rows).map(|(part, rows)| Kept { part, rows }).collect();
    let rows_of = Rows::new(&kept);
    let bytes: u64 = frozen.parts.iter().map(|(held, _)| held.part().bytes()).sum();
    inner.space.admit_seal(bytes.saturating_add(bytes / 2))?;
    let needed = Budget::build_bytes(&inner.schema.load().spec, rows_of.len().into());
    let room = inner.options.memory.build(needed);
    let number = inner.new_segment_number();
    let sealed = install_built(inner, frozen, (&rows, &rows_of), number, (task, &room));
    if !matches!(sealed, Ok(true)) {
        inner.discard(number);
    }
    sealed
}

/// A segment and what the manifest says of it; `None` where there was no row to lay down.
pub(crate) type Built = Option<(SegmentEntry, Arc<Segment>)>;

/// Lays a segment down and opens it; `None` where it was called off.
pub(crate) fn build(
    inner: &Inner,
    rows_of: &Rows<'_>,
    number: u64,
    (task, room): (&Task, &Building),
) -> Result<Option<Built>> {
    if rows_of.len() == 0 {
        return Ok(Some(None));
    }
    let entry = inner.builder(task, room).build(number, rows_of).map_err(|err| inner.explained(err))?;
    let Some(entry) = entry else { return Ok(None) };
    let segment = Segment::open(&*inner.disk, &inner.folder, &inner.schema.load().spec, &entry, Reading::First)?;
    Ok(Some(Some((entry, Arc::new(segment)))))
}

fn install_built(
    inner: &Inner,
    frozen: &Frozen,
    (rows, rows_of): (&[Vec<Row>], &Rows<'_>),
    number: u64,
    (task, room): (&Task, &Building),
) -> Result<bool> {
    let Some(built) = build(inner, rows_of, number, (task, room))? else { return Ok(false) };

    // The log up to the checkpoint is made durable first: a new log file after a crash would
    // otherwise begin behind a gap.
    inner.sync_log()?;
    let mut manifest = inner.manifest.lock();
    let mut next: Manifest = manifest.clone();
    let mut stale = Vec::new();
    for (number, dead) in frozen_dead(inner) {
        let Some(entry) = next.segments.iter_mut().find(|entry| entry.number == number) else { continue };
        let file = save_dead(inner, number, frozen.seq, &dead)?;
        let old = entry.dead.replace(file).filter(|old| !inner.pins.name_dead(number, &old.name));
        stale.extend(old.map(|old| folder(&inner.folder, number).join(old.name)));
    }
    next.segments.extend(built.as_ref().map(|(entry, _)| entry.clone()));
    next.replay_from = frozen.seq + 1;
    next.time_ms = frozen.time_ms;
    next.positions.clone_from(&frozen.positions);
    stale.extend(save_outcomes(inner, frozen, &mut next)?);
    inner.save_manifest(&mut manifest, next)?;
    install(inner, frozen, rows, built.map(|(_, segment)| segment));
    drop(manifest);

    // From here on nothing can be lost: what fails now leaves rubbish that the next open removes.
    for path in stale {
        if let Err(err) = inner.disk.remove(&path) {
            tracing::warn!(collection = inner.name, %err, "a file that was replaced could not be removed");
        }
    }
    inner.cut_log(frozen.seq + 1);
    Ok(true)
}

/// Writes the outcomes that no page holds yet; gives the pages that are of no use any more.
fn save_outcomes(inner: &Inner, frozen: &Frozen, next: &mut Manifest) -> Result<Vec<PathBuf>> {
    if frozen.outcomes.is_empty() {
        return Ok(Vec::new());
    }
    let mut old: Vec<OutcomesEntry> = if frozen.one_page { std::mem::take(&mut next.outcomes) } else { Vec::new() };
    let body = ledger::encode_page(&frozen.outcomes);
    let name = format!("{PAGE_PREFIX}{:020}", frozen.seq);
    let file = save_file(inner, &inner.folder, &name, Kind::Outcomes, &body)?;
    next.outcomes.push(OutcomesEntry { count: frozen.outcomes.len() as u64, file });
    // A page goes once those behind it hold as many outcomes as are kept.
    let behind = |pages: &[OutcomesEntry]| pages.iter().skip(1).map(|page| page.count).sum::<u64>();
    while behind(&next.outcomes) >= OUTCOMES_MAX as u64 {
        old.push(next.outcomes.remove(0));
    }
    Ok(old.into_iter().map(|page| inner.folder.join(page.file.name)).collect())
}

/// Segments whose dead rows of the frozen moment are not what the manifest has.
fn frozen_dead(inner: &Inner) -> Vec<(u64, Arc<Bitmap>)> {
    let state = inner.state.lock();
    let changed = state.entries.iter().filter(|entry| !entry.is_live() && entry.dead_frozen != entry.dead_saved);
    changed.map(|entry| (entry.held.part().segment(), entry.dead_frozen.clone())).collect()
}

fn install(inner: &Inner, frozen: &Frozen, rows: &[Vec<Row>], segment: Option<Arc<Segment>>) {
    let mut state = inner.state.lock();
    let mut dead = Bitmap::new();
    let mut start = 0;
    let melted = state.entries.iter().filter(|entry| entry.is_live() && entry.frozen);
    for (entry, rows) in melted.zip(rows) {
        translate(&entry.dead, rows, start, &mut dead);
        start += rows.len() as u32;
    }
    debug_assert_eq!(frozen.parts.len(), rows.len(), "frozen parts stay until they are installed");
    state.entries.retain(|entry| !(entry.is_live() && entry.frozen));
    for entry in state.entries.iter_mut().filter(|entry| !entry.is_live()) {
        entry.dead_saved = entry.dead_frozen.clone();
    }
    if let Some(segment) = segment {
        let mut entry = Entry::with_dead(Held::Sealed(segment), Arc::new(Bitmap::new()));
        entry.dead = Arc::new(dead);
        let at = state.entries.iter().take_while(|entry| !entry.is_live()).count();
        state.entries.insert(at, entry);
    }
    inner.publish(&state);
}

/// Adds the rows of `dead` that were kept, at their places in the new part.
pub(crate) fn translate(dead: &Bitmap, kept: &[Row], start: u32, into: &mut Bitmap) {
    for row in dead.iter() {
        if let Ok(at) = kept.binary_search(&row) {
            into.insert(Row(start + at as u32));
        }
    }
}

/// The rows of a part that are not in the set.
pub(crate) fn rows_without(part: &dyn Part, dead: &Bitmap) -> Vec<Row> {
    (0..part.rows()).map(Row).filter(|row| !dead.has(*row)).collect()
}

/// Writes the dead rows of a segment as of a checkpoint.
pub(crate) fn save_dead(inner: &Inner, number: u64, seq: u64, dead: &Bitmap) -> Result<FileEntry> {
    let folder = folder(&inner.folder, number);
    save_file(inner, &folder, &format!("dead.{seq:020}"), Kind::Dead, &dead.to_bytes())
}

/// Writes a file that the next manifest will name; it is durable with its name.
fn save_file(inner: &Inner, folder: &Path, name: &str, kind: Kind, body: &[u8]) -> Result<FileEntry> {
    let path = folder.join(name);
    // A try that failed before its manifest was saved may have left one of this name.
    if inner.disk.length(&path).is_ok() {
        inner.disk.remove(&path).map_err(doing("remove", &path))?;
    }
    let info = frame::write_small(&*inner.disk, &path, kind, body)?;
    inner.disk.sync_dir(folder).map_err(doing("sync", folder))?;
    Ok(FileEntry { name: name.to_owned(), bytes: info.bytes, checksum: info.checksum })
}

/// Reads the dead rows that the manifest names.
pub(crate) fn load_dead(disk: &dyn crate::disk::Disk, collection: &Path, entry: &SegmentEntry) -> Result<Bitmap> {
    let Some(file) = &entry.dead else { return Ok(Bitmap::new()) };
    let path = folder(collection, entry.number).join(&file.name);
    let body = frame::open_checked(disk, &path, Kind::Dead, file.info())?;
    Bitmap::from_bytes(&body, entry.rows).map_err(|err| crate::error::Error::of_index(&path, err))
}

impl Inner {
    pub(crate) fn builder<'a>(&'a self, task: &'a Task, room: &Building) -> Builder<'a> {
        Builder {
            disk: &*self.disk,
            collection: &self.folder,
            schema: self.schema.load_full(),
            threads: self.options.build_threads,
            task,
            scratch_bytes: room.scratch,
        }
    }
}
