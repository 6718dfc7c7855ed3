//! The store on the cruel disk, held against a map: after any crash it holds what it held after some
//! batch, whole, and no batch that was acknowledged as durable is missing.
//!
//! A script of batches, seals, merges, versions, sweeps of what expired, erasures, restarts, backups,
//! archived logs, restorations, creations and drops runs once for a seed, under a clock that goes on
//! and is set back, and the disk is looked at before its calls: as a power cut would leave it (several
//! ways), and as the end of the process would. What is found is opened, compared, written to, and cut
//! again. All of it runs in one thread, writes fall into seals and merges where the seed says so, and
//! the same seed gives the same run.
//!
//! `NIGH_CRASH_POINTS=100000 cargo test --profile quick -p nigh-tests --test crash at_any_call` looks so often.

mod full;
mod history;
mod life;
mod looks;
mod meanwhile;
mod model;
mod planted;
mod shelf;
mod watched;

use history::{Outcome, World};
use life::Life;
use looks::{Found, Kind, Ran, crash_everywhere, crash_until, cut, for_seeds, run};
use model::Dice;
use nigh_storage::disk::cruel::{CruelDisk, Fault, Lie};
use nigh_storage::error::Error;
use nigh_storage::store::Options;
use std::sync::Arc;
use std::time::Duration;

const ROOT: &str = "/data/nigh";
const NAME: &str = "points";

/// In the background, seals and merges come all the time and at any time.
fn options(background: bool) -> Options {
    Options {
        log_file_bytes: 4000,
        build_threads: 1,
        seal_rows: 12,
        background,
        heal_after: Duration::ZERO,
        writer_thread: background,
        ..Options::default()
    }
}

fn saying(deed: &str) -> impl Fn(Error) -> String {
    move |err| format!("{deed}: {err}")
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|value| value.parse().ok())
}

/// Seed after seed from `NIGH_FIRST_SEED` on, until the disk was looked at so often as `NIGH_CRASH_POINTS` says.
#[test]
fn a_crash_at_any_call_keeps_what_was_acknowledged() {
    let kind = Kind { every: 10, ..Kind::default() };
    let ran = match number("NIGH_SEED") {
        Some(seed) => crash_everywhere(seed, &kind).map_err(|why| format!("seed {seed}: {why}")),
        None => crash_until(number("NIGH_CRASH_POINTS").unwrap_or(1_000), &kind),
    };
    match ran {
        Ok(Ran { points, seeds, restored }) => eprintln!(
            "{points} crash points of {seeds} seeds, each followed by a recovery, more writes and two more cuts; \
             {restored} collections restored behind them"
        ),
        Err(why) => panic!("{why}\nagain: NIGH_SEED=(the seed) cargo test -p nigh-tests --test crash at_any_call"),
    }
}

/// What one look saw and knew: its label, the bytes on the disk, what had been promised.
type Look = (String, u64, Vec<(String, Option<bool>, u64)>);

/// What is looked at twice is the same: names and salts are drawn anew, all else a seed decides.
#[test]
fn a_seed_decides_everything() {
    let looks = |seed| -> Result<Vec<Look>, String> {
        let look = |found: Found| {
            let promise =
                |(name, one): (&String, &history::History)| (name.clone(), one.promise.there, one.promise.durable);
            (found.label, found.disk.used(), found.notes.histories.iter().map(promise).collect())
        };
        let kind = Kind { steps: 20, ways: 1, ..Kind::default() };
        Ok(run(seed, &kind)?.into_iter().map(look).collect())
    };
    for_seeds(2, |seed| {
        let (one, other) = (looks(seed)?, looks(seed)?);
        match one.iter().zip(&other).find(|(one, other)| one != other) {
            None if one.len() == other.len() && one.len() > 100 => Ok(()),
            differ => Err(format!("{} and {} looks: {differ:?}", one.len(), other.len())),
        }
    });
}

/// As above; which call comes when is not decided by the seed.
#[test]
fn a_crash_while_it_seals_and_merges_keeps_what_was_acknowledged() {
    let kind = Kind { background: true, ways: 1, ..Kind::default() };
    for_seeds(1, |seed| crash_everywhere(seed, &kind).map(drop));
}

#[test]
fn a_disk_that_lies_is_found_out() {
    for lie in [Lie::Sync, Lie::SyncDir] {
        let kind = Kind { lie: Some(lie), ..Kind::default() };
        assert!((0..10).any(|seed| crash_everywhere(seed, &kind).is_err()), "{lie:?}");
    }
}

/// A call fails; the store is opened again in the same boot, when what was not synced is still in the
/// page cache, goes on, and is cut.
fn fail_once(seed: u64, call: u64, fault: Fault) -> Outcome {
    let disk = Arc::new(CruelDisk::new());
    let world = World::new(call % 2 == 1);
    let mut dice = Dice(seed);
    let mut life = Life::begin(disk.clone(), world.clone(), false)?;
    life.create(NAME)?;
    life.one_by_one = true;
    disk.fail_at(call, fault);
    let mut failed = None;
    for _ in 0..40 {
        failed = life.step(&mut dice).err();
        if failed.is_some() {
            break;
        }
    }
    disk.heal();
    drop(life);
    let mut live_on = || {
        let mut life = Life::begin(disk.clone(), world.clone(), false)?;
        life.create(NAME)?;
        for _ in 0..6 {
            life.step(&mut dice)?;
        }
        cut(&disk, &world, seed, 4)
    };
    live_on().map_err(|why| format!("behind {failed:?}: {why}"))
}

#[test]
fn a_failed_call_loses_nothing_that_was_acknowledged() {
    for_seeds(1, |seed| {
        for fault in [Fault::Io, Fault::NoSpace] {
            for call in (seed..300).step_by(7) {
                fail_once(seed, call, fault).map_err(|why| format!("{fault:?} at call {call}: {why}"))?;
            }
        }
        Ok(())
    });
}
