//! What whole-system tests and benches stand on: a server to talk to, real data, and naive answers to compare with.
//!
//! Tests see nigh as a user does, through its doors; the oracle never asks nigh anything.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

pub mod clauses;
pub mod collector;
pub mod data;
pub mod disks;
pub mod http;
pub mod import;
pub mod keyed;
pub mod large;
pub mod model;
pub mod oracle;
pub mod passages;
pub mod process;
pub mod random;
pub mod ranked;
pub mod sample;
pub mod server;
pub mod wire;
