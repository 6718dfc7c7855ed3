//! How much effort buys how much recall, learned from rows of the part itself.

use crate::row::{Hit, Row};
use crate::vector::quant::full::Full;
use rayon::prelude::*;

/// The recalls that a table tells the effort for.
pub(super) const RECALLS: [f32; 4] = [0.90, 0.95, 0.99, 0.998];

/// The efforts that are tried.
const EFFORTS: [u32; 15] = [12, 16, 24, 32, 48, 64, 80, 96, 128, 160, 192, 256, 384, 512, 768];

/// Queries that are tried.
const QUERIES: usize = 300;

/// Neighbours that are looked for.
const NEIGHBOURS: usize = 10;

/// How much of another row is in a query. Stored rows as they are would be too easy: they stand in the
/// graph beside their neighbours. On 100,000 passages this much took, for the same recall, the effort of
/// real queries or a little more: recall 0.936, 0.964, 0.982 at effort 16, 32, 64 against 0.920, 0.956,
/// 0.976; with 0.2 it was 0.973, 0.987, 0.989, with 0.4 0.770, 0.838, 0.869.
const OTHER: f32 = 0.3;

/// A query made of two rows; the first is not looked for.
struct Probe {
    row: Row,
    values: Vec<f32>,
}

/// For each recall the least effort that reaches it; an effort of 0 where none does. `search` gives the
/// nearest by graph with an effort, or exactly. The rows are tried in the given order.
pub(super) fn calibrate(
    full: &Full,
    rows: &[u32],
    search: impl Fn(&[f32], usize, Option<u32>) -> Vec<Hit> + Sync,
) -> [(f32, u32); 4] {
    let nearest = |probe: &Probe, effort: Option<u32>| {
        let hits = search(&probe.values, NEIGHBOURS + 1, effort);
        hits.into_iter().filter(|hit| hit.row != probe.row).take(NEIGHBOURS).collect::<Vec<_>>()
    };
    let probes = probes(full, rows);
    let truths: Vec<Vec<Hit>> = probes.par_iter().map(|probe| nearest(probe, None)).collect();
    let wanted: usize = truths.iter().map(Vec::len).sum();
    let mut table = RECALLS.map(|recall| (recall, 0));
    for effort in EFFORTS {
        let found: usize = probes
            .par_iter()
            .zip(&truths)
            .map(|(probe, truth)| {
                let worst = truth.last().map_or(f32::INFINITY, |hit| hit.score);
                nearest(probe, Some(effort)).iter().filter(|hit| hit.score >= worst).count()
            })
            .sum();
        let recall = found as f32 / wanted.max(1) as f32;
        for entry in table.iter_mut().filter(|entry| entry.1 == 0 && recall >= entry.0) {
            entry.1 = effort;
        }
        if table.iter().all(|entry| entry.1 > 0) {
            break;
        }
    }
    table
}

fn probes(full: &Full, rows: &[u32]) -> Vec<Probe> {
    let every = (rows.len() / QUERIES).max(1);
    let values = |row: Row| {
        let scale = Some(full.inverse(row)).filter(|inverse| *inverse > 0.0).unwrap_or(1.0);
        full.vector(row).iter().map(move |value| value * scale).collect::<Vec<f32>>()
    };
    let probe = |at: usize| {
        let (row, other) = (Row(rows[at]), Row(rows[(at + rows.len() / 2) % rows.len()]));
        Probe {
            row,
            values: values(row).iter().zip(values(other)).map(|(a, b)| a * (1.0 - OTHER) + b * OTHER).collect(),
        }
    };
    (0..rows.len()).step_by(every).take(QUERIES).map(probe).collect()
}
