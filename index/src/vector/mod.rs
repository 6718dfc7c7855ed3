//! Nearest rows by vectors: how a vector is stored, and which rows are visited.
//!
//! [`live`] and [`sealed`] are what a part holds; both answer as [`nearest::Nearest`]. Below them,
//! `quant` knows how a vector is stored; `flat`, `bounded`, `cells`, `hnsw` and `ivf` know which rows are visited.

#[cfg(feature = "bench")]
#[doc(hidden)]
pub mod bench;
mod bounded;
mod calibrate;
mod cells;
mod flat;
mod hnsw;
mod ivf;
mod kernel;
pub mod live;
pub mod metric;
pub mod multi;
pub mod nearest;
mod projection;
mod quant;
pub mod sealed;
mod skim;
pub mod spec;
#[cfg(test)]
mod tests;
