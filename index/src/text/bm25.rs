//! BM25 (Robertson & Zaragoza 2009): statistics summed over all parts of a query, one weight a term.

use crate::bitmap::Bitmap;
use crate::error::Result;
use crate::params::Found;
use crate::selection::Selection;
use crate::text::spec::TextSpec;
use crate::text::syntax::Ask;
use std::ops::AddAssign;

/// What BM25 has to know of a corpus. Sums over parts, dead rows left out.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Statistics {
    /// Rows with at least one term.
    pub docs: u64,
    /// Terms in all of them.
    pub tokens: u64,
    /// For each term of the query, the rows that have it.
    pub frequencies: Vec<u64>,
}

impl AddAssign<&Statistics> for Statistics {
    fn add_assign(&mut self, other: &Statistics) {
        self.docs += other.docs;
        self.tokens += other.tokens;
        self.frequencies.resize(self.frequencies.len().max(other.frequencies.len()), 0);
        for (sum, more) in self.frequencies.iter_mut().zip(&other.frequencies) {
            *sum += more;
        }
    }
}

/// A query with the weights that hold for every part.
#[derive(Clone, PartialEq, Debug)]
pub struct Weighted {
    /// Distinct terms with their weight: idf times the number of times the query says the term.
    pub terms: Vec<(String, f32)>,
    /// Terms of an average row.
    pub average: f32,
    /// BM25's k1.
    pub k1: f32,
    /// BM25's b.
    pub b: f32,
}

impl Weighted {
    /// Weighs the terms of a query, which may repeat. `distinct` is what [`distinct`] made of them,
    /// and `statistics.frequencies` stands in its order.
    pub fn new(distinct: &[(String, u32)], statistics: &Statistics, spec: &TextSpec) -> Self {
        let docs = statistics.docs as f64;
        let weigh = |(at, (term, times)): (usize, &(String, u32))| {
            let frequency = statistics.frequencies.get(at).copied().unwrap_or(0) as f64;
            let idf = (1.0 + (docs - frequency + 0.5) / (frequency + 0.5)).ln();
            (term.clone(), (idf * f64::from(*times)) as f32)
        };
        // Of no rows no average is known: every length is as good then.
        let (average, b) = match statistics.docs {
            0 => (1.0, 0.0),
            _ => ((statistics.tokens as f64 / docs) as f32, spec.b),
        };
        Self { terms: distinct.iter().enumerate().map(weigh).collect(), average, k1: spec.k1, b }
    }

    /// The score that one term adds: `weight` from [`Self::terms`], `times` in a row of `length` terms.
    #[inline]
    pub fn score(&self, weight: f32, times: u32, length: u32) -> f32 {
        let times = times as f32;
        let norm = 1.0 - self.b + self.b * length as f32 / self.average;
        weight * times * (self.k1 + 1.0) / (times + self.k1 * norm)
    }
}

/// The terms of a query, sorted, each with the number of times it is said.
pub fn distinct(mut terms: Vec<String>) -> Vec<(String, u32)> {
    terms.sort();
    let mut counted: Vec<(String, u32)> = Vec::with_capacity(terms.len());
    for term in terms {
        match counted.last_mut() {
            Some((last, times)) if *last == term => *times += 1,
            _ => counted.push((term, 1)),
        }
    }
    counted
}

/// The text of one field in one part.
pub trait TextPart: Send + Sync {
    /// What this part adds to the statistics, without its dead rows.
    fn statistics(&self, terms: &[(String, u32)], dead: &Bitmap) -> Result<Statistics>;

    /// The rows of which this holds, dead ones included.
    fn rows(&self, ask: &Ask) -> Result<Bitmap>;

    /// Terms that begin so, in order: at most so many.
    fn terms_from(&self, prefix: &str, most: usize) -> Result<Vec<String>>;

    /// The `k` best rows of `allowed` (of all rows where it is `None`), best first; rows that have
    /// none of the terms are not hits. The caller has taken the dead rows out of `allowed`.
    fn search(&self, query: &Weighted, k: usize, allowed: Option<&Selection>) -> Result<Found>;
}

/// The text of a field that a part knows nothing of: no row has any.
pub fn absent() -> &'static dyn TextPart {
    &Absent
}

struct Absent;

impl TextPart for Absent {
    fn statistics(&self, terms: &[(String, u32)], _dead: &Bitmap) -> Result<Statistics> {
        Ok(Statistics { frequencies: vec![0; terms.len()], ..Statistics::default() })
    }

    fn rows(&self, _ask: &Ask) -> Result<Bitmap> {
        Ok(Bitmap::new())
    }

    fn terms_from(&self, _prefix: &str, _most: usize) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    fn search(&self, _query: &Weighted, _k: usize, _allowed: Option<&Selection>) -> Result<Found> {
        Ok(Found::nothing())
    }
}
