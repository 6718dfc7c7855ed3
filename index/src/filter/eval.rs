//! Which rows of a part match: sets where an index can tell, payloads where none can.
//!
//! Within a tree whatever an index answers comes first and narrows the rows; only those that are
//! left are read. [`holds`] says what a condition means, one payload at a time.

use crate::bitmap::Bitmap;
use crate::error::{Error, Result};
use crate::filter::condition::{Condition, Range, Scalar, Test};
use crate::filter::datetime;
use crate::filter::field::{Fields, Rows};
use crate::filter::geo::Place;
use crate::filter::number::Real;
use crate::filter::slice::Slice;
use crate::id::PointId;
use crate::row::Row;
use crate::value::Path;
use serde_json::Value;

/// A filter is at most this many trees deep.
pub const DEPTH_MAX: usize = 32;

/// A filter has at most this many conditions, trees included.
pub const CONDITIONS_MAX: usize = 4096;

/// One condition names at most this many values or ids.
pub const VALUES_MAX: usize = 65_536;

/// Payloads that are read between two questions whether to go on.
const ROWS_A_QUESTION: usize = 256;

/// Ids that are hashed between two such questions: a millisecond or so.
const IDS_A_QUESTION: u32 = 1 << 16;

const SHAPES: &str = "latitudes are -90 to 90, longitudes -180 to 180, a radius is finite and not negative, a box goes from \
    south to north, a ring has at least 3 places";

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
        // A payload tells nothing of vectors: see `Condition::with_vectors`.
        Condition::HasVector(_) => false,
        Condition::Slice(slice) => slice.has(id),
        Condition::AtLeast { count, of } => of.iter().filter(|condition| one(condition)).count() >= *count,
        Condition::Nested { path, condition } => {
            let mut any = false;
            path.each(payload, &mut |value| any |= value.is_object() && holds(condition, id, value));
            any
        }
    }
}

/// Whether the filter is within the limits and its numbers can be compared.
pub fn check(condition: &Condition) -> Result<()> {
    let mut left = CONDITIONS_MAX;
    check_below(condition, 1, &mut left, false)
}

fn check_below(condition: &Condition, depth: usize, left: &mut usize, nested: bool) -> Result<()> {
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
            let mut all = must.iter().chain(should).chain(must_not);
            all.try_for_each(|inner| check_below(inner, depth + 1, left, nested))
        }
        // What is in a payload has no id.
        Condition::HasId(_) if nested => {
            Err(Error::invalid("nested", "has_id", "ids are asked of points, not of objects inside them"))
        }
        Condition::HasVector(_) if nested => {
            Err(Error::invalid("nested", "has_vector", "vectors are asked of points, not of objects inside them"))
        }
        Condition::Slice(_) if nested => {
            Err(Error::invalid("nested", "slice", "slices are of points, not of objects inside them"))
        }
        Condition::HasVector(_) => Ok(()),
        Condition::Slice(slice) => slice.check(),
        Condition::HasId(ids) => values("has_id", ids.len()),
        Condition::AtLeast { of, .. } => of.iter().try_for_each(|inner| check_below(inner, depth + 1, left, nested)),
        Condition::Nested { condition, .. } => check_below(condition, depth + 1, left, true),
        Condition::Field { path, test } => {
            let nan = match test {
                Test::AnyOf(scalars) | Test::NoneOf(scalars) => {
                    values(path.as_str(), scalars.len())?;
                    scalars.iter().any(|scalar| matches!(scalar, Scalar::Float(float) if float.is_nan()))
                }
                Test::Range(Range::Number(bounds)) => {
                    [bounds.gt, bounds.gte, bounds.lt, bounds.lte].into_iter().flatten().any(f64::is_nan)
                }
                Test::Geo(shape) => {
                    values(path.as_str(), shape.places())?;
                    if let Some(got) = shape.mistake() {
                        return Err(Error::invalid(path.as_str(), got, SHAPES));
                    }
                    false
                }
                Test::Words(words) => {
                    values(path.as_str(), words.words().len())?;
                    false
                }
                Test::Range(Range::Datetime(_)) | Test::Empty | Test::Null | Test::Count(_) => false,
                Test::Prefix(_) | Test::Substring(_) => false,
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
        Test::Prefix(prefix) => path.each(payload, &mut |value| {
            see(value.as_str().is_some_and(|text| text.starts_with(prefix)));
        }),
        Test::Substring(part) => path.each(payload, &mut |value| {
            see(value.as_str().is_some_and(|text| text.contains(&**part)));
        }),
        Test::Words(words) => {
            path.each(payload, &mut |value| see(value.as_str().is_some_and(|text| words.are_in(text))))
        }
        Test::Geo(shape) => path.each(payload, &mut |value| {
            see(value.as_object().and_then(Place::of).is_some_and(|place| shape.has(place)));
        }),
        Test::Count(bounds) => {
            let mut count = 0;
            path.each(payload, &mut |value| count += u64::from(!value.is_null()));
            return bounds.holds(count);
        }
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

/// Whether a payload passes what no index answered: a test of a field, or something nested.
fn matches(condition: &Condition, payload: &Value) -> bool {
    // What is scanned asks for no id (see `check`).
    holds(condition, &PointId::Num(0), payload)
}

impl Walk<'_> {
    /// The rows of `among` (of all rows where it is `None`) that match.
    fn within(&mut self, condition: &Condition, among: Option<&Bitmap>) -> Result<Bitmap> {
        self.go_on()?;
        match condition {
            Condition::Tree { must, should, must_not } => self.tree(must, should, must_not, among),
            Condition::AtLeast { count, of } => self.at_least(*count, of, among),
            _ => {
                let mut scans = Vec::new();
                match self.answer(condition, &mut scans)? {
                    Answer::Set(set) => Ok(narrowed(set, among)),
                    _ => {
                        let mut all = self.all(among);
                        self.narrow(condition, &mut all)?;
                        self.scan(&all, &scans, |payload| matches(condition, payload))
                    }
                }
            }
        }
    }

    /// The rows of `among` for which at least so many hold.
    fn at_least(&mut self, count: usize, of: &[Condition], among: Option<&Bitmap>) -> Result<Bitmap> {
        let all = self.all(among);
        if count == 0 || count > of.len() {
            return Ok(if count == 0 { all } else { Bitmap::new() });
        }
        let mut counts = vec![0; self.rows.rows() as usize];
        for condition in of {
            self.within(condition, Some(&all))?.iter().for_each(|row| counts[row.at()] += 1);
        }
        Ok(Bitmap::from_rows((0..self.rows.rows()).filter(|row| counts[*row as usize] >= count)))
    }

    /// Leaves out rows of which an index knows that they cannot pass.
    fn narrow(&self, condition: &Condition, rows: &mut Bitmap) -> Result<()> {
        if let Some(candidates) = self.candidates(condition, None)? {
            rows.and(&candidates);
        }
        Ok(())
    }

    /// Rows outside of which none passes the condition at a path; `None`: any may.
    fn candidates(&self, condition: &Condition, at: Option<&Path>) -> Result<Option<Bitmap>> {
        let below = |path: &Path| at.map_or_else(|| path.clone(), |at| at.join(path));
        match condition {
            // Of several objects another one may have what this one lacks.
            Condition::Field { test: Test::Empty, .. } if at.is_some() => Ok(None),
            Condition::Field { test: Test::Count(_), .. } if at.is_some() => Ok(None),
            Condition::Field { path, test } => {
                let path = below(path);
                match self.fields.lookup(&path, test)? {
                    Some(set) => Ok(Some(set)),
                    None => self.fields.candidates(&path, test),
                }
            }
            Condition::Nested { path, condition } => self.candidates(condition, Some(&below(path))),
            Condition::Tree { must, should, .. } => {
                let mut left: Option<Bitmap> = None;
                for condition in must {
                    if let Some(set) = self.candidates(condition, at)? {
                        left = Some(narrowed(set, left.as_ref()));
                    }
                }
                if left.is_none() && !should.is_empty() {
                    let mut any = Bitmap::new();
                    for condition in should {
                        let Some(set) = self.candidates(condition, at)? else { return Ok(None) };
                        any.or(&set);
                    }
                    left = Some(any);
                }
                Ok(left)
            }
            Condition::HasId(_) | Condition::HasVector(_) | Condition::Slice(_) | Condition::AtLeast { .. } => Ok(None),
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
        let (mut must_trees, mut must_scans) = (Vec::new(), Vec::<&Condition>::new());
        for condition in must {
            match self.answer(condition, &mut must_scans)? {
                Answer::Set(set) => left = Some(narrowed(set, left.as_ref())),
                Answer::Scan => {}
                Answer::Tree => must_trees.push(condition),
            }
            if left.as_ref().is_some_and(Bitmap::is_empty) {
                return Ok(Bitmap::new());
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
        if must_scans.is_empty() && not_scans.is_empty() {
            return Ok(left);
        }
        for condition in &must_scans {
            self.narrow(condition, &mut left)?;
        }
        let named = [&must_scans[..], &not_scans].concat();
        self.scan(&left, &named, |payload| {
            must_scans.iter().all(|condition| matches(condition, payload))
                && !not_scans.iter().any(|condition| matches(condition, payload))
        })
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
            if let [only] = scans[..] {
                self.narrow(only, &mut open)?;
            }
            let some = |payload: &Value| scans.iter().any(|condition| matches(condition, payload));
            matching.or(&self.scan(&open, &scans, some)?);
        }
        Ok(matching)
    }

    fn answer<'c>(&self, condition: &'c Condition, scans: &mut Vec<&'c Condition>) -> Result<Answer> {
        Ok(match condition {
            Condition::Tree { .. } | Condition::AtLeast { .. } => Answer::Tree,
            Condition::Nested { .. } => {
                scans.push(condition);
                Answer::Scan
            }
            Condition::HasId(ids) => Answer::Set(self.find(ids)),
            Condition::HasVector(name) => Answer::Set(self.rows.with_vector(name)),
            Condition::Slice(slice) => Answer::Set(self.sliced(*slice)?),
            Condition::Field { path, test } => match self.fields.lookup(path, test)? {
                Some(set) => Answer::Set(set),
                None => {
                    scans.push(condition);
                    Answer::Scan
                }
            },
        })
    }

    /// Reads the payloads of `among`, once each, and keeps the rows whose payload `keep` likes.
    fn scan(&mut self, among: &Bitmap, asked: &[&Condition], keep: impl Fn(&Value) -> bool) -> Result<Bitmap> {
        if among.is_empty() {
            return Ok(Bitmap::new());
        }
        for condition in asked {
            let (Condition::Field { path, .. } | Condition::Nested { path, .. }) = condition else { continue };
            if !self.scanned.iter().any(|seen| seen == path.as_str()) {
                self.scanned.push(path.as_str().to_owned());
            }
        }
        let mut kept = Vec::new();
        for (at, row) in among.iter().enumerate() {
            if at % ROWS_A_QUESTION == 0 {
                self.go_on()?;
            }
            if keep(&self.rows.payload(row)?) {
                kept.push(row.0);
            }
        }
        Ok(Bitmap::from_rows(kept))
    }

    fn go_on(&self) -> Result<()> {
        if self.rows.go_on() { Ok(()) } else { Err(Error::CalledOff) }
    }

    fn find(&self, ids: &[PointId]) -> Bitmap {
        let mut rows: Vec<u32> = ids.iter().filter_map(|id| self.rows.find(id)).map(|row| row.0).collect();
        rows.sort_unstable();
        Bitmap::from_rows(rows)
    }

    fn sliced(&self, slice: Slice) -> Result<Bitmap> {
        let mut rows = Vec::new();
        for row in 0..self.rows.rows() {
            if row.is_multiple_of(IDS_A_QUESTION) {
                self.go_on()?;
            }
            if slice.has(&self.rows.id(Row(row))) {
                rows.push(row);
            }
        }
        Ok(Bitmap::from_rows(rows))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::live::{Extracted, LiveFields};
    use crate::filter::parse::parse;
    use crate::filter::rules::FieldRules;
    use serde_json::json;
    use std::cell::RefCell;

    /// A part that remembers which payloads were read.
    struct Part {
        payloads: Vec<Value>,
        read: RefCell<Vec<u32>>,
        /// So many payloads are read at the most.
        wanted: usize,
    }

    impl Rows for Part {
        fn rows(&self) -> u32 {
            self.payloads.len() as u32
        }

        fn find(&self, id: &PointId) -> Option<Row> {
            (0..self.rows()).find(|row| *id == PointId::Num(u64::from(*row))).map(Row)
        }

        fn id(&self, row: Row) -> PointId {
            PointId::Num(row.0.into())
        }

        fn payload(&self, row: Row) -> Result<Value> {
            self.read.borrow_mut().push(row.0);
            Ok(self.payloads[row.at()].clone())
        }

        fn go_on(&self) -> bool {
            self.read.borrow().len() < self.wanted
        }
    }

    /// The rows that match, the rows that were read for it, and the paths.
    fn check(text: &str, expected: &[u32], read: &[u32], scanned: &[&str]) {
        let text = text.replace("LONG", &"z".repeat(300));
        let row = |row: u32| json!({"n": row, "even": row.is_multiple_of(2), "text": if row < 6 { "z".repeat(300) } else { "w".repeat(400) }});
        let part = Part { payloads: (0..10).map(row).collect(), read: RefCell::default(), wanted: usize::MAX };
        let rules = FieldRules::default();
        let fields = LiveFields::build(part.payloads.iter().map(|payload| Extracted::of(payload, &rules)), &rules);
        let matched = eval(&parse(&text).unwrap(), &fields, &part).unwrap();
        assert_eq!(matched.rows.iter().map(|row| row.0).collect::<Vec<_>>(), expected, "{text}");
        assert_eq!(*part.read.borrow(), read, "{text}");
        assert_eq!(matched.scanned, scanned, "{text}");
    }

    #[test]
    fn only_rows_that_are_left_are_read() {
        let all: Vec<u32> = (0..10).collect();
        check("text = 'LONG'", &[0, 1, 2, 3, 4, 5], &all, &["text"]);
        check("text = 'short'", &[], &[], &[]);
        check("text = 'LONG' AND n >= 4 AND even = TRUE", &[4], &[4, 6, 8], &["text"]);
        check("n >= 4 AND NOT text = 'LONG' AND NOT even = TRUE", &[7, 9], &[5, 7, 9], &["text"]);
        check("text = 'LONG' OR n > 2", &all, &[0, 1, 2], &["text"]);
        check("text = 'LONG' AND NOT text != 'LONG' AND HAS_ID(2, 7, 70)", &[2], &[2, 7], &["text"]);
        check("text = 'LONG' AND n > 90", &[], &[], &[]);
        check("(text = 'LONG' OR n = 9) AND even = FALSE", &[1, 3, 5, 9], &[1, 3, 5, 7], &["text"]);
    }

    #[test]
    fn who_waits_no_more_is_heard_within_a_part() {
        let payloads = vec![json!({"n": 1}); 40 * ROWS_A_QUESTION];
        let wanted = 3 * ROWS_A_QUESTION;
        let part = Part { payloads, read: RefCell::default(), wanted };
        let rules = FieldRules { auto: false };
        let fields = LiveFields::build(part.payloads.iter().map(|payload| Extracted::of(payload, &rules)), &rules);
        for text in ["n = 1", "n = 1 OR n = 2", "NOT (n = 2 AND n = 3)"] {
            part.read.borrow_mut().clear();
            let outcome = eval(&parse(text).unwrap(), &fields, &part);
            assert!(matches!(outcome, Err(Error::CalledOff)), "{text}: {outcome:?}");
            assert_eq!(part.read.borrow().len(), wanted, "{text}");
        }
    }

    #[test]
    fn limits_are_named() {
        let nested = |depth: usize| (0..depth).fold(Condition::always(), |inner, _| Condition::negated(inner));
        assert!(super::check(&nested(DEPTH_MAX - 1)).is_ok());
        assert!(super::check(&nested(DEPTH_MAX)).unwrap_err().to_string().contains("at most 32 levels"));
        let wide = |count: usize| Condition::any(vec![Condition::always(); count]);
        assert!(super::check(&wide(CONDITIONS_MAX - 1)).is_ok());
        assert!(super::check(&wide(CONDITIONS_MAX)).unwrap_err().to_string().contains("at most 4096 conditions"));
        let ids = Condition::HasId(vec![PointId::Num(1); VALUES_MAX + 1]);
        assert!(super::check(&ids).unwrap_err().to_string().contains("has_id is 65537"));
        let nan = Test::AnyOf(vec![Scalar::Float(f64::NAN)]);
        let nan = super::check(&Condition::field(Path::parse("a.b").unwrap(), nan)).unwrap_err();
        assert!(nan.to_string().starts_with("a.b is NaN"));
    }
}
