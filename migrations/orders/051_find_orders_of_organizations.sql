-- Pages of the orders of an organization. It holds no older order, but to create it all of them are read once, which
-- takes about a second for a million: orders can't be placed meanwhile.
create index esim_orders_of_organization on orders.esim_orders (organization_id, created_at desc, id desc)
    where organization_id is not null;
