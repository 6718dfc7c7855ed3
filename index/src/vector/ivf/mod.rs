//! Inverted lists: vectors grouped around centroids, as short codes that are scanned list by list.
//!
//! For vectors that stay on disk: built in seconds, within a budget of memory, and in memory little more
//! than centroids (one byte a number) and codes (about one bit a number). A search compares the query with
//! all centroids, scans the `nprobe` nearest lists by code, and compares the best estimates in full.
//!
//! - `coarse` places centroids on a grid of bytes and tells how far a query is from each of them,
//! - `kmeans` finds the centroids,
//! - `code` is what a list holds of a vector,
//! - `lists` is the layout and what is checked when it is opened,
//! - `build` and `search` are the two things done with it; `calibrate` tells what lists reach what recall.
//!
//! # How a code plugs in
//!
//! A list is whole blocks of 32 vectors; a list is as many bytes a block as its code asks for, and only the
//! code looks inside. A new code is a new variant of [`code::ListCode`] that
//!
//! 1. learns from residuals (vectors less their centroids) and lays down, and reads and checks, what it
//!    learned, in sections of its own beside the blocks;
//! 2. encodes one residual into `row_bytes` bytes, and packs those of a list into its blocks of
//!    `block_bytes` bytes each, lanes without a vector estimated as infinitely far;
//! 3. prepares a query once ([`code::Prepared`]), and then estimates whole lists, 32 lanes a block: smaller
//!    is nearer, in the same unit for all lists. What belongs to the list comes as one number, the squared
//!    distance of query and centroid (or, for inner products, the negated product). An estimate may be
//!    infinite where it is surely not below the limit that is passed, or not among as many of the list as
//!    are kept in all.

mod build;
mod calibrate;
pub(super) mod coarse;
mod code;
pub(super) mod kmeans;
mod lists;
mod search;
#[cfg(test)]
mod tests;

pub(super) use build::build;
pub(super) use lists::Lists;
