//! What is known of a part before anything is measured in it, where it is made of others: their curves, moved along.
//!
//! A merged part takes a little more effort than its parts did for the same recall, under filters as without one. So what it
//! takes without a filter, which costs little, is measured whole; the other curves of the parts are moved by as much, and
//! count for some of the rows that would be held back to measure them.

use super::{Curve, Efforts, LADDER, Rung, Wanted, along};
use crate::params::Route;

/// The recalls at which curves without a filter are compared.
const COMPARED: [f64; 5] = [0.9, 0.95, 0.98, 0.99, 0.995];

/// A merged part does not take so many times, or such a share of, the effort: whatever says so is noise.
const MOVED_MOST: f64 = 3.0;

/// Parts with fewer of the rows than this say too little of the others.
const ROWS_MIN: f64 = 0.5;

/// The curves of the parts that one is made of.
#[derive(Clone, Debug, Default)]
pub struct Merged<'a> {
    /// Of all rows the share that comes from each.
    parts: Vec<(f64, &'a Efforts)>,
}

impl<'a> Merged<'a> {
    /// Of parts, with how many rows of each go on, of so many in all.
    pub fn of(parts: impl IntoIterator<Item = (u64, &'a Efforts)>, rows: u64) -> Self {
        let share = |(count, efforts): (u64, &'a Efforts)| (count as f64 / rows.max(1) as f64, efforts);
        Self { parts: parts.into_iter().map(share).collect() }
    }

    /// How many times the effort of the parts a measured curve without a filter takes; `None` where they say too little.
    pub fn moved(&self, measured: &Curve) -> Option<f64> {
        let parts = self.curve(measured.route, measured.share, measured.k, measured.together)?;
        let effort = |curve: &Curve, recall: f64| along(curve, Wanted::Recall(recall)).map(|at| at.ef.ln());
        let ratios = COMPARED.iter().filter_map(|recall| Some(effort(measured, *recall)? - effort(&parts, *recall)?));
        let (sum, count) = ratios.fold((0.0, 0), |(sum, count), ratio| (sum + ratio, count + 1));
        let most = MOVED_MOST.ln();
        Some((sum / f64::from(count.max(1))).clamp(-most, most).exp())
    }

    /// The mean of the parts' curves for a way and a share, of those which stand most alike, weighed by their rows; `None` where
    /// that is known of too few rows.
    pub fn curve(&self, route: Route, share: f32, k: u32, together: f32) -> Option<Curve> {
        let mut known: Vec<(f64, &Curve)> = Vec::new();
        for (rows, efforts) in &self.parts {
            let same = |curve: &&Curve| curve.route == route && curve.share == share && curve.k == k;
            let apart = |curve: &Curve| (curve.together - together).abs();
            let curves = efforts.curves.iter().filter(same);
            known.extend(curves.min_by(|a, b| apart(a).total_cmp(&apart(b))).map(|curve| (*rows, curve)));
        }
        let all: f64 = known.iter().map(|(rows, _)| rows).sum();
        if known.is_empty() || all < ROWS_MIN {
            return None;
        }
        let mean = |of: &dyn Fn(&Curve) -> f32| {
            let sum: f64 = known.iter().map(|(rows, curve)| rows * f64::from(of(curve))).sum();
            (sum / all) as f32
        };
        let rungs = std::array::from_fn(|at| Rung {
            recall: mean(&|curve| curve.rungs[at].recall),
            coded: mean(&|curve| curve.rungs[at].coded as f32).round() as u32,
            expanded: mean(&|curve| curve.rungs[at].expanded as f32).round() as u32,
        });
        Some(Curve { route, share, together: mean(&|curve| curve.together), k, rungs })
    }
}

impl Curve {
    /// The same for so many times the effort.
    pub fn moved(&self, by: f64) -> Self {
        let rung = |ef: u32| {
            let at = along(self, Wanted::Effort(f64::from(ef) / by)).filter(|_| ef >= self.k);
            at.map_or(Rung::default(), |at| Rung {
                recall: at.recall,
                coded: at.coded.round() as u32,
                expanded: at.expanded.round() as u32,
            })
        };
        Self { rungs: LADDER.map(rung), ..self.clone() }
    }

    /// Of a curve measured on so many rows, and of one that counts for as many as `expected` says.
    pub fn with(&self, rows: f64, expected: (&Self, f64)) -> Self {
        let (other, of_other) = expected;
        let mut rungs = self.rungs;
        for (rung, other) in rungs.iter_mut().zip(&other.rungs) {
            // What was tried by neither of them, or by one alone, is not mixed.
            if rung.coded > 0 && other.coded > 0 {
                let mix = |own: f64, other: f64| (own * rows + other * of_other) / (rows + of_other);
                *rung = Rung {
                    recall: mix(rung.recall.into(), other.recall.into()) as f32,
                    coded: mix(rung.coded.into(), other.coded.into()).round() as u32,
                    expanded: mix(rung.expanded.into(), other.expanded.into()).round() as u32,
                };
            }
        }
        Self { rungs, ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Half as much is missing with twice the effort.
    fn curve(share: f32, together: f32, missing_at_10: f64) -> Curve {
        let rung = |ef: u32| Rung {
            recall: (1.0 - missing_at_10 * 10.0 / f64::from(ef)) as f32,
            coded: 20 * ef,
            expanded: ef,
        };
        Curve { route: Route::Graph, share, together, k: 10, rungs: LADDER.map(rung) }
    }

    fn efforts(missing_at_10: f64) -> Efforts {
        Efforts::new(vec![curve(1.0, 1.0, missing_at_10), curve(0.1, 0.1, missing_at_10), curve(0.1, 0.7, 0.4)], 1.0)
    }

    #[test]
    fn a_part_that_takes_twice_the_effort_moves_the_curves_of_those_it_is_made_of() {
        let (small, large) = (efforts(0.1), efforts(0.1));
        let merged = Merged::of([(300, &small), (700, &large)], 1000);
        let by = merged.moved(&curve(1.0, 1.0, 0.2)).unwrap();
        assert!((by - 2.0).abs() < 0.05, "{by}");
        let expected = merged.curve(Route::Graph, 0.1, 10, 0.15).unwrap();
        assert!((expected.together - 0.1).abs() < 1e-6, "the one that stands most alike");
        let moved = expected.moved(2.0);
        for (rung, want) in moved.rungs.iter().zip(&curve(0.1, 0.1, 0.2).rungs).skip(3) {
            assert!((rung.recall - want.recall).abs() < 0.01, "{rung:?} is not {want:?}");
        }
    }

    #[test]
    fn parts_count_by_their_rows() {
        let (few, many) = (efforts(0.4), efforts(0.1));
        let merged = Merged::of([(100, &few), (900, &many)], 1000);
        let missing = 1.0 - merged.curve(Route::Graph, 1.0, 10, 1.0).unwrap().rungs[0].recall;
        assert!((missing - 0.13).abs() < 1e-4, "{missing}");
    }

    #[test]
    fn what_few_rows_say_counts_for_nothing() {
        let known = efforts(0.1);
        let merged = Merged::of([(400, &known)], 1000);
        assert!(merged.curve(Route::Graph, 1.0, 10, 1.0).is_none());
        assert!(merged.moved(&curve(1.0, 1.0, 0.2)).is_none());
        let merged = Merged::of([(600, &known)], 1000);
        assert!(merged.curve(Route::Graph, 1.0, 10, 1.0).is_some());
        assert!(merged.curve(Route::GraphFiltered, 0.1, 10, 0.1).is_none(), "nobody measured it");
    }

    #[test]
    fn a_measured_curve_and_an_expected_one_meet_in_between() {
        let (own, other) = (curve(0.1, 0.1, 0.2), curve(0.1, 0.1, 0.1));
        let both = own.with(25.0, (&other, 75.0));
        assert!((1.0 - both.rungs[0].recall - 0.125).abs() < 1e-6);
        assert_eq!(both.rungs[0].coded, own.rungs[0].coded);
        let mut untried = other;
        untried.rungs[0] = Rung::default();
        assert_eq!(own.with(1.0, (&untried, 99.0)).rungs[0], own.rungs[0]);
    }
}
