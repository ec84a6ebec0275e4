"""A snapshot keeper beside the one of the service under test."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from kit import background
from kit.auth.sessions import ANONYMOUS
from kit.db.database import Database
from services.catalogue.snapshot.refresh import Current, Snapshots
from services.catalogue.snapshot.snapshot import Snapshot
from tests.fixtures.patience import PATIENCE
from tests.fixtures.postgres import Databases


class Books:
    """A snapshot keeper beside the service's own."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.stop = asyncio.Event()
        self.snapshots = Snapshots(database, self.stop)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with background.running(self.snapshots.loop, grace=PATIENCE):
            yield
            self.stop.set()

    async def current(self, currency: str = "") -> Current:
        async with self.database.session(ANONYMOUS) as connection:
            return await self.snapshots.current(connection, currency)

    async def taken(self, currency: str = "") -> Snapshot:
        """Return the snapshot of a price list as soon as it is current."""
        async with asyncio.timeout(PATIENCE):
            while (snapshot := (await self.current(currency)).snapshot) is None:
                await asyncio.sleep(0.01)
        return snapshot


@asynccontextmanager
async def books(databases: Databases) -> AsyncIterator[Books]:
    async with databases.open("catalogue") as database:
        keeper = Books(database)
        async with keeper.running():
            yield keeper
