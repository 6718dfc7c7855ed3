//! `qdrant.Points`: upserts and queries.

use crate::collection::Collections;
use crate::message;
use qdrant_edge::{OperationError, OperationResult, PointInsertOperations, PointOperations, UpdateOperation};
use std::sync::Arc;
use std::time::Instant;
use tonic::{Request, Response, Status};

/// The wire types.
#[allow(clippy::all, dead_code, deprecated)]
pub mod api {
    tonic::include_proto!("qdrant");
}
use api::points_server::{Points, PointsServer};

/// Bytes of a message: Qdrant's own has no limit.
const MESSAGE_BYTES_MAX: usize = usize::MAX;

/// The service.
pub fn points(collections: Arc<Collections>) -> PointsServer<Served> {
    PointsServer::new(Served(collections)).max_decoding_message_size(MESSAGE_BYTES_MAX)
}

pub struct Served(Arc<Collections>);

#[tonic::async_trait]
impl Points for Served {
    async fn upsert(
        &self,
        request: Request<api::UpsertPoints>,
    ) -> Result<Response<api::PointsOperationResponse>, Status> {
        let began = Instant::now();
        let (asked, collections) = (request.into_inner(), self.0.clone());
        let number = blocking(move || {
            let collection = collections.find(&asked.collection_name)?;
            let points = asked.points.into_iter().map(message::point).collect::<OperationResult<_>>()?;
            let upsert = PointOperations::UpsertPoints(PointInsertOperations::PointsList(points));
            collection.update(UpdateOperation::PointOperation(upsert))
        });
        let result =
            api::UpdateResult { operation_id: Some(number.await?), status: api::UpdateStatus::Completed.into() };
        Ok(Response::new(api::PointsOperationResponse { result: Some(result), time: began.elapsed().as_secs_f64() }))
    }

    async fn query(&self, request: Request<api::QueryPoints>) -> Result<Response<api::QueryResponse>, Status> {
        let began = Instant::now();
        let (asked, collections) = (request.into_inner(), self.0.clone());
        let hits = blocking(move || {
            let collection = collections.find(&asked.collection_name)?;
            collection.query(message::query(asked)?)
        });
        let result = hits.await?.into_iter().map(message::hit).collect();
        Ok(Response::new(api::QueryResponse { result, time: began.elapsed().as_secs_f64() }))
    }
}

async fn blocking<T: Send + 'static>(call: impl FnOnce() -> OperationResult<T> + Send + 'static) -> Result<T, Status> {
    let ended = tokio::task::spawn_blocking(call).await.map_err(|error| Status::internal(error.to_string()))?;
    ended.map_err(|error: OperationError| Status::invalid_argument(error.to_string()))
}
