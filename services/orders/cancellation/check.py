"""Decides if an order can be cancelled, by its own state and the provider's state of its bundles."""

from kit.errors import Failure, Kind
from services.orders.order import Order, OrderStatus
from services.orders.provider.provider_bundle import REVOKED_STATE, UNUSED_STATES, BundleOnESIM

USED_STATES = frozenset({"active", "depleted", "expired"})


def in_use(*, partly: bool) -> Failure:
    """Return the refusal of an order with a used bundle; `partly` if another one can be cancelled."""
    message = (
        "A bundle of this order has been used and can no longer be cancelled; to cancel only the"
        " unused part, set `unusedOnly`"
        if partly
        else "Every bundle of this order has been used, so none can be cancelled any more"
    )
    return Failure(Kind.REFUSED, "ORDER_IN_USE", message)


def not_taken_back() -> Failure:
    """Return the refusal of an order that the provider does not accept back."""
    return Failure(
        Kind.REFUSED,
        "ORDER_NOT_CANCELLABLE",
        "The provider does not accept the return of this order; ask the shop's support",
    )


def check_cancellable(order: Order) -> None:
    """Raise Failure REFUSED (ORDER_NOT_CANCELLABLE) for an order without anything to revoke."""
    message = {
        OrderStatus.PROCESSING: "This order is still being processed; wait until it is completed",
        OrderStatus.NEEDS_REVIEW: "This order is still being processed; wait until it is completed",
        OrderStatus.FAILED: "This order failed and nothing was charged, so there is nothing to cancel",
    }.get(order.status)
    if message:
        raise Failure(Kind.REFUSED, "ORDER_NOT_CANCELLABLE", message)


def check_unused(bundles: list[BundleOnESIM], expected: int) -> None:
    """Raise Failure REFUSED unless all `expected` bundles of an order are unused."""
    left = [b for b in bundles if b.state != REVOKED_STATE]
    if any(b.touched or b.state in USED_STATES for b in left):
        raise in_use(partly=any(b.unused for b in left))
    if len(bundles) < expected or any(b.state not in UNUSED_STATES for b in left):
        raise Failure(
            Kind.REFUSED,
            "ORDER_NOT_CANCELLABLE",
            "The provider no longer has every bundle of this order; ask the shop's support",
        )
