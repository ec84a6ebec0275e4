"""Reads the provider's list of orders; one unreadable row hides none of the others."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kit.errors import Failure
from kit.values.plain_text import from_json as text
from services.orders.provider.provider_order import ProviderOrder, read_order


@dataclass(frozen=True, slots=True)
class UnreadableOrder:
    """A row that lacks what identifies an order; `reference` and `item` are empty if unknown."""

    reference: str
    item: str
    problem: str


@dataclass(slots=True)
class History:
    """Orders by reference, and the rows that can't be read, each once."""

    orders: dict[str, ProviderOrder] = field(default_factory=dict)
    unreadable: dict[str, UnreadableOrder] = field(default_factory=dict)

    def add(self, rows: Iterable[Any]) -> bool:
        """Add the rows of a page; False if all of them were there before."""
        before = len(self.orders) + len(self.unreadable)
        for row in rows:
            try:
                order = read_order(row)
            except Failure as failure:
                found = _unreadable(row, failure.details["problem"])
                self.unreadable.setdefault(found.reference or repr(row), found)
            else:
                if order.item is None and _may_hide_a_purchase(row):
                    found = _unreadable(row, "the only line of an order can't be read")
                    self.unreadable.setdefault(found.reference, found)
                else:
                    self.orders.setdefault(order.reference, order)
        return len(self.orders) + len(self.unreadable) > before

    def may_be_of(self, bundle_name: str) -> list[UnreadableOrder]:
        """Return the unreadable rows that may be orders of this bundle."""
        return [row for row in self.unreadable.values() if row.item in ("", bundle_name)]


def _may_hide_a_purchase(row: Mapping[str, Any]) -> bool:
    """Return whether the row's only line is malformed, so that it may be the purchase of a bundle."""
    lines = row.get("order", row.get("Order"))
    if not isinstance(lines, list) or len(lines) != 1:
        return False  # orders placed here have one line
    [line] = lines
    return not isinstance(line, Mapping) or text(line.get("type")).lower() in ("", "bundle")


def _unreadable(row: Any, problem: str) -> UnreadableOrder:
    if not isinstance(row, Mapping):
        return UnreadableOrder("", "", problem)
    lines = row.get("order", row.get("Order"))
    items = {
        text(line.get("item")) if isinstance(line, Mapping) else ""
        for line in (lines if isinstance(lines, list) else [])
    }
    return UnreadableOrder(
        text(row.get("orderReference")), items.pop() if len(items) == 1 else "", problem
    )
