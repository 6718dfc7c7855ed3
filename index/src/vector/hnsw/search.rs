//! Walks through the graph: down the levels, then wide over the base.

use crate::bitmap::Bits;
use crate::params::Work;
use crate::row::Row;
use crate::vector::hnsw::graph::Links;
use crate::vector::hnsw::pool::Scratch;
use crate::vector::quant::scalar::{Coded, Codes};

/// How many neighbours that do not match are looked behind, at each node.
const LOOKED_BEHIND: usize = 12;

/// Where a walk takes place, and what for.
#[derive(Copy, Clone, Debug)]
pub(in crate::vector) struct Ground<'a> {
    /// The codes, by place on the base level.
    pub(in crate::vector) codes: &'a Codes,
    /// The base level.
    pub(in crate::vector) base: Links<'a>,
    /// What is looked for.
    pub(in crate::vector) query: &'a Coded,
}

/// Greedily down the upper levels, `upper` from the top one on, to a place near the query. `order` tells
/// which code stands at a place; `None` where places are the codes' own.
pub(in crate::vector) fn descend<'a>(
    codes: &Codes,
    upper: impl Iterator<Item = Links<'a>>,
    order: Option<&[u32]>,
    query: &Coded,
    scratch: &mut Scratch,
    work: &mut Work,
) -> u32 {
    let code_at = |place: u32| order.map_or(place, |order| order[place as usize]);
    let mut score = |places: &[u32], distances: &mut Vec<u32>| {
        work.distances_coded += places.len() as u64;
        codes.distances(query, places, distances);
    };
    let Scratch { fresh, dead, distances, .. } = scratch;
    score(&[code_at(0)], distances);
    let mut best = (distances[0], 0);
    for level in upper {
        loop {
            dead.clear();
            dead.extend(level.of(best.1));
            fresh.clear();
            fresh.extend(dead.iter().map(|place| code_at(*place)));
            score(fresh, distances);
            match distances.iter().copied().zip(dead.iter().copied()).min() {
                Some(nearer) if nearer.0 < best.0 => best = nearer,
                _ => break,
            }
        }
    }
    code_at(best.1)
}

impl Ground<'_> {
    /// Walks from the entries until the `ef` nearest hits found lead to nothing nearer. Every node is
    /// walked through; those that pass are hits. The hits stay in the scratch's pool. `false` where more
    /// than `budget` distances would have been computed.
    pub(in crate::vector) fn walk(
        self,
        entries: &[u32],
        ef: usize,
        budget: u64,
        pass: impl Fn(u32) -> bool,
        scratch: &mut Scratch,
        work: &mut Work,
    ) -> bool {
        let spent_max = work.distances_coded.saturating_add(budget);
        self.begin(entries, ef, scratch);
        self.take_in(&pass, scratch, work);
        while let Some(place) = scratch.pool.expand_next() {
            work.expanded += 1;
            let Scratch { seen, fresh, .. } = &mut *scratch;
            fresh.clear();
            fresh.extend(self.base.of(place).filter(|link| seen.first(*link)));
            if work.distances_coded > spent_max {
                return false;
            }
            self.take_in(&pass, scratch, work);
        }
        true
    }

    /// Walks through matching nodes alone: a neighbour that does not match is not compared, but looked
    /// behind, so that hits two links away are found. As [`Self::walk`] in all else.
    pub(in crate::vector) fn walk_matching(
        self,
        entries: &[u32],
        ef: usize,
        budget: u64,
        matching: &Bits,
        scratch: &mut Scratch,
        work: &mut Work,
    ) -> bool {
        let spent_max = work.distances_coded.saturating_add(budget);
        self.begin(entries, ef, scratch);
        let pass = |place: u32| matching.has(Row(place));
        self.take_in(&pass, scratch, work);
        while let Some(place) = scratch.pool.expand_next() {
            work.expanded += 1;
            let Scratch { seen, fresh, dead, .. } = &mut *scratch;
            fresh.clear();
            dead.clear();
            for link in self.base.of(place) {
                if pass(link) {
                    if seen.first(link) {
                        fresh.push(link);
                    }
                } else if dead.len() < LOOKED_BEHIND && seen.first(link) {
                    self.base.prefetch(link);
                    dead.push(link);
                }
            }
            for link in dead.iter().flat_map(|dead| self.base.of(*dead)) {
                if pass(link) && seen.first(link) {
                    fresh.push(link);
                }
            }
            if work.distances_coded > spent_max {
                return false;
            }
            self.take_in(&pass, scratch, work);
        }
        true
    }

    fn begin(self, entries: &[u32], ef: usize, scratch: &mut Scratch) {
        let Scratch { pool, seen, fresh, .. } = scratch;
        pool.reset(ef);
        seen.reset(self.base.len());
        fresh.clear();
        fresh.extend(entries.iter().copied().filter(|entry| seen.first(*entry)));
    }

    /// Compares what is fresh and takes what is near enough into the pool.
    #[inline]
    fn take_in(self, pass: &impl Fn(u32) -> bool, scratch: &mut Scratch, work: &mut Work) {
        let Scratch { pool, fresh, distances, .. } = scratch;
        work.distances_coded += fresh.len() as u64;
        self.codes.distances(self.query, fresh, distances);
        for (place, distance) in fresh.iter().zip(distances.iter()) {
            if pool.offer(*distance, *place, pass(*place)) {
                self.base.prefetch(*place);
            }
        }
    }
}
