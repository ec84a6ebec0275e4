-- With many plans and organizations, a day has nearly as many sums as sales. Reports that do not name them, such as a year by
-- month or 30 days by country, read sums without them: few for each day, and fewer for each month.

create table orders.sales_by_area (
    time_zone text not null,
    unit text not null check (unit in ('DAY', 'MONTH')),
    day date not null,
    sold_day date not null,
    currency text not null,
    converted_currency text not null,
    sale_currency text not null,
    area text not null,
    country text not null,
    region text not null,
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
    primary key (
        time_zone, unit, day, sold_day, area, sale_currency, currency, converted_currency, country, region
    )
) with (fillfactor = 80);
create index sales_by_area_sold on orders.sales_by_area (time_zone, unit, sold_day);

comment on table orders.sales_by_area is
    'Sums of sales_by_day by destination, for all plans, organizations, coupons and sources together; written in the same
transaction.';
comment on column orders.sales_by_area.unit is 'DAY: sums of one day. MONTH: sums of one calendar month.';
comment on column orders.sales_by_area.day is 'The day, or the first day of the month.';
comment on column orders.sales_by_area.sold_day is 'The day, or the first day of the month, of the sale.';
comment on column orders.sales_by_area.country is 'ISO code; empty for plans of several countries.';

create function orders.raise_sales_by_area(ids uuid[]) returns void language plpgsql set search_path = '' as $f$
begin
insert into orders.sales_by_area as s (
    time_zone, unit, day, sold_day, area, sale_currency, currency, converted_currency, country, region, facts, orders,
    esims, gross, tax, refunds, disputes, cost, fees, inventory, converted_gross, converted_tax, converted_refunds,
    converted_disputes, converted_cost, converted_fees, converted_inventory
)
select
    z.time_zone, u.unit,
    case u.unit when 'DAY' then l.day else date_trunc('month', l.day::timestamp)::date end,
    case u.unit when 'DAY' then l.sold_day else date_trunc('month', l.sold_day::timestamp)::date end,
    d.area, d.sale_currency, f.currency, f.converted_currency, coalesce(d.country, ''), d.region,
    count(*)::integer, sum(f.orders)::integer, sum(f.esims)::integer, sum(f.gross), sum(f.tax), sum(f.refunds),
    sum(f.disputes), sum(f.cost), sum(f.fees), sum(f.inventory), sum(f.converted_gross), sum(f.converted_tax),
    sum(f.converted_refunds), sum(f.converted_disputes), sum(f.converted_cost), sum(f.converted_fees),
    sum(f.converted_inventory)
from orders.sales_figures f
join orders.sales_dimensions d on d.id = f.dimension_id
cross join orders.sales_zones z
cross join lateral (
    select (f.at at time zone z.time_zone)::date as day, (f.sold_at at time zone z.time_zone)::date as sold_day
) l
cross join (values ('DAY'), ('MONTH')) u (unit)
where f.transaction_id = any(ids)
group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
order by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
on conflict (time_zone, unit, day, sold_day, area, sale_currency, currency, converted_currency, country, region)
do update set
    facts = s.facts + excluded.facts, orders = s.orders + excluded.orders, esims = s.esims + excluded.esims,
    gross = s.gross + excluded.gross, tax = s.tax + excluded.tax, refunds = s.refunds + excluded.refunds,
    disputes = s.disputes + excluded.disputes, cost = s.cost + excluded.cost, fees = s.fees + excluded.fees,
    inventory = s.inventory + excluded.inventory, converted_gross = s.converted_gross + excluded.converted_gross,
    converted_tax = s.converted_tax + excluded.converted_tax,
    converted_refunds = s.converted_refunds + excluded.converted_refunds,
    converted_disputes = s.converted_disputes + excluded.converted_disputes,
    converted_cost = s.converted_cost + excluded.converted_cost,
    converted_fees = s.converted_fees + excluded.converted_fees,
    converted_inventory = s.converted_inventory + excluded.converted_inventory;
end
$f$;
alter function orders.raise_sales_by_area(uuid[]) owner to esimgo_owner;
comment on function orders.raise_sales_by_area(uuid[]) is 'Adds the facts of these transactions to the sums by area.';

-- Purchases that are committing call the function as it was: this waits for them, and lets others wait for the new one.
set local work_mem = '128MB';
lock table orders.sales_facts in share row exclusive mode;

-- As before, and the sums by area last: they are rows that even more purchases share.
create or replace function orders.raise_sales() returns trigger language plpgsql set search_path = '' as $f$
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
    perform orders.raise_sales_by_area(ids);
    return null;
end
$f$;

-- Their statements look up a few rows by keys. PostgreSQL guesses that an array has ten elements, so a plan for the actual ones
-- seems cheaper to it, and it would plan each statement in each purchase, which takes ten times as long as running it.
do $$
declare
    name text;
begin
    foreach name in array array[
        'ledger_sales(uuid[])', 'inventory_sales(uuid[])', 'sum_sales(text, uuid[])', 'record_ledger_sales(uuid[])',
        'record_inventory_sales(uuid[])', 'record_sales()', 'raise_sales()', 'raise_sales_by_area(uuid[])'
    ] loop
        execute format('alter function orders.%s set plan_cache_mode = force_generic_plan', name);
    end loop;
end
$$;

insert into orders.sales_by_area (
    time_zone, unit, day, sold_day, area, sale_currency, currency, converted_currency, country, region, facts, orders,
    esims, gross, tax, refunds, disputes, cost, fees, inventory, converted_gross, converted_tax, converted_refunds,
    converted_disputes, converted_cost, converted_fees, converted_inventory
)
select
    s.time_zone, 'DAY', s.day, s.sold_day, d.area, d.sale_currency, s.currency, s.converted_currency,
    coalesce(d.country, ''), d.region,
    sum(s.facts), sum(s.orders), sum(s.esims), sum(s.gross), sum(s.tax), sum(s.refunds), sum(s.disputes), sum(s.cost),
    sum(s.fees), sum(s.inventory), sum(s.converted_gross), sum(s.converted_tax), sum(s.converted_refunds),
    sum(s.converted_disputes), sum(s.converted_cost), sum(s.converted_fees), sum(s.converted_inventory)
from orders.sales_by_day s
join orders.sales_dimensions d on d.id = s.dimension_id
group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10;
insert into orders.sales_by_area (
    time_zone, unit, day, sold_day, area, sale_currency, currency, converted_currency, country, region, facts, orders,
    esims, gross, tax, refunds, disputes, cost, fees, inventory, converted_gross, converted_tax, converted_refunds,
    converted_disputes, converted_cost, converted_fees, converted_inventory
)
select
    s.time_zone, 'MONTH', date_trunc('month', s.day::timestamp)::date, date_trunc('month', s.sold_day::timestamp)::date,
    s.area, s.sale_currency, s.currency, s.converted_currency, s.country, s.region,
    sum(s.facts), sum(s.orders), sum(s.esims), sum(s.gross), sum(s.tax), sum(s.refunds), sum(s.disputes), sum(s.cost),
    sum(s.fees), sum(s.inventory), sum(s.converted_gross), sum(s.converted_tax), sum(s.converted_refunds),
    sum(s.converted_disputes), sum(s.converted_cost), sum(s.converted_fees), sum(s.converted_inventory)
from orders.sales_by_area s
group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10;
analyze orders.sales_by_area;

alter table orders.sales_by_area owner to esimgo_owner;
alter table orders.sales_by_area enable row level security;
alter table orders.sales_by_area force row level security;
create policy sales_by_area_system on orders.sales_by_area for all to orders_system using (true) with check (true);
create policy sales_by_area_reports on orders.sales_by_area for select to orders_reports using (true);
grant select on orders.sales_by_area to orders_system, orders_reports;
grant insert, update, delete on orders.sales_by_area to orders_system;
