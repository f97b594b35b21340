-- Only adds: a replica of the version before goes on beside this one, and knows of no windows.

-- When rotations may act, and when not.
create table maintenance_window (
    id          uuid primary key default gen_random_uuid(),
    name        text        not null unique,
    labels      jsonb       not null default '{}',
    annotations jsonb       not null default '{}',
    spec        jsonb       not null,
    seq         bigint      not null,
    created_at  timestamptz not null default now()
);
