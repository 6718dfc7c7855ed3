//! What concerns all wings of a part: how a search goes, and how points are ranked by more than one measure.

pub mod cost;
pub mod diverse;
pub mod examples;
pub mod formula;
pub mod fuse;
pub mod order;
pub mod plan;
