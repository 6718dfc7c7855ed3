//! The gRPC services of the API, beside nigh's own: messages end in this folder.
//!
//! ```text
//! collections points service       the calls
//! settings                         a collection's settings, to JSON and back
//! ask write filter value vectors   what is asked, as JSON or as plain types
//! reply status                     what is answered, and errors
//! copy                             a collection of another server, copied into one of nigh's
//! ```

mod ask;
mod collections;
pub mod copy;
mod filter;
mod point;
mod points;
mod reply;
mod service;
mod settings;
mod status;
mod value;
mod vectors;
mod write;

use super::call::Call;
use crate::engine::Engine;
use crate::engine::pool::Deadline;
use crate::engine::reply::Room;
use nigh_proto::qdrant::collections_server::CollectionsServer;
use nigh_proto::qdrant::points_server::PointsServer;
use nigh_proto::qdrant::qdrant_server::QdrantServer;
use nigh_proto::qdrant::snapshots_server::SnapshotsServer;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tonic::codec::CompressionEncoding::Gzip;

/// The door: what every call needs.
#[derive(Clone)]
pub(crate) struct Door {
    engine: Arc<Engine>,
}

impl Door {
    pub(crate) fn new(engine: Arc<Engine>) -> Self {
        Self { engine }
    }

    /// The service of points. Replies are not compressed: clients of this API say that they could read such by default,
    /// and vectors gain little by it.
    pub(crate) fn points(&self) -> PointsServer<Self> {
        let most = self.engine.limits().message_bytes_max;
        let service = PointsServer::new(self.clone()).accept_compressed(Gzip);
        service.max_decoding_message_size(most).max_encoding_message_size(most)
    }

    /// The service of collections.
    pub(crate) fn collections(&self) -> CollectionsServer<Self> {
        let service = CollectionsServer::new(self.clone()).accept_compressed(Gzip);
        service.max_decoding_message_size(self.engine.limits().message_bytes_max)
    }

    /// The service of snapshots.
    pub(crate) fn snapshots(&self) -> SnapshotsServer<Self> {
        SnapshotsServer::new(self.clone()).accept_compressed(Gzip)
    }

    /// The service that says which API is spoken.
    pub(crate) fn service(&self) -> QdrantServer<Self> {
        QdrantServer::new(self.clone()).accept_compressed(Gzip)
    }

    fn call(&self, collection: String, timeout_s: Option<u64>) -> Call {
        let deadline = Deadline::after(timeout_s.map(Duration::from_secs));
        let room = Arc::new(Room::new(self.engine.limits().message_bytes_max));
        Call { engine: self.engine.clone(), collection, wait: false, deadline, room, timeout_s, counted: false }
    }

    fn write(&self, collection: String, wait: Option<bool>, timeout_s: Option<u64>) -> Call {
        Call { wait: wait.unwrap_or(false), ..self.call(collection, timeout_s) }
    }
}

/// The names of the services, for those who ask for their health.
pub(crate) const SERVICES: [&str; 4] = [
    nigh_proto::qdrant::points_server::SERVICE_NAME,
    nigh_proto::qdrant::collections_server::SERVICE_NAME,
    nigh_proto::qdrant::snapshots_server::SERVICE_NAME,
    nigh_proto::qdrant::qdrant_server::SERVICE_NAME,
];

/// What a call answers.
type Answer<T> = Result<tonic::Response<T>, tonic::Status>;

/// The seconds that a call took.
fn since(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64()
}
