//! Sending spans to an OTLP receiver over gRPC.

use std::path::{Path, PathBuf};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use prometheus::IntCounter;
use thiserror::Error;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};

use super::{Queue, Span, Traces, WAITING_MAX, resource_spans};

/// The most spans in one request.
const BATCH_MAX: usize = 512;
/// How long spans are gathered.
const GATHER: Duration = Duration::from_secs(1);
/// How long the receiver may take to be reached, and to answer.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// How long the last spans may take when the process ends.
const LAST_LIMIT: Duration = Duration::from_secs(2);

/// Where spans go, and who sends them.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `http://host:port`, or `https://host:port` with [`Self::ca_file`].
    pub endpoint: String,
    /// A PEM file of the certificates to trust.
    pub ca_file: Option<PathBuf>,
    /// `service.name`.
    pub service: &'static str,
    /// `service.instance.id`.
    pub instance: String,
}

/// Why spans cannot be exported as it was asked.
#[derive(Debug, Error)]
pub enum SettingsError {
    /// It is no URL, or of another kind.
    #[error("the OTLP endpoint {0}: use http://HOST:PORT, or https://HOST:PORT with a CA file")]
    Endpoint(String),
    /// There is nothing to trust.
    #[error("the OTLP endpoint {0} has TLS: name the file of the CA to trust")]
    NoCa(String),
    /// The file cannot be read.
    #[error("the OTLP endpoint's CA file {}: {cause}", path.display())]
    Ca {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: String,
    },
}

/// The other end of the queue, to be run once.
pub struct Exporter {
    queue: mpsc::Receiver<Span>,
    client: TraceServiceClient<Channel>,
    settings: Settings,
    dropped: IntCounter,
    is_failing: bool,
    /// Of the last span; they need be different and nothing else.
    id: u64,
}

impl Traces {
    /// A queue and its exporter. What is not exported is counted in `dropped`. The receiver is dialled when there is something to send.
    pub fn to(settings: Settings, dropped: IntCounter, first_id: u64) -> Result<(Self, Exporter), SettingsError> {
        let client = TraceServiceClient::new(channel(&settings)?);
        let (spans, queue) = mpsc::channel(WAITING_MAX);
        let exporter = Exporter { queue, client, settings, dropped: dropped.clone(), is_failing: false, id: first_id };
        Ok((Self(Some(Queue { spans, dropped })), exporter))
    }
}

fn channel(settings: &Settings) -> Result<Channel, SettingsError> {
    let Settings { endpoint: url, ca_file, .. } = settings;
    let wrong = || SettingsError::Endpoint(url.clone());
    let endpoint = Endpoint::from_shared(url.clone()).map_err(|_| wrong())?;
    let endpoint = endpoint.connect_timeout(CONNECT_LIMIT).timeout(ANSWER_LIMIT);
    let endpoint = match (url.split_once("://").map(|(scheme, _)| scheme), ca_file) {
        (Some("http"), _) => endpoint,
        (Some("https"), Some(path)) => {
            let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read(path)?));
            endpoint.tls_config(tls).map_err(|e| SettingsError::Ca { path: path.clone(), cause: e.to_string() })?
        }
        (Some("https"), None) => return Err(SettingsError::NoCa(url.clone())),
        _ => return Err(wrong()),
    };
    Ok(endpoint.connect_lazy())
}

fn read(path: &Path) -> Result<Vec<u8>, SettingsError> {
    std::fs::read(path).map_err(|e| SettingsError::Ca { path: path.to_owned(), cause: e.to_string() })
}

impl Exporter {
    /// Exports until told to stop, and then what is left.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            let mut batch = Vec::new();
            tokio::select! {
                count = self.queue.recv_many(&mut batch, BATCH_MAX) => if count == 0 { return },
                () = stop.cancelled() => break,
            }
            tokio::select! {
                () = tokio::time::sleep(GATHER) => {}
                () = stop.cancelled() => {}
            }
            self.gather(&mut batch);
            self.export(batch).await;
        }
        let mut batch = Vec::new();
        self.gather(&mut batch);
        if !batch.is_empty() {
            let _ = timeout(LAST_LIMIT, self.export(batch)).await;
        }
    }

    fn gather(&mut self, batch: &mut Vec<Span>) {
        while batch.len() < BATCH_MAX
            && let Ok(span) = self.queue.try_recv()
        {
            batch.push(span);
        }
    }

    /// One request. What the receiver does not take is lost and counted: it is no evidence, the history is.
    async fn export(&mut self, batch: Vec<Span>) {
        let count = batch.len();
        let mut spans = Vec::with_capacity(count);
        for span in batch {
            self.id = self.id.wrapping_add(1).max(1);
            spans.push(span.wire(self.id.to_be_bytes()));
        }
        let spans = vec![resource_spans(self.settings.service, &self.settings.instance, spans)];
        let (lost, why) = match self.client.export(ExportTraceServiceRequest { resource_spans: spans }).await {
            Ok(answer) => (rejected(answer.get_ref()).min(count as u64), "some were rejected".to_owned()),
            Err(status) => (count as u64, status.code().to_string()),
        };
        self.dropped.inc_by(lost);
        let was_failing = std::mem::replace(&mut self.is_failing, lost > 0);
        match (was_failing, self.is_failing) {
            (true, false) => tracing::info!(endpoint = self.settings.endpoint, "spans are exported again"),
            (false, true) => {
                tracing::warn!(endpoint = self.settings.endpoint, error = why, "spans are not taken; they are counted and lost");
            }
            _ => {}
        }
    }
}

/// Spans that the receiver did not take though it says that all is well.
fn rejected(answer: &ExportTraceServiceResponse) -> u64 {
    answer.partial_success.as_ref().map_or(0, |part| u64::try_from(part.rejected_spans).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTracePartialSuccess;

    use super::*;

    #[test]
    fn spans_that_a_receiver_rejects_while_it_takes_others_are_lost_too() {
        let answer = |rejected_spans| ExportTraceServiceResponse {
            partial_success: Some(ExportTracePartialSuccess { rejected_spans, error_message: "too old".to_owned() }),
        };
        assert_eq!(rejected(&ExportTraceServiceResponse { partial_success: None }), 0);
        assert_eq!([0, 3, -1].map(|count| rejected(&answer(count))), [0, 3, 0]);
    }

    #[tokio::test]
    async fn what_cannot_be_exported_to_is_refused_with_what_to_do() {
        let refused = |endpoint: &str, ca_file: Option<&str>| {
            let settings = Settings {
                endpoint: endpoint.to_owned(),
                ca_file: ca_file.map(Into::into),
                service: "test",
                instance: String::new(),
            };
            Traces::to(settings, IntCounter::new("dropped", ".").unwrap(), 0).err().map(|e| e.to_string())
        };
        assert_eq!(refused("http://localhost:4317", None), None);
        for (endpoint, ca_file, part) in [
            ("localhost:4317", None, "use http://HOST:PORT"),
            ("ftp://localhost:4317", None, "use http://HOST:PORT"),
            ("https://localhost:4317", None, "name the file of the CA"),
            ("https://localhost:4317", Some("/no/such/file"), "No such file"),
        ] {
            let said = refused(endpoint, ca_file).unwrap_or_default();
            assert!(said.contains(part), "{endpoint}: {said}");
        }
    }
}
