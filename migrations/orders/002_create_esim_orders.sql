-- What customers buy: the orders, every call to the provider that may cost money, what was delivered,
-- what was taken back, and how each order came to where it is.

create table orders.esim_orders (
    id uuid primary key default gen_random_uuid(),
    customer_id uuid not null,
    idempotency_key text check (idempotency_key ~ '^[!-~]{1,200}$'),
    plan_id uuid not null,
    bundle_name text not null check (bundle_name <> ''),
    quantity smallint not null check (quantity between 1 and 10),
    unit_price numeric not null check (unit_price >= 0),
    total_price numeric not null check (total_price >= 0),
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    customer_reference text not null default '' check (length(customer_reference) <= 100),
    auto_activate boolean not null default false,
    status text not null default 'PROCESSING' check (
        status in ('PROCESSING', 'NEEDS_REVIEW', 'COMPLETED', 'FAILED', 'CANCELLED', 'REFUNDED')
    ),
    recovery_point text not null default 'CLAIMED' check (
        recovery_point in ('CLAIMED', 'ATTEMPTED', 'PLACED', 'REGISTERED')
    ),
    status_reason text not null default '',
    operator_detail text not null default '',
    provider_reference text unique check (provider_reference <> ''),
    placed_at timestamptz,
    cancel_requested_at timestamptz,
    lease_owner uuid,
    leased_until timestamptz,
    next_run_at timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    unique (customer_id, idempotency_key),
    constraint placed_orders_have_a_reference check (
        recovery_point in ('CLAIMED', 'ATTEMPTED') or provider_reference is not null
    ),
    constraint paid_orders_went_all_the_way check (
        status not in ('COMPLETED', 'CANCELLED', 'REFUNDED') or recovery_point = 'REGISTERED'
    )
);

comment on table orders.esim_orders is
    'One row for each purchase, written before the provider is asked. Users never write here.';
comment on column orders.esim_orders.customer_id is 'The `sub` of the session that bought it.';
comment on column orders.esim_orders.recovery_point is
    'How far the purchase got; whoever works on the order next goes on from here.';
comment on column orders.esim_orders.status_reason is 'In words for the customer.';
comment on column orders.esim_orders.operator_detail is
    'What the provider said, for operators; customers have no right to read it.';
comment on column orders.esim_orders.provider_reference is
    'The provider''s order reference; unique, so that one payment never serves two orders.';
comment on column orders.esim_orders.lease_owner is
    'The run that works on the order until leased_until; its writes are refused once another took over.';
comment on column orders.esim_orders.next_run_at is
    'When recovery looks at the order again; null when there is nothing left to do.';

-- Lists of one customer, and of an administrator.
create index esim_orders_of_customer on orders.esim_orders (customer_id, created_at desc, id desc);
create index esim_orders_newest on orders.esim_orders (created_at desc, id desc);
create index esim_orders_due on orders.esim_orders (next_run_at) where next_run_at is not null;

-- Finished orders never change back, whatever a program does.
create function orders.check_status_change() returns trigger language plpgsql
    set search_path = '' as $f$
begin
    if new.status <> old.status and not (
        (old.status = 'PROCESSING' and new.status in ('NEEDS_REVIEW', 'COMPLETED', 'FAILED'))
        or (old.status = 'NEEDS_REVIEW' and new.status in ('PROCESSING', 'COMPLETED', 'FAILED'))
        or (old.status = 'COMPLETED' and new.status in ('CANCELLED', 'REFUNDED'))
    ) then
        raise exception 'an order cannot go from % to %', old.status, new.status
            using errcode = 'check_violation';
    end if;
    if old.provider_reference is not null
        and new.provider_reference is distinct from old.provider_reference then
        raise exception 'the provider reference of an order cannot change'
            using errcode = 'check_violation';
    end if;
    return new;
end
$f$;
alter function orders.check_status_change() owner to esimgo_owner;

create trigger check_status_change before update on orders.esim_orders
    for each row execute function orders.check_status_change();

create table orders.order_attempts (
    id uuid primary key default gen_random_uuid(),
    order_id uuid not null references orders.esim_orders (id) on delete cascade,
    bundle_name text not null,
    quantity smallint not null,
    outcome text not null default 'OPEN' check (
        outcome in ('OPEN', 'PLACED', 'REFUSED', 'NOT_SENT', 'UNCLEAR', 'ABSENT')
    ),
    started_at timestamptz not null default now(),
    ended_at timestamptz,
    constraint ended_attempts_have_a_time check ((outcome = 'OPEN') = (ended_at is null))
);

comment on table orders.order_attempts is
    'Every POST /orders that was about to be sent, recorded before it was.';
comment on column orders.order_attempts.outcome is
    'OPEN: being made, or its process died. UNCLEAR: may have bought. ABSENT: surely bought nothing.';

create index order_attempts_of_order on orders.order_attempts (order_id, started_at);
-- Attempts of one bundle and quantity are settled together.
create index order_attempts_unsettled on orders.order_attempts (bundle_name, quantity)
    where outcome in ('OPEN', 'UNCLEAR');

create table orders.order_esims (
    order_id uuid not null references orders.esim_orders (id) on delete cascade,
    iccid text not null check (iccid ~ '^[0-9]{18,22}$'),
    customer_id uuid not null,
    position smallint not null,
    matching_id text not null,
    smdp_address text not null,
    registered_at timestamptz,
    created_at timestamptz not null default now(),
    primary key (order_id, iccid)
);

comment on table orders.order_esims is 'What the provider delivered for an order, with what installs it.';
comment on column orders.order_esims.matching_id is 'A secret of the customer: never logged.';
comment on column orders.order_esims.customer_id is
    'The order''s; repeated here so that the policy needs no join.';
comment on column orders.order_esims.registered_at is 'When the esims service had taken it over.';

create index order_esims_of_customer on orders.order_esims (customer_id);

create table orders.order_revocations (
    order_id uuid not null references orders.esim_orders (id) on delete cascade,
    assignment_id text not null check (assignment_id <> ''),
    customer_id uuid not null,
    iccid text not null,
    bundle_name text not null,
    to_balance boolean not null,
    state text not null default 'PLANNED' check (
        state in ('PLANNED', 'STARTED', 'REVOKED', 'REFUSED')
    ),
    refund text check (refund in ('BALANCE', 'INVENTORY', 'NONE')),
    provider_text text not null default '',
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    primary key (order_id, assignment_id)
);

comment on table orders.order_revocations is
    'The bundles of an order that is being cancelled, each recorded before and after its revoke.';
comment on column orders.order_revocations.to_balance is
    'Whether the refund is asked for to the balance; else it goes to the inventory.';
comment on column orders.order_revocations.refund is 'Null while it is not known.';
comment on column orders.order_revocations.provider_text is 'The provider''s own words, for operators.';

create index order_revocations_of_customer on orders.order_revocations (customer_id);

create table orders.order_events (
    id bigint generated always as identity primary key,
    order_id uuid not null references orders.esim_orders (id) on delete cascade,
    at timestamptz not null default clock_timestamp(),
    from_status text,
    to_status text not null,
    actor text not null,
    reason text not null default ''
);

comment on table orders.order_events is 'Every step of every order, for operators; only added to.';
comment on column orders.order_events.actor is 'purchase, cancellation, or the id of the user who asked.';

create index order_events_of_order on orders.order_events (order_id, id);

do $$
declare
    name text;
begin
    foreach name in array array[
        'esim_orders', 'order_attempts', 'order_esims', 'order_revocations', 'order_events'
    ] loop
        execute format('alter table orders.%I owner to esimgo_owner', name);
        execute format('alter table orders.%I enable row level security', name);
        execute format('alter table orders.%I force row level security', name);
        execute format(
            'create policy %I on orders.%I for all to orders_system using (true) with check (true)',
            name || '_system', name
        );
    end loop;
    -- Attempts and events are for operators' own tools: no session of the API may read them.
    foreach name in array array['esim_orders', 'order_esims', 'order_revocations'] loop
        execute format(
            'create policy %I on orders.%I for select to orders_user using '
            || '(((select auth.jwt()) #>> ''{app_metadata,role}'') = ''admin'')',
            name || '_admin', name
        );
        execute format(
            'create policy %I on orders.%I for select to orders_user using '
            || '(customer_id = (select auth.uid()))',
            name || '_own', name
        );
    end loop;
end
$$;

-- Only what a customer may know.
grant select (
    id, customer_id, idempotency_key, plan_id, bundle_name, quantity, unit_price, total_price,
    currency, customer_reference, auto_activate, status, recovery_point, status_reason,
    provider_reference, cancel_requested_at, created_at, updated_at
) on orders.esim_orders to orders_user;
grant select (order_id, iccid, customer_id, position, matching_id, smdp_address, registered_at)
    on orders.order_esims to orders_user;
grant select (order_id, assignment_id, customer_id, iccid, bundle_name, state, refund)
    on orders.order_revocations to orders_user;

grant select, insert, update on
    orders.esim_orders, orders.order_attempts, orders.order_esims, orders.order_revocations
    to orders_system;
grant select, insert on orders.order_events to orders_system;
