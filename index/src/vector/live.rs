//! The vectors of a part in memory: as they were given, scanned exactly, seen at once.

use crate::bitmap::Bitmap;
use crate::params::{Found, Outline, Plan};
use crate::row::{Kept, Row};
use crate::vector::flat;
use crate::vector::nearest::Nearest;
use crate::vector::quant::full::Full;
use crate::vector::spec::VectorSpec;
use std::borrow::Cow;

/// The vectors of one field in one live part. Never changes.
#[derive(Debug)]
pub struct LiveVectors {
    full: Full,
}

impl LiveVectors {
    /// From the rows' vectors, in the order of the rows; `None` for a row that has none.
    pub fn build<'v>(spec: &VectorSpec, rows: impl IntoIterator<Item = Option<&'v [f32]>>) -> Self {
        Self { full: Full::collect(spec, rows) }
    }

    /// From the rows of other live parts that go on.
    pub fn concat(spec: &VectorSpec, parts: &[Kept<'_, Self>]) -> Self {
        let rows = parts.iter().flat_map(|kept| {
            let full = &kept.part.full;
            kept.rows.iter().map(move |row| full.has(*row).then(|| full.values(*row)))
        });
        Self::build(spec, rows)
    }

    /// Bytes in memory.
    pub fn memory_bytes(&self) -> u64 {
        self.full.bytes()
    }
}

impl Nearest for LiveVectors {
    fn outline(&self) -> Outline {
        Outline { rows: self.full.count(), size: self.full.size() as u32, links: 0, calibrated: [(0.0, 0); 4] }
    }

    fn present(&self) -> Option<&Bitmap> {
        self.full.present()
    }

    fn vector(&self, row: Row) -> Option<Cow<'_, [f32]>> {
        self.full.has(row).then(|| Cow::Borrowed(self.full.values(row)))
    }

    fn search(&self, query: &[f32], k: usize, allowed: Option<&Bitmap>, _plan: &Plan) -> Found {
        flat::nearest(&self.full, query, k, allowed)
    }
}
