//! The paths that the benchmarks ask for.

use crate::collection::{Collection, Collections, wrong};
use crate::message::{LIMIT, RRF_K, nearest};
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use qdrant_edge::{
    CreateIndex, FieldIndexOperations, Filter, Fusion, OperationResult, Payload, PointId, PointInsertOperations,
    PointOperations, Prefetch, QueryRequest, ScoredPoint, ScoringQuery, SearchParams, SparseVector, UpdateOperation,
    VectorInternal, WithPayloadInterface,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Instant;

const BODY_BYTES_MAX: usize = 32 << 20;

type Shared = State<Arc<Collections>>;

pub fn routes(collections: Arc<Collections>) -> Router {
    Router::new()
        .route("/", get(async || Json(json!({"title": "qdrant-door", "version": "1.19.0"}))))
        .route("/readyz", get(async || "ready"))
        .route("/collections/{name}", put(create).get(describe).delete(delete))
        .route("/collections/{name}/exists", get(exists))
        .route("/collections/{name}/index", put(index))
        .route("/collections/{name}/points", put(upsert))
        .route("/collections/{name}/points/count", post(count))
        .route("/collections/{name}/points/query", post(query))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(collections)
}

async fn create(State(all): Shared, Path(name): Path<String>, Json(settings): Json<Value>) -> Response {
    answer(move || all.create(name, settings).map(|()| true)).await
}

async fn describe(State(all): Shared, Path(name): Path<String>) -> Response {
    answer(move || all.find(&name)?.described()).await
}

async fn delete(State(all): Shared, Path(name): Path<String>) -> Response {
    answer(move || Ok(all.delete(&name))).await
}

async fn exists(State(all): Shared, Path(name): Path<String>) -> Response {
    answer(move || Ok(json!({"exists": all.find(&name).is_ok()}))).await
}

async fn index(State(all): Shared, Path(name): Path<String>, Json(asked): Json<CreateIndex>) -> Response {
    let operation = UpdateOperation::FieldIndexOperation(FieldIndexOperations::CreateIndex(asked));
    answer(move || written(&*all.find(&name)?, operation)).await
}

async fn upsert(State(all): Shared, Path(name): Path<String>, Json(asked): Json<PointInsertOperations>) -> Response {
    let operation = UpdateOperation::PointOperation(PointOperations::UpsertPoints(asked));
    answer(move || written(&*all.find(&name)?, operation)).await
}

fn written(collection: &Collection, operation: UpdateOperation) -> OperationResult<Value> {
    Ok(json!({"operation_id": collection.update(operation)?, "status": "completed"}))
}

async fn count(State(all): Shared, Path(name): Path<String>) -> Response {
    answer(move || Ok(json!({"count": all.find(&name)?.count()?}))).await
}

async fn query(State(all): Shared, Path(name): Path<String>, Json(asked): Json<Asked>) -> Response {
    answer(move || {
        let hits = all.find(&name)?.query(asked.request()?)?;
        Ok(Found { points: hits.into_iter().map(Hit::from).collect() })
    })
    .await
}

#[derive(Serialize)]
struct Answer<T> {
    result: T,
    status: &'static str,
    time: f64,
}

/// Runs the call where it may block, and wraps what it returns.
async fn answer<T: Serialize + Send + 'static>(call: impl FnOnce() -> OperationResult<T> + Send + 'static) -> Response {
    let began = Instant::now();
    let why = match tokio::task::spawn_blocking(call).await {
        Ok(Ok(result)) => {
            return Json(Answer { result, status: "ok", time: began.elapsed().as_secs_f64() }).into_response();
        }
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    (StatusCode::BAD_REQUEST, Json(json!({"status": {"error": why}, "time": 0.0}))).into_response()
}

#[derive(Serialize)]
struct Found {
    points: Vec<Hit>,
}

#[derive(Serialize)]
struct Hit {
    id: PointId,
    version: u64,
    score: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Payload>,
}

impl From<ScoredPoint> for Hit {
    fn from(point: ScoredPoint) -> Self {
        Self { id: point.id, version: point.version, score: point.score, payload: point.payload }
    }
}

/// A query, or a source of candidates for one, which has neither an offset nor a payload to choose.
#[derive(Deserialize)]
struct Asked {
    prefetch: Option<OneOrMany>,
    query: Option<Query>,
    using: Option<String>,
    filter: Option<Filter>,
    params: Option<SearchParams>,
    score_threshold: Option<f32>,
    limit: Option<usize>,
    offset: Option<usize>,
    with_payload: Option<WithPayloadInterface>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    Many(Vec<Asked>),
    One(Box<Asked>),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Query {
    Dense(Vec<f32>),
    Sparse(SparseVector),
    Nearest { nearest: Vector },
    Rrf { rrf: Rrf },
    Fusion { fusion: String },
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Vector {
    Dense(Vec<f32>),
    Sparse(SparseVector),
}

#[derive(Deserialize)]
struct Rrf {
    k: Option<usize>,
}

impl Asked {
    fn request(mut self) -> OperationResult<QueryRequest> {
        let (offset, with_payload) = (self.offset.take(), self.with_payload.take());
        let Prefetch { prefetches, query, limit, params, filter, score_threshold } = self.prefetch()?;
        let mut request = QueryRequest::new(limit);
        (request.prefetches, request.query, request.filter, request.params) = (prefetches, query, filter, params);
        request.score_threshold = score_threshold;
        request.offset = offset.unwrap_or_default();
        request.with_payload = with_payload.unwrap_or(WithPayloadInterface::Bool(false));
        Ok(request)
    }

    fn prefetch(self) -> OperationResult<Prefetch> {
        let stages = match self.prefetch {
            None => Vec::new(),
            Some(OneOrMany::Many(stages)) => stages,
            Some(OneOrMany::One(stage)) => vec![*stage],
        };
        let mut request = Prefetch::new(self.limit.unwrap_or(LIMIT));
        request.prefetches = stages.into_iter().map(Self::prefetch).collect::<OperationResult<_>>()?;
        request.query = self.query.map(|query| query.scoring(self.using)).transpose()?;
        (request.filter, request.params, request.score_threshold) = (self.filter, self.params, self.score_threshold);
        Ok(request)
    }
}

impl Query {
    fn scoring(self, using: Option<String>) -> OperationResult<ScoringQuery> {
        match self {
            Self::Dense(values) | Self::Nearest { nearest: Vector::Dense(values) } => {
                Ok(nearest(VectorInternal::Dense(values), using))
            }
            Self::Sparse(values) | Self::Nearest { nearest: Vector::Sparse(values) } => {
                Ok(nearest(VectorInternal::Sparse(values), using))
            }
            Self::Rrf { rrf } => Ok(ScoringQuery::Fusion(Fusion::Rrf { k: rrf.k.unwrap_or(RRF_K), weights: None })),
            Self::Fusion { fusion } if fusion == "rrf" => {
                Ok(ScoringQuery::Fusion(Fusion::Rrf { k: RRF_K, weights: None }))
            }
            Self::Fusion { fusion } => Err(wrong(format!("fusion `{fusion}` is not served here"))),
        }
    }
}
