-- Sales facts: what the ledger says of each order, with what was sold, for reports. They are written when the transaction
-- that posts to the ledger commits, so no program can forget them, and are summed by day at the same time.

alter table orders.esim_orders add column sold_region text;
comment on column orders.esim_orders.sold_region is
    'Main region of the plan as it was sold; Global if it has none, null for older orders.';

-- What a fact is about, from the order's snapshot. A later change of the catalogue changes no row.
create table orders.sales_dimensions (
    id uuid primary key,
    plan_id uuid,
    bundle_name text not null,
    area text not null,
    country text,
    region text not null,
    duration_days integer,
    data_mb bigint,
    unlimited boolean not null,
    organization_id uuid,
    coupon_code text not null,
    source text not null check (source in ('SHOP', 'API', 'BATCH', 'NONE')),
    sale_currency text not null
);

comment on table orders.sales_dimensions is 'What was sold, to whom and how; one row for each combination.';
comment on column orders.sales_dimensions.id is 'Hash of the other columns.';
comment on column orders.sales_dimensions.area is
    'ISO code of the country of a plan of one country, else its main region; MULTIPLE if that is not known, UNKNOWN for orders
without a snapshot, and empty for facts without an order.';
comment on column orders.sales_dimensions.country is 'ISO code; null for plans of several countries.';
comment on column orders.sales_dimensions.region is 'Main region of the plan; Global if it has none, empty if it is not known.';
comment on column orders.sales_dimensions.source is
    'SHOP: bought by a person. API: with an API key. BATCH: by a batch. NONE: a fact without an order.';
comment on column orders.sales_dimensions.sale_currency is 'What the customer pays in; empty for facts without an order.';

create table orders.sales_facts (
    transaction_id uuid not null,
    n smallint not null,
    at timestamptz not null,
    sold_at timestamptz not null,
    kind text not null check (kind in (
        'SALE', 'TAX', 'REFUND', 'TAX_BACK', 'DISPUTE', 'COST', 'COST_BACK', 'FEE', 'INVENTORY'
    )),
    amount numeric not null,
    currency text not null,
    converted numeric,
    converted_currency text not null default '',
    exchange_rate numeric,
    order_id uuid,
    orders smallint not null default 0,
    esims smallint not null default 0,
    dimension_id uuid not null,
    primary key (transaction_id, n),
    constraint converted_into_a_currency check ((converted is null) = (converted_currency = ''))
);

comment on table orders.sales_facts is
    'One row for each entry of the ledger about sales. Rows are never changed or deleted.';
comment on column orders.sales_facts.transaction_id is
    'With n, the entry of the ledger. For INVENTORY: a hash of the order and the revoked bundle.';
comment on column orders.sales_facts.sold_at is 'When its order was sold; the same as `at` if that is not known yet.';
comment on column orders.sales_facts.kind is
    'SALE: the price without tax. TAX: the tax in it. REFUND, TAX_BACK: what was given back, and the tax in it. DISPUTE: withdrawn
by the payment provider. COST, COST_BACK: charged and paid back by the provider of eSIMs. FEE: of the payment provider.
INVENTORY: value of a bundle that was returned to the inventory, which is no money.';
comment on column orders.sales_facts.amount is 'Positive for what the kind says, negative if it is reversed.';
comment on column orders.sales_facts.converted is 'The amount in `converted_currency`; null without a recorded rate.';
comment on column orders.sales_facts.exchange_rate is
    'The rate that was used, as it is recorded: units of the order''s currency for one of the currency of its cost; for a fee,
units of the payment''s currency for one of the currency of the fee.';
comment on column orders.sales_facts.orders is '1 for one fact of each order: that of its sale, or of its cost if it was free.';

create index sales_facts_by_time on orders.sales_facts using brin (at timestamptz_minmax_multi_ops);
create index sales_facts_by_sale on orders.sales_facts using brin (sold_at timestamptz_minmax_multi_ops);

-- Days begin at midnight in a time zone. There is one zone, and two while the setting changes.
create table orders.sales_zones (
    time_zone text primary key,
    ready boolean not null,
    since timestamptz not null default now()
);
insert into orders.sales_zones (time_zone, ready) values ('UTC', true);

comment on table orders.sales_zones is 'Time zones in which facts are summed by day.';
comment on column orders.sales_zones.ready is 'False while the days before `since` are being summed.';

create table orders.sales_by_day (
    time_zone text not null,
    day date not null,
    sold_day date not null,
    currency text not null,
    converted_currency text not null,
    dimension_id uuid not null,
    facts integer not null,
    orders integer not null,
    esims integer not null,
    gross numeric not null,
    tax numeric not null,
    refunds numeric not null,
    disputes numeric not null,
    cost numeric not null,
    fees numeric not null,
    inventory numeric not null,
    converted_gross numeric not null,
    converted_tax numeric not null,
    converted_refunds numeric not null,
    converted_disputes numeric not null,
    converted_cost numeric not null,
    converted_fees numeric not null,
    converted_inventory numeric not null,
    primary key (time_zone, day, sold_day, currency, converted_currency, dimension_id)
) with (fillfactor = 80);
create index sales_by_day_sold on orders.sales_by_day (time_zone, sold_day);

comment on table orders.sales_by_day is
    'Sums of sales facts by day, raised in the transaction that records the facts. `./esimgo reports rebuild` sums them again.';

-- Facts of older ledger transactions are recorded by a background job, in the order of their posting. Creating the trigger
-- below has to wait for transactions that post, so none is missed.
create table orders.sales_state (
    only_row boolean primary key default true check (only_row),
    recorded_until bigint not null default 0,
    to_record_until bigint not null,
    check_due_at timestamptz not null default now() + interval '1 hour',
    checked_at timestamptz,
    differences integer
);

comment on table orders.sales_state is 'How far the facts of older ledger transactions are recorded, and the last check.';
comment on column orders.sales_state.recorded_until is 'The facts of ledger transactions up to this number are recorded.';
comment on column orders.sales_state.to_record_until is 'The last number that has no facts of its own transaction.';

-- It has no setting of its own and returns a set, so that PostgreSQL makes it a part of the statements that use it.
create function orders.sales_dimension(o orders.esim_orders, organization uuid)
    returns setof orders.sales_dimensions language sql stable as $f$
select
    md5(jsonb_build_array(
        d.plan_id, d.bundle_name, d.area, d.country, d.region, d.duration_days, d.data_mb, d.unlimited, d.organization_id,
        d.coupon_code, d.source, d.sale_currency
    )::text)::uuid, d.*
from (
    select
        o.plan_id,
        coalesce(o.bundle_name, '') as bundle_name,
        case
            when o.id is null then ''
            when s.countries is null then 'UNKNOWN'
            when s.countries = 1 then o.sold_plan #>> '{countries,0}'
            else coalesce(nullif(o.sold_region, ''), 'MULTIPLE')
        end as area,
        case when s.countries = 1 then o.sold_plan #>> '{countries,0}' end as country,
        coalesce(o.sold_region, '') as region,
        (o.sold_plan ->> 'duration_days')::integer as duration_days,
        (o.sold_plan ->> 'data_mb')::bigint as data_mb,
        coalesce((o.sold_plan ->> 'unlimited')::boolean, false) as unlimited,
        coalesce(o.organization_id, organization) as organization_id,
        coalesce(o.coupon_code, '') as coupon_code,
        case
            when o.id is null then 'NONE'
            when o.batch_order_id is not null then 'BATCH'
            -- The id of an API key is a UUID of version 8.
            when substr(o.customer_id::text, 15, 1) = '8' then 'API'
            else 'SHOP'
        end as source,
        coalesce(o.currency, '') as sale_currency
    from (select jsonb_array_length(o.sold_plan -> 'countries') as countries) s
) d
$f$;
alter function orders.sales_dimension(orders.esim_orders, uuid) owner to esimgo_owner;
comment on function orders.sales_dimension(orders.esim_orders, uuid) is
    'Returns what the facts of an order are about; of no order, they may be about an organization.';

create function orders.ledger_sales(ids uuid[]) returns setof orders.sales_facts language plpgsql stable
    set search_path = '' as $f$
begin
return query
select
    e.transaction_id, e.n, t.at, s.sold_at, f.kind, f.amount, e.currency,
    c.converted,
    case when c.converted is null then '' else c.currency end,
    case when c.converted is not null then c.rate end,
    t.order_id,
    f.counts::integer::smallint,
    case when f.counts then o.quantity else 0 end::smallint,
    d.id
from orders.ledger_transactions t
join orders.ledger_entries e on e.transaction_id = t.id
left join orders.esim_orders o on o.id = t.order_id
cross join lateral (
    -- What was posted after this act does not change its facts.
    select coalesce(
        (select s.at from orders.ledger_transactions s
            where s.key = 'sale:' || t.order_id and (s.n <= t.n or s.at = t.at)),
        (select s.at from orders.ledger_transactions s
            where s.key = 'cost:' || t.order_id and (s.n <= t.n or s.at = t.at)),
        t.at
    ) as sold_at
) s
cross join lateral (
    select
        case
            when e.account = 'revenue' then 'SALE'
            when e.account = 'refunds' then 'REFUND'
            when e.account = 'cost' then case when t.kind = 'COST' then 'COST' else 'COST_BACK' end
            when e.account = 'fees' then 'FEE'
            when e.account = 'disputes' then 'DISPUTE'
            when t.kind = 'SALE' then 'TAX'
            else 'TAX_BACK'
        end as kind,
        case
            when e.account = 'revenue' or (e.account = 'cost' and t.kind <> 'COST')
                or (e.account like 'tax:%' and t.kind = 'SALE') then - e.amount
            else e.amount
        end as amount,
        coalesce(
            (t.kind = 'SALE' and e.account = 'revenue')
            -- A free order has no sale in the ledger.
            or (t.kind = 'COST' and e.account = 'cost'
                and round(o.total_price, orders.currency_digits(o.currency)) = 0),
            false
        ) as counts
) f
left join lateral (
    select x.currency, x.rate, round(x.exact, orders.currency_digits(x.currency)) as converted
    from (
        select o.cost_currency as currency, o.exchange_rate as rate, f.amount / o.exchange_rate as exact
        where o.currency <> o.cost_currency and e.currency = o.currency
        union all
        select o.currency, o.exchange_rate, f.amount * o.exchange_rate
        where o.currency <> o.cost_currency and e.currency = o.cost_currency
        union all
        -- The exchange of the movement that the fee is for.
        select paid.currency, paid.amount / - settled.amount, f.amount * paid.amount / - settled.amount
        from orders.ledger_entries paid
        join orders.ledger_entries settled on settled.transaction_id = paid.transaction_id
        where t.kind = 'FEE' and paid.transaction_id = t.id and paid.account = 'fx' and settled.account = 'fx'
            and settled.currency = e.currency and paid.currency <> e.currency
    ) x
    where x.exact is not null
    limit 1
) c on true
left join lateral (
    select split_part(r.account, ':', 2)::uuid as id from orders.ledger_entries r
    where t.order_id is null and r.transaction_id = t.id and r.account like 'receivable:%' limit 1
) organization on true
cross join lateral orders.sales_dimension(o, organization.id) d
where t.id = any(ids)
    and (e.account in ('revenue', 'refunds', 'cost', 'fees', 'disputes') or e.account like 'tax:%');
end
$f$;
alter function orders.ledger_sales(uuid[]) owner to esimgo_owner;
comment on function orders.ledger_sales(uuid[]) is 'Returns the facts that the ledger has of these transactions.';

-- Bundles that went back to the inventory are not in the ledger, as no money moved. The sum of an order is rounded, not
-- the value of each bundle.
create function orders.inventory_sales(wanted uuid[]) returns setof orders.sales_facts language plpgsql stable
    set search_path = '' as $f$
begin
return query
select
    md5(r.order_id || ':' || r.assignment_id)::uuid, 0::smallint, r.updated_at, coalesce(s.at, r.updated_at), 'INVENTORY',
    v.amount, v.currency, c.converted, coalesce(c.currency, ''), c.rate, o.id, 0::smallint, 0::smallint, d.id
from (
    -- Those that have a fact keep it, so k continues after them.
    select r.*, row_number() over (partition by r.order_id order by r.updated_at, r.assignment_id) + (
        select count(*) from orders.order_revocations before
        join orders.sales_facts f on f.transaction_id = md5(before.order_id || ':' || before.assignment_id)::uuid
        where before.order_id = r.order_id
    ) as k
    from orders.order_revocations r
    where r.order_id = any(wanted) and r.state = 'REVOKED' and r.refund = 'INVENTORY'
        and not exists (
            select from orders.sales_facts f
            where f.transaction_id = md5(r.order_id || ':' || r.assignment_id)::uuid
        )
) r
join orders.esim_orders o on o.id = r.order_id
left join lateral (
    select min(t.at) as at from orders.ledger_transactions t
    where t.order_id = o.id and t.kind in ('SALE', 'COST')
) s on true
cross join lateral (
    select coalesce(o.charged_cost, o.expected_cost, o.total_price) as exact,
        case
            when o.charged_cost is not null then coalesce(o.charged_currency, o.cost_currency, o.currency)
            else coalesce(o.cost_currency, o.currency)
        end as currency
) p
cross join lateral (
    select p.currency, round(p.exact * least(r.k, o.quantity) / o.quantity, orders.currency_digits(p.currency))
        - round(p.exact * least(r.k - 1, o.quantity) / o.quantity, orders.currency_digits(p.currency)) as amount
) v
left join lateral (
    select o.currency, o.exchange_rate as rate,
        round(v.amount * o.exchange_rate, orders.currency_digits(o.currency)) as converted
    where v.currency = o.cost_currency and o.currency <> o.cost_currency and o.exchange_rate is not null
) c on true
cross join lateral orders.sales_dimension(o, null) d;
end
$f$;
alter function orders.inventory_sales(uuid[]) owner to esimgo_owner;
comment on function orders.inventory_sales(uuid[]) is
    'Returns the facts of bundles of these orders that went to the inventory and have none.';

create view orders.sales_figures with (security_invoker = true) as
select f.transaction_id, f.n, f.at, f.sold_at, f.currency, f.converted_currency, f.order_id, f.dimension_id, f.orders, f.esims,
    a.*
from orders.sales_facts f
cross join lateral (
    select
        case when f.kind in ('SALE', 'TAX') then f.amount else 0 end as gross,
        case f.kind when 'TAX' then f.amount when 'TAX_BACK' then - f.amount else 0 end as tax,
        case when f.kind in ('REFUND', 'TAX_BACK') then f.amount else 0 end as refunds,
        case when f.kind = 'DISPUTE' then f.amount else 0 end as disputes,
        case f.kind when 'COST' then f.amount when 'COST_BACK' then - f.amount else 0 end as cost,
        case when f.kind = 'FEE' then f.amount else 0 end as fees,
        case when f.kind = 'INVENTORY' then f.amount else 0 end as inventory,
        case when f.kind in ('SALE', 'TAX') then coalesce(f.converted, 0) else 0 end as converted_gross,
        case f.kind when 'TAX' then coalesce(f.converted, 0) when 'TAX_BACK' then - coalesce(f.converted, 0) else 0 end
            as converted_tax,
        case when f.kind in ('REFUND', 'TAX_BACK') then coalesce(f.converted, 0) else 0 end as converted_refunds,
        case when f.kind = 'DISPUTE' then coalesce(f.converted, 0) else 0 end as converted_disputes,
        case f.kind when 'COST' then coalesce(f.converted, 0) when 'COST_BACK' then - coalesce(f.converted, 0) else 0 end
            as converted_cost,
        case when f.kind = 'FEE' then coalesce(f.converted, 0) else 0 end as converted_fees,
        case when f.kind = 'INVENTORY' then coalesce(f.converted, 0) else 0 end as converted_inventory
) a;
alter view orders.sales_figures owner to esimgo_owner;
comment on view orders.sales_figures is 'Sales facts, each amount in the columns of the figures that it is part of.';

create function orders.sum_sales(zone text, ids uuid[])
    returns setof orders.sales_by_day language plpgsql stable set search_path = '' as $f$
begin
return query
select
    zone, (f.at at time zone zone)::date, (f.sold_at at time zone zone)::date, f.currency, f.converted_currency,
    f.dimension_id, count(*)::integer, sum(f.orders)::integer, sum(f.esims)::integer,
    sum(f.gross), sum(f.tax), sum(f.refunds), sum(f.disputes), sum(f.cost), sum(f.fees), sum(f.inventory),
    sum(f.converted_gross), sum(f.converted_tax), sum(f.converted_refunds), sum(f.converted_disputes),
    sum(f.converted_cost), sum(f.converted_fees), sum(f.converted_inventory)
from orders.sales_figures f
where f.transaction_id = any(ids)
group by 1, 2, 3, 4, 5, 6
order by 1, 2, 3, 4, 5, 6;
end
$f$;
alter function orders.sum_sales(text, uuid[]) owner to esimgo_owner;
comment on function orders.sum_sales(text, uuid[]) is 'Sums the facts of these transactions by day.';

-- Sums are rows that all purchases share, so they are touched last. At the commit, the deferred triggers below record the
-- facts; recording them queues the trigger that raises the sums, which PostgreSQL runs after all others. What it has to sum is
-- in a setting of the transaction, so that it is done once, with all rows in the order of their keys.
create function orders.remember_sales(ids uuid[]) returns void language sql set search_path = '' as $f$
select set_config(
    'esimgo.recorded_sales',
    concat_ws(',', nullif(current_setting('esimgo.recorded_sales', true), ''), array_to_string(ids, ',')),
    true
)
$f$;
alter function orders.remember_sales(uuid[]) owner to esimgo_owner;

create function orders.raise_sales() returns trigger language plpgsql set search_path = '' as $f$
declare
    ids uuid[];
begin
    ids := string_to_array(nullif(current_setting('esimgo.recorded_sales', true), ''), ',')::uuid[];
    if ids is null then
        return null;
    end if;
    perform set_config('esimgo.recorded_sales', '', true);
    -- A rebuild takes it exclusively, for one day at a time.
    perform pg_advisory_xact_lock_shared(hashtextextended('sales_by_day', 0));
    insert into orders.sales_dimensions
    select distinct d.* from orders.sales_facts f
    left join orders.esim_orders o on o.id = f.order_id
    left join orders.ledger_entries r
        on f.order_id is null and r.transaction_id = f.transaction_id and r.account like 'receivable:%'
    cross join lateral orders.sales_dimension(o, split_part(r.account, ':', 2)::uuid) d
    where f.transaction_id = any(ids)
        and not exists (select from orders.sales_dimensions k where k.id = f.dimension_id)
    order by 1
    on conflict do nothing;
    insert into orders.sales_by_day as s
    select d.* from orders.sales_zones z cross join lateral orders.sum_sales(z.time_zone, ids) d
    order by 1, 2, 3, 4, 5, 6
    on conflict (time_zone, day, sold_day, currency, converted_currency, dimension_id) do update set
        facts = s.facts + excluded.facts,
        orders = s.orders + excluded.orders,
        esims = s.esims + excluded.esims,
        gross = s.gross + excluded.gross,
        tax = s.tax + excluded.tax,
        refunds = s.refunds + excluded.refunds,
        disputes = s.disputes + excluded.disputes,
        cost = s.cost + excluded.cost,
        fees = s.fees + excluded.fees,
        inventory = s.inventory + excluded.inventory,
        converted_gross = s.converted_gross + excluded.converted_gross,
        converted_tax = s.converted_tax + excluded.converted_tax,
        converted_refunds = s.converted_refunds + excluded.converted_refunds,
        converted_disputes = s.converted_disputes + excluded.converted_disputes,
        converted_cost = s.converted_cost + excluded.converted_cost,
        converted_fees = s.converted_fees + excluded.converted_fees,
        converted_inventory = s.converted_inventory + excluded.converted_inventory;
    return null;
end
$f$;
alter function orders.raise_sales() owner to esimgo_owner;
create constraint trigger raise_sales after insert on orders.sales_facts
    deferrable initially deferred for each row execute function orders.raise_sales();

create function orders.record_ledger_sales(ids uuid[]) returns void language plpgsql set search_path = '' as $f$
declare
    recorded uuid[];
begin
    with facts as (
        insert into orders.sales_facts select s.* from orders.ledger_sales(ids) s
        on conflict do nothing returning transaction_id
    )
    select array_agg(distinct f.transaction_id) into recorded from facts f;
    if recorded is not null then
        perform orders.remember_sales(recorded);
    end if;
end
$f$;
alter function orders.record_ledger_sales(uuid[]) owner to esimgo_owner;
comment on function orders.record_ledger_sales(uuid[]) is
    'Records the facts of ledger transactions that have none. They are summed when the transaction commits.';

create function orders.record_inventory_sales(wanted uuid[]) returns void language plpgsql set search_path = '' as $f$
declare
    recorded uuid[];
begin
    with facts as (
        insert into orders.sales_facts select s.* from orders.inventory_sales(wanted) s
        on conflict do nothing returning transaction_id
    )
    select array_agg(f.transaction_id) into recorded from facts f;
    if recorded is not null then
        perform orders.remember_sales(recorded);
    end if;
end
$f$;
alter function orders.record_inventory_sales(uuid[]) owner to esimgo_owner;
comment on function orders.record_inventory_sales(uuid[]) is
    'Records the facts of returns to the inventory of these orders. They are summed when the transaction commits.';

-- What a transaction posts is remembered at once, and its facts are recorded together.
create function orders.remember_posted() returns trigger language plpgsql set search_path = '' as $f$
begin
    perform set_config('esimgo.posted', concat_ws(
        ',', nullif(current_setting('esimgo.posted', true), ''), (select string_agg(p.id::text, ',') from posted p)
    ), true);
    return null;
end
$f$;
alter function orders.remember_posted() owner to esimgo_owner;
create trigger remember_posted after insert on orders.ledger_transactions
    referencing new table as posted for each statement execute function orders.remember_posted();

create function orders.record_sales() returns trigger language plpgsql set search_path = '' as $f$
declare
    posted constant text := nullif(current_setting('esimgo.posted', true), '');
begin
    if tg_table_name = 'order_revocations' then
        perform orders.record_inventory_sales(array[new.order_id]);
    elsif posted is not null then
        perform set_config('esimgo.posted', '', true);
        perform orders.record_ledger_sales(string_to_array(posted, ',')::uuid[]);
    end if;
    return null;
end
$f$;
alter function orders.record_sales() owner to esimgo_owner;
create constraint trigger record_sales after insert on orders.ledger_transactions
    deferrable initially deferred for each row execute function orders.record_sales();
create constraint trigger record_sales after update on orders.order_revocations
    deferrable initially deferred for each row when (new.state = 'REVOKED' and new.refund = 'INVENTORY')
    execute function orders.record_sales();

insert into orders.sales_state (to_record_until)
select coalesce(max(n), 0) from orders.ledger_transactions;

create trigger refuse_change before update or delete on orders.sales_facts
    for each row execute function orders.refuse_change();
create trigger refuse_change before update or delete on orders.sales_dimensions
    for each row execute function orders.refuse_change();

-- Reports read with a role that can do nothing else. Its login may be used by other programs too, and on a replica.
do $$
begin
    -- Roles belong to the whole server: another database may have made it, with another login.
    if not exists (select from pg_roles where rolname = 'orders_reports') then
        create role orders_reports login noinherit;
        alter role orders_reports set default_transaction_read_only = on;
        grant orders_reports to orders_service;
    end if;
end
$$;
grant usage on schema orders, migrations to orders_reports;
grant select on migrations.applied to orders_reports;

do $$
declare
    name text;
begin
    foreach name in array array['sales_dimensions', 'sales_facts', 'sales_zones', 'sales_by_day', 'sales_state'] loop
        execute format('alter table orders.%I owner to esimgo_owner', name);
        execute format('alter table orders.%I enable row level security', name);
        execute format('alter table orders.%I force row level security', name);
        execute format(
            'create policy %I on orders.%I for all to orders_system using (true) with check (true)',
            name || '_system', name
        );
        execute format('grant select on orders.%I to orders_system', name);
    end loop;
    foreach name in array array[
        'sales_dimensions', 'sales_facts', 'sales_zones', 'sales_by_day', 'sales_state', 'ledger_transactions',
        'ledger_entries'
    ] loop
        execute format(
            'create policy %I on orders.%I for select to orders_reports using (true)', name || '_reports', name
        );
        execute format('grant select on orders.%I to orders_reports', name);
    end loop;
end
$$;
grant select on orders.sales_figures to orders_system, orders_reports;
grant insert on orders.sales_dimensions, orders.sales_facts to orders_system;
grant insert, update, delete on orders.sales_zones, orders.sales_by_day to orders_system;
grant update on orders.sales_state to orders_system;
