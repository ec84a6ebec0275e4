-- When the provider last confirmed an order's price, and what it charged above that.

alter table orders.esim_orders
    add column price_confirmed_at timestamptz,
    add column charged_above numeric check (charged_above > 0);

comment on column orders.esim_orders.price_confirmed_at is
    'When the provider last confirmed the price that the order was recorded with; null: not known.';
comment on column orders.esim_orders.charged_above is
    'By how much the provider''s charge exceeded the expected price; null: it did not.';

-- Incidents are few, and operators list them.
create index esim_orders_charged_above on orders.esim_orders (created_at desc)
    where charged_above is not null;

grant select (price_confirmed_at, charged_above) on orders.esim_orders to orders_user;
