"""Each binding in each cluster: version, age, status, cause."""

from board import (
    CLUSTER, GREEN, ORANGE, PROJECT, RED, Sql, ago, board, choice, leads_to, lines, matrix, number, rows, seconds, unit, wide, word,
)

BINDING = choice(
    "binding", "Binding", "Which bindings are shown",
    "select distinct binding from grafana.deliveries where project in (${project:sqlstring}) order by 1",
)
# What is denied or paused waits for nobody but a person.
WAITS = "behind_since is not null and status not in ('Denied', 'Paused')"
SHOWN = "project in (${project:sqlstring}) and cluster in (${cluster:sqlstring}) and binding in (${binding:sqlstring})"
COLUMNS = {
    "cluster": leads_to("cluster"), "binding": leads_to("binding"), "status": word(), "in_place": unit("string", 90),
    "wanted": unit("string", 90), "in_place_since": ago(), "behind_since": ago(), "behind": seconds((60, ORANGE), (600, RED)),
    "age": unit("s"), "targets": unit("string", 90), "drifted": unit("none", 90),
    "drifted_at": ago(), "cause": wide(),
}


def named(columns):
    return {name: COLUMNS[name] for name in columns.split()}


def build():
    return (
        board("lockstep-deliveries", "Each binding in each cluster: version, age, status, cause.", [PROJECT, CLUSTER, BINDING])
        .with_panel(number(
            "Deliveries", "Bindings that are placed in a cluster.", Sql(f"select count(*) from grafana.deliveries where {SHOWN}"), width=6,
        ))
        .with_panel(number(
            "Behind", "Deliveries whose cluster does not have the newest change; not those that are denied or paused.",
            Sql(f"select count(*) from grafana.deliveries where {WAITS} and {SHOWN}"), width=6,
            steps=((None, GREEN), (1, ORANGE)),
        ))
        .with_panel(number(
            "Behind since", "The first change that did not arrive somewhere was made so long ago.",
            Sql(f"select coalesce(max(behind_seconds), 0) from grafana.deliveries where {WAITS} and {SHOWN}"), unit="s", width=6,
            steps=((None, GREEN), (60, ORANGE), (600, RED)),
        ))
        .with_panel(number(
            "Refused or failed", "Deliveries that do not come in step by themselves: Denied, Conflict or Failed.",
            Sql(f"select count(*) from grafana.deliveries where status in ('Denied', 'Conflict', 'Failed') and {SHOWN}"), width=6,
            steps=((None, GREEN), (1, RED)),
        ))
        .with_panel(matrix(
            "Clusters and bindings", "A row for each cluster, a column for each binding: the delivery's status. Nothing: not placed there. "
            "Choose a project where there are many.",
            Sql(f"""select cluster, binding, status from grafana.deliveries where {SHOWN}
                    and binding in (select distinct binding from grafana.deliveries where {SHOWN} order by 1 limit 60)
                    order by cluster, binding limit 6000"""),
            "cluster", "binding", "status",
        ))
        .with_panel(rows(
            "Not in step", "What is behind or refused: what is in place, what should be, since when, and why. The cause says what to do.",
            Sql(f"""select cluster, binding, project, status, in_place, wanted, behind_since, behind_seconds as behind, cause
                    from grafana.deliveries where status <> 'InSync' and {SHOWN} order by behind_since nulls last, cluster, binding limit 1000"""),
            named("cluster binding status in_place wanted behind_since behind cause"), empty="everything is in step",
        ))
        .with_panel(rows(
            "All deliveries", "Version in place and since when, for each binding in each cluster; at most 1,000. Numbers are in the order of the binding's items.",
            Sql(f"""select cluster, binding, project, status, in_place, wanted, in_place_since, age_seconds as age,
                    targets_applied || '/' || targets_total as targets, drifted_total as drifted, last_drift_at as drifted_at, cause
                    from grafana.deliveries where {SHOWN} order by cluster, binding limit 1000"""),
            named("cluster binding status in_place wanted in_place_since age targets drifted drifted_at cause"), empty="nothing is bound",
        ))
        .with_panel(rows(
            "Why", "The causes, the most frequent first: one cause for many is one thing to mend.",
            Sql(f"""select status, cause, count(*) as deliveries, count(distinct cluster) as clusters, min(behind_since) as behind_since
                    from grafana.deliveries where status <> 'InSync' and {SHOWN} group by 1, 2 order by 3 desc limit 100"""),
            {"status": word(), "deliveries": unit("none"), "clusters": unit("none"), "behind_since": ago(), "cause": wide()},
            width=12, height=8, empty="everything is in step",
        ))
        .with_panel(lines(
            "By status", "How many deliveries of these clusters have each status, of whatever binding.",
            {"{{status}}": 'sum by (status) (max by (cluster, status) (lockstep_deliveries{cluster=~"$cluster"}))'}, "none", stacked=True,
        ))
    )
