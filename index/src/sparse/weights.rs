//! What the numbers of a query weigh: as they are, or by how rare their indices are.

use crate::sparse::vector::SparseVector;
use std::ops::AddAssign;

/// What has to be known of the rows to weigh a query. Sums over parts, dead rows left out.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Statistics {
    /// Rows with a vector.
    pub rows: u64,
    /// For each index of the query, the rows that have it.
    pub frequencies: Vec<u64>,
}

impl AddAssign<&Statistics> for Statistics {
    fn add_assign(&mut self, other: &Statistics) {
        self.rows += other.rows;
        self.frequencies.resize(self.frequencies.len().max(other.frequencies.len()), 0);
        for (sum, more) in self.frequencies.iter_mut().zip(&other.frequencies) {
            *sum += more;
        }
    }
}

/// A query whose numbers are multiplied by the rarity of their indices, as BM25 reckons it.
pub fn by_rarity(query: &SparseVector, statistics: &Statistics) -> Vec<(u32, f32)> {
    let rows = statistics.rows as f64;
    let weigh = |((index, value), frequency): ((u32, f32), &u64)| {
        let frequency = *frequency as f64;
        let idf = (1.0 + (rows - frequency + 0.5) / (frequency + 0.5)).ln();
        (index, (f64::from(value) * idf) as f32)
    };
    query.iter().zip(&statistics.frequencies).map(weigh).collect()
}

/// A query as it is.
pub fn plain(query: &SparseVector) -> Vec<(u32, f32)> {
    query.iter().collect()
}
