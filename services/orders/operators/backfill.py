"""Records the costs of orders from before costs were recorded: they were sold at cost."""

import asyncio
import logging

from kit.background import Loop
from kit.db.database import Database

logger = logging.getLogger(__name__)

# Seconds between two searches, and orders of one transaction. The first search finds all old orders, later
# ones those that a process of the previous release has recorded since.
EVERY = 3_600.0
STEP = 1_000

# Unfinished orders wait until they are finished, as a process of the previous release may change their price.
# Orders in a batch of another replica are skipped.
RECORD = """
update orders.esim_orders o
set expected_cost = o.total_price - coalesce(o.charged_above, 0),
    charged_cost = coalesce(o.charged_cost, case when o.placed_at is not null then o.total_price end),
    cost_currency = o.currency,
    charged_currency = case when o.placed_at is not null then o.currency end,
    rule_version = 0, exchange_rate = 1, tax_rate = 0, includes_tax = false, tax_amount = 0, discount = 0
where o.id in (
    select id from orders.esim_orders
    where expected_cost is null and status not in ('PROCESSING', 'NEEDS_REVIEW')
    order by id limit $1 for update skip locked
)
"""


class Backfill:
    """Records the costs in batches, safely in several replicas at once and after any interruption."""

    def __init__(self, database: Database, *, stop: asyncio.Event, step: int = STEP) -> None:
        self._database = database
        self._stop = stop
        self._step = step

    def loop(self) -> Loop:
        """Return the loop that searches every hour."""
        return Loop("record the costs of old orders", self.record, self._stop, every=EVERY)

    async def record(self) -> int:
        """Record the costs of all finished orders without one, and return how many these were.

        Stops between two batches when the process is to stop; each batch is a transaction.
        """
        recorded, step = 0, self._step
        while step == self._step and not self._stop.is_set():
            async with self._database.system() as connection:
                status: str = await connection.execute(RECORD, self._step)
            step = int(status.rpartition(" ")[2])
            recorded += step
        if recorded:
            logger.info("costs of %s older orders recorded", recorded)
        return recorded
