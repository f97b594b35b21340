-- What a secret is drawn from, and what tells its versions apart where Vault has no number for them. Only adds: a replica of the version
-- before goes on beside this one, and takes every secret for one of KV version 2. Bind others once all replicas are of this version.

alter table secret
    add column engine      text not null default 'KvV2' check (engine in ('KvV2', 'KvV1', 'StaticRole', 'RolePair')),
    add column latest_mark text,
    add column chosen_mark text;

alter table version add column mark text;
