-- Tells, on the channel esimgo_orders, of every change of an order that somebody can see, whoever wrote
-- it. A notice holds the ids of the order and of its customer, and nothing else: any login of the
-- database may listen.

create function orders.notify_order() returns trigger language plpgsql set search_path = '' as
$$
begin
    -- Equal notices of one transaction are sent once.
    perform pg_notify('esimgo_orders', new.id || ' ' || new.customer_id);
    return null;
end
$$;
alter function orders.notify_order() owner to esimgo_owner;

-- None for a new one: only who has its id can listen for it. Who works on it and when it is looked at
-- again is no news.
create trigger notify_change after update on orders.esim_orders
    for each row when (
        (to_jsonb(old) - array['lease_owner', 'leased_until', 'next_run_at', 'updated_at'])
        is distinct from
        (to_jsonb(new) - array['lease_owner', 'leased_until', 'next_run_at', 'updated_at'])
    ) execute function orders.notify_order();
