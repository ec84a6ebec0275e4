"""SQL of the figures that metrics show: sums by day of the last 30 days, in the shop's time zone."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from kit.db.database import Connection
from services.orders.reports.report import AMOUNTS, Figures

# Destinations that have their own metric. The others are counted together, however many there are.
TOP_AREAS = 10
OTHER = "OTHER"

TODAY = """
select (now() at time zone $1)::date as today,
    extract(epoch from now() - ((now() at time zone $1)::date - 2)::timestamp at time zone $1)::float
        / 86400 as days
"""
# Amounts of an order are in the currency that its customer paid in, amounts without an order in their own.
FIGURES = """
select p.period, c.currency, sum(s.orders) as orders, sum(s.esims) as esims, {amounts}
from orders.area_sales s
cross join lateral (select coalesce(nullif(s.sale_currency, ''), s.currency) as currency) c
join (values ('today', $2::date), ('30d', $2::date - 29)) p (period, first_day) on s.day >= p.first_day
where s.time_zone = $1 and s.unit = 'DAY' and s.day between $2::date - 29 and $2 and s.facts > 0
group by 1, 2
""".format(
    amounts=", ".join(
        f"sum(case c.currency when s.currency then s.{name}"
        f" when s.converted_currency then s.converted_{name} else 0 end) as {name}"
        for name in AMOUNTS
    )
)
AREAS = """
select case when t.place <= $3 then t.area else $4 end as area, sum(t.orders)::float as orders
from (
    select s.area, sum(s.orders) as orders, row_number() over (order by sum(s.orders) desc, s.area) as place
    from orders.area_sales s
    where s.time_zone = $1 and s.unit = 'DAY' and s.day between $2::date - 29 and $2
    group by s.area having sum(s.orders) > 0
) t
group by 1
"""
# Limited to one day, because there are nearly as many sums by plan as sales. A subquery instead of a join,
# which would read all dimensions.
DATA = """
select coalesce(sum(s.esims * (
    select d.data_mb from orders.sales_dimensions d where d.id = s.dimension_id and not d.unlimited
)), 0)::bigint as data_mb
from orders.sales_by_day s where s.time_zone = $1 and s.day = $2
"""
# Since midnight two days ago: two whole days, and the part of today that has passed.
SPENT = """
select s.currency, sum(s.cost) as cost from orders.area_sales s
where s.time_zone = $1 and s.unit = 'DAY' and s.day between $2::date - 2 and $2
group by s.currency having sum(s.cost) > 0
"""


@dataclass(frozen=True, slots=True)
class Sold:
    """Figures of one period and currency."""

    period: str
    currency: str
    figures: Figures


@dataclass(frozen=True, slots=True)
class Survey:
    """Sales of today and of 30 days, orders by destination, and the cost of a day by its currency.

    `data_mb` is in the plans that were sold today, without unlimited ones.
    """

    sold: list[Sold]
    areas: dict[str, float]
    spending: dict[str, float]
    data_mb: int


async def survey(connection: Connection, zone: str) -> Survey:
    """Read everything of a zone that is summed by day, as of now."""
    now: Any = await connection.fetchrow(TODAY, zone)
    return await survey_of(connection, zone, now["today"], now["days"])


async def survey_of(connection: Connection, zone: str, today: date, days: float) -> Survey:
    """Read what `survey` does as of a day; `days` have passed since midnight two days before it."""
    sold = [
        Sold(row["period"], row["currency"], _figures(row))
        for row in await connection.fetch(FIGURES, zone, today)
    ]
    areas = {
        row["area"]: row["orders"]
        for row in await connection.fetch(AREAS, zone, today, TOP_AREAS, OTHER)
    }
    spending = {
        row["currency"]: float(row["cost"] / Decimal(days))
        for row in await connection.fetch(SPENT, zone, today)
    }
    data_mb: int = await connection.fetchval(DATA, zone, today)
    return Survey(sold, areas, spending, data_mb)


def _figures(row: Any) -> Figures:
    amounts = {name: row[name] for name in AMOUNTS}
    return Figures(orders=int(row["orders"]), esims=int(row["esims"]), **amounts)
