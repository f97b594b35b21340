//! A real OTLP receiver: what servers and agents export, as anybody who collects traces gets it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

/// A receiver on loopback, until it is dropped.
pub struct Receiver {
    address: SocketAddr,
    taken: Taken,
    serving: JoinHandle<()>,
}

/// A span, and the `service.name` that it came from.
#[derive(Debug, Clone)]
pub struct Received {
    /// Which program.
    pub service: String,
    /// What it sent.
    pub span: Span,
}

#[derive(Clone, Default)]
struct Taken(Arc<Mutex<Vec<ExportTraceServiceRequest>>>);

impl Receiver {
    /// Takes whatever is sent from now on.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (address, taken) = (listener.local_addr()?, Taken::default());
        let service = TraceServiceServer::new(taken.clone());
        let serving = tokio::spawn(async move {
            let _ = Server::builder().add_service(service).serve_with_incoming(TcpListenerStream::new(listener)).await;
        });
        Ok(Self { address, taken, serving })
    }

    /// Where it listens.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All spans so far.
    pub fn spans(&self) -> Vec<Received> {
        let mut spans = Vec::new();
        for of_process in self.requests().into_iter().flat_map(|request| request.resource_spans) {
            let attributes = of_process.resource.map(|resource| resource.attributes).unwrap_or_default();
            let service = attribute(&attributes, "service.name").unwrap_or_default();
            let received = |span| Received { service: service.clone(), span };
            spans.extend(of_process.scope_spans.into_iter().flat_map(|scope| scope.spans).map(received));
        }
        spans
    }

    /// Everything that was sent, to be searched.
    pub fn text(&self) -> String {
        format!("{:#?}", self.requests())
    }

    fn requests(&self) -> Vec<ExportTraceServiceRequest> {
        self.taken.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Received {
    /// An attribute's text.
    pub fn attribute(&self, key: &str) -> Option<String> {
        attribute(&self.span.attributes, key)
    }
}

fn attribute(attributes: &[KeyValue], key: &str) -> Option<String> {
    attributes.iter().find(|attribute| attribute.key == key).and_then(|attribute| match &attribute.value.as_ref()?.value {
        Some(Value::StringValue(text)) => Some(text.clone()),
        _ => None,
    })
}

#[tonic::async_trait]
impl TraceService for Taken {
    async fn export(&self, request: Request<ExportTraceServiceRequest>) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}
