"""The sandbox's own time, which can be moved forward and stopped, and how instants are written."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sandbox.state.rows import Row

# Late enough for any test, and early enough that what follows from it is still a date.
LATEST = datetime(9000, 1, 1, tzinfo=UTC)


def wall_clock() -> datetime:
    """The machine's time in UTC."""
    return datetime.now(UTC)


class ClockError(ValueError):
    """A move that the clock can't make."""


@dataclass
class ClockRow(Row):
    """How far the clock is ahead of the machine's, or where it stands still."""

    ahead_seconds: float = 0.0
    frozen_at: datetime | None = None


class Clock:
    """Virtual time: the machine's time plus an offset, or a fixed instant while frozen."""

    def __init__(self, row: ClockRow, wall: Callable[[], datetime] = wall_clock) -> None:
        self.row = row
        self._wall = wall

    def now(self) -> datetime:
        """The present virtual instant, in UTC."""
        if self.row.frozen_at is not None:
            return self.row.frozen_at
        return self._wall() + timedelta(seconds=self.row.ahead_seconds)

    def advance(self, step: timedelta) -> None:
        """Moves forward; raises ClockError for a move back, as no timer can be unfired."""
        if step < timedelta():
            raise ClockError("the clock can only move forward")
        if step > LATEST - self.now():
            raise ClockError(f"the clock can't pass {LATEST:%Y-%m-%d}")
        if self.row.frozen_at is not None:
            self.row.frozen_at += step
        else:
            self.row.ahead_seconds += step.total_seconds()

    def freeze(self) -> None:
        """Stops at the present instant."""
        self.row.frozen_at = self.now()

    def release(self) -> None:
        """Runs on from where the clock stood."""
        if self.row.frozen_at is not None:
            self.row.ahead_seconds = (self.row.frozen_at - self._wall()).total_seconds()
            self.row.frozen_at = None


def written(moment: datetime) -> str:
    """RFC 3339 with microseconds and Z."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def written_seconds(moment: datetime) -> str:
    """RFC 3339 to the second with Z."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


_INSTANT = re.compile(
    r"(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2})?)(?:\.(\d{1,9}))?(Z|[+-]\d{2}:\d{2})?)?",
    re.IGNORECASE,
)


def read_instant(text: str) -> datetime:
    """The instant written in RFC 3339 (a date alone is its midnight, no offset means UTC).

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
