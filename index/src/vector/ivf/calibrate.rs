//! How many lists hold how many of the nearest, and how far estimates are off, learned from rows of the part
//! itself.
//!
//! Rows that are held back ask for their neighbours. What is true is told by a search of all lists that
//! compares many more in full: that costs a hundredth of an exact one, and misses hardly anything.

use crate::params::ListsOutline;
use crate::row::{Hit, Row};
use crate::vector::ivf::build::read;
use crate::vector::ivf::lists::Lists;
use crate::vector::ivf::search::Effort;
use crate::vector::kernel;
use crate::vector::metric::Metric;
use crate::vector::quant::full::Full;
use rayon::prelude::*;

/// Rows that are held back, at most.
pub(super) const PROBES: usize = 256;

/// Neighbours that are looked for.
const NEIGHBOURS: usize = 10;

/// Compared in full for each neighbour, where the truth is told.
const TRUTH_RERANK: usize = 20;

/// The numbers of lists that are tried; those beyond the lists there are, once.
const LADDER: [u32; ListsOutline::RUNGS] = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 256, 512];

/// A row that is held back, its nearest, and the squares of how far their estimates are off.
struct Probe {
    row: Row,
    values: Vec<f32>,
    nearest: Vec<Hit>,
    off: Vec<f32>,
}

/// How far estimates of near rows are off, and for each number of lists the recall.
pub(super) fn calibrate(
    mut lists: Lists,
    full: &Full,
    rows: impl Iterator<Item = u32>,
) -> (f32, [(f32, u32); ListsOutline::RUNGS]) {
    let rows: Vec<u32> = rows.collect();
    let probes: Vec<Probe> = rows.par_iter().map(|row| probe(&lists, full, Row(*row))).collect();
    let off: Vec<f32> = probes.iter().flat_map(|probe| &probe.off).copied().collect();
    let deviation = (off.iter().sum::<f32>() / off.len().max(1) as f32).sqrt();
    // So small a deviation is one of equal vectors, not of codes; 0 would say that nobody knows.
    let deviation = if deviation.is_finite() { deviation.clamp(1e-4, 1000.0) } else { 0.0 };
    lists.deviation = if deviation > 0.0 { deviation } else { f32::INFINITY };
    let wanted = probes.iter().map(|probe| probe.nearest.len()).sum::<usize>().max(1);
    let table = LADDER.map(|nprobe| {
        let nprobe = nprobe.min(lists.len());
        let found: usize = probes
            .par_iter()
            .map(|probe| {
                let worst = probe.nearest.last().map_or(f32::INFINITY, |hit| hit.score);
                let found = lists.search(full, &probe.values, NEIGHBOURS + 1, None, nprobe).0;
                without(found.map_or(Vec::new(), |found| found.hits), probe.row)
                    .iter()
                    .filter(|hit| hit.score >= worst)
                    .count()
            })
            .sum();
        (found as f32 / wanted as f32, nprobe)
    });
    (deviation, table)
}

/// The nearest of some hits, a row left out.
fn without(mut hits: Vec<Hit>, row: Row) -> Vec<Hit> {
    hits.retain(|hit| hit.row != row);
    hits.truncate(NEIGHBOURS);
    hits
}

fn probe(lists: &Lists, full: &Full, row: Row) -> Probe {
    let mut values = vec![0f32; full.size()];
    read(lists.metric, full, row.0, &mut values);
    let effort = Effort { nprobe: u32::MAX, rerank: TRUTH_RERANK, deviations: f32::INFINITY };
    let mut seen: Vec<(f32, f32)> = Vec::new();
    let found = lists.search_with(full, &values, NEIGHBOURS + 1, None, effort, |estimate, key| {
        seen.push((key, estimate));
    });
    seen.sort_by(|a, b| a.0.total_cmp(&b.0));
    let unit = if lists.metric == Metric::Dot { kernel::dot(&values, &values).sqrt() } else { 0.0 };
    // The first is the row itself, whose distance is 0.
    let off = seen.iter().skip(1).take(NEIGHBOURS).map(|(key, estimate)| {
        let off = (estimate - key) / if lists.metric == Metric::Dot { unit } else { *key };
        off * off
    });
    let off = off.filter(|off| off.is_finite()).collect();
    Probe { row, values, nearest: without(found.0.map_or(Vec::new(), |found| found.hits), row), off }
}
