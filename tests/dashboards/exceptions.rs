//! What is not shown, and what says nothing in the run of the tests, each with its reason.

/// Metrics that are in no panel and no alert.
pub(crate) const SHOWN_NOWHERE: [(&str, &str); 0] = [];

/// Panels of which an expression has no data in the run: board, part of the expression, why.
pub(crate) const SILENT: [(&str, &str, &str); 5] = [
    ("lockstep-fleet", "lockstep_node_", "no node agent runs in it"),
    ("lockstep-fleet", "lockstep_agent_volume_read_seconds_bucket", "no node agent asks in it"),
    (
        "lockstep-fleet",
        "lockstep_agent_volume_certificate_expiry_timestamp_seconds",
        "its agents are on hosts, and serve no volumes",
    ),
    ("lockstep-rotation", "lockstep_unexpected_rotations_total", "no source changes a password by itself"),
    (
        "lockstep-control-plane",
        "sum by (limit) (increase(lockstep_limit_hits_total",
        "a limit that is hit is no part of a healthy run",
    ),
];

/// Alerts whose expression has no data there even without its comparison: what is asked in its place, and why. A series with labels begins with
/// its first count, and a state that nothing is in has none.
pub(crate) const SILENT_ALERTS: [(&str, Option<&str>, &str); 7] = [
    ("LockstepUnexpectedRotation", None, "no source changes a password by itself"),
    (
        "LockstepVaultSealed",
        Some("max(lockstep_source_state) + sum(increase(lockstep_vault_requests_total{source=\"home\"}[5m]))"),
        "no answer said so",
    ),
    ("LockstepVolumeMountsFailing", None, "no node agent runs in it"),
    ("LockstepServerDown", Some("up{job=\"lockstep-server\"} == 1"), "a server runs"),
    ("LockstepRotationOverdue", Some("max(lockstep_rotations)"), "no rotation is overdue"),
    ("LockstepRotationHeld", Some("max(lockstep_rotations)"), "no rotation is held"),
    ("LockstepRotationFailed", Some("max(lockstep_rotations)"), "no rotation has failed"),
];
