//! What a list holds of a vector: one of several codes, 32 vectors a block.

use crate::error::{Error, Result};
use crate::layout::{Sections, SectionsWriter};
use crate::vector::kernel::fastscan::LANES;
use crate::vector::metric::Metric;
use crate::vector::quant::pq::{Pq, Residual, Table};
use crate::vector::quant::rotated::{self, Rotated};
use crate::vector::spec::IvfCode;
use std::io::{self, Write};

/// A code of lists, with what it learned. See [`super`] on how another one plugs in.
#[derive(Debug)]
pub(super) enum ListCode {
    /// Product quantisation of residuals, 4 or 8 bits a part.
    Pq(Pq),
    /// Rotated codes of residuals, 1, 2, 4 or 8 bits a number.
    Rotated(Rotated),
}

/// A query as codes are compared with it.
#[derive(Debug, Default)]
pub(super) struct Prepared {
    pq: Table,
    rotated: rotated::Prepared,
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
    pub(super) fn learn(kind: IvfCode, metric: Metric, size: usize, residuals: &[f32]) -> Result<Self> {
        match kind {
            IvfCode::Pq4 => Ok(Self::Pq(Pq::learn(4, size, residuals))),
            IvfCode::Pq8 => Ok(Self::Pq(Pq::learn(8, size, residuals))),
            IvfCode::Bits(bits) if Rotated::BITS.contains(&u32::from(bits)) => {
                Ok(Self::Rotated(Rotated::new(u32::from(bits), size, metric == Metric::Dot)))
            }
            IvfCode::Bits(_) => Err(Error::invalid("ivf.code", kind.name(), Rotated::SAYS)),
        }
    }

    /// Lays down what was learned, in sections of its own.
    pub(super) fn write<W: Write>(&self, out: &mut SectionsWriter<W>) -> io::Result<()> {
        match self {
            Self::Pq(pq) => pq.write(out),
            Self::Rotated(rotated) => rotated.write(out),
        }
    }

    /// Reads what [`Self::write`] laid down.
    pub(super) fn open(kind: IvfCode, metric: Metric, size: usize, sections: &Sections) -> Result<Self> {
        match kind {
            IvfCode::Pq4 => Ok(Self::Pq(Pq::open(4, size, sections)?)),
            IvfCode::Pq8 => Ok(Self::Pq(Pq::open(8, size, sections)?)),
            IvfCode::Bits(bits) => {
                Ok(Self::Rotated(Rotated::open(u32::from(bits), size, metric == Metric::Dot, sections)?))
            }
        }
    }

    /// Bytes of one vector's code before it is packed.
    pub(super) fn row_bytes(&self) -> usize {
        match self {
            Self::Pq(pq) => pq.row_bytes(),
            Self::Rotated(rotated) => rotated.row_bytes(),
        }
    }

    /// Bytes of a block of 32 vectors.
    pub(super) fn block_bytes(&self) -> usize {
        match self {
            Self::Pq(pq) => pq.block_bytes(),
            Self::Rotated(rotated) => rotated.block_bytes(),
        }
    }

    /// Bytes held in memory beside the blocks.
    pub(super) fn memory_bytes(&self) -> u64 {
        match self {
            Self::Pq(pq) => pq.memory_bytes(),
            Self::Rotated(rotated) => rotated.memory_bytes(),
        }
    }

    /// Encodes one residual into `row_bytes` bytes.
    pub(super) fn encode(&self, residual: Residual<'_>, out: &mut [u8]) {
        match self {
            Self::Pq(pq) => pq.encode(residual, out),
            Self::Rotated(rotated) => rotated.encode(residual, out),
        }
    }

    /// Puts the encoded vectors of a list into its blocks.
    pub(super) fn pack(&self, rows: &[u8], blocks: &mut [u8]) {
        match self {
            Self::Pq(pq) => {
                let rows = rows.chunks(LANES * pq.row_bytes());
                rows.zip(blocks.chunks_exact_mut(pq.block_bytes())).for_each(|(rows, block)| pq.pack(rows, block));
            }
            Self::Rotated(rotated) => rotated.pack(rows, blocks),
        }
    }

    /// Prepares a query, as `coarse` placed it.
    pub(super) fn prepare(&self, query: &[f32], prepared: &mut Prepared) {
        match self {
            Self::Pq(pq) => pq.table(query, &mut prepared.pq),
            Self::Rotated(rotated) => rotated.prepare(query, &mut prepared.rotated),
        }
    }

    /// An estimate for each lane of one list; smaller is nearer. Estimates that are not below the limit, or
    /// not among so many nearest of the list, may be anything that is not.
    pub(super) fn scan(&self, prepared: &Prepared, base: f32, blocks: &[u8], limit: (f32, usize), out: &mut Vec<f32>) {
        match self {
            Self::Pq(pq) => pq.scan(&prepared.pq, base, blocks, out),
            Self::Rotated(rotated) => rotated.scan(&prepared.rotated, base, blocks, limit, out),
        }
    }
}
