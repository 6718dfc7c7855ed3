//! How much effort buys how much recall, learned from rows of the part itself.

use crate::row::{Hit, Row};
use crate::vector::quant::full::Full;
use rayon::prelude::*;

/// The recalls that a table tells the effort for.
pub(super) const RECALLS: [f32; 4] = [0.90, 0.95, 0.98, 0.99];

/// The efforts that are tried.
const EFFORTS: [u32; 15] = [12, 16, 24, 32, 48, 64, 80, 96, 128, 160, 192, 256, 384, 512, 768];

/// Queries that are tried.
const QUERIES: usize = 200;

/// Neighbours that are looked for.
const NEIGHBOURS: usize = 10;

/// For each recall the least effort that reaches it; an effort of 0 where none does. `search` gives the
/// nearest by graph with an effort, or exactly. The rows are tried in the given order.
pub(super) fn calibrate(
    full: &Full,
    rows: &[u32],
    search: impl Fn(&[f32], usize, Option<u32>) -> Vec<Hit> + Sync,
) -> [(f32, u32); 4] {
    let queries: Vec<Vec<f32>> = queries(full, rows);
    let truths: Vec<Vec<Hit>> = queries.par_iter().map(|query| search(query, NEIGHBOURS, None)).collect();
    let wanted: usize = truths.iter().map(Vec::len).sum();
    let mut table = RECALLS.map(|recall| (recall, 0));
    for effort in EFFORTS {
        let found: usize = queries
            .par_iter()
            .zip(&truths)
            .map(|(query, truth)| {
                let worst = truth.last().map_or(f32::INFINITY, |hit| hit.score);
                search(query, NEIGHBOURS, Some(effort)).iter().filter(|hit| hit.score >= worst).count()
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

/// Stored rows as queries are too easy: they stand in the graph. Halfway between two rows lies nothing
/// that was stored, and nothing nearer to the rows than real queries are.
fn queries(full: &Full, rows: &[u32]) -> Vec<Vec<f32>> {
    let every = (rows.len() / QUERIES).max(1);
    let half = rows.len() / 2;
    (0..rows.len())
        .step_by(every)
        .take(QUERIES)
        .map(|at| {
            let (one, other) = (Row(rows[at]), Row(rows[(at + half) % rows.len()]));
            let weigh =
                |row: Row, value: f32| value * 0.5 * if full.inverse(row) > 0.0 { full.inverse(row) } else { 1.0 };
            let pairs = full.values(one).iter().zip(full.values(other));
            pairs.map(|(a, b)| weigh(one, *a) + weigh(other, *b)).collect()
        })
        .collect()
}
