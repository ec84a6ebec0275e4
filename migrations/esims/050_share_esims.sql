-- eSIMs of organizations: whose they are, who travels with them, and a replica of the memberships, which the orders
-- service owns.

create table esims.memberships (
    organization_id uuid not null,
    user_id uuid not null,
    role text not null check (role in ('OWNER', 'MANAGER', 'BUYER', 'FINANCE', 'TRAVELER')),
    active boolean not null,
    version bigint not null,
    updated_at timestamptz not null default now(),
    primary key (organization_id, user_id)
);

comment on table esims.memberships is 'Copy of orders.members, from the changes that the orders service reports.';
comment on column esims.memberships.version is 'Of the organization; a change with a lower one is ignored.';

create index memberships_of_user on esims.memberships (user_id, organization_id);

create table esims.change_cursors (
    source text primary key check (source <> ''),
    cursor text not null,
    updated_at timestamptz not null default now()
);

comment on table esims.change_cursors is 'Up to where the changes of other owners were applied.';

create table esims.travelers (
    id uuid primary key default gen_random_uuid(),
    organization_id uuid,
    owner_id uuid,
    name text not null default '' check (length(name) <= 200),
    email text not null default '' check (length(email) <= 320),
    user_id uuid,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint of_an_organization_or_a_customer check ((organization_id is null) <> (owner_id is null))
);

comment on table esims.travelers is 'People who travel with an eSIM that an organization, or another customer, bought.';
comment on column esims.travelers.owner_id is 'The customer who named them; null: they travel for an organization.';
comment on column esims.travelers.user_id is 'Their own account, with which they see their eSIMs; null: none is known.';

create index travelers_of_organization on esims.travelers (organization_id, lower(email)) where organization_id is not null;
create index travelers_of_owner on esims.travelers (owner_id) where owner_id is not null;
create index travelers_of_user on esims.travelers (user_id) where user_id is not null;

alter table esims.esims
    add column organization_id uuid,
    add column group_id uuid,
    add column traveler_id uuid references esims.travelers (id),
    add column traveler_user_id uuid;
alter table esims.esim_bundles
    add column organization_id uuid,
    add column traveler_user_id uuid;

comment on column esims.esims.organization_id is 'The organization that bought it; null: the customer''s own.';
comment on column esims.esims.traveler_user_id is 'The traveler''s account, repeated so that the policy needs no join.';

create index esims_of_organization on esims.esims (organization_id, created_at desc, id desc)
    where organization_id is not null;
create index esims_of_group on esims.esims (group_id, created_at desc, id desc) where group_id is not null;
create index esims_of_traveler on esims.esims (traveler_id) where traveler_id is not null;
create index esims_of_traveler_user on esims.esims (traveler_user_id, created_at desc, id desc)
    where traveler_user_id is not null;

-- Bundles name the organization and the traveler of their eSIM.
create function esims.copy_organization() returns trigger language plpgsql set search_path = '' as $f$
begin
    select e.organization_id, e.traveler_user_id into new.organization_id, new.traveler_user_id
    from esims.esims e where e.id = new.esim_id;
    return new;
end
$f$;
alter function esims.copy_organization() owner to esimgo_owner;
create trigger copy_organization before insert on esims.esim_bundles
    for each row execute function esims.copy_organization();

create function esims.copy_traveler() returns trigger language plpgsql set search_path = '' as $f$
begin
    update esims.esim_bundles b set organization_id = new.organization_id, traveler_user_id = new.traveler_user_id
    where b.esim_id = new.id;
    return null;
end
$f$;
alter function esims.copy_traveler() owner to esimgo_owner;
create trigger copy_traveler after update of organization_id, traveler_user_id on esims.esims
    for each row when (
        (new.organization_id, new.traveler_user_id) is distinct from (old.organization_id, old.traveler_user_id)
    ) execute function esims.copy_traveler();

do $$
declare
    name text;
begin
    foreach name in array array['memberships', 'change_cursors', 'travelers'] loop
        execute format('alter table esims.%I owner to esimgo_owner', name);
        execute format('alter table esims.%I enable row level security', name);
        execute format('alter table esims.%I force row level security', name);
        execute format(
            'create policy system_does_all on esims.%I for all to esims_system using (true) with check (true)', name
        );
        execute format('grant select, insert, update on esims.%I to esims_system', name);
    end loop;
end
$$;

create policy own_memberships on esims.memberships for select to esims_user
    using (user_id = (select auth.uid()));
grant select on esims.memberships to esims_user;

-- A customer's own eSIMs, without those for an organization: of these, owners and managers see all, and buyers those
-- that they bought, for as long as they are members. A traveler who is a member sees what is assigned to them.
do $$
declare
    name text;
begin
    foreach name in array array['esims', 'esim_bundles'] loop
        execute format('drop policy customer_reads_own on esims.%I', name);
        execute format(
            'create policy customer_reads_own on esims.%I for select to esims_user using '
            || '(organization_id is null and customer_id = (select auth.uid()))', name
        );
        execute format(
            'create policy member_reads on esims.%I for select to esims_user using ('
            || 'organization_id in (select m.organization_id from esims.memberships m '
            || 'where m.user_id = (select auth.uid()) and m.active and m.role in (''OWNER'', ''MANAGER'')) '
            || 'or (customer_id = (select auth.uid()) and organization_id in (select m.organization_id '
            || 'from esims.memberships m where m.user_id = (select auth.uid()) and m.active and m.role = ''BUYER'')) '
            || 'or (traveler_user_id = (select auth.uid()) and organization_id in (select m.organization_id '
            || 'from esims.memberships m where m.user_id = (select auth.uid()) and m.active)))', name
        );
    end loop;
end
$$;
