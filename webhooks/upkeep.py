"""Background work: measures deliveries, reports dead letters and stalls, and deletes old callbacks."""

import asyncio
import logging

from kit.background import Loop
from kit.db.database import Database
from kit.logs.episodes import Episodes
from webhooks import delivery_store, event_store
from webhooks.delivery_store import State
from webhooks.metrics import Metrics

logger = logging.getLogger(__name__)
episodes = Episodes(logger)

# Seconds between measurements, which read only indexes of undelivered events.
MEASURE_EVERY = 15.0
# Seconds between prunings, and rows of one transaction.
PRUNE_EVERY = 3_600.0
PRUNE_STEP = 1_000
# KEPT includes foreign events in the column. Dead letters are left for an operator.
PRUNED = (State.DELIVERED, State.KEPT)
# Seconds. Deliveries usually take well under one.
STALLED_AFTER = 300.0
STALL = "callbacks stall"


class Upkeep:
    """Measures deliveries and deletes old callbacks; 0 retention days keep them all."""

    def __init__(
        self, database: Database, metrics: Metrics, *, retention_days: int, stop: asyncio.Event
    ) -> None:
        self._database = database
        self._metrics = metrics
        self._days = retention_days
        self._stop = stop
        self._dead = 0

    def loops(self) -> list[Loop]:
        """Return the loops that measure and prune; every replica may run them."""
        return [
            Loop("measure deliveries", self.measure, self._stop, every=MEASURE_EVERY),
            Loop("delete old callbacks", self.prune, self._stop, every=PRUNE_EVERY),
        ]

    async def measure(self) -> None:
        """Set the gauges, and log dead letters and stalls."""
        async with self._database.system() as connection:
            oldest, undelivered = await event_store.undelivered(connection)
        self._metrics.measured(oldest.age, undelivered)
        if oldest.age > STALLED_AFTER:
            episodes.record(
                STALL,
                "callbacks stall: the oldest of %s is not delivered after %.0f s: %s",
                undelivered.get(State.PENDING, 0),
                oldest.age,
                f"{oldest.owner} answered {oldest.last_error}"
                if oldest.attempts
                else f"{oldest.owner} does not answer",
                level=logging.ERROR,
                lasting=True,
            )
        else:
            episodes.resolve(STALL)
        dead = undelivered.get(State.DEAD, 0)
        if dead > self._dead:
            logger.error(
                "%s dead letters: list them with `esimgo webhooks list --state dead`", dead
            )
        self._dead = dead

    async def prune(self) -> int:
        """Delete callbacks that are past their retention period, in steps, and return how many."""
        pruned = 0
        for state in PRUNED if self._days else ():
            step = PRUNE_STEP
            while step == PRUNE_STEP and not self._stop.is_set():
                async with self._database.system() as connection:
                    step = await delivery_store.prune(connection, state, self._days, PRUNE_STEP)
                pruned += step
        if pruned:
            logger.info("%s callbacks of over %s days ago deleted", pruned, self._days)
        return pruned
