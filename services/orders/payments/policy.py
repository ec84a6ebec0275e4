"""Computes what a customer gets back who cancels a paid order, without reading the database or the clock."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from enum import StrEnum
from typing import Any

from services.orders.payment import Payment, PaymentState, RefundDestination, payable_unit

NONE = Decimal(0)
MAX_DAYS = 3650
DESTINATIONS = {"card": RefundDestination.CARD, "wallet": RefundDestination.WALLET}
FLAGS = {"true": True, "false": False}
NAMES = ("window_days", "only_if_not_installed", "only_if_unused", "fee", "to")


class RefundPolicyError(ValueError):
    """The text of a refund policy is malformed; the message says what is expected."""


class Shortfall(StrEnum):
    """Why less than everything goes back."""

    NOT_CAPTURED = "NOT_CAPTURED"
    NOTHING_PAID = "NOTHING_PAID"
    ALREADY_REFUNDED = "ALREADY_REFUNDED"
    CANCELLED = "CANCELLED"
    WINDOW_OVER = "WINDOW_OVER"
    INSTALLED = "INSTALLED"
    USED = "USED"
    NOT_RETURNABLE = "NOT_RETURNABLE"
    FEE = "FEE"
    DISPUTED = "DISPUTED"
    CREDITED = "CREDITED"
    UNKNOWN = "UNKNOWN"


MESSAGES = {
    Shortfall.NOT_CAPTURED: "Nothing was taken for this order yet, so there is nothing to give back",
    Shortfall.NOTHING_PAID: "Nothing was paid for this order, and there is nothing to give back",
    Shortfall.ALREADY_REFUNDED: "This order was refunded already",
    Shortfall.CANCELLED: "This order has already been cancelled",
    Shortfall.WINDOW_OVER: "The time in which this order could be given back is over",
    Shortfall.INSTALLED: "eSIMs that are installed on a device can't be given back",
    Shortfall.USED: "Plans that are in use can't be given back",
    Shortfall.NOT_RETURNABLE: "The provider does not take this order back; ask the shop's support",
    Shortfall.FEE: "A fee is kept",
    Shortfall.DISPUTED: "The payment of this order is disputed at the bank, which decides about the money",
    Shortfall.CREDITED: "The statement of this order was credited; ask the shop's support",
    Shortfall.UNKNOWN: "It is not known at the moment whether this order can be given back; try again later",
}


@dataclass(frozen=True, slots=True)
class RefundPolicy:
    """How much a customer gets back, as it is recorded with each payment.

    `window_days` begins with the purchase; None: no end. `fee` is the percentage that is kept. `to` is where
    the money goes: CARD is back to where it came from.
    """

    window_days: int | None = 14
    only_if_not_installed: bool = True
    only_if_unused: bool = True
    fee: Decimal = NONE
    to: RefundDestination = RefundDestination.CARD

    @classmethod
    def parse(cls, text: str) -> "RefundPolicy":
        """Parse a policy such as "window_days=14,only_if_unused=true,fee=5,to=card".

        What is not named keeps its default. Raises RefundPolicyError.
        """
        given: dict[str, str] = {}
        for part in filter(None, (part.strip() for part in text.split(","))):
            name, equals, value = (piece.strip() for piece in part.partition("="))
            if not equals or name not in NAMES:
                raise RefundPolicyError(
                    f'"{part}" must be one of {", ".join(f"{n}=..." for n in NAMES)}'
                )
            if name in given:
                raise RefundPolicyError(f"{name} is given twice")
            given[name] = value.lower()
        return cls(**{name: _READ[name](name, value) for name, value in given.items()})

    def to_json(self) -> dict[str, Any]:
        """Return the object that the database stores."""
        return asdict(self) | {"fee": f"{self.fee:f}", "to": self.to.value}

    @classmethod
    def from_json(cls, shape: Mapping[str, Any]) -> "RefundPolicy":
        """Build a policy from what `to_json` returned; an empty object is the default policy."""
        known = {name: value for name, value in shape.items() if name in NAMES}
        if "fee" in known:
            known["fee"] = Decimal(known["fee"])
        if "to" in known:
            known["to"] = RefundDestination(known["to"])
        return cls(**known)

    def ends(self, bought_at: datetime) -> datetime | None:
        """Return the time from which nothing of an order is refunded; None if there is no such time."""
        return None if self.window_days is None else bought_at + timedelta(days=self.window_days)

    def accepts(self, item: "Item") -> Shortfall | None:
        """Return why an item is not given back; None if it is."""
        if not item.returnable:
            return Shortfall.USED if item.used else Shortfall.NOT_RETURNABLE
        if item.used and self.only_if_unused:
            return Shortfall.USED
        if item.installed and self.only_if_not_installed:
            return Shortfall.INSTALLED
        return None

    def percent(self, item: "Item") -> Decimal:
        """Return how much of an item's price goes back, in percent."""
        return NONE if self.accepts(item) else 100 - self.fee


@dataclass(frozen=True, slots=True)
class Item:
    """One bundle of an order. `returnable` if the provider would revoke it.

    `installed` is False for a top-up, whose eSIM was installed before.
    """

    installed: bool
    used: bool
    returnable: bool = True


@dataclass(frozen=True, slots=True)
class Sold:
    """A bought order: `items` are those not revoked before, None if their states could not be read.

    `given` is the sum of the percentages that were refunded for items revoked before.
    """

    bought_at: datetime
    quantity: int
    items: Sequence[Item] | None
    given: Decimal = NONE
    ended: bool = False  # cancelled or refunded


def due(captured: Decimal, percents: Decimal, quantity: int, currency: str) -> Decimal:
    """Return the total refund of an order of `quantity` items; `percents` is the sum of their percentages.

    Rounded down to what a card can get back, so that parts never add up to more than the whole.
    """
    exact = captured * percents / (100 * quantity)
    return exact if exact == captured else exact.quantize(payable_unit(currency), ROUND_DOWN)


@dataclass(frozen=True, slots=True)
class Refundable:
    """What cancelling an order gives back; `until` is None if there is no end, or nothing to give back.

    `reason` is why it is less than what is left of the payment, None if it is not; `text` describes it if
    there is more to say than for every order.
    """

    amount: Decimal
    until: datetime | None = None
    reason: Shortfall | None = None
    text: str = ""

    @property
    def message(self) -> str:
        return self.text or (MESSAGES[self.reason] if self.reason else "")


@dataclass(frozen=True, slots=True)
class Limit:
    """The most that can go back of an order on a credited statement; `message` names the credit notes."""

    amount: Decimal
    message: str


def refundable(
    policy: RefundPolicy,
    payment: Payment,
    sold: Sold,
    now: datetime,
    *,
    cancelled: Decimal = NONE,
    withdrawn: Decimal = NONE,
    limit: Limit | None = None,
) -> Refundable:
    """Return what cancelling an order would give back now.

    `cancelled` is what earlier cancellations of parts of the order gave back, `withdrawn` what disputes have
    taken back of the payment. Only the share of the items that the policy accepts is refunded, and never more
    than is left of the payment. An order that would give back more than `limit` is not cancelled: a person
    has to find out what the credit notes were for.
    """
    left = payment.captured - payment.refunded
    undisputed = max(left - withdrawn, NONE)
    until = policy.ends(sold.bought_at)
    nothing = _nothing(payment, sold, left, until, now)
    if nothing is None and not undisputed:
        nothing = Shortfall.DISPUTED
    if nothing is not None:
        return Refundable(NONE, reason=nothing)
    items = sold.items or ()
    refused = [why for why in map(policy.accepts, items) if why]
    accepted = len(items) - len(refused)
    if not accepted:
        return Refundable(NONE, reason=refused[0] if refused else Shortfall.NOT_RETURNABLE)
    percents = sold.given + sum(map(policy.percent, items), NONE)
    whole = due(payment.captured, percents, sold.quantity, payment.currency)
    amount = min(left, max(whole - cancelled, NONE))
    if not amount:
        return Refundable(NONE, reason=Shortfall.FEE if policy.fee else Shortfall.ALREADY_REFUNDED)
    if limit is not None and amount > limit.amount:
        return credited(limit)
    if amount > undisputed:
        return Refundable(undisputed, until, Shortfall.DISPUTED)
    reason = refused[0] if refused else None
    if reason is None and amount < left:
        reason = Shortfall.FEE if policy.fee else Shortfall.ALREADY_REFUNDED
    return Refundable(amount, until, reason)


def credited(limit: Limit) -> Refundable:
    """Return what is refunded of an order that would exceed the limit of its statement."""
    message = f"{limit.message}; ask the shop's support"
    return Refundable(NONE, reason=Shortfall.CREDITED, text=message)


def _nothing(
    payment: Payment, sold: Sold, left: Decimal, until: datetime | None, now: datetime
) -> Shortfall | None:
    """Return why nothing is refunded, whatever the states of the bundles; None if something may be."""
    if sold.ended:
        return Shortfall.CANCELLED
    if payment.state is not PaymentState.CAPTURED:
        return Shortfall.NOT_CAPTURED
    if not payment.captured:  # a coupon covered all of it
        return Shortfall.NOTHING_PAID
    if not left:
        return Shortfall.ALREADY_REFUNDED
    if until is not None and now >= until:
        return Shortfall.WINDOW_OVER
    return Shortfall.UNKNOWN if sold.items is None else None


def _days(name: str, value: str) -> int | None:
    if value == "none":
        return None
    if not value.isascii() or not value.isdigit() or int(value) > MAX_DAYS:
        raise RefundPolicyError(f"{name} must be a number of days up to {MAX_DAYS}, or none")
    return int(value)


def _flag(name: str, value: str) -> bool:
    if value not in FLAGS:
        raise RefundPolicyError(f"{name} must be true or false")
    return FLAGS[value]


def _percent(name: str, value: str) -> Decimal:
    digits = value.removesuffix("%").replace(".", "", 1)
    if not digits.isascii() or not digits.isdigit() or Decimal(value.removesuffix("%")) > 100:
        raise RefundPolicyError(f"{name} must be a percentage from 0 to 100, such as 5")
    return Decimal(value.removesuffix("%"))


def _destination(name: str, value: str) -> RefundDestination:
    if value not in DESTINATIONS:
        raise RefundPolicyError(f"{name} must be card or wallet")
    return DESTINATIONS[value]


_READ: Mapping[str, Any] = {
    "window_days": _days,
    "only_if_not_installed": _flag,
    "only_if_unused": _flag,
    "fee": _percent,
    "to": _destination,
}
