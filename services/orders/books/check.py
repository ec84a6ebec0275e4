"""Compares all books, on request and once a day; it reads only."""

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

from kit.background import Loop
from kit.db.database import Database
from kit.errors import Failure
from kit.telemetry import metrics
from services.orders.books import check_store
from services.orders.books.check_ledger import LedgerCheck
from services.orders.books.check_payments import PaymentProviderCheck
from services.orders.books.check_provider import ProviderCheck
from services.orders.books.check_receivables import ReceivablesCheck
from services.orders.books.difference import Counts, Difference
from services.orders.datasource import OrdersDataSource
from services.orders.payments.port import PaymentPort

logger = logging.getLogger(__name__)

EVERY = timedelta(days=1)
# The daily comparison overlaps, because refunds and disputes come late.
PERIOD = timedelta(days=3)
# Seconds between checks if a comparison is due, each of which also reads the last result.
LOOK_EVERY = 60.0
# Differences that the daily comparison logs one by one.
MAX_LOGGED = 50

CLAIM = """
update orders.books set check_due_at = now() + $1::interval where check_due_at <= now()
returning only_row
"""
RECORD = "update orders.books set checked_at = now(), differences = $1"
LAST = """
select differences, extract(epoch from now() - checked_at)::float as age from orders.books
"""


class BooksCheck:
    """Runs the comparisons one after the other; one that can't be made is skipped with its reason."""

    def __init__(
        self, database: Database, datasource: OrdersDataSource, port: PaymentPort | None
    ) -> None:
        self._database = database
        self._datasource = datasource
        self._port = port

    async def run(
        self, start: datetime, end: datetime, counts: Counts
    ) -> AsyncIterator[Difference]:
        """Yield each difference of a period, and count in `counts`; nothing is demanded of older orders."""
        async with self._database.system() as connection:
            start = max(start, await check_store.since(connection))
        parts = [
            ("", LedgerCheck(self._database, counts).run(start, end)),
            ("", ReceivablesCheck(self._database).run(start, end)),
            ("eSIM Go", ProviderCheck(self._database, self._datasource, counts).run(start, end)),
        ]
        if self._port is None:
            counts.skipped.append("the payment provider: STRIPE_SECRET_KEY is not set")
        else:
            check = PaymentProviderCheck(self._database, self._port, counts)
            parts.append(("the payment provider", check.run(start, end)))
        for name, part in parts:
            try:
                async for difference in part:
                    counts.differences += 1
                    yield difference
            except Failure as failure:
                if not name:
                    raise
                counts.skipped.append(f"{name}: {failure.message}")
        if counts.foreign:
            counts.skipped.append(
                f"{counts.foreign} movements at the payment provider that belong to other programs"
            )


class DailyCheck:
    """Compares the books of the last days once a day, in one process at a time."""

    def __init__(self, database: Database, check: BooksCheck) -> None:
        self._database = database
        self._check = check

    def loop(self, stop: asyncio.Event) -> Loop:
        return Loop("compare the books", self.round, stop, every=LOOK_EVERY)

    async def round(self) -> None:
        """Compare if it is time, and export the last result, whichever replica has it."""
        async with self._database.system() as connection:
            claimed = await connection.fetchval(CLAIM, EVERY)
        if claimed:
            await self.compare()
        async with self._database.system() as connection:
            last = await connection.fetchrow(LAST)
        if last is not None and last["differences"] is not None:
            # Created by the first result: 0 would say that there are no differences.
            metrics.gauge(
                "esimgo_books_differences", "Differences that the last daily comparison found"
            ).set(last["differences"])
            metrics.gauge(
                "esimgo_books_checked_seconds", "Time since the last daily comparison of the books"
            ).set(last["age"])

    async def compare(self) -> Counts:
        """Compare the last days, log the differences, and record their number."""
        counts = Counts()
        now = self._database.now()
        async for difference in self._check.run(now - PERIOD, now, counts):
            if counts.differences <= MAX_LOGGED:
                logger.error(
                    "the books differ: %s %s: %s",
                    difference.code,
                    difference.subject,
                    difference.message,
                )
        for reason in counts.skipped:
            logger.warning("not compared: %s", reason)
        async with self._database.system() as connection:
            await connection.execute(RECORD, counts.differences)
        return counts
