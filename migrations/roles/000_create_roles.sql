-- Who owns the tables, who logs in, and what a session may become; and, on a database that is not
-- Supabase's, functions compatible with its auth.uid(), auth.jwt() and auth.role().
--
-- For each owner S (catalogue, orders, esims, webhooks):
--   S_service  logs in, has no right on any table, and may only become one of the two below
--   S_user     sees what row security lets the claims of the session see
--   S_system   sees all rows of S: sync, recovery, delivery
-- Roles belong to the whole server, so another database on it may have made them already.

do $$
declare
    role_name text;
    owner_name text;
begin
    if not exists (select from pg_roles where rolname = 'esimgo_owner') then
        create role esimgo_owner nologin;
    end if;
    -- A superuser needs no membership; anybody else does, to hand tables over. Having created the
    -- role isn't enough since PostgreSQL 16, and a second grant does no harm.
    if not (select rolsuper from pg_roles where rolname = current_user) then
        execute format('grant esimgo_owner to %I', current_user);
    end if;
    execute format('grant create on database %I to esimgo_owner', current_database());

    foreach owner_name in array array['catalogue', 'orders', 'esims', 'webhooks'] loop
        foreach role_name in array array[owner_name || '_user', owner_name || '_system'] loop
            if not exists (select from pg_roles where rolname = role_name) then
                execute format('create role %I nologin', role_name);
            end if;
        end loop;
        if not exists (select from pg_roles where rolname = owner_name || '_service') then
            execute format('create role %I login noinherit', owner_name || '_service');
        end if;
        execute format(
            'grant %I, %I to %I',
            owner_name || '_user', owner_name || '_system', owner_name || '_service'
        );
        execute format('create schema %I authorization esimgo_owner', owner_name);
        execute format(
            'grant usage on schema %I to %I, %I',
            owner_name, owner_name || '_user', owner_name || '_system'
        );
    end loop;
end
$$;

-- Processes look here, with their own login, whether the schema is new enough for them.
grant usage on schema migrations
    to catalogue_service, orders_service, esims_service, webhooks_service;
grant select on migrations.applied
    to catalogue_service, orders_service, esims_service, webhooks_service;

do $$
begin
    -- Supabase has its own; they are left alone.
    if to_regprocedure('auth.uid()') is not null then
        return;
    end if;
    create schema if not exists auth;
    -- After a transaction that set it, the setting is '' on a pooled connection, not null.
    create function auth.jwt() returns jsonb language sql stable as
        $f$ select nullif(current_setting('request.jwt.claims', true), '')::jsonb $f$;
    create function auth.uid() returns uuid language sql stable as
        $f$ select nullif(auth.jwt() ->> 'sub', '')::uuid $f$;
    create function auth.role() returns text language sql stable as
        $f$ select auth.jwt() ->> 'role' $f$;
    grant usage on schema auth to
        catalogue_user, orders_user, esims_user, webhooks_user,
        catalogue_system, orders_system, esims_system, webhooks_system;
end
$$;
