//! Our own API, nigh.v1: wire types end in this folder.
//!
//! ```text
//! collections  points  ingest  sources      the calls
//! versions  integrity
//! convert  filter  query  schema   wire -> plain types and back, once
//! status  malformed                errors as gRPC tells them
//! ```

mod backups;
mod collections;
mod convert;
mod filter;
mod ingest;
mod integrity;
mod malformed;
mod points;
mod query;
mod schema;
mod sources;
mod status;
mod vectors;
mod versions;
mod words;

pub(crate) use malformed::of_the_caller;

use crate::engine::Engine;
use crate::engine::error::Result;
use crate::engine::pool::Deadline;
use crate::metrics::{Metrics, Rpc};
use nigh_proto::v1::collections_server::CollectionsServer;
use nigh_proto::v1::integrity_server::IntegrityServer;
use nigh_proto::v1::points_server::PointsServer;
use nigh_proto::v1::sources_server::SourcesServer;
use nigh_proto::v1::versions_server::VersionsServer;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tonic::codec::CompressionEncoding;
use tonic::metadata::MetadataMap;
use tonic::{Response, Status};

/// The door: what every call needs.
#[derive(Clone)]
pub(crate) struct Door {
    engine: Arc<Engine>,
    metrics: Arc<Metrics>,
    /// Becomes true when the server is to end: streams come to theirs.
    stopping: watch::Receiver<bool>,
}

impl Door {
    pub(crate) fn new(engine: Arc<Engine>, metrics: Arc<Metrics>, stopping: watch::Receiver<bool>) -> Self {
        Self { engine, metrics, stopping }
    }

    /// The service of collections.
    pub(crate) fn collections(&self) -> CollectionsServer<Self> {
        CollectionsServer::new(self.clone())
            .accept_compressed(CompressionEncoding::Gzip)
            .max_decoding_message_size(self.engine.limits().message_bytes_max)
    }

    /// The service of versions.
    pub(crate) fn versions(&self) -> VersionsServer<Self> {
        VersionsServer::new(self.clone())
            .accept_compressed(CompressionEncoding::Gzip)
            .max_decoding_message_size(self.engine.limits().message_bytes_max)
    }

    /// The service of sources.
    pub(crate) fn sources(&self) -> SourcesServer<Self> {
        SourcesServer::new(self.clone()).max_decoding_message_size(self.engine.limits().message_bytes_max)
    }

    /// The service of integrity.
    pub(crate) fn integrity(&self) -> IntegrityServer<Self> {
        IntegrityServer::new(self.clone()).max_decoding_message_size(self.engine.limits().message_bytes_max)
    }

    /// The service of points.
    pub(crate) fn points(&self) -> PointsServer<Self> {
        let most = self.engine.limits().message_bytes_max;
        PointsServer::new(self.clone())
            .accept_compressed(CompressionEncoding::Gzip)
            .max_decoding_message_size(most)
            .max_encoding_message_size(most)
    }

    /// Runs a call, counts it, and tells its error as gRPC does.
    async fn call<T>(
        &self,
        rpc: Rpc,
        work: impl Future<Output = Result<T>>,
    ) -> std::result::Result<Response<T>, Status> {
        let timer = self.metrics.begin(rpc);
        match work.await {
            Ok(reply) => {
                timer.end(0);
                Ok(Response::new(reply))
            }
            Err(err) => {
                timer.end(status::code(&err) as i32);
                Err(status::of(&err))
            }
        }
    }
}

/// How long the caller waits, by its `grpc-timeout`.
///
/// A little is taken off: the transport ends a call at its deadline with a bare CANCELLED, and the
/// caller should hear from us why.
fn deadline(metadata: &MetadataMap) -> Deadline {
    let text = metadata.get("grpc-timeout").and_then(|value| value.to_str().ok());
    let time = text.and_then(timeout);
    Deadline::after(time.map(|time| time - (time / 20).min(Duration::from_millis(5))))
}

/// At most eight digits and a unit.
fn timeout(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if number.is_empty() || number.len() > 8 || !number.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let number: u64 = number.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(number * 3600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_read_as_grpc_writes_them() {
        assert_eq!(timeout("1500m"), Some(Duration::from_millis(1500)));
        assert_eq!(timeout("99999999H"), Some(Duration::from_secs(99_999_999 * 3600)));
        for wrong in ["", "m", "1", "123456789m", "-1m", "1x", "1µ"] {
            assert_eq!(timeout(wrong), None, "{wrong}");
        }
    }
}
