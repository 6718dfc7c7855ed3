//! How the world speaks to nigh: doors, the engine behind them, and the process around it.
//!
//! A door turns what came over the wire into plain types, once; the engine does the work on those;
//! async ends in `engine/pool`.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may fail where it stands"))]

pub mod access;
mod bucket;
pub mod config;
mod console;
pub mod engine;
mod grpc;
mod http;
mod json;
mod latency;
mod listen;
pub mod metrics;
pub mod qdrant;
pub mod serve;
pub mod tls;
mod traces;
mod turnstile;
