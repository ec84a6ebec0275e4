"""Keeps a snapshot of each price list in memory, and checks for each request if it is current."""

import asyncio
import logging
import time
from dataclasses import dataclass

from kit.background import Loop
from kit.db.database import Connection, Database
from kit.telemetry import metrics
from services.catalogue import store
from services.catalogue.price_lists import COSTS, Prices, Revision, Source, choose
from services.catalogue.snapshot.snapshot import Snapshot, SnapshotBuilder

logger = logging.getLogger(__name__)

# Plans read at once: this blocks the event loop for some 10 ms.
BATCH = 500


@dataclass(frozen=True, slots=True)
class Current(Prices):
    """The prices for a request, and their snapshot if it is in memory and current."""

    snapshot: Snapshot | None


class Snapshots:
    """Loads a snapshot in the background after a request found that it is missing or that plans changed.

    At the start the default list is loaded, later those lists that requests ask for.
    """

    def __init__(self, database: Database, stop: asyncio.Event) -> None:
        self._database = database
        self._snapshots: dict[str, Snapshot] = {}
        self._wanted: set[str] = set()
        # While loading fails, lists come from the database.
        self.loop = Loop("load the snapshots of plans", self._load, stop, every=None)
        self._lookups = metrics.counter(
            "esimgo_catalogue_looks",
            "Lists of plans and facets, by where they are looked up",
            ("source",),
        )

    async def current(self, connection: Connection, currency: str = "") -> Current:
        """Return the prices in a currency now, and their snapshot; an outdated one is loaded again.

        Raises Failure INVALID (UNKNOWN_CURRENCY).
        """
        revision = await store.revision(connection)
        costs = self._current(COSTS, revision)
        offered = None if costs is None else costs.currency
        source = await choose(connection, revision, currency, offered)
        snapshot = self._current(source, revision)
        self._lookups.labels("database" if snapshot is None else "memory").inc()
        if snapshot is None:
            self._wanted.add(source.key)
            self.loop.wake()
        return Current(revision.number, source, snapshot)

    def _current(self, source: Source, revision: Revision) -> Snapshot | None:
        snapshot = self._snapshots.get(source.key)
        if snapshot is None or snapshot.revision != revision.number:
            return None
        return snapshot

    async def _load(self) -> None:
        async with self._database.system() as connection:
            sources = {source.key: source for source in (await store.revision(connection)).sources}
        for removed in self._snapshots.keys() - sources.keys():
            del self._snapshots[removed]
        for key in set(self._wanted) or {next(iter(sources))}:
            # Before it is loaded: a request may find meanwhile that plans have changed once more.
            self._wanted.discard(key)
            try:
                if key in sources:
                    await self._load_one(sources[key])
            except BaseException:
                self._wanted.add(key)
                raise

    async def _load_one(self, source: Source) -> None:
        began = time.monotonic()
        builder, after = SnapshotBuilder(), ""
        async with self._database.system() as connection:
            # Before the plans: if they change while they are read, this revision is outdated at once.
            revision = await store.revision(connection)
            if self._current(source, revision) is not None:
                return
            while rows := await store.plans_for_snapshot(connection, source, after, BATCH):
                builder.add(rows)
                after = rows[-1]["name"]
        # In a thread, so that requests are answered in the meantime.
        snapshot = await asyncio.to_thread(Snapshot, builder, revision.number)
        self._snapshots[source.key] = snapshot
        logger.info(
            "loaded the snapshot of plans%s: %d plans at revision %d, in %.1f s",
            f" of price list {source.key}" if source.key else "",
            len(snapshot),
            revision.number,
            time.monotonic() - began,
        )
