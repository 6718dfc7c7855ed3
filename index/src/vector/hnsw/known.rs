//! What the graphs of parts that are merged already know: who was near whom.
//!
//! A place keeps the links that it had. Where a link led to a row that is dead, it is led on to the nearest of those that
//! the dead row was linked with, so that what hung together by way of the dead still does (as FreshDiskANN consolidates;
//! Singh et al. 2021, section 5). Only places of different parts are then new to each other.

use crate::row::Row;
use crate::vector::hnsw::graph::{Graph, NONE};

/// Links of a dead row that are followed, nearest first; fewer where many of those that a place was linked with are dead, as
/// then one finds a way that another lacks.
const BRIDGES: usize = 12;
const BRIDGES_MIN: usize = 3;
const BRIDGES_OF_PLACE: usize = 72;

/// The place belongs to no graph.
pub(super) const ALONE: u16 = u16::MAX;

/// A part that is merged, and the rows of it that go on.
#[derive(Copy, Clone, Debug)]
pub(in crate::vector) struct Source<'a> {
    /// Its graph, where it has one.
    pub(in crate::vector) graph: Option<&'a Graph>,
    /// The rows that go on, rising. They become the next rows of the merged part.
    pub(in crate::vector) rows: &'a [Row],
}

/// What is known of every place of the merged part.
#[derive(Debug)]
pub(in crate::vector) struct Known<'a> {
    sources: Vec<(Source<'a>, Vec<u32>)>,
    /// The source and the row in it that each place comes from.
    from: Vec<(u16, u32)>,
}

impl<'a> Known<'a> {
    /// Of the sources, in the order of their rows; `order` has the merged row of each place. `None` where there are more
    /// sources than can be told apart.
    pub(in crate::vector) fn of(sources: &[Source<'a>], order: &[u32]) -> Option<Self> {
        let rows: usize = sources.iter().map(|source| source.rows.len()).sum();
        if sources.len() >= usize::from(ALONE) {
            return None;
        }
        let mut places = vec![NONE; rows];
        for (place, row) in order.iter().enumerate() {
            *places.get_mut(*row as usize)? = place as u32;
        }
        let mut from = vec![(ALONE, 0); order.len()];
        let (mut start, mut all) = (0, Vec::new());
        for (number, source) in sources.iter().enumerate() {
            let most = source.graph.map_or(0, |graph| graph.base().len());
            let mut to = vec![NONE; most as usize];
            for (row, place) in source.rows.iter().zip(&places[start..]) {
                if let Some(to) = to.get_mut(row.at())
                    && *place != NONE
                {
                    *to = *place;
                    from[*place as usize] = (number as u16, row.0);
                }
            }
            start += source.rows.len();
            all.push((*source, to));
        }
        Some(Self { sources: all, from })
    }

    /// The graph that a place comes from; two places of one graph are not new to each other.
    pub(super) fn group(&self, place: u32) -> u16 {
        self.from[place as usize].0
    }

    /// Whether all places come from one graph, so that none are new to each other.
    pub(super) fn is_one(&self) -> bool {
        self.from.first().is_some_and(|first| first.0 != ALONE && self.from.iter().all(|from| from.0 == first.0))
    }

    /// The share of pairs that are not new to each other.
    pub(in crate::vector) fn share(&self) -> f64 {
        let mut counts = vec![0u64; self.sources.len()];
        self.from.iter().filter(|from| from.0 != ALONE).for_each(|from| counts[usize::from(from.0)] += 1);
        let all = self.from.len().max(1) as f64;
        counts.iter().map(|count| (*count as f64 / all).powi(2)).sum()
    }

    /// Adds the places that a place was linked with, some of them more than once.
    pub(super) fn links(&self, place: u32, out: &mut Vec<u32>) {
        let (number, row) = self.from[place as usize];
        let Some((source, to)) = self.sources.get(usize::from(number)) else { return };
        let Some(graph) = source.graph else { return };
        let base = graph.base();
        let alive = |row: u32| Some(to[row as usize]).filter(|to| *to != NONE && *to != place);
        let dead = base.of(row).filter(|link| to[*link as usize] == NONE).count();
        let bridges = (BRIDGES_OF_PLACE / dead.max(1)).clamp(BRIDGES_MIN, BRIDGES);
        for link in base.of(row) {
            match to[link as usize] {
                NONE => {
                    let dead = base.of(link);
                    out.extend(dead.filter_map(&alive).take(bridges));
                }
                _ => out.extend(alive(link)),
            }
        }
    }
}
