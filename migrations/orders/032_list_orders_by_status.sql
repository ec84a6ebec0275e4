-- Operators list the orders of all customers by status, newest first.
create index esim_orders_by_status on orders.esim_orders (status, created_at desc, id desc);
