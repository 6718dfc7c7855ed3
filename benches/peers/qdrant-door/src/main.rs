//! Qdrant's engine (the crate `qdrant-edge`) behind a door of the Qdrant API, over REST and over gRPC.
//!
//!     qdrant-door HTTP-ADDRESS GRPC-ADDRESS FOLDER
//!
//! It stands in for a Qdrant server where none can be had, in `doors.py` and `hybrid.py`. What it does on the way to the
//! engine is the least that a client can be served with: no limits, keys, metrics, shards or replicas, no queue of
//! writes, no sync of the log. Qdrant's own server does all that beside it, so it is not faster than this one.
//! Calls of the engine run on blocking threads, and an optimizer of each collection beside them, as they do there.

mod collection;
mod grpc;
mod message;
mod rest;

use std::error::Error;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

/// The allocator of Qdrant's own server.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut next = |what: &str| arguments.next().ok_or(format!("there is no {what}"));
    let http: SocketAddr = next("HTTP address")?.parse()?;
    let grpc: SocketAddr = next("gRPC address")?.parse()?;
    let collections = Arc::new(collection::Collections::new(PathBuf::from(next("folder")?)));

    let listener = tokio::net::TcpListener::bind(http).await?;
    let by_rest = axum::serve(axum::serve::ListenerExt::tap_io(listener, no_delay), rest::routes(collections.clone()));
    let by_grpc = tonic::transport::Server::builder().add_service(grpc::points(collections)).serve(grpc);
    tokio::select! {
        ended = by_rest => Ok(ended?),
        ended = by_grpc => Ok(ended?),
    }
}

/// An answer in two segments would else wait for the client's acknowledgement of the first.
fn no_delay(stream: &mut tokio::net::TcpStream) {
    drop(stream.set_nodelay(true));
}
