//! The graph: who is whose neighbour, how it is walked, how it is built (Malkov & Yashunin 2016).

pub(super) mod build;
pub(super) mod graph;
pub(super) mod known;
mod partition;
pub(super) mod pool;
pub(super) mod search;
mod select;
