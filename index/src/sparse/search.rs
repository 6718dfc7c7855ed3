//! The rows with the greatest dot products, exactly, without scoring them all.
//!
//! MaxScore (Turtle & Flood 1995) over windows of rows, with the bounds of each window (after Mallia, Suel & Tonellotto
//! 2024, "Faster Learned Sparse Retrieval with Block-Max Pruning"). No list can add more to a row than its weight times
//! the peak of its postings in the window. Lists whose bounds together cannot lift a row above the worst kept hit are
//! *poor* in that window: a row that only they have is never looked at, and a window of poor lists is passed over. The
//! other lists add up; a row that may still make it asks the poor lists, richest first, until it is sure.
//!
//! Bounds are without sign, so numbers below zero are only bounded more loosely. Scores are added up in f64, where
//! products of f32 are exact: equal rows have equal scores in whichever part they lie.

use crate::bitmap::Bits;
use crate::params::{Found, Route, Work};
use crate::row::{Hit, Row, TopK};
use crate::selection::Selection;
use crate::sparse::stored::{CELL, Placed, SparseVectors};

/// Rows of a window: their sums fit the fastest cache.
const WINDOW: usize = 2048;

/// Opening the numbers of a row costs about as much as so many postings read in sequence.
const ROW_COST: u64 = 12;

/// The `k` rows of `allowed` (of all rows where it is `None`) with the greatest dot products with these numbers, whose
/// indices rise. Rows that share no index with the query are not hits. The caller has taken dead rows out of `allowed`.
pub fn search(part: &SparseVectors, query: &[(u32, f32)], k: usize, allowed: Option<&Selection>) -> Found {
    let mut lists: Vec<List<'_>> = query.iter().map(|(index, weight)| List::new(part, *index, *weight)).collect();
    lists.retain(|list| !list.postings.is_empty());
    if k == 0 || lists.is_empty() || allowed.is_some_and(|allowed| allowed.count() == 0) {
        return Found::nothing();
    }
    let postings: u64 = lists.iter().map(|list| list.postings.len() as u64).sum();
    let of_a_row = part.numbers() / part.count().max(1);
    let mut top = TopK::new(k);
    let postings = match allowed {
        Some(rows) if rows.count().saturating_mul(ROW_COST + of_a_row) < postings => {
            by_row(part, query, rows, &mut top)
        }
        _ => Walk::new(part, lists, allowed.map(Selection::bits)).run(&mut top),
    };
    let work = Work { postings, ..Work::default() };
    Found { hits: top.into_sorted(), route: Route::Postings, effort: 0, work }
}

/// The dot product of one row; `None` where it shares no index with the query.
pub fn score(part: &SparseVectors, query: &[(u32, f32)], row: Row) -> Option<f32> {
    let mut numbers = part.row(row);
    let mut sum = None;
    for (index, weight) in query {
        numbers = &numbers[numbers.partition_point(|number| number[0] < *index)..];
        if let Some([_, bits]) = numbers.first().filter(|number| number[0] == *index) {
            *sum.get_or_insert(0.0) += product(*weight, *bits);
        }
    }
    sum.map(|sum: f64| sum as f32)
}

fn product(weight: f32, bits: u32) -> f64 {
    f64::from(weight) * f64::from(f32::from_bits(bits))
}

/// Where few rows are allowed: scores each of them.
fn by_row(part: &SparseVectors, query: &[(u32, f32)], allowed: &Selection, top: &mut TopK) -> u64 {
    let mut scored = 0;
    for row in allowed.rows().iter() {
        scored += part.row(row).len() as u64;
        if let Some(score) = score(part, query, row) {
            top.offer(Hit { row, score });
        }
    }
    scored
}

/// The postings of one index on their way through a query.
struct List<'p> {
    postings: &'p [Placed],
    /// Where they stand among those of the part.
    start: usize,
    at: usize,
    weight: f32,
    /// No posting adds more, in whichever window.
    bound: f64,
}

impl<'p> List<'p> {
    fn new(part: &'p SparseVectors, index: u32, weight: f32) -> Self {
        let range = part.list(index);
        let start = range.start;
        let mut list = Self { postings: part.postings(range), start, at: 0, weight, bound: 0.0 };
        list.bound = list.bound_below(u32::MAX, part.peaks());
        list
    }

    /// The row it stands on; `None` at the end.
    fn row(&self) -> Option<u32> {
        Some(self.postings.get(self.at)?[0])
    }

    /// No posting adds more from here to the row.
    fn bound_below(&self, end: u32, peaks: &[f32]) -> f64 {
        let (mut at, mut peak) = (self.at, 0f32);
        while self.postings.get(at).is_some_and(|posting| posting[0] < end) {
            let cell = (self.start + at) / CELL;
            peak = peak.max(peaks[cell]);
            at = (cell + 1) * CELL - self.start;
        }
        // A query of one index and one row meets its bound, which rounding must not put below it.
        f64::from(self.weight).abs() * f64::from(peak) * (1.0 + 1e-9)
    }

    /// Goes on to the first row that is at least `row`.
    fn seek(&mut self, row: u32) {
        let rest = &self.postings[self.at..];
        let mut step = 1;
        while rest.get(step).is_some_and(|posting| posting[0] < row) {
            step *= 2;
        }
        let (low, high) = (step / 2, rest.len().min(step + 1));
        self.at += low + rest[low..high].partition_point(|posting| posting[0] < row);
    }
}

/// A list as one window sees it.
#[derive(Copy, Clone)]
struct Bounded {
    list: usize,
    /// No posting of the window adds more.
    bound: f64,
    /// All lists up to this one together add no more.
    below: f64,
}

struct Walk<'p> {
    rows: u32,
    peaks: &'p [f32],
    /// By their bounds, rising.
    lists: Vec<List<'p>>,
    allowed: Option<&'p Bits>,
    sums: Box<[f64; WINDOW]>,
    /// One bit a row that any list has.
    seen: [u64; WINDOW / 64],
    scored: u64,
}

impl<'p> Walk<'p> {
    fn new(part: &'p SparseVectors, mut lists: Vec<List<'p>>, allowed: Option<&'p Bits>) -> Self {
        // Stable, so that the same query does the same work every time.
        lists.sort_by(|a, b| a.bound.total_cmp(&b.bound));
        let (sums, seen) = (Box::new([0.0; WINDOW]), [0; WINDOW / 64]);
        Self { rows: part.rows, peaks: part.peaks(), lists, allowed, sums, seen, scored: 0 }
    }

    /// Walks all windows; how many postings were scored.
    fn run(mut self, top: &mut TopK) -> u64 {
        // The first windows are small, so that the floor rises before much was scored in vain.
        let mut width = WINDOW as u32 / 16;
        let mut bounds: Vec<Bounded> = Vec::with_capacity(self.lists.len());
        loop {
            let floor = f64::from(top.floor());
            let poor = self.poor(floor);
            let Some(base) = self.lists[poor..].iter().filter_map(List::row).min() else { return self.scored };
            let end = base.saturating_add(width);
            width = (width * 2).min(WINDOW as u32);
            bounds.clear();
            for (at, list) in self.lists.iter().enumerate() {
                // Poor lists are not brought on to the window: their own bounds have to do.
                let bound = if at < poor { list.bound } else { list.bound_below(end, self.peaks) };
                bounds.push(Bounded { list: at, bound, below: 0.0 });
            }
            bounds.sort_by(|a, b| a.bound.total_cmp(&b.bound));
            let mut below = 0.0;
            for bounded in &mut bounds {
                below += bounded.bound;
                bounded.below = below;
            }
            let poor_here = bounds.iter().take_while(|bounded| bounded.below <= floor).count();
            for bounded in &bounds[poor_here..] {
                self.add(bounded.list, base, end);
            }
            self.offer(base, &bounds[..poor_here], top);
            for list in &mut self.lists[poor..] {
                list.seek(end);
            }
            if end == u32::MAX {
                return self.scored;
            }
        }
    }

    /// How many lists, of those with the least bounds, cannot lift a row above the floor in any window.
    fn poor(&self, floor: f64) -> usize {
        let mut sum = 0.0;
        let poor = |list: &&List<'_>| {
            sum += list.bound;
            sum <= floor
        };
        self.lists.iter().take_while(poor).count()
    }

    /// Adds up what a list says of the rows in `base..end`.
    fn add(&mut self, list: usize, base: u32, end: u32) {
        let list = &mut self.lists[list];
        list.seek(base);
        for [row, bits] in &list.postings[list.at..] {
            if *row >= end {
                break;
            }
            list.at += 1;
            let at = row.wrapping_sub(base) as usize;
            // Neither a row of the window nor one of the part is taken on trust from a file.
            if at >= WINDOW || *row >= self.rows || self.allowed.is_some_and(|allowed| !allowed.has(Row(*row))) {
                continue;
            }
            self.sums[at] += product(list.weight, *bits);
            self.seen[at / 64] |= 1 << (at % 64);
            self.scored += 1;
        }
    }

    /// Offers the rows of a window that were seen, after the poor lists were asked as far as need be.
    fn offer(&mut self, base: u32, poor: &[Bounded], top: &mut TopK) {
        for word in 0..self.seen.len() {
            let mut left = std::mem::take(&mut self.seen[word]);
            while left != 0 {
                let at = word * 64 + left.trailing_zeros() as usize;
                left &= left - 1;
                let sum = std::mem::take(&mut self.sums[at]);
                self.settle(base + at as u32, sum, poor, top);
            }
        }
    }

    fn settle(&mut self, row: u32, mut sum: f64, poor: &[Bounded], top: &mut TopK) {
        // Rows come in rising order, so a row that only equals the floor loses the tie.
        let floor = f64::from(top.floor());
        for bounded in poor.iter().rev() {
            if sum + bounded.below <= floor {
                return;
            }
            let list = &mut self.lists[bounded.list];
            list.seek(row);
            if let Some([_, bits]) = list.postings.get(list.at).filter(|posting| posting[0] == row) {
                sum += product(list.weight, *bits);
                self.scored += 1;
            }
        }
        top.offer(Hit { row: Row(row), score: sum as f32 });
    }
}
