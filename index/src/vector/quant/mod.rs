//! How a vector is stored: as it was given, and as a code of few bits.

pub(super) mod absolute;
pub(super) mod draft;
pub(super) mod full;
pub(super) mod lvq;
pub(super) mod pq;
pub(super) mod projected;
pub(super) mod rotated;
mod rotation;
pub(super) mod signs;

use crate::error::Result;
use crate::layout::{Sections, SectionsWriter};
use crate::vector::kernel::Block;
use crate::vector::kernel::packed::Width;
use crate::vector::metric::Metric;
use absolute::Absolute;
use draft::Drafts;
use full::{Full, Query};
use projected::Projected;
use std::io;

/// The codes of a part, as its metric asks for them.
#[derive(Debug)]
pub(super) enum Codes {
    /// Records of projections, for squared distances.
    Projected(Box<Projected>),
    /// Codes of all numbers, for sums of absolute differences.
    Absolute(Absolute),
}

/// Some codes once more, side by side.
#[derive(Debug)]
pub(super) struct Leading {
    bytes: Block,
    all: Vec<u32>,
}

/// A query as codes are compared with it.
#[derive(Clone, Debug, Default)]
pub(super) struct Coded {
    projected: projected::Coded,
    absolute: absolute::Coded,
}

impl Leading {
    fn of(bytes: Block, count: usize) -> Self {
        Self { bytes, all: (0..count as u32).collect() }
    }

    /// How many.
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// Bytes held in memory.
    pub(super) fn memory_bytes(&self) -> u64 {
        (self.bytes.len() + size_of_val(&self.all[..])) as u64
    }
}

impl Codes {
    /// Encodes rows in the given order, as others that they come from where those suit them; with what the build of a graph
    /// compares.
    pub(super) fn encode(full: &Full, metric: Metric, order: &[u32], like: Option<&Self>) -> (Self, Drafts) {
        match metric {
            Metric::Manhattan => {
                let (codes, drafts) = Absolute::encode(full, order);
                (Self::Absolute(codes), drafts)
            }
            _ => {
                let like = like.and_then(|like| if let Self::Projected(like) = like { Some(&**like) } else { None });
                let (codes, drafts) = Projected::encode(full, metric, order, like);
                (Self::Projected(Box::new(codes)), drafts)
            }
        }
    }

    /// The body in row order, for a part of so many rows.
    pub(super) fn to_body(&self, order: &[u32], rows: u32) -> Vec<u8> {
        // Room for the records and what stands beside them: a body that doubles as it grows would take twice as much.
        let most = self.memory_bytes() as usize + 8 * rows as usize + (1 << 20);
        let mut out = SectionsWriter::new(Vec::with_capacity(most));
        let written: io::Result<()> = match self {
            Self::Projected(codes) => codes.write(order, rows, &mut out),
            Self::Absolute(codes) => codes.write(order, rows, &mut out),
        };
        written.and_then(|()| out.finish()).expect("a Vec takes every byte")
    }

    /// Reads a body.
    pub(super) fn open(metric: Metric, size: u32, rows: u32, sections: &Sections) -> Result<Self> {
        Ok(match metric {
            Metric::Manhattan => Self::Absolute(Absolute::open(size, rows, sections)?),
            _ => Self::Projected(Box::new(Projected::open(metric, size, rows, sections)?)),
        })
    }

    /// Bytes held in memory of our own.
    pub(super) fn memory_bytes(&self) -> u64 {
        match self {
            Self::Projected(codes) => codes.memory_bytes(),
            Self::Absolute(codes) => codes.memory_bytes(),
        }
    }

    /// A query as codes are compared with it; `exactly` where bounds are asked for. Whether they, or estimates, hold.
    pub(super) fn encode_query(&self, query: Query<'_>, exactly: bool, coded: &mut Coded) -> bool {
        match self {
            Self::Projected(codes) => {
                codes.encode_query(query, exactly, &mut coded.projected);
                coded.projected.is_sound()
            }
            Self::Absolute(codes) => {
                codes.encode_query(query, &mut coded.absolute);
                coded.absolute.is_sound()
            }
        }
    }

    /// The estimated distances of a list of the part's rows; smaller is nearer, some may be below 0.
    #[inline]
    pub(super) fn distances(&self, query: &mut Coded, rows: &[u32], out: &mut Vec<f32>) {
        match self {
            Self::Projected(codes) => codes.distances(&query.projected, rows, out),
            Self::Absolute(codes) => codes.distances(&mut query.absolute, rows, out),
        }
    }

    /// Bytes of what rough estimates look at; 0 where there are none.
    pub(super) fn gist_bytes(&self) -> u32 {
        match self {
            Self::Projected(codes) => codes.gist_bytes(),
            Self::Absolute(_) => 0,
        }
    }

    /// Roughly estimated distances of a list of the part's rows, for a fraction of the time; `false` where there are none.
    #[inline]
    pub(super) fn rough_distances(&self, query: &mut Coded, rows: &[u32], out: &mut Vec<f32>) -> bool {
        match self {
            Self::Projected(codes) => codes.rough_distances(&mut query.projected, rows, out),
            Self::Absolute(_) => false,
        }
    }

    /// The standard deviation of rough estimates of a distance.
    pub(super) fn rough_deviation(&self, query: &Coded, distance: f32) -> f32 {
        match self {
            Self::Projected(codes) => codes.rough_deviation(&query.projected, distance),
            Self::Absolute(_) => 0.0,
        }
    }

    /// Asks for the code of a row.
    #[inline]
    pub(super) fn prefetch(&self, rows: &[u32]) {
        match self {
            Self::Projected(codes) => codes.prefetch(rows),
            Self::Absolute(codes) => codes.prefetch(rows),
        }
    }

    /// Copies the codes of some rows.
    pub(super) fn leading(&self, rows: &[u32]) -> Leading {
        let code = |row: u32| match self {
            Self::Projected(codes) => codes.record(row),
            Self::Absolute(codes) => codes.code(row),
        };
        let bytes: Vec<u8> = rows.iter().flat_map(|row| code(*row)).copied().collect();
        Leading::of(Block::copy_of(&bytes), rows.len())
    }

    /// Whether a mean of vectors has a record as they have: of 4 bits a number, of which scans take a rough look.
    pub(super) fn have_means(&self) -> bool {
        matches!(self, Self::Projected(codes) if codes.width() == Width::Four)
    }

    /// The record of a mean of drafts, and of the squares of their lengths; nothing unless [`Self::have_means`].
    pub(super) fn record_of_mean(&self, mean: &[f32], norm: f32) -> Vec<u8> {
        match self {
            Self::Projected(codes) => codes.record_of_mean(mean, norm),
            Self::Absolute(_) => Vec::new(),
        }
    }

    /// Whole records, to be compared as rows are; `None` where they are no records.
    pub(super) fn as_leading(&self, records: &[u8]) -> Option<Leading> {
        let Self::Projected(codes) = self else { return None };
        let stride = codes.stride();
        records.len().is_multiple_of(stride).then(|| Leading::of(Block::copy_of(records), records.len() / stride))
    }

    /// The estimated distances of the first `count` of some codes.
    pub(super) fn distances_of_leading(&self, codes: &Leading, query: &mut Coded, count: usize, out: &mut Vec<f32>) {
        let all = &codes.all[..count.min(codes.all.len())];
        match self {
            Self::Projected(of) => of.distances_in(&codes.bytes, &query.projected, all, out),
            Self::Absolute(of) => of.distances_in(&codes.bytes, &mut query.absolute, all, out),
        }
    }

    /// Between what a row's true distance lies, given its estimate. The query was encoded exactly.
    #[inline]
    pub(super) fn bounds(&self, query: &Coded, row: u32, estimate: f32) -> (f32, f32) {
        match self {
            Self::Projected(codes) => codes.bounds(&query.projected, row, estimate),
            Self::Absolute(codes) => codes.bounds(&query.absolute, row, estimate),
        }
    }

    /// The greatest estimate whose lower bound may be within a limit, or a little more.
    pub(super) fn cutoff(&self, query: &Coded, limit: f32) -> f32 {
        match self {
            Self::Projected(codes) => codes.cutoff(&query.projected, limit),
            Self::Absolute(codes) => codes.cutoff(&query.absolute, limit),
        }
    }

    /// The standard deviation of estimates of a distance.
    pub(super) fn deviation(&self, query: &Coded, distance: f32) -> f32 {
        match self {
            Self::Projected(codes) => codes.deviation(&query.projected, distance),
            Self::Absolute(codes) => codes.deviation(&query.absolute),
        }
    }

    /// The distance that goes with a score.
    pub(super) fn distance_of_score(&self, query: Query<'_>, score: f32) -> f32 {
        match self {
            Self::Projected(codes) => codes.distance_of_score(query, score),
            Self::Absolute(_) => -score,
        }
    }
}
