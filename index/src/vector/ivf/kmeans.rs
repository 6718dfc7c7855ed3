//! Centroids by k-means over bytes (Lloyd 1982), the same for any number of threads: distances and sums
//! are integers, and ties go to the first.
//!
//! Two levels first: about the square root of as many clusters, and then each is divided by itself into
//! its share of lists; that gives every list a like number of rows at a fraction of the cost. A few
//! rounds over all rows and lists follow. Between rounds a list that starves moves to where one is too
//! full, so that no list is much longer than the others: the longest ones make the slowest queries.

use crate::vector::kernel::tile8::Tile8;
use rayon::prelude::*;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

/// Rounds on either of the two levels, and over everything.
const LEVEL_ROUNDS: usize = 6;
const FLAT_ROUNDS: usize = 3;

/// Fewer lists are found on one level.
const ONE_LEVEL_MAX: usize = 32;

/// The upper level looks at so many points for each of its clusters, at most.
const UPPER_POINTS: usize = 256;

/// A list starves with less than this share of the mean, and is too full with more than this many times it.
const STARVES: f64 = 0.25;
const TOO_FULL: f64 = 2.0;

/// Points that are assigned in one piece of work.
const PIECE: usize = 512;

/// Codes of whole rows; the padding of a row is zeros.
#[derive(Debug)]
pub(in crate::vector) struct Points<'a> {
    codes: &'a [u8],
    stride: usize,
    kernel: Tile8,
}

/// Points by the list they fell to.
#[derive(Debug)]
pub(in crate::vector) struct Groups {
    /// Where each list begins in `members`; one more at the end.
    pub(in crate::vector) starts: Vec<u32>,
    /// List after list, in each of them in the order in which they came.
    pub(in crate::vector) members: Vec<u32>,
}

impl Groups {
    /// Of what fell where: `lists[i]` is the list of `names[i]`.
    pub(in crate::vector) fn of(lists: &[u32], names: &[u32], count: usize) -> Self {
        let mut starts = vec![0u32; count + 1];
        for list in lists {
            starts[*list as usize + 1] += 1;
        }
        for at in 0..count {
            starts[at + 1] += starts[at];
        }
        let mut next = starts.clone();
        let mut members = vec![0; lists.len()];
        for (list, name) in lists.iter().zip(names) {
            let at = &mut next[*list as usize];
            members[*at as usize] = *name;
            *at += 1;
        }
        Self { starts, members }
    }

    /// How many lists.
    pub(in crate::vector) fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// Where a list lies in the members.
    pub(in crate::vector) fn range(&self, list: usize) -> Range<usize> {
        self.starts[list] as usize..self.starts[list + 1] as usize
    }

    fn list(&self, list: usize) -> &[u32] {
        &self.members[self.range(list)]
    }
}

/// Centroids ready to be compared with.
#[derive(Debug)]
pub(in crate::vector) struct Targets {
    flipped: Vec<u8>,
    norms: Vec<u32>,
    stride: usize,
    kernel: Tile8,
}

impl Targets {
    /// From codes of whole rows.
    pub(in crate::vector) fn new(codes: &[u8], stride: usize) -> Self {
        let squares = |row: &[u8]| row.iter().map(|byte| u32::from(*byte).pow(2)).fold(0, u32::wrapping_add);
        Self {
            flipped: codes.iter().map(|byte| byte ^ 0x80).collect(),
            norms: codes.chunks_exact(stride).map(squares).collect(),
            stride,
            kernel: Tile8::detect(),
        }
    }

    /// The nearest centroid of each of some rows of codes.
    pub(in crate::vector) fn nearest(&self, rows: &[u8], found: &mut Vec<u32>) {
        let norm = |row: &[u8]| {
            let (mut squares, mut sum) = (0u32, 0u32);
            for byte in row {
                squares = squares.wrapping_add(u32::from(*byte).pow(2));
                sum += u32::from(*byte);
            }
            squares.wrapping_sub(sum.wrapping_mul(256))
        };
        let norms: Vec<u32> = rows.chunks_exact(self.stride).map(norm).collect();
        self.kernel
            .nearest((rows, &norms), (&self.flipped, &self.norms), self.stride, |_, nearest, _| found.push(nearest));
    }
}

impl<'a> Points<'a> {
    /// Codes of whole rows of `stride` bytes.
    pub(in crate::vector) fn new(codes: &'a [u8], stride: usize) -> Self {
        Self { codes, stride, kernel: Tile8::detect() }
    }

    fn row(&self, point: u32) -> &'a [u8] {
        &self.codes[point as usize * self.stride..][..self.stride]
    }

    /// Codes of at most `lists` centroids; fewer only where there are fewer points. `None` where it was
    /// stopped.
    pub(in crate::vector) fn centroids(&self, lists: usize, stop: &AtomicBool) -> Option<Vec<u8>> {
        let all: Vec<u32> = (0..(self.codes.len() / self.stride) as u32).collect();
        let lists = lists.clamp(1, all.len().max(1));
        if lists <= ONE_LEVEL_MAX {
            return self.lloyd(&all, self.seeds(&all, lists), LEVEL_ROUNDS + FLAT_ROUNDS, stop);
        }
        let upper = (lists as f64).sqrt().ceil() as usize;
        let every = (all.len() / (upper * UPPER_POINTS)).max(1);
        let few: Vec<u32> = all.iter().copied().step_by(every).collect();
        let clusters = self.lloyd(&few, self.seeds(&few, upper), LEVEL_ROUNDS, stop)?;
        let groups = Groups::of(&self.assign(&all, &clusters), &all, upper);
        let shares = shares(&groups, lists);
        let divided: Vec<Option<Vec<u8>>> = (0..upper)
            .into_par_iter()
            .map(|cluster| {
                let members = groups.list(cluster);
                self.lloyd(members, self.seeds(members, shares[cluster]), LEVEL_ROUNDS, stop)
            })
            .collect();
        let mut centroids = Vec::with_capacity(lists * self.stride);
        for part in divided {
            centroids.extend(part?);
        }
        self.lloyd(&all, centroids, FLAT_ROUNDS, stop)
    }

    /// Evenly spread members.
    fn seeds(&self, members: &[u32], count: usize) -> Vec<u8> {
        let count = count.min(members.len());
        (0..count).flat_map(|at| self.row(members[(2 * at + 1) * members.len() / (2 * count)])).copied().collect()
    }

    /// The nearest centroid of each member.
    fn assign(&self, members: &[u32], centroids: &[u8]) -> Vec<u32> {
        let targets = Targets { kernel: self.kernel, ..Targets::new(centroids, self.stride) };
        members
            .par_chunks(PIECE)
            .flat_map_iter(|piece| {
                let rows: Vec<u8> = piece.iter().flat_map(|point| self.row(*point)).copied().collect();
                let mut found = Vec::with_capacity(piece.len());
                targets.nearest(&rows, &mut found);
                found
            })
            .collect()
    }

    fn lloyd(&self, members: &[u32], mut centroids: Vec<u8>, rounds: usize, stop: &AtomicBool) -> Option<Vec<u8>> {
        let count = centroids.len() / self.stride;
        if count == 0 {
            return Some(centroids);
        }
        for round in 0..rounds {
            if stop.load(Ordering::Relaxed) {
                return None;
            }
            let groups = Groups::of(&self.assign(members, &centroids), members, count);
            centroids.par_chunks_exact_mut(self.stride).enumerate().for_each(|(list, centroid)| {
                self.mean(groups.list(list), centroid);
            });
            if round + 1 < rounds {
                self.balance(&groups, &mut centroids);
            }
        }
        Some(centroids)
    }

    /// The mean of points; of none, what is there already.
    fn mean(&self, members: &[u32], mean: &mut [u8]) {
        if members.is_empty() {
            return;
        }
        let mut sums = vec![0u64; self.stride];
        let mut few = vec![0u16; self.stride];
        // So many bytes fit into the sum of 16 bits, which is the fast one.
        for piece in members.chunks(256) {
            few.fill(0);
            for point in piece {
                few.iter_mut().zip(self.row(*point)).for_each(|(sum, byte)| *sum += u16::from(*byte));
            }
            sums.iter_mut().zip(&few).for_each(|(sum, few)| *sum += u64::from(*few));
        }
        let count = members.len() as u64;
        mean.iter_mut().zip(sums).for_each(|(mean, sum)| *mean = ((sum + count / 2) / count) as u8);
    }

    /// Moves starving lists to a member of a list that is too full, the fullest first.
    fn balance(&self, groups: &Groups, centroids: &mut [u8]) {
        let count = groups.len();
        let mean = groups.members.len() as f64 / count as f64;
        let size = |list: usize| groups.list(list).len() as f64;
        let mut by_size: Vec<usize> = (0..count).collect();
        by_size.sort_by(|a, b| size(*b).total_cmp(&size(*a)));
        let mut starving = by_size.iter().rev().copied().take_while(|list| size(*list) < STARVES * mean);
        for full in by_size.iter().copied().take_while(|list| size(*list) > TOO_FULL * mean) {
            let members = groups.list(full);
            let parts = (size(full) / mean) as usize;
            for part in 1..parts {
                let Some(starved) = starving.next() else { return };
                let member = self.row(members[part * members.len() / parts]);
                centroids[starved * self.stride..][..self.stride].copy_from_slice(member);
            }
        }
    }
}

/// How many lists each cluster is divided into: in proportion to its members, one at least where it has any,
/// all together as many as are wanted, or a few less where there are too few members.
fn shares(groups: &Groups, lists: usize) -> Vec<usize> {
    let sizes: Vec<usize> = (0..groups.len()).map(|cluster| groups.range(cluster).len()).collect();
    let all: usize = sizes.iter().sum();
    let mut shares: Vec<usize> = sizes.iter().map(|size| (size * lists / all.max(1)).max(1).min(*size)).collect();
    while shares.iter().sum::<usize>() < lists {
        // To the cluster with the most members a list; the first of those.
        let open = (0..shares.len()).rev().filter(|cluster| shares[*cluster] < sizes[*cluster]);
        let Some(most) = open.max_by_key(|cluster| sizes[*cluster] * 1000 / (shares[*cluster] + 1)) else { break };
        shares[most] += 1;
    }
    while shares.iter().sum::<usize>() > lists {
        let Some(least) =
            (0..shares.len()).filter(|cluster| shares[*cluster] > 1).max_by_key(|cluster| shares[*cluster])
        else {
            break;
        };
        shares[least] -= 1;
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Points around a few places, some places much fuller than others.
    fn sample(points: usize, stride: usize) -> Vec<u8> {
        let mut state = 7u64;
        let mut roll = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as u32
        };
        let places: Vec<Vec<u8>> = (0..20).map(|_| (0..stride).map(|_| (roll() % 200 + 20) as u8).collect()).collect();
        let mut codes = Vec::new();
        for _ in 0..points {
            let place = &places[(roll() % 20 * (roll() % 20) / 20) as usize];
            codes.extend(place.iter().map(|byte| byte + (roll() % 30) as u8));
        }
        codes
    }

    fn by(threads: usize, codes: &[u8], lists: usize) -> Vec<u8> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| Points::new(codes, 64).centroids(lists, &AtomicBool::new(false)).unwrap())
    }

    #[test]
    fn lists_are_alike_and_near_their_points() {
        let codes = sample(6_000, 64);
        let points = Points::new(&codes, 64);
        let all: Vec<u32> = (0..6_000).collect();
        for lists in [1, 5, 40, 150] {
            let centroids = by(2, &codes, lists);
            assert_eq!(centroids.len(), lists * 64);
            let groups = Groups::of(&points.assign(&all, &centroids), &all, lists);
            let longest = (0..lists).map(|list| groups.list(list).len()).max().unwrap();
            assert!(longest <= 6_000 * 5 / lists, "{lists} lists, {longest} in the longest");
            let far = |a: &[u8], b: &[u8]| a.iter().zip(b).map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2)).sum::<u64>();
            let spread: u64 = (0..lists)
                .flat_map(|list| groups.list(list).iter().map(move |point| (list, *point)))
                .map(|(list, point)| far(points.row(point), &centroids[list * 64..][..64]))
                .sum();
            // Beside its place a point is off by 30 / sqrt(12) in each number.
            if lists >= 100 {
                assert!(spread / 6_000 <= 64 * 75 * 3 / 2, "{lists} lists: {}", spread / 6_000);
            }
        }
    }

    #[test]
    fn any_number_of_threads_finds_the_same() {
        let codes = sample(4_000, 64);
        for lists in [7, 100] {
            let one = by(1, &codes, lists);
            assert!([2, 5].iter().all(|threads| by(*threads, &codes, lists) == one));
        }
    }

    #[test]
    fn few_points_and_equal_points_do_no_harm() {
        assert_eq!(by(1, &[], 10).len(), 0);
        assert_eq!(by(1, &sample(3, 64), 10).len(), 3 * 64);
        assert_eq!(by(1, &[9; 64 * 500], 50), vec![9; 64 * 50]);
        let stopped = Points::new(&sample(500, 64), 64).centroids(50, &AtomicBool::new(true));
        assert_eq!(stopped, None);
    }
}
