"""The sandbox's clock, which can be advanced and stopped, and formats of times."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sandbox.state.rows import Row

# Late enough for any test, and early enough that computed times are still valid dates.
LATEST = datetime(9000, 1, 1, tzinfo=UTC)


def wall_clock() -> datetime:
    """Return the machine's time in UTC."""
    return datetime.now(UTC)


class ClockError(ValueError):
    """An invalid move of the clock."""


@dataclass
class ClockRow(Row):
    """Offset of the clock from the machine's, or the time at which it is stopped."""

    ahead_seconds: float = 0.0
    frozen_at: datetime | None = None


class Clock:
    """Virtual time: the machine's time plus an offset, or a fixed time while frozen."""

    def __init__(self, row: ClockRow, wall: Callable[[], datetime] = wall_clock) -> None:
        self.row = row
        self._wall = wall

    def now(self) -> datetime:
        """Return the current virtual time in UTC."""
        if self.row.frozen_at is not None:
            return self.row.frozen_at
        return self._wall() + timedelta(seconds=self.row.ahead_seconds)

    def advance(self, step: timedelta) -> None:
        """Advance the clock; raise ClockError for a move back, as timers can't be undone."""
        if step < timedelta():
            raise ClockError("the clock can only move forward")
        if step > LATEST - self.now():
            raise ClockError(f"the clock can't pass {LATEST:%Y-%m-%d}")
        if self.row.frozen_at is not None:
            self.row.frozen_at += step
        else:
            self.row.ahead_seconds += step.total_seconds()

    def freeze(self) -> None:
        """Stop the clock at the current time."""
        self.row.frozen_at = self.now()

    def release(self) -> None:
        """Let the clock continue from where it stopped."""
        if self.row.frozen_at is not None:
            self.row.ahead_seconds = (self.row.frozen_at - self._wall()).total_seconds()
            self.row.frozen_at = None


def written(moment: datetime) -> str:
    """Format a time as RFC 3339 with microseconds and Z."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def written_seconds(moment: datetime) -> str:
    """Format a time as RFC 3339 to the second with Z."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


_INSTANT = re.compile(
    r"(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2})?)(?:\.(\d{1,9}))?(Z|[+-]\d{2}:\d{2})?)?",
    re.IGNORECASE,
)


def read_instant(text: str) -> datetime:
    """Parse RFC 3339 (a date alone means midnight, no offset means UTC).

    Digits beyond microseconds are cut. Raises ValueError.
    """
    if (found := _INSTANT.fullmatch(text.strip())) is None:
        raise ValueError("not an RFC 3339 time such as 2026-03-01T00:00:00.000Z")
    day, time, fraction, offset = found.groups()
    zone = "+00:00" if offset in (None, "Z", "z") else offset
    moment = datetime.fromisoformat(f"{day}T{time or '00:00'}{zone}")
    try:
        return moment.replace(microsecond=int((fraction or "0").ljust(6, "0")[:6])).astimezone(UTC)
    except OverflowError as error:
        raise ValueError("not a time between the years 1 and 9999") from error
