//! The field indexes of a live part: columns in memory, sorted once for a group of writes and
//! merged, never extracted again, when small parts become one.

use crate::bitmap::Bitmap;
use crate::error::Result;
use crate::filter::column::{Column, Pairs};
use crate::filter::condition::Test;
pub use crate::filter::extract::Extracted;
use crate::filter::extract::{spelled, spelled_below};
use crate::filter::field::{Fields, Seen};
use crate::filter::geo::{LAT, LON, Place, Shape};
use crate::filter::postings::Moves;
use crate::filter::rules::{FieldRules, PATH_DEPTH_MAX, PATHS_MAX};
use crate::row::{Kept, Row};
use crate::value::Path;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// The columns of a part, by path.
#[derive(Clone, Debug)]
pub struct LiveFields {
    pub(crate) rows: u32,
    /// Spelled paths with their columns, rising.
    pub(crate) columns: Vec<(Arc<str>, Column)>,
    /// Whether every path of every row has its column, down to the depth of the rules.
    pub(crate) complete: bool,
    /// Whether a row has something deeper than that.
    pub(crate) deep: bool,
}

impl LiveFields {
    /// The indexes of new rows, in row order.
    pub fn build(rows: impl IntoIterator<Item = Extracted>, rules: &FieldRules) -> Self {
        let rows: Vec<Extracted> = rows.into_iter().collect();
        let complete = rules.auto && rows.iter().all(|row| row.complete);
        let mut built = Self {
            rows: rows.len() as u32,
            columns: Vec::new(),
            complete,
            deep: !complete || rows.iter().any(|row| row.deep),
        };
        // A payload that was not looked at may have any path, so no column would know all its rows.
        if complete {
            built.columns = sorted(&rows);
            built.keep_largest();
        }
        built
    }

    /// The kept rows of several parts as one part.
    pub fn concat(parts: &[Kept<'_, Self>], rules: &FieldRules) -> Self {
        let parts: Vec<_> = parts.iter().filter(|kept| !kept.rows.is_empty()).collect();
        let mut rows = 0;
        let mut moves = Vec::with_capacity(parts.len());
        for kept in &parts {
            moves.push(Moves::new(kept.rows, kept.part.rows, rows));
            rows += kept.rows.len() as u32;
        }
        let mut merged = Self {
            rows,
            columns: Vec::new(),
            complete: rules.auto && parts.iter().all(|kept| kept.part.complete),
            deep: !rules.auto || parts.iter().any(|kept| kept.part.deep),
        };
        if !rules.auto {
            return merged;
        }
        let mut paths: BTreeMap<&Arc<str>, Vec<(&Column, &Moves)>> = BTreeMap::new();
        for (kept, moves) in parts.iter().zip(&moves) {
            for (path, column) in &kept.part.columns {
                paths.entry(path).or_default().push((column, moves));
            }
        }
        for (path, columns) in paths {
            // An incomplete part without the column may have the path in any of its rows.
            let known = columns.len() == parts.len()
                || parts.iter().all(|kept| kept.part.complete || kept.part.column(path).is_some());
            let column = known.then(|| Column::merge(&columns)).filter(|column| column.entries() > 0);
            merged.columns.extend(column.map(|column| (path.clone(), column)));
        }
        merged.keep_largest();
        merged
    }

    /// Bytes in memory, roughly.
    pub fn memory_bytes(&self) -> u64 {
        self.columns.iter().map(|(path, column)| path.len() as u64 + column.memory_bytes()).sum()
    }

    /// Drops the columns of fewest values where there are too many.
    fn keep_largest(&mut self) {
        if self.columns.len() > PATHS_MAX {
            self.complete = false;
            // The sort is stable, so that of equally large columns the first paths stay.
            self.columns.sort_by_key(|(_, column)| std::cmp::Reverse(column.entries()));
            self.columns.truncate(PATHS_MAX);
            self.columns.sort_by(|left, right| left.0.cmp(&right.0));
        }
    }

    /// The rows with a place in the shape. A place's degrees are two columns below its own; a row with
    /// one number in each has that one place, and where a row has more only its payload can tell.
    fn within(&self, shape: &Shape, spelled: &str, column: &Column) -> Result<Option<Bitmap>> {
        let places = column.places(self.rows)?;
        if places.is_empty() {
            return Ok(Some(places));
        }
        let below = |key: &str| self.column(&spelled_below(spelled, key));
        let (Some(lats), Some(lons)) = (below(LAT), below(LON)) else { return Ok(None) };
        if !lats.single(self.rows)? || !lons.single(self.rows)? {
            return Ok(None);
        }
        let bounds = shape.bounding();
        let mut lat_of = vec![f64::NAN; self.rows as usize];
        lats.each_number(bounds.south, bounds.north, self.rows, |lat, row| lat_of[row as usize] = lat)?;
        let mut found = Vec::new();
        for (west, east) in bounds.lons {
            lons.each_number(west, east, self.rows, |lon, row| {
                if Place::new(lat_of[row as usize], lon).is_some_and(|place| shape.has(place)) {
                    found.push(row);
                }
            })?;
        }
        found.sort_unstable();
        found.dedup();
        let mut found = Bitmap::from_rows(found);
        found.and(&places);
        Ok(Some(found))
    }

    fn column(&self, spelled: &str) -> Option<&Column> {
        let at = self.columns.binary_search_by(|(path, _)| (**path).cmp(spelled)).ok()?;
        Some(&self.columns[at].1)
    }
}

impl Fields for LiveFields {
    fn lookup(&self, path: &Path, test: &Test) -> Result<Option<Bitmap>> {
        if path.goes_to_one() {
            return Ok(None);
        }
        let reachable = path.keys().len() <= PATH_DEPTH_MAX;
        let spelled = spelled(path);
        if let Some(column) = self.column(&spelled) {
            return match test {
                Test::Geo(shape) => self.within(shape, &spelled, column),
                _ => column.lookup(test, self.rows),
            };
        }
        let absent = if reachable { self.complete } else { !self.deep };
        Ok(absent.then(|| if of_nothing(test) { Bitmap::full(self.rows) } else { Bitmap::new() }))
    }

    fn candidates(&self, path: &Path, test: &Test) -> Result<Option<Bitmap>> {
        let spelled = spelled(path);
        if !path.goes_to_one() {
            return self.column(&spelled).map_or(Ok(None), |column| column.candidates(test, self.rows));
        }
        // Columns do not know places: what passes at one of them passes where all elements are asked. That there is
        // nothing, or how many there are, is no such question.
        if matches!(test, Test::Empty | Test::Count(_)) {
            return Ok(None);
        }
        match self.column(&spelled) {
            Some(column) => match column.lookup(test, self.rows)? {
                Some(rows) => Ok(Some(rows)),
                None => column.candidates(test, self.rows),
            },
            None => Ok((self.complete && path.keys().len() <= PATH_DEPTH_MAX).then(Bitmap::new)),
        }
    }

    fn each_scalar(&self, path: &Path, see: &mut dyn FnMut(Seen<'_>, Row)) -> Result<bool> {
        if path.goes_to_one() {
            return Ok(false);
        }
        match self.column(&spelled(path)) {
            Some(column) => column.each_scalar(self.rows, see),
            None if path.keys().len() <= PATH_DEPTH_MAX => Ok(self.complete),
            None => Ok(!self.deep),
        }
    }
}

/// Whether an absent field passes.
fn of_nothing(test: &Test) -> bool {
    match test {
        Test::Empty => true,
        Test::Count(bounds) => bounds.holds(0),
        _ => false,
    }
}

/// All values by path, sorted.
fn sorted(rows: &[Extracted]) -> Vec<(Arc<str>, Column)> {
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut columns: Vec<(&str, Pairs<'_>)> = Vec::new();
    // Rows of one collection look alike: what followed a column in one row follows it in the next.
    let mut follows: Vec<usize> = Vec::new();
    let mut last = 0;
    for (row, extracted) in rows.iter().enumerate() {
        for (path, seen) in extracted.each() {
            let guess = follows.get(last).copied().unwrap_or(0);
            let at = if columns.get(last).is_some_and(|column| column.0 == path) {
                last
            } else if columns.get(guess).is_some_and(|column| column.0 == path) {
                guess
            } else {
                *places.entry(path).or_insert_with(|| {
                    columns.push((path, Pairs::default()));
                    follows.push(0);
                    columns.len() - 1
                })
            };
            if last != at {
                follows[last] = at;
                last = at;
            }
            columns[at].1.push(seen, row as u32);
        }
    }
    let mut columns: Vec<_> = columns.into_iter().map(|(path, pairs)| (Arc::from(path), pairs.finish())).collect();
    columns.sort_by(|left: &(Arc<str>, Column), right| left.0.cmp(&right.0));
    columns
}
