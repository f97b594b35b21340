-- Certificates that are due by their age, and one for each cluster. Only adds; a replica of the version before cannot read such rotations: write them once
-- all replicas are of this version.

alter table rotation
    -- Since when what is rotated is what it is: a certificate that was issued before is not what is asked for.
    add column kind_at    timestamptz not null default now(),
    -- Of one cluster's own part of a rotation: which. It follows from the rotation that people wrote and from what is placed.
    add column parent_id  uuid references rotation on delete cascade,
    add column cluster_id uuid references cluster on delete cascade;
create unique index rotation_own on rotation (parent_id, cluster_id) where parent_id is not null;
