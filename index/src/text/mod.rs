//! Rows by words: analysis, inverted lists, BM25 with statistics that are true at query time.

pub mod analyzer;
pub mod bm25;
mod bundle;
pub mod hashed;
pub mod highlight;
pub mod live;
pub mod sealed;
mod search;
pub mod spec;
pub mod syntax;
mod words;

#[cfg(test)]
mod tests;
