//! The calls on points.

use super::{Answer, Door, ask, reply, settings, since, write};
use crate::qdrant::call::{Call, aside};
use crate::qdrant::fault::Fault;
use crate::qdrant::operation::Operation;
use crate::qdrant::{collections, matrix, older, points, query, read};
use nigh_proto::qdrant as q;
use nigh_proto::qdrant::points_server::Points;
use prost::Message;
use serde_json::{Value, json};
use std::time::Instant;
use tonic::{Request, Response};

/// A read of so many bytes at most is read here and now.
const AT_ONCE_BYTES: usize = 64 << 10;

/// A write, read where it keeps nobody else waiting.
async fn written(
    begun: Instant,
    call: Call,
    read: impl FnOnce() -> Result<Operation, Fault> + Send + 'static,
) -> Answer<q::PointsOperationResponse> {
    let operation = aside(read).await?;
    let result = Some(reply::update(points::perform(call, operation).await?));
    Ok(Response::new(q::PointsOperationResponse { result, time: since(begun) }))
}

fn declared(begun: Instant, update: crate::qdrant::call::Update) -> Answer<q::PointsOperationResponse> {
    Ok(Response::new(q::PointsOperationResponse { result: Some(reply::update(update)), time: since(begun) }))
}

/// A read as JSON: a long one is read where it keeps nobody else waiting.
async fn asked<M: Message + 'static>(
    of: M,
    read: impl FnOnce(M) -> Result<Value, Fault> + Send + 'static,
) -> Result<Value, Fault> {
    if of.encoded_len() <= AT_ONCE_BYTES { read(of) } else { aside(move || read(of)).await }
}

/// Several requests of one kind.
fn searches<T>(of: Vec<T>, read: impl Fn(T) -> Result<Value, Fault>) -> Result<Value, Fault> {
    Ok(json!({ "searches": of.into_iter().map(read).collect::<Result<Vec<_>, _>>()? }))
}

#[tonic::async_trait]
impl Points for Door {
    async fn upsert(&self, request: Request<q::UpsertPoints>) -> Answer<q::PointsOperationResponse> {
        let (begun, of) = (Instant::now(), request.into_inner());
        let call = self.write(of.collection_name, of.wait, of.timeout);
        declared(begun, points::upsert(call, move || write::upsert(of.points, of.update_filter, of.update_mode)).await?)
    }

    async fn delete(&self, request: Request<q::DeletePoints>) -> Answer<q::PointsOperationResponse> {
        let (begun, of) = (Instant::now(), request.into_inner());
        let call = self.write(of.collection_name, of.wait, of.timeout);
        written(begun, call, move || write::delete(of.points)).await
    }

    async fn update_vectors(&self, request: Request<q::UpdatePointVectors>) -> Answer<q::PointsOperationResponse> {
        let (begun, of) = (Instant::now(), request.into_inner());
        let call = self.write(of.collection_name, of.wait, of.timeout);
        written(begun, call, move || write::update_vectors(of.points, of.update_filter)).await
    }

    async fn delete_vectors(&self, request: Request<q::DeletePointVectors>) -> Answer<q::PointsOperationResponse> {
        let (begun, of) = (Instant::now(), request.into_inner());
        let call = self.write(of.collection_name, of.wait, of.timeout);
        written(begun, call, move || write::delete_vectors(of.points_selector, of.vectors)).await
    }

    async fn set_payload(&self, request: Request<q::SetPayloadPoints>) -> Answer<q::PointsOperationResponse> {
        let (begun, of) = (Instant::now(), request.into_inner());
        let call = self.write(of.collection_name.clone(), of.wait, of.timeout);
        written(begun, call, move || write::set_payload(of)).await
    }

    async fn overwrite_payload(&self, request: Request<q::SetPayloadPoints>) -> Answer<q::PointsOperationResponse> {
        let (begun, of) = (Instant::now(), request.into_inner());
        let call = self.write(of.collection_name.clone(), of.wait, of.timeout);
        written(begun, call, move || write::overwrite_payload(of)).await
    }

    async fn delete_payload(&self, request: Request<q::DeletePayloadPoints>) -> Answer<q::PointsOperationResponse> {
        let (begun, of) = (Instant::now(), request.into_inner());
        let call = self.write(of.collection_name, of.wait, of.timeout);
        written(begun, call, move || write::delete_payload(&of.keys, of.points_selector)).await
    }

    async fn clear_payload(&self, request: Request<q::ClearPayloadPoints>) -> Answer<q::PointsOperationResponse> {
        let (begun, of) = (Instant::now(), request.into_inner());
        let call = self.write(of.collection_name, of.wait, of.timeout);
        written(begun, call, move || write::clear_payload(of.points)).await
    }

    async fn update_batch(&self, request: Request<q::UpdateBatchPoints>) -> Answer<q::UpdateBatchResponse> {
        let (begun, of) = (Instant::now(), request.into_inner());
        let call = self.write(of.collection_name, of.wait, of.timeout);
        call.open()?;
        let mut result = Vec::with_capacity(of.operations.len());
        for operation in of.operations {
            let operation = aside(move || write::one(operation)).await?;
            result.push(reply::update(points::perform(call.clone(), operation).await?));
        }
        Ok(Response::new(q::UpdateBatchResponse { result, time: since(begun) }))
    }

    async fn create_field_index(
        &self,
        request: Request<q::CreateFieldIndexCollection>,
    ) -> Answer<q::PointsOperationResponse> {
        let (begun, of) = (Instant::now(), request.into_inner());
        let call = self.write(of.collection_name.clone(), of.wait, of.timeout);
        declared(begun, collections::create_index(call, settings::index(of)?).await?)
    }

    async fn delete_field_index(
        &self,
        request: Request<q::DeleteFieldIndexCollection>,
    ) -> Answer<q::PointsOperationResponse> {
        let (begun, of) = (Instant::now(), request.into_inner());
        let call = self.write(of.collection_name, of.wait, of.timeout);
        declared(begun, collections::delete_index(call, of.field_name).await?)
    }

    async fn create_vector_name(
        &self,
        request: Request<q::CreateVectorNameRequest>,
    ) -> Answer<q::PointsOperationResponse> {
        let (begun, of) = (Instant::now(), request.into_inner());
        let call = self.write(of.collection_name.clone(), of.wait, of.timeout);
        let name = of.vector_name.clone();
        declared(begun, collections::create_vector(call, name, settings::vector(of)?).await?)
    }

    async fn delete_vector_name(
        &self,
        request: Request<q::DeleteVectorNameRequest>,
    ) -> Answer<q::PointsOperationResponse> {
        let (begun, of) = (Instant::now(), request.into_inner());
        let call = self.write(of.collection_name, of.wait, of.timeout);
        declared(begun, collections::delete_vector(call, of.vector_name).await?)
    }

    async fn get(&self, request: Request<q::GetPoints>) -> Answer<q::GetResponse> {
        let (begun, of) = (Instant::now(), request.into_inner());
        let call = self.call(of.collection_name.clone(), of.timeout);
        let found = read::retrieve(call, asked(of, |of| Ok(ask::get(of))).await?).await?;
        let result = found.into_iter().map(reply::point).collect();
        Ok(Response::new(q::GetResponse { result, time: since(begun) }))
    }

    async fn scroll(&self, request: Request<q::ScrollPoints>) -> Answer<q::ScrollResponse> {
        let (begun, of) = (Instant::now(), request.into_inner());
        let call = self.call(of.collection_name.clone(), of.timeout);
        let page = read::scroll(call, asked(of, ask::scroll).await?).await?;
        let result = page.points.into_iter().map(reply::point).collect();
        let next_page_offset = page.next_page_offset.map(super::value::id_message);
        Ok(Response::new(q::ScrollResponse { next_page_offset, result, time: since(begun) }))
    }

    async fn count(&self, request: Request<q::CountPoints>) -> Answer<q::CountResponse> {
        let (begun, of) = (Instant::now(), request.into_inner());
        let call = self.call(of.collection_name.clone(), of.timeout);
        let count = read::count(call, asked(of, ask::count).await?).await?.count;
        Ok(Response::new(q::CountResponse { result: Some(q::CountResult { count }), time: since(begun) }))
    }

    async fn facet(&self, request: Request<q::FacetCounts>) -> Answer<q::FacetResponse> {
        let (begun, of) = (Instant::now(), request.into_inner());
        let call = self.call(of.collection_name.clone(), of.timeout);
        let found = query::facet(call, asked(of, ask::facet).await?).await?;
        let hits = found.hits.into_iter().map(reply::counted).collect();
        Ok(Response::new(q::FacetResponse { hits, time: since(begun) }))
    }

    async fn query(&self, request: Request<q::QueryPoints>) -> Answer<q::QueryResponse> {
        let (begun, of) = (Instant::now(), request.into_inner());
        let call = self.call(of.collection_name.clone(), of.timeout);
        let result = reply::hits(query::hits(call, asked(of, ask::points).await?).await?);
        Ok(Response::new(q::QueryResponse { result, time: since(begun) }))
    }

    async fn query_batch(&self, request: Request<q::QueryBatchPoints>) -> Answer<q::QueryBatchResponse> {
        let (begun, of) = (Instant::now(), request.into_inner());
        let call = self.call(of.collection_name.clone(), of.timeout);
        let request = asked(of, |of| searches(of.query_points, ask::points)).await?;
        let found = query::batch(call, request).await?;
        let result = found.into_iter().map(|found| reply::of_batch(found.points)).collect();
        Ok(Response::new(q::QueryBatchResponse { result, time: since(begun) }))
    }

    async fn query_groups(&self, request: Request<q::QueryPointGroups>) -> Answer<q::QueryGroupsResponse> {
        let (begun, of) = (Instant::now(), request.into_inner());
        let call = self.call(of.collection_name.clone(), of.timeout);
        let result = Some(reply::groups(query::groups(call, asked(of, ask::groups).await?).await?));
        Ok(Response::new(q::QueryGroupsResponse { result, time: since(begun) }))
    }

    async fn search(&self, request: Request<q::SearchPoints>) -> Answer<q::SearchResponse> {
        let (begun, of) = (Instant::now(), request.into_inner());
        let call = self.call(of.collection_name.clone(), of.timeout);
        let result = reply::hits(older::hits(call, "search", asked(of, ask::search).await?).await?);
        Ok(Response::new(q::SearchResponse { result, time: since(begun) }))
    }

    async fn search_batch(&self, request: Request<q::SearchBatchPoints>) -> Answer<q::SearchBatchResponse> {
        let (begun, of) = (Instant::now(), request.into_inner());
        let call = self.call(of.collection_name.clone(), of.timeout);
        let request = asked(of, |of| searches(of.search_points, ask::search)).await?;
        let found = older::batch(call, "search", request).await?;
        let result = found.into_iter().map(reply::of_batch).collect();
        Ok(Response::new(q::SearchBatchResponse { result, time: since(begun) }))
    }

    async fn search_groups(&self, request: Request<q::SearchPointGroups>) -> Answer<q::SearchGroupsResponse> {
        let (begun, of) = (Instant::now(), request.into_inner());
        let call = self.call(of.collection_name.clone(), of.timeout);
        let result = Some(reply::groups(older::groups(call, "search", asked(of, ask::search_groups).await?).await?));
        Ok(Response::new(q::SearchGroupsResponse { result, time: since(begun) }))
    }

    async fn recommend(&self, request: Request<q::RecommendPoints>) -> Answer<q::RecommendResponse> {
        let (begun, of) = (Instant::now(), request.into_inner());
        let call = self.call(of.collection_name.clone(), of.timeout);
        let result = reply::hits(older::hits(call, "recommend", asked(of, ask::recommend).await?).await?);
        Ok(Response::new(q::RecommendResponse { result, time: since(begun) }))
    }

    async fn recommend_batch(&self, request: Request<q::RecommendBatchPoints>) -> Answer<q::RecommendBatchResponse> {
        let (begun, of) = (Instant::now(), request.into_inner());
        let call = self.call(of.collection_name.clone(), of.timeout);
        let request = asked(of, |of| searches(of.recommend_points, ask::recommend)).await?;
        let found = older::batch(call, "recommend", request).await?;
        let result = found.into_iter().map(reply::of_batch).collect();
        Ok(Response::new(q::RecommendBatchResponse { result, time: since(begun) }))
    }

    async fn recommend_groups(&self, request: Request<q::RecommendPointGroups>) -> Answer<q::RecommendGroupsResponse> {
        let (begun, of) = (Instant::now(), request.into_inner());
        let call = self.call(of.collection_name.clone(), of.timeout);
        let result =
            Some(reply::groups(older::groups(call, "recommend", asked(of, ask::recommend_groups).await?).await?));
        Ok(Response::new(q::RecommendGroupsResponse { result, time: since(begun) }))
    }

    async fn discover(&self, request: Request<q::DiscoverPoints>) -> Answer<q::DiscoverResponse> {
        let (begun, of) = (Instant::now(), request.into_inner());
        let call = self.call(of.collection_name.clone(), of.timeout);
        let result = reply::hits(older::hits(call, "discover", asked(of, ask::discover).await?).await?);
        Ok(Response::new(q::DiscoverResponse { result, time: since(begun) }))
    }

    async fn discover_batch(&self, request: Request<q::DiscoverBatchPoints>) -> Answer<q::DiscoverBatchResponse> {
        let (begun, of) = (Instant::now(), request.into_inner());
        let call = self.call(of.collection_name.clone(), of.timeout);
        let request = asked(of, |of| searches(of.discover_points, ask::discover)).await?;
        let found = older::batch(call, "discover", request).await?;
        let result = found.into_iter().map(reply::of_batch).collect();
        Ok(Response::new(q::DiscoverBatchResponse { result, time: since(begun) }))
    }

    async fn search_matrix_pairs(
        &self,
        request: Request<q::SearchMatrixPoints>,
    ) -> Answer<q::SearchMatrixPairsResponse> {
        let (begun, of) = (Instant::now(), request.into_inner());
        let call = self.call(of.collection_name.clone(), of.timeout);
        let result = Some(reply::pairs(matrix::pairs(call, asked(of, ask::matrix).await?).await?));
        Ok(Response::new(q::SearchMatrixPairsResponse { result, time: since(begun) }))
    }

    async fn search_matrix_offsets(
        &self,
        request: Request<q::SearchMatrixPoints>,
    ) -> Answer<q::SearchMatrixOffsetsResponse> {
        let (begun, of) = (Instant::now(), request.into_inner());
        let call = self.call(of.collection_name.clone(), of.timeout);
        let result = Some(reply::offsets(matrix::offsets(call, asked(of, ask::matrix).await?).await?));
        Ok(Response::new(q::SearchMatrixOffsetsResponse { result, time: since(begun) }))
    }
}
