//! One flipped bit anywhere in any file: found, named, contained. The store never panics and never gives a wrong
//! answer: it answers as it did, or says which file is damaged; the collection beside it serves.
//!
//! A whole run flips every bit of every file: `NIGH_FLIPS=all cargo test -p nigh-tests --test flips`.

use nigh_index::layout::Sections;
use nigh_storage::disk::Disk;
use nigh_storage::disk::cruel::CruelDisk;
use nigh_storage::error::Error;
use nigh_storage::frame::HEADER_BYTES;
use nigh_storage::manifest::{Manifest, SegmentEntry};
use nigh_storage::store::{State, Store};
use nigh_storage::verify::{Found, verify};
use nigh_tests::large::{self, LARGE};
use nigh_tests::random::Random;
use nigh_tests::sample::{self, Answers, Ask, MANY};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const ROOT: &str = "data";
/// Bits flipped of each file at places that a seed decides, beside all those that are chosen.
const RANDOM_BITS: u64 = 10;

/// What the store answers while nothing is damaged.
struct Whole {
    disk: CruelDisk,
    folders: BTreeMap<String, PathBuf>,
    answers: BTreeMap<String, Answers>,
}

/// What became of a flip.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Outcome {
    /// The file was named, and its collection did not serve, or the directory did not open.
    Named,
    /// Everything was answered as before.
    Harmless,
}

fn answers(runtime: &tokio::runtime::Runtime, store: &Arc<Store>, name: &str) -> Result<Answers, String> {
    match name {
        LARGE => large::answers(store),
        _ => runtime.block_on(sample::answers(store, name, Ask::Everything)).map_err(|err| err.to_string()),
    }
}

fn whole(runtime: &tokio::runtime::Runtime, lay_down: impl Fn(&Store)) -> Whole {
    let disk = CruelDisk::new();
    let store = Store::open(Arc::new(disk.clone()), Path::new(ROOT), sample::options()).unwrap();
    lay_down(&store);
    store.close();
    drop(store);
    // What a process finds that starts anew is what a damaged one is held against.
    let store = Store::open(Arc::new(disk.kill()), Path::new(ROOT), sample::options()).unwrap();
    let names: Vec<String> = store.list().into_iter().map(|(name, _)| name).collect();
    let folder = |name: &String| Path::new(ROOT).join(store.collection(name).unwrap().id().to_string());
    let folders = names.iter().map(|name| (name.clone(), folder(name))).collect();
    let answers = names.iter().map(|name| (name.clone(), answers(runtime, &store, name).unwrap())).collect();
    Whole { disk, folders, answers }
}

fn files(disk: &CruelDisk, folder: &Path, found: &mut Vec<PathBuf>) {
    for name in disk.list(folder).unwrap() {
        let path = folder.join(name);
        match disk.list(&path) {
            Ok(_) => files(disk, &path, found),
            Err(_) => found.push(path),
        }
    }
}

/// Bits of a file that are worth a flip: one of each byte of the header and of the table at the end (of every fourth
/// and of some where another file of its kind and name had them all), those where sections begin and end, and some anywhere.
/// All of them where that is asked for.
fn bits(disk: &CruelDisk, path: &Path, first: bool, random: &mut Random) -> BTreeSet<u64> {
    let bytes = disk.read(path).unwrap();
    let length = bytes.len() as u64;
    if std::env::var("NIGH_FLIPS").is_ok_and(|which| which == "all") {
        return (0..length * 8).collect();
    }
    let (step, from) = if first { (1, 0) } else { (4, random.below(4)) };
    let mut places: BTreeSet<u64> = (from..HEADER_BYTES).step_by(step).collect();
    let body = bytes::Bytes::from(bytes).slice(length.min(HEADER_BYTES) as usize..);
    if let Ok(sections) = Sections::open(body.clone()) {
        let mut table = HEADER_BYTES;
        for section in sections.names().filter_map(|name| sections.bytes(name).ok()).filter(|bytes| !bytes.is_empty()) {
            let start = (section.as_ptr() as u64 - body.as_ptr() as u64) + HEADER_BYTES;
            let end = start + section.len() as u64;
            places.extend([start, end - 1, start + random.below(end - start)]);
            table = table.max(end);
        }
        // The first file of its kind that has sections; a log has none.
        match first && table > HEADER_BYTES {
            true => places.extend(table..length),
            false => places.extend((0..4).map(|_| length.saturating_sub(1 + random.below(200)))),
        }
    }
    places.extend((0..RANDOM_BITS).map(|_| random.below(length.max(1))));
    places.into_iter().filter(|byte| *byte < length).map(|byte| byte * 8 + random.below(8)).collect()
}

/// Opens the disk, asks everything, and says what is wrong with that.
fn open_and_ask(
    runtime: &tokio::runtime::Runtime,
    whole: &Whole,
    path: &Path,
    disk: CruelDisk,
) -> Result<Outcome, String> {
    let owner = whole.folders.iter().find(|(_, folder)| path.starts_with(folder)).map(|(name, _)| name.as_str());
    let file = path.display().to_string();
    let store = match Store::open(Arc::new(disk), Path::new(ROOT), sample::options()) {
        Ok(store) => store,
        // Without its catalog the directory is not guessed at.
        Err(err @ Error::Corrupt { .. }) if owner.is_none() && err.to_string().contains(&file) => {
            return Ok(Outcome::Named);
        }
        Err(err) => return Err(format!("does not open: {err}")),
    };
    let mut outcome = Outcome::Harmless;
    for (name, state) in store.list() {
        match state {
            State::Open => match answers(runtime, &store, &name) {
                Ok(got) if got == whole.answers[&name] => {}
                Ok(got) => {
                    return Err(format!("{name} answers otherwise: {}", first_difference(&whole.answers[&name], &got)));
                }
                Err(err) if owner == Some(&name) => return Err(format!("{name} opens, and then says {err}")),
                Err(err) => return Err(format!("{name} is not damaged, and says {err}")),
            },
            State::Quarantined(why) if owner == Some(&name) && why.contains(&file) && why.contains("byte") => {
                outcome = Outcome::Named;
            }
            other => return Err(format!("{name} is {other:?}")),
        }
    }
    store.close();
    Ok(outcome)
}

fn first_difference(whole: &Answers, got: &Answers) -> String {
    let differs = |(question, answer): &(&String, &serde_json::Value)| got.get(*question) != Some(answer);
    match whole.iter().find(differs) {
        Some((question, answer)) => format!("{question}: {answer} was {:?}", got.get(question)),
        None => format!("{} answers, not {}", got.len(), whole.len()),
    }
}

/// Files of the collection with versions that only a kept version names, and its own.
fn by_pins_alone(whole: &Whole, all: &[PathBuf]) -> BTreeSet<PathBuf> {
    let Some(folder) = whole.folders.get(MANY) else { return BTreeSet::new() };
    let manifest = Manifest::load(&whole.disk.kill(), folder).unwrap();
    let of = |entry: &SegmentEntry| -> Vec<PathBuf> {
        let at = folder.join("segments").join(format!("{:010}", entry.number));
        entry.files.iter().chain(&entry.dead).map(|file| at.join(&file.name)).collect()
    };
    let named: BTreeSet<PathBuf> = manifest.segments.iter().flat_map(of).collect();
    let other = |path: &&PathBuf| {
        let below = path.starts_with(folder.join("segments")) || path.starts_with(folder.join("pins"));
        below && !named.contains(*path)
    };
    all.iter().filter(other).cloned().collect()
}

/// What an offline look finds damaged.
fn damaged(disk: &CruelDisk) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let report = verify(disk, Path::new(ROOT), None, &mut |file| {
        if let Found::Damaged { .. } = file.found {
            found.push(Path::new(ROOT).join(&file.path));
        }
    });
    assert_eq!(report.unwrap().damaged, found.len() as u64);
    found
}

#[test]
fn one_flipped_bit_is_found_named_and_contained() {
    let kept = flip_bits(40, 1500, |store| sample::lay_down(store, 150));
    assert!(kept > 1, "{kept} files by a kept version alone");
}

/// Parts that are large enough have them; the places are those of their files too.
#[test]
fn one_flipped_bit_of_a_graph_or_of_lists_is_found_named_and_contained() {
    flip_bits(15, 1000, |store| {
        large::lay_down(store);
        sample::lay_down_side(store);
    });
}

/// Flips bits of a store with more files than this, more of them than that; how many files a kept version alone names.
fn flip_bits(files_min: usize, named_min: u64, lay_down: impl Fn(&Store)) -> usize {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let whole = whole(&runtime, lay_down);
    assert_eq!(damaged(&whole.disk.kill()), Vec::<PathBuf>::new(), "nothing is damaged yet");
    let mut all = Vec::new();
    files(&whole.disk, Path::new(ROOT), &mut all);
    assert!(all.len() > files_min, "{all:?}");
    let by_pins = by_pins_alone(&whole, &all);
    let mut kinds = BTreeSet::new();
    let random = &mut Random::new(1);
    let mut counts: BTreeMap<(String, Outcome), u64> = BTreeMap::new();
    for path in &all {
        // Nobody reads what the lock file says but to tell who has it; the ballast says nothing.
        if path.ends_with("LOCK") || path.ends_with("BALLAST") {
            continue;
        }
        let header = whole.disk.read(path).unwrap().get(4..6).map(<[u8]>::to_vec);
        for bit in bits(&whole.disk, path, kinds.insert((header, path.file_name())), random) {
            let place = format!("{} bit {bit} (byte {})", path.display(), bit / 8);
            let asked = std::panic::AssertUnwindSafe(|| {
                let disk = whole.disk.kill();
                disk.flip_bit(path, bit);
                let named = damaged(&disk.kill());
                (open_and_ask(&runtime, &whole, path, disk), named)
            });
            let (outcome, mut named) = std::panic::catch_unwind(asked).unwrap_or_else(|_| panic!("{place}: a panic"));
            let outcome = outcome.unwrap_or_else(|why| panic!("{place}: {why}"));
            named.dedup();
            let verified = if named.is_empty() { Outcome::Harmless } else { Outcome::Named };
            let kept = by_pins.contains(path);
            // What only a kept version names is asked for when that is read.
            assert!(verified == outcome || kept && verified == Outcome::Named, "{place}: verify says {named:?}");
            assert!(named.is_empty() || named == [path.clone()], "{place}: verify names {named:?}");
            let log = path.extension().is_some_and(|end| end == "log");
            // In a log the mark at its end, and what its successor holds too, are of no account.
            assert!(verified == Outcome::Named || log, "{place}: nobody noticed");
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let kind = if log { "log" } else { name.trim_end_matches(|c: char| c.is_ascii_digit()) };
            *counts.entry((kind.to_owned(), verified)).or_default() += 1;
        }
    }
    for ((kind, outcome), count) in &counts {
        println!("{count:>8} flips of {kind}: {outcome:?}");
    }
    let sum = |which: Outcome| counts.iter().filter(|((_, outcome), _)| *outcome == which).map(|(_, n)| n).sum::<u64>();
    println!(
        "{} flips in {} files, {} of them harmless",
        sum(Outcome::Named) + sum(Outcome::Harmless),
        all.len(),
        sum(Outcome::Harmless)
    );
    assert!(sum(Outcome::Named) > named_min && sum(Outcome::Named) > 20 * sum(Outcome::Harmless), "{counts:?}");
    by_pins.len()
}
