"""Keeps all plans on sale in memory, and says for each request whether what is there is still true."""

import asyncio
import logging
import time
from dataclasses import dataclass

from kit import metrics
from kit.background import Loop
from kit.db import Connection, Database
from services.catalogue import store
from services.catalogue.stock import Draft, Stock

logger = logging.getLogger(__name__)

# Plans read at once: some 10 ms in which other calls wait.
BATCH = 500


@dataclass(frozen=True, slots=True)
class Look:
    """The catalogue's revision now, and the stock of this very revision if it is in memory."""

    revision: int
    stock: Stock | None


class Stocktaking:
    """Takes stock again, beside requests, after one saw that plans changed."""

    def __init__(self, database: Database, stop: asyncio.Event) -> None:
        self._database = database
        self._stock: Stock | None = None
        # While it fails, lists come from the database, which never shows anything that is not true.
        self.loop = Loop("load the snapshot of plans", self._take, stop, every=None)
        self._looks = metrics.counter(
            "esimgo_catalogue_looks",
            "Lists of plans and facets, by where they are looked up",
            ("source",),
        )

    async def look(self, connection: Connection) -> Look:
        """What the connection's session may go by; one that finds the stock outdated has it taken again."""
        revision = await store.revision(connection)
        if self._stock is not None and self._stock.revision == revision:
            self._looks.labels("memory").inc()
            return Look(revision, self._stock)
        self._looks.labels("database").inc()
        self.loop.wake()
        return Look(revision, None)

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
