-- Sums by area had a row for each pair of days on which orders were sold and, for example, refunded, so their number grew with
-- the sales. Now a day, or a month, has one row for each area and its currencies, with two sums: of what happened then, and
-- of what became of the orders that were sold then.

create table orders.area_sales (
    time_zone text not null,
    unit text not null check (unit in ('DAY', 'MONTH')),
    day date not null,
    area text not null,
    sale_currency text not null,
    currency text not null,
    converted_currency text not null,
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
    sold_facts integer not null,
    sold_orders integer not null,
    sold_esims integer not null,
    sold_gross numeric not null,
    sold_tax numeric not null,
    sold_refunds numeric not null,
    sold_disputes numeric not null,
    sold_cost numeric not null,
    sold_fees numeric not null,
    sold_inventory numeric not null,
    sold_converted_gross numeric not null,
    sold_converted_tax numeric not null,
    sold_converted_refunds numeric not null,
    sold_converted_disputes numeric not null,
    sold_converted_cost numeric not null,
    sold_converted_fees numeric not null,
    sold_converted_inventory numeric not null,
    primary key (time_zone, unit, day, area, sale_currency, currency, converted_currency, country, region)
) with (fillfactor = 80);

comment on table orders.area_sales is
    'Sums of sales_by_day by destination, for all plans, organizations, coupons and sources together; written in the same
transaction.';
comment on column orders.area_sales.unit is 'DAY: sums of one day. MONTH: sums of one calendar month.';
comment on column orders.area_sales.day is 'The day, or the first day of the month.';
comment on column orders.area_sales.country is 'ISO code; empty for plans of several countries.';
comment on column orders.area_sales.facts is 'Facts of this day. The sums up to converted_inventory are of these.';
comment on column orders.area_sales.sold_facts is
    'Facts whose order was sold on this day, whenever they happened. The sums from sold_orders on are of these.';

-- The sums so far, by either day.
create temporary view summed as
select
    s.time_zone, s.unit, s.day, s.area, s.sale_currency, s.currency, s.converted_currency, s.country, s.region,
    sum(s.facts)::integer as facts, sum(s.orders)::integer as orders, sum(s.esims)::integer as esims,
    sum(s.gross) as gross, sum(s.tax) as tax, sum(s.refunds) as refunds, sum(s.disputes) as disputes,
    sum(s.cost) as cost, sum(s.fees) as fees, sum(s.inventory) as inventory, sum(s.converted_gross) as converted_gross,
    sum(s.converted_tax) as converted_tax, sum(s.converted_refunds) as converted_refunds,
    sum(s.converted_disputes) as converted_disputes, sum(s.converted_cost) as converted_cost,
    sum(s.converted_fees) as converted_fees, sum(s.converted_inventory) as converted_inventory,
    sum(s.sold_facts)::integer as sold_facts, sum(s.sold_orders)::integer as sold_orders,
    sum(s.sold_esims)::integer as sold_esims, sum(s.sold_gross) as sold_gross, sum(s.sold_tax) as sold_tax,
    sum(s.sold_refunds) as sold_refunds, sum(s.sold_disputes) as sold_disputes, sum(s.sold_cost) as sold_cost,
    sum(s.sold_fees) as sold_fees, sum(s.sold_inventory) as sold_inventory,
    sum(s.sold_converted_gross) as sold_converted_gross, sum(s.sold_converted_tax) as sold_converted_tax,
    sum(s.sold_converted_refunds) as sold_converted_refunds, sum(s.sold_converted_disputes) as sold_converted_disputes,
    sum(s.sold_converted_cost) as sold_converted_cost, sum(s.sold_converted_fees) as sold_converted_fees,
    sum(s.sold_converted_inventory) as sold_converted_inventory
from (
    select
        time_zone, unit, day, area, sale_currency, currency, converted_currency, country, region,
        facts, orders, esims, gross, tax, refunds, disputes, cost, fees, inventory, converted_gross, converted_tax,
        converted_refunds, converted_disputes, converted_cost, converted_fees, converted_inventory, 0 as sold_facts,
        0 as sold_orders, 0 as sold_esims, 0 as sold_gross, 0 as sold_tax, 0 as sold_refunds, 0 as sold_disputes,
        0 as sold_cost, 0 as sold_fees, 0 as sold_inventory, 0 as sold_converted_gross, 0 as sold_converted_tax,
        0 as sold_converted_refunds, 0 as sold_converted_disputes, 0 as sold_converted_cost, 0 as sold_converted_fees,
        0 as sold_converted_inventory
    from orders.sales_by_area
    union all
    select
        time_zone, unit, sold_day, area, sale_currency, currency, converted_currency, country, region,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, facts, orders, esims, gross, tax, refunds, disputes, cost,
        fees, inventory, converted_gross, converted_tax, converted_refunds, converted_disputes, converted_cost,
        converted_fees, converted_inventory
    from orders.sales_by_area
) s
group by 1, 2, 3, 4, 5, 6, 7, 8, 9;

-- They are copied while purchases go on, but no rebuild.
set local work_mem = '128MB';
select pg_advisory_xact_lock_shared(hashtextextended('sales_by_day', 0));
insert into orders.area_sales
select * from summed order by 1, 2, 3;
analyze orders.area_sales;

-- Purchases that are committing call the functions as they were: this waits for them, and lets others wait for the new.
lock table orders.sales_facts in share row exclusive mode;

-- Then the days that changed meanwhile are copied again. Their number of facts has grown, as facts are only added.
do $$
declare
    changed record;
begin
    for changed in
        select time_zone, unit, day from (
            select time_zone, unit, day, sum(facts) as facts, 0 as sold_facts from orders.sales_by_area group by 1, 2, 3
            union all
            select time_zone, unit, sold_day, 0, sum(facts) from orders.sales_by_area group by 1, 2, 3
            union all
            select time_zone, unit, day, - sum(facts), - sum(sold_facts) from orders.area_sales group by 1, 2, 3
        ) s
        group by 1, 2, 3 having sum(facts) <> 0 or sum(sold_facts) <> 0
    loop
        delete from orders.area_sales
        where time_zone = changed.time_zone and unit = changed.unit and day = changed.day;
        insert into orders.area_sales
        select * from summed
        where time_zone = changed.time_zone and unit = changed.unit and day = changed.day;
    end loop;
end
$$;
drop view summed;

create function orders.raise_area_sales(sums orders.sales_by_day[]) returns void language plpgsql
    set search_path = '' set plan_cache_mode = force_generic_plan as $f$
begin
insert into orders.area_sales as a (
    time_zone, unit, day, area, sale_currency, currency, converted_currency, country, region,
    facts, orders, esims, gross, tax, refunds, disputes, cost, fees, inventory, converted_gross, converted_tax,
    converted_refunds, converted_disputes, converted_cost, converted_fees, converted_inventory, sold_facts, sold_orders,
    sold_esims, sold_gross, sold_tax, sold_refunds, sold_disputes, sold_cost, sold_fees, sold_inventory,
    sold_converted_gross, sold_converted_tax, sold_converted_refunds, sold_converted_disputes, sold_converted_cost,
    sold_converted_fees, sold_converted_inventory
)
select
    s.time_zone, u.unit, case u.unit when 'DAY' then c.day else date_trunc('month', c.day::timestamp)::date end,
    d.area, d.sale_currency, s.currency, s.converted_currency, coalesce(d.country, ''), d.region,
    sum(s.facts * c.own), sum(s.orders * c.own), sum(s.esims * c.own), sum(s.gross * c.own), sum(s.tax * c.own),
    sum(s.refunds * c.own), sum(s.disputes * c.own), sum(s.cost * c.own), sum(s.fees * c.own), sum(s.inventory * c.own),
    sum(s.converted_gross * c.own), sum(s.converted_tax * c.own), sum(s.converted_refunds * c.own),
    sum(s.converted_disputes * c.own), sum(s.converted_cost * c.own), sum(s.converted_fees * c.own),
    sum(s.converted_inventory * c.own), sum(s.facts * c.sold), sum(s.orders * c.sold), sum(s.esims * c.sold),
    sum(s.gross * c.sold), sum(s.tax * c.sold), sum(s.refunds * c.sold), sum(s.disputes * c.sold), sum(s.cost * c.sold),
    sum(s.fees * c.sold), sum(s.inventory * c.sold), sum(s.converted_gross * c.sold), sum(s.converted_tax * c.sold),
    sum(s.converted_refunds * c.sold), sum(s.converted_disputes * c.sold), sum(s.converted_cost * c.sold),
    sum(s.converted_fees * c.sold), sum(s.converted_inventory * c.sold)
from unnest(sums) s
join orders.sales_dimensions d on d.id = s.dimension_id
cross join lateral (
    select s.day, 1 as own, (s.day = s.sold_day)::integer as sold
    union all
    select s.sold_day, 0, 1 where s.day <> s.sold_day
) c
cross join (values ('DAY'), ('MONTH')) u (unit)
group by 1, 2, 3, 4, 5, 6, 7, 8, 9
order by 1, 2, 3, 4, 5, 6, 7, 8, 9
on conflict (time_zone, unit, day, area, sale_currency, currency, converted_currency, country, region)
do update set
    facts = a.facts + excluded.facts, orders = a.orders + excluded.orders, esims = a.esims + excluded.esims,
    gross = a.gross + excluded.gross, tax = a.tax + excluded.tax, refunds = a.refunds + excluded.refunds,
    disputes = a.disputes + excluded.disputes, cost = a.cost + excluded.cost, fees = a.fees + excluded.fees,
    inventory = a.inventory + excluded.inventory, converted_gross = a.converted_gross + excluded.converted_gross,
    converted_tax = a.converted_tax + excluded.converted_tax,
    converted_refunds = a.converted_refunds + excluded.converted_refunds,
    converted_disputes = a.converted_disputes + excluded.converted_disputes,
    converted_cost = a.converted_cost + excluded.converted_cost,
    converted_fees = a.converted_fees + excluded.converted_fees,
    converted_inventory = a.converted_inventory + excluded.converted_inventory,
    sold_facts = a.sold_facts + excluded.sold_facts, sold_orders = a.sold_orders + excluded.sold_orders,
    sold_esims = a.sold_esims + excluded.sold_esims, sold_gross = a.sold_gross + excluded.sold_gross,
    sold_tax = a.sold_tax + excluded.sold_tax, sold_refunds = a.sold_refunds + excluded.sold_refunds,
    sold_disputes = a.sold_disputes + excluded.sold_disputes, sold_cost = a.sold_cost + excluded.sold_cost,
    sold_fees = a.sold_fees + excluded.sold_fees, sold_inventory = a.sold_inventory + excluded.sold_inventory,
    sold_converted_gross = a.sold_converted_gross + excluded.sold_converted_gross,
    sold_converted_tax = a.sold_converted_tax + excluded.sold_converted_tax,
    sold_converted_refunds = a.sold_converted_refunds + excluded.sold_converted_refunds,
    sold_converted_disputes = a.sold_converted_disputes + excluded.sold_converted_disputes,
    sold_converted_cost = a.sold_converted_cost + excluded.sold_converted_cost,
    sold_converted_fees = a.sold_converted_fees + excluded.sold_converted_fees,
    sold_converted_inventory = a.sold_converted_inventory + excluded.sold_converted_inventory;
end
$f$;
alter function orders.raise_area_sales(orders.sales_by_day[]) owner to esimgo_owner;
comment on function orders.raise_area_sales(orders.sales_by_day[]) is 'Adds sums by day to the sums by area.';

-- As before, but facts are summed once for both kinds of sums.
create or replace function orders.raise_sales() returns trigger language plpgsql
    set search_path = '' set plan_cache_mode = force_generic_plan as $f$
declare
    ids uuid[];
    sums orders.sales_by_day[];
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
    select array_agg(d) into sums
    from orders.sales_zones z cross join lateral orders.sum_sales(z.time_zone, ids) d;
    insert into orders.sales_by_day as s
    select d.* from unnest(sums) d
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
    perform orders.raise_area_sales(sums);
    return null;
end
$f$;
drop function orders.raise_sales_by_area(uuid[]);

-- Code from before reads the former table by one of its days at a time. It is dropped with the next release.
drop table orders.sales_by_area;
create view orders.sales_by_area with (security_invoker = true) as
select
    time_zone, unit, day, null::date as sold_day, currency, converted_currency, sale_currency, area, country, region,
    facts, orders, esims, gross, tax, refunds, disputes, cost, fees, inventory, converted_gross, converted_tax,
    converted_refunds, converted_disputes, converted_cost, converted_fees, converted_inventory
from orders.area_sales where facts > 0
union all
select
    time_zone, unit, null, day, currency, converted_currency, sale_currency, area, country, region,
    sold_facts, sold_orders, sold_esims, sold_gross, sold_tax, sold_refunds, sold_disputes, sold_cost, sold_fees,
    sold_inventory, sold_converted_gross, sold_converted_tax, sold_converted_refunds, sold_converted_disputes,
    sold_converted_cost, sold_converted_fees, sold_converted_inventory
from orders.area_sales where sold_facts > 0;
alter view orders.sales_by_area owner to esimgo_owner;
comment on view orders.sales_by_area is 
    'Sums by area for code before area_sales: by the day of the act, or by that of the sale.';
grant select on orders.sales_by_area to orders_system, orders_reports;

alter table orders.area_sales owner to esimgo_owner;
alter table orders.area_sales enable row level security;
alter table orders.area_sales force row level security;
create policy area_sales_system on orders.area_sales for all to orders_system using (true) with check (true);
create policy area_sales_reports on orders.area_sales for select to orders_reports using (true);
grant select on orders.area_sales to orders_system, orders_reports;
grant insert, update, delete on orders.area_sales to orders_system;
