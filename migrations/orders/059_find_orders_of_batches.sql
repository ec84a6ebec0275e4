-- A planned order of a batch is carried out at most once. To create the index all orders are read once: see
-- 051_find_orders_of_organizations.sql.
create unique index esim_orders_of_batch on orders.esim_orders (batch_order_id) where batch_order_id is not null;
