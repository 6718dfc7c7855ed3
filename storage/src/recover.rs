//! Opening a collection: the manifest, its segments, and the log folded over them.

use crate::collection::Inner;
use crate::disk::Disk;
use crate::error::{Error, Result, doing};
use crate::fold::{Fold, Folded};
use crate::frame::{self, HEADER_BYTES, Kind};
use crate::ledger::{self, Ledger, Note, Outcome};
use crate::manifest::{Manifest, SegmentEntry};
use crate::op::{self, Op};
use crate::opening::{Progress, Stage};
use crate::pins::Pins;
use crate::prepare::Schema;
use crate::reading::Reading;
use crate::schema::CollectionSpec;
use crate::seal::load_dead;
use crate::segment::Segment;
use crate::snapshot::Snapshot;
use crate::space::Watch;
use crate::state::{Change, Entry, Held, State};
use crate::store::Options;
use crate::wal::{self, Log, Record};
use parking_lot::Mutex;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use uuid::Uuid;

/// A replay applies its records in groups of at most this many.
const GROUP_RECORDS_MAX: usize = 4096;
/// Or of this many bytes.
const GROUP_BYTES_MAX: usize = 16 << 20;

/// The folder of the log.
pub(crate) fn log_folder(collection: &Path) -> PathBuf {
    collection.join("wal")
}

/// Lays an empty collection down in a folder that is not there yet.
pub(crate) fn create(disk: &dyn Disk, folder: &Path, collection: Uuid, spec: CollectionSpec) -> Result<()> {
    for path in [folder.to_owned(), log_folder(folder), folder.join("segments")] {
        disk.create_dir(&path).map_err(doing("create", &path))?;
    }
    let manifest = Manifest {
        collection,
        spec,
        replay_from: 1,
        time_ms: 0,
        next_segment: 1,
        segments: Vec::new(),
        positions: Vec::new(),
        outcomes: Vec::new(),
    };
    manifest.save(disk, folder)?;
    disk.sync_dir(folder).map_err(doing("sync", folder))
}

/// Opens a collection.
pub(crate) fn open(
    folder: &Path,
    name: &str,
    options: Options,
    space: Arc<Watch>,
    progress: &Progress,
) -> Result<Inner> {
    let disk = space.disk().clone();
    let manifest = Manifest::load(&*disk, folder)?;
    let pins = Pins::load(&*disk, folder)?;
    remove_rubbish(&*disk, folder, &manifest, &pins)?;
    let (state, ledger) = load(&*disk, folder, &manifest, options.reading, progress)?;
    let log = Log::start(disk.clone(), log_folder(folder), state.seq + 1, options.log_file_bytes)?;
    let mut inner = Inner::new(name.to_owned(), folder.to_owned(), options, space, manifest, state, log);
    (inner.pins, inner.ledger) = (pins, ledger.into());
    Ok(inner)
}

fn load_ledger(disk: &dyn Disk, folder: &Path, manifest: &Manifest) -> Result<Ledger> {
    let mut outcomes = Vec::new();
    for page in &manifest.outcomes {
        let path = folder.join(&page.file.name);
        let body = frame::open_checked(disk, &path, Kind::Outcomes, page.file.info())?;
        outcomes.extend(ledger::decode_page(&body).map_err(|why| Error::corrupt(&path, HEADER_BYTES, why))?);
    }
    Ok(Ledger::new(&manifest.positions, outcomes))
}

/// What a collection holds by its manifest and its log; nothing on disk is changed.
pub(crate) fn load(
    disk: &dyn Disk,
    folder: &Path,
    manifest: &Manifest,
    reading: Reading,
    progress: &Progress,
) -> Result<(State, Ledger)> {
    progress.begin(Stage::Segments, manifest.segments.iter().map(SegmentEntry::bytes).sum());
    let schema = Arc::new(Schema::new(Arc::new(manifest.spec.clone()))?);
    let entries = open_segments(disk, folder, manifest, reading, progress)?;
    let mut state = State { schema, entries, seq: manifest.replay_from - 1, time_ms: manifest.time_ms };
    let mut ledger = load_ledger(disk, folder, manifest)?;
    progress.begin(Stage::Log, log_bytes(disk, folder));
    let replayed_to = replay(disk, folder, manifest, (&mut state, &mut ledger), progress)?;
    state.seq = state.seq.max(replayed_to);
    Ok((state, ledger))
}

/// The segments as the manifest has them. The error is that of the first bad one, in its order.
fn open_segments(
    disk: &dyn Disk,
    folder: &Path,
    manifest: &Manifest,
    reading: Reading,
    progress: &Progress,
) -> Result<Vec<Entry>> {
    let open = |entry: &SegmentEntry| {
        let segment = Segment::open(disk, folder, &manifest.spec, entry, reading)?;
        let dead = load_dead(disk, folder, entry)?;
        progress.add(entry.bytes());
        Ok(Entry::with_dead(Held::Sealed(Arc::new(segment)), Arc::new(dead)))
    };
    if reading == Reading::First {
        // One after the other: a test that counts what the disk is asked for is told the same every time.
        return manifest.segments.iter().map(open).collect();
    }
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(manifest.segments.len());
    let (next, opened) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some(entry) = manifest.segments.get(next.fetch_add(1, Ordering::Relaxed)) {
            let one = (entry.number, open(entry));
            opened.lock().push(one);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(work);
        }
        work();
    });
    let mut opened = opened.into_inner();
    let place = |number: u64| manifest.segments.iter().position(|entry| entry.number == number);
    opened.sort_by_key(|(number, _)| place(*number));
    opened.into_iter().map(|(_, entry)| entry).collect()
}

/// Bytes of the files of the log; 0 where they cannot be told.
pub(crate) fn log_bytes(disk: &dyn Disk, folder: &Path) -> u64 {
    let log = log_folder(folder);
    let names = disk.list(&log).unwrap_or_default();
    names.iter().filter_map(|name| disk.length(&log.join(name)).ok()).sum()
}

fn replay(
    disk: &dyn Disk,
    folder: &Path,
    manifest: &Manifest,
    (state, ledger): (&mut State, &mut Ledger),
    progress: &Progress,
) -> Result<u64> {
    let schema = state.schema.clone();
    let log = log_folder(folder);
    let mut group: Vec<Record> = Vec::new();
    let mut bytes = 0;
    let replayed = wal::replay(disk, &log, manifest.replay_from, &mut |record| {
        bytes += record.payload.len();
        progress.add(record.payload.len() as u64);
        group.push(record);
        if group.len() >= GROUP_RECORDS_MAX || bytes >= GROUP_BYTES_MAX {
            bytes = 0;
            return apply(&schema, state, ledger, &log, std::mem::take(&mut group));
        }
        Ok(())
    })?;
    apply(&schema, state, ledger, &log, group)?;
    Ok(replayed.next_seq.saturating_sub(1))
}

fn apply(schema: &Schema, state: &mut State, ledger: &mut Ledger, log: &Path, group: Vec<Record>) -> Result<()> {
    let Some(last) = group.last() else { return Ok(()) };
    let (seq, time_ms) = (last.first_seq + u64::from(last.ops) - 1, last.time_ms);
    let base: Snapshot = state.snapshot();
    let mut fold = Fold::replaying(schema, &base);
    for record in group {
        let (first_seq, time_ms) = (record.first_seq, record.time_ms);
        let last = record.end_seq() - 1;
        let corrupt = |why: String| Error::corrupt(log, 0, format!("the record of operation {first_seq}: {why}"));
        let (heading, ops) = op::decode(&record.payload).map_err(|err| corrupt(err.to_string()))?;
        let dropped = dropped_sources(&ops);
        let steps = ops.into_iter().map(|op| schema.replayed(op)).collect::<Result<_>>();
        let steps = steps.map_err(|err| corrupt(err.to_string()))?;
        let folded = Folded { first_seq, time_ms, steps, conditions: &[] };
        let affected = fold.batch(folded, None).map_err(|err| corrupt(err.to_string()))?;
        ledger.note(Note { heading, dropped, outcome: Outcome { seq: last, affected } });
    }
    state.apply(Change::new(schema, fold.into_changes()), seq, time_ms);
    state.melt();
    Ok(())
}

/// Sources that operations drop.
pub(crate) fn dropped_sources<'o>(ops: impl IntoIterator<Item = &'o Op>) -> Vec<String> {
    let source = |op: &Op| if let Op::DropSource(source) = op { Some(source.clone()) } else { None };
    ops.into_iter().filter_map(source).collect()
}

/// Removes what neither the manifest nor a pin names: folders of builds that were never finished, or of
/// segments whose successors are in the manifest. Names that are not ours are left alone.
fn remove_rubbish(disk: &dyn Disk, folder: &Path, manifest: &Manifest, pins: &Pins) -> Result<()> {
    for name in disk.list(folder).map_err(doing("list", folder))? {
        let named = manifest.outcomes.iter().any(|page| page.file.name == name);
        if name.starts_with(ledger::PAGE_PREFIX) && !named {
            let path = folder.join(&name);
            disk.remove(&path).map_err(doing("remove", &path))?;
        }
    }
    let segments = folder.join("segments");
    for name in disk.list(&segments).map_err(doing("list", &segments))? {
        let Ok(number) = name.parse::<u64>() else {
            tracing::warn!(path = %segments.join(&name).display(), "not one of our names: left alone");
            continue;
        };
        let path = segments.join(&name);
        let entry = manifest.segments.iter().find(|entry| entry.number == number);
        match entry {
            None if !pins.name_segment(number) => disk.remove_dir(&path).map_err(doing("remove", &path))?,
            _ => remove_stale_dead(disk, &path, number, entry, pins)?,
        }
    }
    Ok(())
}

fn remove_stale_dead(
    disk: &dyn Disk,
    folder: &Path,
    number: u64,
    entry: Option<&SegmentEntry>,
    pins: &Pins,
) -> Result<()> {
    for name in disk.list(folder).map_err(doing("list", folder))? {
        let named = entry.and_then(|entry| entry.dead.as_ref()).is_some_and(|dead| dead.name == name);
        if name.starts_with("dead.") && !named && !pins.name_dead(number, &name) {
            let path = folder.join(&name);
            disk.remove(&path).map_err(doing("remove", &path))?;
        }
    }
    Ok(())
}
