//! Lists laid down: which rows stand in which, and their codes in blocks of 32.
//!
//! ```text
//! route   calibrated 16 x (recall u32, lists u32) | deviation u32   in millionths: what so many lists reach, and
//!                                     how far estimates are off; 0 where nobody knows
//!         lists      rows u32 | size u32 | stride u32 | lists u32 | blocks u32 | metric u32 | code u32
//!         grid       step f32 | low f32
//!         centre     size x f32              the centre of the grid
//!         centroids  lists x stride x u8     each on the grid (coarse)
//!         starts     (lists + 1) x u32       the first block of each list; the last is `blocks`
//!         ids        blocks x 32 x u32       the row of each lane; NONE in lanes without one, at a list's end
//! codes   ...                                what the code learned
//!         blocks     blocks x block_bytes x u8
//! ```
//!
//! Opened, every row with a vector stands in exactly one lane, so a search of all lists misses none. The
//! blocks stay where they are: lists are read from front to back, which a mapped file does as well as
//! memory of our own.

use crate::bitmap::Bits;
use crate::error::{Error, Result};
use crate::layout::{Array, Sections, SectionsWriter};
use crate::params::ListsOutline;
use crate::row::Row;
use crate::vector::ivf::coarse::{Centroids, Grid};
use crate::vector::ivf::code::ListCode;
use crate::vector::ivf::kmeans::Groups;
use crate::vector::kernel;
use crate::vector::kernel::fastscan::{Fastscan, LANES};
use crate::vector::metric::Metric;
use crate::vector::quant::full::Full;
use crate::vector::spec::{IvfSpec, VectorSpec};
use std::io::{self, Write};
use std::ops::Range;

/// A lane without a row.
pub(super) const NONE: u32 = u32::MAX;

/// So much of a list is asked for while the one before is scanned.
const PREFETCHED_BYTES: usize = 2048;

/// The section that tells lists from a graph.
const HEAD: &str = "lists";

/// The lists of one field in one sealed part.
#[derive(Debug)]
pub(in crate::vector) struct Lists {
    pub(super) metric: Metric,
    pub(super) rerank: u32,
    pub(super) centroids: Centroids,
    pub(super) starts: Array<u32>,
    pub(super) ids: Array<u32>,
    pub(super) code: ListCode,
    pub(super) blocks: Array<u8>,
    pub(super) select: Fastscan,
    calibrated: [(f32, u32); ListsOutline::RUNGS],
    /// How far estimates are off, as a share of distances, or of the query's length for inner products.
    pub(super) deviation: f32,
}

/// What a build hands over to be laid down.
#[derive(Debug)]
pub(super) struct Finished<'a> {
    pub(super) spec: &'a VectorSpec,
    pub(super) ivf: IvfSpec,
    pub(super) rows: u32,
    pub(super) grid: &'a Grid,
    pub(super) centroids: &'a [u8],
    pub(super) groups: &'a Groups,
}

/// Blocks that so many rows take.
pub(super) fn blocks_of(rows: usize) -> usize {
    rows.div_ceil(LANES)
}

impl Finished<'_> {
    /// The first block of each list.
    fn starts(&self) -> Vec<u32> {
        let mut starts = vec![0u32];
        for list in 0..self.groups.len() {
            starts.push(starts[list] + blocks_of(self.groups.range(list).len()) as u32);
        }
        starts
    }

    /// The body of the lists.
    pub(super) fn write<W: Write>(&self, out: &mut SectionsWriter<W>) -> io::Result<()> {
        let starts = self.starts();
        let blocks = starts[self.groups.len()];
        let head = [
            self.rows,
            self.spec.size,
            self.grid.stride() as u32,
            self.groups.len() as u32,
            blocks,
            metric_code(self.spec.metric),
            self.ivf.code.number(),
        ];
        out.put("calibrated", &[0u32; 2 * ListsOutline::RUNGS + 1])?;
        out.put(HEAD, &head)?;
        out.put("grid", &[self.grid.step, self.grid.low])?;
        out.put("centre", &self.grid.centre)?;
        out.put("centroids", self.centroids)?;
        out.put("starts", &starts)?;
        out.begin("ids")?;
        for list in 0..self.groups.len() {
            let members = &self.groups.members[self.groups.range(list)];
            out.extend(members)?;
            out.extend(&vec![NONE; members.len().next_multiple_of(LANES) - members.len()])?;
        }
        Ok(())
    }
}

impl Lists {
    /// Whether a body holds lists.
    pub(in crate::vector) fn are_in(route: &Sections) -> bool {
        route.has(HEAD)
    }

    /// Reads both bodies and checks every number that a search relies on.
    pub(in crate::vector) fn open(spec: &VectorSpec, full: &Full, codes: &Sections, route: &Sections) -> Result<Self> {
        let head = route.array_of::<u32>(HEAD, 7)?;
        let [rows, size, stride, lists, blocks, metric, code] = std::array::from_fn(|at| head[at]);
        let wrong = |why: String| Error::corrupt(HEAD, 0, why);
        let ivf = spec.ivf.ok_or_else(|| wrong("the field has no lists".to_owned()))?;
        let wanted = (full.rows(), spec.size, metric_code(spec.metric), ivf.code.number());
        if (rows, size, metric, code) != wanted || lists == 0 {
            return Err(wrong(format!("{:?} does not fit {} rows of {}", &*head, full.rows(), spec.size)));
        }
        let numbers = route.array_of::<f32>("grid", 2)?;
        let centre = route.array_of::<f32>("centre", size as usize)?.to_vec();
        let grid = Grid { step: numbers[0], low: numbers[1], centre };
        if grid.stride() != stride as usize {
            return Err(wrong(format!("a stride of {stride} for {size} numbers")));
        }
        let times = |count: u32, each: usize| {
            (count as usize).checked_mul(each).ok_or_else(|| wrong("more than memory".to_owned()))
        };
        let centroids = route.array_of::<u8>("centroids", times(lists, grid.stride())?)?;
        let starts = route.array_of::<u32>("starts", times(lists, 1)? + 1)?;
        if starts[0] != 0 || starts[lists as usize] != blocks || !starts.is_sorted() {
            return Err(Error::corrupt("starts", 0, format!("does not rise from 0 to {blocks}")));
        }
        let ids = route.array_of::<u32>("ids", times(blocks, LANES)?)?;
        check_ids(full, &ids)?;
        let code = ListCode::open(ivf.code, spec.metric, size as usize, codes)?;
        let blocks = codes.array_of::<u8>("blocks", times(blocks, code.block_bytes())?)?;
        let pairs = route.array_of::<u32>("calibrated", 2 * ListsOutline::RUNGS + 1)?;
        let deviation = match pairs[2 * ListsOutline::RUNGS] {
            0 => f32::INFINITY,
            millionths => millionths as f32 / 1e6,
        };
        let calibrated = std::array::from_fn(|at| (pairs[2 * at] as f32 / 1e6, pairs[2 * at + 1]));
        let centroids = Centroids::new(grid, &centroids);
        Ok(Self {
            metric: spec.metric,
            rerank: ivf.rerank,
            centroids,
            starts,
            ids,
            code,
            blocks,
            select: Fastscan::detect(),
            calibrated,
            deviation,
        })
    }

    /// How many lists.
    pub(super) fn len(&self) -> u32 {
        self.centroids.len() as u32
    }

    /// What the planner needs to know.
    pub(in crate::vector) fn outline(&self) -> ListsOutline {
        ListsOutline { lists: self.len(), calibrated: self.calibrated }
    }

    /// Fills in, in a body just made, the recall that so many lists reach and how far estimates are off.
    pub(super) fn set_calibrated(body: &mut [u8], calibrated: &[(f32, u32); ListsOutline::RUNGS], deviation: f32) {
        let millionths = |share: f32| (f64::from(share) * 1e6).round() as u32;
        let pairs = calibrated.iter().flat_map(|(recall, lists)| [millionths(*recall), *lists]);
        let numbers = pairs.chain([millionths(deviation)]);
        for (bytes, number) in body.as_chunks_mut::<4>().0.iter_mut().zip(numbers) {
            *bytes = number.to_le_bytes();
        }
    }

    /// Bytes held in memory of our own; the blocks are not.
    pub(in crate::vector) fn memory_bytes(&self) -> u64 {
        self.centroids.memory_bytes() + self.code.memory_bytes()
    }

    /// Asks for the beginning of a list; the rest follows it line by line.
    pub(super) fn prefetch(&self, list: usize) {
        let from = self.starts[list] as usize * self.code.block_bytes();
        kernel::prefetch(&self.blocks[from..self.blocks.len().min(from + PREFETCHED_BYTES)]);
    }

    /// The blocks of a list.
    pub(super) fn blocks(&self, list: usize) -> Range<usize> {
        self.starts[list] as usize..self.starts[list + 1] as usize
    }
}

/// Every row with a vector has one lane.
fn check_ids(full: &Full, ids: &[u32]) -> Result<()> {
    let mut seen = Bits::none(full.rows());
    let mut count = 0u64;
    for (at, id) in ids.iter().enumerate().filter(|(_, id)| **id != NONE) {
        let row = Row(*id);
        if !full.has(row) || seen.has(row) {
            return Err(Error::corrupt("ids", at as u64 * 4, format!("row {id} has no vector, or a second lane")));
        }
        seen.set(row);
        count += 1;
    }
    if count != full.count() {
        return Err(Error::corrupt("ids", 0, format!("{count} of {} rows are in a list", full.count())));
    }
    Ok(())
}

fn metric_code(metric: Metric) -> u32 {
    match metric {
        Metric::Cosine => 0,
        Metric::Dot => 1,
        Metric::Euclid => 2,
        Metric::Manhattan => 3,
    }
}
