//! A door for whoever speaks JSON: every unary call of nigh.v1 as `POST /nigh.v1.Points/Query` on the HTTP port.
//!
//! It knows the calls by their descriptors alone, and puts each to the very services that answer over gRPC:
//!
//! ```text
//! JSON -> message, by its descriptor -> gRPC frame -> the service, in this process -> frame -> message -> JSON
//! ```
//!
//! So a call has one meaning, one set of limits, and one count in the metrics. Numbers of 64 bits go out as strings, as
//! the JSON form of protocol buffers has it: a browser's numbers would lose their last digits.
//!
//! A body has to call itself JSON. A page of another origin cannot send that without asking first, and is not answered
//! when it asks: so no page that somebody happens to look at can reach a server on the same machine.

mod frame;
mod status;

use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use nigh_proto::v1;
use prost_reflect::SerializeOptions;
use prost_reflect::{DescriptorPool, DeserializeOptions, DynamicMessage, MessageDescriptor, MethodDescriptor};
use status::Fault;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tonic::Status;
use tonic::service::Routes;
use tower::ServiceExt;

/// A body has at most this many bytes, where messages may have as many.
const BODY_BYTES_MAX: usize = 32 << 20;
/// What is longer is translated aside: whoever else is served by this thread would wait for it.
const AT_ONCE_BYTES: usize = 64 << 10;
/// So many are translated aside at a time: a message takes many times its text while it is.
const ASIDE_MAX: usize = 2;
/// What of a request's head is the call's: who asks, how long it waits, and which trace it is part of.
const OF_THE_CALL: [&str; 5] = ["api-key", "authorization", "grpc-timeout", "traceparent", "tracestate"];

/// The paths: one for every call of the services.
pub(crate) fn router(services: Routes, message_bytes_max: usize) -> Router {
    let services = services.prepare();
    let pool = DescriptorPool::decode(v1::DESCRIPTORS).expect("compiled from our own .proto files");
    let body_bytes_max = message_bytes_max.min(BODY_BYTES_MAX);
    let aside = Arc::new(Semaphore::new(ASIDE_MAX));
    let mut router = Router::new();
    for method in pool.services().flat_map(|service| service.methods().collect::<Vec<_>>()) {
        let path = path(&method);
        let call = Call { method, services: services.clone(), body_bytes_max, aside: aside.clone() };
        let answer = async move |request: Request| call.answer(request).await.unwrap_or_else(Fault::into_response);
        router = router.route(&path, post(answer));
    }
    router
}

fn path(method: &MethodDescriptor) -> String {
    format!("/{}/{}", method.parent_service().full_name(), method.name())
}

/// One call.
#[derive(Clone)]
struct Call {
    method: MethodDescriptor,
    services: Routes,
    body_bytes_max: usize,
    aside: Arc<Semaphore>,
}

impl Call {
    async fn answer(&self, request: Request) -> Result<Response, Fault> {
        if self.method.is_server_streaming() || self.method.is_client_streaming() {
            let what = format!("{} is a stream, which only gRPC has", self.method.full_name());
            return Err(Fault::from(Status::unimplemented(what)));
        }
        let (parts, body) = request.into_parts();
        if !is_json(&parts.headers) {
            return Err(Fault::media_type());
        }
        let body = to_bytes(body, self.body_bytes_max).await.map_err(|err| Fault::body(&err, self.body_bytes_max))?;
        let (input, length) = (self.method.input(), body.len());
        let asked = self.translate(length, move || message(input, &body).and_then(|asked| frame::of(&asked))).await?;
        let mut call = axum::http::Request::post(path(&self.method))
            .header(header::CONTENT_TYPE, "application/grpc")
            .header(header::TE, "trailers")
            .body(tonic::body::Body::new(axum::body::Body::from(asked)))
            .map_err(|_| Fault::from(Status::internal("the call could not be put")))?;
        call.headers_mut().extend(of_the_call(&parts.headers));
        *call.extensions_mut() = parts.extensions;
        let reply = match self.services.clone().oneshot(call).await {
            Ok(reply) => frame::read(reply).await?,
            Err(never) => match never {},
        };
        let (output, length) = (self.method.output(), reply.len());
        let text = self.translate(length, move || json(output, reply)).await?;
        Ok((StatusCode::OK, [(header::CONTENT_TYPE, "application/json")], text).into_response())
    }

    /// Translates so many bytes: here and now where they are few.
    async fn translate<T: Send + 'static>(
        &self,
        bytes: usize,
        work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        if bytes <= AT_ONCE_BYTES {
            return work();
        }
        let gone = |_| Fault::from(Status::unavailable("the server is stopping"));
        let place = self.aside.clone().acquire_owned().await.map_err(|_| gone(()))?;
        // The place is kept until the work is done, also where nobody waits for it any more.
        let work = move || {
            let _place = place;
            work()
        };
        tokio::task::spawn_blocking(work).await.map_err(|_| gone(()))?
    }
}

/// A body as the message that a call takes. None is an empty message.
fn message(kind: MessageDescriptor, body: &[u8]) -> Result<DynamicMessage, Fault> {
    let body = if body.is_empty() { b"{}" } else { body };
    let mut json = serde_json::Deserializer::from_slice(body);
    let options = DeserializeOptions::new().deny_unknown_fields(true);
    let read = DynamicMessage::deserialize_with_options(kind, &mut json, &options);
    let message = read.and_then(|message| json.end().map(|()| message));
    message.map_err(|err| Fault::of_field("body", &err.to_string()))
}

/// A reply as JSON, under the names that the .proto files have.
fn json(kind: MessageDescriptor, reply: Bytes) -> Result<Vec<u8>, Fault> {
    let told = || Fault::from(Status::internal("the reply could not be told as JSON"));
    let message = DynamicMessage::decode(kind, reply).map_err(|_| told())?;
    let mut text = serde_json::Serializer::new(Vec::new());
    let options = SerializeOptions::new().use_proto_field_name(true);
    message.serialize_with_options(&mut text, &options).map_err(|_| told())?;
    Ok(text.into_inner())
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
}

fn of_the_call(headers: &HeaderMap) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    let named = |name: &'static str| headers.get(name).map(|value| (HeaderName::from_static(name), value.clone()));
    OF_THE_CALL.into_iter().filter_map(named)
}
