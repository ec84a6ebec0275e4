"""Reads the provider's JSON about orders and install details."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from kit.errors import Failure, Kind
from kit.values import money, timestamps
from kit.values.plain_text import from_json as text
from protos import iccid
from services.orders.order import DeliveredESIM

# Above any order's price.
MAX_MONEY = Decimal(10) ** 12
# Decimal places of money in messages; the provider's prices have three at most.
MAX_PLACES = 9
# Far above the quantity of any order.
MAX_BUNDLES = 10**6
CURRENCY = re.compile(r"[A-Z]{3}")


@dataclass(frozen=True, slots=True)
class ProviderOrder:
    """One row of the provider's order history; `total` is in units of `currency`, None if unknown.

    `created_at` is None if it is missing or implausible. If the order has exactly one line, and that buys
    bundles, `item` and `quantity` are those of the line. Otherwise `item` is None.
    """

    reference: str
    created_at: datetime | None
    status: str
    total: Decimal | None
    currency: str | None
    item: str | None
    quantity: int
    esims: tuple[DeliveredESIM, ...]
    source_address: str = ""
    balance: Decimal | None = None  # of the organization, after the order

    @property
    def iccids(self) -> frozenset[str]:
        """The ICCIDs of the eSIMs that received bundles from the order, without malformed ones."""
        return frozenset(e.iccid for e in self.esims if iccid.FORM.fullmatch(e.iccid))

    @property
    def completed(self) -> bool:
        """True if the provider reports it as completed; an empty status counts too."""
        return self.status.lower() in ("completed", "")

    @property
    def failed(self) -> bool:
        """True if it failed after it was accepted; the provider does not document these statuses."""
        return self.status.lower() in ("failed", "cancelled", "canceled", "rejected", "error")


@dataclass(frozen=True, slots=True)
class Validation:
    """The provider's answer to an order of type validate; `total` in units of `currency`."""

    valid: bool
    total: Decimal | None
    currency: str | None


@dataclass(frozen=True, slots=True)
class ConfirmedPrice:
    """The price of one bundle, in units of `currency`, and when the provider was queried for it."""

    total: Decimal
    currency: str | None
    queried_at: datetime


def bad_answer(what: str, kind: Kind = Kind.UNAVAILABLE) -> Failure:
    return Failure(
        kind,
        "PROVIDER_BAD_ANSWER",
        "The provider's response could not be parsed; try again later.",
        details={"problem": what},
    )


def spellings(references: Iterable[str]) -> list[str]:
    """Return references as they are, in lower and in upper case: they are UUIDs, which may be in any case."""
    return list({form for one in references for form in (one, one.lower(), one.upper())})


def read_order(shape: Any) -> ProviderOrder:
    """Read an order of GET /orders, GET /orders/{ref} or POST /orders.

    Raises Failure if its reference or its lines are missing.
    """
    if not isinstance(shape, Mapping):
        raise bad_answer("an order is not an object")
    reference = text(shape.get("orderReference"))
    # Older published schemas name the field createDate.
    dates = map(timestamps.from_provider, (shape.get("createdDate"), shape.get("createDate")))
    lines = shape.get("order", shape.get("Order"))
    if not reference or not isinstance(lines, list):
        raise bad_answer("an order lacks orderReference or order")
    found = [line for line in lines if isinstance(line, Mapping)]
    only = found[0] if len(found) == 1 == len(lines) else {}
    quantity = _count(only.get("quantity"))
    total, code = _total(shape)
    bundle = text(only.get("type")).lower() == "bundle" and quantity is not None
    return ProviderOrder(
        reference=reference,
        created_at=next(filter(None, dates), None),
        status=text(shape.get("status")),
        total=total,
        currency=code,
        item=text(only.get("item")) or None if bundle else None,
        quantity=quantity if bundle and quantity else 0,
        esims=tuple(esim for line in found for esim in _esims_of_line(line)),
        source_address=text(shape.get("sourceIP")),
        balance=balance(shape.get("runningBalance")),
    )


def _esims_of_line(line: Mapping[str, Any]) -> list[DeliveredESIM]:
    """Return the eSIMs with install details, then those of which only the ICCID is listed."""
    esims = read_esims(line.get("esims"))
    known = {esim.iccid for esim in esims}
    named = line.get("iccids")
    for name in map(_iccid, named if isinstance(named, list) else ()):
        if name and name not in known:
            known.add(name)
            esims.append(DeliveredESIM(name, "", ""))
    return esims


def read_orders(shape: Any) -> tuple[list[Any], int | None]:
    """Return the rows of a page of GET /orders, and the number of pages if reported.

    The documented shape is one order; arrays and objects with pages are accepted too. A list that is null is
    empty.
    """
    if isinstance(shape, list):
        return shape, None
    if isinstance(shape, Mapping):
        if "orders" in shape and isinstance(rows := shape["orders"], list | None):
            pages = shape.get("pageCount")
            plausible = isinstance(pages, int) and not isinstance(pages, bool) and pages > 0
            return rows or [], pages if plausible else None
        if "orderReference" in shape:
            return [shape], None
    raise bad_answer("the response of GET /orders is not a list of orders")


def read_validation(shape: Any) -> Validation:
    """Read the answer of a validation; raises Failure if `valid` is missing."""
    if not isinstance(shape, Mapping) or not isinstance(shape.get("valid"), bool):
        raise bad_answer("the validation lacks valid")
    return Validation(shape["valid"], *_total(shape))


def _total(shape: Mapping[str, Any]) -> tuple[Decimal | None, str | None]:
    """Return the total of an order or a validation, and its currency."""
    total, code = price(shape.get("total")), currency(shape.get("currency"))
    if code is None and shape.get("currency"):
        total = None  # in an unknown currency it can't be compared
    return total, code


def read_esims(shape: Any) -> list[DeliveredESIM]:
    """Read eSIMs with their install details, from one object or an array.

    Rows without an ICCID are ignored; other fields may be empty. Of several rows of one eSIM, the last with
    install details counts.
    """
    rows = shape if isinstance(shape, list) else [shape]
    found: dict[str, DeliveredESIM] = {}
    for row in rows:
        if isinstance(row, Mapping) and (name := _iccid(row.get("iccid"))):
            address = text(row.get("smdpAddress")) or text(row.get("rspUrl"))
            esim = DeliveredESIM(name, text(row.get("matchingId")), bare_host(address))
            if name not in found or esim.installable:
                found[name] = esim
    return list(found.values())


def bare_host(address: str) -> str:
    """Return an SM-DP+ address without a scheme."""
    return address.partition("://")[2].rstrip("/") if "://" in address else address.rstrip("/")


def _iccid(value: Any) -> str:
    """Return an ICCID. Keeps a malformed one, for operators; empty for a JSON number that lost digits."""
    if digits := iccid.from_json(value):
        return digits if iccid.is_exact(value) else ""
    return text(value)


def _count(value: Any) -> int | None:
    """Return a number of bundles; None for anything else."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    return value if whole and 0 <= value <= MAX_BUNDLES else None


def amount(value: Any) -> Decimal | None:
    """Return a number, which may be written as text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        return None
    try:
        number = Decimal(value)
    except ArithmeticError:
        return None
    return number if number.is_finite() else None


def balance(value: Any) -> Decimal | None:
    """Return an amount of money of either sign, without float noise; None for anything else."""
    number = amount(value)
    # Before any arithmetic, which raises for a huge exponent.
    if number is None or not -MAX_MONEY < number < MAX_MONEY:
        return None
    return money.without_float_noise(number)


def price(value: Any) -> Decimal | None:
    """Return a price of at most nine decimal places; None for anything else."""
    number = balance(value)
    if number is None or number < 0 or number != round(number, MAX_PLACES):
        return None
    return number


def currency(value: Any) -> str | None:
    """Return an ISO 4217 code in upper case; None for anything else."""
    code = text(value).upper()
    return code if CURRENCY.fullmatch(code) else None
