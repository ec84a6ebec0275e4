"""Lists of plans by filter and order, one page at a time."""

from collections.abc import Sequence
from typing import Any

from kit.db import Connection
from services.catalogue import statements
from services.catalogue.paging import Page, read_key
from services.catalogue.plan import PlanFilter, PlanOrder
from services.catalogue.sorting import SORTINGS
from services.catalogue.stock import Stock

# Rows of an index read for each row wanted, before it is asked otherwise: what two plans in a hundred
# match, or more, is found so.
READ_FOR_EACH = 50
# Rows. A larger page holds so much of the catalogue that reading it all is the shorter way.
MOST_READ = 10_000


async def list_plans(
    connection: Connection,
    wanted: PlanFilter,
    order: PlanOrder,
    *,
    stock: Stock | None,
    size: int,
    after: Sequence[str] | None,
    every_key: bool = False,
) -> Page:
    """One page after the sort key `after`, with each plan's own key when `every_key` is asked for.

    It comes from the stock where there is one, and nothing is wanted that is not on sale.
    Raises Failure INVALID when `after` is no key of this order.
    """
    key = None if after is None else read_key(order, after)
    if stock is not None and not wanted.include_unavailable:
        return stock.page(wanted, order, size=size, after=key, every_key=every_key)
    rows = await _read_ahead(connection, wanted, order, size, key)
    if rows is None:
        sql, values = statements.page(wanted, order, size=size, after=key)
        rows = await connection.fetch(sql, *values)
    found = rows[:size]
    columns = SORTINGS[order].columns
    keyed = found if every_key else found[-1:]
    return Page(
        [(row["id"], row["updated_at"]) for row in found],
        keys=[[str(row[column]) for column in columns] for row in keyed],
        more=len(rows) > size,
    )


async def _read_ahead(
    connection: Connection,
    wanted: PlanFilter,
    order: PlanOrder,
    size: int,
    after: Sequence[Any] | None,
) -> list[Any] | None:
    """A page and the row after it, or None when they have to be looked for further away."""
    most = READ_FOR_EACH * (size + 1)
    if most > MOST_READ or not statements.reads_ahead(wanted, order):
        return None
    sql, values = statements.page_near(wanted, order, size=size, after=after, most=most)
    rows = await connection.fetch(sql, *values)
    found = [row for row in rows if row["fits"]]
    ended = not rows or rows[-1]["read"] < most
    return found if ended or len(found) > size else None


async def count_plans(connection: Connection, wanted: PlanFilter) -> int:
    """How many plans match; what it costs grows with their number."""
    sql, values = statements.count(wanted)
    total: int = await connection.fetchval(sql, *values)
    return total


# The first one is on sale nearly always, and found by its index.
CURRENCY = """
select coalesce(
    (select currency from catalogue.data_plans where offered order by name limit 1),
    (select currency from catalogue.data_plans where not withdrawn limit 1)
)
"""


async def currency_of_prices(connection: Connection, stock: Stock | None) -> str | None:
    """The currency of all plans that the provider offers; None before the first of them."""
    if stock is not None and stock.currency is not None:
        return stock.currency
    currency: str | None = await connection.fetchval(CURRENCY)
    return currency
