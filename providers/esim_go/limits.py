"""The provider's rate-limit headers as numbers: tokens, cost, and seconds from now."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Self

from kit.values import timestamps

# The provider's windows last a second: a reset further away is a clock that can't be compared.
MAX_WINDOW = 60.0
# The Date header counts whole seconds; only a difference beyond that is a wrong clock.
CLOCK_NOISE = 2.0
# A pause of a day, or of a nonsensical header, is believed for so long; then one call tries.
MAX_PAUSE = 60.0


@dataclass(frozen=True, slots=True)
class RateWindow:
    """What an answer tells about the window; None for what it doesn't tell or tells wrongly.

    `resets_in` is in seconds from now, below 0 when the window that is told of is over.
    """

    limit: int | None
    remaining: int | None
    cost: int | None
    resets_in: float | None

    @classmethod
    def read(cls, headers: Mapping[str, str], now: datetime) -> Self:
        """`now` is our wall clock; a clock that is off is corrected by the answer's own Date."""
        return cls(
            limit=_count(headers.get("X-Ratelimit-Limit"), least=1),
            remaining=_count(headers.get("X-Ratelimit-Remaining"), least=0),
            cost=_count(headers.get("X-Ratelimit-Cost"), least=0),
            resets_in=_resets_in(headers, now),
        )


def retry_after(
    headers: Mapping[str, str], now: datetime, longest: float = MAX_PAUSE
) -> float | None:
    """Seconds to wait by `Retry-After` (seconds, or a date as HTTP also allows); None if absent.

    At most `longest`, however long the provider asks for.
    """
    text = headers.get("Retry-After", "").strip()
    try:
        seconds = float(text)
    except ValueError:
        date = _date(text)
        if date is None:
            return None
        seconds = (date - _their_now(headers, now)).total_seconds()
    return min(max(seconds, 0.0), longest) if seconds == seconds else None  # not NaN


def _resets_in(headers: Mapping[str, str], now: datetime) -> float | None:
    try:
        reset = timestamps.from_iso(headers.get("X-Ratelimit-Reset", ""))
    except ValueError:
        return None
    seconds = (reset - _their_now(headers, now)).total_seconds()
    return seconds if abs(seconds) <= MAX_WINDOW else None


def _their_now(headers: Mapping[str, str], now: datetime) -> datetime:
    date = _date(headers.get("Date", ""))
    if date is None or abs((date - now).total_seconds()) <= CLOCK_NOISE:
        return now
    return date


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _count(text: str | None, *, least: int) -> int | None:
    try:
        value = int(text or "")
    except ValueError:
        return None
    return value if value >= least else None
