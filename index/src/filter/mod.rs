//! Which rows match: conditions, their text form, and per-field indexes that answer them.

pub mod condition;
pub mod field;
