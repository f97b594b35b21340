//! One line for each read, and its place in the metrics: who, what by name, and what became of it. Never a value, never a token.

use std::fmt::Write as _;
use std::time::Duration;

use lockstep_proto::node::ReadResponse;

use super::asked::Asked;
use crate::metrics::{ReadOutcome, VolumesMetrics};
use crate::sink::csi::{Found, Wanted};
use crate::volumes::refusal::Refusal;

/// What is known of a read so far.
pub(super) struct Told {
    /// As the request says it. Its token was found to say the same only where the outcome is one that comes after that.
    pod: String,
    uid: String,
    service_account: String,
    /// Empty until the node agent's token was found good.
    node: String,
    objects: Vec<String>,
    metrics: VolumesMetrics,
    has_ended: bool,
}

impl Told {
    pub(super) fn new(metrics: VolumesMetrics) -> Self {
        let empty = String::new;
        Self {
            pod: empty(),
            uid: empty(),
            service_account: empty(),
            node: empty(),
            objects: Vec::new(),
            metrics,
            has_ended: false,
        }
    }

    pub(super) fn asks(&mut self, asked: &Asked) {
        let pod = &asked.pod;
        self.pod = format!("{}/{}", pod.namespace, pod.name);
        self.uid.clone_from(&pod.uid);
        self.service_account.clone_from(&pod.service_account);
        self.objects = asked.objects.iter().map(named).collect();
    }

    pub(super) fn node(&mut self, node: &str) {
        node.clone_into(&mut self.node);
    }

    /// Versions are keyed: nothing can be tried against them.
    pub(super) fn gives(&mut self, found: &[Found]) {
        for (object, found) in self.objects.iter_mut().zip(found) {
            let _ = write!(object, " version {}", found.version);
        }
    }

    pub(super) fn end(mut self, answer: Result<&ReadResponse, &Refusal>, took: Duration) {
        let outcome = answer.map_or_else(Refusal::outcome, |_| ReadOutcome::Given);
        let why = answer.as_ref().err().map(ToString::to_string).unwrap_or_default();
        self.metrics.count_read(outcome);
        self.metrics.seconds.observe(took.as_secs_f64());
        let objects = answer.iter().flat_map(|response| &response.objects);
        let (mut given, mut stale) = (0, 0);
        for object in objects {
            given += 1;
            stale += u64::from(object.stale);
        }
        self.metrics.objects.inc_by(given);
        if stale > 0 {
            self.metrics.stale_reads.inc();
        }
        self.line(outcome.as_str(), stale > 0, &why);
        self.has_ended = true;
    }

    fn line(&self, outcome: &str, stale: bool, why: &str) {
        let Self { pod, uid, service_account, node, .. } = self;
        tracing::info!(pod, uid, service_account, node, objects = self.objects.join(", "), outcome, stale, why, "volume read");
    }
}

impl Drop for Told {
    /// The caller went away, so nothing was given.
    fn drop(&mut self) {
        if !self.has_ended {
            self.metrics.count_read(ReadOutcome::Failed);
            self.line(ReadOutcome::Failed.as_str(), false, "the node agent did not wait for the answer");
        }
    }
}

fn named(wanted: &Wanted) -> String {
    match &wanted.key {
        None => wanted.source.to_string(),
        Some(key) => format!("{} key {key:?}", wanted.source),
    }
}
