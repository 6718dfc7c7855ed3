//! The log on the cruel disk: what was synced is read back, in order, whole, and nothing else is.

use super::reader::{file_path, file_starts};
use super::{Log, Record, read_some, replay};
use crate::disk::Disk;
use crate::disk::cruel::{CruelDisk, Fault, Lie, every_power_cut};
use crate::error::{Error, Result};
use std::path::Path;
use std::sync::Arc;

const DIR: &str = "wal";
/// Small, so that a short script rolls a few times.
const FILE_BYTES: u64 = 1500;

/// What a script did and was promised.
#[derive(Clone, Default, Debug)]
struct Notes {
    /// Every record that was handed to the log and may be found.
    history: Vec<Record>,
    /// Operations up to this one were synced.
    synced: u64,
    /// Operations below this one are in segments.
    floor: u64,
    /// Tells records of one life from those of another.
    life: u8,
}

impl Notes {
    fn next_seq(&self) -> u64 {
        self.history.last().map_or(1, Record::end_seq).max(self.floor).max(1)
    }

    fn group(&mut self, records: u32, bytes: usize) -> Vec<Record> {
        let mut group = Vec::new();
        for number in 0..records {
            let first_seq = self.next_seq();
            let text = format!("life {} operation {first_seq} ", self.life);
            let payload = text.bytes().cycle().take(bytes).collect::<Vec<_>>().into();
            group.push(Record { first_seq, ops: 1 + number % 3, time_ms: first_seq, payload });
            self.history.extend(group.last().cloned());
        }
        group
    }
}

fn read(disk: &CruelDisk, from_seq: u64) -> Result<(Vec<Record>, u64)> {
    let mut records = Vec::new();
    let replayed = replay(disk, Path::new(DIR), from_seq, &mut |record| {
        records.push(record);
        Ok(())
    })?;
    Ok((records, replayed.next_seq))
}

/// What is found is a part of the history from the floor on, and at least what was synced.
fn check(disk: &CruelDisk, notes: &Notes) -> std::result::Result<Vec<Record>, String> {
    let floor = notes.floor.max(1);
    let (found, next_seq) = read(disk, floor).map_err(|err| format!("{err}; {notes:?}"))?;
    let history = notes.history.iter().filter(|record| record.first_seq >= floor).cloned();
    let expected: Vec<Record> = history.take(found.len()).collect();
    if found != expected {
        return Err(format!("found {found:?}, not {expected:?}"));
    }
    let end = found.last().map_or(floor, Record::end_seq);
    if next_seq != end || next_seq <= notes.synced {
        return Err(format!("goes on at {next_seq} behind {end}; {} was synced", notes.synced));
    }
    Ok(found)
}

fn open(disk: &Arc<CruelDisk>, notes: &mut Notes) -> std::result::Result<Log, String> {
    let found = check(disk, notes)?;
    let next_seq = found.last().map_or(notes.floor.max(1), Record::end_seq);
    notes.history = found;
    notes.life += 1;
    Log::start(disk.clone(), DIR.into(), next_seq, FILE_BYTES).map_err(|err| err.to_string())
}

fn empty() -> CruelDisk {
    let disk = CruelDisk::new();
    disk.create_dir(Path::new(DIR)).unwrap();
    disk.sync_dir(Path::new("")).unwrap();
    disk
}

/// A life of a log, as its bytes decide: groups, syncs, rolls, checkpoints and a restart.
fn live(disk: &Arc<CruelDisk>, notes: &mut Notes, steps: &[u8]) -> std::result::Result<(), String> {
    let mut log = open(disk, notes)?;
    let io = |err: Error| err.to_string();
    for step in steps {
        match step % 8 {
            0..=3 => {
                let group = notes.group(1 + u32::from(step / 8 % 3), usize::from(*step) * 3);
                log.append(&group).map_err(io)?;
                if step % 8 < 2 {
                    log.sync().map_err(io)?;
                    notes.synced = notes.next_seq() - 1;
                }
                if step % 8 == 1 {
                    log.mark().map_err(io)?;
                }
            }
            4 => {
                log.sync().map_err(io)?;
                notes.synced = notes.next_seq() - 1;
                log.mark().map_err(io)?;
            }
            // All that was written stands in segments now, synced in the log or not.
            5 => {
                notes.floor = notes.next_seq();
                log.cut_before(notes.floor).map_err(io)?;
            }
            // An older part of it does.
            6 => {
                notes.floor = notes.history.get(notes.history.len() / 2).map_or(1, |record| record.first_seq);
                log.cut_before(notes.floor).map_err(io)?;
            }
            // The process ends, the machine does not.
            _ => {
                drop(log);
                log = open(disk, notes)?;
            }
        }
    }
    Ok(())
}

const SCRIPTS: [&[u8]; 6] = [
    &[0, 8, 16, 200, 1, 9],
    &[2, 10, 2, 4, 250, 2, 3, 0],
    &[2, 250, 243, 7, 2, 0, 6, 251, 2, 7, 3, 1],
    &[250, 242, 0, 5, 2, 250, 6, 248, 240, 0, 4],
    &[2, 2, 5, 7, 2, 5, 2, 0, 7, 7, 2],
    &[240, 241, 249, 248, 7, 250, 7, 250, 7, 0, 6, 240, 4],
];

fn cut_everywhere(lie: Option<Lie>, seeds: u64) -> std::result::Result<u64, String> {
    let mut cuts = 0;
    for script in SCRIPTS {
        let disk = || {
            let disk = empty();
            lie.into_iter().for_each(|lie| disk.lie(lie));
            disk
        };
        let run = |disk: &Arc<CruelDisk>, notes: &mut Notes| {
            let ended = live(disk, notes, script);
            assert!(ended.is_ok() || disk.power_is_cut(), "{ended:?}");
        };
        cuts += every_power_cut(0..seeds, disk, run, |found, notes| {
            check(found, notes)?;
            // A second life, and a second cut.
            let mut notes = notes.clone();
            live(found, &mut notes, &[2, 240, 0, 2])?;
            for seed in 0..3 {
                check(&found.crash(seed), &notes)?;
            }
            Ok(())
        })
        .map_err(|why| format!("script {script:?}: {why}"))?;
    }
    Ok(cuts)
}

#[test]
fn a_power_cut_at_any_call_keeps_what_was_synced() {
    let cuts = cut_everywhere(None, 40).unwrap();
    assert!(cuts > 5000, "{cuts} cuts");
}

#[test]
fn a_log_without_its_syncs_would_be_found_out() {
    cut_everywhere(Some(Lie::Sync), 40).unwrap_err();
    cut_everywhere(Some(Lie::SyncDir), 40).unwrap_err();
}

/// The disk fails at each call in turn; the log is opened again without a restart of the machine,
/// when what failed to be synced can still be read, but is not on disk and never will be.
#[test]
fn after_a_failed_call_a_new_log_stands_on_disk() {
    for fault in [Fault::Io, Fault::NoSpace] {
        for script in SCRIPTS {
            for call in 0.. {
                let disk = Arc::new(empty());
                let mut notes = Notes::default();
                disk.fail_at(call, fault);
                let failed = live(&disk, &mut notes, script).is_err();
                disk.heal();
                let context = |why: String| format!("{fault:?} at call {call} of {script:?}: {why}");
                let second = live(&disk, &mut notes, &[2, 240, 0, 2]);
                second.map_err(context).unwrap();
                for seed in 0..20 {
                    check(&disk.crash(seed), &notes).map_err(context).unwrap();
                }
                if !failed && call > 60 {
                    break;
                }
            }
        }
    }
}

/// As [`live`], with one log through all of it: what failed is refused or abandoned, and the log goes
/// on in a new file as soon as the disk lets it.
fn endure(disk: &Arc<CruelDisk>, notes: &mut Notes, steps: &[u8]) -> std::result::Result<u64, String> {
    let mut log = open(disk, notes)?;
    let mut failures = 0;
    for step in steps {
        let first_seq = notes.next_seq();
        let synced = match step % 8 {
            0..=3 => {
                let group = notes.group(1 + u32::from(step / 8 % 3), usize::from(*step) * 3);
                let appended = log.append(&group);
                appended.and_then(|()| if step % 8 < 2 { log.sync().map(|()| true) } else { Ok(false) })
            }
            _ => log.sync().map(|()| true),
        };
        match synced {
            Ok(true) => notes.synced = notes.next_seq() - 1,
            Ok(false) => {}
            Err(_) => {
                failures += 1;
                notes.history.retain(|record| record.first_seq < first_seq);
            }
        }
        for tries in 0.. {
            if log.broken().is_none() {
                break;
            }
            log.abandon(first_seq);
            match log.renew() {
                Ok(renewed) => {
                    assert!(renewed);
                    notes.synced = notes.next_seq() - 1;
                }
                Err(err) if tries > 20 => return Err(err.to_string()),
                Err(_) => {}
            }
        }
    }
    Ok(failures)
}

/// What was refused or abandoned is not there, what was synced is, and nobody reopened anything.
#[test]
fn a_log_goes_on_in_a_new_file_after_any_failed_calls() {
    let mut failed = 0;
    for fault in [Fault::Io, Fault::NoSpace] {
        for script in SCRIPTS {
            for (call, faults) in (0..40).flat_map(|call| [(call, 1), (call, 2), (call, 5)]) {
                let disk = Arc::new(empty());
                let mut notes = Notes::default();
                drop(open(&disk, &mut notes).unwrap());
                // From the first call behind the opening on.
                let opening = 5;
                (0..faults).for_each(|more| disk.fail_at(opening + call + more, fault));
                let context = |why: String| format!("{faults} {fault:?} at call {call} of {script:?}: {why}");
                failed += endure(&disk, &mut notes, script).map_err(context).unwrap();
                disk.heal();
                let found = check(&disk, &notes).map_err(context).unwrap();
                // What an archive takes of it is the same, and nothing that was abandoned.
                let taken = read_some(&*disk, Path::new(DIR), 1, notes.synced, usize::MAX).unwrap();
                let synced = found.iter().filter(|record| record.end_seq() <= notes.synced + 1);
                assert!(taken.iter().eq(synced), "{}", context(format!("{taken:?} of {notes:?}")));
                for seed in 0..10 {
                    check(&disk.crash(seed), &notes).map_err(context).unwrap();
                }
            }
        }
    }
    assert!(failed > 500, "{failed} failures");
}

#[test]
fn a_full_disk_refuses_before_anything_is_written() {
    let disk = Arc::new(empty());
    let mut notes = Notes::default();
    let mut log = open(&disk, &mut notes).unwrap();
    log.append(&notes.group(1, 100)).unwrap();
    disk.bound(Some(disk.used()));
    let before = notes.history.clone();
    let group = notes.group(1, 40_000);
    assert!(matches!(log.append(&group), Err(Error::Io { .. })));
    assert_eq!(log.broken(), None, "the file goes on");
    notes.history = before;
    log.append(&notes.group(1, 100)).expect("what was reserved is enough for this");
    disk.bound(None);
    log.append(&notes.group(1, 40_000)).unwrap();
    log.sync().unwrap();
    assert_eq!(check(&disk.crash(1), &notes).unwrap(), notes.history);
}

#[test]
fn a_log_that_failed_takes_nothing_more() {
    let disk = Arc::new(empty());
    let mut notes = Notes::default();
    let mut log = open(&disk, &mut notes).unwrap();
    log.append(&notes.group(2, 100)).unwrap();
    disk.fail_at(0, Fault::Io);
    assert!(matches!(log.sync(), Err(Error::Unknown { .. })));
    assert!(matches!(log.sync(), Err(Error::Poisoned { .. })), "a sync is never tried again");
    assert!(matches!(log.append(&notes.group(1, 100)), Err(Error::Poisoned { .. })));
}

/// A synced log of several files, and where its last file begins.
fn synced_log() -> (Arc<CruelDisk>, Notes, u64) {
    let disk = Arc::new(empty());
    let mut notes = Notes::default();
    live(&disk, &mut notes, &[0, 64, 200, 0, 241, 248, 0, 240, 7, 0, 8, 1]).unwrap();
    let starts = file_starts(&*disk, Path::new(DIR)).unwrap();
    assert!(starts.len() > 2, "{starts:?}");
    (disk, notes, *starts.last().unwrap())
}

#[test]
fn every_flipped_bit_is_found_or_harmless() {
    let (disk, notes, _) = synced_log();
    let (mut refused, mut harmless) = (0, 0);
    for start in file_starts(&*disk, Path::new(DIR)).unwrap() {
        let path = file_path(Path::new(DIR), start);
        for bit in 0..disk.length(&path).unwrap() * 8 {
            disk.flip_bit(&path, bit);
            match read(&disk, 1) {
                Err(Error::Corrupt { path: named, .. }) => {
                    assert_eq!(named, path, "bit {bit}");
                    refused += 1;
                }
                Err(err) => panic!("{start} bit {bit}: {err}"),
                // A copy of it stands in the next file, or it is the mark behind the last group.
                Ok((found, _)) => {
                    assert_eq!(found, notes.history, "{start} bit {bit}");
                    harmless += 1;
                }
            }
            disk.flip_bit(&path, bit);
        }
    }
    assert!(refused > 5 * harmless, "{refused} refused, {harmless} harmless");
}

#[test]
fn every_cut_of_a_file_is_found_or_the_end() {
    let (whole, notes, last) = synced_log();
    for start in file_starts(&*whole, Path::new(DIR)).unwrap() {
        let path = file_path(Path::new(DIR), start);
        let length = whole.length(&path).unwrap();
        for length in 0..length {
            let disk = whole.crash(0);
            disk.truncate(&path, length);
            match read(&disk, 1) {
                Err(err) => assert!(matches!(err, Error::Corrupt { .. }), "{err}"),
                Ok((found, _)) => assert!(
                    found == notes.history || (start == last && found[..] == notes.history[..found.len()]),
                    "{start} cut to {length}"
                ),
            }
        }
    }
}

#[test]
fn a_missing_file_is_found() {
    let (whole, notes, last) = synced_log();
    let starts = file_starts(&*whole, Path::new(DIR)).unwrap();
    for start in starts.iter().filter(|start| **start != last) {
        let disk = whole.crash(0);
        disk.remove(&file_path(Path::new(DIR), *start)).unwrap();
        match read(&disk, 1) {
            Err(err) => assert!(err.to_string().contains("are missing"), "{err}"),
            Ok((found, _)) => assert_eq!(found, notes.history, "a copy of all of it stands in the next file"),
        }
        // Nobody misses it once the segments hold what it held.
        read(&disk, last).unwrap();
    }
}

#[test]
fn names_of_others_are_left_alone() {
    let (disk, notes, _) = synced_log();
    for name in ["1.log", "x.log", "00000000000000000001.log.bak", "-0000000000000000001.log", "notes"] {
        disk.create(&Path::new(DIR).join(name)).unwrap();
    }
    assert_eq!(read(&disk, 1).unwrap().0, notes.history);
    Log::start(disk.clone(), DIR.into(), notes.next_seq(), FILE_BYTES).unwrap();
    assert_eq!(read(&disk, 1).unwrap().0, notes.history);
    assert_eq!(disk.list(Path::new(DIR)).unwrap().iter().filter(|name| name.contains("bak")).count(), 1);
}

#[test]
fn a_group_is_one_write_and_a_sync_covers_all_before_it() {
    use crate::disk::cruel::Call;
    let disk = Arc::new(empty());
    let mut notes = Notes::default();
    let mut log = open(&disk, &mut notes).unwrap();
    let (writes, syncs) = (disk.count(Call::Append), disk.count(Call::Sync));
    for _ in 0..3 {
        log.append(&notes.group(5, 10)).unwrap();
    }
    log.sync().unwrap();
    log.sync().unwrap();
    assert_eq!((disk.count(Call::Append) - writes, disk.count(Call::Sync) - syncs), (3, 1));
    // A mark is one more write, and no sync; it is written once.
    log.mark().unwrap();
    log.mark().unwrap();
    assert_eq!((disk.count(Call::Append) - writes, disk.count(Call::Sync) - syncs), (4, 1));
    log.append(&notes.group(1, 10)).unwrap();
    log.mark().unwrap();
    assert_eq!(disk.count(Call::Append) - writes, 5, "nothing is marked that was not synced");
    assert_eq!(read(&disk, 1).unwrap().0, notes.history);
}

#[test]
fn what_does_not_follow_is_refused_and_does_no_harm() {
    let disk = Arc::new(empty());
    let mut notes = Notes::default();
    let mut log = open(&disk, &mut notes).unwrap();
    let group = notes.group(2, 10);
    let none = Record { ops: 0, ..group[0].clone() };
    for wrong in [&group[1..], &[none], &[group[0].clone(), group[0].clone()]] {
        assert!(matches!(log.append(wrong), Err(Error::Invalid { .. })));
    }
    log.append(&group).unwrap();
    assert!(Log::start(disk.clone(), DIR.into(), 2, FILE_BYTES).is_err(), "the log holds more than that");
    assert_eq!(read(&disk, 1).unwrap().0, group);
}

#[test]
fn cutting_gives_space_back() {
    let disk = Arc::new(empty());
    let mut notes = Notes::default();
    let mut log = open(&disk, &mut notes).unwrap();
    for _ in 0..20 {
        log.append(&notes.group(1, 500)).unwrap();
    }
    let on_disk = |disk: &CruelDisk| -> u64 {
        let starts = file_starts(disk, Path::new(DIR)).unwrap();
        starts.iter().map(|start| disk.length(&file_path(Path::new(DIR), *start)).unwrap()).sum()
    };
    let before = log.bytes();
    assert_eq!(before, on_disk(&disk));
    log.cut_before(notes.next_seq()).unwrap();
    assert!(log.bytes() < before / 4 && log.bytes() == on_disk(&disk), "{} of {before}", log.bytes());
    let fresh = Log::start(disk.clone(), DIR.into(), notes.next_seq(), FILE_BYTES).unwrap();
    assert_eq!(fresh.bytes(), on_disk(&disk));
}

/// A broken record that was synced, with a whole one behind it, is not a torn end.
#[test]
fn damage_before_a_synced_record_is_not_cut() {
    let disk = Arc::new(empty());
    let mut notes = Notes::default();
    live(&disk, &mut notes, &[24, 24, 24]).unwrap();
    let path = file_path(Path::new(DIR), 1);
    // In the length, the checksum, the link, the payload and its end.
    for byte in [64, 68, 84, 97, 167] {
        disk.flip_bit(&path, byte * 8);
        assert!(matches!(read(&disk, 1), Err(Error::Corrupt { at: 64, .. })), "byte {byte}");
        disk.flip_bit(&path, byte * 8);
    }
    // The last group is not known to be synced by any other, and nobody set a mark: its damage is the end.
    let last = disk.length(&path).unwrap() - 1;
    disk.flip_bit(&path, last * 8);
    assert_eq!(read(&disk, 1).unwrap().0, notes.history[..2]);
}

/// The last group of a log that nobody wrote to again: the mark behind it says that it was synced.
#[test]
fn damage_before_a_mark_is_not_cut() {
    let disk = Arc::new(empty());
    let mut notes = Notes::default();
    live(&disk, &mut notes, &[24, 25]).unwrap();
    let path = file_path(Path::new(DIR), 1);
    let mark = disk.length(&path).unwrap() - super::record::HEAD_BYTES as u64;
    for bit in 64 * 8..mark * 8 {
        disk.flip_bit(&path, bit);
        assert!(matches!(read(&disk, 1), Err(Error::Corrupt { .. })), "bit {bit}");
        disk.flip_bit(&path, bit);
    }
    // Whoever opens it again copies nothing that the mark knows to be on disk.
    let log = Log::start(disk.clone(), DIR.into(), notes.next_seq(), FILE_BYTES).unwrap();
    assert_eq!(log.bytes(), disk.length(&path).unwrap() + crate::frame::HEADER_BYTES);
}
