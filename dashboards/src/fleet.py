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
            "A change's way: 99 of 100", "From the watcher having seen a new version to that stage: recorded, sent, applied. What never arrives is not in it: the panel beside.",
            {"{{stage}}": "histogram_quantile(0.99, sum by (stage, le) (rate(lockstep_propagation_seconds_bucket[$__rate_interval])))"}, "s", width=8,
        ))
        .with_panel(lines(
            "Oldest change that did not arrive, by cluster", "How long the oldest change that a cluster is to have and has not confirmed is in the registry. Not of what is denied or paused.",
            {"{{cluster}}": 'max by (cluster) (lockstep_oldest_undelivered_age_seconds{cluster=~"$cluster"})'}, "s", width=8,
        ))
        .with_panel(lines(
            "Applied within 10 s", "Of the changes that arrived in the hour before, those that took at most 10 s: the objective is 99 of 100.",
            {"within 10 s": 'sum(increase(lockstep_propagation_seconds_bucket{stage="applied",le=~"10|10.0"}[1h])) / sum(increase(lockstep_propagation_seconds_count{stage="applied"}[1h]))'},
            "percentunit", width=8, minimum=None,
        ))
        .with_panel(lines(
            "Connected, as the servers know", "Clusters whose agent has a stream to some replica; of those that are Active or Paused.",
            {"connected": 'sum(max by (cluster) (lockstep_cluster_connected{cluster=~"$cluster"}))', "of": 'count(max by (cluster) (lockstep_cluster_connected{cluster=~"$cluster"}))'},
            "none", width=8,
        ))
        .with_panel(lines(
            "Last heard, as the servers know", "How long ago each cluster's agent was last heard by any replica. It grows for a cluster that is cut off.",
            {"{{cluster}}": 'time() - max by (cluster) (lockstep_cluster_heard_timestamp_seconds{cluster=~"$cluster"})'}, "s", width=8,
        ))
        .with_panel(lines(
            "Certificates' remaining life, as the servers know", "Of the newest certificate of each cluster's agent, also of one that is silent.",
            {"{{cluster}}": 'min by (cluster) (lockstep_cluster_certificate_expiry_timestamp_seconds{cluster=~"$cluster"}) - time()'}, "s", width=8, minimum=None,
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
            {
                "{{cluster}}": 'sum by (cluster) (rate(lockstep_agent_drift_total{cluster=~"$cluster"}[$__rate_interval]))',
                "{{cluster}}, restored from the cache": 'sum by (cluster) (rate(lockstep_agent_restored_from_cache_total{cluster=~"$cluster"}[$__rate_interval]))',
            }, "ops",
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
            "Agents: of the time that each loop may stand still", "How much of it has passed since its last round ended, and how long ago one did what it is for.",
            {
                "{{cluster}} {{loop}}": '(time() - lockstep_agent_loop_turned_timestamp_seconds{cluster=~"$cluster"}) / lockstep_agent_loop_standstill_limit_seconds',
            }, "percentunit", width=8,
        ))
        .with_panel(lines(
            "Agents: loops, since the last round that did something", "How long ago each loop did what it is for: a round that failed is none.",
            {"{{cluster}} {{loop}}": 'time() - max by (cluster, loop) (lockstep_agent_loop_progress_timestamp_seconds{cluster=~"$cluster"} > 0)'}, "s", width=8,
        ))
        .with_panel(lines(
            "Agents: spans not exported", "Traces that were lost because the queue to their receiver was full.",
            {"{{cluster}}": 'sum by (cluster) (increase(lockstep_agent_spans_dropped_total{cluster=~"$cluster"}[$__rate_interval]))'}, "none", width=8,
        ))
        .with_panel(lines(
            "Agents: restarts", "Workloads that are rolled out anew, and how those ended: stuck is one that does not become ready.",
            {
                "in motion": 'sum(lockstep_agent_restarts_in_motion{cluster=~"$cluster"})',
                "{{outcome}}": 'sum by (outcome) (increase(lockstep_agent_restarts_total{cluster=~"$cluster"}[$__rate_interval]))',
            }, "none",
        ))
        .with_panel(lines(
            "Volumes: mounts", "What the CSI driver asked the node agents for: first mounts, and each time it looks for new content.",
            {
                "{{outcome}}": 'sum by (outcome) (rate(lockstep_node_mounts_total{cluster=~"$cluster"}[$__rate_interval]))',
                "perhaps not the newest": 'sum(rate(lockstep_node_stale_mounts_total{cluster=~"$cluster"}[$__rate_interval]))',
            }, "ops", width=8,
        ))
        .with_panel(lines(
            "Volumes: how long a mount takes", "From the driver's question to the node agent's answer, whatever it was.",
            {
                "median": 'histogram_quantile(0.5, sum by (le) (rate(lockstep_node_mount_seconds_bucket{cluster=~"$cluster"}[$__rate_interval])))',
                "99 of 100": 'histogram_quantile(0.99, sum by (le) (rate(lockstep_node_mount_seconds_bucket{cluster=~"$cluster"}[$__rate_interval])))',
            }, "s", width=8,
        ))
        .with_panel(lines(
            "Volumes: mounts that are being answered", "On the busiest node of each cluster, those that wait for their turn too.",
            {"{{cluster}}": 'max by (cluster) (lockstep_node_mounts_in_flight{cluster=~"$cluster"})'}, "none", width=8,
        ))
        .with_panel(lines(
            "Volumes: what agents gave", "Reads of node agents by what became of them, and the objects that were given. Not asked of Vault, nor of a server.",
            {
                "{{outcome}}": 'sum by (outcome) (rate(lockstep_agent_volume_reads_total{cluster=~"$cluster"}[$__rate_interval]))',
                "objects": 'sum(rate(lockstep_agent_volume_objects_total{cluster=~"$cluster"}[$__rate_interval]))',
                "perhaps not the newest": 'sum(rate(lockstep_agent_volume_stale_reads_total{cluster=~"$cluster"}[$__rate_interval]))',
            }, "ops", width=8,
        ))
        .with_panel(lines(
            "Volumes: how long an agent takes", "Of a read, with its waiting and the token reviews.",
            {"99 of 100": 'histogram_quantile(0.99, sum by (le) (rate(lockstep_agent_volume_read_seconds_bucket{cluster=~"$cluster"}[$__rate_interval])))'}, "s", width=8,
        ))
        .with_panel(lines(
            "Volumes: token reviews", "Questions to the clusters' API servers whose a token is.",
            {"{{outcome}}": 'sum by (outcome) (rate(lockstep_agent_token_reviews_total{cluster=~"$cluster"}[$__rate_interval]))'}, "ops", width=8,
        ))
        .with_panel(lines(
            "Volumes: bindings that pods may mount", "In the replica of each agent that has the most. Less in the other one: it does not follow.",
            {
                "{{cluster}}": 'max by (cluster) (lockstep_agent_volume_bindings{cluster=~"$cluster"})',
                "{{cluster}}, the other replica": 'min by (cluster) (lockstep_agent_volume_bindings{cluster=~"$cluster"})',
                "{{cluster}}, trouble with the cache": 'sum by (cluster) (increase(lockstep_agent_volume_cache_failures_total{cluster=~"$cluster"}[$__rate_interval]))',
            }, "none", width=12,
        ))
        .with_panel(lines(
            "Volumes: certificate that node agents see", "How long it is good for. It is made anew by itself, in time.",
            {"{{cluster}}": 'min by (cluster) (lockstep_agent_volume_certificate_expiry_timestamp_seconds{cluster=~"$cluster"} > 0) - time()'}, "s", width=12,
        ))
    )
