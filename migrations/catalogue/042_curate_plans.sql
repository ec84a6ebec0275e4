-- What administrators add to plans (texts by language, an image, badges), and the mobile networks of countries.

create table catalogue.plan_texts (
    plan_id uuid not null references catalogue.data_plans (id),
    locale text collate "C" not null check (locale ~ '^[A-Za-z0-9]{2,8}(-[A-Za-z0-9]{2,8})*$'),
    name text not null default '' check (length(name) <= 120),
    description text not null default '' check (length(description) <= 2000),
    highlights text[] not null default '{}' check (cardinality(highlights) <= 10),
    updated_at timestamptz not null default now(),
    primary key (plan_id, locale)
);

comment on table catalogue.plan_texts is
    'Texts of a plan in one language. An empty one falls back to the next more general locale.';
comment on column catalogue.plan_texts.locale is 'BCP 47 code as CLDR writes it, such as "pt-BR".';
comment on column catalogue.plan_texts.name is 'Replaces the title that is made from place, data and days.';

create table catalogue.plan_displays (
    plan_id uuid primary key references catalogue.data_plans (id),
    image_url text not null default '' check (length(image_url) <= 500),
    badges text[] not null default '{}' check (cardinality(badges) <= 5),
    updated_at timestamptz not null default now()
);

comment on table catalogue.plan_displays is 'The image and the badges of a plan, the same in all languages.';

create table catalogue.networks (
    country text collate "C" primary key check (country <> ''),
    networks jsonb not null check (jsonb_typeof(networks) = 'array'),
    read_at timestamptz not null default now()
);

comment on table catalogue.networks is 'The mobile networks of each country, as last read from the provider.';
comment on column catalogue.networks.country is 'ISO code as in data_plans.countries.';
comment on column catalogue.networks.networks is '[{name, brand, mcc, mnc, speeds}] in the provider''s order.';
comment on column catalogue.networks.read_at is 'When these networks were first read; equal ones stay as they are.';

create table catalogue.network_reading (
    only_row boolean primary key default true check (only_row),
    read_at timestamptz,
    leased_until timestamptz
);
insert into catalogue.network_reading default values;

comment on table catalogue.network_reading is 'One row: the last reading of all networks, and the one in progress.';
comment on column catalogue.network_reading.read_at is 'When all networks were last read successfully; null before it.';
comment on column catalogue.network_reading.leased_until is 'A process reads the networks until then at most.';

-- The copies of plans that processes hold in memory are identified by updated_at.
create function catalogue.touch_plan() returns trigger language plpgsql set search_path = '' as
$$
begin
    update catalogue.data_plans set updated_at = now()
    where id = case when tg_op = 'DELETE' then old.plan_id else new.plan_id end;
    return null;
end
$$;
alter function catalogue.touch_plan() owner to esimgo_owner;

do $$
declare
    name text;
begin
    foreach name in array array['plan_texts', 'plan_displays', 'networks', 'network_reading'] loop
        execute format('alter table catalogue.%I owner to esimgo_owner', name);
        execute format('alter table catalogue.%I enable row level security', name);
        execute format('alter table catalogue.%I force row level security', name);
        execute format(
            'create policy system_does_all on catalogue.%I for all to catalogue_system
                using (true) with check (true)',
            name
        );
    end loop;
    foreach name in array array['plan_texts', 'plan_displays', 'networks'] loop
        execute format(
            'create policy everyone_reads on catalogue.%I for select to catalogue_user using (true)', name
        );
        -- Before, so that every writer locks the revision first and then the rows.
        execute format(
            'create trigger raise_revision before insert or update or delete on catalogue.%I
                for each statement execute function catalogue.raise_revision()',
            name
        );
    end loop;
    foreach name in array array['plan_texts', 'plan_displays'] loop
        execute format(
            'create policy admins_write on catalogue.%I for all to catalogue_user
                using (((select auth.jwt()) #>> ''{app_metadata,role}'') = ''admin'')
                with check (((select auth.jwt()) #>> ''{app_metadata,role}'') = ''admin'')',
            name
        );
        execute format(
            'create trigger touch_plan after insert or update or delete on catalogue.%I
                for each row execute function catalogue.touch_plan()',
            name
        );
        execute format(
            'grant select, insert, update, delete on catalogue.%I to catalogue_user, catalogue_system',
            name
        );
    end loop;
end
$$;

grant select on catalogue.networks to catalogue_user;
grant select, insert, update, delete on catalogue.networks to catalogue_system;
grant select, update on catalogue.network_reading to catalogue_system;
