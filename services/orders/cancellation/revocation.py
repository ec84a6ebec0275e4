"""Revocations: the bundles of an order that is being cancelled, and what their refunds mean for it."""

from dataclasses import dataclass

from services.orders.order import OrderStatus, Refund


@dataclass(frozen=True, slots=True)
class Revocation:
    """One bundle of an order being cancelled; `refund` is None while it is not known."""

    iccid: str
    assignment_id: str
    bundle_name: str
    state: str  # PLANNED, STARTED, REVOKED or REFUSED
    refund: Refund | None


def cancelled_status(revocations: list[Revocation]) -> OrderStatus:
    """Return REFUNDED if the whole price was refunded to the balance, else CANCELLED.

    A bundle that returned to the inventory can be sold again, but is no refund.
    """
    if revocations and all(r.refund is Refund.BALANCE for r in revocations):
        return OrderStatus.REFUNDED
    return OrderStatus.CANCELLED


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
