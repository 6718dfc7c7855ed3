//! The calls of `Points`.

use super::{Door, convert, deadline, filter, query};
use crate::engine::facet::{Facet, Facets};
use crate::engine::query::{Get, PayloadSelection, Scroll};
use crate::metrics::Rpc;
use nigh_index::value::Path;
use nigh_proto::v1::points_server::Points;
use nigh_proto::v1::{self, CountRequest, GetRequest, QueryRequest, ScrollRequest, WriteRequest};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

/// Points of a page, and values of a facet, where no number is said.
const PAGE_DEFAULT: usize = 10;

#[tonic::async_trait]
impl Points for Door {
    type IngestStream = ReceiverStream<Result<v1::IngestReply, Status>>;

    async fn write(&self, request: Request<WriteRequest>) -> Result<Response<v1::WriteReply>, Status> {
        let (deadline, request) = (deadline(request.metadata()), request.into_inner());
        let work = async move {
            let collection = self.engine.collection(&request.collection)?;
            let batch = convert::batch(request.ops, &request.op_id, request.positions, &collection.spec())?;
            let durability = convert::durability(request.durability)?;
            let written = self.engine.write(collection, batch, durability, &deadline).await?;
            let reached = convert::reached(written.reached);
            let (seq, affected, duplicate) = (written.seq, written.affected, written.duplicate);
            Ok(v1::WriteReply { seq, reached, affected, duplicate })
        };
        self.call(Rpc::Write, work).await
    }

    async fn ingest(
        &self,
        request: Request<Streaming<v1::IngestRequest>>,
    ) -> Result<Response<Self::IngestStream>, Status> {
        Ok(Response::new(self.clone().ingest(request.into_inner()).await?))
    }

    async fn query(&self, request: Request<QueryRequest>) -> Result<Response<v1::QueryReply>, Status> {
        let (deadline, request) = (deadline(request.metadata()), request.into_inner());
        let work = async move {
            let collection = self.engine.collection(&request.collection)?;
            let spec = collection.spec();
            let explain = request.explain;
            let lookup = request.group_by.as_ref().and_then(|group_by| group_by.lookup.as_ref());
            let lookup = lookup.map(|lookup| self.engine.collection(&lookup.collection)).transpose()?;
            let lookup = lookup.map(|other| other.spec().clone());
            let query = query::query(request, &spec, lookup.as_deref(), self.engine.limits().retrievers_max)?;
            let answer = self.engine.query(collection, query, &deadline).await?;
            query::reply(answer, &spec, lookup.as_deref(), explain)
        };
        self.call(Rpc::Query, work).await
    }

    async fn get(&self, request: Request<GetRequest>) -> Result<Response<v1::GetReply>, Status> {
        let (deadline, request) = (deadline(request.metadata()), request.into_inner());
        let work = async move {
            let collection = self.engine.collection(&request.collection)?;
            let spec = collection.spec();
            let get = Get {
                ids: filter::ids("ids", request.ids)?,
                payload: convert::payload(request.payload, PayloadSelection::All)?,
                vectors: convert::vectors(request.vectors, &spec)?,
                version: request.version,
            };
            let (records, seq) = self.engine.get(collection, get, &deadline).await?;
            let points = records.into_iter().map(|record| convert::point_out(record, &spec));
            Ok(v1::GetReply { points: points.collect::<Result<_, _>>()?, seq })
        };
        self.call(Rpc::Get, work).await
    }

    async fn scroll(&self, request: Request<ScrollRequest>) -> Result<Response<v1::ScrollReply>, Status> {
        let (deadline, request) = (deadline(request.metadata()), request.into_inner());
        let work = async move {
            let collection = self.engine.collection(&request.collection)?;
            let spec = collection.spec();
            let scroll = Scroll {
                filter: filter::optional(request.filter)?,
                from: request.from.map(|from| filter::id("from", Some(from))).transpose()?,
                limit: if request.limit == 0 { PAGE_DEFAULT } else { request.limit as usize },
                payload: convert::payload(request.payload, PayloadSelection::Nothing)?,
                vectors: convert::vectors(request.vectors, &spec)?,
                version: request.version,
            };
            let page = self.engine.scroll(collection, scroll, &deadline).await?;
            let points = page.records.into_iter().map(|record| convert::point_out(record, &spec));
            let next = page.next.map(filter::id_out);
            Ok(v1::ScrollReply { points: points.collect::<Result<_, _>>()?, next, seq: page.seq })
        };
        self.call(Rpc::Scroll, work).await
    }

    async fn count(&self, request: Request<CountRequest>) -> Result<Response<v1::CountReply>, Status> {
        let (deadline, request) = (deadline(request.metadata()), request.into_inner());
        let work = async move {
            let collection = self.engine.collection(&request.collection)?;
            let filter = filter::optional(request.filter)?;
            let (count, seq) = self.engine.count(collection, filter, request.version, &deadline).await?;
            Ok(v1::CountReply { count, seq })
        };
        self.call(Rpc::Count, work).await
    }

    async fn facet(&self, request: Request<v1::FacetRequest>) -> Result<Response<v1::FacetReply>, Status> {
        let (deadline, request) = (deadline(request.metadata()), request.into_inner());
        let work = async move {
            let collection = self.engine.collection(&request.collection)?;
            let facet = Facet {
                path: Path::parse(&request.path)?,
                filter: filter::optional(request.filter)?,
                limit: if request.limit == 0 { PAGE_DEFAULT } else { request.limit as usize },
                version: request.version,
            };
            let Facets { values, distinct, scanned, seq } = self.engine.facet(collection, facet, &deadline).await?;
            let value = |(scalar, count)| v1::FacetValue { value: Some(query::scalar_out(scalar)), count };
            let values = values.into_iter().map(value).collect();
            Ok(v1::FacetReply { values, distinct, seq, scanned_fields: scanned })
        };
        self.call(Rpc::Facet, work).await
    }
}
