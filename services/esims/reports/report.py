"""The request for a usage report, and the figures that the report consists of."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Self
from uuid import UUID

from kit.reports.periods import Days, Interval


class Dimension(StrEnum):
    """What a report can be grouped by."""

    COUNTRY = "COUNTRY"
    PLAN = "PLAN"
    ORGANIZATION = "ORGANIZATION"


@dataclass(frozen=True, slots=True)
class Filter:
    """Which usage counts; an empty field does not limit. `plans` are ids or bundle names."""

    countries: tuple[str, ...] = ()
    plans: tuple[str, ...] = ()
    organization_ids: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class Wanted:
    """A checked request. `time_zone` is empty if it does not name one."""

    days: Days
    interval: Interval
    time_zone: str = ""
    group_by: tuple[Dimension, ...] = ()
    filter: Filter = field(default_factory=Filter)
    first: int = 100


# The figures that are sums; of `widest_gap`, in seconds, the highest value counts.
SUMS = (
    *("bytes", "known_bytes", "samples"),
    *("bundles_started", "unlimited_started", "visits"),
)


@dataclass(frozen=True, slots=True)
class Figures:
    """Usage of one group in one period."""

    bytes: int = 0
    known_bytes: int = 0
    samples: int = 0
    widest_gap: int = 0
    bundles_started: int = 0
    unlimited_started: int = 0
    visits: int = 0

    def __add__(self, other: Self) -> "Figures":
        sums = {name: getattr(self, name) + getattr(other, name) for name in SUMS}
        return Figures(**sums, widest_gap=max(self.widest_gap, other.widest_gap))

    @property
    def coverage_percent(self) -> float | None:
        """The known share of the bytes in percent, with two decimal places; None without bytes."""
        return round(self.known_bytes * 100 / self.bytes, 2) if self.bytes else None


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
    figures: Figures


@dataclass(frozen=True, slots=True)
class Report:
    """Rows by period and group, and their sum."""

    rows: list[Row]
    time_zone: str
    as_of: datetime
    recorded_since: datetime

    @property
    def totals(self) -> Figures:
        return sum((row.figures for row in self.rows), Figures())

    @property
    def truncated(self) -> bool:
        return any(row.other for row in self.rows)


@dataclass(frozen=True, slots=True)
class Cell:
    """What the database returns for one group in one period.

    `values` are in the order of the dimensions. A plan is its bundle name.
    """

    period: int
    values: tuple[str, ...]
    other: bool
    figures: Figures


@dataclass(frozen=True, slots=True)
class Expiry:
    """What became of bundles that ended in a range, and of eSIMs that were delivered in it.

    `shares` are numbers of bundles, by the tenth of their allowance that was used.
    """

    days: Days
    time_zone: str
    as_of: datetime
    ended: int
    ended_unused: int
    ended_unlimited: int
    ended_unknown: int
    shares: tuple[int, ...]
    included_bytes: int
    used_bytes: int
    delivered: int
    never_installed: int
    waiting: int
    at_risk: int
