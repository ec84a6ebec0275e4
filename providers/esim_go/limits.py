"""Parsing of the provider's rate-limit headers."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Self

from kit.values import timestamps

# Seconds. The provider's windows last one second; a more distant reset means a wrong clock.
MAX_WINDOW = 60.0
# Seconds. The Date header has whole seconds; a larger difference means a wrong clock.
CLOCK_NOISE = 2.0
# Seconds. A longer Retry-After is cut to this; then one call probes.
MAX_PAUSE = 60.0
# Tokens. A larger count is no limit but a mistake or "unlimited", and PostgreSQL's integers end at 2^31.
MAX_TOKENS = 1_000_000


@dataclass(frozen=True, slots=True)
class RateWindow:
    """The rate-limit window that a response reports, with None for missing or invalid headers.

    `resets_in` is in seconds from now, and negative for a window that has ended.
    """

    limit: int | None
    remaining: int | None
    cost: int | None
    resets_in: float | None

    @classmethod
    def read(cls, headers: Mapping[str, str], now: datetime) -> Self:
        """Parse the headers. `now` is our clock; the Date header corrects a difference to the provider's."""
        return cls(
            limit=_count(headers.get("X-Ratelimit-Limit"), least=1),
            remaining=_count(headers.get("X-Ratelimit-Remaining"), least=0),
            cost=_count(headers.get("X-Ratelimit-Cost"), least=0),
            resets_in=_resets_in(headers, now),
        )


def retry_after(
    headers: Mapping[str, str], now: datetime, longest: float = MAX_PAUSE
) -> float | None:
    """Return the seconds of `Retry-After`, which may be a date, but at most `longest`; None if absent."""
    text = headers.get("Retry-After", "").strip()
    try:
        seconds = float(text)
    except ValueError:
        date = _date(text)
        if date is None:
            return None
        seconds = (date - _provider_now(headers, now)).total_seconds()
    return min(max(seconds, 0.0), longest) if seconds == seconds else None  # not NaN


def _resets_in(headers: Mapping[str, str], now: datetime) -> float | None:
    try:
        reset = timestamps.from_iso(headers.get("X-Ratelimit-Reset", ""))
    except ValueError:
        return None
    seconds = (reset - _provider_now(headers, now)).total_seconds()
    return seconds if abs(seconds) <= MAX_WINDOW else None


def _provider_now(headers: Mapping[str, str], now: datetime) -> datetime:
    date = _date(headers.get("Date", ""))
    if date is None or abs((date - now).total_seconds()) <= CLOCK_NOISE:
        return now
    return date


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _count(text: str | None, *, least: int) -> int | None:
    try:
        value = int(text or "")
    except ValueError:
        return None
    return value if least <= value <= MAX_TOKENS else None
