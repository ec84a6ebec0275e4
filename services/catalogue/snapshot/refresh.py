"""Keeps a snapshot of all plans on sale in memory, and checks for each request if it is current."""

import asyncio
import logging
import time
from dataclasses import dataclass

from kit.background import Loop
from kit.db.database import Connection, Database
from kit.telemetry import metrics
from services.catalogue import store
from services.catalogue.snapshot.snapshot import Snapshot, SnapshotBuilder

logger = logging.getLogger(__name__)

# Plans read at once: this blocks the event loop for some 10 ms.
BATCH = 500


@dataclass(frozen=True, slots=True)
class Current:
    """The catalogue's revision now, and its snapshot if it is in memory."""

    revision: int
    snapshot: Snapshot | None


class Snapshots:
    """Loads a new snapshot in the background after a request found that plans have changed."""

    def __init__(self, database: Database, stop: asyncio.Event) -> None:
        self._database = database
        self._snapshot: Snapshot | None = None
        # While loading fails, lists come from the database.
        self.loop = Loop("load the snapshot of plans", self._load, stop, every=None)
        self._lookups = metrics.counter(
            "esimgo_catalogue_looks",
            "Lists of plans and facets, by where they are looked up",
            ("source",),
        )

    async def current(self, connection: Connection) -> Current:
        """Return the current revision and its snapshot; an outdated snapshot is reloaded."""
        revision = await store.revision(connection)
        if self._snapshot is not None and self._snapshot.revision == revision:
            self._lookups.labels("memory").inc()
            return Current(revision, self._snapshot)
        self._lookups.labels("database").inc()
        self.loop.wake()
        return Current(revision, None)

    async def _load(self) -> None:
        began = time.monotonic()
        builder, after = SnapshotBuilder(), ""
        async with self._database.system() as connection:
            # Before the plans: if they change while they are read, this revision is outdated at once.
            revision = await store.revision(connection)
            if self._snapshot is not None and self._snapshot.revision == revision:
                return
            while rows := await store.plans_for_snapshot(connection, after, BATCH):
                builder.add(rows)
                after = rows[-1]["name"]
        # In a thread, so that requests are answered in the meantime.
        self._snapshot = await asyncio.to_thread(Snapshot, builder, revision)
        logger.info(
            "loaded the snapshot of plans: %d plans at revision %d, in %.1f s",
            len(self._snapshot),
            revision,
            time.monotonic() - began,
        )
