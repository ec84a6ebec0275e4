"""Records the costs of orders from before costs were recorded: they were sold at cost."""

import asyncio
import logging
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from kit.background import Loop
from kit.db.database import Database

logger = logging.getLogger(__name__)

# Seconds between two searches, and orders of one transaction.
EVERY = 3_600.0
STEP = 1_000
# Searches without a find after which a process stops searching, because each reads all orders. There are two,
# an hour apart: a process of the previous release may still have recorded orders during the first one.
ENOUGH = 2
START = (datetime.min.replace(tzinfo=UTC), UUID(int=0))

# One page of orders, oldest first, through the index that lists use. Unfinished orders wait until they are
# finished, as a process of the previous release may change their price. Orders in a page of another replica
# are skipped. The columns that change send no notice to customers' subscriptions; their tax and discount stay
# null, which is read as none.
RECORD = """
with page as materialized (
    select o.id, o.created_at, o.expected_cost is null as missing
    from orders.esim_orders o
    where (o.created_at, o.id) > ($1, $2::uuid)
    order by o.created_at, o.id limit $3
),
locked as (
    select o.id from orders.esim_orders o
    where o.id in (select id from page where missing)
        and o.expected_cost is null and o.status not in ('PROCESSING', 'NEEDS_REVIEW')
    for update skip locked
),
recorded as (
    update orders.esim_orders o
    set expected_cost = o.total_price - coalesce(o.charged_above, 0),
        charged_cost = coalesce(o.charged_cost, case when o.placed_at is not null then o.total_price end),
        cost_currency = o.currency,
        charged_currency = case when o.placed_at is not null then o.currency end,
        rule_version = 0, exchange_rate = 1
    where o.id in (select id from locked)
    returning o.id
)
select page.created_at, page.id, (select count(*) from page where missing)::int as missing,
    (select count(*) from recorded)::int as recorded
from page order by page.created_at desc, page.id desc limit 1
"""


class Backfill:
    """Records the costs in batches, safely in several replicas at once and after any interruption."""

    def __init__(self, database: Database, *, stop: asyncio.Event, step: int = STEP) -> None:
        self._database = database
        self._stop = stop
        self._step = step
        self._found_nothing = 0

    def loop(self) -> Loop:
        """Return the loop that searches every hour, until no order is left."""
        return Loop("record the costs of old orders", self.search, self._stop, every=EVERY)

    async def search(self) -> None:
        """Record what is missing, unless nothing was for `ENOUGH` searches."""
        if self._found_nothing < ENOUGH:
            await self.record()

    async def record(self) -> int:
        """Record the costs of all finished orders without one, and return how many these were.

        Stops between two batches when the process is to stop; each batch is a transaction.
        """
        recorded, missing, position = 0, 0, START
        while not self._stop.is_set():
            async with self._database.system() as connection:
                row: Any = await connection.fetchrow(RECORD, *position, self._step)
            if row is None:
                self._found_nothing = 0 if missing else self._found_nothing + 1
                break
            position = row["created_at"], row["id"]
            missing += row["missing"]
            recorded += row["recorded"]
        if recorded:
            logger.info("costs of %s older orders recorded", recorded)
        return recorded
