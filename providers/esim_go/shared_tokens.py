"""The provider's tokens, counted in PostgreSQL for all processes behind one IP address."""

import asyncio
import logging
import math

from kit.db.database import Database
from kit.errors import Failure
from kit.net.optional_dependency import OptionalDependency
from kit.values.clock import Clock
from providers.esim_go.queue import Priority, too_late

log = logging.getLogger(__name__)

# Milliseconds. Longer than the provider's window of a second, because requests may arrive closer together
# than they were sent.
WINDOW = 1_050
# Seconds. A slower database would delay purchases too much.
TIMEOUT = 2.0
# The share of the limit that each priority may use; the rest is left for higher priorities.
SHARES = {Priority.WRITE: 1.0, Priority.READ: 0.8, Priority.BULK: 0.6, Priority.SYNC: 0.5}
# Seconds after which a request gets tokens reserved. Otherwise constant reads could block the catalogue's
# sync and batches forever, and many cheap calls an expensive write.
RESERVE_AFTER = {Priority.WRITE: 1.0, Priority.BULK: 3.0, Priority.SYNC: 3.0}
# Seconds for which a request obeys a limit that may be too low.
DOUBTFUL_WAIT = 2.0
UNLIMITED = 2**31 - 1
TAKE = "select provider.take_tokens($1, $2, $3, $4)"
# How the SQL function treats the reservation.
IGNORE, RESPECT, RESERVE = 0, 1, 2


class SharedTokens:
    """The shared budget. While the database is unavailable, each process limits only its own rate.

    `timeout` is that of the database, in seconds; `window` is in milliseconds.
    """

    def __init__(
        self,
        database: Database,
        *,
        timeout: float = TIMEOUT,
        window: int = WINDOW,
    ) -> None:
        self._database = database
        self._timeout = timeout
        self._window = window
        self._clock = Clock()
        self._access = OptionalDependency(
            log,
            "provider pacing: tokens can't be counted in the database",
            "each process limits its own rate",
            "provider pacing: tokens are counted in the database again",
            errors=(Failure, TimeoutError),
            clock=self._clock,
        )

    async def take(
        self,
        cost: int,
        limit: int,
        priority: Priority,
        deadline: float,
        *,
        doubtful: bool = False,
    ) -> None:
        """Wait for and take `cost` tokens. Raises Failure EXHAUSTED if `deadline` comes first.

        `doubtful` means that the limit may be too low, because no response has named it lately. Then the
        tokens are taken after a short wait even above the limit: other processes may know a higher limit, and
        constantly use more than the one given here. Only a response names it to this process.
        """
        began = self._clock.now()
        latest = min(deadline, began + DOUBTFUL_WAIT) if doubtful else deadline
        while True:
            overdue = self._clock.now() - began >= RESERVE_AFTER.get(priority, math.inf)
            patient = priority in (Priority.BULK, Priority.SYNC)
            share = SHARES[Priority.READ if overdue and patient else priority]
            cap = max(1, int(limit * share))
            rank = RESERVE if overdue else IGNORE if priority is Priority.WRITE else RESPECT
            pause = await self._try_take(min(cost, cap), cap, rank)
            if pause <= 0:
                return
            if self._clock.now() + pause >= latest:
                if not doubtful:
                    raise too_late(pause)
                await self._try_take(cost, UNLIMITED, IGNORE)
                return
            await asyncio.sleep(pause)

    async def _try_take(self, cost: int, cap: int, rank: int) -> float:
        """Return the seconds to wait; 0 if the tokens are taken or can't be counted."""

        async def taken() -> float:
            async with asyncio.timeout(self._timeout):
                return float(await self._database.call(TAKE, cost, cap, self._window, rank))

        return (await self._access.attempt(taken) or 0) / 1000
