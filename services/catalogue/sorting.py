"""The sort orders of lists: their columns, and how the text of a sort key is parsed."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from services.catalogue.plan import PlanOrder

# Bounds of a price in a page token, which a client may have forged.
MAX_PRICE = 10**15
MAX_PRICE_LENGTH = 40  # characters


@dataclass(frozen=True, slots=True)
class Sorting:
    """The columns of an order, the name last; `read` parses the text of the first one."""

    columns: tuple[str, ...]
    descending: bool = False
    read: Callable[[str], Any] = str


def _price(text: str) -> Decimal:
    price = Decimal(text)
    # 1e999999999 and 1e-999999999 are finite too, and have as many digits when they are written out.
    if not (price.is_finite() and 0 <= price < MAX_PRICE and len(text) <= MAX_PRICE_LENGTH):
        raise ValueError("not a price")
    if abs(price.adjusted()) > MAX_PRICE_LENGTH:
        raise ValueError("not a price")
    return price


def _whole(limit: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not 0 <= int(text) <= limit:
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
