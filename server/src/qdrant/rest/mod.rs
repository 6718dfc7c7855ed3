//! A door for clients of the Qdrant API: its REST paths, on the HTTP port.
//!
//! It only translates: what is asked is put to the engine as any other door would, and what the engine cannot do is
//! answered with "not supported" and never with a wrong success. What nigh has no word for but clients expect to be
//! shown back (graph parameters, declared indexes) is kept as a note beside the collection.
//!
//! ```text
//! reply    envelope, codes, texts of errors        collections  what is created, shown, changed, dropped; aliases
//! ids      point ids                               points       upserts, deletes, payloads, vectors, batches
//! filter   conditions                              read         points by id, pages, counts
//! vectors  vectors in and out, by name             query ask    searches of every form; formula
//! selector which part of a payload comes back      service      what the server says of itself
//! ```

mod ask;
mod collections;
mod filter;
mod formula;
mod ids;
mod note;
mod points;
mod query;
mod read;
mod reply;
mod selector;
mod service;
mod vectors;

use crate::engine::Engine;
use crate::engine::pool::Deadline;
use axum::Router;
use axum::body::Bytes;
use axum::extract::DefaultBodyLimit;
use axum::http::Uri;
use axum::routing::{delete, get, post, put};
use reply::Fault;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::Duration;

/// A body has at most this many bytes, as the API's own default is.
const BODY_BYTES_MAX: usize = 32 << 20;

/// The paths.
pub(crate) fn router(engine: Arc<Engine>) -> Router {
    let of = "/collections/{collection}";
    let path = |rest: &str| format!("{of}{rest}");
    Router::new()
        .route("/", get(service::version))
        .route("/telemetry", get(service::telemetry))
        .route("/issues", get(service::issues).delete(service::clear_issues))
        .route("/cluster", get(service::cluster))
        .route("/collections", get(collections::list))
        .route("/collections/aliases", post(collections::change_aliases))
        .route("/aliases", get(collections::aliases))
        .route(
            of,
            get(collections::describe).put(collections::create).patch(collections::update).delete(collections::delete),
        )
        .route(&path("/exists"), get(collections::exists))
        .route(&path("/aliases"), get(collections::aliases_of))
        .route(&path("/cluster"), get(service::collection_cluster))
        .route(&path("/index"), put(collections::create_index))
        .route(&path("/index/{field}"), delete(collections::delete_index))
        .route(&path("/points"), put(points::upsert).post(read::retrieve))
        .route(&path("/points/{id}"), get(read::one))
        .route(&path("/points/delete"), post(points::delete))
        .route(&path("/points/vectors"), put(points::update_vectors))
        .route(&path("/points/vectors/delete"), post(points::delete_vectors))
        .route(&path("/points/payload"), post(points::set_payload).put(points::overwrite_payload))
        .route(&path("/points/payload/delete"), post(points::delete_payload))
        .route(&path("/points/payload/clear"), post(points::clear_payload))
        .route(&path("/points/batch"), post(points::batch))
        .route(&path("/points/scroll"), post(read::scroll))
        .route(&path("/points/count"), post(read::count))
        .route(&path("/points/query"), post(query::query))
        .route(&path("/points/query/batch"), post(query::query_batch))
        .route(&path("/points/query/groups"), post(query::query_groups))
        .route(&path("/points/search"), post(query::search))
        .route(&path("/points/search/batch"), post(query::search_batch))
        .route(&path("/points/search/groups"), post(query::search_groups))
        .route(&path("/points/recommend"), post(query::recommend))
        .route(&path("/points/recommend/batch"), post(query::recommend_batch))
        .route(&path("/points/recommend/groups"), post(query::recommend_groups))
        .route(&path("/points/discover"), post(query::discover))
        .route(&path("/points/discover/batch"), post(query::discover_batch))
        .route(&path("/facet"), post(query::facet))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(engine)
}

/// A body, read.
fn body<T: DeserializeOwned>(bytes: &Bytes) -> reply::Result<T> {
    let bytes = if bytes.is_empty() { b"{}" as &[u8] } else { bytes };
    serde_json::from_slice(bytes).map_err(|err| Fault::format(err.to_string()))
}

/// What may stand behind the question mark.
#[derive(Clone, Debug, Default)]
struct Asked {
    /// Whether the write should be visible before it is answered.
    wait: bool,
    deadline: Deadline,
}

impl Asked {
    fn of(uri: &Uri) -> reply::Result<Self> {
        let mut asked = Self::default();
        for pair in uri.query().unwrap_or_default().split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match name {
                "wait" => match value {
                    "true" | "1" | "" => asked.wait = true,
                    "false" | "0" => asked.wait = false,
                    _ => return Err(Fault::bad_request(format!("wait is {value}; it is true or false"))),
                },
                "timeout" => match value.parse::<u64>() {
                    Ok(seconds) if seconds > 0 => asked.deadline = Deadline::after(Some(Duration::from_secs(seconds))),
                    _ => return Err(Fault::invalid("timeout", "it is a number of seconds, at least 1")),
                },
                // One node is always in agreement with itself.
                _ => {}
            }
        }
        Ok(asked)
    }
}
