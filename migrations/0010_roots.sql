-- Only adds: a replica of the version before goes on beside this one, and says nothing of roots.

alter table agent_certificate
    -- SHA-256 of the key of the root that the certificate chains to that the agent showed last; null: not known.
    add column root bytea,
    -- The same of the roots that the agent said it trusts; null: it did not say.
    add column roots bytea[];

-- What each replica trusts and shows, said by itself while it runs.
create table replica_trust (
    replica   text primary key,
    root      bytea, -- of its own certificate
    roots     bytea[]     not null,
    not_after timestamptz not null,
    seen_at   timestamptz not null default now()
);
