//! What a search is asked for, and what it says it did.

use crate::effort::Efforts;
use crate::reach::Reach;
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
    /// Every matching row was compared by its code, or as many of the nearest cells as the recall asked for takes, and in full
    /// those that may be among the nearest.
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

/// What is measured of how matching rows stand, where a plan depends on it.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Standing {
    /// Of what is near them, the share that matches as well; 0 where there is no graph.
    Together,
    /// How easily the nearest cells come to what of them is near ([`Reach::ease`]); 1 where there are no cells.
    Ease,
}

impl Standing {
    /// What it is taken for where nobody can measure it.
    pub fn unknown(self) -> f32 {
        match self {
            Self::Together => 0.0,
            Self::Ease => 1.0,
        }
    }
}

/// What a part knows of one vector field, for the planner.
#[derive(Copy, Clone, PartialEq, Debug)]
pub struct Outline<'a> {
    /// Rows that have a vector.
    pub rows: u64,
    /// Numbers in a vector.
    pub size: u32,
    /// Bytes that are read to compare a vector by its code; those of the vector where there are no codes.
    pub code_bytes: u32,
    /// Bytes that are read to skim a vector before its code; 0 where codes are looked at straight away.
    pub gist_bytes: u32,
    /// How many rows a scan looks at for a recall; `None` where it looks at all that match.
    pub reach: Option<&'a Reach>,
    /// What efforts come to in the graph; `None` where there is none.
    pub efforts: Option<&'a Efforts>,
    /// The inverted lists, where there are any.
    pub lists: Option<ListsOutline>,
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
    /// The effort: `ef`, the number of lists, or how many matching rows are compared by their codes; 0 where the route has none,
    /// or where all of them are.
    pub ef: u32,
    /// Every plan weighed, with its estimated cost in microseconds.
    pub considered: Vec<(Route, f64)>,
    /// The recall that the route is known to come to; `None` where nobody measured it.
    pub recall: Option<f32>,
    /// Why it is so, where that is not seen from the rest.
    pub note: Option<Note>,
    /// What scores less is of no use: as many hits as are wanted are known elsewhere that score at least this. A scan leaves such
    /// rows out where it can tell, and may find fewer than it was asked for.
    pub floor: f32,
}

/// What has to be said of a plan.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub enum Note {
    /// The least effort gives more recall than was asked for.
    Floor,
    /// No effort is known to reach the recall, so every matching row is compared.
    BeyondEffort,
}

impl Note {
    /// The note's name, as replies spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::BeyondEffort => "beyond_effort",
        }
    }
}

impl Plan {
    /// By this route, with this effort.
    pub fn by(route: Route, ef: u32) -> Self {
        Self { route, ef, considered: Vec::new(), recall: None, note: None, floor: f32::NEG_INFINITY }
    }
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
    /// The effort that was used, as in a [`Plan`].
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
