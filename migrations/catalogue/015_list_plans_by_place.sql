-- Lists by country, region, group and kind of data in every order, so that a page costs the same however many plans there are.

create table catalogue.plan_places (
    place text collate "C" not null,
    name text collate "C" not null,
    id uuid not null,
    price numeric not null,
    duration_days integer not null,
    data_rank bigint not null,
    unlimited boolean not null,
    groups text[] not null,
    region_keys text[] not null,
    updated_at timestamptz not null,
    primary key (place, name)
);

comment on table catalogue.plan_places is
    'What is on sale, once for each place, group or kind of data that a list is filtered by; kept by triggers of data_plans.';
comment on column catalogue.plan_places.place is
    '"country:" with an ISO code or a name, "region:" with a region, folded; "group:" with a group; "unlimited:" with true or false.';

-- One for each order; by name it is the primary key.
create index plan_places_by_price on catalogue.plan_places (place, price, name);
create index plan_places_by_duration on catalogue.plan_places (place, duration_days, name);
create index plan_places_by_data on catalogue.plan_places (place, data_rank, name);
-- And for plans of one duration, which prices and amounts of data go with.
create index plan_places_by_duration_and_price on catalogue.plan_places
    (place, duration_days, price, name);
create index plan_places_by_duration_and_data on catalogue.plan_places
    (place, duration_days, data_rank, name);
-- For the triggers.
create index plan_places_by_id on catalogue.plan_places (id);

create function catalogue.places_of(
    country_keys text[], region_keys text[], groups text[], unlimited boolean
)
returns setof text language sql immutable parallel safe
-- Folded names are at most as long as what an index takes; longer ones can't be asked for either.
begin atomic
    select distinct place from (
        select 'country:' || key from unnest(country_keys) as key
        union all
        select 'region:' || key from unnest(region_keys) as key
        union all
        select 'group:' || key from unnest(groups) as key
        union all
        select 'unlimited:' || unlimited
    ) as places (place)
    where length(place) <= 220;
end;
alter function catalogue.places_of(text[], text[], text[], boolean) owner to esimgo_owner;

-- Plans that are on sale already. Whoever migrates may be no superuser, and forced security would hide them.
alter table catalogue.data_plans no force row level security;
insert into catalogue.plan_places (
    place, name, id, price, duration_days, data_rank, unlimited, groups, region_keys, updated_at
)
select
    place, name, id, price, duration_days, data_rank, unlimited, groups, region_keys, updated_at
from catalogue.data_plans, catalogue.places_of(country_keys, region_keys, groups, unlimited) as place
where offered;
alter table catalogue.data_plans force row level security;

alter table catalogue.plan_places owner to esimgo_owner;
alter table catalogue.plan_places enable row level security;
alter table catalogue.plan_places force row level security;

create policy everyone_reads on catalogue.plan_places
    for select to catalogue_user using (true);
create policy admins_show on catalogue.plan_places
    for insert to catalogue_user
    with check (((select auth.jwt()) #>> '{app_metadata,role}') = 'admin');
create policy admins_hide on catalogue.plan_places
    for delete to catalogue_user
    using (((select auth.jwt()) #>> '{app_metadata,role}') = 'admin');
create policy system_does_all on catalogue.plan_places
    for all to catalogue_system using (true) with check (true);

grant select, insert, delete on catalogue.plan_places to catalogue_user;
grant select, insert, delete on catalogue.plan_places to catalogue_system;

create function catalogue.add_places() returns trigger language plpgsql set search_path = '' as
$$
begin
    insert into catalogue.plan_places (
        place, name, id, price, duration_days, data_rank, unlimited, groups, region_keys,
        updated_at
    )
    select place, name, id, price, duration_days, data_rank, unlimited, groups, region_keys,
           updated_at
    from new_rows,
         catalogue.places_of(country_keys, region_keys, groups, unlimited) as place
    where offered;
    return null;
end
$$;
alter function catalogue.add_places() owner to esimgo_owner;

create function catalogue.replace_places() returns trigger language plpgsql set search_path = '' as
$$
begin
    delete from catalogue.plan_places using old_rows where plan_places.id = old_rows.id;
    insert into catalogue.plan_places (
        place, name, id, price, duration_days, data_rank, unlimited, groups, region_keys,
        updated_at
    )
    select place, name, id, price, duration_days, data_rank, unlimited, groups, region_keys,
           updated_at
    from new_rows,
         catalogue.places_of(country_keys, region_keys, groups, unlimited) as place
    where offered;
    return null;
end
$$;
alter function catalogue.replace_places() owner to esimgo_owner;

create trigger add_places after insert on catalogue.data_plans
    referencing new table as new_rows
    for each statement execute function catalogue.add_places();
create trigger replace_places after update on catalogue.data_plans
    referencing old table as old_rows new table as new_rows
    for each statement execute function catalogue.replace_places();

-- With the name, so that a page of one duration in the order of price or data is read as it lies.
drop index catalogue.data_plans_by_duration_and_price;
create index data_plans_by_duration_and_price on catalogue.data_plans
    (duration_days, price, name) where offered;
create index data_plans_by_duration_and_data on catalogue.data_plans
    (duration_days, data_rank, name) where offered;

-- Text is found by its pieces of three signs, with what PostgreSQL has of its own: pg_trgm is not everywhere.
create function catalogue.pieces(given text) returns text[] language sql immutable strict parallel safe
begin atomic
    select array(
        select distinct substr(given, start, 3) from generate_series(1, length(given) - 2) as start
    );
end;
alter function catalogue.pieces(text) owner to esimgo_owner;
create index data_plans_by_text on catalogue.data_plans
    using gin (catalogue.pieces(search_text)) with (fastupdate = off) where offered;
