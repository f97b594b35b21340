//! The loops of an agent beside its link, and what a step of each may take. A loop turns after each step that has a limit of its own, not only after a
//! round: with the API server or the server away its steps fail, and it turns.

#[cfg(test)]
mod tests;

use std::time::Duration;

use lockstep_telemetry::loops::Turning;

use crate::metrics::Metrics;

/// A loop, and how long one step of it may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Judged {
    name: &'static str,
    step_limit: Duration,
}

/// Standing by, and keeping the Lease. A step: three requests of at most five seconds.
pub(crate) const LEASE: Judged = Judged { name: "lease", step_limit: Duration::from_mins(1) };
/// Looking whether what was applied is still there, while linked. A step: one binding, of a thousand namespaces each of which is asked for in vain.
pub(crate) const DRIFT: Judged = Judged { name: "drift", step_limit: Duration::from_mins(15) };
/// The same while not linked, where the cache can restore Secrets. A step: one binding, as above, looked at twice and applied.
pub(crate) const RESTORING: Judged = Judged { name: "restoring", step_limit: Duration::from_mins(30) };
/// Restarts. A step: one request of at most ten seconds, and what its answer means for ten thousand workloads.
pub(crate) const RESTARTS: Judged = Judged { name: "restarts", step_limit: Duration::from_mins(1) };
/// Writing down what is held. A step: one write, of at most four requests of five seconds.
pub(crate) const STATE: Judged = Judged { name: "state", step_limit: Duration::from_mins(1) };
/// Accepting node agents' connections, for as long as they are served: it ends with what serves them, and then turns no more. A step: the place of
/// a handshake of at most ten seconds.
pub(crate) const VOLUMES: Judged = Judged { name: "volumes", step_limit: Duration::from_mins(1) };
/// Following the replica that works, with a peer. A step: opening the cache, or one try of at most half a minute.
pub(crate) const FOLLOW: Judged = Judged { name: "follow", step_limit: Duration::from_mins(2) };

impl Judged {
    /// It begins, and ends when what this returns is dropped.
    pub(crate) fn begin(self, metrics: &Metrics) -> Turning {
        Turning::begin(&metrics.loops, self.name, self.step_limit)
    }

    /// How long a step of it may take.
    #[cfg(test)]
    pub(crate) const fn step_limit(self) -> Duration {
        self.step_limit
    }

    /// A step of it ended, where [`begin`](Self::begin)'s answer is not at hand.
    pub(crate) fn turned(self, metrics: &Metrics) {
        metrics.loops.turned(self.name);
    }
}
