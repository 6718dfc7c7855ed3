//! What a list holds of a vector: one of several codes, 32 vectors a block.

use crate::error::{Error, Result};
use crate::layout::{Sections, SectionsWriter};
use crate::vector::quant::pq::{Pq, Residual, Table};
use crate::vector::spec::IvfCode;
use std::io::{self, Write};

/// A code of lists, with what it learned. See [`super`] on how another one plugs in.
#[derive(Debug)]
pub(super) enum ListCode {
    /// Product quantisation of residuals, 4 or 8 bits a part.
    Pq(Pq),
}

/// A query as codes are compared with it.
#[derive(Debug, Default)]
pub(super) struct Prepared {
    pq: Table,
}

impl ListCode {
    /// Residuals that are enough to learn from.
    pub(super) fn sample_rows(kind: IvfCode) -> usize {
        match kind {
            IvfCode::Pq4 => Pq::sample_rows(4),
            IvfCode::Pq8 => Pq::sample_rows(8),
            IvfCode::Bits(_) => 0,
        }
    }

    /// Learns from residuals of `size` numbers.
    pub(super) fn learn(kind: IvfCode, size: usize, residuals: &[f32]) -> Result<Self> {
        match kind {
            IvfCode::Pq4 => Ok(Self::Pq(Pq::learn(4, size, residuals))),
            IvfCode::Pq8 => Ok(Self::Pq(Pq::learn(8, size, residuals))),
            IvfCode::Bits(_) => Err(Error::invalid("ivf.code", kind.name(), "it is pq4 or pq8")),
        }
    }

    /// Lays down what was learned, in sections of its own.
    pub(super) fn write<W: Write>(&self, out: &mut SectionsWriter<W>) -> io::Result<()> {
        match self {
            Self::Pq(pq) => pq.write(out),
        }
    }

    /// Reads what [`Self::write`] laid down.
    pub(super) fn open(kind: IvfCode, size: usize, sections: &Sections) -> Result<Self> {
        match kind {
            IvfCode::Pq4 => Ok(Self::Pq(Pq::open(4, size, sections)?)),
            IvfCode::Pq8 => Ok(Self::Pq(Pq::open(8, size, sections)?)),
            IvfCode::Bits(_) => Err(Error::corrupt("lists", 0, format!("holds codes {}", kind.name()))),
        }
    }

    /// Bytes of one vector's code before it is packed.
    pub(super) fn row_bytes(&self) -> usize {
        match self {
            Self::Pq(pq) => pq.row_bytes(),
        }
    }

    /// Bytes of a block of 32 vectors.
    pub(super) fn block_bytes(&self) -> usize {
        match self {
            Self::Pq(pq) => pq.block_bytes(),
        }
    }

    /// Bytes held in memory beside the blocks.
    pub(super) fn memory_bytes(&self) -> u64 {
        match self {
            Self::Pq(pq) => pq.memory_bytes(),
        }
    }

    /// Encodes one residual into `row_bytes` bytes.
    pub(super) fn encode(&self, residual: Residual<'_>, out: &mut [u8]) {
        match self {
            Self::Pq(pq) => pq.encode(residual, out),
        }
    }

    /// Puts up to 32 encoded vectors into a block.
    pub(super) fn pack(&self, rows: &[u8], block: &mut [u8]) {
        match self {
            Self::Pq(pq) => pq.pack(rows, block),
        }
    }

    /// Prepares a query, as `coarse` placed it.
    pub(super) fn prepare(&self, query: &[f32], prepared: &mut Prepared) {
        match self {
            Self::Pq(pq) => pq.table(query, &mut prepared.pq),
        }
    }

    /// An estimate for each lane of whole blocks of one list; smaller is nearer. Estimates that are not
    /// below `limit` may be anything that is not.
    pub(super) fn scan(&self, prepared: &Prepared, base: f32, blocks: &[u8], _limit: f32, out: &mut Vec<f32>) {
        match self {
            Self::Pq(pq) => pq.scan(&prepared.pq, base, blocks, out),
        }
    }
}
