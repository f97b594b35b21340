-- The registry. Rules for whoever writes here:
--   * every change first takes the next number (registry.seq) and holds that row's lock to its commit;
--   * placement has one writer, the planner; delivery has one writer, the reports;
--   * no column ever holds material. Digests are keyed; tokens are stored hashed.

create table registry (
    one   boolean primary key default true check (one),
    id    uuid    not null default gen_random_uuid(),
    epoch bigint  not null default 1,
    seq   bigint  not null default 0,
    hash  bytea   not null default decode(repeat('00', 32), 'hex'),
    held  text                       -- why nothing is sent to any cluster
);
insert into registry default values;

-- History and audit in one. detail is json, not jsonb: the hash is over its exact text.
create table change (
    seq     bigint primary key,
    epoch   bigint      not null,
    at      timestamptz not null,
    actor   text        not null,
    kind    text        not null,
    subject text        not null,
    detail  json        not null,
    hash    bytea       not null
);
create index change_subject on change (subject, seq);

create table api_token (
    id           uuid primary key default gen_random_uuid(),
    name         text        not null unique,
    hash         bytea       not null unique,
    created_at   timestamptz not null default now(),
    last_used_at timestamptz,
    revoked_at   timestamptz
);

create table project (
    id          uuid primary key default gen_random_uuid(),
    name        text        not null unique,
    labels      jsonb       not null default '{}',
    annotations jsonb       not null default '{}',
    description text,
    seq         bigint      not null,
    created_at  timestamptz not null default now()
);

create table source (
    id          uuid primary key default gen_random_uuid(),
    name        text        not null unique,
    labels      jsonb       not null default '{}',
    annotations jsonb       not null default '{}',
    spec        jsonb       not null,
    seq         bigint      not null,
    created_at  timestamptz not null default now()
);

-- How watching a source goes. Written by the holder of its watch lease only.
create table source_watch (
    source_id uuid primary key references source on delete cascade,
    swept_at  timestamptz,
    failing   text                   -- why it has not been looked at for several intervals
);

create table cluster (
    id               uuid primary key default gen_random_uuid(),
    name             text        not null unique,
    labels           jsonb       not null default '{}',
    annotations      jsonb       not null default '{}',
    state            text        not null default 'Pending'
        check (state in ('Pending', 'Active', 'Paused', 'Revoked', 'Removing')),
    instance_id      uuid,           -- of the agent that joined last; no other certificate is accepted
    held             text,           -- why nothing is sent
    unknown_bindings bigint      not null default 0,
    seq              bigint      not null,
    created_at       timestamptz not null default now()
);

create table join_token (
    id          uuid primary key default gen_random_uuid(),
    cluster_id  uuid        not null references cluster on delete cascade,
    hash        bytea       not null unique,
    expires_at  timestamptz not null,
    revoked_at  timestamptz,
    claimed_key bytea,               -- SHA-256 of the public key that used it: that one may retry, no other can
    instance_id uuid
);
create index join_token_cluster on join_token (cluster_id);

-- The newest certificate of each agent installation: what an expired agent proves itself with.
create table agent_certificate (
    instance_id uuid primary key,
    cluster_id  uuid        not null references cluster on delete cascade,
    public_key  bytea       not null, -- SHA-256 of its SubjectPublicKeyInfo
    serial      text        not null,
    not_after   timestamptz not null
);

create table "grant" (
    id          uuid primary key default gen_random_uuid(),
    name        text        not null unique,
    labels      jsonb       not null default '{}',
    annotations jsonb       not null default '{}',
    project_id  uuid        not null references project,
    spec        jsonb       not null,
    seq         bigint      not null,
    created_at  timestamptz not null default now()
);
create index grant_project on "grant" (project_id);

create table binding (
    id          uuid primary key default gen_random_uuid(),
    name        text        not null,
    labels      jsonb       not null default '{}',
    annotations jsonb       not null default '{}',
    project_id  uuid        not null references project,
    spec        jsonb       not null,
    spec_seq    bigint      not null, -- the change that last altered spec.delivered
    seq         bigint      not null,
    created_at  timestamptz not null default now(),
    deleted_at  timestamptz          -- kept until every placement's tombstone was acked
);
create unique index binding_name on binding (name) where deleted_at is null;
create index binding_project on binding (project_id);
create index binding_spec_seq on binding (spec_seq);

create table secret (
    id                 uuid primary key default gen_random_uuid(),
    source_id          uuid   not null references source,
    mount              text   not null,
    path               text   not null,
    state              text   not null default 'Unseen',
    began_token        bigint not null default 0,
    began_ordinal      bigint not null default 0,
    latest_incarnation timestamptz,
    latest_number      bigint,
    latest_created     timestamptz,
    chosen_incarnation timestamptz,
    chosen_number      bigint,
    chosen_created     timestamptz,
    chosen_seq         bigint not null default 0,
    incarnation_seq    bigint not null default 0,
    presence_seq       bigint not null default 0,
    trace              text,         -- of the observation that moved chosen
    problem            text,         -- why this one cannot be looked at, while the source can
    unique (source_id, mount, path)
);
-- What moved since: dispatch asks on every commit, and must not look at what did not.
create index secret_moved on secret (greatest(chosen_seq, incarnation_seq, presence_seq));

create table version (
    secret_id   uuid        not null references secret on delete cascade,
    incarnation timestamptz not null,
    number      bigint      not null,
    created     timestamptz not null,
    seq         bigint      not null, -- the change that recorded it
    primary key (secret_id, incarnation, number)
);

create table binding_item (
    binding_id uuid not null references binding on delete cascade,
    position   int  not null,
    secret_id  uuid not null references secret,
    pin        bigint,
    primary key (binding_id, position)
);
create index binding_item_secret on binding_item (secret_id);

create table placement (
    binding_id uuid   not null references binding on delete cascade,
    cluster_id uuid   not null references cluster on delete cascade,
    answer     text   not null check (answer in ('Placed', 'Denied', 'Removed')),
    detail     jsonb  not null,      -- the whole answer, with its reason or policy
    seq        bigint not null,
    primary key (binding_id, cluster_id)
);
create index placement_cluster on placement (cluster_id);
create index placement_seq on placement (seq);

create table delivery (
    binding_id      uuid   not null,
    cluster_id      uuid   not null,
    -- the last attempt
    epoch           bigint not null,
    seq             bigint not null,
    outcome         text   not null,
    cause           text,
    at              timestamptz not null,
    -- the last confirmation
    applied_epoch   bigint,
    applied_seq     bigint,
    applied_key     text,
    applied_digest  bytea,
    applied_at      timestamptz,
    targets_applied int    not null default 0,
    targets_total   int    not null default 0,
    primary key (binding_id, cluster_id),
    foreign key (binding_id, cluster_id) references placement on delete cascade
);
create index delivery_cluster on delivery (cluster_id);

create table session (
    cluster_id            uuid primary key references cluster on delete cascade,
    id                    uuid        not null,
    replica               text        not null,
    instance_id           uuid        not null,
    lease_term            bigint      not null,
    agent_version         text        not null,
    certificate_not_after timestamptz not null,
    connected_at          timestamptz not null default now(),
    heard_at              timestamptz not null default now()
);

create table lease (
    name       text primary key,
    holder     text        not null,
    token      bigint      not null,
    expires_at timestamptz not null
);

-- Whether labels meet every requirement of a stored selector; lockstep_core::selector in SQL, for lists only.
create function selected(labels jsonb, selector jsonb) returns boolean language sql immutable as $$
    select not exists (
        select from jsonb_to_recordset(selector) as r(key text, operator text, "values" jsonb)
        where not case r.operator
            when 'In' then coalesce(r."values" ? (labels ->> r.key), false)
            when 'NotIn' then not coalesce(r."values" ? (labels ->> r.key), false)
            when 'Exists' then labels ? r.key
            else not labels ? r.key
        end)
$$;

-- What a binding's secrets add to its revision, and what is wrong with them: once a binding, in however many clusters it is.
create view binding_content as
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
       min(so.name || ': ' || w.failing) as failing
from binding_item bi
join binding b on b.id = bi.binding_id
join secret s on s.id = bi.secret_id
join source so on so.id = s.source_id
left join source_watch w on w.source_id = s.source_id
group by bi.binding_id;

-- What each cluster should hold, as a revision. The same rule as lockstep_core::plan::revision; a store test compares the two.
create view desired as
select p.cluster_id, p.binding_id, p.answer, p.detail, p.seq as placement_seq, r.epoch,
       case
           when p.answer = 'Removed' then p.seq
           else greatest(p.seq, b.spec_seq, coalesce(i.seq, 0))
       end as seq,
       i.problem, i.missing, i.gone, i.went_back, i.unseen, i.failing
from placement p
cross join registry r
join binding b on b.id = p.binding_id
left join binding_content i on i.binding_id = p.binding_id;

-- How each placement stands, for the API, metrics and Grafana alike. Tombstones are not deliveries.
-- The first rule that holds gives status and cause. A cause says what is so, what that means for the cluster, and what to do.
create view delivery_status as
select d.cluster_id, d.binding_id, c.name as cluster, b.name as binding, pr.name as project,
       d.epoch as desired_epoch, d.seq as desired_seq,
       l.applied_epoch, l.applied_seq, l.applied_at,
       coalesce(l.targets_applied, 0) as targets_applied, coalesce(l.targets_total, 0) as targets_total,
       x.verdict[1] as status, x.verdict[2] as cause
from desired d
join cluster c on c.id = d.cluster_id
join binding b on b.id = d.binding_id
join project pr on pr.id = b.project_id
cross join registry r
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
        when r.held is not null then array['Held', r.held]
        when c.held is not null then array['Held', c.held]
        when c.state = 'Paused' then array['Paused', 'the cluster is paused; to go on: lockstep cluster resume ' || c.name]
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
        when a.in_step and not a.has_some then array['InSync',
            'gone at the source and removed from the cluster, as the binding''s sourceDeletionPolicy asks']
        when a.in_step then array['InSync', null]
        when d.unseen is not null then array['Pending', 'secret ' || d.unseen || ' was not looked at yet']
        when c.state = 'Pending' then array['Pending', 'no agent has joined the cluster yet']
        when n.cluster_id is null then array['Pending', 'the cluster''s agent is not connected: its log in the cluster says why']
        when a.attempted and l.outcome = 'Sent' then array['Sending', null]
        else array['Pending', null]
    end as verdict
) x
where d.answer <> 'Removed';
