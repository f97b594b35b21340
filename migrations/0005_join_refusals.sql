-- Only adds: a replica of the version before goes on beside this one.

alter table join_token
    -- The reasons that it was refused for and that are in the history: each once, or whoever has an old token could fill it.
    add column refusals text[] not null default '{}';
