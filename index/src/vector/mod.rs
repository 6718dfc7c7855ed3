//! Nearest rows by vectors: how a vector is stored, and which rows are visited.

pub mod metric;
pub mod nearest;
pub mod spec;
