//! The HTTP port: is it alive, is it ready, how is it.

use crate::engine::Engine;
use crate::metrics::Metrics;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use nigh_storage::opening::Opening;
use serde_json::{Value, json};
use std::sync::Arc;

/// What the pages are made of.
#[derive(Clone)]
struct Shared {
    engine: Arc<Engine>,
    metrics: Arc<Metrics>,
}

/// The pages.
pub(crate) fn router(engine: Arc<Engine>, metrics: Arc<Metrics>) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(readiness))
        .route("/metrics", get(numbers))
        .with_state(Shared { engine, metrics })
}

async fn readiness(State(shared): State<Shared>) -> impl IntoResponse {
    let progress = shared.engine.progress();
    let status = if progress.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let (open, opening, quarantined) = (progress.open, progress.opening, progress.quarantined);
    let collections = json!({"open": open, "opening": opening, "quarantined": quarantined});
    let opening: Vec<_> = shared.engine.openings().into_iter().map(opening_json).collect();
    let body = json!({"ready": progress.ready, "collections": collections, "opening": opening}).to_string();
    (status, [(header::CONTENT_TYPE, "application/json")], body + "\n")
}

fn opening_json((name, opening): (String, Opening)) -> Value {
    let done = opening.done.min(opening.total);
    json!({
        "collection": name, "stage": opening.stage.name(), "done_bytes": done, "total_bytes": opening.total,
        "doing": opening.to_string(),
    })
}

async fn numbers(State(shared): State<Shared>) -> impl IntoResponse {
    let text = tokio::task::spawn_blocking(move || shared.metrics.text(&shared.engine)).await;
    match text {
        Ok(text) => (StatusCode::OK, [(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, [(header::CONTENT_TYPE, "text/plain")], String::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Limits;
    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use nigh_storage::disk::FsDisk;
    use nigh_storage::schema::CollectionSpec;
    use nigh_storage::store::{Options, Store};
    use std::path::Path;
    use tower::ServiceExt;

    fn store(folder: &Path) -> Arc<Store> {
        let options = Options { background: false, ..Options::default() };
        Store::attach(Arc::new(FsDisk), folder, options).unwrap()
    }

    async fn ready(engine: &Arc<Engine>) -> (u16, Value) {
        let request = Request::get("/readyz").body(Body::empty()).unwrap();
        let reply = router(engine.clone(), Arc::default()).oneshot(request).await.unwrap();
        let status = reply.status().as_u16();
        let body = to_bytes(reply.into_body(), 1 << 20).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap())
    }

    #[tokio::test]
    async fn who_asks_before_collections_are_open_hears_how_far_that_is() {
        let folder = tempfile::tempdir().unwrap();
        let filled = store(folder.path());
        filled.open_all();
        for name in ["a", "b"] {
            filled.create(name, CollectionSpec::default()).unwrap();
        }
        filled.close();
        drop(filled);
        let engine = Arc::new(Engine::new(store(folder.path()), folder.path().to_owned(), Limits::default()));
        let (status, body) = ready(&engine).await;
        assert_eq!((status, &body["ready"]), (503, &json!(false)));
        assert_eq!(body["collections"], json!({"open": 0, "opening": 2, "quarantined": 0}));
        let waits = |name| {
            let doing = "it waits for its turn";
            json!({"collection": name, "stage": "waiting", "done_bytes": 0, "total_bytes": 0, "doing": doing})
        };
        assert_eq!(body["opening"], json!([waits("a"), waits("b")]));
        engine.open_all();
        let (status, body) = ready(&engine).await;
        assert_eq!((status, &body["ready"], &body["opening"]), (200, &json!(true), &json!([])));
        assert_eq!(body["collections"], json!({"open": 2, "opening": 0, "quarantined": 0}));
        engine.close();
    }
}
