//! The way of one version, as OTLP spans: seen and committed by a server, sent by it, applied by an agent, confirmed.
//!
//! Spans are made here and nowhere else, of a closed set of names and attributes: what the rest of the code writes to its log never becomes a span, so
//! nothing that a library or a later change puts there can be exported by mistake. Every span of a trace has the same parent, whose id follows from
//! the trace's: so the context that has to travel is the trace id, which the agent protocol carries, and which the registry keeps.

use std::time::Duration;

use chrono::{DateTime, Utc};
use lockstep_core::trace::TraceId;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{
    ResourceSpans, ScopeSpans, Span as Wire, Status, span::SpanKind, status::StatusCode,
};
use prometheus::IntCounter;
use tokio::sync::mpsc;

mod export;

pub use export::{Exporter, Settings, SettingsError};

/// The most spans that wait to be exported.
pub const WAITING_MAX: usize = 4_096;

/// What a span tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name {
    /// From the source's answer to the commit. Every other one has it as its parent.
    Observed,
    /// The transaction that records it.
    Committed,
    /// From taking a delivery up to the link: reading, rendering, leave.
    Sent,
    /// The agent's writing.
    Applied,
    /// From taking a delivery up to the agent's confirmation.
    Confirmed,
}

impl Name {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Observed => "version.observed",
            Self::Committed => "version.committed",
            Self::Sent => "delivery.sent",
            Self::Applied => "delivery.applied",
            Self::Confirmed => "delivery.confirmed",
        }
    }
}

/// What is said with it: names that people gave and numbers, never a path, never what is behind one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// The name of a source.
    Source,
    /// The name of a cluster.
    Cluster,
    /// The id of a binding.
    Binding,
    /// What was delivered: epoch and seq.
    Revision,
    /// The number of the change.
    Seq,
    /// How many versions it records.
    Versions,
}

impl Key {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Source => "lockstep.source",
            Self::Cluster => "lockstep.cluster",
            Self::Binding => "lockstep.binding.id",
            Self::Revision => "lockstep.revision",
            Self::Seq => "lockstep.seq",
            Self::Versions => "lockstep.versions",
        }
    }
}

/// Something that took its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// Of which version's way it is a part.
    pub trace: TraceId,
    /// What it tells of.
    pub name: Name,
    /// When it ended.
    pub ended: DateTime<Utc>,
    /// How long it took.
    pub took: Duration,
    /// Whether it came to what it was for.
    pub is_good: bool,
    /// More.
    pub attributes: Vec<(Key, String)>,
}

/// Where spans are left. By default nowhere.
#[derive(Clone, Default)]
pub struct Traces(Option<Queue>);

#[derive(Clone)]
struct Queue {
    spans: mpsc::Sender<Span>,
    dropped: IntCounter,
}

impl Traces {
    /// Leaves a span, to be exported soon. Nobody waits for it: one for which there is no room is counted.
    pub fn record(&self, span: impl FnOnce() -> Span) {
        if let Some(Queue { spans, dropped }) = &self.0
            && spans.try_send(span()).is_err()
        {
            dropped.inc();
        }
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.0.as_ref().map_or(0, |queue| queue.spans.max_capacity() - queue.spans.capacity())
    }
}

/// The id of the span that all others of a trace have as their parent.
fn root(trace: TraceId) -> [u8; 8] {
    let bytes = trace.bytes();
    let mut id = [0; 8];
    id.copy_from_slice(&bytes[..8]);
    // All zeros would be no id.
    if id == [0; 8] { [1; 8] } else { id }
}

impl Span {
    fn wire(self, id: [u8; 8]) -> Wire {
        let is_root = self.name == Name::Observed;
        let ended = self.ended.timestamp_nanos_opt().unwrap_or_default();
        let took = i64::try_from(self.took.as_nanos()).unwrap_or(i64::MAX);
        let nanos = |at: i64| u64::try_from(at).unwrap_or_default();
        Wire {
            trace_id: self.trace.bytes().to_vec(),
            span_id: if is_root { root(self.trace).to_vec() } else { id.to_vec() },
            parent_span_id: if is_root { Vec::new() } else { root(self.trace).to_vec() },
            name: self.name.as_str().to_owned(),
            kind: SpanKind::Internal.into(),
            start_time_unix_nano: nanos(ended.saturating_sub(took)),
            end_time_unix_nano: nanos(ended),
            attributes: self.attributes.into_iter().map(|(key, value)| attribute(key.as_str(), value)).collect(),
            status: (!self.is_good).then(|| Status { code: StatusCode::Error.into(), ..Status::default() }),
            ..Wire::default()
        }
    }
}

fn attribute(key: &str, value: String) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(Value::StringValue(value)) }), ..KeyValue::default() }
}

/// Spans of one process.
fn resource_spans(service: &str, instance: &str, spans: Vec<Wire>) -> ResourceSpans {
    let attributes = vec![
        attribute("service.name", service.to_owned()),
        attribute("service.instance.id", instance.to_owned()),
        attribute("service.version", env!("CARGO_PKG_VERSION").to_owned()),
    ];
    let scope = InstrumentationScope { name: "lockstep".to_owned(), ..InstrumentationScope::default() };
    ResourceSpans {
        resource: Some(Resource { attributes, ..Resource::default() }),
        scope_spans: vec![ScopeSpans { scope: Some(scope), spans, ..ScopeSpans::default() }],
        ..ResourceSpans::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(name: Name) -> Span {
        let ended = DateTime::from_timestamp(1_700_000_000, 5).unwrap();
        let attributes = vec![(Key::Cluster, "eu-1".to_owned())];
        Span { trace: TraceId::new([7; 16]), name, ended, took: Duration::from_secs(2), is_good: true, attributes }
    }

    #[test]
    fn all_spans_of_a_trace_have_the_observation_as_their_parent() {
        let (root, sent) = (span(Name::Observed).wire([1; 8]), span(Name::Sent).wire([2; 8]));
        assert_eq!((root.parent_span_id.len(), &root.trace_id), (0, &vec![7; 16]));
        assert_eq!((sent.parent_span_id, sent.span_id, sent.trace_id), (root.span_id, vec![2; 8], root.trace_id));
        assert_eq!(sent.end_time_unix_nano - sent.start_time_unix_nano, 2_000_000_000);
        assert_eq!(sent.name, "delivery.sent");
    }

    #[test]
    fn nothing_waits_for_an_exporter_that_is_late() {
        let dropped = IntCounter::new("dropped", ".").unwrap();
        let (spans, _queue) = mpsc::channel(2);
        let traces = Traces(Some(Queue { spans, dropped: dropped.clone() }));
        for _ in 0..5 {
            traces.record(|| span(Name::Sent));
        }
        assert_eq!((traces.waiting(), dropped.get()), (2, 3));
        Traces::default().record(|| unreachable!("nothing is made where nothing is exported"));
    }
}
