"""Records the movements of the payment provider's balance, and posts their fees once."""

import asyncio
from datetime import datetime, timedelta

from kit.background import Loop
from kit.db.database import Database
from kit.errors import Failure
from services.orders.books import movement_store, postings, store
from services.orders.payments.port import BalanceTransaction, PaymentPort

ACTOR = "books"
EVERY = timedelta(hours=1)
# Seconds between checks if a read is due.
LOOK_EVERY = 60.0
# Read again each time: a movement may appear late, and the clocks may differ.
OVERLAP = timedelta(days=2)
AHEAD = timedelta(days=1)
# Listed at once. Much shorter than OVERLAP: see Movements.read.
WINDOW = timedelta(hours=6)
PAGE = 200


class Movements:
    """Reads the balance every hour, in one process at a time."""

    def __init__(self, database: Database, port: PaymentPort | None) -> None:
        self._database = database
        self._port = port

    def loop(self, stop: asyncio.Event) -> Loop:
        return Loop("record the payment provider's balance", self.round, stop, every=LOOK_EVERY)

    async def round(self) -> None:
        """Record and post what is new, if it is time and no other replica does it."""
        if self._port is None:
            return
        async with self._database.system() as connection:
            since = await movement_store.claim(connection, EVERY)
        if since is not None:
            await self.read(self._port, since)

    async def read(self, port: PaymentPort, since: datetime) -> None:
        """Record the movements from `since` on, and post all that can be posted, even if the read fails.

        The payment provider lists the newest first, so windows are read from the oldest to the newest. After
        an interrupted read, movements are missing only in its last window, and the next read begins OVERLAP
        before the newest movement that was recorded.
        """
        start, end = since - OVERLAP, self._database.now() + AHEAD
        try:
            while start < end:
                until = min(start + WINDOW, end)
                await self._window(port, start, until)
                start = until
        except Failure:
            await self._post()
            raise
        await self._post()

    async def _window(self, port: PaymentPort, start: datetime, end: datetime) -> None:
        page: list[BalanceTransaction] = []
        async for movement in port.balance_transactions(start, end):
            page.append(movement)
            if len(page) == PAGE:
                await self._record(page)
                page = []
        await self._record(page)

    async def _record(self, page: list[BalanceTransaction]) -> None:
        if page:
            async with self._database.system() as connection:
                await movement_store.record(connection, page)

    async def _post(self) -> None:
        after, more = "", True
        while more:
            async with self._database.system() as connection:
                found = await movement_store.unposted(connection, after, PAGE)
                for movement_id, moved in found:
                    if moved is not None:
                        await store.post(connection, postings.settled(moved), actor=ACTOR)
                        await movement_store.mark_posted(connection, movement_id)
            more = len(found) == PAGE
            after = found[-1][0] if found else after
