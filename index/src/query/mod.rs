//! What sees all wings: rankings become one.

pub mod fuse;
