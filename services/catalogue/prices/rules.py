"""Pricing rules: which plans they match, and how they compute a price from a cost."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from kit.values import currencies, plain_text
from kit.values.checks import Checks
from protos.catalogue.v1 import prices_pb2 as pb
from services.catalogue.prices.conditions import (
    ANYTHING,
    Known,
    Match,
    RuleChecks,
    match,
    unknown_name,
)
from services.catalogue.prices.price_list import HUNDRED, MAX_AMOUNT, PLACES, PriceList
from services.catalogue.provider_bundle import MAX_DAYS

MAX_RULE_NAME = 100
# Cells of one matrix.
MAX_CELLS = 1_000
# Percent.
MAX_PERCENT = 10_000
MAX_TARGET_MARGIN = Decimal("99.9")


class Kind(StrEnum):
    """How a rule computes a price, as PriceRuleKind describes it."""

    MARKUP_PERCENT = "MARKUP_PERCENT"
    MARKUP_FIXED = "MARKUP_FIXED"
    TARGET_MARGIN = "TARGET_MARGIN"
    FIXED_PRICE = "FIXED_PRICE"
    MATRIX = "MATRIX"


KINDS = {
    pb.PRICE_RULE_KIND_MARKUP_PERCENT: Kind.MARKUP_PERCENT,
    pb.PRICE_RULE_KIND_MARKUP_FIXED: Kind.MARKUP_FIXED,
    pb.PRICE_RULE_KIND_TARGET_MARGIN: Kind.TARGET_MARGIN,
    pb.PRICE_RULE_KIND_FIXED_PRICE: Kind.FIXED_PRICE,
    pb.PRICE_RULE_KIND_MATRIX: Kind.MATRIX,
}
# Their values are amounts of one currency.
AMOUNTS = frozenset({Kind.MARKUP_FIXED, Kind.FIXED_PRICE, Kind.MATRIX})


@dataclass(frozen=True, slots=True)
class Cell:
    """The amount of a matrix for plans of a group that last at least `from_days`."""

    group: str
    from_days: int
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule. `value` is a share for MARKUP_PERCENT and TARGET_MARGIN, and else an amount.

    `price_list` is empty if the rule is for all lists.
    """

    name: str
    price_list: str
    match: Match
    kind: Kind
    value: Decimal
    matrix: tuple[Cell, ...]

    def cell(self, groups: Iterable[str], days: int) -> Decimal | None:
        """Return the amount of the matrix for a plan; None if the plan has no cell."""
        of = set(groups)
        fits = [cell for cell in self.matrix if cell.group in of and cell.from_days <= days]
        return max(fits, key=lambda cell: cell.from_days).amount if fits else None


def rule(
    checks: Checks,
    at: str,
    given: pb.PriceRule,
    lists: Mapping[str, PriceList],
    known: Known,
) -> Rule:
    """Return a rule, and add its problems to `checks`; `at` is its path.

    `lists` are the price lists by id.
    """
    name = given.name.strip()
    mine = RuleChecks(checks, at, name)
    if not 1 <= len(name) <= MAX_RULE_NAME or not plain_text.is_plain(name):
        mine.fail("name", f"must have 1 to {MAX_RULE_NAME} characters, without line breaks")
    kind = KINDS.get(given.kind)
    if kind is None:
        mine.fail("kind", "must be a value of PriceRuleKind")
    if given.price_list and given.price_list not in lists:
        shown = plain_text.quoted(given.price_list)
        mine.fail("price_list", f"must be the id of one of the lists, not {shown}")
    kind = kind or Kind.MARKUP_PERCENT
    places = PLACES
    if kind in AMOUNTS:
        only = given.price_list or (next(iter(lists)) if len(lists) == 1 else "")
        if not only and lists:
            mine.fail("price_list", "must be set: an amount can be in one currency only")
        # A stored amount stays as it is when the decimal places of its currency change.
        if only in lists and known is not ANYTHING and currencies.is_known(lists[only].currency):
            places = currencies.digits(lists[only].currency)
    return Rule(
        name=name,
        price_list=given.price_list,
        match=match(mine, given.match, known),
        kind=kind,
        value=_value(mine, kind, given, places),
        matrix=_matrix(mine, kind, given, places, known),
    )


def _value(mine: RuleChecks, kind: Kind, given: pb.PriceRule, places: int) -> Decimal:
    if kind is Kind.MATRIX:
        if given.value:
            mine.fail("value", "must be empty for MATRIX, whose amounts are in its cells")
        return Decimal(0)
    most: Decimal | int = MAX_AMOUNT
    if kind is Kind.MARKUP_PERCENT:
        most = MAX_PERCENT
    elif kind is Kind.TARGET_MARGIN:
        most = MAX_TARGET_MARGIN
    value = mine.decimal("value", given.value, most, places)
    return value if kind in AMOUNTS else value / HUNDRED


def _matrix(
    mine: RuleChecks, kind: Kind, given: pb.PriceRule, places: int, known: Known
) -> tuple[Cell, ...]:
    if kind is not Kind.MATRIX:
        if given.matrix:
            mine.fail("matrix", f"must be empty for {kind}")
        return ()
    if not 1 <= len(given.matrix) <= MAX_CELLS:
        mine.fail("matrix", f"must have 1 to {MAX_CELLS} cells, not {len(given.matrix)}")
        return ()
    cells: dict[tuple[str, int], Cell] = {}
    for position, cell in enumerate(given.matrix):
        at = f"matrix[{position}]"
        if not cell.group or (known.groups is not None and cell.group not in known.groups):
            mine.fail(f"{at}.group", unknown_name(cell.group, "group", known.groups))
        if not 0 <= cell.from_days <= MAX_DAYS:
            mine.fail(f"{at}.from_days", f"must be from 0 to {MAX_DAYS}, not {cell.from_days}")
        if (cell.group, cell.from_days) in cells:
            mine.fail(at, "must not repeat group and from_days of another cell")
        amount = mine.decimal(f"{at}.amount", cell.amount, MAX_AMOUNT, places)
        cells[cell.group, cell.from_days] = Cell(cell.group, cell.from_days, amount)
    return tuple(cells.values())
