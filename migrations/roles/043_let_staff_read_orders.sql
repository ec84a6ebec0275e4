-- Support and finance staff read the orders of all customers, but nothing else of them: no policy lets their
-- sessions read another customer's order_esims (activation codes) or order_revocations.

create policy esim_orders_staff on orders.esim_orders for select to orders_user
    using (((select auth.jwt()) #>> '{app_metadata,role}') in ('support', 'finance'));
