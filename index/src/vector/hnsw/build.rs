//! Builds the graph, the same for any number of threads.
//!
//! Nodes come in one order: the highest levels first, at random (by a hash of the row) within a level.
//! They are taken in batches. Every node of a batch searches the graph as it was before the batch, in
//! parallel; then the links back are grouped by the node that gets them, and every such node takes them
//! in, again in parallel. Nothing depends on who is first, so there is no lock on a node.

use crate::params::Work;
use crate::vector::hnsw::graph::{Links, NONE};
use crate::vector::hnsw::pool::{PLACES_MAX, Scratch};
use crate::vector::hnsw::search::{Ground, descend};
use crate::vector::hnsw::select::{Bench, Candidate, select};
use crate::vector::quant::scalar::{Coded, Codes};
use crate::vector::spec::HnswSpec;
use rayon::prelude::*;
use std::sync::atomic::{AtomicBool, Ordering};

/// A batch is at most this share of the graph that it searches: its nodes do not see each other.
const BATCH_SHARE: usize = 64;

/// A batch has at most this many nodes.
const BATCH_MAX: usize = 512;

/// Rounds of joining what the entry does not reach.
const JOIN_ROUNDS: usize = 8;

/// The order in which rows become nodes, and how many of them stand on each level.
#[derive(Debug)]
pub(in crate::vector) struct Order {
    /// The row of each place.
    pub(in crate::vector) rows: Vec<u32>,
    /// Places of each level: all of them on the base, fewer above, at least one.
    pub(in crate::vector) places: Vec<usize>,
}

impl Order {
    /// Of the given rows; one in `m` rises a level.
    pub(in crate::vector) fn of(rows: impl Iterator<Item = u32>, m: u32) -> Self {
        let mut ranked: Vec<(u32, u64, u32)> = rows.map(|row| (level(row, m), mixed(row), row)).collect();
        ranked.sort_unstable_by_key(|(level, hash, row)| (std::cmp::Reverse(*level), *hash, *row));
        let levels = ranked.first().map_or(0, |first| first.0);
        let places = (0..=levels).map(|least| ranked.partition_point(|node| node.0 >= least)).collect();
        Self { rows: ranked.into_iter().map(|node| node.2).collect(), places }
    }

    /// The rows of level 1, or the entry alone.
    pub(in crate::vector) fn above(&self) -> &[u32] {
        &self.rows[..self.places.get(1).copied().unwrap_or(1).min(self.rows.len())]
    }
}

fn mixed(row: u32) -> u64 {
    let mut state = u64::from(row).wrapping_add(0x9E37_79B9_7F4A_7C15);
    state = (state ^ state >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    state = (state ^ state >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    state ^ state >> 31
}

fn level(row: u32, m: u32) -> u32 {
    let (mut hash, mut level) = (mixed(!row), 0);
    while hash.is_multiple_of(u64::from(m)) && level < 16 {
        hash /= u64::from(m);
        level += 1;
    }
    level
}

/// The links of one level while it grows.
#[derive(Debug)]
pub(in crate::vector) struct Layer {
    links: Vec<u32>,
    /// How long each link is.
    distances: Vec<u32>,
    width: usize,
}

impl Layer {
    fn new(places: usize, width: usize) -> Self {
        Self { links: vec![NONE; places * width], distances: vec![0; places * width], width }
    }

    fn links(&self) -> Links<'_> {
        Links::new(&self.links, self.width)
    }

    fn candidates(&self, place: u32) -> impl Iterator<Item = Candidate> + '_ {
        let from = place as usize * self.width;
        self.links().of(place).enumerate().map(move |(at, link)| (self.distances[from + at], link))
    }

    fn set(&mut self, place: u32, links: &[Candidate]) {
        let from = place as usize * self.width;
        let block = &mut self.links[from..from + self.width];
        block.fill(NONE);
        for (at, (distance, link)) in links.iter().take(self.width).enumerate() {
            block[at] = *link;
            self.distances[from + at] = *distance;
        }
    }
}

/// A finished graph between places; the base level first.
#[derive(Debug)]
pub(in crate::vector) struct Layers {
    layers: Vec<Layer>,
}

impl Layers {
    /// Builds over codes that stand in the given order. `None` where it was stopped, or where there are
    /// more nodes than a walk can name.
    pub(in crate::vector) fn build(codes: &Codes, order: &Order, spec: HnswSpec, stop: &AtomicBool) -> Option<Self> {
        if codes.len() == 0 || codes.len() >= PLACES_MAX {
            return None;
        }
        let width = |level: usize| if level == 0 { 2 * spec.m as usize } else { spec.m as usize };
        let layers = order.places.iter().enumerate().map(|(level, places)| Layer::new(*places, width(level))).collect();
        let mut built = Self { layers };
        let all = order.rows.len();
        let mut done = 1;
        while done < all {
            if stop.load(Ordering::Relaxed) {
                return None;
            }
            let batch = (done / BATCH_SHARE).clamp(1, BATCH_MAX).min(all - done);
            built.take_in(codes, done..done + batch, spec.ef_construct as usize);
            done += batch;
        }
        built.join(codes, spec.ef_construct as usize);
        Some(built)
    }

    /// The base level as links between rows, for a part of so many rows.
    pub(in crate::vector) fn base_by_row(&self, order: &Order, rows: u32) -> Vec<u32> {
        let base = &self.layers[0];
        let mut links = vec![NONE; rows as usize * base.width];
        for (place, row) in order.rows.iter().enumerate() {
            let block = &mut links[*row as usize * base.width..][..base.width];
            for (link, to) in block.iter_mut().zip(base.links().of(place as u32)) {
                *link = order.rows[to as usize];
            }
        }
        links
    }

    /// Links of a block of the base level.
    pub(in crate::vector) fn width(&self) -> usize {
        self.layers[0].width
    }

    /// The levels above the base, between places.
    pub(in crate::vector) fn into_upper(self) -> Vec<Vec<u32>> {
        self.layers.into_iter().skip(1).map(|layer| layer.links).collect()
    }

    fn take_in(&mut self, codes: &Codes, batch: std::ops::Range<usize>, ef: usize) {
        let found: Vec<Vec<Vec<Candidate>>> = batch
            .clone()
            .into_par_iter()
            .map_init(Bench::default, |bench, place| self.find(codes, place as u32, ef, bench))
            .collect();
        let mut back: Vec<(usize, u32, Candidate)> = Vec::new();
        for (place, levels) in batch.zip(&found) {
            for (level, links) in levels.iter().enumerate() {
                self.layers[level].set(place as u32, links);
                back.extend(links.iter().map(|(distance, to)| (level, *to, (*distance, place as u32))));
            }
        }
        back.par_sort_unstable();
        let groups: Vec<&[(usize, u32, Candidate)]> = back.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)).collect();
        let taken: Vec<Vec<Candidate>> =
            groups.par_iter().map_init(Bench::default, |bench, group| self.with_links(codes, group, bench)).collect();
        for (group, links) in groups.iter().zip(&taken) {
            self.layers[group[0].0].set(group[0].1, links);
        }
    }

    /// The links of a new node, level by level, the base first.
    fn find(&self, codes: &Codes, place: u32, ef: usize, bench: &mut Bench) -> Vec<Vec<Candidate>> {
        let mut query = Coded::default();
        codes.coded(place, &mut query);
        let top = self.layers.iter().take_while(|layer| place < layer.links().len()).count();
        let mut work = Work::default();
        Scratch::lend(|scratch| {
            let above = self.layers[top..].iter().rev().map(Layer::links);
            let mut entry = descend(codes, above, None, &query, scratch, &mut work);
            let mut found = vec![Vec::new(); top];
            for level in (0..top).rev() {
                let layer = &self.layers[level];
                let ground = Ground { codes, base: layer.links(), query: &query };
                ground.walk(&[entry], ef, u64::MAX, |_| true, scratch, &mut work);
                let candidates: Vec<Candidate> = scratch.pool.hits().collect();
                entry = candidates.first().map_or(entry, |nearest| nearest.1);
                found[level] = select(codes, &candidates, layer.width, bench);
            }
            found
        })
    }

    /// The links of a node after new ones were offered to it.
    fn with_links(&self, codes: &Codes, offered: &[(usize, u32, Candidate)], bench: &mut Bench) -> Vec<Candidate> {
        let (level, place, _) = offered[0];
        let layer = &self.layers[level];
        let mut candidates: Vec<Candidate> =
            layer.candidates(place).chain(offered.iter().map(|offer| offer.2)).collect();
        candidates.sort_unstable();
        if candidates.len() <= layer.width {
            return candidates;
        }
        // Some room is left, so that not every link to come makes a selection of its own.
        select(codes, &candidates, layer.width - layer.width / 6, bench)
    }

    /// Links what the entry does not reach, so that full effort finds everything.
    fn join(&mut self, codes: &Codes, ef: usize) {
        for _ in 0..JOIN_ROUNDS {
            let mut reached = vec![false; codes.len() as usize];
            self.reach(0, &mut reached);
            let mut cut = false;
            for place in 0..codes.len() {
                if reached[place as usize] {
                    continue;
                }
                let near = |ef: usize| self.near(codes, place, ef).into_iter().map(|near| near.1);
                let open = |at: &u32| reached[*at as usize] && self.has_room(*at);
                let from =
                    near(ef).find(open).or_else(|| near(8 * ef).find(open)).or_else(|| (0..codes.len()).find(open));
                // Where all are full a link gives way; what that cuts off is joined in the next round.
                cut |= from.is_none();
                let from = from.or_else(|| near(ef).find(|at| reached[*at as usize])).unwrap_or(0);
                self.link(codes, from, place);
                self.reach(place, &mut reached);
            }
            if !cut {
                return;
            }
        }
    }

    fn has_room(&self, place: u32) -> bool {
        let base = &self.layers[0];
        base.links().of(place).count() < base.width
    }

    /// One more link, in the place of the longest where there is no room.
    fn link(&mut self, codes: &Codes, from: u32, to: u32) {
        let (mut query, mut distances) = (Coded::default(), Vec::new());
        codes.coded(to, &mut query);
        codes.distances(&query, &[from], &mut distances);
        let mut links: Vec<Candidate> = self.layers[0].candidates(from).collect();
        links.truncate(self.layers[0].width - 1);
        links.push((distances[0], to));
        links.sort_unstable();
        self.layers[0].set(from, &links);
    }

    fn near(&self, codes: &Codes, place: u32, ef: usize) -> Vec<Candidate> {
        let mut query = Coded::default();
        codes.coded(place, &mut query);
        Scratch::lend(|scratch| {
            let mut work = Work::default();
            let above = self.layers[1..].iter().rev().map(Layer::links);
            let entry = descend(codes, above, None, &query, scratch, &mut work);
            let ground = Ground { codes, base: self.layers[0].links(), query: &query };
            ground.walk(&[entry, 0], ef, u64::MAX, |_| true, scratch, &mut work);
            scratch.pool.hits().collect()
        })
    }

    fn reach(&self, from: u32, reached: &mut [bool]) {
        let mut open = vec![from];
        reached[from as usize] = true;
        while let Some(place) = open.pop() {
            for link in self.layers[0].links().of(place) {
                if !std::mem::replace(&mut reached[link as usize], true) {
                    open.push(link);
                }
            }
        }
    }
}
