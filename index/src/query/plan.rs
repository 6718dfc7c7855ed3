//! Which way one vector search of one part goes: weighed by cost, from numbers alone.
//!
//! Four ways lead to the nearest of the matching rows:
//!
//! - *exact*: every matching row is compared, by code and then, where it may be near, in full;
//! - *codes*: the same, but what is very unlikely to be near is not compared in full; and where a recall is asked for, only as
//!   many rows of the nearest cells are looked at as that takes ([`crate::reach`]);
//! - *graph*: the graph is walked, and what does not match is dropped. The fewer match, the farther it
//!   has to walk for as many hits;
//! - *graph through matching rows*: only matching rows are compared and walked through, those two links
//!   away included. The fewer match, the less of the graph hangs together.
//!
//! What effort a recall takes, and how much work an effort is, was measured when the part was built
//! ([`crate::effort`]): for shares of rows that match, at random and standing together. A filter has its
//! place between those, by the share that it leaves and by how much of what is near a matching row matches
//! too. [`Machine`] turns work into time.
//!
//! A part that has inverted lists instead of a graph is scanned by the nearest of them, or exactly.

use crate::effort::{Efforts, Expected, Sought, cohesion};
use crate::params::{ListsOutline, Note, Outline, Plan, Route, SearchParams, Standing};
use crate::query::cost::Machine;

/// Recall aimed at where nothing is asked for: the first at any rate, the best of the others that takes at most so many times
/// the effort of it.
const RECALL_DEFAULT: f32 = 0.985;
const RECALL_GOOD: [f32; 4] = [0.995, 0.9925, 0.99, 0.9875];
const GOOD_COSTS: f64 = 2.5;

/// Effort where nothing is asked for, at least: curves learned from few rows may be too hopeful.
const EFFORT_LEAST: u32 = 48;

/// Bounds leave more open among rows that stand together: up to so many times as many more. Under the filters of 100,000
/// passages it was 0.4 to 5 times, the more the fewer neighbours.
const LEFT_TOGETHER: f64 = 2.0;

/// What bounds leave open for each neighbour where nobody measured it.
const LEFT_UNKNOWN: f64 = 30.0;

/// What skimming leaves for each neighbour, while that is little beside all. Under two filters of 100,000 passages it was
/// 130 and 200.
const LEFT_SKIMMED: f64 = 150.0;

/// What it leaves of that where a recall is asked for: (recall, share), under three filters of 100,000 passages.
const LEFT_SKIMMED_FOR: [(f32, f64); 4] = [(0.9, 0.17), (0.95, 0.26), (0.99, 0.52), (1.0, 1.0)];

/// A scan of codes misses next to nothing, but an exact one misses nothing: so many microseconds have to be saved for it,
/// and this share of the time.
const SAVED_LEAST_US: f64 = 20.0;
const SAVED_LEAST: f64 = 0.2;

/// Vectors of lists that are compared in full, for each hit asked for.
const LISTED_FULL: f64 = 4.0;

/// Where nothing is asked for and nothing was calibrated, one list of so many is scanned.
const LISTS_SHARE: f64 = 8.0;

/// Numbers of lists were calibrated for so many neighbours.
const CALIBRATED_FOR: usize = 10;

/// What is looked for in a part.
#[derive(Copy, Clone, PartialEq, Debug)]
pub struct Asked {
    /// Rows that have a vector and match.
    pub matching: u64,
    /// Neighbours wanted.
    pub k: usize,
    /// How hard the search tries.
    pub params: SearchParams,
    /// What is missing to a recall is multiplied by this: 1 where the curves are believed, less where real
    /// queries were seen to come out below them.
    pub correction: f32,
}

impl Asked {
    /// With the curves believed.
    pub fn new(matching: u64, k: usize, params: SearchParams) -> Self {
        Self { matching, k, params, correction: 1.0 }
    }
}

/// A way, with what is expected of it.
struct Way {
    route: Route,
    ef: u32,
    cost_us: f64,
    recall: Option<f32>,
    is_least: bool,
}

/// The plan for the nearest of the matching rows. `standing` is asked how those stand where that matters.
pub fn plan(outline: &Outline<'_>, asked: &Asked, machine: &Machine, standing: impl Fn(Standing) -> f32) -> Plan {
    let (matching, k) = (asked.matching.min(outline.rows), asked.k);
    if matching == 0 || k == 0 {
        return Plan { considered: vec![(Route::Empty, 0.0)], ..Plan::by(Route::Empty, 0) };
    }
    let share = matching as f64 / outline.rows as f64;
    let exact = |together: f64| {
        let cost_us = exact_us(outline, matching, k, cohesion(share, together), machine);
        Way { route: Route::Exact, ef: 0, cost_us, recall: Some(1.0), is_least: false }
    };
    if let Some(lists) = outline.lists.filter(|_| !asked.params.exact && matching > k as u64) {
        let way = lists_way(outline, &lists, share, asked, machine);
        let note = way.is_none().then_some(Note::BeyondEffort);
        return chosen(std::iter::once(exact(0.0)).chain(way).collect(), note);
    }
    let is_exact = asked.params.exact || asked.params.recall.is_some_and(|recall| recall >= 1.0);
    let efforts = outline.efforts.filter(|_| !asked.params.exact && matching > k as u64);
    // What codes miss was not learned from curves, so nothing corrects it; what cells hold was.
    let recall = asked.params.recall.filter(|_| asked.params.ef.is_none());
    let scanned = |exact: Way, gist_bytes: u32| {
        let outline = Outline { gist_bytes, ..*outline };
        let all_us = codes_us(&outline, matching, k, recall, machine);
        let nearest = recall.and_then(|recall| nearest_rows(&outline, recall, asked, &standing)).map(|rows| {
            let cells = outline.reach.map_or(0.0, |reach| f64::from(reach.cells));
            let cost_us = codes_us(&outline, rows, k, recall, machine) + cells * machine.cell_us;
            (cost_us, rows)
        });
        let (codes_us, rows) = nearest.filter(|nearest| nearest.0 < all_us).unwrap_or((all_us, 0));
        let saved_us = exact.cost_us - codes_us;
        let saves = !is_exact && saved_us > SAVED_LEAST_US && saved_us > SAVED_LEAST * exact.cost_us;
        let codes =
            saves.then_some(Way { route: Route::Codes, ef: rows as u32, cost_us: codes_us, recall, is_least: false });
        std::iter::once(exact).chain(codes)
    };
    let Some(efforts) = efforts else {
        // Without a graph codes alone are no way: live parts have them for their bounds.
        let ways =
            scanned(exact(0.0), outline.gist_bytes).filter(|way| way.route == Route::Exact || outline.gist_bytes > 0);
        return chosen(ways.collect(), None);
    };
    let together = if matching < outline.rows { f64::from(standing(Standing::Together)) } else { 1.0 };
    let routes = [Route::Graph, Route::GraphFiltered].into_iter();
    let mut ways: Vec<Way> = routes
        .filter_map(|route| {
            let expected = expected(efforts, Sought { route, share, together, k }, asked)?;
            // What matches lies in more than one place, as measured subsets do not: a walk that drops what does not match
            // wanders twice as far between them. `no_year` of the passages was planned at 230 µs and took 440.
            let wandered = if route == Route::Graph { 1.0 + cohesion(share, together) } else { 1.0 };
            let cost_us = walk_us(outline, route, k, &expected, machine) * wandered;
            // A rounding error is no reason for one more.
            let (ef, recall) = ((expected.ef - 1e-6).ceil() as u32, Some(expected.recall));
            Some(Way { route, ef, cost_us, recall, is_least: expected.is_least })
        })
        .collect();
    if let Some(ef) = asked.params.ef.filter(|_| ways.is_empty() && efforts.curves().is_empty()) {
        // Nothing was measured: what was asked for is done.
        ways.push(Way { route: Route::Graph, ef: ef.max(k as u32), cost_us: 0.0, recall: None, is_least: false });
    }
    let note = (ways.is_empty() && asked.params.ef.is_none()).then_some(Note::BeyondEffort);
    // Without a filter a scan is reckoned with its codes alone: skimming would win on parts of a few thousand rows, by a few
    // microseconds, and a graph is there to be walked.
    let gist_bytes = if matching < outline.rows { outline.gist_bytes } else { 0 };
    ways.splice(0..0, scanned(exact(together), gist_bytes));
    chosen(ways, note)
}

fn chosen(ways: Vec<Way>, note: Option<Note>) -> Plan {
    let considered = ways.iter().map(|way| (way.route, way.cost_us)).collect();
    let best = ways.into_iter().min_by(|a, b| a.cost_us.total_cmp(&b.cost_us));
    let Some(best) = best else { return Plan::by(Route::Empty, 0) };
    let note = note.or(best.is_least.then_some(Note::Floor));
    Plan { considered, recall: best.recall, note, ..Plan::by(best.route, best.ef) }
}

/// The effort of a walk and what it comes to; `None` where none will do.
fn expected(efforts: &Efforts, sought: Sought, asked: &Asked) -> Option<Expected> {
    let params = &asked.params;
    let reaching = |recall: f32| efforts.reaching(1.0 - (1.0 - recall) * asked.correction, sought);
    let at_least = |ef: u32| {
        efforts.of(ef.max(sought.k as u32), sought).map(|at| Expected { ef: f64::from(ef.max(sought.k as u32)), ..at })
    };
    if let Some(ef) = params.ef {
        return at_least(ef).map(|at| Expected { is_least: false, ..at });
    }
    match params.recall {
        Some(recall) if recall >= 1.0 => None,
        Some(recall) => reaching(recall),
        None => {
            let least = reaching(RECALL_DEFAULT)?;
            let within = |good: &Expected| good.ef <= GOOD_COSTS * least.ef;
            let good = RECALL_GOOD.into_iter().find_map(|recall| reaching(recall).filter(within)).unwrap_or(least);
            if good.ef >= f64::from(EFFORT_LEAST) { Some(good) } else { at_least(EFFORT_LEAST) }
        }
    }
    .map(|at| Expected { is_least: at.is_least && params.recall.is_some_and(|asked| at.recall > asked), ..at })
}

/// The nearest lists; `None` where only an exact search will do.
fn lists_way(outline: &Outline<'_>, known: &ListsOutline, share: f64, asked: &Asked, machine: &Machine) -> Option<Way> {
    let nprobe = nprobe(known, asked.k, share, &asked.params)?;
    let rows = outline.rows as f64 * f64::from(nprobe) / f64::from(known.lists);
    // Lists are scanned whole, whatever matches; a code has about a bit for each number.
    let numbers = f64::from(known.lists) * machine.centroid_number_us + rows * machine.in_list_number_us;
    let full = LISTED_FULL * asked.k as f64 * full_us(outline, machine);
    let cost_us = machine.begin_us + numbers * f64::from(outline.size) + full;
    Some(Way { route: Route::Ivf, ef: nprobe, cost_us, recall: None, is_least: false })
}

/// How many lists are scanned. What matches stands farther off, and more neighbours too, so more lists hold them.
fn nprobe(known: &ListsOutline, k: usize, share: f64, params: &SearchParams) -> Option<u32> {
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

fn code_us(outline: &Outline<'_>, machine: &Machine) -> f64 {
    machine.listed_us + f64::from(outline.code_bytes) * machine.code_byte_us
}

fn full_us(outline: &Outline<'_>, machine: &Machine) -> f64 {
    f64::from(outline.size) * machine.full_number_us
}

/// The rows that bounds leave open grow with the neighbours wanted, until nearly all are left: so measured under nine
/// filters for 1 to 1,000 neighbours. Where there are no codes every row is compared in full at once.
fn exact_us(outline: &Outline<'_>, matching: u64, k: usize, cohesion: f64, machine: &Machine) -> f64 {
    let matching = matching as f64;
    let measured = outline.efforts.map(|efforts| f64::from(efforts.left()));
    let left = measured.map_or(0.0, |left| if left > 0.0 { left } else { LEFT_UNKNOWN });
    let full = matching * -(-left * (1.0 + LEFT_TOGETHER * cohesion) * k as f64 / matching).exp_m1();
    machine.begin_us + matching * code_us(outline, machine) + full.max(k as f64) * full_us(outline, machine)
}

/// How many matching rows of the nearest cells are looked at for a recall; `None` where all are.
fn nearest_rows(outline: &Outline<'_>, recall: f32, asked: &Asked, standing: &impl Fn(Standing) -> f32) -> Option<u64> {
    let recall = 1.0 - (1.0 - recall) * asked.correction;
    let reach = outline.reach.filter(|_| asked.matching < outline.rows)?;
    reach.rows(recall, (asked.matching, outline.rows), asked.k, || standing(Standing::Ease))
}

/// Of rows that are looked at by one bit a number first.
fn codes_us(outline: &Outline<'_>, rows: u64, k: usize, recall: Option<f32>, machine: &Machine) -> f64 {
    let matching = rows as f64;
    let full = (4.0 * k as f64).min(matching);
    let (skim_us, coded) = match outline.gist_bytes {
        0 => (0.0, matching),
        bytes => {
            let share =
                recall.and_then(|recall| LEFT_SKIMMED_FOR.iter().find(|at| at.0 >= recall)).map_or(1.0, |at| at.1);
            let left = matching * -(-LEFT_SKIMMED * share * k as f64 / matching).exp_m1();
            (matching * (machine.skimmed_us + f64::from(bytes) * machine.code_byte_us), left)
        }
    };
    machine.begin_us + skim_us + coded * code_us(outline, machine) + full * full_us(outline, machine)
}

fn walk_us(outline: &Outline<'_>, route: Route, k: usize, expected: &Expected, machine: &Machine) -> f64 {
    let behind = if route == Route::GraphFiltered { machine.looked_behind_us } else { 0.0 };
    let compared = (1.5 * k as f64 + 8.0 + expected.ef / 8.0) * full_us(outline, machine);
    machine.begin_us
        + expected.coded * (code_us(outline, machine) + machine.scattered_us)
        + expected.expanded * (machine.expanded_us + behind)
        + compared
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effort::{Curve, LADDER, Rung};
    use crate::reach::{Reach, SHARES};

    /// A part whose curves are drawn by hand: recall of 1 - 1.2 / effort, less where fewer match.
    fn efforts() -> Efforts {
        let curve = |route, share: f32, together: f32, k: u32, work: f32| {
            let mut rungs = [Rung::default(); LADDER.len()];
            for (rung, ef) in rungs.iter_mut().zip(LADDER).filter(|(_, ef)| *ef >= k) {
                let recall = 1.0 - 1.2 * (k as f32 / 10.0).sqrt() / ef as f32 / share.powf(0.2);
                let coded = (work * (200.0 + 12.0 * ef as f32)) as u32;
                *rung = Rung { recall: recall.max(0.0), coded, expanded: ef };
            }
            Curve { route, share, together, k, rungs }
        };
        let (graph, filtered) = (Route::Graph, Route::GraphFiltered);
        Efforts::new(
            vec![
                curve(graph, 1.0, 1.0, 10, 1.0),
                curve(graph, 1.0, 1.0, 1, 1.0),
                curve(graph, 1.0, 1.0, 100, 1.0),
                curve(graph, 0.5, 0.5, 10, 1.5),
                curve(graph, 0.5, 0.9, 10, 4.0),
                curve(graph, 0.2, 0.2, 10, 5.0),
                curve(graph, 0.2, 0.8, 10, 20.0),
                curve(filtered, 0.5, 0.5, 10, 2.0),
                curve(filtered, 0.5, 0.9, 10, 2.0),
                curve(filtered, 0.1, 0.1, 10, 0.5),
                curve(filtered, 0.1, 0.7, 10, 0.8),
            ],
            30.0,
        )
    }

    /// Rows that stand together so much, and are as easy to reach as most.
    fn standing(together: f32) -> impl Fn(Standing) -> f32 {
        move |of| if of == Standing::Together { together } else { 1.0 }
    }

    fn planned(matching: u64, together: f32, k: usize, params: SearchParams) -> Plan {
        let efforts = efforts();
        let outline = Outline {
            rows: 1_000_000,
            size: 384,
            code_bytes: 392,
            gist_bytes: 0,
            reach: None,
            lists: None,
            efforts: Some(&efforts),
        };
        let plan = plan(&outline, &Asked::new(matching, k, params), &Machine::default(), standing(together));
        let least = plan.considered.iter().map(|way| way.1).fold(f64::INFINITY, f64::min);
        let of_chosen = plan.considered.iter().find(|way| way.0 == plan.route).unwrap();
        assert_eq!(of_chosen.1, least, "the cheapest way is taken: {plan:?}");
        plan
    }

    fn recall(recall: f32) -> SearchParams {
        SearchParams { recall: Some(recall), ..SearchParams::default() }
    }

    #[test]
    fn the_way_follows_the_share_that_matches() {
        let route = |matching, together| planned(matching, together, 10, SearchParams::default()).route;
        let (graph, filtered) = (Route::Graph, Route::GraphFiltered);
        for (matching, together, want) in [
            (0, 0.0, Route::Empty),
            (1, 0.0, Route::Exact),
            (100, 0.0, Route::Exact),
            (1_000, 0.0, Route::Codes),
            (8_000, 0.0, Route::Exact),
            (8_000, 0.9, Route::Codes),
            (100_000, 0.1, filtered),
            (400_000, 0.9, graph),
            (500_000, 0.5, graph),
            (1_000_000, 1.0, graph),
            (u64::MAX, 1.0, graph),
        ] {
            assert_eq!(route(matching, together), want, "{matching} {together}");
        }
    }

    #[test]
    fn what_was_asked_for_is_kept() {
        let asked = |params| {
            let plan = planned(1_000_000, 1.0, 10, params);
            (plan.route, plan.ef, plan.note)
        };
        let ef = |ef| SearchParams { ef: Some(ef), ..SearchParams::default() };
        assert_eq!(asked(ef(64)), (Route::Graph, 64, None));
        assert_eq!(asked(SearchParams { recall: Some(0.99), ..ef(3) }), (Route::Graph, 10, None));
        assert_eq!(asked(SearchParams { exact: true, ..ef(64) }), (Route::Exact, 0, None));
        assert_eq!(asked(recall(0.5)), (Route::Graph, 10, Some(Note::Floor)));
        assert_eq!(asked(recall(1.0)), (Route::Exact, 0, Some(Note::BeyondEffort)));
        assert!(asked(SearchParams::default()).1 >= EFFORT_LEAST);
    }

    #[test]
    fn effort_rises_with_recall_and_is_found_between_rungs() {
        let mut last = 0;
        for target in [0.9, 0.92, 0.94, 0.95, 0.96, 0.97, 0.98, 0.99, 0.995] {
            let plan = planned(1_000_000, 1.0, 10, recall(target));
            let want = 1.2 / (1.0 - f64::from(target));
            assert!((f64::from(plan.ef) / want - 1.0).abs() < 0.1, "{target}: {} for {want}", plan.ef);
            assert!(plan.ef >= last && plan.recall.unwrap() >= target - 0.01, "{target}: {plan:?}");
            last = plan.ef;
        }
    }

    #[test]
    fn the_default_takes_more_recall_where_it_is_cheap() {
        let ef = |near: f32, power: i32| {
            let mut rungs = [Rung::default(); LADDER.len()];
            for (rung, ef) in rungs.iter_mut().zip(LADDER) {
                *rung = Rung { recall: 1.0 - (near / ef as f32).powi(power), coded: 12 * ef, expanded: ef };
            }
            let curve = Curve { route: Route::Graph, share: 1.0, together: 1.0, k: 10, rungs };
            let efforts = Efforts::new(vec![curve], 30.0);
            let outline = Outline {
                rows: 1 << 30,
                size: 384,
                code_bytes: 392,
                gist_bytes: 0,
                reach: None,
                lists: None,
                efforts: Some(&efforts),
            };
            let asked =
                |params| plan(&outline, &Asked::new(1 << 30, 10, params), &Machine::default(), standing(1.0)).ef;
            (asked(recall(RECALL_DEFAULT)), asked(recall(RECALL_GOOD[0])), asked(SearchParams::default()))
        };
        let (least, good, default) = ef(8.0, 2);
        assert!(good < 2 * least && default == good, "{least} {good} {default}");
        let (least, good, default) = ef(4.0, 1);
        assert!(good > 5 * least / 2 && least < default && default <= 5 * least / 2 + 1, "{least} {good} {default}");
    }

    #[test]
    fn a_correction_changes_the_effort() {
        let efforts = efforts();
        let outline = Outline {
            rows: 1_000_000,
            size: 384,
            code_bytes: 392,
            gist_bytes: 0,
            reach: None,
            lists: None,
            efforts: Some(&efforts),
        };
        let ef = |correction| {
            let asked = Asked { correction, ..Asked::new(1_000_000, 10, recall(0.95)) };
            plan(&outline, &asked, &Machine::default(), standing(1.0)).ef
        };
        assert!(ef(1.3) < ef(1.0) && ef(1.0) < ef(0.5));
    }

    #[test]
    fn bounds_leave_more_open_for_more_neighbours_and_among_rows_that_stand_together() {
        let exact_us = |matching, together, k| planned(matching, together, k, SearchParams::default()).considered[0].1;
        assert!(exact_us(8_000, 0.008, 100) > 2.0 * exact_us(8_000, 0.008, 1));
        assert!(exact_us(8_000, 0.9, 10) > 1.2 * exact_us(8_000, 0.008, 10));
        // Ten thousand of news, a hundred wanted: half of them compared in full took ten times as long as their codes.
        assert_eq!(planned(10_000, 0.5, 100, SearchParams::default()).route, Route::Codes);
    }

    #[test]
    fn skimming_makes_a_scan_of_codes_cheaper() {
        let efforts = efforts();
        let part = Outline {
            rows: 100_000,
            size: 384,
            code_bytes: 128,
            gist_bytes: 0,
            reach: None,
            lists: None,
            efforts: Some(&efforts),
        };
        let us = |gist_bytes, matching| {
            let plan = codes_us(&Outline { gist_bytes, ..part }, matching, 10, None, &Machine::default());
            assert!(plan > 0.0);
            plan
        };
        assert!(us(40, 20_000) < 0.6 * us(0, 20_000));
        assert!(us(40, 1_000) < 2.0 * us(0, 1_000), "where few match there is little to leave out");
        assert!(us(40, 10_000) < us(40, 20_000));
    }

    #[test]
    fn a_recall_that_is_asked_for_makes_a_scan_of_codes_cheaper_unless_an_effort_is_given() {
        let asked = |recall, ef| planned(8_000, 0.9, 10, SearchParams { recall, ef, exact: false });
        let (all, some) = (asked(None, None), asked(Some(0.95), None));
        assert_eq!([all.route, some.route], [Route::Codes; 2]);
        assert_eq!([all.recall, some.recall], [None, Some(0.95)]);
        let with_both = asked(Some(0.5), Some(800));
        assert!(with_both.route != Route::Codes || with_both.recall.is_none());
        let us = |recall| {
            let efforts = efforts();
            let part = Outline {
                rows: 100_000,
                size: 384,
                code_bytes: 128,
                gist_bytes: 40,
                reach: None,
                lists: None,
                efforts: Some(&efforts),
            };
            codes_us(&part, 10_000, 10, recall, &Machine::default())
        };
        assert!(us(Some(0.9)) < us(Some(0.99)) && us(Some(0.99)) < us(None));
    }

    #[test]
    fn a_recall_that_is_asked_for_takes_rows_of_the_nearest_cells() {
        let efforts = efforts();
        let reach = Reach { cells: 512, rows: [[500, 1_000, 2_000, 3_000, 5_000, 9_000, 20_000]; SHARES.len()] };
        let (reach, efforts) = (Some(&reach), Some(&efforts));
        let of = |matching, recall, correction| {
            let part =
                Outline { rows: 100_000, size: 384, code_bytes: 192, gist_bytes: 40, reach, lists: None, efforts };
            let asked = Asked { correction, ..Asked::new(matching, 10, SearchParams { recall, ..Default::default() }) };
            let plan = plan(&part, &asked, &Machine::default(), standing(0.9));
            (plan.route, plan.ef)
        };
        let (route, rows) = of(10_000, Some(0.9), 1.0);
        assert!(route == Route::Codes && (1_000..=2_000).contains(&rows), "{rows}");
        assert!(of(10_000, Some(0.95), 1.0).1 > rows && of(10_000, Some(0.9), 0.5).1 > rows);
        assert_eq!(of(1_200, Some(0.9), 1.0), (Route::Codes, 0), "all are fewer");
        assert_eq!(of(10_000, None, 1.0), (Route::Codes, 0), "nothing may be missed");
        assert_eq!(of(100_000, Some(0.9), 1.0).0, Route::Graph);
    }

    #[test]
    fn fewer_matching_rows_take_more_effort() {
        let ef = |matching| planned(matching, 0.0, 10, recall(0.98)).ef;
        assert!(ef(1_000_000) < ef(700_000) && ef(700_000) < ef(500_000));
    }

    #[test]
    fn more_neighbours_take_more_effort() {
        let ef = |k: usize| planned(1_000_000, 1.0, k, recall(0.95)).ef;
        assert!(ef(1) <= ef(10) && ef(10) < ef(30) && ef(30) < ef(100) && ef(100) < ef(300));
        assert!(ef(100) >= 100 && ef(300) >= 300);
        let everything = planned(1_000_000, 1.0, 1_000_000, SearchParams::default());
        assert_eq!((everything.route, everything.note), (Route::Exact, None));
        assert_eq!(planned(1_000_000, 1.0, 0, recall(0.9)).route, Route::Empty);
    }

    #[test]
    fn many_neighbours_under_a_filter_take_the_effort_measured_there() {
        let ef = |efforts: &Efforts, matching| {
            let efforts = Some(efforts);
            let (code_bytes, rows) = (392, 1_000_000);
            let outline = Outline { rows, size: 384, code_bytes, gist_bytes: 0, reach: None, lists: None, efforts };
            let plan = plan(&outline, &Asked::new(matching, 100, recall(0.98)), &Machine::default(), standing(0.0));
            assert_eq!(plan.route, Route::Graph);
            f64::from(plan.ef)
        };
        let (plain, mut curves) = (efforts(), efforts().curves().to_vec());
        let mut half = curves[2].clone();
        (half.share, half.together) = (0.5, 0.5);
        // At half of the rows the effort on the left comes to what twice as much comes to without a filter.
        for at in 0..LADDER.len() {
            half.rungs[at].recall = curves[2].rungs[at].recall - (1.0 - curves[2].rungs[at].recall);
        }
        curves.push(half);
        let measured = Efforts::new(curves, 30.0);
        assert_eq!(ef(&measured, 1_000_000), ef(&plain, 1_000_000));
        let (more, all) = (ef(&measured, 500_000) / ef(&plain, 500_000), ef(&measured, 1_000_000));
        assert!((1.5..2.5).contains(&more), "{more}");
        assert!(ef(&measured, 800_000) > all && ef(&measured, 800_000) < ef(&measured, 500_000));
    }

    #[test]
    fn lists_are_scanned_where_there_are_lists() {
        let mut calibrated = [(0.996, 1_000); ListsOutline::RUNGS];
        calibrated[..3].copy_from_slice(&[(0.9, 4), (0.95, 9), (0.99, 40)]);
        let lists = Some(ListsOutline { lists: 1_000, calibrated });
        let part =
            Outline { rows: 100_000, size: 384, code_bytes: 1_536, gist_bytes: 0, reach: None, efforts: None, lists };
        let of = |matching: u64, k: usize, ef, recall| {
            let asked = Asked::new(matching, k, SearchParams { ef, recall, exact: false });
            let plan = plan(&part, &asked, &Machine::default(), standing(0.0));
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
    fn without_curves_all_is_compared_unless_an_effort_was_given() {
        let nothing = Efforts::default();
        for efforts in [None, Some(&nothing)] {
            let outline = Outline {
                rows: 1_000_000,
                size: 384,
                code_bytes: 392,
                gist_bytes: 0,
                reach: None,
                lists: None,
                efforts,
            };
            let route =
                |params| plan(&outline, &Asked::new(1_000_000, 10, params), &Machine::default(), standing(1.0)).route;
            assert_eq!([route(SearchParams::default()), route(recall(0.9))], [Route::Exact; 2]);
            let given = SearchParams { ef: Some(100), ..SearchParams::default() };
            assert_eq!(route(given), if efforts.is_some() { Route::Graph } else { Route::Exact });
        }
    }
}
