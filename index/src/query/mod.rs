//! What concerns all wings of a part: how a search goes, and how rankings become one.

pub mod cost;
pub mod fuse;
pub mod plan;
