//! Several vectors a row, as one for each word of a text: a row is as near as the sum, over the vectors of the query, of
//! the nearest of its own (Khattab & Zaharia 2020, "ColBERT", section 3.3: MaxSim).
//!
//! ```text
//! multi.totals   u64 version, rows, vectors
//! multi.present  roaring bitmap    the rows that have vectors; only where some have none
//! multi.offsets  u64 x (rows + 1)  where the vectors of each row begin; the last is where they end
//! head ...       the vectors of all rows, one after another: see `quant/full`
//! ```
//!
//! A search compares with every matching row. As a second stage, the rows that a first one found are the matching ones.

use crate::bitmap::Bitmap;
use crate::error::{Error, Result};
use crate::layout::{Array, Sections, SectionsWriter};
use crate::params::{Found, Route, Work};
use crate::row::{Hit, Kept, Row, TopK};
use crate::selection::Selection;
use crate::vector::metric::Metric;
use crate::vector::quant::full::{Full, Query};
use crate::vector::spec::VectorSpec;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::io::{self, Write};

const VERSION: u64 = 1;

/// A search asks whether to go on after so many comparisons, or a row more: some milliseconds.
const ASKED_EVERY: u64 = 1 << 16;

/// A row has at most this many vectors.
pub const VECTORS_MAX: usize = 16_384;
/// The vectors of a row have at most this many numbers together.
pub const NUMBERS_MAX: usize = 1 << 22;

/// A field with several vectors a row.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MultiSpec {
    /// Numbers in each vector.
    pub size: u32,
    /// How near two of them are.
    pub metric: Metric,
}

/// The vectors of one row: one after another, all of one size.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct MultiVector {
    /// The numbers of all.
    pub values: Vec<f32>,
    /// How many vectors they are.
    pub count: u32,
}

impl MultiVector {
    /// From vectors of one size.
    pub fn of<V: AsRef<[f32]>>(vectors: impl IntoIterator<Item = V>) -> Self {
        let mut multi = Self::default();
        for vector in vectors {
            multi.values.extend_from_slice(vector.as_ref());
            multi.count += 1;
        }
        multi
    }

    /// The vectors, of so many numbers each.
    pub fn vectors(&self, size: u32) -> impl Iterator<Item = &[f32]> {
        self.values.chunks_exact(size.max(1) as usize)
    }
}

impl MultiSpec {
    /// Whether the spec can be served; `field` names it in the error.
    pub fn validate(&self, field: &str) -> Result<()> {
        self.each().validate(field)
    }

    /// Whether vectors fit: at least one, their size, and every number finite.
    pub fn check(&self, field: &str, multi: &MultiVector) -> Result<()> {
        let (count, numbers) = (multi.count as usize, multi.values.len());
        let named = || format!("vectors.{field}");
        if count == 0 || count > VECTORS_MAX || numbers > NUMBERS_MAX {
            let limit = format!("field `{field}` holds 1 to {VECTORS_MAX} of them, of {NUMBERS_MAX} numbers together");
            return Err(Error::invalid(named(), format!("{count} vectors of {numbers} numbers"), limit));
        }
        if numbers != count.saturating_mul(self.size as usize) {
            let limit = format!("each vector of field `{field}` has {} numbers", self.size);
            return Err(Error::invalid(named(), format!("{numbers} numbers for {count} vectors"), limit));
        }
        match multi.values.iter().position(|value| !value.is_finite()) {
            None => Ok(()),
            Some(at) => Err(Error::invalid(format!("{}[{at}]", named()), multi.values[at], "every number is finite")),
        }
    }

    fn each(&self) -> VectorSpec {
        VectorSpec::new(self.size, self.metric)
    }
}

/// The vectors of one field in one part, several a row. Never changes.
#[derive(Debug)]
pub struct MultiVectors {
    rows: u32,
    present: Option<Bitmap>,
    offsets: Array<u64>,
    full: Full,
}

/// Says a row's vectors; it may be asked for more than once.
pub type Multis<'a> = dyn FnMut(Row) -> Option<MultiVector> + 'a;

impl MultiVectors {
    /// In memory.
    pub fn build(spec: &MultiSpec, rows: u32, vectors: &mut Multis<'_>) -> Self {
        let mut out = SectionsWriter::new(Vec::new());
        let body = Self::write(spec, rows, vectors, &mut out).and_then(|()| out.finish());
        let body = body.expect("writing into memory does not fail");
        Self::open(spec, rows, body.into()).expect("what was laid down is whole")
    }

    /// In memory, from the rows of other parts that go on; a part without the field has no vectors.
    pub fn concat(spec: &MultiSpec, parts: &[Kept<'_, Option<Self>>]) -> Self {
        let kept = parts.iter().flat_map(|kept| kept.rows.iter().map(move |row| (kept.part.as_ref(), *row)));
        let kept: Vec<(Option<&Self>, Row)> = kept.collect();
        Self::build(spec, kept.len() as u32, &mut |row| {
            let (part, row) = kept[row.at()];
            part?.vectors(row)
        })
    }

    /// Lays vectors down. `vectors` is asked for the rows in rising order, three times.
    pub fn write<W: Write>(
        spec: &MultiSpec,
        rows: u32,
        vectors: &mut Multis<'_>,
        out: &mut SectionsWriter<W>,
    ) -> io::Result<()> {
        let (mut present, mut offsets) = (Bitmap::new(), vec![0u64]);
        for row in (0..rows).map(Row) {
            let multi = vectors(row);
            if multi.is_some() {
                present.insert(row);
            }
            offsets.push(offsets[row.at()] + multi.map_or(0, |multi| u64::from(multi.count)));
        }
        let count = offsets[rows as usize];
        let all = u32::try_from(count).map_err(|_| {
            io::Error::new(io::ErrorKind::InvalidInput, format!("{count} vectors are more than a part holds"))
        })?;
        out.put("multi.totals", &[VERSION, u64::from(rows), count])?;
        if present.len() < u64::from(rows) {
            out.put("multi.present", &present.to_bytes())?;
        }
        out.put("multi.offsets", &offsets)?;
        // The row that was asked for last, whose other vectors are asked for next.
        let mut last: (u32, MultiVector) = (u32::MAX, MultiVector::default());
        let size = spec.size as usize;
        let mut one = |at: Row| {
            let row = offsets.partition_point(|offset| *offset <= u64::from(at.0)) as u32 - 1;
            if last.0 != row {
                last = (row, vectors(Row(row)).unwrap_or_default());
            }
            let from = (u64::from(at.0) - offsets[row as usize]) as usize * size;
            Some(Cow::Owned(last.1.values.get(from..from + size)?.to_vec()))
        };
        Full::write(&spec.each(), all, &mut one, out)
    }

    /// Reads a body in place.
    pub fn open(spec: &MultiSpec, rows: u32, body: Bytes) -> Result<Self> {
        let sections = Sections::open(body.clone())?;
        let totals = sections.array_of::<u64>("multi.totals", 3)?;
        let count = u32::try_from(totals[2]).ok();
        let Some(count) = count.filter(|_| totals[..2] == [VERSION, u64::from(rows)]) else {
            let why = format!("version, rows and vectors are {:?}, not {VERSION}, {rows} and below 2^32", &*totals);
            return Err(Error::corrupt("multi.totals", 0, why));
        };
        let present = match sections.has("multi.present") {
            true => Some(Bitmap::from_bytes(&sections.bytes("multi.present")?, rows)?),
            false => None,
        };
        let offsets: Array<u64> = sections.array_of("multi.offsets", rows as usize + 1)?;
        let whole = offsets.first() == Some(&0) && offsets.last() == Some(&u64::from(count));
        if !whole || !offsets.is_sorted() {
            return Err(Error::corrupt("multi.offsets", 0, "do not rise from 0 to the number of vectors"));
        }
        Ok(Self { rows, present, offsets, full: Full::open(&spec.each(), count, body)? })
    }

    /// The rows that have vectors; `None` where every row has.
    pub fn present(&self) -> Option<&Bitmap> {
        self.present.as_ref()
    }

    /// Vectors of all rows.
    pub fn count(&self) -> u64 {
        // The table ends with their number: seen to at open.
        self.offsets.last().copied().unwrap_or_default()
    }

    /// Bytes in memory, where it stands there.
    pub fn memory_bytes(&self) -> u64 {
        let present = self.present.as_ref().map_or(0, Bitmap::memory_bytes);
        self.full.bytes() + (size_of::<Self>() + present + self.offsets.len() * size_of::<u64>()) as u64
    }

    /// A row's vectors as they were written.
    pub fn vectors(&self, row: Row) -> Option<MultiVector> {
        let has = row.0 < self.rows && self.present.as_ref().is_none_or(|present| present.has(row));
        has.then(|| MultiVector::of(self.places(row).map(|at| self.full.vector(Row(at)))))
    }

    fn places(&self, row: Row) -> std::ops::Range<u32> {
        // Both ends are at most the number of vectors, which fits u32: seen to at open.
        self.offsets[row.at()] as u32..self.offsets[row.at() + 1] as u32
    }

    /// The `k` nearest rows of `allowed` (of all rows where it is `None`); the caller has taken dead rows out of it. The
    /// query's vectors have the field's size. `go_on` is asked now and then: where it says no, what was found until then is
    /// given back.
    pub fn search(
        &self,
        query: &MultiVector,
        k: usize,
        allowed: Option<&Selection>,
        go_on: &dyn Fn() -> bool,
    ) -> Found {
        let size = self.full.size() as u32;
        let queries: Vec<Query<'_>> = query.vectors(size).map(Query::new).collect();
        let (mut top, mut work, mut ask_at) = (TopK::new(k), Work::default(), ASKED_EVERY);
        let mut see = |row: Row| {
            let places = self.places(row);
            work.distances_full += places.len() as u64 * queries.len() as u64;
            if let Some(score) = self.score(&queries, places) {
                top.offer(Hit { row, score });
            }
            if work.distances_full < ask_at {
                return true;
            }
            ask_at = work.distances_full + ASKED_EVERY;
            go_on()
        };
        match allowed {
            Some(rows) => rows.rows().iter().take_while(|row| row.0 < self.rows).all(&mut see),
            None => (0..self.rows).map(Row).all(&mut see),
        };
        if k == 0 || work.distances_full == 0 {
            return Found { work, ..Found::nothing() };
        }
        Found { hits: top.into_sorted(), route: Route::Exact, effort: 0, work }
    }

    /// How near one row is to these vectors, which have the field's size; `None` where it has none.
    pub fn similarity(&self, query: &MultiVector, row: Row) -> Option<f32> {
        let queries: Vec<Query<'_>> = query.vectors(self.full.size() as u32).map(Query::new).collect();
        if row.0 < self.rows { self.score(&queries, self.places(row)) } else { None }
    }

    fn score(&self, queries: &[Query<'_>], places: std::ops::Range<u32>) -> Option<f32> {
        if places.is_empty() {
            return None;
        }
        let nearest = |query: &Query<'_>| {
            let scores = places.clone().map(|at| self.full.score(*query, Row(at)));
            f64::from(scores.fold(f32::NEG_INFINITY, f32::max))
        };
        Some(queries.iter().map(nearest).sum::<f64>() as f32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const METRICS: [Metric; 4] = [Metric::Cosine, Metric::Dot, Metric::Euclid, Metric::Manhattan];

    fn multi(size: usize) -> impl Strategy<Value = MultiVector> {
        let vector = prop::collection::vec((-20i32..20).prop_map(|n| n as f32 / 4.0), size);
        prop::collection::vec(vector, 1..6).prop_map(MultiVector::of)
    }

    fn near(metric: Metric, a: &[f32], b: &[f32]) -> f64 {
        let pairs = || a.iter().zip(b).map(|(a, b)| (f64::from(*a), f64::from(*b)));
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
        match metric {
            Metric::Dot => dot(a, b),
            Metric::Cosine => match (dot(a, a) * dot(b, b)).sqrt() {
                0.0 => 0.0,
                lengths => dot(a, b) / lengths,
            },
            Metric::Euclid => -pairs().map(|(a, b)| (a - b).powi(2)).sum::<f64>(),
            Metric::Manhattan => -pairs().map(|(a, b)| (a - b).abs()).sum::<f64>(),
        }
    }

    proptest! {
        #[test]
        fn a_search_finds_what_a_scan_finds(
            rows in prop::collection::vec(prop::option::weighted(0.8, multi(3)), 0..40),
            query in multi(3),
            metric in 0usize..4,
            k in 0usize..12,
            every in 1u32..4,
        ) {
            let spec = MultiSpec { size: 3, metric: METRICS[metric] };
            let part = MultiVectors::build(&spec, rows.len() as u32, &mut |row| rows[row.at()].clone());
            for (at, row) in rows.iter().enumerate() {
                prop_assert_eq!(&part.vectors(Row(at as u32)), row);
            }
            let of = rows.len() as u32;
            let allowed = Selection::new(Bitmap::from_rows((0..of).filter(|row| row.is_multiple_of(every))), of);
            let score = |row: &MultiVector| -> f64 {
                let best = |asked: &[f32]| {
                    row.vectors(3).map(|own| near(spec.metric, asked, own)).fold(f64::NEG_INFINITY, f64::max)
                };
                query.vectors(3).map(best).sum()
            };
            let alive = rows.iter().enumerate().filter(|(at, _)| (*at as u32).is_multiple_of(every));
            let mut expected: Vec<f64> = alive.filter_map(|(_, row)| Some(score(row.as_ref()?))).collect();
            expected.sort_by(|a, b| b.total_cmp(a));
            let found = part.search(&query, k, Some(&allowed), &|| true);
            prop_assert_eq!(found.hits.len(), k.min(expected.len()));
            for (hit, best) in found.hits.iter().zip(expected) {
                prop_assert!((f64::from(hit.score) - best).abs() < 1e-3, "{:?} {}", hit, best);
                let own = score(rows[hit.row.at()].as_ref().unwrap());
                prop_assert!((f64::from(hit.score) - own).abs() < 1e-3, "{:?} {}", hit, own);
            }
        }

        #[test]
        fn no_damage_panics(
            rows in prop::collection::vec(prop::option::weighted(0.8, multi(2)), 1..20),
            at: prop::sample::Index,
            bit in 0u32..8,
        ) {
            let spec = MultiSpec { size: 2, metric: Metric::Cosine };
            let mut out = SectionsWriter::new(Vec::new());
            MultiVectors::write(&spec, rows.len() as u32, &mut |row| rows[row.at()].clone(), &mut out).unwrap();
            let mut body = out.finish().unwrap();
            let at = at.index(body.len());
            body[at] ^= 1 << bit;
            if let Ok(part) = MultiVectors::open(&spec, rows.len() as u32, body.into()) {
                part.search(&MultiVector::of([[1.0, 2.0]]), 3, None, &|| true);
                (0..rows.len() as u32).for_each(|row| drop(part.vectors(Row(row))));
            }
        }
    }

    #[test]
    fn parts_come_together() {
        let spec = MultiSpec { size: 1, metric: Metric::Dot };
        let rows = [Some(MultiVector::of([[1.0], [2.0]])), None, Some(MultiVector::of([[3.0]]))];
        let part = Some(MultiVectors::build(&spec, 3, &mut |row| rows[row.at()].clone()));
        let none = None;
        let kept = [
            Kept { part: &none, rows: &[Row(0)] },
            Kept { part: &part, rows: &[Row(1), Row(2)] },
            Kept { part: &part, rows: &[Row(0)] },
        ];
        let whole = MultiVectors::concat(&spec, &kept);
        assert_eq!(whole.present().map(Bitmap::len), Some(2));
        assert_eq!(
            [whole.vectors(Row(1)), whole.vectors(Row(2)), whole.vectors(Row(3))],
            [None, rows[2].clone(), rows[0].clone()]
        );
        let found = whole.search(&MultiVector::of([[1.0], [-1.0]]), 5, None, &|| true);
        assert_eq!(found.hits, [Hit { row: Row(3), score: 1.0 }, Hit { row: Row(2), score: 0.0 }]);
        assert_eq!(found.work.distances_full, 6);
        let similar = |row| whole.similarity(&MultiVector::of([[1.0], [-1.0]]), Row(row));
        assert_eq!([similar(0), similar(2), similar(3), similar(4)], [None, Some(0.0), Some(1.0), None]);
    }

    #[test]
    fn a_search_ends_where_it_is_told_to() {
        let spec = MultiSpec { size: 1, metric: Metric::Dot };
        let row = MultiVector::of([[1.0]; 64]);
        let part = MultiVectors::build(&spec, 4096, &mut |_| Some(row.clone()));
        let query = MultiVector::of([[1.0]; 64]);
        let asked = std::cell::Cell::new(0);
        let found = part.search(&query, 3, None, &|| {
            asked.set(asked.get() + 1);
            asked.get() < 5
        });
        assert_eq!(asked.get(), 5);
        assert!(found.work.distances_full < 6 * (ASKED_EVERY + 64 * 64), "{}", found.work.distances_full);
        assert!(part.search(&query, 3, None, &|| true).work.distances_full == 4096 * 64 * 64);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let spec = MultiSpec { size: 2, metric: Metric::Dot };
        let check = |values: &[f32], count| spec.check("m", &MultiVector { values: values.to_vec(), count });
        assert!(check(&[1.0, 2.0, 3.0, 4.0], 2).is_ok());
        let err = check(&[1.0, 2.0, 3.0], 2).unwrap_err().to_string();
        assert_eq!(err, "vectors.m is 3 numbers for 2 vectors; each vector of field `m` has 2 numbers");
        assert!(check(&[], 0).is_err() && check(&[1.0, f32::NAN], 1).is_err());
    }
}
