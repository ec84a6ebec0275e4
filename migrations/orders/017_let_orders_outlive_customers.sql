-- Orders stay for the books when their customer is erased; and what operators need only for a while
-- can be taken out when its time is over.
--
-- The customer of an erased row is the id of nobody: 00000000-0000-0000-0000-000000000000.

create or replace function orders.check_status_change() returns trigger language plpgsql
    set search_path = '' as $f$
declare
    nobody constant uuid := '00000000-0000-0000-0000-000000000000';
begin
    if new.status <> old.status and not (
        (old.status = 'PROCESSING' and new.status in ('NEEDS_REVIEW', 'COMPLETED', 'FAILED'))
        or (old.status = 'NEEDS_REVIEW' and new.status in ('PROCESSING', 'COMPLETED', 'FAILED'))
        or (old.status = 'COMPLETED' and new.status in ('CANCELLED', 'REFUNDED'))
    ) then
        raise exception 'an order cannot go from % to %', old.status, new.status
            using errcode = 'check_violation';
    end if;
    if new.recovery_point <> old.recovery_point and not (
        old.status in ('PROCESSING', 'NEEDS_REVIEW')
        and (old.recovery_point, new.recovery_point) in (
            ('CLAIMED', 'ATTEMPTED'), ('ATTEMPTED', 'CLAIMED'), ('ATTEMPTED', 'PLACED'),
            ('PLACED', 'REGISTERED')
        )
    ) then
        raise exception 'an order cannot go from % to %', old.recovery_point, new.recovery_point
            using errcode = 'check_violation';
    end if;
    if new.status = 'FAILED' and old.status <> 'FAILED' and old.recovery_point = 'REGISTERED' then
        raise exception 'an order whose eSIMs are with the customer cannot fail'
            using errcode = 'check_violation';
    end if;
    if old.provider_reference is not null
        and new.provider_reference is distinct from old.provider_reference then
        raise exception 'the provider reference of an order cannot change'
            using errcode = 'check_violation';
    end if;
    if (new.plan_id, new.bundle_name, new.quantity, new.target_iccid)
        is distinct from (old.plan_id, old.bundle_name, old.quantity, old.target_iccid) then
        raise exception 'what an order is for cannot change' using errcode = 'check_violation';
    end if;
    if (new.customer_id, new.idempotency_key)
        is distinct from (old.customer_id, old.idempotency_key)
        and not (
            new.customer_id = nobody and new.idempotency_key is null
            and old.status not in ('PROCESSING', 'NEEDS_REVIEW')
        )
    then
        raise exception 'what an order is for cannot change' using errcode = 'check_violation';
    end if;
    return new;
end
$f$;

comment on column orders.esim_orders.customer_id is
    'The `sub` of the session that bought it; all noughts when the customer was erased.';

-- Steps name who asked; that too is a person.
create index order_events_of_actor on orders.order_events (actor) where length(actor) = 36;
grant update (actor, note) on orders.order_events to orders_system;

-- What is old is found by its time.
create index order_events_by_time on orders.order_events (at);
create index order_attempts_by_start on orders.order_attempts (started_at);
grant delete on
    orders.order_events, orders.order_attempts, orders.balance_events, orders.unexplained_orders
    to orders_system;
