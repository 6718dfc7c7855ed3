//! A script is run, and the disk is looked at before its calls; what was seen is opened, and lived on with.

use super::{NAME, number};
use crate::history::{Notes, Outcome, World};
use crate::life::Life;
use crate::meanwhile::Meanwhile;
use crate::model::Dice;
use crate::planted::{Bug, Mistake};
use crate::watched::Watched;
use nigh_storage::disk::cruel::{CruelDisk, Lie};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A long run says how far it is whenever so many points were looked at.
const SAID_EVERY: u64 = 5_000;

/// A disk as it was found, with what had been done and promised until then.
pub struct Found {
    pub label: String,
    pub disk: CruelDisk,
    pub notes: Notes,
    now_ms: u64,
}

/// What a script runs on, and how often the disk is looked at.
#[derive(Copy, Clone)]
pub struct Kind {
    pub lie: Option<Lie>,
    pub mistake: Option<Mistake>,
    pub background: bool,
    pub steps: u64,
    /// In so many ways the power is cut at a call that is looked at; the process is killed in one more.
    pub ways: u64,
    /// One call of so many is looked at; which ones, the seed says.
    pub every: u64,
}

impl Default for Kind {
    fn default() -> Self {
        Self { lie: None, mistake: None, background: false, steps: 30, ways: 3, every: 1 }
    }
}

/// Every other seed has an archive.
fn archives(seed: u64) -> bool {
    seed % 2 == 1
}

/// Runs a script, and finds the disk at its calls: killed once, cut in several ways.
pub fn run(seed: u64, kind: &Kind) -> Result<Vec<Found>, String> {
    let world = World::new(archives(seed));
    let found = Arc::new(Mutex::new(Vec::new()));
    let (noted, seen) = (world.clone(), found.clone());
    let disk = CruelDisk::new();
    kind.lie.into_iter().for_each(|lie| disk.lie(lie));
    let Kind { ways, every, .. } = *kind;
    let watched = Watched::new(disk, Bug::new(kind.mistake), move |disk| {
        let call = disk.calls();
        if Dice(seed ^ call << 32).below(every) > 0 {
            return;
        }
        // Nothing is noted between the notes and the image, or another thread's creation or drop,
        // noted before it touches the disk, would stand on the image and not in the notes.
        let notes = noted.notes.lock();
        let now_ms = noted.now_ms();
        let mut seen = seen.lock();
        let mut see = |label, disk| seen.push(Found { label, disk, notes: notes.clone(), now_ms });
        (0..ways).for_each(|way| see(format!("power cut at call {call}, way {way}"), disk.crash(call * 1000 + way)));
        see(format!("process killed at call {call}"), disk.kill());
    });
    let meanwhile: Arc<Meanwhile> = Arc::default();
    let (working, others) = (meanwhile.clone(), world.clone());
    // Threads of their own write and seal beside each other anyway, and one that seals cannot do so twice.
    let watched = match kind.background {
        true => watched,
        false => watched.while_writing(move |path| working.work(path, &others)),
    };
    let mut dice = Dice(seed);
    let mut life = Life::begin(Arc::new(watched), world, kind.background)?;
    life.meanwhile = meanwhile;
    life.create(NAME)?;
    for at in 0..kind.steps {
        life.step(&mut dice).map_err(|why| format!("step {at}: {why}"))?;
    }
    drop(life);
    let found = std::mem::take(&mut *found.lock());
    Ok(found)
}

/// Opens what was found, lives on for some steps, and finds it again. How many collections were restored on the way.
fn check(found: Found, archives: bool, seed: u64) -> Result<u64, String> {
    let restored = found.notes.shelf.restored;
    let world = World::of(found.notes, found.now_ms, archives);
    let disk = Arc::new(found.disk);
    let live_on = || {
        let mut life = Life::begin(disk.clone(), world.clone(), false)?;
        let mut dice = Dice(seed);
        life.create(NAME)?;
        for _ in 0..dice.below(4) {
            life.step(&mut dice)?;
        }
        // The process is still there when the power goes.
        cut(&disk, &world, seed, 2)
    };
    live_on().map_err(|why: String| format!("{}: {why}", found.label))?;
    Ok(world.notes.lock().shelf.restored - restored)
}

/// The power is cut in some ways; each time the store opens and holds what it should.
pub fn cut(disk: &CruelDisk, world: &World, seed: u64, ways: u64) -> Outcome {
    for way in 0..ways {
        let found = Arc::new(disk.crash(seed.wrapping_add(way)));
        Life::begin(found, world.fork(), false).map_err(|why| format!("then, power cut way {way}: {why}"))?;
    }
    Ok(())
}

/// Runs a script and checks all that was found; how much that was.
pub fn crash_everywhere(seed: u64, kind: &Kind) -> Result<Ran, String> {
    let all = run(seed, kind)?;
    let mut ran = Ran { points: all.len() as u64, restored: 0, seeds: 1 };
    for (at, found) in all.into_iter().enumerate() {
        ran.restored += check(found, archives(seed), seed ^ at as u64)?;
    }
    Ok(ran)
}

/// Seed after seed, in as many threads as there are processors, until the disk was looked at so often.
pub fn crash_until(wanted: u64, kind: &Kind) -> Result<Ran, String> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let first = crate::number("NIGH_FIRST_SEED").unwrap_or(0);
    let (next, all) = (AtomicU64::new(first), Mutex::new(Ok(Ran::default())));
    let more = || all.lock().as_ref().is_ok_and(|ran: &Ran| ran.points < wanted);
    let work = || {
        while more() {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            let ran = crash_everywhere(seed, kind).map_err(|why| format!("seed {seed}: {why}"));
            let mut all = all.lock();
            match (&mut *all, ran) {
                (Ok(sum), Ok(ran)) => {
                    let before = sum.points;
                    sum.add(&ran);
                    if before / SAID_EVERY < sum.points / SAID_EVERY {
                        eprintln!("{} points of {} seeds", sum.points, sum.seeds);
                    }
                }
                (Ok(_), Err(why)) => *all = Err(why),
                (Err(_), _) => {}
            }
        }
    };
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    all.into_inner()
}

/// How much was looked at.
#[derive(Default)]
pub struct Ran {
    pub points: u64,
    pub seeds: u64,
    /// Collections that were made of backups and archives behind what was found.
    pub restored: u64,
}

impl Ran {
    fn add(&mut self, other: &Self) {
        self.points += other.points;
        self.seeds += other.seeds;
        self.restored += other.restored;
    }
}

/// The seeds to run: `NIGH_SEED` runs one alone, to see a failure again; `NIGH_SEEDS` so many.
pub fn for_seeds(usual: u64, mut run: impl FnMut(u64) -> Outcome) {
    let seeds = match (number("NIGH_SEED"), number("NIGH_SEEDS")) {
        (Some(seed), _) => seed..seed + 1,
        (None, count) => 0..count.unwrap_or(usual),
    };
    for seed in seeds {
        if let Err(why) = run(seed) {
            panic!("seed {seed}: {why}\nagain: NIGH_SEED={seed} cargo test -p nigh-tests --test crash");
        }
    }
}
