//! Rows that may be found, and what searches make of them: made once, kept with them.

use crate::bitmap::{Bitmap, Bits};
use crate::layout::Array;
use crate::row::Row;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

/// Rows of the set that are kept at hand, spread over it.
const SPREAD: usize = 64;

/// One row of so many, or more, is many.
const DENSE: u64 = 64;

/// The rows of one part that a filter leaves, dead ones taken out. Shared by all queries of one filter, so
/// that the set is expanded to plain bits once and not once a query.
#[derive(Debug, Default)]
pub struct Selection {
    rows: Bitmap,
    count: u64,
    of: u32,
    bits: OnceLock<Bits>,
    spread: OnceLock<Vec<Row>>,
    /// How much of what is near a row of the set is in it as well, by vector field.
    together: Mutex<Vec<(usize, f32)>>,
    /// The set in other orders of the rows. An order that is gone keeps its address, so that it is never taken for another.
    in_order: Mutex<Vec<InOrder>>,
}

/// An order, and the bits of a set in it.
type InOrder = (Weak<Array<u32>>, Arc<Vec<u64>>);

impl Selection {
    /// These rows, of a part that has so many.
    pub fn new(rows: Bitmap, of: u32) -> Self {
        Self { count: rows.len(), rows, of, ..Self::default() }
    }

    /// The set.
    pub fn rows(&self) -> &Bitmap {
        &self.rows
    }

    /// How many rows.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The set as plain bits.
    pub fn bits(&self) -> &Bits {
        self.bits.get_or_init(|| self.rows.bits(self.of))
    }

    /// The set as plain bits where most words of those hold some of it: read a word at a time, that is faster than the set.
    pub fn dense(&self) -> Option<&Bits> {
        (self.count * DENSE >= u64::from(self.of)).then(|| self.bits())
    }

    /// A few rows, evenly spread over the set.
    pub fn spread(&self) -> &[Row] {
        self.spread.get_or_init(|| {
            let every = (self.count as usize / SPREAD).max(1);
            self.rows.iter().step_by(every).take_while(|row| row.0 < self.of).collect()
        })
    }

    /// The set as plain bits in another order of the part's rows, 64 of them a word, the lowest bit first.
    pub fn in_order(&self, order: &Arc<Array<u32>>) -> Arc<Vec<u64>> {
        let known = || {
            let kept = self.in_order.lock().unwrap_or_else(PoisonError::into_inner);
            kept.iter().find(|one| one.0.as_ptr() == Arc::as_ptr(order)).map(|one| one.1.clone())
        };
        known().unwrap_or_else(|| {
            let bits = self.bits();
            let word = |rows: &[u32]| rows.iter().rev().fold(0, |word, row| word << 1 | u64::from(bits.has(Row(*row))));
            let words: Arc<Vec<u64>> = Arc::new(order.chunks(u64::BITS as usize).map(word).collect());
            let mut kept = self.in_order.lock().unwrap_or_else(PoisonError::into_inner);
            kept.retain(|one| one.0.strong_count() > 0);
            kept.push((Arc::downgrade(order), words.clone()));
            words
        })
    }

    /// What `measure` says of the set and one vector field; it is asked once.
    pub fn together(&self, field: usize, measure: impl FnOnce(&Self) -> f32) -> f32 {
        let known = || {
            let kept = self.together.lock().unwrap_or_else(PoisonError::into_inner);
            kept.iter().find(|one| one.0 == field).map(|one| one.1)
        };
        known().unwrap_or_else(|| {
            let share = measure(self);
            self.together.lock().unwrap_or_else(PoisonError::into_inner).push((field, share));
            share
        })
    }

    /// Bytes in memory once everything was made.
    pub fn memory_bytes(&self) -> usize {
        // As plain bits in their own order, and in that of a field's cells.
        self.rows.memory_bytes() + 2 * (self.of as usize / 8) + SPREAD * 8 + size_of::<Self>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_of_a_set_agrees_with_it() {
        for (count, of) in [(0, 0), (0, 100), (1, 100), (63, 100), (100, 100), (5_000, 70_000)] {
            let selection = Selection::new(Bitmap::from_rows((0..count).map(|row| row * 7 % of.max(1))), of);
            assert!(selection.bits().iter().eq(selection.rows().iter()));
            assert_eq!(selection.count(), selection.rows().len());
            assert_eq!(selection.dense().is_some(), count * 64 >= of);
            let spread = selection.spread();
            assert!(spread.len() <= 2 * SPREAD && spread.is_sorted() && spread.is_empty() == (count == 0));
            assert!(spread.iter().all(|row| selection.rows().has(*row)));
        }
    }

    #[test]
    fn a_set_is_told_in_any_order() {
        let selection = Selection::new(Bitmap::from_rows((0..500).filter(|row| row % 3 == 0)), 500);
        for step in [1, 7, 499] {
            let order: Vec<u32> = (0..400).map(|at| at * step % 500).collect();
            let order = Arc::new(Array::from(order));
            let words = selection.in_order(&order);
            assert_eq!(words.len(), 7);
            assert!(order.iter().enumerate().all(|(at, row)| (words[at / 64] >> (at % 64) & 1 == 1) == (row % 3 == 0)));
            assert!(Arc::ptr_eq(&words, &selection.in_order(&order)), "once for each order");
        }
        assert_eq!(selection.in_order.lock().unwrap().len(), 1, "those that are gone are not kept");
    }

    #[test]
    fn a_field_is_measured_once() {
        let selection = Selection::new(Bitmap::full(10), 10);
        assert_eq!(selection.together(1, |_| 0.5), 0.5);
        assert_eq!(selection.together(1, |_| 0.7), 0.5);
        assert_eq!(selection.together(0, |_| 0.7), 0.7);
    }
}
