//! The Rust client of nigh: collections, writes, queries and streaming ingest over gRPC.
//!
//! ```no_run
//! use nigh_client::{Client, CollectionSpec, Filter, Metric, Point, Query, field};
//! use serde_json::json;
//!
//! # async fn example() -> nigh_client::Result<()> {
//! let client = Client::connect("127.0.0.1:6334").await?;
//! let spec = CollectionSpec::new().vector("embedding", 3, Metric::Cosine).text("text", "english");
//! client.create_collection("news", spec).await?;
//!
//! let point = Point::new(1).vector("embedding", [0.1, 0.2, 0.3]).payload(json!({
//!     "text": "The harbour opens on Monday", "kind": "news", "year": 2026,
//! }));
//! client.upsert("news", [point]).await?; // on disk when this returns
//!
//! let query = Query::dense("embedding", [0.1, 0.2, 0.25])
//!     .text("text", "harbour opening")
//!     .filter(Filter::must([field("kind").eq("news"), field("year").at_least(2020)]))
//!     .limit(10)
//!     .recall(0.95);
//! for hit in client.query("news", query).await?.hits {
//!     println!("{} {:.3} {}", hit.id, hit.score, hit.payload["text"]);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Calls are retried where a repetition is harmless, with jitter, within a budget and within the
//! call's own deadline (`retry`). Large writes go through [`Client::ingest`], a stream that keeps
//! several batches on their way, resumes after a lost connection, and says how far it is on disk.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may fail where it stands"))]

pub mod backups;
pub mod calls;
pub mod client;
mod convert;
mod convert_ranking;
mod credentials;
pub mod error;
pub mod filter;
pub mod formula;
pub mod health;
pub mod id;
pub mod ingest;
pub mod integrity;
pub mod memory;
pub mod point;
pub mod query;
pub mod ranking;
pub mod reply;
pub mod retry;
pub mod schema;
pub mod source;
pub mod vectors;
pub mod versions;
pub mod words;

pub use calls::Scroll;
pub use client::{Client, ClientBuilder};
pub use error::{Error, Result};
pub use filter::{Condition, Filter, field};
pub use formula::Formula;
pub use id::PointId;
pub use ingest::{Ingest, IngestOptions, IngestSource, IngestSummary};
pub use point::{Durability, Op, Point, Selector, VectorsWanted, Wanted};
pub use query::{Query, Retriever};
pub use ranking::{Fusion, Grouping, Scale};
pub use reply::{Hit, QueryReply, WriteReply};
pub use retry::RetryPolicy;
pub use schema::{CollectionSpec, Idf, Ivf, Metric};
pub use source::{Position, WriteOptions};
pub use vectors::{NewField, SparseVector};
