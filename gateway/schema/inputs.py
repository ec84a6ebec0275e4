"""Conversion of ids, times and amounts in inputs to the services' messages."""

import math
import re
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal

from google.protobuf.timestamp_pb2 import Timestamp

from kit.errors import invalid
from kit.values import money, timestamps
from protos.common.v1 import money_pb2

# At most as many decimal places as a double is printed with.
DECIMAL = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,20})?", re.ASCII)
# Relative error of a product of floats, such as 1.1 * 3 * 1000.
WHOLE_ERROR = 1e-12


def optional_id(field: str, given: str | None, omitted: str) -> str:
    """Return an id, or an empty string, which means none to the services, if it is null.

    Raises Failure INVALID for an empty id: its sender lost the id, and wants something else than a request
    without one. `omitted` is what to omit it for, such as "to buy for yourself".
    """
    if given == "":
        raise invalid({field: f"must not be empty; omit it {omitted}"})
    return given or ""


def amount(field: str, given: str, currency: str) -> money_pb2.Money:
    """Return an amount in a currency, without float noise; raise Failure INVALID for another text.

    A total that a client has computed with doubles has noise, such as "3.1500000000000004".
    """
    if DECIMAL.fullmatch(given):
        with suppress(ValueError):  # more decimal places than amounts have, or too small
            return money.to_proto(money.written(Decimal(given)), currency)
    raise invalid({field: 'must be a decimal number, such as "5.00"'})


def whole(value: float) -> float:
    """Return the whole number that a float is within float error of; otherwise the float itself."""
    if math.isfinite(value) and abs(value - round(value)) <= WHOLE_ERROR * max(1.0, abs(value)):
        return float(round(value))
    return value


def moment(field: str, given: datetime | None) -> Timestamp | None:
    """Return a time, which is in UTC if it has no zone; raise Failure INVALID for one out of range."""
    if given is None:
        return None
    try:
        aware = given if given.tzinfo else given.replace(tzinfo=UTC)
        return timestamps.to_proto(aware.astimezone(UTC))
    except (ValueError, OverflowError):
        raise invalid({field: "must be a time between the years 1 and 9999 in UTC"}) from None
