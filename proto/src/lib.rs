//! The wire types of nigh, generated from the `.proto` files beside this crate.

#![forbid(unsafe_code)]

pub mod shaped;
pub mod spelling;
pub mod weighed;

/// The first version of nigh's own API.
#[allow(clippy::all, missing_docs, unreachable_pub)]
pub mod v1 {
    tonic::include_proto!("nigh.v1");

    /// The compiled `.proto` files, for server reflection.
    pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/nigh.v1.bin"));
}

/// The Qdrant API, for its clients.
#[allow(clippy::all, deprecated, missing_docs, unreachable_pub)]
pub mod qdrant {
    tonic::include_proto!("qdrant");

    pub use prost_types::Timestamp;

    /// The compiled `.proto` files, for server reflection.
    pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/qdrant.bin"));
}

/// The greatest message that a server takes and a client sends, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 64 << 20;
