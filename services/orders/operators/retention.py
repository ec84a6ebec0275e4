"""Deletes order steps, attempts and notes past their retention period."""

import asyncio
import logging
from collections import Counter

from kit.background import Loop
from kit.db.database import Database

logger = logging.getLogger(__name__)

# Seconds between prunings, and rows of one transaction.
EVERY = 3_600.0
STEP = 1_000

# Orders are never deleted, nor are the steps and attempts of unfinished ones.
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
    """Deletes history older than `days`, safely in several replicas at once; 0 keeps everything."""

    def __init__(self, database: Database, *, days: int, stop: asyncio.Event) -> None:
        self._database = database
        self._days = days
        self._stop = stop

    def loop(self) -> Loop:
        """Return the loop that prunes every hour."""
        return Loop("delete old order history", self.prune, self._stop, every=EVERY)

    async def prune(self) -> Counter[str]:
        """Delete old rows in steps, and return how many of each kind."""
        pruned: Counter[str] = Counter()
        for what, statement in PRUNE.items() if self._days else ():
            step = STEP
            while step == STEP and not self._stop.is_set():
                async with self._database.system() as connection:
                    status: str = await connection.execute(statement, self._days, STEP)
                step = int(status.rpartition(" ")[2])
                pruned += Counter({what: step})
        if pruned:
            summary = ", ".join(f"{number} {what}" for what, number in pruned.items())
            logger.info("%s of over %s days ago deleted", summary, self._days)
        return pruned
