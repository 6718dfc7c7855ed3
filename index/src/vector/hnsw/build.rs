//! Builds the graph, the same for any number of threads.
//!
//! A level is built at once: its places are divided into overlapping groups (`partition`), every place takes the nearest of
//! each of its groups as candidates, keeps those that no nearer one leads to (`select`), and offers itself to the ones it
//! keeps, which select again. Nothing depends on who is first, so there is no lock on a node.

use crate::params::Work;
use crate::vector::hnsw::graph::{Links, NONE};
use crate::vector::hnsw::known::{ALONE, Known};
use crate::vector::hnsw::partition::{nearest_of, partition};
use crate::vector::hnsw::pool::{PLACES_MAX, Scratch};
use crate::vector::hnsw::search::{Drafted, Extent, Ground, descend, key};
use crate::vector::hnsw::select::{Bench, Candidate, select};
use crate::vector::quant::draft::SIDE;
use crate::vector::quant::draft::{Comparison, Drafts, Leaf};
use crate::vector::spec::HnswSpec;
use rayon::prelude::*;
use std::ops::Range;
use std::sync::atomic::AtomicBool;

/// The highest level has at most this many places: comparing them all takes about a microsecond.
const TOPS_MAX: usize = 512;

/// Places that one task chooses links for.
const CHOOSING: usize = 256;

/// More passes than this save little and look at everything too often.
const PASSES_MAX: u64 = 64;

/// Rounds of joining what the entry does not reach.
const JOIN_ROUNDS: usize = 8;

/// The order in which rows become nodes, and how many of them stand on each level.
#[derive(Debug)]
pub(in crate::vector) struct Order {
    /// The row of each place.
    pub(in crate::vector) rows: Vec<u32>,
    /// Places of each level: all of them on the base, fewer above, at least one. The last one is the highest.
    pub(in crate::vector) places: Vec<usize>,
}

impl Order {
    /// Of the given rows; one in `m` rises a level.
    pub(in crate::vector) fn of(rows: impl Iterator<Item = u32>, m: u32) -> Self {
        let mut ranked: Vec<(u32, u64, u32)> = rows.map(|row| (level(row, m), mixed(row), row)).collect();
        ranked.sort_unstable_by_key(|(level, hash, row)| (std::cmp::Reverse(*level), *hash, *row));
        let levels = ranked.first().map_or(0, |first| first.0);
        let mut places = vec![ranked.len()];
        for least in 1..=levels {
            if places.last().is_some_and(|places| *places <= TOPS_MAX) {
                break;
            }
            places.push(ranked.partition_point(|node| node.0 >= least));
        }
        // However the dice fell: not too many to be compared, and one at least.
        if places.len() == 1 || places.last().is_some_and(|places| *places > TOPS_MAX) {
            places.push(TOPS_MAX.min(ranked.len()));
        }
        Self { rows: ranked.into_iter().map(|node| node.2).collect(), places }
    }

    /// The rows of level 1.
    pub(in crate::vector) fn above(&self) -> &[u32] {
        &self.rows[..self.places[1]]
    }

    /// Places of the highest level.
    pub(in crate::vector) fn tops(&self) -> usize {
        self.places.last().copied().unwrap_or(1)
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

/// The links of one level.
#[derive(Debug)]
pub(in crate::vector) struct Layer {
    links: Vec<u32>,
    width: usize,
}

impl Layer {
    fn links(&self) -> Links<'_> {
        Links::new(&self.links, self.width)
    }

    fn set(&mut self, place: u32, links: impl Iterator<Item = u32>) {
        set(&mut self.links[place as usize * self.width..][..self.width], links);
    }
}

fn set(block: &mut [u32], links: impl Iterator<Item = u32>) {
    block.fill(NONE);
    for (block, link) in block.iter_mut().zip(links) {
        *block = link;
    }
}

/// A finished graph between places; the base level first.
#[derive(Debug)]
pub(in crate::vector) struct Layers {
    layers: Vec<Layer>,
    tops: u32,
}

impl Layers {
    /// Builds over drafts that stand in the given order. `None` where it was stopped, or where there are
    /// more nodes than a walk can name.
    /// With what is `known` of the places only those that are new to each other are compared. What is only needed for a
    /// while is made in passes of about `scratch_bytes`, which change no byte of what comes out.
    pub(in crate::vector) fn build(
        drafts: &Drafts,
        order: &Order,
        spec: HnswSpec,
        known: Option<&Known<'_>>,
        scratch_bytes: u64,
        stop: &AtomicBool,
    ) -> Option<Self> {
        if drafts.len() == 0 || drafts.len() >= PLACES_MAX {
            return None;
        }
        let mut layers = Vec::new();
        for (level, places) in order.places[..order.places.len() - 1].iter().enumerate() {
            let width = if level == 0 { 2 * spec.m as usize } else { spec.m as usize };
            let known = known.filter(|_| level == 0);
            layers.push(layer(drafts, *places as u32, width, spec.ef_construct as usize, known, scratch_bytes, stop)?);
        }
        let mut built = Self { layers, tops: order.tops() as u32 };
        built.join(drafts, spec.ef_construct as usize);
        Some(built)
    }

    /// The base level as links between rows, for a part of so many rows.
    pub(in crate::vector) fn base_by_row(&self, order: &Order, rows: u32) -> Vec<u32> {
        let base = &self.layers[0];
        let mut links = vec![NONE; rows as usize * base.width];
        for (place, row) in order.rows.iter().enumerate() {
            let to = base.links().of(place as u32).map(|to| order.rows[to as usize]);
            set(&mut links[*row as usize * base.width..][..base.width], to);
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

    /// Links what the entry does not reach, so that full effort finds everything.
    fn join(&mut self, drafts: &Drafts, ef: usize) {
        for _ in 0..JOIN_ROUNDS {
            let mut reached = vec![false; drafts.len() as usize];
            self.reach(0, &mut reached);
            let mut cut = false;
            for place in 0..drafts.len() {
                if reached[place as usize] {
                    continue;
                }
                let near = |ef: usize| self.near(drafts, place, ef).into_iter();
                let open = |at: &u32| reached[*at as usize] && self.has_room(*at);
                let from =
                    near(ef).find(open).or_else(|| near(8 * ef).find(open)).or_else(|| (0..drafts.len()).find(open));
                // Where all are full a link gives way; what that cuts off is joined in the next round.
                cut |= from.is_none();
                let from = from.or_else(|| near(ef).find(|at| reached[*at as usize])).unwrap_or(0);
                self.link(from, place);
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

    /// One more link, in the place of the last where there is no room.
    fn link(&mut self, from: u32, to: u32) {
        let base = &mut self.layers[0];
        let mut links: Vec<u32> = base.links().of(from).collect();
        links.truncate(base.width - 1);
        links.push(to);
        base.set(from, links.into_iter());
    }

    fn near(&self, drafts: &Drafts, place: u32, ef: usize) -> Vec<u32> {
        let mut target = Drafted { drafts, of: place, with: Comparison::default() };
        Scratch::lend(|scratch| {
            let (mut work, mut distances) = (Work::default(), Vec::new());
            let tops: Vec<u32> = (0..self.tops).collect();
            drafts.distances(place, &tops, &mut target.with, &mut distances);
            let best = distances.iter().copied().zip(tops).min_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or((0.0, 0));
            let above = self.layers[1..].iter().rev().map(Layer::links);
            let entry = descend(&mut target, best, above, None, scratch, &mut work);
            let mut ground = Ground { base: self.layers[0].links(), target };
            ground.walk(&[entry, 0], Extent::whole(ef), scratch, &mut work);
            scratch.pool.hits().map(|hit| hit.1).collect()
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

/// The links of the first `places` places among each other.
fn layer(
    drafts: &Drafts,
    places: u32,
    width: usize,
    effort: usize,
    known: Option<&Known<'_>>,
    scratch_bytes: u64,
    stop: &AtomicBool,
) -> Option<Layer> {
    // An effort of 128 joins 8 groups and takes 12 candidates of each.
    let breadth = (effort / 16).clamp(2, 32);
    let taken = (effort * 3 / 32).clamp(4, 64);
    let least = width * 3 / 4;
    // What is known already needs less to be found.
    let (breadth, taken) = if known.is_some() { (breadth.div_ceil(2), taken / 2) } else { (breadth, taken) };
    let leaves = match known {
        Some(known) if known.is_one() => Vec::new(),
        _ => partition(drafts, (0..places).collect(), breadth, stop)?,
    };
    let leaves = Leaves::of(leaves, places, known);
    let own = own_links(drafts, &leaves, known, (width, least, taken), scratch_bytes);
    drop(leaves);
    let mut layer = Layer { links: vec![NONE; places as usize * width], width };
    let passes = passes(own.links.len() * size_of::<Candidate>(), scratch_bytes);
    let mut rest = &mut layer.links[..];
    for range in split(places, passes) {
        let offered = Offers::of(&own, &range);
        let (blocks, after) = rest.split_at_mut(range.len() * width);
        rest = after;
        blocks.par_chunks_exact_mut(width).zip(range).for_each_init(
            || (Bench::default(), Vec::new()),
            |(bench, candidates), (block, place)| {
                candidates.clear();
                candidates.extend_from_slice(own.of(place));
                candidates.extend_from_slice(offered.to(place));
                candidates.sort_unstable();
                candidates.dedup();
                if candidates.len() > width {
                    *candidates = select(drafts, candidates, width, least, bench);
                }
                set(block, candidates.iter().map(|candidate| candidate.1));
            },
        );
    }
    Some(layer)
}

/// How many passes keep what one of them holds within `scratch_bytes`.
fn passes(bytes: usize, scratch_bytes: u64) -> u32 {
    (bytes as u64).div_ceil(scratch_bytes.max(1)).clamp(1, PASSES_MAX) as u32
}

/// Places in so many stretches, one after another.
fn split(places: u32, count: u32) -> impl Iterator<Item = Range<u32>> {
    let at = move |step: u32| (u64::from(places) * u64::from(step) / u64::from(count)) as u32;
    (0..count).map(move |step| at(step)..at(step + 1))
}

/// The links that every place chose, one place after another.
#[derive(Default)]
struct Own {
    starts: Vec<usize>,
    links: Vec<Candidate>,
}

impl Own {
    fn of(&self, place: u32) -> &[Candidate] {
        &self.links[self.starts[place as usize]..self.starts[place as usize + 1]]
    }
}

/// What every place chooses of those that it met in its groups and of those that it knows. The lists of whom it met
/// are made for a stretch of places at a time: for all of them at once they would be the largest thing of a build.
fn own_links(
    drafts: &Drafts,
    leaves: &Leaves,
    known: Option<&Known<'_>>,
    (width, least, taken): (usize, usize, usize),
    scratch_bytes: u64,
) -> Own {
    let places = leaves.places;
    let passes = passes(leaves.members * taken * size_of::<u32>(), scratch_bytes);
    let mut own = Own { starts: Vec::with_capacity(places as usize + 1), links: Vec::new() };
    own.starts.push(0);
    for range in split(places, passes) {
        let met = Met::of(drafts, leaves, taken, range.clone(), known);
        let chosen: Vec<(Vec<Candidate>, Vec<u32>)> = (0..range.len().div_ceil(CHOOSING))
            .into_par_iter()
            .map_init(
                || (Bench::default(), Vec::new(), Vec::new()),
                |(bench, near, candidates), stretch| {
                    let first = range.start + (stretch * CHOOSING) as u32;
                    let (mut links, mut counts) = (Vec::new(), Vec::with_capacity(CHOOSING));
                    for place in first..range.end.min(first + CHOOSING as u32) {
                        near.clear();
                        met.add(place, near);
                        if let Some(known) = known {
                            known.links(place, near);
                        }
                        measured(drafts, place, near, candidates, bench);
                        let selected = select(drafts, candidates, width, least, bench);
                        counts.push(selected.len() as u32);
                        links.extend(selected);
                    }
                    (links, counts)
                },
            )
            .collect();
        if range.start == 0 {
            // Others choose about as many: without the reserve the list would double as it grows.
            let links: usize = chosen.iter().map(|chosen| chosen.0.len()).sum();
            own.links.reserve_exact(links * passes as usize + links / 16);
        }
        for (links, counts) in chosen {
            own.links.extend_from_slice(&links);
            for count in counts {
                own.starts.push(own.starts[own.starts.len() - 1] + count as usize);
            }
        }
    }
    own
}

/// The groups of a level.
struct Leaves {
    leaves: Vec<Vec<u32>>,
    places: u32,
    members: usize,
}

impl Leaves {
    fn of(mut leaves: Vec<Vec<u32>>, places: u32, known: Option<&Known<'_>>) -> Self {
        if let Some(known) = known {
            // Those who know each other stand side by side, to be passed over together.
            leaves.par_iter_mut().for_each(|leaf| leaf.sort_by_key(|place| known.group(*place)));
        }
        let members = leaves.iter().map(Vec::len).sum();
        Self { leaves, places, members }
    }
}

/// Whom every place of a stretch met in its groups, nearest first within a group.
struct Met {
    range: Range<u32>,
    /// Where the lists of a place begin in `lists`.
    starts: Vec<u32>,
    /// For each place and group of it: where the list begins in `near`, in units of `taken`.
    lists: Vec<u32>,
    near: Vec<u32>,
    taken: usize,
}

impl Met {
    fn of(drafts: &Drafts, leaves: &Leaves, taken: usize, range: Range<u32>, known: Option<&Known<'_>>) -> Self {
        let leaves = &leaves.leaves;
        let inside = |place: &&u32| range.contains(*place);
        let mut starts = vec![0u32; range.len() + 1];
        leaves.iter().flatten().filter(inside).for_each(|place| starts[(*place - range.start) as usize + 1] += 1);
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let members = starts.last().map_or(0, |members| *members as usize);
        let mut next = starts.clone();
        let mut lists = vec![0u32; members];
        for (list, place) in leaves.iter().flatten().filter(inside).enumerate() {
            let next = &mut next[(*place - range.start) as usize];
            lists[*next as usize] = list as u32;
            *next += 1;
        }
        let mut near = vec![NONE; members * taken];
        let mut rest = &mut near[..];
        let mut rooms = Vec::with_capacity(leaves.len());
        for leaf in leaves {
            let (room, after) = rest.split_at_mut(leaf.iter().filter(inside).count() * taken);
            rooms.push(room);
            rest = after;
        }
        leaves.par_iter().zip(rooms).for_each_init(
            || (Leaf::default(), Comparison::default(), <[Vec<f32>; SIDE]>::default(), Vec::new()),
            |(leaf, with, rows, best), (places, mut room)| {
                if room.is_empty() {
                    return;
                }
                drafts.gather(places, leaf);
                for of in (0..places.len()).step_by(SIDE) {
                    let last = places.len().min(of + SIDE) - 1;
                    if !places[of..=last].iter().any(|place| range.contains(place)) {
                        continue;
                    }
                    let both = familiar(known, places, of);
                    let but = if both.contains(&last) { both.clone() } else { 0..0 };
                    drafts.rows((leaf, of), leaf, &but, with, rows);
                    for (at, row) in (of..=last).zip(&mut *rows).filter(|(at, _)| range.contains(&places[*at])) {
                        let own = if both.contains(&at) { both.clone() } else { familiar(known, places, at) };
                        row[own].fill(f32::INFINITY);
                        nearest_of(&row[..places.len()], taken, Some(at), best);
                        let (list, after) = std::mem::take(&mut room).split_at_mut(taken);
                        room = after;
                        for (list, near) in list.iter_mut().zip(&*best) {
                            *list = places[near.1 as usize];
                        }
                    }
                }
            },
        );
        Self { range, starts, lists, near, taken }
    }

    /// Adds whom a place met, some of them more than once.
    fn add(&self, place: u32, near: &mut Vec<u32>) {
        let at = (place - self.range.start) as usize;
        for list in &self.lists[self.starts[at] as usize..self.starts[at + 1] as usize] {
            let list = &self.near[*list as usize * self.taken..][..self.taken];
            near.extend(list.iter().filter(|near| **near != NONE));
        }
    }
}

/// Where those stand, around a place of a leaf, that it knows.
fn familiar(known: Option<&Known<'_>>, places: &[u32], at: usize) -> Range<usize> {
    let Some(known) = known else { return 0..0 };
    let group = known.group(places[at]);
    if group == ALONE {
        return 0..0;
    }
    let start = places.partition_point(|place| known.group(*place) < group);
    start..places.partition_point(|place| known.group(*place) <= group)
}

/// Candidates of a place with their distances, nearest first, each once.
fn measured(drafts: &Drafts, place: u32, near: &mut Vec<u32>, candidates: &mut Vec<Candidate>, bench: &mut Bench) {
    near.sort_unstable();
    near.dedup();
    drafts.distances(place, near, &mut bench.with, &mut bench.distances);
    candidates.clear();
    candidates.extend(bench.distances.iter().map(|distance| key(*distance)).zip(near.iter().copied()));
    candidates.sort_unstable();
}

/// Who offers a link to the places of a stretch.
struct Offers {
    first: u32,
    starts: Vec<u32>,
    from: Vec<Candidate>,
}

impl Offers {
    fn of(own: &Own, range: &Range<u32>) -> Self {
        let inside = |link: &&Candidate| range.contains(&link.1);
        let mut starts = vec![0u32; range.len() + 1];
        own.links.iter().filter(inside).for_each(|link| starts[(link.1 - range.start) as usize + 1] += 1);
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let mut next = starts.clone();
        let mut from = vec![(0, 0); starts.last().map_or(0, |all| *all as usize)];
        for (place, ends) in own.starts.windows(2).enumerate() {
            for (distance, to) in own.links[ends[0]..ends[1]].iter().filter(inside) {
                let next = &mut next[(*to - range.start) as usize];
                from[*next as usize] = (*distance, place as u32);
                *next += 1;
            }
        }
        Self { first: range.start, starts, from }
    }

    fn to(&self, place: u32) -> &[Candidate] {
        let at = (place - self.first) as usize;
        &self.from[self.starts[at] as usize..self.starts[at + 1] as usize]
    }
}
