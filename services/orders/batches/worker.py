"""Buys batches: claims one planned order after the other, each as an ordinary order."""

import asyncio
import logging
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

from kit.auth.sessions import Role, Session
from kit.background import Loop
from kit.db.database import Database
from kit.errors import Failure, Kind
from kit.logs.episodes import Episodes
from services.orders.batches import change, read_store, store, worker_store
from services.orders.batches.batch import ErrorPolicy, Waiting
from services.orders.batches.members import FROM_WALLET
from services.orders.batches.metrics import BatchMetrics
from services.orders.batches.worker_store import Next, Situation
from services.orders.budgets import reserve as budgets
from services.orders.failures import BalanceTooLowError
from services.orders.order import OrderRequest
from services.orders.purchase.claim import Claims

logger = logging.getLogger(__name__)
episodes = Episodes(logger)

# Maximum number of due batches that are leased at once.
MAX_BATCHES = 20
# A claim calls the catalogue and perhaps the provider; another process takes over after this time.
LEASE = timedelta(minutes=2)
# Orders of one batch that may wait for their turn at the provider, so that one which can't be placed at the
# moment doesn't keep the others back.
MAX_UNPLACED = 3
# Seconds until a batch is checked again: while its orders are in progress, and while it waits for a balance,
# the end of a suspension, or a limit. Changes of orders, and higher balances at the provider, make it due
# earlier.
IN_WORK = 1.0
RARELY = 15.0
# Seconds until a planned order is tried again after an unexpected error, and how often. A row that causes one
# must not keep the others back.
POSTPONED = 15.0
MAX_TRIES = 5
# How long other planned orders go first after a failure of the kinds in PASSING.
PUT_OFF = timedelta(seconds=POSTPONED)
# Kinds of failure that say nothing about the order: it is tried again.
PASSING = frozenset({Kind.UNAVAILABLE, Kind.EXHAUSTED, Kind.DEADLINE, Kind.UNCLEAR})
# Kinds of failure that say nothing about the order either, but may last: it is tried some times.
FAULTS = frozenset({Kind.INTERNAL, Kind.UNAUTHENTICATED})
TOO_LOW = frozenset({"WALLET_TOO_LOW", "CREDIT_EXCEEDED", "CREDIT_LIMIT_EXCEEDED"})
LIMIT = "PURCHASE_LIMIT_"
NOT_UNDERSTOOD = (
    "This row could not be bought because of an error of the shop. Nothing was charged; retry the batch, or"
    " ask the shop"
)


@dataclass(frozen=True, slots=True)
class Pause:
    """When to look at a batch again, in seconds, and what it waits for."""

    seconds: float
    waiting: Waiting = Waiting.NOTHING


AT_ONCE = Pause(0.0)


class BatchWorker:
    """Works on batches under leases, so that each has one worker of all processes.

    `key` is the service role key, with which peers are called.
    """

    def __init__(
        self,
        database: Database,
        claims: Claims,
        metrics: BatchMetrics,
        key: str,
        *,
        stop: asyncio.Event,
        every: float,
    ) -> None:
        self._database = database
        self._claims = claims
        self._metrics = metrics
        self._session = Session(Role.SERVICE, None, {"role": "service_role"}, key, None)
        self._loop = Loop("buy batches", self._round, stop, every=every)

    def loop(self) -> Loop:
        return self._loop

    def wake(self) -> None:
        """Look for due batches now."""
        self._loop.wake()

    async def _round(self) -> bool:
        run = uuid4()
        async with self._database.system() as connection:
            due = await worker_store.take_due(connection, run, LEASE, MAX_BATCHES)
            self._metrics.survey(*await worker_store.survey(connection))
        await asyncio.gather(*(self._work(batch_id, run) for batch_id in due))
        return len(due) == MAX_BATCHES

    async def _work(self, batch_id: UUID, run: UUID) -> None:
        """Do the next step of a batch; an error concerns this batch only, which is tried again."""
        pause: Pause | None = Pause(POSTPONED)
        try:
            pause = await self._step(batch_id, run)
        except Failure as failure:
            episodes.record("batches wait", "batch %s waits: %s", batch_id, failure)
        except Exception:
            logger.exception("batch %s failed and is tried again", batch_id)
        finally:
            if pause is not None:
                again = timedelta(seconds=pause.seconds)
                async with self._database.system() as connection:
                    await worker_store.release(connection, batch_id, run, again, pause.waiting)

    async def _step(self, batch_id: UUID, run: UUID) -> Pause | None:
        """Advance a batch; return when to look again, None once it is finished."""
        async with self._database.system() as connection:
            found = await worker_store.look(connection, batch_id)
            if found is None:
                raise LookupError(f"no batch {batch_id}")
            stopped = found.failed and found.policy == ErrorPolicy.STOP_ON_FAILURE
            if found.pending and (found.cancelled or stopped):
                await change.stop(connection, batch_id)
                return AT_ONCE
        if not found.pending and not found.unfinished:
            return await self._finish(batch_id, run)
        if found.for_balance:
            return Pause(IN_WORK, Waiting.BALANCE)
        if found.next is None or _keeps_back(found):
            return Pause(IN_WORK)
        if found.suspended:
            return Pause(RARELY, Waiting.SUSPENDED)
        return await self._claim(batch_id, found, found.next)

    async def _finish(self, batch_id: UUID, run: UUID) -> Pause | None:
        """Record the end of a batch, unless a retry has come first."""
        async with self._database.system() as connection:
            await store.lock(connection, batch_id)
            batch = await read_store.get(connection, batch_id)
            if batch is None:
                raise LookupError(f"no batch {batch_id}")
            [batch] = await read_store.counted(connection, [batch])
            if not batch.finished:
                return AT_ONCE
            await worker_store.finish(connection, batch_id, run, batch.status)
        self._metrics.finished(batch.status)
        counts = batch.counts
        logger.info(
            "batch %s is %s: %d rows delivered, %d failed, %d cancelled",
            *(batch_id, batch.status, counts.delivered, counts.failed, counts.cancelled),
        )
        return None

    async def _claim(self, batch_id: UUID, found: Situation, planned: Next) -> Pause:
        """Claim the next planned order. A permanent refusal fails its rows, and no others."""
        try:
            await self._claims.claim(self._session, _request(batch_id, found, planned))
        except Failure as failure:
            if failure.kind in FAULTS or failure.reason == "BILLING_CHANGED":
                await self._postpone(planned)
                return AT_ONCE
            pause = _pause(failure)
            if failure.kind in PASSING:
                # The failure may concern only this order, such as an eSIM that the provider can't read. So
                # others go first.
                async with self._database.system() as connection:
                    await worker_store.put_off(connection, planned.id, PUT_OFF)
            if pause is not None:
                return pause
            await self._refuse(planned.id, failure.reason, failure.message)
        except Exception:
            logger.exception("order %d of batch %s can't be claimed", planned.n, batch_id)
            await self._postpone(planned)
        else:
            self._metrics.order("claimed")
        return AT_ONCE

    async def _refuse(self, planned: UUID, code: str, message: str) -> None:
        async with self._database.system() as connection:
            if await worker_store.refuse(connection, planned, code, message):
                await budgets.release(connection, planned)
        self._metrics.order("refused")

    async def _postpone(self, planned: Next) -> None:
        if planned.tries + 1 >= MAX_TRIES:
            await self._refuse(planned.id, "INTERNAL", NOT_UNDERSTOOD)
            return
        async with self._database.system() as connection:
            await worker_store.postpone(connection, planned.id, timedelta(seconds=POSTPONED))
        self._metrics.order("postponed")


def _keeps_back(found: Situation) -> bool:
    """Return whether the next order may only be claimed once orders in progress have advanced."""
    if found.policy == ErrorPolicy.STOP_ON_FAILURE:
        return found.unfinished > 0
    return found.unplaced >= MAX_UNPLACED


def _request(batch_id: UUID, found: Situation, planned: Next) -> OrderRequest:
    return OrderRequest(
        customer_id=found.customer_id,
        plan_id=planned.plan_id,
        quantity=planned.quantity,
        customer_reference=planned.reference,
        auto_activate=False,
        idempotency_key=f"batch:{batch_id}:{planned.n}",
        esim_id=planned.esim_id,
        currency=found.currency,
        payment=FROM_WALLET if found.organization_id is None else None,
        organization_id=found.organization_id,
        group_id=found.group_id,
        most=planned.amount,
        reservation=planned.id,
    )


def _pause(failure: Failure) -> Pause | None:
    """Return how long to wait before the same claim is tried again; None if it will never succeed."""
    if failure.kind in PASSING:
        return Pause(min(max(failure.retry_after or 0.0, IN_WORK), RARELY))
    if isinstance(failure, BalanceTooLowError) or failure.reason in TOO_LOW:
        return Pause(RARELY, Waiting.BALANCE)
    if failure.reason == "ORGANIZATION_SUSPENDED":
        return Pause(RARELY, Waiting.SUSPENDED)
    if failure.reason.startswith(LIMIT) and failure.retry_after is not None:
        return Pause(min(failure.retry_after, RARELY), Waiting.LIMIT)
    if failure.reason == "BATCH_CANCELLED":
        return AT_ONCE
    return None
