-- Links with which a traveler opens an eSIM without an account, who may read travelers, and the changes of eSIMs for
-- other owners.

-- The same person again is the same traveler. Erased ones have neither a name nor an address.
create unique index travelers_once on esims.travelers (
    coalesce(organization_id, owner_id), lower(email), lower(name),
    coalesce(user_id, '00000000-0000-0000-0000-000000000000')
) where name <> '' or email <> '';

create index travelers_newest on esims.travelers (
    coalesce(organization_id, owner_id), created_at desc, id desc
) where name <> '' or email <> '';

create table esims.share_links (
    id uuid primary key default gen_random_uuid(),
    esim_id uuid not null references esims.esims (id),
    token_hash bytea not null unique check (octet_length(token_hash) = 32),
    pin_hash bytea check (octet_length(pin_hash) = 32),
    has_pin boolean not null generated always as (pin_hash is not null) stored,
    wrong_pins integer not null default 0 check (wrong_pins >= 0),
    locked_until timestamptz,
    expires_at timestamptz,
    revoked_at timestamptz,
    code_shown_again_at timestamptz,
    opened_at timestamptz,
    created_at timestamptz not null default now(),
    created_by text not null check (created_by <> '')
);

comment on table esims.share_links is 'Links that show one eSIM to anybody who has them; a row is never deleted.';
comment on column esims.share_links.token_hash is 'SHA-256 of the token in the link; the token is not kept.';
comment on column esims.share_links.pin_hash is
    'HMAC-SHA256 of the PIN, keyed with the token, so that it cannot be guessed from this table; null: no PIN.';
comment on column esims.share_links.wrong_pins is 'In a row; the fifth locks the link and begins again at 0.';
comment on column esims.share_links.expires_at is 'Null: with the eSIM.';
comment on column esims.share_links.code_shown_again_at is
    'The activation code is hidden once a device has installed the eSIM, except for 24 hours from this time.';
comment on column esims.share_links.opened_at is 'When it last showed the eSIM; null: never.';

create index share_links_of_esim on esims.share_links (esim_id, created_at desc, id desc);

-- Rows become visible in the order of their commits, which is not that of their ids: readers take only rows of
-- transactions that are older than every running one, in the order of (xid, id).
create table esims.outbox (
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

comment on table esims.outbox is 'What happened here that others need to know, written in the transaction of the change.';
comment on column esims.outbox.version is 'Orders the changes of one subject: an older one changes nothing.';

create index outbox_in_order on esims.outbox (xid, id);
create index outbox_by_time on esims.outbox (at);
create index outbox_of_subject on esims.outbox (subject_id, xid, id);
create index outbox_of_customer on esims.outbox (customer_id) where customer_id is not null;

create table esims.outbox_deletions (
    one boolean primary key default true check (one),
    xid xid8 not null default '0',
    id bigint not null default 0
);

comment on table esims.outbox_deletions is 'The last change in the order of esims.outbox that was deleted; one row.';

insert into esims.outbox_deletions default values;

create function esims.notify_outbox() returns trigger language plpgsql set search_path = '' as $f$
begin
    perform pg_notify('esimgo_esims', 'outbox');
    return null;
end
$f$;
alter function esims.notify_outbox() owner to esimgo_owner;
create trigger notify_outbox after insert on esims.outbox
    for each statement execute function esims.notify_outbox();

do $$
declare
    name text;
begin
    foreach name in array array['share_links', 'outbox', 'outbox_deletions'] loop
        execute format('alter table esims.%I owner to esimgo_owner', name);
        execute format('alter table esims.%I enable row level security', name);
        execute format('alter table esims.%I force row level security', name);
        execute format(
            'create policy system_does_all on esims.%I for all to esims_system using (true) with check (true)', name
        );
    end loop;
end
$$;
-- A migration that changes eSIMs as their owner records that too.
create policy owner_adds on esims.outbox for insert to esimgo_owner with check (true);
grant select, insert, update on esims.share_links to esims_system;
grant select, insert, delete on esims.outbox to esims_system;
-- Rows of a restored backup have the transaction ids of another server.
grant update (xid) on esims.outbox to esims_system;
grant select, update on esims.outbox_deletions to esims_system;
grant usage on sequence esims.outbox_id_seq to esims_system;

-- The row of an eSIM is locked while it changes, so the ids of its changes are in their order.
create function esims.record_esim_change() returns trigger language plpgsql set search_path = '' as $f$
declare
    change constant bigint := nextval('esims.outbox_id_seq');
begin
    insert into esims.outbox (id, type, subject_id, organization_id, customer_id, version, body)
    overriding system value
    values (
        change, 'esim', new.id, new.organization_id, new.customer_id, change,
        jsonb_build_object(
            'iccid', new.iccid, 'order_id', new.order_id, 'plan_id', new.plan_id, 'status', new.status,
            'group_id', new.group_id, 'traveler_id', new.traveler_id, 'installed', new.installed_at is not null
        )
    );
    return null;
end
$f$;
alter function esims.record_esim_change() owner to esimgo_owner;
create trigger record_new after insert on esims.esims
    for each row execute function esims.record_esim_change();
create trigger record_change after update on esims.esims
    for each row when (
        (old.customer_id, old.organization_id, old.group_id, old.traveler_id, old.status, old.installed_at is null)
        is distinct from
        (new.customer_id, new.organization_id, new.group_id, new.traveler_id, new.status, new.installed_at is null)
    ) execute function esims.record_esim_change();

-- Of an erased person nothing stays in the replica.
grant delete on esims.memberships to esims_system;

-- The policies of both tables read esims.esims as the session may see it. Of the organization's eSIMs that a session
-- sees, those that it only travels with are not its to share.
create policy session_reads on esims.travelers for select to esims_user
    using (
        owner_id = (select auth.uid())
        or organization_id in (
            select m.organization_id from esims.memberships m
            where m.user_id = (select auth.uid()) and m.active and m.role in ('OWNER', 'MANAGER')
        )
        or exists (select from esims.esims e where e.traveler_id = travelers.id)
    );
create policy session_reads on esims.share_links for select to esims_user
    using (
        exists (
            select from esims.esims e
            where e.id = share_links.esim_id and (
                e.customer_id = (select auth.uid())
                or e.organization_id in (
                    select m.organization_id from esims.memberships m
                    where m.user_id = (select auth.uid()) and m.active and m.role in ('OWNER', 'MANAGER')
                )
            )
        )
    );
create policy admin_reads_all on esims.travelers for select to esims_user
    using (((select auth.jwt()) #>> '{app_metadata,role}') = 'admin');
create policy admin_reads_all on esims.share_links for select to esims_user
    using (((select auth.jwt()) #>> '{app_metadata,role}') = 'admin');
grant select on esims.travelers to esims_user;
grant select (
    id, esim_id, has_pin, expires_at, revoked_at, locked_until, code_shown_again_at, opened_at, created_at, created_by
) on esims.share_links to esims_user;

-- Pages of the eSIMs that a person bought for themself, and of those that a buyer bought for an organization: either may
-- have few of the one and very many of the other.
create index esims_own_newest on esims.esims (customer_id, created_at desc, id desc) where organization_id is null;
create index esims_of_buyer on esims.esims (organization_id, customer_id, created_at desc, id desc)
    where organization_id is not null;

-- Notices also name the organization, the traveler, and the one who was the traveler until now.
create or replace function esims.notify_esim() returns trigger language plpgsql set search_path = '' as
$$
declare
    previous uuid;
begin
    -- Equal notices of one transaction are sent once.
    if tg_table_name = 'esims' then
        if tg_op = 'UPDATE' then
            previous := nullif(old.traveler_user_id, new.traveler_user_id);
        end if;
        perform pg_notify('esimgo_esims', concat_ws(
            ' ', new.id, new.customer_id, new.organization_id, new.traveler_user_id, previous
        ));
    else
        perform pg_notify('esimgo_esims', concat_ws(
            ' ', new.esim_id, new.customer_id, new.organization_id, new.traveler_user_id
        ));
    end if;
    return null;
end
$$;

-- A stream of a person's eSIMs is read again when their membership changes.
create function esims.notify_membership() returns trigger language plpgsql set search_path = '' as
$$
begin
    perform pg_notify('esimgo_esims', 'member:' || new.user_id);
    return null;
end
$$;
alter function esims.notify_membership() owner to esimgo_owner;
create trigger notify_membership after insert or update of role, active on esims.memberships
    for each row execute function esims.notify_membership();

-- The eSIMs of an organization stay its own when the person who bought them is erased.
create or replace function esims.keep_nothing_of_the_erased() returns trigger language plpgsql
    set search_path = '' as
$$
begin
    new.matching_id := '';
    new.smdp_address := '';
    new.customer_ref := '';
    new.msisdn := '';
    new.msisdn_at := null;
    new.last_country := '';
    new.last_country_at := null;
    new.traveler_id := null;
    new.traveler_user_id := null;
    -- Nobody is there who would ask.
    new.follow_at := null;
    return new;
end
$$;
drop trigger keep_nothing_of_the_erased on esims.esims;
create trigger keep_nothing_of_the_erased before insert or update on esims.esims
    for each row when (
        new.customer_id = '00000000-0000-0000-0000-000000000000' and new.organization_id is null
    ) execute function esims.keep_nothing_of_the_erased();
