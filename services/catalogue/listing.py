"""Lists of plans: filters and orders as SQL over indexes, one page at a time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from kit.db import Connection
from kit.errors import invalid
from services.catalogue.plan import PlanFilter, PlanOrder


@dataclass(frozen=True, slots=True)
class Page:
    """Plans of one page by id, with when each last changed (`updated_at`).

    `keys` are their sort keys, or only the last one's; `more` says whether others follow.
    """

    versions: list[tuple[UUID, datetime]]
    total: int
    keys: list[list[str]]
    more: bool


@dataclass(frozen=True, slots=True)
class _Sorting:
    """`columns` sort, the name last; `read` turns the first one's text back to its value."""

    columns: tuple[str, ...]
    descending: bool = False
    read: Callable[[str], Any] = str


def _price(text: str) -> Decimal:
    price = Decimal(text)
    if not price.is_finite():
        raise ValueError("not a price")
    return price


def _whole(most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not 0 <= int(text) <= most:
            raise ValueError("out of range")
        return int(text)

    return read


SORTINGS = {
    PlanOrder.NAME: _Sorting(("name",)),
    PlanOrder.PRICE_ASC: _Sorting(("price", "name"), read=_price),
    PlanOrder.PRICE_DESC: _Sorting(("price", "name"), descending=True, read=_price),
    PlanOrder.DURATION_ASC: _Sorting(("duration_days", "name"), read=_whole(2**31 - 1)),
    PlanOrder.DATA_DESC: _Sorting(("data_rank", "name"), descending=True, read=_whole(2**63 - 1)),
}


def key_length(order: PlanOrder) -> int:
    """How many parts a sort key has."""
    return len(SORTINGS[order].columns)


async def list_plans(
    connection: Connection,
    wanted: PlanFilter,
    order: PlanOrder,
    *,
    size: int,
    after: Sequence[str] | None,
    every_key: bool = False,
) -> Page:
    """One page after the sort key `after`, with each plan's own key when `every_key` is asked for.

    Raises Failure INVALID when `after` is no key of this order.
    """
    sql, values = page_statement(wanted, order, size=size, after=after)
    rows = await connection.fetch(sql, *values)
    sql, values = count_statement(wanted)
    total = await connection.fetchval(sql, *values)
    found = rows[:size]
    columns = SORTINGS[order].columns
    keyed = found if every_key else found[-1:]
    return Page(
        [(row["id"], row["updated_at"]) for row in found],
        total,
        keys=[[str(row[column]) for column in columns] for row in keyed],
        more=len(rows) > size,
    )


def count_statement(wanted: PlanFilter) -> tuple[str, list[Any]]:
    """SQL that counts the plans of a filter, and its values."""
    where = _filter(wanted)
    return f"select count(*) from catalogue.data_plans where {where.sql}", where.values  # noqa: S608 - constants


def page_statement(
    wanted: PlanFilter, order: PlanOrder, *, size: int, after: Sequence[str] | None
) -> tuple[str, list[Any]]:
    """SQL for one page and the first row of the next, and its values."""
    sorting = SORTINGS[order]
    where = _filter(wanted)
    columns = ", ".join(sorting.columns)
    if after is not None:
        places = ", ".join(where.place(value) for value in _read_key(sorting, after))
        where.conditions.append(f"({columns}) {'<' if sorting.descending else '>'} ({places})")
    direction = " desc" if sorting.descending else ""
    sql = (
        f"select id, updated_at, {columns} from catalogue.data_plans where {where.sql}"  # noqa: S608 - constants
        f" order by {', '.join(column + direction for column in sorting.columns)}"
        f" limit {where.place(size + 1)}"
    )
    return sql, where.values


class Where:
    """Conditions made of constants, and the values that stand in their places."""

    def __init__(self) -> None:
        self.conditions: list[str] = []
        self.values: list[Any] = []

    @property
    def sql(self) -> str:
        """All conditions together."""
        return " and ".join(self.conditions) or "true"

    def place(self, value: Any) -> str:
        """Adds a value and names its place."""
        self.values.append(value)
        return f"${len(self.values)}"

    def add(self, condition: str, value: Any) -> None:
        """Adds a condition with `{}` for its value; None adds nothing."""
        if value is not None:
            self.conditions.append(condition.format(self.place(value)))


def _filter(wanted: PlanFilter) -> Where:
    where = Where()
    if not wanted.include_unavailable:
        where.conditions.append("offered")
    where.add("region_keys @> array[{}::text]", wanted.region)
    where.add("country_keys @> array[{}::text]", wanted.country)
    where.add("groups @> array[{}::text]", wanted.bundle_group)
    where.add("duration_days = {}", wanted.duration_days)
    where.add("price >= {}", wanted.min_price)
    where.add("price <= {}", wanted.max_price)
    if wanted.min_price is not None or wanted.max_price is not None:
        where.add("currency = {}", wanted.currency)
    where.add("unlimited = {}", wanted.unlimited)
    where.add("data_rank >= {}", wanted.min_data_mb)
    for word in wanted.words:
        where.add("strpos(search_text, {}) > 0", word)
    return where


def _read_key(sorting: _Sorting, after: Sequence[str]) -> list[Any]:
    *first, name = after
    try:
        # PostgreSQL takes no NUL, and no name has one.
        return [*(sorting.read(text) for text in first), name.replace("\x00", "")]
    except (ValueError, InvalidOperation):
        raise invalid(
            {"page_token": "is not one that this service gave; begin without it"},
            reason="INVALID_PAGE_TOKEN",
        ) from None


CURRENCY = "select currency from catalogue.data_plans where not withdrawn limit 1"


async def currency_of_prices(connection: Connection) -> str | None:
    """The currency of all plans that the provider offers; None before the first of them."""
    currency: str | None = await connection.fetchval(CURRENCY)
    return currency
