-- A refund that is settled, or comes back weeks later, is part of what a customer sees of the order: tell its
-- subscriptions. New refunds change the payment, which tells them already.
create function orders.notify_refund() returns trigger language plpgsql set search_path = '' as $f$
begin
    perform pg_notify('esimgo_orders', new.order_id || ' ' || new.customer_id);
    return null;
end
$f$;
alter function orders.notify_refund() owner to esimgo_owner;
create trigger notify_refund after update of state on orders.refunds
    for each row when (new.order_id is not null and new.state <> old.state) execute function orders.notify_refund();
