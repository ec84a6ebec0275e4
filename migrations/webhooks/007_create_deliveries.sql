-- Where each callback is to be handed over, and how far that is.

create table webhooks.deliveries (
    event_id uuid primary key references webhooks.inbox (id) on delete cascade,
    -- The order in which the callbacks were stored.
    sequence bigint generated always as identity unique,
    owner text check (owner in ('esims', 'orders')),
    -- What the callback is about, where it names one that could be.
    iccid text check (iccid ~ '^[0-9]{18,22}$'),
    state text not null check (state in ('PENDING', 'DELIVERED', 'DEAD', 'KEPT')),
    attempts integer not null default 0 check (attempts >= 0),
    next_attempt_at timestamptz not null default now(),
    -- Why the last attempt did not do; without secrets.
    last_error text not null default '',
    -- The owner's word for what the event did there.
    outcome text not null default '',
    -- When it came to rest, in whatever state.
    settled_at timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint pending_deliveries_have_an_owner check (state <> 'PENDING' or owner is not null),
    constraint settled_deliveries_have_a_time check ((state = 'PENDING') = (settled_at is null))
);

comment on table webhooks.deliveries is 'One row for each callback of the inbox, written with it.';
comment on column webhooks.deliveries.owner is 'The service that it is for; null: nobody knows its type.';
comment on column webhooks.deliveries.state is
    'PENDING: being handed over. DELIVERED: its owner has it. DEAD: given up, a person has to look. '
    'KEPT: of a type, an eSIM or an order that nobody here knows; may be replayed when somebody does.';
comment on column webhooks.deliveries.next_attempt_at is
    'In the future while an attempt is being made, so that nobody else makes it; due again if that dies.';

-- Callbacks stored before this had no delivery. They are handed over now, as effects are repeatable.
insert into webhooks.deliveries (event_id, owner, state, created_at, settled_at)
select id, o.owner, case when o.owner is null then 'KEPT' else 'PENDING' end, i.received_at,
    case when o.owner is null then i.received_at end
from webhooks.inbox i
cross join lateral (
    select case
        when i.event_type in ('order.completed', 'Topup', 'AutoTopup', 'eSIMGoTopup',
                              'LowBalance', 'InsufficientBalance') then 'orders'
        when i.event_type in ('Utilisation', 'FirstUse', 'FirstAttachment', 'CountryChange',
                              'esim.deletion_scheduled', 'esim.deleted', 'MSISDNEnabled',
                              'MSISDNDisabled', 'SMSFailed', 'esim.assigned', 'esim.activated',
                              'bundle.activated', 'bundle.expired') then 'esims'
    end as owner
) o
order by i.received_at;

create index deliveries_due on webhooks.deliveries (owner, next_attempt_at, sequence)
    where state = 'PENDING';
create index deliveries_oldest_pending on webhooks.deliveries (created_at) where state = 'PENDING';
create index deliveries_of_iccid on webhooks.deliveries (iccid) where iccid is not null;
create index deliveries_at_rest on webhooks.deliveries (state, settled_at) where state <> 'PENDING';

alter table webhooks.deliveries owner to esimgo_owner;
alter table webhooks.deliveries enable row level security;
alter table webhooks.deliveries force row level security;

create policy deliveries_system on webhooks.deliveries for all to webhooks_system
    using (true) with check (true);
create policy deliveries_admin on webhooks.deliveries for select to webhooks_user
    using (((select auth.jwt()) #>> '{app_metadata,role}') = 'admin');

grant select, insert, update, delete on webhooks.deliveries to webhooks_system;
grant select on webhooks.deliveries to webhooks_user;
-- Old callbacks are taken out after a while, with their deliveries.
grant delete on webhooks.inbox to webhooks_system;
