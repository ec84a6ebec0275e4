-- Organizations that buy for many people: members, groups, invitations, and which orders are theirs; and the outbox,
-- from which other owners learn of changes.

create table orders.organizations (
    id uuid primary key default gen_random_uuid(),
    name text not null check (name = btrim(name) and length(name) between 1 and 200),
    billing_address text not null default '' check (length(billing_address) <= 1000),
    country text not null default '' check (country ~ '^([A-Z]{2})?$'),
    tax_id text not null default '' check (length(tax_id) <= 40),
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    billing text not null check (billing in ('PREPAID', 'INVOICE', 'CARD')),
    credit_limit numeric not null default 0 check (credit_limit >= 0 and credit_limit < 1e12),
    credit_reserved numeric not null default 0 check (credit_reserved >= 0),
    credit_owed numeric not null default 0,
    status text not null default 'ACTIVE' check (status in ('ACTIVE', 'SUSPENDED')),
    locale text not null default 'en' check (length(locale) between 2 and 35),
    time_zone text not null default 'UTC' check (length(time_zone) between 1 and 64),
    version bigint not null default 0,
    created_at timestamptz not null default now(),
    created_by text not null check (created_by <> ''),
    updated_at timestamptz not null default now(),
    constraint only_invoices_have_a_credit check (billing = 'INVOICE' or credit_limit = 0)
);

comment on table orders.organizations is 'Companies that buy for many people. A row is never deleted.';
comment on column orders.organizations.currency is
    'Its orders, wallet, budgets and statements are in this currency: that of the price list that it buys from.';
comment on column orders.organizations.billing is
    'PREPAID: from its wallet. INVOICE: on account, up to the credit limit. CARD: each buyer pays by card.';
comment on column orders.organizations.credit_reserved is 'What its unfinished orders on account will cost.';
comment on column orders.organizations.credit_owed is
    'What it owes for delivered orders on account; negative after a credit note for what it had paid.';
comment on column orders.organizations.time_zone is 'IANA name: its calendar months begin at midnight there.';
comment on column orders.organizations.version is 'Number of changes of its memberships.';

create index organizations_newest on orders.organizations (created_at desc, id desc);

create table orders.members (
    id uuid primary key default gen_random_uuid(),
    organization_id uuid not null references orders.organizations (id),
    user_id uuid not null,
    role text not null check (role in ('OWNER', 'MANAGER', 'BUYER', 'FINANCE', 'TRAVELER')),
    email text not null default '' check (length(email) <= 320),
    since timestamptz not null default now(),
    until timestamptz,
    added_by text not null check (added_by <> ''),
    removed_by text check (removed_by <> ''),
    constraint removed_by_somebody check ((until is null) = (removed_by is null))
);

comment on table orders.members is
    'Who belongs to an organization, in which role. Tokens never say so, as a removal counts at once. API keys are members
too, with the id of the key as the user.';
comment on column orders.members.until is 'When the member was removed; null: they still belong to it.';
comment on column orders.members.email is 'As in the session that accepted the invitation; empty for API keys.';

create unique index members_active on orders.members (organization_id, user_id)
    where until is null and user_id <> '00000000-0000-0000-0000-000000000000';
create index members_of_user on orders.members (user_id, organization_id);

-- An organization always has an owner, and each change of a membership has its number.
create function orders.number_membership() returns trigger language plpgsql set search_path = '' as $f$
declare
    nobody constant uuid := '00000000-0000-0000-0000-000000000000';
    changed constant orders.members := new;
    current_version bigint;
begin
    if tg_op = 'UPDATE' and (
        new.organization_id <> old.organization_id
        or (new.user_id <> old.user_id and (new.user_id <> nobody or new.until is null))
        or (old.until is not null and new.until is distinct from old.until)
    ) then
        raise exception 'a membership cannot change its person, nor return after its end'
            using errcode = 'check_violation';
    end if;
    -- The row's lock puts changes of one organization in order.
    update orders.organizations set version = version + 1, updated_at = now()
    where id = new.organization_id returning version into current_version;
    if tg_op = 'UPDATE' and old.role = 'OWNER' and old.until is null
        and (new.role <> 'OWNER' or new.until is not null)
        and not exists (
            select from orders.members m
            where m.organization_id = new.organization_id and m.id <> new.id
                and m.role = 'OWNER' and m.until is null
        ) then
        raise exception 'an organization needs an owner'
            using errcode = 'check_violation', constraint = 'organizations_have_an_owner';
    end if;
    if tg_op = 'INSERT' or (new.user_id = old.user_id and (new.role, new.until) is distinct from (old.role, old.until)) then
        insert into orders.outbox (type, subject_id, organization_id, customer_id, version, body)
        values (
            'membership', changed.id, changed.organization_id, changed.user_id, current_version,
            jsonb_build_object('role', changed.role, 'active', changed.until is null)
        );
    end if;
    return null;
end
$f$;
alter function orders.number_membership() owner to esimgo_owner;
create trigger number_membership after insert or update of organization_id, user_id, role, until on orders.members
    for each row execute function orders.number_membership();

create table orders.groups (
    id uuid primary key default gen_random_uuid(),
    organization_id uuid not null references orders.organizations (id),
    name text not null check (name = btrim(name) and length(name) between 1 and 200),
    archived_at timestamptz,
    created_at timestamptz not null default now(),
    created_by text not null check (created_by <> ''),
    unique (id, organization_id)
);

comment on table orders.groups is 'Departments or trips of an organization.';
comment on column orders.groups.archived_at is 'Nothing can be bought for it any more; null: it is in use.';

create unique index groups_by_name on orders.groups (organization_id, lower(name)) where archived_at is null;

create table orders.group_members (
    group_id uuid not null,
    organization_id uuid not null,
    user_id uuid not null,
    added_at timestamptz not null default now(),
    primary key (group_id, user_id),
    foreign key (group_id, organization_id) references orders.groups (id, organization_id)
);

comment on table orders.group_members is 'Which members may buy for a group; owners and managers may for all.';

create index group_members_of_user on orders.group_members (user_id, organization_id);

create table orders.invitations (
    id uuid primary key default gen_random_uuid(),
    organization_id uuid not null references orders.organizations (id),
    email text not null check (length(email) between 3 and 320),
    role text not null check (role in ('OWNER', 'MANAGER', 'BUYER', 'FINANCE', 'TRAVELER')),
    group_id uuid references orders.groups (id),
    token_hash bytea not null unique,
    invited_by text not null check (invited_by <> ''),
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    accepted_at timestamptz,
    accepted_by uuid,
    revoked_at timestamptz,
    constraint accepted_by_somebody check ((accepted_at is null) = (accepted_by is null)),
    constraint accepted_or_revoked check (accepted_at is null or revoked_at is null)
);

comment on table orders.invitations is 'Links with which a person joins an organization, each once.';
comment on column orders.invitations.token_hash is 'SHA-256 of the token in the link; the token is not kept.';

create index invitations_of_organization on orders.invitations (organization_id, created_at desc, id desc);

-- Rows become visible in the order of their commits, which is not that of their ids: readers take only rows of
-- transactions that are older than every running one, in the order of (xid, id).
create table orders.outbox (
    id bigint generated always as identity primary key,
    xid xid8 not null default pg_current_xact_id(),
    type text not null check (type <> ''),
    subject_id uuid not null,
    organization_id uuid,
    customer_id uuid,
    version bigint not null default 0,
    body jsonb not null default '{}',
    at timestamptz not null default now()
);

comment on table orders.outbox is 'What happened here that others need to know, written in the transaction of the change.';
comment on column orders.outbox.version is 'Orders the changes of one subject: an older one changes nothing.';

create index outbox_in_order on orders.outbox (xid, id);
create index outbox_by_time on orders.outbox (at);

create function orders.notify_outbox() returns trigger language plpgsql set search_path = '' as $f$
begin
    perform pg_notify('esimgo_orders_outbox', 'changed');
    return null;
end
$f$;
alter function orders.notify_outbox() owner to esimgo_owner;
create trigger notify_outbox after insert on orders.outbox
    for each statement execute function orders.notify_outbox();

-- Which orders are an organization's. Their rows name it too, so that policies need no join.
alter table orders.esim_orders
    add column organization_id uuid,
    add column group_id uuid,
    add constraint orders_are_of_an_organization
        foreign key (organization_id) references orders.organizations (id) not valid,
    add constraint groups_are_of_the_organization
        foreign key (group_id, organization_id) references orders.groups (id, organization_id) not valid,
    add constraint groups_have_an_organization check (group_id is null or organization_id is not null) not valid;
alter table orders.order_esims add column organization_id uuid;
alter table orders.order_revocations add column organization_id uuid;

comment on column orders.esim_orders.organization_id is 'The organization that buys; null: the customer buys for themself.';

create function orders.copy_organization() returns trigger language plpgsql set search_path = '' as $f$
begin
    select o.organization_id into new.organization_id from orders.esim_orders o where o.id = new.order_id;
    return new;
end
$f$;
alter function orders.copy_organization() owner to esimgo_owner;
create trigger copy_organization before insert on orders.order_esims
    for each row execute function orders.copy_organization();
create trigger copy_organization before insert on orders.order_revocations
    for each row execute function orders.copy_organization();

create function orders.keep_organization() returns trigger language plpgsql set search_path = '' as $f$
begin
    if (new.organization_id, new.group_id) is distinct from (old.organization_id, old.group_id) then
        raise exception 'whose order it is cannot change' using errcode = 'check_violation';
    end if;
    return new;
end
$f$;
alter function orders.keep_organization() owner to esimgo_owner;
create trigger keep_organization before update of organization_id, group_id on orders.esim_orders
    for each row execute function orders.keep_organization();

do $$
declare
    name text;
begin
    foreach name in array array['organizations', 'members', 'groups', 'group_members', 'invitations', 'outbox'] loop
        execute format('alter table orders.%I owner to esimgo_owner', name);
        execute format('alter table orders.%I enable row level security', name);
        execute format('alter table orders.%I force row level security', name);
        execute format(
            'create policy %I on orders.%I for all to orders_system using (true) with check (true)',
            name || '_system', name
        );
        execute format('grant select, insert, update on orders.%I to orders_system', name);
    end loop;
end
$$;
grant delete on orders.group_members, orders.outbox to orders_system;
revoke update on orders.outbox from orders_system;

-- A session reads its own memberships, which the policies below are made of.
create policy members_own on orders.members for select to orders_user
    using (user_id = (select auth.uid()));
grant select (organization_id, user_id, role, until) on orders.members to orders_user;

-- A customer's own orders, without those for an organization: of these, owners and managers see all, and buyers their
-- own, for as long as they are members.
do $$
declare
    name text;
begin
    foreach name in array array['esim_orders', 'order_esims', 'order_revocations'] loop
        execute format('drop policy %I on orders.%I', name || '_own', name);
        execute format(
            'create policy %I on orders.%I for select to orders_user using '
            || '(organization_id is null and customer_id = (select auth.uid()))',
            name || '_own', name
        );
        execute format(
            'create policy %I on orders.%I for select to orders_user using ('
            || 'organization_id in (select m.organization_id from orders.members m '
            || 'where m.user_id = (select auth.uid()) and m.until is null and m.role in (''OWNER'', ''MANAGER'')) '
            || 'or (customer_id = (select auth.uid()) and organization_id in (select m.organization_id '
            || 'from orders.members m where m.user_id = (select auth.uid()) and m.until is null '
            || 'and m.role = ''BUYER'')))',
            name || '_member', name
        );
    end loop;
end
$$;
grant select (organization_id, group_id) on orders.esim_orders to orders_user;
grant select (organization_id) on orders.order_esims, orders.order_revocations to orders_user;
