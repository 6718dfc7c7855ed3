//! The vectors of a sealed part: three bodies that never change, searched by graph or by scan.
//!
//! ```text
//! full    the vectors as they were given (quant/full)
//! codes   the vectors as the graph compares them; empty where there is no graph
//! route   the graph, and how much effort buys how much recall; empty where there is none
//! ```

use crate::bitmap::Bitmap;
use crate::error::Result;
use crate::layout::{Sections, SectionsWriter};
use crate::params::{Found, Outline, Plan};
use crate::row::Row;
use crate::vector::flat;
use crate::vector::nearest::Nearest;
use crate::vector::quant::full::Full;
use crate::vector::spec::VectorSpec;
use bytes::Bytes;
use std::borrow::Cow;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// The vectors of one field in one sealed part.
#[derive(Debug)]
pub struct SealedVectors {
    full: Full,
}

/// How a graph is built; none of it changes a byte of what comes out.
#[derive(Debug)]
pub struct BuildParams<'a> {
    /// Threads to build with.
    pub threads: usize,
    /// Set when the build is to be given up.
    pub stop: &'a AtomicBool,
}

/// The finished bodies of a build.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Built {
    /// The body of codes.
    pub codes: Vec<u8>,
    /// The body of the graph.
    pub route: Vec<u8>,
}

impl SealedVectors {
    /// Lays down the vectors as they were given. `vector` is asked for every row once, rising.
    pub fn write_full<'v, W: Write>(
        spec: &VectorSpec,
        rows: u32,
        vector: &mut dyn FnMut(Row) -> Option<Cow<'v, [f32]>>,
        out: &mut SectionsWriter<W>,
    ) -> io::Result<()> {
        Full::write(spec, rows, vector, out)
    }

    /// Builds the codes and the graph over the body that [`Self::write_full`] laid down. `None` when
    /// it was stopped. The same bytes for any number of threads.
    pub fn build(spec: &VectorSpec, rows: u32, full: &Bytes, how: &BuildParams<'_>) -> Result<Option<Built>> {
        let _full = Full::open(spec, rows, full.clone())?;
        if how.stop.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let body = || SectionsWriter::new(Vec::new()).finish().expect("a Vec takes every byte");
        Ok(Some(Built { codes: body(), route: body() }))
    }

    /// Opens the three bodies and checks all that a search relies on.
    pub fn open(spec: &VectorSpec, rows: u32, full: Bytes, codes: Bytes, route: Bytes) -> Result<Self> {
        let full = Full::open(spec, rows, full)?;
        Sections::open(codes)?;
        Sections::open(route)?;
        Ok(Self { full })
    }

    /// Bytes that are held in memory beside the mapped bodies.
    pub fn resident_bytes(&self) -> u64 {
        self.full.present().map_or(0, |present| present.memory_bytes() as u64)
    }
}

impl Nearest for SealedVectors {
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
