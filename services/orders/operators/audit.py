"""Measures open orders, and finds provider orders that no order here explains."""

import asyncio
import logging
from datetime import datetime, timedelta

from kit.background import Loop
from kit.db.database import ROW_REFUSED, Connection, Database, savepoint
from kit.telemetry import tracing
from providers.esim_go.client import Priority
from services.orders import balance_store, store
from services.orders.datasource import OrdersDataSource
from services.orders.metrics import Metrics
from services.orders.operators import history_store
from services.orders.order import OrderStatus
from services.orders.provider.provider_history import History
from services.orders.provider.provider_order import ProviderOrder

logger = logging.getLogger(__name__)

# Seconds between two surveys of the open orders.
SURVEY_EVERY = 15.0

# Reads only the partial index of open orders.
SURVEY = """
select status, count(*)::int as number, now() - min(created_at) as age from orders.esim_orders
where status in ('PROCESSING', 'NEEDS_REVIEW') and recovery_point <> 'AWAITING_PAYMENT' group by status
"""
# One replica claims the audit; after a crash it is due again at its usual time.
CLAIM = """
update orders.provider_audits a set due_at = now() + $1::interval
from (select read_until from orders.provider_audits where due_at <= now() for update skip locked) old
returning old.read_until, now() as now
"""
ADVANCE = "update orders.provider_audits set read_until = greatest(read_until, $1)"
# Attempts that may own an unexplained order soon: such orders are left for the next audit.
UNSETTLED = """
select distinct bundle_name, quantity from orders.order_attempts
where outcome in ('OPEN', 'UNCLEAR')
"""


class Audit:
    """Compares the provider's history with the orders here every `every`, in one process at a time.

    Provider orders younger than `settling` plus `tolerance`, the difference of the clocks, wait for the next
    comparison.
    """

    def __init__(
        self,
        database: Database,
        datasource: OrdersDataSource,
        metrics: Metrics,
        *,
        every: timedelta,
        settling: timedelta,
        tolerance: timedelta,
    ) -> None:
        self._database = database
        self._datasource = datasource
        self._metrics = metrics
        self._every = every
        self._settling = settling
        self._tolerance = tolerance

    def loop(self, stop: asyncio.Event) -> Loop:
        """Return the loop that surveys the open orders, and compares when that is due."""
        every = min(SURVEY_EVERY, self._every.total_seconds())
        return Loop("compare orders with the provider's", self._round, stop, every=every)

    async def _round(self) -> None:
        await self.survey()
        await self.compare()

    async def survey(self) -> None:
        """Measure how many orders are open, how old they are, and the balance at the provider."""
        async with self._database.system() as connection:
            rows = await connection.fetch(SURVEY)
            reported = await balance_store.newest(connection)
        self._metrics.survey({OrderStatus(r["status"]): (r["number"], r["age"]) for r in rows})
        if reported is not None:
            self._metrics.balance(reported)

    async def compare(self) -> None:
        """Record provider orders that no order here explains, if this is due and no other replica does it."""
        async with self._database.system() as connection:
            claimed = await connection.fetchrow(CLAIM, self._every)
        if claimed is None:
            return
        since: datetime = claimed["read_until"]
        until: datetime = claimed["now"] - self._settling - self._tolerance
        if until <= since:
            return
        try:
            with tracing.root_span("compare with the provider"):
                await self._compare(since, until)
        except Exception:
            # A list of orders that can't be read must not hide that the balance is low.
            await self._read_balance()
            raise
        await self._read_balance()

    async def _read_balance(self) -> None:
        balance = await self._datasource.get_balance()
        async with self._database.system() as connection:
            await balance_store.record(connection, balance)

    async def _compare(self, since: datetime, until: datetime) -> None:
        provider = await self._datasource.get_history(since, until, priority=Priority.SYNC)
        listed = list(provider.orders.values())
        async with self._database.system() as connection:
            # Read before the owners: an attempt that is settled in between has an owner then.
            unsettled = {
                (r["bundle_name"], r["quantity"]) for r in await connection.fetch(UNSETTLED)
            }
            unowned = await self._unowned(connection, listed)
            waiting = [order for order in unowned if (order.item, order.quantity) in unsettled]
            for found in unowned:
                if found not in waiting:
                    await self._record(connection, found)
            # An order of unknown time keeps the whole span open, so that it is compared again.
            reached = min([until, *(order.created_at or since for order in waiting)])
            await connection.execute(ADVANCE, reached)
            if reached == until:  # else the next audit reads them again
                await self._report_unreadable(connection, provider)

    async def _record(self, connection: Connection, found: ProviderOrder) -> None:
        """Record an unexplained order. One that the database refuses is only reported."""
        try:
            async with savepoint(connection):
                if not await history_store.record_unexplained(connection, found):
                    return
        except ROW_REFUSED as error:
            self._report(found.reference, f"the database refused it ({type(error).__name__})")
            return
        self._metrics.unexplained()
        logger.error(
            "the provider's order %s (%s of %s) matches no order here: it was placed outside this system",
            found.reference,
            found.quantity,
            found.item,
        )

    def _report(self, reference: str, problem: str) -> None:
        self._metrics.unexplained()
        logger.error(
            "the provider's order %s can't be parsed, so it was not compared: %s",
            reference or "without a reference",
            problem,
        )

    async def _report_unreadable(self, connection: Connection, provider: History) -> None:
        """Report rows that can't be parsed as unexplained, unless an order here owns them."""
        rows = provider.unreadable.values()
        owned = await store.owners(connection, [row.reference for row in rows])
        for row in rows:
            if row.reference not in owned:
                self._report(row.reference, row.problem)

    async def _unowned(
        self, connection: Connection, listed: list[ProviderOrder]
    ) -> list[ProviderOrder]:
        bought = [order for order in listed if order.item is not None]
        owned = await store.owners(connection, [order.reference for order in bought])
        return [order for order in bought if order.reference not in owned]
