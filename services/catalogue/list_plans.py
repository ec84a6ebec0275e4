"""Lists of plans by filter and order, one page at a time."""

from collections.abc import Sequence

from kit.db.database import Connection
from services.catalogue import filter_sql
from services.catalogue.paging import Page, read_key
from services.catalogue.plan import PlanFilter, PlanOrder
from services.catalogue.price_lists import Source, currency_of_costs
from services.catalogue.snapshot.snapshot import Snapshot
from services.catalogue.sorting import SORTINGS, sorted_by
from services.catalogue.store import version


async def list_plans(
    connection: Connection,
    source: Source,
    criteria: PlanFilter,
    order: PlanOrder,
    *,
    snapshot: Snapshot | None,
    size: int,
    after: Sequence[str] | None,
    every_key: bool = False,
) -> Page:
    """Return one page after the sort key `after`; with `every_key`, each plan's own key is in it.

    It comes from the source's snapshot if there is one and only plans on sale are requested, else from the
    database.
    Raises Failure INVALID when `after` is no key of this order.
    """
    key = None if after is None else read_key(order, after)
    if snapshot is not None and not criteria.include_unavailable:
        return snapshot.page(criteria, order, size=size, after=key, every_key=every_key)
    where = filter_sql.where(criteria)
    columns = SORTINGS[order].columns
    if key is not None:
        sign = "<" if SORTINGS[order].descending else ">"
        values = [where.place(value) for value in key]
        where.conditions.append(f"({', '.join(columns)}) {sign} ({', '.join(values)})")
        # Prices and names of a list are in two tables, so no index serves the comparison of both.
        where.conditions.append(f"{columns[0]} {sign}= {values[0]}")
    rows = await source.fetch(
        connection,
        f"select id, {{version}}, {', '.join(columns)} from {{plans}}"  # noqa: S608 - constants
        f" where {{listed}} and {where.sql} order by {sorted_by(order)} limit {where.place(size + 1)}",
        *where.values,
    )
    found = rows[:size]
    keyed = found if every_key else found[-1:]
    return Page(
        [(row["id"], version(row)) for row in found],
        keys=[[str(row[column]) for column in columns] for row in keyed],
        more=len(rows) > size,
    )


async def count_plans(connection: Connection, source: Source, criteria: PlanFilter) -> int:
    """Return how many plans match; the time it takes grows with the catalogue."""
    where = filter_sql.where(criteria)
    [row] = await source.fetch(
        connection,
        f"select count(*) as total from {{plans}} where {{listed}} and {where.sql}",  # noqa: S608 - constants
        *where.values,
    )
    total: int = row["total"]
    return total


async def currency_of_prices(
    connection: Connection, source: Source, snapshot: Snapshot | None
) -> str | None:
    """Return the currency of all prices; None before the first plan."""
    if source.price_list is not None:
        return source.price_list.currency
    if snapshot is not None and snapshot.currency is not None:
        return snapshot.currency
    return await currency_of_costs(connection)
