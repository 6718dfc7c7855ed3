//! The REST paths of the API, on the HTTP port.

mod multipart;
mod number;
mod reply;
mod scan;
mod service;
mod snapshots;
mod upsert;

use super::call::{Call, Update, aside};
use super::fault::{Fault, Result};
use super::{collections, ids, matrix, older, points, query, read};
use crate::engine::Engine;
use crate::engine::pool::Deadline;
use crate::engine::reply::Room;
use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::PathRejection;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::Uri;
use axum::routing::{any, delete, get, post, put};
use reply::{Answer, Reply};
use serde::Serialize;
use serde_json::{Value, json};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// A body has at most this many bytes, as the API's own default is.
const BODY_BYTES_MAX: usize = 32 << 20;
/// A body of more bytes is read where it keeps nobody else waiting.
const BODY_BYTES_ASIDE: usize = 32 << 10;
/// So many are read there at a time: what is made of a body takes many times its bytes.
static ASIDE: Semaphore = Semaphore::const_new(2);

/// The paths.
pub(crate) fn router(engine: Arc<Engine>) -> Router {
    let of = "/collections/{collection}";
    let path = |rest: &str| format!("{of}{rest}");
    Router::new()
        .route("/", get(service::version))
        .route("/telemetry", get(service::telemetry))
        .route("/issues", get(service::issues).delete(service::clear_issues))
        .route("/cluster", get(service::cluster))
        .route("/collections", get(everywhere(|call, _| collections::list(call))))
        .route("/collections/aliases", post(everywhere(collections::change_aliases)))
        .route("/aliases", get(everywhere(|call, _| collections::aliases(call))))
        .route(
            of,
            get(asks(|call, _| collections::describe(call)))
                .put(asks(collections::create))
                .patch(asks(collections::update))
                .delete(asks(|call, _| collections::delete(call))),
        )
        .route(&path("/exists"), get(asks(|call, _| collections::exists(call))))
        .route(&path("/aliases"), get(asks(|call, _| collections::aliases_of(call))))
        .route(&path("/cluster"), get(asks(|call, _| collections::cluster(call))).post(service::standalone))
        .route(&path("/shards"), any(service::standalone))
        .route(&path("/shards/{*rest}"), any(service::standalone))
        .route(&path("/snapshots"), get(snapshots::list).post(snapshots::create))
        .route(&path("/snapshots/recover"), put(snapshots::recover))
        .route(&path("/snapshots/upload"), post(snapshots::upload))
        .route(
            &path("/snapshots/{name}"),
            get(snapshots::download).delete(names(|call, name, _| super::snapshots::delete(call, name))),
        )
        .route("/snapshots", any(service::snapshots))
        .route("/snapshots/{*rest}", any(service::snapshots))
        .route(&path("/index"), put(asks(collections::create_index)))
        .route(&path("/index/{field}"), delete(names(|call, field, _| collections::delete_index(call, field))))
        .route(
            &path("/vectors/{name}"),
            put(names(collections::create_vector))
                .delete(names(|call, name, _| collections::delete_vector(call, name))),
        )
        .route(&path("/points"), put(upserts).post(asks(read::retrieve)))
        .route(
            &path("/points/{id}"),
            get(names(|call, id, _| async move { read::one(call, ids::of_path(&id)?).await })),
        )
        .route(&path("/points/delete"), post(writes("delete")))
        .route(&path("/points/vectors"), put(writes("update_vectors")))
        .route(&path("/points/vectors/delete"), post(writes("delete_vectors")))
        .route(&path("/points/payload"), post(writes("set_payload")).put(writes("overwrite_payload")))
        .route(&path("/points/payload/delete"), post(writes("delete_payload")))
        .route(&path("/points/payload/clear"), post(writes("clear_payload")))
        .route(&path("/points/batch"), post(asks(points::batch)))
        .route(&path("/points/scroll"), post(asks(read::scroll)))
        .route(&path("/points/count"), post(asks(read::count)))
        .route(&path("/points/query"), post(asks(query::query)))
        .route(&path("/points/query/batch"), post(asks(query::batch)))
        .route(&path("/points/query/groups"), post(asks(query::groups)))
        .route(&path("/points/search/matrix/pairs"), post(asks(matrix::pairs)))
        .route(&path("/points/search/matrix/offsets"), post(asks(matrix::offsets)))
        .route(&path("/facet"), post(asks(query::facet)))
        .merge(of_old())
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(engine)
}

/// Paths of older clients.
fn of_old() -> Router<Arc<Engine>> {
    let path = |rest: &str| format!("/collections/{{collection}}/points/{rest}");
    let hits = |kind| asks(move |call, request| older::hits(call, kind, request));
    let batch = |kind| asks(move |call, request| older::batch(call, kind, request));
    let groups = |kind| asks(move |call, request| older::groups(call, kind, request));
    Router::new()
        .route(&path("search"), post(hits("search")))
        .route(&path("search/batch"), post(batch("search")))
        .route(&path("search/groups"), post(groups("search")))
        .route(&path("recommend"), post(hits("recommend")))
        .route(&path("recommend/batch"), post(batch("recommend")))
        .route(&path("recommend/groups"), post(groups("recommend")))
        .route(&path("discover"), post(hits("discover")))
        .route(&path("discover/batch"), post(batch("discover")))
}

/// What a handler comes to.
type Handled<T> = Pin<Box<dyn Future<Output = Answer<T>> + Send>>;

/// What a path names, where it can be read.
type Names<T> = std::result::Result<Path<T>, PathRejection>;

fn named<T>(path: Names<T>) -> Result<T> {
    path.map(|Path(names)| names).map_err(|err| Fault::invalid("path", err))
}

/// A handler of requests to a collection.
fn asks<W, F, T>(
    work: W,
) -> impl Fn(State<Arc<Engine>>, Names<String>, Uri, Bytes) -> Handled<T> + Clone + Send + Sync + 'static
where
    W: Fn(Call, Value) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<T>> + Send + 'static,
    T: Serialize + Send + 'static,
{
    move |State(engine), path, uri, bytes| handle(work.clone(), engine, named(path), uri, bytes)
}

/// A handler of requests to no collection.
fn everywhere<W, F, T>(work: W) -> impl Fn(State<Arc<Engine>>, Uri, Bytes) -> Handled<T> + Clone + Send + Sync + 'static
where
    W: Fn(Call, Value) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<T>> + Send + 'static,
    T: Serialize + Send + 'static,
{
    move |State(engine), uri, bytes| handle(work.clone(), engine, Ok(String::new()), uri, bytes)
}

/// A collection, and what is named of it.
type Inside = Names<(String, String)>;

/// A handler of requests whose path names something in a collection.
fn names<W, F, T>(
    work: W,
) -> impl Fn(State<Arc<Engine>>, Inside, Uri, Bytes) -> Handled<T> + Clone + Send + Sync + 'static
where
    W: Fn(Call, String, Value) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<T>> + Send + 'static,
    T: Serialize + Send + 'static,
{
    move |State(engine), path, uri, bytes| {
        let work = work.clone();
        let (collection, name) = match named(path) {
            Ok((collection, name)) => (Ok(collection), name),
            Err(fault) => (Err(fault), String::new()),
        };
        handle(move |call, request| work(call, name, request), engine, collection, uri, bytes)
    }
}

/// A handler of writes of one kind.
fn writes(
    kind: &'static str,
) -> impl Fn(State<Arc<Engine>>, Names<String>, Uri, Bytes) -> Handled<Update> + Clone + Send + Sync + 'static {
    asks(move |call, request| points::write(call, kind, request))
}

/// A handler of upserts, whose bodies are long: they are read where they are written.
fn upserts(State(engine): State<Arc<Engine>>, path: Names<String>, uri: Uri, bytes: Bytes) -> Handled<Update> {
    Box::pin(async move {
        let begun = Instant::now();
        let call = permitted(engine, named(path)?, &uri)?;
        Ok(Reply::new(begun, points::upsert(call, move || upsert::read(&bytes)).await?))
    })
}

fn handle<F, T>(
    work: impl FnOnce(Call, Value) -> F + Send + 'static,
    engine: Arc<Engine>,
    collection: Result<String>,
    uri: Uri,
    bytes: Bytes,
) -> Handled<T>
where
    F: Future<Output = Result<T>> + Send,
    T: Serialize,
{
    Box::pin(async move {
        let begun = Instant::now();
        let call = permitted(engine, collection?, &uri)?;
        let request = if bytes.is_empty() { json!({}) } else { made(bytes, value).await? };
        Ok(Reply::new(begun, work(call, request).await?))
    })
}

/// The call, if its caller may speak of its collection: before anything is made of the body.
fn permitted(engine: Arc<Engine>, collection: String, uri: &Uri) -> Result<Call> {
    let call = call(engine, collection, uri)?;
    if !call.collection.is_empty() {
        call.engine.permit(&call.collection, &call.engine.resolved(&call.collection))?;
    }
    Ok(call)
}

fn value(bytes: &[u8]) -> Result<Value> {
    serde_json::from_slice(bytes).map_err(Fault::format)
}

/// What a body says. Long ones are read beside the runtime, few at a time.
async fn made<T: Send + 'static>(bytes: Bytes, read: impl FnOnce(&[u8]) -> Result<T> + Send + 'static) -> Result<T> {
    if bytes.len() <= BODY_BYTES_ASIDE {
        return read(&bytes);
    }
    let place = ASIDE.acquire().await.map_err(|_| Fault::internal("the server is stopping"))?;
    // The place is kept until it is read, also where nobody waits for it any more.
    let work = move || {
        let _place = place;
        read(&bytes)
    };
    aside(work).await
}

/// What may stand behind the question mark.
fn call(engine: Arc<Engine>, collection: String, uri: &Uri) -> Result<Call> {
    let room = Arc::new(Room::new(engine.limits().message_bytes_max));
    let deadline = Deadline::default();
    let mut call = Call { engine, collection, wait: false, deadline, room, timeout_s: None, counted: false };
    for pair in uri.query().unwrap_or_default().split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        match name {
            "wait" => match value {
                "true" | "1" | "" => call.wait = true,
                "false" | "0" => call.wait = false,
                _ => return Err(Fault::bad_request(format!("wait is {value}; it is true or false"))),
            },
            "timeout" => match value.parse::<u64>() {
                Ok(seconds) if seconds > 0 => {
                    call.deadline = Deadline::after(Some(Duration::from_secs(seconds)));
                    call.timeout_s = Some(seconds);
                }
                _ => return Err(Fault::invalid("timeout", "it is a number of seconds, at least 1")),
            },
            // One node is always in agreement with itself.
            _ => {}
        }
    }
    Ok(call)
}
