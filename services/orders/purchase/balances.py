"""Records the balance that the provider reports with each order, without delaying the order."""

import asyncio
import logging
from datetime import datetime
from decimal import Decimal

from kit import background
from kit.db.database import Database
from kit.errors import Failure
from services.orders import balance_store

logger = logging.getLogger(__name__)

# Seconds until a report is written, so that it does not compete with the next steps of its order.
DELAY = 0.25


class Balances:
    """Stores the newest reported balance in a task; a failure affects no order.

    Reports that arrive during a write are one write, of the newest. The writes of all processes lock one row,
    so they must not be part of a purchase's transactions.
    """

    def __init__(self, database: Database, stop: asyncio.Event) -> None:
        self._database = database
        self._stop = stop
        self._newest: tuple[Decimal, datetime] | None = None
        self._writing: asyncio.Task[None] | None = None

    def report(self, balance: Decimal) -> None:
        """Record a balance that the provider reported now."""
        self._newest = (balance, self._database.now())
        if self._writing is None or self._writing.done():
            self._writing = background.start(self._write(), "record the provider's balance")

    async def close(self) -> None:
        """Wait for a write in progress."""
        if self._writing is not None:
            await asyncio.wait({self._writing})

    async def _write(self) -> None:
        while self._newest is not None:
            await background.sleep(DELAY, self._stop)
            (balance, seen_at), self._newest = self._newest, None
            try:
                async with self._database.system() as connection:
                    await balance_store.record(connection, balance, seen_at)
            except (Failure, TimeoutError) as error:
                logger.warning("the provider's balance was not recorded: %s", error)
