//! Which rows match: conditions, their text form, and per-field indexes that answer them.
//!
//! A payload's scalars are taken out once, in the writer's own thread ([`extract`]), and become one
//! column a path ([`column`]): sorted distinct values, each with its rows. Live parts keep columns
//! in memory ([`live`]); sealed parts read the same columns in place ([`sealed`]). [`eval`] combines
//! what the columns answer, reads payloads where no column can tell, and defines by its naive
//! evaluator what a filter means.

pub mod canonical;
pub mod column;
pub mod condition;
pub mod datetime;
pub mod display;
pub mod eval;
pub mod extract;
pub mod field;
pub mod geo;
pub mod keyword;
pub mod lexer;
pub mod live;
pub mod number;
pub mod parse;
pub mod postings;
pub mod rules;
pub mod sealed;
pub mod slice;
pub mod words;

#[cfg(test)]
mod agree;
