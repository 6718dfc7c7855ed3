//! How easily the nearest cells come to what of the matching rows is near: measured by rows of the part that stand for queries.
//!
//! A row that asks looks for its nearest among the matching rows, and at how many of them stand in cells nearer than that of each: so
//! many would be looked at before it. That is what queries take, so nothing is assumed of why rows match. Under forty filters of
//! 100,000 passages real queries took 0.8 to 1.4 times as many rows as rows that asked.

use super::Cells;
use crate::reach::NEIGHBOURS;
use crate::row::Row;
use crate::selection::Selection;
use crate::vector::flat::{Trust, nearest_by_codes};
use crate::vector::quant::full::{Full, Query};
use crate::vector::quant::{Coded, Codes};

/// Rows that ask, spread over all cells: fewer where all of them would look at more rows than that, and none where that would be too
/// few to say something.
const ASKING: usize = 96;
const ASKING_LEAST: usize = 16;
const LOOKED_AT_MAX: u64 = 8_000_000;

/// The shares of what is near by which an ease is known: more would depend on a few rows that ask.
const SHARES: [f32; 3] = [0.8, 0.9, 0.95];

impl Cells {
    /// The ease of the selected rows. A scan of all of them for each row that asks: milliseconds. (Scans of a sample of them
    /// came to as little as half of the rows, and differed as much from one sample to the next.)
    pub(in crate::vector) fn ease(&self, (full, codes): (&Full, &Codes), selection: &Selection) -> f32 {
        let looked_at = LOOKED_AT_MAX / selection.count().max(1);
        let asking = (looked_at as usize).min(ASKING).min(self.order.len());
        if asking < ASKING_LEAST {
            return 1.0;
        }
        let counts = self.counts(Some(selection));
        let of_rows = self.of_rows(full.rows());
        let mut seen = Vec::with_capacity(asking * NEIGHBOURS);
        let (mut coded, mut to_cells) = (Coded::default(), Vec::new());
        for at in 0..asking {
            let row = Row(self.order[(2 * at + 1) * self.order.len() / (2 * asking)]);
            let vector = full.vector(row);
            let query = Query::new(&vector);
            if query.inverse == 0.0 || !codes.encode_query(query, false, &mut coded) {
                continue;
            }
            codes.distances_of_leading(&self.centres, &mut coded, self.len(), &mut to_cells);
            let before = |row: Row| {
                let own = to_cells[of_rows[row.at()] as usize];
                let nearer = counts.iter().zip(&to_cells).filter(|(_, distance)| **distance < own);
                nearer.map(|(count, _)| *count).sum::<u32>() + 1
            };
            let trust = Trust::to_miss(None);
            let found = nearest_by_codes(full, (codes, None), &vector, NEIGHBOURS + 1, Some(selection), trust);
            let others = found.hits.iter().map(|hit| hit.row).filter(|other| *other != row);
            seen.extend(others.take(NEIGHBOURS).map(before));
        }
        if seen.len() < ASKING_LEAST * NEIGHBOURS {
            return 1.0;
        }
        seen.sort_unstable();
        let held = |share: f32| (share, f64::from(seen[(seen.len() as f32 * share) as usize]));
        let matching = counts.iter().map(|count| u64::from(*count)).sum();
        self.reach.ease((matching, self.order.len() as u64), &SHARES.map(held))
    }
}
