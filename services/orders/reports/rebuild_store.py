"""SQL that compares sales facts with the ledger, and sums by day with the facts; nothing here commits."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from kit.db.database import Connection
from services.orders.reports.report import SUMMED

# A transaction that names this in `locks` is the only one that changes sums.
LOCK = "sales_by_day"
# Counts are integers, their sums are not.
KINDS = ["::integer" if name in ("facts", "orders", "esims") else "" for name in SUMMED]
KEYS = "time_zone, day, sold_day, currency, converted_currency, dimension_id"
COLUMNS = ", ".join(SUMMED)

FIRST = """
select least(
    (select min(at) from orders.ledger_transactions),
    (select min(updated_at) from orders.order_revocations where state = 'REVOKED' and refund = 'INVENTORY')
) as first
"""


async def first_moment(connection: Connection) -> datetime | None:
    """Return the time of the oldest ledger transaction or return to the inventory; None without any."""
    found: datetime | None = await connection.fetchval(FIRST)
    return found


BOUNDS = """
select ($1::date)::timestamp at time zone $2 as start, ($1::date + 1)::timestamp at time zone $2 as until
"""


async def bounds(connection: Connection, day: date, zone: str) -> tuple[datetime, datetime]:
    """Return when a day begins and ends."""
    row: Any = await connection.fetchrow(BOUNDS, day, zone)
    return row["start"], row["until"]


# Facts of older transactions that are still to be recorded are not missing.
ACTS = """
select array_agg(t.id) as ids from orders.ledger_transactions t, orders.sales_state s
where t.at >= $1 and t.at < $2 and not (t.n > s.recorded_until and t.n <= s.to_record_until)
"""


async def acts(connection: Connection, start: datetime, until: datetime) -> list[UUID]:
    """Return the ledger transactions of a period whose facts have to be there."""
    return list(await connection.fetchval(ACTS, start, until) or [])


WRONG = """
select coalesce(e.transaction_id, f.transaction_id) as transaction_id, coalesce(e.n, f.n) as n,
    case when f.transaction_id is null then 'FACT_MISSING'
        when e.transaction_id is null then 'FACT_UNEXPECTED' else 'FACT_DIFFERS' end as code,
    e.kind as kind, e.amount as amount, e.currency as currency,
    f.kind as found_kind, f.amount as found_amount, f.currency as found_currency
from orders.ledger_sales($1) e
full join (
    select * from orders.sales_facts f
    where f.kind <> 'INVENTORY' and f.at >= $2 and f.at < $3
) f on f.transaction_id = e.transaction_id and f.n = e.n
where (e.*) is distinct from (f.*)
order by 1, 2 limit 500
"""


async def wrong(
    connection: Connection, ids: Sequence[UUID], start: datetime, until: datetime
) -> list[Any]:
    """Return facts of a period that are not what the ledger says, at most 500."""
    return list(await connection.fetch(WRONG, list(ids), start, until))


COUNT = "select count(*)::int from orders.sales_facts where at >= $1 and at < $2"


async def count(connection: Connection, start: datetime, until: datetime) -> int:
    return int(await connection.fetchval(COUNT, start, until))


ZONES = "select time_zone from orders.sales_zones where ready order by time_zone"


async def zones(connection: Connection) -> list[str]:
    """Return the zones that are summed by day."""
    return [row["time_zone"] for row in await connection.fetch(ZONES)]


# The facts of a day again.
AGAIN = f"""
select $1::text as time_zone, (f.at at time zone $1)::date as day,
    (f.sold_at at time zone $1)::date as sold_day,
    f.currency, f.converted_currency, f.dimension_id, count(*)::integer as facts,
    {", ".join(f"sum(f.{name})::integer as {name}" for name in SUMMED[1:3])},
    {", ".join(f"sum(f.{name}) as {name}" for name in SUMMED[3:])}
from orders.sales_figures f
where f.at >= ($2::date)::timestamp at time zone $1 - interval '1 day'
    and f.at < ($2::date)::timestamp at time zone $1 + interval '2 days'
    and (f.at at time zone $1)::date = $2
group by 1, 2, 3, 4, 5, 6
"""  # noqa: S608 - only constants go in
SUMS_DIFFER = f"""
with again as ({AGAIN}), kept as (
    select {KEYS}, {COLUMNS} from orders.sales_by_day where time_zone = $1 and day = $2
)
select count(*)::int as number, coalesce(sum(a.gross), 0) as gross, coalesce(sum(k.gross), 0) as kept_gross,
    coalesce(sum(a.facts), 0) as facts, coalesce(sum(k.facts), 0) as kept_facts
from again a full join kept k using ({KEYS})
where (a.*) is distinct from (k.*)
"""  # noqa: S608 - the same


async def sums_differ(connection: Connection, zone: str, day: date) -> Any | None:
    """Return how many sums of a day differ from its facts, and both; None if none does."""
    row: Any = await connection.fetchrow(SUMS_DIFFER, zone, day)
    return row if row["number"] else None


CLEAR = """
with cleared as (delete from orders.sales_by_day where time_zone = $1 and day = $2 returning sold_day)
select distinct sold_day from cleared
"""
SUM = f"""
with summed as (insert into orders.sales_by_day ({KEYS}, {COLUMNS}) {AGAIN} returning sold_day)
select distinct sold_day from summed
"""  # noqa: S608 - only constants go in


async def sum_day(connection: Connection, zone: str, day: date) -> set[date]:
    """Sum the facts of a day again, but not by area, and return the days on which their orders were sold.

    The transaction holds LOCK.
    """
    before = await connection.fetch(CLEAR, zone, day)
    after = await connection.fetch(SUM, zone, day)
    return {row["sold_day"] for row in (*before, *after)}


# Sums by area again: of a day from those of all plans, of a month from those of its days. Those with `sold_`
# are of all that happened to the orders that were sold then.
AREA_KEYS = (
    "time_zone, unit, day, area, sale_currency, currency, converted_currency, country, region"
)
AREA_SUMMED = (*SUMMED, *(f"sold_{name}" for name in SUMMED))
AREA_COLUMNS = ", ".join(AREA_SUMMED)
DAY_AGAIN = f"""
select $1::text as time_zone, 'DAY' as unit, $2::date as day,
    d.area, d.sale_currency, s.currency, s.converted_currency, coalesce(d.country, '') as country, d.region,
    {
    ", ".join(
        f"coalesce(sum(s.{name}) filter (where s.{day} = $2), 0){kind} as {which}{name}"
        for which, day in (("", "day"), ("sold_", "sold_day"))
        for name, kind in zip(SUMMED, KINDS, strict=True)
    )
}
from orders.sales_by_day s join orders.sales_dimensions d on d.id = s.dimension_id
where s.time_zone = $1 and (s.day = $2 or s.sold_day = $2)
group by 4, 5, 6, 7, 8, 9
"""  # noqa: S608 - only constants go in
MONTH_AGAIN = f"""
select $1::text as time_zone, 'MONTH' as unit, $2::date as day,
    s.area, s.sale_currency, s.currency, s.converted_currency, s.country, s.region,
    {
    ", ".join(
        f"sum(s.{name}){kind} as {name}" for name, kind in zip(AREA_SUMMED, KINDS * 2, strict=True)
    )
}
from orders.area_sales s
where s.time_zone = $1 and s.unit = 'DAY' and s.day >= $2 and s.day < ($2::date + interval '1 month')::date
group by 4, 5, 6, 7, 8, 9
"""  # noqa: S608 - the same
AREAS_AGAIN = {"DAY": DAY_AGAIN, "MONTH": MONTH_AGAIN}
AREAS_DIFFER = """
with again as ({again}), kept as (
    select {keys}, {columns} from orders.area_sales where time_zone = $1 and unit = '{unit}' and day = $2
)
select count(*)::int as number, coalesce(sum(a.gross), 0) as gross, coalesce(sum(k.gross), 0) as kept_gross,
    coalesce(sum(a.facts), 0) as facts, coalesce(sum(k.facts), 0) as kept_facts,
    coalesce(sum(a.sold_gross), 0) as sold_gross, coalesce(sum(k.sold_gross), 0) as kept_sold_gross,
    coalesce(sum(a.sold_facts), 0) as sold_facts, coalesce(sum(k.sold_facts), 0) as kept_sold_facts
from again a full join kept k using ({keys})
where (a.*) is distinct from (k.*)
"""


async def areas_differ(connection: Connection, zone: str, unit: str, day: date) -> Any | None:
    """Return how many sums by area of a DAY or MONTH differ from what they sum; None if none does."""
    query = AREAS_DIFFER.format(
        again=AREAS_AGAIN[unit], keys=AREA_KEYS, columns=AREA_COLUMNS, unit=unit
    )
    row: Any = await connection.fetchrow(query, zone, day)
    return row if row["number"] else None


CLEAR_AREAS = "delete from orders.area_sales where time_zone = $1 and unit = $2 and day = $3"
SUM_AREAS = f"insert into orders.area_sales ({AREA_KEYS}, {AREA_COLUMNS})"


async def sum_areas(connection: Connection, zone: str, unit: str, day: date) -> None:
    """Sum a DAY, or a MONTH that begins on a day, by area again. The transaction holds LOCK."""
    await connection.execute(CLEAR_AREAS, zone, unit, day)
    await connection.execute(f"{SUM_AREAS} {AREAS_AGAIN[unit]}", zone, day)


async def record(connection: Connection, ids: Sequence[UUID]) -> None:
    """Record the facts of ledger transactions that have none; the commit sums them."""
    await connection.execute("select orders.record_ledger_sales($1)", list(ids))


# Value of all bundles of an order that went to the inventory: all, as they are rounded together.
INVENTORY = """
select o.id, v.currency, v.amount, coalesce(f.amount, 0) as found
from (
    select order_id, count(*) as number,
        array_agg(md5(order_id || ':' || assignment_id)::uuid) as ids
    from orders.order_revocations
    where state = 'REVOKED' and refund = 'INVENTORY'
    group by order_id having max(updated_at) >= $1
) r
join orders.esim_orders o on o.id = r.order_id
cross join lateral (
    select coalesce(o.charged_cost, o.expected_cost, o.total_price) as exact,
        case when o.charged_cost is not null then coalesce(o.charged_currency, o.cost_currency, o.currency)
            else coalesce(o.cost_currency, o.currency) end as currency
) p
cross join lateral (
    select p.currency, round(
        p.exact * least(r.number, o.quantity) / o.quantity, orders.currency_digits(p.currency)
    ) as amount
) v
left join lateral (
    select sum(f.amount) as amount from orders.sales_facts f where f.transaction_id = any(r.ids)
) f on true, orders.sales_state s
where v.amount is distinct from coalesce(f.amount, 0) and s.recorded_until >= s.to_record_until
order by o.id limit 500
"""


async def inventory(connection: Connection, since: datetime) -> list[Any]:
    """Return orders whose returns to the inventory differ from their facts, at most 500."""
    return list(await connection.fetch(INVENTORY, since))


async def record_inventory(connection: Connection, order_ids: Sequence[UUID]) -> None:
    await connection.execute("select orders.record_inventory_sales($1)", list(order_ids))
