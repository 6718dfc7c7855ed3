//! Doors for clients of the Qdrant API: what its requests mean, and two ways in which they come.
//!
//! The doors only translate: what is asked is put to the engine as any other door would, and what the engine cannot do
//! is answered with "not supported" and never with a wrong success. What nigh has no word for but clients expect to be
//! shown back (graph parameters, declared indexes) is kept as a note beside the collection.
//!
//! A request means the same however it came. Its conditions, queries and settings are JSON in the form of the REST
//! paths (what came over gRPC is written so first), points and their vectors are plain types from the beginning.
//!
//! ```text
//! rest       paths, bodies, envelopes            grpc      services, messages, statuses
//! ------------------------------------------------------------------------------------
//! call       what goes with every request        fault     what is told of an error
//! collections  what is created, shown, changed, dropped; aliases        note  what is kept beside one
//! operation  what a write asks                   points    what is done of it
//! strict     limits of a collection              snapshots  files of a collection, made and taken back
//! read       points by id, pages, counts         query ask older  searches of every form; formula matrix
//! filter     conditions                          ids vectors selector path  parts of points
//! document   texts in the place of vectors        scored  indexes that rank: text fields
//! ```

mod ask;
mod call;
mod collections;
mod document;
mod fault;
mod filter;
mod formula;
pub mod grpc;
mod ids;
mod matrix;
mod note;
mod older;
mod operation;
mod path;
mod points;
mod query;
mod read;
pub(crate) mod rest;
mod scored;
mod selector;
mod snapshots;
mod strict;
mod vectors;

/// The version of the API that clients compare with their own; nigh's own version is another thing.
const API_VERSION: &str = "1.19.0";
/// What answers.
const TITLE: &str = "nigh, a vector database that speaks the Qdrant API";
/// What is not done of snapshots.
const FULL_SNAPSHOT: &str = "a snapshot of all collections (`nigh backup` makes and restores copies of all)";
