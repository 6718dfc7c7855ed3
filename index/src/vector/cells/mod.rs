//! Cells: rows grouped around centroids, so that a scan that may miss some looks at the nearest groups alone.
//!
//! A query is compared with every cell by one record, of the same kind as those of rows (`quant/projected`). It stands for the mean
//! of the cell's vectors, with the mean of their squared lengths in the place of one's own: so its distance is the mean of the
//! distances of the cell's rows. `build` finds the cells.
//!
//! ```text
//! cells.reach    what so many rows come to (reach)     comes second of the body: it is filled in last
//! cells.starts   (cells + 1) x u32                     where each cell begins in the order
//! cells.order    rows that have a vector x u32         cell after cell, rising within each
//! cells.centres  cells x record
//! ```

mod build;

pub(super) use build::Grouped;

use crate::effort;
use crate::error::{Error, Result};
use crate::layout::{ALIGN, Array, Sections};
use crate::reach::{Reach, WORDS};
use crate::row::Row;
use crate::selection::Selection;
use crate::vector::kernel::sift;
use crate::vector::quant::full::Full;
use crate::vector::quant::{Coded, Codes, Leading};
use std::ops::Range;
use std::sync::Arc;

/// So many of the nearest cells are put in order first; mostly that is enough.
const FIRST: usize = 192;

/// Where the reach begins in a body: behind the curves of the graph, which come first.
const REACH_AT: usize = (effort::WORDS * 4).next_multiple_of(ALIGN);

/// The cells of a part.
#[derive(Debug)]
pub(super) struct Cells {
    starts: Array<u32>,
    order: Arc<Array<u32>>,
    centres: Leading,
    reach: Reach,
}

impl Cells {
    /// Reads the sections and checks that every row that has a vector is in one cell.
    pub(super) fn open(full: &Full, codes: &Codes, sections: &Sections) -> Result<Self> {
        let starts: Array<u32> = sections.array("cells.starts")?;
        let order: Array<u32> = sections.array_of("cells.order", full.count() as usize)?;
        let cells = starts.len().saturating_sub(1);
        let ends = (starts.first(), starts.last().map(|last| *last as usize)) == (Some(&0), Some(order.len()));
        if cells == 0 || !ends || !starts.is_sorted() {
            return Err(Error::corrupt("cells.starts", 0, format!("{cells} cells of {} rows", order.len())));
        }
        let mut met = vec![false; full.rows() as usize];
        let fits = |row: &u32| {
            full.has(Row(*row)) && met.get_mut(*row as usize).is_some_and(|met| !std::mem::replace(met, true))
        };
        if let Some(at) = order.iter().map(fits).position(|fits| !fits) {
            let why = format!("row {} has no vector, or is in two cells", order[at]);
            return Err(Error::corrupt("cells.order", at as u64 * 4, why));
        }
        let centres = sections.array::<u8>("cells.centres")?;
        let centres = codes.as_leading(&centres).filter(|centres| centres.len() == cells);
        let centres =
            centres.ok_or_else(|| Error::corrupt("cells.centres", 0, format!("no record for each of {cells}")))?;
        let words = sections.array_of::<u32>("cells.reach", WORDS)?;
        let words = words.as_array().ok_or_else(|| Error::corrupt("cells.reach", 0, "other numbers"))?;
        Ok(Self { reach: Reach::from_words(cells as u32, words), starts, order: Arc::new(order), centres })
    }

    /// Fills in, in a body just made, what rows come to.
    pub(super) fn set_reach(body: &mut [u8], reach: Reach) {
        for (bytes, number) in body[REACH_AT..].chunks_exact_mut(4).zip(reach.to_words()) {
            bytes.copy_from_slice(&number.to_le_bytes());
        }
    }

    /// What rows come to.
    pub(super) fn reach(&self) -> &Reach {
        &self.reach
    }

    /// How many cells.
    pub(super) fn len(&self) -> usize {
        self.centres.len()
    }

    /// Bytes held in memory of our own.
    pub(super) fn memory_bytes(&self) -> u64 {
        self.centres.memory_bytes()
    }

    fn range(&self, cell: usize) -> Range<usize> {
        self.starts[cell] as usize..self.starts[cell + 1] as usize
    }

    /// Adds the allowed rows of the nearest cells, until there are `enough` of them or no more.
    pub(super) fn nearest_rows(
        &self,
        (codes, query): (&Codes, &mut Coded),
        allowed: Option<&Selection>,
        enough: usize,
        distances: &mut Vec<f32>,
        rows: &mut Vec<u32>,
    ) {
        let placed = allowed.map(|allowed| allowed.in_order(&self.order));
        for cell in self.nearest(codes, query, distances) {
            let range = self.range(cell);
            match &placed {
                None => rows.extend_from_slice(&self.order[range]),
                Some(placed) => sift::chosen(&self.order[range.clone()], placed, range.start, rows),
            }
            if rows.len() >= enough {
                return;
            }
        }
    }

    /// All cells, the nearest first.
    fn nearest(&self, codes: &Codes, query: &mut Coded, distances: &mut Vec<f32>) -> impl Iterator<Item = usize> {
        codes.distances_of_leading(&self.centres, query, self.len(), distances);
        // A cell's number below its distance: that sorts faster than pairs.
        let keyed = |(distance, cell): (&f32, u64)| u64::from(ordered(*distance)) << 32 | cell;
        let mut cells: Vec<u64> = distances.iter().zip(0..).map(keyed).collect();
        if cells.len() > FIRST {
            cells.select_nth_unstable(FIRST);
            cells[..FIRST].sort_unstable();
        } else {
            cells.sort_unstable();
        }
        let mut next = 0;
        std::iter::from_fn(move || {
            if next == FIRST {
                cells[FIRST..].sort_unstable();
            }
            next += 1;
            cells.get(next - 1).map(|cell| (*cell & u64::from(u32::MAX)) as usize)
        })
    }

    /// The cell of each row of a part that has so many; none is beyond all cells.
    pub(super) fn of_rows(&self, rows: u32) -> Vec<u32> {
        let mut cells = vec![u32::MAX; rows as usize];
        for cell in 0..self.len() {
            self.order[self.range(cell)].iter().for_each(|row| cells[*row as usize] = cell as u32);
        }
        cells
    }

    /// How many of the selected rows are in each cell; without a selection all are.
    pub(super) fn counts(&self, selection: Option<&Selection>) -> Vec<u32> {
        let bits = selection.map(Selection::bits);
        let of = |cell| {
            let rows = self.order[self.range(cell)].iter();
            rows.filter(|row| bits.is_none_or(|bits| bits.has(Row(**row)))).count() as u32
        };
        (0..self.len()).map(of).collect()
    }

    /// For each cell, how many rows are in cells that are nearer, of as many in each as `counts` says.
    pub(super) fn rows_before(&self, codes: &Codes, query: &mut Coded, counts: &[u32]) -> Vec<u32> {
        let (mut before, mut sum) = (vec![0; self.len()], 0);
        for cell in self.nearest(codes, query, &mut Vec::new()) {
            before[cell] = sum;
            sum += counts[cell];
        }
        before
    }
}

/// A number of the same order; distances of means may be below 0.
fn ordered(distance: f32) -> u32 {
    let bits = distance.to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

#[cfg(test)]
mod tests {
    use super::ordered;

    #[test]
    fn numbers_order_as_distances_do() {
        let distances = [f32::NEG_INFINITY, -2.0, -1e-9, 0.0, 1e-9, 1.0, f32::INFINITY];
        assert!(distances.map(ordered).is_sorted_by(|a, b| a < b));
    }
}
