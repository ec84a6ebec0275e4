"""Sums by area of sales are copied into their new form while purchases go on."""

from datetime import date, timedelta
from typing import Any

import asyncpg

from migrations import files, runner
from services.orders.reports import rebuild_store

NAME = "073_sum_areas_by_either_day"
ZONES = ("UTC", "Asia/Kolkata")
FIRST, DAYS = date(2026, 9, 1), 70

DIMENSIONS = """
insert into orders.sales_dimensions
select md5(n::text)::uuid, null, 'bundle', (array['FR', 'DE', 'Europe'])[1 + n % 3],
    (array['FR', 'DE', null])[1 + n % 3], 'Europe', 7, 1000, false, null, '', 'SHOP',
    (array['EUR', 'USD'])[1 + n % 2]
from generate_series(0, 11) n
"""
# Half of the facts happened up to 40 days after the sale.
FACTS = """
with facts as (
    insert into orders.sales_facts (
        transaction_id, n, at, sold_at, kind, amount, currency, converted, converted_currency,
        exchange_rate, order_id, orders, esims, dimension_id
    )
    select gen_random_uuid(), 0, f.at, f.at - n % 2 * interval '40 days' * random(),
        (array['SALE', 'REFUND', 'COST', 'FEE', 'TAX'])[1 + n % 5], n, (array['EUR', 'USD'])[1 + n % 2],
        2 * n, 'GBP', 2, null, 1, 2, md5((n % 12)::text)::uuid
    from generate_series(1, 200) n
    cross join lateral (
        select timestamptz '2026-10-12 00:00Z' + interval '20 days' * random() as at where n > 0
    ) f
    returning transaction_id
)
select orders.remember_sales(array_agg(transaction_id)) from facts
"""
# What a version from before the migration reads.
FORMER = """
select {day} as day, unit, sum(facts) as facts, sum(gross) as gross, sum(converted_fees) as fees
from orders.sales_by_area where time_zone = 'UTC' and {day} >= '2026-01-01' group by 1, 2 order by 1, 2
"""
BY_DAY = """
select {day} as day, 'DAY' as unit, sum(facts) as facts, sum(gross) as gross, sum(converted_fees) as fees
from orders.sales_by_day where time_zone = 'UTC' group by 1 order by 1
"""


async def test_sums_by_area_are_copied_while_purchases_go_on(empty: str) -> None:
    migrations = files.find()
    [wanted] = [m for m in migrations if m.name == NAME]
    await runner.migrate(empty, migrations=[m for m in migrations if m.name < NAME])
    connection, purchases = await asyncpg.connect(empty), await asyncpg.connect(empty)
    await connection.execute("insert into orders.sales_zones values ($1, true)", ZONES[1])
    await connection.execute(DIMENSIONS)
    await connection.execute(FACTS)
    copying, lock, remaining = wanted.sql.partition("lock table orders.sales_facts")
    async with connection.transaction():
        await connection.execute(copying)
        await purchases.execute(FACTS)
        await connection.execute(lock + remaining)
        await connection.execute(runner.INSERT_APPLIED, wanted.name, wanted.digest)
    await purchases.execute(FACTS)
    for day in ("day", "sold_day"):
        former = await connection.fetch(FORMER.format(day=day))
        assert [row for row in former if row["unit"] == "DAY"] == await connection.fetch(
            BY_DAY.format(day=day)
        )
        assert sum(row["facts"] for row in former) == 2 * 600
    await runner.migrate(empty)
    assert await _differences(connection) == []
    assert await connection.fetchval("select sum(sold_facts) from orders.area_sales") == 4 * 600
    await connection.close()
    await purchases.close()


async def _differences(connection: Any) -> list[Any]:
    found = []
    for zone in ZONES:
        for number in range(DAYS):
            day = FIRST + timedelta(days=number)
            found.append(await rebuild_store.sums_differ(connection, zone, day))
            found.append(await rebuild_store.areas_differ(connection, zone, "DAY", day))
            if day.day == 1:
                found.append(await rebuild_store.areas_differ(connection, zone, "MONTH", day))
    return [one for one in found if one is not None]
