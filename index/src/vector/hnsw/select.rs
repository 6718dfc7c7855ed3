//! Which candidates become links: those that are not reached through a nearer one.

use crate::vector::quant::scalar::{Coded, Codes};

/// A candidate: how far from the node, and where.
pub(super) type Candidate = (u32, u32);

/// What a selection needs for a while.
#[derive(Debug, Default)]
pub(super) struct Bench {
    coded: Coded,
    kept: Vec<u32>,
    distances: Vec<u32>,
}

/// A candidate is passed over if it is this much nearer to a kept one than to the node: 1.2 times, on
/// squared distances. Keeping some of the longer links makes a graph with more ways round.
const NEARER: (u64, u64) = (6, 5);

/// How many kept ones a candidate is compared with at a time.
const STEP: usize = 8;

/// How many candidates are asked for ahead.
const ASKED: usize = 4;

/// The links of a node, from its candidates sorted by distance: at most `width`.
pub(super) fn select(codes: &Codes, candidates: &[Candidate], width: usize, bench: &mut Bench) -> Vec<Candidate> {
    let mut links: Vec<Candidate> = Vec::with_capacity(width);
    bench.kept.clear();
    for candidate in candidates.iter().take(ASKED) {
        codes.prefetch(candidate.1);
    }
    for (at, candidate) in candidates.iter().enumerate() {
        if links.len() == width {
            break;
        }
        if let Some(later) = candidates.get(at + ASKED) {
            codes.prefetch(later.1);
        }
        if bench.stands_alone(codes, *candidate) {
            bench.kept.push(candidate.1);
            links.push(*candidate);
        }
    }
    links
}

impl Bench {
    fn stands_alone(&mut self, codes: &Codes, (distance, place): Candidate) -> bool {
        if self.kept.is_empty() {
            return true;
        }
        codes.coded(place, &mut self.coded);
        self.kept.chunks(STEP).all(|kept| {
            codes.distances(&self.coded, kept, &mut self.distances);
            self.distances.iter().all(|other| u64::from(*other) * NEARER.0 > u64::from(distance) * NEARER.1)
        })
    }
}
