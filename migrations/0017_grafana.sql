-- What Grafana is shown. Views only, in a schema of their own: a role that may read these can read nothing else, since a view reads with its
-- owner's rights. No value, digest, token or specification is in any of them. The role is made by deploy/postgres/grafana.sql, by whoever may
-- make roles: the server's own need not.
--
-- Only adds. A later migration that makes delivery_status anew drops these before and makes them after it; grants by default come back by
-- themselves (see that file).

create schema grafana;
comment on schema grafana is 'Read-only views for dashboards: docs/dashboards.md';

-- One row for each placement that is no tombstone: what is in place, what should be, and since when it is not.
create view grafana.deliveries as
select s.cluster, s.binding, s.project, s.status, s.cause,
       -- Numbers of versions, in the order of the binding's items. Whoever does not ask for these does not wait for them.
       (select string_agg(coalesce(item ->> 'applied', '-'), ', ' order by position)
        from json_array_elements(s.versions) with ordinality as e(item, position)) as in_place,
       (select string_agg(coalesce(item ->> 'desired', '-'), ', ' order by position)
        from json_array_elements(s.versions) with ordinality as e(item, position)) as wanted,
       s.applied_at                                                as in_place_since,
       extract(epoch from now() - s.applied_at)::float8                    as age_seconds,
       b.since                                                     as behind_since,
       coalesce(extract(epoch from now() - b.since)::float8, 0)            as behind_seconds,
       l.at                                                        as attempted_at,
       s.targets_applied, s.targets_total,
       s.drifted_total, s.last_drift_at,
       (s.restart ->> 'healthy')::int                              as workloads_new,
       (s.restart ->> 'total')::int                                as workloads_total,
       (select string_agg(w, ', ') from json_array_elements_text(
           case when json_typeof(s.restart -> 'stuck') = 'array' then s.restart -> 'stuck' end) w) as workloads_stuck,
       s.cluster_id, s.binding_id
from delivery_status s
join placement p on p.cluster_id = s.cluster_id and p.binding_id = s.binding_id
join binding bi on bi.id = s.binding_id
left join delivery l on l.cluster_id = s.cluster_id and l.binding_id = s.binding_id
-- Behind since the first change after the one that is in place: of the placement, of the binding, or of a secret that it follows.
left join lateral (
    select c.at as since
    from change c
    where (s.applied_epoch, s.applied_seq) is distinct from (s.desired_epoch, s.desired_seq)
      and c.seq = coalesce((
          select min(moved.seq) from (
              select p.seq
              union all select bi.spec_seq
              union all select ve.seq from binding_item it join version ve on ve.secret_id = it.secret_id
                        where it.binding_id = s.binding_id and (it.cluster_id is null or it.cluster_id = s.cluster_id) and it.pin is null
          ) moved
          where moved.seq > coalesce(s.applied_seq, p.seq - 1)
      ), s.desired_seq)
) b on true;
comment on view grafana.deliveries is 'Each binding in each cluster: status, cause, version in place and wanted, behind since';

-- Who has which version of a secret, and which workloads still run the one before.
create view grafana.who_has as
select so.name as source, s.mount, s.path, so.name || ' ' || s.mount || '/' || s.path as secret,
       d.cluster, d.binding, d.project,
       (d.versions -> bi.position ->> 'applied')::bigint as in_place,
       (d.versions -> bi.position ->> 'desired')::bigint as wanted,
       s.latest_number                                   as newest,
       bi.pin                                            as pinned,
       d.status, d.cause,
       d.applied_at                                      as in_place_since,
       (d.restart ->> 'healthy')::int                    as workloads_new,
       (d.restart ->> 'total')::int                      as workloads_total,
       (d.restart ->> 'total')::int - (d.restart ->> 'healthy')::int as workloads_old
from binding_item bi
join secret s on s.id = bi.secret_id
join source so on so.id = s.source_id
join delivery_status d on d.binding_id = bi.binding_id and (bi.cluster_id is null or bi.cluster_id = d.cluster_id);
comment on view grafana.who_has is 'Each secret in each cluster that has a binding of it: version in place, wanted and newest';

-- Every secret that is bound, with what its source shows of it.
create view grafana.secrets as
select so.name as source, s.mount, s.path, so.name || ' ' || s.mount || '/' || s.path as secret, s.engine, s.state, s.problem,
       s.latest_number as newest, s.latest_created as newest_since, s.chosen_number as chosen, s.chosen_created as chosen_since,
       count(distinct bi.binding_id)              as bindings,
       count(distinct bi.binding_id) filter (where bi.pin is not null) as pinned_bindings,
       count(distinct p.cluster_id)               as clusters
from secret s
join source so on so.id = s.source_id
join binding_item bi on bi.secret_id = s.id
left join placement p on p.binding_id = bi.binding_id and (bi.cluster_id is null or bi.cluster_id = p.cluster_id) and p.answer = 'Placed'
group by so.name, s.id;
comment on view grafana.secrets is 'Each bound secret: newest version, state, in how many clusters';

-- Rotations: the first state that holds, as lockstep_store::rotation::count_by_state counts them. Where each cluster has its own, each of those, as
-- `ROTATION/CLUSTER`, and not what they follow.
create view grafana.rotations as
select r.name as rotation, pr.name as project, k.kind,
       k.body -> 'secret' ->> 'source' || ' ' || (k.body -> 'secret' ->> 'mount') || '/' || (k.body -> 'secret' ->> 'path') as secret,
       coalesce(r.spec -> 'timing' -> 'schedule' ->> 'schedule', (r.spec -> 'timing' ->> 'life') || '% of life') as schedule,
       coalesce(r.spec -> 'timing' -> 'schedule' ->> 'timeZone', 'UTC') as time_zone,
       case
           when o.held is not null then 'Held'
           when o.id is not null then 'Running'
           when r.due_at < clock_timestamp() - make_interval(secs => 60 + (r.spec -> 'timing' -> 'jitter' ->> 'secs')::bigint) then 'Overdue'
           when e.stage ? 'Failed' then 'Failed'
           when (r.spec ->> 'suspend')::boolean then 'Suspended'
           else 'Waiting'
       end                                                          as state,
       coalesce(o.held, o.trouble, r.waits_for, e.stage ->> 'Failed') as cause,
       r.due_at                                                     as next_due_at,
       extract(epoch from r.due_at - now())::float8                         as due_in_seconds,
       case when jsonb_typeof(o.stage) = 'string' then o.stage #>> '{}'
            else (select min(word) from jsonb_object_keys(o.stage) word) end as stage,
       o.since                                                      as stage_since,
       o.holder                                                     as replica,
       o.attempts,
       case when e.stage ? 'Failed' then 'Failed' when e.id is not null then 'Done' end as last_result,
       e.ended_at                                                   as last_ended_at,
       s.chosen_number                                              as version,
       s.chosen_created                                             as made_at,
       extract(epoch from now() - s.chosen_created)::float8                 as age_seconds,
       extract(epoch from r.due_at - r.settled_at)::float8                  as period_seconds
from rotation r
join project pr on pr.id = r.project_id
cross join lateral (
    select lower(left(word, 1)) || substr(word, 2) as kind, r.spec -> 'kind' -> word as body from jsonb_object_keys(r.spec -> 'kind') word
) k
left join rotation_run o on o.rotation_id = r.id and o.ended_at is null
left join lateral (
    select l.id, l.stage, l.ended_at from rotation_run l where l.rotation_id = r.id and l.ended_at is not null order by l.ended_at desc limit 1
) e on true
left join source so on so.name = k.body -> 'secret' ->> 'source'
left join secret s on s.source_id = so.id and s.mount = k.body -> 'secret' ->> 'mount' and s.path = k.body -> 'secret' ->> 'path'
where k.kind <> 'pkiPerCluster';
comment on view grafana.rotations is 'Each rotation: state and cause, next due time, run under way and its replica, last result, age of the secret';

-- Their runs. What a stage carries stays here: there are digests in it.
create view grafana.rotation_runs as
select r.name as rotation, pr.name as project, u.due_at, u.started_at, u.ended_at, u.actor,
       case when jsonb_typeof(u.stage) = 'string' then u.stage #>> '{}'
            else (select min(word) from jsonb_object_keys(u.stage) word) end as stage,
       u.since as stage_since,
       case when u.stage ? 'Failed' then 'Failed' when u.ended_at is not null then 'Done' when u.held is not null then 'Held' else 'Running' end as state,
       coalesce(u.held, u.trouble, u.stage ->> 'Failed', 'without ' || (u.stage -> 'Done' ->> 'without')) as cause,
       u.attempts,
       extract(epoch from coalesce(u.ended_at, clock_timestamp()) - u.started_at)::float8 as took_seconds
from rotation_run u
join rotation r on r.id = u.rotation_id
join project pr on pr.id = r.project_id;
comment on view grafana.rotation_runs is 'Runs of rotations: when due, begun and ended, stage, result, cause';

-- The fleet.
create view grafana.clusters as
select c.name as cluster, c.labels ->> 'env' as env, c.labels::text as labels, c.state, c.held,
       n.cluster_id is not null                         as connected,
       n.replica, n.agent_version, n.connected_at,
       n.heard_at                                       as last_heard_at,
       extract(epoch from now() - n.heard_at)::float8           as last_heard_seconds,
       n.certificate_not_after                          as certificate_ends_at,
       extract(epoch from n.certificate_not_after - now())::float8 as certificate_seconds,
       c.deletions_held, c.unknown_bindings,
       coalesce(d.deliveries, 0)                        as deliveries,
       coalesce(d.in_step, 0)                           as in_step,
       coalesce(d.deliveries - d.in_step, 0)            as not_in_step,
       d.behind_since
from cluster c
left join session n on n.cluster_id = c.id
left join (
    select cluster_id, count(*) as deliveries, count(*) filter (where status = 'InSync') as in_step,
           -- What is denied or paused waits for nobody but a person.
           min(behind_since) filter (where status not in ('Denied', 'Paused')) as behind_since
    from grafana.deliveries group by cluster_id
) d on d.cluster_id = c.id;
comment on view grafana.clusters is 'Each cluster: state, connection, certificate, how many deliveries are in step, behind since';

create view grafana.sources as
select so.name as source, w.swept_at, extract(epoch from now() - w.swept_at)::float8 as swept_seconds, w.failing,
       coalesce(l.holder, '-')                          as replica,
       coalesce(s.secrets, 0)                           as secrets,
       coalesce(s.problems, 0)                          as problems
from source so
left join source_watch w on w.source_id = so.id
left join lease l on l.name = 'watch/' || so.name and l.expires_at > now()
left join (
    select source_id, count(*) as secrets, count(*) filter (where problem is not null or state in ('Missing', 'WentBack')) as problems
    from secret where exists (select from binding_item bi where bi.secret_id = secret.id) group by source_id
) s on s.source_id = so.id;
comment on view grafana.sources is 'Each source: when it was looked at, why not, by which replica, secrets and those with a problem';

create view grafana.registry as
select r.id, r.epoch, r.seq, r.held, c.at as newest_change_at from registry r left join change c on c.seq = r.seq;
comment on view grafana.registry is 'The registry: epoch, newest change, why everything is held';

-- The history without its details, which have specifications in them.
create view grafana.changes as
select seq, epoch, at, actor, kind, subject from change;
comment on view grafana.changes is 'Every change: when, who, what kind, of what';
