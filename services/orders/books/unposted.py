"""Posts in the background what a purchase or cancellation does not post itself.

These are sale and cost of orders that are not paid here, so that a purchase does not wait for the ledger, and
what the provider pays back for revoked bundles.
"""

import asyncio
import logging
from collections.abc import Sequence
from uuid import UUID

from kit.background import Loop
from kit.db.database import Connection, Database
from services.orders.books import postings, store, unposted_store
from services.orders.books.posting import Posting
from services.orders.books.unposted_store import Unposted

logger = logging.getLogger(__name__)

# Seconds between two searches, orders of one search, and orders of one transaction. A cancellation waits for
# the transaction that posts its order.
EVERY = 2.0
STEP = 100
TOGETHER = 20
ACTOR = "books"


class UnpostedOrders:
    """Posts orders, safely in several replicas at once and after any interruption."""

    def __init__(self, database: Database, *, stop: asyncio.Event) -> None:
        self._database = database
        self._stop = stop

    def loop(self) -> Loop:
        return Loop("post orders to the ledger", self.round, self._stop, every=EVERY)

    async def round(self) -> bool:
        """Post the orders that wait, the longest waiting first; True if there may be more."""
        async with self._database.system() as connection:
            waiting = await unposted_store.waiting(connection, STEP)
        for at in range(0, len(waiting), TOGETHER):
            if self._stop.is_set():
                break
            await self._post(waiting[at : at + TOGETHER])
        return len(waiting) == STEP

    async def _post(self, order_ids: Sequence[UUID]) -> None:
        try:
            async with self._database.system() as connection:
                found = await unposted_store.take(connection, order_ids)
                wanted = [p for one in found for p in await _postings(connection, one)]
                await store.post(connection, *wanted, actor=ACTOR)
        except store.PostedDifferentlyError:
            if len(order_ids) > 1:
                for order_id in order_ids:
                    await self._post([order_id])
                return
            # It would fail again: the comparison of the books reports the difference.
            [order_id] = order_ids
            logger.exception("order %s was posted differently before", order_id)
            async with self._database.system() as connection:
                await unposted_store.take(connection, order_ids)


async def _postings(connection: Connection, found: Unposted) -> list[Posting | None]:
    """Return what the ledger has to have of an order."""
    order = found.order
    wanted = [
        postings.sold(order, paid_here=False) if not found.paid_here else None,
        postings.cost(order),
    ]
    if found.returned:
        cost_before, given_back = await store.returned(connection, order.id)
        wanted += [
            postings.cost_returned(order, found.returned, cost_before),
            None if found.paid_here else postings.sale_returned(order, found.returned, given_back),
        ]
    return wanted
