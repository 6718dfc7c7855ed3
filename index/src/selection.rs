//! Rows that may be found, and what searches make of them: made once, kept with them.

use crate::bitmap::{Bitmap, Bits};
use crate::layout::Array;
use crate::params::Standing;
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
    /// How its rows stand, by vector field.
    standing: Mutex<Vec<((usize, Standing), f32)>>,
    /// The set in groups of the part's rows. An order that is gone keeps its address, so that it is never taken for another.
    in_groups: Mutex<Vec<Grouped>>,
}

/// An order, and a set in groups of it.
type Grouped = (Weak<Array<u32>>, Arc<InGroups>);

/// The rows of a set, group after group, in the order that all rows have there.
#[derive(Debug)]
pub struct InGroups {
    /// The rows.
    pub rows: Vec<u32>,
    /// Where each group begins, and where the last one ends.
    pub starts: Vec<u32>,
}

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

    /// The set in groups of the part's rows, which begin where `starts` says in an order of those; the last is where they end.
    pub fn in_groups(&self, order: &Arc<Array<u32>>, starts: &[u32]) -> Arc<InGroups> {
        let known = || {
            let kept = self.in_groups.lock().unwrap_or_else(PoisonError::into_inner);
            kept.iter().find(|one| one.0.as_ptr() == Arc::as_ptr(order)).map(|one| one.1.clone())
        };
        known().unwrap_or_else(|| {
            let bits = self.bits();
            let mut found = InGroups { rows: Vec::with_capacity(self.count as usize), starts: vec![0] };
            for group in starts.windows(2) {
                let rows = &order[group[0] as usize..group[1] as usize];
                found.rows.extend(rows.iter().filter(|row| bits.has(Row(**row))));
                found.starts.push(found.rows.len() as u32);
            }
            let found = Arc::new(found);
            let mut kept = self.in_groups.lock().unwrap_or_else(PoisonError::into_inner);
            kept.retain(|one| one.0.strong_count() > 0);
            kept.push((Arc::downgrade(order), found.clone()));
            found
        })
    }

    /// What `measure` says of how the rows stand, by one vector field; it is asked once.
    pub fn standing(&self, field: usize, of: Standing, measure: impl FnOnce(&Self) -> f32) -> f32 {
        self.known(field, of).unwrap_or_else(|| {
            let measured = measure(self);
            self.standing.lock().unwrap_or_else(PoisonError::into_inner).push(((field, of), measured));
            measured
        })
    }

    /// What was measured already.
    pub fn known(&self, field: usize, of: Standing) -> Option<f32> {
        let kept = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|one| one.0 == (field, of)).map(|one| one.1)
    }

    /// Bytes in memory once everything was made.
    pub fn memory_bytes(&self) -> usize {
        // As plain bits, and in the cells of a field.
        self.rows.memory_bytes() + self.of as usize / 8 + self.count as usize * 4 + SPREAD * 8 + size_of::<Self>()
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
    fn a_set_is_told_in_groups_of_any_order() {
        let selection = Selection::new(Bitmap::from_rows((0..500).filter(|row| row % 3 == 0)), 500);
        let starts = [0, 7, 7, 300, 400];
        for step in [1, 7, 499] {
            let order: Vec<u32> = (0..400).map(|at| at * step % 500).collect();
            let order = Arc::new(Array::from(order));
            let groups = selection.in_groups(&order, &starts);
            for (of_all, of_set) in starts.windows(2).zip(groups.starts.windows(2)) {
                let all = &order[of_all[0] as usize..of_all[1] as usize];
                let of_set = &groups.rows[of_set[0] as usize..of_set[1] as usize];
                assert!(all.iter().filter(|row| **row % 3 == 0).eq(of_set));
            }
            assert_eq!(groups.starts.len(), starts.len());
            assert!(Arc::ptr_eq(&groups, &selection.in_groups(&order, &starts)), "once for each order");
        }
        assert_eq!(selection.in_groups.lock().unwrap().len(), 1, "those that are gone are not kept");
    }

    #[test]
    fn a_field_is_measured_once() {
        let selection = Selection::new(Bitmap::full(10), 10);
        assert_eq!(selection.standing(1, Standing::Together, |_| 0.5), 0.5);
        assert_eq!(selection.standing(1, Standing::Together, |_| 0.7), 0.5);
        assert_eq!(selection.standing(0, Standing::Together, |_| 0.7), 0.7);
        assert_eq!(selection.known(1, Standing::Ease), None);
        assert_eq!(selection.standing(1, Standing::Ease, |_| 2.0), 2.0);
        assert_eq!(selection.known(1, Standing::Ease), Some(2.0));
    }
}
