//! A collector of traces in this process: OTLP over gRPC, as any other has it.

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use parking_lot::Mutex;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};

/// What a collector does with what it is sent.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Manner {
    /// It keeps it.
    Takes,
    /// It never answers.
    Hangs,
}

/// A collector that listens.
pub struct Collector {
    /// Where it listens, as `traces.endpoint` wants it.
    pub url: String,
    kept: Arc<Kept>,
    arrived: watch::Receiver<usize>,
    serving: JoinHandle<()>,
}

/// What was sent.
#[derive(Default)]
struct Kept {
    spans: Mutex<Vec<Span>>,
    /// Of the service, of the last message.
    resource: Mutex<Vec<KeyValue>>,
    headers: Mutex<Option<MetadataMap>>,
}

struct Door {
    manner: Manner,
    kept: Arc<Kept>,
    arriving: watch::Sender<usize>,
}

#[tonic::async_trait]
impl TraceService for Door {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        if self.manner == Manner::Hangs {
            self.arriving.send_modify(|count| *count += 1);
            std::future::pending::<()>().await;
        }
        *self.kept.headers.lock() = Some(request.metadata().clone());
        for of_resource in request.into_inner().resource_spans {
            *self.kept.resource.lock() = of_resource.resource.unwrap_or_default().attributes;
            let spans = of_resource.scope_spans.into_iter().flat_map(|of_scope| of_scope.spans);
            let mut kept = self.kept.spans.lock();
            kept.extend(spans);
            self.arriving.send_replace(kept.len());
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Collector {
    /// One on a port of its own.
    pub async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (kept, (arriving, arrived)) = (Arc::new(Kept::default()), watch::channel(0));
        let service = TraceServiceServer::new(Door { manner, kept: kept.clone(), arriving });
        let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
        let serving = tonic::transport::Server::builder().add_service(service).serve_with_incoming(incoming);
        Self { url, kept, arrived, serving: tokio::spawn(async move { serving.await.unwrap() }) }
    }

    /// Returns when so many spans have come; of one that hangs, messages.
    pub async fn has(&self, spans: usize) {
        self.arrived.clone().wait_for(|arrived| *arrived >= spans).await.unwrap();
    }

    /// All spans that came.
    pub fn spans(&self) -> Vec<Span> {
        self.kept.spans.lock().clone()
    }

    /// What the last message said of the service.
    pub fn service(&self, name: &str) -> String {
        said(&self.kept.resource.lock(), name)
    }

    /// A header of the last message.
    pub fn header(&self, name: &str) -> Option<String> {
        let headers = self.kept.headers.lock();
        Some(headers.as_ref()?.get(name)?.to_str().unwrap().to_owned())
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// An attribute as text; empty where it is not there.
pub fn said(attributes: &[KeyValue], name: &str) -> String {
    let found = attributes.iter().find(|attribute| attribute.key == name);
    match found.and_then(|attribute| attribute.value.clone()) {
        Some(AnyValue { value: Some(Value::StringValue(text)) }) => text,
        Some(AnyValue { value: Some(Value::IntValue(number)) }) => number.to_string(),
        Some(AnyValue { value: Some(Value::BoolValue(flag)) }) => flag.to_string(),
        Some(other) => format!("{other:?}"),
        None => String::new(),
    }
}
