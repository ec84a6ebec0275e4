-- Usage over time, for reports: a sample whenever an eSIM is found to have used more data, where eSIMs were seen, and when
-- each was first used. Samples and visits are written by triggers, so no program can forget them. A background job sums them
-- by day.

alter table esims.esims add column first_used_at timestamptz;
comment on column esims.esims.first_used_at is
    'When its first bundle started or, if that is not known, when it was first found in use; null: never.';

alter table esims.esim_bundles
    add column used_at timestamptz,
    add column used_source text check (used_source in ('CALLBACK', 'READ')),
    add column highest_used_bytes bigint;
comment on column esims.esim_bundles.used_at is 'When its remaining data was last reported; null: not since this is recorded.';
comment on column esims.esim_bundles.used_source is 'What reported that: a callback, or an answer of the provider.';
comment on column esims.esim_bundles.highest_used_bytes is
    'The most that was ever reported as used. Only use beyond it is a sample, as the provider may correct a report.';

create table esims.usage_samples (
    id bigint generated always as identity primary key,
    xid xid8 not null default pg_current_xact_id(),
    esim_id uuid,
    assignment_id text,
    bundle_name text not null,
    organization_id uuid,
    country text check (country ~ '^[A-Z]{2}$'),
    at timestamptz not null,
    received_at timestamptz not null default now(),
    used_bytes bigint not null,
    previous_bytes bigint not null check (previous_bytes >= 0),
    previous_at timestamptz,
    source text not null check (source in ('CALLBACK', 'READ')),
    bytes bigint not null generated always as (used_bytes - previous_bytes) stored check (bytes > 0),
    gap_seconds bigint generated always as (extract(epoch from at - previous_at)::bigint) stored check (gap_seconds >= 0)
);

comment on table esims.usage_samples is
    'Data that an assignment was found to have used since its previous sample. Kept for USAGE_SAMPLE_DAYS.';
comment on column esims.usage_samples.esim_id is 'Null, as is assignment_id, if the customer of the eSIM was erased.';
comment on column esims.usage_samples.country is 'ISO code of the country where the eSIM was last seen then; null: unknown.';
comment on column esims.usage_samples.at is 'When the callback was received, or the provider queried.';
comment on column esims.usage_samples.received_at is 'When it was recorded.';
comment on column esims.usage_samples.used_bytes is 'Used in all, since the assignment began.';
comment on column esims.usage_samples.previous_bytes is
    'Used in all at the previous sample. 0 for the first, except for bundles that were in use before samples were recorded.';
comment on column esims.usage_samples.previous_at is
    'When less was known to be used: the data was used between this time and `at`. Null: unknown.';

create index usage_samples_in_order on esims.usage_samples (xid, id);
create index usage_samples_by_time on esims.usage_samples (at);
create index usage_samples_of_esim on esims.usage_samples (esim_id, assignment_id) where esim_id is not null;

create table esims.visits (
    id bigint generated always as identity primary key,
    xid xid8 not null default pg_current_xact_id(),
    esim_id uuid,
    bundle_name text not null,
    organization_id uuid,
    country text not null check (country ~ '^[A-Z]{2}$'),
    first_seen_at timestamptz not null,
    last_seen_at timestamptz not null check (last_seen_at >= first_seen_at)
);

comment on table esims.visits is
    'Stays of eSIMs in countries where they registered. Kept for USAGE_SAMPLE_DAYS after the last sign of them.';
comment on column esims.visits.esim_id is 'Null if the customer of the eSIM was erased.';
comment on column esims.visits.bundle_name is 'The bundle that the eSIM was sold with.';
comment on column esims.visits.last_seen_at is
    'The provider reports an eSIM every 24 hours while it is there; after three days without a report a new visit begins.';

create index visits_in_order on esims.visits (xid, id);
create index visits_by_time on esims.visits (first_seen_at);
create index visits_of_esim on esims.visits (esim_id, first_seen_at desc) where esim_id is not null;

-- Days begin at midnight in a time zone.
create table esims.usage_zones (
    time_zone text primary key,
    complete_from date
);

comment on table esims.usage_zones is 'Time zones in which usage is summed by day.';
comment on column esims.usage_zones.complete_from is
    'The first day that is summed wholly, as samples of earlier days were deleted when the zone was added; null: all are.';

create table esims.usage_by_day (
    time_zone text not null,
    day date not null,
    country text not null,
    bundle_name text not null,
    organization_id uuid,
    bytes bigint not null,
    known_bytes bigint not null,
    samples integer not null,
    widest_gap_seconds bigint,
    visits integer not null
) with (fillfactor = 80);
create unique index usage_by_day_once on esims.usage_by_day (
    time_zone, day, country, bundle_name, coalesce(organization_id, '00000000-0000-0000-0000-000000000000')
);

comment on table esims.usage_by_day is 'Sums of samples and visits, on the day on which they were seen.';
comment on column esims.usage_by_day.country is 'ISO code; empty if it is not known.';
comment on column esims.usage_by_day.known_bytes is 'Of these bytes, it is known to within six hours when they were used.';
comment on column esims.usage_by_day.widest_gap_seconds is 'Of the samples whose gap is known; null without any.';
comment on column esims.usage_by_day.visits is 'Visits that began.';

create table esims.bundle_plans (
    bundle_name text primary key,
    plan_id uuid not null
);

comment on table esims.bundle_plans is 'Plan ids of the bundles that have samples or visits; an id is a hash of the name.';

-- Rows become visible in the order of their commits, which is not that of their ids. So rows are summed in the order of (xid,
-- id), and only those of transactions that are older than every running one.
create table esims.usage_watermarks (
    source text primary key check (source in ('samples', 'visits')),
    xid xid8 not null default '0',
    id bigint not null default 0,
    highest_id bigint not null default 0
);
insert into esims.usage_watermarks (source) values ('samples'), ('visits');

comment on table esims.usage_watermarks is 'Up to where samples and visits are summed.';
comment on column esims.usage_watermarks.highest_id is
    'The highest id that is summed: after a restore on another server, (xid, id) alone can''t say what is.';

create table esims.usage_state (
    only_row boolean primary key default true check (only_row),
    recorded_since timestamptz not null default now(),
    kept_since timestamptz,
    older_until uuid,
    older_done boolean not null default false
);
insert into esims.usage_state default values;

comment on table esims.usage_state is 'Since when usage is recorded, and how far the work on older eSIMs is.';
comment on column esims.usage_state.kept_since is 'Samples and visits before it are deleted; null: none is.';
comment on column esims.usage_state.older_until is
    'First use of eSIMs that are older than this record is recorded up to this id; null: of none.';

do $$
declare
    name text;
begin
    foreach name in array array[
        'usage_samples', 'visits', 'usage_zones', 'usage_by_day', 'bundle_plans', 'usage_watermarks', 'usage_state'
    ] loop
        execute format('alter table esims.%I owner to esimgo_owner', name);
        execute format('alter table esims.%I enable row level security', name);
        execute format('alter table esims.%I force row level security', name);
        execute format(
            'create policy system_does_all on esims.%I for all to esims_system using (true) with check (true)', name
        );
        execute format('grant select on esims.%I to esims_system', name);
    end loop;
end
$$;
grant insert, delete on esims.usage_samples, esims.visits to esims_system;
grant update (xid, esim_id, assignment_id) on esims.usage_samples to esims_system;
grant update (xid, esim_id, last_seen_at) on esims.visits to esims_system;
grant insert, update, delete on esims.usage_zones, esims.usage_by_day to esims_system;
grant insert on esims.bundle_plans to esims_system;
grant update on esims.usage_watermarks, esims.usage_state to esims_system;

-- Bytes that a bundle has used; null if they are not counted.
create function esims.used_bytes(b esims.esim_bundles) returns bigint language sql immutable as $f$
select case when not b.unlimited then b.initial_bytes - b.remaining_bytes end
$f$;
alter function esims.used_bytes(esims.esim_bundles) owner to esimgo_owner;

create function esims.measure_use() returns trigger language plpgsql set search_path = '' as $f$
begin
    if tg_op = 'INSERT' then
        new.highest_used_bytes := greatest(esims.used_bytes(new), 0);
    else
        new.highest_used_bytes := greatest(old.highest_used_bytes, esims.used_bytes(old), esims.used_bytes(new), 0);
    end if;
    return new;
end
$f$;
alter function esims.measure_use() owner to esimgo_owner;
create trigger measure_new before insert on esims.esim_bundles
    for each row when (new.remaining_bytes is not null) execute function esims.measure_use();
create trigger measure_use before update on esims.esim_bundles
    for each row when (
        (new.initial_bytes, new.remaining_bytes, new.unlimited)
        is distinct from (old.initial_bytes, old.remaining_bytes, old.unlimited)
    ) execute function esims.measure_use();

create function esims.record_use() returns trigger language plpgsql set search_path = '' as $f$
declare
    before bigint := 0;
    since timestamptz := coalesce(new.started_at, new.assigned_at);
begin
    if tg_op = 'UPDATE' then
        before := greatest(old.highest_used_bytes, esims.used_bytes(old), 0);
        -- A report that comes late says nothing about when the data was used.
        since := case when old.used_at is null or new.used_at > old.used_at then greatest(since, old.used_at) end;
    end if;
    if new.highest_used_bytes <= before then
        return null;
    end if;
    insert into esims.usage_samples (
        esim_id, assignment_id, bundle_name, organization_id, country, at, used_bytes, previous_bytes, previous_at, source
    )
    select l.esim_id, case when l.esim_id is not null then new.assignment_id end, new.name, new.organization_id,
        case when l.country ~ '^[A-Za-z]{2}$' then upper(l.country) end,
        new.read_at, new.highest_used_bytes, before, case when since > new.read_at then new.read_at else since end,
        coalesce(new.used_source, 'READ')
    from (
        select
            case
                when e.customer_id <> '00000000-0000-0000-0000-000000000000' or e.organization_id is not null then e.id
            end as esim_id,
            case
                when e.last_country_at <= new.read_at then e.last_country
                else (
                    select v.country from esims.visits v
                    where v.esim_id = e.id and v.first_seen_at <= new.read_at order by v.first_seen_at desc limit 1
                )
            end as country
        from esims.esims e where e.id = new.esim_id
    ) l;
    return null;
end
$f$;
alter function esims.record_use() owner to esimgo_owner;
create trigger record_use_of_new after insert on esims.esim_bundles
    for each row when (new.highest_used_bytes > 0) execute function esims.record_use();
create trigger record_use after update on esims.esim_bundles
    for each row when (new.highest_used_bytes > 0 and new.highest_used_bytes is distinct from old.highest_used_bytes)
    execute function esims.record_use();

-- That a bundle was read again, with the same use, is no news.
drop trigger notify_change on esims.esim_bundles;
create trigger notify_change after update on esims.esim_bundles
    for each row when (
        (to_jsonb(old) - array['read_at', 'used_at', 'used_source', 'highest_used_bytes', 'updated_at'])
        is distinct from
        (to_jsonb(new) - array['read_at', 'used_at', 'used_source', 'highest_used_bytes', 'updated_at'])
    ) execute function esims.notify_esim();

-- An announced bundle that becomes an assignment keeps its samples.
create function esims.keep_samples() returns trigger language plpgsql set search_path = '' as $f$
begin
    update esims.usage_samples s set assignment_id = new.assignment_id
    where s.esim_id = new.esim_id and s.assignment_id = old.assignment_id;
    return null;
end
$f$;
alter function esims.keep_samples() owner to esimgo_owner;
create trigger keep_samples after update of assignment_id on esims.esim_bundles
    for each row when (new.assignment_id <> old.assignment_id) execute function esims.keep_samples();

create function esims.record_first_use() returns trigger language plpgsql set search_path = '' as $f$
declare
    began constant timestamptz := least(new.started_at, new.read_at);
begin
    update esims.esims e set first_used_at = began
    where e.id = new.esim_id and (e.first_used_at is null or e.first_used_at > began);
    return null;
end
$f$;
alter function esims.record_first_use() owner to esimgo_owner;
create trigger record_first_use_of_new after insert on esims.esim_bundles
    for each row when (
        new.started_at is not null or new.state in ('active', 'depleted') or new.highest_used_bytes > 0
    ) execute function esims.record_first_use();
create trigger record_first_use after update on esims.esim_bundles
    for each row when (
        (new.started_at is not null or new.state in ('active', 'depleted') or new.highest_used_bytes > 0)
        and (new.started_at, new.state, new.highest_used_bytes > 0)
            is distinct from (old.started_at, old.state, old.highest_used_bytes > 0)
    ) execute function esims.record_first_use();

create function esims.record_visit() returns trigger language plpgsql set search_path = '' as $f$
begin
    update esims.visits v set last_seen_at = greatest(v.last_seen_at, new.last_country_at)
    from (
        select l.id, l.country, l.last_seen_at from esims.visits l where l.esim_id = new.id
        order by l.first_seen_at desc, l.id desc limit 1
    ) last
    where v.id = last.id and last.country = upper(new.last_country)
        and new.last_country_at - last.last_seen_at <= interval '3 days';
    if not found then
        insert into esims.visits (esim_id, bundle_name, organization_id, country, first_seen_at, last_seen_at)
        values (
            new.id, new.bundle_name, new.organization_id, upper(new.last_country), new.last_country_at, new.last_country_at
        );
    end if;
    return null;
end
$f$;
alter function esims.record_visit() owner to esimgo_owner;
create trigger record_visit after update of last_country, last_country_at on esims.esims
    for each row when (
        new.last_country ~ '^[A-Za-z]{2}$' and new.last_country_at is not null
        and (new.last_country, new.last_country_at) is distinct from (old.last_country, old.last_country_at)
    ) execute function esims.record_visit();

-- Where a customer was is erased with them; that somebody was there may be counted.
create function esims.unlink_usage() returns trigger language plpgsql set search_path = '' as $f$
begin
    update esims.usage_samples s set esim_id = null, assignment_id = null where s.esim_id = new.id;
    update esims.visits v set esim_id = null where v.esim_id = new.id;
    return null;
end
$f$;
alter function esims.unlink_usage() owner to esimgo_owner;
create trigger unlink_usage after update of customer_id on esims.esims
    for each row when (
        new.customer_id = '00000000-0000-0000-0000-000000000000' and new.organization_id is null
        and old.customer_id <> new.customer_id
    ) execute function esims.unlink_usage();

-- Changes of eSIMs also say when it was installed and first used.
create function esims.esim_change(e esims.esims) returns jsonb language sql stable as $f$
select jsonb_build_object(
    'iccid', e.iccid, 'order_id', e.order_id, 'plan_id', e.plan_id, 'status', e.status,
    'group_id', e.group_id, 'traveler_id', e.traveler_id, 'installed', e.installed_at is not null,
    'installed_at', to_char(e.installed_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
    'first_used_at', to_char(e.first_used_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
)
$f$;
alter function esims.esim_change(esims.esims) owner to esimgo_owner;
comment on function esims.esim_change(esims.esims) is 'Returns the body of a change of an eSIM.';

create or replace function esims.record_esim_change() returns trigger language plpgsql set search_path = '' as $f$
declare
    change constant bigint := nextval('esims.outbox_id_seq');
begin
    insert into esims.outbox (id, type, subject_id, organization_id, customer_id, version, body)
    overriding system value
    values (change, 'esim', new.id, new.organization_id, new.customer_id, change, esims.esim_change(new));
    return null;
end
$f$;
drop trigger record_change on esims.esims;
create trigger record_change after update on esims.esims
    for each row when (
        (
            old.customer_id, old.organization_id, old.group_id, old.traveler_id, old.status, old.installed_at,
            old.first_used_at
        ) is distinct from (
            new.customer_id, new.organization_id, new.group_id, new.traveler_id, new.status, new.installed_at,
            new.first_used_at
        )
    ) execute function esims.record_esim_change();
