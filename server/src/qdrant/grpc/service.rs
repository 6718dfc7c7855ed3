//! What the server says of itself; and snapshots of collections.

use super::{Answer, Door, since};
use crate::qdrant::fault::Fault;
use crate::qdrant::{API_VERSION, FULL_SNAPSHOT, TITLE, snapshots};
use nigh_proto::qdrant as q;
use nigh_proto::qdrant::qdrant_server::Qdrant;
use nigh_proto::qdrant::snapshots_server::Snapshots;
use nigh_storage::shelf::Shelved;
use std::time::Instant;
use tonic::{Request, Response, Status};

#[tonic::async_trait]
impl Qdrant for Door {
    async fn health_check(&self, _: Request<q::HealthCheckRequest>) -> Answer<q::HealthCheckReply> {
        let (title, version) = (TITLE.to_owned(), API_VERSION.to_owned());
        Ok(Response::new(q::HealthCheckReply { title, version, commit: None }))
    }
}

/// All collections together are copied by nigh's own backups.
fn full() -> Status {
    Fault::not_supported(FULL_SNAPSHOT).into()
}

fn shown(of: Shelved) -> q::SnapshotDescription {
    let size = i64::try_from(of.bytes).unwrap_or(i64::MAX);
    let mut shown =
        q::SnapshotDescription { name: of.name, creation_time: Some(Default::default()), size, checksum: of.sha256 };
    if let Some(time) = &mut shown.creation_time {
        time.seconds = (of.time_ms / 1000) as i64;
        time.nanos = (of.time_ms % 1000) as i32 * 1_000_000;
    }
    shown
}

#[tonic::async_trait]
impl Snapshots for Door {
    async fn create(&self, request: Request<q::CreateSnapshotRequest>) -> Answer<q::CreateSnapshotResponse> {
        let begun = Instant::now();
        let made = snapshots::create(self.call(request.into_inner().collection_name, None)).await?;
        let reply = q::CreateSnapshotResponse { snapshot_description: Some(shown(made)), time: since(begun) };
        Ok(Response::new(reply))
    }

    async fn list(&self, request: Request<q::ListSnapshotsRequest>) -> Answer<q::ListSnapshotsResponse> {
        let begun = Instant::now();
        let all = snapshots::all(self.call(request.into_inner().collection_name, None)).await?;
        let snapshot_descriptions = all.into_iter().map(shown).collect();
        Ok(Response::new(q::ListSnapshotsResponse { snapshot_descriptions, time: since(begun) }))
    }

    async fn delete(&self, request: Request<q::DeleteSnapshotRequest>) -> Answer<q::DeleteSnapshotResponse> {
        let (begun, of) = (Instant::now(), request.into_inner());
        snapshots::delete(self.call(of.collection_name, None), of.snapshot_name).await?;
        Ok(Response::new(q::DeleteSnapshotResponse { time: since(begun) }))
    }

    async fn create_full(&self, _: Request<q::CreateFullSnapshotRequest>) -> Answer<q::CreateSnapshotResponse> {
        Err(full())
    }

    async fn list_full(&self, _: Request<q::ListFullSnapshotsRequest>) -> Answer<q::ListSnapshotsResponse> {
        Err(full())
    }

    async fn delete_full(&self, _: Request<q::DeleteFullSnapshotRequest>) -> Answer<q::DeleteSnapshotResponse> {
        Err(full())
    }
}
