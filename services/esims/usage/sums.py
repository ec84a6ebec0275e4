"""Sums usage and visits by day, in the background."""

import asyncio
import logging
from datetime import timedelta
from zoneinfo import ZoneInfo

from kit.background import Loop
from kit.db.database import ROW_REFUSED, Connection, Database, after_commit, savepoint
from kit.telemetry import metrics
from services.esims.usage import deletion_store, sum_store
from services.esims.usage.plans import plan_id
from services.esims.usage.sum_store import Source, Summed

logger = logging.getLogger(__name__)

# Seconds between two rounds if nothing is left; samples of one transaction.
EVERY = 5.0
STEP = 2_000
# Seconds between two rounds of deletion, and rows of one of its transactions.
DELETE_EVERY = 3_600.0
DELETE_STEP = 1_000
DAY = timedelta(days=1)


class UsageSums:
    """Adds samples and visits to the sums of their days, each exactly once.

    The sums and the watermark change in one transaction, so nothing is lost or counted twice when a process
    is killed. Safe in several replicas: one at a time works.
    """

    def __init__(
        self, database: Database, time_zone: str, *, stop: asyncio.Event, step: int = STEP
    ) -> None:
        self._database = database
        self._time_zone = time_zone
        self._stop = stop
        self._step = step
        self._plans_of: set[str] = set()
        # Created at the start, so that it is 0 while nothing waits.
        self._lag = metrics.gauge(
            "esimgo_usage_lag_seconds",
            "How long the oldest sample of usage has been waiting to be summed",
        )

    def loop(self) -> Loop:
        return Loop("sum usage", self.round, self._stop, every=EVERY)

    async def round(self) -> bool:
        """Sum the next rows; True if more are left."""
        try:
            async with self._database.system() as connection:
                if not await sum_store.take(connection):
                    return False
                if self._time_zone not in await sum_store.zones(connection):
                    await self._add_zone(connection)
                rows = [await self._sum(connection, source, self._step) for source in Source]
        finally:  # after a failure too: rows keep waiting then
            await self._measure_lag()
        return self._step in rows

    async def _measure_lag(self) -> None:
        async with self._database.system() as connection:
            self._lag.set(await sum_store.lag(connection))

    async def _sum(self, connection: Connection, source: Source, step: int) -> int:
        """Sum up to `step` rows, and return how many there were.

        If the database refuses them, the halves are summed separately. A single row that it refuses is left
        out, so that it does not block the others.
        """
        try:
            async with savepoint(connection):
                summed = await sum_store.sum_next(connection, source, step)
        except ROW_REFUSED as error:
            if step > 1:
                first = await self._sum(connection, source, step // 2)
                return first + await self._sum(connection, source, step - step // 2)
            await _leave_out(connection, source, error)
            return 1
        await self._note(connection, summed)
        return summed.rows

    async def _note(self, connection: Connection, summed: Summed) -> None:
        names = set(summed.bundle_names) - self._plans_of
        if names:
            await sum_store.add_plans(connection, {name: plan_id(name) for name in sorted(names)})
            after_commit(lambda: self._plans_of.update(names))
        after_commit(lambda: _count(summed))

    async def _add_zone(self, connection: Connection) -> None:
        """Sum all days of the setting's zone, from the samples and visits that are there."""
        await sum_store.add_zone(connection, self._time_zone)
        kept = await sum_store.kept(connection)
        if kept.first is not None and kept.last is not None:
            zone = ZoneInfo(self._time_zone)
            day, last = kept.first.astimezone(zone).date(), kept.last.astimezone(zone).date()
            while day <= last:
                await sum_store.sum_day(connection, self._time_zone, day)
                day += DAY
        logger.info("usage is summed by the days of %s", self._time_zone)


async def _leave_out(connection: Connection, source: Source, error: Exception) -> None:
    skipped = await sum_store.skip_next(connection, source)
    logger.error("row %s of %s is left out of the sums: %s", skipped, source, error)


def _count(summed: Summed) -> None:
    samples = metrics.counter(
        "esimgo_usage_samples", "Samples of usage that were summed", ("source",)
    )
    for source, number in summed.samples.items():
        samples.labels(source).inc(number)
    used = metrics.counter(
        "esimgo_usage_bytes",
        "Data used, by whether the time of its use is known to six hours",
        ("known",),
    )
    used.labels("true").inc(summed.known_bytes)
    used.labels("false").inc(summed.other_bytes)


class UsageDeletion:
    """Deletes samples and visits that are older than `days`; their sums stay."""

    def __init__(self, database: Database, *, days: int, stop: asyncio.Event) -> None:
        self._database = database
        self._days = days
        self._stop = stop

    def loop(self) -> Loop:
        return Loop("delete old samples of usage", self.run, self._stop, every=DELETE_EVERY)

    async def run(self) -> None:
        """Delete in steps, between which sums go on."""
        before = self._database.now() - timedelta(days=self._days)
        deleted, more = 0, True
        while more and not self._stop.is_set():
            async with self._database.system() as connection:
                await sum_store.take(connection, wait=True)
                step = await deletion_store.delete(connection, before, DELETE_STEP)
            deleted += step
            more = step >= DELETE_STEP
        if deleted:
            logger.info("%s samples and visits of over %s days ago deleted", deleted, self._days)
