//! Everything that the rows of a part have at one path, by kind, and what a test finds in it.

use crate::bitmap::{Bitmap, Bits};
use crate::error::{Error, Result};
use crate::filter::condition::{Bounds, Range, Scalar, Test};
use crate::filter::datetime;
use crate::filter::extract::{Seen, mark};
use crate::filter::keyword::{Integers, Keywords};
use crate::filter::number::{Real, float_of, ordered, unordered, whole};
use crate::filter::postings::{Moves, Union};
use crate::filter::rules::KEYWORD_BYTES_MAX;
use crate::layout::{Sections, SectionsWriter};
use crate::row::Row;
use bytes::Bytes;
use std::io;
use std::ops::Range as Run;
use std::sync::OnceLock;

/// Five runs of values, each sorted.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    keywords: Keywords,
    integers: Integers<i64>,
    /// Integers beyond 64 signed bits.
    naturals: Integers<u64>,
    /// Floats as integers of the same order.
    floats: Integers<i64>,
    /// What is neither number nor string; see [`mark`].
    marks: Integers<u8>,
    /// (Sealed) the rows that have anything but nulls, as a serialised set.
    filled: Option<Bytes>,
    /// Whether no row has two numbers, once somebody asked.
    single: OnceLock<bool>,
}

/// Values on their way into a column.
#[derive(Debug, Default)]
pub(crate) struct Pairs<'a> {
    keywords: Vec<(&'a [u8], u32)>,
    integers: Vec<(i64, u32)>,
    naturals: Vec<(u64, u32)>,
    floats: Vec<(i64, u32)>,
    marks: Vec<(u8, u32)>,
}

impl<'a> Pairs<'a> {
    /// Adds a value of a row.
    pub(crate) fn push(&mut self, seen: Seen<'a>, row: u32) {
        match seen {
            Seen::Keyword(text) => self.keywords.push((text.as_bytes(), row)),
            Seen::Number(Real::Integer(integer)) => self.integers.push((integer, row)),
            Seen::Number(Real::Natural(natural)) => self.naturals.push((natural, row)),
            Seen::Number(Real::Float(float)) => self.floats.push((ordered(float), row)),
            Seen::Mark(mark) => self.marks.push((mark, row)),
        }
    }

    /// The sorted column.
    pub(crate) fn finish(self) -> Column {
        Column {
            keywords: Keywords::build(self.keywords),
            integers: Integers::build(self.integers),
            naturals: Integers::build(self.naturals),
            floats: Integers::build(self.floats),
            marks: Integers::build(self.marks),
            filled: None,
            single: OnceLock::new(),
        }
    }
}

impl Column {
    /// Columns of one path in several live parts, as one.
    pub(crate) fn merge(parts: &[(&Self, &Moves)]) -> Self {
        macro_rules! merged {
            ($kind:ident, $run:ident) => {
                $kind::merge(&parts.iter().map(|(column, moves)| (&column.$run, *moves)).collect::<Vec<_>>())
            };
        }
        Self {
            keywords: merged!(Keywords, keywords),
            integers: merged!(Integers, integers),
            naturals: merged!(Integers, naturals),
            floats: merged!(Integers, floats),
            marks: merged!(Integers, marks),
            filled: None,
            single: OnceLock::new(),
        }
    }

    /// How many values all rows have together.
    pub(crate) fn entries(&self) -> usize {
        self.keywords.postings.entries()
            + self.integers.postings.entries()
            + self.naturals.postings.entries()
            + self.floats.postings.entries()
            + self.marks.postings.entries()
    }

    /// The rows that pass; `None` where only the payload can tell.
    pub(crate) fn lookup(&self, test: &Test, rows: u32) -> Result<Option<Bitmap>> {
        let mut union = Union::new(rows);
        match test {
            Test::AnyOf(scalars) => {
                if self.needs_long(scalars) {
                    return Ok(None);
                }
                for scalar in scalars {
                    self.gather_equal(scalar, &mut union)?;
                }
            }
            Test::NoneOf(scalars) => {
                if self.needs_long(scalars) {
                    return Ok(None);
                }
                self.gather_other(scalars, &mut union)?;
            }
            Test::Range(Range::Number(bounds)) => self.gather_numbers(bounds, &mut union)?,
            Test::Range(Range::Datetime(bounds)) => self.gather_instants(bounds, &mut union)?,
            Test::Empty => {
                let mut empty = Bitmap::full(rows);
                empty.minus(&self.filled(rows)?);
                return Ok(Some(empty));
            }
            Test::Null => self.marks.gather(mark::NULL, &mut union)?,
            Test::Prefix(_) | Test::Substring(_) | Test::Words(_) if self.marks.has(mark::LONG) => return Ok(None),
            Test::Prefix(prefix) => self.keywords.postings.gather(self.begin_with(prefix), &mut union)?,
            Test::Substring(part) => self.gather_texts(&|text| text.contains(&**part), &mut union)?,
            Test::Words(words) => self.gather_texts(&|text| words.are_in(text), &mut union)?,
            Test::Count(bounds) => match counted(bounds) {
                Counted::None => return self.lookup(&Test::Empty, rows),
                Counted::Some => return self.filled(rows).map(Some),
                Counted::Other => return Ok(None),
            },
            // It takes two columns to tell.
            Test::Geo(_) => return Ok(None),
        }
        union.finish().map(Some)
    }

    /// Rows outside of which none passes a test that [`Self::lookup`] cannot answer; `None`: any may.
    pub(crate) fn candidates(&self, test: &Test, rows: u32) -> Result<Option<Bitmap>> {
        let mut union = Union::new(rows);
        match test {
            Test::Prefix(prefix) => self.keywords.postings.gather(self.begin_with(prefix), &mut union)?,
            Test::Substring(part) => self.gather_texts(&|text| text.contains(&**part), &mut union)?,
            Test::Words(words) => self.gather_texts(&|text| words.are_in(text), &mut union)?,
            Test::AnyOf(_) | Test::NoneOf(_) => return self.filled(rows).map(Some),
            Test::Count(bounds) if !bounds.holds(0) => return self.filled(rows).map(Some),
            Test::Geo(_) => return self.places(rows).map(Some),
            _ => return Ok(None),
        }
        self.marks.gather(mark::LONG, &mut union)?;
        union.finish().map(Some)
    }

    /// The rows that have a place.
    pub(crate) fn places(&self, rows: u32) -> Result<Bitmap> {
        let mut union = Union::new(rows);
        self.marks.gather(mark::PLACE, &mut union)?;
        union.finish()
    }

    /// The strings that begin so.
    fn begin_with(&self, prefix: &str) -> Run<usize> {
        let Some((last, before)) = prefix.as_bytes().split_last() else { return 0..self.keywords.len() };
        // No byte of UTF-8 is the greatest one.
        let behind = [before, &[last.saturating_add(1)]].concat();
        self.keywords.place(prefix.as_bytes())..self.keywords.place(&behind)
    }

    /// Every distinct string is read once.
    fn gather_texts<'a>(&'a self, passes: &dyn Fn(&str) -> bool, union: &mut Union<'a>) -> Result<()> {
        for at in 0..self.keywords.len() {
            if std::str::from_utf8(self.keywords.at(at)).is_ok_and(passes) {
                self.keywords.postings.gather(at..at + 1, union)?;
            }
        }
        Ok(())
    }

    /// Whether no row has two different numbers here.
    pub(crate) fn single(&self, rows: u32) -> Result<bool> {
        if let Some(single) = self.single.get() {
            return Ok(*single);
        }
        let mut seen = Bits::none(rows);
        let mut single = true;
        self.each_number(f64::NEG_INFINITY, f64::INFINITY, rows, |_, row| {
            single &= !seen.has(Row(row));
            seen.set(Row(row));
        })?;
        Ok(*self.single.get_or_init(|| single))
    }

    /// Every number between two, both inside, with every row that has it.
    pub(crate) fn each_number(&self, low: f64, high: f64, rows: u32, mut see: impl FnMut(f64, u32)) -> Result<()> {
        let bounds = Bounds { gte: Some(low), lte: Some(high), ..Bounds::default() };
        let (below, above) = (|real: Real| !real.above(&bounds), |real: Real| !real.below(&bounds));
        let whole = Real::Integer;
        self.integers.each_range(
            |own| below(whole(own)),
            |own| above(whole(own)),
            rows,
            |own, row| see(own as f64, row),
        )?;
        let natural = Real::Natural;
        self.naturals.each_range(
            |own| below(natural(own)),
            |own| above(natural(own)),
            rows,
            |own, row| see(own as f64, row),
        )?;
        let float = |own| Real::Float(unordered(own));
        self.floats.each_range(
            |own| below(float(own)),
            |own| above(float(own)),
            rows,
            |own, row| see(unordered(own), row),
        )
    }

    /// Every string, number and bool with every row that has it; false where a string was too long to be kept.
    pub(crate) fn each_scalar(&self, rows: u32, see: &mut dyn FnMut(Seen<'_>, Row)) -> Result<bool> {
        if self.marks.has(mark::LONG) {
            return Ok(false);
        }
        let mut broken = None;
        self.keywords.postings.each(0..self.keywords.len(), rows, |at, row| {
            match std::str::from_utf8(self.keywords.at(at)) {
                Ok(text) => see(Seen::Keyword(text), Row(row)),
                Err(_) => broken = Some(at),
            }
        })?;
        if let Some(at) = broken {
            return Err(Error::corrupt("keywords", at as u64, "a string is not UTF-8"));
        }
        let number = |real| Seen::Number(real);
        self.integers.each_range(|_| false, |_| false, rows, |own, row| see(number(Real::Integer(own)), Row(row)))?;
        self.naturals.each_range(|_| false, |_| false, rows, |own, row| see(number(Real::Natural(own)), Row(row)))?;
        let float = |own| number(Real::Float(unordered(own)));
        self.floats.each_range(|_| false, |_| false, rows, |own, row| see(float(own), Row(row)))?;
        // The two marks of bools follow one another.
        let (below, above) = (|own| own < mark::FALSE, |own| own > mark::TRUE);
        self.marks.each_range(below, above, rows, |own, row| see(Seen::Mark(own), Row(row)))?;
        Ok(true)
    }

    /// Whether a scalar may equal a string that was too long to be indexed.
    fn needs_long(&self, scalars: &[Scalar]) -> bool {
        let long = |scalar: &Scalar| matches!(scalar, Scalar::Keyword(text) if text.len() > KEYWORD_BYTES_MAX);
        scalars.iter().any(long) && self.marks.has(mark::LONG)
    }

    fn gather_equal<'a>(&'a self, scalar: &Scalar, union: &mut Union<'a>) -> Result<()> {
        match scalar {
            Scalar::Keyword(text) => match self.keywords.find(text.as_bytes()) {
                Some(at) => self.keywords.postings.gather(at..at + 1, union),
                None => Ok(()),
            },
            Scalar::Bool(flag) => self.marks.gather(truth(*flag), union),
            Scalar::Integer(integer) => {
                self.integers.gather(*integer, union)?;
                float_of(*integer).map_or(Ok(()), |float| self.floats.gather(ordered(float), union))
            }
            Scalar::Float(float) if float.is_nan() => Ok(()),
            Scalar::Float(float) => {
                let (integer, natural) = whole(*float);
                self.floats.gather(ordered(*float), union)?;
                integer.map_or(Ok(()), |integer| self.integers.gather(integer, union))?;
                natural.map_or(Ok(()), |natural| self.naturals.gather(natural, union))
            }
        }
    }

    /// The rows with a scalar that is none of these.
    fn gather_other<'a>(&'a self, scalars: &[Scalar], union: &mut Union<'a>) -> Result<()> {
        let (mut keywords, mut integers, mut naturals, mut floats) = (vec![], vec![], vec![], vec![]);
        let mut marks: Vec<usize> =
            [mark::NULL, mark::OBJECT, mark::PLACE].iter().filter_map(|mark| self.marks.find(*mark)).collect();
        for scalar in scalars {
            match scalar {
                Scalar::Keyword(text) => keywords.extend(self.keywords.find(text.as_bytes())),
                Scalar::Bool(flag) => marks.extend(self.marks.find(truth(*flag))),
                Scalar::Integer(integer) => {
                    integers.extend(self.integers.find(*integer));
                    floats.extend(float_of(*integer).and_then(|float| self.floats.find(ordered(float))));
                }
                Scalar::Float(float) if float.is_nan() => {}
                Scalar::Float(float) => {
                    let (integer, natural) = whole(*float);
                    floats.extend(self.floats.find(ordered(*float)));
                    integers.extend(integer.and_then(|integer| self.integers.find(integer)));
                    naturals.extend(natural.and_then(|natural| self.naturals.find(natural)));
                }
            }
        }
        for places in [&mut keywords, &mut integers, &mut naturals, &mut floats, &mut marks] {
            places.sort_unstable();
            places.dedup();
        }
        self.keywords.postings.gather_but(&keywords, union)?;
        self.integers.postings.gather_but(&integers, union)?;
        self.naturals.postings.gather_but(&naturals, union)?;
        self.floats.postings.gather_but(&floats, union)?;
        self.marks.postings.gather_but(&marks, union)
    }

    fn gather_numbers<'a>(&'a self, bounds: &Bounds<f64>, union: &mut Union<'a>) -> Result<()> {
        // "Not above the lower end" also catches an end that is NaN: nothing is in such a range.
        let below = |real: Real| !real.above(bounds);
        let above = |real: Real| !real.below(bounds);
        self.integers.gather_range(|own| below(Real::Integer(own)), |own| above(Real::Integer(own)), union)?;
        self.naturals.gather_range(|own| below(Real::Natural(own)), |own| above(Real::Natural(own)), union)?;
        let float = |own| Real::Float(unordered(own));
        self.floats.gather_range(|own| below(float(own)), |own| above(float(own)), union)
    }

    /// Every distinct string is read as an instant: those that begin with a digit, the others are none.
    fn gather_instants<'a>(&'a self, bounds: &Bounds<i64>, union: &mut Union<'a>) -> Result<()> {
        let mut run = None;
        for at in self.keywords.place(b"0")..self.keywords.place(b":") {
            let instant = std::str::from_utf8(self.keywords.at(at)).ok().and_then(datetime::micros);
            if !instant.is_some_and(|instant| bounds.holds(instant)) {
                continue;
            }
            // Strings of one form sort as their instants do, so what holds mostly stands together.
            run = match run {
                Some((from, to)) if to == at => Some((from, at + 1)),
                Some((from, to)) => {
                    self.keywords.postings.gather(from..to, union)?;
                    Some((at, at + 1))
                }
                None => Some((at, at + 1)),
            };
        }
        run.map_or(Ok(()), |(from, to)| self.keywords.postings.gather(from..to, union))
    }

    /// The rows that have anything but nulls.
    fn filled(&self, rows: u32) -> Result<Bitmap> {
        if let Some(bytes) = &self.filled {
            return Bitmap::from_bytes(bytes, rows);
        }
        let mut union = Union::new(rows);
        self.keywords.postings.gather_but(&[], &mut union)?;
        self.integers.postings.gather_but(&[], &mut union)?;
        self.naturals.postings.gather_but(&[], &mut union)?;
        self.floats.postings.gather_but(&[], &mut union)?;
        let null: Vec<usize> = self.marks.find(mark::NULL).into_iter().collect();
        self.marks.postings.gather_but(&null, &mut union)?;
        union.finish()
    }

    /// Lays the column down as sections that begin with `name`. `filled` was taken of live rows, so
    /// it can only fail where the column's own rows are wrong.
    pub(crate) fn seal(&self, name: &str, rows: u32, out: &mut SectionsWriter<Vec<u8>>) -> Result<io::Result<()>> {
        let filled = self.filled(rows)?.to_bytes();
        Ok(out.put(&format!("{name}.filled"), &filled).and_then(|()| {
            self.keywords.seal(&format!("{name}.keywords"), rows, out)?;
            self.integers.seal(&format!("{name}.integers"), rows, out)?;
            self.naturals.seal(&format!("{name}.naturals"), rows, out)?;
            self.floats.seal(&format!("{name}.floats"), rows, out)?;
            self.marks.seal(&format!("{name}.marks"), rows, out)
        }))
    }

    /// Reads a column in place.
    pub(crate) fn open(name: &str, sections: &Sections) -> Result<Self> {
        Ok(Self {
            keywords: Keywords::open(&format!("{name}.keywords"), sections)?,
            integers: Integers::open(&format!("{name}.integers"), sections)?,
            naturals: Integers::open(&format!("{name}.naturals"), sections)?,
            floats: Integers::open(&format!("{name}.floats"), sections)?,
            marks: Integers::open(&format!("{name}.marks"), sections)?,
            filled: Some(sections.bytes(&format!("{name}.filled"))?),
            single: OnceLock::new(),
        })
    }

    /// Bytes in memory.
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.keywords.memory_bytes()
            + self.integers.memory_bytes()
            + self.naturals.memory_bytes()
            + self.floats.memory_bytes()
            + self.marks.memory_bytes()
    }
}

/// What a range of counts comes to.
enum Counted {
    /// No value.
    None,
    /// Any value at all.
    Some,
    /// Something that only counting can tell.
    Other,
}

fn counted(bounds: &Bounds<u64>) -> Counted {
    match (bounds.holds(0), bounds.holds(1), bounds.lt.is_none() && bounds.lte.is_none()) {
        (true, false, _) => Counted::None,
        (false, true, true) => Counted::Some,
        _ => Counted::Other,
    }
}

fn truth(flag: bool) -> u8 {
    if flag { mark::TRUE } else { mark::FALSE }
}
