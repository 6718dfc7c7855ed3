//! Searches lists: the nearest centroids, their lists by code, the best estimates in full.

use crate::bitmap::{Bitmap, Bits};
use crate::params::{Found, Route, Work};
use crate::row::{Hit, Row, TopK};
use crate::vector::ivf::coarse::Placed;
use crate::vector::ivf::code::Prepared;
use crate::vector::ivf::lists::{Lists, NONE};
use crate::vector::kernel;
use crate::vector::kernel::fastscan::LANES;
use crate::vector::metric::Metric;
use crate::vector::quant::full::{Full, Query};
use std::cell::RefCell;

/// Estimates that are kept to be compared in full, for each hit asked for, where the spec leaves it open; and
/// at least. Most searches end before the last of them.
const RERANK_DEFAULT: usize = 8;
const RERANK_LEAST: usize = 16;

/// Beyond so many standard deviations an estimate is taken for the truth.
const DEVIATIONS: f32 = 2.5;

/// What is offered beyond what is kept, before the worst are dropped again.
const SLACK: usize = 64;

/// Full vectors that are asked for ahead of their comparison.
const ASKED: usize = 8;

/// How hard a search tries.
#[derive(Copy, Clone, Debug)]
pub(super) struct Effort {
    /// Lists scanned.
    pub(super) nprobe: u32,
    /// Vectors compared in full for each hit, at most.
    pub(super) rerank: usize,
    /// Beyond so many standard deviations an estimate is taken for the truth.
    pub(super) deviations: f32,
}

/// Scores as estimates have them.
#[derive(Copy, Clone, Debug)]
struct Scores {
    metric: Metric,
    /// For inner products: that of the query with the centre, and the query's length.
    shift: f32,
    length: f32,
    /// How far an estimate is off.
    deviation: f32,
}

impl Scores {
    /// A score as an estimate of it would be.
    fn key(self, score: f32) -> f32 {
        match self.metric {
            Metric::Cosine => 2.0 - 2.0 * score,
            Metric::Dot => self.shift - score,
            _ => -score,
        }
    }

    /// Whatever is estimated beyond this is not expected to have a better score.
    fn reach(self, score: f32, deviations: f32) -> f32 {
        let key = self.key(score);
        let off = if self.metric == Metric::Dot { self.length } else { key };
        let reach = key + deviations * self.deviation * off;
        if reach.is_nan() { f32::INFINITY } else { reach }
    }
}

/// The least of all keys offered, a few more for a while.
#[derive(Debug, Default)]
struct Reservoir {
    keep: usize,
    entries: Vec<u64>,
    /// What is not below this is not among the least.
    limit: f32,
}

/// A float and a name, in the order of floats.
fn entry(key: f32, name: u32) -> u64 {
    let bits = key.to_bits();
    let ordered = if bits >> 31 == 1 { !bits } else { bits | 1 << 31 };
    u64::from(ordered) << 32 | u64::from(name)
}

fn key_of(entry: u64) -> f32 {
    let ordered = (entry >> 32) as u32;
    f32::from_bits(if ordered >> 31 == 1 { ordered & !(1 << 31) } else { !ordered })
}

impl Reservoir {
    fn reset(&mut self, keep: usize) {
        self.keep = keep.max(1);
        self.entries.clear();
        self.limit = f32::INFINITY;
    }

    #[inline]
    fn offer(&mut self, key: f32, name: u32) {
        self.entries.push(entry(key, name));
        if self.entries.len() >= self.keep + self.keep.max(SLACK) {
            self.cut();
        }
    }

    fn cut(&mut self) {
        if self.entries.len() >= self.keep {
            let worst = *self.entries.select_nth_unstable(self.keep - 1).1;
            self.entries.truncate(self.keep);
            self.limit = key_of(worst);
        }
    }

    /// What is kept, the least first.
    fn sorted(&mut self) -> &[u64] {
        self.cut();
        self.entries.sort_unstable();
        &self.entries
    }
}

/// What a search needs for a while; kept by its thread so that a search allocates next to nothing.
#[derive(Debug, Default)]
struct Scratch {
    placed: Placed,
    prepared: Prepared,
    to_lists: Vec<f32>,
    lists: Reservoir,
    estimates: Vec<f32>,
    below: Vec<u32>,
    best: Reservoir,
    normed: Vec<f32>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

impl Lists {
    /// The `k` nearest of the rows that are allowed, by the `nprobe` nearest lists; more lists are scanned
    /// where those hold too few. `None`, with the work in vain, where all of them did: estimates may be
    /// damaged.
    pub(in crate::vector) fn search(
        &self,
        full: &Full,
        query: &[f32],
        k: usize,
        allowed: Option<&Bitmap>,
        nprobe: u32,
    ) -> (Option<Found>, Work) {
        let effort = Effort { nprobe, rerank: self.rerank(), deviations: DEVIATIONS };
        self.search_with(full, query, k, allowed, effort, |_, _| {})
    }

    fn scores(&self, query: &[f32]) -> Scores {
        let (mut shift, mut length) = (0.0, 0.0);
        if self.metric == Metric::Dot {
            shift = kernel::dot(query, &self.centroids.grid.centre);
            length = kernel::dot(query, query).sqrt();
        }
        Scores { metric: self.metric, shift, length, deviation: self.deviation }
    }

    /// Vectors compared in full for each hit, at most.
    pub(super) fn rerank(&self) -> usize {
        if self.rerank == 0 { RERANK_DEFAULT } else { self.rerank as usize }
    }

    /// As [`Self::search`], with any number of vectors compared in full. `observe` is told the estimate and
    /// the truth of each of them, in the unit of estimates.
    pub(super) fn search_with(
        &self,
        full: &Full,
        query: &[f32],
        k: usize,
        allowed: Option<&Bitmap>,
        effort: Effort,
        observe: impl FnMut(f32, f32),
    ) -> (Option<Found>, Work) {
        let matching = match (allowed, full.present()) {
            (None, _) => full.count(),
            (Some(allowed), None) => allowed.len(),
            (Some(allowed), Some(present)) => allowed.and_len(present),
        };
        let wanted = (k as u64).min(matching) as usize;
        let bits = allowed.map(|allowed| allowed.bits(full.rows()));
        SCRATCH.with(|scratch| match scratch.try_borrow_mut() {
            Ok(mut scratch) => self.search_in(full, query, (k, wanted), bits.as_ref(), effort, &mut scratch, observe),
            Err(_) => self.search_in(full, query, (k, wanted), bits.as_ref(), effort, &mut Scratch::default(), observe),
        })
    }

    #[expect(clippy::too_many_arguments, reason = "one search, taken apart for its scratch alone")]
    fn search_in(
        &self,
        full: &Full,
        query: &[f32],
        (k, wanted): (usize, usize),
        allowed: Option<&Bits>,
        effort: Effort,
        scratch: &mut Scratch,
        mut observe: impl FnMut(f32, f32),
    ) -> (Option<Found>, Work) {
        let mut work = Work::default();
        let of_full = Query::new(query);
        let Scratch { placed, prepared, to_lists, lists, estimates, below, best, normed } = scratch;
        normed.clear();
        match self.metric {
            Metric::Cosine => normed.extend(query.iter().map(|value| value * of_full.inverse)),
            _ => normed.extend_from_slice(query),
        }
        self.centroids.distances(self.metric, normed, placed, to_lists);
        work.distances_coded += to_lists.len() as u64;
        let nprobe = (effort.nprobe.max(1) as usize).min(to_lists.len());
        lists.reset(nprobe);
        for (chunk, keys) in to_lists.chunks(SLACK).enumerate() {
            self.select.below(keys, lists.limit, below);
            for at in below.iter() {
                lists.offer(keys[*at as usize], chunk as u32 * SLACK as u32 + at);
            }
        }
        self.code.prepare(&placed.values, prepared);
        best.reset((k.saturating_mul(effort.rerank)).max(RERANK_LEAST).min(full.rows() as usize));
        let mut scan = |list: usize, base: f32, best: &mut Reservoir| {
            let blocks = self.blocks(list);
            let bytes = self.code.block_bytes();
            let codes = &self.blocks[blocks.start * bytes..blocks.end * bytes];
            // Of a list that is filtered nobody knows how many rows are to be kept.
            let keep = if allowed.is_some() { usize::MAX } else { best.keep };
            self.code.scan(prepared, base, codes, (best.limit, keep), estimates);
            work.expanded += 1;
            work.distances_coded += estimates.len() as u64;
            self.select.below(estimates, best.limit, below);
            let ids = &self.ids[blocks.start * LANES..blocks.end * LANES];
            for at in below.iter() {
                let (id, estimate) = (ids[*at as usize], estimates[*at as usize]);
                if id != NONE && allowed.is_none_or(|allowed| allowed.has(Row(id))) {
                    best.offer(estimate, id);
                }
            }
            if best.limit == f32::INFINITY {
                best.cut();
            }
        };
        let nearest = lists.sorted();
        for (at, entry) in nearest.iter().enumerate() {
            if let Some(next) = nearest.get(at + 1) {
                self.prefetch(*next as u32 as usize);
            }
            scan(*entry as u32 as usize, key_of(*entry), best);
        }
        if best.entries.len() < wanted {
            // All the other lists, the nearest first, until there are enough.
            let probed: Vec<u32> = lists.entries.iter().map(|entry| *entry as u32).collect();
            let all = to_lists.iter().zip(0u32..).filter(|(_, list)| !probed.contains(list));
            let mut rest: Vec<u64> = all.map(|(key, list)| entry(*key, list)).collect();
            rest.sort_unstable();
            for entry in rest {
                scan(entry as u32 as usize, key_of(entry), best);
                if best.entries.len() >= wanted {
                    break;
                }
            }
        }
        let near = best.sorted();
        if near.len() < wanted {
            return (None, work);
        }
        let mut top = TopK::new(k);
        let row = |entry: &u64| Row(*entry as u32);
        let scores = self.scores(normed);
        near.iter().take(ASKED).for_each(|entry| full.prefetch(row(entry)));
        for (at, entry) in near.iter().enumerate() {
            let floor = top.floor();
            if floor > f32::NEG_INFINITY && key_of(*entry) > scores.reach(floor, effort.deviations) {
                break;
            }
            if let Some(later) = near.get(at + ASKED) {
                full.prefetch(row(later));
            }
            let score = full.score(of_full, row(entry));
            observe(key_of(*entry), scores.key(score));
            top.offer(Hit { row: row(entry), score });
            work.distances_full += 1;
        }
        (Some(Found { hits: top.into_sorted(), route: Route::Ivf, effort: nprobe as u32, work }), work)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_order_as_their_floats() {
        let keys = [f32::NEG_INFINITY, -3.5, -0.0, 0.0, 1e-30, 2.0, f32::MAX, f32::INFINITY];
        assert!(keys.windows(2).all(|pair| entry(pair[0], 9) < entry(pair[1], 0)));
        assert!(keys.iter().all(|key| key_of(entry(*key, 7)).to_bits() == key.to_bits()));
        assert_eq!(entry(1.0, 77) as u32, 77);
    }

    #[test]
    fn a_reservoir_keeps_the_least() {
        let mut reservoir = Reservoir::default();
        for keep in [1, 7, 100] {
            reservoir.reset(keep);
            let keys: Vec<f32> = (0..1_000).map(|at| (at * 7_919 % 1_009) as f32).collect();
            for (at, key) in keys.iter().enumerate() {
                if *key < reservoir.limit {
                    reservoir.offer(*key, at as u32);
                }
            }
            let mut want: Vec<u64> = keys.iter().zip(0..).map(|(key, at)| entry(*key, at)).collect();
            want.sort_unstable();
            assert_eq!(reservoir.sorted(), &want[..keep]);
        }
    }
}
