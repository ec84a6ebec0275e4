"""One page of a list, and the sort keys between pages."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from decimal import InvalidOperation
from typing import Any, TypeAlias
from uuid import UUID

from kit.errors import invalid
from services.catalogue.plan import PlanOrder
from services.catalogue.sorting import SORTINGS

# A plan's id, and what changes with every change of the plan or of its price.
PlanVersion: TypeAlias = tuple[UUID, Hashable]


@dataclass(frozen=True, slots=True)
class Page:
    """The ids of a page's plans, each with its version.

    `keys` are the sort keys of all of them, or only of the last one. `more` is true if others follow.
    """

    versions: list[PlanVersion]
    keys: list[list[str]]
    more: bool


def key_length(order: PlanOrder) -> int:
    """Return how many parts a sort key has."""
    return len(SORTINGS[order].columns)


def read_key(order: PlanOrder, given: Sequence[str]) -> list[Any]:
    """Parse a sort key; raises Failure INVALID if it is not one of this order."""
    *first, name = given
    try:
        return [*(SORTINGS[order].read(text) for text in first), name]
    except (ValueError, InvalidOperation):
        raise invalid(
            {"page_token": "is not a token of this service; start again without it"},
            reason="INVALID_PAGE_TOKEN",
        ) from None
