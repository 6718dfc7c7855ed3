//! The vectors of a part in memory: as they were given, scanned exactly, seen at once.
//!
//! A part of some size also has 8-bit codes (`quant/lvq`), made when the part is built: a scan reads a
//! quarter of the bytes, and compares in full only what a code's bound cannot rule out. They cost
//! `size` bytes (up to whole cache lines) and 24 more for each row. A part of many rows has their signs
//! besides (`quant/signs`): a scan that need not be exact skims those first, a fifth of the codes' bytes.

use crate::bitmap::Bitmap;
use crate::params::{Found, Outline, Plan, Route, Standing};
use crate::row::{Hit, Kept, Row, TopK};
use crate::selection::Selection;
use crate::vector::hnsw::pool::Scratch;
use crate::vector::nearest::Nearest;
use crate::vector::quant::full::{Full, Query};
use crate::vector::quant::lvq::Lvq;
use crate::vector::quant::signs::Signs;
use crate::vector::skim::{DEVIATIONS, keep, nearest_of_samples, samples};
use crate::vector::spec::VectorSpec;
use crate::vector::{bounded, flat};
use std::borrow::Cow;

/// A part of fewer rows has no codes: it is scanned in microseconds, and soon melted into a larger one.
const CODED_ROWS_MIN: u32 = 256;

/// A part of fewer rows has no signs: its codes are scanned nearly as fast.
const SIGNED_ROWS_MIN: u32 = 4096;

/// Vectors of fewer numbers have no codes: padded to a cache line they would be hardly smaller.
const CODED_SIZE_MIN: usize = 32;

/// The vectors of one field in one live part. Never changes.
#[derive(Debug)]
pub struct LiveVectors {
    full: Full,
    codes: Option<Lvq>,
    signs: Option<Signs>,
}

impl LiveVectors {
    /// From the rows' vectors, in the order of the rows; `None` for a row that has none.
    pub fn build<'v>(spec: &VectorSpec, rows: impl IntoIterator<Item = Option<&'v [f32]>>) -> Self {
        let full = Full::collect(spec, rows);
        let coded = full.rows() >= CODED_ROWS_MIN && full.size() >= CODED_SIZE_MIN;
        let signed = coded && full.rows() >= SIGNED_ROWS_MIN;
        let signs = signed.then(|| Signs::of(&full, spec.metric)).flatten();
        Self { codes: coded.then(|| Lvq::encode(&full, spec.metric)), signs, full }
    }

    /// From the rows of other live parts that go on.
    pub fn concat(spec: &VectorSpec, parts: &[Kept<'_, Self>]) -> Self {
        let rows = parts.iter().flat_map(|kept| {
            let full = &kept.part.full;
            kept.rows.iter().map(move |row| full.has(*row).then(|| full.vector(*row)))
        });
        let rows: Vec<_> = rows.collect();
        Self::build(spec, rows.iter().map(|row| row.as_deref()))
    }

    /// Bytes in memory.
    pub fn memory_bytes(&self) -> u64 {
        let codes = self.codes.as_ref().map_or(0, Lvq::memory_bytes);
        self.full.bytes() + codes + self.signs.as_ref().map_or(0, Signs::memory_bytes)
    }

    /// Leaves in the scratch the rows that are worth a look at their codes; `None` where there is nothing to tell by.
    fn skim<'s>(
        &self,
        query: &[f32],
        (k, floor): (usize, f32),
        allowed: Option<&Bitmap>,
        scratch: &'s mut Scratch,
    ) -> Option<&'s [u32]> {
        let (signs, query) = (self.signs.as_ref()?, Query::new(query));
        let count = allowed.map_or(self.full.count(), Bitmap::len);
        samples(usize::try_from(count).ok()?, k)?;
        let signed = signs.encode_query(query)?;
        let has = |row: &u32| self.full.has(Row(*row));
        let Scratch { fresh: rows, distances, .. } = scratch;
        rows.clear();
        match allowed {
            None => rows.extend((0..self.full.rows()).filter(has)),
            Some(allowed) => rows.extend(allowed.iter().map(|row| row.0).filter(has)),
        }
        signs.distances(&signed, rows, distances);
        let mut top = TopK::new(k);
        let near = nearest_of_samples(distances, k)?;
        for row in near.iter().map(|at| Row(rows[*at])) {
            top.offer(Hit { row, score: self.full.score(query, row) });
        }
        let limit = signs.distance_of_score(top.floor().max(floor));
        keep(rows, distances, limit + DEVIATIONS * signs.deviation(limit), near.into_iter());
        Some(rows)
    }
}

impl Nearest for LiveVectors {
    fn outline(&self) -> Outline<'_> {
        let size = self.full.size() as u32;
        let code_bytes = if self.codes.is_some() { size } else { size * 4 };
        let gist_bytes = self.signs.as_ref().map_or(0, Signs::row_bytes);
        Outline { rows: self.full.count(), size, code_bytes, gist_bytes, reach: None, efforts: None, lists: None }
    }

    fn standing(&self, of: Standing, _selection: &Selection) -> f32 {
        of.unknown()
    }

    fn present(&self) -> Option<&Bitmap> {
        self.full.present()
    }

    fn vector(&self, row: Row) -> Option<Cow<'_, [f32]>> {
        self.full.has(row).then(|| self.full.vector(row))
    }

    fn search(&self, query: &[f32], k: usize, allowed: Option<&Selection>, plan: &Plan) -> Found {
        let allowed = allowed.map(Selection::rows);
        // Codes tell little where nearly every row is a hit.
        let few = allowed.map_or(self.full.count(), Bitmap::len) < 2 * k as u64 + 64;
        let coded = self.codes.as_ref().filter(|_| !few);
        let Some((codes, mut coded)) = coded.and_then(|codes| Some((codes, codes.encode_query(Query::new(query))?)))
        else {
            return flat::nearest(&self.full, query, k, allowed);
        };
        let bounds = |rows: &[u32], out: &mut Vec<_>| codes.bounds(&mut coded, rows, out);
        let wanted = (k, plan.floor);
        if plan.route != Route::Codes {
            return bounded::nearest(&self.full, query, wanted, allowed, bounds);
        }
        Scratch::lend(|scratch| match self.skim(query, wanted, allowed, scratch) {
            None => bounded::nearest(&self.full, query, wanted, allowed, bounds),
            Some(rows) => {
                let found = bounded::nearest_of(&self.full, query, wanted, rows.iter().copied().map(Row), bounds);
                if found.route == Route::Exact { Found { route: Route::Codes, ..found } } else { found }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vector::metric::Metric;
    use proptest::prelude::*;

    const METRICS: [Metric; 4] = [Metric::Cosine, Metric::Dot, Metric::Euclid, Metric::Manhattan];

    struct Dice(u64);

    impl Dice {
        fn roll(&mut self) -> u64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            self.0 >> 33
        }

        fn number(&mut self) -> f32 {
            (0..4).map(|_| self.roll() as f32 / 2f32.powi(31) - 0.5).sum()
        }

        fn vector(&mut self, size: usize, scale: f32) -> Vec<f32> {
            (0..size).map(|_| self.number() * scale).collect()
        }
    }

    /// Rows of all kinds that a bound could get wrong.
    fn rows(dice: &mut Dice, rows: usize, size: usize, extreme: bool) -> Vec<Option<Vec<f32>>> {
        let far = dice.vector(size, 20.0);
        let mut out: Vec<Option<Vec<f32>>> = Vec::new();
        for _ in 0..rows {
            let scale = [1.0, 1e-3, 1e3, 1e12, 1e19, 3e38, 1e-19, 1e-25, 1e-38, 1e-42][dice.roll() as usize % 10];
            let scale = if extreme { scale } else { 1.0 };
            out.push(match dice.roll() % 12 {
                0 => Some(vec![0.0; size]),
                1 => None,
                2 => out.last().cloned().flatten(),
                3 => Some(vec![dice.number() * scale; size]),
                // All but one number is equal.
                4 => Some((0..size).map(|at| if at == 0 { -100.0 * scale } else { 0.1 * scale }).collect()),
                5 => Some((0..size).map(|_| (dice.roll() % 256) as f32).collect()),
                6 | 7 => Some(far.iter().map(|value| value + dice.number() * 0.01).collect()),
                _ => Some(dice.vector(size, scale)),
            });
            for value in out.last_mut().into_iter().flatten().flatten() {
                *value = if value.is_finite() { *value } else { f32::MAX };
            }
        }
        out
    }

    #[test]
    fn what_is_skimmed_finds_the_nearest_and_looks_at_few() {
        let mut dice = Dice(11);
        let clouds: Vec<Vec<f32>> = (0..60).map(|_| dice.vector(192, 1.0)).collect();
        let near = |dice: &mut Dice, at: usize| -> Vec<f32> {
            clouds[at % 60].iter().map(|value| value + dice.number() * 0.6).collect()
        };
        let vectors: Vec<Option<Vec<f32>>> = (0..9_000).map(|at| (at % 9 != 0).then(|| near(&mut dice, at))).collect();
        for metric in METRICS {
            let spec = VectorSpec::new(192, metric);
            let live = LiveVectors::build(&spec, vectors.iter().map(Option::as_deref));
            let half = Selection::new(Bitmap::from_rows((0..9_000).step_by(2)), 9_000);
            let skims = live.signs.is_some();
            assert_eq!(live.outline().gist_bytes > 0, skims);
            for allowed in [None, Some(&half)] {
                let (mut found, mut coded, mut all) = (0, 0, 0);
                for at in 0..50 {
                    let query = near(&mut dice, at);
                    let by = |route| live.search(&query, 10, allowed, &Plan::by(route, 0));
                    let (exact, rough) = (by(Route::Exact), by(Route::Codes));
                    assert_eq!(exact.hits.len(), 10);
                    assert_eq!(exact.route, Route::Exact);
                    assert_eq!(rough.route == Route::Codes, skims);
                    found += rough.hits.iter().filter(|hit| exact.hits.contains(hit)).count();
                    coded += rough.work.distances_coded;
                    all += exact.work.distances_coded;
                }
                assert!(found >= 498, "{metric:?}: {found} of 500");
                assert!(!skims || coded < all * 3 / 4, "{metric:?}: {coded} codes of {all}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(192))]

        #[test]
        fn bounds_find_what_a_scan_finds(
            seed in 0u64..1 << 40,
            size in prop_oneof![1usize..9, 30usize..70, 190usize..200],
            metric in 0usize..4,
            k in prop_oneof![Just(0usize), Just(1), Just(10), 2usize..300],
            extreme: bool,
        ) {
            let mut dice = Dice(seed);
            let metric = METRICS[metric];
            let spec = VectorSpec::new(size as u32, metric);
            let rows = rows(&mut dice, 600, size, extreme);
            let full = Full::collect(&spec, rows.iter().map(Option::as_deref));
            let codes = Lvq::encode(&full, metric);
            let some = Bitmap::from_rows((0..900).filter(|row| row % 3 != 1));
            for at in [3usize, 50, 100, 200, 599] {
                let near = rows[at].clone().unwrap_or_else(|| vec![0.5; size]);
                let off = dice.vector(size, 0.05);
                let beside = near.iter().zip(&off).map(|(a, b)| a + b).collect();
                for query in [near, beside, dice.vector(size, 1.0)] {
                    let Some(mut coded) = codes.encode_query(Query::new(&query)) else { continue };
                    for allowed in [None, Some(&some)] {
                        let found = bounded::nearest(&full, &query, (k, f32::NEG_INFINITY), allowed, |rows, out| {
                            codes.bounds(&mut coded, rows, out);
                        });
                        let want = flat::nearest(&full, &query, k, allowed);
                        prop_assert_eq!(&found.hits, &want.hits, "{:?}", metric);
                        prop_assert_eq!(found.route, want.route);
                        // What is not below a floor is found just so, and none is looked at in vain.
                        let Some(floor) = want.hits.get(want.hits.len() / 3).map(|hit| hit.score) else { continue };
                        let above = |found: &Found| -> Vec<_> {
                            found.hits.iter().copied().filter(|hit| hit.score >= floor).collect()
                        };
                        let less = bounded::nearest(&full, &query, (k, floor), allowed, |rows, out| {
                            codes.bounds(&mut coded, rows, out);
                        });
                        prop_assert_eq!(above(&less), above(&want), "{:?}", metric);
                        prop_assert!(less.work.distances_full <= found.work.distances_full);
                    }
                }
            }
        }
    }

    #[test]
    fn a_bound_holds_the_score_and_rules_out_most_rows() {
        for metric in METRICS {
            let mut dice = Dice(metric as u64 + 5);
            let spec = VectorSpec::new(100, metric);
            let vectors: Vec<Vec<f32>> = (0..4_000).map(|_| dice.vector(100, 1.0)).collect();
            let live = LiveVectors::build(&spec, vectors.iter().map(|vector| Some(&vector[..])));
            let query = dice.vector(100, 1.0);
            let plan = Plan::by(crate::params::Route::Exact, 0);
            let found = live.search(&query, 10, None, &plan);
            assert_eq!(found.work.distances_coded, 4_000);
            assert!(found.work.distances_full < 200, "{metric:?}: {:?}", found.work);
            let codes = live.codes.as_ref().unwrap();
            let mut coded = codes.encode_query(Query::new(&query)).unwrap();
            let (all, mut bounds): (Vec<u32>, _) = ((0..4_000).collect(), Vec::new());
            codes.bounds(&mut coded, &all, &mut bounds);
            for (row, bound) in all.iter().zip(&bounds) {
                let score = live.full.score(Query::new(&query), Row(*row));
                assert!(bound.lower <= score && score <= bound.upper, "{metric:?}: {score} is not in {bound:?}");
            }
            assert_eq!(live.memory_bytes(), live.full.bytes() + 4_000 * (128 + 24) + 400);
        }
    }
}
