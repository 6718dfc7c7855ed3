//! Rows, hits, and the best few of them.

use std::cmp::Ordering;

/// A point's place in one part: dense, from 0 to `rows - 1`. The doc id of the text index, the bit
/// in every bitmap, the slot in every vector file.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Row(pub u32);

impl Row {
    /// The row as an index into a slice.
    pub fn at(self) -> usize {
        self.0 as usize
    }
}

/// A row and how good it is. Bigger is better, whatever the metric.
#[derive(Copy, Clone, PartialEq, Debug)]
pub struct Hit {
    /// The row found.
    pub row: Row,
    /// Its score: bigger is better.
    pub score: f32,
}

impl Eq for Hit {}

impl Ord for Hit {
    /// The better hit is the greater one: by score, then the smaller row. Total, also over NaN.
    fn cmp(&self, other: &Self) -> Ordering {
        self.score.total_cmp(&other.score).then(other.row.cmp(&self.row))
    }
}

impl PartialOrd for Hit {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Keeps the `k` best hits of all that were offered.
#[derive(Debug)]
pub struct TopK {
    k: usize,
    /// A min-heap by `Hit`'s order, so that the worst kept hit is at the top.
    heap: std::collections::BinaryHeap<std::cmp::Reverse<Hit>>,
}

impl TopK {
    /// Room for the `k` best.
    pub fn new(k: usize) -> Self {
        Self { k, heap: std::collections::BinaryHeap::with_capacity(k.min(4096) + 1) }
    }

    /// Offers a hit; it is kept if it is among the `k` best so far.
    #[inline]
    pub fn offer(&mut self, hit: Hit) {
        if self.heap.len() < self.k {
            self.heap.push(std::cmp::Reverse(hit));
        } else if let Some(mut worst) = self.heap.peek_mut()
            && hit > worst.0
        {
            *worst = std::cmp::Reverse(hit);
        }
    }

    /// The score that a hit has to pass to be kept; negative infinity while there is room.
    #[inline]
    pub fn floor(&self) -> f32 {
        if self.heap.len() < self.k {
            return f32::NEG_INFINITY;
        }
        self.heap.peek().map_or(f32::INFINITY, |worst| worst.0.score)
    }

    /// The kept hits, best first.
    pub fn into_sorted(self) -> Vec<Hit> {
        // `Reverse` turned the heap round, so ascending order of the heap is best first.
        self.heap.into_sorted_vec().into_iter().map(|hit| hit.0).collect()
    }
}

/// Rows of a part that go on into a new part, in the order in which they stand there. New rows are
/// dense: the first kept row of the first part becomes row 0, and so on through all parts.
#[derive(Debug)]
pub struct Kept<'a, P: ?Sized> {
    /// Where the rows stand now.
    pub part: &'a P,
    /// Which rows go on, rising.
    pub rows: &'a [Row],
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hit(row: u32, score: f32) -> Hit {
        Hit { row: Row(row), score }
    }

    #[test]
    fn ties_go_to_the_smaller_row() {
        let mut top = TopK::new(2);
        for row in [7, 3, 5] {
            top.offer(hit(row, 1.0));
        }
        assert_eq!(top.into_sorted(), vec![hit(3, 1.0), hit(5, 1.0)]);
    }

    #[test]
    fn the_floor_rises_only_when_full() {
        let mut top = TopK::new(2);
        top.offer(hit(0, 1.0));
        assert_eq!(top.floor(), f32::NEG_INFINITY);
        top.offer(hit(1, 3.0));
        assert_eq!(top.floor(), 1.0);
        top.offer(hit(2, 2.0));
        assert_eq!(top.floor(), 2.0);
    }

    #[test]
    fn no_room_keeps_nothing() {
        let mut top = TopK::new(0);
        top.offer(hit(0, 1.0));
        assert!(top.into_sorted().is_empty());
    }
}
