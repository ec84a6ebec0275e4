"""Conversion of ids, times and amounts in inputs to the services' messages."""

import re
from datetime import UTC, datetime
from decimal import Decimal

from google.protobuf.timestamp_pb2 import Timestamp

from kit.errors import invalid
from kit.values import money, timestamps
from protos.common.v1 import money_pb2

DECIMAL = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,9})?", re.ASCII)


def optional_id(field: str, given: str | None, omitted: str) -> str:
    """Return an id, or an empty string, which means none to the services, if it is null.

    Raises Failure INVALID for an empty id: its sender lost the id, and wants something else than a request
    without one. `omitted` is what to omit it for, such as "to buy for yourself".
    """
    if given == "":
        raise invalid({field: f"must not be empty; omit it {omitted}"})
    return given or ""


def amount(field: str, given: str, currency: str) -> money_pb2.Money:
    """Return an amount in a currency; raise Failure INVALID unless it is a decimal number."""
    if not DECIMAL.fullmatch(given):
        raise invalid({field: 'must be a decimal number, such as "5.00"'})
    return money.to_proto(Decimal(given), currency)


def moment(field: str, given: datetime | None) -> Timestamp | None:
    """Return a time, which is in UTC if it has no zone; raise Failure INVALID for one out of range."""
    if given is None:
        return None
    try:
        aware = given if given.tzinfo else given.replace(tzinfo=UTC)
        return timestamps.to_proto(aware.astimezone(UTC))
    except (ValueError, OverflowError):
        raise invalid({field: "must be a time between the years 1 and 9999 in UTC"}) from None
