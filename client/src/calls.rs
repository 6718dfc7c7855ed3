//! The calls of a client: collections, writes, queries, reads.

use crate::client::Client;
use crate::convert;
use crate::error::Result;
use crate::filter::Filter;
use crate::id::PointId;
use crate::memory;
use crate::point::{Durability, Op, Point, Selector, VectorsWanted, Wanted};
use crate::query::Query;
use crate::reply::{Facets, Page, QueryReply, WriteReply};
use crate::retry::Repeat;
use crate::schema::{self, CollectionSpec, CollectionStatus, CollectionSummary, Description, Estimate, Load};
use crate::source::{WriteOptions, position_out};
use crate::vectors;
use nigh_proto::v1;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio_stream::wrappers::ReceiverStream;
use uuid::Uuid;

/// `self.call` over one rpc of one service.
macro_rules! call {
    ($client:expr, $repeat:ident, $service:ident.$rpc:ident, $request:expr) => {
        $client.call(Repeat::$repeat, $request, |request| {
            let mut service = $client.$service();
            async move { service.$rpc(request).await }
        })
    };
}
pub(crate) use call;

impl Client {
    /// Creates a collection; fails where there is one of this name.
    pub async fn create_collection(&self, name: &str, spec: CollectionSpec) -> Result<()> {
        let request = create_request(name, spec, false);
        call!(self, Matters, collections.create, request).await?;
        Ok(())
    }

    /// Creates a collection unless one of this name and an equal spec is there: whether it did.
    pub async fn create_collection_if_absent(&self, name: &str, spec: CollectionSpec) -> Result<bool> {
        let request = create_request(name, spec, true);
        Ok(call!(self, Harmless, collections.create, request).await?.created)
    }

    /// Removes a collection and all that is in it: whether there was one.
    pub async fn drop_collection(&self, name: &str) -> Result<bool> {
        let request = v1::DropCollectionRequest { collection: name.to_owned() };
        Ok(call!(self, Matters, collections.drop, request).await?.dropped)
    }

    /// What a collection holds, and how it is.
    pub async fn describe_collection(&self, name: &str) -> Result<Description> {
        let request = v1::DescribeCollectionRequest { collection: name.to_owned() };
        let reply = call!(self, Harmless, collections.describe, request).await?;
        Ok(Description {
            spec: spec_in(reply.spec.unwrap_or_default()),
            status: status_in(reply.status.unwrap_or_default()),
        })
    }

    /// Every collection of the server.
    pub async fn list_collections(&self) -> Result<Vec<CollectionSummary>> {
        let reply = call!(self, Harmless, collections.list, v1::ListCollectionsRequest {}).await?;
        let summary =
            |one: v1::CollectionSummary| CollectionSummary { name: one.name, state: one.state, reason: one.reason };
        Ok(reply.collections.into_iter().map(summary).collect())
    }

    /// Seals what is live and merges all segments into one; returns when it is done. The server goes on where the time
    /// of this call is over.
    pub async fn optimize(&self, name: &str) -> Result<CollectionStatus> {
        let request = v1::OptimizeRequest { collection: name.to_owned() };
        let reply = call!(self, Harmless, collections.optimize, request).await?;
        Ok(status_in(reply.status.unwrap_or_default()))
    }

    /// From now on the alias stands for this collection, whatever it stood for before.
    pub async fn set_alias(&self, alias: &str, collection: &str) -> Result<()> {
        let alias = v1::Alias { alias: alias.to_owned(), collection: collection.to_owned() };
        self.change_alias(v1::alias_change::Change::Set(alias)).await
    }

    /// The alias is gone; it may not have been there.
    pub async fn delete_alias(&self, alias: &str) -> Result<()> {
        self.change_alias(v1::alias_change::Change::Delete(alias.to_owned())).await
    }

    async fn change_alias(&self, change: v1::alias_change::Change) -> Result<()> {
        let request = v1::ChangeAliasesRequest { changes: vec![v1::AliasChange { change: Some(change) }] };
        call!(self, Harmless, collections.change_aliases, request).await?;
        Ok(())
    }

    /// Every alias, with the collection that it stands for.
    pub async fn aliases(&self) -> Result<BTreeMap<String, String>> {
        let reply = call!(self, Harmless, collections.list_aliases, v1::ListAliasesRequest {}).await?;
        Ok(reply.aliases.into_iter().map(|one| (one.alias, one.collection)).collect())
    }

    /// What a collection of a given size would take on the server's machine. It takes the server about a second of its
    /// cores to tell.
    pub async fn estimate(&self, spec: CollectionSpec, load: Load) -> Result<Estimate> {
        let Load { points, payload_bytes, text_bytes } = load;
        let request = v1::EstimateRequest { spec: Some(spec_out(spec)), points, payload_bytes, text_bytes };
        let reply = call!(self, Harmless, collections.estimate, request).await?;
        let seconds = |seconds: f64| Duration::try_from_secs_f64(seconds).unwrap_or_default();
        Ok(Estimate {
            memory_bytes: reply.memory_bytes,
            memory_peak_bytes: reply.memory_peak_bytes,
            mapped_bytes: reply.mapped_bytes,
            disk_bytes: reply.disk_bytes,
            disk_peak_bytes: reply.disk_peak_bytes,
            build: seconds(reply.build_seconds),
            build_cpu: seconds(reply.build_cpu_seconds),
        })
    }

    /// Calls off a merge that runs; none begins by itself for a minute. Whether one ran.
    pub async fn cancel_merge(&self, name: &str) -> Result<bool> {
        let request = v1::CancelMergeRequest { collection: name.to_owned() };
        Ok(call!(self, Harmless, collections.cancel_merge, request).await?.cancelled)
    }

    /// Applies a batch, all of it or nothing, and returns once it is as durable as asked.
    pub async fn write(
        &self,
        collection: &str,
        ops: impl IntoIterator<Item = Op>,
        durability: Durability,
    ) -> Result<WriteReply> {
        self.write_with(collection, ops, durability.into()).await
    }

    /// As [`Self::write`], with a name for the batch and positions of its sources.
    pub async fn write_with(
        &self,
        collection: &str,
        ops: impl IntoIterator<Item = Op>,
        options: WriteOptions,
    ) -> Result<WriteReply> {
        let request = v1::WriteRequest {
            collection: collection.to_owned(),
            ops: ops.into_iter().map(convert::op_out).collect::<Result<_>>()?,
            durability: convert::durability_out(options.durability),
            op_id: options.op_id.unwrap_or_else(Uuid::new_v4).into_bytes().to_vec(),
            positions: options.positions.into_iter().map(position_out).collect(),
        };
        convert::write_in(call!(self, Harmless, points.write, request).await?)
    }

    /// Writes points; each replaces the one of its id. They are on disk when this returns.
    pub async fn upsert(&self, collection: &str, points: impl IntoIterator<Item = Point>) -> Result<WriteReply> {
        self.write(collection, points.into_iter().map(Op::Upsert), Durability::Durable).await
    }

    /// Removes points.
    pub async fn delete(&self, collection: &str, points: impl Into<Selector>) -> Result<WriteReply> {
        self.write(collection, [Op::Delete(points.into())], Durability::Durable).await
    }

    /// Sets these top-level keys of the payload, keeps the others.
    pub async fn set_payload(
        &self,
        collection: &str,
        points: impl Into<Selector>,
        payload: impl Into<Value>,
    ) -> Result<WriteReply> {
        self.write(collection, [Op::SetPayload(points.into(), payload.into())], Durability::Durable).await
    }

    /// Replaces the payload.
    pub async fn overwrite_payload(
        &self,
        collection: &str,
        points: impl Into<Selector>,
        payload: impl Into<Value>,
    ) -> Result<WriteReply> {
        self.write(collection, [Op::OverwritePayload(points.into(), payload.into())], Durability::Durable).await
    }

    /// Removes these top-level keys of the payload.
    pub async fn delete_payload_keys<S: Into<String>>(
        &self,
        collection: &str,
        points: impl Into<Selector>,
        keys: impl IntoIterator<Item = S>,
    ) -> Result<WriteReply> {
        let keys = keys.into_iter().map(Into::into).collect();
        self.write(collection, [Op::DeletePayloadKeys(points.into(), keys)], Durability::Durable).await
    }

    /// Empties the payload.
    pub async fn clear_payload(&self, collection: &str, points: impl Into<Selector>) -> Result<WriteReply> {
        self.write(collection, [Op::ClearPayload(points.into())], Durability::Durable).await
    }

    /// Sets these vectors of points that are there, keeps their others and their payload.
    pub async fn update_vectors(
        &self,
        collection: &str,
        points: impl IntoIterator<Item = Point>,
    ) -> Result<WriteReply> {
        self.write(collection, points.into_iter().map(Op::UpdateVectors), Durability::Durable).await
    }

    /// Sets when points expire, in Unix milliseconds; `None`: never.
    pub async fn set_expiry(
        &self,
        collection: &str,
        points: impl Into<Selector>,
        expires_at_ms: Option<u64>,
    ) -> Result<WriteReply> {
        self.write(collection, [Op::SetExpiry(points.into(), expires_at_ms)], Durability::Durable).await
    }

    /// Removes the vectors of these fields.
    pub async fn delete_vectors<S: Into<String>>(
        &self,
        collection: &str,
        points: impl Into<Selector>,
        fields: impl IntoIterator<Item = S>,
    ) -> Result<WriteReply> {
        let fields = fields.into_iter().map(Into::into).collect();
        self.write(collection, [Op::DeleteVectors(points.into(), fields)], Durability::Durable).await
    }

    /// Finds points by meaning, by words, or by both.
    pub async fn query(&self, collection: &str, query: Query) -> Result<QueryReply> {
        let request = convert::query_out(collection, query);
        convert::reply_in(call!(self, Harmless, points.query, request).await?)
    }

    /// Points by id, in the order asked for, without vectors; ids that are not there are left out.
    pub async fn get<I: Into<PointId>>(
        &self,
        collection: &str,
        ids: impl IntoIterator<Item = I>,
    ) -> Result<Vec<Point>> {
        self.get_with(collection, ids, Wanted::All, VectorsWanted::Nothing).await
    }

    /// Points by id, with this of their payload and these of their vectors.
    pub async fn get_with<I: Into<PointId>>(
        &self,
        collection: &str,
        ids: impl IntoIterator<Item = I>,
        payload: Wanted,
        vectors: VectorsWanted,
    ) -> Result<Vec<Point>> {
        let request = v1::GetRequest {
            collection: collection.to_owned(),
            ids: ids.into_iter().map(|id| convert::id_out(id.into())).collect(),
            payload: Some(convert::wanted_out(payload)),
            vectors: convert::vectors_out(vectors),
            version: String::new(),
        };
        let reply = call!(self, Harmless, points.get, request).await?;
        reply.points.into_iter().map(convert::point_in).collect()
    }

    /// How many points match; all of them where there is no filter.
    pub async fn count(&self, collection: &str, filter: Option<Filter>) -> Result<u64> {
        let request = v1::CountRequest {
            collection: collection.to_owned(),
            filter: filter.map(convert::filter_out),
            version: String::new(),
        };
        Ok(call!(self, Harmless, points.count, request).await?.count)
    }

    /// How many points have each value at a path, the most frequent values first: strings, integers and bools.
    pub async fn facet(&self, collection: &str, path: &str, filter: Option<Filter>, limit: u32) -> Result<Facets> {
        let request = v1::FacetRequest {
            collection: collection.to_owned(),
            path: path.to_owned(),
            filter: filter.map(convert::filter_out),
            limit,
            version: String::new(),
        };
        convert::facets_in(call!(self, Harmless, points.facet, request).await?)
    }

    /// One page of points in rising order of id.
    pub async fn scroll_page(&self, collection: &str, scroll: &Scroll) -> Result<Page> {
        let request = v1::ScrollRequest {
            collection: collection.to_owned(),
            filter: scroll.filter.clone().map(convert::filter_out),
            from: scroll.from.map(convert::id_out),
            limit: scroll.page,
            payload: Some(convert::wanted_out(scroll.payload.clone())),
            vectors: convert::vectors_out(scroll.vectors.clone()),
            version: scroll.version.clone(),
        };
        convert::page_in(call!(self, Harmless, points.scroll, request).await?)
    }

    /// Every matching point in rising order of id, page by page; the next page is asked for while
    /// this one is read. Each page speaks of its own state.
    pub fn scroll(&self, collection: &str, scroll: Scroll) -> ReceiverStream<Result<Point>> {
        let (points, stream) = tokio::sync::mpsc::channel(scroll.page.max(1) as usize);
        let (client, collection, mut scroll) = (self.clone(), collection.to_owned(), scroll);
        tokio::spawn(async move {
            loop {
                let page = match client.scroll_page(&collection, &scroll).await {
                    Ok(page) => page,
                    // Who no longer reads does not need to hear of it.
                    Err(error) => return drop(points.send(Err(error)).await),
                };
                for point in page.points {
                    if points.send(Ok(point)).await.is_err() {
                        return;
                    }
                }
                scroll.from = page.next;
                if scroll.from.is_none() {
                    return;
                }
            }
        });
        ReceiverStream::new(stream)
    }
}

/// What a scroll walks over.
#[derive(Clone, PartialEq, Debug)]
pub struct Scroll {
    /// Only points that match.
    pub filter: Option<Filter>,
    /// Starts at this id (inclusive); at the least where it is left out.
    pub from: Option<PointId>,
    /// Points a page.
    pub page: u32,
    /// What of the payload comes back: all of it.
    pub payload: Wanted,
    /// Which vectors come back: none.
    pub vectors: VectorsWanted,
    /// The version to read; empty: the newest state.
    pub version: String,
}

impl Default for Scroll {
    fn default() -> Self {
        Self {
            filter: None,
            from: None,
            page: 256,
            payload: Wanted::All,
            vectors: VectorsWanted::Nothing,
            version: String::new(),
        }
    }
}

fn create_request(name: &str, spec: CollectionSpec, if_absent: bool) -> v1::CreateCollectionRequest {
    v1::CreateCollectionRequest { collection: name.to_owned(), spec: Some(spec_out(spec)), if_absent }
}

pub(crate) fn vector_out(field: schema::VectorField) -> v1::VectorField {
    v1::VectorField {
        name: field.name,
        size: field.size,
        metric: metric_out(field.metric).into(),
        hnsw: field.hnsw.map(|hnsw| v1::HnswSpec { m: hnsw.m, ef_construct: hnsw.ef_construct }),
        ivf: field.ivf.map(|ivf| v1::IvfSpec { lists: ivf.lists, code: ivf.code, rerank: ivf.rerank }),
    }
}

pub(crate) fn text_field_out(field: schema::TextField) -> v1::TextField {
    v1::TextField { name: field.name, paths: field.paths, analyzer: field.analyzer, k1: field.k1, b: field.b }
}

fn spec_out(spec: CollectionSpec) -> v1::CollectionSpec {
    v1::CollectionSpec {
        vectors: spec.vectors.into_iter().map(vector_out).collect(),
        sparse: spec.sparse.into_iter().map(vectors::sparse_field_out).collect(),
        multi: spec.multi.into_iter().map(vectors::multi_field_out).collect(),
        texts: spec.texts.into_iter().map(text_field_out).collect(),
        no_auto_index: spec.no_auto_index,
    }
}

pub(crate) fn metric_out(metric: schema::Metric) -> v1::Metric {
    match metric {
        schema::Metric::Cosine => v1::Metric::Cosine,
        schema::Metric::Dot => v1::Metric::Dot,
        schema::Metric::Euclid => v1::Metric::Euclid,
        schema::Metric::Manhattan => v1::Metric::Manhattan,
    }
}

pub(crate) fn metric_in(metric: v1::Metric) -> schema::Metric {
    match metric {
        v1::Metric::Cosine | v1::Metric::Unspecified => schema::Metric::Cosine,
        v1::Metric::Dot => schema::Metric::Dot,
        v1::Metric::Euclid => schema::Metric::Euclid,
        v1::Metric::Manhattan => schema::Metric::Manhattan,
    }
}

fn vector_in(field: v1::VectorField) -> schema::VectorField {
    schema::VectorField {
        metric: metric_in(field.metric()),
        name: field.name,
        size: field.size,
        hnsw: field.hnsw.map(|hnsw| schema::Hnsw { m: hnsw.m, ef_construct: hnsw.ef_construct }),
        ivf: field.ivf.map(|ivf| schema::Ivf { lists: ivf.lists, code: ivf.code, rerank: ivf.rerank }),
    }
}

fn spec_in(spec: v1::CollectionSpec) -> CollectionSpec {
    let text = |field: v1::TextField| schema::TextField {
        name: field.name,
        paths: field.paths,
        analyzer: field.analyzer,
        k1: field.k1,
        b: field.b,
    };
    CollectionSpec {
        vectors: spec.vectors.into_iter().map(vector_in).collect(),
        sparse: spec.sparse.into_iter().map(vectors::sparse_field_in).collect(),
        multi: spec.multi.into_iter().map(vectors::multi_field_in).collect(),
        texts: spec.texts.into_iter().map(text).collect(),
        no_auto_index: spec.no_auto_index,
    }
}

fn status_in(status: v1::CollectionStatus) -> CollectionStatus {
    let segment = |one: v1::SegmentStatus| schema::SegmentStatus {
        number: one.number,
        rows: one.rows,
        dead_rows: one.dead_rows,
        bytes: one.bytes,
    };
    let task = |one: v1::UpkeepTask| schema::UpkeepTask {
        what: one.what,
        reason: one.reason,
        rows: one.rows,
        stage: one.stage,
        files_done: one.files_done,
        files: one.files,
        running: Duration::from_millis(one.running_ms),
    };
    CollectionStatus {
        state: status.state,
        points: status.points,
        seq: status.seq,
        durable_seq: status.durable_seq,
        segments: status.segments.into_iter().map(segment).collect(),
        live_rows: status.live_rows,
        live_bytes: status.live_bytes,
        disk_bytes: status.disk_bytes,
        upkeep: status.upkeep,
        refuses_writes: status.refuses_writes,
        resident_bytes: status.resident_bytes,
        archived_seq: status.archived_seq,
        archive_gap: status.archive_gap,
        tasks: status.tasks.into_iter().map(task).collect(),
        upkeep_failed: status.upkeep_failed,
        upkeep_waits: status.upkeep_waits,
        memory: status.memory.map(memory::status_in).unwrap_or_default(),
    }
}
