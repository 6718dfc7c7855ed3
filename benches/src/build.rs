//! An index built, written to files, mapped and opened as a server does it, with what that cost.

use crate::clock::{Took, Whose, timed};
use crate::data::Set;
use crate::error::Result;
use bytes::Bytes;
use nigh_index::layout::SectionsWriter;
use nigh_index::params::Route;
use nigh_index::vector::nearest::Nearest;
use nigh_index::vector::sealed::{BuildParams, SealedVectors};
use nigh_index::vector::spec::{HnswSpec, IvfCode, IvfSpec, VectorSpec};
use nigh_storage::disk::{Disk, FsDisk};
use nigh_tests::process::resident_bytes;
use serde::Serialize;
use std::borrow::Cow;
use std::fmt;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use xxhash_rust::xxh3::xxh3_64;

/// What can be chosen about a build.
#[derive(Clone, Debug, clap::Args)]
pub struct Choice {
    /// Links of a node; twice as many on the base level.
    #[arg(long, default_value_t = HnswSpec::default().m)]
    pub m: u32,
    /// Width of the search that builds the graph.
    #[arg(long, default_value_t = HnswSpec::default().ef_construct)]
    pub ef_construct: u32,
    /// Inverted lists with this code instead of a graph.
    #[arg(long)]
    pub code: Option<String>,
    /// How many lists; 0 is what suits the rows.
    #[arg(long, default_value_t = 0)]
    pub lists: u32,
    /// Vectors of the lists that are compared in full, for each hit asked for; 0 is what suits the code.
    #[arg(long, default_value_t = 0)]
    pub rerank: u32,
}

impl Default for Choice {
    fn default() -> Self {
        let HnswSpec { m, ef_construct } = HnswSpec::default();
        Self { m, ef_construct, code: None, lists: 0, rerank: 0 }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { m, ef_construct, code, lists, rerank } = self;
        match code {
            None => write!(f, "m {m}, ef_construct {ef_construct}"),
            Some(code) => write!(f, "lists {lists}, code {code}, rerank {rerank}"),
        }
    }
}

impl Choice {
    /// The field's spec.
    pub fn spec(&self, set: &Set) -> Result<VectorSpec> {
        let mut spec = VectorSpec::new(set.base.width() as u32, set.metric);
        (spec.hnsw.m, spec.hnsw.ef_construct) = (self.m, self.ef_construct);
        if let Some(name) = &self.code {
            let code = IvfCode::parse(name).ok_or_else(|| format!("no code is called {name}"))?;
            spec.ivf = Some(IvfSpec { lists: self.lists, code, rerank: self.rerank });
        }
        Ok(spec)
    }

    /// The route whose effort is swept.
    pub fn route(&self) -> Route {
        if self.code.is_some() { Route::Ivf } else { Route::Graph }
    }
}

/// What an index cost to build and costs to keep.
#[derive(Clone, Debug, Serialize)]
pub struct Cost {
    /// Threads that built it.
    pub threads: usize,
    /// To build it.
    pub seconds: f64,
    /// To build it, on all processors.
    pub cpu_seconds: f64,
    /// To open it.
    pub open_seconds: f64,
    /// xxh3 of what was built.
    pub hash: String,
    /// The full vectors on disk, a vector.
    pub full_bytes: f64,
    /// The codes on disk, a vector.
    pub codes_bytes: f64,
    /// The route on disk, a vector.
    pub route_bytes: f64,
    /// Memory that an open index says it holds beside its mapped files, a vector.
    pub resident_bytes: f64,
    /// What the process grew by on opening it, files not counted, a vector.
    pub grown_bytes: f64,
}

/// An open index and its cost. It lives as long as its files.
#[derive(Debug)]
pub struct Index {
    /// What is searched.
    pub sealed: SealedVectors,
    /// What it cost.
    pub cost: Cost,
    spec: VectorSpec,
    bodies: [Bytes; 3],
    _folder: tempfile::TempDir,
}

impl Index {
    /// Builds over a set with so many threads.
    pub fn build(set: &Set, choice: &Choice, threads: usize) -> Result<Self> {
        let (rows, stop, spec) = (set.base.rows() as u32, AtomicBool::new(false), choice.spec(set)?);
        let folder = tempfile::tempdir()?;
        let mut out = SectionsWriter::new(Vec::new());
        let vector = |row: nigh_index::row::Row| Some(Cow::Borrowed(set.base.row(row.at())));
        SealedVectors::write_full(&spec, rows, &mut { vector }, &mut out)?;
        let full = mapped(folder.path(), "full", out.finish()?)?;
        let how = BuildParams::new(threads, &stop);
        let (built, took) = timed(Whose::Process, || SealedVectors::build(&spec, rows, &full, &how));
        let built = built?.ok_or("nobody stopped the build")?;
        let hash = format!("{:016x}", xxh3_64(&built.codes) ^ xxh3_64(&built.route).rotate_left(1));
        let per_row = |bytes: usize| bytes as f64 / f64::from(rows);
        let (full_bytes, codes_bytes, route_bytes) =
            (per_row(full.len()), per_row(built.codes.len()), per_row(built.route.len()));
        let codes = mapped(folder.path(), "codes", built.codes)?;
        let route = mapped(folder.path(), "route", built.route)?;
        let me = std::process::id();
        let before = resident_bytes(me).anonymous;
        let bodies = [full, codes, route];
        let (sealed, opening) = timed(Whose::Thread, || open(&spec, rows, &bodies));
        let sealed = sealed?;
        let grown = resident_bytes(me).anonymous.saturating_sub(before);
        let Took { seconds, cpu_seconds } = took;
        let cost = Cost {
            threads,
            seconds,
            cpu_seconds,
            open_seconds: opening.seconds,
            hash,
            full_bytes,
            codes_bytes,
            route_bytes,
            resident_bytes: sealed.resident_bytes() as f64 / f64::from(rows),
            grown_bytes: grown as f64 / f64::from(rows),
        };
        Ok(Self { sealed, cost, spec, bodies, _folder: folder })
    }

    /// The same index, comparing so many vectors in full for each hit asked for.
    pub fn reranking(&self, rerank: u32) -> Result<SealedVectors> {
        let mut spec = self.spec.clone();
        if let Some(ivf) = &mut spec.ivf {
            ivf.rerank = rerank;
        }
        open(&spec, self.sealed.outline().rows as u32, &self.bodies)
    }
}

fn open(spec: &VectorSpec, rows: u32, [full, codes, route]: &[Bytes; 3]) -> Result<SealedVectors> {
    Ok(SealedVectors::open(spec, rows, full.clone(), codes.clone(), route.clone())?)
}

fn mapped(folder: &Path, name: &str, bytes: Vec<u8>) -> Result<Bytes> {
    let path = folder.join(name);
    std::fs::write(&path, bytes)?;
    Ok(FsDisk.map(&path)?)
}
