"""Queries the provider for the country of eSIMs whose callbacks leave it uncertain."""

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from kit.db.database import Database
from kit.errors import Failure, Kind
from kit.values import timestamps
from kit.values.clock import Clock
from providers.esim_go import countries
from services.esims import store
from services.esims.datasource import ESIMsDataSource
from services.esims.esim import ESIM
from services.esims.provider_esim import Location
from services.esims.snapshots import record

logger = logging.getLogger(__name__)

# Beyond this many eSIMs, new ones are dropped: the provider reports a country again every day.
MAX_WAITING = 1_000
# Seconds until the next query while the provider is unavailable, and the number of queries of one eSIM.
PAUSE = 60.0
MAX_TRIES = 60


class Locations:
    """Fetches locations in the background, one at a time; `pause` is in seconds."""

    def __init__(
        self, database: Database, source: ESIMsDataSource, clock: Clock, *, pause: float = PAUSE
    ) -> None:
        self._database = database
        self._source = source
        self._clock = clock
        self._pause = pause
        self._waiting: dict[UUID, ESIM] = {}
        self._tries: Counter[UUID] = Counter()
        self._work: asyncio.Task[None] | None = None

    def look_up(self, esims: Sequence[ESIM]) -> None:
        """Queue these eSIMs for a fetch of their locations."""
        for esim in esims:
            if len(self._waiting) < MAX_WAITING:
                self._waiting.setdefault(esim.id, esim)
        if self._waiting and (self._work is None or self._work.done()):
            self._work = asyncio.create_task(self._fetch_waiting())

    async def close(self) -> None:
        if self._work is not None:
            self._work.cancel()
            await asyncio.gather(self._work, return_exceptions=True)

    async def _fetch_waiting(self) -> None:
        while self._waiting:
            esim = self._waiting.pop(next(iter(self._waiting)))
            self._tries[esim.id] += 1
            if await self._is_settled(esim) or self._tries[esim.id] >= MAX_TRIES:
                del self._tries[esim.id]
            else:
                self._waiting.setdefault(esim.id, esim)
                await asyncio.sleep(self._pause)

    async def _is_settled(self, esim: ESIM) -> bool:
        """Fetch and record a location; False if that is worth another try."""
        try:
            await self._record(esim, await self._source.get_location(esim.iccid))
        except Failure as failure:
            if failure.kind is not Kind.NOT_FOUND:  # NEVER_ATTACHED
                logger.warning("the country of eSIM %s could not be fetched: %s", esim.id, failure)
            return failure.kind not in (Kind.UNAVAILABLE, Kind.EXHAUSTED)
        except Exception:
            logger.exception("fetching the country of eSIM %s failed", esim.id)
        return True

    async def _record(self, esim: ESIM, location: Location) -> None:
        now = self._clock.wall()
        async with self._database.system() as connection:
            locked = await store.lock(connection, [esim.id])
            after = [
                found for known in locked if (found := located(known, location, now)) is not None
            ]
            await record.save_with_status(connection, after, now)


def located(esim: ESIM, location: Location, now: datetime) -> ESIM | None:
    """Return the eSIM with the country of its last location; None for an unknown or older one.

    A time in the future is ignored, as no later callback would count then.
    """
    seen_at, known_at = timestamps.happened(location.last_seen, now), esim.last_country_at
    country = countries.iso_code(location.country, location.country)
    if not country or seen_at is None or (known_at is not None and seen_at <= known_at):
        return None
    return replace(esim, last_country=country, last_country_at=seen_at)
