"""Background work: reads reported disputes and warnings, and polls for those whose events were lost."""

import asyncio
import logging
from datetime import timedelta
from uuid import uuid4

from kit.background import Loop
from kit.db.database import Database
from kit.errors import Failure
from kit.logs.episodes import Episodes
from kit.telemetry import metrics
from services.orders.payments import event_store
from services.orders.payments.disputes import report_store
from services.orders.payments.disputes import store as disputes
from services.orders.payments.disputes.read import ReportReading
from services.orders.payments.disputes.report import Report, ReportKind
from services.orders.payments.port import PaymentPort

logger = logging.getLogger(__name__)
episodes = Episodes(logger)

# Seconds between polls for due reports; an event wakes the loop.
READ_EVERY = 5.0
BATCH = 10
# Longer than all calls for the reports of one batch usually take; a read that is repeated does no harm.
LEASE = timedelta(minutes=5)
FIRST_PAUSE, MAX_PAUSE = timedelta(seconds=10), timedelta(hours=1)
# How far back a poll lists. Longer outages are the operator's to catch up with, by replaying events.
LISTED = timedelta(days=30)


class DisputeWatch:
    """Watches disputes and early fraud warnings; every replica may run it."""

    def __init__(
        self,
        database: Database,
        port: PaymentPort,
        reading: ReportReading,
        *,
        poll_every: float,
        stop: asyncio.Event,
    ) -> None:
        self._database = database
        self._port = port
        self._reading = reading
        self._reader = Loop("read disputes", self._read_due, stop, every=READ_EVERY)
        self._finder = Loop("find disputes", self.poll, stop, every=poll_every)
        self._open = metrics.gauge(
            "esimgo_disputes_to_answer", "Disputes that wait for an answer of the shop"
        )

    def loops(self) -> list[Loop]:
        return [self._reader, self._finder]

    def wake(self) -> None:
        """Read due reports now."""
        self._reader.wake()

    async def _read_due(self) -> bool:
        run = uuid4()
        async with self._database.system() as connection:
            due = await report_store.take(connection, BATCH, run, LEASE)
            number, respond_by = await disputes.to_answer(connection)
        self._open.set(number)
        if respond_by is not None:
            # Without an open dispute there is no time.
            metrics.gauge(
                "esimgo_disputes_respond_by_seconds",
                "Unix time by which the first open dispute has to be answered",
            ).set(respond_by.timestamp())
        for report in due:
            pause, detail = await self._one(report)
            async with self._database.system() as connection:
                await report_store.put_back(connection, report.id, run, pause, detail)
        return len(due) == BATCH

    async def _one(self, report: Report) -> tuple[timedelta | None, str]:
        again = min(FIRST_PAUSE * 2 ** min(report.looks - 1, 10), MAX_PAUSE)
        try:
            return await self._reading.read(report)
        except Failure as failure:
            episodes.record(
                f"reads of disputes fail: {failure.reason}",
                "the read of %s failed, and is repeated later: %s",
                report.id,
                failure,
            )
            return again, failure.reason
        except Exception as error:
            # One bad report must not block the others.
            logger.exception("the read of %s failed, and is repeated later", report.id)
            return max(again, timedelta(minutes=1)), type(error).__name__

    async def poll(self) -> None:
        """Have disputes and warnings read whose events never came."""
        since = self._database.now() - LISTED
        found = 0
        async for dispute in self._port.list_disputes(since):
            found += await self._add(
                dispute.id, ReportKind.DISPUTE, dispute.intent_id, dispute.charge_id
            )
        async for warning in self._port.list_warnings(since):
            found += await self._add(
                warning.id, ReportKind.FRAUD_WARNING, warning.intent_id, warning.charge_id
            )
        if found:
            logger.info("%s disputes and warnings were found by a poll", found)
            self.wake()

    async def _add(self, report_id: str, kind: ReportKind, intent_id: str, charge_id: str) -> bool:
        async with self._database.system() as connection:
            payment_id = await event_store.find(
                connection, None, intent_id or None, charge_id or None, None
            )
            if payment_id is None:  # another application shares the account
                return False
            return await report_store.add(connection, report_id, kind, payment_id)
