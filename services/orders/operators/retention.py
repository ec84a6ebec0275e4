"""Deletes order steps, attempts and notes past their retention period."""

import asyncio
import logging
from contextlib import suppress

from kit.db import Database
from kit.errors import Failure

logger = logging.getLogger(__name__)

# Seconds between prunings, and rows of one step, so that each is a short transaction.
EVERY = 3_600.0
STEP = 1_000

# The orders themselves stay, for the books. Steps and attempts of an order that is in work stay too,
# however old.
PRUNE = {
    "steps": """
        delete from orders.order_events where id in (
            select e.id from orders.order_events e join orders.esim_orders o on o.id = e.order_id
            where e.at < now() - make_interval(days => $1) and o.next_run_at is null
                and o.status not in ('PROCESSING', 'NEEDS_REVIEW')
            order by e.at limit $2
        )
    """,
    "attempts": """
        delete from orders.order_attempts where id in (
            select a.id from orders.order_attempts a join orders.esim_orders o on o.id = a.order_id
            where a.started_at < now() - make_interval(days => $1) and o.next_run_at is null
                and o.status not in ('PROCESSING', 'NEEDS_REVIEW')
            order by a.started_at limit $2
        )
    """,
    "balance events": """
        delete from orders.balance_events where event_id in (
            select event_id from orders.balance_events
            where received_at < now() - make_interval(days => $1) order by received_at limit $2
        )
    """,
    "unexplained orders": """
        delete from orders.unexplained_orders where reference in (
            select reference from orders.unexplained_orders
            where found_at < now() - make_interval(days => $1) order by found_at limit $2
        )
    """,
}


class Retention:
    """One loop; a replica more does no harm. `days` of 0 keeps everything."""

    def __init__(self, database: Database, *, days: int, stop: asyncio.Event) -> None:
        self._database = database
        self._days = days
        self._stop = stop

    async def watch(self) -> None:
        """Until the stop."""
        while self._days and not self._stop.is_set():
            try:
                await self.prune()
            except Failure as failure:
                logger.warning("old steps of orders were not deleted: %s", failure)
            except Exception:
                logger.exception("old steps of orders were not deleted")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), EVERY)

    async def prune(self) -> dict[str, int]:
        """Delete rows that are older than the days, step by step, and return how many of each kind."""
        pruned = dict.fromkeys(PRUNE, 0)
        for what, statement in PRUNE.items():
            step = STEP
            while step == STEP and not self._stop.is_set():
                async with self._database.system() as connection:
                    status: str = await connection.execute(statement, self._days, STEP)
                step = int(status.rpartition(" ")[2])
                pruned[what] += step
        if any(pruned.values()):
            told = ", ".join(f"{number} {what}" for what, number in pruned.items() if number)
            logger.info("%s of over %s days ago deleted", told, self._days)
        return pruned
