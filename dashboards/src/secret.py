"""One secret: who has which version of it, and who still runs the one before."""

from board import GREEN, ORANGE, Sql, ago, board, choice, leads_to, number, rows, unit, wide, word

SECRET = choice(
    "secret", "Secret", "The secret that is shown: source, mount and path", "select secret from grafana.secrets order by 1", several=False,
)
SHOWN = "secret = ${secret:sqlstring}"


def build():
    return (
        board("lockstep-secret", "One secret: who has which version of it, and who still runs the one before.", [SECRET])
        .with_panel(number(
            "Newest version", "The newest version at the source.", Sql(f"select coalesce(newest, 0) from grafana.secrets where {SHOWN}"), width=6,
        ))
        .with_panel(number(
            "Clusters", "Clusters that some binding delivers it to.", Sql(f"select count(distinct cluster) from grafana.who_has where {SHOWN}"), width=6,
        ))
        .with_panel(number(
            "Clusters without what they should have", "Those with an older version, or none.",
            Sql(f"select count(distinct cluster) from grafana.who_has where in_place is distinct from wanted and {SHOWN}"),
            steps=((None, GREEN), (1, ORANGE)), width=6,
        ))
        .with_panel(number(
            "Workloads that run an older one", "Workloads whose pods are not all newer than the content, of bindings that restart.",
            Sql(f"select coalesce(sum(workloads_old), 0) from grafana.who_has where {SHOWN}"), steps=((None, GREEN), (1, ORANGE)), width=6,
        ))
        .with_panel(rows(
            "Who has it", "Each cluster and binding: version in place, version wanted, status, and how many workloads run the new content.",
            Sql(f"""select cluster, binding, project, in_place, wanted, newest, pinned, status, in_place_since,
                    workloads_new || '/' || workloads_total as workloads, cause
                    from grafana.who_has where {SHOWN} order by in_place nulls first, cluster, binding limit 1000"""),
            {
                "cluster": leads_to("cluster"), "binding": leads_to("binding"), "in_place": unit("none", 90), "wanted": unit("none", 90),
                "newest": unit("none", 90), "pinned": unit("none", 90), "status": word(), "in_place_since": ago(), "cause": wide(),
            }, empty="nobody",
        ))
        .with_panel(rows(
            "By version", "How many clusters have each version; no number: they have none.",
            Sql(f"""select in_place as version, count(distinct cluster) as clusters, min(in_place_since) as since,
                    string_agg(distinct cluster, ', ' order by cluster) as which from grafana.who_has where {SHOWN} group by 1 order by 1 nulls first"""),
            {"version": unit("none", 90), "clusters": unit("none", 90), "since": ago(), "which": wide()}, width=12, height=8,
        ))
        .with_panel(rows(
            "At the source", "What the source shows of it: state, newest version and its time, and why it cannot be looked at.",
            Sql(f"""select state, engine, newest, newest_since, chosen, bindings, pinned_bindings, clusters, problem from grafana.secrets where {SHOWN}"""),
            {
                "state": word(), "newest": unit("none", 90), "newest_since": ago(), "chosen": unit("none", 90), "bindings": unit("none", 90),
                "pinned_bindings": unit("none", 120), "clusters": unit("none", 90), "problem": wide(),
            }, width=12, height=8,
        ))
        .with_panel(rows(
            "Secrets that some cluster lacks", "Other secrets, of which some cluster does not have what it should; a name leads to it.",
            Sql("""select secret, count(distinct cluster) as clusters, min(in_place) as oldest_in_place, max(wanted) as wanted
                   from grafana.who_has where in_place is distinct from wanted group by 1 order by 2 desc, 1 limit 100"""),
            {"secret": leads_to("secret"), "clusters": unit("none"), "oldest_in_place": unit("none", 130), "wanted": unit("none")},
            height=8, empty="every cluster has what it should have",
        ))
    )
