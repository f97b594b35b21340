-- Who may do what. Only adds: a replica of the version before goes on beside this one, but takes every token for an administrator's, so
-- lesser ones are minted once none is left.

alter table api_token
    -- Roles at scopes. Tokens from before keep what they could.
    add column access      jsonb not null default '[{"role": "Admin", "scope": "Everything"}]',
    add column description text,
    add column expires_at  timestamptz;

create table role_assignment (
    id          uuid primary key default gen_random_uuid(),
    name        text        not null unique,
    labels      jsonb       not null default '{}',
    annotations jsonb       not null default '{}',
    spec        jsonb       not null,
    seq         bigint      not null,
    created_at  timestamptz not null default now()
);

-- Who was told no, and to what. One row for the same thing, however often it was tried; tidied by age and number. Beside the history, which
-- whoever is refused could otherwise fill.
create table refusal (
    actor    text        not null,
    action   text        not null, -- method and path template
    subject  text        not null, -- the path
    code     text        not null,
    reason   text        not null,
    times    bigint      not null default 1,
    first_at timestamptz not null default now(),
    last_at  timestamptz not null default now(),
    primary key (actor, action, subject)
);
create index refusal_last on refusal (last_at);

-- Whether a caller's reach has something of this project, or in a cluster with these labels; lockstep_core::access::Reach in SQL, for lists only.
create function reached(reach jsonb, project text, labels jsonb) returns boolean language sql immutable as $$
    select (reach ->> 'everything')::boolean
        or coalesce(reach -> 'projects' ? project, false)
        or (labels is not null
            and exists (select from jsonb_array_elements(reach -> 'clusters') as c(selector) where selected(labels, c.selector)))
$$;

-- Whether all of a scope at which somebody has a role is within a caller's reach; lockstep_core::access::Scope::contains in SQL, for lists only.
create function scope_reached(reach jsonb, scope jsonb) returns boolean language sql immutable as $$
    select (reach ->> 'everything')::boolean
        or coalesce(reach -> 'projects' ? (scope ->> 'Project'), false)
        or exists (select from jsonb_array_elements(reach -> 'clusters') as c(selector) where c.selector = scope -> 'Clusters')
$$;

-- As it was, but for what is denied: its content depends on no secret, and where no grant allows it and the binding says so, what the cluster
-- holds is deleted there.
create or replace view desired as
select p.cluster_id, p.binding_id, p.answer, p.detail, p.seq as placement_seq, r.epoch,
       case p.answer
           when 'Removed' then p.seq
           when 'Denied' then greatest(p.seq, b.spec_seq)
           else greatest(p.seq, b.spec_seq, coalesce(i.seq, 0))
       end as seq,
       i.problem, i.missing, i.gone, i.went_back, i.unseen, i.failing, i.all_gone, i.observes,
       -- Whether what the cluster holds is to be deleted there. What only observes holds nothing that would be ours to delete.
       b.spec -> 'delivered' ->> 'mode' is distinct from 'Observe' and case p.answer
           when 'Removed' then p.detail -> 'placement' = '{"Removed": "Delete"}'
           when 'Denied' then (p.detail -> 'placement' -> 'Denied' -> 'Ungranted' ->> 'deletion_policy' = 'Delete') is true
           else coalesce(i.all_gone, false)
       end as purges
from placement p
cross join registry r
join binding b on b.id = p.binding_id
left join binding_content i on i.binding_id = p.binding_id;
