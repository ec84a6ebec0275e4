"""Keeps all plans on sale in memory, and says for each request whether what is there is still true."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from kit import background, metrics
from kit.db import Connection, Database
from kit.errors import Failure
from kit.log_episodes import Episodes
from services.catalogue import store
from services.catalogue.stock import Draft, Stock

logger = logging.getLogger(__name__)
episodes = Episodes(logger)

# Plans read at once: some 10 ms in which other calls wait.
BATCH = 500
# Seconds before the next attempt after one that failed: the database is away, and lists are too.
PAUSE = 1.0


@dataclass(frozen=True, slots=True)
class Look:
    """The catalogue's revision now, and the stock of this very revision if it is in memory."""

    revision: int
    stock: Stock | None


class Stocktaking:
    """Takes stock again, beside requests, after one saw that plans changed."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._stock: Stock | None = None
        self._outdated = asyncio.Event()
        self._outdated.set()
        self._looks = metrics.counter(
            "esimgo_catalogue_looks",
            "Lists of plans and facets, by where they are looked up",
            ("source",),
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Takes stock now, and then whenever it is outdated, as long as this is open."""
        task = background.start(self._forever(), "refresh the lists of plans")
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def look(self, connection: Connection) -> Look:
        """What the connection's session may go by; one that finds the stock outdated has it taken again."""
        revision = await store.revision(connection)
        if self._stock is not None and self._stock.revision == revision:
            self._looks.labels("memory").inc()
            return Look(revision, self._stock)
        self._looks.labels("database").inc()
        self._outdated.set()
        return Look(revision, None)

    async def _forever(self) -> None:
        while True:
            await self._outdated.wait()
            self._outdated.clear()
            try:
                await self._take()
            except Failure as failure:
                episodes.met(
                    "the snapshot of plans can't be loaded",
                    "the snapshot of plans could not be loaded: %s",
                    failure,
                )
                await asyncio.sleep(PAUSE)
            except Exception:
                # Lists come from the database then; nothing is wrong in them.
                logger.exception("loading the snapshot of plans failed unexpectedly")
                await asyncio.sleep(PAUSE)

    async def _take(self) -> None:
        began = time.monotonic()
        draft, after = Draft(), ""
        async with self._database.system() as connection:
            # Before the plans: if some change meanwhile, this number isn't the revision any more.
            revision = await store.revision(connection)
            if self._stock is not None and self._stock.revision == revision:
                return
            while rows := await store.plans_for_stock(connection, after, BATCH):
                draft.add(rows)
                after = rows[-1]["name"]
        # In a thread, so that requests are answered meanwhile.
        self._stock = await asyncio.to_thread(Stock, draft, revision)
        logger.info(
            "loaded the snapshot of plans: %d plans at revision %d, in %.1f s",
            len(self._stock),
            revision,
            time.monotonic() - began,
        )
