"""Revocations: the bundles of an order that is being cancelled, and what their refunds mean for it."""

from dataclasses import dataclass
from decimal import Decimal

from kit.values import money
from services.orders.order import OrderStatus, Refund


@dataclass(frozen=True, slots=True)
class Revocation:
    """One bundle of an order being cancelled; `refund` is None while it is not known.

    `refund_percent` is how much of its price the customer gets back, None if they don't pay here. `used` is
    known before the cancellation: somebody may have revoked a used bundle in the provider's portal.
    """

    iccid: str
    assignment_id: str
    bundle_name: str
    state: str  # PLANNED, STARTED, REVOKED or REFUSED
    refund: Refund | None
    refund_percent: Decimal | None = None
    used: bool = False


def cancelled_status(revocations: list[Revocation]) -> OrderStatus:
    """Return REFUNDED if the whole price was refunded to the balance, else CANCELLED.

    A bundle that returned to the inventory can be sold again, but is no refund.
    """
    if revocations and all(r.refund is Refund.BALANCE for r in revocations):
        return OrderStatus.REFUNDED
    return OrderStatus.CANCELLED


def refunded_message(what: str, amount: Decimal, currency: str, *, whole: bool) -> str:
    """Return the message for the customer about a cancelled order that they have paid."""
    if whole:
        return f"{what} was cancelled and its price refunded."
    if not amount:
        return f"{what} was cancelled; nothing is refunded."
    return f"{what} was cancelled; {money.plain(amount):f} {currency} are refunded."


def cancelled_message(revocations: list[Revocation], what: str = "The order") -> str:
    """Return the message for the customer about what was cancelled."""
    refunds = {revocation.refund for revocation in revocations}
    if refunds == {Refund.BALANCE}:
        return f"{what} was cancelled and its price refunded."
    if refunds == {Refund.INVENTORY}:
        return (
            f"{what} was cancelled; the provider returned its bundles to the inventory instead of"
            " refunding money."
        )
    if refunds == {Refund.NONE}:
        return f"{what} was cancelled; the provider does not refund it."
    return f"{what} was cancelled; the refund differs between its bundles."
