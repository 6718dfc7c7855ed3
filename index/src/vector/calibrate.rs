//! How much effort buys how much recall, learned from rows of the part itself.
//!
//! A row that is held back asks for its neighbours, and the graph is walked as if it did not stand there:
//! with 8-bit codes this came within 0.04 of the recall of real queries at every effort, on 60,000 images and
//! on 100,000 passages without a filter and under seven of them. The row walked through, only not returned,
//! was found with less than half the effort of real queries on the passages; a blend of two rows took up to
//! three times their effort on the images.
//!
//! One walk of the greatest effort tells all lesser ones: they expand the same nodes in the same order, and
//! end where the nearest candidate left lies beyond their last hit.
//!
//! Where a part is made of others whose curves are known, fewer rows are held back under filters: see [`Merged`].

use crate::bitmap::Bitmap;
use crate::effort::merged::Merged;
use crate::effort::{Curve, Efforts, LADDER, NEIGHBOURS, Rung};
use crate::params::{Route, Work};
use crate::reach::{RECALLS, Reach, SHARES as SHARES_REACHED};
use crate::row::{Hit, Row};
use crate::selection::Selection;
use crate::vector::cells::Cells;
use crate::vector::nearest::Nearest;
use crate::vector::sealed::SealedVectors;
use rayon::prelude::*;

/// Rows that are held back, without a filter and under each one.
const PROBES: usize = 256;
const PROBES_FILTERED: usize = 96;

/// Of those, so many walk to the end of the ladder; the others stop where they have found everything.
const WHOLE: usize = 16;

/// Under a filter so many are enough, and so many of them walk to the end, where the parts' curves stand for the rest.
const PROBES_MERGED: usize = 24;
const WHOLE_MERGED: usize = 4;

/// Nearest rows of a held back one that are found out by looking at all of them, once.
const NEAR: usize = 128;

/// Rows whose nearest are found out exactly, and how many of those, to see what bounds leave open.
const BOUNDED: usize = 24;
const BOUNDED_NEAR: usize = 257;

/// Numbers of neighbours looked for without a filter, besides the usual one, and rows held back for each.
const OTHER_NEIGHBOURS: [usize; 2] = [1, MANY];
const PROBES_OTHER: usize = 64;

/// Shares of rows matching at random under which many neighbours are looked for too: under a filter an effort that hardly
/// exceeds them finds fewer than it does without one.
const SHARES_MANY: [f64; 2] = [0.5, 0.1];
const MANY: usize = 100;

/// Shares of rows that match, and which ways through the graph may pay there.
const SHARES: [(f64, &[Route]); 6] = [
    (0.5, &[Route::Graph, Route::GraphFiltered]),
    (0.2, &[Route::Graph, Route::GraphFiltered]),
    (0.1, &[Route::GraphFiltered]),
    (0.05, &[Route::GraphFiltered]),
    (0.02, &[Route::GraphFiltered]),
    (0.01, &[Route::GraphFiltered]),
];

/// Rows that match together are the nearest of one row; there are so many such rows, taken in turn.
const ANCHORS: usize = 2;

/// For the reach of cells there are more of them: some sets are several times as hard as others.
const ANCHORS_OF_CELLS: usize = 8;
const PROBES_TOGETHER: usize = 128;

/// Fewer rows than this that match are compared one by one.
const MATCHING_MIN: usize = 256;

/// A row that is held back, and what is near it.
struct Probe {
    row: Row,
    values: Vec<f32>,
    /// Best first, itself left out.
    near: Vec<Hit>,
}

/// A query that was answered exactly and is now answered with effort.
pub(super) struct Trial<'a> {
    /// The row that is held back.
    pub(super) without: Row,
    /// Its vector.
    pub(super) query: &'a [f32],
    /// Neighbours looked for.
    pub(super) k: usize,
    /// The true ones; more than `k` where several are as far as the last.
    pub(super) truth: &'a [Row],
    /// Whether the walk goes on to the end of the ladder.
    pub(super) whole: bool,
}

/// What a trial came to: for each rung the neighbours found, and the work. Shorter than the ladder where
/// everything had been found.
pub(super) type Trace = Vec<(usize, Work)>;

/// What is known of the parts that one is made of, each with how many of its rows go on.
#[derive(Debug, Default)]
pub(super) struct Before<'a> {
    /// Their curves.
    pub(super) efforts: Vec<(u64, &'a Efforts)>,
    /// What their cells hold, where all of them have cells.
    pub(super) reach: Vec<(u64, &'a Reach)>,
}

/// The curves of a part, and what its cells hold, where it has any. The rows have a vector, stand on the base level alone, and
/// come in random order.
pub(super) fn calibrate(part: &SealedVectors, rows: &[u32], before: &Before<'_>) -> (Efforts, Option<Reach>) {
    let probes: Vec<Probe> = spread(rows, PROBES).par_iter().map(|row| probe(part, *row)).collect();
    let mut curves = vec![curve(part, &probes, NEIGHBOURS as usize, (Route::Graph, 1.0), &[])];
    let anchors = spread(&rows[rows.len() / 3..], ANCHORS_OF_CELLS);
    let reach = part.cells().map(|cells| reach(part, cells, &probes, &anchors, &before.reach));
    let left = left(part, &probes[..probes.len().min(BOUNDED)], rows.len());
    let others = &probes[..probes.len().min(PROBES_OTHER)];
    curves.extend(OTHER_NEIGHBOURS.map(|k| curve(part, others, k, (Route::Graph, 1.0), &[])));
    let merged = Merged::of(before.efforts.iter().copied(), part.outline().rows);
    let moved = merged.moved(&curves[0]);
    let filtered = |probes: &[Probe], k: usize, way: (Route, f64), selections: &[Selection]| {
        let together = together(part, selections);
        let expected = moved.zip(merged.curve(way.0, way.1 as f32, k as u32, together));
        let Some((by, expected)) = expected else { return curve(part, probes, k, way, selections) };
        let few = probes.len().min(PROBES_MERGED);
        let measured = trace((part, &probes[..few]), k, way, selections, WHOLE_MERGED);
        measured.with(few as f64, (&expected.moved(by), (probes.len() - few) as f64))
    };
    let probes = &probes[..probes.len().min(PROBES_FILTERED)];
    let count = rows.len();
    let anchors: Vec<Vec<u32>> = spread(&rows[count / 2..], ANCHORS)
        .par_iter()
        .map(|anchor| {
            let hits = part.exact(&part.values(*anchor), count / 2, None).hits;
            hits.into_iter().map(|hit| hit.row.0).collect()
        })
        .collect();
    for (share, routes) in SHARES {
        let matching = (count as f64 * share) as usize;
        if matching < MATCHING_MIN {
            break;
        }
        let limit = (share * f64::from(u32::MAX)) as u32;
        let random = rows.iter().copied().filter(|row| mixed(*row) <= limit).collect();
        let together = anchors.iter().map(|near| near[..matching.min(near.len())].to_vec());
        let of = |rows: Vec<u32>| selection(part, rows);
        let (random, together): (Vec<_>, Vec<_>) = (vec![of(random)], together.map(of).collect());
        for route in routes {
            curves.push(filtered(probes, NEIGHBOURS as usize, (*route, share), &random));
            curves.push(filtered(probes, NEIGHBOURS as usize, (*route, share), &together));
            if SHARES_MANY.contains(&share) {
                curves.push(filtered(others, MANY, (*route, share), &random));
            }
        }
    }
    (Efforts::new(curves, left), reach)
}

/// What the cells hold: for each share over several sets of rows that stand together, whole cells of them. Where the cells of the
/// parts that this one is made of are known, only all rows are measured.
fn reach(part: &SealedVectors, cells: &Cells, probes: &[Probe], anchors: &[Row], before: &[(u64, &Reach)]) -> Reach {
    let mut reach = Reach { cells: cells.len() as u32, ..Reach::default() };
    let count = part.outline().rows;
    let probes = &probes[..probes.len().min(PROBES_TOGETHER)];
    reach.rows[0] = held(part, cells, probes, &[]);
    if reach.expect(before) {
        return reach;
    }
    for (share, rows) in SHARES_REACHED.iter().zip(&mut reach.rows).skip(1) {
        let matching = (count as f64 * share) as usize;
        if matching < MATCHING_MIN {
            break;
        }
        let together = |anchor: &Row| selection(part, part.near_cells(&part.values(*anchor), matching));
        let sets: Vec<Selection> = anchors.iter().map(together).collect();
        *rows = held(part, cells, probes, &sets);
    }
    reach
}

/// The rows that have to be looked at, those of the nearest cells first, to come to each share of the true neighbours. Several sets
/// are taken in turn; none is all rows.
fn held(part: &SealedVectors, cells: &Cells, probes: &[Probe], sets: &[Selection]) -> [u32; RECALLS.len()] {
    let of_rows = cells.of_rows(part.rows());
    let counts: Vec<Vec<u32>> = match sets {
        [] => vec![cells.counts(None)],
        _ => sets.par_iter().map(|set| cells.counts(Some(set))).collect(),
    };
    let before = |(at, probe): (usize, &Probe)| {
        let set = (!sets.is_empty()).then(|| &sets[at % sets.len()]);
        let mut truth = truth(part, probe, NEIGHBOURS as usize, set);
        truth.truncate(NEIGHBOURS as usize);
        let before = part.rows_before(&probe.values, &counts[at % counts.len()]);
        truth.iter().map(|row| before[of_rows[row.at()] as usize] + 1).collect::<Vec<u32>>()
    };
    let mut before: Vec<u32> = probes.par_iter().enumerate().flat_map_iter(before).collect();
    before.sort_unstable();
    RECALLS.map(|recall| {
        let held = (before.len() as f64 * f64::from(recall)).ceil() as usize;
        before.get(held.saturating_sub(1)).copied().unwrap_or(0)
    })
}

/// For each neighbour of an exact search, the rows that were compared in full. Had it found many more, that would come to all
/// rows and no further; what is told is how it begins.
fn left(part: &SealedVectors, probes: &[Probe], rows: usize) -> f32 {
    let full = |probe: &Probe| part.exact(&probe.values, BOUNDED_NEAR, None).work.distances_full;
    let full = probes.par_iter().map(full).sum::<u64>() as f64 / probes.len().max(1) as f64;
    let share = (full / rows.max(1) as f64).min(1.0 - 1e-3);
    (-(-share).ln_1p() * rows as f64 / BOUNDED_NEAR as f64) as f32
}

fn spread(rows: &[u32], most: usize) -> Vec<Row> {
    rows.iter().step_by((rows.len() / most).max(1)).take(most).map(|row| Row(*row)).collect()
}

fn selection(part: &SealedVectors, mut rows: Vec<u32>) -> Selection {
    rows.sort_unstable();
    Selection::new(Bitmap::from_rows(rows), part.rows())
}

/// A hash of the row, the same on every machine.
fn mixed(row: u32) -> u32 {
    let mut state = row.wrapping_add(0x9E37_79B9);
    state = (state ^ state >> 16).wrapping_mul(0x21F0_AAAD);
    state = (state ^ state >> 15).wrapping_mul(0x735A_2D97);
    state ^ state >> 15
}

fn probe(part: &SealedVectors, row: Row) -> Probe {
    let values = part.values(row);
    let mut near = part.nearly(&values, NEAR + 1, None).hits;
    near.retain(|hit| hit.row != row);
    Probe { row, values, near }
}

/// The `k` nearest of what is selected, and whatever is as near as the last of them.
fn truth(part: &SealedVectors, probe: &Probe, k: usize, selection: Option<&Selection>) -> Vec<Row> {
    let within = |hits: &[Hit]| -> Vec<Hit> {
        let bits = selection.map(Selection::bits);
        hits.iter().copied().filter(|hit| hit.row != probe.row && bits.is_none_or(|bits| bits.has(hit.row))).collect()
    };
    let mut hits = within(&probe.near);
    if let Some(selection) = selection.filter(|selection| hits.len() < k && selection.count() > hits.len() as u64) {
        hits = within(&part.nearly(&probe.values, k + 2, Some(selection)).hits);
    }
    let last = hits.get(k - 1).or(hits.last()).map_or(f32::INFINITY, |hit| hit.score);
    hits.iter().take_while(|hit| hit.score >= last).map(|hit| hit.row).collect()
}

/// The curve of a route over some probes. Several selections are taken in turn; none is all rows.
fn curve(part: &SealedVectors, probes: &[Probe], k: usize, way: (Route, f64), selections: &[Selection]) -> Curve {
    trace((part, probes), k, way, selections, WHOLE)
}

/// The same, of which so many probes walk to the end of the ladder.
fn trace(
    (part, probes): (&SealedVectors, &[Probe]),
    k: usize,
    (route, share): (Route, f64),
    selections: &[Selection],
    whole: usize,
) -> Curve {
    let of = |at: usize| (!selections.is_empty()).then(|| &selections[at % selections.len()]);
    let traces: Vec<(usize, Trace)> = probes
        .par_iter()
        .enumerate()
        .map(|(at, probe)| {
            let truth = truth(part, probe, k, of(at));
            let trial = Trial { without: probe.row, query: &probe.values, k, truth: &truth, whole: at < whole };
            (truth.len().min(k), part.trial(&trial, route, of(at)))
        })
        .collect();
    Curve { route, share: share as f32, together: together(part, selections), k: k as u32, rungs: rungs(&traces) }
}

/// How much selected rows stand together, on the average.
fn together(part: &SealedVectors, selections: &[Selection]) -> f32 {
    let together: f32 = selections.iter().map(|selection| part.measure_together(selection)).sum();
    if selections.is_empty() { 1.0 } else { together / selections.len() as f32 }
}

/// The mean over all traces. One that ended early had found everything, and its work would have grown as
/// that of those which went on.
fn rungs(traces: &[(usize, Trace)]) -> [Rung; LADDER.len()] {
    let mut rungs = [Rung::default(); LADDER.len()];
    let whole: Vec<Work> = (0..LADDER.len())
        .map(|at| {
            let mut sum = Work::default();
            traces
                .iter()
                .filter_map(|trace| trace.1.get(at).filter(|_| trace.1.len() == LADDER.len()))
                .for_each(|rung| sum += rung.1);
            sum
        })
        .collect();
    let wanted: usize = traces.iter().map(|trace| trace.0).sum();
    for (at, rung) in rungs.iter_mut().enumerate() {
        let (mut found, mut coded, mut expanded, mut count) = (0, 0.0, 0.0, 0);
        for (there, trace) in traces {
            let Some(last) = trace.len().checked_sub(1) else { continue };
            let (own, work) = trace[at.min(last)];
            let grown = |of: fn(&Work) -> u64| {
                let grown = of(&whole[at]) as f64 / of(&whole[at.min(last)]).max(1) as f64;
                of(&work) as f64 * grown.max(1.0)
            };
            found += own.min(*there);
            coded += grown(|work| work.distances_coded);
            expanded += grown(|work| work.expanded);
            count += 1;
        }
        // An effort below the number of neighbours was not tried: it finds nothing at no cost.
        if found > 0 {
            let mean = |sum: f64| (sum / f64::from(count.max(1))).round() as u32;
            *rung = Rung {
                recall: found as f32 / wanted.max(1) as f32,
                coded: mean(coded).max(1),
                expanded: mean(expanded),
            };
        }
    }
    rungs
}
