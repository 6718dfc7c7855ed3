//! What the benchmarks of the index share: data, clocks, one nigh to measure, and how a result is told.
//!
//! ```text
//! data      real vectors with exact neighbours, and who is right
//! clock     wall time and processor time
//! build     an index built, written, mapped and opened as a server does it, with what that cost
//! measure   queries asked one at a time; the frontier of recall and speed
//! memory    what a server holds, stage by stage
//! filters   the same under the data's own filters, by every route
//! report    Markdown and JSON
//! plot      an SVG of frontiers
//! service   obeys a driver line by line, so that contestants can alternate
//! through   the same effort through a server's door, and where the time goes
//! ```

#![allow(clippy::missing_errors_doc, reason = "a benchmark ends at the first error and prints it")]

pub mod build;
pub mod clock;
pub mod data;
pub mod error;
pub mod filters;
pub mod measure;
pub mod memory;
pub mod plot;
pub mod report;
pub mod service;
pub mod through;
