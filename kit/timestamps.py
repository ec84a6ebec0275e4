"""Moments between datetime, the protos' Timestamp and the provider's ISO text; always aware, UTC."""

import re
from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

# Python takes six digits of a second at most; the provider writes nine.
FINER_THAN_MICROSECONDS = re.compile(r"(\.\d{6})\d+")


def to_proto(moment: datetime | None) -> Timestamp | None:
    """None stays None: protobuf constructors take it as absent."""
    if moment is None:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp


def from_proto(stamp: Timestamp) -> datetime:
    """Raises ValueError when the timestamp is outside the years 1 to 9999."""
    return stamp.ToDatetime(tzinfo=UTC)


def from_iso(text: str) -> datetime:
    """Reads ISO 8601 with up to nine digits of a second; a time without a zone is UTC.

    Raises ValueError for anything else.
    """
    moment = datetime.fromisoformat(FINER_THAN_MICROSECONDS.sub(r"\1", text.strip()))
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
