"""The loop that makes refunds to cards: each is recorded before, and made once whatever happens."""

import asyncio
import logging
from datetime import timedelta
from uuid import UUID, uuid4

from kit.background import Loop
from kit.db.database import Database
from kit.errors import Failure, Kind
from kit.logs.episodes import Episodes
from services.orders.payment import Payment, Refund, RefundReason, RefundState
from services.orders.payments import store
from services.orders.payments.metrics import RefundMetrics
from services.orders.payments.port import PaymentPort, ProviderRefund, ProviderRefundState
from services.orders.payments.refunds import refund_store
from services.orders.payments.refunds.refund import Refunding, locked
from services.orders.payments.start import KEYS_END, Starts
from services.orders.work import growing_pause

logger = logging.getLogger(__name__)
episodes = Episodes(logger)

ACTOR = "refund"
BATCH = 20
MAX_CONCURRENT = 5
# Longer than all calls of one look at the slowest timeout.
LEASE = timedelta(minutes=3)
AFTER_FAILURE, AFTER_ERROR = 10.0, 60.0
# A request that was sent just before its key ended may still have been in flight.
NEVER_MADE = KEYS_END + timedelta(hours=2)
# Seconds between two looks at a refund that is not settled.
FIRST_PAUSE, MAX_PAUSE = 10.0, 6 * 3600.0
# A card's bank may send a refund back for about a month. Usually an event reports it earlier.
LATE_LOOKS = tuple(timedelta(days=days) for days in (1, 3, 7, 14, 31))
SURVEY_EVERY = 15.0
# The only refusal that may be temporary: the shop's balance at the payment provider can be topped up.
TOO_LOW = "PAYMENT_BALANCE_TOO_LOW"


class RefundRuns:
    """Makes refunds, each under a lease in its row, in any number of processes at once."""

    def __init__(
        self,
        database: Database,
        starts: Starts,
        refunding: Refunding,
        metrics: RefundMetrics,
        *,
        stop: asyncio.Event,
        every: float,
    ) -> None:
        self._database = database
        self._starts = starts
        self._refunding = refunding
        self._metrics = metrics
        self._slots = asyncio.Semaphore(MAX_CONCURRENT)
        self._running: dict[UUID, asyncio.Task[None]] = {}
        self._surveyed = float("-inf")
        self._loop = Loop("make refunds", self._round, stop, every=every)

    def loop(self) -> Loop:
        """Return the loop that makes refunds which are due."""
        return self._loop

    def wake(self) -> None:
        """Look for due refunds now."""
        self._loop.wake()

    async def _round(self) -> bool:
        async with self._database.system() as connection:
            due = await refund_store.due(connection, BATCH)
        await asyncio.gather(*(self.run(refund_id) for refund_id in due))
        await self._survey()
        return len(due) == BATCH

    async def _survey(self) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._surveyed < SURVEY_EVERY:
            return
        async with self._database.system() as connection:
            number, oldest = await refund_store.survey(connection)
        self._surveyed = now
        self._metrics.survey(number, oldest)

    async def run(self, refund_id: UUID) -> None:
        """Look at one refund if it is due, or wait for the look that this process already makes.

        A failure of one does not end the others.
        """
        running = self._running.get(refund_id)
        if running is None:
            running = self._running[refund_id] = asyncio.create_task(self._run(refund_id))
            running.add_done_callback(lambda _: self._running.pop(refund_id))
        await running

    async def _run(self, refund_id: UUID) -> None:
        run = uuid4()
        async with self._slots:
            try:
                async with self._database.system() as connection:
                    refund = await refund_store.take(connection, refund_id, run, LEASE)
                if refund is None:
                    return
                pause = await self._look(refund, run)
            except Failure as failure:
                episodes.record(
                    f"refunds are delayed: {failure.reason}",
                    "refund %s is delayed: %s",
                    refund_id,
                    failure,
                )
                pause = max(failure.retry_after or 0.0, AFTER_FAILURE)
            except Exception:
                logger.exception("work on refund %s failed, and is repeated later", refund_id)
                pause = AFTER_ERROR
            await self._put_back(refund_id, run, pause)

    async def _put_back(self, refund_id: UUID, run: UUID, pause: float | None) -> None:
        wait = None if pause is None else timedelta(seconds=pause)
        try:
            async with self._database.system() as connection:
                await refund_store.put_back(connection, refund_id, run, wait)
        except (Failure, TimeoutError) as failure:  # its lease ends in any case
            logger.warning("refund %s keeps its lease: %s", refund_id, failure)

    async def _look(self, refund: Refund, run: UUID) -> float | None:
        """Do the next step of a refund; return the seconds until the next look, None for none."""
        async with self._database.system() as connection:
            payment = await store.get(connection, refund.payment_id)
            if refund.state is RefundState.PLANNED:
                started = await refund_store.start(connection, refund.id, run)
        if payment is None or refund.state is RefundState.FAILED:
            return None
        if refund.state is RefundState.PLANNED:
            if started is None:
                return None  # another run has the lease
            return await self._make(started, payment)
        if refund.state is RefundState.STARTED:
            return await self._find_or_make(refund, payment)
        found = await self._found(refund, payment)
        return await self._apply(refund, found) if found is not None else MAX_PAUSE

    async def _make(self, refund: Refund, payment: Payment) -> float | None:
        """Ask for the refund; whatever is not a clear answer is read from the list of refunds."""
        port = self._port
        try:
            made = await port.refund(
                payment.intent_id or "",
                refund.id,
                refund.amount,
                refund.currency,
                fraudulent=refund.reason is RefundReason.FRAUD_WARNING,
            )
        except Failure as failure:
            if failure.kind not in (Kind.UNCLEAR, Kind.REFUSED):
                raise
            found = await self._found(refund, payment)
            if found is not None:
                return await self._apply(refund, found)
            if failure.kind is Kind.UNCLEAR:
                self._metrics.unclear()
                return FIRST_PAUSE
            if failure.reason == TOO_LOW:
                return await self._wait_for_balance(refund, failure)
            await self._fail(refund, failure.reason)
            return None
        return await self._apply(refund, made)

    async def _wait_for_balance(self, refund: Refund, failure: Failure) -> float:
        """Record that the balance was too low for a refund; return the seconds until it is tried again."""
        episodes.record(
            "refunds wait for the balance at the payment provider",
            "refund %s waits, add to the balance at the payment provider: %s",
            refund.id,
            failure,
            level=logging.ERROR,
        )
        async with self._database.system() as connection:
            await refund_store.record_refusal(connection, refund.id, failure.reason)
        return growing_pause(self._age(refund), FIRST_PAUSE, MAX_PAUSE).seconds

    async def _find_or_make(self, refund: Refund, payment: Payment) -> float | None:
        """Continue a refund whose answer was lost: read first, and repeat only while its key is good."""
        found = await self._found(refund, payment)
        if found is not None:
            return await self._apply(refund, found)
        age = self._age(refund)
        if age < KEYS_END:
            return await self._make(refund, payment)
        if age > NEVER_MADE:
            if refund.failure == TOO_LOW:
                # Surely nothing was made, and the list has no refund either. Stripe has forgotten the key
                # by now.
                return await self._make(refund, payment)
            await self._fail(refund, "NEVER_MADE")
            return None
        return (NEVER_MADE - age).total_seconds() + 1

    async def _found(self, refund: Refund, payment: Payment) -> ProviderRefund | None:
        listed = await self._port.list_refunds(payment.intent_id or "")
        wanted = str(refund.id)
        return next(
            (r for r in listed if r.refund_id == wanted or r.id == refund.provider_id), None
        )

    async def _apply(self, refund: Refund, found: ProviderRefund) -> float | None:
        """Record what the payment provider reports; return the seconds until the next look."""
        if (found.amount, found.currency) != (refund.amount, refund.currency):
            raise ValueError(f"{found.id} is not the refund {refund.id}: it has another amount")
        if found.state is ProviderRefundState.FAILED:
            await self._fail(refund, found.failure or "FAILED", found.id)
            return None
        if refund.state is RefundState.SUCCEEDED:
            return self._late_look(refund)
        if found.state is ProviderRefundState.PENDING:
            if refund.state is RefundState.STARTED:
                async with self._database.system() as connection:
                    await self._refunding.pending(connection, refund, found.id)
            return growing_pause(self._age(refund), FIRST_PAUSE, MAX_PAUSE).seconds
        async with self._database.system() as connection:
            order, _ = await locked(connection, _order_id(refund), refund.payment_id)
            await self._refunding.succeeded(
                connection, refund, order, provider_id=found.id, actor=ACTOR
            )
        return LATE_LOOKS[0].total_seconds()

    async def _fail(self, refund: Refund, why: str, provider_id: str | None = None) -> None:
        async with self._database.system() as connection:
            await locked(connection, _order_id(refund), refund.payment_id)
            await self._refunding.failed(
                connection, refund, failure=why, provider_id=provider_id, actor=ACTOR
            )

    def _age(self, refund: Refund) -> timedelta:
        return self._database.now() - (refund.started_at or refund.created_at)

    def _late_look(self, refund: Refund) -> float | None:
        """Return the seconds until a settled refund is looked at again; None once it can't come back."""
        age = self._database.now() - (refund.settled_at or refund.created_at)
        return next(((late - age).total_seconds() for late in LATE_LOOKS if late > age), None)

    @property
    def _port(self) -> PaymentPort:
        return self._starts.port


def _order_id(refund: Refund) -> UUID:
    if refund.order_id is None:
        raise ValueError(f"refund {refund.id} is no refund of an order")
    return refund.order_id
