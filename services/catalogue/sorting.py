"""How lists are sorted: the columns of each order, and reading a sort key back from text."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from services.catalogue.plan import PlanOrder

# Of a page token's sort key, which a client may have made up.
MOST_PRICE = 10**12
LONGEST_PRICE = 40  # characters


@dataclass(frozen=True, slots=True)
class Sorting:
    """`columns` sort, the name last; `read` turns the first one's text back to its value."""

    columns: tuple[str, ...]
    descending: bool = False
    read: Callable[[str], Any] = str


def _price(text: str) -> Decimal:
    price = Decimal(text)
    # Also not 1e999999999, which is finite and has as many digits when it is written out.
    if not (price.is_finite() and 0 <= price < MOST_PRICE and len(text) <= LONGEST_PRICE):
        raise ValueError("not a price")
    return price


def _whole(most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not 0 <= int(text) <= most:
            raise ValueError("out of range")
        return int(text)

    return read


SORTINGS = {
    PlanOrder.NAME: Sorting(("name",)),
    PlanOrder.PRICE_ASC: Sorting(("price", "name"), read=_price),
    PlanOrder.PRICE_DESC: Sorting(("price", "name"), descending=True, read=_price),
    PlanOrder.DURATION_ASC: Sorting(("duration_days", "name"), read=_whole(2**31 - 1)),
    PlanOrder.DATA_DESC: Sorting(("data_rank", "name"), descending=True, read=_whole(2**63 - 1)),
}


def sorted_by(order: PlanOrder) -> str:
    """Return the columns for SQL's `order by`."""
    direction = " desc" if SORTINGS[order].descending else ""
    return ", ".join(column + direction for column in SORTINGS[order].columns)
