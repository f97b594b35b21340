//! The server's metrics: each once, with what it means. `docs/metrics.md` is written from here.

use lockstep_telemetry::metric::{CLUSTER, Label, Metric, SOURCE};

const LEASE: Label = Label::of("lease", "`watch/<source>`, `history/verify`");
const LOOP: Label = Label::of(
    "loop",
    "`dispatch`, `sessions`, `reports`, `propagation`, `hygiene`, `rotate`, `certify`, `history.mark`, `history.verify`, `watch.supervise`, `watch/<source>`",
);
const STATUS: Label =
    Label::of("status", "`Pending`, `Sending`, `InSync`, `Denied`, `Conflict`, `Failed`, `Held`, `Stale`, `Paused`");
/// What is as the registry says: absent from a replica that has not read it for a while, which would show what was as what is.
pub(super) const AS_IN_REGISTRY: [Metric; 15] = [
    OLDEST_UNDELIVERED,
    SOURCE_SWEPT,
    SOURCE_FAILING,
    CLUSTER_CONNECTED,
    CLUSTER_HEARD,
    CLUSTER_CERTIFICATE,
    CLUSTER_CERTIFICATE_LIFE,
    DELIVERIES,
    DELETIONS_HELD,
    ROTATIONS,
    ROTATION_NEXT_DUE,
    ROTATION_OVERDUE,
    ROTATION_RUN_AGE,
    HISTORY_HELD,
    HISTORY_SEQ,
];
/// Upper bounds of what a change may take on its way.
const PROPAGATION: &[f64] = &[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0];
/// Prometheus' own.
const DEFAULT: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

pub(super) const VERSIONS_OBSERVED: Metric =
    Metric::counter("lockstep_versions_observed_total", "changes of secrets recorded: versions and states", &[SOURCE]);
pub(super) const PROPAGATION_SECONDS: Metric = Metric::histogram(
    "lockstep_propagation_seconds",
    "from the watcher having a source's answer that shows a new version to that stage, for each version (`committed`) or for each delivery whose content is new by it, the first time; see below for the clock",
    &[Label::of(
        "stage",
        "`committed`, `sent` (leave to send is recorded and it is on the link), `applied` (the agent confirmed)",
    )],
    PROPAGATION,
);
pub(super) const OLDEST_UNDELIVERED: Metric = Metric::gauge(
    "lockstep_oldest_undelivered_age_seconds",
    "how long the oldest change that a cluster is to have and has not confirmed is in the registry; 0: none. Not of deliveries that are denied or paused. As in the registry, so the same on every replica; every 10 s",
    &[CLUSTER],
);
pub(super) const WATCH_SWEEPS: Metric = Metric::counter(
    "lockstep_watch_sweeps_total",
    "ends of sweeps over a source's bound secrets",
    &[
        SOURCE,
        Label::of("outcome", "`swept`, `idle` (nothing was due), `lease_ending`, `fenced`, `registry_failed`, `source_failed`"),
    ],
);
pub(super) const WATCH_INTERVAL: Metric =
    Metric::gauge("lockstep_watch_interval_seconds", "how often sources are looked at: `watch.intervalMs`", &[]);
pub(super) const SOURCE_SWEPT: Metric = Metric::gauge(
    "lockstep_source_swept_timestamp_seconds",
    "when every bound secret had last been looked at, noted every 10 s; absent: never. As in the registry, so the same on every replica; every 10 s",
    &[SOURCE],
);
pub(super) const SOURCE_FAILING: Metric = Metric::gauge(
    "lockstep_source_failing",
    "1 while the source could not be looked at for several looks in a row: `lockstep describe source` says why. As in the registry, so the same on every replica; every 10 s",
    &[SOURCE],
);
pub(super) const SOURCE_STATE: Metric = Metric::gauge(
    "lockstep_source_state",
    "1 for how the last look at the source ended, on the replica that watches it; one that does not shows none",
    &[
        SOURCE,
        Label::of(
            "state",
            "`ok`, `sealed`, `standby`, `unavailable`, `timeout`, `forbidden`, `unauthenticated` and the other outcomes below",
        ),
    ],
);
pub(super) const LEASE_HELD: Metric = Metric::gauge("lockstep_lease_held", "1 while this replica holds it", &[LEASE]);
pub(super) const FENCED: Metric =
    Metric::counter("lockstep_lease_fenced_total", "writes refused because the lease had passed on", &[]);
pub(super) const AGENTS_CONNECTED: Metric = Metric::gauge("lockstep_agents_connected", "agents' streams on this replica", &[]);
pub(super) const CLUSTER_CONNECTED: Metric = Metric::gauge(
    "lockstep_cluster_connected",
    "1 while the cluster's agent has a stream to some replica; of clusters that are `Active` or `Paused`. As in the registry, so the same on every replica; every 10 s",
    &[CLUSTER],
);
pub(super) const CLUSTER_HEARD: Metric = Metric::gauge(
    "lockstep_cluster_heard_timestamp_seconds",
    "when the cluster's agent was last heard by any replica, as this one knows from the registry; stays when the stream ends; absent: not since this replica began; every 10 s",
    &[CLUSTER],
);
pub(super) const CLUSTER_CERTIFICATE: Metric = Metric::gauge(
    "lockstep_cluster_certificate_expiry_timestamp_seconds",
    "when the newest certificate of the cluster's agent ends. As in the registry, so the same on every replica; every 10 s",
    &[CLUSTER],
);
pub(super) const CLUSTER_CERTIFICATE_LIFE: Metric = Metric::gauge(
    "lockstep_cluster_certificate_life_seconds",
    "how long that certificate lives, from when it was signed; as `agents.certificateHours` says where that was not noted. As in the registry, so the same on every replica; every 10 s",
    &[CLUSTER],
);
pub(super) const SENT: Metric =
    Metric::counter("lockstep_deliveries_sent_total", "Puts and Deletes given to an agent's stream", &[CLUSTER]);
pub(super) const ANSWERED: Metric = Metric::counter(
    "lockstep_deliveries_answered_total",
    "agents' answers to deliveries",
    &[CLUSTER, Label::of("outcome", "`applied`, `rejected`, `differs` (what is held is not what was sent), `late`")],
);
pub(super) const ROUND_TRIP: Metric = Metric::histogram(
    "lockstep_delivery_round_trip_seconds",
    "from taking a delivery up (so with reading, rendering and leave) to the agent's confirmation; refusals are not in it",
    &[],
    DEFAULT,
);
pub(super) const READS: Metric = Metric::counter(
    "lockstep_reads_total",
    "reads of data",
    &[Label::of("outcome", "`read`, `saved` (by cache or a flight under way), `failed`, `failure_shared`")],
);
pub(super) const LIMIT_HITS: Metric = Metric::counter(
    "lockstep_limit_hits_total",
    "limits that were hit",
    &[Label::of(
        "limit",
        "`rest_body`, `rest_concurrency`, `rest_time`, `streams`, `identity_tokens` (an agent shows some that are of no use), `join` (at once), `join_address` and `join_overall` (refused too often, see `agents.joinRefusalsPerMinute`), `login_address` and `login_overall` (a token that is not valid, after too many, see `rest.failedLoginsPerMinute`), `renewal`, `answer` (none in 60 s), `accept` (the system gave no connection), `connections` (open at once), `read_ahead` (of many changes at once, the rest is read in its turn), `rotation_runs` (this replica goes on with no more at once, see `rotation.concurrentRuns`), `propagation` (deliveries whose time was not noted), `spans` (not exported: the queue was full, or the receiver did not take them)",
    )],
);
pub(super) const QUEUE: Metric = Metric::gauge(
    "lockstep_queue_length",
    "what waits in a queue of this replica; every 10 s, and of `reports` also with each batch",
    &[Label::of("queue", "`reports` (to be written), `propagation` (times to be noted), `spans` (to be exported)")],
);
pub(super) const QUEUE_MAX: Metric =
    Metric::gauge("lockstep_queue_max", "the most that may wait in it", &[Label::of("queue", "the same")]);
pub(super) const DELIVERIES: Metric = Metric::gauge(
    "lockstep_deliveries",
    "deliveries; as in the registry, so the same on every replica; every 10 s",
    &[CLUSTER, STATUS],
);
pub(super) const DELETIONS_HELD: Metric = Metric::gauge(
    "lockstep_deletions_held",
    "deletions held back by the delete guard until `lockstep confirm`; as in the registry, so the same on every replica; every 10 s",
    &[CLUSTER],
);
pub(super) const JOINS: Metric = Metric::counter(
    "lockstep_joins_total",
    "uses of join tokens, and renewals",
    &[Label::of("outcome", "`joined`, `renewed_expired`, `refused`, `failed`, `renewed` (over the stream), `renewal_failed`")],
);
pub(super) const HTTP_REQUESTS: Metric = Metric::counter(
    "lockstep_http_requests_total",
    "REST requests",
    &[Label::of("method", "an unusual one is `other`"), Label::of("status", "HTTP's")],
);
pub(super) const ROTATION_RUNS: Metric = Metric::counter(
    "lockstep_rotation_runs_total",
    "runs of rotations that came to their end, on the replica that ended them",
    &[Label::of("kind", "`generate`, `databaseStatic`, `databasePair`, `pki`"), Label::of("result", "`done`, `failed`")],
);
pub(super) const ROTATIONS: Metric = Metric::gauge(
    "lockstep_rotations",
    "rotations by the first state that holds, where each cluster has its own of any of them; as in the registry, so the same on every replica; every 10 s",
    &[Label::of("state", "`Held`, `Overdue`, `Running`, `Failed` (its last run), `Suspended`, `Waiting`")],
);
pub(super) const ROTATION_NEXT_DUE: Metric = Metric::gauge(
    "lockstep_rotation_next_due_timestamp_seconds",
    "when the next rotation is due; absent: none. As in the registry, so the same on every replica; every 10 s",
    &[],
);
pub(super) const ROTATION_OVERDUE: Metric = Metric::gauge(
    "lockstep_rotation_overdue_age_seconds",
    "how long the rotation that waits longest is overdue, as `lockstep_rotations` counts it; 0: none. As in the registry, so the same on every replica; every 10 s",
    &[],
);
pub(super) const ROTATION_RUN_AGE: Metric = Metric::gauge(
    "lockstep_rotation_run_age_seconds",
    "how long ago the oldest run that has not ended began; 0: none. As in the registry, so the same on every replica; every 10 s",
    &[],
);
pub(super) const UNEXPECTED_ROTATIONS: Metric = Metric::counter(
    "lockstep_unexpected_rotations_total",
    "passwords that a source changed by itself, of the role of a pair that clusters use",
    &[SOURCE],
);
pub(super) const CERTIFICATE: Metric =
    Metric::gauge("lockstep_certificate_expiry_timestamp_seconds", "when this replica's own certificate ends", &[]);
pub(super) const CERTIFICATE_LIFE: Metric =
    Metric::gauge("lockstep_certificate_life_seconds", "how long that lives, from when it was signed", &[]);
pub(super) const POOL: Metric = Metric::gauge(
    "lockstep_pool_connections",
    "connections to Postgres of the general pool, beside the one for LISTEN and the two that deliveries have for themselves; every 10 s",
    &[Label::of("state", "`idle`, `used`")],
);
pub(super) const POOL_MAX: Metric = Metric::gauge("lockstep_pool_connections_max", "the most connections of that pool", &[]);
pub(super) const POOL_WAIT: Metric = Metric::histogram(
    "lockstep_pool_wait_seconds",
    "how long it took to get a connection of that pool, tried every 10 s: a sample, not every use",
    &[],
    DEFAULT,
);
pub(super) const HISTORY_HELD: Metric = Metric::gauge(
    "lockstep_history_held",
    "1 while the whole registry is held. As in the registry, so the same on every replica; every 10 s",
    &[],
);
pub(super) const HISTORY_SEQ: Metric = Metric::gauge(
    "lockstep_history_seq",
    "the number of the newest change. As in the registry, so the same on every replica; every 10 s",
    &[],
);
pub(super) const HISTORY_VERIFIED: Metric = Metric::gauge(
    "lockstep_history_verified_seq",
    "up to which change the hash chain was walked and found whole, on the replica that holds the lease `history/verify`; 0 on the others. It begins anew at the first change once a day, and when the lease passes on",
    &[],
);
pub(super) const HISTORY_VERIFIED_AT: Metric = Metric::gauge(
    "lockstep_history_verified_timestamp_seconds",
    "when that replica last found the whole chain whole, from the first change to the newest; 0 on the others, and before",
    &[],
);
pub(super) const HISTORY_BROKEN: Metric =
    Metric::gauge("lockstep_history_broken", "1 when a change is not what was written: an error in the log says which", &[]);
pub(super) const LOOP_PROGRESS: Metric =
    Metric::gauge("lockstep_loop_progress_timestamp_seconds", "when it last finished a round that did what it is for", &[LOOP]);
pub(super) const LOOP_TURNED: Metric =
    Metric::gauge("lockstep_loop_turned_timestamp_seconds", "when it last ended a round, well or not, or began", &[LOOP]);
pub(super) const LOOP_LIMIT: Metric = Metric::gauge(
    "lockstep_loop_standstill_limit_seconds",
    "how long after that `/healthz` says that the loop is stuck",
    &[LOOP],
);
