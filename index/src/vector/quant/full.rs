//! Vectors as they were given, bit by bit, with what the metric needs beside them.
//!
//! ```text
//! head     rows u32 | size u32 | metric u32 | kind u32
//! values   rows x size numbers    zeros where a row has no vector
//! inverse  rows x f32             one over the length; only for cosine
//! present  roaring bitmap         the rows that have a vector; only where some have none
//! ```
//!
//! A number takes as few bytes as hold every one of the part exactly: one where all are whole and from 0 to 255, two where
//! all are half-precision floats, else four. What is read is what was given, to the bit.

use crate::bitmap::Bitmap;
use crate::error::{Error, Result};
use crate::layout::{Array, Body, Guard, Number, Sections, SectionsWriter};
use crate::row::Row;
use crate::vector::kernel;
use crate::vector::metric::Metric;
use crate::vector::spec::VectorSpec;
use bytes::Bytes;
use half::f16;
use half::slice::{HalfBitsSliceExt, HalfFloatSliceExt};
use std::borrow::Cow;
use std::cell::RefCell;
use std::io::{self, Write};

/// The vectors of one field in one part.
#[derive(Debug)]
pub(in crate::vector) struct Full {
    metric: Metric,
    size: usize,
    rows: u32,
    values: Values,
    /// Where the values were not read yet.
    guard: Option<Guard>,
    inverse: Option<Array<f32>>,
    present: Option<Bitmap>,
}

/// The numbers of all vectors, one after another.
#[derive(Debug)]
enum Values {
    Floats(Array<f32>),
    Halves(Array<u16>),
    Bytes(Array<u8>),
}

impl Values {
    fn number_bytes(&self) -> usize {
        match self {
            Self::Floats(_) => size_of::<f32>(),
            Self::Halves(_) => size_of::<u16>(),
            Self::Bytes(_) => 1,
        }
    }
}

/// How many bytes a number takes.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
enum Kind {
    Floats,
    Halves,
    Bytes,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Floats, Self::Halves, Self::Bytes];

    /// The least that holds every number.
    fn of<'v>(rows: u32, vector: &mut dyn FnMut(Row) -> Option<Cow<'v, [f32]>>) -> Self {
        let (mut halves, mut bytes) = (true, true);
        for row in (0..rows).map(Row) {
            let Some(vector) = vector(row) else { continue };
            bytes = bytes && vector.iter().all(|value| f32::from(*value as u8).to_bits() == value.to_bits());
            halves = halves && vector.iter().all(|value| f16::from_f32(*value).to_f32().to_bits() == value.to_bits());
            if !halves && !bytes {
                return Self::Floats;
            }
        }
        if bytes { Self::Bytes } else { Self::Halves }
    }
}

thread_local! {
    /// A narrow vector made wide, to be compared.
    static WIDE: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// A query with what its metric needs beside it.
#[derive(Copy, Clone, Debug)]
pub(in crate::vector) struct Query<'q> {
    /// The numbers as they were given.
    pub(in crate::vector) values: &'q [f32],
    /// One over its length.
    pub(in crate::vector) inverse: f32,
}

impl<'q> Query<'q> {
    /// A query of any metric.
    pub(in crate::vector) fn new(values: &'q [f32]) -> Self {
        Self { values, inverse: kernel::inverse_norm(values) }
    }
}

impl Full {
    /// From vectors in memory; a row without one is `None`.
    pub(in crate::vector) fn collect<'v>(spec: &VectorSpec, rows: impl IntoIterator<Item = Option<&'v [f32]>>) -> Self {
        let size = spec.size as usize;
        let (mut values, mut inverse, mut missing, mut count) = (Vec::new(), Vec::new(), false, 0u32);
        let mut present = Bitmap::new();
        for vector in rows {
            match vector {
                Some(vector) => {
                    debug_assert_eq!(vector.len(), size, "a vector was checked when it came in");
                    let end = values.len() + size;
                    values.extend_from_slice(&vector[..size.min(vector.len())]);
                    values.resize(end, 0.0);
                    present.insert(Row(count));
                }
                None => {
                    values.resize(values.len() + size, 0.0);
                    missing = true;
                }
            }
            if spec.metric == Metric::Cosine {
                inverse.push(vector.map_or(0.0, kernel::inverse_norm));
            }
            count += 1;
        }
        values.shrink_to_fit();
        Self {
            metric: spec.metric,
            size,
            rows: count,
            values: Values::Floats(values.into()),
            guard: None,
            inverse: (spec.metric == Metric::Cosine).then(|| inverse.into()),
            present: missing.then_some(present),
        }
    }

    /// Lays vectors down one after another; only a few bytes a row are held in memory. `vector` is asked for the rows in
    /// rising order, twice.
    pub(in crate::vector) fn write<'v, W: Write>(
        spec: &VectorSpec,
        rows: u32,
        vector: &mut dyn FnMut(Row) -> Option<Cow<'v, [f32]>>,
        out: &mut SectionsWriter<W>,
    ) -> io::Result<()> {
        let kind = Kind::of(rows, vector);
        let zeros = vec![0f32; spec.size as usize];
        let (mut inverse, mut present) = (Vec::new(), Bitmap::new());
        let (mut halves, mut bytes) = (Vec::<u16>::new(), Vec::<u8>::new());
        out.put("head", &[rows, spec.size, metric_code(spec.metric), kind as u32])?;
        out.begin("values")?;
        for row in (0..rows).map(Row) {
            let vector = vector(row);
            if let Some(vector) = &vector {
                if vector.len() != zeros.len() {
                    let why = format!("row {} has {} numbers, not {}", row.0, vector.len(), zeros.len());
                    return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
                }
                present.insert(row);
            }
            let values = vector.as_deref().unwrap_or(&zeros);
            if spec.metric == Metric::Cosine {
                inverse.push(kernel::inverse_norm(values));
            }
            match kind {
                Kind::Floats => out.extend(values)?,
                Kind::Halves => {
                    halves.clear();
                    halves.extend(values.iter().map(|value| f16::from_f32(*value).to_bits()));
                    out.extend(&halves)?;
                }
                Kind::Bytes => {
                    bytes.clear();
                    bytes.extend(values.iter().map(|value| *value as u8));
                    out.extend(&bytes)?;
                }
            }
        }
        if spec.metric == Metric::Cosine {
            out.put("inverse", &inverse)?;
        }
        if present.len() < u64::from(rows) {
            out.put("present", &present.to_bytes())?;
        }
        Ok(())
    }

    /// Reads what [`Self::write`] laid down; the values themselves only when they are asked for.
    pub(in crate::vector) fn open(spec: &VectorSpec, rows: u32, body: impl Into<Body>) -> Result<Self> {
        let sections = Sections::of(body.into())?;
        let head = sections.array_of::<u32>("head", 4)?;
        let wanted = [rows, spec.size, metric_code(spec.metric)];
        let kind = Kind::ALL.into_iter().find(|kind| *kind as u32 == head[3]);
        let Some(kind) = kind.filter(|_| head[..3] == wanted) else {
            let why = format!("rows, size, metric and kind are {:?}, not {wanted:?} and below 3", &*head);
            return Err(Error::corrupt("head", 0, why));
        };
        let numbers = (rows as usize)
            .checked_mul(spec.size as usize)
            .ok_or_else(|| Error::corrupt("head", 0, "more values than memory"))?;
        let inverse = match spec.metric {
            Metric::Cosine => Some(sections.array_of("inverse", rows as usize)?),
            _ => None,
        };
        let present = match sections.has("present") {
            true => Some(Bitmap::from_bytes(&sections.bytes("present")?, rows)?),
            false => None,
        };
        let (values, guard) = sections.unread("values")?;
        Ok(Self {
            metric: spec.metric,
            size: spec.size as usize,
            rows,
            values: match kind {
                Kind::Floats => Values::Floats(array_of(values, numbers)?),
                Kind::Halves => Values::Halves(array_of(values, numbers)?),
                Kind::Bytes => Values::Bytes(array_of(values, numbers)?),
            },
            guard,
            inverse,
            present,
        })
    }

    /// Numbers in a vector.
    pub(in crate::vector) fn size(&self) -> usize {
        self.size
    }

    /// Rows of the part.
    pub(in crate::vector) fn rows(&self) -> u32 {
        self.rows
    }

    /// The rows that have a vector; `None` where every row has one.
    pub(in crate::vector) fn present(&self) -> Option<&Bitmap> {
        self.present.as_ref()
    }

    /// How many rows have a vector.
    pub(in crate::vector) fn count(&self) -> u64 {
        self.present.as_ref().map_or(u64::from(self.rows), Bitmap::len)
    }

    /// Whether the row is there and has a vector.
    pub(in crate::vector) fn has(&self, row: Row) -> bool {
        row.0 < self.rows && self.present.as_ref().is_none_or(|present| present.has(row))
    }

    /// A row's vector; zeros where it has none.
    pub(in crate::vector) fn vector(&self, row: Row) -> Cow<'_, [f32]> {
        match &self.values {
            Values::Floats(values) => Cow::Borrowed(&values[self.touched(row)]),
            _ => {
                let mut wide = vec![0f32; self.size];
                self.read(row, &mut wide);
                Cow::Owned(wide)
            }
        }
    }

    /// Copies a row's vector into `out`, which has its size; zeros where it has none.
    pub(in crate::vector) fn read(&self, row: Row, out: &mut [f32]) {
        let span = self.touched(row);
        match &self.values {
            Values::Floats(values) => out.copy_from_slice(&values[span]),
            Values::Halves(values) => values[span].reinterpret_cast::<f16>().convert_to_f32_slice(out),
            Values::Bytes(values) => kernel::widen(&values[span], out),
        }
    }

    /// Asks for a row's vector.
    #[inline]
    pub(in crate::vector) fn prefetch(&self, row: Row) {
        let span = self.span(row);
        match &self.values {
            Values::Floats(values) => kernel::prefetch(&values[span]),
            Values::Halves(values) => kernel::prefetch(&values[span]),
            Values::Bytes(values) => kernel::prefetch(&values[span]),
        }
        if let Some(inverse) = &self.inverse {
            kernel::prefetch(&inverse[row.at()..=row.at()]);
        }
    }

    fn span(&self, row: Row) -> std::ops::Range<usize> {
        row.at() * self.size..(row.at() + 1) * self.size
    }

    /// The place of a row's vector, which was checked before.
    #[inline]
    fn touched(&self, row: Row) -> std::ops::Range<usize> {
        let span = self.span(row);
        if let Some(guard) = &self.guard {
            let bytes = self.values.number_bytes();
            // Whoever asked looks for damage when all is done.
            guard.touch(span.start * bytes..span.end * bytes);
        }
        span
    }

    /// The length of a row's vector.
    pub(in crate::vector) fn length(&self, row: Row) -> f32 {
        self.with(row, |values| kernel::squares(values).sqrt())
    }

    /// Lends a row's vector.
    #[inline]
    fn with<T>(&self, row: Row, work: impl FnOnce(&[f32]) -> T) -> T {
        if let Values::Floats(values) = &self.values {
            return work(&values[self.touched(row)]);
        }
        WIDE.with_borrow_mut(|wide| {
            wide.resize(self.size, 0.0);
            self.read(row, wide);
            work(wide)
        })
    }

    /// One over a row's length; 1 where the metric does not ask for it.
    #[inline]
    pub(in crate::vector) fn inverse(&self, row: Row) -> f32 {
        self.inverse.as_ref().map_or(1.0, |inverse| inverse[row.at()])
    }

    /// How near a row is; bigger is better. Never NaN: what overflows is the worst there is.
    #[inline]
    pub(in crate::vector) fn score(&self, query: Query<'_>, row: Row) -> f32 {
        // A narrow vector is compared as the floats that it stands for: the score does not depend on how it is kept.
        let alike = self.alike_narrow(query, row).unwrap_or_else(|| {
            self.with(row, |values| match self.metric {
                Metric::Cosine | Metric::Dot => kernel::dot(query.values, values),
                Metric::Euclid => kernel::euclid_squared(query.values, values),
                Metric::Manhattan => kernel::manhattan(query.values, values),
            })
        });
        let score = match self.metric {
            Metric::Cosine => alike * self.inverse(row) * query.inverse,
            Metric::Dot => alike,
            Metric::Euclid | Metric::Manhattan => -alike,
        };
        if score.is_nan() { f32::NEG_INFINITY } else { score }
    }

    /// The product or the distance, of a narrow vector as it is kept; `None` where it has to be made wide first.
    #[inline]
    fn alike_narrow(&self, query: Query<'_>, row: Row) -> Option<f32> {
        let products = match self.metric {
            Metric::Cosine | Metric::Dot => true,
            Metric::Euclid => false,
            Metric::Manhattan => return None,
        };
        match &self.values {
            Values::Floats(_) => None,
            Values::Halves(values) if products => kernel::dot_halves(query.values, &values[self.touched(row)]),
            Values::Halves(values) => kernel::euclid_squared_halves(query.values, &values[self.touched(row)]),
            Values::Bytes(values) if products => kernel::dot_bytes(query.values, &values[self.touched(row)]),
            Values::Bytes(values) => kernel::euclid_squared_bytes(query.values, &values[self.touched(row)]),
        }
    }

    /// Bytes that this holds, in memory or mapped.
    pub(in crate::vector) fn bytes(&self) -> u64 {
        let values = match &self.values {
            Values::Floats(values) => size_of_val(&**values),
            Values::Halves(values) => size_of_val(&**values),
            Values::Bytes(values) => size_of_val(&**values),
        };
        let inverse = self.inverse.as_ref().map_or(0, |inverse| inverse.len());
        (values + inverse * size_of::<f32>() + self.present.as_ref().map_or(0, Bitmap::memory_bytes)) as u64
    }
}

fn array_of<T: Number>(bytes: Bytes, len: usize) -> Result<Array<T>> {
    let array = Array::new(bytes).map_err(|why| Error::corrupt("values", 0, why))?;
    match array.len() == len {
        true => Ok(array),
        false => Err(Error::corrupt("values", 0, format!("holds {} values, not {len}", array.len()))),
    }
}

fn metric_code(metric: Metric) -> u32 {
    match metric {
        Metric::Cosine => 0,
        Metric::Dot => 1,
        Metric::Euclid => 2,
        Metric::Manhattan => 3,
    }
}
