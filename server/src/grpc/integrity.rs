//! The calls of `Integrity`.

use super::{Door, convert, deadline};
use crate::metrics::Rpc;
use nigh_proto::v1::integrity_server::Integrity;
use nigh_proto::v1::{self, EraseRequest, ScrubRequest};
use nigh_storage::scrub::Scrubbed;
use tonic::{Request, Response, Status};

#[tonic::async_trait]
impl Integrity for Door {
    async fn scrub(&self, request: Request<ScrubRequest>) -> Result<Response<v1::ScrubReply>, Status> {
        let (deadline, request) = (deadline(request.metadata()), request.into_inner());
        let scrubbed = |one: Scrubbed| v1::ScrubbedCollection {
            collection: one.collection,
            files: one.files,
            bytes: one.bytes,
            took_ms: one.took.as_millis() as u64,
            mended: one.mended,
            damage: one.damage.unwrap_or_default(),
        };
        let work = async move {
            let only = Some(request.collection).filter(|name| !name.is_empty());
            let rate = Some(request.bytes_per_second).filter(|rate| *rate > 0);
            let all = self.engine.clone().scrub(only, rate, &deadline).await?;
            Ok(v1::ScrubReply { collections: all.into_iter().map(scrubbed).collect() })
        };
        self.call(Rpc::Scrub, work).await
    }

    async fn erase(&self, request: Request<EraseRequest>) -> Result<Response<v1::EraseReply>, Status> {
        let (deadline, request) = (deadline(request.metadata()), request.into_inner());
        let work = async move {
            let points = request.points.map(|points| convert::selector(Some(points))).transpose()?;
            let receipt = self.engine.clone().erase(request.collection, points, &deadline).await?;
            Ok(v1::EraseReply { receipt: receipt.to_string() })
        };
        self.call(Rpc::Erase, work).await
    }
}
