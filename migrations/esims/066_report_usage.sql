-- Reports about the use of eSIMs: when bundles ended, and a role that only reads.

alter table esims.esim_bundles add column ended_at timestamptz;
comment on column esims.esim_bundles.ended_at is
    'When it was used up or its time was over; null: it has not ended, or was revoked.';

create function esims.record_end() returns trigger language plpgsql set search_path = '' as $f$
begin
    if new.state not in ('depleted', 'expired', 'lapsed') then
        new.ended_at := null;
    elsif new.state <> 'depleted' and isfinite(new.ends_at) then
        new.ended_at := new.ends_at;
    else
        -- The provider does not report when, so it ended when that was first reported.
        new.ended_at := new.read_at;
    end if;
    return new;
end
$f$;
alter function esims.record_end() owner to esimgo_owner;

-- Row security applies to the owner as well. Nothing that customers see changes, so no notice is sent.
alter table esims.esim_bundles no force row level security;
alter table esims.esim_bundles disable trigger user;
update esims.esim_bundles b set ended_at = case
    when b.state <> 'depleted' and isfinite(b.ends_at) then b.ends_at
    else b.read_at
end
where b.state in ('depleted', 'expired', 'lapsed');
alter table esims.esim_bundles enable trigger user;
alter table esims.esim_bundles force row level security;

create trigger record_end before insert or update on esims.esim_bundles
    for each row when ((new.state in ('depleted', 'expired', 'lapsed')) <> (new.ended_at is not null))
    execute function esims.record_end();

create index esim_bundles_by_start on esims.esim_bundles (started_at) where started_at is not null;
create index esim_bundles_by_end on esims.esim_bundles (ended_at) where ended_at is not null;
create index esims_to_be_deleted on esims.esims (id)
    where deletion_announced_at is not null and provider_state <> 'deactivated';

-- Reports read with a role that can do nothing else. Its login may be used by other programs too, and on a replica.
do $$
begin
    -- Roles belong to the whole server: another database may have made it, with another login.
    if not exists (select from pg_roles where rolname = 'esims_reports') then
        create role esims_reports login noinherit;
        alter role esims_reports set default_transaction_read_only = on;
        grant esims_reports to esims_service;
    end if;
end
$$;
grant usage on schema esims, migrations to esims_reports;
grant select on migrations.applied to esims_reports;

do $$
declare
    name text;
begin
    foreach name in array array[
        'usage_samples', 'visits', 'usage_zones', 'usage_by_day', 'bundle_plans', 'usage_watermarks', 'usage_state'
    ] loop
        execute format('grant select on esims.%I to esims_reports', name);
    end loop;
    foreach name in array array[
        'usage_samples', 'visits', 'usage_zones', 'usage_by_day', 'bundle_plans', 'usage_watermarks', 'usage_state',
        'esims', 'esim_bundles'
    ] loop
        execute format('create policy reports_read on esims.%I for select to esims_reports using (true)', name);
    end loop;
end
$$;
-- Of eSIMs, only what reports count.
grant select (
    id, order_id, plan_id, bundle_name, organization_id, group_id, status, provider_state, order_cancelled_at, created_at,
    installed_at, activated_at, first_used_at, deletion_announced_at
) on esims.esims to esims_reports;
grant select (
    esim_id, assignment_id, organization_id, name, state, initial_bytes, remaining_bytes, highest_used_bytes, unlimited,
    assigned_at, started_at, ends_at, ended_at, absent_since, created_at
) on esims.esim_bundles to esims_reports;
