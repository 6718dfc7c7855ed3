//! What is known of a part for as long as the same rows are dead in it: filters that were evaluated, and how
//! many rows have a term.
//!
//! A filter is kept under its canonical form, dead rows already taken out. What was asked for longest ago
//! leaves first, once the sets take more memory than their share of the part.

use crate::error::Result;
use crate::snapshot::PartView;
use nigh_index::bitmap::Bitmap;
use nigh_index::filter::canonical;
use nigh_index::filter::condition::Condition;
use nigh_index::filter::eval;
use nigh_index::filter::field::Rows;
use nigh_index::id::PointId;
use nigh_index::row::Row;
use nigh_index::selection::Selection;
use nigh_index::text::bm25::Statistics;
use parking_lot::Mutex;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

/// Bytes of sets that are kept for each row of the part, and at least for any part.
const BYTES_A_ROW: usize = 8;
const BYTES_MIN: usize = 64 << 10;

/// Terms whose rows were counted; at as many they are forgotten and counted anew.
const TERMS_MAX: usize = 4096;

/// What a filter leaves of a part.
#[derive(Clone, Debug)]
pub struct Matching {
    /// The rows alive that match.
    pub rows: Arc<Selection>,
    /// The paths for which payloads were read to find that out.
    pub scanned: Arc<[String]>,
}

/// See the head of this room. Shared by all snapshots in which the same rows of a part are dead.
#[derive(Debug, Default)]
pub struct Selections {
    alive: OnceLock<Arc<Selection>>,
    filters: Mutex<Filters>,
    terms: Mutex<Terms>,
    expired: Mutex<Option<WithExpired>>,
}

/// What the part is once so many of its rows are expired; nothing where all of those are dead.
#[derive(Debug)]
struct WithExpired {
    count: u64,
    view: Option<(Arc<Bitmap>, Arc<Selections>)>,
}

/// Filters, the one asked for last at the end.
#[derive(Debug, Default)]
struct Filters {
    kept: Vec<(Arc<[u8]>, Matching)>,
    bytes: usize,
}

/// By text field: rows and terms in all, and for a term the rows that have it.
#[derive(Debug, Default)]
struct Terms {
    totals: HashMap<usize, (u64, u64)>,
    rows: HashMap<(usize, String), u64>,
}

impl Filters {
    fn find(&mut self, key: &[u8]) -> Option<Matching> {
        let at = self.kept.iter().rposition(|one| *one.0 == *key)?;
        let one = self.kept.remove(at);
        let found = one.1.clone();
        self.kept.push(one);
        Some(found)
    }

    fn keep(&mut self, key: Arc<[u8]>, matching: Matching, bytes_max: usize) {
        let bytes = |one: &(Arc<[u8]>, Matching)| one.0.len() + one.1.rows.memory_bytes();
        let new = (key, matching);
        if bytes(&new) > bytes_max || self.kept.iter().any(|one| one.0 == new.0) {
            return;
        }
        self.bytes += bytes(&new);
        self.kept.push(new);
        while self.bytes > bytes_max {
            let oldest = self.kept.remove(0);
            self.bytes -= bytes(&oldest);
        }
    }
}

impl Selections {
    /// The dead rows together with these, and what is known of the others then; `None` where these are all
    /// dead. Made once for as many expired rows: time only adds some.
    pub(crate) fn with_expired(&self, dead: &Arc<Bitmap>, expired: &Bitmap) -> Option<(Arc<Bitmap>, Arc<Selections>)> {
        let mut known = self.expired.lock();
        let count = expired.len();
        if let Some(known) = known.as_ref().filter(|known| known.count == count) {
            return known.view.clone();
        }
        let mut union = (**dead).clone();
        union.or(expired);
        let view = (union.len() > dead.len()).then(|| (Arc::new(union), Arc::default()));
        *known = Some(WithExpired { count, view: view.clone() });
        view
    }
}

impl Selections {
    /// Forgets the filters and terms, not the rows alive.
    pub(crate) fn forget(&self) {
        *self.filters.lock() = Filters::default();
        *self.terms.lock() = Terms::default();
    }
}

/// A part whose rows are looked at as long as somebody waits.
pub(crate) struct Awaited<'v> {
    pub(crate) view: &'v PartView,
    pub(crate) go_on: &'v dyn Fn() -> bool,
}

impl Rows for Awaited<'_> {
    fn rows(&self) -> u32 {
        self.view.rows()
    }

    fn find(&self, id: &PointId) -> Option<Row> {
        self.view.find(id)
    }

    fn id(&self, row: Row) -> PointId {
        self.view.part.id(row)
    }

    fn with_vector(&self, name: &str) -> Bitmap {
        self.view.with_vector(name)
    }

    fn payload(&self, row: Row) -> nigh_index::error::Result<Value> {
        Rows::payload(self.view, row)
    }

    fn go_on(&self) -> bool {
        (self.go_on)()
    }
}

impl PartView {
    /// The rows alive; `None` where all of them are.
    pub fn selected_alive(&self) -> Option<Arc<Selection>> {
        let alive = || {
            let mut alive = Bitmap::full(self.part.rows());
            alive.minus(&self.dead);
            Arc::new(Selection::new(alive, self.part.rows()))
        };
        (!self.dead.is_empty()).then(|| self.selections.alive.get_or_init(alive).clone())
    }

    /// The rows alive that match. `go_on` is asked now and then; where it says no, that is an error, and nothing is
    /// remembered.
    pub fn matching(&self, condition: &Condition, go_on: &dyn Fn() -> bool) -> Result<Matching> {
        let key = canonical::form(condition);
        if let Some(found) = key.as_ref().and_then(|key| self.selections.filters.lock().find(key)) {
            return Ok(found);
        }
        let matched = eval::eval(condition, self.part.fields(), &Awaited { view: self, go_on })?;
        let mut rows = matched.rows;
        rows.minus(&self.dead);
        let rows = Arc::new(Selection::new(rows, self.part.rows()));
        let matching = Matching { rows, scanned: matched.scanned.into() };
        if let Some(key) = key {
            let bytes_max = (self.part.rows() as usize * BYTES_A_ROW).max(BYTES_MIN);
            self.selections.filters.lock().keep(key.into(), matching.clone(), bytes_max);
        }
        Ok(matching)
    }

    /// What the part adds to the statistics of a text field, dead rows left out.
    pub fn statistics(&self, field: usize, terms: &[(String, u32)]) -> Result<Statistics> {
        let text = self.part.text(field);
        if self.dead.is_empty() {
            return Ok(text.statistics(terms, &self.dead)?);
        }
        if let Some(known) = self.selections.terms.lock().all(field, terms) {
            return Ok(known);
        }
        let counted = text.statistics(terms, &self.dead)?;
        self.selections.terms.lock().keep(field, terms, &counted);
        Ok(counted)
    }
}

impl Terms {
    fn all(&self, field: usize, terms: &[(String, u32)]) -> Option<Statistics> {
        let (docs, tokens) = *self.totals.get(&field)?;
        let rows = |term: &(String, u32)| self.rows.get(&(field, term.0.clone())).copied();
        Some(Statistics { docs, tokens, frequencies: terms.iter().map(rows).collect::<Option<_>>()? })
    }

    fn keep(&mut self, field: usize, terms: &[(String, u32)], counted: &Statistics) {
        if self.rows.len() >= TERMS_MAX {
            self.rows.clear();
        }
        self.totals.insert(field, (counted.docs, counted.tokens));
        let rows = terms.iter().zip(&counted.frequencies).take(TERMS_MAX);
        self.rows.extend(rows.map(|(term, rows)| ((field, term.0.clone()), *rows)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matching(rows: u32) -> Matching {
        Matching { rows: Arc::new(Selection::new(Bitmap::full(rows), 1 << 16)), scanned: [].into() }
    }

    #[test]
    fn what_was_asked_for_longest_ago_leaves_first() {
        let one = 1 + matching(10).rows.memory_bytes();
        let mut filters = Filters::default();
        let key = |at: u8| -> Arc<[u8]> { [at].into() };
        for at in 0..3 {
            filters.keep(key(at), matching(10), 3 * one);
        }
        assert!(filters.find(&key(0)).is_some());
        filters.keep(key(3), matching(10), 3 * one);
        assert!(filters.find(&key(1)).is_none() && filters.find(&key(0)).is_some());
        filters.keep(key(0), matching(10), 3 * one);
        assert_eq!((filters.kept.len(), filters.bytes), (3, 3 * one), "a filter is kept once");
        filters.keep(key(9), matching(10), one - 1);
        assert!(filters.find(&key(9)).is_none(), "what is larger than the room is not kept");
    }

    #[test]
    fn terms_are_known_once_they_were_counted() {
        let terms = [("a".to_owned(), 1), ("b".to_owned(), 2)];
        let counted = Statistics { docs: 9, tokens: 80, frequencies: vec![3, 4] };
        let mut known = Terms::default();
        assert_eq!(known.all(0, &terms), None);
        known.keep(0, &terms, &counted);
        assert_eq!(known.all(0, &terms), Some(counted));
        assert_eq!(known.all(1, &terms), None);
        assert_eq!(known.all(0, &[("c".to_owned(), 1)]), None);
    }
}
