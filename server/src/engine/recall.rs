//! The recall of live queries: some are answered exactly as well, beside and later, and compared.
//!
//! ```text
//! query answered -> one in so many, if there is budget -> a permit to spare? -> answered exactly -> tallied
//! tally full     -> far from what was asked for? -> the effort of later queries is corrected
//! ```
//!
//! Nobody waits for it: without a permit to spare the sample is left out, and all samples together take a
//! small share of one core. Tallies are kept by collection, vector field and share of points that match, and
//! forgotten with the collection or the field. Neither they nor the corrections outlive the process: a restart begins with what was measured when the
//! segments were built.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// One query in so many is a candidate.
const EVERY: u64 = 32;

/// Samples may take this share of one core, and save up for so long.
const BUDGET_SHARE: f64 = 0.02;
const SAVED_MAX: Duration = Duration::from_millis(500);

/// A tally that saw so many queries is judged, and halved: what was long ago counts less.
const JUDGED_AT: f64 = 200.0;

/// Recall further than this below, or above, what was asked for is corrected.
const BELOW_MAX: f64 = 0.005;
const ABOVE_MAX: f64 = 0.02;

/// What is missing may be corrected by these factors at a time, and in all.
const LESS_MISSING: f32 = 0.8;
const MORE_MISSING: f32 = 1.15;
const CORRECTION: std::ops::RangeInclusive<f32> = 0.1..=1.3;

/// The lower ends of the classes of shares that match, with their names.
const CLASSES: [(f64, &str); 8] =
    [(0.999, "100"), (0.35, "50"), (0.14, "20"), (0.07, "10"), (0.035, "5"), (0.014, "2"), (0.007, "1"), (0.0, "0")];

/// Tallies are kept for so many kinds of queries; of further ones nothing is known.
const KINDS_MAX: usize = 4096;

/// Queries of one kind.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Kind {
    /// The collection's name.
    pub collection: String,
    /// What tells it from every other one, of this name or another.
    id: Uuid,
    /// The vector field's name.
    pub field: String,
    /// The place of the class of shares that match.
    class: usize,
}

impl Kind {
    /// Queries of a vector field where this share of the points matches.
    pub fn new((collection, id): (&str, Uuid), field: &str, share: f64) -> Self {
        let class = CLASSES.iter().position(|class| share >= class.0).unwrap_or(CLASSES.len() - 1);
        Self { collection: collection.to_owned(), id, field: field.to_owned(), class }
    }

    /// Of which collection.
    pub(crate) fn id(&self) -> Uuid {
        self.id
    }

    /// About how many of a hundred points match.
    pub fn share(&self) -> &'static str {
        CLASSES[self.class].1
    }
}

/// One query that was answered both ways.
#[derive(Copy, Clone, PartialEq, Debug)]
pub struct Sample {
    /// True neighbours found.
    pub found: u32,
    /// True neighbours there are.
    pub wanted: u32,
    /// The recall that was asked for by name.
    pub asked: Option<f32>,
}

/// The recall of one kind of queries, with the ends of its interval of 95 % confidence.
#[derive(Copy, Clone, PartialEq, Debug)]
pub struct Measured {
    /// Of the true neighbours, the share that was found.
    pub recall: f32,
    /// It is hardly below this.
    pub low: f32,
    /// It is hardly above this.
    pub high: f32,
    /// Queries measured since the start.
    pub queries: u64,
    /// By what the missing share that is aimed at was multiplied.
    pub correction: f32,
}

/// What has been measured since the start.
pub struct Recalls {
    kinds: Mutex<HashMap<Kind, Tally>>,
    budget: Mutex<Budget>,
}

struct Budget {
    seen: u64,
    /// Spent up to the moment; what was not spent is saved up.
    saved: f64,
    at: Instant,
    busy: bool,
}

#[derive(Clone, Debug, Default)]
struct Tally {
    all: Sums,
    /// Those that asked for a recall.
    asked: Sums,
    promised: f64,
    queries: u64,
    correction: Option<f32>,
}

/// Sums over queries.
#[derive(Copy, Clone, Debug, Default)]
struct Sums {
    queries: f64,
    found: f64,
    wanted: f64,
    /// Of the squares of recalls.
    squares: f64,
}

impl Sums {
    fn add(&mut self, sample: &Sample) {
        let recall = f64::from(sample.found) / f64::from(sample.wanted);
        self.queries += 1.0;
        self.found += f64::from(sample.found);
        self.wanted += f64::from(sample.wanted);
        self.squares += recall * recall;
    }

    fn halve(&mut self) {
        for sum in [&mut self.queries, &mut self.found, &mut self.wanted, &mut self.squares] {
            *sum /= 2.0;
        }
    }

    /// The mean with its interval (Wilson 1927), of as many independent neighbours as the spread between
    /// queries says: those of one query are missed together.
    fn interval(&self) -> Option<(f64, f64, f64)> {
        if self.queries < 1.0 {
            return None;
        }
        let mean = self.found / self.wanted;
        let spread = (self.squares / self.queries - mean * mean).max(0.0);
        let independent = mean * (1.0 - mean) / (self.wanted / self.queries);
        let apart = if independent > 0.0 { (spread / independent).max(1.0) } else { 1.0 };
        let (n, z) = (self.wanted / apart, 1.96_f64);
        let middle = (mean + z * z / (2.0 * n)) / (1.0 + z * z / n);
        let half = z / (1.0 + z * z / n) * (mean * (1.0 - mean) / n + z * z / (4.0 * n * n)).sqrt();
        Some((mean, (middle - half).max(0.0), (middle + half).min(1.0)))
    }
}

impl Tally {
    fn add(&mut self, sample: &Sample) {
        self.queries += 1;
        self.all.add(sample);
        if let Some(asked) = sample.asked {
            self.asked.add(sample);
            self.promised += f64::from(asked) * f64::from(sample.wanted);
            self.judge();
        }
        if self.all.queries >= 2.0 * JUDGED_AT {
            self.all.halve();
        }
    }

    fn judge(&mut self) {
        if self.asked.queries < JUDGED_AT {
            return;
        }
        let promised = self.promised / self.asked.wanted;
        let (correction, interval) = (self.correction.unwrap_or(1.0), self.asked.interval());
        let factor = match interval {
            Some((_, _, high)) if high < promised - BELOW_MAX => LESS_MISSING,
            Some((_, low, _)) if low > promised + ABOVE_MAX => MORE_MISSING,
            _ => 1.0,
        };
        self.correction = Some((correction * factor).clamp(*CORRECTION.start(), *CORRECTION.end()));
        if factor == 1.0 {
            self.asked.halve();
            self.promised /= 2.0;
        } else {
            // What was measured with another effort says nothing of this one.
            (self.asked, self.promised, self.all) = (Sums::default(), 0.0, Sums::default());
        }
    }

    fn measured(&self) -> Option<Measured> {
        let (recall, low, high) = self.all.interval()?;
        let (recall, low, high) = (recall as f32, low as f32, high as f32);
        Some(Measured { recall, low, high, queries: self.queries, correction: self.correction.unwrap_or(1.0) })
    }
}

impl Default for Recalls {
    fn default() -> Self {
        let budget = Budget { seen: 0, saved: SAVED_MAX.as_secs_f64(), at: Instant::now(), busy: false };
        Self { kinds: Mutex::default(), budget: Mutex::new(budget) }
    }
}

/// A sample that may be taken; whoever holds it says what it cost by dropping it.
pub struct Turn<'r> {
    recalls: &'r Recalls,
    begin: Instant,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut budget = self.recalls.budget.lock();
        budget.saved -= self.begin.elapsed().as_secs_f64();
        budget.busy = false;
    }
}

impl Recalls {
    /// Whether a query that was just answered is to be answered exactly as well; one at a time.
    pub fn is_due(&self) -> bool {
        let mut budget = self.budget.lock();
        budget.seen += 1;
        let now = Instant::now();
        let since = now.duration_since(budget.at).as_secs_f64();
        budget.at = now;
        budget.saved = (budget.saved + since * BUDGET_SHARE).min(SAVED_MAX.as_secs_f64());
        budget.seen.is_multiple_of(EVERY) && !budget.busy && budget.saved > 0.0
    }

    /// Begins a sample; `None` where one is being taken.
    pub fn begin(&self) -> Option<Turn<'_>> {
        let mut budget = self.budget.lock();
        (!std::mem::replace(&mut budget.busy, true)).then(|| Turn { recalls: self, begin: Instant::now() })
    }

    /// Takes a sample into account.
    pub fn add(&self, kind: Kind, sample: &Sample) {
        if sample.wanted == 0 {
            return;
        }
        let mut kinds = self.kinds.lock();
        if kinds.len() < KINDS_MAX || kinds.contains_key(&kind) {
            kinds.entry(kind).or_default().add(sample);
        }
    }

    /// Forgets a collection that was dropped, or one field of it.
    pub(crate) fn forget(&self, collection: Uuid, field: Option<&str>) {
        let is_gone = |kind: &Kind| kind.id == collection && field.is_none_or(|field| kind.field == field);
        self.kinds.lock().retain(|kind, _| !is_gone(kind));
    }

    /// What is known of queries of this kind.
    pub fn of(&self, kind: &Kind) -> Option<Measured> {
        self.kinds.lock().get(kind)?.measured()
    }

    /// By what the missing share that is aimed at is to be multiplied.
    pub fn correction(&self, kind: &Kind) -> f32 {
        self.kinds.lock().get(kind).and_then(|tally| tally.correction).unwrap_or(1.0)
    }

    /// Everything that was measured, in order.
    pub fn all(&self) -> Vec<(Kind, Measured)> {
        let kinds = self.kinds.lock();
        let mut all: Vec<_> =
            kinds.iter().filter_map(|(kind, tally)| Some((kind.clone(), tally.measured()?))).collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind() -> Kind {
        Kind::new(("c", Uuid::from_u128(7)), "v", 0.09)
    }

    fn after(samples: impl IntoIterator<Item = (u32, f32)>) -> Recalls {
        let recalls = Recalls::default();
        for (found, asked) in samples {
            recalls.add(kind(), &Sample { found, wanted: 10, asked: Some(asked) });
        }
        recalls
    }

    #[test]
    fn shares_fall_into_classes() {
        let share = |share| Kind::new(("c", Uuid::nil()), "v", share).share();
        assert_eq!([1.0, 0.97, 0.5, 0.2267, 0.0762, 0.01, 0.001].map(share), ["100", "50", "50", "20", "10", "1", "0"]);
    }

    #[test]
    fn the_interval_holds_the_mean_and_narrows() {
        let few = after((0..20).map(|at| (if at % 4 == 0 { 6 } else { 10 }, 0.9))).of(&kind()).unwrap();
        let many = after((0..150).map(|at| (if at % 4 == 0 { 6 } else { 10 }, 0.9))).of(&kind()).unwrap();
        for measured in [few, many] {
            assert!((measured.recall - 0.9).abs() < 0.01, "{measured:?}");
            assert!(measured.low < measured.recall && measured.recall < measured.high, "{measured:?}");
        }
        assert!(many.high - many.low < few.high - few.low);
        // Misses of one query come together, so there is less to go by than ten neighbours a query.
        let spread = after((0..150).map(|at| (9, if at % 2 == 0 { 0.9 } else { 0.91 }))).of(&kind()).unwrap();
        assert!(spread.high - spread.low < many.high - many.low);
        assert_eq!(after([]).of(&kind()), None);
    }

    #[test]
    fn what_misses_its_recall_is_corrected() {
        let correction = |found: fn(u32) -> u32| after((0..1000).map(|at| (found(at), 0.9))).correction(&kind());
        assert_eq!(correction(|_| 9), 1.0);
        assert!(correction(|at| if at % 2 == 0 { 8 } else { 9 }) < 0.9);
        assert!(correction(|_| 10) > 1.1);
        assert!(CORRECTION.contains(&correction(|_| 0)));
    }

    /// Names come again: what was measured of the collection before says nothing of the next one, and no room is left
    /// where what is gone keeps its own.
    #[test]
    fn a_collection_that_is_gone_is_forgotten() {
        let recalls = Recalls::default();
        let of = |id: u128, field: &str| Kind::new(("c", Uuid::from_u128(id)), field, 0.09);
        for id in 0..2 * KINDS_MAX as u128 {
            for field in ["v", "w"] {
                let sample = Sample { found: 9, wanted: 10, asked: None };
                recalls.add(of(id, field), &sample);
                assert!(recalls.of(&of(id, field)).is_some(), "number {id} has no room");
            }
            assert_eq!(recalls.of(&of(id + 1, "v")), None, "it has the name of the one before, and nothing else");
            recalls.forget(Uuid::from_u128(id), Some("w"));
            assert!(recalls.of(&of(id, "w")).is_none() && recalls.of(&of(id, "v")).is_some());
            recalls.forget(Uuid::from_u128(id), None);
        }
        assert!(recalls.all().is_empty());
    }

    #[test]
    fn samples_are_few_and_one_at_a_time() {
        let recalls = Recalls::default();
        let due = (0..320).filter(|_| recalls.is_due()).count();
        assert_eq!(due, 10);
        let turn = recalls.begin().unwrap();
        assert!(recalls.begin().is_none());
        assert!((0..320).all(|_| !recalls.is_due()));
        drop(turn);
        assert!(recalls.begin().is_some());
    }
}
