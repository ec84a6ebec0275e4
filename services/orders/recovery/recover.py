"""Runs the work on orders in tasks of the service, and resumes orders that were left unfinished."""

import asyncio
import logging
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

from opentelemetry.trace import SpanContext

from kit import background
from kit.auth.caller import act_for
from kit.background import Loop
from kit.db.database import Database
from kit.errors import Failure
from kit.logs.episodes import Episodes
from kit.telemetry import tracing
from kit.telemetry.tracing import SpanScope
from services.orders import store
from services.orders.cancellation.cancel import Cancellation
from services.orders.metrics import Metrics
from services.orders.order import Order, OrderStatus
from services.orders.payment import Payment
from services.orders.purchase.advance import Purchase
from services.orders.recovery import lease_store
from services.orders.work import Pause, Work

logger = logging.getLogger(__name__)
episodes = Episodes(logger)

# Orders that the recovery loop resumes at a time, in addition to those that buyers wait for. The provider's
# rate limit allows no more.
MAX_CONCURRENT = 20
# Seconds until an order is tried again after an unexpected error, so that a bad row can't cause a busy loop.
AFTER_ERROR = 15.0
# Seconds. A longer pause ends the run: the recovery loop of any replica resumes the order.
MAX_SLEEP = 5.0
# Seconds between polls of an order that another process works on, for a caller that waits.
FOLLOW_EVERY = 0.25


@dataclass(frozen=True, slots=True)
class Claim:
    """An order, the run that has its lease, and its payment as it was at the claim, if it was read."""

    order: Order
    run: UUID
    payment: Payment | None = None


class Recovery:
    """Runs every order in its own task, which outlives the caller's deadline and connection.

    A lease in the order's row prevents two runs, also of two processes, from working on one order.
    """

    def __init__(
        self,
        database: Database,
        purchase: Purchase,
        cancellation: Cancellation,
        metrics: Metrics,
        *,
        stop: asyncio.Event,
        lease: timedelta,
        every: float,
    ) -> None:
        self._database = database
        self._purchase = purchase
        self._cancellation = cancellation
        self._stop = stop
        self.lease = lease
        self._every = every
        self._running: dict[UUID, asyncio.Task[Order | None]] = {}
        self._resumed: set[UUID] = set()
        # True at the start, because orders may still wait for a pause that ended while no process ran.
        self._hold_released = True
        self._metrics = metrics

    def wake(self) -> None:
        """Resume all waiting orders soon: calls to the provider succeed again."""
        self._hold_released = True

    async def wait(self, order_id: UUID, seconds: float) -> Order | None:
        """Work on an order, or wait for the process that does, for a limited time.

        The work continues afterwards, also if the caller disconnects. Returns the order, with its cost, if
        its purchase ended in this process, so that the caller need not read it.
        """
        loop = asyncio.get_running_loop()
        ends = loop.time() + seconds
        while True:
            # Unlike wait_for, this does not cancel the task.
            done, _ = await asyncio.wait(
                {self.start(order_id)}, timeout=max(0.0, ends - loop.time())
            )
            if not done or self._stop.is_set():
                return None
            order = done.pop().result()
            if order is not None:
                return order
            async with self._database.system() as connection:
                if not await lease_store.leased(connection, order_id):
                    return None
            await background.sleep(FOLLOW_EVERY, self._stop)

    def begin(self, order: Order, run: UUID, payment: Payment | None = None) -> None:
        """Work on an order whose claim gave its lease to that run; `payment` is that of a paid order."""
        claimed = Claim(order, run, payment)
        running = self._running.get(order.id)
        if running is None:
            self.start(order.id, claimed=claimed)
            return
        # A repeat of the request found the order between its commit and this call, and started a run. It does
        # not have the lease and ends soon. If no other run followed it, the order would wait until the lease
        # ends.
        running.add_done_callback(lambda _: self.start(order.id, claimed=claimed))

    def start(
        self,
        order_id: UUID,
        began: SpanContext | None = None,
        *,
        claimed: Claim | None = None,
    ) -> "asyncio.Task[Order | None]":
        """Work on an order until it is finished or has to wait long; if a run is in flight, return its task.

        Does nothing before the order's next run is due. The task never raises, and returns the order if it
        ended its purchase. Its span belongs to the caller's trace or, without a caller, to a new trace that
        links to the one in which the order `began`. `claimed` is the order with the run that has its lease.
        """
        running = self._running.get(order_id)
        if running is not None:
            return running
        caller = tracing.current_context()

        def span() -> SpanScope:
            attributes = {"esimgo.order.id": str(order_id)}
            if caller is not None:
                return tracing.child_span("work on order", attributes, of=caller)
            return tracing.root_span("work on order", attributes, links=[began])

        # An empty context: the caller's deadline and session must not apply to this work.
        task = asyncio.create_task(self._run(order_id, span, claimed), context=Context())
        self._running[order_id] = task
        task.add_done_callback(lambda _: self._running.pop(order_id, None))
        return task

    def loop(self) -> Loop:
        """Return the loop that resumes orders which were left unfinished."""
        return Loop("resume unfinished orders", self._resume, self._stop, every=self._every)

    async def _resume(self) -> None:
        self._resumed &= self._running.keys()
        free = MAX_CONCURRENT - len(self._resumed)
        await self._bring_forward()
        if free > 0:
            async with self._database.system() as connection:
                due = await lease_store.overdue(connection, free)
            for order_id, began in due:
                self.start(order_id, began)
                self._resumed.add(order_id)

    async def _bring_forward(self) -> None:
        if not self._hold_released:
            return
        # Cleared first, so that a `wake` during the statement causes another one.
        self._hold_released = False
        try:
            async with self._database.system() as connection:
                await lease_store.bring_forward(connection)
        except BaseException:
            self._hold_released = True
            raise

    async def finish(self, seconds: float) -> None:
        """Wait up to `seconds` for work to end or pause, then cancel it: another process resumes it."""
        if not self._running:
            return
        _, late = await asyncio.wait(self._running.values(), timeout=seconds)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _run(
        self,
        order_id: UUID,
        span: Callable[[], SpanScope],
        claimed: Claim | None,
    ) -> Order | None:
        while True:
            try:
                with span():
                    result = await self._advance(order_id, claimed)
            except store.LeaseLostError:
                logger.warning("order %s was taken over by another run", order_id)
                return None
            except Failure as failure:  # the database is unavailable
                episodes.record(
                    "order processing is interrupted",
                    "processing of order %s was interrupted and is retried later: %s",
                    order_id,
                    failure,
                )
                return None
            except Exception:
                logger.exception("processing of order %s failed and is retried later", order_id)
                return None
            if not isinstance(result, Pause):
                return result
            if result.seconds > MAX_SLEEP:
                return None
            claimed = None
            await background.sleep(result.seconds, self._stop)
            if self._stop.is_set():
                return None

    async def _advance(self, order_id: UUID, claimed: Claim | None) -> Pause | Order | None:
        """Run once under the lease, which is taken first unless the run got it with the claim.

        Returns the pause before the next run, the order whose purchase ended, or None if there is nothing
        to do.
        """
        if claimed is None:
            run = uuid4()
            async with self._database.system() as connection:
                order = await lease_store.take_lease(connection, order_id, run, self.lease)
            if order is None:
                return None
            claimed = Claim(order, run)
        order, run = claimed.order, claimed.run
        act_for(order.customer_id)
        tracing.set_attribute("esimgo.order.recovery_point", order.recovery_point.value)
        cancelling = order.status is OrderStatus.COMPLETED
        actor = "cancellation" if cancelling else "purchase"
        work = Work(self._database, order, run, self.lease, actor, self._metrics)
        work.payment = claimed.payment
        pause: Pause | None = Pause(AFTER_ERROR)
        try:
            if cancelling:
                pause = await self._cancellation.advance(work)
            else:
                pause = await self._purchase.advance(work)
        finally:
            if pause is not None:
                again = timedelta(seconds=pause.seconds)
                async with self._database.system() as connection:
                    await lease_store.release(connection, order_id, run, again)
        if pause is not None or cancelling or work.order.status is OrderStatus.PROCESSING:
            return pause
        return work.order
