//! What a collection holds, and how it is.

use crate::memory::MemoryStatus;
use crate::vectors::{MultiField, SparseField};
use std::time::Duration;

/// How two vectors are compared.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub enum Metric {
    /// The cosine of their angle; bigger is better.
    #[default]
    Cosine,
    /// Their dot product; bigger is better.
    Dot,
    /// Their distance; smaller is better.
    Euclid,
    /// The sum of their differences; smaller is better.
    Manhattan,
}

impl std::str::FromStr for Metric {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "cosine" => Ok(Self::Cosine),
            "dot" => Ok(Self::Dot),
            "euclid" => Ok(Self::Euclid),
            "manhattan" => Ok(Self::Manhattan),
            _ => Err(format!("`{text}` is no metric: cosine, dot, euclid or manhattan")),
        }
    }
}

/// What a collection holds; fixed when it is created.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct CollectionSpec {
    /// Its vector fields.
    pub vectors: Vec<VectorField>,
    /// Its fields of sparse vectors.
    pub sparse: Vec<SparseField>,
    /// Its fields with several vectors a point.
    pub multi: Vec<MultiField>,
    /// Its text fields.
    pub texts: Vec<TextField>,
    /// Whether scalar payload fields are left without an index.
    pub no_auto_index: bool,
}

impl CollectionSpec {
    /// A collection of nothing but payloads.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a vector field.
    pub fn vector(mut self, name: impl Into<String>, size: u32, metric: Metric) -> Self {
        self.vectors.push(VectorField { name: name.into(), size, metric, hnsw: None, ivf: None });
        self
    }

    /// Adds a vector field that is searched by inverted lists instead of a graph.
    pub fn vector_in_lists(mut self, name: impl Into<String>, size: u32, metric: Metric, ivf: Ivf) -> Self {
        self.vectors.push(VectorField { name: name.into(), size, metric, hnsw: None, ivf: Some(ivf) });
        self
    }

    /// Adds a field of sparse vectors; with `Idf::Live` the numbers of a query count the more the rarer their indices are.
    pub fn sparse(mut self, name: impl Into<String>, idf: Idf) -> Self {
        self.sparse.push(SparseField { name: name.into(), idf: idf == Idf::Live });
        self
    }

    /// Adds a field with several vectors a point.
    pub fn multi(mut self, name: impl Into<String>, size: u32, metric: Metric) -> Self {
        self.multi.push(MultiField { name: name.into(), size, metric });
        self
    }

    /// Adds a text field over the payload path of the same name.
    pub fn text(self, name: impl Into<String>, analyzer: impl Into<String>) -> Self {
        self.text_over(name, analyzer, Vec::<String>::new())
    }

    /// Adds a text field over these payload paths, read as one text in this order.
    pub fn text_over<S: Into<String>>(
        mut self,
        name: impl Into<String>,
        analyzer: impl Into<String>,
        paths: impl IntoIterator<Item = S>,
    ) -> Self {
        let paths = paths.into_iter().map(Into::into).collect();
        self.texts.push(TextField { name: name.into(), paths, analyzer: analyzer.into(), k1: None, b: None });
        self
    }
}

/// Whether the numbers of a sparse query are weighed by the rarity of their indices.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub enum Idf {
    /// They are taken as they are.
    #[default]
    Off,
    /// By what is rare in everything that is searched, at the time of the query.
    Live,
}

/// A named vector field.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct VectorField {
    /// Its name.
    pub name: String,
    /// Numbers in a vector.
    pub size: u32,
    /// How its vectors are compared.
    pub metric: Metric,
    /// How its graph is built; the server's defaults where it is left out.
    pub hnsw: Option<Hnsw>,
    /// Inverted lists instead of the graph.
    pub ivf: Option<Ivf>,
}

/// How a graph is built; 0 is the default.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub struct Hnsw {
    /// Links of a node.
    pub m: u32,
    /// Width of the search that builds the graph.
    pub ef_construct: u32,
}

/// Inverted lists: built fast, small in memory, for vectors that stay on disk; 0 and an empty code are the
/// defaults. Not for [`Metric::Manhattan`].
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Ivf {
    /// Lists of a segment.
    pub lists: u32,
    /// What a list holds of a vector: `pq4`, `pq8`, `bits1`, `bits2`, `bits4` or `bits8`.
    pub code: String,
    /// Vectors that are compared in full, for each hit asked for.
    pub rerank: u32,
}

/// A named text field.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct TextField {
    /// Its name.
    pub name: String,
    /// The payload paths it reads; empty: its name is the path.
    pub paths: Vec<String>,
    /// "standard" or a language.
    pub analyzer: String,
    /// BM25's k1.
    pub k1: Option<f32>,
    /// BM25's b.
    pub b: Option<f32>,
}

/// A collection that is thought of.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub struct Load {
    /// Its points.
    pub points: u64,
    /// Bytes of a payload, in the mean.
    pub payload_bytes: u64,
    /// How many of them are text that a text field reads.
    pub text_bytes: u64,
}

/// What such a collection would take on the server's machine.
#[derive(Copy, Clone, PartialEq, Debug)]
pub struct Estimate {
    /// Bytes of memory that are held when all is indexed.
    pub memory_bytes: u64,
    /// The most that are held while it is loaded at full speed.
    pub memory_peak_bytes: u64,
    /// Bytes of files that are mapped and not held.
    pub mapped_bytes: u64,
    /// Bytes on disk when all is indexed.
    pub disk_bytes: u64,
    /// The most on disk.
    pub disk_peak_bytes: u64,
    /// Building, on all cores of the server's machine.
    pub build: std::time::Duration,
    /// The same, counted for one core.
    pub build_cpu: std::time::Duration,
}

/// A collection in a list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CollectionSummary {
    /// Its name.
    pub name: String,
    /// "open", "opening" or "quarantined".
    pub state: String,
    /// Why it is quarantined, or how far its opening is.
    pub reason: String,
}

/// What a collection holds and how it is.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Description {
    /// What it holds.
    pub spec: CollectionSpec,
    /// How it is.
    pub status: CollectionStatus,
}

/// How a collection is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CollectionStatus {
    /// "open", "opening" or "quarantined".
    pub state: String,
    /// Points that are there.
    pub points: u64,
    /// The newest sequence number that is applied.
    pub seq: u64,
    /// The newest sequence number that is on disk.
    pub durable_seq: u64,
    /// Its segments.
    pub segments: Vec<SegmentStatus>,
    /// Rows not yet in a segment.
    pub live_rows: u64,
    /// Their memory.
    pub live_bytes: u64,
    /// What it takes on disk.
    pub disk_bytes: u64,
    /// "idle", "sealing" or "merging".
    pub upkeep: String,
    /// Why writes are refused, where they are.
    pub refuses_writes: String,
    /// Resident memory.
    pub resident_bytes: u64,
    /// Where the log is archived: the last operation that is in the archive.
    pub archived_seq: Option<u64>,
    /// Whether the archive has a gap, so that a backup is needed.
    pub archive_gap: bool,
    /// What upkeep does, in detail.
    pub tasks: Vec<UpkeepTask>,
    /// What upkeep could not do when it tried last, and why; empty where nothing failed.
    pub upkeep_failed: String,
    /// What the next merge waits for: memory; empty where it does not wait.
    pub upkeep_waits: String,
    /// The memory of the whole server.
    pub memory: MemoryStatus,
}

/// A seal or a merge that runs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UpkeepTask {
    /// "sealing" or "merging".
    pub what: String,
    /// Why it was begun.
    pub reason: String,
    /// Rows that it lays down.
    pub rows: u64,
    /// The files that are being made.
    pub stage: String,
    /// Files that are made.
    pub files_done: u64,
    /// Files that it makes.
    pub files: u64,
    /// For how long it has run.
    pub running: Duration,
}

/// A segment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SegmentStatus {
    /// Its number.
    pub number: u64,
    /// Its rows, the dead ones too.
    pub rows: u64,
    /// Rows that are deleted.
    pub dead_rows: u64,
    /// What it takes on disk.
    pub bytes: u64,
}
