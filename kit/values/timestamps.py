"""Times between datetime, the protos' Timestamp and the provider's text, and which of them to believe.

Every datetime is aware and in UTC. A time that the provider wrote counts only where this module believes
it; anything else is unknown: None.
"""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from google.protobuf.timestamp_pb2 import Timestamp

# Python reads six digits of a second at most; the provider writes nine.
FINER_THAN_MICROSECONDS = re.compile(r"(\.\d{6})\d+")
# RFC 3339 allows a leap second, which Python has no form for.
LEAP_SECOND = re.compile(r"(:[0-5]\d):60(?!\d)")
# The longest form, with nine digits and an offset, has 35 characters.
MAX_LENGTH = 64
# No eSIM is older: an earlier time is a program's zero (the year 1, 1970), not a date.
EARLIEST = datetime(2010, 1, 1, tzinfo=UTC)
# No plan lasts longer: a later time (the year 9999) stands for "never", or is a mistake.
FURTHEST = timedelta(days=3653)
# How far the provider's clock may be ahead of ours.
CLOCK_SKEW = timedelta(minutes=10)


def to_proto(moment: datetime | None) -> Timestamp | None:
    """None stays None: protobuf constructors take it as absent."""
    if moment is None:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp


def from_proto(stamp: Timestamp) -> datetime:
    """Raises ValueError when the timestamp is outside the years 1 to 9999."""
    try:
        return stamp.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError("not a time between the years 1 and 9999") from error


def to_text(moment: datetime) -> str:
    """Return a time as in RFC 3339, in UTC with `Z` and six decimals of a second; without a zone it is UTC.

    The one format of times in answers, events, logs and the CLI's JSON.
    """
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def from_iso(text: str) -> datetime:
    """Read ISO 8601 with up to nine digits of a second; a time without a zone is UTC.

    A leap second is read as the second before it, and `t` and `z` as `T` and `Z`. Raises ValueError for
    anything else, and for a time outside the years 1 to 9999 in UTC.
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
    """A time in a callback or an answer of the provider: text, or milliseconds since 1970.

    None for none, and for one that is unreadable or not `believable`.
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
    """The time where it can be the date of something in an eSIM's life, past or planned; else None.

    The database's infinities, which asyncpg returns without a zone, are unknown too.
    """
    if moment is None or moment.tzinfo is None:
        return None
    return moment if EARLIEST <= moment <= datetime.now(UTC) + FURTHEST else None


def happened(moment: datetime | None, reported_at: datetime) -> datetime | None:
    """The time of something that was reported at `reported_at` to have happened; else None.

    What has happened was not in the future when it was reported, as far as the clocks agree.
    """
    moment = believable(moment)
    return moment if moment is not None and moment <= reported_at + CLOCK_SKEW else None


def _from_milliseconds(value: int | Decimal) -> datetime | None:
    # Compared first: a number may have any count of digits, or be no number at all.
    if isinstance(value, Decimal) and not value.is_finite():
        return None
    if not 0 <= value < 10**14:
        return None
    return believable(datetime.fromtimestamp(int(value) / 1000, UTC))
