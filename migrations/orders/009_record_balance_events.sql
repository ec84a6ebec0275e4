-- What the provider's callbacks told of the organisation's balance, for operators; only added to.

create table orders.balance_events (
    -- The callback's id: one that comes again is the same row.
    event_id uuid primary key,
    received_at timestamptz not null,
    kind text not null check (kind in (
        'Topup', 'AutoTopup', 'eSIMGoTopup', 'LowBalance', 'InsufficientBalance'
    )),
    -- In the organisation's currency, which callbacks don't name.
    balance numeric not null,
    old_balance numeric,
    threshold numeric,
    created_at timestamptz not null default now()
);

comment on table orders.balance_events is
    'Every top-up of the provider''s balance and every warning of a low one, as callbacks told them.';

create index balance_events_newest on orders.balance_events (received_at desc);

alter table orders.balance_events owner to esimgo_owner;
alter table orders.balance_events enable row level security;
alter table orders.balance_events force row level security;

create policy balance_events_system on orders.balance_events for all to orders_system
    using (true) with check (true);
create policy balance_events_admin on orders.balance_events for select to orders_user
    using (((select auth.jwt()) #>> '{app_metadata,role}') = 'admin');

grant select, insert on orders.balance_events to orders_system;
grant select on orders.balance_events to orders_user;
