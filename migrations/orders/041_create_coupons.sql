-- Coupons, and which order used which coupon. A coupon's counters change in the transaction that changes the
-- status of an order, and check constraints keep them within its limits whatever a program does.

create table orders.coupons (
    id uuid primary key default gen_random_uuid(),
    code text not null unique check (code ~ '^[A-Z0-9-]{3,40}$'),
    percent numeric check (percent > 0 and percent <= 100),
    amount numeric check (amount > 0 and amount < 1e9),
    currency text check (currency ~ '^[A-Z]{3}$'),
    starts_at timestamptz,
    ends_at timestamptz,
    plans text[] not null default '{}',
    groups text[] not null default '{}',
    countries text[] not null default '{}',
    minimum numeric check (minimum > 0 and minimum < 1e9),
    max_uses integer check (max_uses > 0),
    max_uses_per_customer integer check (max_uses_per_customer > 0),
    budget numeric check (budget > 0 and budget < 1e9),
    first_purchase_only boolean not null default false,
    max_loss numeric check (max_loss >= 0 and max_loss < 1e9),
    used integer not null default 0 check (used >= 0),
    reserved integer not null default 0 check (reserved >= 0),
    spent numeric not null default 0 check (spent >= 0),
    reserved_amount numeric not null default 0 check (reserved_amount >= 0),
    created_at timestamptz not null default now(),
    created_by text not null check (created_by <> ''),
    disabled_at timestamptz,
    disabled_by text check (disabled_by <> ''),
    constraint percent_or_amount check ((percent is null) <> (amount is null)),
    constraint amounts_have_a_currency check (
        currency is not null
        or (amount is null and minimum is null and budget is null and max_loss is null)
    ),
    constraint starts_before_it_ends check (starts_at < ends_at),
    constraint used_within_max_uses check (used::bigint + reserved <= max_uses),
    constraint spent_within_budget check (spent + reserved_amount <= budget),
    constraint disabled_by_somebody check ((disabled_at is null) = (disabled_by is null))
);

comment on table orders.coupons is 'Codes that reduce the price of an order.';
comment on column orders.coupons.currency is
    'The currency of all its amounts and the only one that it applies to; null: it applies to any currency.';
comment on column orders.coupons.plans is 'Ids or bundle names; empty: all plans. The same for groups.';
comment on column orders.coupons.countries is
    'ISO codes: the coupon applies to plans that cover nothing but these; empty: all plans.';
comment on column orders.coupons.minimum is 'Least value of an order before the discount.';
comment on column orders.coupons.budget is 'Greatest sum of all discounts.';
comment on column orders.coupons.max_loss is
    'Greatest loss on one order that a discount may lead to; null: the least price of the plan is kept.';
comment on column orders.coupons.used is
    'Number of orders that were completed and not refunded; `reserved` is that of unfinished orders.';
comment on column orders.coupons.spent is
    'Sum of the discounts of the orders in `used`, if there is a currency; `reserved_amount` is that of unfinished ones.';
comment on column orders.coupons.created_by is 'Id of the user, or "service".';

create index coupons_newest on orders.coupons (created_at desc, id desc);

create table orders.coupon_redemptions (
    order_id uuid primary key references orders.esim_orders (id) on delete cascade,
    coupon_id uuid not null references orders.coupons (id),
    customer_id uuid not null,
    n integer not null check (n > 0),
    amount numeric not null check (amount >= 0),
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    state text not null default 'RESERVED' check (state in ('RESERVED', 'COMMITTED', 'RELEASED')),
    created_at timestamptz not null default now(),
    settled_at timestamptz
);

comment on table orders.coupon_redemptions is 'One row for each order with a coupon, written in the transaction of the claim.';
comment on column orders.coupon_redemptions.n is
    'Number of this use among those of the customer that were not released, from 1.';
comment on column orders.coupon_redemptions.amount is 'The discount of the order.';
comment on column orders.coupon_redemptions.state is
    'RESERVED: the order is unfinished. COMMITTED: it was completed. RELEASED: it failed or was refunded.';

-- Two purchases at once can't be the same use. Erased customers share one id, and have no limit.
create unique index coupon_redemptions_of_customer
    on orders.coupon_redemptions (coupon_id, customer_id, n)
    where state <> 'RELEASED' and customer_id <> '00000000-0000-0000-0000-000000000000';
create index coupon_redemptions_to_export on orders.coupon_redemptions (customer_id);

-- The use of a coupon follows the status of its order, in the same transaction. A cancelled order whose price was not
-- refunded has cost the discount, and keeps the use: otherwise a free order could be bought and cancelled forever.
create function orders.settle_coupon() returns trigger language plpgsql set search_path = '' as $f$
declare
    before constant text := case when new.status in ('COMPLETED', 'FAILED') then 'RESERVED' else 'COMMITTED' end;
    after constant text := case when new.status = 'COMPLETED' then 'COMMITTED' else 'RELEASED' end;
    use orders.coupon_redemptions;
begin
    update orders.coupon_redemptions set state = after, settled_at = now()
    where order_id = new.id and state = before
    returning * into use;
    if not found then
        raise exception 'order % has no % use of its coupon', new.id, before
            using errcode = 'check_violation';
    end if;
    update orders.coupons as c
    set reserved = c.reserved - (before = 'RESERVED')::integer,
        used = c.used + (after = 'COMMITTED')::integer - (before = 'COMMITTED')::integer,
        reserved_amount = c.reserved_amount
            - case when before = 'RESERVED' and c.currency is not null then use.amount else 0 end,
        spent = c.spent + case
            when c.currency is null then 0
            when after = 'COMMITTED' then use.amount
            when before = 'COMMITTED' then - use.amount
            else 0
        end
    where c.id = use.coupon_id;
    return null;
end
$f$;
alter function orders.settle_coupon() owner to esimgo_owner;

create trigger settle_coupon after update of status on orders.esim_orders
    for each row when (
        new.coupon_code <> '' and new.status <> old.status
        and new.status in ('COMPLETED', 'FAILED', 'REFUNDED')
    ) execute function orders.settle_coupon();

-- The coupon of an order and its amount never change.
create function orders.check_coupon_change() returns trigger language plpgsql set search_path = '' as $f$
begin
    if new.coupon_code <> old.coupon_code then
        raise exception 'the coupon of an order cannot change' using errcode = 'check_violation';
    end if;
    return new;
end
$f$;
alter function orders.check_coupon_change() owner to esimgo_owner;

create trigger check_coupon_change before update of coupon_code on orders.esim_orders
    for each row execute function orders.check_coupon_change();

create function orders.check_redemption_change() returns trigger language plpgsql set search_path = '' as $f$
begin
    if (new.order_id, new.coupon_id, new.n, new.amount, new.currency)
        is distinct from (old.order_id, old.coupon_id, old.n, old.amount, old.currency) then
        raise exception 'a use of a coupon cannot change' using errcode = 'check_violation';
    end if;
    if new.state <> old.state and (old.state, new.state) not in (
        ('RESERVED', 'COMMITTED'), ('RESERVED', 'RELEASED'), ('COMMITTED', 'RELEASED')
    ) then
        raise exception 'a use of a coupon cannot go from % to %', old.state, new.state
            using errcode = 'check_violation';
    end if;
    return new;
end
$f$;
alter function orders.check_redemption_change() owner to esimgo_owner;

create trigger check_redemption_change before update on orders.coupon_redemptions
    for each row execute function orders.check_redemption_change();

-- Sessions read nothing of these tables: the service decides what a caller learns about a coupon.
do $$
declare
    name text;
begin
    foreach name in array array['coupons', 'coupon_redemptions'] loop
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

-- See require_cost.
create function orders.record_retail_in_use() returns trigger language plpgsql set search_path = '' as $f$
begin
    insert into orders.retail_in_use default values on conflict do nothing;
    return null;
end
$f$;
alter function orders.record_retail_in_use() owner to esimgo_owner;

create trigger record_retail_in_use after insert on orders.coupons
    for each statement execute function orders.record_retail_in_use();
