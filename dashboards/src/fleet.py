"""Which clusters are in step, which are behind, and how their agents are."""

from board import CLUSTER, GREEN, ORANGE, RED, Sql, ago, board, leads_to, lines, number, rows, unit, wide, word, yes_or_no

SHOWN = "cluster in (${cluster:sqlstring})"


def build():
    return (
        board("lockstep-fleet", "Which clusters are in step, which are behind, and how their agents are.", [CLUSTER])
        .with_panel(number(
            "Clusters", "Registered clusters, whatever their state.", Sql(f"select count(*) from grafana.clusters where {SHOWN}"),
        ))
        .with_panel(number(
            "Silent", "Active clusters whose agent is not connected. They keep what they have and get nothing new.",
            Sql(f"select count(*) from grafana.clusters where state = 'Active' and not connected and {SHOWN}"),
            steps=((None, GREEN), (1, RED)),
        ))
        .with_panel(number(
            "In step", "Of all deliveries, those whose cluster has what it should have.",
            Sql(f"select coalesce(sum(in_step)::float8 / nullif(sum(deliveries), 0), 1) from grafana.clusters where {SHOWN}"),
            unit="percentunit", steps=((None, RED), (0.95, ORANGE), (1, GREEN)),
        ))
        .with_panel(number(
            "Not in step", "Deliveries of any other status than InSync.",
            Sql(f"select coalesce(sum(not_in_step), 0) from grafana.clusters where {SHOWN}"), steps=((None, GREEN), (1, ORANGE)),
        ))
        .with_panel(number(
            "Oldest change that did not arrive", "How long ago the first change was made that some cluster does not have yet.",
            Sql(f"select coalesce(extract(epoch from now() - min(behind_since)), 0) from grafana.clusters where {SHOWN}"),
            unit="s", steps=((None, GREEN), (60, ORANGE), (600, RED)),
        ))
        .with_panel(number(
            "Deletions held back", "Deletions that the guard holds back until somebody says: lockstep confirm CLUSTER.",
            'sum(max by (cluster) (lockstep_deletions_held{cluster=~"$cluster"}))', steps=((None, GREEN), (1, ORANGE)),
        ))
        .with_panel(rows(
            "Each cluster", "Connection, deliveries, and since when the oldest change waits. A name leads to its deliveries.",
            Sql(f"""select cluster, env, state, connected, last_heard_at, deliveries, not_in_step, behind_since, deletions_held, agent_version,
                    certificate_ends_at, replica, held from grafana.clusters where {SHOWN}
                    order by not_in_step desc, connected, cluster limit 1000"""),
            {
                "cluster": leads_to("cluster"), "state": word(), "connected": yes_or_no(), "last_heard_at": ago(), "deliveries": unit("none", 90),
                "not_in_step": unit("none", 100), "behind_since": ago(), "deletions_held": unit("none", 110), "certificate_ends_at": ago(),
                "held": wide(),
            },
        ))
        .with_panel(lines(
            "Deliveries by status", "How many deliveries have each status, as the registry says.",
            {"{{status}}": 'sum by (status) (max by (cluster, status) (lockstep_deliveries{cluster=~"$cluster"}))'}, "none", stacked=True,
        ))
        .with_panel(lines(
            "Not in step, by cluster", "Deliveries of any other status than InSync. One line that stays up is a cluster with a trouble of its own.",
            {"{{cluster}}": 'sum by (cluster) (max by (cluster, status) (lockstep_deliveries{cluster=~"$cluster",status!="InSync"}))'}, "none",
        ))
        .with_panel(lines(
            "Sent and answered", "Puts and Deletes given to streams, and what agents answered. Rejected says that an agent refused; differs, that it holds something else.",
            {
                "sent": 'sum(rate(lockstep_deliveries_sent_total{cluster=~"$cluster"}[$__rate_interval]))',
                "{{outcome}}": 'sum by (outcome) (rate(lockstep_deliveries_answered_total{cluster=~"$cluster"}[$__rate_interval]))',
            }, "ops",
        ))
        .with_panel(lines(
            "Round trip", "From taking a delivery up, with reading, rendering and leave, to the agent's confirmation.",
            {
                "half": "histogram_quantile(0.5, sum by (le) (rate(lockstep_delivery_round_trip_seconds_bucket[$__rate_interval])))",
                "99 of 100": "histogram_quantile(0.99, sum by (le) (rate(lockstep_delivery_round_trip_seconds_bucket[$__rate_interval])))",
            }, "s",
        ))
        .with_panel(lines(
            "Drift", "Targets newly found changed or missing in their cluster. A few are somebody's hand; many are another tool's.",
            {"{{cluster}}": 'sum by (cluster) (rate(lockstep_agent_drift_total{cluster=~"$cluster"}[$__rate_interval]))'}, "ops",
        ))
        .with_panel(lines(
            "Links lost", "Links to a server that an agent lost and dialled again.",
            {"{{cluster}}": 'sum by (cluster) (rate(lockstep_agent_reconnects_total{cluster=~"$cluster"}[$__rate_interval]))'}, "ops",
        ))
        .with_panel(lines(
            "Agents: linked and working", "Agents that are linked to a server, and those that work for their cluster; others stand by.",
            {
                "linked": 'sum(lockstep_agent_connected{cluster=~"$cluster"})', "working": 'sum(lockstep_agent_leader{cluster=~"$cluster"})',
            }, "none",
        ))
        .with_panel(lines(
            "Agents: a server was last heard", "How long each cluster's agent has not heard a server. Heartbeats come every few seconds.",
            {"{{cluster}}": 'time() - max by (cluster) (lockstep_agent_last_heard_timestamp_seconds{cluster=~"$cluster"} > 0)'}, "s",
        ))
        .with_panel(lines(
            "Agents: applied and rejected", "What agents did with what they got. Conflict: the object is another's; older: the revision was lower than the one that is there.",
            {
                "applied": 'sum(rate(lockstep_agent_applied_total{cluster=~"$cluster"}[$__rate_interval]))',
                "rejected: {{kind}}": 'sum by (kind) (rate(lockstep_agent_rejected_total{cluster=~"$cluster"}[$__rate_interval]))',
            }, "ops",
        ))
        .with_panel(lines(
            "Agents: certificate's remaining life", "Renewed by itself from one third of its life on. One that nears zero could not be renewed.",
            {"{{cluster}}": 'min by (cluster) (lockstep_agent_certificate_expiry_timestamp_seconds{cluster=~"$cluster"} > 0) - time()'}, "s",
            minimum=None,
        ))
        .with_panel(lines(
            "Agents: held", "Bindings with content in each cluster, and Kubernetes Secrets that hold content of ours.",
            {
                "{{cluster}}: bindings": 'max by (cluster) (lockstep_agent_bindings{cluster=~"$cluster"})',
                "{{cluster}}: Secrets": 'max by (cluster) (lockstep_agent_secrets{cluster=~"$cluster"})',
            }, "none",
        ))
        .with_panel(lines(
            "Agents: state", "What an agent holds, compressed as in its own Secret, which has room for 960 KiB; and times that it did not fit.",
            {
                "{{cluster}}": 'max by (cluster) (lockstep_agent_state_bytes{cluster=~"$cluster"})',
                "{{cluster}}: did not fit": 'sum by (cluster) (increase(lockstep_agent_state_oversize_total{cluster=~"$cluster"}[$__rate_interval]))',
            }, "bytes",
        ))
        .with_panel(lines(
            "Agents: requests to the API server", "By verb and HTTP's code; none: no answer. 403 is a right that the agent's role lacks, 409 another's write.",
            {"{{verb}} {{code}}": 'sum by (verb, code) (rate(lockstep_agent_kubernetes_requests_total{cluster=~"$cluster"}[$__rate_interval]))'}, "reqps",
        ))
        .with_panel(lines(
            "Agents: restarts", "Workloads that are rolled out anew, and how those ended: stuck is one that does not become ready.",
            {
                "in motion": 'sum(lockstep_agent_restarts_in_motion{cluster=~"$cluster"})',
                "{{outcome}}": 'sum by (outcome) (increase(lockstep_agent_restarts_total{cluster=~"$cluster"}[$__rate_interval]))',
            }, "none",
        ))
    )
