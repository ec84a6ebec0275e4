"""The bundles on sale: lookup, filters, pages, and changes while the sandbox runs."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import TypeVar

from sandbox.state.bundles import Bundle, CatalogueError, read_bundle
from sandbox.state.records import CatalogueChange
from sandbox.state.rows import Table

# Columns to order GET /catalogue by; the provider does not document its own.
ORDERS = {
    "name": lambda bundle: bundle.name,
    "description": lambda bundle: bundle.description,
    "price": lambda bundle: bundle.price,
    "duration": lambda bundle: bundle.duration,
    "dataAmount": lambda bundle: bundle.data_mb,
}
T = TypeVar("T")


class Catalogue:
    """Bundles by name, with the recorded changes applied."""

    def __init__(self, bundles: Iterable[Bundle], changes: Table[CatalogueChange]) -> None:
        self._bundles = {bundle.name: bundle for bundle in bundles}
        self._withdrawn: dict[str, Bundle] = {}
        self._changes = changes

    def replay(self) -> None:
        """Apply the recorded changes, after they were loaded from a file."""
        for change in self._changes:
            self._apply(change)

    def get(self, name: str) -> Bundle | None:
        """Return the bundle on sale with that name (case-sensitive)."""
        return self._bundles.get(name)

    def known(self, name: str) -> Bundle | None:
        """Return the bundle with that name, even if it is no longer on sale."""
        return self._bundles.get(name) or self._withdrawn.get(name)

    def __len__(self) -> int:
        return len(self._bundles)

    def all(self) -> list[Bundle]:
        return list(self._bundles.values())

    def groups(self) -> list[str]:
        return sorted({group for bundle in self._bundles.values() for group in bundle.groups})

    def find(self, filters: Mapping[str, str], order_by: str, descending: bool) -> list[Bundle]:
        """Return the bundles that match all filters of GET /catalogue."""
        found = [bundle for bundle in self._bundles.values() if _matches(bundle, filters)]
        return sorted(found, key=ORDERS[order_by], reverse=descending)

    def reprice(self, name: str, price: Decimal) -> None:
        """Set a price; raise CatalogueError for an unknown bundle."""
        change = self._change(name)
        change.price = price
        self._apply(change)

    def withdraw(self, name: str) -> None:
        """Take a bundle off sale; raise CatalogueError for an unknown bundle."""
        change = self._change(name)
        change.withdrawn = True
        self._apply(change)

    def put_on_sale(self, shape: object) -> Bundle:
        """Add or replace a bundle in the provider's format; raise CatalogueError."""
        bundle = read_bundle(shape)
        text = json.dumps(shape, default=str)
        change = CatalogueChange(bundle.name, shape=text)
        self._changes.add(bundle.name, change)
        self._apply(change)
        return bundle

    def _change(self, name: str) -> CatalogueChange:
        if name not in self._bundles:
            raise CatalogueError(f"no bundle {name!r} is on sale")
        return self._changes.get(name) or self._changes.add(name, CatalogueChange(name))

    def _apply(self, change: CatalogueChange) -> None:
        if change.shape:
            shape = json.loads(change.shape, parse_float=Decimal)
            self._bundles[change.name] = read_bundle(shape)
        if change.price is not None and change.name in self._bundles:
            self._bundles[change.name] = self._bundles[change.name].priced(change.price)
        if change.withdrawn and change.name in self._bundles:
            self._withdrawn[change.name] = self._bundles.pop(change.name)


def page_of(rows: Sequence[T], page: int, size: int) -> tuple[list[T], int]:
    """Return the rows of a page (counted from 1), and the number of pages."""
    start = (page - 1) * size
    return list(rows[start : start + size]), -(-len(rows) // size)


def _matches(bundle: Bundle, filters: Mapping[str, str]) -> bool:
    if (group := filters.get("group")) and group not in bundle.groups:
        return False
    if countries := filters.get("countries"):
        wanted = {iso.strip().upper() for iso in countries.split(",")}
        if not any(place.iso in wanted for place in bundle.countries):
            return False
    if (region := filters.get("region")) and not any(
        place.region.casefold() == region.casefold() for place in bundle.countries
    ):
        return False
    if words := filters.get("description"):
        pattern = ".*".join(re.escape(part) for part in re.split(r"[*%]", words))
        return re.search(pattern, bundle.description, re.IGNORECASE) is not None
    return True
