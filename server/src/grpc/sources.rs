//! The calls of `Sources`.

use super::{Door, deadline};
use crate::metrics::Rpc;
use nigh_proto::v1::sources_server::Sources;
use nigh_proto::v1::{self, DropSourceRequest, GetSourcePositionsRequest};
use nigh_storage::ledger::SourcePosition;
use tonic::{Request, Response, Status};

#[tonic::async_trait]
impl Sources for Door {
    async fn get_source_positions(
        &self,
        request: Request<GetSourcePositionsRequest>,
    ) -> Result<Response<v1::GetSourcePositionsReply>, Status> {
        let request = request.into_inner();
        let reached = |one: SourcePosition| v1::ReachedPosition {
            source: one.source,
            partition: one.partition,
            offset: one.offset,
            seq: one.seq,
        };
        let work = async move {
            let positions = self.engine.positions(&request.collection, &request.source)?;
            Ok(v1::GetSourcePositionsReply { positions: positions.into_iter().map(reached).collect() })
        };
        self.call(Rpc::GetSourcePositions, work).await
    }

    async fn drop_source(&self, request: Request<DropSourceRequest>) -> Result<Response<v1::DropSourceReply>, Status> {
        let (deadline, request) = (deadline(request.metadata()), request.into_inner());
        let work = async move {
            let collection = self.engine.collection(&request.collection)?;
            let dropped = self.engine.drop_source(collection, request.source, &deadline).await?;
            Ok(v1::DropSourceReply { dropped })
        };
        self.call(Rpc::DropSource, work).await
    }
}
