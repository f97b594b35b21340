-- How long a replica's own certificate lives and how often a source is looked at, for who asks whether that is in time. Only adds: a replica of the
-- version before goes on beside this one.

alter table replica_trust
    -- In seconds, from when it was signed; null: noted by a version that did not say.
    add column certificate_life_s bigint;

alter table source_watch
    -- As the replica that watches it is configured; null: noted by a version that did not say.
    add column interval_ms bigint;
