//! Rows by sparse vectors: of very many numbers the few that are not zero, and the rows with the greatest dot products.
//!
//! Live and sealed parts hold the same body ([`stored`]); a live one has it in memory. A search ([`search`]) is exact.

pub mod search;
pub mod spec;
pub mod stored;
pub mod vector;
pub mod weights;

#[cfg(test)]
mod tests;
