//! What the server says of itself; and snapshots, which are made by nigh's own backups.

use super::{Answer, Door};
use crate::qdrant::fault::Fault;
use crate::qdrant::{API_VERSION, TITLE};
use nigh_proto::qdrant as q;
use nigh_proto::qdrant::qdrant_server::Qdrant;
use nigh_proto::qdrant::snapshots_server::Snapshots;
use tonic::{Request, Response, Status};

#[tonic::async_trait]
impl Qdrant for Door {
    async fn health_check(&self, _: Request<q::HealthCheckRequest>) -> Answer<q::HealthCheckReply> {
        let (title, version) = (TITLE.to_owned(), API_VERSION.to_owned());
        Ok(Response::new(q::HealthCheckReply { title, version, commit: None }))
    }
}

fn snapshots() -> Status {
    Fault::not_supported("a snapshot (`nigh backup` makes and restores copies)").into()
}

#[tonic::async_trait]
impl Snapshots for Door {
    async fn create(&self, _: Request<q::CreateSnapshotRequest>) -> Answer<q::CreateSnapshotResponse> {
        Err(snapshots())
    }

    async fn list(&self, _: Request<q::ListSnapshotsRequest>) -> Answer<q::ListSnapshotsResponse> {
        Err(snapshots())
    }

    async fn delete(&self, _: Request<q::DeleteSnapshotRequest>) -> Answer<q::DeleteSnapshotResponse> {
        Err(snapshots())
    }

    async fn create_full(&self, _: Request<q::CreateFullSnapshotRequest>) -> Answer<q::CreateSnapshotResponse> {
        Err(snapshots())
    }

    async fn list_full(&self, _: Request<q::ListFullSnapshotsRequest>) -> Answer<q::ListSnapshotsResponse> {
        Err(snapshots())
    }

    async fn delete_full(&self, _: Request<q::DeleteFullSnapshotRequest>) -> Answer<q::DeleteSnapshotResponse> {
        Err(snapshots())
    }
}
