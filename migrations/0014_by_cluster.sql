-- Items whose path is another in each cluster (`{cluster}`). Only adds to what a replica of the version before reads of bindings that have none. One
-- that has some it cannot read, says so, and sends nothing while it is there: bind so once all replicas are of this version.

-- Null: the same in all clusters. A binding of which any item differs by cluster has all its items once for each cluster in which it is placed,
-- and no others: what it draws is then found by one key in either case.
alter table binding_item
    add column cluster_id uuid references cluster on delete cascade,
    drop constraint binding_item_pkey;
create unique index binding_item_place on binding_item (binding_id, cluster_id, position) nulls not distinct;
create index binding_item_cluster on binding_item (cluster_id) where cluster_id is not null;

-- Whether it has such items, so that nobody reads a spec to know.
alter table binding add column by_cluster boolean not null default false;
create index binding_by_cluster on binding (id) where by_cluster;

-- What a binding's secrets add to its revision, and what is wrong with them: once a binding, in however many clusters it is, if it draws the
-- same in all of them.
create or replace view binding_content as
select bi.binding_id,
       max(case
               when s.chosen_number is null then 0
               when bi.pin is not null then s.incarnation_seq
               when b.spec -> 'delivered' ->> 'source_deletion_policy' = 'Delete' then greatest(s.chosen_seq, s.presence_seq)
               else s.chosen_seq
           end) as seq,
       min(s.problem) as problem,
       min(so.name || ' ' || s.mount || '/' || s.path) filter (where s.chosen_number is null and s.state <> 'Unseen') as missing,
       min(so.name || ' ' || s.mount || '/' || s.path) filter (where s.chosen_number is null and s.state = 'Unseen') as unseen,
       min(so.name || ' ' || s.mount || '/' || s.path || ' is ' || lower(s.state)) filter (
           where s.state in ('Deleted', 'Destroyed', 'Missing') and s.chosen_number is not null and bi.pin is null
           and b.spec -> 'delivered' ->> 'source_deletion_policy' = 'Retain') as gone,
       min(so.name || ' ' || s.mount || '/' || s.path || coalesce(' as it was before version ' || s.latest_number, ' as it was before'))
           filter (where s.state = 'WentBack') as went_back,
       min(so.name || ': ' || w.failing) as failing,
       bool_and(s.state in ('Deleted', 'Destroyed', 'Missing') and s.chosen_number is not null and bi.pin is null
           and b.spec -> 'delivered' ->> 'source_deletion_policy' = 'Delete') as all_gone,
       bool_or((b.spec -> 'delivered' ->> 'mode' = 'Observe') is true) as observes
from binding_item bi
join binding b on b.id = bi.binding_id
join secret s on s.id = bi.secret_id
join source so on so.id = s.source_id
left join source_watch w on w.source_id = s.source_id
where bi.cluster_id is null
group by bi.binding_id;

-- The same of those that do not: once a cluster.
create view cluster_content as
select bi.binding_id, bi.cluster_id,
       max(case
               when s.chosen_number is null then 0
               when bi.pin is not null then s.incarnation_seq
               when b.spec -> 'delivered' ->> 'source_deletion_policy' = 'Delete' then greatest(s.chosen_seq, s.presence_seq)
               else s.chosen_seq
           end) as seq,
       min(s.problem) as problem,
       min(so.name || ' ' || s.mount || '/' || s.path) filter (where s.chosen_number is null and s.state <> 'Unseen') as missing,
       min(so.name || ' ' || s.mount || '/' || s.path) filter (where s.chosen_number is null and s.state = 'Unseen') as unseen,
       min(so.name || ' ' || s.mount || '/' || s.path || ' is ' || lower(s.state)) filter (
           where s.state in ('Deleted', 'Destroyed', 'Missing') and s.chosen_number is not null and bi.pin is null
           and b.spec -> 'delivered' ->> 'source_deletion_policy' = 'Retain') as gone,
       min(so.name || ' ' || s.mount || '/' || s.path || coalesce(' as it was before version ' || s.latest_number, ' as it was before'))
           filter (where s.state = 'WentBack') as went_back,
       min(so.name || ': ' || w.failing) as failing,
       bool_and(s.state in ('Deleted', 'Destroyed', 'Missing') and s.chosen_number is not null and bi.pin is null
           and b.spec -> 'delivered' ->> 'source_deletion_policy' = 'Delete') as all_gone,
       bool_or((b.spec -> 'delivered' ->> 'mode' = 'Observe') is true) as observes
from binding_item bi
join binding b on b.id = bi.binding_id
join secret s on s.id = bi.secret_id
join source so on so.id = s.source_id
left join source_watch w on w.source_id = s.source_id
where bi.cluster_id is not null
group by bi.binding_id, bi.cluster_id;

-- As it was, with what is drawn in the one cluster where that differs. Of the two contents there is one, or none yet: then nothing is known to be gone.
create or replace view desired as
select p.cluster_id, p.binding_id, p.answer, p.detail, p.seq as placement_seq, r.epoch,
       case p.answer
           when 'Removed' then p.seq
           when 'Denied' then greatest(p.seq, b.spec_seq)
           else greatest(p.seq, b.spec_seq, i.seq, k.seq)
       end as seq,
       coalesce(i.problem, k.problem) as problem, coalesce(i.missing, k.missing) as missing, coalesce(i.gone, k.gone) as gone,
       coalesce(i.went_back, k.went_back) as went_back, coalesce(i.unseen, k.unseen) as unseen, coalesce(i.failing, k.failing) as failing,
       coalesce(i.all_gone, k.all_gone) as all_gone, coalesce(i.observes, k.observes) as observes,
       -- Whether what the cluster holds is to be deleted there. What only observes holds nothing that would be ours to delete.
       b.spec -> 'delivered' ->> 'mode' is distinct from 'Observe' and case p.answer
           when 'Removed' then p.detail -> 'placement' = '{"Removed": "Delete"}'
           when 'Denied' then (p.detail -> 'placement' -> 'Denied' -> 'Ungranted' ->> 'deletion_policy' = 'Delete') is true
           else coalesce(i.all_gone, k.all_gone, false)
       end as purges,
       r.held as all_held
from placement p
cross join registry r
join binding b on b.id = p.binding_id
left join binding_content i on i.binding_id = p.binding_id
left join cluster_content k on k.binding_id = p.binding_id and k.cluster_id = p.cluster_id;

-- As it was, but for the versions of what is drawn in the one cluster, and where that is not settled.
-- Why nothing is sent anywhere comes from `desired`, which has it: with one join more Postgres would not plan all of them together
-- (join_collapse_limit), and would count deliveries in one process.
create or replace view delivery_status as
select d.cluster_id, d.binding_id, c.name as cluster, b.name as binding, pr.name as project,
       d.epoch as desired_epoch, d.seq as desired_seq,
       l.applied_epoch, l.applied_seq, l.applied_at,
       coalesce(l.targets_applied, 0) as targets_applied, coalesce(l.targets_total, 0) as targets_total,
       x.verdict[1] as status, x.verdict[2] as cause,
       -- The version of each item, in the binding's order: what the cluster has, and what it should have. In step says that they are the same,
       -- also where an older server or agent said nothing more.
       (
           select json_agg(json_build_object(
               'source', so.name, 'mount', s.mount, 'path', s.path,
               'applied', case
                   when not a.has_some then null
                   when a.in_step then w.number
                   when l.applied_secrets[bi.position + 1] = s.id then l.applied_versions[bi.position + 1]
                   else l.applied_versions[array_position(l.applied_secrets, s.id)]
               end,
               'desired', w.number
           ) order by bi.position)
           from binding_item bi
           join secret s on s.id = bi.secret_id
           join source so on so.id = s.source_id
           cross join lateral (
               select case
                   when s.chosen_number is null then null
                   when bi.pin is not null then bi.pin
                   when s.state in ('Deleted', 'Destroyed', 'Missing') and b.spec -> 'delivered' ->> 'source_deletion_policy' = 'Delete' then null
                   else s.chosen_number
               end as number
           ) w
           where bi.binding_id = d.binding_id and (bi.cluster_id is null or bi.cluster_id = d.cluster_id)
       ) as versions,
       case when d.observes then l.would_change end as would_change,
       case when d.observes then l.would_total end as would_total,
       -- How the restarts go that were last reported, while the binding restarts anything.
       case when l.restart_total is not null and b.spec -> 'delivered' -> 'restart' is distinct from '"None"' then json_build_object(
           'epoch', l.restart_epoch, 'seq', l.restart_seq, 'restarted', l.restarted, 'total', l.restart_total, 'healthy', l.restart_healthy,
           'stuck', l.restart_stuck, 'skipped', l.restart_skipped
       ) end as restart,
       coalesce(l.drifted_total, 0) as drifted_total, l.last_drift_at
from desired d
join cluster c on c.id = d.cluster_id
join binding b on b.id = d.binding_id
join project pr on pr.id = b.project_id
left join delivery l on l.binding_id = d.binding_id and l.cluster_id = d.cluster_id
left join session n on n.cluster_id = d.cluster_id
cross join lateral (
    select (l.applied_epoch = d.epoch and l.applied_seq = d.seq) is true as in_step,
           (l.epoch = d.epoch and l.seq = d.seq) is true as attempted,
           l.applied_digest is not null as has_some
) a
cross join lateral (
    select case
        when d.answer = 'Denied' then array['Denied', d.detail ->> 'text']
        when d.all_held is not null then array['Held', d.all_held]
        when c.held is not null then array['Held', c.held]
        when c.state = 'Paused' then array['Paused', 'the cluster is paused; to go on: lockstep cluster resume ' || c.name]
        when c.deletions_held > 0 and a.has_some and not a.in_step and d.seq > c.deletions_confirmed_seq and d.all_gone and not d.observes then array['Held',
            'the delete guard holds back ' || counted(c.deletions_held, 'deletion') || ': more than may go from this cluster at once. '
            || 'It keeps what it has; if they are meant: lockstep confirm ' || c.name]
        when d.observes is null and b.by_cluster then array['Held', 'which secret it draws in this cluster is not settled: another binding draws the '
            || 'same path from another engine. The cluster keeps what it has; it is drawn as soon as that one does not any more']
        when d.went_back is not null then array['Held', 'the source went back: it shows secret ' || d.went_back
            || ', as after a restore. The cluster keeps what it has until the source shows a newer version than that: write it there again, as often as that takes']
        when d.missing is not null then array['Failed', 'secret ' || d.missing
            || ' has no version that can be read: write it in Vault, or correct the binding''s mount and path']
        when d.gone is not null and a.has_some then array['Stale', 'gone at the source (' || d.gone
            || '): the cluster keeps the last good version; write it again, or remove it from the binding']
        when d.gone is not null then array['Failed', 'gone at the source (' || d.gone
            || ') and this cluster never had it: write it again, or remove it from the binding']
        when d.problem is not null then array[case when a.has_some then 'Stale' else 'Failed' end, 'a secret cannot be looked at: ' || d.problem]
        -- A refusal counts also where the revision was confirmed before: an object can be taken over or lost later.
        when a.attempted and l.outcome in ('Conflict', 'Failed', 'Denied') then array[l.outcome, l.cause]
        when a.attempted and l.outcome = 'Unreadable' then array[case when a.has_some then 'Stale' else 'Failed' end, l.cause]
        when d.failing is not null and (a.in_step or a.has_some) then array['Stale', 'source ' || d.failing
            || '; the cluster keeps the last good version']
        when d.failing is not null then array['Failed', 'source ' || d.failing || '; this cluster never had it']
        when a.in_step and not a.has_some and d.observes then array['InSync', 'observing: gone at the source, so there is nothing to compare with']
        when a.in_step and not a.has_some then array['InSync',
            'gone at the source and removed from the cluster, as the binding''s sourceDeletionPolicy asks']
        when l.would_change > 0 and a.in_step and d.observes then array['Pending', observed(l.would_change, l.would_total, l.targets_total)
            || '; to write them: mode: Deliver, and target.secret.adopt: true where another tool owns them']
        when l.would_total is not null and a.in_step and d.observes then array['InSync', observed(l.would_change, l.would_total, l.targets_total)
            || '; to take over: mode: Deliver with target.secret.adopt: true']
        when a.in_step then array['InSync', null]
        when d.unseen is not null then array['Pending', 'secret ' || d.unseen || ' was not looked at yet']
        when c.state = 'Pending' then array['Pending', 'no agent has joined the cluster yet']
        when n.cluster_id is null then array['Pending', 'the cluster''s agent is not connected: its log in the cluster says why']
        when a.attempted and l.outcome = 'Sent' then array['Sending', null]
        else array['Pending', null]
    end as verdict
) x
where d.answer <> 'Removed';
