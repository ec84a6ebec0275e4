"""Keeps exchange rates up to date: fetches the ECB's file, and reports held and stale rates."""

import asyncio
import logging
import time
from collections.abc import Sequence

import aiohttp

from kit.background import Loop
from kit.db.database import Database
from kit.logs.episodes import Episodes
from services.catalogue.prices import ecb, rates
from services.catalogue.prices.ecb import DailyRates, UnusableFileError
from services.catalogue.prices.rate import Stored
from services.catalogue.prices.rate_metrics import RateMetrics
from services.catalogue.prices.rates import Listed

logger = logging.getLogger(__name__)
episodes = Episodes(logger)

# Seconds between two rounds. Each fetches the file if that is due, and reports the metrics.
ROUND = 60.0
# Seconds before a failed fetch is retried, doubled each time.
FIRST_RETRY = 60.0
LAST_RETRY = 3600.0
UNFETCHED = "exchange rates: file"
HELD = "exchange rates: held"
STALE = "exchange rates: stale"
# Rates and rows that a log line names.
NAMED = 5


class RateUpdates:
    """Fetches the file at `url` every `every` seconds. If `url` is empty, rates are only set by hand.

    Every replica fetches it; a file whose rates are already stored changes nothing.
    """

    def __init__(
        self,
        database: Database,
        http: aiohttp.ClientSession,
        *,
        url: str,
        every: float,
        stop: asyncio.Event,
    ) -> None:
        self._database = database
        self._http = http
        self._url = url
        self._every = every
        self._due = 0.0
        self._retry = FIRST_RETRY
        self._metrics = RateMetrics()
        self.loop = Loop("update exchange rates", self._round, stop, every=min(every, ROUND))

    async def _round(self) -> None:
        if self._url and time.monotonic() >= self._due:
            await self._fetch()
        async with self._database.system() as connection:
            found = await rates.listed(connection)
        self._metrics.listed(found)
        _report(found)

    async def _fetch(self) -> None:
        today = self._database.now().date()
        try:
            daily = await ecb.fetch(self._http, self._url, today)
        except UnusableFileError as error:
            self._metrics.failed()
            episodes.record(
                UNFETCHED, "exchange rates: the file can't be used: %s", error, lasting=True
            )
            self._due = time.monotonic() + min(self._retry, self._every)
            self._retry = min(2 * self._retry, LAST_RETRY)
            return
        async with self._database.system() as connection:
            rows = await rates.store_published(connection, daily)
        episodes.resolve(UNFETCHED)
        self._retry = FIRST_RETRY
        self._due = time.monotonic() + self._every
        self._metrics.fetched(len(daily.problems))
        _log(daily, rows)


def _log(daily: DailyRates, rows: Sequence[Stored]) -> None:
    if rows:
        held = sum(row.held for row in rows)
        logger.info("exchange rates of %s: %d stored, %d held", daily.day, len(rows) - held, held)
    if rows and daily.problems:
        more = len(daily.problems) - NAMED
        logger.warning(
            "exchange rates of %s: %d rows can't be used: %s%s",
            daily.day,
            len(daily.problems),
            "; ".join(daily.problems[:NAMED]),
            f"; and {more} more" if more > 0 else "",
        )


def _report(found: Sequence[Listed]) -> None:
    """Log when rates that prices depend on begin and cease to be held or stale."""
    held = [rate for rate in found if rate.needed and rate.held]
    stale = [rate for rate in found if rate.needed and rate.stale and not rate.held]
    if held:
        episodes.record(
            HELD,
            "exchange rates are held, because they differ too much from those in use: %s",
            _names(held),
            lasting=True,
        )
    else:
        episodes.resolve(HELD)
    if stale:
        episodes.record(
            STALE,
            "exchange rates are missing or over four days old: %s",
            _names(stale),
            lasting=True,
        )
    else:
        episodes.resolve(STALE)


def _names(found: Sequence[Listed]) -> str:
    return ", ".join(map(_text, found[:NAMED]))


def _text(one: Listed) -> str:
    if one.rate is None:
        return f"{one.base} to {one.quote} (none)"
    return (
        f"{one.base} to {one.quote} {one.rate.rate:f} ({one.rate.source}, {one.rate.at:%Y-%m-%d})"
    )
