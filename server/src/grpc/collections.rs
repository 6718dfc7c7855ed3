//! The calls of `Collections`.

use super::filter::left_out;
use super::{Door, deadline, schema, vectors};
use crate::metrics::Rpc;
use nigh_index::text::analyzer::Place;
use nigh_proto::v1::collections_server::Collections;
use nigh_proto::v1::{self, CreateCollectionRequest, DescribeCollectionRequest, DropCollectionRequest};
use nigh_storage::estimate::Load;
use nigh_storage::store::State;
use tonic::{Request, Response, Status};

#[tonic::async_trait]
impl Collections for Door {
    async fn create(
        &self,
        request: Request<CreateCollectionRequest>,
    ) -> Result<Response<v1::CreateCollectionReply>, Status> {
        let (deadline, request) = (deadline(request.metadata()), request.into_inner());
        let work = async move {
            let spec = schema::spec(request.spec.unwrap_or_default())?;
            let engine = self.engine.clone();
            let created = engine.create(request.collection, spec, request.if_absent, &deadline).await?;
            Ok(v1::CreateCollectionReply { created })
        };
        self.call(Rpc::Create, work).await
    }

    async fn drop(&self, request: Request<DropCollectionRequest>) -> Result<Response<v1::DropCollectionReply>, Status> {
        let (deadline, request) = (deadline(request.metadata()), request.into_inner());
        let work = async move {
            let dropped = self.engine.clone().drop_collection(request.collection, &deadline).await?;
            Ok(v1::DropCollectionReply { dropped })
        };
        self.call(Rpc::Drop, work).await
    }

    async fn describe(
        &self,
        request: Request<DescribeCollectionRequest>,
    ) -> Result<Response<v1::DescribeCollectionReply>, Status> {
        let (deadline, request) = (deadline(request.metadata()), request.into_inner());
        let work = async move {
            let (spec, status) = self.engine.clone().describe(request.collection, &deadline).await?;
            let (spec, status) = (schema::spec_out(&spec), schema::status_out(status, &self.engine.memory()));
            Ok(v1::DescribeCollectionReply { spec: Some(spec), status: Some(status) })
        };
        self.call(Rpc::Describe, work).await
    }

    async fn optimize(&self, request: Request<v1::OptimizeRequest>) -> Result<Response<v1::OptimizeReply>, Status> {
        let (deadline, request) = (deadline(request.metadata()), request.into_inner());
        let work = async move {
            let status = self.engine.clone().optimize(request.collection, &deadline).await?;
            Ok(v1::OptimizeReply { status: Some(schema::status_out(status, &self.engine.memory())) })
        };
        self.call(Rpc::Optimize, work).await
    }

    async fn change_aliases(
        &self,
        request: Request<v1::ChangeAliasesRequest>,
    ) -> Result<Response<v1::ChangeAliasesReply>, Status> {
        let (deadline, request) = (deadline(request.metadata()), request.into_inner());
        let work = async move {
            let changes =
                request.changes.into_iter().enumerate().map(schema::alias_change).collect::<Result<_, _>>()?;
            self.engine.clone().change_aliases(changes, &deadline).await?;
            Ok(v1::ChangeAliasesReply {})
        };
        self.call(Rpc::ChangeAliases, work).await
    }

    async fn list_aliases(
        &self,
        _request: Request<v1::ListAliasesRequest>,
    ) -> Result<Response<v1::ListAliasesReply>, Status> {
        let work = async move {
            let aliases = self.engine.aliases().into_iter();
            Ok(v1::ListAliasesReply {
                aliases: aliases.map(|(alias, collection)| v1::Alias { alias, collection }).collect(),
            })
        };
        self.call(Rpc::ListAliases, work).await
    }

    async fn estimate(&self, request: Request<v1::EstimateRequest>) -> Result<Response<v1::EstimateReply>, Status> {
        let (deadline, request) = (deadline(request.metadata()), request.into_inner());
        let work = async move {
            let spec = schema::spec(request.spec.unwrap_or_default())?;
            let v1::EstimateRequest { points, payload_bytes, text_bytes, .. } = request;
            let load = Load { points, payload_bytes, text_bytes };
            let found = self.engine.clone().estimate(spec, load, &deadline).await?;
            Ok(v1::EstimateReply {
                memory_bytes: found.memory_bytes,
                memory_peak_bytes: found.memory_peak_bytes,
                mapped_bytes: found.mapped_bytes,
                disk_bytes: found.disk_bytes,
                disk_peak_bytes: found.disk_peak_bytes,
                build_seconds: found.build.as_secs_f64(),
                build_cpu_seconds: found.build_cpu.as_secs_f64(),
            })
        };
        self.call(Rpc::Estimate, work).await
    }

    async fn cancel_merge(
        &self,
        request: Request<v1::CancelMergeRequest>,
    ) -> Result<Response<v1::CancelMergeReply>, Status> {
        let request = request.into_inner();
        let work = async move {
            let cancelled = self.engine.cancel_merge(&request.collection)?;
            Ok(v1::CancelMergeReply { cancelled })
        };
        self.call(Rpc::CancelMerge, work).await
    }

    async fn analyze(&self, request: Request<v1::AnalyzeRequest>) -> Result<Response<v1::AnalyzeReply>, Status> {
        let (deadline, request) = (deadline(request.metadata()), request.into_inner());
        let work = async move {
            let tokens = self.engine.analyze(request.analyzer, request.text, &deadline).await?;
            let token = |(term, place): (String, Place)| v1::Token {
                term,
                position: place.position,
                from: place.from as u32,
                to: place.to as u32,
            };
            Ok(v1::AnalyzeReply { tokens: tokens.into_iter().map(token).collect() })
        };
        self.call(Rpc::Analyze, work).await
    }

    async fn add_vectors(
        &self,
        request: Request<v1::AddVectorsRequest>,
    ) -> Result<Response<v1::AddVectorsReply>, Status> {
        let (deadline, request) = (deadline(request.metadata()), request.into_inner());
        let work = async move {
            let collection = self.engine.collection(&request.collection)?;
            let field = vectors::new_field(request.field)?;
            let added = self.engine.clone().add_vectors(collection, field, request.if_absent, &deadline).await?;
            Ok(v1::AddVectorsReply { added })
        };
        self.call(Rpc::AddVectors, work).await
    }

    async fn drop_vectors(
        &self,
        request: Request<v1::DropVectorsRequest>,
    ) -> Result<Response<v1::DropVectorsReply>, Status> {
        let (deadline, request) = (deadline(request.metadata()), request.into_inner());
        let work = async move {
            let collection = self.engine.collection(&request.collection)?;
            let dropped = self.engine.clone().drop_vectors(collection, request.name, &deadline).await?;
            Ok(v1::DropVectorsReply { dropped })
        };
        self.call(Rpc::DropVectors, work).await
    }

    async fn add_text(&self, request: Request<v1::AddTextRequest>) -> Result<Response<v1::AddTextReply>, Status> {
        let (deadline, request) = (deadline(request.metadata()), request.into_inner());
        let work = async move {
            let collection = self.engine.collection(&request.collection)?;
            let field = request.field.ok_or_else(|| left_out("field", "it is a text field"))?;
            let field = schema::text_field(field);
            let added = self.engine.clone().add_text(collection, field, request.if_absent, &deadline).await?;
            Ok(v1::AddTextReply { added })
        };
        self.call(Rpc::AddText, work).await
    }

    async fn drop_text(&self, request: Request<v1::DropTextRequest>) -> Result<Response<v1::DropTextReply>, Status> {
        let (deadline, request) = (deadline(request.metadata()), request.into_inner());
        let work = async move {
            let collection = self.engine.collection(&request.collection)?;
            let dropped = self.engine.clone().drop_text(collection, request.name, &deadline).await?;
            Ok(v1::DropTextReply { dropped })
        };
        self.call(Rpc::DropText, work).await
    }

    async fn list(
        &self,
        _request: Request<v1::ListCollectionsRequest>,
    ) -> Result<Response<v1::ListCollectionsReply>, Status> {
        let summary = |(name, state)| {
            let (state, reason, opening) = match state {
                State::Open => ("open", String::new(), None),
                State::Opening(opening) => ("opening", opening.to_string(), Some(schema::opening_out(opening))),
                State::Quarantined(why) => ("quarantined", why, None),
            };
            v1::CollectionSummary { name, state: state.to_owned(), reason, opening }
        };
        let work = async move {
            let collections = self.engine.list().into_iter().map(summary).collect();
            Ok(v1::ListCollectionsReply { collections })
        };
        self.call(Rpc::List, work).await
    }
}
