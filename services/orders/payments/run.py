"""The loop that looks at payments which are due: one bad payment never blocks the others."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from kit import background
from kit.background import Loop
from kit.db.database import Connection, Database, after_commit
from kit.errors import Failure
from kit.logs.episodes import Episodes
from services.orders.books.postings import paid_manually
from services.orders.order import OrderStatus
from services.orders.payment import Payment, PaymentState
from services.orders.payments import lease_store
from services.orders.payments.holds import Holds
from services.orders.payments.metrics import PaymentMetrics
from services.orders.payments.observe import CHANGED, Observation
from services.orders.payments.order_store import Standing
from services.orders.payments.release import Releases

logger = logging.getLogger(__name__)
episodes = Episodes(logger)

MAX_CONCURRENT = 10
# Longer than a look usually takes. A second look at the same time does no harm.
LEASE = timedelta(minutes=1)
# Seconds until a payment is looked at again after a failure of the payment provider, and after a bug.
AFTER_FAILURE, AFTER_ERROR = 10.0, 60.0
# Seconds between two surveys of the open payments.
SURVEY_EVERY = 15.0
# Recorded by the first process that requires payments: see the migration.
IN_USE = "insert into orders.payments_in_use default values on conflict do nothing"
# Reads only the partial indexes of open and held payments, and of orders in review.
SURVEY = """
select state, count(*)::int as number, now() - min(created_at) as age from orders.payments
where state in ('AWAITING', 'AUTHORIZED', 'PAID') group by state
"""
HELD = """
select count(*) from orders.payments
where held_reason <> '' and reviewed_at is null and state in ('AUTHORIZED', 'PAID')
"""
IN_REVIEW = """
select count(*) from orders.esim_orders
where status = 'NEEDS_REVIEW' and paid_by = 'CUSTOMER'
"""

# A leased payment, and the standing of its order if it has one.
Taken = tuple[Payment, Standing | None]
TopUp = Callable[[Payment], Awaitable[float | None]]


class Payments:
    """Runs the work on payments, each under a lease in its row."""

    def __init__(
        self,
        database: Database,
        observation: Observation,
        releases: Releases,
        holds: Holds,
        metrics: PaymentMetrics,
        *,
        stop: asyncio.Event,
        every: float,
        required: bool,
        top_up: TopUp | None = None,
    ) -> None:
        self._database = database
        self._observation = observation
        self._releases = releases
        self._holds = holds
        self._metrics = metrics
        self._required = required
        self._top_up = top_up
        self._running: dict[UUID, asyncio.Task[None]] = {}
        self._surveyed = float("-inf")
        self._loop = Loop("check payments", self._round, stop, every=every)

    def loop(self) -> Loop:
        """Return the loop that looks at payments which are due."""
        return self._loop

    def wake(self) -> None:
        """Look for due payments now."""
        self._loop.wake()

    async def begin(
        self, connection: Connection, payment_id: UUID, states: Sequence[PaymentState]
    ) -> None:
        """Look at a payment in one of these states again, as soon as the transaction commits.

        It is left to the loop while another look at it, or many others, are in flight.
        """
        if payment_id in self._running or len(self._running) >= MAX_CONCURRENT:
            if await lease_store.wake(connection, payment_id, states):
                after_commit(self._loop.wake)
            return
        run = uuid4()
        taken = await lease_store.take_over(connection, payment_id, run, LEASE, states)
        if taken is not None:
            after_commit(lambda: self._begin(taken, run))

    async def look(self, payment_id: UUID) -> None:
        """Make a payment due, and look at it now. The caller can't cancel the look."""
        async with self._database.system() as connection:
            await lease_store.wake(connection, payment_id)
        await asyncio.wait({self._start(payment_id)})

    async def finish(self, seconds: float) -> None:
        """Wait up to `seconds` for looks in flight, then cancel them: another process looks again."""
        if self._running:
            _, late = await asyncio.wait(self._running.values(), timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _round(self) -> None:
        async with self._database.system() as connection:
            if self._required:
                await connection.execute(IN_USE)
                self._required = False
            free = MAX_CONCURRENT - len(self._running)
            due = await lease_store.due(connection, MAX_CONCURRENT * 2) if free > 0 else []
        for payment_id in [one for one in due if one not in self._running][:free]:
            self._start(payment_id)
        await self._survey()

    async def _survey(self) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._surveyed < SURVEY_EVERY:
            return
        async with self._database.system() as connection:
            rows = await connection.fetch(SURVEY)
            held, in_review = (
                await connection.fetchval(HELD),
                await connection.fetchval(IN_REVIEW),
            )
        self._surveyed = now
        found = [(PaymentState(row["state"]), row["number"], row["age"]) for row in rows]
        self._metrics.survey(found, held=held, in_review=in_review)

    def _start(self, payment_id: UUID) -> "asyncio.Task[None]":
        running = self._running.get(payment_id)
        if running is not None:
            return running
        return self._keep(payment_id, self._take_and_look(payment_id))

    def _begin(self, taken: Taken, run: UUID) -> None:
        payment_id = taken[0].id
        if payment_id not in self._running:
            self._keep(payment_id, self._run(taken, run))
        else:
            # A look that began meanwhile may have read too early: another one follows it.
            self._keep(run, self._postpone(payment_id, run, 0.0))

    def _keep(self, key: UUID, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = self._running[key] = background.start(work, "look at a payment")
        task.add_done_callback(lambda _: self._ended(key))
        return task

    def _ended(self, payment_id: UUID) -> None:
        self._running.pop(payment_id, None)
        # It may be due again: an event came meanwhile, or the look has changed its state.
        self._loop.wake()

    async def _take_and_look(self, payment_id: UUID) -> None:
        run = uuid4()
        try:
            async with self._database.system() as connection:
                taken = await lease_store.take(connection, payment_id, run, LEASE)
        except (Failure, TimeoutError) as failure:
            logger.warning("payment %s is looked at later: %s", payment_id, failure)
            return
        if taken is not None:
            await self._run(taken, run)

    async def _run(self, taken: Taken, run: UUID) -> None:
        payment_id = taken[0].id
        try:
            pause = await self._look(*taken)
            if pause == CHANGED:
                return
            async with self._database.system() as connection:
                await lease_store.put_back(
                    connection, payment_id, run, None if pause is None else _seconds(pause)
                )
        except Failure as failure:
            episodes.record(
                f"work on payments fails: {failure.reason}",
                "work on payment %s failed, and is repeated later: %s",
                payment_id,
                failure,
            )
            await self._postpone(payment_id, run, max(failure.retry_after or 0.0, AFTER_FAILURE))
        except Exception:
            logger.exception("work on payment %s failed, and is repeated later", payment_id)
            await self._postpone(payment_id, run, AFTER_ERROR)

    async def _postpone(self, payment_id: UUID, run: UUID, pause: float) -> None:
        try:
            async with self._database.system() as connection:
                await lease_store.put_back(connection, payment_id, run, _seconds(pause))
        except (Failure, TimeoutError) as failure:  # its lease ends in any case
            logger.warning("payment %s keeps its lease: %s", payment_id, failure)

    async def _look(self, payment: Payment, standing: Standing | None) -> float | None:
        if standing is None:
            return await self._top_up(payment) if self._top_up is not None else None
        if standing.status is OrderStatus.FAILED:
            pause = await self._releases.release(payment)
            return await self._holds.end_released(payment) if _may_hold(payment) else pause
        if payment.state is PaymentState.AWAITING and standing.unpaid:
            return await self._observation.look(payment)
        if _may_hold(payment):
            return await self._holds.end_released(payment)
        if payment.state in (PaymentState.AUTHORIZED, PaymentState.PAID):
            return await self._holds.look(payment, standing)
        return None


def _may_hold(payment: Payment) -> bool:
    """Return whether the hold of a payment that was released, or paid in another way, may still stand."""
    released = payment.state is PaymentState.RELEASED and not payment.captured
    return payment.intent_id is not None and (released or paid_manually(payment))


def _seconds(pause: float) -> timedelta:
    return timedelta(seconds=pause)
