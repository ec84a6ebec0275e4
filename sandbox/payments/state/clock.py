"""The sandbox's clock, and the actions that are due at a certain time."""

import heapq
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

logger = logging.getLogger(__name__)

MINUTE = 60
HOUR = 3600
DAY = 86_400


@dataclass
class Clock:
    """Seconds since 1970: the machine's time plus an offset that only `advance` changes."""

    wall: Callable[[], float] = time.time
    ahead: float = 0.0
    frozen_at: float | None = None
    # While a due action runs, the time at which it was due.
    _as_of: float | None = None

    def exact(self) -> float:
        """Return the current time with fractions."""
        if self._as_of is not None:
            return self._as_of
        return self.frozen_at if self.frozen_at is not None else self.wall() + self.ahead

    def now(self) -> int:
        """Return the current time in whole seconds, as the API's timestamps are."""
        return int(self.exact())

    def date(self) -> date:
        """Return the current day in UTC."""
        return datetime.fromtimestamp(self.exact(), UTC).date()

    def advance(self, seconds: float) -> None:
        """Advance the clock, which can't go back."""
        if self.frozen_at is not None:
            self.frozen_at += seconds
        else:
            self.ahead += seconds

    def freeze(self) -> None:
        """Stop the clock at the current time; it then moves by `advance` only."""
        self.frozen_at = self.exact()

    def release(self) -> None:
        """Let the clock continue from where it stopped."""
        if self.frozen_at is not None:
            self.ahead = self.frozen_at - self.wall()
            self.frozen_at = None

    def run_at(self, moment: float, action: Callable[[], None]) -> None:
        """Run an action as if the time were `moment`."""
        self._as_of = moment
        try:
            action()
        finally:
            self._as_of = None


@dataclass(order=True)
class _Due:
    at: float
    sequence: int
    action: Callable[[], None] = field(compare=False)


class Timers:
    """Actions that the clock triggers, in the order of their times.

    One long advance has the same effect as many short ones.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heap: list[_Due] = []
        self._added = 0

    def add(self, at: float, action: Callable[[], None]) -> None:
        """Run `action` once the clock reaches `at`."""
        self._added += 1
        heapq.heappush(self._heap, _Due(at, self._added, action))

    def run_due(self) -> None:
        """Run all actions whose time has come, including those that they add."""
        while self._heap and self._heap[0].at <= self._clock.exact():
            due = heapq.heappop(self._heap)
            try:
                self._clock.run_at(due.at, due.action)
            except Exception:
                # The others are still executed.
                logger.exception("an action that was due failed")

    def next_at(self) -> float | None:
        """Return when the next action is due."""
        return self._heap[0].at if self._heap else None
