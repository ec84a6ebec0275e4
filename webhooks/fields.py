"""Reads single fields of a callback's JSON, limited to what the owner's columns can store."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from kit.values import money, plain_text, timestamps
from protos import iccid as iccids
from protos.common.v1 import money_pb2

Body = Mapping[str, Any]

# Characters; the longest texts are activation codes, of some 80.
MAX_TEXT = 200
# Characters of a country, a profile status or a phone number, as in the columns.
MAX_WORD = 100
MAX_MONEY = Decimal(10) ** 12
# The provider writes some amounts as text.
AMOUNT = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,20})?", re.ASCII)
# Of ids and phone numbers, in 64 bits.
MAX_INTEGER = 2**63 - 1


class NotUnderstood(Exception):  # noqa: N818 - not a fault of this process
    """A body lacks a value that its type needs; the text names the value without showing it."""


def iccid(value: Any) -> tuple[str, bool]:
    """Return an ICCID, and whether all its digits are certain.

    The provider's guide shows ICCIDs as numbers too, which may have lost digits on the way.
    """
    digits = iccids.from_json(value)
    if not digits:
        raise NotUnderstood("no ICCID")
    return digits, iccids.is_exact(value)


def object_(body: Body, name: str) -> Body:
    """Return the object of that name; raises NotUnderstood."""
    value = body.get(name)
    if not isinstance(value, Mapping):
        raise NotUnderstood(f"no {name}")
    return value


def text(body: Body, name: str, limit: int = MAX_TEXT) -> str:
    """Return the text of that name, which must not be empty; raises NotUnderstood."""
    value = word(body.get(name), limit)
    if not value:
        raise NotUnderstood(f"no {name}")
    return value


def word(value: Any, limit: int = MAX_TEXT) -> str:
    """Return trimmed text; empty for another type, or for text that is too long or not printable."""
    if isinstance(value, str) and len(value) <= limit and plain_text.is_plain(value):
        return value.strip()
    return ""


def digits_or_text(value: Any, limit: int = MAX_TEXT) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_INTEGER:
        return str(value)
    return word(value, limit)


def time(body: Body, name: str) -> Timestamp | None:
    """Return the time of that name; None if it is missing or implausible."""
    return timestamps.to_proto(timestamps.from_provider(body.get(name)))


def amount(body: Body, name: str) -> money_pb2.Money:
    """Return the exact amount of that name, given as a number or as text, without a currency.

    Raises NotUnderstood.
    """
    value = body.get(name)
    if isinstance(value, str) and AMOUNT.fullmatch(value.strip()):
        value = Decimal(value.strip())
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise NotUnderstood(f"no {name}")
    # Before any arithmetic, which raises for a huge exponent.
    if not -MAX_MONEY <= value <= MAX_MONEY:
        raise NotUnderstood(f"{name} is out of range")
    exact = round(money.without_float_noise(Decimal(value)), 9)
    return money.to_proto(exact, currency="")  # callbacks name no currency


def optional_amount(body: Body, name: str) -> money_pb2.Money | None:
    """Return the amount of that name; None if it is missing or is no amount."""
    try:
        return amount(body, name)
    except NotUnderstood:
        return None
