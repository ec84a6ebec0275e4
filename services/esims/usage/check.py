"""Compares sums of usage with the samples and visits that they are made of."""

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from kit.background import Loop
from kit.db.database import Database
from kit.telemetry import metrics
from services.esims.usage import sum_store
from services.esims.usage.sum_store import Kept

logger = logging.getLogger(__name__)

# Seconds between two checks of a process, and the days that they compare: older sums no longer change.
EVERY = 86_400.0
RECENT = timedelta(days=8)
# Differences that a check logs one by one.
MAX_LOGGED = 50
DAY = timedelta(days=1)


@dataclass
class Counts:
    """How much was compared, and what was found."""

    days: int = 0
    differences: int = 0


@dataclass(frozen=True, slots=True)
class Difference:
    """A day of a zone whose sums are not those of its samples and visits."""

    time_zone: str
    day: date
    message: str


class UsageCheck:
    """Sums those days again whose samples and visits are all still stored."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def loop(self, stop: asyncio.Event) -> Loop:
        return Loop("sum usage again", self.round, stop, every=EVERY)

    async def round(self) -> None:
        """Check the last days, log what differs, and export the number of differences."""
        counts, started = Counts(), datetime.now(UTC)
        async for difference in self.run(counts, check=True, since=started - RECENT):
            if counts.differences <= MAX_LOGGED:
                logger.error("usage differs: %s", difference.message)
        # Created by the first result: 0 would say that there are no differences.
        metrics.gauge(
            "esimgo_usage_differences",
            "Days whose sums of usage differ from its samples, by the last check",
        ).set(counts.differences)
        took = (datetime.now(UTC) - started).total_seconds()
        logger.info("usage of %s days was summed again in %.1f s", counts.days, took)

    async def run(
        self, counts: Counts, *, check: bool, since: datetime | None = None
    ) -> AsyncIterator[Difference]:
        """Yield each difference of the days since a time, or of all days. Without `check`, it is corrected.

        Each day is read in one state of the database, so samples that are summed meanwhile are no
        differences.
        """
        async with self._database.system(snapshot=True) as connection:
            zones = await sum_store.zones(connection)
            kept = await sum_store.kept(connection)
        if since is not None and kept.first is not None:
            kept = replace(kept, first=max(kept.first, since))
        for zone in zones:
            for day in _days(kept, ZoneInfo(zone)):
                async with self._database.system(snapshot=True) as connection:
                    row = await sum_store.differs(connection, zone, day)
                counts.days += 1
                if row is None:
                    continue
                counts.differences += 1
                yield Difference(
                    zone,
                    day,
                    f"{row['number']} sums of {day} in {zone} differ: {row['stored_bytes']} bytes and"
                    f" {row['stored_visits']} visits, but the samples have {row['bytes']} and"
                    f" {row['visits']}; see docs/runbooks/reports.md",
                )
                if not check:
                    await self._correct(zone, day)

    async def _correct(self, zone: str, day: date) -> None:
        async with self._database.system() as connection:
            await sum_store.take(connection, wait=True)
            kept = await sum_store.kept(connection)
            # Samples of the day may have been deleted since it was compared.
            if day in _days(kept, ZoneInfo(zone)):
                await sum_store.sum_day(connection, zone, day)


def _days(kept: Kept, zone: ZoneInfo) -> list[date]:
    """Return the days of which no sample or visit is deleted."""
    if kept.first is None or kept.last is None:
        return []
    first, last = kept.first.astimezone(zone).date(), kept.last.astimezone(zone).date()
    if kept.since is not None:
        complete = kept.since.astimezone(zone)
        begins = datetime.combine(complete.date(), time.min, zone)
        first = max(first, complete.date() if begins == complete else complete.date() + DAY)
    return [first + n * DAY for n in range((last - first).days + 1)]
