"""Reads the records of the provider's catalogue: the usable ones, and the problems of the others."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from kit.errors import Failure
from services.catalogue.plan import Bundle
from services.catalogue.provider_bundle import bad_answer, bundle_name, read_bundle, readable_price

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Unusable:
    """A record that can't be used as a plan.

    `name` is empty if the record names no bundle, and `price` is None if its price can't be trusted.
    `refused` marks one that only the database refused.
    """

    name: str
    problem: str
    price: Decimal | None = None
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Records:
    """All records of the catalogue: the usable bundles, and the others."""

    bundles: list[Bundle]
    unusable: list[Unusable]

    @property
    def complete(self) -> bool:
        """False if a bundle may be missing only because its record has no readable name."""
        return all(record.name for record in self.unusable)


def read_records(rows: Iterable[Any]) -> Records:
    """Read every record separately, and a bundle that is listed several times once.

    Raises Failure UNAVAILABLE (PROVIDER_BAD_ANSWER) if none of the records can be used.
    """
    bundles: dict[str, Bundle] = {}
    broken: dict[str, Unusable] = {}
    nameless: list[Unusable] = []
    contradictory: dict[str, Unusable] = {}
    for row in rows:
        found = _read(row)
        if isinstance(found, Bundle):
            other = bundles.setdefault(found.name, found)
            bundles[found.name] = found
            if other.price != found.price:
                text = f"bundle {found.name} is listed at two prices"
                contradictory[found.name] = Unusable(found.name, text)
        elif found.name:
            broken[found.name] = found
        else:
            nameless.append(found)
    unusable = [
        *contradictory.values(),
        *(record for name, record in broken.items() if name not in bundles),
        *nameless,
    ]
    usable = [bundle for name, bundle in bundles.items() if name not in contradictory]
    if unusable and not usable:
        raise bad_answer(f"none of its {len(unusable)} records can be used; {unusable[0].problem}")
    return Records(usable, unusable)


def _read(row: Any) -> Bundle | Unusable:
    try:
        return read_bundle(row)
    except Failure as failure:
        problem = failure.details["problem"]
    except Exception as error:  # an error in one record must not stop the others
        logger.exception("unexpected error in a record of the catalogue")
        problem = f"a bundle can't be parsed: {type(error).__name__}"
    return Unusable(bundle_name(row) or "", problem, readable_price(row))
