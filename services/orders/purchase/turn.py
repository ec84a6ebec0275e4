"""The turn of batch orders: a lock that one order at a time holds, for its call and a pause after it."""

import logging
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from kit.db.database import Connection, Database
from kit.errors import Failure

logger = logging.getLogger(__name__)

# The provider asks for a pause between bulk orders (help.esim-go.com, article 33263750350481).
PEEK = """
select greatest(extract(epoch from t.free_at - clock_timestamp()), 0)::float8 as seconds,
    t.holder is not null as held,
    s.cancelled_at is not null as cancelled
from orders.batch_turn t, orders.batch_orders b join orders.batches s on s.id = b.batch_id
where b.id = $1
"""
# `free_at` ends the turn of a process that died, after the longest time that its request may be in flight.
TAKE = """
update orders.batch_turn set holder = $1, free_at = clock_timestamp() + $2::interval
where free_at <= clock_timestamp()
"""
FREE_LATER = """
update orders.batch_turn set holder = null, free_at = clock_timestamp() + $2::interval where holder = $1
"""
# Seconds between checks while another order calls the provider, and the minimum time between two checks.
CALL_TIME = 0.5
LEAST_WAIT = 0.1


@dataclass(frozen=True, slots=True)
class Peek:
    """For how many seconds the turn is still taken, and if the batch of the order was cancelled."""

    seconds: float
    cancelled: bool


class BatchTurn:
    """Lets orders of batches call the provider one at a time, `pause` apart.

    `longest_call` is the time after which a call has certainly ended.
    """

    def __init__(self, database: Database, *, pause: timedelta, longest_call: timedelta) -> None:
        self._database = database
        self.pause = pause
        self._longest = longest_call + pause

    async def peek(self, batch_order_id: UUID) -> Peek:
        """Return whether the order of a batch may be placed now; takes nothing."""
        async with self._database.system() as connection:
            row = await connection.fetchrow(PEEK, batch_order_id)
        if row is None:
            raise LookupError(f"no planned order {batch_order_id}")
        seconds = row["seconds"]
        if row["held"]:  # usually for a moment only, unless its process died
            seconds = min(seconds, CALL_TIME)
        return Peek(max(seconds, LEAST_WAIT) if seconds else 0.0, row["cancelled"])

    async def take(self, connection: Connection, order_id: UUID) -> bool:
        """Take the turn in the transaction that records the attempt; False if another order has it."""
        return bool(await connection.execute(TAKE, order_id, self._longest) == "UPDATE 1")

    async def pass_on(self, order_id: UUID) -> None:
        """Let the next order have its turn after the pause, now that the call has ended."""
        try:
            async with self._database.system() as connection:
                await connection.execute(FREE_LATER, order_id, self.pause)
        except (Failure, TimeoutError):
            logger.warning(
                "the turn of order %s ends later, as the database is unavailable", order_id
            )
