//! Snapshots over HTTP: work that can be waited for or not, and files in both directions, a piece at a time.

use super::multipart::{Multipart, boundary};
use super::reply::{Answer, Reply};
use super::{Inside, Names, made, named, permitted, value};
use crate::engine::Engine;
use crate::engine::access::beside;
use crate::engine::snapshots::{Download, Origin, Uploaded};
use crate::qdrant::call::Call;
use crate::qdrant::fault::{Fault, Result};
use crate::qdrant::snapshots;
use axum::Json;
use axum::body::{Body, BodyDataStream, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

/// Pieces of a download that wait to be sent.
const PIECES_WAITING: usize = 1;
/// So many bytes of an upload that is refused are read all the same.
const UNREAD_BYTES_MAX: usize = 64 << 20;

pub(super) async fn create(State(engine): State<Arc<Engine>>, path: Names<String>, uri: Uri) -> Result<Response> {
    let begun = Instant::now();
    let call = permitted(engine, named(path)?, &uri)?;
    done(&uri, begun, snapshots::create_shown(call)).await
}

pub(super) async fn recover(
    State(engine): State<Arc<Engine>>,
    path: Names<String>,
    uri: Uri,
    headers: HeaderMap,
    bytes: Bytes,
) -> Result<Response> {
    let begun = Instant::now();
    let call = permitted(engine, named(path)?, &uri)?;
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let (origin, checksum) = snapshots::asked(&made(bytes, value).await?, host)?;
    done(&uri, begun, snapshots::recover(call, origin, checksum)).await
}

pub(super) async fn upload(
    State(engine): State<Arc<Engine>>,
    path: Names<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response> {
    let begun = Instant::now();
    let call = permitted(engine, named(path)?, &uri)?;
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let multipart = Multipart::new(boundary(kind).map_err(Fault::bad_request)?);
    let checksum = uri.query().unwrap_or_default().split('&').find_map(|pair| pair.strip_prefix("checksum="));
    let uploaded = received(&call, multipart, body).await?;
    let work = snapshots::recover(call, Origin::Uploaded(uploaded), checksum.map(str::to_owned));
    done(&uri, begun, work).await
}

/// Writes what arrives to a file. Of what is refused the rest is still read, for a while: a sender who has not sent all of
/// it would not hear why.
async fn received(call: &Call, multipart: Multipart, body: Body) -> Result<Uploaded> {
    let (mut pieces, stall) = (body.into_data_stream(), Duration::from_millis(call.engine.limits().stall_ms));
    let taken = written(call, multipart, &mut pieces, stall).await;
    if taken.is_err() {
        let mut left = UNREAD_BYTES_MAX;
        while let Ok(Some(Ok(piece))) = tokio::time::timeout(stall, pieces.next()).await
            && left > piece.len()
        {
            left -= piece.len();
        }
    }
    taken
}

/// Who sends nothing for as long as somebody may read nothing is sent away.
async fn written(
    call: &Call,
    mut multipart: Multipart,
    pieces: &mut BodyDataStream,
    stall: Duration,
) -> Result<Uploaded> {
    let mut upload = call.engine.clone().receive_snapshot(&call.collection, &call.deadline).await?;
    let late = |_| {
        let ms = stall.as_millis();
        Fault::bad_request(format_args!("nothing of the upload came for {ms} ms (limits.stall_ms)"))
    };
    while let Some(piece) = tokio::time::timeout(stall, pieces.next()).await.map_err(late)? {
        let piece = piece.map_err(|err| Fault::bad_request(format_args!("the upload broke off: {err}")))?;
        let found = multipart.push(&piece).map_err(Fault::bad_request)?;
        upload.write(&found).await?;
    }
    multipart.end().map_err(Fault::bad_request)?;
    Ok(upload.finish().await?)
}

/// Waits for the work, or says that it was begun, as the request wants: it waits unless told otherwise.
async fn done<T: Serialize + Send + 'static>(
    uri: &Uri,
    begun: Instant,
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<Response> {
    let waits = !uri.query().unwrap_or_default().split('&').any(|pair| matches!(pair, "wait=false" | "wait=0"));
    if waits {
        return Ok(Reply::new(begun, work.await?).into_response());
    }
    tokio::spawn(beside(async move {
        if let Err(fault) = work.await {
            tracing::error!(fault.text, "work on a snapshot that nobody waits for failed");
        }
    }));
    let body = json!({"status": "accepted", "time": begun.elapsed().as_secs_f64()});
    Ok((StatusCode::ACCEPTED, Json(body)).into_response())
}

pub(super) async fn list(
    State(engine): State<Arc<Engine>>,
    path: Names<String>,
    uri: Uri,
) -> Answer<serde_json::Value> {
    let begun = Instant::now();
    let call = permitted(engine, named(path)?, &uri)?;
    Ok(Reply::new(begun, snapshots::list(call).await?))
}

pub(super) async fn download(State(engine): State<Arc<Engine>>, path: Inside, uri: Uri) -> Result<Response> {
    let (collection, name) = named(path)?;
    let call = permitted(engine, collection, &uri)?;
    let download = call.engine.clone().read_snapshot(call.collection, name.clone(), &call.deadline).await?;
    // A name that was found is of letters that need no quoting.
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_LENGTH, download.bytes().to_string()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
    ];
    Ok((headers, Body::from_stream(streamed(download))).into_response())
}

/// What is read as it is taken; an error breaks the answer off before its length is reached.
fn streamed(mut download: Download) -> ReceiverStream<std::result::Result<Bytes, std::io::Error>> {
    let (sender, receiver) = mpsc::channel(PIECES_WAITING);
    tokio::spawn(async move {
        loop {
            let piece = match download.next().await {
                Ok(Some(piece)) => Ok(piece),
                Ok(None) => return,
                Err(err) => Err(std::io::Error::other(err.to_string())),
            };
            let last = piece.is_err();
            if sender.send(piece).await.is_err() || last {
                return;
            }
        }
    });
    ReceiverStream::new(receiver)
}
