"""What is done now and then: measuring how far deliveries are, telling when they stall, pruning."""

import asyncio
import logging
from contextlib import suppress

from kit.db import Database
from kit.errors import Failure
from kit.log_episodes import Episodes
from webhooks import delivery_store, event_store
from webhooks.delivery_store import State
from webhooks.metrics import Metrics

logger = logging.getLogger(__name__)
episodes = Episodes(logger)

# Seconds between measurements: two counts over indexes of what isn't delivered.
MEASURE_EVERY = 15.0
# Seconds between prunings, and rows of one step, so that each is a short transaction.
PRUNE_EVERY = 3_600.0
PRUNE_STEP = 1_000
# KEPT in the column are foreign events too, which would fill the disk. Dead ones wait for a person.
PRUNED = (State.DELIVERED, State.KEPT)
# Seconds. Deliveries take well under one; so many are worth waking somebody.
STALLED_AFTER = 300.0


class Upkeep:
    """One loop for both; a replica more does no harm."""

    def __init__(
        self, database: Database, metrics: Metrics, *, retention_days: int, stop: asyncio.Event
    ) -> None:
        self._database = database
        self._metrics = metrics
        self._days = retention_days
        self._stop = stop
        self._dead = 0

    async def run(self) -> None:
        """Until the stop."""
        loop = asyncio.get_running_loop()
        prune_at = loop.time()
        while not self._stop.is_set():
            try:
                await self.measure()
                if self._days and loop.time() >= prune_at:
                    await self.prune()
                    prune_at = loop.time() + PRUNE_EVERY
            except Failure as failure:
                episodes.met("maintenance is delayed", "maintenance is delayed: %s", failure)
            except Exception as error:  # noqa: BLE001 - logged, and the next round may go well
                episodes.met(
                    "maintenance fails",
                    "maintenance failed; retrying",
                    level=logging.ERROR,
                    error=error,
                )
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), MEASURE_EVERY)

    async def measure(self) -> None:
        """Sets the gauges, and tells of dead letters and of a standstill."""
        async with self._database.system() as connection:
            oldest, resting = await event_store.resting(connection)
        self._metrics.measured(oldest.age, resting)
        if oldest.age > STALLED_AFTER:
            logger.error(
                "callbacks stall: the oldest of %s is not delivered after %.0f s: %s",
                resting.get(State.PENDING, 0),
                oldest.age,
                f"{oldest.owner} answered {oldest.last_error}"
                if oldest.attempts
                else f"{oldest.owner} does not answer",
            )
        dead = resting.get(State.DEAD, 0)
        if dead > self._dead:
            logger.error(
                "%s dead letters: list them with `esimgo webhooks list --state dead`", dead
            )
        self._dead = dead

    async def prune(self) -> int:
        """Takes out old events that wait for nobody, step by step, and gives how many."""
        pruned = 0
        for state in PRUNED:
            step = PRUNE_STEP
            while step == PRUNE_STEP and not self._stop.is_set():
                async with self._database.system() as connection:
                    step = await delivery_store.prune(connection, state, self._days, PRUNE_STEP)
                pruned += step
        if pruned:
            logger.info("%s callbacks of over %s days ago deleted", pruned, self._days)
        return pruned
