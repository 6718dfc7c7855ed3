//! Rows by words: analysis, inverted lists, BM25 with statistics that are true at query time.

pub mod analyzer;
pub mod bm25;
pub mod live;
pub mod sealed;
pub mod spec;
