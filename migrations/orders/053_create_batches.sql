-- Batches: many eSIMs that are bought by ordinary orders, one after the other. Each row belongs to one planned order at a
-- time, and an order in esim_orders names the planned order that it carries out, so an item is bought at most once.

create table orders.batches (
    id uuid primary key default gen_random_uuid(),
    customer_id uuid not null,
    organization_id uuid references orders.organizations (id),
    group_id uuid,
    idempotency_key text check (idempotency_key ~ '^[!-~]{1,200}$'),
    fingerprint bytea not null,
    name text not null default '' check (length(name) <= 200),
    error_policy text not null check (error_policy in ('REJECT_ALL', 'SKIP_FAILED', 'STOP_ON_FAILURE')),
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    max_total numeric check (max_total >= 0),
    not_before timestamptz,
    waiting text not null default '' check (waiting in ('', 'BALANCE', 'SUSPENDED', 'LIMIT')),
    waiting_since timestamptz,
    cancelled_at timestamptz,
    cancelled_by text check (cancelled_by <> ''),
    next_run_at timestamptz,
    lease_owner uuid,
    leased_until timestamptz,
    finished_at timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    foreign key (group_id, organization_id) references orders.groups (id, organization_id),
    constraint groups_have_an_organization check (group_id is null or organization_id is not null),
    constraint waiting_has_a_begin check ((waiting = '') = (waiting_since is null)),
    constraint cancelled_by_somebody check ((cancelled_at is null) = (cancelled_by is null)),
    constraint finished_batches_rest check (finished_at is null or next_run_at is null)
);

comment on table orders.batches is
    'Bulk purchases. Status and counts are not stored: they are computed from the items and their orders.';
comment on column orders.batches.fingerprint is 'SHA-256 of the request: a repeat must be equal to it.';
comment on column orders.batches.waiting is 'Why no order is placed at the moment; the batch continues automatically.';
comment on column orders.batches.next_run_at is 'When the worker looks at the batch again; null: it is finished.';

-- Two members who send one batch with the same key buy it once.
create unique index batches_by_key on orders.batches ((coalesce(organization_id, customer_id)), idempotency_key)
    where idempotency_key is not null;
create index batches_of_customer on orders.batches (customer_id, created_at desc, id desc);
create index batches_of_organization on orders.batches (organization_id, created_at desc, id desc)
    where organization_id is not null;
create index batches_due on orders.batches (next_run_at) where next_run_at is not null;

create table orders.batch_orders (
    id uuid primary key default gen_random_uuid(),
    batch_id uuid not null references orders.batches (id),
    n integer not null check (n > 0),
    plan_id uuid not null,
    quantity smallint not null check (quantity between 1 and 10),
    target_esim_id uuid,
    amount numeric not null check (amount >= 0),
    state text not null default 'PENDING' check (state in ('PENDING', 'ORDERED', 'REFUSED', 'CANCELLED')),
    code text not null default '',
    error text not null default '',
    tries integer not null default 0,
    retry_at timestamptz not null default now(),
    created_at timestamptz not null default now(),
    unique (batch_id, n),
    constraint only_refused_ones_have_a_reason check (state = 'REFUSED' or (code = '' and error = ''))
);

comment on table orders.batch_orders is 'The orders that a batch plans; budgets are reserved under this id until the order exists.';
comment on column orders.batch_orders.amount is 'What the order may cost, with tax, in the currency of the batch.';
comment on column orders.batch_orders.state is
    'ORDERED: esim_orders has its order. REFUSED: there will be none, for the reason in code and error. CANCELLED: there will be none.';
comment on column orders.batch_orders.tries is 'How often an unexpected error stopped its claim; it is skipped until retry_at.';

create index batch_orders_pending on orders.batch_orders (batch_id, n) where state = 'PENDING';

create table orders.batch_items (
    batch_id uuid not null references orders.batches (id),
    position smallint not null check (position > 0),
    batch_order_id uuid references orders.batch_orders (id),
    attempts integer not null default 0,
    plan_id uuid,
    plan_title text not null default '',
    quantity smallint not null check (quantity between 0 and 10),
    target_esim_id uuid,
    traveler_id uuid,
    traveler_name text not null default '' check (length(traveler_name) <= 200),
    traveler_email text not null default '' check (length(traveler_email) <= 320),
    traveler_user_id uuid,
    reference text not null default '' check (length(reference) <= 100),
    total_price numeric,
    code text not null default '',
    error text not null default '',
    primary key (batch_id, position),
    constraint rows_are_planned_or_faulty check ((batch_order_id is null) = (code <> ''))
);

comment on table orders.batch_items is 'The rows of batches. Their status is that of the planned order, and of its order.';
comment on column orders.batch_items.batch_order_id is 'The planned order that buys it; null: the row could not be bought, see code.';

create index batch_items_of_order on orders.batch_items (batch_order_id, position) where batch_order_id is not null;
create index batch_items_of_traveler on orders.batch_items (traveler_user_id) where traveler_user_id is not null;

-- One row: which order of a batch calls the provider now, in all processes, and when the next one may.
create table orders.batch_turn (
    id boolean primary key default true check (id),
    holder uuid,
    free_at timestamptz not null default now()
);
insert into orders.batch_turn (id) values (true);
comment on table orders.batch_turn is
    'The provider asks for a pause between bulk orders: an order of a batch is placed only by the holder of the turn.';

alter table orders.esim_orders
    add column batch_order_id uuid,
    add constraint orders_carry_out_planned_ones
        foreign key (batch_order_id) references orders.batch_orders (id) not valid;
comment on column orders.esim_orders.batch_order_id is 'The planned order of a batch that this one carries out; null: a single purchase.';

alter table orders.order_esims add column batch_position smallint;
comment on column orders.order_esims.batch_position is 'The row of the batch that the eSIM was delivered for; null for single purchases.';

create function orders.keep_batch_order() returns trigger language plpgsql set search_path = '' as $f$
begin
    if new.batch_order_id is distinct from old.batch_order_id then
        raise exception 'the planned order of an order cannot change' using errcode = 'check_violation';
    end if;
    return new;
end
$f$;
alter function orders.keep_batch_order() owner to esimgo_owner;
create trigger keep_batch_order before update of batch_order_id on orders.esim_orders
    for each row execute function orders.keep_batch_order();

-- States of planned orders are final, except that a pending one gets its order, a reason, or is cancelled.
create function orders.check_batch_order() returns trigger language plpgsql set search_path = '' as $f$
begin
    if new.state <> old.state and old.state <> 'PENDING' then
        raise exception 'a planned order cannot go from % to %', old.state, new.state using errcode = 'check_violation';
    end if;
    if (new.batch_id, new.n, new.plan_id, new.quantity, new.target_esim_id)
        is distinct from (old.batch_id, old.n, old.plan_id, old.quantity, old.target_esim_id) then
        raise exception 'what a planned order is for cannot change' using errcode = 'check_violation';
    end if;
    return new;
end
$f$;
alter function orders.check_batch_order() owner to esimgo_owner;
create trigger check_batch_order before update on orders.batch_orders
    for each row execute function orders.check_batch_order();

-- A row moves on to another planned order only after its former one ended without anything bought.
create function orders.check_batch_item() returns trigger language plpgsql set search_path = '' as $f$
begin
    if old.batch_order_id is not null and new.batch_order_id is distinct from old.batch_order_id and not exists (
        select from orders.batch_orders b left join orders.esim_orders o on o.batch_order_id = b.id
        where b.id = old.batch_order_id
            and (b.state in ('REFUSED', 'CANCELLED') or (b.state = 'ORDERED' and o.status = 'FAILED'))
    ) then
        raise exception 'row % of batch % may have been bought already', old.position, old.batch_id
            using errcode = 'check_violation';
    end if;
    return new;
end
$f$;
alter function orders.check_batch_item() owner to esimgo_owner;
create trigger check_batch_item before update of batch_order_id on orders.batch_items
    for each row execute function orders.check_batch_item();

-- Tells those who watch the batch, on the channel of orders.
create function orders.notify_batch() returns trigger language plpgsql set search_path = '' as $f$
begin
    perform pg_notify('esimgo_orders', new.id || ' ' || new.customer_id);
    return null;
end
$f$;
alter function orders.notify_batch() owner to esimgo_owner;
create trigger notify_batch after update on orders.batches
    for each row when (
        (to_jsonb(old) - array['lease_owner', 'leased_until', 'next_run_at', 'updated_at'])
        is distinct from
        (to_jsonb(new) - array['lease_owner', 'leased_until', 'next_run_at', 'updated_at'])
    ) execute function orders.notify_batch();

create function orders.notify_batch_of_order() returns trigger language plpgsql set search_path = '' as $f$
begin
    perform pg_notify('esimgo_orders', b.batch_id::text) from orders.batch_orders b where b.id = new.batch_order_id;
    return null;
end
$f$;
alter function orders.notify_batch_of_order() owner to esimgo_owner;
create trigger notify_batch_of_new_order after insert on orders.esim_orders
    for each row when (new.batch_order_id is not null) execute function orders.notify_batch_of_order();
-- The worker looks at the batch at once: it may be finished, or place its next order.
create function orders.wake_batch() returns trigger language plpgsql set search_path = '' as $f$
begin
    update orders.batches t set next_run_at = now()
    from orders.batch_orders b
    where b.id = new.batch_order_id and t.id = b.batch_id and t.next_run_at > now();
    perform pg_notify('esimgo_orders', b.batch_id::text) from orders.batch_orders b where b.id = new.batch_order_id;
    return null;
end
$f$;
alter function orders.wake_batch() owner to esimgo_owner;
create trigger wake_batch after update of status on orders.esim_orders
    for each row when (new.batch_order_id is not null and new.status <> old.status)
    execute function orders.wake_batch();

do $$
declare
    name text;
begin
    foreach name in array array['batches', 'batch_orders', 'batch_items', 'batch_turn'] loop
        execute format('alter table orders.%I owner to esimgo_owner', name);
        execute format('alter table orders.%I enable row level security', name);
        execute format('alter table orders.%I force row level security', name);
        execute format(
            'create policy %I on orders.%I for all to orders_system using (true) with check (true)',
            name || '_system', name
        );
        execute format('grant select, insert, update on orders.%I to orders_system', name);
    end loop;
end
$$;

-- Who may see a batch: its creator, or the owners and managers of its organization, and the buyer who created it while
-- they are a member. The rows are read as the system, for batches that the session may see.
create policy batches_own on orders.batches for select to orders_user
    using (organization_id is null and customer_id = (select auth.uid()));
create policy batches_member on orders.batches for select to orders_user using (
    organization_id in (
        select m.organization_id from orders.members m
        where m.user_id = (select auth.uid()) and m.until is null and m.role in ('OWNER', 'MANAGER')
    )
    or (customer_id = (select auth.uid()) and organization_id in (
        select m.organization_id from orders.members m
        where m.user_id = (select auth.uid()) and m.until is null and m.role = 'BUYER'
    ))
);
create policy batches_staff on orders.batches for select to orders_user
    using (((select auth.jwt()) #>> '{app_metadata,role}') in ('support', 'finance', 'admin'));
grant select (
    id, customer_id, organization_id, group_id, idempotency_key, fingerprint, name, error_policy, currency, max_total,
    not_before, waiting, waiting_since, cancelled_at, finished_at, created_at, updated_at
) on orders.batches to orders_user;
grant select (batch_order_id) on orders.esim_orders to orders_user;
grant select (batch_position) on orders.order_esims to orders_user;
