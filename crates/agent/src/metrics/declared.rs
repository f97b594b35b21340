//! The agent's metrics: each once, with what it means. `docs/metrics.md` is written from here.

use lockstep_telemetry::metric::{Label, Metric};

pub(super) const RESTORED: Metric = Metric::counter(
    "lockstep_agent_restored_from_cache_total",
    "bindings whose Secrets were changed or removed while no server was linked, and came back from the cache",
    &[],
);
pub(super) const CONNECTED: Metric = Metric::gauge("lockstep_agent_connected", "1 while linked to a server", &[]);
pub(super) const APPLIED: Metric = Metric::counter("lockstep_agent_applied_total", "Puts and Deletes applied", &[]);
pub(super) const REJECTED: Metric =
    Metric::counter("lockstep_agent_rejected_total", "deliveries refused", &[Label::of("kind", "`conflict`, `failed`, `older`")]);
pub(super) const BINDINGS: Metric = Metric::gauge("lockstep_agent_bindings", "bindings with content here", &[]);
pub(super) const DRIFT: Metric = Metric::counter("lockstep_agent_drift_total", "targets newly found changed or missing", &[]);
pub(super) const RECONNECTS: Metric = Metric::counter("lockstep_agent_reconnects_total", "links lost and dialled again", &[]);
pub(super) const LAST_HEARD: Metric =
    Metric::gauge("lockstep_agent_last_heard_timestamp_seconds", "when a server was last heard", &[]);
pub(super) const CERTIFICATE_EXPIRY: Metric =
    Metric::gauge("lockstep_agent_certificate_expiry_timestamp_seconds", "when the agent's certificate ends", &[]);
pub(super) const LEADER: Metric =
    Metric::gauge("lockstep_agent_leader", "1 while it works for its cluster; 0 stands by. On a host always 1", &[]);
pub(super) const STATE_BYTES: Metric =
    Metric::gauge("lockstep_agent_state_bytes", "what is held, compressed as in its Secret; 0 on a host", &[]);
pub(super) const STATE_OVERSIZE: Metric =
    Metric::counter("lockstep_agent_state_oversize_total", "times that it did not fit into a Secret and was not written", &[]);
pub(super) const SECRETS: Metric = Metric::gauge("lockstep_agent_secrets", "Kubernetes Secrets that hold content of ours", &[]);
pub(super) const KUBERNETES_REQUESTS: Metric = Metric::counter(
    "lockstep_agent_kubernetes_requests_total",
    "requests of the Secret sink, and watches that failed",
    &[Label::of("verb", "Kubernetes' own"), Label::of("code", "HTTP's, or `none` without an answer")],
);
pub(super) const RESTARTS: Metric = Metric::counter(
    "lockstep_agent_restarts_total",
    "restarts of workloads",
    &[Label::of("outcome", "`healthy`, `stuck` (and `healthy` too if it recovers), `refused` (each try)")],
);
pub(super) const RESTARTS_IN_MOTION: Metric =
    Metric::gauge("lockstep_agent_restarts_in_motion", "workloads restarted and not rolled out yet; never above the budget", &[]);
const LOOP: Label = Label::of(
    "loop",
    "`link`: dialling, and the heartbeats of a stream; `drift`: looking, while linked; `restoring`: looking, while not linked, with --cache-secrets; in Kubernetes `lease`: standing by and keeping it, and while it leads `restarts` and `state`: writing down what is held; where pods mount `volumes`: accepting node agents, and `follow`: following the replica that works",
);
pub(super) const LOOP_PROGRESS: Metric =
    Metric::gauge("lockstep_agent_loop_progress_timestamp_seconds", "when it last did what it is for", &[LOOP]);
pub(super) const LOOP_TURNED: Metric =
    Metric::gauge("lockstep_agent_loop_turned_timestamp_seconds", "when it last ended a round, well or not, or began", &[LOOP]);
pub(super) const LOOP_LIMIT: Metric = Metric::gauge(
    "lockstep_agent_loop_standstill_limit_seconds",
    "how long after that `/healthz` says that the loop is stuck",
    &[LOOP],
);
pub(super) const SPANS_DROPPED: Metric = Metric::counter(
    "lockstep_agent_spans_dropped_total",
    "spans that were not exported: the queue was full, or the receiver did not take them",
    &[],
);
pub(super) const VOLUME_READS: Metric = Metric::counter(
    "lockstep_agent_volume_reads_total",
    "reads of node agents",
    &[Label::of("outcome", "`given`, `denied`, `unauthenticated`, `invalid`, `not_at_hand`, `busy`, `failed`")],
);
pub(super) const VOLUME_READ_SECONDS: Metric = Metric::histogram(
    "lockstep_agent_volume_read_seconds",
    "how long a read took, with its waiting and the token reviews",
    &[],
    &[0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0],
);
pub(super) const TOKEN_REVIEWS: Metric = Metric::counter(
    "lockstep_agent_token_reviews_total",
    "questions to the API server whose a node agent's or a pod's token is",
    &[Label::of("outcome", "`good`, `bad`, `kept` (known from a moment ago, not asked), `failed`")],
);
pub(super) const VOLUME_OBJECTS: Metric =
    Metric::counter("lockstep_agent_volume_objects_total", "objects given to node agents", &[]);
pub(super) const VOLUME_STALE_READS: Metric = Metric::counter(
    "lockstep_agent_volume_stale_reads_total",
    "reads given while no server could be asked whether it is the newest",
    &[],
);
pub(super) const VOLUME_BINDINGS: Metric =
    Metric::gauge("lockstep_agent_volume_bindings", "bindings that pods may mount, and whose content this replica has", &[]);
pub(super) const VOLUME_CACHE_FAILURES: Metric = Metric::counter(
    "lockstep_agent_volume_cache_failures_total",
    "times that the cache could not be brought up to date, had no room, or held something that could not be used",
    &[],
);
pub(super) const VOLUME_CERTIFICATE_EXPIRY: Metric = Metric::gauge(
    "lockstep_agent_volume_certificate_expiry_timestamp_seconds",
    "when the certificate ends that node agents see; 0 without one",
    &[],
);
