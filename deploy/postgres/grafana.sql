-- A role that reads the views of schema `grafana` and nothing else. Run once, after lockstep-server has made its schema, in Lockstep's database, by
-- whoever may make roles (on a managed Postgres its administrator, who must be a member of the role that lockstep-server logs in as). Running it again
-- does no harm. Any client will do; docs/dashboards.md says how a login gets the role.

do $$
begin
    create role lockstep_grafana nologin;
exception
    when duplicate_object or unique_violation then null;  -- roles belong to all databases of the server
end
$$;

grant usage on schema grafana to lockstep_grafana;
grant select on all tables in schema grafana to lockstep_grafana;

do $$
begin
    -- Views that a later version of Lockstep adds.
    execute format('alter default privileges for role %s in schema grafana grant select on tables to lockstep_grafana',
        (select nspowner::regrole from pg_namespace where nspname = 'grafana'));
    -- Whoever may connect may otherwise fill the disk with temporary tables. The owner keeps its right.
    execute format('revoke temporary on database %I from public', current_database());
end
$$;
