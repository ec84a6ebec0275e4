"""Sales facts of a shop, made in SQL, and their sums by day."""

from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import Any

import asyncpg

from services.orders.reports import rebuild_store

ZONE = "UTC"
# Two years.
DAYS = 730
# Facts of an order, on average: see FILL.
FACTS_OF_AN_ORDER = 3.65
EMPTY = (
    "truncate orders.sales_facts, orders.sales_dimensions, orders.sales_by_day, orders.area_sales"
)
TRIES = 10
# Orders of one statement.
STEP = 200_000

# Sales are spread evenly over the time, and in its order, as in a real table. A few of the 5,221 plans have
# most sales; one plan in ten is for a region. Half of the customers pay in EUR, the others in USD or GBP;
# the provider charges USD, and the payment provider settles in EUR. Organizations buy a fifth. 70 % of the
# sales have tax, and 85 % are paid by card. 4 % are refunded up to 30 days after the sale.
FILL = """
with drawn as materialized (
    select
        $2::timestamptz + ($3::timestamptz - $2::timestamptz) * ((n - random()) / $1::int) as at,
        floor(5221 * random() ^ 3)::int as plan, random() as paid_in, random() as bought_by,
        floor(300 * random() ^ 3)::int as organization, random() as coupon, random() as taxed,
        random() as card, random() as event, interval '30 days' * random() as after,
        gen_random_uuid() as order_id, gen_random_uuid() as sale, gen_random_uuid() as cost,
        gen_random_uuid() as fee, gen_random_uuid() as later
    from generate_series($4::int, $5::int) n
),
described as materialized (
    select d.*, floor(200 * (plan * 0.61803398875 % 1) ^ 2)::int as place, plan % 10 = 0 as wide,
        (array[1, 3, 5, 7, 7, 10, 15, 15, 30, 30, 30, 30])[1 + plan % 12] as days,
        case when paid_in < 0.5 then 'EUR' when paid_in < 0.8 then 'USD' else 'GBP' end as currency,
        case when paid_in < 0.5 then 0.92 when paid_in >= 0.8 then 0.79 end as rate,
        case when bought_by < 0.8 then 'SHOP' when bought_by < 0.92 then 'API' else 'BATCH' end as source,
        case when coupon < 0.05 then 'COUPON' || floor(coupon * 400)::int else '' end as coupon_code,
        case when bought_by >= 0.8 then md5('organization' || organization)::uuid end as organization_id,
        round((2 + plan % 40 * 0.7)::numeric, 2) as price
    from drawn d
),
sold as materialized (
    select s.*,
        md5(concat_ws('/', plan, currency, source, coupon_code, organization_id))::uuid as dimension_id,
        round(price * 0.7, 2) as spent, round(price * 0.19, 2) as tax
    from described s
),
dimensions as (
    insert into orders.sales_dimensions
    select distinct on (dimension_id)
        dimension_id, md5('plan' || plan)::uuid, 'esim_' || plan,
        case when wide then 'Region ' || place % 8 else 'C' || place end,
        case when not wide then 'C' || place end,
        'Region ' || place % 8, days, 1000 * days, plan % 4 = 0, organization_id, coupon_code, source,
        currency
    from sold
    on conflict do nothing
)
insert into orders.sales_facts (
    transaction_id, n, at, sold_at, kind, amount, currency, converted, converted_currency, exchange_rate,
    order_id, orders, esims, dimension_id
)
select e.transaction_id, e.n, s.at, case when e.later then s.at - s.after else s.at end, e.kind, e.amount,
    e.currency, round(c.converted, 2), case when c.converted is null then '' else c.currency end, s.rate,
    s.order_id, e.counts, e.counts, s.dimension_id
from sold s
cross join lateral (values
    (true, sale, 1, false, 'SALE', price, currency, 1),
    (taxed < 0.7, sale, 2, false, 'TAX', tax, currency, 0),
    (true, cost, 1, false, 'COST', spent, 'USD', 0),
    (card < 0.85, fee, 1, false, 'FEE', round(0.25 + price * 0.015, 2), 'EUR', 0),
    (event < 0.04, later, 1, true, 'REFUND', price, currency, 0),
    (event < 0.028, later, 2, true, 'TAX_BACK', tax, currency, 0),
    (event < 0.005, cost, 2, true, 'COST_BACK', spent, 'USD', 0),
    (event between 0.1 and 0.11, later, 1, true, 'INVENTORY', spent, 'USD', 0),
    (event between 0.2 and 0.202, later, 1, true, 'DISPUTE', price, currency, 0)
) e (happened, transaction_id, n, later, kind, amount, currency, counts)
cross join lateral (
    select case when e.currency = s.currency then 'USD' else s.currency end as currency,
        case when e.currency = s.currency and s.currency <> 'USD' then e.amount / s.rate
            when e.currency = 'USD' and s.currency <> 'USD' then e.amount * s.rate
            when e.currency = 'EUR' and s.currency = 'USD' then e.amount / 0.92
            when e.currency = 'EUR' and s.currency = 'GBP' then e.amount * 0.86 end as converted
) c
where e.happened
order by s.at
"""


def period(today: date, days: int = DAYS) -> tuple[date, date]:
    """Return the first and the last day with sales, of so many until yesterday."""
    last = today - timedelta(days=1)
    return last - timedelta(days=days - 1), last


async def fill(connection: Any, facts: int, first: date, last: date) -> None:
    """Replace all facts by about so many; needs a superuser's connection."""
    await _empty(connection)
    # Without the triggers that sum each fact.
    await connection.execute("set session_replication_role = replica")
    await connection.execute("select setseed(0.5)")
    orders = max(1, round(facts / FACTS_OF_AN_ORDER))
    start = datetime(first.year, first.month, first.day, tzinfo=UTC)
    until = datetime(last.year, last.month, last.day, tzinfo=UTC) + timedelta(days=1)
    for number in range(1, orders + 1, STEP):
        upto = min(number + STEP - 1, orders)
        await connection.execute(FILL, orders, start, until, number, upto, timeout=600)
    # As PostgreSQL does by itself in a table that grows.
    await connection.execute("vacuum analyze orders.sales_facts, orders.sales_dimensions")
    # Some were sold up to 30 days before the first day.
    days = [first + timedelta(days=number) for number in range(-31, (last - first).days + 1)]
    for day in days:
        await rebuild_store.sum_day(connection, ZONE, day)
    await connection.execute("vacuum analyze orders.sales_by_day", timeout=600)
    for day in days:
        await rebuild_store.sum_areas(connection, ZONE, "DAY", day)
    for month in sorted({day.replace(day=1) for day in days}):
        await rebuild_store.sum_areas(connection, ZONE, "MONTH", month)
    await connection.execute("vacuum analyze orders.area_sales", timeout=600)
    await connection.execute("reset session_replication_role")


async def _empty(connection: Any) -> None:
    # The service reads these tables for its metrics meanwhile, in another order.
    for _ in range(TRIES):
        with suppress(asyncpg.DeadlockDetectedError):
            await connection.execute(EMPTY)
            return
    raise RuntimeError("the tables of facts are in use all the time")
