"""The customer's part of an order's history: which steps concern them, in their words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from kit.db import Connection
from services.orders.order import OrderStatus

# Steps that are not named here (attempts, leases, retries) are the platform's own matter.
SHOWN: Mapping[str, str] = {
    "claimed": "The order was received.",
    "asking the provider": "The provider was asked for it.",
    "not sent": "The provider was busy; it is tried again.",
    "outcome unclear": "The provider's answer was lost; whether it was bought is being checked.",
    "surely not bought: placing again": "It was not bought; it is tried again.",
    "charged above the expected price": "The provider charged more than expected; our staff was"
    " informed.",
    "found at the provider": "It was bought: the provider has it.",
    "placed": "It was bought.",
    "delivered": "The eSIMs are there.",
    "registered": "The eSIMs were entered into the account.",
    "completed": "The order is complete.",
    "needs review": "Our staff has a closer look at it.",
    "resumed": "Our staff looked at it; the work goes on.",
    "resolved: placed": "Our staff found that it was bought.",
    "resolved: not bought": "Our staff found that it was not bought; nothing was charged.",
    "resolved: paid back": "The provider could not deliver it, and its price was given back.",
    "refused by the provider": "The provider refused it; nothing was charged.",
    "given up: claimed too long ago": "It could not be bought in time; nothing was charged.",
    "given up: dearer than allowed": "Its price rose above the limit; nothing was charged.",
    "given up: the provider took no order": "The provider took no order; nothing was charged.",
    "given up: surely not bought": "It could not be bought; nothing was charged.",
    "cancellation asked for": "Its cancellation was asked for.",
    "cancelled": "It was cancelled.",
    "partly cancelled": "What nobody used of it was cancelled.",
    "not cancelled": "It could not be cancelled.",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One step; `status` is the order's from then on."""

    order_id: UUID
    at: datetime
    status: OrderStatus
    words: str


LIST = """
select order_id, at, to_status, reason from orders.order_events
where order_id = any($1::uuid[]) and reason = any($2::text[]) order by order_id, id
"""


async def list_entries(connection: Connection, order_ids: Sequence[UUID]) -> list[Entry]:
    """The shown steps of orders that the caller was found to see; oldest first within each.

    A step that repeats the one before it (tried again, still waiting) is told once.
    """
    entries: list[Entry] = []
    for row in await connection.fetch(LIST, list(order_ids), list(SHOWN)):
        entry = Entry(
            row["order_id"], row["at"], OrderStatus(row["to_status"]), SHOWN[row["reason"]]
        )
        last = entries[-1] if entries else None
        if last is None or (last.order_id, last.words) != (entry.order_id, entry.words):
            entries.append(entry)
    return entries
