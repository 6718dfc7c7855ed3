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
mod ease;

pub(super) use build::Grouped;

use crate::effort;
use crate::error::{Error, Result};
use crate::layout::{ALIGN, Array, Sections};
use crate::reach::{Reach, WORDS};
use crate::row::Row;
use crate::selection::Selection;
use crate::vector::quant::full::Full;
use crate::vector::quant::{Coded, Codes, Leading};
use std::ops::Range;
use std::sync::Arc;

/// As few keys as that are sorted rather than parted.
const SORTED: usize = 16;

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
        let placed = allowed.map(|allowed| allowed.in_groups(&self.order, &self.starts));
        let (all, starts) = match &placed {
            None => (&self.order[..], &self.starts[..]),
            Some(placed) => (&placed.rows[..], &placed.starts[..]),
        };
        let of = |cell: &u64| {
            let cell = (*cell & u64::from(u32::MAX)) as usize;
            starts[cell] as usize..starts[cell + 1] as usize
        };
        let mut cells = self.keyed(codes, query, distances);
        for cell in nearest_of(&mut cells, |cell| of(cell).len(), enough) {
            rows.extend_from_slice(&all[of(cell)]);
        }
    }

    /// All cells, each below its distance: that sorts faster than pairs.
    fn keyed(&self, codes: &Codes, query: &mut Coded, distances: &mut Vec<f32>) -> Vec<u64> {
        codes.distances_of_leading(&self.centres, query, self.len(), distances);
        distances.iter().zip(0..).map(|(distance, cell)| u64::from(ordered(*distance)) << 32 | cell).collect()
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
        let groups = selection.map(|selection| selection.in_groups(&self.order, &self.starts));
        let starts = groups.as_ref().map_or(&self.starts[..], |groups| &groups.starts);
        starts.windows(2).map(|ends| ends[1] - ends[0]).collect()
    }

    /// For each cell, how many rows are in cells that are nearer, of as many in each as `counts` says.
    pub(super) fn rows_before(&self, codes: &Codes, query: &mut Coded, counts: &[u32]) -> Vec<u32> {
        let (mut before, mut sum) = (vec![0; self.len()], 0);
        let mut cells = self.keyed(codes, query, &mut Vec::new());
        cells.sort_unstable();
        for cell in cells {
            let cell = (cell & u64::from(u32::MAX)) as usize;
            before[cell] = sum;
            sum += counts[cell];
        }
        before
    }
}

/// The least keys that hold so many, in no order; all where they hold fewer. Parting takes as long as looking at all of them twice.
fn nearest_of(keys: &mut [u64], held: impl Fn(&u64) -> usize, mut enough: usize) -> &[u64] {
    // What is before `from` is taken, what is behind `to` is not needed.
    let (mut from, mut to) = (0, keys.len());
    while to - from > SORTED {
        let middle = (to - from) / 2;
        keys[from..to].select_nth_unstable(middle);
        let nearer = keys[from..from + middle].iter().map(&held).sum();
        if enough > nearer {
            enough -= nearer;
            from += middle;
        } else {
            to = from + middle;
        }
    }
    keys[from..to].sort_unstable();
    while from < to && enough > 0 {
        enough = enough.saturating_sub(held(&keys[from]));
        from += 1;
    }
    &keys[..from]
}

/// A number of the same order; distances of means may be below 0.
fn ordered(distance: f32) -> u32 {
    let bits = distance.to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

#[cfg(test)]
mod tests {
    use super::{nearest_of, ordered};

    #[test]
    fn the_nearest_are_those_that_hold_enough() {
        for count in [0u64, 1, 15, 16, 17, 100, 505] {
            let keys: Vec<u64> = (0..count).map(|key| key * 7919 % 509).collect();
            let held = |key: &u64| (key % 4) as usize;
            for enough in [0, 1, 10, 100, 700, 10_000] {
                let mut sorted = keys.clone();
                sorted.sort_unstable();
                let mut sum = 0;
                let wanted = sorted.iter().take_while(|key| {
                    let goes_on = sum < enough;
                    sum += held(key);
                    goes_on
                });
                let wanted: Vec<u64> = wanted.copied().collect();
                let mut parted = keys.clone();
                let mut found = nearest_of(&mut parted, held, enough).to_vec();
                found.sort_unstable();
                assert_eq!(found, wanted, "{enough} of {count}");
            }
        }
    }

    #[test]
    fn numbers_order_as_distances_do() {
        let distances = [f32::NEG_INFINITY, -2.0, -1e-9, 0.0, 1e-9, 1.0, f32::INFINITY];
        assert!(distances.map(ordered).is_sorted_by(|a, b| a < b));
    }
}
