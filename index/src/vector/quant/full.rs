//! Vectors as they were given, bit by bit, with what the metric needs beside them.
//!
//! ```text
//! head     rows u32 | size u32 | metric u32
//! values   rows x size x f32      zeros where a row has no vector
//! inverse  rows x f32             one over the length; only for cosine
//! present  roaring bitmap         the rows that have a vector; only where some have none
//! ```

use crate::bitmap::Bitmap;
use crate::error::{Error, Result};
use crate::layout::{Array, Sections, SectionsWriter};
use crate::row::Row;
use crate::vector::kernel;
use crate::vector::metric::Metric;
use crate::vector::spec::VectorSpec;
use bytes::Bytes;
use std::borrow::Cow;
use std::io::{self, Write};

/// The vectors of one field in one part.
#[derive(Debug)]
pub(in crate::vector) struct Full {
    metric: Metric,
    size: usize,
    rows: u32,
    values: Array<f32>,
    inverse: Option<Array<f32>>,
    present: Option<Bitmap>,
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
            values: values.into(),
            inverse: (spec.metric == Metric::Cosine).then(|| inverse.into()),
            present: missing.then_some(present),
        }
    }

    /// Lays vectors down one after another; only a few bytes a row are held in memory.
    pub(in crate::vector) fn write<'v, W: Write>(
        spec: &VectorSpec,
        rows: u32,
        vector: &mut dyn FnMut(Row) -> Option<Cow<'v, [f32]>>,
        out: &mut SectionsWriter<W>,
    ) -> io::Result<()> {
        let zeros = vec![0f32; spec.size as usize];
        let (mut inverse, mut present) = (Vec::new(), Bitmap::new());
        out.put("head", &[rows, spec.size, metric_code(spec.metric)])?;
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
            out.extend(values)?;
        }
        if spec.metric == Metric::Cosine {
            out.put("inverse", &inverse)?;
        }
        if present.len() < u64::from(rows) {
            out.put("present", &present.to_bytes())?;
        }
        Ok(())
    }

    /// Reads what [`Self::write`] laid down.
    pub(in crate::vector) fn open(spec: &VectorSpec, rows: u32, body: Bytes) -> Result<Self> {
        let sections = Sections::open(body)?;
        let head = sections.array_of::<u32>("head", 3)?;
        let wanted = [rows, spec.size, metric_code(spec.metric)];
        if *head != wanted {
            return Err(Error::corrupt("head", 0, format!("rows, size and metric are {:?}, not {wanted:?}", &*head)));
        }
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
        Ok(Self {
            metric: spec.metric,
            size: spec.size as usize,
            rows,
            values: sections.array_of("values", numbers)?,
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
    #[inline]
    pub(in crate::vector) fn values(&self, row: Row) -> &[f32] {
        &self.values[row.at() * self.size..][..self.size]
    }

    /// One over a row's length; 1 where the metric does not ask for it.
    #[inline]
    pub(in crate::vector) fn inverse(&self, row: Row) -> f32 {
        self.inverse.as_ref().map_or(1.0, |inverse| inverse[row.at()])
    }

    /// How near a row is; bigger is better. Never NaN: what overflows is the worst there is.
    #[inline]
    pub(in crate::vector) fn score(&self, query: Query<'_>, row: Row) -> f32 {
        let values = self.values(row);
        let score = match self.metric {
            Metric::Cosine => kernel::dot(query.values, values) * self.inverse(row) * query.inverse,
            Metric::Dot => kernel::dot(query.values, values),
            Metric::Euclid => -kernel::euclid_squared(query.values, values),
            Metric::Manhattan => -kernel::manhattan(query.values, values),
        };
        if score.is_nan() { f32::NEG_INFINITY } else { score }
    }

    /// Bytes that this holds, in memory or mapped.
    pub(in crate::vector) fn bytes(&self) -> u64 {
        let values = self.values.len() + self.inverse.as_ref().map_or(0, |inverse| inverse.len());
        (values * size_of::<f32>() + self.present.as_ref().map_or(0, Bitmap::memory_bytes)) as u64
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
