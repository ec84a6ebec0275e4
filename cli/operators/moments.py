"""Times of arguments, as the services expect them."""

from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from cli.errors import CommandError
from kit.values import timestamps


def stamp(at: datetime | None) -> Timestamp | None:
    """Convert a time of an argument; None stays None. Without a zone it is in this machine's zone.

    Raises CommandError for a time that in UTC is outside the years 1 to 9999.
    """
    if at is None:
        return None
    try:
        return timestamps.to_proto(at.astimezone())
    except (ValueError, OverflowError, OSError):  # of the platform's time functions
        text = f"{at.isoformat()} is out of range: give a time within the years 2 to 9998"
        raise CommandError(text) from None
