"""What rotates next, what does not come to its end, and how old secrets are."""

from board import (
    GREEN, ORANGE, RED, Sql, ago, board, choice, leads_to, lines, number, rows, seconds, unit, wide, word,
)

PROJECTS = choice("project", "Project", "Whose rotations are shown", "select distinct project from grafana.rotations order by 1")
ROTATION = choice(
    "rotation", "Rotation", "Which rotations are shown",
    "select rotation from grafana.rotations where project in (${project:sqlstring}) order by 1",
)
SHOWN = "project in (${project:sqlstring}) and rotation in (${rotation:sqlstring})"


def counted(state):
    return Sql(f"select count(*) from grafana.rotations where state = '{state}' and {SHOWN}")


def build():
    return (
        board("lockstep-rotation", "What rotates next, what does not come to its end, and how old secrets are.", [PROJECTS, ROTATION])
        .with_panel(number("Rotations", "All that are registered.", Sql(f"select count(*) from grafana.rotations where {SHOWN}")))
        .with_panel(number(
            "Held", "Runs that wait for somebody: the cause says for whom, and what he is to do.", counted("Held"), steps=((None, GREEN), (1, RED)),
        ))
        .with_panel(number(
            "Overdue", "Due for more than a minute beside their jitter, and no run has begun: outside of a window, over the limit of runs, or no replica.",
            counted("Overdue"), steps=((None, GREEN), (1, RED)),
        ))
        .with_panel(number("Failed", "Rotations whose last run failed.", counted("Failed"), steps=((None, GREEN), (1, RED))))
        .with_panel(number("Running", "Runs that are under way now, on some replica.", counted("Running")))
        .with_panel(number(
            "Next", "The next due time of any of them comes in so long.",
            Sql(f"select coalesce(min(greatest(due_in_seconds, 0)), 0) from grafana.rotations where {SHOWN}"), unit="s",
        ))
        .with_panel(rows(
            "Each rotation", "What is due next, what is under way and on which replica, what came of the last run, and why one does not come to its end. Where each cluster has its own, a row for each.",
            Sql(f"""select rotation, project, kind, secret, state, next_due_at, stage, stage_since, replica, attempts, last_result, last_ended_at, cause
                    from grafana.rotations where {SHOWN} order by state in ('Held', 'Overdue', 'Failed') desc, next_due_at nulls last limit 1000"""),
            {
                "rotation": leads_to("rotation"), "secret": leads_to("secret"), "state": word(), "next_due_at": ago(), "stage_since": ago(),
                "attempts": unit("none", 90), "last_result": word(), "last_ended_at": ago(), "cause": wide(),
            }, empty="no rotation is registered",
        ))
        .with_panel(rows(
            "Age against schedule", "How long ago what clusters have was made, beside how often the schedule asks for a new one. Above 1 it is older than asked.",
            Sql(f"""select rotation, secret, version, made_at, age_seconds as age, period_seconds as period, age_seconds / nullif(period_seconds, 0) as ratio,
                    schedule, time_zone from grafana.rotations where {SHOWN} order by ratio desc nulls last limit 1000"""),
            {
                "rotation": leads_to("rotation"), "secret": leads_to("secret"), "version": unit("none", 90), "made_at": ago(), "age": unit("s"),
                "period": unit("s"), "ratio": unit("none", 90),
            }, width=12, empty="no rotation is registered",
        ))
        .with_panel(rows(
            "Runs", "The newest runs: who asked for each, how long it took, where it is, what came of it.",
            Sql(f"""select rotation, started_at, actor, state, stage, took_seconds as took, attempts, cause
                    from grafana.rotation_runs where {SHOWN} order by started_at desc limit 200"""),
            {
                "rotation": leads_to("rotation"), "started_at": ago(), "state": word(), "took": seconds((3600, ORANGE)), "attempts": unit("none", 90),
                "cause": wide(),
            }, width=12, empty="none has run",
        ))
        .with_panel(lines(
            "Rotations by state", "As the registry counts them, of all projects.",
            {"{{state}}": "max by (state) (lockstep_rotations)"}, "none", stacked=True, width=8,
        ))
        .with_panel(lines(
            "Runs that ended", "By kind and result, on the replicas that ended them.",
            {"{{kind}} {{result}}": "sum by (kind, result) (increase(lockstep_rotation_runs_total[$__rate_interval]))"}, "none", width=8,
        ))
        .with_panel(lines(
            "Due, overdue, under way", "When the next rotation is due, how long the one that waits longest is overdue, and how long ago the oldest run that has not ended began.",
            {
                "next is due in": "max(lockstep_rotation_next_due_timestamp_seconds) - time()", "overdue for": "max(lockstep_rotation_overdue_age_seconds)",
                "under way for": "max(lockstep_rotation_run_age_seconds)",
            }, "s", width=8, minimum=None,
        ))
        .with_panel(lines(
            "Passwords that a source changed by itself", "Of the role of a pair that clusters use: those clusters are without a login that works until the next delivery.",
            {"{{source}}": "sum by (source) (increase(lockstep_unexpected_rotations_total[$__rate_interval]))"}, "none", width=8,
        ))
    )
