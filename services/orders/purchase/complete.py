"""Completes an order whose eSIMs are registered, and whose payment is taken if it has one."""

from kit.db.database import Connection
from services.orders import order
from services.orders.order import Order, OrderStatus
from services.orders.purchase import charges
from services.orders.work import Work


def message_of(completed: Order) -> str:
    """Return the message for the customer of a completed order; nearly always empty."""
    reasons = [
        order.MESSAGE_REASSIGNED if completed.reassigned else "",
        charges.status_reason(completed),
    ]
    return " ".join(filter(None, reasons))


async def complete(work: Work, connection: "Connection | None" = None) -> None:
    """Complete an order, in the given transaction or in its own."""
    message = message_of(work.order)
    await work.step("completed", connection, status=OrderStatus.COMPLETED, reason=message)
