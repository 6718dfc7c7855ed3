//! What a walk keeps: the best candidates so far, and where it has been.
//!
//! The pool is one sorted array. The nearest candidate that was not expanded yet is the next to be, so
//! the array is both of the heaps of the textbook; an effort of a few hundred makes insertion into it
//! cheaper than either.
//!
//! ```text
//! candidate = | distance, 32 bits | place, 30 bits | is a hit | was expanded |
//! ```

use crate::vector::quant::Coded;

const HIT: u64 = 2;
const EXPANDED: u64 = 1;

/// Places have to be below this.
pub(in crate::vector) const PLACES_MAX: u32 = 1 << 30;

/// The nearest candidates, up to a number of hits; those that are no hits only lead on.
#[derive(Debug, Default)]
pub(in crate::vector) struct Pool {
    entries: Vec<u64>,
    /// Every entry before this one was expanded.
    next: usize,
    hits: usize,
    hits_max: usize,
}

impl Pool {
    /// Empties the pool, for `hits_max` hits.
    pub(in crate::vector) fn reset(&mut self, hits_max: usize) {
        self.entries.clear();
        (self.next, self.hits, self.hits_max) = (0, 0, hits_max.max(1));
    }

    /// Offers a candidate that is not in the pool; whether it was taken.
    #[inline]
    pub(in crate::vector) fn offer(&mut self, distance: u32, place: u32, is_hit: bool) -> bool {
        let entry = u64::from(distance) << 32 | u64::from(place) << 2 | if is_hit { HIT } else { 0 };
        let full = self.hits == self.hits_max;
        if full && self.entries.last().is_some_and(|last| *last <= entry) {
            return false;
        }
        let at = self.entries.partition_point(|other| *other < entry);
        if full && is_hit {
            self.entries.pop();
            self.hits -= 1;
        }
        self.entries.insert(at, entry);
        self.hits += usize::from(is_hit);
        self.next = self.next.min(at);
        if self.hits == self.hits_max {
            // A full pool ends with a hit: what lies beyond the farthest hit leads nowhere.
            while self.entries.last().is_some_and(|last| last & HIT == 0) {
                self.entries.pop();
            }
        }
        true
    }

    /// The nearest candidate that was not expanded yet; it counts as expanded from now on.
    #[inline]
    pub(in crate::vector) fn expand_next(&mut self) -> Option<u32> {
        while let Some(entry) = self.entries.get_mut(self.next) {
            self.next += 1;
            if *entry & EXPANDED == 0 {
                *entry |= EXPANDED;
                return Some(place_of(*entry));
            }
        }
        None
    }

    /// The farthest of the `k` nearest candidates; `None` where there are fewer.
    #[inline]
    pub(in crate::vector) fn farthest_of(&self, k: usize) -> Option<(u32, u32)> {
        self.entries.get(k.checked_sub(1)?).map(|entry| ((entry >> 32) as u32, place_of(*entry)))
    }

    /// Hits that are nearer than every candidate that was not expanded yet. A walk of that effort would
    /// have come to its end by now, with these hits: it expands the same candidates in the same order.
    pub(in crate::vector) fn settled(&mut self) -> usize {
        while self.entries.get(self.next).is_some_and(|entry| entry & EXPANDED != 0) {
            self.next += 1;
        }
        self.entries[..self.next].iter().filter(|entry| **entry & HIT != 0).count()
    }

    /// How many hits.
    pub(in crate::vector) fn len(&self) -> usize {
        self.hits
    }

    /// The hits with their distances, nearest first.
    pub(in crate::vector) fn hits(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        self.entries.iter().filter(|entry| **entry & HIT != 0).map(|entry| ((entry >> 32) as u32, place_of(*entry)))
    }
}

fn place_of(entry: u64) -> u32 {
    (entry >> 2) as u32 & (PLACES_MAX - 1)
}

/// Where a walk has been: a bit a place, few enough to stay near the core.
#[derive(Debug, Default)]
pub(in crate::vector) struct Seen {
    words: Vec<u64>,
    /// Every place whose bit is set.
    places: Vec<u32>,
}

impl Seen {
    /// A word in a row is cleared in so much less time than one here and there.
    const IN_A_ROW: usize = 8;

    /// Forgets everything, and makes room for places below `places`.
    pub(in crate::vector) fn reset(&mut self, places: u32) {
        if self.places.len() < self.words.len() / Self::IN_A_ROW {
            for place in &self.places {
                self.words[*place as usize / 64] = 0;
            }
        } else {
            self.words.fill(0);
        }
        self.places.clear();
        let words = (places as usize).div_ceil(64);
        if self.words.len() < words {
            self.words.resize(words, 0);
        }
    }

    /// Appends those of the places to `fresh` that are visited for the first time: in the same steps whichever they are, for
    /// it is as good as tossed. The places are below what `reset` was given.
    #[inline]
    pub(in crate::vector) fn first_of(&mut self, places: &[u32], fresh: &mut Vec<u32>) {
        let from = fresh.len();
        fresh.resize(from + places.len(), 0);
        let mut count = from;
        for place in places {
            fresh[count] = *place;
            count += usize::from(self.mark(*place));
        }
        fresh.truncate(count);
        self.places.extend_from_slice(&fresh[from..]);
    }

    /// Whether this is the first visit. The place is below what `reset` was given.
    #[inline]
    pub(in crate::vector) fn first(&mut self, place: u32) -> bool {
        let first = self.mark(place);
        if first {
            self.places.push(place);
        }
        first
    }

    #[inline]
    fn mark(&mut self, place: u32) -> bool {
        let (word, bit) = (&mut self.words[place as usize / 64], 1 << (place % 64));
        let first = *word & bit == 0;
        *word |= bit;
        first
    }
}

/// What a walk needs for a while; kept by its thread so that a search allocates next to nothing.
#[derive(Debug, Default)]
pub(in crate::vector) struct Scratch {
    pub(in crate::vector) pool: Pool,
    pub(in crate::vector) seen: Seen,
    pub(in crate::vector) fresh: Vec<u32>,
    pub(in crate::vector) dead: Vec<u32>,
    pub(in crate::vector) distances: Vec<f32>,
    pub(in crate::vector) coded: Coded,
}

thread_local! {
    static SCRATCH: std::cell::RefCell<Scratch> = std::cell::RefCell::default();
}

impl Scratch {
    /// Lends the thread's scratch; a walk inside a walk gets one of its own.
    pub(in crate::vector) fn lend<T>(work: impl FnOnce(&mut Self) -> T) -> T {
        SCRATCH.with(|scratch| match scratch.try_borrow_mut() {
            Ok(mut scratch) => work(&mut scratch),
            Err(_) => work(&mut Self::default()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pool_keeps_what_a_sort_keeps() {
        for seed in 0..50u32 {
            let offered: Vec<(u32, u32, bool)> = (0..200u32)
                .map(|place| {
                    let noise = (place + 1).wrapping_mul(seed.wrapping_mul(2_654_435_761) | 1) >> 7;
                    (noise % 90, place, noise / 90 % 3 > 0)
                })
                .collect();
            let mut pool = Pool::default();
            pool.reset(10);
            for (distance, place, is_hit) in &offered {
                pool.offer(*distance, *place, *is_hit);
                if place % 5 == 0 {
                    pool.expand_next();
                }
            }
            let mut want: Vec<(u32, u32)> = offered.iter().filter(|one| one.2).map(|one| (one.0, one.1)).collect();
            want.sort_unstable();
            want.truncate(10);
            assert_eq!(pool.hits().collect::<Vec<_>>(), want);
            let mut rest = Vec::new();
            while let Some(place) = pool.expand_next() {
                rest.push(place);
            }
            assert!(rest.len() <= offered.len());
        }
    }

    #[test]
    fn places_seen_before_are_left_out() {
        let (mut seen, mut fresh) = (Seen::default(), vec![7]);
        seen.reset(10);
        assert!(seen.first(4));
        seen.first_of(&[3, 4, 9, 3, 0], &mut fresh);
        assert_eq!(fresh, [7, 3, 9, 0]);
        seen.first_of(&[9, 0], &mut fresh);
        seen.first_of(&[], &mut fresh);
        assert_eq!(fresh, [7, 3, 9, 0]);
    }

    #[test]
    fn nothing_is_seen_before_a_walk_begins() {
        let mut seen = Seen::default();
        // Few places of many, many of many, many of few.
        for (count, step) in [(100_000, 9_999), (100_000, 3), (100, 1), (100_000, 50_000), (200_000, 7)] {
            seen.reset(count);
            for place in (0..count).step_by(step) {
                assert!(seen.first(place) && !seen.first(place), "{place} of {count}");
            }
        }
    }
}
