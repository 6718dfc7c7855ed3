//! Which way one vector search of one part goes: weighed by cost, from numbers alone.
//!
//! Three ways lead to the nearest of the matching rows:
//!
//! - *exact*: every matching row is compared, by code and then, where it may be near, in full;
//! - *graph*: the graph is walked, and what does not match is dropped. The fewer match, the farther it
//!   has to walk for as many hits;
//! - *graph through matching rows*: only matching rows are compared and walked through, those two links
//!   away included. The fewer match, the less of the graph hangs together.
//!
//! The constants are medians on one core of a Zen 5 server, 100,000 vectors of 384 numbers and 60,000 of
//! 784, read at random from memory. Only their proportions matter.

use crate::params::{ListsOutline, Outline, Plan, Route, SearchParams};

/// Recall aimed at where nothing is asked for.
const RECALL_DEFAULT: f32 = 0.985;

/// Effort where nothing is asked for and the recall aimed at is beyond what was calibrated.
const EFFORT_MOST: u32 = 768;

/// Effort where nothing is asked for, at least: a table learned from few rows may be too hopeful.
const EFFORT_LEAST: u32 = 48;

/// Efforts were calibrated for so many neighbours.
const CALIBRATED_FOR: usize = 10;

/// Microseconds to begin: to encode the query, to find an entry.
const BEGIN_US: f64 = 10.0;

/// Microseconds to compare a code in a list, and a number of it.
const CODE_US: f64 = 0.008;
const CODE_NUMBER_US: f64 = 0.000_035;

/// Microseconds to compare a number of a full vector.
const FULL_NUMBER_US: f64 = 0.000_2;

/// Besides what is near, an exact search compares this share of the rows in full.
const FULL_SHARE: f64 = 0.02;

/// Microseconds that a walk pays for a distance beyond its comparison: it waits for the links first.
const WALK_US: f64 = 0.04;

/// Distances of a walk: some to arrive, and so many for each unit of effort.
const ARRIVE_DISTANCES: f64 = 300.0;
const EFFORT_DISTANCES: f64 = 12.5;

/// Microseconds to look behind the neighbours of a node, for each of its links.
const LOOK_BEHIND_US: f64 = 0.05;

/// Microseconds to expand a filter to plain bits, for each row that matches.
const EXPAND_US: f64 = 0.002;

/// Microseconds to compare a number of a centroid, and one of a vector in a list.
const CENTROID_NUMBER_US: f64 = 0.000_01;
const LISTED_NUMBER_US: f64 = 0.000_005;

/// Vectors of lists that are compared in full, for each hit asked for.
const LISTED_FULL: f64 = 4.0;

/// Where nothing is asked for and nothing was calibrated, one list of so many is scanned.
const LISTS_SHARE: f64 = 8.0;

/// Where fewer than this share match, the matching rows hang together too loosely to be walked through.
const WALKABLE_SHARE: f64 = 0.05;

/// The plan for the `k` nearest of `matching` rows.
pub fn plan(outline: &Outline, matching: u64, k: usize, params: &SearchParams) -> Plan {
    let matching = matching.min(outline.rows);
    if matching == 0 || k == 0 {
        return Plan { route: Route::Empty, ef: 0, considered: vec![(Route::Empty, 0.0)] };
    }
    let exact = (Route::Exact, 0, exact_us(outline, matching, k));
    let all_are_hits = matching <= k as u64;
    let share = matching as f64 / outline.rows as f64;
    let effort = match &outline.lists {
        Some(lists) => nprobe(lists, k, share, params),
        None => effort(outline, k, params),
    };
    let Some(ef) = effort.filter(|_| !all_are_hits) else {
        return Plan { route: Route::Exact, ef: 0, considered: vec![(exact.0, exact.2)] };
    };
    if let Some(lists) = &outline.lists {
        let lists = (Route::Ivf, ef, lists_us(outline, lists, matching, k, ef));
        let considered = vec![(exact.0, exact.2), (lists.0, lists.2)];
        let chosen = if lists.2 < exact.2 { lists } else { exact };
        return Plan { route: chosen.0, ef: chosen.1, considered };
    }
    let mut ways = vec![exact, (Route::Graph, ef, graph_us(outline, matching, share, ef))];
    if matching < outline.rows && share >= WALKABLE_SHARE {
        let ef = if params.ef.is_some() { ef } else { effort_through_matching(ef, share) };
        ways.push((Route::GraphFiltered, ef, through_matching_us(outline, matching, share, ef)));
    }
    let considered = ways.iter().map(|(route, _, cost_us)| (*route, *cost_us)).collect();
    let (route, ef, _) = ways.into_iter().min_by(|a, b| a.2.total_cmp(&b.2)).unwrap_or(exact);
    Plan { route, ef, considered }
}

/// The effort of a graph search; `None` where only an exact one will do.
fn effort(outline: &Outline, k: usize, params: &SearchParams) -> Option<u32> {
    if params.exact || outline.links == 0 {
        return None;
    }
    let least = u32::try_from(k).unwrap_or(u32::MAX);
    if let Some(ef) = params.ef {
        return Some(ef.max(least));
    }
    let beyond = k.saturating_sub(CALIBRATED_FOR) as u32;
    let for_k = |ef: u32| ef.saturating_add(beyond).max(least);
    match params.recall {
        Some(recall) => effort_for(&outline.calibrated, recall).map(for_k),
        None => {
            let ef = effort_for(&outline.calibrated, RECALL_DEFAULT).unwrap_or(EFFORT_MOST);
            Some(for_k(ef.max(EFFORT_LEAST)))
        }
    }
}

/// How many lists are scanned; `None` where only an exact search will do. What matches stands farther
/// off, and more neighbours too, so more lists hold them.
fn nprobe(known: &ListsOutline, k: usize, share: f64, params: &SearchParams) -> Option<u32> {
    if params.exact {
        return None;
    }
    if let Some(lists) = params.ef {
        return Some(lists.clamp(1, known.lists));
    }
    let lists = match params.recall {
        Some(recall) => lists_for(known, recall)?,
        None => lists_for(known, RECALL_DEFAULT).unwrap_or(f64::from(known.lists) / LISTS_SHARE),
    };
    let farther = (k as f64 / CALIBRATED_FOR as f64).max(1.0) / share;
    Some(((lists * farther.sqrt() - 1e-6).ceil() as u32).clamp(1, known.lists))
}

/// The number of lists for a recall, between the calibrated ones: what is missing falls with a power of it.
/// `None` where none is known to reach it.
fn lists_for(known: &ListsOutline, recall: f32) -> Option<f64> {
    let missing = |recall: f32| f64::from((1.0 - recall).max(1e-4)).ln();
    let above = known.calibrated.iter().position(|(reached, _)| *reached >= recall)?;
    let (high, to) = known.calibrated[above];
    let Some((low, from)) = above.checked_sub(1).map(|below| known.calibrated[below]) else {
        return Some(f64::from(to));
    };
    let way = (missing(recall) - missing(low)) / (missing(high) - missing(low));
    let way = if way.is_finite() { way.clamp(0.0, 1.0) } else { 1.0 };
    let (from, to) = (f64::from(from.max(1)).ln(), f64::from(to.max(1)).ln());
    Some((from + way * (to - from)).exp())
}

/// The effort for a recall, between the calibrated ones: what is still missing falls with a power of the
/// effort. `None` where none is known to reach it.
fn effort_for(calibrated: &[(f32, u32)], recall: f32) -> Option<u32> {
    let known = || calibrated.iter().filter(|(_, ef)| *ef > 0);
    let above = known().find(|(reached, _)| *reached >= recall)?;
    let Some(below) = known().rfind(|(reached, _)| *reached < recall) else { return Some(above.1) };
    let missing = |recall: f32| f64::from((1.0 - recall).max(1e-6)).ln();
    let way = (missing(recall) - missing(below.0)) / (missing(above.0) - missing(below.0));
    let (from, to) = (f64::from(below.1).ln(), f64::from(above.1).ln());
    Some((from + way * (to - from)).exp().ceil() as u32)
}

/// A walk through matching rows alone takes more effort for the same recall, the fewer there are.
fn effort_through_matching(ef: u32, share: f64) -> u32 {
    (f64::from(ef) / share.sqrt()).ceil() as u32
}

fn code_us(outline: &Outline) -> f64 {
    CODE_US + f64::from(outline.size) * CODE_NUMBER_US
}

fn exact_us(outline: &Outline, matching: u64, k: usize) -> f64 {
    let full = (matching as f64 * FULL_SHARE + 2.0 * k as f64).min(matching as f64);
    BEGIN_US + matching as f64 * code_us(outline) + full * full_us(outline)
}

fn full_us(outline: &Outline) -> f64 {
    f64::from(outline.size) * FULL_NUMBER_US
}

/// What a walk found is compared in full.
fn survivors_us(outline: &Outline, matching: u64, ef: u32) -> f64 {
    f64::from(ef).min(matching as f64) * full_us(outline) / 4.0
}

/// Distances of a walk that drops nothing; wider nodes cost more of them.
fn distances(outline: &Outline, ef: u32) -> f64 {
    let all = (ARRIVE_DISTANCES + EFFORT_DISTANCES * f64::from(ef)) * f64::from(outline.links) / 32.0;
    all.min(outline.rows as f64)
}

fn graph_us(outline: &Outline, matching: u64, share: f64, ef: u32) -> f64 {
    let expand = if matching < outline.rows { matching as f64 * EXPAND_US } else { 0.0 };
    // Not in proportion to the share alone: what matches often stands together, away from the query.
    let walked = (distances(outline, ef) / share.powf(1.5)).min(outline.rows as f64);
    BEGIN_US + expand + walked * (code_us(outline) + WALK_US) + survivors_us(outline, matching, ef)
}

/// Lists are scanned whole, whatever matches; a code has about a bit for each number.
fn lists_us(outline: &Outline, known: &ListsOutline, matching: u64, k: usize, nprobe: u32) -> f64 {
    let rows = outline.rows as f64 * f64::from(nprobe) / f64::from(known.lists);
    let expand = if matching < outline.rows { matching as f64 * EXPAND_US } else { 0.0 };
    let numbers = f64::from(known.lists) * CENTROID_NUMBER_US + rows * LISTED_NUMBER_US;
    BEGIN_US + expand + numbers * f64::from(outline.size) + LISTED_FULL * k as f64 * full_us(outline)
}

fn through_matching_us(outline: &Outline, matching: u64, share: f64, ef: u32) -> f64 {
    let looked = f64::from(ef).min(matching as f64) * f64::from(outline.links) * LOOK_BEHIND_US;
    let compared = (distances(outline, ef) * (0.5 + 5.0 * share)).min(matching as f64);
    let found = compared * code_us(outline) + survivors_us(outline, matching, ef);
    BEGIN_US + matching as f64 * EXPAND_US + looked + found
}

#[cfg(test)]
mod tests {
    use super::*;

    const PART: Outline = Outline {
        rows: 100_000,
        size: 384,
        links: 32,
        lists: None,
        calibrated: [(0.90, 12), (0.95, 28), (0.99, 120), (0.998, 0)],
    };

    fn chosen(matching: u64, params: SearchParams) -> (Route, u32) {
        let plan = plan(&PART, matching, 10, &params);
        let least = plan.considered.iter().map(|way| way.1).fold(f64::INFINITY, f64::min);
        let of_chosen = plan.considered.iter().find(|way| way.0 == plan.route).unwrap();
        assert_eq!(of_chosen.1, least, "the cheapest way is taken: {plan:?}");
        (plan.route, plan.ef)
    }

    #[test]
    fn the_way_follows_the_share_that_matches() {
        let default = SearchParams::default();
        let routes =
            [0, 1, 1_000, 9_696, 22_673, 50_000, 100_000, u64::MAX].map(|matching| chosen(matching, default).0);
        let (exact, graph) = (Route::Exact, Route::Graph);
        assert_eq!(routes, [Route::Empty, exact, exact, exact, Route::GraphFiltered, graph, graph, graph]);
    }

    #[test]
    fn what_was_asked_for_is_kept() {
        let asked = |ef, recall, exact| chosen(100_000, SearchParams { ef, recall, exact });
        assert_eq!(asked(Some(64), None, false), (Route::Graph, 64));
        assert_eq!(asked(Some(3), Some(0.99), false), (Route::Graph, 10));
        assert_eq!(asked(Some(64), None, true), (Route::Exact, 0));
        assert_eq!(asked(None, Some(0.5), false), (Route::Graph, 12));
        assert_eq!(asked(None, Some(0.95), false), (Route::Graph, 28));
        assert_eq!(asked(None, Some(0.99), false), (Route::Graph, 120));
        assert_eq!(asked(None, Some(0.995), false), (Route::Exact, 0));
        assert!((29..120).contains(&asked(None, Some(0.97), false).1));
        assert!((60..120).contains(&asked(None, None, false).1));
    }

    #[test]
    fn more_neighbours_take_more_effort() {
        let effort = |k: usize| plan(&PART, 100_000, k, &SearchParams::default()).ef;
        assert!(effort(10) < effort(20) && effort(20) < effort(500) && effort(500) >= 500);
        assert_eq!(plan(&PART, 100_000, 100_000, &SearchParams::default()).route, Route::Exact);
        assert_eq!(plan(&PART, 100_000, 0, &SearchParams::default()).route, Route::Empty);
    }

    #[test]
    fn a_part_without_a_graph_is_scanned() {
        let part = Outline { links: 0, calibrated: [(0.0, 0); 4], ..PART };
        for params in [SearchParams::default(), SearchParams { ef: Some(100), ..SearchParams::default() }] {
            assert_eq!(plan(&part, 100_000, 10, &params).route, Route::Exact);
        }
    }

    #[test]
    fn lists_are_scanned_where_there_are_lists() {
        let mut calibrated = [(0.996, 1_000); ListsOutline::RUNGS];
        calibrated[..3].copy_from_slice(&[(0.9, 4), (0.95, 9), (0.99, 40)]);
        let part = Outline { links: 0, lists: Some(ListsOutline { lists: 1_000, calibrated }), ..PART };
        let of = |matching: u64, k: usize, ef, recall| {
            let plan = plan(&part, matching, k, &SearchParams { ef, recall, exact: false });
            (plan.route, plan.ef)
        };
        assert_eq!(of(100_000, 10, Some(7), None), (Route::Ivf, 7));
        assert_eq!(of(100_000, 10, Some(5_000), Some(0.9)).1, 1_000);
        assert_eq!(of(100_000, 10, None, Some(0.95)), (Route::Ivf, 9));
        assert_eq!(of(100_000, 10, None, Some(0.999)), (Route::Exact, 0));
        assert_eq!(of(500, 10, None, None).0, Route::Exact);
        let (all, half) = (of(100_000, 10, None, None), of(50_000, 10, None, None));
        assert!(all.0 == Route::Ivf && (9..40).contains(&all.1) && half.1 > all.1);
        assert!(of(100_000, 100, None, None).1 > all.1);
    }

    #[test]
    fn an_uncalibrated_graph_is_walked_with_care() {
        let part = Outline { calibrated: [(0.9, 0); 4], rows: 10_000_000, ..PART };
        assert_eq!(plan(&part, 10_000_000, 10, &SearchParams::default()).ef, EFFORT_MOST);
        let asked = SearchParams { recall: Some(0.9), ..SearchParams::default() };
        assert_eq!(plan(&part, 10_000_000, 10, &asked).route, Route::Exact);
    }
}
