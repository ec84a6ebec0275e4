-- The organisation's balance at the provider as last reported, by whatever reported it, for every process to watch.

create table orders.provider_balance (
    only_one boolean primary key default true check (only_one),
    -- In the organisation's currency.
    balance numeric not null,
    seen_at timestamptz not null
);

comment on table orders.provider_balance is
    'At most one row: the newest balance that an order''s answer, a callback or GET /organisation told.';

alter table orders.provider_balance owner to esimgo_owner;
alter table orders.provider_balance enable row level security;
alter table orders.provider_balance force row level security;

create policy provider_balance_system on orders.provider_balance for all to orders_system
    using (true) with check (true);
create policy provider_balance_admin on orders.provider_balance for select to orders_user
    using (((select auth.jwt()) #>> '{app_metadata,role}') = 'admin');

grant select, insert, update on orders.provider_balance to orders_system;
grant select on orders.provider_balance to orders_user;
