//! The agent's part of a version's trace.

use std::sync::Arc;
use std::time::Duration;

use lockstep_telemetry::traces::{Key, Name, Span, Traces};

use crate::clock::Clock;
use crate::delivery::Answer;

/// Tells in traces what was applied.
pub(crate) struct Tracer {
    pub(crate) traces: Traces,
    pub(crate) clock: Arc<dyn Clock>,
    /// Its name, as it is shown to people.
    pub(crate) cluster: String,
}

impl Tracer {
    /// A delivery was applied, or refused, just now. Why it was refused is not said: that is a sentence, and sentences are not exported.
    pub(crate) fn applied(&self, answer: &Answer, took: Duration) {
        let Some(trace) = answer.trace else { return };
        self.traces.record(|| Span {
            trace,
            name: Name::Applied,
            ended: self.clock.now(),
            took,
            is_good: answer.result.is_ok(),
            attributes: vec![
                (Key::Cluster, self.cluster.clone()),
                (Key::Binding, answer.binding.to_string()),
                (Key::Revision, answer.revision.to_string()),
            ],
        });
    }
}
