"""Customers by the period of their first purchase, and what they bought later."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from kit.reports.periods import Days, Interval


class CohortBy(StrEnum):
    """What the customers of a cohort have in common."""

    FIRST_PURCHASE_MONTH = "FIRST_PURCHASE_MONTH"
    FIRST_PURCHASE_WEEK = "FIRST_PURCHASE_WEEK"

    @property
    def interval(self) -> Interval:
        return Interval.WEEK if self is CohortBy.FIRST_PURCHASE_WEEK else Interval.MONTH


class Measure(StrEnum):
    """What is reported of a cohort."""

    REPEAT_PURCHASE = "REPEAT_PURCHASE"
    REVENUE = "REVENUE"


@dataclass(frozen=True, slots=True)
class WantedCohorts:
    """A checked request. `time_zone` and `currency` are empty if it does not name them."""

    days: Days
    by: CohortBy = CohortBy.FIRST_PURCHASE_MONTH
    measure: Measure = Measure.REPEAT_PURCHASE
    time_zone: str = ""
    currency: str = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """A cohort in one period; `net` is None unless it was requested."""

    period: Days
    customers: int
    percent: float
    orders: int
    net: Decimal | None


@dataclass(frozen=True, slots=True)
class Cohort:
    """The customers whose first purchase is in `period`; the first cell is that period."""

    period: Days
    customers: int
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Cohorts:
    """Cohorts as of one moment, with the currency of their amounts."""

    cohorts: list[Cohort]
    currency: str
    time_zone: str
    as_of: datetime
    complete: bool
    erased_orders: int
    unconverted: int
