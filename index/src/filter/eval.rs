//! Which rows of a part match: sets where an index can tell, payloads where none can.
//!
//! Within a tree whatever an index answers comes first and narrows the rows; only those that are
//! left are read. [`holds`] says what a condition means, one payload at a time.

use crate::bitmap::Bitmap;
use crate::error::{Error, Result};
use crate::filter::condition::{Condition, Range, Scalar, Test};
use crate::filter::datetime;
use crate::filter::field::{Fields, Rows};
use crate::filter::number::Real;
use crate::id::PointId;
use crate::value::Path;
use serde_json::Value;

/// A filter is at most this many trees deep.
pub const DEPTH_MAX: usize = 32;

/// A filter has at most this many conditions, trees included.
pub const CONDITIONS_MAX: usize = 4096;

/// One condition names at most this many values or ids.
pub const VALUES_MAX: usize = 65_536;

/// The rows that match, and how that was found out.
#[derive(Clone, PartialEq, Debug)]
pub struct Matched {
    /// The rows, dead ones included.
    pub rows: Bitmap,
    /// The paths for which payloads were read, each once.
    pub scanned: Vec<String>,
}

/// The rows of a part that match. Dead rows are not known here: the caller takes them out.
pub fn eval(condition: &Condition, fields: &dyn Fields, rows: &dyn Rows) -> Result<Matched> {
    let mut walk = Walk { fields, rows, scanned: Vec::new() };
    let matching = walk.within(condition, None)?;
    Ok(Matched { rows: matching, scanned: walk.scanned })
}

/// Whether a point matches: what every index has to agree with.
pub fn holds(condition: &Condition, id: &PointId, payload: &Value) -> bool {
    let one = |condition: &Condition| holds(condition, id, payload);
    match condition {
        Condition::Tree { must, should, must_not } => {
            must.iter().all(one) && (should.is_empty() || should.iter().any(one)) && !must_not.iter().any(one)
        }
        Condition::Field { path, test } => passes(path, test, payload),
        Condition::HasId(ids) => ids.contains(id),
    }
}

/// Whether the filter is within the limits and its numbers can be compared.
pub fn check(condition: &Condition) -> Result<()> {
    let mut left = CONDITIONS_MAX;
    check_below(condition, 1, &mut left)
}

fn check_below(condition: &Condition, depth: usize, left: &mut usize) -> Result<()> {
    if depth > DEPTH_MAX {
        return Err(Error::invalid("filter depth", format!("over {DEPTH_MAX}"), format!("at most {DEPTH_MAX} levels")));
    }
    *left = left.checked_sub(1).ok_or_else(|| {
        let limit = format!("at most {CONDITIONS_MAX} conditions");
        Error::invalid("filter size", format!("over {CONDITIONS_MAX}"), limit)
    })?;
    let values = |what: &str, count: usize| {
        let limit = format!("at most {VALUES_MAX} values in one condition");
        if count > VALUES_MAX { Err(Error::invalid(what, count, limit)) } else { Ok(()) }
    };
    match condition {
        Condition::Tree { must, should, must_not } => {
            must.iter().chain(should).chain(must_not).try_for_each(|inner| check_below(inner, depth + 1, left))
        }
        Condition::HasId(ids) => values("has_id", ids.len()),
        Condition::Field { path, test } => {
            let nan = match test {
                Test::AnyOf(scalars) | Test::NoneOf(scalars) => {
                    values(path.as_str(), scalars.len())?;
                    scalars.iter().any(|scalar| matches!(scalar, Scalar::Float(float) if float.is_nan()))
                }
                Test::Range(Range::Number(bounds)) => {
                    [bounds.gt, bounds.gte, bounds.lt, bounds.lte].into_iter().flatten().any(f64::is_nan)
                }
                Test::Range(Range::Datetime(_)) | Test::Empty | Test::Null => false,
            };
            if nan { Err(Error::invalid(path.as_str(), "NaN", "a filter compares with numbers only")) } else { Ok(()) }
        }
    }
}

/// Whether what the path reaches in the payload passes.
fn passes(path: &Path, test: &Test, payload: &Value) -> bool {
    let mut any = false;
    let mut see = |found: bool| any |= found;
    match test {
        Test::AnyOf(scalars) => {
            path.each(payload, &mut |value| see(scalars.iter().any(|scalar| equal(value, scalar))));
        }
        Test::NoneOf(scalars) => path.each(payload, &mut |value| {
            let scalar = matches!(value, Value::String(_) | Value::Number(_) | Value::Bool(_));
            see(scalar && !scalars.iter().any(|other| equal(value, other)));
        }),
        Test::Range(Range::Number(bounds)) => path.each(payload, &mut |value| {
            see(value.as_number().and_then(Real::of).is_some_and(|number| number.inside(bounds)));
        }),
        Test::Range(Range::Datetime(bounds)) => path.each(payload, &mut |value| {
            see(value.as_str().and_then(datetime::micros).is_some_and(|instant| bounds.holds(instant)));
        }),
        Test::Empty => {
            path.each(payload, &mut |value| see(!value.is_null()));
            return !any;
        }
        Test::Null => path.each(payload, &mut |value| see(value.is_null())),
    }
    any
}

fn equal(value: &Value, scalar: &Scalar) -> bool {
    match (value, scalar) {
        (Value::String(own), Scalar::Keyword(asked)) => own == asked,
        (Value::Bool(own), Scalar::Bool(asked)) => own == asked,
        (Value::Number(own), Scalar::Integer(_) | Scalar::Float(_)) => {
            Real::of(own).is_some_and(|own| own.equals(scalar))
        }
        _ => false,
    }
}

struct Walk<'a> {
    fields: &'a dyn Fields,
    rows: &'a dyn Rows,
    scanned: Vec<String>,
}

/// A test that no index answers.
type Unindexed<'c> = (&'c Path, &'c Test);

impl Walk<'_> {
    /// The rows of `among` (of all rows where it is `None`) that match.
    fn within(&mut self, condition: &Condition, among: Option<&Bitmap>) -> Result<Bitmap> {
        match condition {
            Condition::Tree { must, should, must_not } => self.tree(must, should, must_not, among),
            Condition::HasId(ids) => Ok(narrowed(self.find(ids), among)),
            Condition::Field { path, test } => match self.fields.lookup(path, test)? {
                Some(set) => Ok(narrowed(set, among)),
                None => {
                    let all = self.all(among);
                    self.scan(&all, &[(path, test)], |passed| passed)
                }
            },
        }
    }

    fn tree(
        &mut self,
        must: &[Condition],
        should: &[Condition],
        must_not: &[Condition],
        among: Option<&Bitmap>,
    ) -> Result<Bitmap> {
        let mut left = among.cloned();
        let (mut must_trees, mut must_scans) = (Vec::new(), Vec::new());
        for condition in must {
            match self.answer(condition, &mut must_scans)? {
                Answer::Set(set) => left = Some(narrowed(set, left.as_ref())),
                Answer::Scan => {}
                Answer::Tree => must_trees.push(condition),
            }
        }
        let mut left = self.all(left.as_ref());
        let (mut not_trees, mut not_scans) = (Vec::new(), Vec::new());
        for condition in must_not {
            match self.answer(condition, &mut not_scans)? {
                Answer::Set(set) => left.minus(&set),
                Answer::Scan => {}
                Answer::Tree => not_trees.push(condition),
            }
        }
        for condition in must_trees {
            left = self.within(condition, Some(&left))?;
        }
        for condition in not_trees {
            let out = self.within(condition, Some(&left))?;
            left.minus(&out);
        }
        if !should.is_empty() {
            left = self.any(should, &left)?;
        }
        for test in must_scans {
            left = self.scan(&left, &[test], |passed| passed)?;
        }
        if !not_scans.is_empty() {
            left = self.scan(&left, &not_scans, |passed| !passed)?;
        }
        Ok(left)
    }

    /// The rows of `among` that match at least one.
    fn any(&mut self, conditions: &[Condition], among: &Bitmap) -> Result<Bitmap> {
        let mut matching = Bitmap::new();
        let mut scans = Vec::new();
        for condition in conditions {
            let set = match self.answer(condition, &mut scans)? {
                Answer::Set(set) => narrowed(set, Some(among)),
                Answer::Scan => continue,
                Answer::Tree => self.within(condition, Some(among))?,
            };
            matching.or(&set);
        }
        if !scans.is_empty() {
            let mut open = among.clone();
            open.minus(&matching);
            matching.or(&self.scan(&open, &scans, |passed| passed)?);
        }
        Ok(matching)
    }

    fn answer<'c>(&self, condition: &'c Condition, scans: &mut Vec<Unindexed<'c>>) -> Result<Answer> {
        Ok(match condition {
            Condition::Tree { .. } => Answer::Tree,
            Condition::HasId(ids) => Answer::Set(self.find(ids)),
            Condition::Field { path, test } => match self.fields.lookup(path, test)? {
                Some(set) => Answer::Set(set),
                None => {
                    scans.push((path, test));
                    Answer::Scan
                }
            },
        })
    }

    /// Reads the payloads of `among` and keeps the rows for which `keep` likes whether any of the
    /// tests passed.
    fn scan(&mut self, among: &Bitmap, tests: &[Unindexed<'_>], keep: impl Fn(bool) -> bool) -> Result<Bitmap> {
        for (path, _) in tests {
            if !self.scanned.iter().any(|seen| seen == path.as_str()) {
                self.scanned.push(path.as_str().to_owned());
            }
        }
        let mut kept = Vec::new();
        for row in among.iter() {
            let payload = self.rows.payload(row)?;
            if keep(tests.iter().any(|(path, test)| passes(path, test, &payload))) {
                kept.push(row.0);
            }
        }
        Ok(Bitmap::from_rows(kept))
    }

    fn find(&self, ids: &[PointId]) -> Bitmap {
        let mut rows: Vec<u32> = ids.iter().filter_map(|id| self.rows.find(id)).map(|row| row.0).collect();
        rows.sort_unstable();
        Bitmap::from_rows(rows)
    }

    fn all(&self, among: Option<&Bitmap>) -> Bitmap {
        among.cloned().unwrap_or_else(|| Bitmap::full(self.rows.rows()))
    }
}

enum Answer {
    Set(Bitmap),
    /// Put among the scans.
    Scan,
    Tree,
}

fn narrowed(mut set: Bitmap, among: Option<&Bitmap>) -> Bitmap {
    if let Some(among) = among {
        set.and(among);
    }
    set
}
