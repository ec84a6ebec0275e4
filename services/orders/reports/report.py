"""The request for a sales report, and the figures that the report consists of."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from operator import attrgetter
from typing import Self
from uuid import UUID

from kit.reports.periods import Days, Interval

NONE = Decimal(0)


class Dimension(StrEnum):
    """What a report can be grouped by."""

    AREA = "AREA"
    COUNTRY = "COUNTRY"
    REGION = "REGION"
    PLAN = "PLAN"
    DURATION = "DURATION"
    CURRENCY = "CURRENCY"
    ORGANIZATION = "ORGANIZATION"
    COUPON = "COUPON"
    SOURCE = "SOURCE"


class Field(StrEnum):
    """By which figure groups are ordered."""

    GROSS = "GROSS"
    NET = "NET"
    MARGIN = "MARGIN"
    ORDERS = "ORDERS"
    ESIMS = "ESIMS"
    REFUNDS = "REFUNDS"
    COST = "COST"
    NAME = "NAME"


class Comparison(StrEnum):
    """What a report is compared with."""

    PREVIOUS_PERIOD = "PREVIOUS_PERIOD"
    YEAR_BEFORE = "YEAR_BEFORE"


@dataclass(frozen=True, slots=True)
class Filter:
    """Which facts count; an empty field does not limit. `plans` are ids or bundle names."""

    countries: tuple[str, ...] = ()
    areas: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    plans: tuple[str, ...] = ()
    durations: tuple[int, ...] = ()
    currencies: tuple[str, ...] = ()
    organization_ids: tuple[UUID, ...] = ()
    coupon_codes: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    unlimited: bool | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """A checked request. `time_zone` and `currency` are empty if it does not name them."""

    days: Days
    interval: Interval
    time_zone: str = ""
    currency: str = ""
    group_by: tuple[Dimension, ...] = ()
    filter: Filter = field(default_factory=Filter)
    compare_to: Comparison | None = None
    order_by: Field = Field.GROSS
    ascending: bool = False
    first: int = 100
    as_sold_on: bool = False


# The columns of the sums, in which a figure is 0 if there is no fact.
AMOUNTS = ("gross", "tax", "refunds", "disputes", "cost", "fees", "inventory")
SUMMED = ("facts", "orders", "esims", *AMOUNTS, *(f"converted_{name}" for name in AMOUNTS))


@dataclass(frozen=True, slots=True)
class Figures:
    """Sums of facts; amounts in one currency. `unconverted` facts are in no amount."""

    orders: int = 0
    esims: int = 0
    gross: Decimal = NONE
    tax: Decimal = NONE
    refunds: Decimal = NONE
    disputes: Decimal = NONE
    cost: Decimal = NONE
    fees: Decimal = NONE
    inventory: Decimal = NONE
    unconverted: int = 0

    @classmethod
    def sum(cls, figures: Iterable[Self]) -> "Figures":
        """Return the sums of some figures."""
        each = zip(*map(EACH, figures), strict=True)
        return Figures(*(sum(values) for values in each))

    def __add__(self, other: Self) -> "Figures":
        return Figures.sum([self, other])

    @property
    def net(self) -> Decimal:
        return self.gross - self.tax - self.refunds - self.disputes

    @property
    def margin(self) -> Decimal:
        return self.net - self.cost - self.fees

    @property
    def margin_percent(self) -> float | None:
        """The margin in percent of the net, with two decimal places; None without any net."""
        net = self.net
        return float(round((net - self.cost - self.fees) * 100 / net, 2)) if net > 0 else None


EACH = attrgetter(*Figures.__slots__)


@dataclass(frozen=True, slots=True)
class Group:
    """A value of a dimension; `label` is its name for people."""

    dimension: Dimension
    value: str
    label: str


@dataclass(frozen=True, slots=True)
class Row:
    """The figures of one group in one period; `other` for all groups that are not among the first."""

    days: Days
    groups: tuple[Group, ...]
    other: bool
    currency: str
    figures: Figures
    previous: Figures | None


@dataclass(frozen=True, slots=True)
class Total:
    """The sum of all rows in one currency."""

    currency: str
    figures: Figures
    previous: Figures | None


@dataclass(frozen=True, slots=True)
class Report:
    """Rows by period and group, and their sums, as of one moment."""

    rows: list[Row]
    totals: list[Total]
    time_zone: str
    as_of: datetime
    complete: bool
    previous_days: Days | None = None

    @property
    def truncated(self) -> bool:
        return any(row.other for row in self.rows)


@dataclass(frozen=True, slots=True)
class Cell:
    """What the database returns for one group in one period of the range, or of that before it.

    `rank` is the place of the group among those in its currency.
    """

    is_previous: bool
    period: int
    currency: str
    values: tuple[str, ...]
    bundle_name: str
    other: bool
    rank: int
    figures: Figures
