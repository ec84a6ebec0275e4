"""Carries out a purchase: place, deliver, complete. Each step is committed separately."""

import asyncio
import logging
import math
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from kit.db.database import Connection, Database
from kit.errors import Failure, Kind
from services.orders import status_reasons
from services.orders.datasource import OrdersDataSource
from services.orders.order import OrderStatus, RecoveryPoint, is_complete
from services.orders.payments.capture import Captures
from services.orders.provider.provider_order import ProviderOrder
from services.orders.purchase import attempt_store, bulk, deliver, refusals
from services.orders.purchase.balances import Balances
from services.orders.purchase.charges import Charges
from services.orders.purchase.complete import complete, message_of
from services.orders.purchase.deliver import Delivery
from services.orders.purchase.prices import CONFIRMED, Prices
from services.orders.purchase.settle import Settlement
from services.orders.purchase.turn import BatchTurn
from services.orders.status_reasons import FailureReason
from services.orders.work import Pause, Work

logger = logging.getLogger(__name__)

# An order fails after this many calls that definitely did not reach the provider. The first pause between two
# of them is in seconds and doubled each time: some 15 s in all, so that a restart of the provider fails no
# purchase. While the circuit breaker is open, a pause lasts until it lets a call through.
MAX_NOT_SENT = 5
FIRST_BACK_OFF = 1.0
# A claim older than this is abandoned, for example after an outage of the service: its buyer has long given
# up waiting. For an order that is paid here, the time begins with the authorization.
CLAIM_LIFETIME = timedelta(hours=1)
# An unpaid order usually gets no lease. This pause is for an unpaid order that a process of an older release
# made due.
UNPAID = Pause(60.0)
# Seconds between attempts to record the provider's answer while the database is unavailable: the answer
# exists only in this process.
RECORD_PAUSES = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0)
# Seconds. If the provider requests a pause of up to this, a call waits for its end in the queue. During a
# longer pause, no attempt is started.
SHORT_HOLD = 2.0
# Seconds until an order is tried again while another call probes whether the provider accepts calls.
AFTER_PROBE = 1.0
# docs/runbooks/payments.md
NOT_PAID = (
    "the order is placed, but its payment was released before the delivery: ask the customer to pay, record"
    " it (`esimgo payments mark-paid ORDER ...`) and resume the order. If it was refunded, or a dispute has"
    " withdrawn it, resolve the order"
)
# Kinds of failure after which certainly nothing was bought. Every other failure counts as unclear.
REFUSALS = frozenset({Kind.REFUSED, Kind.NOT_FOUND, Kind.INVALID})
NOT_SENT = frozenset({Kind.EXHAUSTED, Kind.UNAVAILABLE})


class Purchase:
    """Advances orders from their recovery point."""

    def __init__(
        self,
        database: Database,
        datasource: OrdersDataSource,
        delivery: Delivery,
        settlement: Settlement,
        prices: Prices,
        charged: Charges,
        captures: Captures,
        turn: BatchTurn,
        balances: Balances,
    ) -> None:
        self._database = database
        self._datasource = datasource
        self._delivery = delivery
        self._settlement = settlement
        self._prices = prices
        self._charges = charged
        self._captures = captures
        self._turn = turn
        self._balances = balances

    async def advance(self, work: Work) -> Pause | None:
        """Advance until the order is finished (None) or has to wait.

        After any exception, the order resumes from its last committed step.
        """
        while work.order.status is OrderStatus.PROCESSING:
            match work.order.recovery_point:
                case RecoveryPoint.AWAITING_PAYMENT:
                    return UNPAID
                case RecoveryPoint.CLAIMED:
                    pause = await self._place(work)
                case RecoveryPoint.ATTEMPTED:
                    pause = await self._settlement.settle(work)
                case RecoveryPoint.PLACED:
                    pause = await self._deliver(work)
                case RecoveryPoint.REGISTERED:
                    pause = await self._complete(work)
            if pause is not None:
                return pause
        return None

    async def _deliver(self, work: Work) -> Pause | None:
        """Deliver a placed order, unless its customer's payment was released meanwhile."""
        if work.order.has_payment and await self._captures.authorized_at(work) is None:
            await deliver.send_to_review(work, NOT_PAID)
            return None
        return await self._delivery.deliver(work)

    async def _place(self, work: Work) -> Pause | None:
        if not await self._stands(work):
            return None
        pause = await bulk.wait(work, self._turn)
        if pause is not None or _ended(work):
            return pause
        confirmed = await self._prices.confirm(work)
        if isinstance(confirmed, Pause):
            return confirmed
        if _ended(work):
            return None
        held = self._datasource.held
        if held > SHORT_HOLD:
            await work.explain(status_reasons.MESSAGE_HELD)
            return Pause(AFTER_PROBE if held == math.inf else held)
        async with self._database.system() as connection:
            if work.order.in_batch and not await self._turn.take(connection, work.order.id):
                return bulk.NOT_YET
            attempt = await attempt_store.start(connection, work.order)
            await work.step(
                "asking the provider",
                connection,
                after=[CONFIRMED] if confirmed else [],
                also=confirmed.expected(work.order.quantity) if confirmed else None,
                point=RecoveryPoint.ATTEMPTED,
            )
        try:
            answer = await self._datasource.create_order(
                work.order.bundle_name,
                work.order.quantity,
                work.order.target_iccid,
                allow_reassign=work.order.needs_new_esim,
                priority=work.priority,
            )
        except Failure as failure:
            return await self._not_placed(work, attempt, failure)
        finally:
            if work.order.in_batch:
                await self._turn.pass_on(work.order.id)
        await self._record_placed(work, attempt, answer)
        return None

    async def _stands(self, work: Work) -> bool:
        """Fail an order that isn't paid any more, or was claimed too long ago; return if it may be bought."""
        since: datetime | None = work.order.created_at
        if work.order.has_payment:
            since = await self._captures.authorized_at(work)
        if since is None:
            await work.step(
                "payment expired",
                status=OrderStatus.FAILED,
                reason=status_reasons.MESSAGE_UNPAID,
                failure=FailureReason.PAYMENT_EXPIRED,
            )
        elif self._database.now() - since > (
            bulk.CLAIM_LIFETIME if work.order.in_batch else CLAIM_LIFETIME
        ):
            await work.step(
                "given up: claimed too long ago",
                status=OrderStatus.FAILED,
                reason=status_reasons.MESSAGE_NOT_REACHED,
                failure=FailureReason.PROVIDER_UNREACHABLE,
            )
        return work.order.status is OrderStatus.PROCESSING

    async def _not_placed(self, work: Work, attempt: UUID, failure: Failure) -> Pause | None:
        detail = failure.summary
        async with self._database.system() as connection:
            if failure.kind in REFUSALS:
                why = refusals.reason_of(failure, for_esim=work.order.target_iccid is not None)
                await attempt_store.end(connection, attempt, "REFUSED")
                work.metrics.attempted("REFUSED")
                if work.order.in_batch and why is FailureReason.INSUFFICIENT_BALANCE:
                    return await bulk.wait_for_balance(work, connection, detail)
                await work.step(
                    "refused by the provider",
                    status=OrderStatus.FAILED,
                    reason=status_reasons.REFUSED_MESSAGES[why],
                    detail=detail,
                    failure=why,
                    connection=connection,
                )
                return None
            if failure.kind not in NOT_SENT:
                await attempt_store.end(connection, attempt, "UNCLEAR")
                work.metrics.attempted("UNCLEAR")
                await work.step(
                    "outcome unclear",
                    reason=status_reasons.MESSAGE_UNCLEAR,
                    detail=detail,
                    connection=connection,
                )
                return None
            await attempt_store.end(connection, attempt, "NOT_SENT")
            work.metrics.attempted("NOT_SENT")
            tried = (await attempt_store.counts(connection, work.order.id))["NOT_SENT"]
            if tried >= MAX_NOT_SENT and not work.order.in_batch:
                await work.step(
                    "given up: the provider took no order",
                    status=OrderStatus.FAILED,
                    reason=status_reasons.MESSAGE_NOT_REACHED,
                    detail=detail,
                    failure=FailureReason.PROVIDER_UNREACHABLE,
                    connection=connection,
                )
                return None
            await work.step(
                "not sent",
                point=RecoveryPoint.CLAIMED,
                reason=status_reasons.MESSAGE_HELD
                if (failure.retry_after or 0.0) > SHORT_HOLD
                else status_reasons.MESSAGE_WAITING,
                detail=detail,
                connection=connection,
            )
            back_off = FIRST_BACK_OFF * 2 ** (min(tried, MAX_NOT_SENT) - 1)
            return Pause(max(failure.retry_after or 0.0, back_off))

    async def _record_placed(self, work: Work, attempt: UUID, answer: ProviderOrder) -> None:
        """Record the provider's answer, with retries: until then only this process knows of it."""
        for pause in (*RECORD_PAUSES, None):
            placed = replace(work)
            try:
                async with self._database.system() as connection:
                    if not await attempt_store.end_placed(
                        connection, attempt, answer.reference, answer.source_address
                    ):
                        await deliver.send_to_review(
                            placed,
                            f"{answer.reference} already belongs to another order",
                            connection,
                        )
                    else:
                        await self._write_placed(connection, placed, answer)
            except (Failure, TimeoutError):
                logger.exception(
                    "order %s was placed at the provider as %s, but recording it failed",
                    work.order.id,
                    answer.reference,
                )
                if pause is None:
                    raise
                await asyncio.sleep(pause)
            else:
                work.order, work.delivered, work.payment = (
                    placed.order,
                    placed.delivered,
                    placed.payment,
                )
                work.metrics.attempted("PLACED")
                if answer.balance is not None:
                    self._balances.report(answer.balance)
                return

    async def _write_placed(
        self, connection: Connection, work: Work, answer: ProviderOrder
    ) -> None:
        message = status_reasons.MESSAGE_DELIVERY
        if is_complete(work.order, answer.esims):
            await deliver.record(connection, work.order, answer.esims)
            work.delivered = answer.esims
            message = ""
        if work.order.has_payment:
            await self._captures.read(connection, work)
        charge = self._charges.judge(work.order, answer)
        await work.step(
            "placed",
            connection,
            after=charge.steps,
            also=charge.placed,
            point=RecoveryPoint.PLACED,
            reason=message,
            detail=charge.detail,
        )

    async def _complete(self, work: Work) -> Pause | None:
        if work.order.has_payment:
            return await self._captures.complete(work, message_of(work.order))
        await complete(work)
        return None


def _ended(work: Work) -> bool:
    return work.order.status is not OrderStatus.PROCESSING
