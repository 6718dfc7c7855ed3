//! Finds the cells: k-means on a sample of what the build of the graph compares anyway, then every row joins the nearest.

use crate::effort;
use crate::layout::SectionsWriter;
use crate::reach::WORDS;
use crate::vector::ivf::coarse::Grid;
use crate::vector::ivf::kmeans::{Groups, Points, Targets};
use crate::vector::kernel::LINE;
use crate::vector::quant::Codes;
use crate::vector::quant::draft::Drafts;
use rayon::prelude::*;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// Cells for each root of the number of rows. Under a filter, half as many take a fifth more rows for the same recall, twice as many
/// a tenth less, and the comparison with all of them is soon as dear as those rows.
const PER_ROOT: f64 = 1.6;

/// A part has at most this many.
const CELLS_MAX: usize = 4096;

/// Rows for each cell in the sample.
const SAMPLED: usize = 32;

/// Rows that the grid of bytes is learned from.
const GRID_ROWS: usize = 2048;

/// Rows that one task places.
const PIECE: usize = 512;

/// A vector of a greater squared length has no part in a mean: it would be all of it.
const NORM_MAX: f32 = 1e30;

/// Cells just found.
#[derive(Debug)]
pub(in crate::vector) struct Grouped {
    starts: Vec<u32>,
    order: Vec<u32>,
    centres: Vec<u8>,
}

impl Grouped {
    /// The cells of drafts that stand in the given order of rows. `None` where it was stopped.
    pub(in crate::vector) fn of(codes: &Codes, drafts: &Drafts, order: &[u32], stop: &AtomicBool) -> Option<Self> {
        let (places, dims) = (order.len(), drafts.dims());
        let wanted = ((places as f64).sqrt() * PER_ROOT) as usize;
        let wanted = wanted.clamp(1, CELLS_MAX);
        let bytes = Bytes { drafts, grid: learn(drafts, places, dims) };
        let every = (places / (wanted * SAMPLED)).max(1);
        let sample: Vec<u32> = (0..places as u32).step_by(every).collect();
        let sampled: Vec<u8> = sample.par_chunks(PIECE).flat_map_iter(|places| bytes.of(places)).collect();
        let stride = bytes.grid.stride();
        let centroids = Points::new(&sampled, stride).centroids(wanted, stop)?;
        drop(sampled);
        let targets = Targets::new(&centroids, stride);
        let all: Vec<u32> = (0..places as u32).collect();
        let nearest: Vec<u32> = all
            .par_chunks(PIECE)
            .flat_map_iter(|places| {
                let mut found = Vec::with_capacity(places.len());
                targets.nearest(&bytes.of(places), &mut found);
                found
            })
            .collect();
        if stop.load(Ordering::Relaxed) {
            return None;
        }
        let groups = Groups::of(&nearest, &all, centroids.len() / stride);
        let cells: Vec<&[u32]> =
            (0..groups.len()).map(|cell| &groups.members[groups.range(cell)]).filter(|cell| !cell.is_empty()).collect();
        let centres = cells
            .par_iter()
            .map(|places| mean(drafts, places))
            .flat_map_iter(|(mean, norm)| codes.record_of_mean(&mean, norm));
        let centres = centres.collect();
        let mut starts = vec![0];
        let mut rows = Vec::with_capacity(places);
        for places in cells {
            rows.extend(places.iter().map(|place| order[*place as usize]));
            rows[starts[starts.len() - 1] as usize..].sort_unstable();
            starts.push(rows.len() as u32);
        }
        Some(Self { starts, order: rows, centres })
    }

    /// Lays down the sections but the first, for which [`Self::room`] is made.
    pub(in crate::vector) fn put<W: Write>(&self, out: &mut SectionsWriter<W>) -> io::Result<()> {
        out.put("cells.starts", &self.starts)?;
        out.put("cells.order", &self.order)?;
        out.put("cells.centres", &self.centres)
    }

    /// The second section of the body, to be filled in.
    pub(in crate::vector) fn room<W: Write>(out: &mut SectionsWriter<W>) -> io::Result<()> {
        debug_assert_eq!(super::REACH_AT / LINE, (effort::WORDS * 4).div_ceil(LINE), "sections begin at whole lines");
        out.put("cells.reach", &[0u32; WORDS])
    }
}

/// Drafts as bytes on one grid, which k-means compares.
struct Bytes<'a> {
    drafts: &'a Drafts,
    grid: Grid,
}

impl Bytes<'_> {
    fn of(&self, places: &[u32]) -> Vec<u8> {
        let stride = self.grid.stride();
        let (mut bytes, mut values) = (vec![0; places.len() * stride], vec![0f32; self.drafts.dims()]);
        for (place, bytes) in places.iter().zip(bytes.chunks_exact_mut(stride)) {
            self.drafts.read(*place, &mut values);
            self.grid.encode(&values, bytes);
        }
        bytes
    }
}

fn learn(drafts: &Drafts, places: usize, dims: usize) -> Grid {
    let every = places.div_ceil(GRID_ROWS).max(1);
    let mut sample = Vec::with_capacity(GRID_ROWS * dims);
    let mut values = vec![0f32; dims];
    for place in (0..places as u32).step_by(every) {
        if drafts.read(place, &mut values) < NORM_MAX {
            sample.extend_from_slice(&values);
        }
    }
    Grid::learn(dims, &sample)
}

/// The mean of some drafts, and of the squares of their lengths.
fn mean(drafts: &Drafts, places: &[u32]) -> (Vec<f32>, f32) {
    let (mut mean, mut values) = (vec![0f32; drafts.dims()], vec![0f32; drafts.dims()]);
    let (mut norms, mut count) = (0f64, 0u32);
    for place in places {
        let norm = drafts.read(*place, &mut values);
        if norm < NORM_MAX {
            mean.iter_mut().zip(&values).for_each(|(mean, value)| *mean += value);
            norms += f64::from(norm);
            count += 1;
        }
    }
    let share = 1.0 / count.max(1) as f32;
    mean.iter_mut().for_each(|mean| *mean *= share);
    (mean, (norms / f64::from(count.max(1))) as f32)
}
