-- Only adds: a replica of the version before goes on beside this one, and refuses what is revoked.

alter table cluster
    -- Of a revoked cluster: whether its agent is to remove what was delivered, and whether it has confirmed.
    add column purge text not null default 'NotAsked' check (purge in ('NotAsked', 'Asked', 'Done'));
