"""SQL of order timelines: the steps that a customer sees, with their messages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from kit.db.database import Connection
from services.orders.order import OrderStatus

# Steps that are not named here (attempts, leases, retries) are internal.
MESSAGES: Mapping[str, str] = {
    "claimed": "The order was received.",
    "authorized": "The payment was authorized.",
    "paid": "The payment was received.",
    "payment expired": "The payment was not made in time; nothing was bought.",
    "payment failed": "The payment could not be made; nothing was bought.",
    "payment mismatch": "The payment did not match the order; nothing was bought.",
    "card declined too often": "The card was declined too often; nothing was bought.",
    "cancelled before the purchase": "The order was cancelled before it was bought.",
    "rejected": "The shop did not accept the order; nothing was bought.",
    "held too long": "The shop did not accept the order; nothing was bought.",
    "asking the provider": "The order was sent to the provider.",
    "not sent": "The provider was busy; the order will be retried.",
    "outcome unclear": "The provider's answer was lost; we are checking whether the order was placed.",
    "surely not bought: placing again": "The order had not been placed; it will be retried.",
    "charged above the expected price": "The provider charged more than expected; our staff has"
    " been notified.",
    "found at the provider": "The order was placed: the provider has confirmed it.",
    "placed": "The order was placed.",
    "delivered": "The provider delivered the eSIMs.",
    "registered": "The eSIMs were added to the account.",
    "completed": "The order is complete.",
    "needs review": "Our staff is checking the order.",
    "resumed": "Our staff checked the order; processing continues.",
    "resolved: placed": "Our staff found that the order had been placed.",
    "resolved: not bought": "Our staff found that the order had not been placed; nothing was charged.",
    "resolved: paid back": "The provider could not deliver the order, and the price was refunded.",
    "refused by the provider": "The provider refused the order; nothing was charged.",
    "given up: claimed too long ago": "The order could not be placed in time; nothing was charged.",
    "given up: dearer than allowed": "The price rose above the limit; nothing was charged.",
    "given up: the provider took no order": "The provider accepted no orders; nothing was charged.",
    "given up: surely not bought": "The order could not be placed; nothing was charged.",
    "cancellation asked for": "Cancellation was requested.",
    "cancelled": "The order was cancelled.",
    "partly cancelled": "The unused part of the order was cancelled.",
    "not cancelled": "The order could not be cancelled.",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One step of an order; `status` is the order's status after it."""

    order_id: UUID
    at: datetime
    status: OrderStatus
    message: str


LIST = """
select order_id, at, to_status, reason from orders.order_events
where order_id = any($1::uuid[]) and reason = any($2::text[]) order by order_id, id
"""


async def list_entries(connection: Connection, order_ids: Sequence[UUID]) -> list[Entry]:
    """Return the visible steps of orders that the caller may see, oldest first within each order.

    Consecutive equal steps, such as retries, are returned once.
    """
    entries: list[Entry] = []
    for row in await connection.fetch(LIST, list(order_ids), list(MESSAGES)):
        entry = Entry(
            row["order_id"], row["at"], OrderStatus(row["to_status"]), MESSAGES[row["reason"]]
        )
        last = entries[-1] if entries else None
        if last is None or (last.order_id, last.message) != (entry.order_id, entry.message):
            entries.append(entry)
    return entries
