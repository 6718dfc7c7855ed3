//! What a search is asked for, and what it says it did.

use crate::row::Hit;
use std::ops::AddAssign;

/// How hard a vector search tries. All of it is optional: nothing given means the default effort.
#[derive(Copy, Clone, PartialEq, Debug, Default)]
pub struct SearchParams {
    /// The effort: width of the graph search, or how many lists are scanned; more is better and slower.
    pub ef: Option<u32>,
    /// The recall to reach, above 0 and at most 1. Decides the effort where `ef` is not given.
    pub recall: Option<f32>,
    /// Compare with every matching row.
    pub exact: bool,
}

/// The route that a search took inside a part.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub enum Route {
    /// Nothing matched: nothing was visited.
    Empty,
    /// Every matching row was compared on its full vector.
    Exact,
    /// Every matching row was compared by its code, and in full those that may be among the nearest.
    Codes,
    /// The graph was walked.
    Graph,
    /// The graph was walked through matching rows and their two-hop neighbours.
    GraphFiltered,
    /// The nearest inverted lists were scanned.
    Ivf,
    /// Posting lists were scored.
    Postings,
}

impl Route {
    /// The route's name, as replies and metrics spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Exact => "exact",
            Self::Codes => "codes",
            Self::Graph => "graph",
            Self::GraphFiltered => "graph_filtered",
            Self::Ivf => "ivf",
            Self::Postings => "postings",
        }
    }
}

/// What a part knows of one vector field, for the planner.
#[derive(Copy, Clone, PartialEq, Debug)]
pub struct Outline {
    /// Rows that have a vector.
    pub rows: u64,
    /// Numbers in a vector.
    pub size: u32,
    /// Links of a graph node on the base level; 0 where there is no graph.
    pub links: u32,
    /// The inverted lists, where there are any.
    pub lists: Option<ListsOutline>,
    /// The effort that reaches `recall` without a filter, where it was calibrated: (recall, effort), rising.
    pub calibrated: [(f32, u32); 4],
}

/// What a part knows of its inverted lists.
#[derive(Copy, Clone, PartialEq, Debug)]
pub struct ListsOutline {
    /// How many there are.
    pub lists: u32,
    /// The recall that so many lists reach without a filter: (recall, lists), by the number of lists.
    pub calibrated: [(f32, u32); Self::RUNGS],
}

impl ListsOutline {
    /// Numbers of lists that the recall is known for.
    pub const RUNGS: usize = 16;
}

/// The plan of one vector search in one part.
#[derive(Clone, PartialEq, Debug)]
pub struct Plan {
    /// The route to take.
    pub route: Route,
    /// The effort (`ef`, or the number of lists), 0 where the route has none.
    pub ef: u32,
    /// Every plan weighed, with its estimated cost in microseconds.
    pub considered: Vec<(Route, f64)>,
}

/// What a search cost, counted where it was spent.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub struct Work {
    /// Distances computed on full vectors.
    pub distances_full: u64,
    /// Distances computed on codes.
    pub distances_coded: u64,
    /// Nodes of the graph expanded, or lists scanned.
    pub expanded: u64,
    /// Postings scored.
    pub postings: u64,
}

impl AddAssign for Work {
    fn add_assign(&mut self, other: Self) {
        self.distances_full += other.distances_full;
        self.distances_coded += other.distances_coded;
        self.expanded += other.expanded;
        self.postings += other.postings;
    }
}

/// What was found in one part, best first, and how.
#[derive(Clone, PartialEq, Debug)]
pub struct Found {
    /// The hits, best first; ties by the smaller row.
    pub hits: Vec<Hit>,
    /// The route taken.
    pub route: Route,
    /// The effort that was used (`ef`, or the number of lists), 0 where the route has none.
    pub effort: u32,
    /// What it cost.
    pub work: Work,
}

impl Found {
    /// Nothing, at no cost.
    pub fn nothing() -> Self {
        Self { hits: Vec::new(), route: Route::Empty, effort: 0, work: Work::default() }
    }
}
