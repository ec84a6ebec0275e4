"""Queries the provider for the country of eSIMs whose callbacks leave it uncertain."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from kit.db.database import Database
from kit.errors import Failure, Kind
from kit.logs.episodes import Episodes
from kit.values import timestamps
from kit.values.clock import Clock
from providers.esim_go import countries
from services.esims import store
from services.esims.datasource import ESIMsDataSource
from services.esims.esim import ESIM
from services.esims.provider_esim import Location
from services.esims.snapshots import record

logger = logging.getLogger(__name__)
episodes = Episodes(logger)

# Beyond this many eSIMs, new ones are dropped: the provider reports a country again every day.
MAX_WAITING = 1_000
# Seconds until the next query of an eSIM that the provider could not return, and the number of its queries.
PAUSE = 60.0
MAX_TRIES = 60


class Locations:
    """Fetches locations in the background, one at a time; `pause` is in seconds.

    A query that fails is repeated after the pause, during which others are made.
    """

    def __init__(
        self, database: Database, source: ESIMsDataSource, clock: Clock, *, pause: float = PAUSE
    ) -> None:
        self._database = database
        self._source = source
        self._clock = clock
        self._pause = pause
        # The next query of each eSIM, with its number.
        self._waiting: dict[UUID, tuple[ESIM, int]] = {}
        self._paused: dict[UUID, asyncio.TimerHandle] = {}
        self._work: asyncio.Task[None] | None = None

    def look_up(self, esims: Sequence[ESIM]) -> None:
        """Queue these eSIMs for a fetch of their locations."""
        for esim in esims:
            self._queue(esim, 1)

    async def close(self) -> None:
        for timer in self._paused.values():
            timer.cancel()
        if self._work is not None:
            self._work.cancel()
            await asyncio.gather(self._work, return_exceptions=True)

    def _queue(self, esim: ESIM, number: int) -> None:
        if (timer := self._paused.pop(esim.id, None)) is not None:
            timer.cancel()
        if len(self._waiting) + len(self._paused) < MAX_WAITING:
            self._waiting.setdefault(esim.id, (esim, number))
        if self._waiting and (self._work is None or self._work.done()):
            self._work = asyncio.create_task(self._fetch_waiting())

    async def _fetch_waiting(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            esim, number = self._waiting.pop(next(iter(self._waiting)))
            settled = await self._is_settled(esim)
            # A callback may have queued it again meanwhile.
            if not settled and number < MAX_TRIES and esim.id not in self._waiting:
                again = loop.call_later(self._pause, self._queue, esim, number + 1)
                self._paused[esim.id] = again

    async def _is_settled(self, esim: ESIM) -> bool:
        """Fetch and record a location; False if that is worth another try."""
        try:
            await self._record(esim, await self._source.get_location(esim.iccid))
        except Failure as failure:
            if failure.kind is not Kind.NOT_FOUND:  # NEVER_ATTACHED
                episodes.record(
                    f"countries of eSIMs are not read ({failure.reason})",
                    "the country of eSIM %s could not be fetched: %s",
                    esim.id,
                    failure,
                )
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
