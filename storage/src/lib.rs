//! What survives a crash.
//!
//! A collection is the fold of its log: every write becomes a record of the log, is synced, and
//! then becomes rows of a small immutable part in memory. Now and then parts are sealed into a
//! segment, a folder of files that never change; now and then segments are merged. A query holds a
//! [`snapshot::Snapshot`] and no lock. All of it is plain blocking code.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may fail where it stands"))]

pub mod archive;
pub mod backup;
pub mod clock;
pub mod collection;
pub mod diff;
pub mod disk;
pub mod erase;
pub mod error;
pub mod estimate;
pub mod evolve;
pub mod expiry;
pub mod frame;
pub mod identity;
pub mod kinds;
pub mod ledger;
pub mod manifest;
pub mod memory;
pub mod op;
pub mod opening;
pub mod part;
pub mod pins;
pub mod point;
pub mod prepare;
pub mod reading;
pub mod schema;
pub mod scrub;
pub mod selections;
pub mod shelf;
pub mod snapshot;
pub mod snapshot_file;
pub mod status;
pub mod store;
pub mod verify;
pub mod wal;
pub mod write;

mod committer;
mod cores;
mod fold;
mod foreseen;
mod heal;
#[cfg(all(test, feature = "shuttle"))]
mod interleavings;
mod live;
mod melt;
mod merge;
mod pace;
mod recover;
mod seal;
mod segment;
mod space;
mod state;
mod sync;
pub mod times;
pub mod told;
mod upkeep;
pub mod urgency;
