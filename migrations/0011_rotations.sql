-- Rotations and their runs. Only adds: a replica of the version before goes on beside this one and rotates nothing.

create table rotation (
    id          uuid primary key default gen_random_uuid(),
    name        text        not null unique,
    labels      jsonb       not null default '{}',
    annotations jsonb       not null default '{}',
    project_id  uuid        not null references project,
    spec        jsonb       not null,
    seq         bigint      not null,
    created_at  timestamptz not null default now(),
    settled_at  timestamptz not null default now(), -- up to here every due time had its run, or was skipped
    due_at      timestamptz,                        -- the next one; null: none
    look_at     timestamptz not null default now(), -- when to look at it next: its due time and jitter, or when a window opens
    waits_for   text                                -- why a run that is due does not begin
);
create index rotation_look on rotation (look_at);
create index rotation_project on rotation (project_id);

create table rotation_run (
    id          uuid primary key default gen_random_uuid(),
    rotation_id uuid        not null references rotation on delete cascade,
    due_at      timestamptz not null,
    actor       text        not null,               -- who asked for it, or the schedule
    stage       jsonb       not null,               -- lockstep_core::rotation::stage::Stage
    since       timestamptz not null default clock_timestamp(), -- when it came there
    passed      jsonb       not null default '[]',  -- each stage with the time it was entered
    held        text,                               -- why it does not come to its end
    trouble     text,                               -- why what the stage is for did not work when it was tried last
    attempts    int         not null default 0,     -- how often it was tried
    started_at  timestamptz not null default clock_timestamp(),
    ended_at    timestamptz,
    -- The one replica that works on it: whoever takes it over gets a greater token, and what comes late is refused.
    holder      text,
    token       bigint      not null default 0,
    wake_at     timestamptz not null default now(), -- from here on anybody may take it
    -- Any number of replicas may find the same due time; one of them makes this row.
    unique (rotation_id, due_at)
);
create unique index rotation_run_open on rotation_run (rotation_id) where ended_at is null;
create index rotation_run_wake on rotation_run (wake_at) where ended_at is null;
