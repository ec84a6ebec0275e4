"""Completes an order whose eSIMs are registered, and whose payment is taken if it has one."""

from collections.abc import Sequence
from typing import Unpack

from services.orders import status_reasons
from services.orders.order import Order, OrderStatus
from services.orders.purchase import charges
from services.orders.store import Changes
from services.orders.work import Work


def message_of(completed: Order) -> str:
    """Return the message for the customer of a completed order; nearly always empty."""
    reasons = [
        status_reasons.MESSAGE_REASSIGNED if completed.reassigned else "",
        charges.status_reason(completed),
    ]
    return " ".join(filter(None, reasons))


async def complete(work: Work, *, after: Sequence[str] = (), **changes: Unpack[Changes]) -> None:
    """Complete an order in a separate transaction; `after` and `changes` are those of `Work.step`."""
    changes |= {"status": OrderStatus.COMPLETED, "reason": message_of(work.order)}
    await work.step("completed", after=after, **changes)
