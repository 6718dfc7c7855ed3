//! How one part of a collection answers a question.
//!
//! Everything here is a function of bytes and numbers: no file, no clock, no thread of its own.
//! The same rows, the same spec and the same seed give the same bytes whatever the number of
//! threads, so that two replicas, or a rebuild, agree hit by hit.
//!
//! Four wings of one shape (vector, sparse, text, filter) never look at each other; only
//! [`query`] sees them all. Below them lies the ground floor: [`row`], [`id`], [`bitmap`], [`selection`],
//! [`value`], [`params`], [`effort`], [`reach`], [`layout`], [`sums`], [`error`].

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may fail where it stands"))]

pub mod bitmap;
pub mod effort;
pub mod error;
pub mod filter;
pub mod id;
pub mod layout;
pub mod params;
pub mod query;
pub mod reach;
pub mod row;
pub mod selection;
pub mod sparse;
pub mod sums;
pub mod text;
pub mod value;
pub mod vector;
