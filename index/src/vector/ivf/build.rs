//! Builds lists out of core: vectors are read row by row, and what is held of them is bounded.
//!
//! Beside the bodies that come out, a build holds centroids, what it learned, and up to sixteen bytes a row
//! (its list, its place in it); these are not bounded. The rest is, one after another:
//!
//! - the sample that centroids are learned from, as bytes;
//! - the sample of residuals that the code learns from, as floats;
//! - the codes of some lists on their way into blocks. Where not all lists fit, they are made in several
//!   passes over the vectors, some lists a pass.
//!
//! Each may take half of the budget, but at least 512 KiB; the rest of it is for the rows that are read at
//! the time, a few hundred for each thread.

use crate::bitmap::Bits;
use crate::error::{Error, Result};
use crate::layout::{Sections, SectionsWriter};
use crate::row::Row;
use crate::vector::ivf::calibrate::{PROBES, calibrate};
use crate::vector::ivf::coarse::{Centroids, Grid};
use crate::vector::ivf::code::ListCode;
use crate::vector::ivf::kmeans::{Groups, Points, Targets};
use crate::vector::ivf::lists::{Finished, Lists, blocks_of};
use crate::vector::kernel::fastscan::LANES;
use crate::vector::metric::Metric;
use crate::vector::quant::full::Full;
use crate::vector::quant::pq::Residual;
use crate::vector::spec::{IvfSpec, VectorSpec};
use bytes::Bytes;
use rayon::prelude::*;
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

/// Half of a budget, at least.
const HALF_LEAST: u64 = 512 << 10;

/// Rows for each list in the sample that centroids are learned from.
const SAMPLE_PER_LIST: usize = 64;

/// Rows that the grid is learned from.
const GRID_ROWS: usize = 2048;

/// Rows that are read in one piece of work.
const PIECE: usize = 256;

/// Pieces of work that are encoded before they are put in their places.
const PIECES: usize = 8;

/// Lists for each root of the number of rows, where the spec leaves it open. A code in a list costs a tenth
/// of a centroid, so few long lists are better. Queries a second at recall 0.95 on one core of a Zen 5
/// server, one and two for each root: 45,300 and 38,900 on 60,000 images of 784 numbers, 23,900 and 18,600 on
/// 100,000 passages of 384.
const LISTS_PER_ROOT: f64 = 1.0;

/// Both bodies, the codes and the lists. `None` when it was stopped.
pub(in crate::vector) fn build(
    spec: &VectorSpec,
    ivf: IvfSpec,
    full: &Full,
    budget_bytes: u64,
    stop: &AtomicBool,
) -> Result<Option<(Vec<u8>, Vec<u8>)>> {
    let rows: Vec<u32> = (0..full.rows()).filter(|row| full.has(Row(*row))).collect();
    let work = Work { metric: spec.metric, full, half: (budget_bytes / 2).max(HALF_LEAST) as usize, stop };
    let Some((grid, centroids)) = work.centroids(&rows, lists_of(ivf, rows.len())) else { return Ok(None) };
    let Some(lists) = work.assign(&grid, &rows, &centroids) else { return Ok(None) };
    let (centroids, groups) = without_empty(&centroids, grid.stride(), &lists, &rows);
    drop(rows);
    let coarse = Centroids::new(grid, &centroids);
    let place = places(full.rows(), &groups);
    let code = ListCode::learn(
        ivf.code,
        spec.metric,
        full.size(),
        &work.residuals(&coarse, &groups, ListCode::sample_rows(ivf.code)),
    )?;
    let blocks: usize = (0..groups.len()).map(|list| blocks_of(groups.range(list).len())).sum();
    let expected = blocks * code.block_bytes() + code.memory_bytes() as usize + 4096;
    let mut codes = SectionsWriter::new(Vec::with_capacity(expected));
    let failed = |err: io::Error| Error::invalid("lists", "a body", err.to_string());
    code.write(&mut codes).map_err(failed)?;
    codes.begin("blocks").map_err(failed)?;
    let mut next = 0;
    while next < groups.len() {
        let some = work.next_lists(&groups, &code, next);
        let Some(blocks) = work.encode(&coarse, &groups, &place, &code, some.clone()) else { return Ok(None) };
        blocks.iter().try_for_each(|blocks| codes.extend(blocks)).map_err(failed)?;
        next = some.end;
    }
    let finished =
        Finished { spec, ivf, rows: full.rows(), grid: &coarse.grid, centroids: &centroids, groups: &groups };
    let mut route = SectionsWriter::new(Vec::with_capacity(blocks * LANES * 4 + centroids.len() + 65_536));
    finished.write(&mut route).map_err(failed)?;
    let (codes, route) = (Bytes::from(codes.finish().map_err(failed)?), Bytes::from(route.finish().map_err(failed)?));
    let lists = Lists::open(spec, full, &Sections::open(codes.clone())?, &Sections::open(route.clone())?)?;
    let (deviation, table) = calibrate(lists, full, spread(&groups.members, PROBES));
    let mut route = Vec::from(route);
    Lists::set_calibrated(&mut route, &table, deviation);
    Ok((!work.stopped()).then(|| (Vec::from(codes), route)))
}

/// A row as it is grouped: of length 1 where only directions count.
pub(super) fn read(metric: Metric, full: &Full, row: u32, values: &mut [f32]) {
    let row = Row(row);
    full.read(row, values);
    if metric == Metric::Cosine {
        let inverse = full.inverse(row);
        values.iter_mut().for_each(|value| *value *= inverse);
    }
}

/// How many lists so many rows get.
fn lists_of(ivf: IvfSpec, rows: usize) -> usize {
    let lists = match ivf.lists {
        0 => (LISTS_PER_ROOT * (rows as f64).sqrt()) as usize,
        lists => lists as usize,
    };
    lists.clamp(1, (rows / 8).max(1))
}

/// Lists that got no row are left out.
fn without_empty(centroids: &[u8], stride: usize, lists: &[u32], rows: &[u32]) -> (Vec<u8>, Groups) {
    let count = centroids.len() / stride;
    let groups = Groups::of(lists, rows, count);
    let full: Vec<usize> = (0..count).filter(|list| !groups.range(*list).is_empty()).collect();
    let kept = full.iter().flat_map(|list| &centroids[list * stride..][..stride]).copied().collect();
    let mut starts: Vec<u32> = full.iter().map(|list| groups.starts[*list]).collect();
    starts.push(groups.members.len() as u32);
    (kept, Groups { starts, members: groups.members })
}

/// The place of each row among the members of all lists.
fn places(rows: u32, groups: &Groups) -> Vec<u32> {
    let mut places = vec![u32::MAX; rows as usize];
    for (place, row) in groups.members.iter().enumerate() {
        places[*row as usize] = place as u32;
    }
    places
}

/// Some evenly spread.
fn spread(rows: &[u32], count: usize) -> impl Iterator<Item = u32> + '_ {
    let count = count.min(rows.len());
    (0..count).map(move |at| rows[(2 * at + 1) * rows.len() / (2 * count)])
}

struct Work<'a> {
    metric: Metric,
    full: &'a Full,
    /// Half of the budget, bytes.
    half: usize,
    stop: &'a AtomicBool,
}

impl Work<'_> {
    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn size(&self) -> usize {
        self.full.size()
    }

    fn read(&self, row: u32, values: &mut [f32]) {
        read(self.metric, self.full, row, values);
    }

    /// So many rows of so many bytes fit into half of the budget; a few fit into any.
    fn fit(&self, row_bytes: usize) -> usize {
        (self.half / row_bytes.max(1)).max(LANES)
    }

    fn centroids(&self, rows: &[u32], lists: usize) -> Option<(Grid, Vec<u8>)> {
        let size = self.size();
        let few: Vec<u32> = spread(rows, GRID_ROWS.min(self.fit(8 * size))).collect();
        let mut sample = vec![0f32; few.len() * size];
        few.iter().zip(sample.chunks_exact_mut(size)).for_each(|(row, values)| self.read(*row, values));
        let grid = Grid::learn(size, &sample);
        drop(sample);
        let stride = grid.stride();
        let sample: Vec<u32> = spread(rows, (lists * SAMPLE_PER_LIST).min(self.fit(stride + 16))).collect();
        let mut codes = vec![0u8; sample.len() * stride];
        codes.par_chunks_mut(PIECE * stride).zip(sample.par_chunks(PIECE)).for_each(|(codes, rows)| {
            let mut values = vec![0f32; size];
            for (code, row) in codes.chunks_exact_mut(stride).zip(rows) {
                self.read(*row, &mut values);
                grid.encode(&values, code);
            }
        });
        let centroids = Points::new(&codes, stride).centroids(lists, self.stop)?;
        Some((grid, centroids))
    }

    /// The nearest centroid of each row.
    fn assign(&self, grid: &Grid, rows: &[u32], centroids: &[u8]) -> Option<Vec<u32>> {
        let (size, stride) = (self.size(), grid.stride());
        let targets = Targets::new(centroids, stride);
        let lists = rows
            .par_chunks(PIECE)
            .flat_map_iter(|piece| {
                let mut found = Vec::with_capacity(piece.len());
                if !self.stopped() {
                    let (mut values, mut codes) = (vec![0f32; size], vec![0u8; piece.len() * stride]);
                    for (row, code) in piece.iter().zip(codes.chunks_exact_mut(stride)) {
                        self.read(*row, &mut values);
                        grid.encode(&values, code);
                    }
                    targets.nearest(&codes, &mut found);
                }
                found
            })
            .collect();
        (!self.stopped()).then_some(lists)
    }

    /// What is left of some rows after their centroids are taken away.
    fn residuals(&self, coarse: &Centroids, groups: &Groups, count: usize) -> Vec<f32> {
        let size = self.size();
        let members = groups.members.len();
        let count = count.min(self.fit(4 * size)).min(members);
        let mut residuals = vec![0f32; count * size];
        let mut centroid = vec![0f32; size];
        for (at, values) in residuals.chunks_exact_mut(size).enumerate() {
            let place = (2 * at + 1) * members / (2 * count);
            self.read(groups.members[place], values);
            coarse.decode(list_at(groups, place), &mut centroid);
            subtract(values, &centroid, &coarse.grid.centre);
        }
        residuals
    }

    /// As many lists from one on as are encoded in one pass.
    fn next_lists(&self, groups: &Groups, code: &ListCode, from: usize) -> Range<usize> {
        let in_work = PIECES * PIECE * code.row_bytes();
        let fits = (self.half.saturating_sub(in_work) / (code.row_bytes() + code.block_bytes() / LANES + 4)).max(LANES);
        let first = groups.starts[from] as usize;
        let fit = (from + 1..=groups.len()).take_while(|end| groups.starts[*end] as usize - first <= fits).last();
        from..fit.unwrap_or(from + 1)
    }

    /// The blocks of some lists. Vectors are read in the order of their rows, as they lie on disk.
    fn encode(
        &self,
        coarse: &Centroids,
        groups: &Groups,
        places: &[u32],
        code: &ListCode,
        lists: Range<usize>,
    ) -> Option<Vec<Vec<u8>>> {
        let (first, last) = (groups.starts[lists.start] as usize, groups.starts[lists.end] as usize);
        let row_bytes = code.row_bytes();
        let mut encoded = vec![0u8; (last - first) * row_bytes];
        let mut wanted = Bits::none(self.full.rows());
        groups.members[first..last].iter().for_each(|row| wanted.set(Row(*row)));
        let rows: Vec<u32> = wanted.iter().map(|row| row.0).collect();
        // Several pieces at a time: each is encoded by one thread, and then put in its places.
        for pieces in rows.chunks(PIECE * PIECES) {
            if self.stopped() {
                return None;
            }
            let done: Vec<Vec<u8>> =
                pieces.par_chunks(PIECE).map(|piece| self.encode_rows(coarse, groups, places, code, piece)).collect();
            for (row, bytes) in pieces.iter().zip(done.iter().flat_map(|done| done.chunks_exact(row_bytes))) {
                let at = places[*row as usize] as usize - first;
                encoded[at * row_bytes..][..row_bytes].copy_from_slice(bytes);
            }
        }
        let sizes: Vec<Range<usize>> = lists.clone().map(|list| groups.range(list)).collect();
        let packed = sizes
            .par_iter()
            .map(|range| {
                let mut blocks = vec![0u8; blocks_of(range.len()) * code.block_bytes()];
                let rows = &encoded[(range.start - first) * row_bytes..(range.end - first) * row_bytes];
                code.pack(rows, &mut blocks);
                blocks
            })
            .collect();
        Some(packed)
    }

    fn encode_rows(
        &self,
        coarse: &Centroids,
        groups: &Groups,
        places: &[u32],
        code: &ListCode,
        rows: &[u32],
    ) -> Vec<u8> {
        let size = self.size();
        let (mut values, mut centroid) = (vec![0f32; size], vec![0f32; size]);
        let mut encoded = vec![0u8; rows.len() * code.row_bytes()];
        for (row, out) in rows.iter().zip(encoded.chunks_exact_mut(code.row_bytes())) {
            self.read(*row, &mut values);
            coarse.decode(list_at(groups, places[*row as usize] as usize), &mut centroid);
            subtract(&mut values, &centroid, &coarse.grid.centre);
            // A vector of length 0 has a cosine of 0 with everything, which is a distance of 2.
            let extra = if self.metric == Metric::Cosine && self.full.inverse(Row(*row)) == 0.0 { 1.0 } else { 0.0 };
            let by_product = self.metric == Metric::Dot;
            code.encode(Residual { values: &values, centroid: &centroid, by_product, extra }, out);
        }
        encoded
    }
}

/// The list in which a member stands.
fn list_at(groups: &Groups, place: usize) -> usize {
    groups.starts.partition_point(|start| *start as usize <= place) - 1
}

fn subtract(values: &mut [f32], centroid: &[f32], centre: &[f32]) {
    for ((value, centroid), centre) in values.iter_mut().zip(centroid).zip(centre) {
        *value -= centroid + centre;
    }
}
