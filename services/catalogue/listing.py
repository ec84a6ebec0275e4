"""Lists of plans: filters and orders as SQL over indexes, one page at a time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from kit.db import Connection
from kit.errors import invalid
from services.catalogue.plan import Plan, PlanFilter, PlanOrder
from services.catalogue.store import COLUMNS, to_plan

# What the database sorts unlimited plans by, as the largest amount.
UNLIMITED_RANK = 2**63 - 1
MOST_DAYS = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Page:
    """Plans of one page; `next_key` is the sort key of its last one when more follow."""

    plans: list[Plan]
    total: int
    next_key: list[str] | None


@dataclass(frozen=True, slots=True)
class _Sorting:
    """`column` sorts before the name; `write` and `read` turn its value to text and back."""

    column: str | None
    descending: bool
    write: Callable[[Plan], str]
    read: Callable[[str], Any]


def _rank(plan: Plan) -> str:
    return str(UNLIMITED_RANK if plan.bundle.unlimited else plan.bundle.data_mb or 0)


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
    PlanOrder.NAME: _Sorting(None, False, str, str),
    PlanOrder.PRICE_ASC: _Sorting("price", False, lambda plan: str(plan.bundle.price), _price),
    PlanOrder.PRICE_DESC: _Sorting("price", True, lambda plan: str(plan.bundle.price), _price),
    PlanOrder.DURATION_ASC: _Sorting(
        "duration_days", False, lambda plan: str(plan.bundle.duration_days), _whole(MOST_DAYS)
    ),
    PlanOrder.DATA_DESC: _Sorting("data_rank", True, _rank, _whole(UNLIMITED_RANK)),
}


def key_length(order: PlanOrder) -> int:
    """How many parts a sort key has."""
    return 1 if SORTINGS[order].column is None else 2


async def list_plans(
    connection: Connection,
    wanted: PlanFilter,
    order: PlanOrder,
    *,
    size: int,
    after: Sequence[str] | None,
) -> Page:
    """One page after the sort key `after`.

    Raises Failure INVALID when `after` is no key of this order.
    """
    sorting = SORTINGS[order]
    where = Where()
    _add_filter(where, wanted)
    total = await connection.fetchval(
        f"select count(*) from catalogue.data_plans where {where.sql}",  # noqa: S608 - constants
        *where.values,
    )
    columns = [column for column in (sorting.column, "name") if column]
    if after is not None:
        key = _read_key(sorting, after)
        places = ", ".join(where.place(value) for value in key)
        sign = "<" if sorting.descending else ">"
        where.conditions.append(f"({', '.join(columns)}) {sign} ({places})")
    direction = " desc" if sorting.descending else ""
    ordered = ", ".join(column + direction for column in columns)
    rows = await connection.fetch(
        f"select {COLUMNS} from catalogue.data_plans where {where.sql}"  # noqa: S608 - constants
        f" order by {ordered} limit {where.place(size + 1)}",
        *where.values,
    )
    plans = [to_plan(row) for row in rows[:size]]
    more = len(rows) > size
    return Page(plans, total, _write_key(sorting, plans[-1]) if more else None)


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


def _add_filter(where: Where, wanted: PlanFilter) -> None:
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


def _write_key(sorting: _Sorting, last: Plan) -> list[str]:
    name = last.bundle.name
    return [name] if sorting.column is None else [sorting.write(last), name]


def _read_key(sorting: _Sorting, after: Sequence[str]) -> list[Any]:
    *first, name = after
    try:
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
