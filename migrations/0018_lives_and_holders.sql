-- How long certificates live, for alerts that are relative to it; and who holds a secret, found without a look at all placements. Only adds: a
-- replica of the version before goes on beside this one.

alter table agent_certificate
    -- When it was signed; null: by a version that did not note it.
    add column signed_at timestamptz;

-- Written when an agent first confirms a binding, or other secrets of it. Without a condition: a column that is named there and changes with each new
-- content (applied_digest) would have each confirmation write the index, too.
create index delivery_applied_secrets on delivery using gin (applied_secrets);
