"""Refreshes the networks of all countries from the provider once a day."""

import asyncio
import logging
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import partial

from kit import background
from kit.background import Loop
from kit.db.database import Connection, Database
from kit.errors import Failure
from kit.telemetry import metrics
from kit.values.plain_text import fold
from providers.esim_go.client import Priority, Provider
from providers.esim_go.countries import country_key, is_country
from services.catalogue.networks import store
from services.catalogue.networks.provider_networks import Reading, read_networks
from services.catalogue.provider_bundle import bad_answer

logger = logging.getLogger(__name__)

DAY = 86_400.0
# Seconds between checks whether a refresh is due, and after a failed one.
CHECK_EVERY = 300.0
# Seconds between checks until there are plans, which the first sync stores within seconds.
FIRST_CHECK_EVERY = 1.0
# Seconds. Long, as customers' calls take precedence.
TIMEOUT = 60.0
# Problems in one line of the log.
MAX_PROBLEMS = 10


class Networks:
    """Refreshes the networks when the last success of any process is older than `every` seconds.

    A failed refresh, or one that lost more than half of the countries, changes nothing.
    """

    def __init__(
        self, database: Database, provider: Provider, stop: asyncio.Event, *, every: float = DAY
    ) -> None:
        self._database = database
        self._provider = provider
        self._stop = stop
        self._every = every
        self._read_at = 0.0
        self._readings = metrics.counter(
            "esimgo_catalogue_network_reads",
            "Reads of the provider's networks, by result",
            ("result",),
        )
        self.loop = Loop("read the networks", self.read_when_due, stop, every=CHECK_EVERY)

    async def read_when_due(self) -> bool:
        """Read once if it is due, and report the age of the data; raises Failure.

        Returns true if there are no plans yet, and so no countries to read networks for.
        """
        codes = None
        async with self._database.system() as connection:
            if await store.begin(connection, self._every):
                # Only now, as this reads all plans.
                codes = await store.country_codes(connection)
                if not codes:
                    await store.finish(connection, success=False)
        if codes == {}:
            await background.sleep(FIRST_CHECK_EVERY, self._stop)
            return True
        if codes:
            await self._read(codes)
        async with self._database.system() as connection:
            age = await store.age(connection)
        if age is not None:
            self._report(age)
        return False

    async def _read(self, codes: Mapping[str, str]) -> None:
        try:
            answer = await self._provider.get(
                "/networks", {"returnAll": "true"}, priority=Priority.SYNC, timeout=TIMEOUT
            )
            reading = read_networks(answer, partial(_code_of, codes))
            async with self._database.system() as connection:
                await _refuse_loss(connection, reading)
                changed = await store.write(connection, reading.networks, complete=reading.complete)
                await store.finish(connection, success=True)
        except BaseException:
            self._readings.labels("failed").inc()
            with suppress(Failure):  # the lease ends anyway
                async with self._database.system() as connection:
                    await store.finish(connection, success=False)
            raise
        self._readings.labels("read").inc()
        _log(reading, changed)

    def _report(self, age: float) -> None:
        self._read_at = time.monotonic() - age
        metrics.gauge(
            "esimgo_catalogue_networks_age_seconds",
            "Time since the last successful read of the provider's networks by any replica",
        ).set_function(lambda: time.monotonic() - self._read_at)


def _code_of(codes: Mapping[str, str], text: str) -> str | None:
    """Return a country's code as plans have it; `codes` contains the provider's own places too."""
    if (found := codes.get(fold(text))) is not None:
        return found
    key = country_key(text).upper()
    return key if is_country(key) else None


async def _refuse_loss(connection: Connection, reading: Reading) -> None:
    """Refuse a result that lost most countries, which is more likely a fault than true."""
    before, now = await store.count(connection), len(reading.networks)
    if 2 * now < before:
        raise bad_answer(f"it lists networks of {now} countries, and of {before} before")


def _log(reading: Reading, changed: int) -> None:
    countries = len(reading.networks)
    logger.info("networks refreshed: %d countries, %d of them changed", countries, changed)
    if reading.problems:
        more = len(reading.problems) - MAX_PROBLEMS
        logger.warning(
            "networks: %d records can't be used: %s%s",
            len(reading.problems),
            "; ".join(reading.problems[:MAX_PROBLEMS]),
            f"; and {more} more" if more > 0 else "",
        )
