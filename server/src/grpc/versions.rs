//! The calls of `Versions`.

use super::backups::{Transfer, summary};
use super::{Door, deadline, filter, status};
use crate::engine::versions::Diff;
use crate::metrics::Rpc;
use nigh_proto::v1::versions_server::Versions;
use nigh_proto::v1::{
    self, BackupRequest, BackupsRequest, ChangeKind, DiffRequest, DropBackupRequest, PinRequest, PinsRequest,
    RestoreRequest, UnpinRequest,
};
use nigh_storage::diff::Change;
use nigh_storage::pins::Pin;
use tonic::{Request, Response, Status};

/// Changes of a page that says no number.
const PAGE_DEFAULT: usize = 1000;

#[tonic::async_trait]
impl Versions for Door {
    type BackupStream = Transfer;
    type RestoreStream = Transfer;

    async fn backup(&self, request: Request<BackupRequest>) -> Result<Response<Transfer>, Status> {
        self.backing_up(request.into_inner()).map(Response::new).map_err(|err| status::of(&err))
    }

    async fn restore(&self, request: Request<RestoreRequest>) -> Result<Response<Transfer>, Status> {
        self.restoring(request.into_inner()).map(Response::new).map_err(|err| status::of(&err))
    }

    async fn backups(&self, request: Request<BackupsRequest>) -> Result<Response<v1::BackupsReply>, Status> {
        let (deadline, request) = (deadline(request.metadata()), request.into_inner());
        let work = async move {
            let target = self.engine.target(&request.target)?;
            let all = deadline.within("while the backups were listed", target.backups()).await??;
            Ok(v1::BackupsReply { backups: all.into_iter().map(summary).collect() })
        };
        self.call(Rpc::Backups, work).await
    }

    async fn drop_backup(&self, request: Request<DropBackupRequest>) -> Result<Response<v1::DropBackupReply>, Status> {
        let request = request.into_inner();
        let work = async move {
            let target = self.engine.target(&request.target)?;
            Ok(v1::DropBackupReply { bytes_freed: target.drop_backup(&request.backup).await? })
        };
        self.call(Rpc::DropBackup, work).await
    }

    async fn pin(&self, request: Request<PinRequest>) -> Result<Response<v1::PinReply>, Status> {
        let (deadline, request) = (deadline(request.metadata()), request.into_inner());
        let work = async move {
            let collection = self.engine.collection(&request.collection)?;
            let pin = self.engine.pin(collection, request.version, &deadline).await?;
            Ok(v1::PinReply { version: Some(version(pin)) })
        };
        self.call(Rpc::Pin, work).await
    }

    async fn pins(&self, request: Request<PinsRequest>) -> Result<Response<v1::PinsReply>, Status> {
        let (deadline, request) = (deadline(request.metadata()), request.into_inner());
        let work = async move {
            let collection = self.engine.collection(&request.collection)?;
            let pins = self.engine.pins(collection, &deadline).await?;
            Ok(v1::PinsReply { versions: pins.into_iter().map(version).collect() })
        };
        self.call(Rpc::Pins, work).await
    }

    async fn unpin(&self, request: Request<UnpinRequest>) -> Result<Response<v1::UnpinReply>, Status> {
        let (deadline, request) = (deadline(request.metadata()), request.into_inner());
        let work = async move {
            let collection = self.engine.collection(&request.collection)?;
            let dropped = self.engine.unpin(collection, request.version, &deadline).await?;
            Ok(v1::UnpinReply { dropped })
        };
        self.call(Rpc::Unpin, work).await
    }

    async fn diff(&self, request: Request<DiffRequest>) -> Result<Response<v1::DiffReply>, Status> {
        let (deadline, request) = (deadline(request.metadata()), request.into_inner());
        let work = async move {
            let collection = self.engine.collection(&request.collection)?;
            let asked = Diff {
                before: request.before,
                after: request.after,
                from: request.from.map(|from| filter::id("from", Some(from))).transpose()?,
                limit: if request.limit == 0 { PAGE_DEFAULT } else { request.limit as usize },
            };
            let found = self.engine.diff(collection, asked, &deadline).await?;
            Ok(v1::DiffReply {
                changes: found
                    .page
                    .changes
                    .into_iter()
                    .map(|(id, change)| change_out(filter::id_out(id), change))
                    .collect(),
                next: found.page.next.map(filter::id_out),
                before_seq: found.before_seq,
                after_seq: found.after_seq,
            })
        };
        self.call(Rpc::Diff, work).await
    }
}

fn version(pin: Pin) -> v1::Version {
    v1::Version {
        name: pin.name,
        seq: pin.seq,
        time_ms: pin.time_ms,
        points: pin.points,
        bytes: pin.bytes,
        held_bytes: pin.held_bytes,
        // The file's place is in the server's log.
        broken: pin.broken.map_or(String::new(), |_| "its file is damaged; the server's log says more".to_owned()),
    }
}

fn change_out(id: v1::PointId, change: Change) -> v1::Change {
    let kind = match change {
        Change::Added => ChangeKind::Added,
        Change::Removed => ChangeKind::Removed,
        Change::Changed => ChangeKind::Changed,
    };
    v1::Change { id: Some(id), kind: kind.into() }
}
