"""SQL of cohorts, from sales facts and the customers of their orders; nothing here writes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from kit.db.database import Connection
from kit.reports.periods import Days
from kit.reports.statement import Statement
from services.orders.customer_store import ERASED_CUSTOMER

# Only the first purchase of all time begins a cohort, so all earlier facts are read too. Period 0 is before
# the range: those who bought then are in no cohort. Organizations are customers; an erased person is none.
PURCHASES = """
with bought as (
    select
        coalesce(o.organization_id, nullif(o.customer_id, {erased})) as customer,
        width_bucket((f.at at time zone {zone})::date, {starts}::date[]) as period, count(*) as orders
    from orders.sales_facts f join orders.esim_orders o on o.id = f.order_id
    where f.orders = 1 and (f.at at time zone {zone})::date <= {last}
        and f.at < ({last}::date + 1)::timestamp at time zone {zone} + interval '1 day'
    group by 1, 2
),
cohorts as (
    select customer, min(period) as cohort from bought where customer is not null
    group by 1 having min(period) > 0
)
"""
REPEATS = """
select c.cohort, b.period, count(*) as customers, sum(b.orders)::bigint as orders
from cohorts c join bought b using (customer) group by 1, 2
union all
select 0, 0, 0, coalesce(sum(orders), 0)::bigint from bought where customer is null and period > 0
"""
# Taxes are in the gross and in refunds too, so the net of their facts is zero. An amount counts in the period
# of its own day. What came before the first purchase, such as a credit note, is in no cell.
REVENUE = """,
amounts as (
    select
        coalesce(d.organization_id, o.organization_id, nullif(o.customer_id, {erased})) as customer,
        width_bucket((f.at at time zone {zone})::date, {starts}::date[]) as period,
        {currency} as currency, sum({net}) as net, sum({unconverted}) as unconverted
    from orders.sales_facts f
    join orders.sales_dimensions d on d.id = f.dimension_id
    left join orders.esim_orders o on o.id = f.order_id
    where f.kind in ('SALE', 'REFUND', 'DISPUTE')
        and f.at >= ({first}::date)::timestamp at time zone {zone} - interval '1 day'
        and f.at < ({last}::date + 1)::timestamp at time zone {zone} + interval '1 day'
        and (f.at at time zone {zone})::date between {first} and {last}
    group by 1, 2, 3
)
select c.cohort, a.period, a.currency, sum(a.net) as net, sum(a.unconverted)::bigint as unconverted
from cohorts c join amounts a using (customer) where a.period >= c.cohort group by 1, 2, 3
"""
NET = "case f.kind when 'SALE' then f.amount else - f.amount end"
CONVERTED = "case f.kind when 'SALE' then f.converted else - f.converted end"


@dataclass(frozen=True, slots=True)
class Repeats:
    """Customers and orders by cohort and period, both counted from 0, and the orders of erased customers."""

    cells: dict[tuple[int, int], tuple[int, int]]
    erased_orders: int


@dataclass(frozen=True, slots=True)
class Amount:
    """The net sales of a cohort in a period, in one currency; `unconverted` facts are not in it."""

    cohort: int
    period: int
    currency: str
    net: Decimal
    unconverted: int


async def repeats(connection: Connection, days: Days, starts: Sequence[date], zone: str) -> Repeats:
    """Count the customers of each cohort who bought in each period that begins at `starts`."""
    given = Statement()
    query = (PURCHASES + REPEATS).format(
        zone=given.add(zone),
        starts=given.add(list(starts)),
        last=given.add(days.last),
        erased=given.add(ERASED_CUSTOMER),
    )
    cells, erased = dict[tuple[int, int], tuple[int, int]](), 0
    for row in await connection.fetch(query, *given.values):
        if row["cohort"] == 0:
            erased = row["orders"]
        else:
            cells[row["cohort"] - 1, row["period"] - 1] = row["customers"], row["orders"]
    return Repeats(cells, erased)


async def amounts(
    connection: Connection, days: Days, starts: Sequence[date], zone: str, currency: str
) -> list[Amount]:
    """Sum the net sales of each cohort by period, and by currency unless one is named."""
    given = Statement()
    values = {
        "zone": given.add(zone),
        "starts": given.add(list(starts)),
        "first": given.add(days.first),
        "last": given.add(days.last),
        "erased": given.add(ERASED_CUSTOMER),
    }
    if currency:
        named = f"{given.add(currency)}::text"
        shown = {
            "currency": named,
            "net": f"case {named} when f.currency then {NET}"
            f" when f.converted_currency then {CONVERTED} else 0 end",
            "unconverted": f"case when {named} in (f.currency, f.converted_currency) then 0 else 1 end",
        }
    else:
        shown = {"currency": "f.currency", "net": NET, "unconverted": "0"}
    rows: list[Any] = await connection.fetch(
        (PURCHASES + REVENUE).format(**values, **shown), *given.values
    )
    return [
        Amount(
            row["cohort"] - 1, row["period"] - 1, row["currency"], row["net"], row["unconverted"]
        )
        for row in rows
    ]
