//! The best rows of several posting lists, exactly, without scoring them all.
//!
//! MaxScore (Turtle & Flood 1995) over windows of rows. Lists are sorted by the most that they can
//! add to a row. Those whose bounds together cannot lift a row above the worst kept hit are *poor*:
//! a row that only they have is never looked at. The other lists add their scores up, a window of
//! rows at a time; a row that may still make it then asks the poor lists, richest first, until it
//! is sure that it does or does not.
//!
//! Scores are added up in f64, where the sum of a few dozen f32 loses nothing: equal rows have equal
//! scores, whatever the order of the lists, in whichever part they lie.

use crate::bitmap::{Bitmap, Bits};
use crate::params::{Found, Route, Work};
use crate::row::{Hit, Row, TopK};
use crate::selection::Selection;
use crate::text::bm25::{Statistics, Weighted};

/// Rows of a window: their sums fit the fastest cache.
const WINDOW: usize = 2048;

/// A seek costs about as much as so many postings read in sequence.
const SEEK_COST: u64 = 24;

/// Lists up to this long are scored whole to know the most that they can add.
pub(crate) const PRICED_WHOLE: usize = 128;

/// A posting list, block by block, forward.
pub(crate) trait Blocks {
    /// The rows of the block, rising; none at the end of the list.
    fn rows(&self) -> &[u32];
    /// How often each row of the block has the term.
    fn times(&self) -> &[u32];
    /// On to the next block.
    fn next(&mut self);
    /// On to the block where the first row that is at least `row` would be.
    fn seek(&mut self, row: u32);
    /// Postings in the whole list.
    fn len(&self) -> u64;
}

/// What bounds the scores of a long list, whatever the weights: of the rows that have the term
/// once, twice, and more often, the shortest; and the most often that a row has it.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) struct Peak {
    /// Terms of the shortest row with the term once, twice, three times or more; `u32::MAX` for none.
    pub(crate) shortest: [u32; 3],
    /// The most often that a row has the term.
    pub(crate) times: u32,
}

impl Peak {
    /// Before any posting was seen.
    pub(crate) const NONE: Self = Self { shortest: [u32::MAX; 3], times: 0 };

    /// Sees a posting.
    pub(crate) fn see(&mut self, times: u32, length: u32) {
        let class = &mut self.shortest[times.clamp(1, 3) as usize - 1];
        *class = length.min(*class);
        self.times = self.times.max(times);
    }

    fn bound(&self, query: &Weighted, weight: f32) -> f32 {
        // More often and shorter is never worse, so each class is bounded by its own best corner.
        let class = |(at, length): (usize, &u32)| match (*length, at) {
            (u32::MAX, _) => 0.0,
            (length, 0 | 1) => query.score(weight, at as u32 + 1, length),
            (length, _) => query.score(weight, self.times, length),
        };
        self.shortest.iter().enumerate().map(class).fold(0.0, f32::max)
    }
}

/// A posting list on its way through a query.
pub(crate) struct List<B> {
    blocks: B,
    at: usize,
    weight: f32,
    /// No posting adds more.
    bound: f64,
}

impl<B: Blocks> List<B> {
    /// A list at its beginning.
    pub(crate) fn new(blocks: B, query: &Weighted, weight: f32, peak: Option<Peak>, lengths: &[u32]) -> Self {
        let bound = match peak {
            Some(peak) => peak.bound(query, weight),
            None if blocks.len() <= PRICED_WHOLE as u64 && blocks.rows().len() as u64 == blocks.len() => {
                let postings = blocks.rows().iter().zip(blocks.times());
                postings.map(|(row, times)| query.score(weight, *times, lengths[*row as usize])).fold(0.0, f32::max)
            }
            None => weight * (query.k1 + 1.0),
        };
        // The slack covers what rounding may do to a score on its way.
        Self { blocks, at: 0, weight, bound: f64::from(bound.max(0.0)) * (1.0 + 1e-6) }
    }

    /// The row it stands on; `None` at the end.
    fn row(&self) -> Option<u32> {
        self.blocks.rows().get(self.at).copied()
    }

    /// Goes on to the first row that is at least `row`; the times that row has the term, if it is the one.
    fn times_of(&mut self, row: u32) -> Option<u32> {
        if self.row()? < row {
            if self.blocks.rows().last().is_some_and(|last| *last < row) {
                self.blocks.seek(row);
                self.at = 0;
            }
            let rest = &self.blocks.rows()[self.at..];
            self.at += rest.partition_point(|here| *here < row);
        }
        (self.row()? == row).then(|| self.blocks.times()[self.at])
    }
}

/// Sums of one window of rows.
struct Window {
    sums: Box<[f64; WINDOW]>,
    /// One bit a row that any list has.
    seen: [u64; WINDOW / 64],
}

impl Window {
    /// Adds up a list's scores of the rows in `base..end`; how many they were.
    fn add<B: Blocks>(&mut self, list: &mut List<B>, base: u32, end: u32, part: &Part<'_>) -> u64 {
        let mut scored = 0;
        loop {
            let rows = &list.blocks.rows()[list.at..];
            let here = if rows.last().is_some_and(|last| *last < end) {
                rows.len()
            } else {
                rows.partition_point(|row| *row < end)
            };
            let postings = rows[..here].iter().zip(&list.blocks.times()[list.at..]);
            for (row, times) in postings {
                if part.allowed.is_some_and(|allowed| !allowed.has(Row(*row))) {
                    continue;
                }
                let at = (*row - base) as usize;
                self.sums[at] += f64::from(part.query.score(list.weight, *times, part.lengths[*row as usize]));
                self.seen[at / 64] |= 1 << (at % 64);
                scored += 1;
            }
            list.at += here;
            if list.at < list.blocks.rows().len() || list.blocks.rows().is_empty() {
                return scored;
            }
            list.blocks.next();
            list.at = 0;
        }
    }
}

struct Part<'a> {
    query: &'a Weighted,
    lengths: &'a [u32],
    allowed: Option<&'a Bits>,
}

/// The `k` best rows of `allowed`.
pub(crate) fn search<B: Blocks>(
    mut lists: Vec<List<B>>,
    query: &Weighted,
    lengths: &[u32],
    k: usize,
    allowed: Option<&Selection>,
) -> Found {
    if k == 0 || lists.is_empty() || allowed.is_some_and(|allowed| allowed.count() == 0) {
        return Found::nothing();
    }
    // Stable, so that the same query does the same work every time.
    lists.sort_by(|a, b| a.bound.total_cmp(&b.bound));
    let mut below = vec![0.0];
    for list in &lists {
        below.push(below[below.len() - 1] + list.bound);
    }
    let postings: u64 = lists.iter().map(|list| list.blocks.len()).sum();
    let mut top = TopK::new(k);
    let postings = match allowed {
        Some(rows) if rows.count().saturating_mul(lists.len() as u64 * SEEK_COST) < postings => {
            by_row(&mut lists, &below, query, lengths, rows.rows(), &mut top)
        }
        _ => {
            let part = Part { query, lengths, allowed: allowed.map(Selection::bits) };
            by_window(&mut lists, &below, &part, &mut top)
        }
    };
    let work = Work { postings, ..Work::default() };
    Found { hits: top.into_sorted(), route: Route::Postings, effort: 0, work }
}

/// Where few rows are allowed: looks each of them up in every list.
fn by_row<B: Blocks>(
    lists: &mut [List<B>],
    below: &[f64],
    query: &Weighted,
    lengths: &[u32],
    allowed: &Bitmap,
    top: &mut TopK,
) -> u64 {
    let mut scored = 0;
    for row in allowed.iter().take_while(|row| row.at() < lengths.len()) {
        if lengths[row.at()] > 0 {
            settle(lists, below, query, lengths, row, None, top, &mut scored);
        }
    }
    scored
}

fn by_window<B: Blocks>(lists: &mut [List<B>], below: &[f64], part: &Part<'_>, top: &mut TopK) -> u64 {
    let mut window = Window { sums: Box::new([0.0; WINDOW]), seen: [0; WINDOW / 64] };
    let mut scored = 0;
    // The first windows are small, so that the floor rises before much was scored in vain.
    let mut width = WINDOW as u32 / 16;
    loop {
        let floor = f64::from(top.floor());
        let poor = below[1..].iter().take_while(|sum| **sum <= floor).count();
        let Some(base) = lists[poor..].iter().filter_map(List::row).min() else { return scored };
        let end = base.saturating_add(width);
        width = (width * 2).min(WINDOW as u32);
        for list in &mut lists[poor..] {
            scored += window.add(list, base, end, part);
        }
        for word in 0..window.seen.len() {
            let mut left = std::mem::take(&mut window.seen[word]);
            while left != 0 {
                let at = word * 64 + left.trailing_zeros() as usize;
                left &= left - 1;
                let sum = std::mem::take(&mut window.sums[at]);
                let row = Row(base + at as u32);
                settle(&mut lists[..poor], below, part.query, part.lengths, row, Some(sum), top, &mut scored);
            }
        }
    }
}

/// Adds what the poor lists say of a row and offers it, or gives it up as soon as it cannot be kept.
#[expect(clippy::too_many_arguments, reason = "the inner step of two loops, not a thing of its own")]
#[inline]
fn settle<B: Blocks>(
    poor: &mut [List<B>],
    below: &[f64],
    query: &Weighted,
    lengths: &[u32],
    row: Row,
    sum: Option<f64>,
    top: &mut TopK,
    scored: &mut u64,
) {
    // Rows come in rising order, so a row that only equals the floor loses the tie.
    let floor = f64::from(top.floor());
    let mut found = sum.is_some();
    let mut sum = sum.unwrap_or(0.0);
    for (at, list) in poor.iter_mut().enumerate().rev() {
        if sum + below[at + 1] <= floor {
            return;
        }
        if let Some(times) = list.times_of(row.0) {
            sum += f64::from(query.score(list.weight, times, lengths[row.at()]));
            found = true;
            *scored += 1;
        }
    }
    if found {
        top.offer(Hit { row, score: sum as f32 });
    }
}

/// What a part adds to the statistics: its own totals and lists without the dead rows.
pub(crate) fn statistics<B: Blocks>(
    lists: impl Iterator<Item = Option<B>>,
    docs: u64,
    tokens: u64,
    lengths: &[u32],
    dead: &Bitmap,
) -> Statistics {
    if dead.is_empty() {
        let frequencies = lists.map(|list| list.map_or(0, |list| list.len())).collect();
        return Statistics { docs, tokens, frequencies };
    }
    let gone = dead.iter().filter_map(|row| lengths.get(row.at())).filter(|length| **length > 0);
    let (gone_docs, gone_tokens) = gone.fold((0, 0), |(docs, tokens), length| (docs + 1, tokens + u64::from(*length)));
    // Expanded only when a list is scanned, and then once for all of them.
    let mut bits = None;
    let mut alive = |mut list: B| {
        let all = list.len();
        all - if dead.len() * SEEK_COST < all {
            among(&mut list, dead)
        } else {
            let bits: &Bits = bits.get_or_insert_with(|| dead.bits(lengths.len() as u32));
            let mut found = 0;
            while !list.rows().is_empty() {
                found += list.rows().iter().filter(|row| bits.has(Row(**row))).count() as u64;
                list.next();
            }
            found
        }
    };
    let frequencies = lists.map(|list| list.map_or(0, &mut alive)).collect();
    Statistics { docs: docs.saturating_sub(gone_docs), tokens: tokens.saturating_sub(gone_tokens), frequencies }
}

/// How many of the rows a list has, by looking each of them up.
fn among<B: Blocks>(list: &mut B, rows: &Bitmap) -> u64 {
    let mut found = 0;
    for row in rows.iter() {
        list.seek(row.0);
        if list.rows().is_empty() {
            break;
        }
        found += u64::from(list.rows().binary_search(&row.0).is_ok());
    }
    found
}
