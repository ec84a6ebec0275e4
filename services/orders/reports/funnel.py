"""How far orders got, from their start to the first use of their eSIMs."""

from dataclasses import dataclass, field
from datetime import datetime

from kit.reports.periods import Days
from services.orders.reports.report import Filter

# Of the orders that were started. Each is a part of the one before it.
REACHED = ("started", "authorized", "bought", "delivered", "installed", "used")


@dataclass(frozen=True, slots=True)
class WantedFunnel:
    """A checked request; `time_zone` is empty if it does not name one."""

    days: Days
    time_zone: str = ""
    filter: Filter = field(default_factory=Filter)


@dataclass(frozen=True, slots=True)
class Step:
    """Orders that reached a step, with the eSIMs and top-ups in them."""

    orders: int = 0
    esims: int = 0
    top_ups: int = 0


@dataclass(frozen=True, slots=True)
class Durations:
    """Seconds within which half, 95 % and 99 % of the orders were delivered."""

    p50: float
    p95: float
    p99: float


@dataclass(frozen=True, slots=True)
class Counts:
    """What was counted; `failures` are reasons with their numbers of orders, most frequent first."""

    started: Step
    authorized: Step
    bought: Step
    delivered: Step
    installed: Step
    used: Step
    failed: Step
    in_progress: Step
    failures: tuple[tuple[str, int], ...]
    time_to_delivery: Durations | None


@dataclass(frozen=True, slots=True)
class Funnel:
    """Counts as of one moment; those of installed and used eSIMs as of another, None if that is not known."""

    counts: Counts
    time_zone: str
    as_of: datetime
    progress_as_of: datetime | None
