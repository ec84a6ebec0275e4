"""Lists of plans by filter and order, one page at a time."""

from collections.abc import Sequence

from kit.db.database import Connection
from services.catalogue import filter_sql
from services.catalogue.paging import Page, read_key
from services.catalogue.plan import PlanFilter, PlanOrder
from services.catalogue.snapshot.snapshot import Snapshot
from services.catalogue.sorting import SORTINGS, sorted_by


async def list_plans(
    connection: Connection,
    criteria: PlanFilter,
    order: PlanOrder,
    *,
    snapshot: Snapshot | None,
    size: int,
    after: Sequence[str] | None,
    every_key: bool = False,
) -> Page:
    """Return one page after the sort key `after`; with `every_key`, each plan's own key is in it.

    It comes from the snapshot if there is one and only plans on sale are requested, else from the database.
    Raises Failure INVALID when `after` is no key of this order.
    """
    key = None if after is None else read_key(order, after)
    if snapshot is not None and not criteria.include_unavailable:
        return snapshot.page(criteria, order, size=size, after=key, every_key=every_key)
    where = filter_sql.where(criteria)
    columns = SORTINGS[order].columns
    if key is not None:
        sign = "<" if SORTINGS[order].descending else ">"
        values = ", ".join(where.place(value) for value in key)
        where.conditions.append(f"({', '.join(columns)}) {sign} ({values})")
    rows = await connection.fetch(
        f"select id, updated_at, {', '.join(columns)} from catalogue.data_plans"  # noqa: S608 - constants
        f" where {where.sql} order by {sorted_by(order)} limit {where.place(size + 1)}",
        *where.values,
    )
    found = rows[:size]
    keyed = found if every_key else found[-1:]
    return Page(
        [(row["id"], row["updated_at"]) for row in found],
        keys=[[str(row[column]) for column in columns] for row in keyed],
        more=len(rows) > size,
    )


async def count_plans(connection: Connection, criteria: PlanFilter) -> int:
    """Return how many plans match; the time it takes grows with the catalogue."""
    where = filter_sql.where(criteria)
    total: int = await connection.fetchval(
        f"select count(*) from catalogue.data_plans where {where.sql}",  # noqa: S608 - constants
        *where.values,
    )
    return total


# The first plan is nearly always on sale, and found by its index.
CURRENCY = """
select coalesce(
    (select currency from catalogue.data_plans where offered order by name limit 1),
    (select currency from catalogue.data_plans where not withdrawn limit 1)
)
"""


async def currency_of_prices(connection: Connection, snapshot: Snapshot | None) -> str | None:
    """Return the currency of all plans that the provider offers; None before the first plan."""
    if snapshot is not None and snapshot.currency is not None:
        return snapshot.currency
    currency: str | None = await connection.fetchval(CURRENCY)
    return currency
