//! Walks through the graph: over the highest level, down the others, then wide over the base.

use crate::bitmap::Bits;
use crate::params::Work;
use crate::row::Row;
use crate::vector::hnsw::graph::Links;
use crate::vector::hnsw::pool::{Pool, Scratch};
use crate::vector::quant::draft::{Comparison, Drafts};
use crate::vector::quant::{Coded, Codes};

/// How many neighbours that do not match are looked behind, at each node.
const LOOKED_BEHIND: usize = 12;

/// A walk of little effort looks at the nearest links alone: so many, and so many more for each unit of effort. Its few
/// expansions over-deliver with all of them: on the passages recall 0.91 takes 540 distances instead of 640.
const LINKS_LEAST: usize = 16;
const LINKS_EACH: usize = 2;

/// Links of a node that a walk of some effort looks at.
fn looked_at(ef: usize) -> usize {
    LINKS_LEAST + LINKS_EACH * ef
}

/// How far a walk goes. One that keeps as many hits as its effort and expands all of them spends much of its work on making
/// sure: the `k` nearest are found long before. So a query's walk keeps more, as those that it does not come to may turn out
/// to be the nearest, and ends when the `k` nearest stayed as they are for so many expansions (Teofili & Lin 2025). At
/// the same effort it finds as much as the other, in nine tenths of the distances on passages and fewer on pictures.
#[derive(Copy, Clone, Debug)]
pub(in crate::vector) struct Extent {
    /// Links of a node that are looked at.
    pub(in crate::vector) looked_at: usize,
    /// Hits that are kept.
    pub(in crate::vector) width: usize,
    /// The nearest, whose staying as they are ends the walk.
    k: usize,
    /// Expansions that they have to stay for.
    patience: usize,
}

impl Extent {
    /// Of a query for the `k` nearest of all. `ef` is at least `k`.
    pub(in crate::vector) fn of(ef: usize, k: usize) -> Self {
        let more = ef.saturating_sub(k);
        Self { looked_at: looked_at(ef), width: ef + more / 3, k, patience: 2 + k / 10 + more * 4 / 5 }
    }

    /// Until all of the `ef` nearest were expanded.
    pub(in crate::vector) fn whole(ef: usize) -> Self {
        Self { looked_at: looked_at(ef), width: ef, k: ef, patience: usize::MAX }
    }

    /// Whether a walk that is this calm and has this many hits settled goes no further.
    pub(in crate::vector) fn is_enough(&self, calm: &Calm, settled: usize) -> bool {
        calm.expansions >= self.patience || settled >= self.width
    }
}

/// For how many expansions the nearest stayed as they are.
#[derive(Debug, Default)]
pub(in crate::vector) struct Calm {
    farthest: Option<(u32, u32)>,
    expansions: usize,
}

impl Calm {
    /// After another expansion, where every candidate is a hit. What comes to be among the `k` nearest pushes out the farthest.
    #[inline]
    pub(in crate::vector) fn look(&mut self, pool: &Pool, k: usize) {
        let farthest = pool.farthest_of(k);
        let same = farthest.is_some() && farthest == self.farthest;
        self.expansions = if same { self.expansions + 1 } else { 0 };
        self.farthest = farthest;
    }
}

/// What a walk looks for: how far places are from it.
pub(in crate::vector) trait Target {
    /// The distances of a list of places; smaller is nearer.
    fn distances(&mut self, places: &[u32], out: &mut Vec<f32>);

    /// Asks for what comparisons with these places read.
    fn ask(&self, places: &[u32]);
}

/// A query, among the codes of a part.
#[derive(Debug)]
pub(in crate::vector) struct Asked<'a> {
    /// The codes, by row.
    pub(in crate::vector) codes: &'a Codes,
    /// The query.
    pub(in crate::vector) query: &'a mut Coded,
}

impl Target for Asked<'_> {
    #[inline]
    fn distances(&mut self, places: &[u32], out: &mut Vec<f32>) {
        self.codes.distances(self.query, places, out);
    }

    #[inline]
    fn ask(&self, places: &[u32]) {
        self.codes.prefetch(places);
    }
}

/// A place, among the drafts of a build.
#[derive(Debug)]
pub(in crate::vector) struct Drafted<'a> {
    /// The drafts, by place.
    pub(in crate::vector) drafts: &'a Drafts,
    /// The place.
    pub(in crate::vector) of: u32,
    /// What a comparison needs.
    pub(in crate::vector) with: Comparison,
}

impl Target for Drafted<'_> {
    fn distances(&mut self, places: &[u32], out: &mut Vec<f32>) {
        self.drafts.distances(self.of, places, &mut self.with, out);
    }

    fn ask(&self, places: &[u32]) {
        self.drafts.prefetch(places);
    }
}

/// The nearest of the places given with their distances, then greedily down the upper levels, `upper` from the highest
/// one on, to a place near the target. `order` tells which row stands at a place; `None` where they are the same.
pub(in crate::vector) fn descend<'a>(
    target: &mut impl Target,
    mut best: (f32, u32),
    upper: impl Iterator<Item = Links<'a>>,
    order: Option<&[u32]>,
    scratch: &mut Scratch,
    work: &mut Work,
) -> u32 {
    let code_at = |place: u32| order.map_or(place, |order| order[place as usize]);
    let Scratch { fresh, dead, distances, .. } = scratch;
    for level in upper {
        loop {
            dead.clear();
            dead.extend(level.of(best.1));
            fresh.clear();
            fresh.extend(dead.iter().map(|place| code_at(*place)));
            work.distances_coded += fresh.len() as u64;
            target.distances(fresh, distances);
            let nearest = distances.iter().copied().zip(dead.iter().copied()).min_by(|a, b| a.0.total_cmp(&b.0));
            match nearest {
                Some(nearer) if nearer.0 < best.0 => best = nearer,
                _ => break,
            }
        }
    }
    code_at(best.1)
}

/// Where a walk takes place, and what for.
#[derive(Debug)]
pub(in crate::vector) struct Ground<'a, T> {
    /// The base level.
    pub(in crate::vector) base: Links<'a>,
    /// What is looked for.
    pub(in crate::vector) target: T,
}

impl<T: Target> Ground<'_, T> {
    /// Walks from the entries until nothing nearer is to be expected. Every node is a hit. The hits stay in the
    /// scratch's pool.
    pub(in crate::vector) fn walk(&mut self, entries: &[u32], extent: Extent, scratch: &mut Scratch, work: &mut Work) {
        let mut calm = Calm::default();
        self.begin(entries, extent.width, scratch);
        self.take_in(&|_| true, scratch, work);
        while calm.expansions < extent.patience && self.step(&|_| true, extent.looked_at, scratch, work) {
            calm.look(&scratch.pool, extent.k);
        }
    }

    /// Walks from the entries until the `ef` nearest hits found lead to nothing nearer. Every node is
    /// walked through; those that pass are hits. The hits stay in the scratch's pool. `false` where more
    /// than `budget` distances would have been computed.
    pub(in crate::vector) fn walk_passing(
        &mut self,
        entries: &[u32],
        ef: usize,
        budget: u64,
        pass: impl Fn(u32) -> bool,
        scratch: &mut Scratch,
        work: &mut Work,
    ) -> bool {
        let looked_at = looked_at(ef);
        let spent_max = work.distances_coded.saturating_add(budget);
        self.begin(entries, ef, scratch);
        self.take_in(&pass, scratch, work);
        while self.step(&pass, looked_at, scratch, work) {
            if work.distances_coded > spent_max {
                return false;
            }
        }
        true
    }

    /// One step of a walk through every node: expands the nearest candidate, by so many of its links. `false` where there is none.
    #[inline]
    pub(in crate::vector) fn step(
        &mut self,
        pass: &impl Fn(u32) -> bool,
        looked_at: usize,
        scratch: &mut Scratch,
        work: &mut Work,
    ) -> bool {
        let Scratch { pool, seen, fresh, .. } = &mut *scratch;
        let Some(place) = pool.expand_next() else { return false };
        work.expanded += 1;
        fresh.clear();
        seen.first_of(self.base.first_of(place, looked_at), fresh);
        self.target.ask(fresh);
        self.take_in(pass, scratch, work);
        true
    }

    /// Walks through matching nodes alone: a neighbour that does not match is not compared, but looked
    /// behind, so that hits two links away are found. As [`Self::walk_passing`] in all else.
    pub(in crate::vector) fn walk_matching(
        &mut self,
        entries: &[u32],
        ef: usize,
        budget: u64,
        matching: &Bits,
        scratch: &mut Scratch,
        work: &mut Work,
    ) -> bool {
        let spent_max = work.distances_coded.saturating_add(budget);
        self.begin(entries, ef, scratch);
        self.take_in(&|place| matching.has(Row(place)), scratch, work);
        while self.step_matching(matching, scratch, work) {
            if work.distances_coded > spent_max {
                return false;
            }
        }
        true
    }

    /// One step of [`Self::walk_matching`]. `false` where there is no candidate left.
    #[inline]
    pub(in crate::vector) fn step_matching(&mut self, matching: &Bits, scratch: &mut Scratch, work: &mut Work) -> bool {
        let pass = |place: u32| matching.has(Row(place));
        let Scratch { pool, seen, fresh, dead, .. } = &mut *scratch;
        let Some(place) = pool.expand_next() else { return false };
        work.expanded += 1;
        fresh.clear();
        dead.clear();
        for link in self.base.of(place) {
            if pass(link) {
                if seen.first(link) {
                    self.target.ask(&[link]);
                    fresh.push(link);
                }
            } else if dead.len() < LOOKED_BEHIND && seen.first(link) {
                self.base.prefetch(link);
                dead.push(link);
            }
        }
        for link in dead.iter().flat_map(|dead| self.base.of(*dead)) {
            if pass(link) && seen.first(link) {
                self.target.ask(&[link]);
                fresh.push(link);
            }
        }
        self.take_in(&pass, scratch, work);
        true
    }

    /// Begins a walk that is taken step by step, as if `without` did not stand in the graph.
    pub(in crate::vector) fn begin_without(
        &mut self,
        without: u32,
        entries: &[u32],
        ef: usize,
        pass: &impl Fn(u32) -> bool,
        scratch: &mut Scratch,
        work: &mut Work,
    ) {
        self.begin(entries, ef, scratch);
        scratch.seen.first(without);
        scratch.fresh.retain(|entry| *entry != without);
        self.take_in(pass, scratch, work);
    }

    fn begin(&self, entries: &[u32], ef: usize, scratch: &mut Scratch) {
        let Scratch { pool, seen, fresh, .. } = scratch;
        pool.reset(ef);
        seen.reset(self.base.len());
        fresh.clear();
        fresh.extend(entries.iter().copied().filter(|entry| seen.first(*entry)));
    }

    /// Compares what is fresh and takes what is near enough into the pool.
    #[inline]
    fn take_in(&mut self, pass: &impl Fn(u32) -> bool, scratch: &mut Scratch, work: &mut Work) {
        let Scratch { pool, fresh, distances, .. } = scratch;
        work.distances_coded += fresh.len() as u64;
        self.target.distances(fresh, distances);
        for (place, distance) in fresh.iter().zip(distances.iter()) {
            if pool.offer(key(*distance), *place, pass(*place)) {
                self.base.prefetch(*place);
            }
        }
    }
}

/// A distance as whole numbers of the same order; what is below 0 counts as 0.
#[inline]
pub(in crate::vector) fn key(distance: f32) -> u32 {
    distance.max(0.0).to_bits()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_are_calm_while_nothing_comes_among_them() {
        let (mut pool, mut calm) = (Pool::default(), Calm::default());
        pool.reset(4);
        let mut after = |offered: &[(u32, u32)]| {
            for (distance, place) in offered {
                pool.offer(*distance, *place, true);
            }
            calm.look(&pool, 2);
            calm.expansions
        };
        assert_eq!(after(&[(9, 1)]), 0, "fewer than two");
        assert_eq!(after(&[]), 0, "still fewer");
        assert_eq!(after(&[(7, 2)]), 0);
        assert_eq!(after(&[(11, 3)]), 1, "not among the two nearest");
        assert_eq!(after(&[]), 2);
        assert_eq!(after(&[(8, 4)]), 0, "pushes out the farthest of them");
        assert_eq!(after(&[(8, 5)]), 1, "as far, but behind it");
        assert_eq!(after(&[(1, 6)]), 0, "nearer than all");
    }

    #[test]
    fn more_effort_goes_farther() {
        for k in [1, 10, 100] {
            let extents: Vec<Extent> = (k..1000).map(|ef| Extent::of(ef, k)).collect();
            assert!(extents[0].width == k && extents[0].patience > 1);
            let farther = |a: &Extent, b: &Extent| a.width < b.width && a.patience <= b.patience;
            assert!(extents.windows(2).all(|two| farther(&two[0], &two[1])));
        }
        let (calm, stirred) = (Calm { farthest: None, expansions: 900 }, Calm::default());
        let (of, whole) = (Extent::of(100, 10), Extent::whole(100));
        assert!(of.is_enough(&calm, 50) && !of.is_enough(&stirred, 100) && of.is_enough(&stirred, 130));
        assert!(!whole.is_enough(&calm, 99) && whole.is_enough(&stirred, 100));
    }
}
