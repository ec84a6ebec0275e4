"""The provider's tokens counted in PostgreSQL, so that all processes behind one address share them."""

import asyncio
import logging
import math

from kit.db.database import Database
from kit.errors import Failure
from kit.net.optional_dependency import OptionalDependency
from kit.values.clock import Clock
from providers.esim_go.queue import Priority, too_late

log = logging.getLogger(__name__)

# Milliseconds. The provider's window is a second; the rest is for the way there, as requests that
# leave a second apart may arrive closer together.
WINDOW = 1_050
# Seconds. A database slower than this holds purchases up for less than it is worth.
TIMEOUT = 2.0
# Of the limit, what each priority may fill up: the rest stays free for those who go first.
SHARES = {Priority.WRITE: 1.0, Priority.READ: 0.8, Priority.SYNC: 0.5}
# Seconds after which a request has tokens reserved: of the lowest priority, as reads that never pause would
# otherwise keep the catalogue from being read at all; of the highest, as many cheap calls leave an expensive
# one no room.
LATEST = {Priority.WRITE: 1.0, Priority.SYNC: 3.0}
TAKE = "select provider.take_tokens($1, $2, $3, $4)"
# How the function treats the reservation.
IGNORE, RESPECT, RESERVE = 0, 1, 2


class SharedTokens:
    """The budget of all processes; while the database is away nothing is shared, which is logged once.

    `timeout` is for the database, in seconds; `window` in milliseconds.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock | None = None,
        *,
        timeout: float = TIMEOUT,
        window: int = WINDOW,
    ) -> None:
        self._database = database
        self._timeout = timeout
        self._window = window
        self._clock = clock or Clock()
        self._absence = OptionalDependency(
            log,
            "provider pacing: tokens can't be counted in the database",
            "each process limits its own rate",
            "provider pacing: tokens are counted in the database again",
            errors=(Failure, TimeoutError),
            clock=self._clock,
        )

    async def take(self, cost: int, limit: int, priority: Priority, deadline: float) -> None:
        """Wait until so many tokens are free, by the clock's `now`, and take them.

        Raises Failure EXHAUSTED when that is after the deadline.
        """
        began = self._clock.now()
        while True:
            overdue = self._clock.now() - began >= LATEST.get(priority, math.inf)
            share = SHARES[Priority.READ if overdue and priority is Priority.SYNC else priority]
            cap = max(1, int(limit * share))
            rank = RESERVE if overdue else IGNORE if priority is Priority.WRITE else RESPECT
            pause = await self._ask(min(cost, cap), cap, rank)
            if pause <= 0:
                return
            if self._clock.now() + pause >= deadline:
                raise too_late(pause)
            await asyncio.sleep(pause)

    async def _ask(self, cost: int, cap: int, rank: int) -> float:
        """Return the seconds to wait; 0 if the tokens are taken or can't be counted."""

        async def taken() -> float:
            async with asyncio.timeout(self._timeout):
                return float(await self._database.call(TAKE, cost, cap, self._window, rank))

        return (await self._absence.attempt(taken) or 0) / 1000
