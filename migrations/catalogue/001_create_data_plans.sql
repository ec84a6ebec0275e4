-- Plans that can be bought, an administrator's choice of featured ones, and how reading them went.

create table catalogue.data_plans (
    id uuid primary key,
    name text collate "C" not null unique check (name <> ''),
    description text not null,
    region text not null check (region <> ''),
    groups text[] not null,
    countries jsonb not null check (jsonb_typeof(countries) = 'array'),
    duration_days integer not null check (duration_days > 0),
    price numeric not null check (price >= 0 and price < 1e12),
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    data_mb bigint check (data_mb >= 0),
    unlimited boolean not null,
    speeds text[] not null,
    autostart boolean not null,
    profile_name text not null,
    allowances jsonb not null check (jsonb_typeof(allowances) = 'array'),
    region_keys text[] not null,
    country_keys text[] not null,
    search_text text not null,
    withdrawn boolean not null default false,
    hidden boolean not null default false,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    offered boolean not null generated always as (not withdrawn and not hidden) stored,
    price_per_day numeric not null generated always as (round(price / duration_days, 6)) stored,
    data_rank bigint not null generated always as (
        case when unlimited then 9223372036854775807 else coalesce(data_mb, 0) end
    ) stored,
    constraint unlimited_has_no_amount check (not unlimited or data_mb is null)
);

comment on table catalogue.data_plans is
    'One row for each bundle that the provider ever offered. Rows are never deleted: orders name them.';
comment on column catalogue.data_plans.id is 'UUID version 5 of the name: the same in every database.';
comment on column catalogue.data_plans.name is 'The provider''s bundle name: opaque and case-sensitive.';
comment on column catalogue.data_plans.price is
    'In `currency`, exactly as the provider writes it: two or three decimal places, so no fixed scale.';
comment on column catalogue.data_plans.data_mb is 'Base 10: 1GB is 1000. Null when unlimited.';
comment on column catalogue.data_plans.countries is '[{name, iso, region}] in the provider''s order.';
comment on column catalogue.data_plans.region_keys is
    'Regions of its countries, and of the plan, folded for comparing: lower case, no accents.';
comment on column catalogue.data_plans.country_keys is
    'ISO codes and names of its countries, folded for comparing.';
comment on column catalogue.data_plans.search_text is
    'Name, description, region and country names, folded for comparing.';
comment on column catalogue.data_plans.withdrawn is 'The provider no longer offers it.';
comment on column catalogue.data_plans.hidden is 'An administrator took it off sale here.';
comment on column catalogue.data_plans.updated_at is
    'When anything about the plan last changed, not when it was last read.';
comment on column catalogue.data_plans.data_rank is 'Sorts by amount of data, unlimited highest.';

-- Each order that a list can have, for what is on sale; filters by place use the one after them.
create index data_plans_by_name on catalogue.data_plans (name) where offered;
create index data_plans_by_price on catalogue.data_plans (price, name) where offered;
create index data_plans_by_duration on catalogue.data_plans (duration_days, name) where offered;
create index data_plans_by_duration_and_price on catalogue.data_plans (duration_days, price)
    where offered;
create index data_plans_by_data on catalogue.data_plans (data_rank, name) where offered;
create index data_plans_by_place on catalogue.data_plans
    using gin (region_keys, country_keys, groups) with (fastupdate = off);
create index data_plans_by_price_per_day on catalogue.data_plans (region, price_per_day, name)
    where offered;

alter table catalogue.data_plans owner to esimgo_owner;
alter table catalogue.data_plans enable row level security;
alter table catalogue.data_plans force row level security;

create policy everyone_reads on catalogue.data_plans
    for select to catalogue_user using (true);
create policy admins_hide on catalogue.data_plans
    for update to catalogue_user
    using (((select auth.jwt()) #>> '{app_metadata,role}') = 'admin')
    with check (((select auth.jwt()) #>> '{app_metadata,role}') = 'admin');
create policy system_does_all on catalogue.data_plans
    for all to catalogue_system using (true) with check (true);

grant select on catalogue.data_plans to catalogue_user;
grant update (hidden, updated_at) on catalogue.data_plans to catalogue_user;
-- No delete for anybody.
grant select, insert, update on catalogue.data_plans to catalogue_system;


create table catalogue.featured_plans (
    plan_id uuid primary key references catalogue.data_plans (id),
    position integer not null unique check (position between 1 and 50),
    created_at timestamptz not null default now()
);

comment on table catalogue.featured_plans is
    'The plans that an administrator chose for the front page; empty means that the rule chooses.';

alter table catalogue.featured_plans owner to esimgo_owner;
alter table catalogue.featured_plans enable row level security;
alter table catalogue.featured_plans force row level security;

create policy everyone_reads on catalogue.featured_plans
    for select to catalogue_user using (true);
create policy admins_choose on catalogue.featured_plans
    for insert to catalogue_user
    with check (((select auth.jwt()) #>> '{app_metadata,role}') = 'admin');
create policy admins_drop on catalogue.featured_plans
    for delete to catalogue_user
    using (((select auth.jwt()) #>> '{app_metadata,role}') = 'admin');
create policy system_does_all on catalogue.featured_plans
    for all to catalogue_system using (true) with check (true);

grant select, insert, delete on catalogue.featured_plans to catalogue_user;
grant select, insert, delete on catalogue.featured_plans to catalogue_system;


create table catalogue.revision (
    only_row boolean primary key default true check (only_row),
    number bigint not null default 0
);
insert into catalogue.revision default values;

comment on table catalogue.revision is
    'One row: a number that grows with every transaction that changes plans or the choice of featured ones.';
comment on column catalogue.revision.number is
    'The row''s lock orders the writers, so that an equal number means equal plans.';

alter table catalogue.revision owner to esimgo_owner;
alter table catalogue.revision enable row level security;
alter table catalogue.revision force row level security;

create policy everyone_reads on catalogue.revision
    for select to catalogue_user using (true);
create policy admins_raise on catalogue.revision
    for update to catalogue_user
    using (((select auth.jwt()) #>> '{app_metadata,role}') = 'admin')
    with check (((select auth.jwt()) #>> '{app_metadata,role}') = 'admin');
create policy system_does_all on catalogue.revision
    for all to catalogue_system using (true) with check (true);

grant select, update (number) on catalogue.revision to catalogue_user;
grant select, update (number) on catalogue.revision to catalogue_system;

create function catalogue.raise_revision() returns trigger language plpgsql set search_path = '' as
$$
begin
    update catalogue.revision set number = number + 1;
    return null;
end
$$;
alter function catalogue.raise_revision() owner to esimgo_owner;

-- Before, so that every writer locks this row first and then plans: the other way round two of them
-- could wait for each other.
create trigger raise_revision before insert or update or delete on catalogue.data_plans
    for each statement execute function catalogue.raise_revision();
create trigger raise_revision before insert or update or delete on catalogue.featured_plans
    for each statement execute function catalogue.raise_revision();


create table catalogue.sync_runs (
    id uuid primary key default gen_random_uuid(),
    started_at timestamptz not null default now(),
    seen_at timestamptz not null default now(),
    finished_at timestamptz,
    plans_read integer not null default 0 check (plans_read >= 0),
    plans_expected integer not null default 0 check (plans_expected >= 0),
    plan_count integer not null default 0 check (plan_count >= 0),
    added integer not null default 0 check (added >= 0),
    changed integer not null default 0 check (changed >= 0),
    withdrawn integer not null default 0 check (withdrawn >= 0),
    error text not null default ''
);

comment on table catalogue.sync_runs is
    'Every reading of the provider''s catalogue: its progress, then its result.';
comment on column catalogue.sync_runs.seen_at is
    'When the process that runs it last gave a sign of life; an old one is taken for dead.';
comment on column catalogue.sync_runs.error is 'In words; empty when it succeeded.';

-- One at a time, over all replicas.
create unique index sync_runs_one_unfinished on catalogue.sync_runs ((true))
    where finished_at is null;
create index sync_runs_by_start on catalogue.sync_runs (started_at);

alter table catalogue.sync_runs owner to esimgo_owner;
alter table catalogue.sync_runs enable row level security;
alter table catalogue.sync_runs force row level security;

create policy admins_read on catalogue.sync_runs
    for select to catalogue_user
    using (((select auth.jwt()) #>> '{app_metadata,role}') = 'admin');
create policy system_does_all on catalogue.sync_runs
    for all to catalogue_system using (true) with check (true);

grant select on catalogue.sync_runs to catalogue_user;
grant select, insert, update, delete on catalogue.sync_runs to catalogue_system;
