"""How the servers are, what they ask of each Vault, and whether each source is watched."""

from board import GREEN, ORANGE, RED, SOURCE, Sql, ago, board, lines, number, rows, seconds, unit, wide

WATCHED = 'source=~"$source|home"'
# Since a loop's last progress. A replica that lost the lease of a source keeps the time of its last look, so of those the newest counts.
SINCE_WATCHED = 'min by (loop) (time() - lockstep_loop_progress_timestamp_seconds{loop=~"watch/.*"})'
SINCE_OTHERS = 'time() - lockstep_loop_progress_timestamp_seconds{loop!~"watch/.*"}'


def build():
    return (
        board("lockstep-control-plane", "How the servers are, what they ask of each Vault, and whether each source is watched.", [SOURCE])
        .with_panel(number("Agents connected", "Streams, on all replicas.", "sum(lockstep_agents_connected)"))
        .with_panel(number(
            "Registry held", "1: the registry is older than its mark, or was restored. Nothing is sent to any cluster until an epoch is opened.",
            "max(lockstep_history_held)", steps=((None, GREEN), (1, RED)),
        ))
        .with_panel(number(
            "Sources that fail", "Sources that cannot be looked at. Clusters keep what they have.",
            Sql("select count(*) from grafana.sources where failing is not null and source in (${source:sqlstring})"),
            steps=((None, GREEN), (1, RED)),
        ))
        .with_panel(number(
            "Vault sealed", "Sources whose last look found a sealed Vault, and the home Vault if it said so in the last five minutes.",
            'count(max by (source) (lockstep_source_state{state="sealed"}) > 0'
            ' or sum by (source) (increase(lockstep_vault_requests_total{source="home",outcome="sealed"}[5m])) > 0) or vector(0)',
            steps=((None, GREEN), (1, RED)),
        ))
        .with_panel(number(
            "Slowest loop", "How long ago the loop that is furthest behind did what it is for, on any replica; a source is watched by one of them.",
            f"max(({SINCE_WATCHED}) or ({SINCE_OTHERS}))", unit="s", steps=((None, GREEN), (60, ORANGE), (300, RED)),
        ))
        .with_panel(number(
            "Limits hit, last hour", "In the last hour, all together: which ones is shown below.", "sum(increase(lockstep_limit_hits_total[1h])) or vector(0)",
            steps=((None, GREEN), (1, ORANGE)),
        ))
        .with_panel(rows(
            "Sources", "When each was last looked at as a whole, by which replica, and why not; secrets that are bound, and those with a problem.",
            Sql("""select source, swept_at, swept_seconds as ago, replica, secrets, problems, failing from grafana.sources
                   where source in (${source:sqlstring}) order by failing nulls last, source"""),
            {
                "swept_at": ago(), "ago": seconds((60, ORANGE), (300, RED)), "secrets": unit("none"), "problems": unit("none"), "failing": wide(),
            }, width=16, height=8, empty="no source is registered",
        ))
        .with_panel(rows(
            "Registry", "The epoch, the newest change, and why everything is held.",
            Sql("select epoch, seq, newest_change_at, held from grafana.registry"),
            {"epoch": unit("none", 80), "seq": unit("none", 90), "newest_change_at": ago(), "held": wide()}, width=8, height=8,
        ))
        .with_panel(lines(
            "Versions observed", "Changes of secrets that were recorded: versions and states.",
            {"{{source}}": "sum by (source) (rate(lockstep_versions_observed_total[$__rate_interval]))"}, "ops", width=8,
        ))
        .with_panel(lines(
            "Looks at sources", "Ends of sweeps. Idle: nothing was due. Source failed: why is in the table above.",
            {"{{source}} {{outcome}}": 'sum by (source, outcome) (rate(lockstep_watch_sweeps_total{source=~"$source"}[$__rate_interval]))'}, "ops", width=8,
        ))
        .with_panel(lines(
            "Waits for the budget", "Of each second, how much the watcher waited for its budget of requests, and how many requests did.",
            {
                "{{source}}: waiting": "sum by (source) (rate(lockstep_vault_budget_wait_seconds_total[$__rate_interval]))",
                "{{source}}: requests": "sum by (source) (rate(lockstep_vault_budget_waits_total[$__rate_interval]))",
            }, "none", width=8,
        ))
        .with_panel(lines(
            "Vault: requests", "HTTP requests by what they were for.",
            {"{{source}} {{operation}}": "sum by (source, operation) (rate(lockstep_vault_requests_total{" + WATCHED + "}[$__rate_interval]))"}, "reqps",
            width=8, stacked=True,
        ))
        .with_panel(lines(
            "Vault: what did not go well", "Answers other than ok. A path that has nothing is not_found: no error by itself.",
            {"{{source}} {{outcome}}": "sum by (source, outcome) (rate(lockstep_vault_requests_total{" + WATCHED + ',outcome!="ok"}[$__rate_interval]))'},
            "reqps", width=8,
        ))
        .with_panel(lines(
            "Vault: time of a request", "99 of 100 requests are answered within.",
            {"{{source}} {{operation}}": "histogram_quantile(0.99, sum by (source, operation, le) (rate(lockstep_vault_request_duration_seconds_bucket{"
                + WATCHED + "}[$__rate_interval])))"}, "s", width=8,
        ))
        .with_panel(lines(
            "Data read, and not read", "Read once for a version and identity; saved by the cache or a read under way. Vault's load follows distinct secrets.",
            {"{{outcome}}": "sum by (outcome) (rate(lockstep_reads_total[$__rate_interval]))"}, "ops", width=8,
        ))
        .with_panel(lines(
            "Loops: since the last round", "Of the replica that is furthest behind; of a source, of the one that watches it, which is the furthest along.",
            {"{{loop}}": f"({SINCE_WATCHED}) or max by (loop) ({SINCE_OTHERS})"}, "s", width=8,
        ))
        .with_panel(lines(
            "Leases", "Which replica holds each lease, and writes that were refused because it had passed on.",
            {
                "{{lease}}: {{instance}}": "max by (lease, instance) (lockstep_lease_held)",
                "refused": "sum(increase(lockstep_lease_fenced_total[$__rate_interval]))",
            }, "none", width=8,
        ))
        .with_panel(lines(
            "Sources: since the last whole look", "How long ago every bound secret of a source was looked at.",
            {"{{source}}": 'time() - max by (source) (lockstep_source_swept_timestamp_seconds{source=~"$source"})'}, "s", width=8,
        ))
        .with_panel(lines(
            "Sources: how the last look ended", "On the replica that watches each: ok, or what the source answered; and whether it fails, look after look.",
            {
                "{{source}}: {{state}}": 'max by (source, state) (lockstep_source_state{source=~"$source"})',
                "{{source}}: failing": 'max by (source) (lockstep_source_failing{source=~"$source"})',
            }, "none", width=8,
        ))
        .with_panel(lines(
            "Loops: of the time that each may stand still", "How much of it has passed since its last round ended; at 100% the replica's /healthz fails.",
            {
                "{{instance}} {{loop}}": "(time() - lockstep_loop_turned_timestamp_seconds) / on (instance, loop) lockstep_loop_standstill_limit_seconds",
            }, "percentunit", width=8,
        ))
        .with_panel(lines(
            "Queues", "What waits in each queue of a replica, and the most that may.",
            {
                "{{instance}} {{queue}}": "max by (instance, queue) (lockstep_queue_length)", "{{queue}}: at most": "max by (queue) (lockstep_queue_max)",
            }, "none", width=8,
        ))
        .with_panel(lines(
            "Postgres: connections", "Connections of each replica's general pool, and the most that it may have.",
            {
                "{{instance}} {{state}}": "max by (instance, state) (lockstep_pool_connections)", "at most": "max(lockstep_pool_connections_max)",
            }, "none", width=8,
        ))
        .with_panel(lines(
            "Postgres: waiting for a connection", "How long a connection of the pool is waited for: a sample every 10 s.",
            {
                "{{instance}}": "sum by (instance) (rate(lockstep_pool_wait_seconds_sum[$__rate_interval])) / sum by (instance) (rate(lockstep_pool_wait_seconds_count[$__rate_interval]))",
            }, "s", width=8,
        ))
        .with_panel(lines(
            "History: changes, and how many are verified", "The newest change, and up to which one the hash chain was walked and found whole. It begins anew once a day.",
            {"newest": "max(lockstep_history_seq)", "verified": "max(lockstep_history_verified_seq)"}, "none", width=8,
        ))
        .with_panel(lines(
            "History: since it was found whole", "How long ago the whole chain was walked, from the first change to the newest; and whether a change is not what was written (1).",
            {
                "found whole": "time() - max(max_over_time(lockstep_history_verified_timestamp_seconds[3d]))", "broken": "max(lockstep_history_broken)",
            }, "s", width=8,
        ))
        .with_panel(lines(
            "Servers: certificate's remaining life", "Renewed by itself from one third of its life on. Agents refuse a replica whose certificate has ended.",
            {"{{instance}}": "min by (instance) (lockstep_certificate_expiry_timestamp_seconds) - time()"}, "s", width=8, minimum=None,
        ))
        .with_panel(lines(
            "Streams", "Agents connected to each replica.", {"{{instance}}": "sum by (instance) (lockstep_agents_connected)"}, "none", width=6,
            stacked=True,
        ))
        .with_panel(lines(
            "REST", "Requests by method and HTTP's status.",
            {"{{method}} {{status}}": "sum by (method, status) (rate(lockstep_http_requests_total[$__rate_interval]))"}, "reqps", width=6,
        ))
        .with_panel(lines(
            "Certificates", "Uses of join tokens, and renewals. Refused ones from outside are somebody who tries.",
            {"{{outcome}}": "sum by (outcome) (increase(lockstep_joins_total[$__rate_interval]))"}, "none", width=6,
        ))
        .with_panel(lines(
            "Limits hit", "Which ones, and how often: docs/metrics.md says what each is for.",
            {"{{limit}}": "sum by (limit) (increase(lockstep_limit_hits_total[$__rate_interval]))"}, "none", width=6,
        ))
        .with_panel(rows(
            "Newest changes", "The end of the history: who changed what. Its details: lockstep audit.",
            Sql("select seq, at, actor, kind, subject from grafana.changes order by seq desc limit 100"),
            {"seq": unit("none", 90), "at": ago()}, height=9, empty="nothing was changed",
        ))
    )
