//! How much effort buys how much recall in one part, and what it costs: curves, and what lies between them.
//!
//! A curve was measured on queries for which every row had been compared: for every rung of the ladder of
//! efforts, the recall and the work. There is one without a filter for each of a few numbers of neighbours,
//! and under filters one for each share of rows that matches and each way of standing: at random, or
//! together; for many neighbours under two of those shares. Between the measured ones everything is
//! interpolated.

pub mod merged;

use crate::error::{Error, Result};
use crate::params::Route;

/// The efforts that are tried, each about a third more than the last.
pub const LADDER: [u32; 16] = [10, 13, 18, 25, 33, 45, 61, 82, 110, 149, 201, 271, 366, 495, 668, 902];

/// Neighbours that are looked for where nothing else is said of a curve.
pub const NEIGHBOURS: u32 = 10;

/// A walk through matching rows is sought for a recall that misses this much less than what was asked for, and less still
/// where they stand together: the queries of a filter come from elsewhere more often than rows held back do. The other
/// walks come to what was measured, or a little more. Chosen on the filters of 100,000 passages, not derived.
const MISSING: f64 = 0.78;
const TOGETHER: f64 = 1.28;

/// Numbers that lay down a curve.
const CURVE_WORDS: usize = 4 + 3 * LADDER.len();

/// A part has at most this many curves.
const CURVES_MAX: usize = 24;

/// Numbers that lay down all curves of a part, some of them unused, and behind them what bounds leave.
pub const WORDS: usize = 1 + CURVES_MAX * CURVE_WORDS + 1;

/// [`Efforts::left`] is kept in steps of this.
const LEFT_STEP: f32 = 1e-3;

/// What one effort comes to, on average over queries.
#[derive(Copy, Clone, PartialEq, Debug, Default)]
pub struct Rung {
    /// Of the true neighbours, the share that is found.
    pub recall: f32,
    /// Distances computed on codes, those of a search begun anew included.
    pub coded: u32,
    /// Nodes expanded.
    pub expanded: u32,
}

/// One measured curve.
#[derive(Clone, PartialEq, Debug)]
pub struct Curve {
    /// [`Route::Graph`] or [`Route::GraphFiltered`].
    pub route: Route,
    /// Of the rows, the share that matched.
    pub share: f32,
    /// Of the neighbours of matching rows, the share that matched as well.
    pub together: f32,
    /// Neighbours that were looked for.
    pub k: u32,
    /// One for each effort of the ladder.
    pub rungs: [Rung; LADDER.len()],
}

/// What a plan may count on: an effort, and the work that it takes.
#[derive(Copy, Clone, PartialEq, Debug)]
pub struct Expected {
    /// The effort.
    pub ef: f64,
    /// The recall it is known to come to.
    pub recall: f32,
    /// Distances computed on codes.
    pub coded: f64,
    /// Nodes expanded.
    pub expanded: f64,
    /// Whether less recall could not have been had for less effort.
    pub is_least: bool,
}

/// What is looked for, where.
#[derive(Copy, Clone, PartialEq, Debug)]
pub struct Sought {
    /// The way through the graph.
    pub route: Route,
    /// Of the rows, the share that matches.
    pub share: f64,
    /// Of the neighbours of matching rows, the share that matches as well; as `share` where rows match at random.
    pub together: f64,
    /// Neighbours wanted.
    pub k: usize,
}

/// All that was measured in a part.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Efforts {
    curves: Vec<Curve>,
    left: f32,
}

/// A number on a curve, and how far along its neighbour.
#[derive(Copy, Clone)]
enum Wanted {
    Recall(f64),
    Effort(f64),
}

impl Efforts {
    /// From measured curves, and from how many rows the bounds of codes leave for each neighbour.
    pub fn new(curves: Vec<Curve>, left: f32) -> Self {
        debug_assert!(curves.len() <= CURVES_MAX, "all curves have their place");
        let steps = (left.max(0.0) / LEFT_STEP).round();
        Self { curves, left: steps * LEFT_STEP }
    }

    /// The curves.
    pub fn curves(&self) -> &[Curve] {
        &self.curves
    }

    /// Rows that an exact search has to compare in full, because their codes' bounds leave them open, for each neighbour
    /// wanted while those are few beside the rows.
    pub fn left(&self) -> f32 {
        self.left
    }

    /// What it takes to reach the recall; `None` where no effort is known to.
    pub fn reaching(&self, recall: f32, sought: Sought) -> Option<Expected> {
        let aim = 1.0 - (1.0 - f64::from(recall)) * believed(sought);
        self.at(Wanted::Recall(aim), sought)
    }

    /// What an effort comes to; `None` where nothing was measured.
    pub fn of(&self, ef: u32, sought: Sought) -> Option<Expected> {
        self.at(Wanted::Effort(f64::from(ef)), sought)
    }

    fn at(&self, wanted: Wanted, sought: Sought) -> Option<Expected> {
        let mut expected = self.at_share(wanted, sought)?;
        if let Wanted::Recall(_) = wanted {
            let more = self.for_neighbours(wanted, sought)?;
            let ef = (expected.ef * more).max(sought.k as f64);
            let at_ef = self.at_share(Wanted::Effort(ef), sought)?;
            let last = f64::from(LADDER[LADDER.len() - 1]).max(4.0 * sought.k as f64);
            expected = Expected { ef, coded: at_ef.coded, expanded: at_ef.expanded, ..expected };
            return (ef <= last).then_some(expected);
        }
        Some(expected)
    }

    /// Between the two shares measured that are nearest, in proportion of their logarithms.
    fn at_share(&self, wanted: Wanted, sought: Sought) -> Option<Expected> {
        let of_route = || self.curves.iter().filter(|curve| curve.k == NEIGHBOURS && fits(curve, sought.route));
        let share = sought.share as f32;
        let above = of_route().map(|curve| curve.share).filter(|have| *have >= share * 0.999).reduce(f32::min)?;
        let below = of_route().map(|curve| curve.share).filter(|have| *have <= share * 1.001).reduce(f32::max)?;
        let (upper, lower) = (self.at_bucket(wanted, above, sought)?, self.at_bucket(wanted, below, sought)?);
        if above <= below {
            return Some(upper);
        }
        let way = (f64::from(above).ln() - sought.share.ln()) / (f64::from(above).ln() - f64::from(below).ln());
        Some(between(upper, lower, way.clamp(0.0, 1.0)))
    }

    /// Between rows that match at random and rows that stand together, of one share.
    fn at_bucket(&self, wanted: Wanted, share: f32, sought: Sought) -> Option<Expected> {
        let same = |curve: &&Curve| curve.k == NEIGHBOURS && curve.share == share && fits(curve, sought.route);
        let (mut least, mut most): (Option<&Curve>, Option<&Curve>) = (None, None);
        for curve in self.curves.iter().filter(same) {
            least = least.filter(|have| have.together <= curve.together).or(Some(curve));
            most = most.filter(|have| have.together >= curve.together).or(Some(curve));
        }
        let (least, most) = (least?, most?);
        let (low, high) =
            (cohesion(least.share.into(), least.together.into()), cohesion(most.share.into(), most.together.into()));
        let way = (cohesion(sought.share, sought.together) - low) / (high - low);
        let way = if way.is_finite() { way.clamp(0.0, 1.0) } else { 0.0 };
        match (along(least, wanted), along(most, wanted)) {
            (Some(a), Some(b)) => Some(between(a, b, way)),
            // What does not reach the recall at one end is trusted at the other end alone.
            (Some(a), None) if way < 0.25 => Some(a),
            (None, Some(b)) if way > 0.75 => Some(b),
            _ => None,
        }
    }

    /// How much more effort another number of neighbours takes than the usual one: between the two shares nearest, of those for
    /// which it was measured. Fewer neighbours than usual were looked for without a filter only.
    fn for_neighbours(&self, wanted: Wanted, sought: Sought) -> Option<f64> {
        if sought.k == NEIGHBOURS as usize {
            return Some(1.0);
        }
        let fewer = sought.k < NEIGHBOURS as usize;
        let of_route = |curve: &&Curve| curve.share == 1.0 || (!fewer && curve.route == sought.route);
        let many = || self.curves.iter().filter(of_route).filter(|curve| curve.k > NEIGHBOURS).map(|curve| curve.share);
        let share = sought.share as f32;
        let above = many().filter(|have| *have >= share * 0.999).reduce(f32::min).unwrap_or(1.0);
        let below = many().filter(|have| *have <= share * 1.001).reduce(f32::max).unwrap_or(above);
        let (upper, lower) =
            (self.for_neighbours_at(wanted, above, sought)?, self.for_neighbours_at(wanted, below, sought)?);
        if above <= below {
            return Some(upper);
        }
        let way = (f64::from(above).ln() - sought.share.ln()) / (f64::from(above).ln() - f64::from(below).ln());
        Some((upper.ln() + way.clamp(0.0, 1.0) * (lower / upper).ln()).exp())
    }

    /// The same at one share, where rows match at random.
    fn for_neighbours_at(&self, wanted: Wanted, share: f32, sought: Sought) -> Option<f64> {
        let of = |curve: &&Curve| curve.share == share && (share == 1.0 || curve.route == sought.route);
        let mut of_share: Vec<&Curve> = self.curves.iter().filter(of).collect();
        of_share.sort_by(|a, b| a.k.cmp(&b.k).then(a.together.total_cmp(&b.together)));
        of_share.dedup_by_key(|curve| curve.k);
        let known = of_share.into_iter().filter_map(|curve| Some((f64::from(curve.k), along(curve, wanted)?.ef)));
        let known: Vec<(f64, f64)> = known.collect();
        let usual = known.iter().find(|one| one.0 == f64::from(NEIGHBOURS))?.1;
        let (first, last) = (*known.first()?, *known.last()?);
        let k = (sought.k as f64).max(1.0);
        if k >= last.0 {
            return Some(last.1 / usual * k / last.0);
        }
        let above = known.iter().find(|one| one.0 >= k).copied().unwrap_or(last);
        let below = known.iter().rfind(|one| one.0 <= k).copied().unwrap_or(first);
        if above.0 <= below.0 {
            return Some(above.1 / usual);
        }
        let way = (k / below.0).ln() / (above.0 / below.0).ln();
        Some((below.1.ln() + way * (above.1 / below.1).ln()).exp() / usual)
    }

    /// As numbers, always as many.
    pub fn to_words(&self) -> Vec<u32> {
        let mut words = vec![self.curves.len() as u32];
        for curve in &self.curves {
            let route = if curve.route == Route::Graph { 0 } else { 1 };
            words.extend([route, millionths(curve.share), millionths(curve.together), curve.k]);
            words.extend(curve.rungs.iter().flat_map(|rung| [millionths(rung.recall), rung.coded, rung.expanded]));
        }
        words.resize(WORDS - 1, 0);
        words.push((self.left / LEFT_STEP).round() as u32);
        words
    }

    /// From numbers; every share has to be one.
    pub fn from_words(words: &[u32]) -> Result<Self> {
        let wrong = |why: String| Error::corrupt("calibrated", 0, why);
        let count = words.first().copied().unwrap_or(u32::MAX) as usize;
        if words.len() != WORDS || count > CURVES_MAX {
            return Err(wrong(format!("{count} curves in {} numbers", words.len())));
        }
        let share = |word: u32| match word {
            0..=1_000_000 => Ok(word as f32 / 1e6),
            _ => Err(wrong(format!("a share of {word} millionths"))),
        };
        let mut curves = Vec::with_capacity(count);
        for words in words[1..].chunks_exact(CURVE_WORDS).take(count) {
            let route = if words[0] == 0 { Route::Graph } else { Route::GraphFiltered };
            let mut rungs = [Rung::default(); LADDER.len()];
            for (rung, words) in rungs.iter_mut().zip(words[4..].chunks_exact(3)) {
                *rung = Rung { recall: share(words[0])?, coded: words[1], expanded: words[2] };
            }
            curves.push(Curve {
                route,
                share: share(words[1])?,
                together: share(words[2])?,
                k: words[3].max(1),
                rungs,
            });
        }
        let left = words[WORDS - 1] as f32 * LEFT_STEP;
        Ok(Self { curves, left })
    }
}

fn millionths(share: f32) -> u32 {
    (f64::from(share) * 1e6).round() as u32
}

/// Without a filter both ways are one.
fn fits(curve: &Curve, route: Route) -> bool {
    curve.route == route
}

/// What share of the recall that may be missing is aimed at.
fn believed(sought: Sought) -> f64 {
    if sought.route != Route::GraphFiltered || sought.share >= 1.0 {
        return 1.0;
    }
    MISSING * (1.0 - TOGETHER * cohesion(sought.share, sought.together).powi(3)).max(0.1)
}

/// How much more than by chance matching rows stand together: 0 at random, 1 where all neighbours match.
pub(crate) fn cohesion(share: f64, together: f64) -> f64 {
    if share >= 1.0 { 0.0 } else { ((together - share) / (1.0 - share)).clamp(0.0, 1.0) }
}

/// The place on a curve, between its rungs: what is missing falls, and work grows, with powers of the effort.
fn along(curve: &Curve, wanted: Wanted) -> Option<Expected> {
    let mut best = 0f32;
    let rungs = LADDER.iter().zip(&curve.rungs).filter(|(_, rung)| rung.coded > 0);
    let rungs: Vec<Expected> = rungs
        .map(|(ef, rung)| {
            best = best.max(rung.recall);
            let (coded, expanded) = (f64::from(rung.coded), f64::from(rung.expanded.max(1)));
            Expected { ef: f64::from(*ef), recall: best, coded, expanded, is_least: false }
        })
        .collect();
    let first = Expected { is_least: true, ..*rungs.first()? };
    let nearly_all = |recall: f64| -(1.0 - recall).max(1e-4).ln();
    let place = |at: &Expected| match wanted {
        Wanted::Recall(_) => nearly_all(at.recall.into()),
        Wanted::Effort(_) => at.ef.ln(),
    };
    let (sought, beyond) = match wanted {
        Wanted::Recall(recall) => (nearly_all(recall), None),
        // Beyond the last rung work goes on growing as it did.
        Wanted::Effort(ef) => (ef.ln(), rungs.len().checked_sub(1)),
    };
    let above = rungs.iter().position(|rung| place(rung) >= sought).or(beyond)?;
    let Some(below) = above.checked_sub(1) else { return Some(first) };
    let (from, to) = (&rungs[below], &rungs[above]);
    let way = (sought - place(from)) / (place(to) - place(from));
    let most = if beyond.is_some() { 8.0 } else { 1.0 };
    Some(between(*from, *to, if way.is_finite() { way.clamp(0.0, most) } else { 1.0 }))
}

fn between(a: Expected, b: Expected, way: f64) -> Expected {
    let mix = |a: f64, b: f64| (a.max(1e-9).ln() * (1.0 - way) + b.max(1e-9).ln() * way).exp();
    let part = way.clamp(0.0, 1.0) as f32;
    Expected {
        ef: mix(a.ef, b.ef),
        recall: a.recall * (1.0 - part) + b.recall * part,
        coded: mix(a.coded, b.coded),
        expanded: mix(a.expanded, b.expanded),
        is_least: if way < 0.5 { a.is_least } else { b.is_least },
    }
}
