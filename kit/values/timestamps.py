"""Conversion of times between datetime, the protos' Timestamp and the provider's formats.

Every datetime is aware and in UTC. An implausible time from the provider is read as None.
"""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from google.protobuf.timestamp_pb2 import Timestamp

# Python parses at most six digits of a second; the provider writes nine.
FINER_THAN_MICROSECONDS = re.compile(r"(\.\d{6})\d+")
# RFC 3339 allows leap seconds, which Python can't represent.
LEAP_SECOND = re.compile(r"(:[0-5]\d):60(?!\d)")
# The longest valid text, with nine digits and an offset, has 35 characters.
MAX_LENGTH = 64
# No eSIM is older. An earlier time is usually a zero value (the year 1 or 1970).
EARLIEST = datetime(2010, 1, 1, tzinfo=UTC)
# No plan lasts longer. A later time (the year 9999) means "never" or is a mistake.
FURTHEST = timedelta(days=3653)
# Tolerated lead of the provider's clock.
CLOCK_SKEW = timedelta(minutes=10)


def to_proto(moment: datetime | None) -> Timestamp | None:
    """Convert a time; None stays None, which protobuf constructors accept as absent."""
    if moment is None:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp


def from_proto(stamp: Timestamp) -> datetime:
    """Convert a timestamp; raises ValueError outside the years 1 to 9999."""
    try:
        return stamp.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError("not a time between the years 1 and 9999") from error


def to_text(moment: datetime) -> str:
    """Format a time by RFC 3339, in UTC with `Z` and six decimals. A naive datetime is taken as UTC.

    Responses, events, logs and the CLI's JSON all use this format.
    """
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def from_iso(text: str) -> datetime:
    """Parse ISO 8601 with up to nine digits of a second. A time without a zone is taken as UTC.

    A leap second becomes the second before it. Raises ValueError for invalid text, and for times
    outside the years 1 to 9999 in UTC.
    """
    exact = FINER_THAN_MICROSECONDS.sub(r"\1", text.strip().upper())
    exact = LEAP_SECOND.sub(r"\1:59", exact)
    moment = datetime.fromisoformat(exact)
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("not a time between the years 1 and 9999") from error


def from_provider(value: object) -> datetime | None:
    """Parse a time in the provider's JSON: text, or milliseconds since 1970.

    Returns None for a missing, invalid or implausible time.
    """
    if isinstance(value, str) and len(value) <= MAX_LENGTH:
        try:
            return believable(from_iso(value))
        except ValueError:
            return None
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return _from_milliseconds(value)
    return None


def believable(moment: datetime | None) -> datetime | None:
    """Return the time if it is plausible as a past or planned event in an eSIM's life; otherwise None.

    The database's infinities, which asyncpg returns without a zone, also become None.
    """
    if moment is None or moment.tzinfo is None:
        return None
    return moment if EARLIEST <= moment <= datetime.now(UTC) + FURTHEST else None


def happened(moment: datetime | None, reported_at: datetime) -> datetime | None:
    """Return the time of an event reported at `reported_at`; None if it is implausible or in the future."""
    moment = believable(moment)
    return moment if moment is not None and moment <= reported_at + CLOCK_SKEW else None


def end_of(end: datetime | None, start: datetime | None) -> datetime | None:
    """Return the end of a period; None if it is implausible because it is not after the start."""
    return None if end is not None and start is not None and end <= start else end


def _from_milliseconds(value: int | Decimal) -> datetime | None:
    # Check the range first, because a number may have any number of digits, or be NaN.
    if isinstance(value, Decimal) and not value.is_finite():
        return None
    if not 0 <= value < 10**14:
        return None
    return believable(datetime.fromtimestamp(int(value) / 1000, UTC))
