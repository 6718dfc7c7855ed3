//! Overlapping groups of near places: what the build compares pair by pair.
//!
//! Every place joins the groups of its nearest leaders; a group that is too large is divided again in the same way (PiPNN;
//! 2026, section 3). Places that are near each other then meet in some group with high probability, and comparing all
//! pairs of a group costs a fraction of as many searches.

use crate::vector::hnsw::search::key;
use crate::vector::kernel;
use crate::vector::quant::draft::{Comparison, Drafts, Leaf, SIDE};
use rayon::prelude::*;
use std::sync::atomic::{AtomicBool, Ordering};

/// Places of a group, at most.
const LEAF: usize = 512;

/// Leaders for each [`LEAF`] places that are divided.
const LEADERS: usize = 3;

/// Leaders of one division, at most.
const LEADERS_MAX: usize = 1000;

/// Places that one task finds the leaders of.
const PIECE: usize = 64;

/// Distances that are looked at together.
const LOOKED_AT: usize = 16;

/// Divides places into groups of at most [`LEAF`]. Each joins `breadth` of them at first, two where a group is divided
/// again, one from then on. The places rise within a group. `None` where it was stopped.
pub(super) fn partition(drafts: &Drafts, places: Vec<u32>, breadth: usize, stop: &AtomicBool) -> Option<Vec<Vec<u32>>> {
    let mut leaves = Vec::new();
    let mut open = vec![(places, 0)];
    while let Some((places, depth)) = open.pop() {
        if stop.load(Ordering::Relaxed) {
            return None;
        }
        if places.len() <= LEAF {
            leaves.push(places);
            continue;
        }
        let breadth = match depth {
            0 => breadth,
            1 => 2,
            _ => 1,
        };
        let mut small: Vec<u32> = Vec::new();
        for group in divide(drafts, &places, breadth) {
            if group.len() == places.len() {
                // All lead to one: they are equal, and any groups will do.
                leaves.extend(group.chunks(LEAF).map(<[u32]>::to_vec));
            } else if group.len() > LEAF {
                open.push((group, depth + 1));
            } else if group.len() >= LEAF / 4 {
                leaves.push(group);
            } else {
                small.extend(group);
                if small.len() > LEAF / 2 {
                    leaves.push(distinct(std::mem::take(&mut small)));
                }
            }
        }
        leaves.push(distinct(small));
    }
    leaves.retain(|leaf| leaf.len() > 1);
    Some(leaves)
}

fn distinct(mut places: Vec<u32>) -> Vec<u32> {
    places.sort_unstable();
    places.dedup();
    places
}

/// The groups of leaders, which stand evenly spread among the places.
fn divide(drafts: &Drafts, places: &[u32], breadth: usize) -> Vec<Vec<u32>> {
    let count = (places.len() * LEADERS / LEAF).clamp(2, LEADERS_MAX);
    let leaders: Vec<u32> = (0..count).map(|at| places[at * places.len() / count]).collect();
    let breadth = breadth.min(count);
    let mut of_leaders = Leaf::default();
    drafts.gather(&leaders, &mut of_leaders);
    let mut nearest = vec![0u32; places.len() * breadth];
    nearest.par_chunks_mut(PIECE * breadth).zip(places.par_chunks(PIECE)).for_each_init(
        || (Leaf::default(), Comparison::default(), <[Vec<f32>; SIDE]>::default(), Vec::new()),
        |(piece, with, rows, best), (nearest, places)| {
            drafts.gather(places, piece);
            for (four, nearest) in nearest.chunks_mut(SIDE * breadth).enumerate() {
                drafts.rows((piece, four * SIDE), &of_leaders, &(0..0), with, rows);
                for (nearest, distances) in nearest.chunks_exact_mut(breadth).zip(&*rows) {
                    nearest_of(&distances[..count], breadth, None, best);
                    for (nearest, best) in nearest.iter_mut().zip(&*best) {
                        *nearest = best.1;
                    }
                }
            }
        },
    );
    let mut groups = vec![Vec::new(); count];
    for (place, nearest) in places.iter().zip(nearest.chunks_exact(breadth)) {
        for leader in nearest {
            groups[*leader as usize].push(*place);
        }
    }
    groups
}

/// The `count` smallest distances but the one at `but` and infinite ones, with where they stand, smallest first.
pub(super) fn nearest_of(distances: &[f32], count: usize, but: Option<usize>, best: &mut Vec<(u32, u32)>) {
    // The lanes' smallest are as many distances: the one of them that has `count` others below it is a limit.
    let mut least = kernel::smallest_of_lanes(distances);
    let limit = if count + 1 < least.len() {
        least.sort_unstable_by(f32::total_cmp);
        least[count]
    } else {
        f32::MAX
    };
    best.clear();
    for (group, distances) in distances.chunks(LOOKED_AT).enumerate() {
        // Most groups hold nothing of interest: told without a branch for each.
        if distances.iter().all(|distance| *distance > limit) {
            continue;
        }
        for (at, distance) in distances.iter().enumerate() {
            let at = group * LOOKED_AT + at;
            if *distance <= limit && but != Some(at) {
                best.push((key(*distance), at as u32));
            }
        }
    }
    best.sort_unstable();
    best.truncate(count);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vector::quant::draft::Draft;

    #[test]
    fn every_place_is_in_a_group_and_none_is_too_large() {
        let (places, dims) = (3_000usize, 16);
        let mut drafts = Drafts::of_products(places, dims);
        drafts.chunks_mut(1).enumerate().for_each(|(place, mut draft)| {
            // A third of them are equal.
            let kind = if place % 3 == 0 { 0 } else { place };
            let vector: Vec<f32> = (0..dims).map(|at| ((kind * 31 + at) * 7919 % 1009) as f32).collect();
            draft.set(0, Draft { turned: &vector, norm: vector.iter().map(|value| value * value).sum() });
        });
        let stop = AtomicBool::new(false);
        let leaves = partition(&drafts, (0..places as u32).collect(), 4, &stop).unwrap();
        let mut met = vec![0; places];
        for leaf in &leaves {
            assert!(leaf.len() <= LEAF && leaf.is_sorted_by(|a, b| a < b));
            leaf.iter().for_each(|place| met[*place as usize] += 1);
        }
        assert!(met.iter().all(|times| *times > 0));
        stop.store(true, Ordering::Relaxed);
        assert!(partition(&drafts, (0..places as u32).collect(), 4, &stop).is_none());
    }

    #[test]
    fn the_smallest_are_found_in_order() {
        let distances: Vec<f32> = (0..100).map(|at| (at * 37 % 50) as f32).collect();
        let mut want: Vec<(u32, u32)> = (0..100).map(|at| (key(distances[at]), at as u32)).collect();
        want.retain(|one| one.1 != 50);
        want.sort_unstable();
        let mut best = Vec::new();
        for count in [1, 7, 99, 200] {
            nearest_of(&distances, count, Some(50), &mut best);
            assert_eq!(best, want[..count.min(99)]);
        }
    }
}
